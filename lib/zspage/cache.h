/* SPDX-License-Identifier: MIT */
/*
 * cache.h - what a thread keeps at hand of a pool: handles with their slots.
 *
 * Words
 *   bound handle  one that has a slot and no object: its slot word is CACHED
 *   bin           a thread's bound handles of one size class
 *   stock         a thread's handles without a slot
 *   quota         bytes of slots that one cache may hold; all quotas of a pool
 *                 together are 0.25 % of the arena's footprint, at least 64 KiB
 *
 * Idea
 *   malloc takes a handle from a bin and turns its word from CACHED to LIVE;
 *   free turns it back. No lock, no locked instruction, and nothing is written
 *   that other threads write: bins are filled and emptied in batches under the
 *   class lock, and handles stay with their thread, so that their slot words
 *   lie in cache lines of its own.
 *
 * Against movers
 *   A cached slot is moved like a live one (without its bytes), and movers
 *   change slot words by compare-and-swap; caches use plain stores. They may,
 *   because a mover first clears fast_class of the zspages that it takes and
 *   waits for all sections (cache_wait_for_sections()):
 *     - a section that has seen fast_class set is waited for, so its store
 *       comes before any switch;
 *     - a section that sees it clear leaves the word alone, and the caller goes
 *       by the class lock or a pin.
 *   The word is read again after fast_class: if the mover was done and the
 *   zspage number has got a new life between the two looks, the word has
 *   changed. fast_class is set again when all switches are done (release), so
 *   who sees it set sees the switched words.
 *
 * Against thieves
 *   Whoever wants the bins of another thread (compaction, shrink, the end of
 *   the pool) sets STOP and waits for its section. Nothing but sections and
 *   such a thief touches bins, stock and bytes. The owner's thread may sleep
 *   for as long as it likes.
 *
 * Invariants
 *   C1  a handle is in at most one bin, and its word is CACHED for as long
 *   C2  bytes == sum over bins of n * slot_bytes <= quota, but for a quota that
 *       was just lowered
 */
#ifndef ZS_LIB_CACHE_H
#define ZS_LIB_CACHE_H

#include "pool_impl.h"
#include "section.h"

#define ZS_CACHE_LARGEST_BYTES 1024u
#define ZS_CACHE_MIN_BYTES ((uint64_t)64 * 1024) /* by default */
#define ZS_CACHE_SHARE 400u                      /* of the footprint: 0.25 % */
#define ZS_BIN_HANDLES 63u /* so that a bin is four cache lines */
#define ZS_CACHE_STOCK 512u

struct zs_bin {
    _Atomic uint16_t n; /* relaxed: others look at it for statistics */
    uint16_t want;      /* handles to fetch next time */
    uint32_t handles[ZS_BIN_HANDLES];
};

#define ZS_CACHE_STOP 1u   /* a thief is at work: no sections */
#define ZS_CACHE_FENCED 2u /* no membarrier here (section.h) */

struct zs_cache {
    struct zs_section section;
    _Atomic uint8_t mode;   /* changed by thieves, under caches_lock */
    _Atomic uint64_t bytes; /* written by owner or thief */
    _Atomic uint64_t quota; /* set by anybody, under caches_lock or not */
    struct zs_pool *pool;   /* set once */
    const void *thread;     /* set once: cache_thread.c */
    struct zs_cache *next;  /* guarded by caches_lock */
    uint32_t n_bins;        /* set once */
    uint32_t hand;          /* bin to look at next for what can be spared */
    uint32_t n_stock;
    uint32_t stock[ZS_CACHE_STOCK];
    _Alignas(64) struct zs_bin bins[];
};

/* The calling thread's caches of the pools that it used last. */
struct zs_cache_of {
    uint64_t pool_id; /* never used again for another pool */
    struct zs_cache *cache;
};
#define ZS_HOT_CACHES 4u
extern _Thread_local struct zs_cache_of zs_hot_caches[ZS_HOT_CACHES]
    __attribute__((tls_model("initial-exec")));

