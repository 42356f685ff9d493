/* SPDX-License-Identifier: MIT */
/*
 * page_alloc.c - runs of pages out of pageblocks, and back.
 *
 * Words
 *   run         pages side by side; up to 512 within one pageblock, a longer
 *               one begins at a pageblock's first page
 *   idle block  an OPEN block with no page used, kept as it is for the next
 *               allocation until somebody trims (the compactor, or an
 *               allocation that finds no memory); retain_blocks at most
 *
 * Idea
 *   Each OPEN block is on the list of the longest free run it can have
 *   (run_hint, K2). A run of n is looked for on the lists that can hold it;
 *   among the first few blocks of each, the fullest wins, so that sparse
 *   blocks stay sparse and can be emptied. A search that fails makes the hint
 *   exact and moves the block to its true list, so the next search does not
 *   meet it. Only when no OPEN block will do is an EMPTY one opened, the
 *   lowest first. Huge blocks have lists of their own (huge.c): what is dense
 *   looks there first.
 *
 * Invariants
 *   A1  a page is marked used in its block iff its flag word is not FREE,
 *       but for the moments inside alloc and reclaim
 *   A2  a block is on a list iff it is OPEN
 *   A3  n_blocks_idle counts the OPEN blocks with n_used == 0, n_huge_idle
 *       the huge ones of them, n_pages_idle the free pages with memory of
 *       OPEN blocks
 *
 * Locking: the arena lock guards blocks and lists. Flag words are stepped
 * without it. System calls are made after unlock, on blocks that are BUSY.
 */
#include <errno.h>
#include <sched.h>

#include "os.h"
#include "page.h"
#include "page_flags.h"

#define LOOK_AT_BLOCKS 8u /* per list, for the fullest */
#define MAX_SKIP_SHIFT 6u
#define FEW_IDLE 256u /* of all pages in use: such a share is left */

/* --- lists --- */

void zs_block_unlist_locked(struct zs_arena *a, uint32_t block)
{
    struct zs_block *b = &a->blocks[block];

    ZS_ASSERT_HELD(&a->lock);
    if (b->next != ZS_BLOCK_NONE) {
        a->blocks[b->next].prev = b->prev;
    }
    if (b->prev != ZS_BLOCK_NONE) {
        a->blocks[b->prev].next = b->next;
    } else {
        a->lists[b->huge][b->list] = b->next;
    }
    a->n_blocks_idle -= b->n_used == 0;
    a->n_huge_idle -= b->n_used == 0 && b->huge;
    a->n_pages_idle -= zs_block_n_idle(b);
}

static void list_locked(struct zs_arena *a, uint32_t block)
{
    struct zs_block *b = &a->blocks[block];

    b->list = (uint8_t)zs_block_list_of(b->run_hint);
    b->prev = ZS_BLOCK_NONE;
    b->next = a->lists[b->huge][b->list];
    if (b->next != ZS_BLOCK_NONE) {
        a->blocks[b->next].prev = block;
    }
    a->lists[b->huge][b->list] = block;
    a->n_blocks_idle += b->n_used == 0;
    a->n_huge_idle += b->n_used == 0 && b->huge;
    a->n_pages_idle += zs_block_n_idle(b);
}

void zs_block_relist_locked(struct zs_arena *a, uint32_t block)
{
    a->blocks[block].state = ZS_BLOCK_OPEN;
    list_locked(a, block);
}

/* --- taking --- */

/* The fullest of the first few blocks that may have a run of n. */
static uint32_t pick_open_locked(struct zs_arena *a, bool huge, unsigned n)
{
    uint32_t best = ZS_BLOCK_NONE;

    for (unsigned l = zs_block_list_of(n); l < ZS_BLOCK_NR_LISTS; l++) {
        unsigned looked = 0;

        for (uint32_t i = a->lists[huge][l];
             i != ZS_BLOCK_NONE && looked < LOOK_AT_BLOCKS;
             i = a->blocks[i].next, looked++) {
            const struct zs_block *b = &a->blocks[i];

            if (b->run_hint >= n &&
                (best == ZS_BLOCK_NONE || b->n_used > a->blocks[best].n_used)) {
                best = i;
            }
        }
    }
    return best;
}

