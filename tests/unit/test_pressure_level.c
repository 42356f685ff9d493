/* SPDX-License-Identifier: MIT */
/* Unit tests of compactor/pressure_level.c: figures in, level out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "pressure.h"

#define MIB (UINT64_C(1) << 20)
#define NONE ZS_PRESSURE_NO_LIMIT

static struct zs_pressure_figures quiet(void)
{
    return (struct zs_pressure_figures){ .high = { NONE, NONE },
                                         .max = { NONE, NONE } };
}

static struct zs_pressure_figures with_max(uint64_t limit, uint64_t room)
{
    struct zs_pressure_figures f = quiet();

    f.max = (struct zs_pressure_room){ limit, room };
    return f;
}

static struct zs_pressure_figures with_high(uint64_t limit, uint64_t room)
{
    struct zs_pressure_figures f = quiet();

    f.high = (struct zs_pressure_room){ limit, room };
    return f;
}

static struct zs_pressure_figures with_stall(unsigned some, unsigned full)
{
    struct zs_pressure_figures f = quiet();

    f.some_percent = some;
    f.full_percent = full;
    return f;
}

static struct zs_pressure_figures with_event(enum zs_pressure_event event)
{
    struct zs_pressure_figures f = quiet();

    f.events[event] = 1;
    return f;
}

static enum zs_pressure_level level(struct zs_pressure_figures f)
{
    return zs_pressure_next((struct zs_pressure_state){ 0 }, &f).level;
}

/* 800 MiB: the mark is 100. */
static void level__of_the_headroom_to_max(void **unused)
{
    const uint64_t limit = 800 * MIB;

    (void)unused;
    assert_int_equal(level(quiet()), ZS_PRESSURE_NONE);
    assert_int_equal(level(with_max(limit, 100 * MIB)), ZS_PRESSURE_NONE);
    assert_int_equal(level(with_max(limit, 100 * MIB - 1)), ZS_PRESSURE_LOW);
    assert_int_equal(level(with_max(limit, 50 * MIB)), ZS_PRESSURE_LOW);
    assert_int_equal(level(with_max(limit, 50 * MIB - 1)), ZS_PRESSURE_HIGH);
    assert_int_equal(level(with_max(limit, 25 * MIB)), ZS_PRESSURE_HIGH);
    assert_int_equal(level(with_max(limit, 25 * MIB - 1)),
                     ZS_PRESSURE_CRITICAL);
    assert_int_equal(level(with_max(limit, 0)), ZS_PRESSURE_CRITICAL);
}

static void level__of_a_large_limit_has_a_mark_of_512_mib(void **unused)
{
    const uint64_t limit = UINT64_C(1) << 40;

    (void)unused;
    assert_int_equal(zs_pressure_mark(limit), 512 * MIB);
    assert_int_equal(level(with_max(limit, 512 * MIB)), ZS_PRESSURE_NONE);
    assert_int_equal(level(with_max(limit, 511 * MIB)), ZS_PRESSURE_LOW);
}

static void level__of_the_headroom_to_high(void **unused)
{
    const uint64_t limit = 800 * MIB;

    (void)unused;
    assert_int_equal(level(with_high(limit, 100 * MIB)), ZS_PRESSURE_NONE);
    assert_int_equal(level(with_high(limit, 100 * MIB - 1)), ZS_PRESSURE_LOW);
    assert_int_equal(level(with_high(limit, 1)), ZS_PRESSURE_LOW);
    assert_int_equal(level(with_high(limit, 0)), ZS_PRESSURE_HIGH);
    assert_int_equal(level(with_high(0, 0)), ZS_PRESSURE_HIGH);
}

static void level__of_stalls(void **unused)
{
    (void)unused;
    assert_int_equal(level(with_stall(4, 4)), ZS_PRESSURE_NONE);
    assert_int_equal(level(with_stall(5, 0)), ZS_PRESSURE_LOW);
    assert_int_equal(level(with_stall(14, 4)), ZS_PRESSURE_LOW);
    assert_int_equal(level(with_stall(15, 0)), ZS_PRESSURE_HIGH);
    assert_int_equal(level(with_stall(5, 5)), ZS_PRESSURE_HIGH);
    assert_int_equal(level(with_stall(100, 14)), ZS_PRESSURE_HIGH);
    assert_int_equal(level(with_stall(100, 15)), ZS_PRESSURE_CRITICAL);
    assert_int_equal(level(with_stall(100, 100)), ZS_PRESSURE_CRITICAL);
}

