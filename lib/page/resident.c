/* SPDX-License-Identifier: MIT */
/*
 * resident.c - which pages have memory behind them, and giving it back.
 *
 * Idea
 *   The range is reserved without memory. A page gets memory when its owner
 *   populates it, keeps it when it is freed (the next owner need not fault),
 *   and loses it when its block empties, when free pages are trimmed, or when
 *   its owner depopulates it. The `resident` bits are therefore what mincore
 *   and smaps say; a test holds them to it.
 *
 * Invariants
 *   B1 (budget.h)
 *   E1  a page whose bit is clear is never touched
 *   K3 (block.h): nothing of a huge block is given back in part
 *
 * Locking: bits under the arena lock; system calls after unlock. Meanwhile the
 * pages are safe because they are the caller's (populate, depopulate) or their
 * block is BUSY (release, trim).
 *
 * Cost: populating 0.7 us a page against 11 us for a fault. Giving back is paid
 * by the call, for interrupting the other processors, more than by the page: on
 * a virtual machine with another thread running 1.5 us a page in slices of 256
 * KiB, 0.35 in whole blocks. So an empty block goes in one call, whichever of
 * its pages are resident; no lock is held meanwhile.
 * (docs/decisions/0002-giving-back.md)
 */
#include <errno.h>

#include "os.h"
#include "page.h"
#include "probe.h"

/* --- taking memory --- */

void zs_arena_wake_locked(struct zs_arena *a)
{
    ZS_ASSERT_HELD(&a->lock);
    if (a->waker) {
        atomic_store_explicit(&a->woken, true, memory_order_relaxed);
        (void)sem_post(a->waker);
    }
}

void zs_arena_wake(struct zs_arena *a)
{
    zs_lock_acquire(&a->lock);
    zs_arena_wake_locked(a);
    zs_lock_release(&a->lock);
}

/* Once for each mark that the compactor has set. */
static void wake_compactor(struct zs_arena *a)
{
    zs_lock_acquire(&a->lock);
    atomic_store_explicit(&a->wake_above, UINT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&a->wake_freed, UINT64_MAX, memory_order_relaxed);
    zs_arena_wake_locked(a);
    zs_lock_release(&a->lock);
}

void zs_arena_note_freed(struct zs_arena *a, uint64_t bytes)
{
    uint64_t freed = bytes + atomic_fetch_add_explicit(&a->freed_bytes, bytes,
                                                       memory_order_relaxed);

    if (freed > atomic_load_explicit(&a->wake_freed, memory_order_relaxed)) {
        wake_compactor(a);
    }
}

void zs_arena_note_growth(struct zs_arena *a)
{
    if (atomic_load_explicit(&a->budget.used, memory_order_relaxed) >
        atomic_load_explicit(&a->wake_above, memory_order_relaxed)) {
        wake_compactor(a);
    }
}

static int charge(struct zs_arena *a, uint64_t bytes)
{
    if (zs_budget_try_charge(&a->budget, bytes)) {
        zs_arena_note_growth(a);
        return 0;
    }
    (void)zs_arena_trim(a,
                        0); /* whoever gives memory back, there may be some */
    return zs_budget_try_charge(&a->budget, bytes) ? 0 : -ENOMEM;
}

int zs_arena_charge_metadata(struct zs_arena *a, uint64_t bytes)
{
    int err = charge(a, bytes);

    if (!err) {
        atomic_fetch_add_explicit(&a->budget.metadata, bytes,
                                  memory_order_relaxed);
    }
    return err;
}

int zs_arena_withhold(struct zs_arena *a, uint64_t bytes)
{
    int err = charge(a, bytes);

    if (!err) {
        atomic_fetch_add_explicit(&a->budget.withheld, bytes,
                                  memory_order_relaxed);
    }
    return err;
}

static unsigned set_resident(struct zs_arena *a, zs_pfn_t first, unsigned n,
                             bool resident)
{
    struct zs_block *b = &a->blocks[first / ZS_BLOCK_PAGES];
    unsigned changed;
    bool open;

    zs_lock_acquire(&a->lock);
    open = b->state == ZS_BLOCK_OPEN; /* A3 counts its idle pages */
    a->n_pages_idle -= open ? zs_block_n_idle(b) : 0;
    changed = zs_block_set_resident(b, first % ZS_BLOCK_PAGES, n, resident);
    a->n_pages_idle += open ? zs_block_n_idle(b) : 0;
    zs_lock_release(&a->lock);
    return changed;
}

static unsigned count_missing(struct zs_arena *a, zs_pfn_t first, unsigned n)
{
    const struct zs_block *b = &a->blocks[first / ZS_BLOCK_PAGES];
    unsigned missing = 0;

    zs_lock_acquire(&a->lock);
    for (unsigned i = 0; i < n; i++) {
        missing += !zs_bit_test(b->resident, first % ZS_BLOCK_PAGES + i);
    }
    zs_lock_release(&a->lock);
    return missing;
}

