/* SPDX-License-Identifier: MIT */
/*
 * cache_thieves.c - what others do with the cache of a thread: empty it, have
 * its late frees done, wait for its section.
 */
#include "cache_impl.h"
#include "fork.h"

/* No memory, for nobody writes to it. */
static _Atomic uint16_t no_fast_class[ZS_MAX_ZSPAGES];

/* --- thieves --- */

static void empty_bins_locked(struct zs_cache *c)
{
    for (unsigned n = 1; n < zs_cache_sizes.n_bins; n++) {
        unsigned held = bin_held(c, n);

        if (held > 0) {
            cache_unbind(c->pool, n, bin_base(c, n), held);
            cache_keep_or_give(c, bin_base(c, n), held);
            bin_set_top(&c->bins[n], bin_base(c, n));
        }
        set_capacity(c, n, 0);
        c->in_use[n] = false;
    }
}

/* Its bins are empty. The stock stays, as far as it keeps no page of the handle
 * table: handles that change threads have slot words in cache lines of two. */
static void empty_locked(struct zs_cache *c)
{
    cache_catch_up_locked(c);
    empty_bins_locked(c);
    cache_sift_stock(c);
    cache_set_quota(c);
}

void cache_empty_locked(struct zs_cache *c)
{
    ZS_ASSERT_HELD(&c->pool->caches_lock);
    empty_locked(c);
    zs_handles_give(&c->pool->handles, c->stock, c->n_stock);
    c->n_stock = 0;
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
        cache_set_late(c, !slow && caches_are_late(pool));
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
        cache_catch_up_locked(c);
        cache_set_quota(c);
        if (atomic_load_explicit(&c->granted, memory_order_relaxed) >
            atomic_load_explicit(&c->quota, memory_order_relaxed)) {
            empty_bins_locked(c);
        }
    }
    set_stop_locked(pool, false);
}

static void caches_empty_locked(struct zs_pool *pool, bool all)
{
    set_stop_locked(pool, true);
    wait_locked(pool);
    for (struct zs_cache *c = pool->caches; c; c = c->next) {
        if (all) {
            cache_empty_locked(c);
        } else {
            empty_locked(c);
        }
    }
    set_stop_locked(pool, false);
}

static void empty_caches(struct zs_pool *pool, bool all)
{
    zs_work_begin(); /* before the lock (fork.h), as in all that follow */
    zs_lock_acquire(&pool->caches_lock);
    if (pool->caches) {
        caches_empty_locked(pool, all);
    }
    zs_lock_release(&pool->caches_lock);
    zs_work_end();
}

void caches_empty(struct zs_pool *pool)
{
    empty_caches(pool, true);
}

void caches_empty_bins(struct zs_pool *pool)
{
    empty_caches(pool, false);
}

/* A ring stays as it is, and stays on (C3): nobody frees late while `stop` is
 * set. */
static void set_closed_locked(struct zs_pool *pool, bool is_closed)
{
    bool slow = is_closed || zs_sections_are_fenced();

    ZS_ASSERT_HELD(&pool->caches_lock);
    ZS_ASSERT(!pool->caches_suspended); /* a pass does that */
    for (struct zs_cache *c = pool->caches; c; c = c->next) {
        /* release: pairs with cache_enter(), as in set_stop_locked() */
        atomic_store_explicit(&c->stop, is_closed, memory_order_release);
        atomic_store_explicit(&c->fast_class,
                              slow ? no_fast_class : pool->fast_class,
                              memory_order_release);
    }
}

void caches_close_locked(struct zs_pool *pool)
{
    set_closed_locked(pool, true);
    if (pool->caches) {
        wait_locked(pool);
    }
}

void caches_open_locked(struct zs_pool *pool)
{
    set_closed_locked(pool, false);
}

static void catch_up_all(struct zs_pool *pool)
{
    zs_work_begin();
    zs_lock_acquire(&pool->caches_lock);
    if (pool->caches) {
        set_stop_locked(pool, true);
        wait_locked(pool);
        for (struct zs_cache *c = pool->caches; c; c = c->next) {
            cache_catch_up_locked(c);
        }
        set_stop_locked(pool, false);
    }
    zs_lock_release(&pool->caches_lock);
    zs_work_end();
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
    zs_work_begin();
    zs_lock_acquire(&pool->caches_lock);
    pool->caches_suspended = suspended;
    set_stop_locked(pool, false);
    if (suspended && pool->caches) {
        wait_locked(pool);
    }
    for (struct zs_cache *c = pool->caches; suspended && c; c = c->next) {
        cache_catch_up_locked(c);
    }
    zs_lock_release(&pool->caches_lock);
    zs_work_end();
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

    /* At most one wait had begun and not ended when it was seen. */
    return !class_is_cached(class_number(zp)) ||
           (uint16_t)(done - zp->hush_seen + 1) > 1;
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
        cache_count_late(c, slots, bytes);
    }
    zs_lock_release(&pool->caches_lock);
}
