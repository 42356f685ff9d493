/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of lib/migrate: page types, and the path of a page through the
 * core, with an owner whose answers are set by each test.
 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "core_edges.h"
#include "migrate.h"
#include "rcu.h"
#include "zspool/movable_ops.h"
#include "zspool/stats.h"

#define BLOCK ZS_BLOCK_PAGES
#define MAX_PAGES 2048u

static struct zs_arena *arena;

/* --- an owner of pages, and what it will answer --- */

/* What the owner does when it is asked about one of its pages. */
enum manner {
    WILLING,          /* true, DONE                       */
    UNWILLING,        /* false, REFUSED                   */
    BUSY,             /* true, RETRY                      */
    FREES_SAYING_NO,  /* frees the page, false or GONE    */
    FREES_SAYING_YES, /* frees the page; true, isolate only */
    SAYS_GONE,        /* frees it only later              */
};

static struct owner {
    zs_page_type_t type;
    enum manner at_isolate, at_migrate;
    enum manner page_manner[MAX_PAGES]; /* WILLING: as at_migrate says */
    unsigned busy_answers[MAX_PAGES];   /* RETRY so often, then DONE */
    unsigned asked[MAX_PAGES];          /* to migrate */
    zs_pfn_t moved_to[MAX_PAGES];
    unsigned n_isolate, n_migrate, n_putback;
    enum zs_migrate_mode mode;
} owner;

static bool isolate_page(void *ctx, zs_pfn_t page)
{
    struct owner *o = ctx;

    assert_ptr_equal(ctx, &owner);
    assert_true(zs_in_read_section()); /* C2 */
    ZS_ASSERT_NONE_FROM(0);            /* no lock is held */
    o->n_isolate++;
    if (o->at_isolate == FREES_SAYING_NO || o->at_isolate == FREES_SAYING_YES) {
        zs_pages_free(arena, page, 1);
    }
    return o->at_isolate == WILLING || o->at_isolate == FREES_SAYING_YES;
}

static enum zs_migrate_result move_to(struct owner *o, zs_pfn_t dst,
                                      zs_pfn_t src)
{
    if (zs_page_is_resident(arena, src)) {
        memcpy(zs_page_addr(arena, dst), zs_page_addr(arena, src),
               ZS_PAGE_BYTES);
    }
    zs_page_set_owner(arena, dst, zs_page_owner(arena, src));
    zs_page_set_movable_edge(zs_page(arena, dst));
    o->moved_to[src] = dst;
    return ZS_MIGRATE_DONE;
}

static enum zs_migrate_result
migrate_page(void *ctx, zs_pfn_t dst, zs_pfn_t src, enum zs_migrate_mode mode)
{
    struct owner *o = ctx;
    enum manner manner = o->page_manner[src];

    assert_true(zs_in_read_section()); /* C2 */
    ZS_ASSERT_NONE_FROM(0);            /* no lock is held */
    o->n_migrate++;
    o->asked[src]++;
    o->mode = mode;
    if (o->busy_answers[src] > 0) {
        o->busy_answers[src]--;
        return ZS_MIGRATE_RETRY;
    }
    switch (manner == WILLING ? o->at_migrate : manner) {
    case UNWILLING:
        return ZS_MIGRATE_REFUSED;
    case BUSY:
        return ZS_MIGRATE_RETRY;
    case FREES_SAYING_NO:
        zs_pages_free(arena, src, 1);
        return ZS_MIGRATE_GONE;
    case SAYS_GONE:
        return ZS_MIGRATE_GONE;
    default:
        return move_to(o, dst, src);
    }
}

static void putback_page(void *ctx, zs_pfn_t page)
{
    struct owner *o = ctx;

    assert_true(zs_in_read_section()); /* C2 */
    assert_int_equal(zs_word_state(zs_page_word(zs_page(arena, page))),
                     ZS_PAGE_ISOLATED);
    o->n_putback++;
}

static const struct zs_movable_ops ops = { .isolate_page = isolate_page,
                                           .migrate_page = migrate_page,
                                           .putback_page = putback_page };

/* --- an arena of four blocks with that owner --- */