/* Metadata that becomes resident with blocks [first, first + n). */
static uint64_t block_metadata_bytes(const struct zs_arena *a, uint32_t first,
                                     uint32_t n)
{
    uint64_t bytes = (uint64_t)n * ZS_OS_PAGE_BYTES; /* descriptors */

    if (first + n > a->n_touched_blocks) {
        bytes += (first + n - a->n_touched_blocks) * sizeof(struct zs_block);
    }
    return bytes;
}

static void forget_skip_locked(struct zs_block *b)
{
    b->skip_passes = 0;
    b->skip_shift = 0;
}

bool zs_blocks_open_locked(struct zs_arena *a, uint32_t first, uint32_t n)
{
    ZS_ASSERT_HELD(&a->lock);
    if (!zs_budget_try_charge_metadata(&a->budget,
                                       block_metadata_bytes(a, first, n))) {
        return false;
    }
    if (first + n > a->n_touched_blocks) {
        a->n_touched_blocks = first + n;
    }
    zs_bits_set(a->not_empty, first, n);
    a->n_blocks_used += n;
    for (uint32_t i = first; i < first + n; i++) {
        a->blocks[i].run_hint = ZS_BLOCK_PAGES;
        forget_skip_locked(&a->blocks[i]); /* what was in it is gone */
    }
    return true;
}

/* Open n EMPTY blocks side by side. ZS_BLOCK_NONE: range or limit used up. */
static uint32_t open_empty_locked(struct zs_arena *a, uint32_t n)
{
    size_t at = zs_bits_find_clear_run(a->not_empty, 0, a->n_blocks, n);

    if (at == ZS_BITS_NONE || !zs_blocks_open_locked(a, (uint32_t)at, n)) {
        return ZS_BLOCK_NONE;
    }
    for (uint32_t i = (uint32_t)at; i < at + n; i++) {
        zs_block_relist_locked(a, i);
    }
    return (uint32_t)at;
}

static void take_locked(struct zs_arena *a, uint32_t block, unsigned first,
                        unsigned n)
{
    zs_block_unlist_locked(a, block);
    zs_block_take(&a->blocks[block], first, n);
    a->blocks[block].touched = a->tick;
    zs_block_relist_locked(a, block);
}

/* Where the OPEN blocks of one kind have a run of n. */
static zs_pfn_t find_open_locked(struct zs_arena *a, bool huge, unsigned n)
{
    uint32_t block;

    while ((block = pick_open_locked(a, huge, n)) != ZS_BLOCK_NONE) {
        size_t at = zs_block_find_run(&a->blocks[block], n);

        if (at != ZS_BITS_NONE) {
            return block * ZS_BLOCK_PAGES + (zs_pfn_t)at;
        }
        zs_block_unlist_locked(a, block); /* the hint is exact now */
        zs_block_relist_locked(a, block);
    }
    return ZS_PFN_NONE;
}

static zs_pfn_t take_open_locked(struct zs_arena *a, bool huge, unsigned n)
{
    zs_pfn_t first = find_open_locked(a, huge, n);

    if (first != ZS_PFN_NONE) {
        take_locked(a, first / ZS_BLOCK_PAGES, first % ZS_BLOCK_PAGES, n);
    }
    return first;
}

/* The small block, of the first few that may have such a run, with the most
 * memory that nobody uses. */
static uint32_t pick_idle_locked(struct zs_arena *a, unsigned n)
{
    uint32_t best = ZS_BLOCK_NONE;
    unsigned most = n - 1;

    for (unsigned l = zs_block_list_of(n); l < ZS_BLOCK_NR_LISTS; l++) {
        unsigned looked = 0;

        for (uint32_t i = a->lists[false][l];
             i != ZS_BLOCK_NONE && looked < LOOK_AT_BLOCKS;
             i = a->blocks[i].next, looked++) {
            if (zs_block_n_idle(&a->blocks[i]) > most) {
                most = zs_block_n_idle(&a->blocks[i]);
                best = i;
            }
        }
    }
    return best;
}

