/* SPDX-License-Identifier: MIT */
/*
 * cache.h - what a thread keeps at hand of a pool: handles with their slots.
 *
 * Words
 *   bound handle  one that has a slot and no object: its slot word is CACHED
 *   bin           a thread's bound handles of one size class, a stack
 *   capacity      how many a bin may hold just now
 *   stock         a thread's handles without a slot
 *   quota         bytes of slots that the bins of one cache may hold; all
 *                 quotas of a pool together are 0.25 % of the arena's
 *                 footprint, or min_cache_bytes if that is more
 *
 * Idea
 *   malloc takes a handle from a bin and turns its word from CACHED to LIVE;
 *   free turns it back. No lock, no locked instruction, and nothing is written
 *   that other threads write: bins are filled and emptied in batches under the
 *   class lock, and handles stay with their thread, so that their slot words
 *   lie in cache lines of its own.
 *
 *   What a bin may hold is counted beforehand (capacities), so that the fast
 *   paths count nothing. Below the first handle of each bin stands a 0, whose
 *   word is FREE, so that an empty bin needs no look of its own.
 *
 *   Bytes up to ZS_CACHE_LARGEST_BYTES are written in the section, too: who
 *   moves bytes waits for it as who moves slots.
 *
 * Late frees
 *   Where slot words fill more than the processor's cache, the miss on a word
 *   is what a free costs. So in pools of many small objects a free waits in a
 *   ring until ZS_LATE_FREES more have come, and its word is fetched
 *   meanwhile. Until then the object is as it was: LIVE, in its place. Checked
 *   builds free at once, so that each misuse is found where it happens.
 *
 * Against movers
 *   A cached slot is moved like a live one (without its bytes), and movers
 *   change slot words by compare-and-swap; caches use plain stores. They may,
 *   because a mover first clears fast_class of the zspages that it takes and
 *   waits for all sections (caches_hush()), once for many zspages:
 *     - a section that has seen fast_class set is waited for, so its stores
 *       come before any copy or switch;
 *     - a section that sees it clear leaves the word alone, and the caller goes
 *       by the class lock or a pin.
 *   The word is read again after fast_class: if the mover was done and the
 *   zspage number has got a new life between the two looks, the word has
 *   changed. fast_class is set again when all switches are done (release), so
 *   who sees it set sees the switched words.
 *
 * Against thieves
 *   Whoever wants the bins of another thread (compaction, shrink, the end of
 *   the pool) sets `stop`, has its fast paths find no fast class anywhere, and
 *   waits for its section. Nothing but sections and such a thief touches bins,
 *   stock and ring. The owner's thread may sleep for as long as it likes.
 *
 * Invariants
 *   C1  a handle is in at most one bin, and its word is CACHED for as long
 *   C2  held bytes <= sum over bins of capacity * slot_bytes == granted <=
 *       quota, but for a quota that was just lowered
 *   C3  the ring is empty unless `late` is set, but for the moment in which a
 *       thief turns it off; it stays off from the first time that the pool is
 *       asked for an object that caches do not hold (it may be large)
 */
#ifndef ZS_LIB_CACHE_H
#define ZS_LIB_CACHE_H

#include <stddef.h>

#include "cache_sizes.h"
#include "pool_impl.h"
#include "section.h"

#define ZS_CACHE_MIN_BYTES ((uint64_t)512 * 1024) /* by default */
#define ZS_CACHE_SHARE 400u                       /* of the footprint: 0.25 % */
#define ZS_CACHE_STOCK 512u
#define ZS_LATE_FREES 8u
#define ZS_LATE_FREE_GROUPS 128u /* of handles; 512 KiB of slot words */

struct zs_bin {
    _Atomic(uint32_t *) top; /* where the next handle goes; relaxed: others look
                              * at it for statistics */
    uint32_t *end;           /* of its capacity */
};