static void level__of_events(void **unused)
{
    static const enum zs_pressure_level expected[ZS_PRESSURE_NR_EVENTS] = {
        [ZS_PRESSURE_EVENT_low] = ZS_PRESSURE_LOW,
        [ZS_PRESSURE_EVENT_high] = ZS_PRESSURE_LOW,
        [ZS_PRESSURE_EVENT_max] = ZS_PRESSURE_LOW,
        [ZS_PRESSURE_EVENT_oom] = ZS_PRESSURE_CRITICAL,
        [ZS_PRESSURE_EVENT_oom_kill] = ZS_PRESSURE_CRITICAL,
    };

    (void)unused;
    for (unsigned i = 0; i < ZS_PRESSURE_NR_EVENTS; i++) {
        assert_int_equal(level(with_event((enum zs_pressure_event)i)),
                         expected[i]);
    }
}

/* File cache fills such a group up, and gives way. */
static void level__of_a_limit_met_with_room_is_none(void **unused)
{
    struct zs_pressure_figures f = with_max(800 * MIB, 200 * MIB);

    (void)unused;
    f.events[ZS_PRESSURE_EVENT_max] = 1000;
    assert_int_equal(level(f), ZS_PRESSURE_NONE);
    f.max.room_bytes--;
    assert_int_equal(level(f), ZS_PRESSURE_LOW);
    f = with_high(800 * MIB, 200 * MIB);
    f.events[ZS_PRESSURE_EVENT_high] = 1000;
    assert_int_equal(level(f), ZS_PRESSURE_NONE);
    f.high.room_bytes--;
    assert_int_equal(level(f), ZS_PRESSURE_LOW);
}

static void level__is_the_highest_that_any_asks_for(void **unused)
{
    struct zs_pressure_figures f = with_max(800 * MIB, 90 * MIB);

    (void)unused;
    f.full_percent = 20;
    assert_int_equal(level(f), ZS_PRESSURE_CRITICAL);
    f = with_high(800 * MIB, 0);
    f.some_percent = 5;
    assert_int_equal(level(f), ZS_PRESSURE_HIGH);
}

/* --- rising and falling --- */

static void state__rises_at_once_and_falls_step_by_step(void **unused)
{
    struct zs_pressure_figures bad = with_stall(0, 50);
    struct zs_pressure_figures good = quiet();
    struct zs_pressure_state s = { 0 };
    unsigned looks = 0;

    (void)unused;
    s = zs_pressure_next(s, &bad);
    assert_int_equal(s.level, ZS_PRESSURE_CRITICAL);
    while (s.level > ZS_PRESSURE_NONE) {
        enum zs_pressure_level was = s.level;

        s = zs_pressure_next(s, &good);
        looks++;
        assert_true(s.level == was || s.level + 1 == was);
        assert_int_equal(s.level != was, looks % ZS_PRESSURE_CALM_LOOKS == 0);
    }
    assert_int_equal(looks, 3 * ZS_PRESSURE_CALM_LOOKS);
    s = zs_pressure_next(s, &good);
    assert_int_equal(s.level, ZS_PRESSURE_NONE);
}

/* Every third look is bad. */
static void state__does_not_flap(void **unused)
{
    struct zs_pressure_figures bad = with_event(ZS_PRESSURE_EVENT_max);
    struct zs_pressure_figures good = quiet();
    struct zs_pressure_state s = { 0 };

    (void)unused;
    s = zs_pressure_next(s, &bad);
    for (unsigned i = 0; i < 30; i++) {
        s = zs_pressure_next(s, i % 3 == 2 ? &bad : &good);
        assert_int_equal(s.level, ZS_PRESSURE_LOW);
    }
}