/* --- cache_thread.c --- */

/* The slow way to the calling thread's cache; makes it. NULL: no memory. */
struct zs_cache *cache_find(struct zs_pool *pool);
void caches_init(struct zs_pool *pool, uint64_t min_cache_bytes);
/* The pool's end: every slot and handle goes back. */
void caches_destroy(struct zs_pool *pool);

/* NULL: there is no memory for one. */
static inline struct zs_cache *cache_of_thread(struct zs_pool *pool)
{
    const struct zs_cache_of *hot =
        &zs_hot_caches[pool->cache_id % ZS_HOT_CACHES];

    return hot->pool_id == pool->cache_id ? hot->cache : cache_find(pool);
}

/* --- sections --- */

/* Where the mode is not 0, as of an entered section. False: left again. */
bool cache_enter_by_mode(struct zs_cache *c);

/* False: a thief is at work. acquire: pairs with the thief's release, so its
 * changes of the bins are seen. */
static inline bool cache_enter(struct zs_cache *c)
{
    zs_section_enter(&c->section);
    return __builtin_expect(
               atomic_load_explicit(&c->mode, memory_order_acquire) == 0, 1) ||
           cache_enter_by_mode(c);
}

static inline void cache_leave(struct zs_cache *c)
{
    zs_section_leave(&c->section);
}

/* In a section: the class number of handle h, whose word in *w is in `state`
 * and may be changed by a plain store until the section ends. 0: not so. */
static inline unsigned cache_fast_class(const struct zs_pool *pool, uint32_t h,
                                        unsigned state, uint32_t *w)
{
    const _Atomic uint32_t *slot = &pool->handles.slots[h];
    unsigned number;

    *w = atomic_load_explicit(slot, memory_order_relaxed);
    if (zs_slot_state(*w) != state) {
        return 0;
    }
    number = atomic_load_explicit(&pool->fast_class[zs_slot_zspage(*w)],
                                  memory_order_acquire);
    return atomic_load_explicit(slot, memory_order_relaxed) == *w ? number : 0;
}

static inline void cache_add_bytes(struct zs_cache *c, uint64_t bytes)
{
    uint64_t now = atomic_load_explicit(&c->bytes, memory_order_relaxed);

    atomic_store_explicit(&c->bytes, now + bytes, memory_order_relaxed);
}

static inline unsigned bin_n(const struct zs_bin *bin)
{
    return atomic_load_explicit(&bin->n, memory_order_relaxed);
}

static inline void bin_set_n(struct zs_bin *bin, unsigned n)
{
    atomic_store_explicit(&bin->n, (uint16_t)n, memory_order_relaxed);
}

/* --- the two fast paths; 0 and false: go the slow way --- */

/* A live object of size class `class_idx`. */
static inline uint32_t cache_malloc(struct zs_pool *pool, struct zs_cache *c,
                                    unsigned class_idx)
{
    struct zs_bin *bin = &c->bins[class_idx];
    unsigned n, number;
    uint32_t h, w;

    ZS_ASSERT(class_idx < c->n_bins);
    if (!cache_enter(c)) {
        return 0;
    }
    n = bin_n(bin);
    h = n > 0 ? bin->handles[n - 1] : 0; /* the word of handle 0 is FREE */
    number = cache_fast_class(pool, h, ZS_SLOT_CACHED, &w);
    if (number == 0) {
        cache_leave(c);
        return 0;
    }
    bin_set_n(bin, n - 1);
    cache_add_bytes(c, 0 - (uint64_t)zs_size_class(class_idx)->slot_bytes);
    /* relaxed: the object has no bytes yet; who is told of the handle is told
     * by the caller's own means */
    atomic_store_explicit(&pool->handles.slots[h],
                          zs_slot_in_state(w, ZS_SLOT_LIVE),
                          memory_order_relaxed);
    cache_leave(c);
    return h;
}