struct zs_cache {
    /* what the fast paths look at: a cache line, then the bins */
    struct zs_bin none;      /* at offset 0: full for ever */
    _Atomic uint32_t *slots; /* set once: the pool's slot words */
    /* the pool's fast_class; zeros while a thief is at work, or where a section
     * costs a fence: then the fast paths find nothing to do. Changed under
     * caches_lock */
    _Atomic(const _Atomic uint16_t *) fast_class;
    /* cache_sizes.h; relaxed: either table will do */
    _Atomic(const uint16_t *) bin_of;
    char *pages;   /* set once: the arena's */
    char *zspages; /* set once: the pool's, as an array */
    /* handles that zs_free() may free at once: all of the pool's, or none while
     * `late` is set. As fast_class */
    _Atomic uint32_t free_below;
    struct zs_section section;
    _Atomic bool stop; /* a thief is at work; under caches_lock */
    _Atomic bool late; /* as fast_class */
    _Alignas(64) struct zs_bin bins[ZS_CACHE_BINS];

    struct zs_pool *pool;     /* set once */
    uint32_t n_handles;       /* set once: the pool's */
    _Atomic uint64_t granted; /* C2; owner in a section, or thief */
    _Atomic uint64_t quota;   /* set by anybody, under caches_lock or not */
    const void *thread;       /* cache_thread.c; guarded by caches_lock */
    struct zs_cache *next;    /* guarded by caches_lock */
    uint32_t n_slow;          /* slow paths since bins in use were looked for */
    uint32_t next_late;
    _Atomic uint32_t late_frees[ZS_LATE_FREES]; /* 0: none; relaxed */
    uint32_t n_stock;
    uint32_t stock[ZS_CACHE_STOCK];
    uint32_t *seen_top[ZS_CACHE_BINS]; /* when looked for last */
    bool in_use[ZS_CACHE_BINS];        /* has a share of the quota */
    uint32_t handles[];                /* of all bins */
};
_Static_assert(offsetof(struct zs_cache, bins) == ZS_BIN_OFFSET_0 &&
                   sizeof(struct zs_bin) == ZS_BIN_BYTES,
               "offsets of bins");

/* The calling thread's caches of the pools that it used last. */
struct zs_cache_of {
    uint64_t pool_id; /* never used again for another pool; 0: none */
    struct zs_cache *cache;
};
#define ZS_HOT_CACHES 4u
extern _Thread_local struct zs_cache_of zs_hot_caches[ZS_HOT_CACHES]
    __attribute__((tls_model("initial-exec")));

/* --- cache_thread.c --- */

/* The slow way to the calling thread's cache; makes it. NULL: no memory. */
struct zs_cache *cache_find(struct zs_pool *pool);
int caches_init(struct zs_pool *pool, uint64_t min_cache_bytes);
/* The pool's end: every slot and handle goes back. */
void caches_destroy(struct zs_pool *pool);

/* What hot offsets count from; the same distance from zs_hot_caches in every
 * thread. (clang 14 has no builtin for it on x86.) */
static inline char *zs_thread_base(void)
{
#if defined(__clang__)
    return (char *)zs_hot_caches;
#else
    return __builtin_thread_pointer();
#endif
}

/* The place of the pool's cache, if it is at hand. */
static inline struct zs_cache_of *zs_hot_cache(const struct zs_pool *pool)
{
    return (struct zs_cache_of *)(zs_thread_base() + pool->hot_offset);
}

/* NULL: it has none yet, or not at hand. */
static inline struct zs_cache *cache_at_hand(const struct zs_pool *pool)
{
    const struct zs_cache_of *hot = zs_hot_cache(pool);

    if (__builtin_expect(hot->pool_id != pool->cache_id, 0)) {
        return NULL;
    }
    if (!hot->cache) {
        __builtin_unreachable(); /* saves the fast paths a look */
    }
    return hot->cache;
}

/* NULL: there is no memory for one. */
static inline struct zs_cache *cache_of_thread(struct zs_pool *pool)
{
    struct zs_cache *c = cache_at_hand(pool);

    return c ? c : cache_find(pool);
}

/* --- sections --- */

/* For the fast paths: the fast classes to go by. acquire: pairs with the
 * thief's release, so its changes of the bins are seen. */
static inline const _Atomic uint16_t *cache_enter_fast(struct zs_cache *c)
{
    zs_section_enter(&c->section);
    return atomic_load_explicit(&c->fast_class, memory_order_acquire);
}

/* False: a thief is at work. Then the pool's fast classes are the ones to go
 * by. */
bool cache_enter(struct zs_cache *c);

static inline void cache_leave(struct zs_cache *c)
{
    zs_section_leave(&c->section);
}

/* What a section has found out about a handle. */
struct zs_hit {
    _Atomic uint32_t *slot;
    uint32_t word;
    unsigned offset; /* of its bin */
};