static int create(void **unused)
{
    struct zs_arena_config cfg = { .reserve_bytes = 4 * ZS_BLOCK_BYTES };

    (void)unused;
    owner = (struct owner){ 0 };
    return zs_arena_create(&cfg, &arena) ||
           zs_page_type_create(arena, "test", &owner.type) ||
           zs_set_movable_ops(arena, owner.type, &ops, &owner);
}

static enum zs_page_state state_of(zs_pfn_t page)
{
    return zs_word_state(zs_page_word(zs_page(arena, page)));
}

static unsigned n_in_state(enum zs_page_state state)
{
    unsigned n = 0;

    for (zs_pfn_t i = 0; i < arena->bytes / ZS_PAGE_BYTES; i++) {
        n += state_of(i) == state;
    }
    return n;
}

static unsigned n_in_use(void)
{
    return (unsigned)(arena->n_blocks * BLOCK) - n_in_state(ZS_PAGE_FREE);
}

static uint64_t n_counted(void)
{
    struct zs_arena_stats s;

    zs_arena_stats(arena, &s);
    assert_int_equal(s.used_bytes / ZS_PAGE_BYTES,
                     arena->types[owner.type].n_pages);
    return s.used_bytes / ZS_PAGE_BYTES;
}

/* All that is left is the owner's own to free, or waits for readers. */
static int destroy(void **unused)
{
    (void)unused;
    while (zs_in_read_section()) { /* a test has failed in a callback */
        zs_read_unlock();
    }
    for (zs_pfn_t i = 0; i < arena->bytes / ZS_PAGE_BYTES; i++) {
        if (state_of(i) == ZS_PAGE_MOVABLE || state_of(i) == ZS_PAGE_OWNED) {
            zs_pages_free(arena, i, 1);
        }
    }
    zs_grace_flush(&arena->grace);
    if (n_in_use() != 0 || n_counted() != 0 ||
        zs_page_type_destroy(arena, owner.type) != 0) {
        return -1;
    }
    zs_arena_destroy(arena);
    return 0;
}

static void fill_page(zs_pfn_t page, uint32_t value)
{
    uint32_t *p = zs_page_addr(arena, page);

    for (unsigned i = 0; i < ZS_PAGE_BYTES / sizeof(*p); i++) {
        p[i] = value + i;
    }
}

static void assert_page_holds(zs_pfn_t page, uint32_t value)
{
    const uint32_t *p = zs_page_addr(arena, page);

    for (unsigned i = 0; i < ZS_PAGE_BYTES / sizeof(*p); i++) {
        assert_int_equal(p[i], value + i);
    }
}

/* A run of movable pages, with memory, each filled with its own number. */
static zs_pfn_t take_movable(unsigned n)
{
    zs_pfn_t first = ZS_PFN_NONE;

    assert_int_equal(zs_pages_alloc(arena, owner.type, n, &first), 0);
    assert_int_equal(zs_pages_populate(arena, first, n), 0);
    for (unsigned i = 0; i < n; i++) {
        fill_page(first + i, first + i);
        zs_page_set_owner(arena, first + i, 1000 + first + i);
        zs_page_set_movable_edge(zs_page(arena, first + i));
    }
    return first;
}

static unsigned isolate_run(zs_pfn_t first, unsigned n, zs_pfn_t *pages)
{
    for (unsigned i = 0; i < n; i++) {
        assert_true(zs_isolate_movable_ops_page(arena, first + i));
        pages[i] = first + i;
    }
    return n;
}

static void put_back(const zs_pfn_t *pages, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        zs_putback_movable_ops_page(arena, pages[i]);
    }
}

/* --- page types --- */

static void type_create__gives_255_types_and_then_enospc(void **unused)
{
    zs_page_type_t types[ZS_PAGE_TYPE_MAX];
    zs_page_type_t none = 77;

    (void)unused;
    for (unsigned i = 1; i < ZS_PAGE_TYPE_MAX; i++) { /* one is there */
        assert_int_equal(zs_page_type_create(arena, "more", &types[i]), 0);
        assert_int_not_equal(types[i], 0);
        assert_int_not_equal(types[i], owner.type);
    }
    assert_int_equal(zs_page_type_create(arena, "more", &none), -ENOSPC);
    assert_int_equal(none, 77);
    for (unsigned i = 1; i < ZS_PAGE_TYPE_MAX; i++) {
        assert_int_equal(zs_page_type_destroy(arena, types[i]), 0);
    }
}

