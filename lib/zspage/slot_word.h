/* SPDX-License-Identifier: MIT */
/*
 * slot_word.h - where an object is: the 32-bit word behind each handle.
 *
 *    31                       12 11            2 1    0
 *   +---------------------------+---------------+------+
 *   |  zspage number            |  slot index   | state|
 *   +---------------------------+---------------+------+
 *
 * FREE is 0 in the low bits, so untouched pages of the handle table are free
 * handles. The upper bits of a free word link the free handles of its group.
 *
 * Who changes a word (protocol: ARCHITECTURE.md, "Readers, movers, mutators"):
 *   FREE -> LIVE     who has taken the handle from the table; a plain release
 *                    store, for nobody else knows the handle
 *   LIVE -> LIVE,    mover (either) and replace (LIVE), by compare-and-swap:
 *   CACHED -> CACHED the other may have been quicker
 *   LIVE <-> CACHED  free and malloc through a thread's cache: a plain store
 *                    in the cache's section, and only while the zspage's
 *                    fast_class is set: no mover is at work then (cache.h)
 *   CACHED -> FREE   the cache is flushed; under the class lock
 *   LIVE -> FREE     free, by compare-and-swap under the class lock
 *   LIVE -> DYING    free that waits for readers, as the one before; the word
 *                    still says where the object is, and stays as it is
 *   DYING -> FREE    after a grace period, under the class lock
 */
#ifndef ZS_LIB_SLOT_WORD_H
#define ZS_LIB_SLOT_WORD_H

#include <stdbool.h>
#include <stdint.h>

#define ZS_SLOT_FREE 0u
#define ZS_SLOT_LIVE 1u
#define ZS_SLOT_CACHED 2u /* free, its slot kept: in a thread's cache */
#define ZS_SLOT_DYING 3u  /* freed; readers may still look at it */

#define ZS_SLOT_STATE_BITS 2u
#define ZS_SLOT_INDEX_BITS 10u
#define ZS_SLOT_ZSPAGE_BITS 20u
#define ZS_MAX_ZSPAGES (1u << ZS_SLOT_ZSPAGE_BITS)

static inline uint32_t zs_slot_word(uint32_t zspage, unsigned idx,
                                    unsigned state)
{
    return zspage << (ZS_SLOT_INDEX_BITS + ZS_SLOT_STATE_BITS) |
           (uint32_t)idx << ZS_SLOT_STATE_BITS | state;
}

static inline uint32_t zs_slot_zspage(uint32_t w)
{
    return w >> (ZS_SLOT_INDEX_BITS + ZS_SLOT_STATE_BITS);
}

static inline unsigned zs_slot_index(uint32_t w)
{
    return w >> ZS_SLOT_STATE_BITS & ((1u << ZS_SLOT_INDEX_BITS) - 1);
}

static inline unsigned zs_slot_state(uint32_t w)
{
    return w & ((1u << ZS_SLOT_STATE_BITS) - 1);
}

static inline bool zs_slot_is_live(uint32_t w)
{
    return zs_slot_state(w) == ZS_SLOT_LIVE;
}

/* An object's bytes are at the place that the word says. */
static inline bool zs_slot_is_readable(uint32_t w)
{
    _Static_assert((ZS_SLOT_LIVE & ZS_SLOT_DYING & 1) == 1, "bit 0 says it");
    _Static_assert(((ZS_SLOT_FREE | ZS_SLOT_CACHED) & 1) == 0, "and only it");
    return (w & 1) != 0;
}

/* The same place, in another state. */
static inline uint32_t zs_slot_in_state(uint32_t w, unsigned state)
{
    return (w & ~((1u << ZS_SLOT_STATE_BITS) - 1)) | state;
}

/* The word of a free handle, and the link in it (any 30-bit number). */
static inline uint32_t zs_slot_free_word(uint32_t link)
{
    return link << ZS_SLOT_STATE_BITS | ZS_SLOT_FREE;
}

static inline uint32_t zs_slot_free_link(uint32_t w)
{
    return w >> ZS_SLOT_STATE_BITS;
}

/* The word of a taken handle without an object: it is of zspage 0, which there
 * is not, and no thread's cache has it (for_store.h). */
static inline uint32_t zs_slot_bare_word(unsigned number)
{
    return zs_slot_word(0, number, ZS_SLOT_CACHED);
}

static inline bool zs_slot_is_bare(uint32_t w)
{
    return zs_slot_zspage(w) == 0 && zs_slot_state(w) == ZS_SLOT_CACHED;
}

#endif /* ZS_LIB_SLOT_WORD_H */
