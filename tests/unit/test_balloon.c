/* SPDX-License-Identifier: MIT */
/* Unit tests of zspool/balloon.h: what is withheld, counted to the byte. */
#include "balloon_fixture.h"
#include "embedder.h"
#include "zspool/compactor.h"

/* How many pages others can have; they are given back. */
static unsigned n_to_be_had(void)
{
    static zs_pfn_t pages[MAX_PAGES];
    unsigned n = 0;

    while (zs_page_alloc(arena, type, &pages[n]) == 0) {
        n++;
    }
    for (unsigned i = 0; i < n; i++) {
        zs_pages_free(arena, pages[i], 1);
    }
    return n;
}

/* --- inflating --- */

static void inflate__gives_the_memory_behind_pages_back(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create_balloon(2);
    first = take_populated(200);
    zs_pages_free(arena, first, 200);
    assert_int_equal(n_in_core(), 200);
    assert_int_equal(zs_balloon_inflate(balloon, 150 * PAGE), 150 * PAGE);
    assert_int_equal(n_in_core(), 50);
    assert_int_equal(stats().resident_bytes, 50 * PAGE);
    assert_int_equal(stats().used_bytes, 150 * PAGE);
    assert_withholds(150, 0);
    destroy_balloon();
}

static void inflate__makes_others_meet_the_limit_earlier(void **unused)
{
    (void)unused;
    create_balloon(2);
    (void)zs_balloon_inflate(balloon, PAGE); /* its list is paid from now on */
    (void)zs_balloon_deflate(balloon, PAGE);
    arena->budget.limit = stats().footprint_bytes + 100 * PAGE;
    assert_int_equal(n_to_be_had(), 100);
    for (unsigned n = 1; n <= 100; n += 33) {
        assert_int_equal(zs_balloon_inflate(balloon, n * PAGE), n * PAGE);
        assert_int_equal(n_to_be_had(), 100 - n);
        assert_int_equal(zs_balloon_deflate(balloon, n * PAGE), n * PAGE);
        assert_int_equal(n_to_be_had(), 100);
    }
    destroy_balloon();
}

static void amounts__are_rounded_up_to_pages(void **unused)
{
    (void)unused;
    create_balloon(1);
    assert_int_equal(zs_balloon_inflate(balloon, 0), 0);
    assert_int_equal(zs_balloon_target(balloon), 0);
    assert_int_equal(zs_balloon_inflate(balloon, 1), PAGE);
    assert_int_equal(zs_balloon_inflate(balloon, PAGE + 1), 2 * PAGE);
    assert_int_equal(zs_balloon_inflate(balloon, 7 * PAGE), 7 * PAGE);
    assert_int_equal(zs_balloon_target(balloon), 10 * PAGE);
    assert_withholds(10, 0);
    assert_int_equal(zs_balloon_deflate(balloon, 0), 0);
    assert_int_equal(zs_balloon_deflate(balloon, 1), PAGE);
    assert_int_equal(zs_balloon_deflate(balloon, 2 * PAGE + 1), 3 * PAGE);
    assert_int_equal(zs_balloon_target(balloon), 6 * PAGE);
    assert_withholds(6, 0);
    assert_int_equal(zs_balloon_deflate(balloon, 7 * PAGE), 6 * PAGE);
    assert_int_equal(zs_balloon_target(balloon), 0);
    assert_withholds(0, 0);
    destroy_balloon();
}

static void inflate__beyond_the_range_takes_what_is_free(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create_balloon(2);
    first = take_populated(100);
    assert_int_equal(zs_balloon_inflate(balloon, UINT64_MAX),
                     (2 * BLOCK - 100) * PAGE);
    assert_int_equal(zs_balloon_target(balloon), 2 * BLOCK * PAGE);
    assert_withholds(2 * BLOCK - 100, 0);
    assert_int_equal(n_to_be_had(), 0);
    assert_int_equal(zs_balloon_fill(balloon), 0);
    zs_pages_free(arena, first, 70);
    assert_int_equal(zs_balloon_fill(balloon), 70 * PAGE);
    zs_pages_free(arena, first + 70, 30);
    assert_int_equal(zs_balloon_inflate(balloon, PAGE), 30 * PAGE);
    assert_int_equal(zs_balloon_target(balloon), 2 * BLOCK * PAGE);
    assert_withholds(2 * BLOCK, 0);
    assert_int_equal(zs_balloon_deflate(balloon, UINT64_MAX), 2 * BLOCK * PAGE);
    assert_withholds(0, 0);
    destroy_balloon();
}

