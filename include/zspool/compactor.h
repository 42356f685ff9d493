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

#include <stdbool.h>
#include <stdint.h>

#include "zspool/arena.h"
#include "zspool/export.h"
#include "zspool/movable_ops.h"
#include "zspool/pressure.h"

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

/* --- what a pass would do --- */

#define ZS_COMPACT_ESTIMATES(X)                                                \
    X(blocks_scanned, "pageblocks looked at")                                  \
    X(blocks_chosen, "pageblocks that a pass would empty")                     \
    X(bytes_to_move, "live bytes in those")                                    \
    X(bytes_gained, "bytes that packing everything live would give back")      \
    X(waste_bytes, "resident memory that is not live, empty pageblocks too")   \
    X(waste_permille, "the same, in thousandths of the resident memory")

#define ZS_COMPACT_ESTIMATE_(name, text) uint64_t name;
struct zs_compact_estimate {
    ZS_COMPACT_ESTIMATES(ZS_COMPACT_ESTIMATE_)
};

/**
 * A dry run: what zs_compact() would give now, and what it would move for it.
 * Moves nothing. Cost: a look at each page's descriptor, some 3 ms for a GiB.
 * May wait for a compaction pass.
 *
 * @retval 0        `*out` is the estimate
 * @retval -ENOMEM  no memory for the plan
 */
ZS_API ZS_MUST_CHECK int zs_compact_estimate(struct zs_arena *arena,
                                             struct zs_compact_estimate *out);

/* --- the thread --- */

struct zs_compactor; /* opaque */

/**
 * How much a compactor does, and how. Zero-initialise, then set what differs:
 * in every field 0 means the default.
 *
 * Waste is memory that is resident but neither live nor in the reserve, what
 * waits for readers left out. Below
 * the low mark nothing is done. From there on the thread works for its share of
 * a processor; above the high mark the share rises, and at twice the high mark
 * it is the greatest. It pauses between steps, so that work comes as a trickle.
 */
struct zs_compact_budget {
    unsigned low_permille;      /**< low mark, in 1/1000 of resident. 0: 7 */
    unsigned high_permille;     /**< high mark, not below the low one. 0: 10 */
    unsigned share_percent;     /**< of one processor. 1..100, 0: 5 */
    unsigned max_share_percent; /**< not below share_percent. 0: 100 */

    /** Longest step: how long a lock is held, or a zspage closed to writers. 0:
     *  100,000. Copying ends at half of it. One object is the least: objects
     *  of hundreds of KiB take longer. */
    uint64_t step_ns;
    uint32_t step_bytes; /**< most bytes moved in a step. 0: 64 KiB */
    uint32_t
        step_objects; /**< most objects moved in a step. 0: 256, the most */

    /** Free memory that is kept for the next burst, in bytes.
     *  0: 2 MiB. ZS_RESERVE_NOTHING: none */
    uint64_t reserve_bytes;
    /** How fast the memory of other empty pageblocks goes back: half of it in
     *  so many ns. 0: 500 ms. 1: at once */
    uint64_t decay_ns;
};
#define ZS_RESERVE_NOTHING UINT64_MAX

/** Compactor settings. Zero-initialise, then set what differs. */
struct zs_compactor_config {
    /** Time between looks. 0: 500 ms. */
    uint64_t tick_ns;
    struct zs_compact_budget budget;

    /** Told when memory is short, by the system or by an arena's limit; may be
     *  NULL. zspool/pressure.h says what it may do. */
    zs_pressure_fn *pressure;
    void *pressure_ctx;
    /** Watermarks of arenas that have a limit, in bytes that are free below it,
     *  with the kernel's meaning: below low the thread works at its greatest
     *  share until high is reached; below min memory counts as short
     *  (ZS_PRESSURE_HIGH). 0: from the limit, docs/pressure.md says how. */
    uint64_t min_bytes, low_bytes, high_bytes;
};

