/* SPDX-License-Identifier: MIT */
/* cache_impl.h - what the files of caches share: cache.c, cache_bind.c,
 * cache_shares.c, cache_late.c, cache_thieves.c. */
#ifndef ZS_LIB_CACHE_IMPL_H
#define ZS_LIB_CACHE_IMPL_H

#include "cache.h"

/* --- bins, by number --- */

static inline uint32_t *bin_base(struct zs_cache *c, unsigned n)
{
    return c->handles + zs_cache_sizes.first[n];
}

static inline unsigned bin_held(struct zs_cache *c, unsigned n)
{
    return (unsigned)(bin_top(&c->bins[n]) - bin_base(c, n));
}

static inline unsigned bin_capacity(struct zs_cache *c, unsigned n)
{
    return (unsigned)(c->bins[n].end - bin_base(c, n));
}

/* In a section, or a thief: with its bytes. */
static inline void set_capacity(struct zs_cache *c, unsigned n,
                                unsigned capacity)
{
    uint64_t granted = atomic_load_explicit(&c->granted, memory_order_relaxed);
    uint64_t had = bin_capacity(c, n);

    ZS_ASSERT(capacity >= bin_held(c, n));
    c->bins[n].end = bin_base(c, n) + capacity;
    atomic_store_explicit(
        &c->granted, granted + (capacity - had) * zs_cache_sizes.slot_bytes[n],
        memory_order_relaxed);
}

/* --- cache_bind.c: not in a section, but for the stock --- */

/* In a section: up to n handles without a slot. Returns how many. */
unsigned cache_take_stock(struct zs_cache *c, uint32_t *handles, unsigned n);
/* More of them from the table, a whole cache line of slot words at a time; room
 * for ZS_HANDLES_TOGETHER more than `want`. Returns how many there are. */
unsigned cache_add_fresh(struct zs_pool *pool, uint32_t *handles, unsigned had,
                         unsigned want);
/* To the stock, or the table. */
void cache_give_handles(struct zs_cache *c, const uint32_t *handles,
                        unsigned n);
/* A thief: to the stock, but for those that would keep a page of the table. */
void cache_keep_or_give(struct zs_cache *c, const uint32_t *handles,
                        unsigned n);
/* A thief: such ones out of the stock. */
void cache_sift_stock(struct zs_cache *c);
/* Slots for up to n handles, which are CACHED then, as far as there is room
 * without growing beyond the next batch. Returns how many. */
unsigned cache_bind(struct zs_pool *pool, unsigned bin_number,
                    const uint32_t *handles, unsigned n);
/* Bound handles of one bin lose their slots. */
void cache_unbind(struct zs_pool *pool, unsigned bin_number,
                  const uint32_t *handles, unsigned n);

/* --- cache_shares.c --- */

/* In a section, or a thief: quota and sizes, as they should be now. */
void cache_set_quota(struct zs_cache *c);
/* In a section, or a thief: take the handles out of a bin that have been there
 * longest. */
void cache_take_oldest(struct zs_cache *c, unsigned n, uint32_t *handles,
                       unsigned take);
/* In a section, where a bin was found full or empty: make it larger. True:
 * there is no room left, and cache_share_out() is due. */
bool cache_wants_share(struct zs_cache *c, unsigned n);
/* Not in a section: equal shares for all bins in use, and `own`. */
void cache_share_out(struct zs_cache *c, unsigned own);

/* --- cache_late.c --- */

/* C3: may caches of the pool free late? */
bool caches_are_late(const struct zs_pool *pool);
/* The owner in a section, or under caches_lock. Only a thief, who empties the
 * ring, turns it off. */
void cache_set_late(struct zs_cache *c, bool late);
/* A thief: the late frees of a cache are done. */
void cache_catch_up_locked(struct zs_cache *c);
/* Add the slots of late frees, and their bytes. Under caches_lock. */
void cache_count_late(const struct zs_cache *c, uint64_t *slots,
                      uint64_t *bytes);

#endif /* ZS_LIB_CACHE_IMPL_H */
