/* SPDX-License-Identifier: MIT */
/*
 * arena_impl.h - the inside of an arena, for lib/page, lib/migrate and the
 * compactor. Owners of pages use page.h.
 */
#ifndef ZS_LIB_ARENA_IMPL_H
#define ZS_LIB_ARENA_IMPL_H

#include <semaphore.h>

#include "block.h"
#include "budget.h"
#include "fork.h"
#include "grace.h"
#include "lock.h"
#include "page_desc.h"
#include "zspool/movable_ops.h"
#include "zspool/stats.h"

struct zs_evacuation_ops;
struct zs_figures_ops;
struct zs_shrink_ops;
struct zs_text;

#define ZS_NAME_BYTES 24u /* of arenas and pools, with the zero */

/* Pages that zs_page_retire() has taken: the allocator's own type. */
#define ZS_PAGE_TYPE_RETIRED (ZS_PAGE_TYPE_MAX + 1)

/* One page type (lib/migrate/page_type.c). */
struct zs_page_type {
    const char *name;                           /* guarded by types_lock */
    bool taken;                                 /* guarded by types_lock */
    _Atomic(const struct zs_movable_ops *) ops; /* release at registration,
                                                   acquire at look-up */
    void *ctx;                                  /* set before ops */
    const struct zs_evacuation_ops *evacuation; /* guarded by pass_lock */
    void *evacuation_ctx;                       /* guarded by pass_lock */
    const struct zs_shrink_ops *shrink;         /* guarded by pass_lock */
    void *shrink_ctx;                           /* guarded by pass_lock */
    const struct zs_figures_ops *figures;       /* guarded by figures_lock */
    void *figures_ctx;                          /* guarded by figures_lock */
    _Atomic uint64_t n_pages; /* relaxed; pages that are not FREE */
};

/* Those of ZS_COMPACT_STATS that are kept nowhere else. Relaxed; in cache
 * lines of their own, for passes write them. */
struct zs_compact_counters {
    char before[64];
    _Atomic uint64_t migrate_scanned, isolated, stall, success, fail;
    char behind[64];
};

struct zs_arena {
    /* set once at create */
    char name[ZS_NAME_BYTES];
    char *base;
    size_t bytes;
    uint32_t n_blocks;
    uint32_t retain_blocks;
    enum zs_huge_pages huge_pages;
    struct zs_page *pages;   /* descriptors, by page number */
    struct zs_block *blocks; /* guarded by lock */
    uint64_t *not_empty;     /* a bit per block; guarded by lock */

    struct zs_budget budget;
    struct zs_grace grace;
    struct zs_fork_member fork;

    struct zs_lock lock;                  /* rank ARENA */
    uint32_t lists[2][ZS_BLOCK_NR_LISTS]; /* [huge][longest run] */
    uint32_t n_touched_blocks;            /* their structs are resident */
    uint32_t n_blocks_used;               /* not EMPTY */
    uint32_t n_blocks_idle;               /* OPEN with no page used */
    uint32_t n_huge_idle;                 /* of those */
    uint64_t n_pages_idle;                /* zs_block_n_idle() of OPEN blocks */
    uint8_t tick;                         /* of the compactor, modulo 256 */
    uint32_t recycle_blocks;              /* a pass keeps so many idle ones */
    uint32_t n_blocks_huge;
    uint32_t huge_pause;    /* blocks to open before the next huge one */
    uint32_t huge_refusals; /* of the system, one after the other */
    bool packing;           /* a pass puts pages together: no huge block
                                * is opened, none is used for what is sparse */
    uint32_t n_blocks_offline;
    uint32_t n_pages_retired; /* of n_pages_used */
    uint64_t n_pages_used;
    uint64_t n_blocks_released;
    uint64_t bytes_released;
    _Atomic uint64_t pages_migrated; /* relaxed counters */
    _Atomic uint64_t migrate_retries;

    /* pages in LIMBO; the lists are linked by the descriptors' owner words */
    struct zs_lock limbo_lock; /* rank LIMBO */
    struct zs_grace_member limbo_member;
    zs_pfn_t limbo_next;
    zs_pfn_t limbo_round[ZS_NR_ROUNDS];

    struct zs_lock types_lock; /* rank TYPES */
    struct zs_page_type types[ZS_PAGE_TYPE_RETIRED + 1];

    struct zs_lock pass_lock; /* rank PASS: one compaction at a time */
    struct zs_pace pace;

    /* The compactor that looks after the arena, if one does. */
    _Atomic uint64_t wake_above;  /* of budget.used: post the waker. Relaxed */
    _Atomic uint64_t wake_freed;  /* the same, of freed_bytes */
    _Atomic uint64_t freed_bytes; /* ever; relaxed */
    sem_t *waker;                 /* guarded by lock */
    _Atomic bool woken;           /* relaxed; the semaphore says when to look */
    _Atomic bool has_skips;       /* blocks are passed over: skip_passes */
    _Atomic bool unblocked;       /* and what kept one in place has gone */
    /* allocations that wait for it at the limit (stall.c); guarded by lock */
    pthread_cond_t attempted;
    uint32_t attempts;          /* looks of the compactor that have ended */
    _Atomic uint32_t n_stalled; /* relaxed for who asks without the lock */
    uint64_t stall_after_ns;    /* none before */
    unsigned stall_failures;    /* one after the other */

