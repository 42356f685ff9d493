/* SPDX-License-Identifier: MIT */
/* Unit tests of compactor/policy.h: figures in, victims out. */
#include <setjmp.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "policy.h"
#include "zspool/arena.h"
#include "test_random.h"

#define PAGES (ZS_BLOCK_BYTES / ZS_PAGE_BYTES)
#define MAX_BLOCKS 64u

/* A wholly resident block, `percent` of it live. */
static struct zs_block_figures filled(uint32_t block, unsigned percent)
{
    return (struct zs_block_figures){
        .block = block,
        .n_used = PAGES,
        .n_resident = PAGES,
        .live_bytes = (uint64_t)ZS_BLOCK_BYTES * percent / 100,
    };
}

static void fill_all(struct zs_block_figures *f, size_t n, unsigned percent)
{
    for (size_t i = 0; i < n; i++) {
        f[i] = filled((uint32_t)i, percent);
    }
}

static void choose__of_nothing_is_nothing(void **unused)
{
    struct zs_block_figures f[1];

    (void)unused;
    assert_int_equal(zs_policy_choose(f, 0), 0);
    assert_int_equal(zs_policy_gain(f, 0), 0);
}

static void choose__leaves_full_blocks_alone(void **unused)
{
    struct zs_block_figures f[8];

    (void)unused;
    fill_all(f, 8, 100);
    assert_int_equal(zs_policy_choose(f, 8), 0);
}

static void choose__never_empties_the_only_block(void **unused)
{
    struct zs_block_figures f = filled(3, 1);

    (void)unused;
    assert_int_equal(zs_policy_choose(&f, 1), 0);
}

/* 20 blocks, half live: 10 would hold everything. */
static void choose__empties_half_of_half_empty_blocks(void **unused)
{
    struct zs_block_figures f[20];

    (void)unused;
    fill_all(f, 20, 50);
    assert_int_equal(zs_policy_choose(f, 20), 10);
}

static void choose__empties_all_blocks_without_live_bytes(void **unused)
{
    struct zs_block_figures f[5];

    (void)unused;
    fill_all(f, 5, 0);
    assert_int_equal(zs_policy_choose(f, 5), 5);
}

static void choose__takes_the_emptiest_first(void **unused)
{
    struct zs_block_figures f[] = { filled(0, 70), filled(1, 10), filled(2, 90),
                                    filled(3, 30) };

    (void)unused;
    assert_int_equal(zs_policy_choose(f, 4), 2); /* 200 % need two blocks */
    assert_int_equal(f[0].block, 1);
    assert_int_equal(f[1].block, 3);
}

static void choose__takes_the_highest_of_the_equally_full_first(void **unused)
{
    struct zs_block_figures f[10];

    (void)unused;
    fill_all(f, 10, 50);
    assert_int_equal(zs_policy_choose(f, 10), 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(f[i].block, 9 - i);
    }
}

/* One percent fuller is not worth keeping a high block for. */
static void choose__compares_fullness_in_sixteenths(void **unused)
{
    struct zs_block_figures f[] = { filled(0, 45), filled(1, 46) };

    (void)unused;
    assert_int_equal(zs_policy_choose(f, 2), 1);
    assert_int_equal(f[0].block, 1);
}

static void choose__never_takes_a_block_with_fixed_pages(void **unused)
{
    struct zs_block_figures f[10];

    (void)unused;
    fill_all(f, 10, 10);
    for (unsigned i = 1; i < 10; i += 2) {
        f[i].n_fixed = 1;
    }
    assert_int_equal(zs_policy_choose(f, 10), 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(f[i].n_fixed, 0);
    }
}

/* Only the resident memory of a block can be gained, and the page of its
 * descriptors. */
static void choose__skips_what_would_gain_less_than_3_percent(void **unused)
{
    struct zs_block_figures f[4];

    (void)unused;
    fill_all(f, 4, 50);
    for (unsigned i = 0; i < 4; i++) {
        f[i].n_resident = PAGES * 513 / 1000; /* 256 of 262 + 1: under 3 % */
    }
    assert_int_equal(zs_policy_choose(f, 4), 0);
    fill_all(f, 4, 50);
    for (unsigned i = 0; i < 4; i++) {
        f[i].n_resident = PAGES * 520 / 1000;
    }
    assert_int_equal(zs_policy_choose(f, 4), 2);
}

