/* SPDX-License-Identifier: MIT */
/*
 * bench_idle - what a compactor costs when there is nothing to do, and when
 * pins keep it from doing anything.
 *
 *     bench_idle [MIB [SECONDS]]        default 64 20
 *
 * 1 idle: MIB of objects live, nothing was ever freed; the compactor runs at
 *   its defaults; after 2 s to settle its CPU is counted for SECONDS.
 * 2 pinned: 60 % of the objects are freed at random, one of those left is
 *   pinned in every pageblock; 2 s to settle, CPU for SECONDS.
 * 3 unpinned: all pins end; how long until footprint is within 10 % of live,
 *   at most twice SECONDS.
 *
 * CPU: of the process less the main thread's, in percent of the time. The
 * footprint is zs_arena_stats(); live is the sizes that were asked for.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "random.h"
#include "zspool/compactor.h"
#include "zspool/pool.h"
#include "zspool/stats.h"

#define MIB 1048576.0
#define MIN_OBJECT 64u
#define MAX_OBJECT 4000u
#define FREED_PERCENT 60u
#define SETTLE_SECONDS 2
#define NEAR 1.1
#define PINS_PER_MIB 4u /* there are fewer pageblocks than that */

struct object {
    zs_handle_t h;
    uint32_t size;
};

static uint64_t rng = 88172645463325252u;
static struct zs_pool *pool;
static struct object *objects;
static size_t n_objects;
static uint64_t live_bytes;
static struct zs_pin *pins;
static size_t n_pins, max_pins;

static void fail(const char *what)
{
    fprintf(stderr, "bench_idle: %s\n", what);
    exit(1);
}

static double seconds_of(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double others_cpu(void)
{
    return seconds_of(CLOCK_PROCESS_CPUTIME_ID) -
           seconds_of(CLOCK_THREAD_CPUTIME_ID);
}

static void rest(double seconds)
{
    time_t whole = (time_t)seconds;
    const struct timespec t = { whole,
                                (long)((seconds - (double)whole) * 1e9) };

    nanosleep(&t, NULL);
}

static double footprint(void)
{
    struct zs_arena_stats stats;

    zs_arena_stats(zs_pool_arena(pool), &stats);
    return (double)stats.footprint_bytes;
}

static void fill(uint64_t bytes)
{
    static const char data[MAX_OBJECT];

    objects = calloc((size_t)(bytes / MIN_OBJECT) + 1, sizeof(objects[0]));
    if (objects == NULL || zs_pool_create(NULL, &pool) != 0) {
        fail("no memory");
    }
    while (live_bytes < bytes) {
        struct object *o = &objects[n_objects++];

        o->size = MIN_OBJECT + random_below(&rng, MAX_OBJECT - MIN_OBJECT + 1);
        if (zs_obj_create(pool, data, o->size, &o->h) != 0) {
            fail("no memory for an object");
        }
        live_bytes += o->size;
    }
}

static void free_some(void)
{
    size_t kept = 0;

    for (size_t i = 0; i < n_objects; i++) {
        if (random_below(&rng, 100) < FREED_PERCENT) {
            zs_free(pool, objects[i].h);
            live_bytes -= objects[i].size;
        } else {
            objects[kept++] = objects[i];
        }
    }
    n_objects = kept;
}

static uintptr_t block_of(const struct zs_view *view)
{
    return (uintptr_t)view->part[0].iov_base / ZS_BLOCK_BYTES;
}

static bool has_pin(uintptr_t block)
{
    for (size_t i = 0; i < n_pins; i++) {
        if (block_of(&pins[i].view) == block) {
            return true;
        }
    }
    return false;
}

/* One in every stretch of 2 MiB: an arena begins at a multiple of that. */
static void pin_some(void)
{
    for (size_t i = 0; i < n_objects && n_pins < max_pins; i++) {
        struct zs_view view;

        zs_obj_view_begin(pool, &objects[i].h, 1, &view);
        zs_obj_read_end(pool);
        if (!has_pin(block_of(&view))) {
            zs_pin(pool, objects[i].h, "bench_idle", &pins[n_pins++]);
        }
    }
}

static void unpin_all(void)
{
    while (n_pins > 0) {
        zs_unpin(pool, &pins[--n_pins]);
    }
}

static struct zs_compactor *start(void)
{
    struct zs_compactor *c;

    if (zs_compactor_start(zs_pool_arena(pool), NULL, &c) != 0) {
        fail("the compactor does not start");
    }
    return c;
}

static void say(const char *what)
{
    printf("%-22s live %7.1f MiB, footprint %7.1f MiB, ratio %.3f\n", what,
           (double)live_bytes / MIB, footprint() / MIB,
           footprint() / (double)live_bytes);
    fflush(stdout);
}

static void count_cpu(const char *what, double seconds)
{
    double cpu, wall;

    rest(SETTLE_SECONDS);
    cpu = others_cpu();
    wall = seconds_of(CLOCK_MONOTONIC);
    rest(seconds);
    cpu = others_cpu() - cpu;
    wall = seconds_of(CLOCK_MONOTONIC) - wall;
    printf("%-22s %.4f %% of a core (%.2f ms in %.1f s)\n", what,
           cpu / wall * 100, cpu * 1e3, wall);
    say("");
}

static void wait_until_near(double most)
{
    double begin = seconds_of(CLOCK_MONOTONIC), waited = 0;

    while (waited < most && footprint() > NEAR * (double)live_bytes) {
        rest(0.05);
        waited = seconds_of(CLOCK_MONOTONIC) - begin;
    }
    if (waited < most) {
        printf("%-22s within 10 %% of live after %.2f s\n", "unpinned", waited);
    } else {
        printf("%-22s not within 10 %% of live in %.0f s\n", "unpinned", most);
    }
    say("");
}

int main(int argc, char **argv)
{
    unsigned long mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 64;
    unsigned long seconds = argc > 2 ? strtoul(argv[2], NULL, 10) : 20;
    struct zs_compactor *compactor;

    if (mib == 0 || mib > 65536 || seconds == 0 || argc > 3) {
        fprintf(stderr, "Usage: bench_idle [MIB [SECONDS]]\n");
        return 2;
    }
    max_pins = mib * PINS_PER_MIB;
    pins = calloc(max_pins, sizeof(pins[0]));
    fill((uint64_t)mib << 20);
    compactor = start();
    count_cpu("idle", (double)seconds);
    zs_compactor_stop(compactor);

    free_some();
    pin_some();
    printf("\n%zu pins, one in every pageblock\n", n_pins);
    say("before the compactor");
    compactor = start();
    count_cpu("pinned", (double)seconds);
    unpin_all();
    printf("\n");
    wait_until_near((double)seconds * 2);
    zs_compactor_stop(compactor);
    zs_pool_destroy(pool);
    free(pins);
    free(objects);
    return 0;
}
