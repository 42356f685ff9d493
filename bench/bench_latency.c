/* SPDX-License-Identifier: MIT */
/*
 * bench_latency - how long single reads take beside a compaction.
 *
 * One thread reads random objects and times each read. Another one makes and
 * frees objects all the time; in every other window of time it also compacts,
 * each time when two thirds of its objects are gone. A window with compaction
 * and its neighbour without make a pair, on one pool in one run; reported are
 * medians over the windows, and the median of the pairs' ratios with its ends.
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "bm.h"
#include "random.h"
#include "zspool/compactor.h"
#include "zspool/pool.h"

#define N_READ 100000u  /* objects that are read */
#define N_OTHER 100000u /* objects that come and go */
#define MIN_BYTES 64u
#define MAX_BYTES 512u
#define BATCH 1000u /* reads between two looks at the clock's window */
#define N_PAIRS 7u
#define MAX_NS 100000u /* of the histogram; what takes longer is its last */

struct other {
    struct zs_pool *pool;
    _Atomic bool compacts, end;
    _Atomic uint64_t passes, moved_bytes; /* of the compactions */
    zs_handle_t objects[N_OTHER];
};

static const char some_bytes[MAX_BYTES] = "written";

static uint32_t size_at(uint32_t i)
{
    return MIN_BYTES + (i * 2654435761u >> 16) % (MAX_BYTES - MIN_BYTES + 1);
}

static zs_handle_t make(struct zs_pool *pool, uint32_t i)
{
    zs_handle_t h;

    if (zs_obj_create(pool, some_bytes, size_at(i), &h) != 0) {
        abort();
    }
    return h;
}

/* Two thirds go, so that there is something to move; then they come back. */
static void *come_and_go(void *arg)
{
    struct other *o = arg;
    uint64_t rng = 42;

    while (!atomic_load_explicit(&o->end, memory_order_relaxed)) {
        struct zs_compact_result r = { 0 };

        for (uint32_t i = 0; i < N_OTHER; i++) {
            if (random_below(&rng, 3) > 0) {
                zs_free(o->pool, o->objects[i]);
                o->objects[i].raw = 0;
            }
        }
        if (atomic_load_explicit(&o->compacts, memory_order_relaxed)) {
            if (zs_compact(zs_pool_arena(o->pool), &r) != 0) {
                abort();
            }
            o->passes++;
            o->moved_bytes += r.bytes_moved + r.pages_migrated * ZS_PAGE_BYTES;
        }
        for (uint32_t i = 0; i < N_OTHER; i++) {
            if (o->objects[i].raw == 0) {
                o->objects[i] = make(o->pool, i);
            }
        }
    }
    return NULL;
}

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint32_t read_all(struct zs_pool *pool, zs_handle_t h, uint32_t len)
{
    char local[ZS_LOCAL_COPY_BYTES];
    const unsigned char *p = zs_obj_read_begin(pool, h, local);
    uint32_t sum = 0;

    for (uint32_t i = 0; i < len; i++) {
        sum += p[i];
    }
    zs_obj_read_end(pool);
    return sum;
}

enum mark { P50, P99, P999, N_MARKS };

/* What is not longer than 50, 99 and 99.9 % of the reads of a window. */
struct window {
    double ns[N_MARKS];
};

static struct window window_of(const uint32_t *histogram, uint64_t n)
{
    static const double shares[N_MARKS] = { 0.5, 0.99, 0.999 };
    struct window w = { 0 };
    uint64_t seen = 0;
    unsigned next = 0;

    for (uint32_t ns = 0; ns <= MAX_NS && next < N_MARKS; ns++) {
        seen += histogram[ns];
        while (next < N_MARKS && (double)seen >= shares[next] * (double)n) {
            w.ns[next++] = ns;
        }
    }
    return w;
}

