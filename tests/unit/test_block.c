/* SPDX-License-Identifier: MIT */
/* Unit tests of lib/page/block.h, against one byte for each page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "block.h"
#include "test_random.h"

#define N_PAGES ZS_BLOCK_PAGES

static struct zs_block block;
static bool used[N_PAGES];
static bool resident[N_PAGES];
static int open_block(void **unused)
{
    (void)unused;
    block = (struct zs_block){ .run_hint = N_PAGES };
    memset(used, 0, sizeof(used));
    memset(resident, 0, sizeof(resident));
    random_state = 1;
    return 0;
}

static unsigned shadow_run_at(unsigned first)
{
    unsigned n = 0;

    while (first + n < N_PAGES && !used[first + n]) {
        n++;
    }
    return n;
}

static unsigned shadow_longest_run(void)
{
    unsigned best = 0;

    for (unsigned i = 0; i < N_PAGES; i++) {
        unsigned n = shadow_run_at(i);

        best = n > best ? n : best;
    }
    return best;
}

static size_t shadow_find_run(unsigned n)
{
    for (unsigned i = 0; i < N_PAGES; i++) {
        if (shadow_run_at(i) >= n) {
            return i;
        }
    }
    return ZS_BITS_NONE;
}

static unsigned count(const bool *pages)
{
    unsigned n = 0;

    for (unsigned i = 0; i < N_PAGES; i++) {
        n += pages[i];
    }
    return n;
}

static void take(unsigned first, unsigned n)
{
    zs_block_take(&block, first, n);
    memset(&used[first], true, n);
}

static void give(unsigned first, unsigned n)
{
    zs_block_give(&block, first, n);
    memset(&used[first], false, n);
}

/* Give back a part of a used run that begins at a random place. */
static void give_a_random_run(void)
{
    unsigned first = random_below(N_PAGES);
    unsigned most = 1 + random_below(60);
    unsigned n = 0;

    while (n < most && first + n < N_PAGES && used[first + n]) {
        n++;
    }
    if (n > 0) {
        give(first, n);
    }
}

static void take_a_random_run(void)
{
    unsigned n = 1 + random_below(random_below(6) == 0 ? N_PAGES : 20);
    size_t at = zs_block_find_run(&block, n);

    assert_int_equal(at, shadow_find_run(n));
    if (at == ZS_BITS_NONE) {
        assert_int_equal(block.run_hint, shadow_longest_run());
    } else {
        take((unsigned)at, n);
    }
}

static void find_run__is_the_lowest_run_that_is_free(void **unused)
{
    (void)unused;
    take(0, 3);
    take(5, 1);
    take(16, 496);
    assert_int_equal(zs_block_find_run(&block, 1), 3);
    assert_int_equal(zs_block_find_run(&block, 2), 3);
    assert_int_equal(zs_block_find_run(&block, 3), 6);
    assert_int_equal(zs_block_find_run(&block, 10), 6);
}

static void find_run__takes_nothing(void **unused)
{
    (void)unused;
    assert_int_equal(zs_block_find_run(&block, 512), 0);
    assert_int_equal(zs_block_find_run(&block, 512), 0);
    assert_int_equal(block.n_used, 0);
}

static void run_hint__is_exact_after_a_failed_search(void **unused)
{
    (void)unused;
    take(100, 1);
    take(300, 1);
    assert_int_equal(zs_block_find_run(&block, 400), ZS_BITS_NONE);
    assert_int_equal(block.run_hint, 211);
    take(301, 211);
    assert_int_equal(zs_block_find_run(&block, 200), ZS_BITS_NONE);
    assert_int_equal(block.run_hint, 199);
}

static void run_hint__of_a_full_block_is_0(void **unused)
{
    (void)unused;
    take(0, N_PAGES);
    assert_int_equal(block.run_hint, 0);
    assert_int_equal(zs_block_find_run(&block, 1), ZS_BITS_NONE);
}

/* The run given back joins its neighbours on both sides. */
static void run_hint__grows_with_what_is_given_back(void **unused)
{
    (void)unused;
    take(0, N_PAGES);
    give(10, 5);
    assert_int_equal(block.run_hint, 5);
    give(20, 5);
    assert_int_equal(block.run_hint, 5);
    give(15, 5);
    assert_int_equal(block.run_hint, 15);
    give(0, 1);
    assert_int_equal(block.run_hint, 15);
    give(1, 9);
    assert_int_equal(block.run_hint, 25);
}

static void random_use__agrees_with_the_shadow(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < 4000; round++) {
        if (random_below(2) == 0) {
            take_a_random_run();
        } else {
            give_a_random_run();
        }
        assert_int_equal(block.n_used, count(used));
        assert_true(block.run_hint >= shadow_longest_run()); /* K2 */
        assert_true(block.run_hint <= N_PAGES - block.n_used);
        assert_true(zs_block_is_valid(&block));
    }
    for (unsigned i = 0; i < N_PAGES; i++) {
        assert_int_equal(zs_bit_test(block.used, i), used[i]);
    }
}

