/* SPDX-License-Identifier: MIT */
/*
 * balloon.c - inflating and deflating: pages taken from the arena, listed,
 * unlinked and finalized. See balloon_impl.h for the words and the rules.
 *
 * Inflating takes free pages in runs of RUN_PAGES, so that giving the memory
 * behind them back takes few system calls; they come from the fullest
 * pageblock that has such a run, and from untouched blocks last. Deflating
 * begins at the highest page: what stays gathers in front.
 */
#include "zspool/balloon.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "balloon_impl.h"
#include "os.h"

#define RUN_PAGES 32u
#define MAP_PAGE_BITS (ZS_OS_PAGE_BYTES * 8u)

/* --- the list --- */

int balloon_cover(struct zs_balloon *b, zs_pfn_t page)
{
    uint32_t need = page / MAP_PAGE_BITS + 1;
    uint32_t have;
    uint64_t bytes;

    zs_lock_acquire(&b->lock);
    have = b->n_map_pages;
    zs_lock_release(&b->lock);
    if (need <= have) {
        return 0;
    }
    bytes = (uint64_t)(need - have) * ZS_OS_PAGE_BYTES;
    if (zs_arena_charge_metadata(b->arena, bytes) != 0) {
        return -ENOMEM;
    }
    zs_lock_acquire(&b->lock);
    if (b->n_map_pages == have) {
        b->n_map_pages = need;
        bytes = 0;
    }
    zs_lock_release(&b->lock);
    if (bytes > 0) { /* somebody else has paid meanwhile, perhaps for less */
        zs_budget_uncharge_metadata(&b->arena->budget, bytes);
        return balloon_cover(b, page);
    }
    return 0;
}

void balloon_link_locked(struct zs_balloon *b, zs_pfn_t page)
{
    ZS_ASSERT_HELD(&b->lock);
    ZS_ASSERT(!zs_bit_test(b->list, page));
    zs_bit_set(b->list, page);
    b->n_listed++;
    b->top = page >= b->top ? page + 1 : b->top;
}

bool balloon_unlink_locked(struct zs_balloon *b, zs_pfn_t page)
{
    bool listed = page < b->top && zs_bit_test(b->list, page);

    ZS_ASSERT_HELD(&b->lock);
    if (listed) {
        zs_bit_clear(b->list, page);
        b->n_listed--;
    }
    return listed;
}

void balloon_finalize(struct zs_balloon *b, zs_pfn_t first, unsigned n)
{
    zs_pages_free(b->arena, first, n);
    zs_budget_unwithhold(&b->arena->budget, (uint64_t)n * ZS_PAGE_BYTES);
}

/* --- inflating --- */

/* A run of n free pages without memory, withheld from the limit. 0 or
 * -ENOMEM. */
static int take_run(struct zs_balloon *b, unsigned n, zs_pfn_t *first)
{
    uint64_t bytes = (uint64_t)n * ZS_PAGE_BYTES;

    if (zs_arena_withhold(b->arena, bytes) != 0) {
        return -ENOMEM;
    }
    if (zs_pages_alloc_for(b->arena, b->type, n, ZS_USE_BARE, first) != 0) {
        zs_budget_unwithhold(&b->arena->budget, bytes);
        return -ENOMEM;
    }
    if (!zs_pages_make_bare(b->arena, *first, n) ||
        balloon_cover(b, *first + n - 1) != 0) {
        balloon_finalize(b, *first, n);
        return -ENOMEM;
    }
    return 0;
}

/*
 * The one way in: as many of the pages as the target asks for are listed, and
 * movable from then on. Under the lock, so that nobody finalizes a page before
 * it is marked. The rest goes back. Returns how many were listed.
 */
static unsigned insert_run(struct zs_balloon *b, zs_pfn_t first, unsigned n)
{
    unsigned i = 0;

    zs_lock_acquire(&b->lock);
    for (; i < n && balloon_total_locked(b) < b->target; i++) {
        balloon_link_locked(b, first + i);
        zs_page_mark_movable(b->arena, first + i);
    }
    zs_lock_release(&b->lock);
    if (i < n) {
        balloon_finalize(b, first + i, n - i);
    }
    return i;
}

