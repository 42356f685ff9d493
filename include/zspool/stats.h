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
 * A text that ends in ", ever" is that of a counter: it only grows. The others
 * are gauges. All values are of one moment per size class, not of one moment
 * over all.
 *
 * Or all of them as one text, for a program or for a monitoring system:
 *
 *     size_t len = zs_stats_prometheus(arena, NULL, 0);
 *     char *text = malloc(len + 1);
 *     if (text && zs_stats_prometheus(arena, text, len + 1) <= len)
 *         puts(text);
 *
 * docs/statistics.md lists every one.
 */
#ifndef ZS_STATS_H
#define ZS_STATS_H

#include <stddef.h>
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
    X(bytes_moved, "bytes of objects moved, ever")                             \
    X(moves_stopped, "zspage moves stopped for a writer, ever")                \
    X(moves_busy, "zspages skipped because a writer held them, ever")

/** What compactions of the arena have done: by calls, by a thread, and by an
 *  allocation that met the limit (it waits for the thread). The first five have
 *  the kernel's names, and its meaning. */
#define ZS_COMPACT_STATS(X)                                                    \
    X(compact_migrate_scanned, "pages looked at for migration, ever")          \
    X(compact_isolated, "of those, taken from their owner, ever")              \
    X(compact_stall, "allocations that waited for room at the limit, ever")    \
    X(compact_success, "of those, which got their memory by it, ever")         \
    X(compact_fail, "of those, which did not, ever")                           \
    X(pages_compacted, "pages of zspages emptied of their objects, ever")      \
    X(objects_moved, "objects moved, of all pools, ever")                      \
    X(bytes_moved, "bytes of objects moved, of all pools, ever")               \
    X(bytes_released, "bytes given back to the system, ever")                  \
    X(busy_skips, "zspages and pages passed over as busy, ever")               \
    X(deferred_releases, "pages and slots freed after their readers, ever")

/** How long things took, in nanoseconds. */
#define ZS_ARENA_HISTOGRAMS(X)                                                 \
    X(reader_delay, "what memory has waited for its readers")                  \
    X(alloc_wait, "what allocations have waited for a lock or for memory")     \
    X(step, "what a mover has held a lock, or a zspage closed to writers")     \
    X(step_switched, "the same, of steps that lost the processor meanwhile")

#define ZS_STATS_FIELD_(name, text) uint64_t name;
struct zs_arena_stats {
    ZS_ARENA_STATS(ZS_STATS_FIELD_)
};
struct zs_pool_stats {
    ZS_POOL_STATS(ZS_STATS_FIELD_)
};
struct zs_compact_stats {
    ZS_COMPACT_STATS(ZS_STATS_FIELD_)
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

#define ZS_STATS_HISTOGRAM_(name, text) struct zs_histogram_figures name;
struct zs_arena_histograms {
    ZS_ARENA_HISTOGRAMS(ZS_STATS_HISTOGRAM_)
};

/** Statistics of an arena and everything in it. Cost: one short lock. */
ZS_API void zs_arena_stats(struct zs_arena *arena, struct zs_arena_stats *out);

/** What its compactions have done, also for pools that are gone. Cost: every
 *  class lock of its pools once, in turn. */
ZS_API void zs_compact_stats(struct zs_arena *arena,
                             struct zs_compact_stats *out);

/**
 * Its histograms; some 2 KiB each.
 *
 * reader_delay: a value for each grace period, from its begin to the end of the
 * last read section it had to wait for. alloc_wait: a value for each time that
 * an allocation, a replace or a resize found the lock of its size class taken,
 * had memory populated, or scraped some together at the limit. Those that meet
 * none of it look at no clock and are not counted. step, step_switched: a value
 * for each step of a compaction, in one or the other.
 */
ZS_API void zs_arena_histograms(struct zs_arena *arena,
                                struct zs_arena_histograms *out);

/**
 * Everything above, of the arena, its pools, balloons and page types, as JSON
 * (RFC 8259): one object. Histograms are n, sum, max and percentiles, in
 * nanoseconds.
 *
 * @param buf   receives at most `size` bytes, ended with a zero; NULL with 0.
 * @return  the length of the whole text, without the zero. When that is not
 *          below `size` the text was cut off: figures change, so ask with some
 *          room to spare.
 *
 * Allocates nothing, never waits for readers or for a compaction pass. Cost: as
 * zs_pool_stats() of each pool, and some 20 us for the text.
 */
ZS_API size_t zs_stats_json(struct zs_arena *arena, char *buf, size_t size);

/**
 * The same in the text format that Prometheus reads (version 0.0.4). Names are
 * zspool_arena_FIELD, zspool_pool_FIELD, zspool_balloon_FIELD, zspool_FIELD;
 * counters end in _total; times are in seconds. Labels: the names of the arena
 * and of the pool (zs_arena_config.name, zs_pool_config.name).
 *
 * @param buf,size  and what is returned: as zs_stats_json().
 * Cost: as zs_pool_stats() of each pool for each of its figures.
 */
ZS_API size_t zs_stats_prometheus(struct zs_arena *arena, char *buf,
                                  size_t size);

ZS_END_DECLS

#endif /* ZS_STATS_H */
