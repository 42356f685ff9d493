/* SPDX-License-Identifier: MIT */
/*
 * page_flags.h - the flag word of a page, and every legal change to it.
 *
 * No other file reads or writes zs_page.word. To change the machine, change
 * the pictures, the table and the helpers here, the matrix in
 * test_page_flags.c (it fails until then) and tests/model/page_word.pml.
 *
 * For lib/page, lib/migrate and the compactor. Owners of pages see page.h,
 * which has none of this; the edges that the core takes are helpers of
 * lib/migrate/core_edges.h and of nobody else.
 *
 *    31         13 12     11        10        9       8            7      0
 *   +-------------+-------+---------+---------+------+-------------+--------+
 *   |  zero       | ALLOC_| OWNER_  | CORE_   |CORE_ | OWNER_      | type   |
 *   |             | LIMBO | RELEASED| ISOLATED|LOCKED| MOVABLE_OPS | 1..255 |
 *   +-------------+-------+---------+---------+------+-------------+--------+
 *
 *   Each bit's name begins with who sets it: the owner, the migration core,
 *   or the page allocator. The type is set once, when the page is taken, and
 *   cleared only when it is FREE again. FREE is the all-zero word, so that
 *   the descriptors' own pages can be given back to the system.
 *
 *                  alloc           set_movable            lock
 *       FREE ----------> OWNED ----------> MOVABLE <============> LOCKED
 *        ^                 |                |  ^        unlock      |
 *        |                 | release        |  |                    | isolate
 *        |                 v                |  |      putback       v
 *        +-------------- LIMBO <------------+  +---------------- ISOLATED
 *             reclaim     ^ ^ ^   release                         |    |
 *                         | | |            migrated               |    |
 *                         | | +-----------------------------------+    |
 *                         | |        finish                            |
 *                         | +---- ISOLATED_RELEASED <------------------+
 *                         |              release (while ISOLATED)
 *                         +------ LOCKED_RELEASED <---- release (LOCKED)
 *                            finish
 *
 * Invariants
 *   F1  LOCKED and ISOLATED have one holder: the thread of the core that took
 *       the lock edge. Only it leaves them, but for release.
 *   F2  release never fails: on a page that the core holds it sets RELEASED,
 *       and the holder finishes.
 *   F3  the type does not change while the page is not FREE.
 *   F4  no edge leads from RELEASED or LIMBO back to the owner.
 *
 * Memory order: every edge is acq_rel, so whoever takes an edge sees all that
 * was done to the page before the edge that led here. Reads of the word are
 * acquire and pair with the edge that made the value.
 */
#ifndef ZS_LIB_PAGE_FLAGS_H
#define ZS_LIB_PAGE_FLAGS_H

#include <stdbool.h>

#include "check.h"
#include "page_desc.h"
#include "zspool/movable_ops.h"

enum zs_page_state {
    ZS_PAGE_FREE,              /* nobody's                                   */
    ZS_PAGE_OWNED,             /* the owner's; the core keeps off            */
    ZS_PAGE_MOVABLE,           /* the owner's; the core may lock it          */
    ZS_PAGE_LOCKED,            /* the core asks the owner to isolate         */
    ZS_PAGE_ISOLATED,          /* the core's, to migrate or put back         */
    ZS_PAGE_LOCKED_RELEASED,   /* freed while LOCKED: the core finishes      */
    ZS_PAGE_ISOLATED_RELEASED, /* freed while ISOLATED: the core finishes    */
    ZS_PAGE_LIMBO,             /* off its owner; readers may still look      */
    ZS_PAGE_NR_STATES
};

enum zs_page_edge {
    ZS_EDGE_ALLOC,
    ZS_EDGE_SET_MOVABLE,
    ZS_EDGE_LOCK,
    ZS_EDGE_UNLOCK,
    ZS_EDGE_ISOLATE,
    ZS_EDGE_PUTBACK,
    ZS_EDGE_MIGRATED,
    ZS_EDGE_RELEASE_OWNED,
    ZS_EDGE_RELEASE_MOVABLE,
    ZS_EDGE_RELEASE_LOCKED,
    ZS_EDGE_RELEASE_ISOLATED,
    ZS_EDGE_FINISH_LOCKED,
    ZS_EDGE_FINISH_ISOLATED,
    ZS_EDGE_RECLAIM,
    ZS_EDGE_NR
};