static uint64_t pages_missing(struct zs_balloon *b)
{
    uint64_t missing = 0;

    zs_lock_acquire(&b->lock);
    if (b->target > balloon_total_locked(b)) {
        missing = b->target - balloon_total_locked(b);
    }
    zs_lock_release(&b->lock);
    return missing;
}

uint64_t zs_balloon_fill(struct zs_balloon *b)
{
    uint64_t done = 0;
    uint64_t missing;
    unsigned n = RUN_PAGES;

    while (n > 0 && (missing = pages_missing(b)) > 0) {
        zs_pfn_t first;

        n = missing < n ? (unsigned)missing : n;
        zs_work_begin();
        if (take_run(b, n, &first) != 0) {
            n /= 2;
        } else {
            done += insert_run(b, first, n);
        }
        zs_work_end();
    }
    return done * ZS_PAGE_BYTES;
}

static uint64_t to_pages(uint64_t bytes)
{
    return bytes / ZS_PAGE_BYTES + (bytes % ZS_PAGE_BYTES != 0);
}

uint64_t zs_balloon_inflate(struct zs_balloon *b, uint64_t bytes)
{
    uint64_t all = zs_arena_nr_pages(b->arena);
    uint64_t more = to_pages(bytes);

    zs_lock_acquire(&b->lock);
    b->target = more < all - b->target ? b->target + more : all;
    zs_lock_release(&b->lock);
    return zs_balloon_fill(b);
}

/* --- deflating --- */

/* The highest listed page, unlinked, if there is one too many. */
static zs_pfn_t unlink_highest_locked(struct zs_balloon *b)
{
    ZS_ASSERT_HELD(&b->lock);
    if (b->n_listed == 0 || balloon_total_locked(b) <= b->target) {
        return ZS_PFN_NONE;
    }
    while (!balloon_unlink_locked(b, b->top - 1)) {
        b->top--;
    }
    return --b->top;
}

/* Unlink pages above the target. Those that lie below each other come as one
 * run of at most RUN_PAGES from *first on; returns its length, 0: none. */
static unsigned unlink_run(struct zs_balloon *b, zs_pfn_t *first)
{
    unsigned n = 0;
    zs_pfn_t page;

    zs_lock_acquire(&b->lock);
    page = unlink_highest_locked(b);
    while (page != ZS_PFN_NONE) {
        *first = page;
        n++;
        if (n < RUN_PAGES && page > 0 && zs_bit_test(b->list, page - 1)) {
            page = unlink_highest_locked(b);
        } else {
            page = ZS_PFN_NONE;
        }
    }
    zs_lock_release(&b->lock);
    return n;
}

static uint64_t free_surplus(struct zs_balloon *b)
{
    uint64_t done = 0;
    zs_pfn_t first = 0;
    unsigned n;

    do {
        zs_work_begin();
        n = unlink_run(b, &first);
        if (n > 0) {
            balloon_finalize(b, first, n);
        }
        zs_work_end();
        done += n;
    } while (n > 0);
    return done * ZS_PAGE_BYTES;
}

uint64_t zs_balloon_deflate(struct zs_balloon *b, uint64_t bytes)
{
    uint64_t less = to_pages(bytes);

    zs_lock_acquire(&b->lock);
    b->target = less < b->target ? b->target - less : 0;
    zs_lock_release(&b->lock);
    return free_surplus(b);
}

/* --- forks (fork.h) --- */

static struct zs_balloon *balloon_of(struct zs_fork_member *m)
{
    return (struct zs_balloon *)((char *)m - offsetof(struct zs_balloon, fork));
}

static void lock(struct zs_fork_member *m, enum zs_rank rank)
{
    if (rank == ZS_RANK_BALLOON) {
        zs_lock_acquire_together(&balloon_of(m)->lock);
    }
}

static void unlock(struct zs_fork_member *m, enum zs_rank rank)
{
    if (rank == ZS_RANK_BALLOON) {
        zs_lock_release_together(&balloon_of(m)->lock);
    }
}

static const struct zs_fork_ops fork_ops = { .lock = lock, .unlock = unlock };

/* --- create and destroy --- */

