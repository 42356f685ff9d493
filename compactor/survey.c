/* SPDX-License-Identifier: MIT */
/*
 * survey.c - figures of every pageblock, for the policy.
 *
 * Reads flag words without a lock: a figure may be old by the time it is used.
 * Then a victim is a little fuller or emptier than thought, which costs some
 * copying and nothing else.
 */
#include <errno.h>

#include "migrate.h"
#include "os.h"
#include "pass.h"

static bool block_is_open(struct zs_arena *a, uint32_t block,
                          struct zs_block_figures *f)
{
    const struct zs_block *b = &a->blocks[block];
    bool open;

    zs_lock_acquire(&a->lock);
    open = b->state == ZS_BLOCK_OPEN && b->n_used > 0;
    f->block = block;
    f->n_used = b->n_used;
    f->n_resident = b->n_resident;
    zs_lock_release(&a->lock);
    return open;
}

/* Add what begins at `page`; returns the first page after it. */
static zs_pfn_t add_page(struct zs_arena *a, zs_pfn_t page, zs_pfn_t block_end,
                         struct zs_block_figures *f)
{
    uint32_t word = zs_page_word(zs_page(a, page));
    const struct zs_page_type *t = &a->types[zs_word_type(word)];
    zs_pfn_t end = page + 1;
    size_t live = 0;

    if (zs_word_is(word, ZS_PAGE_FREE) || zs_word_is(word, ZS_PAGE_LIMBO)) {
        return end;
    }
    if (t->evacuation) {
        t->evacuation->look(t->evacuation_ctx, page, &end, &live);
        if (end > block_end) { /* a run that goes on in the next block */
            live = live / (end - page) * (block_end - page);
            end = block_end;
        }
    } else {
        live = ZS_PAGE_BYTES;
        f->n_fixed += !zs_word_has_movable_ops(word);
    }
    f->live_bytes += live;
    return end;
}

static void survey_block(struct zs_arena *a, struct zs_block_figures *f)
{
    zs_pfn_t page = f->block * ZS_BLOCK_PAGES;
    zs_pfn_t end = page + ZS_BLOCK_PAGES;

    f->n_fixed = 0;
    f->live_bytes = 0;
    while (page < end) {
        page = add_page(a, page, end, f);
    }
}

int zs_survey_take(struct zs_arena *a, struct zs_survey *s)
{
    uint32_t n_blocks;

    ZS_ASSERT_HELD(&a->pass_lock);
    zs_lock_acquire(&a->lock);
    n_blocks = a->n_touched_blocks;
    zs_lock_release(&a->lock);
    s->n = 0;
    s->figures = zs_os.alloc((n_blocks + 1) * sizeof(*s->figures));
    if (!s->figures) {
        return -ENOMEM;
    }
    for (uint32_t i = 0; i < n_blocks; i++) {
        struct zs_block_figures *f = &s->figures[s->n];

        if (block_is_open(a, i, f)) {
            survey_block(a, f);
            s->n++;
        }
    }
    return 0;
}

void zs_survey_free(struct zs_survey *s)
{
    zs_os.free(s->figures);
}