    /* statistics; what exists already is kept there (lib/migrate/figures.c) */
    struct zs_compact_counters counters;
    struct zs_histogram alloc_waits;
    struct zs_lock figures_lock;  /* rank FIGURES */
    struct zs_compact_stats gone; /* of owners that are gone; figures_lock */
    /* The part of a compactor: zs_set_compactor_stats(); figures_lock */
    void (*compactor_stats)(void *ctx, struct zs_text *text, bool as_json);
    void *compactor_stats_ctx;
};

/* resident.c: have the compactor look, if there is one. */
void zs_arena_wake_locked(struct zs_arena *a);
void zs_arena_wake(struct zs_arena *a);

/* stall.c: does an allocation wait for the compactor? And telling them that
 * memory was given back, or that an attempt has ended. */
static inline bool zs_arena_is_stalled(const struct zs_arena *a)
{
    return atomic_load_explicit(&a->n_stalled, memory_order_relaxed) > 0;
}
void zs_arena_tell_stalled(struct zs_arena *a, bool ended);

/* Become the arena's mover. May wait; a pass that pauses is told to end. */
static inline void zs_arena_begin_pass(struct zs_arena *a)
{
    ZS_ASSERT(!zs_is_working()); /* F1 (fork.h) */
    if (!zs_lock_try_acquire(&a->pass_lock)) {
        atomic_fetch_add_explicit(&a->pace.n_waiting, 1, memory_order_relaxed);
        zs_arena_wake(a);
        zs_lock_acquire(&a->pass_lock);
        atomic_fetch_sub_explicit(&a->pace.n_waiting, 1, memory_order_relaxed);
    }
    zs_mover_begins(&a->pace);
}

static inline void zs_arena_end_pass(struct zs_arena *a)
{
    zs_mover_ends();
    zs_lock_release(&a->pass_lock);
}

static inline void zs_count(_Atomic uint64_t *counter)
{
    atomic_fetch_add_explicit(counter, 1, memory_order_relaxed);
}

static inline struct zs_page *zs_page(struct zs_arena *a, zs_pfn_t pfn)
{
    ZS_ASSERT(pfn / ZS_BLOCK_PAGES < a->n_blocks);
    return &a->pages[pfn];
}

/* How many of the n pages from `first` on lie in the same block: block.h knows
 * one block only, so longer runs are gone through in parts. */
static inline unsigned pages_in_block(zs_pfn_t first, unsigned n)
{
    unsigned room = ZS_BLOCK_PAGES - first % ZS_BLOCK_PAGES;

    return n < room ? n : room;
}

/* page_alloc.c: from LIMBO to FREE, and back to the blocks. No reader can see
 * the pages. */
void zs_pages_reclaim(struct zs_arena *a, zs_pfn_t first, unsigned n);

/* resident.c: give the memory of a block without used pages back. The block is
 * BUSY; takes and drops the arena lock. */
void zs_block_release(struct zs_arena *a, uint32_t block);
/* The same, and the block stays BUSY. Its descriptors go too, but for those of
 * a block with retired pages. False: the system has refused. */
bool zs_block_release_memory(struct zs_arena *a, uint32_t block,
                             uint64_t *gone);

/* huge.c: an EMPTY block to be a huge one, if one is wanted: BUSY, its memory
 * charged. ZS_BLOCK_NONE: none. After unlock it gets its memory, and is OPEN:
 * huge, or small where the system refuses. */
uint32_t zs_huge_begin_locked(struct zs_arena *a);
void zs_huge_finish(struct zs_arena *a, uint32_t block);
/* huge.c: a BUSY or HELD block is none of the huge ones any more, so that
 * parts of it may go; before, because a range that may be huge could be filled
 * again behind our back. False: the system has refused. */
bool zs_block_make_small(struct zs_arena *a, uint32_t block);

/* page_alloc.c: charge what blocks [first, first + n) cost in descriptors and
 * tables, and count them as in use. False: the limit. */
bool zs_blocks_open_locked(struct zs_arena *a, uint32_t first, uint32_t n);

/* huge.c: the block is a huge one from now on, or none any more. On no
 * list. */
void zs_block_set_huge_locked(struct zs_arena *a, uint32_t block, bool huge);

/* page_alloc.c: leave the block out of the next 1, 2, 4 ... 64 passes, or of
 * none. */
void zs_block_skip(struct zs_arena *a, uint32_t block);
void zs_block_unskip(struct zs_arena *a, uint32_t block);

/* page_alloc.c: put an OPEN block on the list of its run_hint. */
void zs_block_relist_locked(struct zs_arena *a, uint32_t block);
/* page_alloc.c: take an OPEN block off its list. */
void zs_block_unlist_locked(struct zs_arena *a, uint32_t block);
/* page_alloc.c: leave BUSY or CLOSED; true when the caller must now call
 * zs_block_release(), the block being BUSY then. */
bool zs_block_settle_locked(struct zs_arena *a, uint32_t block);

/* page_alloc.c: take the arena lock when the block is not BUSY: a trim, or the
 * release of an empty block, ends soon. For who has closed or held it. */
void zs_block_lock_settled(struct zs_arena *a, uint32_t block);

/* resident.c: budget.used may have passed wake_above. No lock held. */
void zs_arena_note_growth(struct zs_arena *a);

/* fork_arena.c */
extern const struct zs_fork_ops zs_arena_fork_ops;

/* limbo.c */
void zs_limbo_init(struct zs_arena *a);

#endif /* ZS_LIB_ARENA_IMPL_H */