static void choose__keeps_every_block_in_the_array(void **unused)
{
    struct zs_block_figures f[MAX_BLOCKS];
    uint64_t seen = 0;

    (void)unused;
    for (uint32_t i = 0; i < MAX_BLOCKS; i++) {
        f[i] = filled(i, random_below(101));
    }
    (void)zs_policy_choose(f, MAX_BLOCKS);
    for (uint32_t i = 0; i < MAX_BLOCKS; i++) {
        seen |= UINT64_C(1) << f[i].block;
    }
    assert_true(seen == UINT64_MAX);
}

static size_t random_figures(struct zs_block_figures *f)
{
    size_t n = random_below(MAX_BLOCKS + 1);

    for (size_t i = 0; i < n; i++) {
        f[i] = filled((uint32_t)i, random_below(101));
        f[i].n_resident = PAGES / 2 + random_below(PAGES / 2 + 1);
        if (f[i].live_bytes > (uint64_t)f[i].n_resident * ZS_PAGE_BYTES) {
            f[i].live_bytes = (uint64_t)f[i].n_resident * ZS_PAGE_BYTES;
        }
        f[i].n_fixed = random_below(8) == 0;
        f[i].skip = random_below(8) == 0;
        if (random_below(2) == 0) {
            f[i].bare_bytes =
                ZS_BLOCK_BYTES - (uint64_t)f[i].n_resident * ZS_PAGE_BYTES;
        }
    }
    return n;
}

static void choose__always_keeps_enough_for_all_that_is_there(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < 2000; round++) {
        struct zs_block_figures f[MAX_BLOCKS];
        size_t n = random_figures(f);
        size_t victims = zs_policy_choose(f, n);
        uint64_t room = 0;

        for (size_t i = 0; i < n; i++) {
            room += f[i].live_bytes + f[i].bare_bytes;
        }
        assert_true(victims <= n);
        assert_true((n - victims) * ZS_BLOCK_BYTES >= room);
        for (size_t i = 0; i < victims; i++) {
            assert_int_equal(f[i].n_fixed, 0);
            assert_false(f[i].skip);
            assert_true(f[i].live_bytes * 100 <=
                        (f[i].n_resident + UINT64_C(1)) * ZS_PAGE_BYTES * 97);
        }
    }
}

/* n blocks, each of which has so many pages with memory, all of it live. */
static void fill_sparsely(struct zs_block_figures *f, size_t n, uint32_t pages)
{
    for (size_t i = 0; i < n; i++) {
        f[i] = (struct zs_block_figures){
            .block = (uint32_t)i,
            .n_used = pages,
            .n_resident = pages,
            .live_bytes = (uint64_t)pages * ZS_PAGE_BYTES,
        };
    }
}

static void choose__takes_few_live_pages_for_the_descriptors(void **unused)
{
    struct zs_block_figures f[10];

    (void)unused;
    fill_sparsely(f, 10, 32); /* 1 of 33: 3 % */
    assert_int_equal(zs_policy_choose(f, 10), 9);
    fill_sparsely(f, 10, 33);
    assert_int_equal(zs_policy_choose(f, 10), 0);
}

static void gain__is_resident_minus_live(void **unused)
{
    struct zs_block_figures f[4];

    (void)unused;
    fill_all(f, 4, 75);
    assert_int_equal(zs_policy_gain(f, 4), ZS_BLOCK_BYTES);
    fill_all(f, 4, 100);
    assert_int_equal(zs_policy_gain(f, 4), 0);
}

/* Live bytes are counted a moment before the resident pages. */
static void gain__is_never_negative(void **unused)
{
    struct zs_block_figures f = filled(0, 100);

    (void)unused;
    f.n_resident = PAGES - 1;
    assert_int_equal(zs_policy_gain(&f, 1), 0);
}

static void share__rises_with_the_waste(void **unused)
{
    struct zs_compact_budget b = {
        .low_permille = 40,
        .high_permille = 100,
        .share_percent = 5,
        .max_share_percent = 85,
    };

    (void)unused;
    assert_int_equal(zs_policy_complete_budget(&b), 0);
    assert_int_equal(zs_policy_share(&b, 0, false), 0);
    assert_int_equal(zs_policy_share(&b, 39, false), 0);
    assert_int_equal(zs_policy_share(&b, 40, false), 5);
    assert_int_equal(zs_policy_share(&b, 100, false), 5);
    assert_int_equal(zs_policy_share(&b, 150, false), 45);
    assert_int_equal(zs_policy_share(&b, 200, false), 85);
    assert_int_equal(zs_policy_share(&b, 1000, false), 85);
    /* who is at work goes on for a while */
    assert_int_equal(zs_policy_share(&b, 30, true), 5);
    assert_int_equal(zs_policy_share(&b, 29, true), 0);
}

