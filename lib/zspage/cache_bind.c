/* SPDX-License-Identifier: MIT */
/*
 * cache_bind.c - handles and slots for caches: from the pool, and back.
 *
 * In batches: handles under the lock of the handle table, slots under the class
 * lock, each taken once for all of them.
 */
#include "cache_impl.h"

/* --- handles without a slot --- */

/* In a section. Returns how many. */
unsigned cache_take_stock(struct zs_cache *c, uint32_t *handles, unsigned n)
{
    unsigned taken = 0;

    while (taken < n && c->n_stock > 0) {
        handles[taken++] = c->stock[--c->n_stock];
    }
    return taken;
}

/* In a section. Returns how many of them found room. */
static unsigned give_stock(struct zs_cache *c, const uint32_t *handles,
                           unsigned n)
{
    unsigned given = 0;

    while (given < n && c->n_stock < ZS_CACHE_STOCK) {
        c->stock[c->n_stock++] = handles[given++];
    }
    return given;
}

/* A whole cache line of slot words at once, so that what is left over stays
 * with this thread. Returns how many there are in `handles` now. */
unsigned cache_add_fresh(struct zs_pool *pool, uint32_t *handles, unsigned had,
                         unsigned want)
{
    unsigned n = (want - had + ZS_HANDLES_TOGETHER - 1) / ZS_HANDLES_TOGETHER *
                 ZS_HANDLES_TOGETHER;
    int taken = zs_handles_take(&pool->handles, handles + had, n);

    return taken > 0 ? had + (unsigned)taken : had;
}

void cache_give_handles(struct zs_cache *c, const uint32_t *handles, unsigned n)
{
    unsigned given = 0;

    if (cache_enter(c)) {
        given = give_stock(c, handles, n);
        cache_leave(c);
    }
    if (given < n) {
        zs_handles_give(&c->pool->handles, handles + given, n - given);
    }
}

/* A thief: into the stock what keeps no page of the table, the rest back. */
void cache_keep_or_give(struct zs_cache *c, const uint32_t *handles, unsigned n)
{
    struct zs_handles *t = &c->pool->handles;
    uint32_t front = zs_handles_front(t);

    for (unsigned i = 0; i < n; i++) {
        if (handles[i] >= front || give_stock(c, &handles[i], 1) == 0) {
            zs_handles_give(t, &handles[i], 1);
        }
    }
}

/* A thief: give back what has come to lie behind the front since. */
void cache_sift_stock(struct zs_cache *c)
{
    unsigned n = c->n_stock;

    c->n_stock = 0;
    cache_keep_or_give(c, c->stock, n); /* never ahead of itself */
}

/* -1: no cache to take it from, or to keep others in. */
static int take_from_cache(struct zs_cache *c, uint32_t *h)
{
    int n;

    if (!c || !cache_enter(c)) {
        return -1;
    }
    n = (int)cache_take_stock(c, h, 1);
    cache_leave(c);
    return n;
}

int cache_take_handle(struct zs_pool *pool, uint32_t *h)
{
    struct zs_cache *c = cache_of_thread(pool);
    uint32_t fresh[ZS_HANDLES_TOGETHER];
    int had = take_from_cache(c, h);
    int taken;

    if (had > 0) {
        return 0;
    }
    taken = zs_handles_take(&pool->handles, fresh,
                            had < 0 ? 1 : ZS_HANDLES_TOGETHER);
    if (taken < 0) {
        return taken;
    }
    *h = fresh[0];
    if (taken > 1) {
        cache_give_handles(c, fresh + 1, (unsigned)taken - 1);
    }
    return 0;
}

void cache_give_handle(struct zs_pool *pool, uint32_t h)
{
    struct zs_cache *c = cache_of_thread(pool);

    if (c) {
        cache_give_handles(c, &h, 1);
    } else {
        zs_handles_give(&pool->handles, &h, 1);
    }
}

/* --- slots for handles --- */

/* The misses of all of them at the same time. */
static void prefetch_slots(const struct zs_pool *pool, const uint32_t *handles,
                           unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        uint32_t w = zs_slot_load(&pool->handles, handles[i]);

        __builtin_prefetch(zspage_at(pool, zs_slot_zspage(w)), 1);
    }
}

static void unbind_locked(struct zs_pool *pool, struct zs_class *cl, uint32_t h,
                          uint32_t *empty)
{
    _Atomic uint32_t *slot = &pool->handles.slots[h];
    uint32_t w = atomic_load_explicit(slot, memory_order_relaxed);
    struct zspage *zp = zspage_at(pool, zs_slot_zspage(w));

    ZS_CHECK(zs_slot_state(w) == ZS_SLOT_CACHED);
    ZS_ASSERT(class_of(pool, zp) == cl);
    /* relaxed: nobody but a mover looks, under the class lock */
    atomic_store_explicit(slot, ZS_SLOT_FREE, memory_order_relaxed);
    class_give_slot_locked(pool, cl, zp, zs_slot_index(w));
    if (class_settle_locked(pool, cl, zp)) {
        zp->next = *empty; /* it is on no list, so the link is free */
        *empty = zspage_number(pool, zp);
    }
}

/* Bound handles of one bin lose their slots. */
void cache_unbind(struct zs_pool *pool, unsigned bin_number,
                  const uint32_t *handles, unsigned n)
{
    struct zs_class *cl = &pool->classes[bin_number - 1];
    uint32_t empty = 0;

    prefetch_slots(pool, handles, n);
    zs_lock_acquire(&cl->lock);
    for (unsigned i = 0; i < n; i++) {
        unbind_locked(pool, cl, handles[i], &empty);
    }
    zs_lock_release(&cl->lock);
    zs_arena_note_freed(pool->arena, (uint64_t)n * cl->slot_bytes);
    while (empty != 0) {
        struct zspage *zp = zspage_at(pool, empty);

        empty = zp->next;
        zspage_release(pool, zp);
    }
}

/* Slots for up to n handles, as far as there is room without growing beyond
 * the next batch. Returns how many. */
unsigned cache_bind(struct zs_pool *pool, unsigned bin_number,
                    const uint32_t *handles, unsigned n)
{
    struct zs_class *cl = &pool->classes[bin_number - 1];
    struct zspage *zp;
    unsigned done = 0;

    if (class_lock_with_room(pool, cl, &zp) != 0) {
        return 0;
    }
    while (done < n && zp && zspage_room(zp) > 0) {
        uint32_t h = handles[done++];
        unsigned idx = class_take_slot_locked(pool, cl, zp, h);

        /* relaxed: the lock and the section lead everybody to it */
        atomic_store_explicit(
            &pool->handles.slots[h],
            zs_slot_word(zspage_number(pool, zp), idx, ZS_SLOT_CACHED),
            memory_order_relaxed);
        zp = class_pick_locked(pool, cl);
    }
    zs_lock_release(&cl->lock);
    return done;
}
