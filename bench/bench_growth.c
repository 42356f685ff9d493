/* SPDX-License-Identifier: MIT */
/*
 * bench_growth - how prices grow with the number of objects, of 32 bytes.
 *
 * Idea
 *   A price may grow only because more of what is touched lies outside of the
 *   caches, those of addresses included. So beside pool and malloc() stand
 *   loads from plain arrays that are as large as what a look through a handle
 *   touches: n handles -> n slot words -> n objects. Each index is read by the
 *   load before it, the first one's by the last look: nothing overlaps, as
 *   little does where a look or a pair is more instructions than a processor
 *   has under way.
 *
 *      memory/growth_loads_4k  arrays in pages of 4 KiB
 *      memory/growth_loads_2m  in huge pages, where the system gives some
 *
 *   A price that keeps its distance to that of the loads grows with cache
 *   misses alone. scripts/bench-growth draws them.
 *
 * A set of objects is made once and kept while cases ask for the same number.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "bm.h"
#include "pool_for_all.h"
#include "random.h"

#define BATCH 64
#define OBJECT_BYTES 32u
#define BYTES_EACH 88u /* with what malloc() and the arrays add, at most */

static const char some_bytes[OBJECT_BYTES] = "written";
static uint64_t rng = 1;

/* --- one set of each kind, for one number of objects --- */

static struct {
    int64_t n; /* 0: none */
    struct zs_pool *pool;
    zs_handle_t *handles;
} in_pool;

static struct {
    int64_t n;
    void **blocks;
} in_heap;

struct object {
    char bytes[OBJECT_BYTES];
};

static struct {
    int64_t n;
    int advice; /* madvise(): which pages */
    uint32_t *handles, *words;
    struct object *objects;
} in_arrays;

static void drop_pool(void)
{
    if (in_pool.n != 0) {
        zs_compactor_stop(shared_compactor);
        zs_pool_destroy(in_pool.pool);
        free(in_pool.handles);
        in_pool.n = 0;
    }
}

static void drop_heap(void)
{
    for (int64_t i = 0; i < in_heap.n; i++) {
        free(in_heap.blocks[i]);
    }
    free(in_heap.blocks);
    memset(&in_heap, 0, sizeof(in_heap));
}

static void drop_arrays(void)
{
    if (in_arrays.n != 0) {
        size_t n = (size_t)in_arrays.n;

        munmap(in_arrays.handles, n * sizeof(in_arrays.handles[0]));
        munmap(in_arrays.words, n * sizeof(in_arrays.words[0]));
        munmap(in_arrays.objects, n * sizeof(in_arrays.objects[0]));
        in_arrays.n = 0;
    }
}

/* Only one kind at a time, and only what the machine has room for. */
static bool make_way(struct bm_run *run, int64_t n)
{
    uint64_t have;

    drop_pool();
    drop_heap();
    drop_arrays();
    have = (uint64_t)sysconf(_SC_AVPHYS_PAGES) * 4096;
    if ((uint64_t)n * BYTES_EACH > have) {
        bm_skip(run, "not enough memory");
        return false;
    }
    return true;
}

static bool fill_pool(struct bm_run *run, int64_t n)
{
    int64_t made = 0;

    if (in_pool.n == n) {
        return true;
    }
    if (!make_way(run, n)) {
        return false;
    }
    in_pool.pool = make_shared_pool();
    in_pool.handles = malloc((size_t)n * sizeof(in_pool.handles[0]));
    while (in_pool.pool != NULL && in_pool.handles != NULL && made < n &&
           zs_obj_create(in_pool.pool, some_bytes, OBJECT_BYTES,
                         &in_pool.handles[made]) == 0) {
        made++;
    }
    if (made < n) {
        bm_skip(run, "no memory for the pool");
        return false; /* what there is of it is left to the end */
    }
    in_pool.n = n;
    return true;
}

static void *new_block(void)
{
    void *p = malloc(OBJECT_BYTES);

    if (p == NULL) {
        abort();
    }
    return memcpy(p, some_bytes, OBJECT_BYTES);
}

static bool fill_heap(struct bm_run *run, int64_t n)
{
    if (in_heap.n == n) {
        return true;
    }
    if (!make_way(run, n)) {
        return false;
    }
    in_heap.blocks = malloc((size_t)n * sizeof(in_heap.blocks[0]));
    if (in_heap.blocks == NULL) {
        abort();
    }
    for (int64_t i = 0; i < n; i++) {
        in_heap.blocks[i] = new_block();
    }
    in_heap.n = n;
    return true;
}

