/* SPDX-License-Identifier: MIT */
/*
 * offline.c - pageblocks and pages that are taken out of use.
 *
 * Idea
 *   Whoever empties a block for good holds it first: nothing is taken from a
 *   HELD block, and unlike a CLOSED one it is not given back, and open to
 *   everybody again, the moment it is empty. From there it goes OFFLINE, or
 *   one of its free pages is taken by the allocator's own type, "retired".
 *   Its bit in not_empty stays set all the while, so no search meets it.
 *
 *            hold           empty, take_offline
 *     OPEN --------> HELD -----------------------> OFFLINE
 *      ^  ^           |                               |
 *      |  |  reopen   |                               | bring_online
 *      |  +-----------+                               v
 *      +---------------------------------- EMPTY, or OPEN if it has
 *                                          retired pages
 *
 * Locking: the caller has pass_lock, so a HELD block is its own; states are
 * guarded by the arena lock.
 */
#include <errno.h>

#include "os.h"
#include "page.h"
#include "page_flags.h"

int zs_block_hold(struct zs_arena *a, uint32_t block)
{
    struct zs_block *b = &a->blocks[block];
    int err = 0;

    zs_lock_acquire(&a->lock);
    switch ((enum zs_block_state)b->state) {
    case ZS_BLOCK_OPEN:
        zs_block_unlist_locked(a, block);
        b->state = ZS_BLOCK_HELD;
        break;
    case ZS_BLOCK_EMPTY:
        err = -ENOENT;
        break;
    case ZS_BLOCK_OFFLINE:
        err = -EINVAL;
        break;
    default:
        ZS_CHECK(b->state == ZS_BLOCK_BUSY); /* nobody else closes or holds */
        err = -EAGAIN; /* an allocation gives its free pages back */
    }
    zs_lock_release(&a->lock);
    return err;
}

int zs_block_open_held(struct zs_arena *a, uint32_t block)
{
    struct zs_block *b = &a->blocks[block];
    int err = -EAGAIN;

    zs_lock_acquire(&a->lock);
    if (b->state == ZS_BLOCK_EMPTY) {
        err = zs_blocks_open_locked(a, block, 1) ? 0 : -ENOMEM;
    }
    if (!err) {
        b->state = ZS_BLOCK_HELD;
    }
    zs_lock_release(&a->lock);
    return err;
}

/* Tables reach up to the highest block that was ever used; an EMPTY one beyond
 * makes them resident up to it. */
static bool touch_locked(struct zs_arena *a, uint32_t block)
{
    uint64_t bytes;

    if (block < a->n_touched_blocks) {
        return true;
    }
    bytes = (block + 1 - a->n_touched_blocks) * sizeof(struct zs_block);
    if (!zs_budget_try_charge_metadata(&a->budget, bytes)) {
        return false;
    }
    a->n_touched_blocks = block + 1;
    return true;
}

static int empty_offline_locked(struct zs_arena *a, uint32_t block)
{
    if (!touch_locked(a, block)) {
        return -ENOMEM;
    }
    zs_bit_set(a->not_empty, block);
    a->blocks[block].state = ZS_BLOCK_OFFLINE;
    a->n_blocks_offline++;
    return 0;
}

static int held_offline(struct zs_arena *a, uint32_t block)
{
    struct zs_block *b = &a->blocks[block];
    uint64_t gone;
    bool done = zs_block_release_memory(a, block, &gone);

    zs_lock_acquire(&a->lock);
    b->state = done ? ZS_BLOCK_OFFLINE : ZS_BLOCK_HELD;
    a->n_blocks_offline += done;
    zs_lock_release(&a->lock);
    return done ? 0 : -EIO;
}

int zs_block_take_offline(struct zs_arena *a, uint32_t block)
{
    struct zs_block *b = &a->blocks[block];
    bool held = false;
    int err = -EAGAIN;

    zs_block_lock_settled(a, block);
    if (b->state == ZS_BLOCK_EMPTY) {
        err = empty_offline_locked(a, block);
    } else if (b->state == ZS_BLOCK_HELD && b->n_used == b->n_retired) {
        held = true;
        b->state = ZS_BLOCK_BUSY;
    }
    zs_lock_release(&a->lock);
    return held ? held_offline(a, block) : err;
}

void zs_block_bring_online(struct zs_arena *a, uint32_t block)
{
    struct zs_block *b = &a->blocks[block];

    zs_lock_acquire(&a->lock);
    ZS_CHECK(b->state == ZS_BLOCK_OFFLINE);
    a->n_blocks_offline--;
    if (b->n_retired > 0) {
        zs_block_relist_locked(a, block);
    } else {
        b->state = ZS_BLOCK_EMPTY;
        zs_bit_clear(a->not_empty, block);
    }
    zs_lock_release(&a->lock);
}

bool zs_block_is_offline(struct zs_arena *a, uint32_t block)
{
    bool offline;

    zs_lock_acquire(&a->lock);
    offline = a->blocks[block].state == ZS_BLOCK_OFFLINE;
    zs_lock_release(&a->lock);
    return offline;
}

unsigned zs_block_pages_left(struct zs_arena *a, uint32_t block)
{
    const struct zs_block *b = &a->blocks[block];
    unsigned n = 0;

    zs_block_lock_settled(a, block);
    if (b->state == ZS_BLOCK_CLOSED || b->state == ZS_BLOCK_HELD) {
        n = b->n_used - b->n_retired;
    }
    zs_lock_release(&a->lock);
    return n;
}

bool zs_page_is_used(struct zs_arena *a, zs_pfn_t page)
{
    const struct zs_block *b = &a->blocks[page / ZS_BLOCK_PAGES];
    bool used;

    zs_lock_acquire(&a->lock);
    used = zs_bit_test(b->used, page % ZS_BLOCK_PAGES);
    zs_lock_release(&a->lock);
    return used;
}

int zs_page_take_retired(struct zs_arena *a, zs_pfn_t page)
{
    struct zs_block *b = &a->blocks[page / ZS_BLOCK_PAGES];

    if (!zs_block_make_small(a, page / ZS_BLOCK_PAGES)) {
        return -EIO;
    }
    zs_pages_depopulate(a, page, 1); /* free, in a held block: nobody's */
    if (zs_page_is_resident(a, page)) {
        return -EIO;
    }
    zs_page_alloc_edge(zs_page(a, page), ZS_PAGE_TYPE_RETIRED);
    zs_block_lock_settled(a, page / ZS_BLOCK_PAGES);
    ZS_ASSERT(b->state == ZS_BLOCK_HELD);
    zs_block_take(b, page % ZS_BLOCK_PAGES, 1);
    b->n_retired++;
    a->n_pages_used++;
    a->n_pages_retired++;
    zs_lock_release(&a->lock);
    return 0;
}
