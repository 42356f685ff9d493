/* SPDX-License-Identifier: MIT */
/*
 * huge.c - pageblocks that the system backs by one huge page.
 *
 * Words
 *   huge block    opened whole: one huge page, all of it resident until the
 *                 block is given back whole (K3). The others are small
 *   dense, sparse, bare   what pages are wanted for: enum zs_page_use
 *   hole          a free page of a huge block: memory that nobody uses
 *
 * Idea
 *   A huge page is populated ten times faster than 512 small ones, given back
 *   twenty times faster, and misses no translations. But it is there whole or
 *   not at all: when a part of it is given back the figures of the process
 *   fall and the memory stays. So nothing is given back in part here, and only
 *   what keeps its memory goes in: zspages that are populated whole at once,
 *   runs, pages that are migrated with their memory. What has no memory, or
 *   may lose it, goes into small blocks, unless whole huge ones are idle.
 *
 *   What holes there are is the compaction pass's work: while it packs
 *   (compactor/pass.c), no huge block is opened, what is sparse leaves the
 *   huge blocks, and what is dense goes into holes. Outside of passes there is
 *   one partly filled huge block, and what was freed since: hence the least
 *   footprint from which on there are any.
 *
 *   A system that refuses is asked less and less often; its refusals cost a
 *   populate each.
 *
 * Locking: the arena lock; system calls without it, on BUSY or HELD blocks.
 *
 * Cost (docs/decisions/0005-huge-pages.md): 180 us to populate a block that
 * takes 575 in small pages, 6 us to give it back instead of 130.
 */
#include "os.h"
#include "page.h"

#define FROM_BYTES (UINT64_C(32) << 20) /* of footprint; ZS_HUGE_DEFAULT */
#define LIMIT_SHARE 16u /* of a limit, left free of new huge blocks */
#define MAX_PAUSE_SHIFT 10u

static void *address_of(const struct zs_arena *a, uint32_t block)
{
    return zs_page_addr(a, block * ZS_BLOCK_PAGES);
}

void zs_block_set_huge_locked(struct zs_arena *a, uint32_t block, bool huge)
{
    ZS_ASSERT_HELD(&a->lock);
    a->n_blocks_huge += (uint32_t)huge - (uint32_t)a->blocks[block].huge;
    a->blocks[block].huge = huge;
}

static bool is_wanted_locked(struct zs_arena *a)
{
    uint64_t used = atomic_load_explicit(&a->budget.used, memory_order_relaxed);
    uint64_t limit = a->budget.limit;

    if (a->huge_pages == ZS_HUGE_NEVER || a->packing ||
        (a->huge_pages == ZS_HUGE_DEFAULT && used < FROM_BYTES) ||
        (limit != 0 && used + ZS_BLOCK_BYTES > limit - limit / LIMIT_SHARE)) {
        return false;
    }
    if (a->huge_pause > 0) {
        a->huge_pause--;
        return false;
    }
    return true;
}

uint32_t zs_huge_begin_locked(struct zs_arena *a)
{
    size_t at = ZS_BITS_NONE;

    ZS_ASSERT_HELD(&a->lock);
    if (is_wanted_locked(a)) {
        at = zs_bits_find_clear_run(a->not_empty, 0, a->n_blocks, 1);
    }
    if (at == ZS_BITS_NONE ||
        !zs_budget_try_charge(&a->budget, ZS_BLOCK_BYTES)) {
        return ZS_BLOCK_NONE;
    }
    if (!zs_blocks_open_locked(a, (uint32_t)at, 1)) {
        zs_budget_uncharge(&a->budget, ZS_BLOCK_BYTES);
        return ZS_BLOCK_NONE;
    }
    a->blocks[at].resume = ZS_BLOCK_OPEN;
    a->blocks[at].state = ZS_BLOCK_BUSY;
    return (uint32_t)at;
}

static void end_locked(struct zs_arena *a, uint32_t block, bool huge)
{
    if (huge) {
        zs_block_set_resident(&a->blocks[block], 0, ZS_BLOCK_PAGES, true);
        zs_block_set_huge_locked(a, block, true);
        a->huge_refusals = 0;
    } else {
        zs_budget_uncharge(&a->budget, ZS_BLOCK_BYTES);
        a->huge_pause = 1u << a->huge_refusals;
        a->huge_refusals += a->huge_refusals < MAX_PAUSE_SHIFT;
    }
    zs_block_relist_locked(a, block);
}

void zs_huge_finish(struct zs_arena *a, uint32_t block)
{
    bool huge = zs_os.populate_huge(address_of(a, block), ZS_BLOCK_BYTES) == 0;

    zs_arena_note_growth(a);
    zs_lock_acquire(&a->lock);
    end_locked(a, block, huge);
    zs_lock_release(&a->lock);
}

bool zs_block_make_small(struct zs_arena *a, uint32_t block)
{
    if (!zs_page_is_huge(a, block * ZS_BLOCK_PAGES)) {
        return true;
    }
    if (zs_os.forbid_huge(address_of(a, block), ZS_BLOCK_BYTES) != 0) {
        return false;
    }
    zs_lock_acquire(&a->lock);
    zs_block_set_huge_locked(a, block, false);
    zs_lock_release(&a->lock);
    return true;
}

bool zs_page_is_huge(struct zs_arena *a, zs_pfn_t pfn)
{
    bool huge;

    zs_lock_acquire(&a->lock);
    huge = a->blocks[pfn / ZS_BLOCK_PAGES].huge;
    zs_lock_release(&a->lock);
    return huge;
}

bool zs_arena_has_huge(struct zs_arena *a)
{
    bool some;

    zs_lock_acquire(&a->lock);
    some = a->n_blocks_huge > 0;
    zs_lock_release(&a->lock);
    return some;
}

/* --- passes --- */

void zs_arena_pack(struct zs_arena *a, bool packing)
{
    zs_lock_acquire(&a->lock);
    a->packing = packing;
    zs_lock_release(&a->lock);
}

bool zs_arena_is_packing(struct zs_arena *a)
{
    bool packing;

    zs_lock_acquire(&a->lock);
    packing = a->packing;
    zs_lock_release(&a->lock);
    return packing;
}
