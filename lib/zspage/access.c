/* SPDX-License-Identifier: MIT */
/*
 * access.c - reading, writing, replacing and resizing objects.
 *
 * Readers
 *   In a read section: slot word, zspage, place; two dependent loads and no
 *   shared write. Whatever is found stays valid until the section ends, for
 *   everything that a mover or a replace takes away waits for a grace period.
 *
 * Writers in place
 *   A few bytes are written in a section of the thread's cache (cache.h). Else:
 *   Pin the zspage, then look at the slot word again: if it changed, the
 *   object has moved, and the pin is on the wrong zspage. A zspage that is
 *   MOVING refuses pins; then the writer asks the mover to stop, which it does
 *   after the object (or the 256 KiB) that it is copying, and waits for that.
 *
 * Replace
 *   Put the new bytes in a new slot, then switch the word by compare-and-swap,
 *   in a loop, for a mover may switch it at the same time. The old slot waits
 *   for readers.
 */
#include <errno.h>
#include <sched.h>

#include "cache.h"
#include "few_bytes.h"
#include "fork.h"
#include "for_store.h"
#include "probe.h"
#include "rcu.h"

/* --- handles --- */

void bad_handle(const struct zs_pool *pool, uint32_t h, const char *func)
{
    if (h == 0 || h >= pool->handles.n_handles) {
        zs_misuse(func, "no such handle", h, "out of range");
    }
    zs_misuse(func, "not a live handle", h, "dead, or freed twice");
}

uint32_t live_word(const struct zs_pool *pool, uint32_t h, const char *func)
{
    uint32_t w;

    if (h >= pool->handles.n_handles) {
        bad_handle(pool, h, func);
    }
    w = zs_slot_load(&pool->handles, h);
    if (!zs_slot_is_live(w)) {
        bad_handle(pool, h, func);
    }
    return w;
}

uint32_t readable_word(const struct zs_pool *pool, uint32_t h, const char *func)
{
    uint32_t w;

    if (h >= pool->handles.n_handles) {
        bad_handle(pool, h, func);
    }
    w = zs_slot_load(&pool->handles, h);
    if (!zs_slot_is_readable(w)) {
        bad_handle(pool, h, func);
    }
    return w;
}

uint32_t lock_class_of_handle(struct zs_pool *pool, uint32_t h,
                              struct zs_class **cl, const char *func)
{
    for (;;) {
        uint32_t w = live_word(pool, h, func);
        unsigned c = class_number(zspage_at(pool, zs_slot_zspage(w)));

        if (c == 0) {
            continue; /* freed at this moment, by a mistake of the caller's */
        }
        *cl = &pool->classes[c - 1];
        zs_lock_acquire(&(*cl)->lock);
        if (zs_slot_load(&pool->handles, h) == w) {
            return w;
        }
        zs_lock_release(&(*cl)->lock); /* it moved, or is dead by now */
    }
}

bool zs_handle_check(struct zs_pool *pool, zs_handle_t h)
{
    bool late = false;

    if (h.raw >= pool->handles.n_handles) {
        return false;
    }
    caches_find_late(pool, &h.raw, 1, &late);
    return !late && zs_slot_is_live(zs_slot_load(&pool->handles, h.raw));
}

size_t zs_obj_size(struct zs_pool *pool, zs_handle_t h)
{
    size_t bytes;

    zs_read_lock();
    bytes = zspage_slot_bytes(
        zspage_at(pool, zs_slot_zspage(readable_word(pool, h.raw, __func__))));
    zs_read_unlock();
    return bytes;
}

/* --- reading --- */

/* In a read section. */
static inline const void *peek_word(struct zs_pool *pool, uint32_t w,
                                    void *local_copy, size_t *size)
{
    const struct zspage *zp = zspage_at(pool, zs_slot_zspage(w));
    const char *p;
    size_t at, room;

    *size = zspage_slot_bytes(zp);
    at = zs_slot_index(w) * *size;
    p = zspage_bytes(pool->arena, zp, at, *size, &room);
    if (room == *size) {
        return p;
    }
    zspage_copy_out(pool->arena, zp, at, local_copy, *size);
    return local_copy;
}

static inline const void *peek(struct zs_pool *pool, uint32_t h,
                               void *local_copy, size_t *size, const char *func)
{
    return peek_word(pool, readable_word(pool, h, func), local_copy, size);
}

const void *zs_obj_peek(struct zs_pool *pool, zs_handle_t h, void *local_copy)
{
    size_t size;

    ZS_ASSERT(zs_may_read());
    return peek(pool, h.raw, local_copy, &size, __func__);
}

