/* SPDX-License-Identifier: MIT */
/*
 * page.h - pages, for their owners and for the compactor.
 *
 * Owners: take a run with zs_pages_alloc(), set the owner word, mark the pages
 * movable, make resident what is needed, and free them when no reader can
 * reach them any more. Everything is safe from any thread; a page's owner word
 * and residency are for its owner to change.
 */
#ifndef ZS_LIB_PAGE_H
#define ZS_LIB_PAGE_H

#include <stdbool.h>
#include <stddef.h>

#include "arena_impl.h"

/* Largest run: what the largest object needs. */
#define ZS_MAX_RUN_PAGES (256u * 1024 * 1024 / ZS_PAGE_BYTES)

static inline void *zs_page_addr(const struct zs_arena *a, zs_pfn_t pfn)
{
    return a->base + (size_t)pfn * ZS_PAGE_BYTES;
}

/* What pages are wanted for: it decides whether they may be part of a huge
 * block (huge.c). */
enum zs_page_use {
    ZS_USE_SPARSE, /* some of them get memory, some may lose it */
    ZS_USE_DENSE,  /* all of them get memory, and keep it while they are used */
    ZS_USE_HOLES,  /* as DENSE, in huge blocks that are there or nowhere */
    ZS_USE_IDLE,   /* as DENSE, where free pages have memory or nowhere */
    ZS_USE_BARE,   /* none gets memory: in a huge block never */
};

/*
 * Take a run of n pages side by side, from the fullest pageblock that has such
 * a run. They are OWNED, and resident only where they were left so, or where
 * a huge block was opened for them.
 * 0, or -ENOMEM when the range or (for metadata) the limit is used up.
 */
int zs_pages_alloc_for(struct zs_arena *a, zs_page_type_t type, unsigned n,
                       enum zs_page_use use, zs_pfn_t *first);
/* ZS_USE_SPARSE */
int zs_pages_alloc(struct zs_arena *a, zs_page_type_t type, unsigned n,
                   zs_pfn_t *first);

/* Free pages of the caller's. No reader can reach them. Pages that the
 * migration core holds at this moment are finished by it. */
void zs_pages_free(struct zs_arena *a, zs_pfn_t first, unsigned n);

static inline uint32_t zs_page_owner(struct zs_arena *a, zs_pfn_t pfn)
{
    return atomic_load_explicit(&zs_page(a, pfn)->owner, memory_order_acquire);
}

/* Pairs with zs_page_owner(). */
static inline void zs_page_set_owner(struct zs_arena *a, zs_pfn_t pfn,
                                     uint32_t owner)
{
    atomic_store_explicit(&zs_page(a, pfn)->owner, owner, memory_order_release);
}

/* Make pages of the caller's resident. 0, or -ENOMEM: the limit, or the
 * system; some of them may be resident then. One system call per block. */
int zs_pages_populate(struct zs_arena *a, zs_pfn_t first, unsigned n);

/* Give the memory of owned pages back; they stay owned, contents are lost. In
 * a huge block they keep it. */
void zs_pages_depopulate(struct zs_arena *a, zs_pfn_t first, unsigned n);

/* Give back what memory there is behind owned pages, in few system calls where
 * little of it is there. False: the system has refused some, or they are in a
 * huge block. */
bool zs_pages_make_bare(struct zs_arena *a, zs_pfn_t first, unsigned n);

bool zs_page_is_resident(struct zs_arena *a, zs_pfn_t pfn);
bool zs_pages_any_resident(struct zs_arena *a, zs_pfn_t first, unsigned n);
bool zs_page_is_huge(struct zs_arena *a, zs_pfn_t pfn); /* in a huge block */
/* Rather than a new huge block, should a dense run of n be put together from
 * free pages that have memory? When no huge block has such a run, and more than
 * a few pages are idle. */
bool zs_arena_prefers_idle(struct zs_arena *a, unsigned n);
/* Are there huge blocks? Their free pages have memory. */
bool zs_arena_has_huge(struct zs_arena *a);
/* How many of the n pages from `first` on are like the first: with memory, or
 * without. */
unsigned zs_pages_alike(struct zs_arena *a, zs_pfn_t first, unsigned n,
                        bool *resident);

/* An owned page of the caller's may be moved from now on. */
void zs_page_mark_movable(struct zs_arena *a, zs_pfn_t pfn);

