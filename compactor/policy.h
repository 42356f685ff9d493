/* SPDX-License-Identifier: MIT */
/*
 * policy.h - which pageblocks to empty. Pure: figures in, victims out; no
 * locks, no arena, no clock.
 *
 * Words
 *   live   bytes that need memory: objects, and pages of other owners
 *   bare   pages in use without memory (a balloon's): they need room only
 *   need   pageblocks that live and bare would fill, packed perfectly
 *   keep   the blocks that stay: the `need` fullest ones
 *   victim every other block in use, if emptying it is worth its cost
 *
 * Idea
 *   Sort by how much is live in a block, in sixteenths, and where that is the
 *   same by address, the lowest first. Keep from the front until the capacity
 *   kept holds everything live; the rest are victims, the emptiest (and
 *   highest) first. Sixteenths, because a small difference in fullness is
 *   worth less than keeping the low blocks: what stays gathers in front, and
 *   handle tables and side arrays shrink with it.
 *
 *   A huge page is given back at once, small ones one by one: that counts as so
 *   much more to move, and of two blocks that are as full the huge one goes.
 *
 *   Age, as in log-structured cleaning: pages come and go in a block that is
 *   young, so what is moved out of it would soon have gone anyway, and what is
 *   free in it is soon taken. That counts as a sixteenth more to move.
 *
 *   A victim must give back more than a share of what moving it costs: with
 *   less than ZS_POLICY_MIN_GAIN_PERCENT of its memory to gain it stays. The
 *   page of its descriptors is part of that memory: 32 pages all of it live,
 *   alone in their block, are worth moving. A block of bare pages has no
 *   memory to give back.
 */
#ifndef ZS_COMPACTOR_POLICY_H
#define ZS_COMPACTOR_POLICY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zspool/compactor.h"

#define ZS_POLICY_MIN_GAIN_PERCENT 3u
#define ZS_POLICY_YOUNG_TICKS 2u

struct zs_block_figures {
    uint32_t block;      /* its number */
    uint32_t n_used;     /* pages with an owner */
    uint32_t n_resident; /* pages with memory, used or free */
    uint32_t n_fixed;    /* pages that cannot be moved; it cannot be emptied */
    bool skip;           /* it could not be emptied lately: leave it out */
    bool huge;           /* its memory is one huge page */
    uint8_t age_ticks;   /* since pages were taken in it, or given back */
    uint64_t live_bytes;
    uint64_t bare_bytes;
};

/*
 * Choose victims. Sorts `f` so that they come first, in the order in which to
 * empty them, and returns how many there are.
 */
size_t zs_policy_choose(struct zs_block_figures *f, size_t n);

/* Bytes that packing everything live would give back, without the blocks to be
 * skipped. */
uint64_t zs_policy_gain(const struct zs_block_figures *f, size_t n);

/* Fill in the defaults. -EINVAL: a field out of range. */
int zs_policy_complete_budget(struct zs_compact_budget *budget);

/*
 * The share of a processor, in percent, that a compactor takes when so many
 * thousandths of the memory are waste: 0 below the low mark, then the base
 * share, from the high mark to twice of it rising to the greatest. `working`:
 * it is at work now, and goes on until it is well below the low mark.
 */
unsigned zs_policy_share(const struct zs_compact_budget *budget,
                         unsigned waste_permille, bool working);

/* Bytes of empty blocks that are kept in any case. */
uint64_t zs_policy_reserve(const struct zs_compact_budget *budget);

/* Bytes of empty blocks to keep, of `idle` that there are, `passed_ns` after
 * the last look: half of what is beyond the reserve is gone after decay_ns. */
uint64_t zs_policy_keep(const struct zs_compact_budget *budget, uint64_t idle,
                        uint64_t passed_ns);

#endif /* ZS_COMPACTOR_POLICY_H */