/* The system has failed, perhaps after it made some of the pages resident. */
static void undo_populate(struct zs_arena *a, zs_pfn_t first, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (count_missing(a, first + i, 1) > 0) {
            (void)zs_os.release(zs_page_addr(a, first + i), ZS_PAGE_BYTES);
        }
    }
}

/* The pages are the caller's, so nobody changes their bits between the two
 * looks. */
static int populate_in_block(struct zs_arena *a, zs_pfn_t first, unsigned n)
{
    uint64_t bytes = (uint64_t)count_missing(a, first, n) * ZS_PAGE_BYTES;
    int err;

    if (bytes == 0) {
        return 0;
    }
    err = charge(a, bytes);
    if (err) {
        return err;
    }
    err = zs_os.populate(zs_page_addr(a, first), (size_t)n * ZS_PAGE_BYTES);
    if (err) {
        undo_populate(a, first, n);
        zs_budget_uncharge(&a->budget, bytes);
        return -ENOMEM;
    }
    set_resident(a, first, n, true);
    return 0;
}

int zs_pages_populate(struct zs_arena *a, zs_pfn_t first, unsigned n)
{
    while (n > 0) {
        unsigned part = pages_in_block(first, n);
        int err = populate_in_block(a, first, part);

        if (err) {
            return err;
        }
        first += part;
        n -= part;
    }
    return 0;
}

bool zs_page_is_resident(struct zs_arena *a, zs_pfn_t pfn)
{
    return count_missing(a, pfn, 1) == 0;
}

bool zs_pages_any_resident(struct zs_arena *a, zs_pfn_t first, unsigned n)
{
    bool any = false;

    while (n > 0 && !any) {
        unsigned part = pages_in_block(first, n);

        any = count_missing(a, first, part) < part;
        first += part;
        n -= part;
    }
    return any;
}

/* --- giving it back --- */

/* Returns the bytes given back; none where the system refuses, then the pages
 * stay resident, and counted. */
static uint64_t release_pages(struct zs_arena *a, zs_pfn_t first, unsigned n)
{
    uint64_t gone;

    if (zs_os.release(zs_page_addr(a, first), (size_t)n * ZS_PAGE_BYTES) != 0) {
        return 0;
    }
    gone = (uint64_t)set_resident(a, first, n, false) * ZS_PAGE_BYTES;
    zs_budget_uncharge(&a->budget, gone);
    return gone;
}

static void count_released(struct zs_arena *a, uint64_t bytes)
{
    zs_lock_acquire(&a->lock);
    a->bytes_released += bytes;
    zs_lock_release(&a->lock);
}

void zs_pages_depopulate(struct zs_arena *a, zs_pfn_t first, unsigned n)
{
    while (n > 0) {
        unsigned part = pages_in_block(first, n);

        if (!zs_page_is_huge(a, first)) {
            count_released(a, release_pages(a, first, part));
        }
        first += part;
        n -= part;
    }
}

unsigned zs_pages_alike(struct zs_arena *a, zs_pfn_t first, unsigned n,
                        bool *resident)
{
    const struct zs_block *b = &a->blocks[first / ZS_BLOCK_PAGES];
    unsigned at = first % ZS_BLOCK_PAGES;
    unsigned end = at + pages_in_block(first, n);

    zs_lock_acquire(&a->lock);
    *resident = zs_bit_test(b->resident, at);
    end = (unsigned)zs_bits_next(b->resident, at, end, !*resident);
    zs_lock_release(&a->lock);
    return end - at;
}

bool zs_pages_make_bare(struct zs_arena *a, zs_pfn_t first, unsigned n)
{
    bool bare = true;

    while (n > 0) {
        bool resident;
        unsigned len = zs_pages_alike(a, first, n, &resident);

        if (resident) {
            zs_pages_depopulate(a, first, len);
            bare = bare && !zs_page_is_resident(a, first);
        }
        first += len;
        n -= len;
    }
    return bare;
}

static uint64_t release_idle_runs(struct zs_arena *a, uint32_t block)
{
    const struct zs_block *b = &a->blocks[block];
    uint64_t gone = 0;
    unsigned first = 0;

    for (;;) {
        unsigned n;

        zs_lock_acquire(&a->lock);
        n = zs_block_next_idle_run(b, &first);
        zs_lock_release(&a->lock);
        if (n == 0) {
            return gone;
        }
        gone += release_pages(a, block * ZS_BLOCK_PAGES + first, n);
        first += n;
    }
}

bool zs_block_release_memory(struct zs_arena *a, uint32_t block, uint64_t *gone)
{
    struct zs_block *b = &a->blocks[block];
    bool keep_descriptors = b->n_retired > 0; /* BUSY: it stays so */
    bool done;

    *gone = 0;
    if (!zs_block_make_small(a, block)) {
        return false;
    }
    *gone = release_pages(a, block * ZS_BLOCK_PAGES, ZS_BLOCK_PAGES);
    done = true;
    if (!keep_descriptors) {
        done = zs_os.release(&a->pages[(size_t)block * ZS_BLOCK_PAGES],
                             ZS_BLOCK_PAGES * sizeof(struct zs_page)) == 0;
    }
    zs_lock_acquire(&a->lock);
    a->bytes_released += *gone;
    done = done && b->n_resident == 0;
    if (done && !keep_descriptors) {
        zs_budget_uncharge_metadata(&a->budget, ZS_OS_PAGE_BYTES);
        a->n_blocks_used--;
        a->n_blocks_released++;
    }
    zs_lock_release(&a->lock);
    return done;
}