static void set_ops__a_second_time_is_ebusy(void **unused)
{
    (void)unused;
    assert_int_equal(zs_set_movable_ops(arena, owner.type, &ops, &owner),
                     -EBUSY);
}

static void set_ops__without_type_or_callback_is_einval(void **unused)
{
    struct zs_movable_ops broken = ops;
    zs_page_type_t other;

    (void)unused;
    assert_int_equal(zs_page_type_create(arena, "other", &other), 0);
    assert_int_equal(zs_set_movable_ops(arena, 0, &ops, NULL), -EINVAL);
    assert_int_equal(
        zs_set_movable_ops(arena, (zs_page_type_t)(other + 1), &ops, NULL),
        -EINVAL);
    assert_int_equal(zs_set_movable_ops(arena, other, NULL, NULL), -EINVAL);
    broken.isolate_page = NULL;
    assert_int_equal(zs_set_movable_ops(arena, other, &broken, NULL), -EINVAL);
    broken = ops;
    broken.migrate_page = NULL;
    assert_int_equal(zs_set_movable_ops(arena, other, &broken, NULL), -EINVAL);
    broken = ops;
    broken.putback_page = NULL;
    assert_int_equal(zs_set_movable_ops(arena, other, &broken, NULL), -EINVAL);
    assert_int_equal(zs_set_movable_ops(arena, other, &ops, &owner), 0);
    assert_int_equal(zs_page_type_destroy(arena, other), 0);
}

static void type_destroy__is_refused_while_pages_exist(void **unused)
{
    zs_pfn_t page = take_movable(1);
    zs_pfn_t moving = take_movable(1);

    (void)unused;
    assert_int_equal(zs_page_type_destroy(arena, owner.type), -EBUSY);
    assert_true(zs_isolate_movable_ops_page(arena, moving)); /* ops intact */
    zs_pages_free(arena, page, 1);
    assert_int_equal(zs_page_type_destroy(arena, owner.type), -EBUSY);
    assert_int_equal(zs_migrate_pages(arena, &moving, 1, ZS_MIGRATE_SYNC), 0);
    zs_pages_free(arena, owner.moved_to[moving], 1);
    assert_int_equal(zs_page_type_destroy(arena, owner.type), 0);
    assert_int_equal(zs_page_type_create(arena, "again", &owner.type), 0);
}

/* The page that was left behind waits for readers; that is not the owner's. */
static void type_destroy__waits_for_pages_in_limbo(void **unused)
{
    zs_pfn_t page = take_movable(1);

    (void)unused;
    assert_true(zs_isolate_movable_ops_page(arena, page));
    assert_int_equal(zs_migrate_pages(arena, &page, 1, ZS_MIGRATE_SYNC), 0);
    assert_int_equal(state_of(page), ZS_PAGE_LIMBO);
    zs_pages_free(arena, owner.moved_to[page], 1);
    assert_int_equal(zs_page_type_destroy(arena, owner.type), 0);
    assert_int_equal(zs_page_type_create(arena, "again", &owner.type), 0);
}

static void type__of_a_destroyed_one_begins_without_ops(void **unused)
{
    zs_page_type_t other, again;

    (void)unused;
    assert_int_equal(zs_page_type_create(arena, "other", &other), 0);
    assert_int_equal(zs_set_movable_ops(arena, other, &ops, &owner), 0);
    assert_int_equal(zs_page_type_destroy(arena, other), 0);
    assert_int_equal(zs_page_type_create(arena, "again", &again), 0);
    assert_int_equal(again, other);
    assert_int_equal(zs_set_movable_ops(arena, again, &ops, &owner), 0);
    assert_int_equal(zs_page_type_destroy(arena, again), 0);
}

/* --- isolate and put back --- */

static void isolate__takes_the_page_if_the_owner_agrees(void **unused)
{
    zs_pfn_t page = take_movable(1);

    (void)unused;
    assert_true(zs_isolate_movable_ops_page(arena, page));
    assert_int_equal(state_of(page), ZS_PAGE_ISOLATED);
    assert_int_equal(owner.n_isolate, 1);
    put_back(&page, 1);
    assert_int_equal(owner.n_putback, 1);
    assert_int_equal(state_of(page), ZS_PAGE_MOVABLE);
    assert_page_holds(page, page);
    assert_int_equal(zs_page_owner(arena, page), 1000 + page);
}