static void set_resident__says_how_many_changed(void **unused)
{
    (void)unused;
    assert_int_equal(zs_block_set_resident(&block, 0, 100, true), 100);
    assert_int_equal(zs_block_set_resident(&block, 50, 100, true), 50);
    assert_int_equal(zs_block_set_resident(&block, 50, 100, true), 0);
    assert_int_equal(block.n_resident, 150);
    assert_int_equal(zs_block_set_resident(&block, 140, 100, false), 10);
    assert_int_equal(zs_block_set_resident(&block, 140, 100, false), 0);
    assert_int_equal(block.n_resident, 140);
}

static void change_random_residency(void)
{
    unsigned first = random_below(N_PAGES);
    unsigned n = random_below(N_PAGES - first < 50 ? N_PAGES - first + 1 : 50);
    bool value = random_below(2) == 0;
    unsigned changed = 0;

    for (unsigned i = first; i < first + n; i++) {
        changed += resident[i] != value;
        resident[i] = value;
    }
    assert_int_equal(zs_block_set_resident(&block, first, n, value), changed);
}

static void random_residency__agrees_with_the_shadow(void **unused)
{
    (void)unused;
    take(200, 100); /* used pages make no difference */
    for (unsigned round = 0; round < 2000; round++) {
        change_random_residency();
        assert_int_equal(block.n_resident, count(resident));
        assert_int_equal(block.n_used, 100);
    }
    for (unsigned i = 0; i < N_PAGES; i++) {
        assert_int_equal(zs_bit_test(block.resident, i), resident[i]);
    }
}

static bool is_idle(unsigned i)
{
    return i < N_PAGES && resident[i] && !used[i];
}

/* Walk all idle runs; together they must be exactly the idle pages. */
static void assert_idle_runs_are_the_shadow(void)
{
    unsigned first = 0;
    unsigned seen = 0;

    for (;;) {
        unsigned n = zs_block_next_idle_run(&block, &first);

        while (seen < N_PAGES && !is_idle(seen)) {
            seen++;
        }
        if (n == 0) {
            assert_int_equal(seen, N_PAGES);
            return;
        }
        assert_int_equal(first, seen);
        while (is_idle(seen)) {
            seen++;
        }
        assert_int_equal(first + n, seen);
        first += n;
    }
}

static void next_idle_run__finds_all_free_resident_pages(void **unused)
{
    (void)unused;
    assert_idle_runs_are_the_shadow();
    for (unsigned round = 0; round < 2000; round++) {
        if (random_below(2) == 0) {
            take_a_random_run();
        } else {
            give_a_random_run();
        }
        change_random_residency();
        assert_idle_runs_are_the_shadow();
    }
}

static void next_idle_run__finds_a_whole_block(void **unused)
{
    unsigned first = 0;

    (void)unused;
    (void)zs_block_set_resident(&block, 0, N_PAGES, true);
    assert_int_equal(zs_block_next_idle_run(&block, &first), N_PAGES);
    assert_int_equal(first, 0);
    first = 511;
    assert_int_equal(zs_block_next_idle_run(&block, &first), 1);
    first = 512;
    assert_int_equal(zs_block_next_idle_run(&block, &first), 0);
}

static void is_valid__sees_each_broken_equation(void **unused)
{
    (void)unused;
    take(7, 9);
    (void)zs_block_set_resident(&block, 1, 30, true);
    assert_true(zs_block_is_valid(&block));
    block.n_used++;
    assert_false(zs_block_is_valid(&block));
    block.n_used--;
    block.n_resident--;
    assert_false(zs_block_is_valid(&block));
    block.n_resident++;
    block.run_hint = 495; /* 16..511 are free */
    assert_false(zs_block_is_valid(&block));
    block.run_hint = 496;
    assert_true(zs_block_is_valid(&block));
}

static void list_of__is_the_number_of_binary_digits(void **unused)
{
    unsigned list = 0;

    (void)unused;
    assert_int_equal(zs_block_list_of(0), 0);
    for (unsigned n = 1; n <= N_PAGES; n++) {
        list += (n & (n - 1)) == 0;
        assert_int_equal(zs_block_list_of(n), list);
    }
    assert_int_equal(list + 1, ZS_BLOCK_NR_LISTS);
}

#define PROMISE(f) cmocka_unit_test_setup(f, open_block)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(find_run__is_the_lowest_run_that_is_free),
        PROMISE(find_run__takes_nothing),
        PROMISE(run_hint__is_exact_after_a_failed_search),
        PROMISE(run_hint__of_a_full_block_is_0),
        PROMISE(run_hint__grows_with_what_is_given_back),
        PROMISE(random_use__agrees_with_the_shadow),
        PROMISE(set_resident__says_how_many_changed),
        PROMISE(random_residency__agrees_with_the_shadow),
        PROMISE(next_idle_run__finds_all_free_resident_pages),
        PROMISE(next_idle_run__finds_a_whole_block),
        PROMISE(is_valid__sees_each_broken_equation),
        PROMISE(list_of__is_the_number_of_binary_digits),
    };
    return cmocka_run_group_tests_name("block", tests, NULL, NULL);
}
