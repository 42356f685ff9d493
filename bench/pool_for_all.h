/* SPDX-License-Identifier: MIT */
/* pool_for_all.h - one pool for all threads of a case, with a compactor thread
 * at its defaults, as an embedder would run it. */
#ifndef ZS_BENCH_POOL_FOR_ALL_H
#define ZS_BENCH_POOL_FOR_ALL_H

#include <stdlib.h>

#include "bm.h"
#include "zspool/compactor.h"
#include "zspool/pool.h"

/* Made by thread 0. NULL: could not be made. */
static struct zs_pool *shared_pool;
static struct zs_compactor *shared_compactor;

/* ZS_BENCH_CACHE_KIB sets min_cache_bytes, for decision 0004. */
static inline struct zs_pool *make_shared_pool(void)
{
    const char *kib = getenv("ZS_BENCH_CACHE_KIB");
    struct zs_pool_config cfg = {
        .min_cache_bytes = kib != NULL ? strtoul(kib, NULL, 10) * 1024 : 0,
    };
    struct zs_pool *pool;

    if (zs_pool_create(&cfg, &pool) != 0) {
        return NULL;
    }
    if (zs_compactor_start(zs_pool_arena(pool), NULL, &shared_compactor) != 0) {
        zs_pool_destroy(pool);
        return NULL;
    }
    return pool;
}

static inline struct zs_pool *pool_for_all(struct bm_run *run)
{
    if (bm_thread_index(run) == 0) {
        shared_pool = make_shared_pool();
    }
    bm_wait_all(run);
    if (shared_pool == NULL) {
        bm_skip(run, "no pool");
    }
    return shared_pool;
}

static inline void pool_end(struct bm_run *run)
{
    bm_wait_all(run);
    if (bm_thread_index(run) == 0) {
        zs_compactor_stop(shared_compactor);
        zs_pool_destroy(shared_pool);
    }
    bm_wait_all(run);
}

#endif /* ZS_BENCH_POOL_FOR_ALL_H */