static void isolate__leaves_the_page_if_the_owner_refuses(void **unused)
{
    zs_pfn_t page = take_movable(1);

    (void)unused;
    owner.at_isolate = UNWILLING;
    assert_false(zs_isolate_movable_ops_page(arena, page));
    assert_int_equal(state_of(page), ZS_PAGE_MOVABLE);
    assert_int_equal(owner.n_isolate, 1);
    assert_int_equal(owner.n_putback, 0);
    owner.at_isolate = WILLING;
    assert_true(zs_isolate_movable_ops_page(arena, page));
    put_back(&page, 1);
}

static void isolate__asks_nobody_about_pages_not_movable(void **unused)
{
    zs_pfn_t movable = take_movable(1);
    zs_pfn_t owned;

    (void)unused;
    assert_int_equal(zs_pages_alloc(arena, owner.type, 1, &owned), 0);
    assert_false(zs_isolate_movable_ops_page(arena, owned));
    assert_false(zs_isolate_movable_ops_page(arena, owned + 100)); /* FREE */
    assert_false(zs_isolate_movable_ops_page(arena, BLOCK + 5)); /* no block */
    assert_true(zs_isolate_movable_ops_page(arena, movable));
    assert_false(zs_isolate_movable_ops_page(arena, movable)); /* held */
    assert_int_equal(owner.n_isolate, 1);
    put_back(&movable, 1);
}

/* A type whose ops were never given: the flag alone moves nothing. */
static void isolate__of_a_type_without_ops_is_false(void **unused)
{
    zs_page_type_t other;
    zs_pfn_t page;

    (void)unused;
    assert_int_equal(zs_page_type_create(arena, "other", &other), 0);
    assert_int_equal(zs_pages_alloc(arena, other, 1, &page), 0);
    zs_page_set_movable_edge(zs_page(arena, page));
    assert_false(zs_isolate_movable_ops_page(arena, page));
    assert_int_equal(state_of(page), ZS_PAGE_MOVABLE);
    zs_pages_free(arena, page, 1);
    assert_int_equal(zs_page_type_destroy(arena, other), 0);
}

/* --- the owner frees meanwhile --- */

static void free_while_locked__is_finished_once(void **unused)
{
    static const enum manner answers[] = { FREES_SAYING_NO, FREES_SAYING_YES };
    zs_pfn_t first = take_movable(3);

    (void)unused;
    for (unsigned i = 0; i < 2; i++) {
        owner.at_isolate = answers[i];
        assert_false(zs_isolate_movable_ops_page(arena, first + i));
        zs_grace_flush(&arena->grace);
        assert_int_equal(state_of(first + i), ZS_PAGE_FREE);
        assert_int_equal(n_counted(), 2 - i);
        assert_int_equal(n_in_use(), 2 - i);
        assert_int_equal(owner.n_migrate + owner.n_putback, 0);
    }
}

static void free_while_isolated__is_finished_by_the_putback(void **unused)
{
    zs_pfn_t page = take_movable(1);

    (void)unused;
    assert_true(zs_isolate_movable_ops_page(arena, page));
    zs_pages_free(arena, page, 1);
    assert_int_equal(state_of(page), ZS_PAGE_ISOLATED_RELEASED);
    assert_int_equal(n_counted(), 1); /* in the core's hands still */
    zs_read_lock(); /* somebody who looks at it still */
    put_back(&page, 1);
    assert_int_equal(state_of(page), ZS_PAGE_LIMBO);
    zs_read_unlock();
    zs_grace_flush(&arena->grace);
    assert_int_equal(state_of(page), ZS_PAGE_FREE);
    assert_int_equal(n_counted(), 0);
    assert_int_equal(owner.n_putback, 0);
}

static void free_while_isolated__is_finished_by_the_migration(void **unused)
{
    zs_pfn_t page = take_movable(1);

    (void)unused;
    assert_true(zs_isolate_movable_ops_page(arena, page));
    zs_pages_free(arena, page, 1);
    assert_int_equal(zs_migrate_pages(arena, &page, 1, ZS_MIGRATE_SYNC), 0);
    assert_int_equal(owner.n_migrate + owner.n_putback, 0);
    zs_grace_flush(&arena->grace);
    assert_int_equal(n_counted(), 0); /* the destination is free, too */
    assert_int_equal(n_in_use(), 0);
}

