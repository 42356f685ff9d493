/* SPDX-License-Identifier: MIT */
/* Unit tests of lib/zspage/zspage.h: slots, limbo, and the word with pins. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "zspage.h"

#define N_SLOTS 32u

static struct zspage zp;
static uint32_t side[N_SLOTS];

static int make_zspage(void **state)
{
    (void)state;
    memset(&zp, 0, sizeof(zp));
    zp.n_slots = N_SLOTS;
    zp.n_pages = 8;
    zp.n_resident_pages = 8;
    zp.free_head = ZS_NO_LINK;
    zp.limbo_head = ZS_NO_LINK;
    atomic_store(&zp.slot_bytes, 1024);
    return 0;
}

static void slots__are_taken_from_the_front(void **state)
{
    (void)state;
    for (unsigned i = 0; i < N_SLOTS; i++) {
        assert_int_equal(zspage_take_slot(&zp, side, 100 + i), i);
        assert_int_equal(side[i], 100 + i);
    }
    assert_int_equal(zspage_free_slots(&zp), 0);
    assert_true(zspage_is_valid(&zp, side));
}

static void slot__that_was_given_is_taken_before_a_fresh_one(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        (void)zspage_take_slot(&zp, side, 100 + i);
    }
    zspage_give_slot(&zp, side, 2);
    assert_false(zs_side_is_handle(side[2]));
    assert_int_equal(zspage_take_slot(&zp, side, 7), 2);
    assert_int_equal(zspage_take_slot(&zp, side, 8), 5);
    assert_true(zspage_is_valid(&zp, side));
}

static void room__is_what_has_memory(void **state)
{
    (void)state;
    zp.n_resident_pages = 1; /* 4 slots */
    assert_int_equal(zspage_room(&zp), 4);
    assert_int_equal(zspage_free_slots(&zp), N_SLOTS);
    (void)zspage_take_slot(&zp, side, 1);
    assert_int_equal(zspage_room(&zp), 3);
}

static void limbo_slot__is_not_taken_before_its_round(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        (void)zspage_take_slot(&zp, side, 100 + i);
    }
    zspage_slot_to_limbo(&zp, side, 0, 5); /* after round 5 began */
    zspage_slot_to_limbo(&zp, side, 1, 6);
    assert_int_equal(zspage_take_slot(&zp, side, 9), 4);
    zspage_free_limbo(&zp, side, 5); /* covers nothing stamped 5 */
    assert_int_equal(zp.n_limbo, 2);
    zspage_free_limbo(&zp, side, 6);
    assert_int_equal(zp.n_limbo, 1);
    assert_int_equal(zspage_take_slot(&zp, side, 10), 0);
    zspage_free_limbo(&zp, side, 7);
    assert_int_equal(zp.n_limbo, 0);
    assert_int_equal(zspage_take_slot(&zp, side, 11), 1);
    assert_true(zspage_is_valid(&zp, side));
}

static void limbo_stamp__may_wrap(void **state)
{
    static const uint32_t rounds[] = { 0x3fff, 0x4000, UINT32_MAX, 0 };

    (void)state;
    for (unsigned i = 0; i < 4; i++) {
        (void)zspage_take_slot(&zp, side, 100);
        zspage_slot_to_limbo(&zp, side, 0, rounds[i]);
        zspage_free_limbo(&zp, side, rounds[i]);
        assert_int_equal(zp.n_limbo, 1);
        zspage_free_limbo(&zp, side, rounds[i] + 1);
        assert_int_equal(zp.n_limbo, 0);
    }
}

static void pin__and_moving_exclude_each_other(void **state)
{
    (void)state;
    assert_true(zspage_try_pin(&zp));
    assert_true(zspage_try_pin(&zp));
    assert_false(zspage_try_close(&zp));
    zspage_unpin(&zp);
    assert_false(zspage_try_close(&zp));
    zspage_unpin(&zp);
    assert_true(zspage_try_close(&zp));
    assert_false(zspage_try_close(&zp));
    assert_false(zspage_try_pin(&zp));
    assert_true(zspage_is_closed(&zp));
    zspage_open(&zp);
    assert_true(zspage_try_pin(&zp));
}

static void stop__is_forgotten_when_the_zspage_opens(void **state)
{
    (void)state;
    assert_true(zspage_try_close(&zp));
    assert_false(zspage_is_asked_to_stop(&zp));
    zspage_ask_stop(&zp);
    assert_true(zspage_is_asked_to_stop(&zp));
    zspage_open(&zp);
    assert_false(zspage_is_asked_to_stop(&zp));
    assert_true(zspage_try_close(&zp));
    assert_false(zspage_is_asked_to_stop(&zp));
}

static void untouched_zspage__owns_no_page(void **state)
{
    (void)state;
    memset(&zp, 0, sizeof(zp));
    for (zs_pfn_t pfn = 0; pfn < 100; pfn++) {
        assert_false(zspage_owns(&zp, pfn, pfn));
    }
    assert_false(zspage_owns(&zp, ZS_PFN_NONE, 0));
}

static void contiguous_zspage__owns_its_pages_only(void **state)
{
    (void)state;
    zspage_publish_contiguous(&zp, 0); /* page 0 is a page like any other */
    assert_true(zspage_owns(&zp, 0, 0));
    assert_true(zspage_owns(&zp, 7, 7));
    assert_false(zspage_owns(&zp, 8, 8));
    assert_int_equal(zspage_pfn(&zp, 3), 3);
    zspage_publish_nowhere(&zp);
    assert_false(zspage_owns(&zp, 0, 0));
}

#define ZSPAGE_TEST(name) cmocka_unit_test_setup(name, make_zspage)

int main(void)
{
    const struct CMUnitTest tests[] = {
        ZSPAGE_TEST(slots__are_taken_from_the_front),
        ZSPAGE_TEST(slot__that_was_given_is_taken_before_a_fresh_one),
        ZSPAGE_TEST(room__is_what_has_memory),
        ZSPAGE_TEST(limbo_slot__is_not_taken_before_its_round),
        ZSPAGE_TEST(limbo_stamp__may_wrap),
        ZSPAGE_TEST(pin__and_moving_exclude_each_other),
        ZSPAGE_TEST(stop__is_forgotten_when_the_zspage_opens),
        ZSPAGE_TEST(untouched_zspage__owns_no_page),
        ZSPAGE_TEST(contiguous_zspage__owns_its_pages_only),
    };

    return cmocka_run_group_tests_name("zspage", tests, NULL, NULL);
}
