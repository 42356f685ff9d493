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
#include "zspool/movable_ops.h"

ZS_BEGIN_DECLS

#define ZS_COMPACT_RESULTS(X)                                                  \
    X(blocks_scanned, "pageblocks looked at")                                  \
    X(blocks_chosen, "pageblocks chosen for evacuation")                       \
    X(blocks_emptied, "of those, now empty")                                   \
    X(blocks_skipped, "left out, for a page that would not move last time")    \
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

/* --- giving back so much, and so fast --- */

/* In the order of what they cost. */
#define ZS_SHRINK_STAGES(X)                                                    \
    X(idle, "free pages and pageblocks kept for the next allocation")          \
    X(caches, "what owners keep at hand, and what waited for readers")         \
    X(evacuation, "pageblocks emptied by moving objects and pages")            \
    X(balloon, "free pages that a balloon of the arena withholds")

struct zs_shrink_stage {
    /** Given back to the operating system. What evacuation takes to move to is
     *  not taken off. */
    uint64_t bytes;
    uint64_t duration_ns; /**< time taken */
};
#define ZS_SHRINK_FIELD_(name, text) struct zs_shrink_stage name;
struct zs_shrink_result {
    ZS_SHRINK_STAGES(ZS_SHRINK_FIELD_)
    uint64_t bytes;          /**< of all stages */
    uint64_t withheld_bytes; /**< that balloons withhold more than before */
};

/**
 * Give `bytes` back to the operating system, the cheapest first; stop when
 * enough is given or the time is up. What is still missing in the end is added
 * to the target of the arena's balloons, if it has any: then memory that is
 * freed later stays given back, and allocations meet the limit earlier.
 *
 * May wait for readers and for a compaction pass.
 *
 * @param deadline_ns  time allowed, from now; 0: no bound. Looked at between
 *                     stages and between pageblocks, so it can be exceeded by
 *                     one pageblock and one grace period.
 * @param out  receives what each stage gave and cost; may be NULL.
 * @retval 0        success; look at out->bytes for how much it was
 * @retval -EINVAL  bytes is 0
 * @retval -ENOMEM  no memory for the plan of the evacuation; what the stages
 *                  before it gave is in `out`
 */
ZS_API ZS_MUST_CHECK int zs_arena_shrink(struct zs_arena *arena, uint64_t bytes,
                                         uint64_t deadline_ns,
                                         struct zs_shrink_result *out);

/* --- taking parts of the arena out of use --- */

/** What keeps a page from being emptied. */
struct zs_blocker {
    zs_pfn_t page;
    zs_page_type_t type;
    char type_name[24];
    char state[24];   /**< of the page: zs_page_flags_state() */
    char holder[160]; /**< who holds it, as its owner says; "" unknown */
};

/**
 * Take pageblocks out of use: nothing new goes in, what is there is moved
 * elsewhere, their memory is given back. They stay so until
 * zs_arena_online(). May wait for readers and for a compaction pass.
 *
 * @param first  address space from the arena's beginning, a multiple of
 * @param bytes  ZS_BLOCK_BYTES, both
 * @param why    on -EBUSY, what would not move; may be NULL.
 * @retval 0        offline
 * @retval -EINVAL  not whole pageblocks of the arena, or one of them is
 *                  offline already
 * @retval -EBUSY   a page would not move: `*why`. All blocks are in use as
 *                  before, though things may have moved
 * @retval -ENOMEM  no memory to move to, or for the tables; as before
 * @retval -EIO     the system did not take the memory back; as before
 */
ZS_API ZS_MUST_CHECK int zs_arena_offline(struct zs_arena *arena, size_t first,
                                          size_t bytes, struct zs_blocker *why);

/**
 * Take offline pageblocks into use again.
 *
 * @retval 0        online
 * @retval -EINVAL  not whole pageblocks of the arena, or one of them is not
 *                  offline; nothing was changed
 */
ZS_API ZS_MUST_CHECK int zs_arena_online(struct zs_arena *arena, size_t first,
                                         size_t bytes);

/**
 * Empty one page, give its memory back, and never use it again (bad memory).
 * May wait for readers and for a compaction pass.
 *
 * @retval 0        retired
 * @retval -EINVAL  no page of the arena, in an offline pageblock, or retired
 * @retval -EBUSY   it would not move: `*why` (may be NULL). In use as before
 * @retval -ENOMEM  no memory to move to, or for the descriptor; as before
 * @retval -EIO     the system did not take the memory back; as before
 */
ZS_API ZS_MUST_CHECK int zs_page_retire(struct zs_arena *arena, zs_pfn_t page,
                                        struct zs_blocker *why);

/* --- the thread --- */

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
