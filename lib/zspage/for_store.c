/* SPDX-License-Identifier: MIT */
/*
 * for_store.c - objects of several pieces, and handles without an object.
 *
 * Idea
 *   A store keeps a header before a value and a checksum behind it. Where the
 *   value is large, the pool copies all pieces to the slot itself, so that the
 *   value is copied once.
 *
 *   A bare handle's slot word says what its value is. It costs the word, 4
 *   bytes, and nothing else. It is switched like that of a replaced object:
 *   the word first, then the old slot waits for readers.
 *
 * Locking: that of create, replace and free; bare handles come from the
 * thread's stock, or the handle table (rank HANDLES).
 */
#include "for_store.h"

#include <errno.h>

#include "cache.h"
#include "rcu.h"

/* --- objects of several pieces --- */

static size_t bytes_of(const struct iovec *pieces, unsigned n)
{
    size_t bytes = 0;

    for (unsigned i = 0; i < n; i++) {
        bytes += pieces[i].iov_len;
    }
    return bytes;
}

/* Like place_object(); *h 0 makes a handle. */
static int place_pieces(struct zs_pool *pool, uint32_t *h,
                        const struct iovec *pieces, unsigned n, uint32_t *word)
{
    size_t bytes = bytes_of(pieces, n);
    struct zspage *zp;
    size_t at;
    int err;

    if (bytes == 0 || bytes > ZS_MAX_OBJ_BYTES) {
        return -EINVAL;
    }
    err = place_object(pool, h, NULL, 0, usual_size(pool, bytes), word);
    if (err) {
        return err;
    }
    zp = zspage_at(pool, zs_slot_zspage(*word));
    at = zs_slot_index(*word) * zspage_slot_bytes(zp);
    for (unsigned i = 0; i < n; i++) {
        zspage_copy_in(pool->arena, zp, at, pieces[i].iov_base,
                       pieces[i].iov_len);
        at += pieces[i].iov_len;
    }
    return 0;
}

/* The word of a handle that nobody else changes just now. Release: pairs with
 * zs_slot_load(); the bytes are there, or the number's meaning. */
static void publish(struct zs_pool *pool, uint32_t h, uint32_t word)
{
    atomic_store_explicit(&pool->handles.slots[h], word, memory_order_release);
}

static void publish_placed(struct zs_pool *pool, uint32_t h, uint32_t word)
{
    publish(pool, h, word);
    zspage_unpin(zspage_at(pool, zs_slot_zspage(word)));
}

int zs_obj_create_from(struct zs_pool *pool, const struct iovec *pieces,
                       unsigned n, zs_handle_t *out)
{
    uint32_t h = 0;
    uint32_t word;
    int err = place_pieces(pool, &h, pieces, n, &word);

    if (!err) {
        publish_placed(pool, h, word);
        out->raw = h;
    }
    return err;
}

static bool is_bare(const struct zs_pool *pool, uint32_t h)
{
    return h < pool->handles.n_handles &&
           zs_slot_is_bare(zs_slot_load(&pool->handles, h));
}

int zs_obj_replace_from(struct zs_pool *pool, zs_handle_t h,
                        const struct iovec *pieces, unsigned n)
{
    uint32_t raw = h.raw;
    bool bare = is_bare(pool, raw);
    uint32_t word;
    int err;

    zs_read_lock();
    if (!bare) {
        (void)live_word(pool, raw, __func__);
    }
    err = place_pieces(pool, &raw, pieces, n, &word);
    if (!err && bare) {
        publish_placed(pool, raw, word);
    } else if (!err) {
        object_switch_to(pool, raw, word, __func__);
    }
    zs_read_unlock();
    return err;
}

size_t zs_obj_class_bytes(size_t size)
{
    return size <= ZS_LARGEST_CLASS_BYTES
               ? zs_size_class(zs_size_class_of(size))->slot_bytes
               : (size_t)pages_for_slots(size, 1) * ZS_PAGE_BYTES;
}

/* --- any handle --- */

uint32_t zs_pool_handles_end(struct zs_pool *pool)
{
    uint32_t end;

    zs_lock_acquire(&pool->handles.lock);
    end = pool->handles.n_touched * ZS_GROUP_HANDLES;
    zs_lock_release(&pool->handles.lock);
    return end;
}

uint32_t zs_pool_handles_limit(const struct zs_pool *pool)
{
    return pool->handles.n_handles;
}

size_t zs_obj_live_bytes(struct zs_pool *pool, zs_handle_t h)
{
    size_t bytes = 0;
    uint32_t w;

    if (h.raw < pool->handles.n_handles) {
        zs_read_lock();
        w = zs_slot_load(&pool->handles, h.raw);
        if (zs_slot_is_live(w)) {
            bytes = zspage_slot_bytes(zspage_at(pool, zs_slot_zspage(w)));
        }
        zs_read_unlock();
    }
    return bytes;
}

void zs_pool_free_at_once(struct zs_pool *pool)
{
    caches_note_large(pool); /* those of large objects do */
}

