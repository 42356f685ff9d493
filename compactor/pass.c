/* SPDX-License-Identifier: MIT */
/*
 * pass.c - evacuation: emptying the pageblocks that the live data does not
 * need.
 *
 * Idea
 *   0. Before it, owners give up what they keep at hand (also for threads that
 *      sleep): zs_pass_drop_caches(). What waits for readers is freed.
 *   1. Close every victim: nothing new goes in; what its pages belong to is
 *      taken off the owners' lists, so it is neither filled nor moved into.
 *   2. One victim after the other: the owners move its objects into free slots
 *      elsewhere; what is left (full zspages, other owners' pages) is isolated
 *      and migrated page by page (evacuate.c).
 *   3. Whatever could not be moved goes back to its owner and the block is
 *      open again: a pin makes a block a skipped one, not a failed pass. The
 *      compactor thread leaves it out for the next 1, 2, 4 ... 64 passes.
 *   4. Owners consolidate what is partly filled, and trim unused ends.
 *   5. Free memory goes back to the system. Huge blocks give back none in
 *      part: so the ends of zspages have left them in 4, and the emptiest are
 *      now emptied into the holes of the others.
 *
 *   What is left behind waits for readers. The pass stops for that only when
 *   as much waits as may (zs_deferred_is_full()), and at its end; it holds no
 *   lock but pass_lock then, which no reader or allocation takes.
 */
#include "pass.h"

#include <stdlib.h>

#include "evacuate.h"
#include "owner_ops.h"
#include "os.h"
#include "probe.h"

#define HOLES_SHARE 1024u /* of all memory: so much may be holes */
#define RECYCLE_BLOCKS 4u /* emptied ones, for what is still to be moved */

static bool is_late(const struct zs_arena *a, const struct zs_pass_goal *goal)
{
    return zs_pace_is_ending(&a->pace) ||
           (goal->until_ns != 0 && zs_os.now_ns() >= goal->until_ns);
}

/* --- victims --- */

/* The first of the chosen victims that give goal->want_bytes together. */
static size_t enough_victims(const struct zs_block_figures *victims, size_t n,
                             const struct zs_pass_goal *goal)
{
    uint64_t gain = 0;

    for (size_t i = 0; i < n && goal->want_bytes != 0; i++) {
        if (gain >= goal->want_bytes) {
            return i;
        }
        gain += (uint64_t)victims[i].n_resident * ZS_PAGE_BYTES -
                victims[i].live_bytes;
    }
    return n;
}

/* Those that could be closed, in front. The others were emptied, or are being
 * trimmed, since the survey. */
static size_t close_victims(struct zs_arena *a,
                            struct zs_block_figures *victims, size_t n)
{
    size_t n_closed = 0;

    for (size_t i = 0; i < n; i++) {
        if (zs_block_close(a, victims[i].block)) {
            zs_evacuate_detach(a, victims[i].block * ZS_BLOCK_PAGES,
                               ZS_BLOCK_PAGES);
            victims[n_closed++] = victims[i];
        }
    }
    return n_closed;
}

static void reopen_victim(struct zs_arena *a, uint32_t block, bool tried,
                          struct zs_compact_result *r)
{
    unsigned left = zs_block_pages_left(a, block);

    r->pages_left += left;
    r->blocks_emptied += left == 0;
    if (tried && left > 0) {
        zs_block_skip(a, block);
    } else if (tried) {
        zs_block_unskip(a, block);
    }
    zs_block_reopen(a, block);
}

static void evacuate_together(struct zs_arena *a,
                              struct zs_block_figures *victims, size_t n,
                              const struct zs_pass_goal *goal,
                              struct zs_compact_result *r)
{
    size_t n_tried = 0;

    n = close_victims(a, victims, n);
    r->blocks_chosen += n;
    for (; n_tried < n && !is_late(a, goal); n_tried++) {
        zs_evacuate_pages(a, victims[n_tried].block * ZS_BLOCK_PAGES,
                          ZS_BLOCK_PAGES);
    }
    zs_grace_flush(&a->grace);
    for (size_t i = 0; i < n; i++) {
        reopen_victim(a, victims[i].block, i < n_tried, r);
    }
    zs_evacuate_attach_owners(a);
}

