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
 *   Small ones mostly come from the thread's cache and go back there (cache.h):
 *   zs_malloc(), zs_obj_create() and zs_free() are that fast path, and what is
 *   done where it does not do is in functions of their own.
 *
 *   What an allocation waits (for the class lock when somebody has it, for
 *   memory) goes into a histogram of the arena; who does not wait looks at no
 *   clock.
 *
 * Locking: the class lock, for a few list operations. Never waits for readers.
 */
#include <errno.h>
#include <string.h>

#include "cache.h"
#include "few_bytes.h"
#include "fork.h"
#include "os.h"
#include "probe.h"
#include "rcu.h"

/* --- slots --- */

static bool is_cached_size(size_t size)
{
    return size - 1 < ZS_CACHE_LARGEST_BYTES;
}

/* What an allocation that has to wait has waited since. */
static void note_wait(struct zs_pool *pool, uint64_t since)
{
    uint64_t waited = zs_os.now_ns() - since;

    zs_histogram_add(&pool->arena->alloc_waits, waited);
    ZS_PROBE2(alloc_wait, pool, waited);
}

/* Somebody has the lock, or no free slot has memory. */
__attribute__((noinline)) static int
wait_for_room(struct zs_pool *pool, struct zs_class *cl, struct zspage **zp)
{
    uint64_t since = zs_os.now_ns();
    int err = 0;

    for (;;) {
        zs_lock_acquire(&cl->lock);
        *zp = err ? class_pick_resident_locked(pool, cl)
                  : class_pick_locked(pool, cl);
        if (*zp && zspage_room(*zp) > 0) {
            err = 0;
            break;
        }
        zs_lock_release(&cl->lock);
        if (err) {
            break;
        }
        err = class_grow(pool, cl, ZS_GROW_BATCH);
    }
    note_wait(pool, since);
    return err;
}

int class_lock_with_room(struct zs_pool *pool, struct zs_class *cl,
                         struct zspage **zp)
{
    if (zs_lock_try_acquire(&cl->lock)) {
        *zp = class_pick_locked(pool, cl);
        if (*zp && zspage_room(*zp) > 0) {
            return 0;
        }
        zs_lock_release(&cl->lock);
    }
    return wait_for_room(pool, cl, zp);
}

unsigned class_for_new(const struct zs_pool *pool, size_t size)
{
    uint64_t used =
        atomic_load_explicit(&pool->arena->budget.used, memory_order_relaxed);

    return is_cached_size(size) ? zs_bin_number(zs_cache_sizes_for(
                                      used)[ZS_CACHE_SIZE_INDEX(size)]) -
                                      1
                                : zs_size_class_of(size);
}

size_t usual_size(const struct zs_pool *pool, size_t size)
{
    return is_cached_size(size)
               ? zs_size_class(class_for_new(pool, size))->slot_bytes
               : size;
}

__attribute__((noinline)) static int
place_run(struct zs_pool *pool, size_t size, uint32_t h, struct zspage **zp)
{
    uint64_t since = zs_os.now_ns();
    int err = run_new(pool, size, h, zp);

    note_wait(pool, since);
    return err;
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
    if (size > ZS_LARGEST_CLASS_BYTES ||
        !class_is_cached(zs_size_class_of(size) + 1)) {
        caches_note_large(pool);
    }
    err = size <= ZS_LARGEST_CLASS_BYTES
              ? place_in_class(pool, size, *h, zp, idx)
              : place_run(pool, size, *h, zp);
    if (err && made) {
        cache_give_handle(pool, *h);
    }
    return err;
}

/* More of what ran out: what caches hold, and idle memory. (What others give
 * back at the same time counts as well, so the caller tries again in any
 * case.) */
__attribute__((noinline)) static void scrape_together(struct zs_pool *pool,
                                                      int err)
{
    uint64_t since = zs_os.now_ns();

    caches_empty(pool);
    if (err == -ENOMEM) {
        (void)zs_arena_trim(pool->arena, 0);
    }
    note_wait(pool, since);
}

/* Work ends meanwhile (fork.h): it may wait for a pass. Nothing is half done,
 * and nobody is outside of it. */