static size_t list_bytes(const struct zs_arena *a)
{
    size_t bytes = zs_arena_nr_pages(a) / 8;

    return (bytes + ZS_OS_PAGE_BYTES - 1) / ZS_OS_PAGE_BYTES * ZS_OS_PAGE_BYTES;
}

static int init_type(struct zs_balloon *b)
{
    int err = zs_page_type_create(b->arena, "balloon", &b->type);

    if (err) {
        return err;
    }
    err = zs_set_movable_ops(b->arena, b->type, &balloon_movable_ops, b);
    ZS_CHECK(err == 0); /* a fresh type has none */
    zs_set_shrink_ops(b->arena, b->type, &balloon_shrink_ops, b);
    zs_set_figures_ops(b->arena, b->type, &balloon_figures_ops, b);
    return 0;
}

static int init_balloon(struct zs_balloon *b)
{
    int err = zs_arena_charge_metadata(b->arena, sizeof(*b));

    if (err) {
        return err;
    }
    err = -ENOMEM;
    b->list = zs_os.reserve(list_bytes(b->arena), ZS_OS_PAGE_BYTES);
    if (!b->list) {
        goto undo_charge;
    }
    zs_lock_init(&b->lock, ZS_RANK_BALLOON);
    b->fork.how = &fork_ops;
    err = zs_fork_join(&b->fork);
    if (err) {
        goto undo_list;
    }
    err = init_type(b);
    if (!err) {
        return 0;
    }
    zs_fork_leave(&b->fork);
undo_list:
    zs_lock_destroy(&b->lock);
    zs_os.unreserve(b->list, list_bytes(b->arena));
undo_charge:
    zs_budget_uncharge_metadata(&b->arena->budget, sizeof(*b));
    return err;
}

int zs_balloon_create(struct zs_arena *arena, struct zs_balloon **out)
{
    struct zs_balloon *b;
    int err;

    zs_may_wait(__func__);
    b = zs_os.alloc(sizeof(*b));
    if (!b) {
        return -ENOMEM;
    }
    b->arena = arena;
    err = init_balloon(b);
    if (err) {
        zs_os.free(b);
        return err;
    }
    *out = b;
    return 0;
}

void zs_balloon_destroy(struct zs_balloon *b)
{
    uint64_t map_bytes;
    int err;

    if (!b) {
        return;
    }
    zs_may_wait(__func__);
    zs_fork_leave(&b->fork);
    zs_set_shrink_ops(b->arena, b->type, NULL, NULL);
    zs_set_figures_ops(b->arena, b->type, NULL, NULL);
    (void)zs_balloon_deflate(b, UINT64_MAX);
    while ((err = zs_page_type_destroy(b->arena, b->type)) == -EBUSY) {
        sched_yield(); /* the core has pages still, and lets go of them */
    }
    ZS_CHECK(err == 0 && b->n_listed == 0 && b->n_isolated == 0);
    map_bytes = (uint64_t)b->n_map_pages * ZS_OS_PAGE_BYTES;
    zs_budget_uncharge_metadata(&b->arena->budget, map_bytes + sizeof(*b));
    zs_os.unreserve(b->list, list_bytes(b->arena));
    zs_lock_destroy(&b->lock);
    zs_os.free(b);
}

/* --- figures --- */

void zs_balloon_stats(struct zs_balloon *b, struct zs_balloon_stats *out)
{
    memset(out, 0, sizeof(*out));
    zs_lock_acquire(&b->lock);
    out->target_bytes = b->target * ZS_PAGE_BYTES;
    out->current_bytes = balloon_total_locked(b) * ZS_PAGE_BYTES;
    out->listed_bytes = b->n_listed * ZS_PAGE_BYTES;
    out->isolated_bytes = b->n_isolated * ZS_PAGE_BYTES;
    out->pages_migrated = b->n_migrated;
    zs_lock_release(&b->lock);
}

uint64_t zs_balloon_target(struct zs_balloon *b)
{
    struct zs_balloon_stats s;

    zs_balloon_stats(b, &s);
    return s.target_bytes;
}

uint64_t zs_balloon_current(struct zs_balloon *b)
{
    struct zs_balloon_stats s;

    zs_balloon_stats(b, &s);
    return s.current_bytes;
}