/* Nothing is taken from others: the rest waits until they free some. */
static void inflate__stops_at_the_limit_and_goes_on_later(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create_balloon(2);
    (void)zs_balloon_inflate(balloon, PAGE);
    first = take_populated(60);
    arena->budget.limit = stats().footprint_bytes + PAGE + 50 * PAGE;
    assert_int_equal(zs_balloon_inflate(balloon, 99 * PAGE), 50 * PAGE);
    assert_int_equal(zs_balloon_target(balloon), 100 * PAGE);
    assert_withholds(51, 0);
    assert_int_equal(zs_balloon_fill(balloon), 0);
    zs_pages_free(arena, first, 20); /* idle memory: it gives way */
    assert_int_equal(zs_balloon_fill(balloon), 20 * PAGE);
    zs_pages_free(arena, first + 20, 40);
    assert_int_equal(zs_balloon_fill(balloon), 29 * PAGE);
    assert_withholds(100, 0);
    assert_int_equal(zs_balloon_fill(balloon), 0);
    destroy_balloon();
}

/* --- deflating --- */

static void deflate__begins_at_the_highest_page(void **unused)
{
    (void)unused;
    create_balloon(2);
    (void)zs_balloon_inflate(balloon, 600 * PAGE);
    for (unsigned left = 600; left > 0; left -= 40) {
        for (zs_pfn_t i = 0; i < 2 * BLOCK; i++) {
            assert_int_equal(state_of(i),
                             i < left ? ZS_PAGE_MOVABLE : ZS_PAGE_FREE);
        }
        assert_int_equal(zs_balloon_deflate(balloon, 40 * PAGE), 40 * PAGE);
    }
    assert_withholds(0, 0);
    destroy_balloon();
}

/* Past pages that the core has, and then on from a new top. */
static void deflate__passes_over_isolated_pages(void **unused)
{
    (void)unused;
    create_balloon(1);
    (void)zs_balloon_inflate(balloon, 20 * PAGE);
    isolate(12, 6);
    assert_int_equal(zs_balloon_deflate(balloon, 5 * PAGE), 5 * PAGE);
    assert_int_equal(state_of(18), ZS_PAGE_FREE);
    assert_int_equal(state_of(11), ZS_PAGE_FREE);
    assert_int_equal(state_of(9), ZS_PAGE_FREE);
    assert_int_equal(state_of(8), ZS_PAGE_MOVABLE);
    assert_withholds(9, 6);
    for (zs_pfn_t i = 12; i < 18; i++) {
        zs_putback_movable_ops_page(arena, i);
    }
    assert_withholds(15, 0);
    assert_int_equal(zs_balloon_deflate(balloon, 6 * PAGE), 6 * PAGE);
    assert_int_equal(state_of(17), ZS_PAGE_FREE);
    assert_int_equal(state_of(12), ZS_PAGE_FREE);
    assert_withholds(9, 0);
    destroy_balloon();
}

/* --- the core has pages of it --- */

static void isolated_pages__are_withheld_still(void **unused)
{
    zs_pfn_t pages[6];

    (void)unused;
    create_balloon(1);
    (void)zs_balloon_inflate(balloon, 10 * PAGE);
    for (unsigned i = 0; i < 6; i++) {
        isolate(i, 1);
        pages[i] = i;
        assert_withholds(9 - i, i + 1);
        assert_int_equal(state_of(i), ZS_PAGE_ISOLATED);
    }
    assert_false(zs_isolate_movable_ops_page(arena, 0)); /* it has it */
    for (unsigned i = 0; i < 3; i++) {
        zs_putback_movable_ops_page(arena, i);
        assert_withholds(5 + i, 5 - i);
        assert_int_equal(state_of(i), ZS_PAGE_MOVABLE);
    }
    assert_int_equal(zs_migrate_pages(arena, pages + 3, 3, ZS_MIGRATE_ASYNC),
                     0);
    assert_withholds(10, 0);
    assert_int_equal(figures().pages_migrated, 3);
    zs_grace_flush(&arena->grace);
    assert_withholds(10, 0);
    assert_int_equal(stats().used_bytes, 10 * PAGE);
    destroy_balloon();
}

