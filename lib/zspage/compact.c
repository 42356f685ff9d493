/* SPDX-License-Identifier: MIT */
/*
 * compact.c - what a pool offers to a compaction pass.
 *
 * Idea
 *   The pass thinks in pages and pageblocks, the pool in zspages. Asked about a
 *   page, the pool answers for the zspage it belongs to: how many live bytes,
 *   take it off the lists (detach), move its objects. A zspage that is full is
 *   better moved page by page, which changes no handle; unless its slots are
 *   larger than a page, then only its objects can move.
 *
 *   After evacuation each class may still have several partly filled zspages:
 *   consolidate() pours the emptiest into the fullest, whole ones, until the
 *   emptiest has more objects than the others have free slots. So no class has
 *   more zspages than its objects need; but up to the slots of one zspage are
 *   spread over several as holes. trim() pours the emptiest into these, as far
 *   as it goes. Then one is left that is partly filled. It costs half a page on
 *   average; with hundreds of classes this counts in a small pool. So trim()
 *   first moves the last objects of a class up into
 *   the partly filled zspage of the next larger class, where that takes fewer
 *   pages. (Each time the pool shrinks by a page, so nothing climbs for ever.)
 *   What is not needed at the ends of the rest is given back; where an end
 *   lies in a huge block, which gives back nothing, the objects move out of it.
 *
 * Locking: one pass at a time, so a DETACHED zspage is this file's.
 */
#include "cache.h"
#include "rcu.h"

#define TRIM_TRIES 8u       /* zspages of one class, in one pass */
#define LOOK_AT_ZSPAGES 64u /* under one hold of the class lock */
#define MAX_SOURCES 32u     /* emptied together: some 2 MiB at most */

/* --- one zspage --- */

/* With the class lock: nothing is allocated in it from now on. Its slot words
 * are this file's when all sections have been waited for. */
static void take_locked(struct zs_pool *pool, struct zspage *zp)
{
    class_detach_locked(pool, class_of(pool, zp), zp, ZSPAGE_DETACHED);
}

/* Before objects of a DETACHED zspage are moved. (While caches are suspended no
 * section is under way.) */
static void own_slot_words(struct zs_pool *pool, const struct zspage *zp)
{
    if (!pool->caches_suspended && !caches_are_hushed(pool, zp)) {
        caches_hush(pool);
    }
}

static enum zs_migrate_result move_out(struct zs_pool *pool, struct zspage *zp)
{
    own_slot_words(pool, zp);
    return zspage_move_objects(pool, zp);
}

/* The end of the run of its pages that begins at `page`. Class lock held. */
static zs_pfn_t run_end(const struct zspage *zp, zs_pfn_t page)
{
    uint32_t first = atomic_load_explicit(&zp->first, memory_order_relaxed);

    return first != 0 ? first - 1 + zp->n_pages : page + 1;
}

static void look(void *ctx, zs_pfn_t page, zs_pfn_t *end, size_t *live_bytes)
{
    struct zs_pool *pool = ctx;
    bool busy;
    struct zspage *zp = lock_zspage_of_page(pool, page, false, &busy);
    size_t live;

    *end = page + 1;
    *live_bytes = 0;
    if (!zp) {
        return;
    }
    *end = run_end(zp, page);
    live = zp->n_live * zspage_slot_bytes(zp);
    *live_bytes = live / zp->n_pages * (*end - page);
    zs_lock_release(&class_of(pool, zp)->lock);
}

static void detach(void *ctx, zs_pfn_t page, zs_pfn_t *end)
{
    struct zs_pool *pool = ctx;
    bool busy;
    struct zspage *zp = lock_zspage_of_page(pool, page, false, &busy);

    *end = page + 1;
    if (!zp) {
        return;
    }
    *end = run_end(zp, page);
    if (zp->phase == ZSPAGE_ATTACHED) {
        take_locked(pool, zp);
    }
    zs_lock_release(&class_of(pool, zp)->lock);
}

/* A DETACHED zspage goes back on the lists, or to its end if it is empty. */
static void settle(struct zs_pool *pool, struct zspage *zp, bool attach)
{
    struct zs_class *cl = class_of(pool, zp);
    bool release = false;

    zs_lock_acquire(&cl->lock);
    if (zp->n_live == 0) {
        class_detach_locked(pool, cl, zp, ZSPAGE_DRAINING);
        release = class_settle_locked(pool, cl, zp);
    } else if (attach) {
        class_attach_locked(pool, cl, zp);
    }
    zs_lock_release(&cl->lock);
    if (release) {
        zspage_release(pool, zp);
    }
}

