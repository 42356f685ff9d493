/* SPDX-License-Identifier: MIT */
/*
 * grow.c - memory for zspages: new ones, more room in those that are there,
 * and their end.
 *
 * Idea
 *   A zspage is filled from the front, and its tail pages get memory late, a
 *   few at a time: more at once the more zspages the class has, so that a
 *   small class wastes little and a large one makes few system calls. While a
 *   zspage grows it is on no list, and pinned so that its pages stay in place.
 *
 * Locking: called without locks; system calls are made without the class lock.
 */
#include <errno.h>
#include <string.h>

#include "fork.h"
#include "os.h"
#include "pool_impl.h"

#define SIDE_ENTRIES_PER_GRANULE (ZS_GRANULE_BYTES / sizeof(uint32_t))

static unsigned side_granules(unsigned n_slots)
{
    return (unsigned)((n_slots + SIDE_ENTRIES_PER_GRANULE - 1) /
                      SIDE_ENTRIES_PER_GRANULE);
}

/* --- numbers and side arrays --- */

/* The table of fast classes reaches up to the number. */
static bool charge_fast_class_locked(struct zs_pool *pool, uint32_t number)
{
    size_t end = (number + (size_t)1) * sizeof(pool->fast_class[0]);
    uint32_t pages =
        (uint32_t)((end + ZS_OS_PAGE_BYTES - 1) / ZS_OS_PAGE_BYTES);

    ZS_ASSERT_HELD(&pool->table_lock);
    while (pool->fast_class_pages < pages) {
        if (!zs_budget_try_charge_metadata(&pool->arena->budget,
                                           ZS_OS_PAGE_BYTES)) {
            return false;
        }
        pool->fast_class_pages++;
    }
    return true;
}

static int take_number(struct zs_pool *pool, unsigned n_slots, uint32_t *number,
                       uint32_t *side)
{
    int err;

    zs_lock_acquire(&pool->table_lock);
    err = zs_granules_alloc(&pool->zspages, 1, number);
    if (!err) {
        err =
            charge_fast_class_locked(pool, *number)
                ? zs_granules_alloc(&pool->sides, side_granules(n_slots), side)
                : -ENOMEM;
        if (err) {
            zs_granules_free(&pool->zspages, *number, 1);
        }
    }
    zs_lock_release(&pool->table_lock);
    return err;
}

static void give_number(struct zs_pool *pool, unsigned n_slots, uint32_t number,
                        uint32_t side)
{
    zs_lock_acquire(&pool->table_lock);
    zs_granules_free(&pool->sides, side, side_granules(n_slots));
    zs_granules_free(&pool->zspages, number, 1);
    zs_lock_release(&pool->table_lock);
}

/* --- pages --- */

static size_t chain_bytes(unsigned n)
{
    return sizeof(struct zs_chain) + n * sizeof(zs_pfn_t);
}

struct zs_chain *chain_new(struct zs_pool *pool, unsigned n)
{
    struct zs_budget *b = &pool->arena->budget;
    struct zs_chain *chain;

    if (!zs_budget_try_charge_metadata(b, chain_bytes(n))) {
        return NULL;
    }
    chain = zs_os.alloc(chain_bytes(n));
    if (!chain) {
        zs_budget_uncharge_metadata(b, chain_bytes(n));
        return NULL;
    }
    chain->n = n;
    return chain;
}

void chain_free(struct zs_pool *pool, struct zs_chain *chain)
{
    zs_budget_uncharge_metadata(&pool->arena->budget, chain_bytes(chain->n));
    zs_os.free(chain);
}

/* Where the pages of a zspage are, while nobody can find it. */
struct place {
    zs_pfn_t base; /* ZS_PFN_NONE when split */
    struct zs_chain *chain;
    unsigned n;
};

static zs_pfn_t place_pfn(const struct place *p, unsigned i)
{
    return p->base != ZS_PFN_NONE ? p->base + i : zs_chain_page(p->chain, i);
}

