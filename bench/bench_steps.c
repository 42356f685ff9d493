/* SPDX-License-Identifier: MIT */
/*
 * bench_steps - what a thread that reads and writes at full speed notices of a
 * compactor thread.
 *
 *     bench_steps [MIB [SECONDS [SHARE]]]     default 256 2 0
 *
 * Two pools of MIB of objects, of 64 to 512 bytes; one has a compactor at its
 * defaults, or, with SHARE, one whose share is never above SHARE percent of a
 * processor. In turn, for SECONDS each, the thread reads all bytes of random
 * objects of one pool, and frees and makes others of sizes that drift, so that
 * there is always something to gain. Reported, as medians over the turns:
 * operations a second, and how long single reads and writes took; and of all
 * turns together the lengths of the compactor's steps, and its processor time.
 */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "histogram.h"
#include "random.h"
#include "zspool/compactor.h"
#include "zspool/pool.h"
#include "zspool/stats.h"

#define MIN_BYTES 64u
#define MAX_BYTES 512u
#define N_TURNS 5u
#define BATCH 256u /* operations between two looks at the turn's end */

struct load {
    struct zs_pool *pool;
    size_t n;
    zs_handle_t *objects;
    uint16_t *sizes;
    uint64_t rng, made;
};

struct turn {
    double per_second;
    double read_ns, write_ns; /* p99.9 */
};

static const char some_bytes[MAX_BYTES] = "written";

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Sizes wander over the range, a quarter of it wide. */
static uint16_t next_size(struct load *l)
{
    const uint32_t range = MAX_BYTES - MIN_BYTES;
    uint32_t from = (uint32_t)(l->made++ / l->n * (range / 16));

    return (uint16_t)(MIN_BYTES +
                      (from + random_below(&l->rng, range / 4)) % range);
}

static void make(struct load *l, size_t i)
{
    l->sizes[i] = next_size(l);
    if (zs_obj_create(l->pool, some_bytes, l->sizes[i], &l->objects[i]) != 0) {
        abort();
    }
}

static void fill(struct load *l, size_t mib)
{
    l->n = (mib << 20) / ((MIN_BYTES + MAX_BYTES) / 2);
    l->objects = calloc(l->n, sizeof(*l->objects));
    l->sizes = calloc(l->n, sizeof(*l->sizes));
    l->rng = 42;
    if (!l->objects || !l->sizes || zs_pool_create(NULL, &l->pool) != 0) {
        abort();
    }
    for (size_t i = 0; i < l->n; i++) {
        make(l, i);
    }
}

static uint64_t read_one(struct load *l)
{
    size_t i = random_below(&l->rng, (uint32_t)l->n);
    char local[ZS_LOCAL_COPY_BYTES];
    const unsigned char *p = zs_obj_read_begin(l->pool, l->objects[i], local);
    uint64_t sum = 0;

    for (uint32_t b = 0; b < l->sizes[i]; b++) {
        sum += p[b];
    }
    zs_obj_read_end(l->pool);
    return sum;
}

static void write_one(struct load *l)
{
    size_t i = random_below(&l->rng, (uint32_t)l->n);

    zs_free(l->pool, l->objects[i]);
    make(l, i);
}

static double p999(const struct zs_histogram *h)
{
    static struct zs_histogram_figures f;

    zs_histogram_read(h, &f);
    return (double)zs_histogram_percentile(&f, 99.9);
}

static struct turn take_turn(struct load *l, double seconds)
{
    struct zs_histogram *reads = calloc(2, sizeof(*reads));
    uint64_t begin = now_ns();
    uint64_t end = begin + (uint64_t)(seconds * 1e9);
    uint64_t n = 0, sum = 0;
    struct turn turn;

