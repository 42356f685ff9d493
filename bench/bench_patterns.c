/* SPDX-License-Identifier: MIT */
/*
 * bench_patterns - loads of mimalloc-bench, on a pool and on malloc().
 *
 * Unit: ns per malloc and free, a block's first bytes written in between. The
 * pool has a compactor thread at its defaults. patterns.h says what each load
 * is, and which parameters it has.
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bm.h"
#include "pool_for_all.h"
#include "random.h"

#define MAX_SETS 16u /* shared slots; at least as many as threads */
#define WRITTEN 8u   /* bytes of each block */

static zs_handle_t pool_make(size_t size)
{
    static const char bytes[WRITTEN] = "written";
    zs_handle_t h;

    if (zs_obj_create(shared_pool, bytes, size < WRITTEN ? size : WRITTEN,
                      &h) != 0) {
        abort();
    }
    return h;
}

/* A block of the size, of which only the first bytes are written. */
static zs_handle_t pool_make_sized(size_t size)
{
    zs_handle_t h;

    if (zs_obj_create_sized(shared_pool, "written",
                            size < WRITTEN ? size : WRITTEN, size, &h) != 0) {
        abort();
    }
    return h;
}

static void *malloc_make(size_t size)
{
    void *p = malloc(size);

    if (p == NULL) {
        abort();
    }
    memcpy(p, "written", size < WRITTEN ? size : WRITTEN);
    return p;
}

#define NAME(x) pool_##x
#define REF zs_handle_t
#define MAKE(size) pool_make_sized(size)
#define FREE(ref) zs_free(shared_pool, ref)
#define RAW(ref) ((uintptr_t)(ref).raw)
#define FROM(number) ((zs_handle_t){ .raw = (uint32_t)(number) })
#include "patterns.h"
#undef NAME
#undef REF
#undef MAKE
#undef FREE
#undef RAW
#undef FROM

#define NAME(x) malloc_##x
#define REF void *
#define MAKE(size) malloc_make(size)
#define FREE(ref) free(ref)
#define RAW(ref) ((uintptr_t)(ref))
#define FROM(number) ((void *)(number))
#include "patterns.h"

static uint64_t seed_of(const struct bm_run *run)
{
    return UINT64_C(4141) * (uint64_t)(bm_thread_index(run) + 1);
}

static void on_pool(struct bm_run *run, void (*load)(struct bm_run *, uint64_t),
                    void (*end)(void))
{
    if (pool_for_all(run) == NULL) {
        return;
    }
    load(run, seed_of(run));
    bm_wait_all(run);
    if (bm_thread_index(run) == 0) {
        end();
    }
    pool_end(run);
}

static void on_malloc(struct bm_run *run,
                      void (*load)(struct bm_run *, uint64_t),
                      void (*end)(void))
{
    bm_wait_all(run);
    load(run, seed_of(run));
    bm_wait_all(run);
    if (bm_thread_index(run) == 0) {
        end();
    }
    bm_wait_all(run);
}

#define CASE(load)                                                             \
    static void pool_##load##_case(struct bm_run *run, int64_t ignored)        \
    {                                                                          \
        (void)ignored;                                                         \
        on_pool(run, pool_##load##_run, pool_##load##_end);                    \
    }                                                                          \
    static void malloc_##load##_case(struct bm_run *run, int64_t ignored)      \
    {                                                                          \
        (void)ignored;                                                         \
        on_malloc(run, malloc_##load##_run, malloc_##load##_end);              \
    }
CASE(larson)
CASE(xmalloc)
CASE(mstress)
CASE(rptest)

/* cache-scratch: each thread frees a block that another one made, then makes
 * one of 8 bytes, writes it 1,000 times, and frees it. Do two threads' blocks
 * share a cache line? Unit: ns per turn. */
#define SCRATCH_WRITES 1000u

static void scratch_write(volatile char *p)
{
    for (unsigned i = 0; i < SCRATCH_WRITES; i++) {
        p[i % WRITTEN] = (char)(p[i % WRITTEN] + 1);
    }
}

static void pool_scratch_case(struct bm_run *run, int64_t ignored)
{
    static zs_handle_t first[MAX_SETS];
    struct zs_pin pin;

    (void)ignored;
    if (pool_for_all(run) == NULL) {
        return;
    }
    for (unsigned i = 0; bm_thread_index(run) == 0 && i < MAX_SETS; i++) {
        first[i] = pool_make(WRITTEN);
    }
    bm_wait_all(run);
    zs_free(shared_pool, first[bm_thread_index(run)]);
    while (bm_next(run)) {
        zs_handle_t h = pool_make(WRITTEN);

        zs_pin(shared_pool, h, "scratch", &pin);
        scratch_write(pin.view.part[0].iov_base);
        zs_unpin(shared_pool, &pin);
        zs_free(shared_pool, h);
    }
    pool_end(run);
}

static void malloc_scratch_case(struct bm_run *run, int64_t ignored)
{
    static void *first[MAX_SETS];

    (void)ignored;
    for (unsigned i = 0; bm_thread_index(run) == 0 && i < MAX_SETS; i++) {
        first[i] = malloc_make(WRITTEN);
    }
    bm_wait_all(run);
    free(first[bm_thread_index(run)]);
    while (bm_next(run)) {
        char *p = malloc_make(WRITTEN);

        scratch_write(p);
        free(p);
    }
    bm_wait_all(run);
    for (int i = bm_threads(run);
         bm_thread_index(run) == 0 && i < (int)MAX_SETS; i++) {
        free(first[i]);
    }
    bm_wait_all(run);
}

static const int64_t none[] = { 0, -1 };

#define ROWS(load)                                                             \
    { "pool/" #load, pool_##load##_case, none, "", 2 },                        \
    {                                                                          \
        "malloc/" #load, malloc_##load##_case, none, "", 2                     \
    }

const struct bm_case bm_cases[] = {
    ROWS(larson), ROWS(xmalloc), ROWS(mstress),
    ROWS(rptest), ROWS(scratch), { 0 },
};