static void budget__has_defaults_that_fit_what_is_set(void **unused)
{
    struct zs_compact_budget b = { 0 };

    (void)unused;
    assert_int_equal(zs_policy_complete_budget(&b), 0);
    assert_int_equal(b.low_permille, 7);
    assert_int_equal(b.high_permille, 10);
    assert_int_equal(b.share_percent, 5);
    assert_int_equal(b.max_share_percent, 100);
    assert_int_equal(b.step_ns, 100000);
    assert_int_equal(zs_policy_reserve(&b), ZS_BLOCK_BYTES);
    b = (struct zs_compact_budget){ .low_permille = 200,
                                    .max_share_percent = 2,
                                    .reserve_bytes = ZS_RESERVE_NOTHING };
    assert_int_equal(zs_policy_complete_budget(&b), 0);
    assert_int_equal(b.high_permille, 200);
    assert_int_equal(b.share_percent, 2);
    assert_int_equal(zs_policy_reserve(&b), 0);
    /* a complete one is complete */
    assert_int_equal(zs_policy_complete_budget(&b), 0);
    assert_int_equal(zs_policy_reserve(&b), 0);
}

static void refuse_budget(struct zs_compact_budget b)
{
    assert_int_equal(zs_policy_complete_budget(&b), -EINVAL);
}

static void budget__refuses_what_makes_no_sense(void **unused)
{
    (void)unused;
    refuse_budget((struct zs_compact_budget){ .high_permille = 1001 });
    refuse_budget(
        (struct zs_compact_budget){ .low_permille = 60, .high_permille = 50 });
    refuse_budget((struct zs_compact_budget){ .max_share_percent = 101 });
    refuse_budget((struct zs_compact_budget){ .share_percent = 50,
                                              .max_share_percent = 49 });
    refuse_budget((struct zs_compact_budget){ .step_objects = 257 });
}

static void keep__halves_what_is_beyond_the_reserve(void **unused)
{
    struct zs_compact_budget b = { .reserve_bytes = 100, .decay_ns = 1000 };

    (void)unused;
    assert_int_equal(zs_policy_complete_budget(&b), 0);
    assert_int_equal(zs_policy_keep(&b, 80, 1000000), 80);
    assert_int_equal(zs_policy_keep(&b, 900, 0), 900);
    assert_int_equal(zs_policy_keep(&b, 900, 500), 700);
    assert_int_equal(zs_policy_keep(&b, 900, 1000), 500);
    assert_int_equal(zs_policy_keep(&b, 900, 2000), 300);
    assert_int_equal(zs_policy_keep(&b, 900, UINT64_MAX), 100);
}

static void choose__is_not_stopped_by_a_block_not_worth_it(void **unused)
{
    struct zs_block_figures f[11];

    (void)unused;
    fill_all(f, 11, 50);
    f[0] = (struct zs_block_figures){ .block = 0,
                                      .n_used = 8,
                                      .n_resident = 8,
                                      .live_bytes = 8 * ZS_PAGE_BYTES };
    /* need is 6 blocks, so 5 of the others */
    assert_int_equal(zs_policy_choose(f, 11), 5);
}

/* --- pages in use without memory --- */

static void choose__keeps_room_for_bare_pages(void **unused)
{
    struct zs_block_figures f[] = { filled(0, 50), filled(1, 40) };

    (void)unused;
    assert_int_equal(zs_policy_choose(f, 2), 1);
    f[0].bare_bytes = f[1].bare_bytes = ZS_BLOCK_BYTES / 10;
    assert_int_equal(zs_policy_choose(f, 2), 0); /* 110 % need both */
}

/* There is no memory to be gained in it. */
static void choose__never_takes_a_block_of_bare_pages(void **unused)
{
    struct zs_block_figures f[5];

    (void)unused;
    fill_all(f, 5, 10);
    f[3] = (struct zs_block_figures){ .block = 3,
                                      .n_used = 8,
                                      .bare_bytes = 8 * ZS_PAGE_BYTES };
    assert_int_equal(zs_policy_choose(f, 5), 4);
    for (unsigned i = 0; i < 4; i++) {
        assert_int_not_equal(f[i].block, 3);
    }
}

/* Bare pages are work to move, so their block is not the emptiest; what it
 * gives back they do not change. */
