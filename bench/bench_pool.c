/* SPDX-License-Identifier: MIT */
/*
 * bench_pool - what the everyday calls of a pool cost.
 *
 * Every case has a twin that does the same with malloc() and pointers. The
 * twins measure whatever malloc() the program is started with:
 *
 *     LD_PRELOAD=libjemalloc.so.2 bench_pool --benchmark_filter=^malloc/
 */
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "bm.h"
#include "pool_for_all.h"
#include "random.h"

#define BATCH 64
#define MIN_BYTES 64u
#define MAX_BYTES 512u

static uint64_t seed_of(const struct bm_run *run)
{
    return UINT64_C(0x9e3779b97f4a7c15) * (uint64_t)(bm_thread_index(run) + 1);
}

static uint32_t random_size(uint64_t *rng)
{
    return MIN_BYTES + random_below(rng, MAX_BYTES - MIN_BYTES + 1);
}

/* Question: what does a short-lived object cost, by size?  Unit: ns/pair. */
static void pool_malloc_free(struct bm_run *run, int64_t size_bytes)
{
    struct zs_pool *pool = pool_for_all(run);
    zs_handle_t h;

    if (pool == NULL) {
        return;
    }
    while (bm_next_batch(run, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            if (zs_malloc(pool, (size_t)size_bytes, &h) != 0) {
                bm_skip(run, "zs_malloc failed");
                break;
            }
            bm_use(&h);
            zs_free(pool, h);
        }
    }
    pool_end(run);
}

static void malloc_malloc_free(struct bm_run *run, int64_t size_bytes)
{
    while (bm_next_batch(run, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            void *p = malloc((size_t)size_bytes);
            bm_use(p);
            free(p);
        }
    }
}

/* Handles of n_live new objects, written to, of `size` bytes or, if that is 0,
 * of random sizes; NULL after bm_skip(). */
static zs_handle_t *fill_pool(struct bm_run *run, struct zs_pool *pool,
                              uint32_t n_live, uint64_t *rng, uint32_t size)
{
    static const char bytes[MAX_BYTES] = "written";
    zs_handle_t *live = malloc(n_live * sizeof(live[0]));

    for (uint32_t i = 0; live != NULL && i < n_live; i++) {
        uint32_t n = size != 0 ? size : random_size(rng);
        if (zs_obj_create(pool, bytes, n, &live[i]) != 0) {
            free(live);
            live = NULL;
        }
    }
    if (live == NULL) {
        bm_skip(run, "no memory");
    }
    return live;
}

static bool replace_in_pool(struct zs_pool *pool, zs_handle_t *live,
                            uint32_t n_live, uint64_t *rng)
{
    zs_handle_t *h = &live[random_below(rng, n_live)];

    zs_free(pool, *h);
    return zs_malloc(pool, random_size(rng), h) == 0;
}

/* Question: what does it cost to replace a random one of n objects of 64-512
 * bytes by another of 64-512 bytes?  Unit: ns/pair; threads have their own
 * objects in one pool. */
static void pool_churn(struct bm_run *run, int64_t n)
{
    struct zs_pool *pool = pool_for_all(run);
    uint64_t rng = seed_of(run);
    uint32_t n_live = (uint32_t)n;
    bool ok = true;

    if (pool == NULL) {
        return;
    }
    zs_handle_t *live = fill_pool(run, pool, n_live, &rng, 0);
    for (uint32_t i = 0; live != NULL && ok && i < n_live; i++) {
        ok = replace_in_pool(pool, live, n_live, &rng);
    }
    while (bm_next_batch(run, BATCH)) {
        for (int i = 0; ok && i < BATCH; i++) {
            ok = replace_in_pool(pool, live, n_live, &rng);
        }
    }
    if (!ok) {
        bm_skip(run, "zs_malloc failed");
    }
    free(live);
    pool_end(run);
}

static void **fill_blocks(struct bm_run *run, uint32_t n_live, uint64_t *rng,
                          uint32_t size)
{
    void **live = malloc(n_live * sizeof(live[0]));

    if (live == NULL) {
        bm_skip(run, "no memory");
        return NULL;
    }
    for (uint32_t i = 0; i < n_live; i++) {
        uint32_t n = size != 0 ? size : random_size(rng);
        live[i] = malloc(n);
        if (live[i] != NULL) {
            memset(live[i], 1, n);
        }
    }
    return live;
}

static void replace_block(void **live, uint32_t n_live, uint64_t *rng)
{
    void **p = &live[random_below(rng, n_live)];

    free(*p);
    *p = malloc(random_size(rng));
    bm_use(*p);
}

static void free_blocks(void **live, uint32_t n_live)
{
    for (uint32_t i = 0; live != NULL && i < n_live; i++) {
        free(live[i]);
    }
    free(live);
}

static void malloc_churn(struct bm_run *run, int64_t n)
{
    uint64_t rng = seed_of(run);
    uint32_t n_live = (uint32_t)n;
    void **live = fill_blocks(run, n_live, &rng, 0);

    for (uint32_t i = 0; live != NULL && i < n_live; i++) {
        replace_block(live, n_live, &rng);
    }
    bm_wait_all(run);
    while (bm_next_batch(run, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            replace_block(live, n_live, &rng);
        }
    }
    free_blocks(live, n_live);
}

/* --- freed by whoever comes next --- */

#define N_CROSS 4096u /* objects in flight */
static _Atomic uintptr_t crossing[N_CROSS];

static uintptr_t cross(uintptr_t raw, uint64_t *rng)
{
    return atomic_exchange_explicit(&crossing[random_below(rng, N_CROSS)], raw,
                                    memory_order_acq_rel);
}

