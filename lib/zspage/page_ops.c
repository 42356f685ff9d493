/* SPDX-License-Identifier: MIT */
/*
 * page_ops.c - movable_ops of zspage pages: a page of a chain moves alone.
 *
 * Idea
 *   The page's owner word says which zspage it belongs to and where; the
 *   zspage's chain, under the class lock, says whether that is still so.
 *   Migration closes the zspage to writers, copies the page, and switches one
 *   page number of the chain. No handle changes. A chain whose
 *   pages lie side by side again goes back to the contiguous form.
 *
 * Invariants
 *   T1  a page is migrated only while its zspage has no pins and is not MOVING,
 *       and it is MOVING only while the class lock is held
 *   T2  the old page stays readable for a grace period, and so does a chain
 *       that has become contiguous again
 *   T3  no cache's section writes into the zspage meanwhile (cache.h)
 *
 * Zspages with slots above a page are not marked movable: readers get their
 * objects in one piece, so they move whole or not at all (compact.c).
 */
#include <stdio.h>
#include <string.h>

#include "cache.h"
#include "rcu.h"
#include "step.h"

static struct zspage *lock_if_still(struct zs_pool *pool, zs_pfn_t page,
                                    bool try_only, bool *busy)
{
    uint32_t owner = zs_page_owner(pool->arena, page);
    uint32_t number = owner >> ZS_OWNER_PLACE_BITS;
    unsigned place = owner & ((1u << ZS_OWNER_PLACE_BITS) - 1);
    struct zspage *zp;
    struct zs_class *cl;
    unsigned c;

    *busy = false;
    if (number >= pool->zspages.n_granules) {
        return NULL; /* not a zspage's any more */
    }
    zp = zspage_at(pool, number);
    c = class_number(zp);
    if (c == 0) {
        return NULL;
    }
    cl = &pool->classes[c - 1];
    if (!try_only) {
        zs_lock_acquire(&cl->lock);
    } else if (!zs_lock_try_acquire(&cl->lock)) {
        *busy = true;
        return NULL;
    }
    /* First the class: from here on it stays, and with it the place. */
    if (class_number(zp) == c && zspage_owns(zp, page, place)) {
        return zp;
    }
    zs_lock_release(&cl->lock);
    return NULL;
}

struct zspage *lock_zspage_of_page(struct zs_pool *pool, zs_pfn_t page,
                                   bool try_only, bool *busy)
{
    struct zspage *zp;

    zs_read_lock(); /* a chain that is found stays valid */
    zp = lock_if_still(pool, page, try_only, busy);
    zs_read_unlock();
    return zp;
}

static bool isolate_page(void *ctx, zs_pfn_t page)
{
    struct zs_pool *pool = ctx;
    bool busy;
    struct zspage *zp = lock_zspage_of_page(pool, page, false, &busy);
    bool ours;

    if (!zp) {
        return false;
    }
    /* No if its objects are on the move, or all gone already. */
    ours = !zspage_is_closed(zp) && zp->phase != ZSPAGE_DRAINING;
    zs_lock_release(&class_of(pool, zp)->lock);
    return ours;
}

static void putback_page(void *ctx, zs_pfn_t page)
{
    (void)ctx; /* isolation left no mark on the zspage */
    (void)page;
}

static bool is_contiguous(const struct zs_chain *chain)
{
    for (unsigned i = 1; i < chain->n; i++) {
        if (zs_chain_page(chain, i) != zs_chain_page(chain, 0) + i) {
            return false;
        }
    }
    return true;
}

/*
 * A chain for the zspage in which page `place` may be replaced: the one that
 * it has, if it is split, else a new one. NULL: no memory.
 */
static struct zs_chain *chain_to_change_locked(struct zs_pool *pool,
                                               const struct zspage *zp)
{
    uint32_t first = atomic_load_explicit(&zp->first, memory_order_relaxed);
    struct zs_chain *chain;

    if (first == 0) {
        return atomic_load_explicit(&zp->chain, memory_order_relaxed);
    }
    chain = chain_new(pool, zp->n_pages);
    for (unsigned i = 0; chain && i < chain->n; i++) {
        zs_chain_set_page(chain, i, first - 1 + i);
    }
    return chain;
}

/* The chain with its new page: readers find the old page or the new one. */
static void publish_locked(struct zs_pool *pool, struct zspage *zp,
                           struct zs_chain *chain, unsigned place, zs_pfn_t dst)
{
    bool was_split =
        atomic_load_explicit(&zp->first, memory_order_relaxed) == 0;