static void place_free_pages(struct zs_pool *pool, const struct place *p)
{
    if (p->base != ZS_PFN_NONE) {
        zs_pages_free(pool->arena, p->base, p->n);
        return;
    }
    for (unsigned i = 0; i < p->chain->n; i++) {
        zs_pages_free(pool->arena, zs_chain_page(p->chain, i), 1);
    }
}

/* A place that nobody else has seen. */
static void place_free(struct zs_pool *pool, const struct place *p)
{
    place_free_pages(pool, p);
    if (p->base == ZS_PFN_NONE) {
        chain_free(pool, p->chain);
    }
}

/* One that was published: somebody who was led there by a stale owner word may
 * still look at the chain. */
static void place_retire(struct zs_pool *pool, const struct place *p)
{
    place_free_pages(pool, p);
    if (p->base == ZS_PFN_NONE) {
        limbo_queue_chain(pool, p->chain);
        zs_grace_request(&pool->arena->grace);
    }
}

/* The longest run of at most n pages that halving finds; 0: no page. */
static unsigned take_part(struct zs_pool *pool, unsigned n,
                          enum zs_page_use use, zs_pfn_t *first)
{
    while (n > 0 &&
           zs_pages_alloc_for(pool->arena, pool->type, n, use, first) != 0) {
        n /= 2;
    }
    return n;
}

/* No run is long enough: several will do where slots may be split. */
static int place_alloc_split(struct zs_pool *pool, struct place *p,
                             enum zs_page_use use)
{
    struct zs_chain *chain = chain_new(pool, p->n);

    if (!chain) {
        return -ENOMEM;
    }
    p->base = ZS_PFN_NONE;
    p->chain = chain;
    chain->n = 0;
    while (chain->n < p->n) {
        zs_pfn_t first;
        unsigned n = take_part(pool, p->n - chain->n, use, &first);

        if (n == 0) {
            /* chain->n pages were taken; its charge is for p->n */
            zs_budget_uncharge_metadata(&pool->arena->budget,
                                        chain_bytes(p->n) -
                                            chain_bytes(chain->n));
            place_free(pool, p);
            return -ENOMEM;
        }
        for (unsigned i = 0; i < n; i++) {
            zs_chain_set_page(chain, chain->n++, first + i);
        }
    }
    return 0;
}

static int place_alloc(struct zs_pool *pool, struct place *p, bool may_split,
                       enum zs_page_use use)
{
    int err;

    if (may_split && use == ZS_USE_DENSE &&
        zs_arena_prefers_idle(pool->arena, p->n) &&
        place_alloc_split(pool, p, ZS_USE_IDLE) == 0) {
        return 0;
    }
    p->chain = NULL;
    err = zs_pages_alloc_for(pool->arena, pool->type, p->n, use, &p->base);
    if (err && may_split) {
        err = place_alloc_split(pool, p, use);
    }
    return err;
}

static int place_populate(struct zs_pool *pool, const struct place *p,
                          unsigned first, unsigned n)
{
    int err = 0;

    if (p->base != ZS_PFN_NONE) {
        return n == 0 ? 0 : zs_pages_populate(pool->arena, p->base + first, n);
    }
    for (unsigned i = first; i < first + n && !err; i++) {
        err = zs_pages_populate(pool->arena, zs_chain_page(p->chain, i), 1);
    }
    return err;
}

static struct place place_of(const struct zspage *zp)
{
    return (struct place){
        /* 0 - 1 is ZS_PFN_NONE */
        .base = atomic_load_explicit(&zp->first, memory_order_relaxed) - 1,
        .chain = atomic_load_explicit(&zp->chain, memory_order_relaxed),
        .n = zp->n_pages,
    };
}
_Static_assert((uint32_t)0 - 1 == ZS_PFN_NONE, "split: first is 0");

/* --- new zspages --- */

/*
 * The number may still be looked up by who found a stale owner word
 * (page_ops.c). So it has no place until all else is there, and the class,
 * whose lock that one takes, is published after the old place is gone. It
 * begins with a pin, until it is attached: its pages must stay while they are
 * told whose they are.
 */