zs_page_type_t zs_pool_page_type(const struct zs_pool *pool)
{
    return pool->type;
}

uint64_t zs_pool_pages_compacted(struct zs_pool *pool)
{
    uint64_t n = 0;

    for (unsigned i = 0; i < pool->n_classes; i++) {
        struct zs_class *cl = &pool->classes[i];

        zs_lock_acquire(&cl->lock);
        n += cl->pages_compacted;
        zs_lock_release(&cl->lock);
    }
    return n;
}

/* --- bare handles --- */

int zs_bare_create(struct zs_pool *pool, unsigned number, zs_handle_t *out)
{
    uint32_t h;
    int err = cache_take_handle(pool, &h);

    ZS_ASSERT(number < ZS_BARE_NUMBERS);
    if (!err) {
        publish(pool, h, zs_slot_bare_word(number));
        out->raw = h;
    }
    return err;
}

void zs_bare_replace(struct zs_pool *pool, zs_handle_t h, unsigned number)
{
    ZS_ASSERT(number < ZS_BARE_NUMBERS);
    if (is_bare(pool, h.raw)) {
        publish(pool, h.raw, zs_slot_bare_word(number));
        return;
    }
    zs_read_lock();
    object_leave(pool, h.raw, zs_slot_bare_word(number), __func__);
    zs_read_unlock();
}

void zs_bare_free(struct zs_pool *pool, zs_handle_t h)
{
    if (!is_bare(pool, h.raw)) {
        bad_handle(pool, h.raw, __func__);
    }
    publish(pool, h.raw, ZS_SLOT_FREE);
    cache_give_handle(pool, h.raw);
}

/* --- walking over them --- */

/* Words of the group that handle `h` is in, that have ever been used; 0: it has
 * no memory. False: there are no more groups. */
static bool look_at_group(struct zs_handles *t, uint32_t h, unsigned *n)
{
    uint32_t group = h / ZS_GROUP_HANDLES;
    bool there;

    zs_lock_acquire(&t->lock);
    there = group < t->n_touched;
    *n = there ? t->groups[group].fresh : 0;
    zs_lock_release(&t->lock);
    return there;
}

size_t zs_bare_next(struct zs_pool *pool, uint32_t *at, zs_handle_t *handles,
                    size_t n)
{
    struct zs_handles *t = &pool->handles;
    size_t found = 0;
    unsigned fresh;

    while (found < n && look_at_group(t, *at, &fresh)) {
        uint32_t base = *at / ZS_GROUP_HANDLES * ZS_GROUP_HANDLES;

        for (; found < n && *at < base + fresh; ++*at) {
            if (zs_slot_is_bare(zs_slot_load(t, *at))) {
                handles[found++].raw = *at;
            }
        }
        if (*at >= base + fresh) {
            *at = base + ZS_GROUP_HANDLES;
        }
    }
    return found;
}

/* --- many at once --- */

#define GROUP 16u        /* as many misses as a core has under way */
#define FETCH_BYTES 512u /* of an object; the hardware does the rest */
#define CACHE_LINE_BYTES 64u

static void fetch_object(const struct zs_pool *pool, uint32_t word)
{
    const struct zspage *zp = zspage_at(pool, zs_slot_zspage(word));
    size_t bytes = zspage_slot_bytes(zp);
    size_t room;
    const char *p = zspage_bytes(pool->arena, zp, zs_slot_index(word) * bytes,
                                 bytes, &room);

    for (size_t at = 0; at < room && at < FETCH_BYTES; at += CACHE_LINE_BYTES) {
        __builtin_prefetch(p + at);
    }
}

/* As view.c: one step for all of a group, then the next step. */
static void fetch_group(const struct zs_pool *pool, const zs_handle_t *handles,
                        unsigned n)
{
    uint32_t words[GROUP];

    for (unsigned i = 0; i < n; i++) {
        words[i] = handles[i].raw < pool->handles.n_handles
                       ? zs_slot_load(&pool->handles, handles[i].raw)
                       : ZS_SLOT_FREE;
        __builtin_prefetch(zspage_at(pool, zs_slot_zspage(words[i])));
    }
    for (unsigned i = 0; i < n; i++) {
        if (zs_slot_is_readable(words[i])) {
            fetch_object(pool, words[i]);
        }
    }
}

void zs_obj_fetch(const struct zs_pool *pool, const zs_handle_t *handles,
                  size_t n)
{
    ZS_ASSERT(zs_may_read());
    if (!pool_is_worth_fetching(pool)) {
        return;
    }
    for (size_t i = 0; i < n && i < GROUP; i++) {
        if (handles[i].raw < pool->handles.n_handles) {
            __builtin_prefetch(&pool->handles.slots[handles[i].raw]);
        }
    }
    for (size_t at = 0; at < n; at += GROUP) {
        size_t left = n - at;

        fetch_group(pool, handles + at, left < GROUP ? (unsigned)left : GROUP);
    }
}
