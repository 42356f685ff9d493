/* SPDX-License-Identifier: MIT */
/*
 * view.c - where objects are, for many at once.
 *
 * Idea
 *   A look-up is two dependent loads, slot word and zspage, and then the
 *   object's own bytes: three cache misses, one after the other, in a large
 *   pool. For a group of objects each step is taken for all before the next
 *   one begins, so that the misses of a step overlap.
 */
#include "pool_impl.h"
#include "rcu.h"

#define CACHE_LINE 64u      /* bytes */
#define PREFETCH_BYTES 512u /* of an object; the hardware does the rest */
#define GROUP 16u           /* as many misses as a core has under way */

void view_of_word(const struct zs_pool *pool, uint32_t word,
                  struct zs_view *out)
{
    const struct zspage *zp = zspage_at(pool, zs_slot_zspage(word));
    size_t left = zspage_slot_bytes(zp);
    size_t at = zs_slot_index(word) * left;

    out->n_parts = 0;
    while (left > 0) {
        struct iovec *part = &out->part[out->n_parts++];
        size_t room;

        ZS_ASSERT(out->n_parts <= 2);
        part->iov_base = zspage_bytes(pool->arena, zp, at, left, &room);
        part->iov_len = room;
        at += room;
        left -= room;
    }
}

static void prefetch_bytes(const char *p, size_t len)
{
    for (size_t at = 0; at < len && at < PREFETCH_BYTES; at += CACHE_LINE) {
        __builtin_prefetch(p + at);
    }
}

/* view_of_word() where there is but one part, which is nearly always. */
static inline void view_quickly(const struct zs_pool *pool, uint32_t word,
                                struct zs_view *out)
{
    const struct zspage *zp = zspage_at(pool, zs_slot_zspage(word));
    size_t bytes = zspage_slot_bytes(zp);
    size_t room;
    char *p = zspage_bytes(pool->arena, zp, zs_slot_index(word) * bytes, bytes,
                           &room);

    if (room < bytes) {
        view_of_word(pool, word, out);
        return;
    }
    out->part[0].iov_base = p;
    out->part[0].iov_len = bytes;
    out->n_parts = 1;
}

static void view_group(const struct zs_pool *pool, const zs_handle_t *handles,
                       size_t n, struct zs_view *views)
{
    uint32_t words[GROUP];

    for (size_t i = 0; i < n; i++) {
        words[i] = readable_word(pool, handles[i].raw, "zs_obj_view_begin");
        __builtin_prefetch(zspage_at(pool, zs_slot_zspage(words[i])));
    }
    for (size_t i = 0; i < n; i++) {
        view_quickly(pool, words[i], &views[i]);
        prefetch_bytes(views[i].part[0].iov_base, views[i].part[0].iov_len);
    }
}

/* The slot words of a group, while the group before it is worked on. */
static void prefetch_words(const struct zs_pool *pool,
                           const zs_handle_t *handles, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        __builtin_prefetch(&pool->handles.slots[handles[i].raw]);
    }
}

static void views_of_hot(const struct zs_pool *pool, const zs_handle_t *handles,
                         size_t n, struct zs_view *views)
{
    for (size_t i = 0; i < n; i++) {
        view_quickly(pool,
                     readable_word(pool, handles[i].raw, "zs_obj_view_begin"),
                     &views[i]);
    }
}

void zs_obj_view(struct zs_pool *pool, const zs_handle_t *handles, size_t n,
                 struct zs_view *views)
{
    ZS_ASSERT(zs_may_read());
    if (!pool_is_worth_fetching(pool)) {
        views_of_hot(pool, handles, n, views);
        return;
    }
    prefetch_words(pool, handles, n < GROUP ? n : GROUP);
    for (size_t at = 0; at < n; at += GROUP) {
        size_t left = n - at;

        if (left > GROUP) {
            prefetch_words(pool, handles + at + GROUP,
                           left < 2 * GROUP ? left - GROUP : GROUP);
        }
        view_group(pool, handles + at, left < GROUP ? left : GROUP, views + at);
    }
}

void zs_obj_view_begin(struct zs_pool *pool, const zs_handle_t *handles,
                       size_t n, struct zs_view *views)
{
    zs_read_lock();
    zs_obj_view(pool, handles, n, views);
}