static void init_zspage(struct zspage *zp, const struct place *p,
                        size_t slot_bytes, unsigned n_slots, unsigned class_idx)
{
    atomic_store_explicit(&zp->slot_bytes, (uint32_t)slot_bytes,
                          memory_order_relaxed);
    atomic_store_explicit(&zp->word, 1, memory_order_relaxed);
    atomic_store_explicit(&zp->class_number, (uint16_t)(class_idx + 1),
                          memory_order_release); /* pairs: class_number() */
    zp->n_slots = (uint16_t)n_slots;
    zp->n_pages = p->n;
    zp->n_live = 0;
    zp->n_limbo = 0;
    zp->n_dying = 0;
    zp->fresh = 0;
    zp->free_head = ZS_NO_LINK;
    zp->limbo_head = ZS_NO_LINK;
    zp->phase = ZSPAGE_GROWING;
}

static void publish_place(struct zspage *zp, const struct place *p)
{
    if (p->base != ZS_PFN_NONE) {
        zspage_publish_contiguous(zp, p->base);
    } else {
        zspage_publish_split(zp, p->chain);
    }
}

/* Tell the pages whose they are; the core may move those of split-able
 * zspages from here on. */
static void own_pages(struct zs_pool *pool, struct zspage *zp,
                      const struct place *p)
{
    uint32_t number = zspage_number(pool, zp);

    for (unsigned i = 0; i < p->n; i++) {
        zs_page_set_owner(pool->arena, place_pfn(p, i),
                          zspage_owner_word(number, i));
        if (!moves_only_whole(zp)) {
            zs_page_mark_movable(pool->arena, place_pfn(p, i));
        }
    }
}

/* Pages from the front on that have memory: those that were populated, and
 * what the last owner has left behind them. (There may be more of that further
 * behind: zspage_has_spare_memory().) */
static unsigned resident_front(struct zs_pool *pool, const struct place *p,
                               unsigned n)
{
    while (n < p->n && zs_page_is_resident(pool->arena, place_pfn(p, n))) {
        n++;
    }
    return n;
}

struct shape {
    size_t slot_bytes;
    unsigned n_slots;
    unsigned n_pages;
    unsigned n_resident; /* pages to give memory now */
    unsigned class_idx;
};

/* A GROWING, pinned zspage without used slots; undone whole on error. */
static int new_zspage(struct zs_pool *pool, const struct shape *s,
                      struct zspage **out)
{
    struct place p = { .n = s->n_pages };
    enum zs_page_use use =
        s->n_resident == s->n_pages ? ZS_USE_DENSE : ZS_USE_SPARSE;
    uint32_t number, side;
    struct zspage *zp;
    int err = take_number(pool, s->n_slots, &number, &side);

    if (err) {
        return err;
    }
    err = place_alloc(pool, &p, s->slot_bytes <= ZS_PAGE_BYTES, use);
    if (err) {
        goto undo_number;
    }
    err = place_populate(pool, &p, 0, s->n_resident);
    if (err) {
        goto undo_place;
    }
    zp = zspage_at(pool, number);
    init_zspage(zp, &p, s->slot_bytes, s->n_slots, s->class_idx);
    zp->side = side;
    zp->n_resident_pages = resident_front(pool, &p, s->n_resident);
    zp->limbo_link = ZS_NOT_QUEUED;
    publish_place(zp, &p);
    own_pages(pool, zp, &p);
    *out = zp;
    return 0;

undo_place:
    place_free(pool, &p);
undo_number:
    give_number(pool, s->n_slots, number, side);
    return err;
}

static void attach_new_locked(struct zs_pool *pool, struct zs_class *cl,
                              struct zspage *zp)
{
    cl->n_zspages++;
    cl->n_pages_held += zp->n_pages;
    cl->n_pages_resident += zp->n_resident_pages;
    class_attach_locked(pool, cl, zp);
}

/* Pages that get memory at once in a class of n zspages. */
static unsigned batch_pages(const struct zs_class *cl, uint32_t n_zspages)
{
    return n_zspages < cl->n_pages / 4u ? 1 + n_zspages * 4 : cl->n_pages;
}