/* A run with memory, in a small block. */
static zs_pfn_t take_idle_locked(struct zs_arena *a, unsigned n)
{
    uint32_t block = pick_idle_locked(a, n);
    unsigned first = 0, len = 0;

    while (block != ZS_BLOCK_NONE &&
           (len = zs_block_next_idle_run(&a->blocks[block], &first)) > 0 &&
           len < n) {
        first += len;
    }
    if (len < n) {
        return ZS_PFN_NONE;
    }
    take_locked(a, block, first, n);
    return block * ZS_BLOCK_PAGES + first;
}

static zs_pfn_t take_new_locked(struct zs_arena *a, unsigned n)
{
    uint32_t block = open_empty_locked(a, 1);

    if (block == ZS_BLOCK_NONE) {
        return ZS_PFN_NONE;
    }
    take_locked(a, block, 0, n);
    return block * ZS_BLOCK_PAGES;
}

/* Memory that is there for nobody: rather that than new one. */
static bool has_idle_huge_locked(const struct zs_arena *a)
{
    return !a->packing && a->n_huge_idle > 1;
}

/* Where to look, the best place first. */
static zs_pfn_t take_run_locked(struct zs_arena *a, unsigned n,
                                enum zs_page_use use)
{
    bool huge_first =
        use == ZS_USE_DENSE || use == ZS_USE_HOLES || use == ZS_USE_IDLE;
    zs_pfn_t first = ZS_PFN_NONE;

    if (huge_first) {
        first = take_open_locked(a, true, n);
    }
    if (use == ZS_USE_IDLE && first == ZS_PFN_NONE) {
        first = take_idle_locked(a, n);
    }
    if (use == ZS_USE_HOLES || use == ZS_USE_IDLE) {
        return first;
    }
    if (first == ZS_PFN_NONE) {
        first = take_open_locked(a, false, n);
    }
    if (first == ZS_PFN_NONE && use == ZS_USE_SPARSE &&
        has_idle_huge_locked(a)) {
        first = take_open_locked(a, true, n);
    }
    if (first == ZS_PFN_NONE) {
        first = take_new_locked(a, n);
    }
    if (first == ZS_PFN_NONE && use == ZS_USE_SPARSE) {
        first = take_open_locked(a, true, n);
    }
    return first;
}

static zs_pfn_t take_long_run_locked(struct zs_arena *a, unsigned n)
{
    uint32_t n_blocks = (n + ZS_BLOCK_PAGES - 1) / ZS_BLOCK_PAGES;
    uint32_t block = open_empty_locked(a, n_blocks);

    if (block == ZS_BLOCK_NONE) {
        return ZS_PFN_NONE;
    }
    for (uint32_t i = 0; i < n_blocks; i++) {
        unsigned left = n - i * ZS_BLOCK_PAGES;

        take_locked(a, block + i, 0,
                    left < ZS_BLOCK_PAGES ? left : ZS_BLOCK_PAGES);
    }
    return block * ZS_BLOCK_PAGES;
}

/* Where no huge block has room and one may be opened, open one. */
static void open_huge_if_wanted(struct zs_arena *a, unsigned n)
{
    uint32_t block = ZS_BLOCK_NONE;

    zs_lock_acquire(&a->lock);
    if (n <= ZS_BLOCK_PAGES && find_open_locked(a, true, n) == ZS_PFN_NONE) {
        block = zs_huge_begin_locked(a);
    }
    zs_lock_release(&a->lock);
    if (block != ZS_BLOCK_NONE) {
        zs_huge_finish(a, block);
    }
}

bool zs_arena_prefers_idle(struct zs_arena *a, unsigned n)
{
    bool prefers;

    zs_lock_acquire(&a->lock);
    prefers = a->n_pages_idle >= 2 * n &&
              a->n_pages_idle > a->n_pages_used / FEW_IDLE &&
              find_open_locked(a, true, n) == ZS_PFN_NONE;
    zs_lock_release(&a->lock);
    return prefers;
}

