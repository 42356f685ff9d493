/* SPDX-License-Identifier: MIT */
/* Unit tests of lib/zspage/size_class.h: the table, seen from outside. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "size_class.h"

#define PAGE ZS_CLASS_PAGE_BYTES
#define LARGEST ZS_LARGEST_CLASS_BYTES

static const struct zs_size_class *holder_of(unsigned bytes)
{
    return zs_size_class(zs_size_class_of(bytes));
}

/* Bytes of pages that one object takes in a full zspage of its class. */
static double page_bytes_of(unsigned bytes)
{
    const struct zs_size_class *cl = holder_of(bytes);

    return (double)cl->n_pages * PAGE / cl->n_slots;
}

static void size_class_of__is_the_smallest_class_that_fits(void **unused)
{
    unsigned idx = 0;

    (void)unused;
    for (unsigned bytes = 1; bytes <= LARGEST; bytes++) {
        while (zs_size_class(idx)->slot_bytes < bytes) {
            idx++;
        }
        assert_int_equal(zs_size_class_of(bytes), idx);
    }
    assert_int_equal(idx, zs_nr_size_classes() - 1);
}

static void table__runs_from_8_to_64_kib_and_increases(void **unused)
{
    unsigned n = zs_nr_size_classes();

    (void)unused;
    assert_int_equal(zs_size_class(0)->slot_bytes, ZS_SMALLEST_CLASS_BYTES);
    assert_int_equal(zs_size_class(n - 1)->slot_bytes, LARGEST);
    for (unsigned i = 1; i < n; i++) {
        assert_true(zs_size_class(i - 1)->slot_bytes <
                    zs_size_class(i)->slot_bytes);
    }
}

static void table__has_no_more_classes_than_promised(void **unused)
{
    (void)unused;
    assert_in_range(zs_nr_size_classes(), 1, ZS_MAX_SIZE_CLASSES);
}

static void slot_bytes__are_multiples_of_4(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < zs_nr_size_classes(); i++) {
        assert_int_equal(zs_size_class(i)->slot_bytes % 4, 0);
    }
}

static void slots__fill_the_chain_and_are_at_most_1024(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < zs_nr_size_classes(); i++) {
        const struct zs_size_class *cl = zs_size_class(i);
        unsigned fit = cl->n_pages * PAGE / cl->slot_bytes;

        assert_in_range(cl->n_slots, 1, ZS_MAX_SLOTS_PER_ZSPAGE);
        assert_int_equal(cl->n_slots, fit);
    }
}

/* Else another class with the same zspages would hold more. */
static void slot_bytes__could_not_be_larger_for_the_same_chain(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < zs_nr_size_classes(); i++) {
        const struct zs_size_class *cl = zs_size_class(i);

        if (cl->slot_bytes < LARGEST) {
            assert_true((cl->slot_bytes + 4) * cl->n_slots >
                        cl->n_pages * PAGE);
        }
    }
}

static void chain__has_8_pages_where_1024_slots_allow_it(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < zs_nr_size_classes(); i++) {
        const struct zs_size_class *cl = zs_size_class(i);

        if (cl->n_pages < 8) {
            assert_int_equal(cl->n_slots, ZS_MAX_SLOTS_PER_ZSPAGE);
        }
    }
}

static void chain__is_bounded(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < zs_nr_size_classes(); i++) {
        const struct zs_size_class *cl = zs_size_class(i);

        assert_in_range(cl->n_pages, 1,
                        cl->slot_bytes <= PAGE ? 32 : ZS_MAX_PAGES_PER_ZSPAGE);
    }
}

/* The bounds that docs/size-classes.md states. */
static void waste__stays_below_the_documented_bounds(void **unused)
{
    (void)unused;
    for (unsigned bytes = 1; bytes <= LARGEST; bytes++) {
        double waste = page_bytes_of(bytes) - bytes;

        if (bytes <= 8) {
            assert_true(waste < 8);
        } else if (bytes <= 160) {
            assert_true(waste < 4);
        } else if (bytes <= 1024) {
            assert_true(waste < 0.05 * bytes);
        } else if (bytes <= PAGE) {
            assert_true(waste < 0.033 * bytes);
        } else {
            assert_true(waste < 0.04 * bytes);
        }
    }
}

static void whole_pages__waste_nothing(void **unused)
{
    (void)unused;
    assert_int_equal(holder_of(PAGE)->slot_bytes, PAGE);
    assert_int_equal(holder_of(PAGE)->n_slots, holder_of(PAGE)->n_pages);
}

static void raw_pages_with_a_header__take_at_most_66_bytes_more(void **unused)
{
    (void)unused;
    for (unsigned header = 1; header <= 16; header++) {
        assert_true(page_bytes_of(PAGE + header) <= PAGE + 66);
    }
}

/* 2^20 zspages: at least 32 GiB of pages, or 2^30 objects where tiny. */
static void reach__is_32_gib_or_a_billion_objects(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < zs_nr_size_classes(); i++) {
        const struct zs_size_class *cl = zs_size_class(i);
        uint64_t gib = ((uint64_t)cl->n_pages * PAGE << 20) >> 30;

        assert_true(gib >= 32 || cl->n_slots == 1024);
    }
}

static void build__makes_the_same_table_again(void **unused)
{
    static struct zs_size_class again[ZS_MAX_SIZE_CLASSES];
    unsigned n = zs_size_classes_build(&zs_size_class_default_rule, again,
                                       ZS_MAX_SIZE_CLASSES);

    (void)unused;
    assert_int_equal(n, zs_nr_size_classes());
    assert_memory_equal(again, zs_size_class(0), n * sizeof(again[0]));
}

static void init__may_be_called_again(void **unused)
{
    unsigned n = zs_nr_size_classes();

    (void)unused;
    zs_size_classes_init();
    assert_int_equal(zs_nr_size_classes(), n);
}

static int init_table(void **unused)
{
    (void)unused;
    zs_size_classes_init();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(size_class_of__is_the_smallest_class_that_fits),
        cmocka_unit_test(table__runs_from_8_to_64_kib_and_increases),
        cmocka_unit_test(table__has_no_more_classes_than_promised),
        cmocka_unit_test(slot_bytes__are_multiples_of_4),
        cmocka_unit_test(slots__fill_the_chain_and_are_at_most_1024),
        cmocka_unit_test(slot_bytes__could_not_be_larger_for_the_same_chain),
        cmocka_unit_test(chain__has_8_pages_where_1024_slots_allow_it),
        cmocka_unit_test(chain__is_bounded),
        cmocka_unit_test(waste__stays_below_the_documented_bounds),
        cmocka_unit_test(whole_pages__waste_nothing),
        cmocka_unit_test(raw_pages_with_a_header__take_at_most_66_bytes_more),
        cmocka_unit_test(reach__is_32_gib_or_a_billion_objects),
        cmocka_unit_test(build__makes_the_same_table_again),
        cmocka_unit_test(init__may_be_called_again),
    };
    return cmocka_run_group_tests_name("size_class", tests, init_table, NULL);
}
