/* SPDX-License-Identifier: MIT */
/*
 * zspool/pressure.h - being told that memory is short, in time to evict.
 *
 * The compactor thread looks once a tick at what the system says (stall
 * times, the limits of the process's control groups; docs/pressure.md) and at
 * the arena's own limit. While memory is short it gives back what costs
 * nothing and compacts; what only the embedder can do, it asks for:
 *
 *     static void on_pressure(void *ctx, enum zs_pressure_level level,
 *                             uint64_t want_bytes)
 *     {
 *         struct cache *cache = ctx;
 *         cache->admit = level < ZS_PRESSURE_HIGH;
 *         cache_evict_oldest(cache, want_bytes);
 *     }
 *
 * Conventions: see zspool/arena.h.
 */
#ifndef ZS_PRESSURE_H
#define ZS_PRESSURE_H

#include <stdint.h>

#include "zspool/export.h"

ZS_BEGIN_DECLS

/** How short memory is. In the order of need: compare them with < and >. */
enum zs_pressure_level {
    ZS_PRESSURE_NONE,     /**< enough */
    ZS_PRESSURE_LOW,      /**< soon: drop what is not worth its memory */
    ZS_PRESSURE_HIGH,     /**< now: evict, take in nothing that can wait */
    ZS_PRESSURE_CRITICAL, /**< allocations fail or the process is killed next:
                           *   evict at any cost */
};

/**
 * Called when memory is short, for the embedder to evict.
 *
 * What to do in it: free `want_bytes` of the oldest or cheapest objects, or as
 * many as a few milliseconds allow, and return; it is called again while
 * memory stays short. What is freed here is compacted and given back to the
 * system right after it, so zs_compact() or zs_arena_shrink() are not needed.
 * Evicting less is no error; the level rises when it was too little.
 *
 * When: at most once a tick (zs_compactor_config.tick_ns), on each tick whose
 * level is above ZS_PRESSURE_NONE; then once with ZS_PRESSURE_NONE and 0, when
 * it is over. The level rises at once, and falls one step after four looks that
 * say so.
 *
 * Where: on the compactor's thread, with no lock held and in no read section.
 * It may call everything of zspool, zs_free(), zs_store_delete() and
 * zs_arena_shrink() included, with one exception: zs_compactor_stop() of this
 * compactor would wait for itself. Nor may it wait for a thread that is in
 * zs_compactor_stop(). While it runs the compactor does nothing else: a slow
 * callback delays compaction, not allocations.
 *
 * @param ctx         what was given together with the function
 * @param level       how short memory is
 * @param want_bytes  bytes to be freed so that the level falls, at most what
 *                    the arena keeps; an estimate. 0 with ZS_PRESSURE_NONE,
 *                    and when the last look found nothing short any more
 */
typedef void zs_pressure_fn(void *ctx, enum zs_pressure_level level,
                            uint64_t want_bytes);

ZS_END_DECLS

#endif /* ZS_PRESSURE_H */