static struct window time_reads(struct zs_pool *pool,
                                const zs_handle_t *objects, uint64_t window_ns)
{
    static uint32_t histogram[MAX_NS + 1];
    static uint64_t rng = 7;
    uint64_t n = 0, sum = 0, start = now_ns();

    memset(histogram, 0, sizeof(histogram));
    while (now_ns() - start < window_ns) {
        for (unsigned i = 0; i < BATCH; i++) {
            uint32_t at = random_below(&rng, N_READ);
            uint64_t begin = now_ns(), took;

            sum += read_all(pool, objects[at], size_at(at));
            took = now_ns() - begin;
            histogram[took < MAX_NS ? took : MAX_NS]++;
            n++;
        }
    }
    bm_use(&sum);
    return window_of(histogram, n);
}

static int compare(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;

    return (*x > *y) - (*x < *y);
}

static double median(double *values)
{
    qsort(values, N_PAIRS, sizeof(values[0]), compare);
    return values[N_PAIRS / 2];
}

static void report_mark(struct bm_run *run, const char *name,
                        const struct window *windows, enum mark mark)
{
    double values[N_PAIRS];

    for (unsigned i = 0; i < N_PAIRS; i++) {
        values[i] = windows[i].ns[mark];
    }
    bm_metric(run, name, median(values));
}

/* `with` and `without`: N_PAIRS windows each. */
static void report(struct bm_run *run, const struct window *with,
                   const struct window *without)
{
    double ratios[N_PAIRS];

    report_mark(run, "p50_ns", with, P50);
    report_mark(run, "p99_ns", with, P99);
    report_mark(run, "p999_ns", with, P999);
    report_mark(run, "p50_without", without, P50);
    report_mark(run, "p99_without", without, P99);
    report_mark(run, "p999_without", without, P999);
    for (unsigned i = 0; i < N_PAIRS; i++) {
        ratios[i] = with[i].ns[P999] / without[i].ns[P999];
    }
    bm_metric(run, "p999_ratio", median(ratios));
    bm_metric(run, "p999_ratio_least", ratios[0]);
    bm_metric(run, "p999_ratio_most", ratios[N_PAIRS - 1]);
}

/* The first of a pair is with compaction in one pair, without in the next. What
 * the other thread has begun when a window begins, it first ends: that is not
 * measured. */
static void measure_pairs(struct bm_run *run, struct other *o,
                          const zs_handle_t *objects, uint64_t window_ns)
{
    struct window windows[2][N_PAIRS];

    for (unsigned i = 0; i < 2 * N_PAIRS; i++) {
        bool compacts = (i + i / 2) % 2 == 1;

        atomic_store_explicit(&o->compacts, compacts, memory_order_relaxed);
        (void)time_reads(o->pool, objects, window_ns / 5);
        windows[compacts][i / 2] = time_reads(o->pool, objects, window_ns);
    }
    report(run, windows[1], windows[0]);
}

static struct other *make_all(zs_handle_t *objects)
{
    struct other *o = calloc(1, sizeof(*o));

    if (o == NULL || zs_pool_create(NULL, &o->pool) != 0) {
        abort();
    }
    for (uint32_t i = 0; i < N_READ; i++) { /* side by side with the others */
        objects[i] = make(o->pool, i);
        o->objects[i] = make(o->pool, i);
    }
    return o;
}

/* Question: what does a read of all bytes of a random object take while others
 * come and go and compactions follow each other, and what without these?  The
 * argument is the length of a window in ms. */
static void read_while_compacting(struct bm_run *run, int64_t window_ms)
{
    static zs_handle_t objects[N_READ];
    struct other *o = make_all(objects);
    pthread_t thread;

    if (pthread_create(&thread, NULL, come_and_go, o) != 0) {
        abort();
    }
    while (bm_next(run)) {
        measure_pairs(run, o, objects, (uint64_t)window_ms * 1000000u);
    }
    atomic_store_explicit(&o->end, true, memory_order_relaxed);
    pthread_join(thread, NULL);
    bm_metric(run, "passes", (double)o->passes);
    bm_metric(run, "moved_MiB", (double)(o->moved_bytes >> 20));
    zs_pool_destroy(o->pool);
    free(o);
}

static const int64_t windows_ms[] = { 20, 500, -1 };

const struct bm_case bm_cases[] = {
    { "pool/read_while_compacting", read_while_compacting, windows_ms,
      "window_ms", 0 },
    { 0 },
};