/* A new zspage with memory in its first n pages, ATTACHED. */
static int class_new_zspage(struct zs_pool *pool, struct zs_class *cl,
                            unsigned n)
{
    struct shape s = {
        .slot_bytes = cl->slot_bytes,
        .n_slots = cl->n_slots,
        .n_pages = cl->n_pages,
        .n_resident = n < cl->n_pages ? n : cl->n_pages,
        .class_idx = (unsigned)(cl - pool->classes),
    };
    struct zspage *zp;
    int err;

    err = new_zspage(pool, &s, &zp);
    if (err) {
        return err;
    }
    zs_lock_acquire(&cl->lock);
    attach_new_locked(pool, cl, zp);
    zspage_unpin(zp);
    zs_lock_release(&cl->lock);
    return 0;
}

int run_new(struct zs_pool *pool, size_t bytes, uint32_t handle,
            struct zspage **out)
{
    struct zs_class *cl = &pool->classes[pool->n_classes - 1];
    unsigned n_pages = (unsigned)((bytes + ZS_PAGE_BYTES - 1) / ZS_PAGE_BYTES);
    struct shape s = {
        .slot_bytes = (size_t)n_pages * ZS_PAGE_BYTES,
        .n_slots = 1,
        .n_pages = n_pages,
        .n_resident = n_pages,
        .class_idx = pool->n_classes - 1,
    };
    struct zspage *zp;
    int err = new_zspage(pool, &s, &zp);

    if (err) {
        return err;
    }
    zs_lock_acquire(&cl->lock);
    attach_new_locked(pool, cl, zp);
    (void)class_take_slot_locked(pool, cl, zp, handle);
    zs_lock_release(&cl->lock); /* it keeps its pin */
    *out = zp;
    return 0;
}

/* --- more room --- */

/* Memory for `n` more pages of a zspage that is GROWING and pinned. */
static int grow_zspage(struct zs_pool *pool, struct zs_class *cl,
                       struct zspage *zp, unsigned n)
{
    struct place p = place_of(zp); /* pinned: it does not change */
    int err = place_populate(pool, &p, zp->n_resident_pages, n);
    bool release;

    n = resident_front(pool, &p, zp->n_resident_pages + n) -
        zp->n_resident_pages;
    zs_lock_acquire(&cl->lock);
    if (!err) {
        zp->n_resident_pages += n;
        cl->n_pages_resident += n;
    }
    zspage_unpin(zp);
    class_attach_locked(pool, cl, zp);
    /* All its objects may have been freed meanwhile. */
    release = err && class_settle_locked(pool, cl, zp);
    zs_lock_release(&cl->lock);
    if (release) {
        zspage_release(pool, zp);
    }
    return err;
}

/* The fullest zspage with a free slot, GROWING and pinned, if it has no room.
 * NULL: the class has none, or *has_room already. */
static struct zspage *take_for_growth(struct zs_pool *pool, struct zs_class *cl,
                                      bool *has_room)
{
    struct zspage *zp;
    bool pinned;

    zs_lock_acquire(&cl->lock);
    zp = class_pick_locked(pool, cl);
    *has_room = zp && zspage_room(zp) > 0;
    if (*has_room) { /* somebody else was quicker */
        zp = NULL;
    }
    if (zp) {
        class_detach_locked(pool, cl, zp, ZSPAGE_GROWING);
        pinned = zspage_try_pin(zp);
        ZS_CHECK(pinned); /* only a holder of the class lock closes it */
    }
    zs_lock_release(&cl->lock);
    return zp;
}

/* Pages to add for `n` slots behind `had` pages that hold `used` slots. */
static unsigned pages_to_add(const struct zs_class *cl, unsigned used,
                             unsigned had, unsigned n)
{
    unsigned room = cl->n_slots - used;

    return pages_for_slots(cl->slot_bytes, used + (n < room ? n : room)) - had;
}