static void free_of_a_run__reaches_held_and_unheld_pages(void **unused)
{
    zs_pfn_t first = take_movable(10);
    zs_pfn_t held[2] = { first + 3, first + 4 };

    (void)unused;
    assert_true(zs_isolate_movable_ops_page(arena, held[0]));
    assert_true(zs_isolate_movable_ops_page(arena, held[1]));
    zs_pages_free(arena, first, 10);
    assert_int_equal(n_counted(), 2);
    put_back(held, 2);
    zs_grace_flush(&arena->grace);
    assert_int_equal(n_counted(), 0);
    assert_int_equal(owner.n_putback, 0);
}

static void free_in_migrate__is_gone_and_finished_once(void **unused)
{
    zs_pfn_t page = take_movable(1);

    (void)unused;
    assert_true(zs_isolate_movable_ops_page(arena, page));
    owner.at_migrate = FREES_SAYING_NO;
    assert_int_equal(zs_migrate_pages(arena, &page, 1, ZS_MIGRATE_SYNC), 0);
    assert_int_equal(owner.n_migrate, 1);
    assert_int_equal(owner.n_putback, 0);
    zs_grace_flush(&arena->grace);
    assert_int_equal(n_in_use(), 0);
    assert_int_equal(n_counted(), 0);
}

/* The owner's free is on its way: it must find the page where it was. */
static void gone_before_the_free__leaves_the_page_to_it(void **unused)
{
    zs_pfn_t page = take_movable(1);

    (void)unused;
    assert_true(zs_isolate_movable_ops_page(arena, page));
    owner.at_migrate = SAYS_GONE;
    assert_int_equal(zs_migrate_pages(arena, &page, 1, ZS_MIGRATE_SYNC), 0);
    assert_int_equal(state_of(page), ZS_PAGE_MOVABLE);
    assert_int_equal(owner.n_putback, 0);
    zs_pages_free(arena, page, 1);
    assert_int_equal(n_in_use(), 0);
}

/* --- migrate --- */

static void done__moves_contents_and_owner(void **unused)
{
    zs_pfn_t page = take_movable(1);
    zs_pfn_t src = page;
    zs_pfn_t dst;

    (void)unused;
    assert_true(zs_isolate_movable_ops_page(arena, page));
    assert_int_equal(zs_migrate_pages(arena, &page, 1, ZS_MIGRATE_ASYNC), 0);
    dst = owner.moved_to[src];
    assert_int_not_equal(dst, src);
    assert_page_holds(dst, src);
    assert_int_equal(zs_page_owner(arena, dst), 1000 + src);
    assert_int_equal(state_of(dst), ZS_PAGE_MOVABLE);
    assert_int_equal(owner.mode, ZS_MIGRATE_ASYNC);
    assert_int_equal(arena->pages_migrated, 1);
}

static void done__keeps_the_source_until_a_grace_period_passed(void **unused)
{
    zs_pfn_t page = take_movable(1);
    zs_pfn_t src = page;

    (void)unused;
    assert_true(zs_isolate_movable_ops_page(arena, page));
    zs_read_lock(); /* a reader that still knows the source */
    assert_int_equal(zs_migrate_pages(arena, &page, 1, ZS_MIGRATE_SYNC), 0);
    zs_grace_request(&arena->grace);
    assert_int_equal(state_of(src), ZS_PAGE_LIMBO);
    assert_int_equal(zs_grace_deferred(&arena->grace), ZS_PAGE_BYTES);
    assert_page_holds(src, src);
    zs_read_unlock();
    zs_grace_flush(&arena->grace);
    assert_int_equal(state_of(src), ZS_PAGE_FREE);
    assert_int_equal(zs_grace_deferred(&arena->grace), 0);
    assert_int_equal(n_counted(), 1);
}