#define ZS_PF_TYPE_MASK 0xffu
#define ZS_PF_OWNER_MOVABLE_OPS (1u << 8)
#define ZS_PF_CORE_LOCKED (1u << 9)
#define ZS_PF_CORE_ISOLATED (1u << 10)
#define ZS_PF_OWNER_RELEASED (1u << 11)
#define ZS_PF_ALLOC_LIMBO (1u << 12)

/* The bits of each state; FREE also has no type, the others have one. */
#define ZS_BITS_OWNED_ 0u
#define ZS_BITS_MOVABLE_ ZS_PF_OWNER_MOVABLE_OPS
#define ZS_BITS_LOCKED_ (ZS_PF_OWNER_MOVABLE_OPS | ZS_PF_CORE_LOCKED)
#define ZS_BITS_ISOLATED_ (ZS_PF_OWNER_MOVABLE_OPS | ZS_PF_CORE_ISOLATED)
static const uint32_t zs_page_state_bits[ZS_PAGE_NR_STATES] = {
    [ZS_PAGE_FREE] = 0,
    [ZS_PAGE_OWNED] = ZS_BITS_OWNED_,
    [ZS_PAGE_MOVABLE] = ZS_BITS_MOVABLE_,
    [ZS_PAGE_LOCKED] = ZS_BITS_LOCKED_,
    [ZS_PAGE_ISOLATED] = ZS_BITS_ISOLATED_,
    [ZS_PAGE_LOCKED_RELEASED] = ZS_BITS_LOCKED_ | ZS_PF_OWNER_RELEASED,
    [ZS_PAGE_ISOLATED_RELEASED] = ZS_BITS_ISOLATED_ | ZS_PF_OWNER_RELEASED,
    [ZS_PAGE_LIMBO] = ZS_PF_ALLOC_LIMBO,
};

/* The whole machine. Whatever is not listed here cannot happen. */
static const struct zs_page_rule {
    uint8_t from, to;
} zs_page_rules[ZS_EDGE_NR] = {
    [ZS_EDGE_ALLOC] = { ZS_PAGE_FREE, ZS_PAGE_OWNED },
    [ZS_EDGE_SET_MOVABLE] = { ZS_PAGE_OWNED, ZS_PAGE_MOVABLE },
    [ZS_EDGE_LOCK] = { ZS_PAGE_MOVABLE, ZS_PAGE_LOCKED },
    [ZS_EDGE_UNLOCK] = { ZS_PAGE_LOCKED, ZS_PAGE_MOVABLE },
    [ZS_EDGE_ISOLATE] = { ZS_PAGE_LOCKED, ZS_PAGE_ISOLATED },
    [ZS_EDGE_PUTBACK] = { ZS_PAGE_ISOLATED, ZS_PAGE_MOVABLE },
    [ZS_EDGE_MIGRATED] = { ZS_PAGE_ISOLATED, ZS_PAGE_LIMBO },
    [ZS_EDGE_RELEASE_OWNED] = { ZS_PAGE_OWNED, ZS_PAGE_LIMBO },
    [ZS_EDGE_RELEASE_MOVABLE] = { ZS_PAGE_MOVABLE, ZS_PAGE_LIMBO },
    [ZS_EDGE_RELEASE_LOCKED] = { ZS_PAGE_LOCKED, ZS_PAGE_LOCKED_RELEASED },
    [ZS_EDGE_RELEASE_ISOLATED] = { ZS_PAGE_ISOLATED,
                                   ZS_PAGE_ISOLATED_RELEASED },
    [ZS_EDGE_FINISH_LOCKED] = { ZS_PAGE_LOCKED_RELEASED, ZS_PAGE_LIMBO },
    [ZS_EDGE_FINISH_ISOLATED] = { ZS_PAGE_ISOLATED_RELEASED, ZS_PAGE_LIMBO },
    [ZS_EDGE_RECLAIM] = { ZS_PAGE_LIMBO, ZS_PAGE_FREE },
};

static inline uint32_t zs_page_word(const struct zs_page *p)
{
    return atomic_load_explicit(&p->word, memory_order_acquire);
}

static inline zs_page_type_t zs_word_type(uint32_t w)
{
    return (zs_page_type_t)(w & ZS_PF_TYPE_MASK);
}

