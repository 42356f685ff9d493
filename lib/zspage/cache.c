/* SPDX-License-Identifier: MIT */
/* cache.c - filling and emptying caches; see cache.h. */
#include "cache.h"

#include "rcu.h"

#define SEVERAL 4u      /* handles in a bin, of which half can be spared */
#define NEAR_CLASSES 4u /* in which a malloc may look before the class lock */

/* --- how much a cache may hold --- */

static void set_quota(struct zs_cache *c)
{
    struct zs_pool *pool = c->pool;
    uint64_t used =
        atomic_load_explicit(&pool->arena->budget.used, memory_order_relaxed);
    uint64_t all = used / ZS_CACHE_SHARE;
    unsigned n = atomic_load_explicit(&pool->n_caches, memory_order_relaxed);

    if (all < pool->min_cache_bytes) {
        all = pool->min_cache_bytes;
    }
    /* relaxed, as n: a bound that others may change at the same time */
    atomic_store_explicit(&c->quota, all / (n > 0 ? n : 1),
                          memory_order_relaxed);
}

bool cache_enter_by_mode(struct zs_cache *c)
{
    zs_section_enter_fenced(&c->section);
    if (atomic_load_explicit(&c->mode, memory_order_acquire) & ZS_CACHE_STOP) {
        zs_section_leave(&c->section);
        return false;
    }
    return true;
}

/* --- handles without a slot --- */

int cache_take_handle(struct zs_pool *pool, uint32_t *h)
{
    struct zs_cache *c = cache_of_thread(pool);
    bool has_cache = c && cache_enter(c);
    uint32_t fresh[ZS_HANDLES_TOGETHER];
    int n;

    if (has_cache) {
        *h = c->n_stock > 0 ? c->stock[--c->n_stock] : 0;
        cache_leave(c);
        if (*h != 0) {
            return 0;
        }
    }
    n = zs_handles_take(&pool->handles, fresh,
                        has_cache ? ZS_HANDLES_TOGETHER : 1);
    if (n <= 0) {
        return n;
    }
    while (n > 1) {
        cache_give_handle(pool, fresh[--n]);
    }
    *h = fresh[0];
    return 0;
}

void cache_give_handle(struct zs_pool *pool, uint32_t h)
{
    struct zs_cache *c = cache_of_thread(pool);
    uint32_t back[ZS_CACHE_STOCK / 2 + 1] = { h };
    unsigned n = 1;

    if (c && cache_enter(c)) {
        if (c->n_stock == ZS_CACHE_STOCK) {
            while (n <= ZS_CACHE_STOCK / 2) {
                back[n++] = c->stock[--c->n_stock];
            }
        } else {
            c->stock[c->n_stock++] = h;
            n = 0;
        }
        cache_leave(c);
    }
    if (n > 0) {
        zs_handles_give(&pool->handles, back, n);
    }
}