/* One that deflating has unlinked a moment ago, or one not yet listed. */
static void isolate__of_a_page_not_listed_is_refused(void **unused)
{
    (void)unused;
    create_balloon(1);
    (void)zs_balloon_inflate(balloon, 5 * PAGE);
    isolate(3, 1);
    zs_read_begin(); /* as the core calls it */
    assert_false(balloon_movable_ops.isolate_page(balloon, 3));
    assert_false(balloon_movable_ops.isolate_page(balloon, 5));
    assert_false(balloon_movable_ops.isolate_page(balloon, BLOCK - 1));
    zs_read_end();
    assert_withholds(4, 1);
    zs_putback_movable_ops_page(arena, 3);
    assert_withholds(5, 0);
    destroy_balloon();
}

static void migrate__makes_nothing_resident(void **unused)
{
    static zs_pfn_t pages[BLOCK];
    zs_pfn_t others;

    (void)unused;
    create_balloon(3);
    others = take_populated(12);
    (void)zs_balloon_inflate(balloon, 400 * PAGE);
    for (zs_pfn_t i = 0; i < 400; i++) {
        pages[i] = 12 + i;
    }
    isolate(12, 400);
    assert_int_equal(zs_migrate_pages(arena, pages, 400, ZS_MIGRATE_SYNC), 0);
    assert_int_equal(n_in_core(), 12);
    zs_grace_flush(&arena->grace);
    assert_int_equal(n_in_core(), 12);
    assert_int_equal(figures().pages_migrated, 400);
    assert_int_equal(n_of_type(balloon->type), 400);
    assert_withholds(400, 0);
    for (zs_pfn_t i = 12; i < 412; i++) {
        assert_int_equal(state_of(i), ZS_PAGE_FREE);
    }
    zs_pages_free(arena, others, 12);
    destroy_balloon();
}

/* Ten pages, four of them isolated, and the target goes down to two. */
static void deflate_under_the_core(void)
{
    create_balloon(1);
    (void)zs_balloon_inflate(balloon, 10 * PAGE);
    isolate(3, 4);
    assert_int_equal(zs_balloon_deflate(balloon, 8 * PAGE), 6 * PAGE);
    assert_int_equal(zs_balloon_target(balloon), 2 * PAGE);
    assert_withholds(0, 4);
}

static void deflate_while_isolated__is_done_by_the_putback(void **unused)
{
    (void)unused;
    deflate_under_the_core();
    zs_putback_movable_ops_page(arena, 3);
    assert_withholds(0, 3);
    zs_putback_movable_ops_page(arena, 4);
    assert_withholds(0, 2);
    zs_grace_flush(&arena->grace);
    assert_int_equal(state_of(3), ZS_PAGE_FREE);
    assert_int_equal(state_of(4), ZS_PAGE_FREE);
    zs_putback_movable_ops_page(arena, 5);
    zs_putback_movable_ops_page(arena, 6);
    assert_withholds(2, 0);
    assert_int_equal(state_of(5), ZS_PAGE_MOVABLE);
    assert_int_equal(stats().used_bytes, 2 * PAGE);
    destroy_balloon();
}

static void deflate_while_isolated__is_done_by_the_migration(void **unused)
{
    (void)unused;
    deflate_under_the_core();
    for (unsigned i = 0; i < 4; i++) {
        zs_pfn_t page = 3 + i;

        assert_int_equal(zs_migrate_pages(arena, &page, 1, ZS_MIGRATE_SYNC), 0);
        assert_withholds(i < 2 ? 0 : i - 1, 3 - i); /* two are GONE */
        assert_int_equal(figures().pages_migrated, i < 2 ? 0 : i - 1);
    }
    zs_grace_flush(&arena->grace);
    assert_int_equal(stats().used_bytes, 2 * PAGE);
    destroy_balloon();
}

