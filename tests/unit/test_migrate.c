/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of lib/migrate: the path of a page through the core, with an owner
 * whose answers are set by each test.
 */
#include "core_edges.h"
#include "migrate_fixture.h"

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
    zs_read_lock();                   /* somebody who looks at it still */
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

/* Also where another page of the same batch is asked again and again. */
static void refused__is_asked_once_beside_a_busy_page(void **unused)
{
    zs_pfn_t pages[2];
    zs_pfn_t first = take_movable(2);

    (void)unused;
    (void)isolate_run(first, 2, pages);
    owner.page_manner[first] = UNWILLING;
    owner.page_manner[first + 1] = BUSY;
    assert_int_equal(zs_migrate_pages(arena, pages, 2, ZS_MIGRATE_SYNC), 2);
    assert_int_equal(owner.n_migrate, 1 + ZS_MIGRATE_PASSES);
    put_back(pages, 2);
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
        /* those that may be asked again, then those that refused */
        assert_int_equal(pages[i],
                         i < 10 ? first + i * 5 + 3 : first + (i - 10) * 5 + 1);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
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
        PROMISE(refused__is_asked_once_beside_a_busy_page),
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