const void *zs_obj_read_begin_sized(struct zs_pool *pool, zs_handle_t h,
                                    void *local_copy, size_t *size)
{
    uint32_t w;

    zs_read_lock();
    if (h.raw >= pool->handles.n_handles) {
        bad_handle(pool, h.raw, "zs_obj_read_begin");
    }
    w = zs_slot_load(&pool->handles, h.raw);
    if (__builtin_expect(!zs_slot_is_readable(w), 0)) {
        if (!zs_slot_is_bare(w)) {
            bad_handle(pool, h.raw, "zs_obj_read_begin");
        }
        *size = zs_slot_index(w);
        return NULL;
    }
    return peek_word(pool, w, local_copy, size);
}

const void *zs_obj_try_peek_sized(struct zs_pool *pool, zs_handle_t h,
                                  void *local_copy, size_t *size)
{
    uint32_t w;

    if (h.raw >= pool->handles.n_handles) {
        return NULL;
    }
    w = zs_slot_load(&pool->handles, h.raw);
    return zs_slot_is_readable(w) ? peek_word(pool, w, local_copy, size) : NULL;
}

const void *zs_obj_read_begin(struct zs_pool *pool, zs_handle_t h,
                              void *local_copy)
{
    size_t size;

    zs_read_lock();
    return peek(pool, h.raw, local_copy, &size, __func__);
}

void zs_obj_read_end(struct zs_pool *pool)
{
    (void)pool; /* one domain of readers for all pools */
    zs_read_unlock();
}

/* --- writing in place --- */

/*
 * The zspage was closed. With the class lock no page migration is under way,
 * and if it is closed still, an object mover is between two of its lock
 * sections: have it stop, and look again.
 */
static uint32_t pin_slowly(struct zs_pool *pool, uint32_t h, const char *func)
{
    for (;;) {
        struct zs_class *cl;
        uint32_t w = lock_class_of_handle(pool, h, &cl, func);
        struct zspage *zp = zspage_at(pool, zs_slot_zspage(w));
        bool pinned = zspage_try_pin(zp);

        if (!pinned) {
            ZS_PROBE2(pin_wait, pool, h);
            zspage_ask_stop(zp);
        }
        zs_lock_release(&cl->lock);
        if (pinned) {
            return w;
        }
        sched_yield();
    }
}

uint32_t pin_object(struct zs_pool *pool, uint32_t h, const char *func)
{
    for (;;) {
        uint32_t w = live_word(pool, h, func);
        struct zspage *zp = zspage_at(pool, zs_slot_zspage(w));

        if (!zspage_try_pin(zp)) {
            return pin_slowly(pool, h, func);
        }
        if (zs_slot_load(&pool->handles, h) == w) {
            return w;
        }
        zspage_unpin(zp); /* it moved between the two looks */
    }
}

/* Between two pages, maybe: whoever moves bytes is kept off by the caller. */
static int write_at(struct zs_pool *pool, uint32_t w, size_t offset,
                    const void *data, size_t len)
{
    struct zspage *zp = zspage_at(pool, zs_slot_zspage(w));
    size_t size = zspage_slot_bytes(zp);

    if (offset > size || len > size - offset) {
        return -ERANGE;
    }
    zspage_copy_in(pool->arena, zp, zs_slot_index(w) * size + offset, data,
                   len);
    return 0;
}

static int write_pinned(struct zs_pool *pool, uint32_t h, size_t offset,
                        const void *data, size_t len)
{
    uint32_t w;
    int err;

    zs_work_begin();
    zs_read_lock();
    w = pin_object(pool, h, "zs_obj_write");
    err = write_at(pool, w, offset, data, len);
    zspage_unpin(zspage_at(pool, zs_slot_zspage(w)));
    zs_read_unlock();
    zs_work_end();
    return err;
}

/* In a section of the thread's cache no pin is needed (cache.h). False: not
 * that way. */
static bool write_in_section(struct zs_pool *pool, uint32_t h, size_t offset,
                             const void *data, size_t len, int *err)
{
    struct zs_cache *c = cache_at_hand(pool);
    struct zs_hit hit;
    bool fast;

    if (!c || h >= c->n_handles || len - 1 >= ZS_CACHE_LARGEST_BYTES) {
        return false;
    }
    touch_bytes(data);
    fast = cache_look(c, cache_enter_fast(c), h, &hit);
    if (fast) {
        *err = write_at(pool, hit.word, offset, data, len);
    }
    cache_leave(c);
    return fast;
}

