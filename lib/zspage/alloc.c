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

#include "cache.h"
#include "rcu.h"

/* --- slots --- */

int class_lock_with_room(struct zs_pool *pool, struct zs_class *cl,
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

static int place_in_class(struct zs_pool *pool, size_t size, uint32_t h,
                          struct zspage **zp, unsigned *idx)
{
    struct zs_class *cl = &pool->classes[zs_size_class_of(size)];
    int err = class_lock_with_room(pool, cl, zp);
    bool pinned;

    if (err) {
        return err;
    }
    pinned = zspage_try_pin(*zp);
    ZS_CHECK(pinned); /* an ATTACHED zspage is closed under its lock only */
    *idx = class_take_slot_locked(pool, cl, *zp, h);
    zs_lock_release(&cl->lock);
    return 0;
}

static int place(struct zs_pool *pool, size_t size, uint32_t *h,
                 struct zspage **zp, unsigned *idx)
{
    bool made = *h == 0;
    int err = made ? cache_take_handle(pool, h) : 0;

    if (err) {
        return err;
    }
    *idx = 0;
    size = size_keeping_alignment(pool, *h, size);
    err = size <= ZS_LARGEST_CLASS_BYTES
              ? place_in_class(pool, size, *h, zp, idx)
              : run_new(pool, size, *h, zp);
    if (err && made) {
        cache_give_handle(pool, *h);
    }
    return err;
}

/* More of what ran out: what caches hold, and idle memory. (What others give
 * back at the same time counts as well, so the caller tries again in any
 * case.) */
static void scrape_together(struct zs_pool *pool, int err)
{
    caches_empty(pool);
    if (err == -ENOMEM) {
        (void)zs_arena_trim(pool->arena, 0);
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

/* --- through the thread's cache --- */

/* A live object, when the cache has none of its class; 0: none to be had. */
__attribute__((noinline)) static uint32_t
malloc_refilled(struct zs_pool *pool, struct zs_cache *c, unsigned class_idx)
{
    uint32_t h = c ? cache_malloc_near(c, class_idx) : 0;

    if (h == 0 && c && cache_refill(c, class_idx)) {
        h = cache_malloc(pool, c, class_idx);
    }
    return h;
}

/* A live object; 0: none to be had that way. */
static inline uint32_t malloc_cached(struct zs_pool *pool, size_t size)
{
    struct zs_cache *c = cache_of_thread(pool);
    unsigned class_idx = zs_size_class_of_small(size);
    uint32_t h = c ? cache_malloc(pool, c, class_idx) : 0;

    return h != 0 ? h : malloc_refilled(pool, c, class_idx);
}

/* --- the public functions --- */

__attribute__((noinline)) int create_uncached(struct zs_pool *pool,
                                              const void *data, size_t size,
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
    uint32_t h =
        size - 1 < ZS_CACHE_LARGEST_BYTES ? malloc_cached(pool, size) : 0;

    if (h == 0) {
        return create_uncached(pool, NULL, size, out);
    }
    out->raw = h;
    return 0;
}

/* Nobody else knows the handle, so the bytes may be written under a pin, like
 * those of any live object. */
static void fill_object(struct zs_pool *pool, uint32_t h, const void *data,
                        size_t size)
{
    struct zspage *zp;
    uint32_t w;

    zs_read_lock();
    w = pin_object(pool, h, "zs_obj_create");
    zp = zspage_at(pool, zs_slot_zspage(w));
    zspage_copy_in(pool->arena, zp, zs_slot_index(w) * zspage_slot_bytes(zp),
                   data, size);
    /* Release, with the pin's: who is told of the handle sees the bytes. */
    zspage_unpin(zp);
    zs_read_unlock();
}

int zs_obj_create(struct zs_pool *pool, const void *data, size_t size,
                  zs_handle_t *out)
{
    uint32_t h;

    if (size - 1 < ZS_CACHE_LARGEST_BYTES) {
        h = malloc_cached(pool, size);
        if (h != 0) {
            fill_object(pool, h, data, size);
            out->raw = h;
            return 0;
        }
    }
    return create_uncached(pool, data, size, out);
}

/* Under the class lock: always possible. */
static void free_locked(struct zs_pool *pool, uint32_t h)
{
    struct zs_class *cl;
    struct zspage *zp;
    uint32_t w;
    bool release;

    zs_read_lock(); /* the word may lead to a zspage that is being emptied */
    w = lock_class_of_handle(pool, h, &cl, "zs_free");
    zp = zspage_at(pool, zs_slot_zspage(w));
    if (!atomic_compare_exchange_strong_explicit(
            &pool->handles.slots[h], &w, ZS_SLOT_FREE, memory_order_acq_rel,
            memory_order_relaxed)) {
        bad_handle(pool, h, "zs_free"); /* freed or replaced at once */
    }
    class_give_slot_locked(pool, cl, zp, zs_slot_index(w));
    release = class_settle_locked(pool, cl, zp);
    zs_lock_release(&cl->lock);
    zs_read_unlock();
    cache_give_handle(pool, h);
    if (release) {
        zspage_release(pool, zp);
    }
}

/* Where the fast path did not do. */
__attribute__((noinline)) static void
free_slowly(struct zs_pool *pool, struct zs_cache *c, uint32_t h)
{
    if (!c || !cache_make_room(c, h) || !cache_free(pool, c, h)) {
        free_locked(pool, h);
    }
}

void zs_free(struct zs_pool *pool, zs_handle_t h)
{
    struct zs_cache *c = cache_of_thread(pool);

    if (h.raw >= pool->handles.n_handles) {
        bad_handle(pool, h.raw, __func__);
    }
    if (!c || !cache_free(pool, c, h.raw)) {
        free_slowly(pool, c, h.raw);
    }
}
