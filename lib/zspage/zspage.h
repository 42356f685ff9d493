/* SPDX-License-Identifier: MIT */
/*
 * zspage.h - one zspage: a chain of pages cut into equal slots.
 *
 * Words
 *   chain       the pages of a zspage, in order. Contiguous (one base page
 *               number) unless page migration has split it; then a vector of
 *               page numbers. Each may change while readers look: the old page
 *               has the same bytes, and waits for them
 *   fresh       slots from here on have never been used; their pages may have
 *               no memory yet
 *   room        slots that can be taken without populating pages
 *   side array  one 32-bit entry per slot, beside the zspage: the handle of a
 *               live slot, or a link of the free, limbo or dying list
 *   limbo slot  left by a move or a replace; a reader may still look at it
 *   dying slot  its object is freed, and waits for readers together with its
 *               handle
 *
 * Idea
 *   A slot may span pages, so a class wastes nothing between pages:
 *
 *      page 0              page 1              page 2
 *     +------+------+---   -+------+------+--- ---+------+------+
 *     |  0   |  1   |     2    |  3  |  4   |   5    |  6  |  7   |
 *     +------+------+---   -+------+------+--- ---+------+------+
 *
 * Invariants
 *   Z1  n_live + n_limbo + n_dying + length(free list) == fresh <= n_slots
 *   Z2  side[i] of a live slot is its handle; the slot word of that handle
 *       says (this zspage, i, LIVE or CACHED), but while it is being replaced
 *   Z3  pins > 0 implies that no byte of the zspage is being moved, and
 *       MOVING implies pins == 0 (both are in one word)
 *   Z4  slots below n_resident_pages * 4096 / slot_bytes have memory
 *
 * Locking: fields marked C under the class lock; the others are atomic, and
 * written under the class lock (or before the zspage can be found).
 */
#ifndef ZS_LIB_ZSPAGE_H
#define ZS_LIB_ZSPAGE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "granules.h"
#include "page.h"

#define ZS_NO_LINK 0xffffu
/* limbo_link of a zspage on no limbo list, and of one that a round is just
 * looking at */
#define ZS_NOT_QUEUED UINT32_MAX
#define ZS_POPPED (UINT32_MAX - 1)

/* What a page's owner word says: which zspage, and where in its chain. Runs
 * are never taken apart, so for them the place means nothing. */
#define ZS_OWNER_PLACE_BITS 10u
static inline uint32_t zspage_owner_word(uint32_t zspage, unsigned place)
{
    return zspage << ZS_OWNER_PLACE_BITS |
           (place & ((1u << ZS_OWNER_PLACE_BITS) - 1));
}

/* A chain that migration has split. */
struct zs_chain {
    struct zs_chain *next_dead; /* while it waits for readers */
    uint32_t n;
    _Atomic zs_pfn_t pages[];
};

static inline zs_pfn_t zs_chain_page(const struct zs_chain *chain, size_t i)
{
    return atomic_load_explicit(&chain->pages[i], memory_order_acquire);
}

/* Pairs with zs_chain_page(): what was copied to the new page is there. */
static inline void zs_chain_set_page(struct zs_chain *chain, unsigned i,
                                     zs_pfn_t page)
{
    atomic_store_explicit(&chain->pages[i], page, memory_order_release);
}

/* Where a zspage is in the life of its class. */
enum zspage_phase {
    ZSPAGE_ATTACHED, /* on a fullness list: may be allocated from           */
    ZSPAGE_GROWING,  /* on no list: new, or getting more memory             */
    ZSPAGE_DETACHED, /* on the list of those a compaction pass has taken    */
    ZSPAGE_DRAINING, /* on no list: no live slot, limbo slots may remain    */
};

struct zspage {
    /* for readers */
    _Atomic uint32_t first; /* first page + 1; 0 when split, or none */
    _Atomic uint32_t slot_bytes;
    _Atomic(struct zs_chain *) chain; /* when split; else means nothing */
    _Atomic uint32_t word;            /* MOVING, STOP and pins */
    _Atomic uint16_t class_number;    /* class index + 1; 0: no zspage */
    uint16_t n_slots;                 /* set before it is published */
    /* C */
    uint32_t side;       /* granule of the side array */
    uint32_t prev, next; /* fullness list; 0: end */
    uint32_t limbo_link; /* guarded by limbo lock */
    uint16_t n_live, n_limbo;
    uint16_t fresh;
    uint16_t free_head, limbo_head;
    uint8_t phase;             /* enum zspage_phase */
    uint8_t list;              /* which list, ATTACHED or DETACHED */
    uint32_t n_resident_pages; /* of the front of the chain */
    uint32_t n_pages;
    uint16_t n_dying;
    uint16_t hush_seen; /* waits for caches begun when they lost it */
};
_Static_assert(sizeof(struct zspage) == ZS_GRANULE_BYTES,
               "a zspage is one granule");