int zs_obj_write(struct zs_pool *pool, zs_handle_t h, size_t offset,
                 const void *data, size_t len)
{
    int err;

    return write_in_section(pool, h.raw, offset, data, len, &err)
               ? err
               : write_pinned(pool, h.raw, offset, data, len);
}

/* --- replacing --- */

/* Switch the handle's word to `word`; returns the word that it had. */
static uint32_t switch_word(struct zs_pool *pool, uint32_t h, uint32_t word,
                            const char *func)
{
    uint32_t old = live_word(pool, h, func);

    /* release: the new bytes are there; acquire: so is what led to the old */
    while (!atomic_compare_exchange_weak_explicit(&pool->handles.slots[h], &old,
                                                  word, memory_order_acq_rel,
                                                  memory_order_acquire)) {
        if (!zs_slot_is_live(old)) {
            bad_handle(pool, h, func);
        }
    }
    return old;
}

/* The slot that the object has left, by its old word. Its side entry still
 * names the handle, so the zspage cannot be emptied before this. */
static void retire_slot(struct zs_pool *pool, uint32_t word)
{
    struct zspage *zp = zspage_at(pool, zs_slot_zspage(word));
    struct zs_class *cl = class_of(pool, zp);

    zs_lock_acquire(&cl->lock);
    class_limbo_slot_locked(pool, cl, zp, zs_slot_index(word));
    zs_lock_release(&cl->lock);
    zs_grace_request(&pool->arena->grace);
}

void object_leave(struct zs_pool *pool, uint32_t h, uint32_t word,
                  const char *func)
{
    retire_slot(pool, switch_word(pool, h, word, func));
}

void object_switch_to(struct zs_pool *pool, uint32_t h, uint32_t word,
                      const char *func)
{
    uint32_t old = switch_word(pool, h, word, func);

    zspage_unpin(zspage_at(pool, zs_slot_zspage(word)));
    retire_slot(pool, old);
}

int zs_obj_replace(struct zs_pool *pool, zs_handle_t h, const void *data,
                   size_t size)
{
    uint32_t raw = h.raw;
    uint32_t word;
    int err;

    if (size == 0 || size > ZS_MAX_OBJ_BYTES) {
        return -EINVAL;
    }
    zs_work_begin();
    zs_read_lock();
    (void)live_word(pool, raw, __func__);
    err = place_object(pool, &raw, data, size, usual_size(pool, size), &word);
    if (!err) {
        object_switch_to(pool, raw, word, __func__);
    }
    zs_read_unlock();
    zs_work_end();
    return err;
}

/* Does an object of the zspage stay in it with that size? */
static bool stays_in(const struct zs_pool *pool, const struct zspage *zp,
                     size_t size)
{
    unsigned number = class_number(zp);

    if (number == pool->n_classes) { /* a run is as long as its object */
        return size > ZS_LARGEST_CLASS_BYTES &&
               pages_for_slots(size, 1) == zp->n_pages;
    }
    return size <= ZS_LARGEST_CLASS_BYTES &&
           number - 1 >= zs_size_class_of(size) &&
           number - 1 <= class_for_new(pool, size);
}

/* In a read section, so what `word` leads to stays as it is, moved or not. */
static void copy_object(struct zs_pool *pool, uint32_t to, uint32_t from)
{
    struct zspage *dst = zspage_at(pool, zs_slot_zspage(to));
    const struct zspage *src = zspage_at(pool, zs_slot_zspage(from));
    size_t dst_bytes = zspage_slot_bytes(dst);
    size_t src_bytes = zspage_slot_bytes(src);

    zspage_copy(pool->arena, dst, zs_slot_index(to) * dst_bytes, src,
                zs_slot_index(from) * src_bytes,
                dst_bytes < src_bytes ? dst_bytes : src_bytes);
}

int zs_realloc(struct zs_pool *pool, zs_handle_t h, size_t size)
{
    uint32_t raw = h.raw;
    uint32_t from, to;
    int err = 0;

    if (size == 0 || size > ZS_MAX_OBJ_BYTES) {
        return -EINVAL;
    }
    zs_work_begin();
    zs_read_lock();
    from = live_word(pool, raw, __func__);
    if (!stays_in(pool, zspage_at(pool, zs_slot_zspage(from)), size)) {
        err = place_object(pool, &raw, NULL, 0, usual_size(pool, size), &to);
        if (!err) {
            copy_object(pool, to, from);
            object_switch_to(pool, raw, to, __func__);
        }
    }
    zs_read_unlock();
    zs_work_end();
    return err;
}
