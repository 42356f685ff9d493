/* SPDX-License-Identifier: MIT */
/*
 * class.c - the zspages of one size class, by fullness.
 *
 * Idea
 *   Allocation takes from the fullest zspage that has a free slot, compaction
 *   empties the emptiest one: the same lists, walked from either end. If the
 *   free slots of the fullest have no memory yet it is grown first (grow.c),
 *   rather than filling an emptier one.
 *
 * Invariants
 *   L1  an ATTACHED zspage is on the list that list_for() names, a DETACHED
 *       one on that of DETACHED ones, others on none
 *   L2  n_free is the sum of zspage_free_slots() over ATTACHED zspages
 *
 * Locking: everything here under the class lock.
 */
#include "pool_impl.h"

static unsigned list_for(const struct zspage *zp)
{
    _Static_assert(ZS_LIST_FULL == ZS_LIST_PARTIAL_LAST + 1, "8/8 is full");
    return zspage_n_used(zp) * ZS_LIST_FULL / zp->n_slots;
}

static void link_front(struct zs_pool *pool, struct zs_class *cl,
                       struct zspage *zp, unsigned list)
{
    uint32_t n = zspage_number(pool, zp);

    zp->list = (uint8_t)list;
    zp->prev = 0;
    zp->next = cl->lists[list];
    if (zp->next != 0) {
        zspage_at(pool, zp->next)->prev = n;
    }
    cl->lists[list] = n;
}

static void unlink_from_list(struct zs_pool *pool, struct zs_class *cl,
                             struct zspage *zp)
{
    if (zp->next != 0) {
        zspage_at(pool, zp->next)->prev = zp->prev;
    }
    if (zp->prev != 0) {
        zspage_at(pool, zp->prev)->next = zp->next;
    } else {
        cl->lists[zp->list] = zp->next;
    }
}

static void relist(struct zs_pool *pool, struct zs_class *cl, struct zspage *zp)
{
    if (zp->phase == ZSPAGE_ATTACHED && list_for(zp) != zp->list) {
        unlink_from_list(pool, cl, zp);
        link_front(pool, cl, zp, list_for(zp));
    }
    ZS_ASSERT_SLOW(zspage_is_valid(zp, side_of(pool, zp)));
}

void class_attach_locked(struct zs_pool *pool, struct zs_class *cl,
                         struct zspage *zp)
{
    ZS_ASSERT_HELD(&cl->lock);
    ZS_ASSERT(zp->phase == ZSPAGE_DETACHED || zp->phase == ZSPAGE_GROWING);
    if (zp->phase == ZSPAGE_DETACHED) {
        unlink_from_list(pool, cl, zp);
    }
    zp->phase = ZSPAGE_ATTACHED;
    set_fast_class(pool, zp, class_number(zp));
    cl->n_free += zspage_free_slots(zp);
    link_front(pool, cl, zp, list_for(zp));
}

void class_detach_locked(struct zs_pool *pool, struct zs_class *cl,
                         struct zspage *zp, enum zspage_phase phase)
{
    ZS_ASSERT_HELD(&cl->lock);
    ZS_ASSERT(zp->phase == ZSPAGE_ATTACHED || zp->phase == ZSPAGE_DETACHED);
    unlink_from_list(pool, cl, zp);
    if (zp->phase == ZSPAGE_ATTACHED) {
        cl->n_free -= zspage_free_slots(zp);
    }
    zp->phase = (uint8_t)phase;
    if (phase == ZSPAGE_DETACHED) {
        /* who moves its objects waits for sections first (compact.c) */
        clear_fast_class(pool, zp);
        link_front(pool, cl, zp, ZS_LIST_DETACHED);
    }
}

struct zspage *class_pick_locked(struct zs_pool *pool, struct zs_class *cl)
{
    ZS_ASSERT_HELD(&cl->lock);
    for (int l = ZS_LIST_PARTIAL_LAST; l >= 0; l--) {
        if (cl->lists[l] != 0) {
            return zspage_at(pool, cl->lists[l]);
        }
    }
    return NULL;
}

struct zspage *class_pick_resident_locked(struct zs_pool *pool,
                                          struct zs_class *cl)
{
    ZS_ASSERT_HELD(&cl->lock);
    for (int l = ZS_LIST_PARTIAL_LAST; l >= 0; l--) {
        for (uint32_t n = cl->lists[l]; n != 0; n = zspage_at(pool, n)->next) {
            if (zspage_room(zspage_at(pool, n)) > 0) {
                return zspage_at(pool, n);
            }
        }
    }
    return NULL;
}

