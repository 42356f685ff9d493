/* SPDX-License-Identifier: MIT */
/* Unit tests of compactor/watermarks.h: figures in, state and bytes out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "watermarks.h"

#define KIB (UINT64_C(1) << 10)
#define MIB (UINT64_C(1) << 20)
#define GIB (UINT64_C(1) << 30)

static const struct zs_watermarks marks = { 10 * MIB, 20 * MIB, 40 * MIB };

static struct zs_watermark_answer look(uint64_t footprint, uint64_t idle,
                                       uint64_t reclaimable)
{
    struct zs_watermark_figures f = { 100 * MIB, footprint, idle, reclaimable };

    return zs_watermarks_look(&marks, &f);
}

static void root__is_rounded_down(void **unused)
{
    (void)unused;
    for (uint64_t n = 0; n < 2000; n++) {
        uint64_t r = zs_square_root(n);

        assert_true(r * r <= n && n < (r + 1) * (r + 1));
    }
    assert_int_equal(zs_square_root(UINT64_MAX), UINT32_MAX);
}

static void defaults__are_as_the_table_says(void **unused)
{
    struct zs_watermarks w = zs_watermarks_default(64 * MIB);

    (void)unused;
    assert_int_equal(w.min_bytes, MIB);
    assert_int_equal(w.low_bytes, MIB + 64 * MIB / 100);
    assert_int_equal(w.high_bytes, MIB + 2 * (64 * MIB / 100));
    w = zs_watermarks_default(8 * MIB);
    assert_int_equal(w.min_bytes, 362 * KIB);
    assert_int_equal(w.low_bytes - w.min_bytes, 362 * KIB / 4);
    w = zs_watermarks_default(64 * GIB);
    assert_int_equal(w.min_bytes, 32 * MIB);
    assert_int_equal(w.low_bytes, 96 * MIB);
    assert_int_equal(w.high_bytes, 160 * MIB);
    w = zs_watermarks_default(UINT64_MAX);
    assert_int_equal(w.min_bytes, 256 * MIB);
    assert_int_equal(w.high_bytes, 384 * MIB);
}

static void defaults__are_in_order_and_below_the_limit(void **unused)
{
    (void)unused;
    for (unsigned shift = 0; shift < 64; shift++) {
        uint64_t limit = UINT64_C(1) << shift;
        struct zs_watermarks w = zs_watermarks_default(limit);

        assert_true(w.min_bytes <= w.low_bytes && w.low_bytes <= w.high_bytes);
        assert_true(w.high_bytes <= limit / 4);
    }
    assert_int_equal(zs_watermarks_default(0).high_bytes, 0);
}

static void set__fills_in_what_is_not_given(void **unused)
{
    struct zs_watermarks d = zs_watermarks_default(64 * MIB);
    struct zs_watermarks w;
    uint64_t gap = d.low_bytes - d.min_bytes;

    (void)unused;
    assert_true(zs_watermarks_set((struct zs_watermarks){ 0 }, 64 * MIB, &w));
    assert_memory_equal(&w, &d, sizeof(w));
    assert_true(zs_watermarks_set((struct zs_watermarks){ 8 * MIB, 0, 0 },
                                  64 * MIB, &w));
    assert_int_equal(w.low_bytes, 8 * MIB + gap);
    assert_int_equal(w.high_bytes, 8 * MIB + 2 * gap);
    assert_true(zs_watermarks_set((struct zs_watermarks){ 0, 0, MIB / 2 },
                                  64 * MIB, &w));
    assert_int_equal(w.min_bytes, MIB / 2);
    assert_int_equal(w.low_bytes, MIB / 2);
    assert_true(zs_watermarks_set(
        (struct zs_watermarks){ 0, MIB / 2, 32 * MIB }, 64 * MIB, &w));
    assert_int_equal(w.min_bytes, MIB / 2);
    assert_int_equal(w.high_bytes, 32 * MIB);
}

static void set__refuses_what_is_not_in_order(void **unused)
{
    static const struct zs_watermarks bad[] = {
        { 2 * MIB, MIB, 0 }, { 2 * MIB, 0, MIB },  { 0, 2 * MIB, MIB },
        { 0, 0, 65 * MIB },  { 0, UINT64_MAX, 0 }, { UINT64_MAX, 0, 0 },
        { 64 * MIB, 0, 0 },
    };
    struct zs_watermarks w = { 1, 2, 3 };

    (void)unused;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_false(zs_watermarks_set(bad[i], 64 * MIB, &w));
    }
    assert_false(zs_watermarks_set(bad[0], 0, &w));
    assert_int_equal(w.high_bytes, 3);
}

static void look__of_no_limit_is_above_high(void **unused)
{
    struct zs_watermark_figures f = { 0, 500 * MIB, 0, 100 * MIB };
    struct zs_watermark_answer a = zs_watermarks_look(&marks, &f);

    (void)unused;
    assert_int_equal(a.state, ZS_WATERMARK_ABOVE_HIGH);
    assert_int_equal(a.compact_bytes, 0);
    assert_int_equal(a.evict_bytes, 0);
}

static void look__state_changes_below_each_mark(void **unused)
{
    (void)unused;
    assert_int_equal(look(60 * MIB, 0, 0).state, ZS_WATERMARK_ABOVE_HIGH);
    assert_int_equal(look(60 * MIB + 1, 0, 0).state, ZS_WATERMARK_BELOW_HIGH);
    assert_int_equal(look(80 * MIB, 0, 0).state, ZS_WATERMARK_BELOW_HIGH);
    assert_int_equal(look(80 * MIB + 1, 0, 0).state, ZS_WATERMARK_BELOW_LOW);
    assert_int_equal(look(90 * MIB, 0, 0).state, ZS_WATERMARK_BELOW_LOW);
    assert_int_equal(look(90 * MIB + 1, 0, 0).state, ZS_WATERMARK_BELOW_MIN);
    assert_int_equal(look(200 * MIB, 0, 0).state, ZS_WATERMARK_BELOW_MIN);
}

static void look__idle_memory_is_free(void **unused)
{
    (void)unused;
    assert_int_equal(look(95 * MIB, 40 * MIB, 0).state,
                     ZS_WATERMARK_ABOVE_HIGH);
    assert_int_equal(look(95 * MIB, 40 * MIB, 0).free_bytes, 45 * MIB);
    assert_int_equal(look(95 * MIB, 99 * MIB, 0).free_bytes, 100 * MIB);
}

static void look__bytes_lead_to_high(void **unused)
{
    struct zs_watermark_answer a = look(85 * MIB, 0, 100 * MIB);

    (void)unused;
    assert_int_equal(a.compact_bytes, 25 * MIB);
    assert_int_equal(a.evict_bytes, 0);
    a = look(85 * MIB, 0, 10 * MIB);
    assert_int_equal(a.compact_bytes, 10 * MIB);
    assert_int_equal(a.evict_bytes, 15 * MIB);
    a = look(60 * MIB, 0, 10 * MIB);
    assert_int_equal(a.compact_bytes, 0);
}

static void work__begins_below_low_and_ends_at_high(void **unused)
{
    (void)unused;
    assert_false(zs_watermarks_want_work(ZS_WATERMARK_ABOVE_HIGH, true));
    assert_true(zs_watermarks_want_work(ZS_WATERMARK_BELOW_HIGH, true));
    assert_false(zs_watermarks_want_work(ZS_WATERMARK_BELOW_HIGH, false));
    assert_true(zs_watermarks_want_work(ZS_WATERMARK_BELOW_LOW, false));
    assert_true(zs_watermarks_want_work(ZS_WATERMARK_BELOW_MIN, false));
}

static void level__is_none_while_compaction_is_enough(void **unused)
{
    struct zs_watermark_answer a = look(95 * MIB, 0, 100 * MIB);

    (void)unused;
    assert_int_equal(zs_watermarks_level(&a), ZS_PRESSURE_NONE);
    a = look(95 * MIB, 0, 0);
    assert_int_equal(zs_watermarks_level(&a), ZS_PRESSURE_HIGH);
    a = look(85 * MIB, 0, 0);
    assert_int_equal(zs_watermarks_level(&a), ZS_PRESSURE_LOW);
    a = look(70 * MIB, 0, 0);
    assert_int_equal(zs_watermarks_level(&a), ZS_PRESSURE_NONE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(root__is_rounded_down),
        cmocka_unit_test(defaults__are_as_the_table_says),
        cmocka_unit_test(defaults__are_in_order_and_below_the_limit),
        cmocka_unit_test(set__fills_in_what_is_not_given),
        cmocka_unit_test(set__refuses_what_is_not_in_order),
        cmocka_unit_test(look__of_no_limit_is_above_high),
        cmocka_unit_test(look__state_changes_below_each_mark),
        cmocka_unit_test(look__idle_memory_is_free),
        cmocka_unit_test(look__bytes_lead_to_high),
        cmocka_unit_test(work__begins_below_low_and_ends_at_high),
        cmocka_unit_test(level__is_none_while_compaction_is_enough),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
