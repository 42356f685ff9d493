/* SPDX-License-Identifier: MIT */
/*
 * survey.c - figures of every pageblock, for the policy.
 *
 * Reads flag words without a lock: a figure may be old by the time it is used.
 * Then a victim is a little fuller or emptier than thought, which costs some
 * copying and nothing else.
 */
#include <errno.h>

#include "owner_ops.h"
#include "page_flags.h"
#include "os.h"
#include "pass.h"

/* A copy of the block as it is now. False: there is nothing in it to move. */
static bool copy_block(struct zs_arena *a, uint32_t block, struct zs_block *b)
{
    zs_lock_acquire(&a->lock);
    *b = a->blocks[block];
    zs_lock_release(&a->lock);
    return b->state == ZS_BLOCK_OPEN && b->n_used > b->n_retired;
}

/* A page of an owner that has no objects to move. */
static void add_whole_page(uint32_t word, bool resident,
                           struct zs_block_figures *f)
{
    f->n_fixed += !zs_word_has_movable_ops(word);
    if (resident) {
        f->live_bytes += ZS_PAGE_BYTES;
    } else {
        f->bare_bytes += ZS_PAGE_BYTES;
    }
}

static bool is_in_use(uint32_t word)
{
    return !zs_word_is(word, ZS_PAGE_FREE) &&
           !zs_word_is(word, ZS_PAGE_LIMBO) &&
           zs_word_type(word) != ZS_PAGE_TYPE_RETIRED;
}

/* Add what begins at `page`; returns the first page after it. */
static zs_pfn_t add_page(struct zs_arena *a, zs_pfn_t page, zs_pfn_t block_end,
                         const struct zs_block *b, struct zs_block_figures *f)
{
    uint32_t word = zs_page_word(zs_page(a, page));
    const struct zs_page_type *t = &a->types[zs_word_type(word)];
    zs_pfn_t end = page + 1;
    size_t live = 0;

    if (!is_in_use(word)) {
        return end;
    }
    if (!t->evacuation) {
        add_whole_page(word, zs_bit_test(b->resident, page % ZS_BLOCK_PAGES),
                       f);
    } else {
        t->evacuation->look(t->evacuation_ctx, page, &end, &live);
        if (end > block_end) { /* a run that goes on in the next block */
            live = live / (end - page) * (block_end - page);
            end = block_end;
        }
        f->live_bytes += live;
    }
    return end;
}

static void survey_block(struct zs_arena *a, uint32_t block,
                         const struct zs_block *b, struct zs_block_figures *f)
{
    zs_pfn_t page = block * ZS_BLOCK_PAGES;
    zs_pfn_t end = page + ZS_BLOCK_PAGES;

    *f = (struct zs_block_figures){
        .block = block,
        .n_used = b->n_used,
        .n_resident = b->n_resident,
        .huge = b->huge,
        .age_ticks = (uint8_t)(a->tick - b->touched), /* written by passes */
    };
    while (page < end) {
        page = add_page(a, page, end, b, f);
    }
}

/* Is the block to be left out once more? Counts down. */
static bool skip_once(struct zs_arena *a, uint32_t block)
{
    struct zs_block *b = &a->blocks[block];
    bool skip;

    zs_lock_acquire(&a->lock);
    skip = b->skip_passes > 0;
    if (b->skip_shift > 0) {
        atomic_store_explicit(&a->has_skips, true, memory_order_relaxed);
    }
    b->skip_passes = (uint8_t)(b->skip_passes - skip);
    zs_lock_release(&a->lock);
    return skip;
}

int zs_survey_take(struct zs_arena *a, struct zs_survey *s, bool heed_skips)
{
    uint32_t n_blocks;

    ZS_ASSERT_HELD(&a->pass_lock);
    zs_lock_acquire(&a->lock);
    n_blocks = a->n_touched_blocks;
    zs_lock_release(&a->lock);
    if (heed_skips) { /* until one is found */
        atomic_store_explicit(&a->has_skips, false, memory_order_relaxed);
    }
    s->n = 0;
    s->max = n_blocks + 1;
    s->figures = zs_os.alloc((n_blocks + 1) * sizeof(*s->figures));
    if (!s->figures) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n_blocks; i++) {
        struct zs_block_figures *f = &s->figures[s->n];
        struct zs_block b;

        if (copy_block(a, i, &b)) {
            survey_block(a, i, &b, f);
            f->skip = heed_skips && skip_once(a, i);
            s->n++;
        }
        zs_pace_point(&a->pace);
    }
    return 0;
}

void zs_survey_free(struct zs_survey *s)
{
    zs_os.free(s->figures);
}
