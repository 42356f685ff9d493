/* SPDX-License-Identifier: MIT */
/* balloon_fixture.h - an arena with a balloon in it, and its figures held
 * against the arena's; for test_balloon.c and test_balloon_ends.c. */
#ifndef ZS_TEST_BALLOON_FIXTURE_H
#define ZS_TEST_BALLOON_FIXTURE_H

#include "arena_fixture.h"
#include "balloon_impl.h"
#include "migrate.h"

static struct zs_balloon *balloon;

/* An arena whose first block is open, so that its metadata is paid. */
__attribute__((unused)) static void create_open(size_t blocks)
{
    create(blocks, 0, 0);
    zs_pages_free(arena, take(1), 1);
}

__attribute__((unused)) static void create_balloon(size_t blocks)
{
    create_open(blocks);
    assert_int_equal(zs_balloon_create(arena, &balloon), 0);
}

__attribute__((unused)) static void destroy_balloon(void)
{
    zs_balloon_destroy(balloon);
    assert_int_equal(stats().withheld_bytes, 0);
    destroy();
}

__attribute__((unused)) static struct zs_balloon_stats figures(void)
{
    struct zs_balloon_stats s;

    zs_balloon_stats(balloon, &s);
    assert_int_equal(s.listed_bytes + s.isolated_bytes, s.current_bytes);
    return s;
}

/* The only balloon, while nothing is being taken or finalized. Flushes: what
 * the core has finished is reclaimed by another thread otherwise. */
__attribute__((unused)) static void assert_withholds(uint64_t listed,
                                                     uint64_t isolated)
{
    struct zs_balloon_stats s = figures();

    zs_grace_flush(&arena->grace);
    assert_int_equal(s.listed_bytes, listed * PAGE);
    assert_int_equal(s.isolated_bytes, isolated * PAGE);
    assert_int_equal(zs_balloon_current(balloon), (listed + isolated) * PAGE);
    assert_int_equal(stats().withheld_bytes, s.current_bytes);
    assert_figures_are_true(); /* footprint does not count it */
}

__attribute__((unused)) static unsigned n_of_type(zs_page_type_t t)
{
    unsigned n = 0;

    for (zs_pfn_t i = 0; i < zs_arena_nr_pages(arena); i++) {
        n += zs_word_type(zs_page_word(zs_page(arena, i))) == t;
    }
    return n;
}

__attribute__((unused)) static void isolate(zs_pfn_t first, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        assert_true(zs_isolate_movable_ops_page(arena, first + i));
    }
}

#endif /* ZS_TEST_BALLOON_FIXTURE_H */