/* --- the zspage word --- */

#define ZSPAGE_MOVING (1u << 31)
#define ZSPAGE_STOP (1u << 30) /* with MOVING: a writer waits for the mover */
#define ZSPAGE_PINS_MASK 0xffffffu

/* Writer: keep the bytes in place. False while they are being moved. Acquire
 * pairs with zspage_open(): who pins after a move sees the new places. */
static inline bool zspage_try_pin(struct zspage *zp)
{
    uint32_t w = atomic_load_explicit(&zp->word, memory_order_relaxed);

    do {
        if (w & ZSPAGE_MOVING) {
            return false;
        }
        ZS_ASSERT((w & ZSPAGE_PINS_MASK) != ZSPAGE_PINS_MASK);
    } while (!atomic_compare_exchange_weak_explicit(
        &zp->word, &w, w + 1, memory_order_acquire, memory_order_relaxed));
    return true;
}

/* Release pairs with zspage_try_close(): the mover copies what was written. */
static inline void zspage_unpin(struct zspage *zp)
{
    uint32_t old =
        atomic_fetch_sub_explicit(&zp->word, 1, memory_order_release);
    ZS_ASSERT((old & ZSPAGE_PINS_MASK) > 0);
}

/* Mover: from now on nobody writes bytes. False: pinned, or being moved by
 * somebody else. Acquire pairs with zspage_unpin(). */
static inline bool zspage_try_close(struct zspage *zp)
{
    uint32_t unpinned = 0;

    return atomic_compare_exchange_strong_explicit(
        &zp->word, &unpinned, ZSPAGE_MOVING, memory_order_acquire,
        memory_order_relaxed);
}

/* Mover: places are switched. Release pairs with zspage_try_pin(). */
static inline void zspage_open(struct zspage *zp)
{
    uint32_t old = atomic_exchange_explicit(&zp->word, 0, memory_order_release);
    ZS_ASSERT(old & ZSPAGE_MOVING);
    ZS_ASSERT((old & ZSPAGE_PINS_MASK) == 0);
}

/* For reports: it may be different by now. */
static inline unsigned zspage_n_pins(const struct zspage *zp)
{
    return atomic_load_explicit(&zp->word, memory_order_relaxed) &
           ZSPAGE_PINS_MASK;
}

static inline bool zspage_is_closed(const struct zspage *zp)
{
    return (atomic_load_explicit(&zp->word, memory_order_relaxed) &
            ZSPAGE_MOVING) != 0;
}

/* Writer, under the class lock, of a closed zspage: the mover is to end its
 * batch at the next object. Relaxed: a request, it orders nothing. */
static inline void zspage_ask_stop(struct zspage *zp)
{
    atomic_fetch_or_explicit(&zp->word, ZSPAGE_STOP, memory_order_relaxed);
}

static inline bool zspage_is_asked_to_stop(const struct zspage *zp)
{
    return (atomic_load_explicit(&zp->word, memory_order_relaxed) &
            ZSPAGE_STOP) != 0;
}

/* --- places --- */

static inline size_t zspage_slot_bytes(const struct zspage *zp)
{
    return atomic_load_explicit(&zp->slot_bytes, memory_order_relaxed);
}

/* Page number of the chain's page `i`. Inside a read section, or with the
 * class lock. Acquire pairs with zspage_publish_*(). */
static inline zs_pfn_t zspage_pfn(const struct zspage *zp, unsigned i)
{
    uint32_t first = atomic_load_explicit(&zp->first, memory_order_acquire);

    if (first != 0) {
        return first - 1 + i;
    }
    return zs_chain_page(atomic_load_explicit(&zp->chain, memory_order_acquire),
                         i);
}

/*
 * Address of byte `at` of the zspage, and in *room how many bytes from there
 * on lie side by side, of the `len` that are asked for.
 */
static inline char *zspage_bytes(const struct zs_arena *a,
                                 const struct zspage *zp, size_t at, size_t len,
                                 size_t *room)
{
    uint32_t first = atomic_load_explicit(&zp->first, memory_order_acquire);
    const struct zs_chain *chain;
    size_t in_page = at % ZS_PAGE_BYTES;

    if (first != 0) {
        *room = len;
        return (char *)zs_page_addr(a, first - 1) + at;
    }
    chain = atomic_load_explicit(&zp->chain, memory_order_acquire);
    *room = len < ZS_PAGE_BYTES - in_page ? len : ZS_PAGE_BYTES - in_page;
    return (char *)zs_page_addr(a, zs_chain_page(chain, at / ZS_PAGE_BYTES)) +
           in_page;
}

