/* SPDX-License-Identifier: MIT */
/*
 * dying.c - zs_free_deferred(): freed objects that readers may still look up.
 *
 * Idea
 *   The slot word says DYING and goes on saying where the object is, so who
 *   found the handle before reads the object as ever. Slot and handle are free
 *   after a grace period. Until then the object stays in its place (its pages
 *   may be migrated), like a slot that a move has left.
 *
 *   Dying handles wait in a list that costs no memory: the slot's side entry,
 *   which named the handle, names the next dying handle. So freeing cannot
 *   fail.
 *
 * Invariants
 *   D1  a DYING word does not change until its round is over
 *   D2  a zspage with a dying slot is not released (n_dying is part of what it
 *       uses)
 *
 * Locking: limbo_lock guards the heads; a link is the class lock's, and nobody
 * changes it while its handle is dying.
 */
#include "cache.h"
#include "rcu.h"

#define GIVE_HANDLES 32u

void zs_free_deferred(struct zs_pool *pool, zs_handle_t h)
{
    struct zs_class *cl;
    struct zspage *zp;
    uint32_t w;

    zs_read_lock();
    w = lock_class_of_handle(pool, h.raw, &cl, __func__);
    zp = zspage_at(pool, zs_slot_zspage(w));
    /* As zs_free(): a replace at the same time is the caller's mistake. */
    if (!atomic_compare_exchange_strong_explicit(
            &pool->handles.slots[h.raw], &w, zs_slot_in_state(w, ZS_SLOT_DYING),
            memory_order_acq_rel, memory_order_relaxed)) {
        bad_handle(pool, h.raw, __func__);
    }
    zs_lock_acquire(&pool->limbo_lock);
    class_dying_slot_locked(pool, cl, zp, zs_slot_index(w), pool->dying_next);
    pool->dying_next = h.raw;
    zs_lock_release(&pool->limbo_lock);
    zs_lock_release(&cl->lock);
    zs_read_unlock();
    zs_grace_request(&pool->arena->grace);
}

void dying_start_locked(struct zs_pool *pool, enum zs_round round)
{
    uint32_t *lists = pool->dying_round[round];

    ZS_ASSERT_HELD(&pool->limbo_lock);
    ZS_ASSERT(lists[0] == 0 && lists[1] == 0);
    lists[0] = pool->dying_next;
    pool->dying_next = 0;
    if (round == ZS_ROUND_FLUSH) {
        lists[1] = pool->dying_round[ZS_ROUND_ASYNC][0];
        pool->dying_round[ZS_ROUND_ASYNC][0] = 0;
    }
}

/* Returns the next one. */
static uint32_t end_one(struct zs_pool *pool, uint32_t h)
{
    _Atomic uint32_t *slot = &pool->handles.slots[h];
    uint32_t w = atomic_load_explicit(slot, memory_order_relaxed); /* D1 */
    struct zspage *zp = zspage_at(pool, zs_slot_zspage(w));
    struct zs_class *cl = class_of(pool, zp); /* D2 */
    uint32_t next;
    bool release;

    ZS_CHECK(zs_slot_state(w) == ZS_SLOT_DYING);
    zs_lock_acquire(&cl->lock);
    next = class_free_dying_locked(pool, cl, zp, zs_slot_index(w));
    release = class_settle_locked(pool, cl, zp);
    zs_lock_release(&cl->lock);
    /* relaxed: no reader is left, and the handle table's lock hands it on */
    atomic_store_explicit(slot, ZS_SLOT_FREE, memory_order_relaxed);
    if (release) {
        zspage_release(pool, zp);
    }
    return next;
}

static void end_list(struct zs_pool *pool, uint32_t h)
{
    uint32_t ended[GIVE_HANDLES];
    unsigned n = 0;

    while (h != 0) {
        ended[n++] = h;
        h = end_one(pool, h);
        if (n == GIVE_HANDLES || h == 0) {
            zs_handles_give(&pool->handles, ended, n);
            n = 0;
        }
    }
}

void dying_finish(struct zs_pool *pool, enum zs_round round)
{
    uint32_t lists[2];

    zs_lock_acquire(&pool->limbo_lock);
    for (unsigned i = 0; i < 2; i++) {
        lists[i] = pool->dying_round[round][i];
        pool->dying_round[round][i] = 0;
    }
    zs_lock_release(&pool->limbo_lock);
    end_list(pool, lists[0]);
    end_list(pool, lists[1]);
}