static zs_pfn_t try_take(struct zs_arena *a, unsigned n, enum zs_page_use use)
{
    zs_pfn_t first;

    if (use == ZS_USE_DENSE) {
        open_huge_if_wanted(a, n);
    }
    zs_lock_acquire(&a->lock);
    first = n <= ZS_BLOCK_PAGES ? take_run_locked(a, n, use)
                                : take_long_run_locked(a, n);
    if (first != ZS_PFN_NONE) {
        a->n_pages_used += n;
    }
    zs_lock_release(&a->lock);
    return first;
}

int zs_pages_alloc_for(struct zs_arena *a, zs_page_type_t type, unsigned n,
                       enum zs_page_use use, zs_pfn_t *first)
{
    zs_pfn_t at;

    ZS_ASSERT(n >= 1 && n <= ZS_MAX_RUN_PAGES && a->types[type].taken);
    at = try_take(a, n, use);
    if (at == ZS_PFN_NONE && (use == ZS_USE_HOLES || use == ZS_USE_IDLE)) {
        return -ENOMEM; /* there is none; the limit has not been asked */
    }
    if (at == ZS_PFN_NONE) {
        (void)zs_arena_trim(a, 0); /* idle memory and blocks are in the way */
        at = try_take(a, n, use);
    }
    if (at == ZS_PFN_NONE) {
        zs_limit_refused = true;
        return -ENOMEM;
    }
    atomic_fetch_add_explicit(&a->types[type].n_pages, n, memory_order_relaxed);
    for (unsigned i = 0; i < n; i++) {
        zs_page_set_owner(a, at + i, 0);
        zs_page_alloc_edge(zs_page(a, at + i), type);
    }
    *first = at;
    return 0;
}

int zs_pages_alloc(struct zs_arena *a, zs_page_type_t type, unsigned n,
                   zs_pfn_t *first)
{
    return zs_pages_alloc_for(a, type, n, ZS_USE_SPARSE, first);
}

void zs_page_mark_movable(struct zs_arena *a, zs_pfn_t pfn)
{
    zs_page_set_movable_edge(zs_page(a, pfn));
}

/* --- giving back --- */

/* Does an empty block stay, with its memory, for the next allocation? */
static bool stays_idle_locked(const struct zs_arena *a,
                              const struct zs_block *b)
{
    switch ((enum zs_block_state)b->state) {
    case ZS_BLOCK_OPEN:
        return a->n_blocks_idle < a->retain_blocks;
    case ZS_BLOCK_CLOSED: /* for what the pass has still to move */
        return (b->huge ? a->n_huge_idle : a->n_blocks_idle - a->n_huge_idle) <
               a->recycle_blocks;
    default:
        return false;
    }
}

bool zs_block_settle_locked(struct zs_arena *a, uint32_t block)
{
    struct zs_block *b = &a->blocks[block];

    ZS_ASSERT_HELD(&a->lock);
    if (b->n_used == 0 && !stays_idle_locked(a, b)) {
        b->state = ZS_BLOCK_BUSY;
        return true;
    }
    zs_block_relist_locked(a, block);
    return false;
}

/* Pages of one block become free; true when the block must be released. */
static bool give_locked(struct zs_arena *a, zs_pfn_t first, unsigned n)
{
    uint32_t block = first / ZS_BLOCK_PAGES;
    struct zs_block *b = &a->blocks[block];

    if (b->state == ZS_BLOCK_OPEN) {
        zs_block_unlist_locked(a, block);
    }
    zs_block_give(b, first % ZS_BLOCK_PAGES, n);
    b->touched = a->tick;
    a->n_pages_used -= n;
    if (b->state == ZS_BLOCK_OPEN ||
        (b->state == ZS_BLOCK_CLOSED && b->n_used == 0)) {
        return zs_block_settle_locked(a, block);
    }
    return false; /* whoever made it BUSY, CLOSED or HELD settles it */
}

