/* SPDX-License-Identifier: MIT */
/*
 * monitor.c - a small daemon that can be looked at: one call turns it on.
 *
 *     monitor [SECONDS [SOCKET]]
 *
 * Keeps 40,000 values and replaces them at random; with zstop (or nc -U) one
 * sees its memory, and how the compactor works. Without a socket's path zstop
 * finds it. Ends after so many seconds (2), or by SIGTERM or SIGINT.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <zspool/compactor.h>
#include <zspool/monitor.h>
#include <zspool/pool.h>

#define N_VALUES 40000u
#define MAX_BYTES 2000u

static volatile sig_atomic_t is_over;
static struct zs_pool *pool;
static zs_handle_t values[N_VALUES]; /* raw 0: none */

static void end(int signal)
{
    (void)signal;
    is_over = 1;
}

static void drop(unsigned i)
{
    if (values[i].raw != 0) {
        zs_free(pool, values[i]);
        values[i].raw = 0;
    }
}

/* A value goes, another one comes; of some only the first half of the time, so
 * that the load grows and shrinks. */
static int replace_one(uint64_t random, bool is_high)
{
    static char bytes[MAX_BYTES];
    unsigned i = (unsigned)(random >> 33) % N_VALUES;
    size_t len = 20 + (size_t)(random >> 20) % (MAX_BYTES - 20);

    drop(i);
    return is_high || i % 3 == 0 ? zs_obj_create(pool, bytes, len, &values[i])
                                 : 0;
}

static int work(time_t seconds)
{
    const struct timespec moment = { .tv_nsec = 1000000 };
    time_t begin = time(NULL);
    uint64_t random = 1;
    int err = 0;

    while (!err && !is_over && time(NULL) - begin < seconds) {
        bool is_high = (time(NULL) - begin) % 20 < 10;

        for (unsigned i = 0; i < 50 && !err; i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            err = replace_one(random, is_high);
        }
        nanosleep(&moment, NULL);
    }
    for (unsigned i = 0; i < N_VALUES; i++) {
        drop(i);
    }
    return err;
}

/* The compactor and the monitor around the work. */
static int run(time_t seconds, const char *path)
{
    struct zs_monitor_config cfg = { .path = path,
                                     .arena = zs_pool_arena(pool) };
    struct zs_monitor *monitor = NULL;
    int err = zs_compactor_start(cfg.arena, NULL, &cfg.compactor);

    if (!err) {
        err = zs_monitor_start(&cfg, &monitor);
    }
    if (!err) {
        printf("look at it: zstop %s\n", zs_monitor_path(monitor));
        fflush(stdout);
        err = work(seconds);
    }
    zs_monitor_stop(monitor); /* both allow NULL */
    zs_compactor_stop(cfg.compactor);
    return err;
}

int main(int argc, char **argv)
{
    const struct zs_pool_config cfg = {
        .name = "values", .private_arena = { .name = "example" }
    };
    int err = zs_pool_create(&cfg, &pool);

    signal(SIGINT, end);
    signal(SIGTERM, end);
    if (!err) {
        err = run(argc > 1 ? atoi(argv[1]) : 2, argc > 2 ? argv[2] : NULL);
        zs_pool_destroy(pool);
    }
    if (err) {
        fprintf(stderr, "monitor: %s\n", strerror(-err));
    }
    return err != 0;
}