/* What deflating has freed while the core held it is listed again before. */
static void inflate_while_isolated__keeps_what_comes_back(void **unused)
{
    (void)unused;
    deflate_under_the_core();
    assert_int_equal(zs_balloon_inflate(balloon, 3 * PAGE), PAGE);
    assert_withholds(1, 4);
    for (zs_pfn_t i = 3; i < 7; i++) {
        zs_putback_movable_ops_page(arena, i);
    }
    assert_withholds(5, 0);
    destroy_balloon();
}

/* The destination lies where the list is not paid for, at the limit. */
static void migrate__without_room_for_the_list_is_retry(void **unused)
{
    static const unsigned long_run = 64 * BLOCK;
    zs_pfn_t page = 0;
    zs_pfn_t rest, run;
    uint64_t before;

    (void)unused;
    create_balloon(65);
    (void)zs_balloon_inflate(balloon, 4 * PAGE);
    rest = take(BLOCK - 4);
    run = take(long_run);
    zs_pages_free(arena, 33000, 1);
    before = stats().metadata_bytes;
    arena->budget.limit = arena->budget.used;
    isolate(0, 1);
    assert_int_equal(zs_migrate_pages(arena, &page, 1, ZS_MIGRATE_SYNC), 1);
    assert_int_equal(state_of(0), ZS_PAGE_ISOLATED);
    assert_int_equal(state_of(33000), ZS_PAGE_FREE);
    assert_int_equal(figures().isolated_bytes, PAGE);
    assert_int_equal(stats().metadata_bytes, before);
    arena->budget.limit += PAGE;
    assert_int_equal(zs_migrate_pages(arena, &page, 1, ZS_MIGRATE_SYNC), 0);
    assert_int_equal(state_of(33000), ZS_PAGE_MOVABLE);
    assert_int_equal(figures().listed_bytes, 4 * PAGE);
    assert_int_equal(stats().metadata_bytes, before + PAGE);
    zs_pages_free(arena, rest, BLOCK - 4);
    zs_pages_free(arena, run, 33000 - run);
    zs_pages_free(arena, 33001, run + long_run - 33001);
    destroy_balloon();
}

static void compact__is_not_hindered_by_a_balloon(void **unused)
{
    struct zs_compact_result r;

    (void)unused;
    create_balloon(4);
    create_embedder();
    for (unsigned i = 0; i < 3 * BLOCK; i++) {
        (void)add_thing(true);
    }
    for (unsigned i = 0; i < 3 * BLOCK; i++) {
        if (i % 4 != 0) {
            free_thing(i);
        }
    }
    zs_grace_flush(&arena->grace);
    (void)zs_balloon_inflate(balloon, 500 * PAGE);
    assert_int_equal(zs_compact(arena, &r), 0);
    assert_int_equal(r.pages_left, 0);
    assert_int_equal(n_in_core(), 3 * BLOCK / 4);
    assert_withholds(500, 0);
    all_things_are_right();
    destroy_embedder();
    destroy_balloon();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(inflate__gives_the_memory_behind_pages_back),
        PROMISE(inflate__makes_others_meet_the_limit_earlier),
        PROMISE(amounts__are_rounded_up_to_pages),
        PROMISE(inflate__beyond_the_range_takes_what_is_free),
        PROMISE(inflate__stops_at_the_limit_and_goes_on_later),
        PROMISE(deflate__begins_at_the_highest_page),
        PROMISE(deflate__passes_over_isolated_pages),
        PROMISE(isolated_pages__are_withheld_still),
        PROMISE(isolate__of_a_page_not_listed_is_refused),
        PROMISE(migrate__makes_nothing_resident),
        PROMISE(deflate_while_isolated__is_done_by_the_putback),
        PROMISE(deflate_while_isolated__is_done_by_the_migration),
        PROMISE(inflate_while_isolated__keeps_what_comes_back),
        PROMISE(migrate__without_room_for_the_list_is_retry),
        PROMISE(compact__is_not_hindered_by_a_balloon),
    };
    return cmocka_run_group_tests_name("balloon", tests, NULL, NULL);
}