/* A pass that pauses closes few victims at a time: what is closed or detached
 * takes nothing new. What the others are moved to may be in a later victim;
 * the emptiest come first, and the fullest are moved to, so that is seldom. */
static void evacuate(struct zs_arena *a, struct zs_block_figures *victims,
                     size_t n, const struct zs_pass_goal *goal,
                     struct zs_compact_result *r)
{
    size_t step = goal->together != 0 ? goal->together : n;

    for (size_t i = 0; i < n && !is_late(a, goal); i += step) {
        evacuate_together(a, victims + i, n - i < step ? n - i : step, goal, r);
    }
}

/* --- partly filled zspages, and unused ends --- */

static void consolidate_owners(struct zs_arena *a)
{
    for (unsigned i = 1; i <= ZS_PAGE_TYPE_MAX; i++) {
        const struct zs_page_type *t = &a->types[i];

        while (t->evacuation && t->evacuation->consolidate(t->evacuation_ctx)) {
            zs_grace_flush(&a->grace);
        }
    }
    zs_evacuate_attach_owners(a);
    zs_grace_flush(&a->grace);
}

static void trim_owners(struct zs_arena *a)
{
    for (unsigned i = 1; i <= ZS_PAGE_TYPE_MAX; i++) {
        const struct zs_page_type *t = &a->types[i];

        if (t->evacuation) {
            t->evacuation->trim(t->evacuation_ctx);
        }
    }
    zs_evacuate_attach_owners(a);
    zs_grace_flush(&a->grace);
}

/* --- huge blocks --- */

static int by_used(const void *pa, const void *pb)
{
    const struct zs_block_figures *a = pa;
    const struct zs_block_figures *b = pb;

    return a->n_used < b->n_used ? -1 : a->n_used > b->n_used;
}

/* Huge blocks in use, the emptiest first, and how many of their pages are
 * free. */
static size_t list_huge(struct zs_arena *a, struct zs_block_figures *f,
                        size_t max, uint64_t *holes)
{
    size_t n = 0;

    *holes = 0;
    zs_lock_acquire(&a->lock);
    for (uint32_t i = 0; i < a->n_touched_blocks && n < max; i++) {
        const struct zs_block *b = &a->blocks[i];

        if (b->huge && b->state == ZS_BLOCK_OPEN && b->n_used > 0 &&
            b->skip_passes == 0) {
            f[n++] =
                (struct zs_block_figures){ .block = i, .n_used = b->n_used };
            *holes += ZS_BLOCK_PAGES - b->n_used;
        }
    }
    zs_lock_release(&a->lock);
    qsort(f, n, sizeof(*f), by_used);
    return n;
}

/* How many of them to empty, so that the others have no hole. What does not
 * fit into those goes into small blocks. */
static size_t huge_victims(const struct zs_block_figures *f, size_t n,
                           uint64_t holes)
{
    uint64_t moved = 0;
    size_t victims = 0;

    while (victims < n && moved < holes) {
        moved += f[victims].n_used;
        holes -= ZS_BLOCK_PAGES - f[victims].n_used;
        victims++;
    }
    return victims;
}

/* A few pages are not worth it. */
static bool is_worth_packing(struct zs_arena *a, uint64_t holes)
{
    uint64_t used = atomic_load_explicit(&a->budget.used, memory_order_relaxed);

    return holes * ZS_PAGE_BYTES > used / HOLES_SHARE;
}

/* How many have so many holes that emptying them pays whatever becomes of the
 * holes of the others. */
static size_t hollow_victims(const struct zs_block_figures *f, size_t n)
{
    size_t victims = 0;

    while (victims < n &&
           f[victims].n_used * 100 <=
               ZS_BLOCK_PAGES * (100 - ZS_POLICY_MIN_GAIN_PERCENT)) {
        victims++;
    }
    return victims;
}

