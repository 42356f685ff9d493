/* SPDX-License-Identifier: MIT */
/*
 * pass.c - evacuation: emptying the pageblocks that the live data does not
 * need.
 *
 * Idea
 *   1. Close every victim: nothing new goes in; what its pages belong to is
 *      taken off the owners' lists, so it is neither filled nor moved into.
 *   2. One victim after the other: the owners move its objects into free slots
 *      elsewhere; what is left (full zspages, other owners' pages) is isolated
 *      and migrated page by page.
 *   3. Whatever could not be moved goes back to its owner and the block is
 *      open again: a pin makes a block a skipped one, not a failed pass.
 *   4. Owners consolidate what is partly filled, and trim unused ends.
 *   5. Free memory goes back to the system.
 *
 *   What is left behind waits for readers. The pass stops for that only when
 *   as much waits as may (zs_deferred_is_full()), and at its end; it holds no
 *   lock but pass_lock then, which no reader or allocation takes.
 */
#include "pass.h"

#include "migrate.h"
#include "probe.h"

static const struct zs_page_type *type_at(struct zs_arena *a, zs_pfn_t page)
{
    return &a->types[zs_word_type(zs_page_word(zs_page(a, page)))];
}

static void flush_if_full(struct zs_arena *a)
{
    if (zs_deferred_is_full(a)) {
        zs_grace_flush(&a->grace);
    }
}

/* --- step 1 --- */

static bool close_victim(struct zs_arena *a, uint32_t block)
{
    zs_pfn_t first = block * ZS_BLOCK_PAGES;

    if (!zs_block_close(a, block)) {
        return false; /* emptied, or being trimmed, since the survey */
    }
    for (zs_pfn_t page = first; page < first + ZS_BLOCK_PAGES; page++) {
        const struct zs_page_type *t = type_at(a, page);

        if (t->evacuation) {
            t->evacuation->detach(t->evacuation_ctx, page);
        }
    }
    return true;
}

/* --- step 2 --- */

static void move_objects(struct zs_arena *a, uint32_t block)
{
    zs_pfn_t first = block * ZS_BLOCK_PAGES;

    for (zs_pfn_t page = first; page < first + ZS_BLOCK_PAGES; page++) {
        const struct zs_page_type *t = type_at(a, page);

        if (t->evacuation) {
            (void)t->evacuation->move_objects(t->evacuation_ctx, page);
            flush_if_full(a);
        }
    }
}

static void migrate_pages(struct zs_arena *a, uint32_t block)
{
    zs_pfn_t first = block * ZS_BLOCK_PAGES;
    zs_pfn_t pages[ZS_BLOCK_PAGES];
    unsigned n = 0;

    for (zs_pfn_t page = first; page < first + ZS_BLOCK_PAGES; page++) {
        if (zs_isolate_movable_ops_page(a, page)) {
            pages[n++] = page;
        }
    }
    n = zs_migrate_pages(a, pages, n, ZS_MIGRATE_SYNC);
    for (unsigned i = 0; i < n; i++) {
        zs_putback_movable_ops_page(a, pages[i]);
    }
    flush_if_full(a);
}

/* --- step 3 --- */

/* A victim that was emptied is not CLOSED any more; it may be in use again. */
static unsigned pages_left(struct zs_arena *a, uint32_t block)
{
    const struct zs_block *b = &a->blocks[block];
    unsigned n;

    zs_lock_acquire(&a->lock);
    n = b->state == ZS_BLOCK_CLOSED ? b->n_used : 0;
    zs_lock_release(&a->lock);
    return n;
}

/* --- steps 4 and 5 --- */

static void for_each_owner_once(struct zs_arena *a,
                                void (*act)(struct zs_arena *a,
                                            const struct zs_page_type *t))
{
    for (unsigned i = 1; i <= ZS_PAGE_TYPE_MAX; i++) {
        if (a->types[i].evacuation) {
            act(a, &a->types[i]);
        }
    }
}

static void attach_owner(struct zs_arena *a, const struct zs_page_type *t)
{
    (void)a;
    t->evacuation->attach_all(t->evacuation_ctx);
}

static void consolidate_owner(struct zs_arena *a, const struct zs_page_type *t)
{
    while (t->evacuation->consolidate(t->evacuation_ctx)) {
        zs_grace_flush(&a->grace);
    }
}

static void trim_owner(struct zs_arena *a, const struct zs_page_type *t)
{
    (void)a;
    t->evacuation->trim(t->evacuation_ctx);
}

/* Those that could be closed, in front. */
static size_t close_victims(struct zs_arena *a,
                            struct zs_block_figures *victims, size_t n)
{
    size_t n_closed = 0;

    for (size_t i = 0; i < n; i++) {
        if (close_victim(a, victims[i].block)) {
            victims[n_closed++] = victims[i];
        }
    }
    return n_closed;
}

static void evacuate(struct zs_arena *a, struct zs_block_figures *victims,
                     size_t n, struct zs_compact_result *r)
{
    n = close_victims(a, victims, n);
    r->blocks_chosen += n;
    for (size_t i = 0; i < n; i++) {
        move_objects(a, victims[i].block);
        migrate_pages(a, victims[i].block);
    }
    zs_grace_flush(&a->grace);
    for (size_t i = 0; i < n; i++) {
        unsigned left = pages_left(a, victims[i].block);

        r->pages_left += left;
        r->blocks_emptied += left == 0;
        zs_block_reopen(a, victims[i].block);
    }
    for_each_owner_once(a, attach_owner);
}

void zs_pass_run(struct zs_arena *a, struct zs_survey *s, uint32_t keep_blocks,
                 struct zs_compact_result *r)
{
    size_t n;

    ZS_ASSERT_HELD(&a->pass_lock);
    r->blocks_scanned += s->n;
    n = zs_policy_choose(s->figures, s->n);
    if (n > 0) {
        evacuate(a, s->figures, n, r);
    }
    for_each_owner_once(a, consolidate_owner);
    zs_grace_flush(&a->grace);
    for_each_owner_once(a, trim_owner);
    zs_grace_flush(&a->grace);
    (void)zs_arena_trim(a, keep_blocks);
    ZS_PROBE2(pass, r->blocks_chosen, r->blocks_emptied);
}