/* Charge metadata that an owner keeps outside of granule heaps; -ENOMEM at the
 * limit, after idle memory was given back. */
int zs_arena_charge_metadata(struct zs_arena *a, uint64_t bytes);

/* Count bytes that have no memory against the limit (budget.h); -ENOMEM at the
 * limit, after idle memory was given back. */
int zs_arena_withhold(struct zs_arena *a, uint64_t bytes);

/* Give back all memory of free pages, and empty blocks beyond keep_blocks.
 * Returns the bytes given back. Makes system calls without a lock held. */
uint64_t zs_arena_trim(struct zs_arena *a, uint32_t keep_blocks);
/* The same by a mover between two steps, with points; ends when its pass is to
 * end. */
void zs_arena_trim_paced(struct zs_arena *a, uint32_t keep_blocks);

/* Objects were freed, so many bytes: a compactor may want to know. No lock of
 * rank ARENA is held. */
void zs_arena_note_freed(struct zs_arena *a, uint64_t bytes);

/* Something that kept a page of the block in place does no more, or will soon:
 * a compactor that passes the block over for that tries again. */
bool zs_arena_has_skips(const struct zs_arena *a);
void zs_block_forget_skip(struct zs_arena *a, zs_pfn_t pfn);

/* An allocation has met the limit: wait a little for the compactor, if there is
 * one and the caller may wait: it holds no lock of the library, and is no mover
 * and in no read section. True: there is more headroom than before. */
bool zs_arena_stall(struct zs_arena *a);

/* Movers stop here and flush: since the last flush they have left as much
 * memory waiting for readers as may (two pageblocks or 1 % of the pages in use,
 * the larger). What replaces leave behind is not theirs to wait for. */
bool zs_deferred_is_full(struct zs_arena *a);

/* A page in LIMBO: FREE after a grace period that somebody asks for. */
void zs_page_defer(struct zs_arena *a, zs_pfn_t pfn);

/* The same for several, gathered first: linked by their owner words. */
struct zs_limbo_batch {
    zs_pfn_t first, last;
    uint32_t n; /* 0: the others mean nothing */
};
void zs_limbo_gather(struct zs_arena *a, struct zs_limbo_batch *batch,
                     zs_pfn_t pfn);
void zs_limbo_defer(struct zs_arena *a, const struct zs_limbo_batch *batch);

/* The compactor: nothing is taken from a closed block, and it is given back
 * as soon as it is empty. False: it is not open. */
bool zs_block_close(struct zs_arena *a, uint32_t block);
void zs_block_reopen(struct zs_arena *a, uint32_t block);
/* From now on keep so many emptied blocks of either kind open, with their
 * memory, rather than give them back: what a pass moves need not be populated
 * then. */
void zs_arena_recycle(struct zs_arena *a, uint32_t n_blocks);
/* From now on, or no more: what is dense goes into the huge blocks that are
 * there, what is sparse keeps out of them. */
void zs_arena_pack(struct zs_arena *a, bool packing);
bool zs_arena_is_packing(struct zs_arena *a);

/*
 * Taking a block, or a page of it, out of use; under pass_lock (offline.c). A
 * held block is closed, and stays so when it is empty, until it is reopened or
 * offline. 0, -ENOENT: EMPTY, -EINVAL: offline, -EAGAIN: busy just now.
 */
int zs_block_hold(struct zs_arena *a, uint32_t block);
/* An EMPTY block, held. 0, -ENOMEM: the limit, -EAGAIN: not EMPTY. */
int zs_block_open_held(struct zs_arena *a, uint32_t block);
/* An EMPTY block, or a held one without pages of others: its memory goes back,
 * it stays out of use. 0; on errors as before: -EIO: the system refused,
 * -ENOMEM: the limit, -EAGAIN: neither of the two. */
int zs_block_take_offline(struct zs_arena *a, uint32_t block);
void zs_block_bring_online(struct zs_arena *a, uint32_t block);
bool zs_block_is_offline(struct zs_arena *a, uint32_t block);
/* Pages with an owner in a closed or held block; of others: 0. */
unsigned zs_block_pages_left(struct zs_arena *a, uint32_t block);
bool zs_page_is_used(struct zs_arena *a, zs_pfn_t page);
/* A free page of a held block: nobody gets it any more. 0 or -EIO. */
int zs_page_take_retired(struct zs_arena *a, zs_pfn_t page);

#endif /* ZS_LIB_PAGE_H */