    zs_chain_set_page(chain, place, dst);
    if (!is_contiguous(chain)) {
        if (!was_split) {
            zspage_publish_split(zp, chain);
        }
        return;
    }
    zspage_publish_contiguous(zp, zs_chain_page(chain, 0));
    if (was_split) {
        limbo_queue_chain(pool, chain);
    } else {
        chain_free(pool, chain); /* nobody has seen it */
    }
}

/* The zspage is locked and closed. */
static enum zs_migrate_result migrate_closed(struct zs_pool *pool,
                                             struct zspage *zp, zs_pfn_t dst,
                                             zs_pfn_t src)
{
    struct zs_arena *a = pool->arena;
    uint32_t owner = zs_page_owner(a, src);
    unsigned place = owner & ((1u << ZS_OWNER_PLACE_BITS) - 1);
    bool resident = place < zp->n_resident_pages;
    struct zs_chain *chain;

    if (resident && !zs_page_is_resident(a, dst)) {
        return ZS_MIGRATE_RETRY; /* it got memory after dst was prepared */
    }
    chain = zp->n_pages > 1 ? chain_to_change_locked(pool, zp) : NULL;
    if (zp->n_pages > 1 && !chain) {
        return ZS_MIGRATE_RETRY;
    }
    if (resident) {
        memcpy(zs_page_addr(a, dst), zs_page_addr(a, src), ZS_PAGE_BYTES);
    }
    ZS_STEP(ZS_STEP_PAGE_COPIED);
    zs_page_set_owner(a, dst, owner);
    zs_page_mark_movable(a, dst);
    if (chain) {
        publish_locked(pool, zp, chain, place, dst);
    } else {
        zspage_publish_contiguous(zp, dst);
    }
    ZS_STEP(ZS_STEP_PAGE_SWITCHED);
    return ZS_MIGRATE_DONE;
}

/*
 * As lock_zspage_of_page(), and no cache's section writes in the zspage until
 * its fast_class is set again (T3). A pass has seen to that for the zspages
 * that it has detached.
 */
static struct zspage *lock_hushed_zspage(struct zs_pool *pool, zs_pfn_t page,
                                         bool try_only, bool *busy)
{
    struct zspage *zp;

    while ((zp = lock_zspage_of_page(pool, page, try_only, busy)) != NULL) {
        if (!try_only) {
            clear_fast_class(pool, zp);
        }
        if (!has_fast_class(pool, zp) && caches_are_hushed(pool, zp)) {
            return zp;
        }
        zs_lock_release(&class_of(pool, zp)->lock);
        if (try_only) {
            *busy = true;
            return NULL;
        }
        caches_hush(pool);
    }
    return NULL;
}

/* With the class lock: its caches may have it again, unless a pass has. */
static void give_to_caches(struct zs_pool *pool, struct zspage *zp)
{
    if (zp->phase != ZSPAGE_DETACHED) {
        set_fast_class(pool, zp, class_number(zp));
    }
}

static enum zs_migrate_result
migrate_page(void *ctx, zs_pfn_t dst, zs_pfn_t src, enum zs_migrate_mode mode)
{
    struct zs_pool *pool = ctx;
    enum zs_migrate_result result = ZS_MIGRATE_RETRY;
    bool busy;
    struct zspage *zp =
        lock_hushed_zspage(pool, src, mode == ZS_MIGRATE_ASYNC, &busy);

    if (!zp) {
        return busy ? ZS_MIGRATE_RETRY : ZS_MIGRATE_GONE;
    }
    if (zspage_try_close(zp)) {
        ZS_STEP(ZS_STEP_PAGE_CLOSED);
        result = migrate_closed(pool, zp, dst, src);
        zspage_open(zp);
    }
    give_to_caches(pool, zp);
    zs_lock_release(&class_of(pool, zp)->lock);
    return result;
}

static void describe_holder(void *ctx, zs_pfn_t page, char *text, size_t len)
{
    struct zs_pool *pool = ctx;
    bool busy;
    struct zspage *zp = lock_zspage_of_page(pool, page, false, &busy);
    uint32_t number;

    if (!zp) {
        return;
    }
    number = zspage_number(pool, zp);
    if (moves_only_whole(zp)) {
        (void)snprintf(text, len, "objects of %zu bytes move only whole",
                       zspage_slot_bytes(zp));
    }
    zs_lock_release(&class_of(pool, zp)->lock);
    pin_describe(pool, number, text, len);
}

const struct zs_movable_ops zspage_movable_ops = {
    .isolate_page = isolate_page,
    .migrate_page = migrate_page,
    .putback_page = putback_page,
    .describe_holder = describe_holder,
};