    if (!reads) {
        abort();
    }
    while (now_ns() < end) {
        for (unsigned i = 0; i < BATCH; i++, n++) {
            uint64_t at = now_ns(), then;

            sum += read_one(l);
            then = now_ns();
            zs_histogram_add(&reads[0], then - at);
            write_one(l);
            zs_histogram_add(&reads[1], now_ns() - then);
        }
    }
    turn = (struct turn){
        .per_second = (double)n * 1e9 / (double)(now_ns() - begin),
        .read_ns = p999(&reads[0]),
        .write_ns = p999(&reads[1]) + (sum == 1 ? 1 : 0),
    };
    free(reads);
    return turn;
}

static int compare(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;

    return (*x > *y) - (*x < *y);
}

/* Median of a field of the turns, `at` bytes into each. */
static double median(const struct turn *turns, size_t at)
{
    double v[N_TURNS];

    for (unsigned i = 0; i < N_TURNS; i++) {
        v[i] = *(const double *)((const char *)&turns[i] + at);
    }
    qsort(v, N_TURNS, sizeof(v[0]), compare);
    return v[N_TURNS / 2];
}

static void print_row(const char *name, const struct turn *with,
                      const struct turn *without, size_t at)
{
    double a = median(with, at), b = median(without, at);

    printf("%-22s %12.0f %12.0f %8.3f\n", name, a, b, a / b);
}

static void print_steps(const char *name, const struct zs_histogram_figures *f)
{
    printf("%-22s n %llu, p50 %.1f us, p99 %.1f, p99.9 %.1f, p99.99 %.1f, "
           "max %.1f\n",
           name, (unsigned long long)f->n,
           (double)zs_histogram_percentile(f, 50) / 1e3,
           (double)zs_histogram_percentile(f, 99) / 1e3,
           (double)zs_histogram_percentile(f, 99.9) / 1e3,
           (double)zs_histogram_percentile(f, 99.99) / 1e3,
           (double)f->max / 1e3);
}

static void print_compactor(struct zs_compactor *c, struct zs_arena *a,
                            double seconds)
{
    static struct zs_arena_histograms h;
    struct zs_compactor_stats s;
    struct zs_compact_stats moved;

    zs_arena_histograms(a, &h);
    print_steps("steps", &h.step);
    print_steps("steps, switched away", &h.step_switched);
    zs_compact_stats(a, &moved);
    if (zs_compactor_stats(c, a, &s) == 0) {
        printf("%-22s %.2f %% of a processor, %llu passes, %llu MiB moved\n",
               "compactor", (double)s.cpu_ns / 1e7 / seconds,
               (unsigned long long)s.passes,
               (unsigned long long)moved.bytes_moved >> 20);
    }
}

int main(int argc, char **argv)
{
    size_t mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 256;
    double seconds = argc > 2 ? strtod(argv[2], NULL) : 2;
    unsigned share = argc > 3 ? (unsigned)strtoul(argv[3], NULL, 10) : 0;
    struct zs_compactor_config cfg = { .budget.max_share_percent = share };
    struct load with = { 0 }, without = { 0 };
    struct turn a[N_TURNS], b[N_TURNS];
    struct zs_compactor *c;
    uint64_t begin;

    fill(&with, mib);
    fill(&without, mib);
    if (zs_compactor_start(zs_pool_arena(with.pool), &cfg, &c) != 0) {
        return 1;
    }
    begin = now_ns();
    for (unsigned i = 0; i < N_TURNS; i++) {
        a[i] = take_turn(&with, seconds);
        b[i] = take_turn(&without, seconds);
    }
    printf("%-22s %12s %12s %8s\n", "", "compactor", "none", "ratio");
    print_row("operations a second", a, b, offsetof(struct turn, per_second));
    print_row("read p99.9 ns", a, b, offsetof(struct turn, read_ns));
    print_row("write p99.9 ns", a, b, offsetof(struct turn, write_ns));
    print_compactor(c, zs_pool_arena(with.pool),
                    (double)(now_ns() - begin) / 1e9);
    zs_compactor_stop(c);
    zs_pool_destroy(with.pool);
    zs_pool_destroy(without.pool);
    return 0;
}
