/* SPDX-License-Identifier: MIT */
/*
 * zspool/compactor.h - moving objects together and giving memory back.
 *
 * Once, by hand, for instance after a large delete:
 *
 *     struct zs_compact_result r;
 *     if (zs_compact(zs_pool_arena(pool), &r) == 0)
 *         printf("%llu bytes given back\n",
 *                (unsigned long long)r.bytes_released);
 *
 * Or from a thread of its own:
 *
 *     struct zs_compactor *compactor;
 *     if (zs_compactor_start(zs_pool_arena(pool), NULL, &compactor) == 0) {
 *         ... the daemon runs ...
 *         zs_compactor_stop(compactor);
 *     }
 *
 * Conventions: see zspool/arena.h.
 */
#ifndef ZS_COMPACTOR_H
#define ZS_COMPACTOR_H

#include <stdint.h>

#include "zspool/arena.h"
#include "zspool/export.h"

ZS_BEGIN_DECLS

#define ZS_COMPACT_RESULTS(X)                                                  \
    X(blocks_scanned, "pageblocks looked at")                                  \
    X(blocks_chosen, "pageblocks chosen for evacuation")                       \
    X(blocks_emptied, "of those, now empty")                                   \
    X(objects_moved, "objects moved")                                          \
    X(bytes_moved, "bytes of objects moved")                                   \
    X(pages_migrated, "pages moved whole")                                     \
    X(pages_left, "pages of chosen blocks that could not be moved")            \
    X(bytes_released, "bytes given back to the operating system")              \
    X(duration_ns, "time taken, waiting for readers included")

#define ZS_COMPACT_FIELD_(name, text) uint64_t name;
struct zs_compact_result {
    ZS_COMPACT_RESULTS(ZS_COMPACT_FIELD_)
};

/**
 * Compact the arena as far as it goes, now: evacuate the pageblocks that the
 * live data does not need, put the objects of each size class together, give
 * back everything that is free, the retained blocks included.
 *
 * Other threads go on meanwhile. Waits for readers (the memory is gone from
 * the process when it returns), so it stops the process when called in a read
 * section. A second caller waits for the first.
 *
 * @param out  receives what was done; may be NULL.
 * @retval 0        success, also when there was nothing to gain
 * @retval -ENOMEM  no memory for the plan; nothing was changed
 */
ZS_API ZS_MUST_CHECK int zs_compact(struct zs_arena *arena,
                                    struct zs_compact_result *out);

struct zs_compactor; /* opaque */

/** Compactor settings. Zero-initialise, then set what differs. */
struct zs_compactor_config {
    /** Time between looks. 0: 500 ms. */
    uint64_t tick_ns;
    /** Compact when more than this share of the memory in use could be given
     *  back, in percent. 0: 5. */
    unsigned wasted_percent;
};

/**
 * Start a compactor thread for the arena. It looks once a tick, works while
 * there is something to gain, and waits twice as long (up to 64 ticks) after
 * each pass that gained nothing.
 *
 * @param cfg  settings, copied; NULL means all defaults.
 * @param out  receives the compactor; end it with zs_compactor_stop() before
 *             the arena (or the pool with its private arena) is destroyed.
 * @retval 0        running
 * @retval -EINVAL  wasted_percent is above 100
 * @retval -ENOMEM  no memory
 * @retval -EAGAIN  the system refused the thread; nothing is left behind
 */
ZS_API ZS_MUST_CHECK int
zs_compactor_start(struct zs_arena *arena,
                   const struct zs_compactor_config *cfg,
                   struct zs_compactor **out);

/** Look now, without waiting for the tick. Never waits. */
ZS_API void zs_compactor_kick(struct zs_compactor *compactor);

/** Stop and free it. May wait for the pass in progress. NULL is allowed. */
ZS_API void zs_compactor_stop(struct zs_compactor *compactor);

ZS_END_DECLS

#endif /* ZS_COMPACTOR_H */