static void done__makes_the_source_reusable_after_a_flush(void **unused)
{
    zs_pfn_t pages[64];
    zs_pfn_t first = take_movable(64);

    (void)unused;
    (void)isolate_run(first, 64, pages);
    assert_int_equal(zs_migrate_pages(arena, pages, 64, ZS_MIGRATE_SYNC), 0);
    assert_int_equal(n_in_state(ZS_PAGE_LIMBO), 64);
    zs_grace_flush(&arena->grace);
    assert_int_equal(n_in_state(ZS_PAGE_LIMBO), 0);
    assert_int_equal(take_movable(64), first);
}

static void retry__is_asked_again_and_may_succeed(void **unused)
{
    zs_pfn_t pages[3];
    zs_pfn_t first = take_movable(3);

    (void)unused;
    (void)isolate_run(first, 3, pages);
    owner.busy_answers[first + 1] = ZS_MIGRATE_PASSES - 1;
    assert_int_equal(zs_migrate_pages(arena, pages, 3, ZS_MIGRATE_SYNC), 0);
    assert_int_equal(owner.asked[first], 1);
    assert_int_equal(owner.asked[first + 1], ZS_MIGRATE_PASSES);
    assert_int_equal(owner.asked[first + 2], 1);
    assert_page_holds(owner.moved_to[first + 1], first + 1);
    assert_int_equal(arena->migrate_retries, ZS_MIGRATE_PASSES - 1);
}

static void retry__is_left_after_the_last_pass(void **unused)
{
    zs_pfn_t page = take_movable(1);
    zs_pfn_t src = page;

    (void)unused;
    assert_true(zs_isolate_movable_ops_page(arena, page));
    owner.at_migrate = BUSY;
    assert_int_equal(zs_migrate_pages(arena, &page, 1, ZS_MIGRATE_SYNC), 1);
    assert_int_equal(page, src);
    assert_int_equal(owner.asked[src], ZS_MIGRATE_PASSES);
    assert_int_equal(state_of(src), ZS_PAGE_ISOLATED);
    assert_int_equal(n_counted(), 1); /* no destination stays behind */
    put_back(&page, 1);
}

static void refused__is_left_and_not_asked_again(void **unused)
{
    zs_pfn_t pages[2];
    zs_pfn_t first = take_movable(2);

    (void)unused;
    (void)isolate_run(first, 2, pages);
    owner.page_manner[first] = UNWILLING;
    assert_int_equal(zs_migrate_pages(arena, pages, 2, ZS_MIGRATE_SYNC), 1);
    assert_int_equal(pages[0], first);
    assert_int_equal(owner.asked[first], 1);
    assert_int_equal(state_of(first), ZS_PAGE_ISOLATED);
    put_back(pages, 1);
    assert_page_holds(first, first);
}

/* Every answer in one batch: what is left stands in front, in order. */
static void migrate_pages__leaves_exactly_what_stayed(void **unused)
{
    static const enum manner manners[] = { WILLING, UNWILLING, FREES_SAYING_NO,
                                           BUSY, SAYS_GONE };
    zs_pfn_t pages[50];
    zs_pfn_t first = take_movable(50);
    unsigned left;

    (void)unused;
    (void)isolate_run(first, 50, pages);
    for (unsigned i = 0; i < 50; i++) {
        owner.page_manner[first + i] = manners[i % 5];
    }
    zs_read_lock(); /* what is left behind waits */
    left = zs_migrate_pages(arena, pages, 50, ZS_MIGRATE_SYNC);
    assert_int_equal(left, 20);
    for (unsigned i = 0; i < left; i++) {
        assert_int_equal(pages[i], first + i / 2 * 5 + (i % 2 == 0 ? 1 : 3));
        assert_int_equal(state_of(pages[i]), ZS_PAGE_ISOLATED);
    }
    for (unsigned i = 0; i < 50; i += 5) {
        assert_page_holds(owner.moved_to[first + i], first + i);
        assert_int_equal(state_of(first + i), ZS_PAGE_LIMBO);
        assert_int_equal(state_of(first + i + 4), ZS_PAGE_MOVABLE);
    }
    /* 10 freed and 10 moved, all in LIMBO; 10 where those went; 20 left; 10 put
     * back. */
    assert_int_equal(n_counted(), 60);
    put_back(pages, left);
    zs_read_unlock();
    zs_grace_flush(&arena->grace);
    assert_int_equal(n_counted(), 40);
}