static enum zs_migrate_result move_objects(void *ctx, zs_pfn_t page,
                                           zs_pfn_t *end)
{
    struct zs_pool *pool = ctx;
    bool busy;
    struct zspage *zp = lock_zspage_of_page(pool, page, false, &busy);
    enum zs_migrate_result result = ZS_MIGRATE_DONE;

    *end = page + 1;
    if (!zp) {
        return ZS_MIGRATE_GONE;
    }
    *end = run_end(zp, page);
    if (zp->phase == ZSPAGE_ATTACHED) {
        take_locked(pool, zp);
    }
    if (zp->phase == ZSPAGE_GROWING) {
        result = ZS_MIGRATE_RETRY;
    } else if (zp->n_live == zp->n_slots && !moves_only_whole(zp)) {
        result = ZS_MIGRATE_REFUSED;
    }
    busy = result != ZS_MIGRATE_DONE || zp->phase == ZSPAGE_DRAINING;
    zs_lock_release(&class_of(pool, zp)->lock);
    if (busy) {
        return result;
    }
    result = move_out(pool, zp);
    settle(pool, zp, false);
    return result;
}

/* --- all zspages --- */

static struct zspage *first_on_list(struct zs_pool *pool, struct zs_class *cl,
                                    unsigned list)
{
    struct zspage *zp = NULL;

    zs_lock_acquire(&cl->lock);
    if (cl->lists[list] != 0) {
        zp = zspage_at(pool, cl->lists[list]);
    }
    zs_lock_release(&cl->lock);
    return zp;
}

static void attach_all(void *ctx)
{
    struct zs_pool *pool = ctx;

    for (unsigned i = 0; i < pool->n_classes; i++) {
        struct zs_class *cl = &pool->classes[i];
        struct zspage *zp;

        while ((zp = first_on_list(pool, cl, ZS_LIST_DETACHED)) != NULL) {
            settle(pool, zp, true);
        }
    }
}

/* The emptiest zspages, DETACHED, whose objects the others can take; together,
 * so that sections are waited for once. Returns how many. */
static unsigned take_sources(struct zs_pool *pool, struct zs_class *cl,
                             struct zspage **sources, unsigned max)
{
    uint64_t n_live = 0;
    unsigned n = 0;

    zs_lock_acquire(&cl->lock);
    while (n < max) {
        struct zspage *zp = class_pick_source_locked(pool, cl);

        if (!zp || n_live + zp->n_live > cl->n_free - zspage_free_slots(zp)) {
            break;
        }
        n_live += zp->n_live;
        take_locked(pool, zp);
        sources[n++] = zp;
    }
    zs_lock_release(&cl->lock);
    return n;
}

static uint32_t n_zspages(struct zs_class *cl)
{
    uint32_t n;

    zs_lock_acquire(&cl->lock);
    n = cl->n_zspages;
    zs_lock_release(&cl->lock);
    return n;
}

/* One that a writer holds stays off the lists until attach_all(), so that the
 * next one is tried; one that need not be emptied now goes back. */
static void empty_sources(struct zs_pool *pool, struct zspage **sources,
                          unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        bool attach = zs_deferred_is_full(pool->arena) ||
                      move_out(pool, sources[i]) == ZS_MIGRATE_DONE;

        settle(pool, sources[i], attach);
        zs_pace_point(&pool->arena->pace);
    }
}

/* Empty sources of the class while there are any; at most sources_left, for a
 * load of replaces makes new ones all the time. True: stopped because too much
 * waits for readers. */
static bool consolidate_class(struct zs_pool *pool, struct zs_class *cl)
{
    struct zspage *sources[MAX_SOURCES];
    unsigned max, n;

    do {
        if (zs_deferred_is_full(pool->arena)) {
            return true;
        }
        max =
            pool->sources_left < MAX_SOURCES ? pool->sources_left : MAX_SOURCES;
        n = take_sources(pool, cl, sources, max);
        pool->sources_left -= n;
        empty_sources(pool, sources, n);
    } while (n > 0 && !zs_pace_is_ending(&pool->arena->pace));
    return false;
}

/* Goes through the classes once, over as many calls as it takes. (One that
 * ended early goes on there the next time.) */
static bool consolidate(void *ctx)
{
    struct zs_pool *pool = ctx;

    while (pool->next_class + 1 < pool->n_classes) {
        struct zs_class *cl = &pool->classes[pool->next_class];

        if (!pool->class_begun) {
            pool->class_begun = true;
            pool->sources_left = n_zspages(cl);
        }
        if (consolidate_class(pool, cl)) {
            return true;
        }
        pool->class_begun = false;
        if (zs_pace_is_ending(&pool->arena->pace)) {
            return false;
        }
        pool->next_class++;
    }
    pool->next_class = 0;
    return false;
}

