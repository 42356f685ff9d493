/* SPDX-License-Identifier: MIT */
/*
 * balloon_ops.c - movable_ops of balloon pages: nothing is copied.
 *
 * Idea
 *   A page that is isolated is off the list, so deflating cannot find it. When
 *   the core lets go of it, the page is listed again (at its new place, if it
 *   was moved), unless the balloon has more than it should by now: then it is
 *   freed here, while the core still holds it, and the core finishes that.
 *
 * A page that deflating has unlinked while the core was about to ask for it is
 * not listed: it refuses isolation.
 */
#include <string.h>

#include "balloon_impl.h"

static bool isolate_page(void *ctx, zs_pfn_t page)
{
    struct zs_balloon *b = ctx;
    bool listed;

    zs_lock_acquire(&b->lock);
    listed = balloon_unlink_locked(b, page);
    b->n_isolated += listed;
    zs_lock_release(&b->lock);
    return listed;
}

/* The core lets go: list what is at `page` now. False: it is not wanted. */
static bool take_back(struct zs_balloon *b, zs_pfn_t page, bool moved)
{
    bool wanted;

    zs_lock_acquire(&b->lock);
    wanted = balloon_total_locked(b) <= b->target;
    b->n_isolated--;
    if (wanted) {
        balloon_link_locked(b, page);
        b->n_migrated += moved;
    }
    zs_lock_release(&b->lock);
    return wanted;
}

static void putback_page(void *ctx, zs_pfn_t page)
{
    if (!take_back(ctx, page, false)) {
        balloon_finalize(ctx, page, 1);
    }
}

static enum zs_migrate_result
migrate_page(void *ctx, zs_pfn_t dst, zs_pfn_t src, enum zs_migrate_mode mode)
{
    struct zs_balloon *b = ctx;

    (void)mode; /* the lock is held for a few instructions only */
    if (zs_page_is_resident(b->arena, dst) || balloon_cover(b, dst) != 0) {
        return ZS_MIGRATE_RETRY;
    }
    zs_page_mark_movable(b->arena, dst);
    if (!take_back(b, dst, true)) {
        balloon_finalize(b, src, 1);
        return ZS_MIGRATE_GONE;
    }
    return ZS_MIGRATE_DONE;
}

const struct zs_movable_ops balloon_movable_ops = {
    .isolate_page = isolate_page,
    .migrate_page = migrate_page,
    .putback_page = putback_page,
};

static uint64_t withhold(void *ctx, uint64_t bytes)
{
    return zs_balloon_inflate(ctx, bytes);
}

const struct zs_shrink_ops balloon_shrink_ops = {
    .withhold = withhold,
};

static void read_figures(void *ctx, uint64_t *values)
{
    struct zs_balloon_stats stats;

    zs_balloon_stats(ctx, &stats);
    memcpy(values, &stats, sizeof(stats));
}

static const struct zs_figure figures[] = { ZS_BALLOON_STATS(ZS_FIGURE) };

const struct zs_figures_ops balloon_figures_ops = {
    .kind = "balloon",
    .table = figures,
    .n = ZS_FIGURES_LEN(figures),
    .read = read_figures,
};