static void migrate_pages__moves_a_whole_block(void **unused)
{
    static zs_pfn_t pages[ZS_MIGRATE_BATCH];
    zs_pfn_t first = take_movable(BLOCK);

    (void)unused;
    (void)isolate_run(first, BLOCK, pages);
    assert_int_equal(zs_migrate_pages(arena, pages, BLOCK, ZS_MIGRATE_SYNC), 0);
    for (unsigned i = 0; i < BLOCK; i++) {
        assert_page_holds(owner.moved_to[first + i], first + i);
    }
}

/* --- destinations --- */

/* Single holes in front of the room for whole runs: pages moved one by one
 * would go there. */
static void neighbours__stay_neighbours(void **unused)
{
    zs_pfn_t pages[24];
    zs_pfn_t a = take_movable(20);
    zs_pfn_t b, holes;

    (void)unused;
    holes = take_movable(100); /* between the two runs */
    b = take_movable(4);
    for (unsigned i = 0; i < 100; i += 2) {
        zs_pages_free(arena, holes + i, 1);
    }
    (void)isolate_run(b, 4, pages);
    (void)isolate_run(a, 20, pages + 4);
    assert_int_equal(zs_migrate_pages(arena, pages, 24, ZS_MIGRATE_SYNC), 0);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(owner.moved_to[b + i], owner.moved_to[b] + i);
    }
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(owner.moved_to[a + i], owner.moved_to[a] + i);
    }
}

/* Use up the arena but for holes of `hole` pages, one in every 8. */
static void fill_arena_with_holes(unsigned hole)
{
    zs_pfn_t first;

    while (zs_pages_alloc(arena, owner.type, 1, &first) == 0) {
    }
    for (zs_pfn_t i = BLOCK; i < arena->n_blocks * BLOCK && hole > 0; i += 8) {
        zs_pages_free(arena, i, hole);
    }
}

/* No room side by side: in smaller runs, but all of them. */
static void neighbours__part_when_only_small_runs_are_free(void **unused)
{
    zs_pfn_t pages[16];
    zs_pfn_t first = take_movable(16);

    (void)unused;
    fill_arena_with_holes(2);
    (void)isolate_run(first, 16, pages);
    assert_int_equal(zs_migrate_pages(arena, pages, 16, ZS_MIGRATE_SYNC), 0);
    assert_int_equal(owner.moved_to[first + 1], owner.moved_to[first] + 1);
    for (unsigned i = 0; i < 16; i++) {
        assert_page_holds(owner.moved_to[first + i], first + i);
    }
}

static void destination__has_memory_iff_the_source_has(void **unused)
{
    zs_pfn_t pages[32];
    zs_pfn_t first = take_movable(32);

    (void)unused;
    for (unsigned i = 0; i < 32; i += 3) {
        zs_pages_depopulate(arena, first + i, 1);
    }
    (void)isolate_run(first, 32, pages);
    assert_int_equal(zs_migrate_pages(arena, pages, 32, ZS_MIGRATE_SYNC), 0);
    for (unsigned i = 0; i < 32; i++) {
        assert_int_equal(zs_page_is_resident(arena, owner.moved_to[first + i]),
                         i % 3 != 0);
    }
}

static void no_room__leaves_all_pages_and_loses_nothing(void **unused)
{
    zs_pfn_t pages[10];
    zs_pfn_t first = take_movable(10);
    uint64_t before;

    (void)unused;
    fill_arena_with_holes(0);
    before = n_counted();
    (void)isolate_run(first, 10, pages);
    assert_int_equal(zs_migrate_pages(arena, pages, 10, ZS_MIGRATE_SYNC), 10);
    assert_int_equal(owner.n_migrate, 0);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(pages[i], first + i);
        assert_int_equal(state_of(first + i), ZS_PAGE_ISOLATED);
        assert_page_holds(first + i, first + i);
    }
    assert_int_equal(n_counted(), before);
    put_back(pages, 10);
}