static void give_handles(struct zs_pool *pool, const uint32_t *handles,
                         unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        cache_give_handle(pool, handles[i]);
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

void cache_unbind(struct zs_pool *pool, unsigned class_idx,
                  const uint32_t *handles, unsigned n)
{
    struct zs_class *cl = &pool->classes[class_idx];
    uint32_t empty = 0;

    prefetch_slots(pool, handles, n);
    zs_lock_acquire(&cl->lock);
    for (unsigned i = 0; i < n; i++) {
        unbind_locked(pool, cl, handles[i], &empty);
    }
    zs_lock_release(&cl->lock);
    while (empty != 0) {
        struct zspage *zp = zspage_at(pool, empty);

        empty = zp->next;
        zspage_release(pool, zp);
    }
}

/* Slots for up to n handles, as far as there is room without growing beyond
 * the next batch. Returns how many. */
static unsigned bind(struct zs_pool *pool, unsigned class_idx,
                     const uint32_t *handles, unsigned n)
{
    struct zs_class *cl = &pool->classes[class_idx];
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

/* --- slots that can be spared --- */

/* In a section: the next bin with several handles, or else bin `own`. */
static unsigned bin_to_spare(struct zs_cache *c, unsigned own)
{
    for (unsigned i = 0; i < c->n_bins; i++) {
        c->hand = c->hand + 1 < c->n_bins ? c->hand + 1 : 0;
        if (bin_n(&c->bins[c->hand]) >= SEVERAL) {
            return c->hand;
        }
    }
    return own;
}

/* In a section: take the handles out of a bin that have been there longest,
 * half of them and at least one. */
static unsigned take_oldest(struct zs_cache *c, unsigned class_idx,
                            uint32_t *handles)
{
    struct zs_bin *bin = &c->bins[class_idx];
    unsigned n = bin_n(bin);
    unsigned take = (n + 1) / 2;

    for (unsigned i = 0; i < take; i++) {
        handles[i] = bin->handles[i];
    }
    for (unsigned i = take; i < n; i++) {
        bin->handles[i - take] = bin->handles[i];
    }
    bin_set_n(bin, n - take);
    cache_add_bytes(c,
                    0 - (uint64_t)take * zs_size_class(class_idx)->slot_bytes);
    return take;
}

/* Give slots up: of class `own` where its bin is full, else where there are
 * most to spare. Returns how many. */
static unsigned spare_some(struct zs_cache *c, unsigned own)
{
    uint32_t handles[ZS_BIN_HANDLES];
    unsigned from, n;

    if (!cache_enter(c)) {
        return 0;
    }
    set_quota(c);
    from = bin_n(&c->bins[own]) == ZS_BIN_HANDLES ? own : bin_to_spare(c, own);
    n = take_oldest(c, from, handles);
    cache_leave(c);
    if (n > 0) {
        cache_unbind(c->pool, from, handles, n);
        give_handles(c->pool, handles, n);
    }
    return n;
}

bool cache_make_room(struct zs_cache *c, uint32_t h)
{
    uint32_t w = zs_slot_load(&c->pool->handles, h);
    unsigned number = 0;

    if (zs_slot_is_live(w)) {
        number = atomic_load_explicit(&c->pool->fast_class[zs_slot_zspage(w)],
                                      memory_order_relaxed);
    }
    return number - 1 < c->n_bins && spare_some(c, number - 1) > 0;
}

/* --- the slow part of malloc --- */

uint32_t cache_malloc_near(struct zs_cache *c, unsigned class_idx)
{
    const struct zs_class *classes = c->pool->classes;
    uint32_t most = classes[class_idx].slot_bytes / 8 * 9;
    uint32_t h = 0;

    if (atomic_load_explicit(&c->quota, memory_order_relaxed) >
        c->pool->min_cache_bytes) {
        return 0;
    }
    for (unsigned i = class_idx + 1;
         h == 0 && i < c->n_bins && i <= class_idx + NEAR_CLASSES &&
         classes[i].slot_bytes <= most;
         i++) {
        h = cache_malloc(c->pool, c, i);
    }
    return h;
}

static unsigned room_for(const struct zs_cache *c, unsigned class_idx)
{
    uint64_t quota = atomic_load_explicit(&c->quota, memory_order_relaxed);
    uint64_t bytes = atomic_load_explicit(&c->bytes, memory_order_relaxed);
    uint64_t room = bytes < quota
                        ? (quota - bytes) / zs_size_class(class_idx)->slot_bytes
                        : 0;

    return room < ZS_BIN_HANDLES ? (unsigned)room : ZS_BIN_HANDLES;
}

/* How many to fetch: twice as many as the last time, up to half of what a bin
 * holds, and within the quota. (The bin may hold some that a mover has.) */
static unsigned n_wanted(struct zs_cache *c, unsigned class_idx)
{
    struct zs_bin *bin = &c->bins[class_idx];
    unsigned want = bin->want > 0 ? bin->want : 1;
    unsigned room = room_for(c, class_idx);
    unsigned left = ZS_BIN_HANDLES - bin_n(bin);

    room = room < left ? room : left;
    bin->want = (uint16_t)(2 * want <= ZS_BIN_HANDLES / 2 ? 2 * want
                                                          : ZS_BIN_HANDLES / 2);
    return want < room ? want : room;
}

static unsigned take_handles(struct zs_pool *pool, uint32_t *handles,
                             unsigned n)
{
    unsigned taken = 0;

    while (taken < n && cache_take_handle(pool, &handles[taken]) == 0) {
        taken++;
    }
    return taken;
}

/* False: a thief is at work. */
static bool fill_bin(struct zs_cache *c, unsigned class_idx,
                     const uint32_t *handles, unsigned n)
{
    struct zs_bin *bin = &c->bins[class_idx];

    if (!cache_enter(c)) {
        return false;
    }
    ZS_ASSERT(bin_n(bin) + n <= ZS_BIN_HANDLES); /* only its thread fills it */
    for (unsigned i = 0; i < n; i++) {
        bin->handles[bin_n(bin)] = handles[i];
        bin_set_n(bin, bin_n(bin) + 1);
    }
    cache_add_bytes(c, (uint64_t)n * c->pool->classes[class_idx].slot_bytes);
    cache_leave(c);
    return true;
}

/* Handles that a refill is to fetch; for fewer than two, the way without a
 * cache is as short. */
static unsigned n_to_fetch(struct zs_cache *c, unsigned class_idx)
{
    unsigned n = 0;

    if (room_for(c, class_idx) < SEVERAL) {
        (void)spare_some(c, class_idx);
    }
    if (cache_enter(c)) {
        n = n_wanted(c, class_idx);
        cache_leave(c);
    }
    return n >= 2 ? n : 0;
}

bool cache_refill(struct zs_cache *c, unsigned class_idx)
{
    uint32_t handles[ZS_BIN_HANDLES];
    unsigned n = n_to_fetch(c, class_idx);
    unsigned bound;
    bool filled;

    n = take_handles(c->pool, handles, n);
    bound = n > 0 ? bind(c->pool, class_idx, handles, n) : 0;
    give_handles(c->pool, handles + bound, n - bound);
    filled = bound > 0 && fill_bin(c, class_idx, handles, bound);
    if (bound > 0 && !filled) {
        cache_unbind(c->pool, class_idx, handles, bound);
        give_handles(c->pool, handles, bound);
    }
    return filled;
}

/* --- thieves --- */

static void empty_bins_locked(struct zs_cache *c)
{
    struct zs_pool *pool = c->pool;

    for (unsigned i = 0; i < c->n_bins; i++) {
        struct zs_bin *bin = &c->bins[i];
        unsigned n = bin_n(bin);

        bin->want = 0;
        if (n > 0) {
            cache_unbind(pool, i, bin->handles, n);
            zs_handles_give(&pool->handles, bin->handles, n);
            bin_set_n(bin, 0);
        }
    }
    atomic_store_explicit(&c->bytes, 0, memory_order_relaxed);
}

void cache_empty_locked(struct zs_cache *c)
{
    ZS_ASSERT_HELD(&c->pool->caches_lock);
    empty_bins_locked(c);
    zs_handles_give(&c->pool->handles, c->stock, c->n_stock);
    c->n_stock = 0;
    set_quota(c);
}

static void wait_locked(const struct zs_pool *pool)
{
    zs_sections_barrier();
    for (const struct zs_cache *c = pool->caches; c; c = c->next) {
        zs_section_wait(&c->section);
    }
}

static void set_stop_locked(struct zs_pool *pool, bool stop)
{
    uint8_t mode = zs_sections_are_fenced() ? ZS_CACHE_FENCED : 0;

    stop |= pool->caches_suspended;
    for (struct zs_cache *c = pool->caches; c; c = c->next) {
        /* release: pairs with cache_enter() when the stop ends */
        atomic_store_explicit(&c->mode, stop ? mode | ZS_CACHE_STOP : mode,
                              memory_order_release);
    }
}

void caches_cut_locked(struct zs_pool *pool)
{
    set_stop_locked(pool, true);
    wait_locked(pool);
    for (struct zs_cache *c = pool->caches; c; c = c->next) {
        set_quota(c);
        if (atomic_load_explicit(&c->bytes, memory_order_relaxed) >
            atomic_load_explicit(&c->quota, memory_order_relaxed)) {
            empty_bins_locked(c);
        }
    }
    set_stop_locked(pool, false);
}

static void caches_empty_locked(struct zs_pool *pool)
{
    set_stop_locked(pool, true);
    wait_locked(pool);
    for (struct zs_cache *c = pool->caches; c; c = c->next) {
        cache_empty_locked(c);
    }
    set_stop_locked(pool, false);
}

void caches_empty(struct zs_pool *pool)
{
    zs_lock_acquire(&pool->caches_lock);
    if (pool->caches) {
        caches_empty_locked(pool);
    }
    zs_lock_release(&pool->caches_lock);
}

static void set_suspended(struct zs_pool *pool, bool suspended)
{
    zs_lock_acquire(&pool->caches_lock);
    pool->caches_suspended = suspended;
    set_stop_locked(pool, false);
    if (suspended && pool->caches) {
        wait_locked(pool);
    }
    zs_lock_release(&pool->caches_lock);
}

void caches_suspend(struct zs_pool *pool)
{
    set_suspended(pool, true);
}

void caches_resume(struct zs_pool *pool)
{
    set_suspended(pool, false);
}

void caches_wait_for_sections(struct zs_pool *pool)
{
    zs_lock_acquire(&pool->caches_lock);
    if (pool->caches) {
        wait_locked(pool);
    }
    zs_lock_release(&pool->caches_lock);
}

void caches_count(struct zs_pool *pool, uint64_t *slots, uint64_t *bytes)
{
    *slots = 0;
    *bytes = 0;
    zs_lock_acquire(&pool->caches_lock);
    for (const struct zs_cache *c = pool->caches; c; c = c->next) {
        for (unsigned i = 0; i < c->n_bins; i++) {
            unsigned n = bin_n(&c->bins[i]);

            *slots += n;
            *bytes += (uint64_t)n * pool->classes[i].slot_bytes;
        }
    }
    zs_lock_release(&pool->caches_lock);
}