/* Question: what does a pair cost when objects of 64-512 bytes are freed by any
 * thread?  Unit: ns/pair. */
static void pool_churn_cross(struct bm_run *run, int64_t ignored)
{
    struct zs_pool *pool = pool_for_all(run);
    uint64_t rng = seed_of(run);

    (void)ignored;
    if (pool == NULL) {
        return;
    }
    while (bm_next_batch(run, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            zs_handle_t h = { 0 }, old;

            if (zs_malloc(pool, random_size(&rng), &h) != 0) {
                abort();
            }
            old.raw = (uint32_t)cross(h.raw, &rng);
            if (old.raw != 0) {
                zs_free(pool, old);
            }
        }
    }
    bm_wait_all(run);
    for (uint32_t i = 0; bm_thread_index(run) == 0 && i < N_CROSS; i++) {
        atomic_store_explicit(&crossing[i], 0, memory_order_relaxed);
    }
    pool_end(run);
}

static void malloc_churn_cross(struct bm_run *run, int64_t ignored)
{
    uint64_t rng = seed_of(run);

    (void)ignored;
    bm_wait_all(run);
    while (bm_next_batch(run, BATCH)) {
        for (int i = 0; i < BATCH; i++) {
            free((void *)cross((uintptr_t)malloc(random_size(&rng)), &rng));
        }
    }
    bm_wait_all(run);
    for (uint32_t i = 0; bm_thread_index(run) == 0 && i < N_CROSS; i++) {
        free((void *)atomic_exchange_explicit(&crossing[i], 0,
                                              memory_order_relaxed));
    }
    bm_wait_all(run);
}

/* --- with their bytes written --- */

static const char some_bytes[MAX_BYTES] = "written";

/* Question: and with all bytes of the new object written?  Unit: ns/pair. */
static void pool_churn_write(struct bm_run *run, int64_t n)
{
    struct zs_pool *pool = pool_for_all(run);
    uint64_t rng = seed_of(run);
    uint32_t n_live = (uint32_t)n;

    if (pool == NULL) {
        return;
    }
    zs_handle_t *live = fill_pool(run, pool, n_live, &rng, 0);
    while (bm_next_batch(run, BATCH)) {
        for (int i = 0; live != NULL && i < BATCH; i++) {
            zs_handle_t *h = &live[random_below(&rng, n_live)];

            zs_free(pool, *h);
            if (zs_obj_create(pool, some_bytes, random_size(&rng), h) != 0) {
                abort();
            }
        }
    }
    free(live);
    pool_end(run);
}

static void malloc_churn_write(struct bm_run *run, int64_t n)
{
    uint64_t rng = seed_of(run);
    uint32_t n_live = (uint32_t)n;
    void **live = fill_blocks(run, n_live, &rng, 0);

    bm_wait_all(run);
    while (bm_next_batch(run, BATCH)) {
        for (int i = 0; live != NULL && i < BATCH; i++) {
            void **p = &live[random_below(&rng, n_live)];
            uint32_t size = random_size(&rng);

            free(*p);
            *p = malloc(size);
            if (*p != NULL) {
                memcpy(*p, some_bytes, size);
            }
        }
    }
    free_blocks(live, n_live);
}

/* Question: what does a pair cost when 64 objects are freed and made at once?
 * Unit: ns/pair. */
static void pool_batch_churn(struct bm_run *run, int64_t n)
{
    struct zs_pool *pool = pool_for_all(run);
    uint64_t rng = seed_of(run);
    uint32_t n_live = (uint32_t)n;
    zs_handle_t handles[BATCH];
    size_t sizes[BATCH];
    uint32_t at[BATCH];

    if (pool == NULL) {
        return;
    }
    zs_handle_t *live = fill_pool(run, pool, n_live, &rng, 0);
    while (bm_next_batch(run, BATCH)) {
        for (uint32_t i = 0; live != NULL && i < BATCH; i++) {
            uint32_t part = n_live / BATCH; /* no object twice */

            at[i] = i * part + random_below(&rng, part);
            handles[i] = live[at[i]];
            sizes[i] = random_size(&rng);
        }
        zs_free_batch(pool, handles, live != NULL ? BATCH : 0);
        if (zs_malloc_batch(pool, sizes, live != NULL ? BATCH : 0, handles) !=
            0) {
            abort();
        }
        for (uint32_t i = 0; live != NULL && i < BATCH; i++) {
            live[at[i]] = handles[i];
        }
    }
    free(live);
    pool_end(run);
}

static const int64_t none[] = { 0, -1 };
static const int64_t churn_objects[] = { 1000, 1000000, 10000000, -1 };
static const int64_t sizes_bytes[] = { 32, 256, 1024, 3072, -1 };
static const int64_t live_objects[] = { 1000, 1000000, -1 };

const struct bm_case bm_cases[] = {
    { "pool/malloc_free", pool_malloc_free, sizes_bytes, "bytes", 2 },
    { "malloc/malloc_free", malloc_malloc_free, sizes_bytes, "bytes", 2 },
    { "pool/churn", pool_churn, churn_objects, "live_objects", 4 },
    { "malloc/churn", malloc_churn, churn_objects, "live_objects", 4 },
    { "pool/churn_write", pool_churn_write, live_objects, "live_objects", 2 },
    { "malloc/churn_write", malloc_churn_write, live_objects, "live_objects",
      2 },
    { "pool/churn_cross", pool_churn_cross, none, "", 2 },
    { "malloc/churn_cross", malloc_churn_cross, none, "", 2 },
    { "pool/batch_churn", pool_batch_churn, live_objects, "live_objects", 2 },
    { 0 },
};
