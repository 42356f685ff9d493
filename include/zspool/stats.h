/* SPDX-License-Identifier: MIT */
/*
 * zspool/stats.h - statistics, each declared once: X(field, "what it is").
 *
 * The structs below are made from these tables, and whoever prints them can
 * go through the tables as well:
 *
 *     #define PRINT(field, text) printf("%llu  %s\n", \
 *                                (unsigned long long)stats.field, text);
 *     ZS_POOL_STATS(PRINT)
 *
 * All values are of one moment per size class, not of one moment over all.
 */
#ifndef ZS_STATS_H
#define ZS_STATS_H

#include <stdint.h>

#include "zspool/export.h"

ZS_BEGIN_DECLS

struct zs_arena;

#define ZS_ARENA_STATS(X)                                                      \
    X(footprint_bytes, "all memory kept: resident pages and all metadata")     \
    X(resident_bytes, "pages that are resident, in use or free")               \
    X(metadata_bytes, "descriptors, handle tables, side arrays, zspages")      \
    X(used_bytes, "pages that have an owner, resident or not")                 \
    X(deferred_bytes, "memory that waits for readers before it is free")       \
    X(deferred_peak_bytes, "the most of it at any time")                       \
    X(limit_bytes, "the configured limit, 0: none")                            \
    X(withheld_bytes, "of the limit, what balloons withhold")                  \
    X(n_blocks_used, "pageblocks in use, or idle and not given back")          \
    X(n_blocks_huge, "of those, backed by a huge page")                        \
    X(n_blocks_offline, "pageblocks taken out of use")                         \
    X(n_pages_retired, "pages never to be used again")                         \
    X(n_blocks_released, "pageblocks given back whole, ever")                  \
    X(bytes_released, "bytes given back to the system, ever")                  \
    X(pages_migrated, "pages moved by migration, ever")                        \
    X(migrate_retries, "answers RETRY from migrate_page, ever")

#define ZS_POOL_STATS(X)                                                       \
    X(n_objects, "live objects")                                               \
    X(live_bytes, "usable bytes of live objects (size class)")                 \
    X(n_zspages, "zspages")                                                    \
    X(zspage_bytes, "pages of zspages, resident or not")                       \
    X(zspage_resident_bytes, "pages of zspages that are resident")             \
    X(n_cached_slots, "free slots in threads' caches")                         \
    X(cached_bytes, "bytes of those")                                          \
    X(n_limbo_slots, "slots that wait for readers")                            \
    X(objects_moved, "objects moved by compaction, ever")                      \
    X(bytes_moved, "bytes of those")                                           \
    X(moves_stopped, "zspage moves stopped for a writer, ever")                \
    X(moves_busy, "zspages skipped because a writer held them, ever")

#define ZS_STATS_FIELD_(name, text) uint64_t name;
struct zs_arena_stats {
    ZS_ARENA_STATS(ZS_STATS_FIELD_)
};
struct zs_pool_stats {
    ZS_POOL_STATS(ZS_STATS_FIELD_)
};

/** A histogram's size: eight buckets for each power of two up to 2^37 (as
 *  nanoseconds, 137 s); what is above is in the last one. */
#define ZS_HISTOGRAM_OCTAVES 37
#define ZS_HISTOGRAM_BUCKETS (8 * (ZS_HISTOGRAM_OCTAVES - 2))

/** What a histogram has counted. Values are nanoseconds unless its description
 *  says otherwise. */
struct zs_histogram_figures {
    uint64_t n;   /**< values: the sum of the buckets */
    uint64_t sum; /**< of the values */
    uint64_t max; /**< the greatest value, 0: none */
    uint64_t buckets[ZS_HISTOGRAM_BUCKETS];
};

/** The greatest value that bucket `i` counts: its values are above the limit of
 *  bucket i - 1. UINT64_MAX for the last one, and behind it. */
ZS_API uint64_t zs_histogram_bucket_limit(unsigned i);

/**
 * The value that `p` percent of the values are not above: the upper end of the
 * bucket it lies in, so at most an eighth too great, and never above the
 * greatest value.
 *
 * @param p  percent; below 0 is 0 (the first value's bucket), above 100 is 100
 *           (the greatest value).
 * @return   0 when nothing has been counted.
 */
ZS_API uint64_t zs_histogram_percentile(const struct zs_histogram_figures *f,
                                        double p);

/** Statistics of an arena and everything in it. Cost: one short lock. */
ZS_API void zs_arena_stats(struct zs_arena *arena, struct zs_arena_stats *out);

ZS_END_DECLS

#endif /* ZS_STATS_H */
