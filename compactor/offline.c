/* SPDX-License-Identifier: MIT */
/*
 * offline.c - pageblocks and pages that are emptied to be taken out of use.
 *
 * Idea
 *   Hold what is to go (lib/page/offline.c), empty it as a compaction pass
 *   would, and wait for readers; a few rounds, for writers pass. Then it is
 *   empty and taken, or the first page that is still there is named and
 *   everything goes back to what it was.
 *
 * Locking: pass_lock throughout, so OFFLINE changes here only, and an OFFLINE
 * block in the range, when undoing, is this call's own.
 */
#include <errno.h>
#include <sched.h>

#include "evacuate.h"
#include "migrate.h"
#include "page_flags.h"
#include "shrink.h"
#include "zspool/compactor.h"

#define ROUNDS 4u

struct range {
    uint32_t first, end; /* pageblocks */
};

static int range_of(const struct zs_arena *a, size_t first, size_t bytes,
                    struct range *r)
{
    if (first % ZS_BLOCK_BYTES != 0 || bytes % ZS_BLOCK_BYTES != 0 ||
        bytes == 0 || first > a->bytes || bytes > a->bytes - first) {
        return -EINVAL;
    }
    r->first = (uint32_t)(first / ZS_BLOCK_BYTES);
    r->end = r->first + (uint32_t)(bytes / ZS_BLOCK_BYTES);
    return 0;
}

static bool all_offline_is(struct zs_arena *a, const struct range *r,
                           bool offline)
{
    for (uint32_t i = r->first; i < r->end; i++) {
        if (zs_block_is_offline(a, i) != offline) {
            return false;
        }
    }
    return true;
}

/* Hold a block; if it is EMPTY, do that instead. */
static int hold_or(struct zs_arena *a, uint32_t block,
                   int (*if_empty)(struct zs_arena *a, uint32_t block))
{
    int err;

    do {
        err = zs_block_hold(a, block);
        if (err == -ENOENT) {
            err = if_empty(a, block);
        }
        if (err == -EAGAIN) {
            sched_yield(); /* an allocation is giving its memory back */
        }
    } while (err == -EAGAIN);
    return err;
}

static int hold_range(struct zs_arena *a, const struct range *r)
{
    for (uint32_t i = r->first; i < r->end; i++) {
        int err = hold_or(a, i, zs_block_take_offline);

        if (err) {
            return err;
        }
    }
    return 0;
}

static unsigned pages_left(struct zs_arena *a, const struct range *r)
{
    unsigned n = 0;

    for (uint32_t i = r->first; i < r->end; i++) {
        n += zs_block_pages_left(a, i);
    }
    return n;
}

/* Ask everything in the range to leave, once. The memory of what has left goes
 * back, so that at the limit others can move there. */
static void empty_once(struct zs_arena *a, const struct range *r)
{
    for (uint32_t i = r->first; i < r->end; i++) {
        if (zs_block_pages_left(a, i) > 0) {
            zs_evacuate_pages(a, i * ZS_BLOCK_PAGES, ZS_BLOCK_PAGES);
        }
    }
    zs_grace_flush(&a->grace);
    (void)zs_arena_trim(a, zs_idle_blocks(a));
}

/* Until nothing is left, or nothing more has left in some rounds. */
static void empty_range(struct zs_arena *a, const struct range *r)
{
    unsigned left = pages_left(a, r);

    for (uint32_t i = r->first; i < r->end; i++) {
        zs_evacuate_detach(a, i * ZS_BLOCK_PAGES, ZS_BLOCK_PAGES);
    }
    for (unsigned idle = 0; idle < ROUNDS && left > 0; idle++) {
        unsigned before = left;

        empty_once(a, r);
        left = pages_left(a, r);
        if (left < before) {
            idle = 0;
        }
    }
    zs_evacuate_attach_owners(a);
}

/* Is it for want of memory that pages do not move? */
static bool is_no_memory(struct zs_arena *a)
{
    zs_pfn_t page;
    bool none;

    if (zs_pages_alloc(a, ZS_PAGE_TYPE_RETIRED, 1, &page) != 0) {
        return true;
    }
    none = zs_pages_populate(a, page, 1) != 0;
    zs_pages_free(a, page, 1);
    return none;
}

/* Why `page` has not moved. */
static int blame_page(struct zs_arena *a, zs_pfn_t page, struct zs_blocker *why)
{
    struct zs_blocker found;

    zs_describe_page(a, page, &found);
    if (why) {
        *why = found;
    }
    return is_no_memory(a) ? -ENOMEM : -EBUSY;
}

