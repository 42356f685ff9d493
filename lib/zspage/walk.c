/* SPDX-License-Identifier: MIT */
/*
 * walk.c - going through the objects of a pool by address.
 *
 * Idea
 *   A step finds the next page with which a zspage of the pool begins, copies
 *   the handles of some of its slots under the class lock, and looks at their
 *   slot words without it: those are the cache misses. Nothing is held between
 *   steps, so the cursor is only a place: a page, and a slot of the zspage that
 *   begins there.
 *
 *   An object is listed where its word says it is and nowhere else, so one
 *   that stays in its place, in a zspage whose first page stays in its place,
 *   is met once. What has moved may have gone from behind the cursor to before
 *   it, or the other way.
 *
 * Locking: the arena lock and one class lock, in turn. That a word is looked at
 * after the class lock is dropped is harmless: if it names the slot, then the
 * object is live and there at that moment, whoever has put it there.
 */
#include <string.h>

#include "cache.h"

#define PART_SLOTS 64u /* copied under the lock, and fetched together */

/* Some slots of a zspage, as they were just now. */
struct part {
    uint32_t zspage; /* number */
    unsigned first;
    unsigned n;
    uint32_t side[PART_SLOTS];
};

/* Used pages only: those of unused pageblocks have no descriptors. */
static zs_pfn_t next_used_page(struct zs_arena *a, zs_pfn_t page)
{
    size_t block = page / ZS_BLOCK_PAGES;
    size_t at = page % ZS_BLOCK_PAGES;
    size_t found = ZS_BLOCK_PAGES;

    zs_lock_acquire(&a->lock);
    while (block < a->n_touched_blocks) {
        found = zs_bits_next(a->blocks[block].used, at, ZS_BLOCK_PAGES, true);
        if (found < ZS_BLOCK_PAGES) {
            break;
        }
        at = 0;
        block =
            zs_bits_next(a->not_empty, block + 1, a->n_touched_blocks, true);
    }
    zs_lock_release(&a->lock);
    return found < ZS_BLOCK_PAGES ? (zs_pfn_t)(block * ZS_BLOCK_PAGES + found)
                                  : zs_arena_nr_pages(a);
}

/* At most n slots of a locked zspage that begins at the cursor's page; the
 * cursor goes behind them. */
static void take_part(const struct zs_pool *pool, const struct zspage *zp,
                      struct zs_pool_cursor *c, size_t n, struct part *part)
{
    unsigned left = c->slot < zp->fresh ? zp->fresh - c->slot : 0;

    part->zspage = zspage_number(pool, zp);
    part->first = c->slot;
    part->n = n < PART_SLOTS ? (unsigned)n : PART_SLOTS;
    part->n = part->n < left ? part->n : left;
    memcpy(part->side, side_of(pool, zp) + part->first,
           part->n * sizeof(part->side[0]));
    c->slot += part->n;
    if (part->n == left) { /* pages side by side need not be looked at */
        bool split =
            atomic_load_explicit(&zp->first, memory_order_relaxed) == 0;

        c->page += split ? 1 : zp->n_pages;
        c->slot = 0;
    }
}

/* The live ones only: not those of a cache, nor one that is being replaced. */
static size_t list_live(struct zs_pool *pool, const struct part *part,
                        zs_handle_t *out)
{
    bool late[PART_SLOTS] = { false };
    size_t found = 0;

    for (unsigned i = 0; i < part->n; i++) {
        if (zs_side_is_handle(part->side[i])) {
            __builtin_prefetch(&pool->handles.slots[part->side[i]]);
        }
    }
    caches_find_late(pool, part->side, part->n, late);
    for (unsigned i = 0; i < part->n; i++) {
        uint32_t h = part->side[i];
        uint32_t word =
            zs_slot_word(part->zspage, part->first + i, ZS_SLOT_LIVE);

        if (zs_side_is_handle(h) && !late[i] &&
            zs_slot_load(&pool->handles, h) == word) {
            out[found++].raw = h;
        }
    }
    return found;
}

/* One step: some slots of the zspage that begins at the cursor's page, or on to
 * the next page. (The word of another owner's page may name a zspage; but that
 * one does not name the page.) */
static size_t list_at_page(struct zs_pool *pool, struct zs_pool_cursor *c,
                           zs_handle_t *out, size_t n)
{
    bool busy;
    struct zspage *zp = lock_zspage_of_page(pool, c->page, false, &busy);
    struct part part = { 0 };

    if (zp && zspage_pfn(zp, 0) == c->page) {
        take_part(pool, zp, c, n, &part);
    } else {
        c->page++;
        c->slot = 0;
    }
    if (zp) {
        zs_lock_release(&class_of(pool, zp)->lock);
    }
    return list_live(pool, &part, out);
}

size_t zs_pool_next(struct zs_pool *pool, struct zs_pool_cursor *cursor,
                    zs_handle_t *handles, size_t n)
{
    zs_pfn_t end = zs_arena_nr_pages(pool->arena);
    size_t found = 0;

    while (found < n && cursor->page < end) {
        zs_pfn_t page = next_used_page(pool->arena, cursor->page);

        if (page != cursor->page) {
            cursor->page = page;
            cursor->slot = 0;
        } else {
            found += list_at_page(pool, cursor, handles + found, n - found);
        }
    }
    return found;
}