static void bare_pages__count_as_full_and_not_as_live(void **unused)
{
    struct zs_block_figures f[] = { filled(0, 10), filled(1, 30) };

    (void)unused;
    f[0].bare_bytes = ZS_BLOCK_BYTES / 2;
    assert_int_equal(zs_policy_gain(f, 2),
                     2 * ZS_BLOCK_BYTES - f[0].live_bytes - f[1].live_bytes);
    assert_int_equal(zs_policy_choose(f, 2), 1);
    assert_int_equal(f[0].block, 1);
}

/* --- blocks that could not be emptied lately --- */

static void choose__leaves_out_blocks_to_be_skipped(void **unused)
{
    struct zs_block_figures f[10];

    (void)unused;
    fill_all(f, 10, 10);
    for (unsigned i = 0; i < 10; i += 2) {
        f[i].skip = true;
    }
    assert_int_equal(zs_policy_choose(f, 10), 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(f[i].block, 9 - 2 * i);
    }
}

static void gain__leaves_out_blocks_to_be_skipped(void **unused)
{
    struct zs_block_figures f[4];

    (void)unused;
    fill_all(f, 4, 50);
    f[1].skip = f[2].skip = true;
    assert_int_equal(zs_policy_gain(f, 4), ZS_BLOCK_BYTES);
    f[0].skip = f[3].skip = true;
    assert_int_equal(zs_policy_gain(f, 4), 0);
}

static void choose__takes_old_blocks_before_young_ones(void **unused)
{
    struct zs_block_figures f[4];

    (void)unused;
    fill_all(f, 4, 50);
    for (unsigned i = 0; i < 4; i++) {
        f[i].age_ticks = 200;
    }
    f[3].age_ticks = 0; /* the highest, so it would be the first */
    assert_int_equal(zs_policy_choose(f, 4), 2);
    assert_int_equal(f[0].block, 2);
    assert_int_equal(f[1].block, 1);
}

/* Their pages are given back one by one. */
static void choose__takes_huge_blocks_before_small_ones(void **unused)
{
    struct zs_block_figures f[6];

    (void)unused;
    fill_all(f, 6, 50);
    f[1].huge = f[2].huge = f[4].huge = true;
    assert_int_equal(zs_policy_choose(f, 6), 3);
    assert_int_equal(f[0].block, 4);
    assert_int_equal(f[1].block, 2);
    assert_int_equal(f[2].block, 1);
    fill_all(f, 6, 50);
    f[1].huge = true;
    f[1].live_bytes = ZS_BLOCK_BYTES / 10 * 9; /* moving it costs more */
    assert_int_equal(zs_policy_choose(f, 6), 2);
    assert_int_equal(f[0].block, 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(choose__is_not_stopped_by_a_block_not_worth_it),
        cmocka_unit_test(choose__of_nothing_is_nothing),
        cmocka_unit_test(choose__leaves_full_blocks_alone),
        cmocka_unit_test(choose__never_empties_the_only_block),
        cmocka_unit_test(choose__empties_half_of_half_empty_blocks),
        cmocka_unit_test(choose__empties_all_blocks_without_live_bytes),
        cmocka_unit_test(choose__takes_the_emptiest_first),
        cmocka_unit_test(choose__takes_the_highest_of_the_equally_full_first),
        cmocka_unit_test(choose__compares_fullness_in_sixteenths),
        cmocka_unit_test(choose__never_takes_a_block_with_fixed_pages),
        cmocka_unit_test(choose__skips_what_would_gain_less_than_3_percent),
        cmocka_unit_test(choose__keeps_every_block_in_the_array),
        cmocka_unit_test(choose__always_keeps_enough_for_all_that_is_there),
        cmocka_unit_test(choose__takes_few_live_pages_for_the_descriptors),
        cmocka_unit_test(gain__is_resident_minus_live),
        cmocka_unit_test(gain__is_never_negative),
        cmocka_unit_test(share__rises_with_the_waste),
        cmocka_unit_test(budget__has_defaults_that_fit_what_is_set),
        cmocka_unit_test(budget__refuses_what_makes_no_sense),
        cmocka_unit_test(keep__halves_what_is_beyond_the_reserve),
        cmocka_unit_test(choose__keeps_room_for_bare_pages),
        cmocka_unit_test(choose__never_takes_a_block_of_bare_pages),
        cmocka_unit_test(bare_pages__count_as_full_and_not_as_live),
        cmocka_unit_test(choose__leaves_out_blocks_to_be_skipped),
        cmocka_unit_test(gain__leaves_out_blocks_to_be_skipped),
        cmocka_unit_test(choose__takes_old_blocks_before_young_ones),
        cmocka_unit_test(choose__takes_huge_blocks_before_small_ones),
    };
    return cmocka_run_group_tests_name("policy", tests, NULL, NULL);
}