/* `batch`: pages to add where more slots than `n` may be wanted; 0: none. */
static int grow_by(struct zs_pool *pool, struct zs_class *cl, unsigned n,
                   unsigned batch)
{
    bool has_room;
    struct zspage *zp = take_for_growth(pool, cl, &has_room);
    unsigned add, left;

    if (has_room) {
        return 0;
    }
    if (!zp) {
        add = pages_to_add(cl, 0, 0, n);
        return class_new_zspage(pool, cl, add > batch ? add : batch);
    }
    left = zp->n_pages - zp->n_resident_pages;
    add = pages_to_add(cl, zp->fresh, zp->n_resident_pages, n);
    add = add > batch ? add : batch;
    return grow_zspage(pool, cl, zp, add < left ? add : left);
}

int class_grow(struct zs_pool *pool, struct zs_class *cl, unsigned n)
{
    unsigned batch = 0;
    int err;

    if (n == ZS_GROW_BATCH) {
        n = 1;
        zs_lock_acquire(&cl->lock);
        batch = batch_pages(cl, cl->n_zspages);
        zs_lock_release(&cl->lock);
    }
    err = grow_by(pool, cl, n, batch);
    if (err == -ENOMEM && (batch > 0 || n > 1)) {
        err = grow_by(pool, cl, 1, 0); /* at the limit a little may do */
    }
    if (err == -ENOMEM && zs_arena_has_huge(pool->arena)) {
        err = class_new_zspage(pool, cl, cl->n_pages); /* in what is there */
    }
    return err;
}

/* --- less --- */

bool zspage_has_spare_memory(struct zs_pool *pool, const struct zspage *zp,
                             unsigned keep)
{
    struct place p = place_of(zp);

    if (p.base != ZS_PFN_NONE) {
        return zs_pages_any_resident(pool->arena, p.base + keep, p.n - keep);
    }
    while (keep < p.n &&
           !zs_page_is_resident(pool->arena, place_pfn(&p, keep))) {
        keep++;
    }
    return keep < p.n;
}

bool zspage_trim_tail(struct zs_pool *pool, struct zs_class *cl,
                      struct zspage *zp)
{
    unsigned keep = pages_for_slots(zspage_slot_bytes(zp), zp->fresh);
    unsigned had = zp->n_resident_pages;
    struct place place;
    bool pinned;

    zs_lock_acquire(&cl->lock);
    pinned = zspage_try_pin(zp);
    if (pinned && keep < had) {
        zp->n_resident_pages = keep;
        cl->n_pages_resident -= had - keep;
    }
    zs_lock_release(&cl->lock);
    if (!pinned) {
        return false;
    }
    place = place_of(zp); /* pinned: it does not change */
    if (place.base != ZS_PFN_NONE && keep < zp->n_pages) {
        zs_pages_depopulate(pool->arena, place.base + keep, zp->n_pages - keep);
    } else {
        for (unsigned i = keep; i < zp->n_pages; i++) {
            zs_pages_depopulate(pool->arena, place_pfn(&place, i), 1);
        }
    }
    zspage_unpin(zp);
    return true;
}

void zspage_release(struct zs_pool *pool, struct zspage *zp)
{
    struct zs_class *cl = class_of(pool, zp);
    struct place p;

    zs_work_begin();
    /* The pages stop being the zspage's under the class lock, where page_ops.c
     * asks whose they are. */
    zs_lock_acquire(&cl->lock);
    ZS_ASSERT(zspage_n_used(zp) == 0 && zp->limbo_link == ZS_NOT_QUEUED);
    p = place_of(zp);
    zspage_publish_nowhere(zp);
    atomic_store_explicit(&zp->class_number, 0, memory_order_relaxed);
    clear_fast_class(pool, zp);
    cl->n_zspages--;
    cl->n_pages_held -= zp->n_pages;
    cl->n_pages_resident -= zp->n_resident_pages;
    zs_lock_release(&cl->lock);
    place_retire(pool, &p);
    give_number(pool, zp->n_slots, zspage_number(pool, zp), zp->side);
    zs_work_end();
}