/**
 * Start a compactor thread: one for all arenas of the process is enough.
 *
 * It looks at each arena once a tick, when memory was taken that may be waste,
 * and when it is kicked; it works while there is something to gain. After a
 * pass that gained nothing it passes only after twice as many ticks (up to
 * 64), or when the figures have changed.
 *
 * For an arena with a limit: an allocation that meets it, and is not called in
 * a read section, waits up to 5 ms for the thread to make room, before it
 * answers -ENOMEM. It runs no callback and waits for no reader itself.
 *
 * @param arena  the first arena, as zs_compactor_add(); NULL: none yet.
 * @param cfg    settings, copied; NULL means all defaults.
 * @param out    receives the compactor; end it with zs_compactor_stop() before
 *               its arenas (or the pools with private arenas) are destroyed.
 * @retval 0        running
 * @retval -EINVAL  a setting out of range
 * @retval -EBUSY   the arena has a compactor
 * @retval -ENOMEM  no memory
 * @retval -EAGAIN  the system refused the thread; nothing is left behind
 */
ZS_API ZS_MUST_CHECK int
zs_compactor_start(struct zs_arena *arena,
                   const struct zs_compactor_config *cfg,
                   struct zs_compactor **out);

/**
 * Look after one more arena. Any thread, any time.
 *
 * @retval 0        it does
 * @retval -EINVAL  its limit is below the watermarks of the settings
 * @retval -EBUSY   the arena has a compactor, this or another
 * @retval -ENOMEM  no memory
 * @retval -ESRCH   the process is the child of a fork, and the compactor was
 *                  started before
 */
ZS_API ZS_MUST_CHECK int zs_compactor_add(struct zs_compactor *compactor,
                                          struct zs_arena *arena);

/**
 * Leave an arena alone; it may be destroyed then. May wait for a step of a pass
 * in progress, and for readers.
 *
 * @retval 0        it is left alone
 * @retval -ENOENT  it is not this compactor's; or somebody else is removing it,
 *                  and may not be through yet
 */
ZS_API int zs_compactor_remove(struct zs_compactor *compactor,
                               struct zs_arena *arena);

/**
 * Change the budget while it runs; a pass in progress goes on by the new one.
 *
 * @retval 0        set
 * @retval -EINVAL  a field out of range; the budget is as before
 */
ZS_API ZS_MUST_CHECK int
zs_compactor_set_budget(struct zs_compactor *compactor,
                        const struct zs_compact_budget *budget);

/** The budget in use, defaults filled in. */
ZS_API void zs_compactor_budget(struct zs_compactor *compactor,
                                struct zs_compact_budget *out);

/** Look at all arenas now, without waiting for the tick. Never waits. */
ZS_API void zs_compactor_kick(struct zs_compactor *compactor);

/** Do nothing until zs_compactor_resume(); a pass in progress ends soon. Never
 *  waits. */
ZS_API void zs_compactor_pause(struct zs_compactor *compactor);
ZS_API void zs_compactor_resume(struct zs_compactor *compactor);
/** Has it been told to do nothing? */
ZS_API bool zs_compactor_is_paused(const struct zs_compactor *compactor);

/** Stop and free it. May wait for a step of a pass in progress, and for
 *  readers. NULL is allowed. In the child of a fork this is what a compactor
 *  that was started before is good for: its thread is not there, it does
 *  nothing, and its arenas may have another one at once. */
ZS_API void zs_compactor_stop(struct zs_compactor *compactor);

#define ZS_COMPACTOR_STATS(X)                                                  \
    X(looks, "times that the arena's figures were looked at, ever")            \
    X(wakes, "of those, because memory was taken, ever")                       \
    X(passes, "passes begun, ever")                                            \
    X(passes_ended_early, "of those, ended before they were through, ever")    \
    X(passes_deferred, "left out, for the last ones gained nothing, ever")     \
    X(cpu_ns, "processor time of the thread for this arena, ever")             \
    X(paused_ns, "time that passes have paused, ever")                         \
    X(share_percent, "share of a processor at the last look, 0: no work")      \
    X(waste_permille, "waste at the last look, in thousandths of resident")    \
    X(reserve_bytes, "memory of empty pageblocks that is kept")                \
    X(pressure_level, "how short memory was last: enum zs_pressure_level")

#define ZS_COMPACTOR_FIELD_(name, text) uint64_t name;
struct zs_compactor_stats {
    ZS_COMPACTOR_STATS(ZS_COMPACTOR_FIELD_)
};

/**
 * What the compactor did for an arena.
 *
 * @retval 0        `*out` receives it
 * @retval -ENOENT  the arena is not this compactor's
 */
ZS_API ZS_MUST_CHECK int zs_compactor_stats(struct zs_compactor *compactor,
                                            struct zs_arena *arena,
                                            struct zs_compactor_stats *out);

ZS_END_DECLS

#endif /* ZS_COMPACTOR_H */