/* Around a mark, and around a share, it stays. */
static void state__is_kept_between_the_marks(void **unused)
{
    struct zs_pressure_figures enter[] = { with_max(800 * MIB, 99 * MIB),
                                           with_high(800 * MIB, 99 * MIB),
                                           with_stall(5, 0),
                                           with_high(800 * MIB, 0) };
    struct zs_pressure_figures stay[] = { with_max(800 * MIB, 149 * MIB),
                                          with_high(800 * MIB, 149 * MIB),
                                          with_stall(3, 0),
                                          with_high(800 * MIB, 25 * MIB) };
    struct zs_pressure_figures leave[] = { with_max(800 * MIB, 150 * MIB),
                                           with_high(800 * MIB, 150 * MIB),
                                           with_stall(2, 0),
                                           with_high(800 * MIB, 25 * MIB + 1) };

    (void)unused;
    for (unsigned i = 0; i < 4; i++) {
        struct zs_pressure_state s = { 0 };
        enum zs_pressure_level at = zs_pressure_next(s, &enter[i]).level;

        s.level = at;
        for (unsigned n = 0; n < 3 * ZS_PRESSURE_CALM_LOOKS; n++) {
            s = zs_pressure_next(s, &stay[i]);
        }
        assert_int_equal(s.level, at);
        for (unsigned n = 0; n < ZS_PRESSURE_CALM_LOOKS; n++) {
            assert_int_equal(s.level, at);
            s = zs_pressure_next(s, &leave[i]);
        }
        assert_int_equal(s.level, at - 1);
    }
}

/* --- bytes --- */

static uint64_t want(struct zs_pressure_figures f, enum zs_pressure_level at)
{
    return zs_pressure_want_bytes(at, &f, 1000 * MIB);
}

static void want__is_what_misses_to_where_the_level_falls(void **unused)
{
    (void)unused;
    assert_int_equal(want(with_max(800 * MIB, 40 * MIB), ZS_PRESSURE_HIGH),
                     110 * MIB);
    assert_int_equal(want(with_high(800 * MIB, 0), ZS_PRESSURE_HIGH),
                     150 * MIB);
    assert_int_equal(want(with_max(800 * MIB, 120 * MIB), ZS_PRESSURE_LOW),
                     30 * MIB);
}

static void want__is_a_share_where_no_headroom_is_short(void **unused)
{
    (void)unused;
    assert_int_equal(want(with_stall(5, 0), ZS_PRESSURE_LOW), 10 * MIB);
    assert_int_equal(want(with_stall(15, 0), ZS_PRESSURE_HIGH), 40 * MIB);
    assert_int_equal(want(with_stall(15, 15), ZS_PRESSURE_CRITICAL), 100 * MIB);
}

/* While a level is only kept, a short stall must not empty a whole cache. */
static void want__is_nothing_in_a_calm_look(void **unused)
{
    (void)unused;
    assert_int_equal(want(quiet(), ZS_PRESSURE_CRITICAL), 0);
    assert_int_equal(want(with_stall(5, 0), ZS_PRESSURE_CRITICAL), 10 * MIB);
    assert_int_equal(want(with_max(800 * MIB, 120 * MIB), ZS_PRESSURE_CRITICAL),
                     30 * MIB);
}

static void want__is_nothing_without_pressure(void **unused)
{
    (void)unused;
    assert_int_equal(want(quiet(), ZS_PRESSURE_NONE), 0);
    assert_int_equal(want(with_max(800 * MIB, 149 * MIB), ZS_PRESSURE_NONE), 0);
}

static void want__is_never_more_than_the_footprint(void **unused)
{
    struct zs_pressure_figures f = with_max(800 * MIB, 0);

    (void)unused;
    assert_int_equal(zs_pressure_want_bytes(ZS_PRESSURE_CRITICAL, &f, MIB),
                     MIB);
    f = with_max(UINT64_C(1) << 61, 0);
    assert_int_equal(zs_pressure_want_bytes(ZS_PRESSURE_CRITICAL, &f, 7), 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(level__of_the_headroom_to_max),
        cmocka_unit_test(level__of_a_large_limit_has_a_mark_of_512_mib),
        cmocka_unit_test(level__of_the_headroom_to_high),
        cmocka_unit_test(level__of_stalls),
        cmocka_unit_test(level__of_events),
        cmocka_unit_test(level__of_a_limit_met_with_room_is_none),
        cmocka_unit_test(level__is_the_highest_that_any_asks_for),
        cmocka_unit_test(state__rises_at_once_and_falls_step_by_step),
        cmocka_unit_test(state__does_not_flap),
        cmocka_unit_test(state__is_kept_between_the_marks),
        cmocka_unit_test(want__is_what_misses_to_where_the_level_falls),
        cmocka_unit_test(want__is_a_share_where_no_headroom_is_short),
        cmocka_unit_test(want__is_nothing_in_a_calm_look),
        cmocka_unit_test(want__is_nothing_without_pressure),
        cmocka_unit_test(want__is_never_more_than_the_footprint),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