static void reclaim_in_block(struct zs_arena *a, zs_pfn_t first, unsigned n)
{
    zs_page_type_t type = zs_word_type(zs_page_word(zs_page(a, first)));
    bool release;

    for (unsigned i = 0; i < n; i++) {
        zs_page_reclaim_edge(zs_page(a, first + i));
    }
    /* release: pairs with zs_page_type_destroy(), which sees them gone */
    atomic_fetch_sub_explicit(&a->types[type].n_pages, n, memory_order_release);
    zs_lock_acquire(&a->lock);
    release = give_locked(a, first, n);
    zs_lock_release(&a->lock);
    if (release) {
        zs_block_release(a, first / ZS_BLOCK_PAGES);
    }
}

void zs_pages_reclaim(struct zs_arena *a, zs_pfn_t first, unsigned n)
{
    while (n > 0) {
        unsigned part = pages_in_block(first, n);

        reclaim_in_block(a, first, part);
        first += part;
        n -= part;
    }
}

void zs_pages_free(struct zs_arena *a, zs_pfn_t first, unsigned n)
{
    unsigned run = 0; /* pages before `i` that are in LIMBO, not yet given */

    for (unsigned i = 0; i < n; i++) {
        if (zs_page_release_edge(zs_page(a, first + i))) {
            run++;
            continue;
        }
        zs_pages_reclaim(a, first + i - run, run);
        run = 0;
    }
    zs_pages_reclaim(a, first + n - run, run);
}

/* --- closing, for evacuation --- */

void zs_arena_recycle(struct zs_arena *a, uint32_t n_blocks)
{
    zs_lock_acquire(&a->lock);
    a->recycle_blocks = n_blocks;
    zs_lock_release(&a->lock);
}

bool zs_block_close(struct zs_arena *a, uint32_t block)
{
    bool open;

    zs_lock_acquire(&a->lock);
    open = a->blocks[block].state == ZS_BLOCK_OPEN;
    if (open) {
        zs_block_unlist_locked(a, block);
        a->blocks[block].state = ZS_BLOCK_CLOSED;
    }
    zs_lock_release(&a->lock);
    return open;
}

void zs_block_skip(struct zs_arena *a, uint32_t block)
{
    struct zs_block *b = &a->blocks[block];

    zs_lock_acquire(&a->lock);
    b->skip_passes = (uint8_t)(1u << b->skip_shift);
    b->skip_shift = (uint8_t)(b->skip_shift + (b->skip_shift < MAX_SKIP_SHIFT));
    atomic_store_explicit(&a->has_skips, true, memory_order_relaxed);
    zs_lock_release(&a->lock);
}

void zs_block_unskip(struct zs_arena *a, uint32_t block)
{
    zs_lock_acquire(&a->lock);
    forget_skip_locked(&a->blocks[block]);
    zs_lock_release(&a->lock);
}

bool zs_arena_has_skips(const struct zs_arena *a)
{
    return atomic_load_explicit(&a->has_skips, memory_order_relaxed);
}

/* It is tried in the next pass; passed over as long as before if that is in
 * vain. */
void zs_block_forget_skip(struct zs_arena *a, zs_pfn_t pfn)
{
    struct zs_block *b = &a->blocks[pfn / ZS_BLOCK_PAGES];

    zs_lock_acquire(&a->lock);
    if (b->skip_shift > 0) {
        b->skip_passes = 0;
        atomic_store_explicit(&a->unblocked, true, memory_order_relaxed);
    }
    zs_lock_release(&a->lock);
}

void zs_block_lock_settled(struct zs_arena *a, uint32_t block)
{
    zs_lock_acquire(&a->lock);
    while (a->blocks[block].state == ZS_BLOCK_BUSY) {
        zs_lock_release(&a->lock);
        sched_yield();
        zs_lock_acquire(&a->lock);
    }
}

void zs_block_reopen(struct zs_arena *a, uint32_t block)
{
    bool release = false;

    zs_block_lock_settled(a, block);
    if (a->blocks[block].state == ZS_BLOCK_CLOSED ||
        a->blocks[block].state == ZS_BLOCK_HELD) {
        release = zs_block_settle_locked(a, block);
    }
    zs_lock_release(&a->lock);
    if (release) {
        zs_block_release(a, block);
    }
}