/* In a section: true, and an offset that is not 0, mean that the word that was
 * just read may be changed by a plain store until the section ends. */
static inline bool cache_is_same(const _Atomic uint16_t *fast,
                                 struct zs_hit *hit)
{
    hit->offset = atomic_load_explicit(&fast[zs_slot_zspage(hit->word)],
                                       memory_order_acquire);
    return __builtin_expect(
        atomic_load_explicit(hit->slot, memory_order_relaxed) == hit->word, 1);
}

/* LIVE to CACHED or back. Relaxed: the object has no bytes yet, or they come
 * with the caller's own means of telling the handle. */
static inline void cache_turn_word(const struct zs_hit *hit)
{
    _Static_assert((ZS_SLOT_LIVE ^ ZS_SLOT_CACHED) == 3, "both bits change");
    atomic_store_explicit(hit->slot,
                          hit->word ^ (ZS_SLOT_LIVE ^ ZS_SLOT_CACHED),
                          memory_order_relaxed);
}

/* --- the fast paths: all in a section; false: go the slow way --- */

static inline struct zs_bin *cache_bin(struct zs_cache *c, unsigned offset)
{
    return (struct zs_bin *)((char *)c + offset);
}

static inline uint32_t *bin_top(const struct zs_bin *bin)
{
    return atomic_load_explicit(&bin->top, memory_order_relaxed);
}

static inline void bin_set_top(struct zs_bin *bin, uint32_t *top)
{
    atomic_store_explicit(&bin->top, top, memory_order_relaxed);
}

/* Of a size up to ZS_CACHE_LARGEST_BYTES. */
static inline unsigned cache_offset_of(const struct zs_cache *c, size_t size)
{
    const uint16_t *bin_of =
        atomic_load_explicit(&c->bin_of, memory_order_relaxed);

    return bin_of[ZS_CACHE_SIZE_INDEX(size)];
}

/* Take handle *h out of a bin; its word is still CACHED. acquire, here and in
 * cache_is_live(): pairs with a mover's switch, whose copy comes before what is
 * written to the slot next. (Few values are kept,
 * so that zs_malloc() needs no registers of its caller.) */
static inline bool cache_pop(struct zs_cache *c, const _Atomic uint16_t *fast,
                             unsigned offset, uint32_t *h, struct zs_hit *hit)
{
    struct zs_bin *bin = cache_bin(c, offset);

    hit->slot = &c->slots[bin_top(bin)[-1]];
    hit->word = atomic_load_explicit(hit->slot, memory_order_acquire);
    if (!cache_is_same(fast, hit) || __builtin_expect(hit->offset == 0, 0)) {
        return false; /* a mover has it; or it is the 0 of an empty bin */
    }
    ZS_ASSERT(zs_slot_state(hit->word) == ZS_SLOT_CACHED); /* C1 */
    bin_set_top(bin, bin_top(bin) - 1);
    *h = (uint32_t)(hit->slot - c->slots);
    return true;
}

static inline bool cache_push(struct zs_cache *c, unsigned offset, uint32_t h)
{
    struct zs_bin *bin = cache_bin(c, offset);
    uint32_t *top = bin_top(bin);

    if (__builtin_expect(top == bin->end, 0)) {
        return false;
    }
    *top = h;
    bin_set_top(bin, top + 1);
    return true;
}

/* Is handle h LIVE? Its bin's offset is 0 if its zspage is not fast. */
static inline bool cache_is_live(struct zs_cache *c,
                                 const _Atomic uint16_t *fast, uint32_t h,
                                 struct zs_hit *hit)
{
    hit->slot = &c->slots[h];
    hit->word = atomic_load_explicit(hit->slot, memory_order_acquire);
    return __builtin_expect(zs_slot_is_live(hit->word), 1) &&
           cache_is_same(fast, hit);
}

/* Is it LIVE, and of a fast class? */
static inline bool cache_look(struct zs_cache *c, const _Atomic uint16_t *fast,
                              uint32_t h, struct zs_hit *hit)
{
    return cache_is_live(c, fast, h, hit) && hit->offset != 0;
}