static bool try_stall(struct zs_pool *pool)
{
    bool gained;

    zs_work_end();
    gained = zs_arena_stall(pool->arena);
    zs_work_begin();
    return gained;
}

/* Try again as long as something that is out may have been found. */
static int place_anyhow(struct zs_pool *pool, size_t size, uint32_t *h,
                        struct zspage **zp, unsigned *idx)
{
    uint32_t given = *h;
    int err = place(pool, size, h, zp, idx);

    if (err) {
        scrape_together(pool, err);
        *h = given;
        err = place(pool, size, h, zp, idx);
    }
    if (err == -ENOMEM && try_stall(pool)) {
        *h = given;
        err = place(pool, size, h, zp, idx);
    }
    return err;
}

int place_object(struct zs_pool *pool, uint32_t *h, const void *data,
                 size_t len, size_t size, uint32_t *word)
{
    struct zspage *zp;
    unsigned idx;
    int err = place_anyhow(pool, size, h, &zp, &idx);

    if (err) {
        return err;
    }
    zspage_copy_in(pool->arena, zp, idx * zspage_slot_bytes(zp), data, len);
    *word = zs_slot_word(zspage_number(pool, zp), idx, ZS_SLOT_LIVE);
    return 0;
}

/* --- the public functions --- */

__attribute__((noinline)) int create_uncached(struct zs_pool *pool,
                                              const void *data, size_t len,
                                              size_t size, zs_handle_t *out)
{
    uint32_t h = 0;
    uint32_t word;
    int err;

    if (size == 0 || size > ZS_MAX_OBJ_BYTES) {
        return -EINVAL;
    }
    zs_work_begin();
    err = place_object(pool, &h, data, len, size, &word);
    if (!err) {
        /* release: pairs with zs_slot_load(); the bytes are there */
        atomic_store_explicit(&pool->handles.slots[h], word,
                              memory_order_release);
        zspage_unpin(zspage_at(pool, zs_slot_zspage(word)));
        out->raw = h;
    }
    zs_work_end();
    return err;
}

/* --- through the thread's cache --- */

/* A handle from the thread's cache, which is made or filled; 0: not that
 * way. */
static uint32_t cached_slowly(struct zs_pool *pool, size_t size)
{
    struct zs_cache *c;
    uint32_t h = 0;

    if (is_cached_size(size)) {
        zs_work_begin();
        c = cache_of_thread(pool);
        h = c ? cache_malloc_slowly(c, size) : 0;
        zs_work_end();
    }
    return h;
}

/* Where the fast path did not do. */
__attribute__((noinline)) static int
malloc_slowly(struct zs_pool *pool, size_t size, zs_handle_t *out)
{
    uint32_t h = cached_slowly(pool, size);

    ZS_PROBE2(alloc_slow, pool, size);
    if (h == 0) {
        return create_uncached(pool, NULL, 0, usual_size(pool, size), out);
    }
    out->raw = h;
    return 0;
}

int zs_malloc(struct zs_pool *pool, size_t size, zs_handle_t *out)
{
    struct zs_cache *c = cache_at_hand(pool);
    const _Atomic uint16_t *fast;
    struct zs_hit hit;
    uint32_t h;

    if (!c || !is_cached_size(size)) {
        return malloc_slowly(pool, size, out);
    }
    fast = cache_enter_fast(c);
    if (!cache_pop(c, fast, cache_offset_of(c, size), &h, &hit)) {
        cache_leave(c);
        return malloc_slowly(pool, size, out);
    }
    cache_turn_word(&hit);
    cache_leave(c);
    out->raw = h;
    return 0;
}

__attribute__((noinline)) static int create_slowly(struct zs_pool *pool,
                                                   const void *data, size_t len,
                                                   size_t size,
                                                   zs_handle_t *out)
{
    uint32_t h;
    int err;

    if (len > size) { /* as asked for, not as rounded up */
        return -EINVAL;
    }
    ZS_PROBE2(alloc_slow, pool, size);
    h = cached_slowly(pool, size);
    if (h == 0) {
        return create_uncached(pool, data, len, usual_size(pool, size), out);
    }
    out->raw = h;
    /* Nobody else knows the handle, so it may be written like any other. */
    err = zs_obj_write(pool, *out, 0, data, len);
    ZS_CHECK(err == 0);
    return 0;
}