/* The one zspage of the class that is partly filled; NULL: there is none, or
 * more than one, or its slots wait for readers. */
static struct zspage *last_zspage_locked(struct zs_pool *pool,
                                         struct zs_class *cl)
{
    struct zspage *found = NULL;

    for (unsigned l = 0; l <= ZS_LIST_PARTIAL_LAST; l++) {
        uint32_t n = cl->lists[l];

        if (n != 0 && (found || zspage_at(pool, n)->next != 0)) {
            return NULL;
        }
        found = n != 0 ? zspage_at(pool, n) : found;
    }
    return found && zspage_n_used(found) == found->n_live ? found : NULL;
}

/* Pages that a zspage would need if its objects lay in front. */
static unsigned pages_needed(const struct zspage *zp)
{
    return pages_for_slots(zspage_slot_bytes(zp), zspage_n_used(zp));
}

/* The memory of spare pages in a huge block stays, so the objects must go. */
static bool spares_are_huge_locked(struct zs_pool *pool,
                                   const struct zspage *zp)
{
    return zs_page_is_huge(pool->arena, zspage_pfn(zp, pages_needed(zp)));
}

/* A zspage with spare pages, DETACHED; *packed: they can be trimmed. Otherwise
 * its objects have to move, to the front or out of a huge block. */
static struct zspage *take_spacious(struct zs_pool *pool, struct zs_class *cl,
                                    bool *packed)
{
    struct zspage *found = NULL;
    unsigned looked = 0;

    zs_lock_acquire(&cl->lock);
    for (unsigned l = 0; l <= ZS_LIST_PARTIAL_LAST && !found; l++) {
        for (uint32_t n = cl->lists[l];
             n != 0 && !found && looked++ < LOOK_AT_ZSPAGES;
             n = zspage_at(pool, n)->next) {
            struct zspage *zp = zspage_at(pool, n);

            found = zp->n_live > 0 &&
                            zspage_has_spare_memory(pool, zp, pages_needed(zp))
                        ? zp
                        : NULL;
        }
    }
    if (found) {
        take_locked(pool, found);
        *packed = zspage_n_used(found) == found->fresh &&
                  !spares_are_huge_locked(pool, found);
    }
    zs_lock_release(&cl->lock);
    return found;
}

/* False: nothing (more) to gain in this class. A zspage is trimmed, or its
 * objects are put in front for the next turn. */
static bool trim_one(struct zs_pool *pool, struct zs_class *cl)
{
    bool packed;
    struct zspage *zp = take_spacious(pool, cl, &packed);
    bool done;

    if (!zp) {
        return false;
    }
    if (packed) {
        done = zspage_trim_tail(pool, cl, zp);
    } else {
        done = move_out(pool, zp) == ZS_MIGRATE_DONE;
    }
    settle(pool, zp, done); /* a busy one later: attach_all() */
    return true;
}

/* Pages with memory that a zspage of the class needs for n objects. */
static unsigned need(const struct zs_class *cl, unsigned n)
{
    return pages_for_slots(cl->slot_bytes, n);
}

/* Does the next class's last zspage take n objects with fewer than `pages`
 * more? */
static bool next_class_takes(struct zs_pool *pool, struct zs_class *cl,
                             unsigned n, unsigned pages)
{
    struct zspage *zp;
    unsigned used;
    bool takes;

    zs_lock_acquire(&cl->lock);
    zp = last_zspage_locked(pool, cl);
    used = zp ? zspage_n_used(zp) : 0;
    takes = used > 0 && used + n <= cl->n_slots &&
            need(cl, used + n) < need(cl, used) + pages;
    zs_lock_release(&cl->lock);
    return takes;
}

/* The last objects of class `cl`, into the next one if that pays. */
static void move_up(struct zs_pool *pool, struct zs_class *cl)
{
    struct zs_class *next = cl + 1;
    struct zspage *zp;
    unsigned n = 0;

    if ((cl->slot_bytes <= ZS_PAGE_BYTES) !=
        (next->slot_bytes <= ZS_PAGE_BYTES)) {
        return; /* these pages can be migrated, those cannot */
    }
    zs_lock_acquire(&cl->lock);
    zp = last_zspage_locked(pool, cl);
    if (zp) {
        n = zp->n_live;
        take_locked(pool, zp);
    }
    zs_lock_release(&cl->lock);
    if (!zp) {
        return;
    }
    if (n > 0 && class_keeps_alignment(cl, next) &&
        next_class_takes(pool, next, n, need(cl, n))) {
        own_slot_words(pool, zp);
        class_hand_alignment_on(cl, next);
        zspage_move_objects_up(pool, zp, next);
    }
    settle(pool, zp, true);
}

