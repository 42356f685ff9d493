/* SPDX-License-Identifier: MIT */
/* cache.c - filling and emptying caches; see cache.h. */
#include "cache.h"

#include <string.h>

#include "rcu.h"

#define LEAST_CAPACITY 4u     /* of a bin that is used */
#define SHARE_OUT_AFTER 4096u /* slow paths, without any need */
#define TOGETHER ZS_HANDLES_TOGETHER

/* No memory, for nobody writes to it. */
static _Atomic uint16_t no_fast_class[ZS_MAX_ZSPAGES];

bool cache_enter(struct zs_cache *c)
{
    if (zs_sections_are_fenced()) {
        zs_section_enter_fenced(&c->section);
    } else {
        zs_section_enter(&c->section);
    }
    /* acquire: as in cache_enter_fast() */
    if (atomic_load_explicit(&c->stop, memory_order_acquire)) {
        zs_section_leave(&c->section);
        return false;
    }
    return true;
}

void cache_write(struct zs_cache *c, uint32_t w, size_t at, const void *data,
                 size_t len)
{
    struct zspage *zp = zspage_at(c->pool, zs_slot_zspage(w));

    zspage_copy_in(c->pool->arena, zp,
                   zs_slot_index(w) * zspage_slot_bytes(zp) + at, data, len);
}

/* --- bins --- */

static uint32_t *bin_base(struct zs_cache *c, unsigned n)
{
    return c->handles + zs_cache_sizes.first[n];
}

static unsigned bin_held(struct zs_cache *c, unsigned n)
{
    return (unsigned)(bin_top(&c->bins[n]) - bin_base(c, n));
}

static unsigned bin_capacity(struct zs_cache *c, unsigned n)
{
    return (unsigned)(c->bins[n].end - bin_base(c, n));
}

/* In a section, or a thief: with its bytes. */
static void set_capacity(struct zs_cache *c, unsigned n, unsigned capacity)
{
    uint64_t granted = atomic_load_explicit(&c->granted, memory_order_relaxed);
    uint64_t had = bin_capacity(c, n);

    ZS_ASSERT(capacity >= bin_held(c, n));
    c->bins[n].end = bin_base(c, n) + capacity;
    atomic_store_explicit(
        &c->granted, granted + (capacity - had) * zs_cache_sizes.slot_bytes[n],
        memory_order_relaxed);
}

/* --- how much they may hold --- */

/* In a section, or a thief. */
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
    c->bin_of = zs_cache_sizes_for(used);
}

static uint64_t left_of_quota(const struct zs_cache *c)
{
    uint64_t granted = atomic_load_explicit(&c->granted, memory_order_relaxed);
    uint64_t quota = atomic_load_explicit(&c->quota, memory_order_relaxed);

    return quota > granted ? quota - granted : 0;
}

/* In a section: let a bin hold twice as many as now, as far as the quota goes.
 * False: no further. */
static bool widen(struct zs_cache *c, unsigned n)
{
    unsigned bytes = zs_cache_sizes.slot_bytes[n];
    unsigned had = bin_capacity(c, n);
    unsigned most = zs_cache_sizes.most[n];
    uint64_t left = left_of_quota(c) / bytes;
    unsigned more = had < LEAST_CAPACITY ? LEAST_CAPACITY : had;

    more = more < most - had ? more : most - had;
    more = more < left ? more : (unsigned)left;
    set_capacity(c, n, had + more);
    c->in_use[n] |= more > 0;
    return more > 0 || had == most;
}

/* C3 */
static bool frees_late(const struct zs_pool *pool)
{
    return ZS_CHECKS == 0 &&
           !atomic_load_explicit(&pool->has_large, memory_order_relaxed) &&
           zs_handles_groups(&pool->handles) >= ZS_LATE_FREE_GROUPS;
}

bool cache_is_late(const struct zs_pool *pool, uint32_t h)
{
    const struct zs_cache *c = cache_at_hand(pool);

    return c && cache_has_late(c, h);
}

/* The owner in a section, or under caches_lock when it looks at it again in the
 * section: relaxed. */
static void set_late(struct zs_cache *c, bool late)
{
    atomic_store_explicit(&c->late, late, memory_order_relaxed);
    atomic_store_explicit(&c->free_below, late ? 0 : c->n_handles,
                          memory_order_relaxed);
}

/* --- handles without a slot --- */

/* In a section. Returns how many. */
static unsigned take_stock(struct zs_cache *c, uint32_t *handles, unsigned n)
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
static unsigned add_fresh(struct zs_pool *pool, uint32_t *handles, unsigned had,
                          unsigned want)
{
    unsigned n = (want - had + TOGETHER - 1) / TOGETHER * TOGETHER;
    int taken = zs_handles_take(&pool->handles, handles + had, n);

    return taken > 0 ? had + (unsigned)taken : had;
}

