/* SPDX-License-Identifier: MIT */
/* cache_shares.c - how much each bin of a cache may hold. */
#include <string.h>

#include "cache_impl.h"

#define LEAST_CAPACITY 4u     /* of a bin that is used */
#define SHARE_OUT_AFTER 4096u /* slow paths, without any need */

/* --- how much they may hold --- */

/* In a section, or a thief. */
void cache_set_quota(struct zs_cache *c)
{
    struct zs_pool *pool = c->pool;
    uint64_t used =
        atomic_load_explicit(&pool->arena->budget.used, memory_order_relaxed);
    uint64_t all = used / ZS_CACHE_SHARE;
    unsigned n = atomic_load_explicit(&pool->n_caches, memory_order_relaxed);

    if (all < pool->min_cache_bytes) {
        all = pool->min_cache_bytes;
    }
    /* relaxed, as n: a bound that others may change at the same time */
    atomic_store_explicit(&c->quota, all / (n > 0 ? n : 1),
                          memory_order_relaxed);
    atomic_store_explicit(&c->bin_of, zs_cache_sizes_for(used),
                          memory_order_relaxed);
}

static uint64_t left_of_quota(const struct zs_cache *c)
{
    uint64_t granted = atomic_load_explicit(&c->granted, memory_order_relaxed);
    uint64_t quota = atomic_load_explicit(&c->quota, memory_order_relaxed);

    return quota > granted ? quota - granted : 0;
}

/* In a section: let a bin hold twice as many as now, as far as the quota goes.
 * False: no further. */
static bool widen(struct zs_cache *c, unsigned n)
{
    unsigned bytes = zs_cache_sizes.slot_bytes[n];
    unsigned had = bin_capacity(c, n);
    unsigned most = zs_cache_sizes.most[n];
    uint64_t left = left_of_quota(c) / bytes;
    unsigned more = had < LEAST_CAPACITY ? LEAST_CAPACITY : had;

    more = more < most - had ? more : most - had;
    more = more < left ? more : (unsigned)left;
    set_capacity(c, n, had + more);
    c->in_use[n] |= more > 0;
    return more > 0 || had == most;
}

/* --- fair shares --- */

static unsigned at_most(uint64_t n)
{
    return n < ZS_CACHE_MOST_HANDLES ? (unsigned)n : ZS_CACHE_MOST_HANDLES;
}

/*
 * When the quota is used up, every bin in use gets equally many handles (but
 * for small slots, whose bins have a most). That is close to the best there
 * is: a load of random sizes meets the end of a bin of capacity k after some
 * k * k / 4 steps, so a bin of few handles costs more than many bins of many
 * gain.
 *
 * The fair share is that of the bins in use; what is left by those that have a
 * smaller most goes to the others, until it makes no difference.
 */
static unsigned find_fair(struct zs_cache *c)
{
    uint64_t quota = atomic_load_explicit(&c->quota, memory_order_relaxed);
    unsigned before, fair = 0;

    do {
        uint64_t left = quota, bytes = 0;

        before = fair;
        for (unsigned n = 1; n < zs_cache_sizes.n_bins; n++) {
            unsigned size = zs_cache_sizes.slot_bytes[n];
            unsigned most = zs_cache_sizes.most[n];

            if (c->in_use[n] && most > before) {
                bytes += size;
            } else if (c->in_use[n]) {
                left -= (uint64_t)size * most;
            }
        }
        fair = bytes > 0 ? at_most(left / bytes) : before;
    } while (fair != before);
    return fair;
}

/* In a section. */
static void drop_idle(struct zs_cache *c)
{
    for (unsigned n = 1; n < zs_cache_sizes.n_bins; n++) {
        uint32_t *top = bin_top(&c->bins[n]);

        c->in_use[n] = c->in_use[n] && top != c->seen_top[n];
        c->seen_top[n] = top;
    }
    c->n_slow = 0;
}

/* In a section: handles for each bin. Now and then, those that have not changed
 * are left out. */
static void find_shares(struct zs_cache *c, unsigned own, unsigned *shares)
{
    unsigned fair;

    if (c->n_slow > SHARE_OUT_AFTER) {
        drop_idle(c);
    }
    c->in_use[own] = true;
    fair = find_fair(c);
    for (unsigned n = 1; n < zs_cache_sizes.n_bins; n++) {
        unsigned most = zs_cache_sizes.most[n];

        shares[n] = !c->in_use[n] ? 0 : fair < most ? fair : most;
    }
}

/* In a section: take the handles out of a bin that have been there longest. */
void cache_take_oldest(struct zs_cache *c, unsigned n, uint32_t *handles,
                       unsigned take)
{
    uint32_t *base = bin_base(c, n);
    unsigned left = bin_held(c, n) - take;

    memcpy(handles, base, take * sizeof(*handles));
    memmove(base, base + take, left * sizeof(*handles));
    bin_set_top(&c->bins[n], base + left);
}

/* Give the handles beyond a bin's share up. False: a thief is at work. */
static bool cut_bin(struct zs_cache *c, unsigned n, unsigned share)
{
    uint32_t handles[ZS_CACHE_MOST_HANDLES];
    unsigned held, take;

    if (!cache_enter(c)) {
        return false;
    }
    held = bin_held(c, n);
    take = held > share ? held - share : 0;
    cache_take_oldest(c, n, handles, take);
    if (bin_capacity(c, n) > share) {
        set_capacity(c, n, share);
    }
    cache_leave(c);
    if (take > 0) {
        cache_unbind(c->pool, n, handles, take);
        cache_give_handles(c, handles, take);
    }
    return true;
}

/* In a section. The quota may be another one by now. */
static void give_share(struct zs_cache *c, unsigned n, unsigned share)
{
    unsigned had = bin_capacity(c, n);
    uint64_t left = left_of_quota(c) / zs_cache_sizes.slot_bytes[n];

    if (share > had) {
        set_capacity(c, n, share - had < left ? share : had + (unsigned)left);
    }
}

/* First take from the rich, then give to the poor, for C2. */
void cache_share_out(struct zs_cache *c, unsigned own)
{
    unsigned shares[ZS_CACHE_BINS];

    if (!cache_enter(c)) {
        return;
    }
    find_shares(c, own, shares);
    cache_leave(c);
    for (unsigned n = 1; n < zs_cache_sizes.n_bins; n++) {
        if (!cut_bin(c, n, shares[n])) {
            return;
        }
    }
    if (cache_enter(c)) {
        for (unsigned n = 1; n < zs_cache_sizes.n_bins; n++) {
            give_share(c, n, shares[n]);
        }
        cache_leave(c);
    }
}

/* In a section, where a bin was found full or empty. True: there is no room
 * left, and it has not had its share; or it is time to look which bins are
 * still in use. */
bool cache_wants_share(struct zs_cache *c, unsigned n)
{
    c->n_slow++;
    cache_set_quota(c);
    if (!zs_sections_are_fenced() && caches_are_late(c->pool)) {
        cache_set_late(c, true);
    }
    return !widen(c, n) && (!c->in_use[n] || c->n_slow > SHARE_OUT_AFTER);
}