/* A new place, published: a reader finds the old one or the new one. The
 * vector goes first, so who sees "split" finds it. When the zspage is
 * contiguous again it is left there, for a reader may have seen "split"
 * before, and waits for readers (the caller queues it). */
static inline void zspage_publish_split(struct zspage *zp,
                                        struct zs_chain *chain)
{
    atomic_store_explicit(&zp->chain, chain, memory_order_release);
    atomic_store_explicit(&zp->first, 0, memory_order_release);
}

static inline void zspage_publish_contiguous(struct zspage *zp, zs_pfn_t base)
{
    atomic_store_explicit(&zp->first, base + 1, memory_order_release);
}

/* It has no place: nobody's, or not yet. An untouched granule says so too. */
static inline void zspage_publish_nowhere(struct zspage *zp)
{
    atomic_store_explicit(&zp->chain, NULL, memory_order_release);
    atomic_store_explicit(&zp->first, 0, memory_order_release);
}

/* Does page `pfn` belong to the zspage, at `place` in its chain? Under the lock
 * of the class that it was just found in; it may be new, or gone. */
bool zspage_owns(const struct zspage *zp, zs_pfn_t pfn, unsigned place);

/* Copy into or out of slot bytes; the zspage is pinned, closed, or (out) in
 * the caller's read section. */
void zspage_copy_in(const struct zs_arena *a, struct zspage *zp, size_t at,
                    const void *data, size_t len);
void zspage_copy_out(const struct zs_arena *a, const struct zspage *zp,
                     size_t at, void *data, size_t len);
/* Copy between two zspages, piece by piece. */
void zspage_copy(const struct zs_arena *a, struct zspage *dst, size_t dst_at,
                 const struct zspage *src, size_t src_at, size_t len);
/* The same past the cache, for what is moved and not used; zs_stream_end()
 * before the place is published. Meanwhile the `len` bytes at `ahead` are
 * fetched. */
void zspage_stream(const struct zs_arena *a, struct zspage *dst, size_t dst_at,
                   const struct zspage *src, size_t src_at, size_t len,
                   const char *ahead);

/* --- slots; all C --- */

/* A link: to the next slot of the free list, or, of a dying slot, to the next
 * dying handle of the pool. */
#define ZS_SIDE_LINK (1u << 31)
#define ZS_SIDE_LIMBO (1u << 30) /* with LINK: of the limbo list */
/* A limbo entry also carries the number of the last round that had begun. */
#define ZS_SIDE_STAMP_SHIFT 16u
#define ZS_SIDE_STAMP_MASK 0x3fffu

static inline bool zs_side_is_handle(uint32_t entry)
{
    return (entry & ZS_SIDE_LINK) == 0;
}

static inline unsigned zspage_n_used(const struct zspage *zp)
{
    return (unsigned)zp->n_live + zp->n_limbo + zp->n_dying;
}

/* Slots that have memory (Z4). */
unsigned zspage_n_resident_slots(const struct zspage *zp);
static inline unsigned zspage_room(const struct zspage *zp)
{
    return zspage_n_resident_slots(zp) - zspage_n_used(zp);
}

static inline unsigned zspage_free_slots(const struct zspage *zp)
{
    return zp->n_slots - zspage_n_used(zp);
}

/* Take a slot for a handle; there is room. */
unsigned zspage_take_slot(struct zspage *zp, uint32_t *side, uint32_t handle);
/* A live slot becomes free, or waits for readers. */
void zspage_give_slot(struct zspage *zp, uint32_t *side, unsigned idx);
void zspage_slot_to_limbo(struct zspage *zp, uint32_t *side, unsigned idx,
                          uint32_t stamp);
/* A live slot waits for readers together with its handle; `next` is the dying
 * handle after it, which comes back when it is freed. */
void zspage_slot_to_dying(struct zspage *zp, uint32_t *side, unsigned idx,
                          uint32_t next);
uint32_t zspage_free_dying(struct zspage *zp, uint32_t *side, unsigned idx);
/* Limbo slots that were stamped before round `round` began become free. */
void zspage_free_limbo(struct zspage *zp, uint32_t *side, uint32_t round);

bool zspage_is_valid(const struct zspage *zp, const uint32_t *side);

#endif /* ZS_LIB_ZSPAGE_H */