static void give_handles(struct zs_cache *c, const uint32_t *handles,
                         unsigned n)
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

int cache_take_handle(struct zs_pool *pool, uint32_t *h)
{
    struct zs_cache *c = cache_of_thread(pool);
    uint32_t fresh[TOGETHER];
    unsigned n = 0;
    int taken;

    if (!c) {
        taken = zs_handles_take(&pool->handles, h, 1);
        return taken < 0 ? taken : 0;
    }
    if (cache_enter(c)) {
        n = take_stock(c, h, 1);
        cache_leave(c);
    }
    if (n > 0) {
        return 0;
    }
    taken = zs_handles_take(&pool->handles, fresh, TOGETHER);
    if (taken < 0) {
        return taken;
    }
    *h = fresh[0];
    give_handles(c, fresh + 1, (unsigned)taken - 1);
    return 0;
}

void cache_give_handle(struct zs_pool *pool, uint32_t h)
{
    struct zs_cache *c = cache_of_thread(pool);

    if (c) {
        give_handles(c, &h, 1);
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
static void unbind(struct zs_pool *pool, unsigned bin_number,
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
    while (empty != 0) {
        struct zspage *zp = zspage_at(pool, empty);

        empty = zp->next;
        zspage_release(pool, zp);
    }
}

/* Slots for up to n handles, as far as there is room without growing beyond
 * the next batch. Returns how many. */
static unsigned bind(struct zs_pool *pool, unsigned bin_number,
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

/* --- fair shares --- */

/*
 * When the quota is used up, every bin in use gets equally many handles (but
 * for small slots, whose bins have a most). That is close to the best there
 * is: a load of random sizes meets the end of a bin of capacity k after some
 * k * k / 4 steps, so a bin of few handles costs more than many bins of many
 * gain.
 */
/* Of those in use; the rest of the quota once more for those that have not got
 * their most, until it makes no difference. */
static unsigned find_fair(struct zs_cache *c)
{
    uint64_t quota = atomic_load_explicit(&c->quota, memory_order_relaxed);
    unsigned before, fair = 0;

    do {
        uint64_t left = quota, bytes = 0;

        before = fair;
        for (unsigned n = 1; n < zs_cache_sizes.n_bins; n++) {
            unsigned size = zs_cache_sizes.slot_bytes[n];
            unsigned most = zs_cache_sizes.most[n];

            if (c->in_use[n] && most > before) {
                bytes += size;
            } else if (c->in_use[n]) {
                left -= (uint64_t)size * most;
            }
        }
        fair = bytes > 0 ? (unsigned)(left / bytes) : before;
    } while (fair != before);
    return fair;
}

/* In a section. */
static void drop_idle(struct zs_cache *c)
{
    for (unsigned n = 1; n < zs_cache_sizes.n_bins; n++) {
        uint32_t *top = bin_top(&c->bins[n]);

        c->in_use[n] = c->in_use[n] && top != c->seen_top[n];
        c->seen_top[n] = top;
    }
    c->n_slow = 0;
}

/* In a section: handles for each bin. Now and then, those that have not changed
 * are left out. */
static void find_shares(struct zs_cache *c, unsigned own, unsigned *shares)
{
    unsigned fair;

    if (c->n_slow > SHARE_OUT_AFTER) {
        drop_idle(c);
    }
    c->in_use[own] = true;
    fair = find_fair(c);
    for (unsigned n = 1; n < zs_cache_sizes.n_bins; n++) {
        unsigned most = zs_cache_sizes.most[n];

        shares[n] = !c->in_use[n] ? 0 : fair < most ? fair : most;
    }
}

/* In a section: take the handles out of a bin that have been there longest. */
static void take_oldest(struct zs_cache *c, unsigned n, uint32_t *handles,
                        unsigned take)
{
    uint32_t *base = bin_base(c, n);
    unsigned left = bin_held(c, n) - take;

    memcpy(handles, base, take * sizeof(*handles));
    memmove(base, base + take, left * sizeof(*handles));
    bin_set_top(&c->bins[n], base + left);
}

/* Give the handles beyond a bin's share up. False: a thief is at work. */
static bool cut_bin(struct zs_cache *c, unsigned n, unsigned share)
{
    uint32_t handles[ZS_CACHE_MOST_HANDLES];
    unsigned held, take;

    if (!cache_enter(c)) {
        return false;
    }
    held = bin_held(c, n);
    take = held > share ? held - share : 0;
    take_oldest(c, n, handles, take);
    if (bin_capacity(c, n) > share) {
        set_capacity(c, n, share);
    }
    cache_leave(c);
    if (take > 0) {
        unbind(c->pool, n, handles, take);
        give_handles(c, handles, take);
    }
    return true;
}

/* First take from the rich, then give to the poor, for C2. */
static void share_out(struct zs_cache *c, unsigned own)
{
    unsigned shares[ZS_CACHE_BINS];

    if (!cache_enter(c)) {
        return;
    }
    find_shares(c, own, shares);
    cache_leave(c);
    for (unsigned n = 1; n < zs_cache_sizes.n_bins; n++) {
        if (!cut_bin(c, n, shares[n])) {
            return;
        }
    }
    if (cache_enter(c)) {
        for (unsigned n = 1; n < zs_cache_sizes.n_bins; n++) {
            if (shares[n] > bin_capacity(c, n)) {
                set_capacity(c, n, shares[n]);
            }
        }
        cache_leave(c);
    }
}

/* In a section, where a bin was found full or empty. True: there is no room
 * left, and it has not had its share; or it is time to look which bins are
 * still in use. */
static bool wants_share(struct zs_cache *c, unsigned n)
{
    c->n_slow++;
    set_quota(c);
    set_late(c, !zs_sections_are_fenced() && frees_late(c->pool));
    return !widen(c, n) && (!c->in_use[n] || c->n_slow > SHARE_OUT_AFTER);
}

/* --- the slow part of malloc --- */

/* In a section. */
static uint32_t pop_live(struct zs_cache *c, unsigned n)
{
    struct zs_hit hit;
    uint32_t h;

    if (!cache_pop(c, c->pool->fast_class, zs_bin_offset(n), &h, &hit)) {
        return 0;
    }
    cache_turn_word(&hit);
    return h;
}

/* In a section, of a bin that had nothing to give: how many to fetch. (It may
 * hold some that a mover has.) */
static unsigned n_to_fetch(struct zs_cache *c, unsigned n)
{
    unsigned want = (bin_capacity(c, n) + 1) / 2;
    unsigned room = bin_capacity(c, n) - bin_held(c, n);

    return want < room ? want : room;
}

/* Bind handles and put them into the bin. What cannot be had, or kept, goes
 * back. */
static void fill_bin(struct zs_cache *c, unsigned n, const uint32_t *handles,
                     unsigned had, unsigned want)
{
    unsigned bound =
        had > 0 ? bind(c->pool, n, handles, had < want ? had : want) : 0;
    unsigned kept = 0;

    if (bound > 0 && cache_enter(c)) {
        while (kept < bound && cache_push(c, zs_bin_offset(n), handles[kept])) {
            kept++;
        }
        cache_leave(c);
    }
    if (kept < bound) { /* a thief was there meanwhile */
        unbind(c->pool, n, handles + kept, bound - kept);
    }
    if (kept < had) {
        give_handles(c, handles + kept, had - kept);
    }
}

/* Fetch handles for the bin of `size`. */
static void refill(struct zs_cache *c, unsigned n)
{
    uint32_t handles[ZS_CACHE_MOST_HANDLES + TOGETHER];
    unsigned want, had;

    if (!cache_enter(c)) {
        return;
    }
    want = n_to_fetch(c, n);
    had = take_stock(c, handles, want);
    cache_leave(c);
    if (had < want) {
        had = add_fresh(c->pool, handles, had, want);
    }
    fill_bin(c, n, handles, had, want);
}

uint32_t cache_malloc_slowly(struct zs_cache *c, size_t size)
{
    unsigned n;
    bool share;
    uint32_t h;

    if (!cache_enter(c)) {
        return 0;
    }
    n = zs_bin_number(c->bin_of[ZS_CACHE_SIZE_INDEX(size)]);
    h = pop_live(c, n);
    share = h == 0 && wants_share(c, n);
    cache_leave(c);
    if (h != 0) {
        return h;
    }
    if (share) {
        share_out(c, n);
    }
    refill(c, n);
    if (cache_enter(c)) {
        h = pop_live(c, n);
        cache_leave(c);
    }
    return h;
}

/* --- the slow part of free --- */

/* Half of a full bin, and at least one handle, goes. */
static void empty_half(struct zs_cache *c, unsigned n)
{
    uint32_t handles[ZS_CACHE_MOST_HANDLES];
    unsigned take = 0;

    if (cache_enter(c)) {
        if (bin_top(&c->bins[n]) == c->bins[n].end) {
            take = (bin_held(c, n) + 1) / 2;
            take_oldest(c, n, handles, take);
        }
        cache_leave(c);
    }
    if (take > 0) {
        unbind(c->pool, n, handles, take);
        give_handles(c, handles, take);
    }
}

bool cache_free_slowly(struct zs_cache *c, uint32_t h)
{
    bool done, fast, share;
    struct zs_hit hit;
    unsigned n = 0;

    if (!cache_enter(c)) {
        return false;
    }
    done = cache_take_back(c, c->pool->fast_class, h);
    fast = !done && cache_look(c, c->pool->fast_class, h, &hit);
    if (fast) {
        n = zs_bin_number(hit.offset);
    }
    share = fast && wants_share(c, n);
    cache_leave(c);
    if (!fast) {
        return done;
    }
    if (share) {
        share_out(c, n);
    }
    empty_half(c, n);
    if (cache_enter(c)) {
        done = cache_take_back(c, c->pool->fast_class, h);
        cache_leave(c);
    }
    return done;
}

/* --- thieves --- */

static void empty_bins_locked(struct zs_cache *c)
{
    struct zs_pool *pool = c->pool;

    for (unsigned n = 1; n < zs_cache_sizes.n_bins; n++) {
        unsigned held = bin_held(c, n);

        if (held > 0) {
            unbind(pool, n, bin_base(c, n), held);
            zs_handles_give(&pool->handles, bin_base(c, n), held);
            bin_set_top(&c->bins[n], bin_base(c, n));
        }
        set_capacity(c, n, 0);
        c->in_use[n] = false;
    }
}

static void catch_up_locked(struct zs_cache *c)
{
    for (unsigned i = 0; i < ZS_LATE_FREES; i++) {
        uint32_t h =
            atomic_load_explicit(&c->late_frees[i], memory_order_relaxed);

        if (h != 0) {
            free_without_cache(c->pool, h);
        }
        atomic_store_explicit(&c->late_frees[i], 0, memory_order_relaxed);
    }
}

void cache_empty_locked(struct zs_cache *c)
{
    ZS_ASSERT_HELD(&c->pool->caches_lock);
    catch_up_locked(c);
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

/* The bins are the thief's after wait_locked(). */
static void set_stop_locked(struct zs_pool *pool, bool stop)
{
    bool slow;

    stop |= pool->caches_suspended;
    slow = stop || zs_sections_are_fenced();
    for (struct zs_cache *c = pool->caches; c; c = c->next) {
        /* release: pairs with cache_enter() when the stop ends */
        atomic_store_explicit(&c->stop, stop, memory_order_release);
        set_late(c, !slow && frees_late(pool));
        atomic_store_explicit(&c->fast_class,
                              slow ? no_fast_class : pool->fast_class,
                              memory_order_release);
    }
}

void caches_cut_locked(struct zs_pool *pool)
{
    set_stop_locked(pool, true);
    wait_locked(pool);
    for (struct zs_cache *c = pool->caches; c; c = c->next) {
        set_quota(c);
        if (atomic_load_explicit(&c->granted, memory_order_relaxed) >
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

static void catch_up_all(struct zs_pool *pool)
{
    zs_lock_acquire(&pool->caches_lock);
    if (pool->caches) {
        set_stop_locked(pool, true);
        wait_locked(pool);
        for (struct zs_cache *c = pool->caches; c; c = c->next) {
            catch_up_locked(c);
        }
        set_stop_locked(pool, false);
    }
    zs_lock_release(&pool->caches_lock);
}

void caches_catch_up(struct zs_pool *pool)
{
    if (frees_late(pool)) {
        catch_up_all(pool);
    }
}

void caches_note_large(struct zs_pool *pool)
{
    if (!atomic_load_explicit(&pool->has_large, memory_order_relaxed)) {
        /* who is in a section and has not seen it is waited for */
        atomic_store_explicit(&pool->has_large, true, memory_order_relaxed);
        catch_up_all(pool);
    }
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

/* --- movers --- */

bool caches_are_hushed(const struct zs_pool *pool, const struct zspage *zp)
{
    /* acquire: pairs with caches_hush(); what sections wrote is there */
    unsigned done =
        atomic_load_explicit(&pool->hush_done, memory_order_acquire);

    return !class_is_cached(class_number(zp)) ||
           (int16_t)(uint16_t)(done - zp->hush_seen) > 0;
}

void caches_hush(struct zs_pool *pool)
{
    unsigned number;

    zs_lock_acquire(&pool->caches_lock);
    number = atomic_load_explicit(&pool->hush_begun, memory_order_relaxed) + 1;
    atomic_store_explicit(&pool->hush_begun, number, memory_order_relaxed);
    if (pool->caches) {
        wait_locked(pool);
    }
    atomic_store_explicit(&pool->hush_done, number, memory_order_release);
    zs_lock_release(&pool->caches_lock);
}

void caches_count(struct zs_pool *pool, uint64_t *slots, uint64_t *bytes)
{
    *slots = 0;
    *bytes = 0;
    zs_lock_acquire(&pool->caches_lock);
    for (struct zs_cache *c = pool->caches; c; c = c->next) {
        for (unsigned n = 1; n < zs_cache_sizes.n_bins; n++) {
            *slots += bin_held(c, n);
            *bytes += (uint64_t)bin_held(c, n) * zs_cache_sizes.slot_bytes[n];
        }
    }
    zs_lock_release(&pool->caches_lock);
}
