/* SPDX-License-Identifier: MIT */
/*
 * cold_map.h - which values nobody has asked for lately, and who may change
 * them.
 *
 * Words
 *   cold    a bit of each handle: set by a visit, cleared by whoever gets,
 *           replaces or deletes the value. Set at the next visit still, nobody
 *           has asked for it in between
 *   tried   another one: nothing more is to be made of the value for now
 *   claim   the worker means to change the value of a handle
 *   forget  what a changer does first: both bits are cleared, a claim is gone
 *   changer who replaces or frees what a handle names: zs_store_replace(),
 *           zs_store_delete(), whoever frees parts. Not putting, not getting
 *
 * Idea
 *   To the pool the worker is a second changer of a handle, which the pool
 *   leaves to its caller to exclude; and the embedder does not know of it. A
 *   lock of a changer's would cost each delete two locked instructions. So the
 *   worker announces what it is up to, and waits until all know:
 *
 *       worker                           changer, all in one read section
 *       publish the claim                forget: clear the bits;
 *       is there a live object?                  is there a claim? drop it
 *       wait for a grace period          replace or free
 *       cold still? read, compress
 *       CLAIMED -> BUSY, or give up
 *       replace; the claim ends
 *
 *   A claim is a word of a small table, found by the handle's low bits, so a
 *   changer looks at one word that is hardly ever written.
 *
 * Invariants
 *   C1  a changer forgets a handle first, and changes it in the same section
 *   C2  a put makes its object in a read section: after a grace period the
 *       bytes of what was live at its begin are there
 *   C3  a grace period passes between two visits of a handle
 *   C4  the worker reads and replaces a value while its claim is BUSY, and then
 *       a changer of it waits; for a decompression or a copy, nothing that
 *       itself waits
 *   C5  a freed object's word is not live any more when zs_free() returns: the
 *       pool frees nothing late (zs_pool_free_at_once())
 *
 *   So what is replaced is the value that was found, though its handle may have
 *   been freed and used again at any time: call W what was live when the claim
 *   had been published.
 *     - W is whole after the grace period (C2).
 *     - If a changer of W saw the claim, the worker finds it dropped.
 *     - If not, its section had begun before the grace period's end was waited
 *       for, so it is over. Had it begun before the grace period of C3, W's
 *       object would have been gone, and its word with it (C5), before the
 *       claim. So it began after, and saw the cold bit that the visit before
 *       had set, and cleared it; only a visit sets it again. The worker looks
 *       at the bit after the grace period, and gives up.
 *   A user's replace in between therefore always wins; and it counts out the
 *   very header that it replaces, for nobody changes it during its section.
 *
 * Locking: `charged` is the worker's. All else is atomic.
 *
 * Cost: a get loads a word of the map, and writes only to what was cold. A bit
 * pair per handle, a page of them for 16,384, resident from the first visit on;
 * charged to the arena.
 */
#ifndef ZS_LIB_COLD_MAP_H
#define ZS_LIB_COLD_MAP_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "budget.h"
#include "rcu.h"

#define ZS_CLAIMS 64u
#define ZS_COLD_PAGE_HANDLES 16384u /* whose bits are in one page */

enum zs_claim_state { ZS_CLAIM_NONE, ZS_CLAIM_CLAIMED, ZS_CLAIM_BUSY };

struct zs_cold_map {
    /* A word for 32 handles: cold bits below, tried ones above. NULL: this
     * store does not care. Relaxed: see C3. */
    _Atomic uint64_t *words;
    uint32_t n_handles; /* set once at create */
    uint32_t charged;   /* pages, the first so many */
    struct zs_budget *budget;
    _Atomic uint32_t claims[ZS_CLAIMS]; /* handle << 2 | state */
};

/* 0 or -ENOMEM. */
int zs_cold_map_init(struct zs_cold_map *m, uint32_t n_handles,
                     struct zs_budget *budget);
/* Also of one that was never made, all zero. */
void zs_cold_map_destroy(struct zs_cold_map *m);

static inline uint64_t zs_cold_bit(uint32_t h)
{
    return UINT64_C(1) << h % 32;
}

static inline uint64_t zs_tried_bit(uint32_t h)
{
    return zs_cold_bit(h) << 32;
}

/* Of these bits, which are set? h < n_handles. */
static inline uint64_t zs_cold_load(const struct zs_cold_map *m, uint32_t h,
                                    uint64_t bits)
{
    return atomic_load_explicit(&m->words[h / 32], memory_order_relaxed) & bits;
}

/* A live handle's value was asked for. */
static inline void zs_cold_touch(struct zs_cold_map *m, uint32_t h)
{
    if (m->words != NULL &&
        __builtin_expect(zs_cold_load(m, h, zs_cold_bit(h)) != 0, 0)) {
        atomic_fetch_and_explicit(&m->words[h / 32], ~zs_cold_bit(h),
                                  memory_order_relaxed);
    }
}

/* In a read section that lasts until the change is done. Any handle. */
void zs_cold_forget(struct zs_cold_map *m, uint32_t h);

/* C1: the section of a change, where somebody might come in between. */
static inline void zs_change_begin(struct zs_cold_map *m, uint32_t h)
{
    if (m->words != NULL) {
        zs_read_lock();
        zs_cold_forget(m, h);
    }
}

static inline void zs_change_end(const struct zs_cold_map *m)
{
    if (m->words != NULL) {
        zs_read_unlock();
    }
}

/* --- the worker's --- */

/* Set bits of a handle. False: no memory for them. */
bool zs_cold_set(struct zs_cold_map *m, uint32_t h, uint64_t bits);

/* False: another handle has the place. */
bool zs_claim_publish(struct zs_cold_map *m, uint32_t h);
/* From CLAIMED. False: a changer was there, the claim is gone. */
bool zs_claim_busy(struct zs_cold_map *m, uint32_t h);
/* BUSY to CLAIMED. */
void zs_claim_rest(struct zs_cold_map *m, uint32_t h);
/* Whatever it is, or gone. */
void zs_claim_end(struct zs_cold_map *m, uint32_t h);

#endif /* ZS_LIB_COLD_MAP_H */
