/* SPDX-License-Identifier: MIT */
/*
 * balloon_impl.h - the inside of a balloon.
 *
 * Words
 *   listed     on the balloon's list: nobody but the balloon has the page
 *   isolated   the migration core has it, and gives it back or moves it
 *   unlink     take a page off the list
 *   finalize   end a page that is on no list: its room goes back to the arena
 *
 * The list is a bitmap over the pages of the arena, so that a page is found,
 * listed and unlinked without a list head of its own.
 *
 * Invariants, whenever the lock is free
 *   L1  n_listed counts the bits of `list`
 *   L2  no isolated page is listed
 *   L3  n_listed + n_isolated is what the balloon withholds; the arena's budget
 *       has the same in bytes, and what is just being taken or finalized
 *   L4  listed pages have no memory behind them
 *   L5  no bit is set at or above `top`
 *
 * Locking: `lock` (rank BALLOON) guards all fields below it. Pages are taken
 * before and finalized after it is held.
 */
#ifndef ZS_LIB_BALLOON_IMPL_H
#define ZS_LIB_BALLOON_IMPL_H

#include "fork.h"
#include "lock.h"
#include "owner_ops.h"
#include "zspool/balloon.h"

struct zs_balloon {
    /* set once at create */
    struct zs_arena *arena;
    zs_page_type_t type;
    struct zs_fork_member fork;

    struct zs_lock lock;
    uint64_t *list;       /* a bit per page of the arena */
    uint32_t n_map_pages; /* OS pages of `list` that are paid for */
    zs_pfn_t top;
    uint64_t target; /* pages, as the figures below */
    uint64_t n_listed;
    uint64_t n_isolated;
    uint64_t n_migrated;
};

static inline uint64_t balloon_total_locked(const struct zs_balloon *b)
{
    ZS_ASSERT_HELD(&b->lock);
    return b->n_listed + b->n_isolated;
}

/* Pay for the part of the list that `page` is in. 0 or -ENOMEM. */
int balloon_cover(struct zs_balloon *b, zs_pfn_t page);

/* The one way onto the list: covered, owned and without memory. */
void balloon_link_locked(struct zs_balloon *b, zs_pfn_t page);
/* False: it is not listed (isolated, or given up). */
bool balloon_unlink_locked(struct zs_balloon *b, zs_pfn_t page);
/* Pages that are on no list go back to the arena. */
void balloon_finalize(struct zs_balloon *b, zs_pfn_t first, unsigned n);

extern const struct zs_movable_ops balloon_movable_ops;
extern const struct zs_shrink_ops balloon_shrink_ops;
extern const struct zs_figures_ops balloon_figures_ops;

#endif /* ZS_LIB_BALLOON_IMPL_H */
