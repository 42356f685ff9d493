/* SPDX-License-Identifier: MIT */
/* Unit tests of lib/base/bits.h, against one byte for each bit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "bits.h"
#include "test_random.h"

#define N_BITS 320u
#define N_ROUNDS 20000u

static uint64_t map[N_BITS / 64];
static bool shadow[N_BITS];
static int start_empty(void **unused)
{
    (void)unused;
    memset(map, 0, sizeof(map));
    memset(shadow, 0, sizeof(shadow));
    random_state = 1;
    return 0;
}

static void assert_map_is_the_shadow(void)
{
    for (size_t i = 0; i < N_BITS; i++) {
        assert_int_equal(map[i / 64] >> i % 64 & 1, shadow[i]);
        assert_int_equal(zs_bit_test(map, i), shadow[i]);
    }
}

/* Set or clear a range, long or short, in the map and in the shadow. */
static void change_a_range(void)
{
    size_t first = random_below(N_BITS);
    size_t room = N_BITS - first;
    size_t n = random_below(4) == 0 ? random_below(room + 1)
                                    : random_below(room < 9 ? room + 1 : 9);
    bool value = random_below(2) == 0;

    if (value) {
        zs_bits_set(map, first, n);
    } else {
        zs_bits_clear(map, first, n);
    }
    for (size_t i = first; i < first + n; i++) {
        shadow[i] = value;
    }
}

static size_t naive_next(size_t from, size_t end, bool value)
{
    while (from < end && shadow[from] != value) {
        from++;
    }
    return from < end ? from : end;
}

static size_t naive_clear_run(size_t from, size_t end, size_t n)
{
    for (; from + n <= end; from++) {
        size_t len = 0;

        while (len < n && !shadow[from + len]) {
            len++;
        }
        if (len == n) {
            return from;
        }
    }
    return ZS_BITS_NONE;
}

static void bit_set_and_clear__change_that_bit_alone(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < 1000; round++) {
        size_t i = random_below(N_BITS);

        shadow[i] = random_below(2) == 0;
        if (shadow[i]) {
            zs_bit_set(map, i);
        } else {
            zs_bit_clear(map, i);
        }
        assert_map_is_the_shadow();
    }
}

static void bits_set_and_clear__change_that_range_alone(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < 2000; round++) {
        change_a_range();
        assert_map_is_the_shadow();
    }
}

static void next__is_the_first_such_bit_or_end(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < N_ROUNDS; round++) {
        size_t from = random_below(N_BITS + 1);
        size_t end = from + random_below(N_BITS - from + 1);

        change_a_range();
        assert_int_equal(zs_bits_next(map, from, end, true),
                         naive_next(from, end, true));
        assert_int_equal(zs_bits_next(map, from, end, false),
                         naive_next(from, end, false));
    }
}

static void next__of_nothing_is_end(void **unused)
{
    (void)unused;
    for (size_t at = 0; at <= N_BITS; at++) {
        assert_int_equal(zs_bits_next(map, at, at, false), at);
        assert_int_equal(zs_bits_next(map, at, at, true), at);
    }
}

/* Under valgrind and ASan this shows that the word at `end` is not read. */
static void next__does_not_look_behind_end(void **unused)
{
    uint64_t one[1] = { 0 };

    (void)unused;
    assert_int_equal(zs_bits_next(one, 0, 64, true), 64);
    one[0] = UINT64_MAX;
    assert_int_equal(zs_bits_next(one, 0, 64, false), 64);
    assert_int_equal(zs_bits_find_clear_run(one, 0, 64, 1), ZS_BITS_NONE);
}

static void find_clear_run__is_the_lowest_run_or_none(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < N_ROUNDS; round++) {
        size_t from = random_below(N_BITS + 1);
        size_t end = from + random_below(N_BITS - from + 1);
        size_t n = 1 + random_below(random_below(8) == 0 ? N_BITS : 12);

        change_a_range();
        assert_int_equal(zs_bits_find_clear_run(map, from, end, n),
                         naive_clear_run(from, end, n));
    }
}

static void find_clear_run__finds_the_whole_map_and_no_more(void **unused)
{
    (void)unused;
    assert_int_equal(zs_bits_find_clear_run(map, 0, N_BITS, N_BITS), 0);
    assert_int_equal(zs_bits_find_clear_run(map, 0, N_BITS, N_BITS + 1),
                     ZS_BITS_NONE);
    assert_int_equal(zs_bits_find_clear_run(map, 1, N_BITS, N_BITS),
                     ZS_BITS_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(bit_set_and_clear__change_that_bit_alone,
                               start_empty),
        cmocka_unit_test_setup(bits_set_and_clear__change_that_range_alone,
                               start_empty),
        cmocka_unit_test_setup(next__is_the_first_such_bit_or_end, start_empty),
        cmocka_unit_test_setup(next__of_nothing_is_end, start_empty),
        cmocka_unit_test_setup(next__does_not_look_behind_end, start_empty),
        cmocka_unit_test_setup(find_clear_run__is_the_lowest_run_or_none,
                               start_empty),
        cmocka_unit_test_setup(find_clear_run__finds_the_whole_map_and_no_more,
                               start_empty),
    };
    return cmocka_run_group_tests_name("bits", tests, NULL, NULL);
}