static void *map(size_t bytes, int advice)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        abort();
    }
    (void)madvise(p, bytes, advice); /* where there are no huge pages */
    return p;
}

static bool fill_arrays(struct bm_run *run, int64_t n, int advice)
{
    if (in_arrays.n == n && in_arrays.advice == advice) {
        return true;
    }
    if (!make_way(run, n)) {
        return false;
    }
    in_arrays.handles = map((size_t)n * sizeof(uint32_t), advice);
    in_arrays.words = map((size_t)n * sizeof(uint32_t), advice);
    in_arrays.objects = map((size_t)n * sizeof(struct object), advice);
    for (int64_t i = 0; i < n; i++) {
        in_arrays.handles[i] = random_below(&rng, (uint32_t)n);
        in_arrays.words[i] = random_below(&rng, (uint32_t)n);
        memcpy(in_arrays.objects[i].bytes, some_bytes, OBJECT_BYTES);
    }
    in_arrays.n = n;
    in_arrays.advice = advice;
    return true;
}

/* --- what is measured --- */

/* Question: what does a look at a random one of n objects cost?
 * Unit: ns/object. */
static void pool_read(struct bm_run *run, int64_t n)
{
    char local[ZS_LOCAL_COPY_BYTES];
    uint64_t sum = 0;

    if (!fill_pool(run, n)) {
        return;
    }
    while (bm_next_batch(run, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            zs_handle_t h = in_pool.handles[random_below(&rng, (uint32_t)n)];

            sum += *(const unsigned char *)zs_obj_read_begin(in_pool.pool, h,
                                                             local);
            zs_obj_read_end(in_pool.pool);
        }
    }
    bm_use(&sum);
}

/* Question: and freeing it and making another one, with its bytes?
 * Unit: ns/pair. */
static void pool_pair(struct bm_run *run, int64_t n)
{
    if (!fill_pool(run, n)) {
        return;
    }
    while (bm_next_batch(run, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            zs_handle_t *h = &in_pool.handles[random_below(&rng, (uint32_t)n)];

            zs_free(in_pool.pool, *h);
            if (zs_obj_create(in_pool.pool, some_bytes, OBJECT_BYTES, h) != 0) {
                abort();
            }
        }
    }
}

static void malloc_read(struct bm_run *run, int64_t n)
{
    uint64_t sum = 0;

    if (!fill_heap(run, n)) {
        return;
    }
    while (bm_next_batch(run, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            sum += *(const unsigned char *)
                        in_heap.blocks[random_below(&rng, (uint32_t)n)];
        }
    }
    bm_use(&sum);
}

static void malloc_pair(struct bm_run *run, int64_t n)
{
    if (!fill_heap(run, n)) {
        return;
    }
    while (bm_next_batch(run, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            void **p = &in_heap.blocks[random_below(&rng, (uint32_t)n)];

            free(*p);
            *p = new_block();
        }
    }
}

/* Question: what do the cache misses of a look through a handle cost alone?
 * Unit: ns for three loads. */
static void loads(struct bm_run *run, int64_t n, int advice)
{
    unsigned char byte = 0;

    if (!fill_arrays(run, n, advice)) {
        return;
    }
    while (bm_next_batch(run, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            uint32_t at;

            rng += byte; /* so that one look waits for the other */
            at = in_arrays.handles[random_below(&rng, (uint32_t)n)];
            byte =
                (unsigned char)in_arrays.objects[in_arrays.words[at]].bytes[0];
        }
    }
    bm_use(&byte);
}

static void loads_4k(struct bm_run *run, int64_t n)
{
    loads(run, n, MADV_NOHUGEPAGE);
}

static void loads_2m(struct bm_run *run, int64_t n)
{
    loads(run, n, MADV_HUGEPAGE);
}

static const int64_t live_objects[] = { 10000,   100000,   300000,   1000000,
                                        3000000, 10000000, 50000000, -1 };

const struct bm_case bm_cases[] = {
    { "pool/growth_read", pool_read, live_objects, "live_objects", 0 },
    { "pool/growth_pair", pool_pair, live_objects, "live_objects", 0 },
    { "malloc/growth_read", malloc_read, live_objects, "live_objects", 0 },
    { "malloc/growth_pair", malloc_pair, live_objects, "live_objects", 0 },
    { "memory/growth_loads_4k", loads_4k, live_objects, "live_objects", 0 },
    { "memory/growth_loads_2m", loads_2m, live_objects, "live_objects", 0 },
    { 0 },
};
