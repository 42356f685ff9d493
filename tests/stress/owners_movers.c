/* SPDX-License-Identifier: MIT */
/*
 * owners_movers.c - threads that move pages, each in its way, and assert what
 * they are told. A compactor thread of the library runs beside them.
 */
#include <errno.h>
#include <sched.h>
#include <string.h>
#include <time.h>

#include "migrate.h"
#include "owners.h"
#include "zspool/compactor.h"

#define MOST_OFFLINE 4u
#define MOST_RETIRED 64u

/* --- a mover that uses the public calls --- */

static zs_pfn_t random_page(void)
{
    return (zs_pfn_t)below(zs_arena_nr_pages(arena));
}

/* Mostly a page that somebody has. */
static zs_pfn_t random_used_page(void)
{
    zs_pfn_t page = random_page();

    for (unsigned i = 0; i < 4 && !zs_page_is_used(arena, page); i++) {
        page = random_page();
    }
    return page;
}

static void check_offline(uint32_t block)
{
    uint32_t words[ZS_BLOCK_PAGES];
    zs_pfn_t first = block * ZS_BLOCK_PAGES;

    REQUIRE(zs_arena_page_flags(arena, first, ZS_BLOCK_PAGES, words) == 0);
    for (unsigned i = 0; i < ZS_BLOCK_PAGES; i++) {
        zs_page_type_t type = zs_page_flags_type(words[i]);

        REQUIRE(type == 0 || type == ZS_PAGE_TYPE_RETIRED);
        REQUIRE(!zs_page_is_resident(arena, first + i));
    }
}

static void check_answer(int err, const struct zs_blocker *why, zs_pfn_t first,
                         zs_pfn_t n)
{
    REQUIRE(err == 0 || err == -EBUSY || err == -ENOMEM || err == -EIO ||
            err == -EINVAL);
    if (err == -EBUSY) {
        COUNT(busy);
        REQUIRE(why->page >= first && why->page < first + n);
    }
}

/* offline_blocks is a set of pageblocks, a bit for each. */
static void bring_online(uint64_t *offline_blocks, uint32_t block)
{
    size_t at = (size_t)block * ZS_BLOCK_BYTES;

    check_offline(block);
    REQUIRE(zs_arena_offline(arena, at, ZS_BLOCK_BYTES, NULL) == -EINVAL);
    REQUIRE(zs_arena_online(arena, at, ZS_BLOCK_BYTES) == 0);
    *offline_blocks &= ~((uint64_t)1 << block);
}

static void offline_op(uint64_t *offline_blocks)
{
    uint32_t block = random_used_page() / ZS_BLOCK_PAGES;
    uint64_t bit = (uint64_t)1 << block;
    size_t at = (size_t)block * ZS_BLOCK_BYTES;
    struct zs_blocker why = { 0 };
    int err;

    if ((*offline_blocks & bit) != 0 ||
        (unsigned)__builtin_popcountll(*offline_blocks) >= MOST_OFFLINE) {
        return;
    }
    REQUIRE(zs_arena_online(arena, at, ZS_BLOCK_BYTES) == -EINVAL);
    err = zs_arena_offline(arena, at, ZS_BLOCK_BYTES, &why);
    REQUIRE(err != -EINVAL);
    check_answer(err, &why, block * ZS_BLOCK_PAGES, ZS_BLOCK_PAGES);
    if (err == 0) {
        COUNT(offline);
        *offline_blocks |= bit;
        check_offline(block);
    }
}

static void retire_op(void)
{
    zs_pfn_t page = random_used_page();
    struct zs_blocker why = { 0 };
    int err;

    if (atomic_load_explicit(&counts.retired, memory_order_relaxed) >=
        MOST_RETIRED) {
        return;
    }
    err = zs_page_retire(arena, page, &why);
    check_answer(err, &why, page, 1);
    if (err == 0) {
        COUNT(retired);
        REQUIRE(!zs_page_is_resident(arena, page));
        REQUIRE(zs_page_retire(arena, page, NULL) == -EINVAL);
    }
}

/* A page that is never marked movable stays where it is, and is blamed. */
static void stuck_op(zs_page_type_t type)
{
    struct zs_blocker why = { 0 };
    zs_pfn_t page;
    int err;

    if (!got(zs_page_alloc(arena, type, &page))) {
        return;
    }
    err = zs_page_retire(arena, page, &why);
    REQUIRE(err == -EBUSY || err == -ENOMEM);
    check_answer(err, &why, page, 1);
    REQUIRE(err == -ENOMEM || strcmp(why.type_name, "stuck") == 0);
    zs_page_free(arena, type, page);
}

static void shrink_op(void)
{
    uint64_t bytes = 1 + below(MOST_WITHHELD);
    uint64_t deadline_ns = one_in(2) ? 0 : 1 + below(2000000);
    struct zs_shrink_result r;
    int err = zs_arena_shrink(arena, bytes, deadline_ns, &r);

    REQUIRE(err == 0);
    COUNT(shrinks);
    check_balloon();
}