/* Any length; the general case of zs_obj_create_sized(). */
__attribute__((noinline)) static int create_long(struct zs_pool *pool,
                                                 struct zs_cache *c,
                                                 const void *data, size_t len,
                                                 size_t size, zs_handle_t *out)
{
    const _Atomic uint16_t *fast;
    struct zs_hit hit;
    uint32_t h;

    if (len > 0) {
        touch_bytes(data);
    }
    fast = cache_enter_fast(c);
    if (!cache_pop(c, fast, cache_offset_of(c, size), &h, &hit)) {
        cache_leave(c);
        return create_slowly(pool, data, len, size, out);
    }
    cache_write(c, hit.word, 0, data, len);
    cache_turn_word(&hit);
    cache_leave(c);
    out->raw = h;
    return 0;
}

int zs_obj_create_sized(struct zs_pool *pool, const void *data, size_t len,
                        size_t size, zs_handle_t *out)
{
    struct zs_cache *c = cache_at_hand(pool);
    const _Atomic uint16_t *fast;
    struct zs_hit hit;
    uint32_t h;
    char *p;

    if (!c || !is_cached_size(size) || len > size) {
        return create_slowly(pool, data, len, size, out);
    }
    if (!is_few(len)) {
        return create_long(pool, c, data, len, size, out);
    }
    touch_bytes(data);
    fast = cache_enter_fast(c);
    if (!cache_pop(c, fast, cache_offset_of(c, size), &h, &hit)) {
        cache_leave(c);
        return create_slowly(pool, data, len, size, out);
    }
    p = cache_bytes_of(c, hit.word);
    if (!p) {
        cache_push_back(c, &hit);
        cache_leave(c);
        return create_long(pool, c, data, len, size, out);
    }
    copy_few(p, data, len);
    cache_turn_word(&hit);
    cache_leave(c);
    out->raw = h;
    return 0;
}

int zs_obj_create(struct zs_pool *pool, const void *data, size_t size,
                  zs_handle_t *out)
{
    return zs_obj_create_sized(pool, data, size, size, out);
}

/* Under the class lock: always possible. The handle's word is FREE then. */
static void free_object(struct zs_pool *pool, uint32_t h)
{
    struct zs_class *cl;
    struct zspage *zp;
    uint32_t w;
    size_t bytes;
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
    bytes = zspage_slot_bytes(zp);
    release = class_settle_locked(pool, cl, zp);
    zs_lock_release(&cl->lock);
    zs_read_unlock();
    zs_arena_note_freed(pool->arena, bytes);
    if (release) {
        zspage_release(pool, zp);
    }
}

void free_without_cache(struct zs_pool *pool, uint32_t h)
{
    free_object(pool, h);
    zs_handles_give(&pool->handles, &h, 1);
}

static void free_slowly(struct zs_pool *pool, struct zs_cache *c, uint32_t h)
{
    ZS_PROBE2(free_slow, pool, h);
    if (!c || !cache_free_slowly(c, h)) {
        free_object(pool, h);
        cache_give_handle(pool, h);
    }
}

/* Where the fast path did not do. Handle 0 is no object, and out of range. */
__attribute__((noinline)) static void free_indirectly(struct zs_pool *pool,
                                                      uint32_t h)
{
    struct zs_cache *c;

    if (h - 1 >= pool->handles.n_handles - 1) {
        bad_handle(pool, h, "zs_free");
    }
    zs_work_begin();
    c = cache_of_thread(pool);
    if (!c || !atomic_load_explicit(&c->late, memory_order_relaxed) ||
        !cache_free_late(c, &h)) {
        free_slowly(pool, c, h);
    }
    zs_work_end();
}

void zs_free(struct zs_pool *pool, zs_handle_t h)
{
    struct zs_cache *c = cache_at_hand(pool);
    bool done;

    if (!c ||
        h.raw >= atomic_load_explicit(&c->free_below, memory_order_relaxed)) {
        free_indirectly(pool, h.raw);
        return;
    }
    done = cache_take_back(c, cache_enter_fast(c), h.raw);
    cache_leave(c);
    if (__builtin_expect(!done, 0)) {
        free_indirectly(pool, h.raw);
    }
}