struct zspage *class_pick_source_locked(struct zs_pool *pool,
                                        struct zs_class *cl)
{
    ZS_ASSERT_HELD(&cl->lock);
    for (int l = 0; l <= ZS_LIST_PARTIAL_LAST; l++) {
        if (cl->lists[l] != 0) {
            return zspage_at(pool, cl->lists[l]);
        }
    }
    return NULL;
}

unsigned class_take_slot_locked(struct zs_pool *pool, struct zs_class *cl,
                                struct zspage *zp, uint32_t handle)
{
    unsigned idx;

    ZS_ASSERT_HELD(&cl->lock);
    ZS_ASSERT(zp->phase == ZSPAGE_ATTACHED && zspage_room(zp) > 0);
    idx = zspage_take_slot(zp, side_of(pool, zp), handle);
    cl->n_free--;
    cl->n_live++;
    cl->live_bytes += zspage_slot_bytes(zp);
    relist(pool, cl, zp);
    return idx;
}

void class_give_slot_locked(struct zs_pool *pool, struct zs_class *cl,
                            struct zspage *zp, unsigned idx)
{
    ZS_ASSERT_HELD(&cl->lock);
    zspage_give_slot(zp, side_of(pool, zp), idx);
    cl->n_free += zp->phase == ZSPAGE_ATTACHED;
    cl->n_live--;
    cl->live_bytes -= zspage_slot_bytes(zp);
    relist(pool, cl, zp);
}

void class_limbo_slots_locked(struct zs_pool *pool, struct zs_class *cl,
                              struct zspage *zp, const uint16_t *slots,
                              unsigned n)
{
    uint32_t stamp = limbo_queue_zspage(pool, zp);
    uint64_t bytes = n * zspage_slot_bytes(zp);

    ZS_ASSERT_HELD(&cl->lock);
    for (unsigned i = 0; i < n; i++) {
        zspage_slot_to_limbo(zp, side_of(pool, zp), slots[i], stamp);
    }
    cl->n_live -= n;
    cl->n_limbo += n;
    cl->live_bytes -= bytes;
    zs_grace_count(&pool->arena->grace, bytes);
    relist(pool, cl, zp);
}

void class_limbo_slot_locked(struct zs_pool *pool, struct zs_class *cl,
                             struct zspage *zp, unsigned idx)
{
    uint16_t slot = (uint16_t)idx;

    class_limbo_slots_locked(pool, cl, zp, &slot, 1);
}

void class_dying_slot_locked(struct zs_pool *pool, struct zs_class *cl,
                             struct zspage *zp, unsigned idx, uint32_t next)
{
    ZS_ASSERT_HELD(&cl->lock);
    zspage_slot_to_dying(zp, side_of(pool, zp), idx, next);
    cl->n_live--;
    cl->n_limbo++;
    cl->live_bytes -= zspage_slot_bytes(zp);
    zs_grace_count(&pool->arena->grace, zspage_slot_bytes(zp));
    relist(pool, cl, zp);
}

uint32_t class_free_dying_locked(struct zs_pool *pool, struct zs_class *cl,
                                 struct zspage *zp, unsigned idx)
{
    uint32_t next;

    ZS_ASSERT_HELD(&cl->lock);
    next = zspage_free_dying(zp, side_of(pool, zp), idx);
    cl->n_free += zp->phase == ZSPAGE_ATTACHED;
    cl->n_limbo--;
    zs_grace_uncount(&pool->arena->grace, zspage_slot_bytes(zp), 1);
    relist(pool, cl, zp);
    return next;
}

/* One empty zspage stays when the class has no other free slot, so that a load
 * at the boundary does not make and release one each time. */
static bool keep_empty(const struct zs_class *cl, const struct zspage *zp)
{
    return cl->slot_bytes != 0 && cl->n_free == zspage_free_slots(zp);
}

bool class_settle_locked(struct zs_pool *pool, struct zs_class *cl,
                         struct zspage *zp)
{
    ZS_ASSERT_HELD(&cl->lock);
    if (zp->n_live > 0) {
        return false;
    }
    if (zp->phase == ZSPAGE_ATTACHED) {
        if (zspage_n_used(zp) > 0 || keep_empty(cl, zp)) {
            return false;
        }
        class_detach_locked(pool, cl, zp, ZSPAGE_DRAINING);
        return true;
    }
    return zp->phase == ZSPAGE_DRAINING && zspage_n_used(zp) == 0;
}