/* So that some are online again when MOST_OFFLINE are not. */
static void online_op(uint64_t *offline_blocks)
{
    uint32_t block = (uint32_t)below(64);

    for (unsigned i = 0; i < 64; i++, block++) {
        if (*offline_blocks >> block % 64 & 1) {
            bring_online(offline_blocks, block % 64);
            return;
        }
    }
}

/* Each takes some grace periods, so in turn: all are met in a short run. */
void *move_all(void *arg)
{
    uint64_t offline_blocks = 0;
    zs_page_type_t type;

    set_seed(*(const uint64_t *)arg);
    REQUIRE(zs_page_type_create(arena, "stuck", &type) == 0);
    for (unsigned i = 0; !atomic_load_explicit(&done, memory_order_relaxed);
         i++) {
        switch (i % 8) {
        case 0:
        case 4:
            offline_op(&offline_blocks);
            break;
        case 1:
        case 5:
            retire_op();
            break;
        case 2:
            shrink_op();
            break;
        case 3:
            stuck_op(type);
            break;
        case 6:
            online_op(&offline_blocks);
            break;
        case 7:
            REQUIRE(zs_compact(arena, NULL) == 0);
            atomic_fetch_add_explicit(&n_rounds, 1, memory_order_relaxed);
            break;
        }
    }
    while (offline_blocks != 0) {
        online_op(&offline_blocks);
    }
    REQUIRE(zs_page_type_destroy(arena, type) == 0);
    return NULL;
}

/* --- movers that go by the core's own calls --- */

#define MOST_AT_ONCE 64u

static unsigned isolate_some(zs_pfn_t *pages)
{
    unsigned want = 1 + (unsigned)below(MOST_AT_ONCE);
    zs_pfn_t first = random_page();
    unsigned n = 0;

    for (unsigned i = 0; i < want; i++) {
        zs_pfn_t page = (first + i) % zs_arena_nr_pages(arena);

        if (zs_isolate_movable_ops_page(arena, page)) {
            COUNT(isolated);
            pages[n++] = page;
        }
    }
    return n;
}

static void dawdle(void)
{
    struct timespec t = { 0, (long)below(300000) };

    switch (below(4)) {
    case 0:
        nanosleep(&t, NULL);
        break;
    case 1:
        sched_yield();
        break;
    default:
        break;
    }
}

/* A page to move `src` to, with memory if that has some. False: no memory. */
static bool take_destination(zs_pfn_t src, zs_pfn_t *dst)
{
    uint32_t word;
    int err;

    REQUIRE(zs_arena_page_flags(arena, src, 1, &word) == 0);
    err = zs_pages_alloc(arena, zs_page_flags_type(word), 1, dst);
    if (!err && !zs_page_is_resident(arena, src)) {
        if (zs_page_is_resident(arena, *dst)) {
            zs_pages_depopulate(arena, *dst, 1);
        }
    } else if (!err && zs_pages_populate(arena, *dst, 1) != 0) {
        zs_pages_free(arena, *dst, 1);
        err = -ENOMEM;
    }
    if (err) {
        COUNT(no_destination);
    }
    return err == 0;
}

/* As zs_migrate_pages(), one at a time, not in one go. */
static unsigned migrate_slowly(zs_pfn_t *pages, unsigned n,
                               enum zs_migrate_mode mode)
{
    struct zs_limbo_batch limbo = { 0 };
    unsigned left = 0;

    for (unsigned i = 0; i < n; i++) {
        enum zs_migrate_result result = ZS_MIGRATE_RETRY;
        zs_pfn_t dst;

        if (take_destination(pages[i], &dst)) {
            dawdle();
            result =
                zs_migrate_movable_ops_page(arena, dst, pages[i], mode, &limbo);
            if (result != ZS_MIGRATE_DONE) {
                zs_pages_free(arena, dst, 1);
            }
        }
        if (result == ZS_MIGRATE_RETRY || result == ZS_MIGRATE_REFUSED) {
            pages[left++] = pages[i];
        }
    }
    zs_limbo_defer(arena, &limbo);
    return left;
}

void *move_by_hand(void *arg)
{
    set_seed(*(const uint64_t *)arg);
    while (!atomic_load_explicit(&done, memory_order_relaxed)) {
        enum zs_migrate_mode mode =
            one_in(2) ? ZS_MIGRATE_SYNC : ZS_MIGRATE_ASYNC;
        zs_pfn_t pages[MOST_AT_ONCE];
        unsigned n = isolate_some(pages);
        unsigned left = n;

        dawdle();
        if (!one_in(4)) {
            left = one_in(2) ? zs_migrate_pages(arena, pages, n, mode)
                             : migrate_slowly(pages, n, mode);
        }
        dawdle();
        atomic_fetch_add_explicit(&counts.migrated, n - left,
                                  memory_order_relaxed);
        for (unsigned i = 0; i < left; i++) {
            zs_putback_movable_ops_page(arena, pages[i]);
            COUNT(put_back);
        }
        if (zs_deferred_is_full(arena)) {
            zs_grace_flush(&arena->grace);
        }
    }
    return NULL;
}
