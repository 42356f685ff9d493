/* SPDX-License-Identifier: MIT */
/*
 * alloc.c - making and freeing objects.
 *
 * Idea
 *   An object is made in two steps: a slot is taken for its handle and its
 *   zspage pinned, under the class lock; then, without the lock, the bytes are
 *   written and the handle's slot word is published. The pin keeps movers off
 *   in between. zs_obj_replace() (access.c) shares the first step.
 *
 * Locking: the class lock, for a few list operations. Never waits for readers.
 */
#include <errno.h>

#include "pool_impl.h"
#include "rcu.h"

/* --- handles, from the class's stock --- */

static int take_handle_locked(struct zs_pool *pool, struct zs_class *cl,
                              uint32_t *h)
{
    ZS_ASSERT_HELD(&cl->lock);
    if (cl->n_stock == 0) {
        int n =
            zs_handles_take(&pool->handles, cl->stock, ZS_STOCK_HANDLES / 2);

        if (n < 0) {
            return n;
        }
        cl->n_stock = (uint32_t)n;
    }
    *h = cl->stock[--cl->n_stock];
    return 0;
}

static void give_handle_locked(struct zs_pool *pool, struct zs_class *cl,
                               uint32_t h)
{
    ZS_ASSERT_HELD(&cl->lock);
    if (cl->n_stock == ZS_STOCK_HANDLES) {
        cl->n_stock -= ZS_STOCK_HANDLES / 2;
        zs_handles_give(&pool->handles, &cl->stock[cl->n_stock],
                        ZS_STOCK_HANDLES / 2);
    }
    cl->stock[cl->n_stock++] = h;
}

/* The handles that classes keep at hand, back to the table. Called without a
 * lock. */
void return_stocks(struct zs_pool *pool)
{
    for (unsigned i = 0; i < pool->n_classes; i++) {
        struct zs_class *cl = &pool->classes[i];

        zs_lock_acquire(&cl->lock);
        zs_handles_give(&pool->handles, cl->stock, cl->n_stock);
        cl->n_stock = 0;
        zs_lock_release(&cl->lock);
    }
}

/* --- slots --- */

/* With the lock held on success: a zspage with room. At the limit any that has
 * some will do. */
static int lock_with_room(struct zs_pool *pool, struct zs_class *cl,
                          struct zspage **zp)
{
    int err = 0;

    for (;;) {
        zs_lock_acquire(&cl->lock);
        *zp = err ? class_pick_resident_locked(pool, cl)
                  : class_pick_locked(pool, cl);
        if (*zp && zspage_room(*zp) > 0) {
            return 0;
        }
        zs_lock_release(&cl->lock);
        if (err) {
            return err;
        }
        err = class_grow(pool, cl, ZS_GROW_BATCH);
    }
}

static int place_in_class(struct zs_pool *pool, size_t size, uint32_t *h,
                          struct zspage **zp, unsigned *idx)
{
    struct zs_class *cl = &pool->classes[zs_size_class_of(size)];
    int err = lock_with_room(pool, cl, zp);

    if (err) {
        return err;
    }
    if (*h == 0) {
        err = take_handle_locked(pool, cl, h);
    }
    if (!err) {
        bool pinned = zspage_try_pin(*zp);

        ZS_CHECK(pinned); /* an ATTACHED zspage is closed under its lock only */
        *idx = class_take_slot_locked(pool, cl, *zp, *h);
    }
    zs_lock_release(&cl->lock);
    return err;
}

static int place_in_run(struct zs_pool *pool, size_t size, uint32_t *h,
                        struct zspage **zp)
{
    struct zs_class *cl = &pool->classes[pool->n_classes - 1];
    bool made = *h == 0;
    int err = 0;

    if (made) {
        zs_lock_acquire(&cl->lock);
        err = take_handle_locked(pool, cl, h);
        zs_lock_release(&cl->lock);
    }
    if (!err) {
        err = run_new(pool, size, *h, zp);
        if (err && made) {
            zs_lock_acquire(&cl->lock);
            give_handle_locked(pool, cl, *h);
            zs_lock_release(&cl->lock);
        }
    }
    return err;
}

static int place(struct zs_pool *pool, size_t size, uint32_t *h,
                 struct zspage **zp, unsigned *idx)
{
    *idx = 0;
    return size <= ZS_LARGEST_CLASS_BYTES
               ? place_in_class(pool, size, h, zp, idx)
               : place_in_run(pool, size, h, zp);
}

/* More of what ran out: idle memory, or handles in other stocks. (What others
 * give back at the same time counts as well, so the caller tries again in any
 * case.) */
static void scrape_together(struct zs_pool *pool, int err)
{
    if (err == -ENOMEM) {
        (void)zs_arena_trim(pool->arena, 0);
    } else {
        return_stocks(pool);
    }
}

int place_object(struct zs_pool *pool, uint32_t *h, const void *data,
                 size_t size, uint32_t *word)
{
    uint32_t given = *h;
    struct zspage *zp;
    unsigned idx;
    int err = place(pool, size, h, &zp, &idx);

    if (err) {
        scrape_together(pool, err);
        *h = given;
        err = place(pool, size, h, &zp, &idx);
    }
    if (err) {
        return err;
    }
    if (data) {
        zspage_copy_in(pool->arena, zp, idx * zspage_slot_bytes(zp), data,
                       size);
    }
    *word = zs_slot_word(zspage_number(pool, zp), idx, ZS_SLOT_LIVE);
    return 0;
}

/* --- the public functions --- */

static int create(struct zs_pool *pool, const void *data, size_t size,
                  zs_handle_t *out)
{
    uint32_t h = 0;
    uint32_t word;
    int err;

    if (size == 0 || size > ZS_MAX_OBJ_BYTES) {
        return -EINVAL;
    }
    err = place_object(pool, &h, data, size, &word);
    if (err) {
        return err;
    }
    /* release: pairs with zs_slot_load(); the bytes are there */
    atomic_store_explicit(&pool->handles.slots[h], word, memory_order_release);
    zspage_unpin(zspage_at(pool, zs_slot_zspage(word)));
    out->raw = h;
    return 0;
}

int zs_malloc(struct zs_pool *pool, size_t size, zs_handle_t *out)
{
    return create(pool, NULL, size, out);
}

int zs_obj_create(struct zs_pool *pool, const void *data, size_t size,
                  zs_handle_t *out)
{
    return create(pool, data, size, out);
}

void zs_free(struct zs_pool *pool, zs_handle_t h)
{
    struct zs_class *cl;
    struct zspage *zp;
    uint32_t w;
    bool release;

    zs_read_lock(); /* the word may lead to a zspage that is being emptied */
    w = lock_class_of_handle(pool, h.raw, &cl, "zs_free");
    zp = zspage_at(pool, zs_slot_zspage(w));
    if (!atomic_compare_exchange_strong_explicit(
            &pool->handles.slots[h.raw], &w, ZS_SLOT_FREE, memory_order_acq_rel,
            memory_order_relaxed)) {
        bad_handle(pool, h.raw, "zs_free"); /* freed or replaced at once */
    }
    class_give_slot_locked(pool, cl, zp, zs_slot_index(w));
    release = class_settle_locked(pool, cl, zp);
    give_handle_locked(pool, cl, h.raw);
    zs_lock_release(&cl->lock);
    zs_read_unlock();
    if (release) {
        zspage_release(pool, zp);
    }
}
