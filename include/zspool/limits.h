/* SPDX-License-Identifier: MIT */
/*
 * zspool/limits.h - how much a store, and each tenant of it, may hold; being
 * asked for victims; what is held.
 *
 *     static void evict(void *ctx, struct zs_store *store, unsigned tenant,
 *                       uint64_t want_bytes)
 *     {
 *         cache_delete_oldest(ctx, tenant, want_bytes);
 *     }
 *
 *     struct zs_store_config cfg = { .eviction = { .evict = evict,
 *                                                  .ctx = cache } };
 *     struct zs_store_limits most = { .soft_bytes = 60 << 20,
 *                                     .hard_bytes = 64 << 20 };
 *     if (zs_store_create(&cfg, &store) == 0 &&
 *         zs_store_set_limits(store, ZS_WHOLE_STORE, &most) == 0) ...
 *
 * A tenant is a class of values (zs_store_put_class()): a number below
 * ZS_TENANTS with dictionaries, limits and statistics of its own.
 *
 * What a value costs: a slot (the smallest size class for header, payload and
 * checksum; a pool may have put it into a larger one), 4 bytes of handle, 4 of
 * side entry; of one in parts, the same for each part and for their list. A
 * value that repeats a pattern costs 4. Not in it: free slots, zspages,
 * dictionaries; the arena's limit is for those. docs/limits.md has more.
 *
 * Conventions: see zspool/arena.h.
 */
#ifndef ZS_LIMITS_H
#define ZS_LIMITS_H

#include <limits.h>
#include <stdint.h>

#include "zspool/export.h"

ZS_BEGIN_DECLS

struct zs_store;

#define ZS_TENANTS 16u
/** All tenants together, where a tenant is asked for. */
#define ZS_WHOLE_STORE UINT_MAX

/**
 * Called when a soft limit is passed, for the embedder to evict.
 *
 * What to do in it: zs_store_delete() of values that cost `want_bytes` together
 * (zs_store_cost() tells), or as many as a few milliseconds allow. So much
 * brings the tenant to 15/16 of its soft limit, and it is not called again
 * before that is passed again. When it has freed less, it is called again
 * after a 256th of the soft limit more was put.
 *
 * When, where: on a thread that puts or replaces, before anything of that put
 * is begun, with no lock held and in no read section. By one thread at a time
 * for each tenant, and for the whole store; others go on meanwhile. A put in a
 * read section of the embedder's (zs_read_begin()) does not call it.
 *
 * It may call everything of zspool but zs_store_destroy(). Puts from inside do
 * not call it and do not wait.
 *
 * @param tenant  whose limit it is; ZS_WHOLE_STORE: the store's
 */
typedef void zs_evict_fn(void *ctx, struct zs_store *store, unsigned tenant,
                         uint64_t want_bytes);

/** What happens to a put while its tenant, or the store, is above a soft limit
 *  and the callback has not brought it below. */
enum zs_back_pressure {
    /** It sleeps before it begins: from nothing at the soft limit to
     *  max_wait_ns at the hard one. Without a hard one it does not. */
    ZS_BACK_PRESSURE_WAIT,
    /** It is refused with -EAGAIN. */
    ZS_BACK_PRESSURE_AGAIN,
    ZS_BACK_PRESSURE_NONE,
};

/** A part of struct zs_store_config. */
struct zs_eviction_config {
    zs_evict_fn *evict; /**< NULL: nobody is asked */
    void *ctx;
    enum zs_back_pressure back_pressure;
    uint64_t max_wait_ns; /**< at most 1 s. 0: 1 ms */
};

/** 0: no such limit. */
struct zs_store_limits {
    uint64_t soft_bytes; /**< above it victims are asked for */
    uint64_t hard_bytes; /**< never passed: puts are refused with -ENOSPC */
};

/**
 * Set both limits of a tenant, or of the store. At any time; puts under way may
 * end by the old ones, and nothing is deleted because of it.
 *
 * Threads keep some of a limit at hand for their next values: each up to twice
 * a 4096th of the tenant's lower limit, a 65536th of the store's, and 64 KiB,
 * whichever is least. So the hard limit is never passed, by no byte, and a put
 * may be refused when so much for each thread is still free.
 *
 * @retval 0
 * @retval -EINVAL  no such tenant, or soft above hard
 * @retval -ENOMEM, -ENOSPC  no memory to count by; nothing is changed
 */
ZS_API ZS_MUST_CHECK int
zs_store_set_limits(struct zs_store *store, unsigned tenant,
                    const struct zs_store_limits *limits);

/** zram's names, where there is one; docs/limits.md says what differs. */
#define ZS_STORE_MEM_STATS(X)                                                  \
    X(orig_data_size, "bytes of values as they were put, patterns included")   \
    X(compr_data_size, "what the codec made of them, raw ones as they are")    \
    X(mem_used_total, "what values cost: slots, handles, side entries")        \
    X(mem_limit, "the hard limit, 0: none")                                    \
    X(mem_soft_limit, "the soft limit, 0: none")                               \
    X(mem_used_max, "the most of mem_used_total and mem_reserved so far")      \
    X(mem_reserved, "of the limit, at threads' hands for their next values")   \
    X(dictionary_bytes, "its dictionaries, not in mem_used_total")             \
    X(n_values, "values stored now")                                           \
    X(same_pages, "of those, without a codec: 1, 2, 4 or 8 bytes repeated")    \
    X(huge_pages, "of those, in one part that did not shrink")                 \
    X(pages_compacted, "pages of the whole store emptied by compaction, ever") \
    X(n_asked, "calls of the eviction callback, ever")                         \
    X(n_refused, "puts and replaces refused at the hard limit, ever")          \
    X(n_again, "puts and replaces answered -EAGAIN, ever")                     \
    X(n_slowed, "puts and replaces slowed, ever")                              \
    X(slowed_ns, "time that those were to sleep, ever")

#define ZS_STORE_MEM_FIELD_(name, text) uint64_t name;
struct zs_store_mem_stats {
    ZS_STORE_MEM_STATS(ZS_STORE_MEM_FIELD_)
};

/**
 * Statistics of a tenant, or of the store. They are in zs_stats_json() and
 * zs_stats_prometheus() of the arena as well.
 *
 * @retval 0, -EINVAL  no such tenant; one that has put nothing has only zeros
 *
 * Cost: some hundred loads for each tenant.
 */
ZS_API ZS_MUST_CHECK int zs_store_mem_stats(struct zs_store *store,
                                            unsigned tenant,
                                            struct zs_store_mem_stats *out);

ZS_END_DECLS

#endif /* ZS_LIMITS_H */
