/* SPDX-License-Identifier: MIT */
/*
 * bench_latency - how long single reads take beside a compaction.
 *
 * One thread reads random objects and times each read. Another one makes and
 * frees objects all the time, and compacts without pause, or does not compact.
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
#define BATCH 1000
#define MAX_NS 100000u /* of the histogram; what takes longer is its last */

struct other {
    struct zs_pool *pool;
    bool compacts;
    _Atomic bool end;
    uint64_t passes, moved_bytes;
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
        if (o->compacts && zs_compact(zs_pool_arena(o->pool), &r) != 0) {
            abort();
        }
        o->passes++;
        o->moved_bytes += r.bytes_moved + r.pages_migrated * ZS_PAGE_BYTES;
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

static void report(struct bm_run *run, const uint32_t *histogram, uint64_t n)
{
    static const struct {
        const char *name;
        double share;
    } marks[] = { { "p50_ns", 0.5 }, { "p99_ns", 0.99 }, { "p999_ns", 0.999 } };
    uint64_t seen = 0;
    unsigned next = 0;

    for (uint32_t ns = 0; ns <= MAX_NS && next < 3; ns++) {
        seen += histogram[ns];
        while (next < 3 && (double)seen >= marks[next].share * (double)n) {
            bm_metric(run, marks[next++].name, ns);
        }
    }
}

static void time_reads(struct bm_run *run, struct zs_pool *pool,
                       const zs_handle_t *objects)
{
    uint32_t *histogram = calloc(MAX_NS + 1, sizeof(histogram[0]));
    uint64_t rng = 7, n = 0, sum = 0;

    while (histogram != NULL && bm_next_batch(run, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            uint32_t at = random_below(&rng, N_READ);
            uint64_t begin = now_ns(), took;

            sum += read_all(pool, objects[at], size_at(at));
            took = now_ns() - begin;
            histogram[took < MAX_NS ? took : MAX_NS]++;
            n++;
        }
    }
    bm_use(&sum);
    if (histogram != NULL && n > 0) {
        report(run, histogram, n);
    }
    free(histogram);
}

static void reads(struct bm_run *run, bool compacts)
{
    struct other *o = calloc(1, sizeof(*o));
    zs_handle_t *objects = malloc(N_READ * sizeof(objects[0]));
    pthread_t thread;

    if (o == NULL || objects == NULL || zs_pool_create(NULL, &o->pool) != 0) {
        bm_skip(run, "no memory");
        free(objects);
        free(o);
        return;
    }
    o->compacts = compacts;
    for (uint32_t i = 0; i < N_READ; i++) { /* side by side with the others */
        objects[i] = make(o->pool, i);
        o->objects[i] = make(o->pool, i);
    }
    if (pthread_create(&thread, NULL, come_and_go, o) != 0) {
        abort();
    }
    time_reads(run, o->pool, objects);
    atomic_store_explicit(&o->end, true, memory_order_relaxed);
    pthread_join(thread, NULL);
    bm_metric(run, "passes", (double)o->passes);
    bm_metric(run, "moved_MiB", (double)(o->moved_bytes >> 20));
    zs_pool_destroy(o->pool);
    free(objects);
    free(o);
}

/* Question: what does a read of all bytes of a random object take while others
 * come and go and a compaction follows the other? */
static void read_while_compacting(struct bm_run *run, int64_t ignored)
{
    (void)ignored;
    reads(run, true);
}

/* Question: and without the compaction? */
static void read_beside_churn(struct bm_run *run, int64_t ignored)
{
    (void)ignored;
    reads(run, false);
}

static const int64_t none[] = { 0, -1 };

const struct bm_case bm_cases[] = {
    { "pool/read_beside_churn", read_beside_churn, none, "", 0 },
    { "pool/read_while_compacting", read_while_compacting, none, "", 0 },
    { 0 },
};