static void room_for_some__leaves_the_others(void **unused)
{
    zs_pfn_t pages[10];
    zs_pfn_t first = take_movable(10);

    (void)unused;
    fill_arena_with_holes(0);
    zs_pages_free(arena, 700, 3);
    (void)isolate_run(first, 10, pages);
    assert_int_equal(zs_migrate_pages(arena, pages, 10, ZS_MIGRATE_SYNC), 7);
    for (unsigned i = 0; i < 7; i++) {
        assert_int_equal(pages[i], first + 3 + i);
        assert_int_equal(state_of(pages[i]), ZS_PAGE_ISOLATED);
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_page_holds(owner.moved_to[first + i], first + i);
    }
    put_back(pages, 7);
}

static void at_the_limit__all_pages_are_left(void **unused)
{
    zs_pfn_t pages[10];
    zs_pfn_t first = take_movable(10);
    uint64_t before;

    (void)unused;
    (void)isolate_run(first, 10, pages);
    before = arena->budget.used;
    arena->budget.limit = before;
    assert_int_equal(zs_migrate_pages(arena, pages, 10, ZS_MIGRATE_SYNC), 10);
    assert_int_equal(arena->budget.used, before);
    assert_int_equal(n_counted(), 10);
    assert_int_equal(owner.n_migrate, 0);
    put_back(pages, 10);
}

/* Pages of a closed block go elsewhere, and then the block goes. */
static void closed_block__is_given_back_when_its_pages_have_moved(void **unused)
{
    zs_pfn_t pages[30];
    zs_pfn_t first = take_movable(30);

    (void)unused;
    assert_true(zs_block_close(arena, first / BLOCK));
    (void)isolate_run(first, 30, pages);
    assert_int_equal(zs_migrate_pages(arena, pages, 30, ZS_MIGRATE_SYNC), 0);
    for (unsigned i = 0; i < 30; i++) {
        assert_int_not_equal(owner.moved_to[first + i] / BLOCK, first / BLOCK);
    }
    assert_int_equal(arena->n_blocks_released, 0); /* LIMBO */
    zs_grace_flush(&arena->grace);
    assert_int_equal(arena->n_blocks_released, 1);
    assert_false(zs_page_is_resident(arena, first));
}

#define PROMISE(f) cmocka_unit_test_setup_teardown(f, create, destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(type_create__gives_255_types_and_then_enospc),
        PROMISE(set_ops__a_second_time_is_ebusy),
        PROMISE(set_ops__without_type_or_callback_is_einval),
        PROMISE(type_destroy__is_refused_while_pages_exist),
        PROMISE(type_destroy__waits_for_pages_in_limbo),
        PROMISE(type__of_a_destroyed_one_begins_without_ops),
        PROMISE(isolate__takes_the_page_if_the_owner_agrees),
        PROMISE(isolate__leaves_the_page_if_the_owner_refuses),
        PROMISE(isolate__asks_nobody_about_pages_not_movable),
        PROMISE(isolate__of_a_type_without_ops_is_false),
        PROMISE(free_while_locked__is_finished_once),
        PROMISE(free_while_isolated__is_finished_by_the_putback),
        PROMISE(free_while_isolated__is_finished_by_the_migration),
        PROMISE(free_of_a_run__reaches_held_and_unheld_pages),
        PROMISE(free_in_migrate__is_gone_and_finished_once),
        PROMISE(gone_before_the_free__leaves_the_page_to_it),
        PROMISE(done__moves_contents_and_owner),
        PROMISE(done__keeps_the_source_until_a_grace_period_passed),
        PROMISE(done__makes_the_source_reusable_after_a_flush),
        PROMISE(retry__is_asked_again_and_may_succeed),
        PROMISE(retry__is_left_after_the_last_pass),
        PROMISE(refused__is_left_and_not_asked_again),
        PROMISE(migrate_pages__leaves_exactly_what_stayed),
        PROMISE(migrate_pages__moves_a_whole_block),
        PROMISE(neighbours__stay_neighbours),
        PROMISE(neighbours__part_when_only_small_runs_are_free),
        PROMISE(destination__has_memory_iff_the_source_has),
        PROMISE(no_room__leaves_all_pages_and_loses_nothing),
        PROMISE(room_for_some__leaves_the_others),
        PROMISE(at_the_limit__all_pages_are_left),
        PROMISE(closed_block__is_given_back_when_its_pages_have_moved),
    };
    return cmocka_run_group_tests_name("migrate", tests, NULL, NULL);
}