/* Twice if need be: objects that move alone go into small blocks, and leave
 * holes that pages were to fill. What is left then no object fits into: runs,
 * with room for less than one behind them. Their blocks become small ones. */
static void pack_huge(struct zs_arena *a, struct zs_survey *s,
                      const struct zs_pass_goal *goal,
                      struct zs_compact_result *r)
{
    for (unsigned turn = 0; turn < 3 && !is_late(a, goal); turn++) {
        uint64_t holes;
        size_t n = list_huge(a, s->figures, s->max, &holes);

        if (!is_worth_packing(a, holes)) {
            return;
        }
        n = turn < 2 ? huge_victims(s->figures, n, holes)
                     : hollow_victims(s->figures, n);
        evacuate(a, s->figures, n, goal, r);
    }
}

/* --- the pass --- */

void zs_pass_drop_caches(struct zs_arena *a)
{
    ZS_ASSERT_HELD(&a->pass_lock);
    for (unsigned i = 1; i <= ZS_PAGE_TYPE_MAX; i++) {
        const struct zs_page_type *t = &a->types[i];

        if (t->shrink && t->shrink->drop_caches) {
            t->shrink->drop_caches(t->shrink_ctx);
        }
    }
}

static void tell_owners(struct zs_arena *a, bool begins)
{
    for (unsigned i = 1; i <= ZS_PAGE_TYPE_MAX; i++) {
        const struct zs_page_type *t = &a->types[i];

        if (t->evacuation) {
            t->evacuation->pass(t->evacuation_ctx, begins);
        }
    }
}

/* What was freed before the pass (zs_free_deferred(), replaces) and waits for
 * readers is neither to be moved nor free to move to: a zspage of which most
 * waits would look full until the pass is over. */
static void free_what_waits(struct zs_arena *a)
{
    if (zs_grace_deferred(&a->grace) > 0) {
        zs_grace_flush(&a->grace);
    }
}

static void count_figures(const struct zs_survey *s,
                          struct zs_compact_result *r)
{
    r->blocks_scanned += s->n;
    for (size_t i = 0; i < s->n; i++) {
        r->blocks_skipped += s->figures[i].skip;
    }
}

/* Ends of zspages, free pages, holes in huge blocks. */
static void pack_ends(struct zs_arena *a, struct zs_survey *s,
                      const struct zs_pass_goal *goal,
                      struct zs_compact_result *r)
{
    zs_arena_pack(a, true);
    if (!is_late(a, goal)) {
        trim_owners(a);
    }
    zs_arena_trim_paced(a, goal->keep_blocks);
    if (!is_late(a, goal)) {
        pack_huge(a, s, goal, r);
        zs_arena_trim_paced(a, goal->keep_blocks);
    }
    zs_arena_pack(a, false);
}

void zs_pass_consolidate(struct zs_arena *a)
{
    ZS_ASSERT_HELD(&a->pass_lock);
    tell_owners(a, true);
    consolidate_owners(a);
    tell_owners(a, false);
}

void zs_pass_run(struct zs_arena *a, struct zs_survey *s,
                 const struct zs_pass_goal *goal, struct zs_compact_result *r)
{
    size_t n;

    ZS_ASSERT_HELD(&a->pass_lock);
    count_figures(s, r);
    ZS_PROBE2(pass_begin, r->blocks_scanned, r->blocks_skipped);
    tell_owners(a, true);
    free_what_waits(a);
    zs_arena_recycle(a, RECYCLE_BLOCKS);
    n = enough_victims(s->figures, zs_policy_choose(s->figures, s->n), goal);
    if (n > 0) {
        evacuate(a, s->figures, n, goal, r);
    }
    if (!is_late(a, goal)) {
        consolidate_owners(a);
    }
    zs_arena_recycle(a, 0);
    pack_ends(a, s, goal, r);
    tell_owners(a, false);
    ZS_PROBE2(pass_end, r->blocks_chosen, r->blocks_emptied);
}
