/* SPDX-License-Identifier: MIT */
/* cache.c - the slow parts of malloc and free; see cache.h. */
#include "cache_impl.h"

bool cache_enter(struct zs_cache *c)
{
    if (zs_sections_are_fenced()) {
        zs_section_enter_fenced(&c->section);
    } else {
        zs_section_enter(&c->section);
    }
    /* acquire: as in cache_enter_fast() */
    if (atomic_load_explicit(&c->stop, memory_order_acquire)) {
        zs_section_leave(&c->section);
        return false;
    }
    return true;
}

void cache_write(struct zs_cache *c, uint32_t w, size_t at, const void *data,
                 size_t len)
{
    struct zspage *zp = zspage_at(c->pool, zs_slot_zspage(w));

    zspage_copy_in(c->pool->arena, zp,
                   zs_slot_index(w) * zspage_slot_bytes(zp) + at, data, len);
}

/* --- the slow part of malloc --- */

/* In a section. */
static uint32_t pop_live(struct zs_cache *c, unsigned n)
{
    struct zs_hit hit;
    uint32_t h;

    if (!cache_pop(c, c->pool->fast_class, zs_bin_offset(n), &h, &hit)) {
        return 0;
    }
    cache_turn_word(&hit);
    return h;
}

/* In a section, of a bin that had nothing to give: how many to fetch. (It may
 * hold some that a mover has.) */
static unsigned n_to_fetch(struct zs_cache *c, unsigned n)
{
    unsigned want = (bin_capacity(c, n) + 1) / 2;
    unsigned room = bin_capacity(c, n) - bin_held(c, n);

    return want < room ? want : room;
}

/* Bind handles and put them into the bin. What cannot be had, or kept, goes
 * back. */
static void fill_bin(struct zs_cache *c, unsigned n, const uint32_t *handles,
                     unsigned had, unsigned want)
{
    unsigned bound =
        had > 0 ? cache_bind(c->pool, n, handles, had < want ? had : want) : 0;
    unsigned kept = 0;

    if (bound > 0 && cache_enter(c)) {
        while (kept < bound && cache_push(c, zs_bin_offset(n), handles[kept])) {
            kept++;
        }
        cache_leave(c);
    }
    if (kept < bound) { /* a thief was there meanwhile */
        cache_unbind(c->pool, n, handles + kept, bound - kept);
    }
    if (kept < had) {
        cache_give_handles(c, handles + kept, had - kept);
    }
}

/* Fetch handles for the bin of `size`. */
static void refill(struct zs_cache *c, unsigned n)
{
    uint32_t handles[ZS_CACHE_MOST_HANDLES + ZS_HANDLES_TOGETHER];
    unsigned want, had;

    if (!cache_enter(c)) {
        return;
    }
    want = n_to_fetch(c, n);
    had = cache_take_stock(c, handles, want);
    cache_leave(c);
    if (had < want) {
        had = cache_add_fresh(c->pool, handles, had, want);
    }
    fill_bin(c, n, handles, had, want);
}

uint32_t cache_malloc_slowly(struct zs_cache *c, size_t size)
{
    unsigned n;
    bool share;
    uint32_t h;

    if (!cache_enter(c)) {
        return 0;
    }
    n = zs_bin_number(cache_offset_of(c, size));
    h = pop_live(c, n);
    share = h == 0 && cache_wants_share(c, n);
    cache_leave(c);
    if (h != 0) {
        return h;
    }
    if (share) {
        cache_share_out(c, n);
    }
    refill(c, n);
    if (cache_enter(c)) {
        h = pop_live(c, n);
        cache_leave(c);
    }
    return h;
}

/* --- the slow part of free --- */

/* Half of a full bin, and at least one handle, goes. */
static void empty_half(struct zs_cache *c, unsigned n)
{
    uint32_t handles[ZS_CACHE_MOST_HANDLES];
    unsigned take = 0;

    if (cache_enter(c)) {
        if (bin_top(&c->bins[n]) == c->bins[n].end) {
            take = (bin_held(c, n) + 1) / 2;
            cache_take_oldest(c, n, handles, take);
        }
        cache_leave(c);
    }
    if (take > 0) {
        cache_unbind(c->pool, n, handles, take);
        cache_give_handles(c, handles, take);
    }
}

bool cache_free_slowly(struct zs_cache *c, uint32_t h)
{
    bool done, fast, share;
    struct zs_hit hit;
    unsigned n = 0;

    if (!cache_enter(c)) {
        return false;
    }
    done = cache_take_back(c, c->pool->fast_class, h);
    fast = !done && cache_look(c, c->pool->fast_class, h, &hit);
    if (fast) {
        n = zs_bin_number(hit.offset);
    }
    share = fast && cache_wants_share(c, n);
    cache_leave(c);
    if (!fast) {
        return done;
    }
    if (share) {
        cache_share_out(c, n);
    }
    empty_half(c, n);
    if (cache_enter(c)) {
        done = cache_take_back(c, c->pool->fast_class, h);
        cache_leave(c);
    }
    return done;
}
