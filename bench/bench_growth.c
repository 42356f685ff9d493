/* SPDX-License-Identifier: MIT */
/*
 * bench_growth - how prices grow with the number of objects, of 32 bytes.
 *
 * Idea
 *   A price may grow only because more of what is touched lies outside of the
 *   caches. So beside pool and malloc() stand loads from plain arrays that are
 *   as large as what an access touches, each one's index read from the one
 *   before it:
 *
 *      memory/growth_pool     n handles -> n slot words -> n objects
 *      memory/growth_pointer  n pointers -> n objects
 *
 *   A curve that keeps its distance to its array's grows with cache misses
 *   alone. scripts/bench-growth draws them.
 *
 * A set of objects is made once and kept while cases ask for the same number.
 */
#include <stdlib.h>
#include <string.h>
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
    free(in_arrays.handles);
    free(in_arrays.words);
    free(in_arrays.objects);
    memset(&in_arrays, 0, sizeof(in_arrays));
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

static bool fill_arrays(struct bm_run *run, int64_t n)
{
    if (in_arrays.n == n) {
        return true;
    }
    if (!make_way(run, n)) {
        return false;
    }
    in_arrays.handles = malloc((size_t)n * sizeof(uint32_t));
    in_arrays.words = malloc((size_t)n * sizeof(uint32_t));
    in_arrays.objects = malloc((size_t)n * sizeof(struct object));
    if (!in_arrays.handles || !in_arrays.words || !in_arrays.objects) {
        abort();
    }
    for (int64_t i = 0; i < n; i++) {
        in_arrays.handles[i] = random_below(&rng, (uint32_t)n);
        in_arrays.words[i] = random_below(&rng, (uint32_t)n);
        memcpy(in_arrays.objects[i].bytes, some_bytes, OBJECT_BYTES);
    }
    in_arrays.n = n;
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
 * Unit: ns for three loads, one after the other. */
static void memory_pool(struct bm_run *run, int64_t n)
{
    uint64_t sum = 0;

    if (!fill_arrays(run, n)) {
        return;
    }
    while (bm_next_batch(run, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            uint32_t h = in_arrays.handles[random_below(&rng, (uint32_t)n)];

            sum +=
                (unsigned char)in_arrays.objects[in_arrays.words[h]].bytes[0];
        }
    }
    bm_use(&sum);
}

/* Question: and those of a look through a pointer?  Unit: ns for two loads. */
static void memory_pointer(struct bm_run *run, int64_t n)
{
    uint64_t sum = 0;

    if (!fill_arrays(run, n)) {
        return;
    }
    while (bm_next_batch(run, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            uint32_t at = in_arrays.handles[random_below(&rng, (uint32_t)n)];

            sum += (unsigned char)in_arrays.objects[at].bytes[0];
        }
    }
    bm_use(&sum);
}

static const int64_t live_objects[] = { 10000,    30000,   100000,   300000,
                                        1000000,  3000000, 10000000, 20000000,
                                        50000000, -1 };

/* In this order, so that few sets are made. */
const struct bm_case bm_cases[] = {
    { "pool/growth_read", pool_read, live_objects, "live_objects", 0 },
    { "pool/growth_pair", pool_pair, live_objects, "live_objects", 0 },
    { "malloc/growth_read", malloc_read, live_objects, "live_objects", 0 },
    { "malloc/growth_pair", malloc_pair, live_objects, "live_objects", 0 },
    { "memory/growth_pool", memory_pool, live_objects, "live_objects", 0 },
    { "memory/growth_pointer", memory_pointer, live_objects, "live_objects",
      0 },
    { 0 },
};