static inline bool zs_word_is(uint32_t w, enum zs_page_state s)
{
    return (w & ~ZS_PF_TYPE_MASK) == zs_page_state_bits[s] &&
           (zs_word_type(w) == 0) == (s == ZS_PAGE_FREE);
}

static inline enum zs_page_state zs_word_state(uint32_t w)
{
    for (unsigned s = ZS_PAGE_FREE; s < ZS_PAGE_NR_STATES; s++) {
        if (zs_word_is(w, (enum zs_page_state)s)) {
            return (enum zs_page_state)s;
        }
    }
    return ZS_PAGE_NR_STATES; /* damaged */
}

static inline const char *zs_page_state_name(enum zs_page_state s)
{
    static const char *const names[ZS_PAGE_NR_STATES] = {
        "FREE",     "OWNED",           "MOVABLE",           "LOCKED",
        "ISOLATED", "LOCKED_RELEASED", "ISOLATED_RELEASED", "LIMBO",
    };
    return s < ZS_PAGE_NR_STATES ? names[s] : "damaged";
}

/* Its owner has it still: it may be freed. */
static inline bool zs_word_is_owners(uint32_t w)
{
    return zs_word_type(w) != 0 &&
           (w & (ZS_PF_OWNER_RELEASED | ZS_PF_ALLOC_LIMBO)) == 0;
}

/* Flag and type together say whether a page can be migrated. */
static inline bool zs_word_has_movable_ops(uint32_t w)
{
    return (w & ZS_PF_OWNER_MOVABLE_OPS) != 0 && zs_word_type(w) != 0;
}

/* Take one edge, or do nothing and return false when the page is elsewhere.
 * `type` matters for ALLOC only. */
static inline bool zs_page_step(struct zs_page *p, enum zs_page_edge e,
                                zs_page_type_t type)
{
    const struct zs_page_rule r = zs_page_rules[e];
    uint32_t old = atomic_load_explicit(&p->word, memory_order_relaxed);
    uint32_t want;

    do {
        if (!zs_word_is(old, (enum zs_page_state)r.from)) {
            return false;
        }
        want = (old & ZS_PF_TYPE_MASK) | zs_page_state_bits[r.to];
        if (e == ZS_EDGE_ALLOC) {
            want |= type;
        } else if (e == ZS_EDGE_RECLAIM) {
            want = 0;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &p->word, &old, want, memory_order_acq_rel, memory_order_relaxed));
    return true;
}

/* Allocator: the page is taken for an owner. */
static inline void zs_page_alloc_edge(struct zs_page *p, zs_page_type_t type)
{
    bool ok = zs_page_step(p, ZS_EDGE_ALLOC, type);
    ZS_CHECK(ok && type != 0);
}

/* Owner: from now on the core may ask to isolate it. */
static inline void zs_page_set_movable_edge(struct zs_page *p)
{
    bool ok = zs_page_step(p, ZS_EDGE_SET_MOVABLE, 0);
    ZS_CHECK(ok);
}

/* Owner: the page is no longer needed. True: it is in LIMBO and the caller
 * goes on with it; false: the core holds it and will finish (F2). */
static inline bool zs_page_release_edge(struct zs_page *p)
{
    for (;;) {
        if (zs_page_step(p, ZS_EDGE_RELEASE_MOVABLE, 0) ||
            zs_page_step(p, ZS_EDGE_RELEASE_OWNED, 0)) {
            return true;
        }
        if (zs_page_step(p, ZS_EDGE_RELEASE_ISOLATED, 0) ||
            zs_page_step(p, ZS_EDGE_RELEASE_LOCKED, 0)) {
            return false;
        }
        /* All four refused: it moved between two looks, or is not in use. */
        switch (zs_word_state(zs_page_word(p))) {
        case ZS_PAGE_OWNED:
        case ZS_PAGE_MOVABLE:
        case ZS_PAGE_LOCKED:
        case ZS_PAGE_ISOLATED:
            break;
        default:
            zs_check_failed("a released page is in use", __FILE__, __LINE__,
                            __func__);
        }
    }
}

/* Allocator: no reader is left. */
static inline void zs_page_reclaim_edge(struct zs_page *p)
{
    bool ok = zs_page_step(p, ZS_EDGE_RECLAIM, 0);
    ZS_CHECK(ok);
}

#endif /* ZS_LIB_PAGE_FLAGS_H */