/* In a section. */
static inline bool cache_push(struct zs_cache *c, unsigned class_idx,
                              uint32_t h)
{
    struct zs_bin *bin = &c->bins[class_idx];
    unsigned n = bin_n(bin);
    uint64_t bytes = atomic_load_explicit(&c->bytes, memory_order_relaxed) +
                     zs_size_class(class_idx)->slot_bytes;

    if (n == ZS_BIN_HANDLES ||
        bytes > atomic_load_explicit(&c->quota, memory_order_relaxed)) {
        return false;
    }
    bin->handles[n] = h;
    bin_set_n(bin, n + 1);
    atomic_store_explicit(&c->bytes, bytes, memory_order_relaxed);
    return true;
}

/* Of a handle in range. */
static inline bool cache_free(struct zs_pool *pool, struct zs_cache *c,
                              uint32_t h)
{
    unsigned number;
    uint32_t w;

    if (!cache_enter(c)) {
        return false;
    }
    number = cache_fast_class(pool, h, ZS_SLOT_LIVE, &w);
    if (number - 1 >= c->n_bins || !cache_push(c, number - 1, h)) {
        cache_leave(c);
        return false;
    }
    /* relaxed: as in cache_malloc() */
    atomic_store_explicit(&pool->handles.slots[h],
                          zs_slot_in_state(w, ZS_SLOT_CACHED),
                          memory_order_relaxed);
    cache_leave(c);
    return true;
}

/* --- cache.c: no lock held --- */

/*
 * A live object of a class a little larger, where quotas are small: a cache
 * that holds two or three handles of each class finds every third bin empty,
 * and the class lock costs more than a few bytes of a small pool. 0: none.
 */
uint32_t cache_malloc_near(struct zs_cache *c, unsigned class_idx);
/* Fetch bound handles of a class. False: none. */
bool cache_refill(struct zs_cache *c, unsigned class_idx);
/* Make room for one more handle of the class of `h`, which is live. False: it
 * cannot be cached just now. */
bool cache_make_room(struct zs_cache *c, uint32_t h);

/* A handle without a slot. 0 or a negative errno. */
int cache_take_handle(struct zs_pool *pool, uint32_t *h);
void cache_give_handle(struct zs_pool *pool, uint32_t h);

/* Bound handles lose their slots. All of one class. */
void cache_unbind(struct zs_pool *pool, unsigned class_idx,
                  const uint32_t *handles, unsigned n);

/* With caches_lock held, of a cache that nobody else can use just now:
 * everything in it goes back. */
void cache_empty_locked(struct zs_cache *c);
/* Everything in all caches of the pool goes back, whatever their threads do. */
void caches_empty(struct zs_pool *pool);
/* With caches_lock held, when there is one more: new quotas, and a cache that
 * holds more than its new one loses its slots. */
void caches_cut_locked(struct zs_pool *pool);

/*
 * Threads go without their caches from here to caches_resume(): for a mover
 * that takes one zspage after the other, so that it waits only once. One at a
 * time (pass_lock).
 */
void caches_suspend(struct zs_pool *pool);
void caches_resume(struct zs_pool *pool);

/*
 * Movers, after they have cleared fast_class of zspages: until no section is
 * under way that has seen it set. May take some 50 microseconds; not under a
 * class lock.
 */
void caches_wait_for_sections(struct zs_pool *pool);

/* Are objects of the class ever in caches? */
static inline bool class_is_cached(const struct zs_pool *pool,
                                   const struct zs_class *cl)
{
    return (unsigned)(cl - pool->classes) <=
           zs_size_class_of(ZS_CACHE_LARGEST_BYTES);
}

/* Slots and bytes in all caches, as they are just now. */
void caches_count(struct zs_pool *pool, uint64_t *slots, uint64_t *bytes);

#endif /* ZS_LIB_CACHE_H */