/* LIMBO pages are not: their readers were waited for, so they are new there. */
static bool is_in_the_way(struct zs_arena *a, zs_pfn_t page)
{
    uint32_t word = zs_page_word(zs_page(a, page));

    return zs_word_is_owners(word) &&
           zs_word_type(word) != ZS_PAGE_TYPE_RETIRED;
}

static int blame_block(struct zs_arena *a, uint32_t block,
                       struct zs_blocker *why)
{
    zs_pfn_t first = block * ZS_BLOCK_PAGES;

    for (zs_pfn_t page = first; page < first + ZS_BLOCK_PAGES; page++) {
        if (is_in_the_way(a, page)) {
            return blame_page(a, page, why);
        }
    }
    return blame_page(a, first, why); /* freed just now */
}

static int take_range(struct zs_arena *a, const struct range *r,
                      struct zs_blocker *why)
{
    for (uint32_t i = r->first; i < r->end; i++) {
        int err;

        if (zs_block_is_offline(a, i)) {
            continue; /* it was EMPTY */
        }
        err = zs_block_take_offline(a, i);
        if (err == -EAGAIN) {
            return blame_block(a, i, why);
        }
        if (err) {
            return err;
        }
    }
    return 0;
}

static void undo(struct zs_arena *a, const struct range *r)
{
    for (uint32_t i = r->first; i < r->end; i++) {
        if (zs_block_is_offline(a, i)) {
            zs_block_bring_online(a, i);
        } else {
            zs_block_reopen(a, i); /* nothing, if it was not held yet */
        }
    }
}

static int offline_locked(struct zs_arena *a, const struct range *r,
                          struct zs_blocker *why)
{
    int err;

    if (!all_offline_is(a, r, false)) {
        return -EINVAL;
    }
    err = hold_range(a, r);
    if (!err) {
        empty_range(a, r);
        err = take_range(a, r, why);
    }
    if (err) {
        undo(a, r);
    }
    return err;
}

int zs_arena_offline(struct zs_arena *a, size_t first, size_t bytes,
                     struct zs_blocker *why)
{
    struct range r;
    int err = range_of(a, first, bytes, &r);

    if (err) {
        return err;
    }
    zs_may_wait(__func__);
    zs_arena_begin_pass(a);
    err = offline_locked(a, &r, why);
    zs_arena_end_pass(a);
    return err;
}

int zs_arena_online(struct zs_arena *a, size_t first, size_t bytes)
{
    struct range r;
    int err = range_of(a, first, bytes, &r);

    if (err) {
        return err;
    }
    zs_may_wait(__func__);
    zs_arena_begin_pass(a);
    if (all_offline_is(a, &r, true)) {
        for (uint32_t i = r.first; i < r.end; i++) {
            zs_block_bring_online(a, i);
        }
    } else {
        err = -EINVAL;
    }
    zs_arena_end_pass(a);
    return err;
}

/* --- one page --- */

static void empty_page(struct zs_arena *a, zs_pfn_t page)
{
    for (unsigned i = 0; i < ROUNDS && zs_page_is_used(a, page); i++) {
        zs_evacuate_pages(a, page, 1);
        zs_grace_flush(&a->grace);
    }
    zs_evacuate_attach_owners(a);
}

static int retire_locked(struct zs_arena *a, zs_pfn_t page,
                         struct zs_blocker *why)
{
    uint32_t block = page / ZS_BLOCK_PAGES;
    int err = hold_or(a, block, zs_block_open_held);

    if (err) {
        return err;
    }
    empty_page(a, page);
    if (zs_page_is_used(a, page)) {
        err = blame_page(a, page, why);
    } else {
        err = zs_page_take_retired(a, page);
    }
    zs_block_reopen(a, block);
    return err;
}

int zs_page_retire(struct zs_arena *a, zs_pfn_t page, struct zs_blocker *why)
{
    int err = -EINVAL;

    if (page >= zs_arena_nr_pages(a)) {
        return -EINVAL;
    }
    zs_may_wait(__func__);
    zs_arena_begin_pass(a);
    if (zs_word_type(zs_page_word(zs_page(a, page))) != ZS_PAGE_TYPE_RETIRED) {
        err = retire_locked(a, page, why);
    }
    zs_arena_end_pass(a);
    return err;
}