/* A BUSY block without used pages becomes EMPTY, its descriptors' page goes
 * too. When the system refuses it stays, idle and resident. */
static uint64_t release_whole(struct zs_arena *a, uint32_t block)
{
    uint64_t gone;
    bool done = zs_block_release_memory(a, block, &gone);

    zs_lock_acquire(&a->lock);
    if (done) {
        a->blocks[block].state = ZS_BLOCK_EMPTY;
        zs_bit_clear(a->not_empty, block);
    } else {
        zs_block_relist_locked(a, block);
    }
    zs_lock_release(&a->lock);
    if (done) {
        ZS_PROBE2(block_released, block, gone);
    }
    return gone;
}

void zs_block_release(struct zs_arena *a, uint32_t block)
{
    (void)release_whole(a, block);
}

/* An empty block goes whole, but for one that is held. */
static bool goes_whole(const struct zs_block *b)
{
    return b->n_used == 0 && b->resume != ZS_BLOCK_HELD;
}

static bool has_idle_pages(const struct zs_block *b)
{
    unsigned first = 0;

    return !b->huge && zs_block_next_idle_run(b, &first) > 0;
}

static bool may_be_trimmed(const struct zs_block *b)
{
    switch ((enum zs_block_state)b->state) {
    case ZS_BLOCK_OPEN:
        return b->n_used == 0 || has_idle_pages(b);
    case ZS_BLOCK_CLOSED:
    case ZS_BLOCK_HELD:
        return has_idle_pages(b);
    default:
        return false;
    }
}

/* Make a block with idle pages BUSY. False: nothing to gain in it, or it is
 * one of the empty blocks to keep. */
static bool begin_trim(struct zs_arena *a, uint32_t block, uint32_t *keep)
{
    struct zs_block *b = &a->blocks[block];
    bool begin;

    zs_lock_acquire(&a->lock);
    begin = may_be_trimmed(b);
    if (begin && b->state == ZS_BLOCK_OPEN && b->n_used == 0 && *keep > 0) {
        begin = false;
        (*keep)--;
    }
    if (begin && b->state == ZS_BLOCK_OPEN) {
        zs_block_unlist_locked(a, block);
    }
    if (begin) {
        b->resume = b->state;
        b->state = ZS_BLOCK_BUSY;
    }
    zs_lock_release(&a->lock);
    return begin;
}

/* Leave BUSY as it was entered. False: it is empty by now, and stays BUSY. */
static bool resume_locked(struct zs_arena *a, uint32_t block)
{
    struct zs_block *b = &a->blocks[block];

    if (goes_whole(b)) {
        return false;
    }
    if (b->resume == ZS_BLOCK_OPEN) {
        zs_block_relist_locked(a, block);
    } else {
        b->state = b->resume;
    }
    return true;
}

static uint64_t trim_block(struct zs_arena *a, uint32_t block)
{
    struct zs_block *b = &a->blocks[block];
    uint64_t gone;
    bool empty;

    zs_lock_acquire(&a->lock);
    empty = goes_whole(b);
    zs_lock_release(&a->lock);
    if (empty) {
        return release_whole(a, block);
    }
    gone = release_idle_runs(a, block);
    zs_lock_acquire(&a->lock);
    a->bytes_released += gone;
    empty = !resume_locked(a, block);
    zs_lock_release(&a->lock);
    if (empty) {
        gone += release_whole(a, block);
    }
    return gone;
}

static uint32_t touched_blocks(struct zs_arena *a)
{
    uint32_t n;

    zs_lock_acquire(&a->lock);
    n = a->n_touched_blocks;
    zs_lock_release(&a->lock);
    return n;
}

uint64_t zs_arena_trim(struct zs_arena *a, uint32_t keep_blocks)
{
    uint32_t n = touched_blocks(a);
    uint64_t gone = 0;

    zs_work_begin();
    for (uint32_t i = 0; i < n; i++) {
        if (begin_trim(a, i, &keep_blocks)) {
            gone += trim_block(a, i);
        }
    }
    zs_work_end();
    return gone;
}

void zs_arena_trim_paced(struct zs_arena *a, uint32_t keep_blocks)
{
    uint32_t n = touched_blocks(a);

    ZS_ASSERT_HELD(&a->pass_lock);
    for (uint32_t i = 0; i < n && !zs_pace_is_ending(&a->pace); i++) {
        if (begin_trim(a, i, &keep_blocks)) {
            (void)trim_block(a, i);
            zs_pace_point(&a->pace);
        }
    }
}