/* Free a handle in range. */
static inline bool cache_take_back(struct zs_cache *c,
                                   const _Atomic uint16_t *fast, uint32_t h)
{
    struct zs_hit hit;

    if (!cache_is_live(c, fast, h, &hit) || !cache_push(c, hit.offset, h)) {
        return false; /* dead, or full, or a mover has it */
    }
    cache_turn_word(&hit);
    return true;
}

/* Undo a pop of the same section. */
static inline void cache_push_back(struct zs_cache *c, const struct zs_hit *hit)
{
    struct zs_bin *bin = cache_bin(c, hit->offset);

    bin_set_top(bin, bin_top(bin) + 1); /* it still stands there */
}

/* The bytes of the object that slot word `w` leads to, of a fast class; they
 * may be written until the section ends. NULL: its zspage's pages do not lie
 * side by side. */
static inline char *cache_bytes_of(const struct zs_cache *c, uint32_t w)
{
    const struct zspage *zp =
        (const void *)(c->zspages +
                       (size_t)zs_slot_zspage(w) * ZS_GRANULE_BYTES);
    uint32_t first = atomic_load_explicit(&zp->first, memory_order_relaxed);

    return __builtin_expect(first != 0, 1)
               ? c->pages + (size_t)(first - 1) * ZS_PAGE_BYTES +
                     zs_slot_index(w) * zspage_slot_bytes(zp)
               : NULL;
}

/* --- cache.c: no lock held, no section --- */

/* A bound handle of a size up to ZS_CACHE_LARGEST_BYTES, fetched if there is
 * none; its object is LIVE. 0: none to be had that way. */
uint32_t cache_malloc_slowly(struct zs_cache *c, size_t size);
/* Free a handle in range, after making room. False: not that way. */
bool cache_free_slowly(struct zs_cache *c, uint32_t h);
/* Free *h by way of the ring. False: then *h is to be freed another way; it may
 * be another handle, which has waited long enough. */
bool cache_free_late(struct zs_cache *c, uint32_t *h);
/* Sets late[i] where the free of handles[i] waits in a ring, of any thread. Ask
 * before you look at the words: a free that is done then is seen there. */
void caches_find_late(struct zs_pool *pool, const uint32_t *handles, unsigned n,
                      bool *late);
/* An object is asked for that caches do not hold (C3). */
void caches_note_large(struct zs_pool *pool);

/* In a section: store bytes of the object that slot word `w` leads to. */
void cache_write(struct zs_cache *c, uint32_t w, size_t at, const void *data,
                 size_t len);

/* A handle without a slot. 0 or a negative errno. */
int cache_take_handle(struct zs_pool *pool, uint32_t *h);
void cache_give_handle(struct zs_pool *pool, uint32_t h);

/* With caches_lock held, of a cache that nobody else can use just now:
 * everything in it goes back. */
void cache_empty_locked(struct zs_cache *c);
/* Everything in all caches of the pool goes back, whatever their threads do. */
void caches_empty(struct zs_pool *pool);
/* The same, but for handles without a slot that cost no memory. */
void caches_empty_bins(struct zs_pool *pool);
/* With caches_lock held, when there is one more: new quotas, and a cache that
 * was granted more than its new one loses its slots. */
void caches_cut_locked(struct zs_pool *pool);

/*
 * Threads go without their caches from here to caches_resume(): for a mover
 * that takes one zspage after the other, so that it waits only once. One at a
 * time (pass_lock).
 */
void caches_suspend(struct zs_pool *pool);
void caches_resume(struct zs_pool *pool);

/*
 * Movers, before they copy or switch anything of a zspage whose fast_class is
 * clear (set_fast_class()): is no section under way that has seen it set? If
 * one may be, caches_hush() waits for them, which may take some 50
 * microseconds; not under a class lock. Ask again afterwards. With the class
 * lock.
 */
bool caches_are_hushed(const struct zs_pool *pool, const struct zspage *zp);
void caches_hush(struct zs_pool *pool);

/* Around a fork (pools.c), with caches_lock held: fast paths find nothing to
 * do, and no section is under way; back to what they were. */
void caches_close_locked(struct zs_pool *pool);
void caches_open_locked(struct zs_pool *pool);
/* In its child: caches of other threads belong to nobody. */
void caches_disown(struct zs_pool *pool);

/* Slots and bytes in all caches, as they are just now. */
void caches_count(struct zs_pool *pool, uint64_t *slots, uint64_t *bytes);

#endif /* ZS_LIB_CACHE_H */