/* Free slots with memory, of all zspages but the one. */
static unsigned n_holes_locked(struct zs_pool *pool, struct zs_class *cl,
                               const struct zspage *but)
{
    unsigned n = 0;

    for (unsigned l = 0; l <= ZS_LIST_PARTIAL_LAST; l++) {
        for (uint32_t i = cl->lists[l]; i != 0; i = zspage_at(pool, i)->next) {
            const struct zspage *zp = zspage_at(pool, i);

            n += zp != but ? zspage_room(zp) : 0;
        }
    }
    return n;
}

/* Can the holes of the others take so many of its objects that the rest needs
 * fewer pages? */
static bool fills_holes_locked(struct zs_pool *pool, struct zs_class *cl,
                               const struct zspage *zp)
{
    unsigned holes = n_holes_locked(pool, cl, zp);
    unsigned left = zp->n_live > holes ? zp->n_live - holes : 0;

    return need(cl, left) < need(cl, zp->n_live);
}

/* The emptiest zspage, which the others cannot take whole (consolidate()): in
 * part. What is left of it lies in front of a new one. */
static void pour_last(struct zs_pool *pool, struct zs_class *cl)
{
    struct zspage *zp;

    zs_lock_acquire(&cl->lock);
    zp = class_pick_source_locked(pool, cl);
    if (zp && !fills_holes_locked(pool, cl, zp)) {
        zp = NULL;
    }
    if (zp) {
        take_locked(pool, zp);
    }
    zs_lock_release(&cl->lock);
    if (zp) {
        settle(pool, zp, move_out(pool, zp) == ZS_MIGRATE_DONE);
    }
}

static void trim_class(struct zs_pool *pool, struct zs_class *cl)
{
    unsigned tries = 0;

    pour_last(pool, cl);
    while (tries < TRIM_TRIES && trim_one(pool, cl)) {
        tries++;
    }
}

/* One zspage after the other, each for a few pages: threads go without their
 * caches meanwhile, rather than be interrupted for each; but not while a pass
 * pauses. */
static void trim(void *ctx)
{
    struct zs_pool *pool = ctx;
    unsigned n = pool->n_classes - 1; /* without that of runs */
    bool suspend = !zs_pace_pauses(&pool->arena->pace);

    if (suspend) {
        caches_suspend(pool);
    }
    for (unsigned i = 0; i + 1 < n && !zs_pace_is_ending(&pool->arena->pace);
         i++) {
        move_up(pool, &pool->classes[i]);
    }
    for (unsigned i = 0; i < n && !zs_pace_is_ending(&pool->arena->pace); i++) {
        trim_class(pool, &pool->classes[i]);
    }
    if (suspend) {
        caches_resume(pool);
    }
}

static void gather(struct zs_granules *g, bool begins)
{
    if (begins) {
        zs_granules_gather(g);
    } else {
        zs_granules_gather_end(g);
    }
}

/* A pass empties many pages of metadata, one after the other. */
static void pass(void *ctx, bool begins)
{
    struct zs_pool *pool = ctx;

    zs_lock_acquire(&pool->table_lock);
    gather(&pool->zspages, begins);
    gather(&pool->sides, begins);
    zs_lock_release(&pool->table_lock);
}

static void weigh(void *ctx, struct zs_owner_weight *out)
{
    struct zs_pool *pool = ctx;

    for (unsigned i = 0; i < pool->n_classes; i++) {
        struct zs_class *cl = &pool->classes[i];

        zs_lock_acquire(&cl->lock);
        out->live += cl->live_bytes;
        out->resident += cl->n_pages_resident * ZS_PAGE_BYTES;
        out->compacted += cl->pages_compacted * ZS_PAGE_BYTES;
        zs_lock_release(&cl->lock);
    }
}

static void count_moved(void *ctx, uint64_t *objects, uint64_t *bytes)
{
    struct zs_pool *pool = ctx;

    for (unsigned i = 0; i < pool->n_classes; i++) {
        struct zs_class *cl = &pool->classes[i];

        zs_lock_acquire(&cl->lock);
        *objects += cl->objects_moved;
        *bytes += cl->bytes_moved;
        zs_lock_release(&cl->lock);
    }
}

const struct zs_evacuation_ops zspage_evacuation_ops = {
    .look = look,
    .detach = detach,
    .move_objects = move_objects,
    .attach_all = attach_all,
    .consolidate = consolidate,
    .trim = trim,
    .pass = pass,
    .weigh = weigh,
    .count_moved = count_moved,
};

static void drop_caches(void *ctx)
{
    caches_empty_bins(ctx);
}

const struct zs_shrink_ops zspage_shrink_ops = {
    .drop_caches = drop_caches,
};
