/* SPDX-License-Identifier: MIT */
/*
 * cache_late.c - frees that wait in a ring while their slot words are fetched;
 * see cache.h.
 *
 * Only the owner puts handles into its ring and takes them out, in a section,
 * and a thief, who has set `stop` and waited. Others may look: an entry is one
 * atomic word.
 */
#include "cache_impl.h"

bool caches_are_late(const struct zs_pool *pool)
{
    return ZS_CHECKS == 0 &&
           !atomic_load_explicit(&pool->has_large, memory_order_relaxed) &&
           zs_handles_groups(&pool->handles) >= ZS_LATE_FREE_GROUPS;
}

void cache_set_late(struct zs_cache *c, bool late)
{
    if (late) {
        /* relaxed: the caches_lock, or the one that told of a free, orders it
         * before who asks (caches_find_late()) */
        atomic_store_explicit(&c->pool->has_rings, true, memory_order_relaxed);
    }
    atomic_store_explicit(&c->late, late, memory_order_relaxed);
    atomic_store_explicit(&c->free_below, late ? 0 : c->n_handles,
                          memory_order_relaxed);
}

static bool has_late(const struct zs_cache *c, uint32_t h)
{
    bool found = false;

    for (unsigned i = 0; i < ZS_LATE_FREES; i++) {
        found |=
            atomic_load_explicit(&c->late_frees[i], memory_order_relaxed) == h;
    }
    return found;
}

/* In a section: put h into the ring; returns the handle that has waited long
 * enough, or 0. */
static uint32_t put_late(struct zs_cache *c, uint32_t h)
{
    _Atomic uint32_t *place = &c->late_frees[c->next_late++ % ZS_LATE_FREES];
    uint32_t old = atomic_load_explicit(place, memory_order_relaxed);

    atomic_store_explicit(place, h, memory_order_relaxed);
    __builtin_prefetch((const void *)&c->slots[h], 1);
    return old;
}

bool cache_free_late(struct zs_cache *c, uint32_t *h)
{
    const _Atomic uint16_t *fast = cache_enter_fast(c);
    uint32_t handle = *h;
    bool twice = false;
    bool done = false;

    /* `stop` is the thief's alone, `late` is not: the owner may have set it in
     * the section that the thief has waited for. acquire: the thief's changes
     * of the ring are seen when its stop has ended. */
    if (atomic_load_explicit(&c->late, memory_order_relaxed) &&
        !atomic_load_explicit(&c->stop, memory_order_acquire)) {
        twice = has_late(c, handle);
        *h = put_late(c, handle);
        done = *h == 0 || cache_take_back(c, fast, *h);
    }
    cache_leave(c);
    if (twice) {
        zs_misuse("zs_free", "not a live handle", handle, "freed twice");
    }
    return done;
}

/* First the entry, then the handle: somebody may have it as soon as it is
 * free. */
void cache_catch_up_locked(struct zs_cache *c)
{
    for (unsigned i = 0; i < ZS_LATE_FREES; i++) {
        uint32_t h =
            atomic_load_explicit(&c->late_frees[i], memory_order_relaxed);

        atomic_store_explicit(&c->late_frees[i], 0, memory_order_relaxed);
        if (h != 0) {
            free_without_cache(c->pool, h);
        }
    }
}

/* --- others look --- */

void caches_find_late(struct zs_pool *pool, const uint32_t *handles, unsigned n,
                      bool *late)
{
    if (!atomic_load_explicit(&pool->has_rings, memory_order_relaxed)) {
        return;
    }
    zs_lock_acquire(&pool->caches_lock);
    for (const struct zs_cache *c = pool->caches; c; c = c->next) {
        for (unsigned i = 0; i < n; i++) {
            late[i] |= has_late(c, handles[i]);
        }
    }
    zs_lock_release(&pool->caches_lock);
}

/* As it is just now: a handle may be free by the time it is looked at. */
void cache_count_late(const struct zs_cache *c, uint64_t *slots,
                      uint64_t *bytes)
{
    for (unsigned i = 0; i < ZS_LATE_FREES; i++) {
        uint32_t h =
            atomic_load_explicit(&c->late_frees[i], memory_order_relaxed);
        uint32_t w = zs_slot_load(&c->pool->handles, h);

        if (h != 0 && zs_slot_is_live(w)) {
            *slots += 1;
            *bytes += zspage_slot_bytes(zspage_at(c->pool, zs_slot_zspage(w)));
        }
    }
}
