/* SPDX-License-Identifier: MIT */
/*
 * What a transition of the flag word costs: one atomic operation. Counts the
 * operations that page_flags.h and core_edges.h make.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static unsigned n_atomic; /* that change memory; loads are plain ones */

#undef atomic_compare_exchange_weak_explicit
#define atomic_compare_exchange_weak_explicit(p, old, want, yes, no)           \
    (n_atomic++, __atomic_compare_exchange_n((uint32_t *)(p), (old), (want),   \
                                             false, (yes), (no)))
#undef atomic_fetch_or_explicit
#undef atomic_fetch_and_explicit
#undef atomic_exchange_explicit
#undef atomic_store_explicit

#include "core_edges.h"

static struct zs_page page;

/* Operations since the last call. */
static unsigned cost(void)
{
    unsigned n = n_atomic;

    n_atomic = 0;
    return n;
}

static void every_way__costs_one_operation_an_edge(void **unused)
{
    (void)unused;
    (void)cost();
    zs_page_alloc_edge(&page, 7);
    assert_int_equal(cost(), 1);
    zs_page_set_movable_edge(&page);
    assert_int_equal(cost(), 1);
    assert_true(zs_page_try_lock(&page));
    assert_int_equal(cost(), 1);
    assert_true(zs_page_try_unlock(&page));
    assert_int_equal(cost(), 1);
    assert_true(zs_page_try_lock(&page));
    assert_true(zs_page_try_isolate(&page));
    assert_int_equal(cost(), 2);
    assert_true(zs_page_try_putback(&page));
    assert_int_equal(cost(), 1);
    assert_true(zs_page_try_lock(&page));
    assert_true(zs_page_try_isolate(&page));
    zs_page_migrated_edge(&page);
    assert_int_equal(cost(), 3);
    zs_page_reclaim_edge(&page);
    assert_int_equal(cost(), 1);
}

/* Put the page where its owner frees it, by the edges that lead there. */
static void take_to(enum zs_page_state state)
{
    zs_page_alloc_edge(&page, 7);
    if (state == ZS_PAGE_OWNED) {
        return;
    }
    zs_page_set_movable_edge(&page);
    if (state == ZS_PAGE_MOVABLE) {
        return;
    }
    assert_true(zs_page_try_lock(&page));
    if (state == ZS_PAGE_ISOLATED) {
        assert_true(zs_page_try_isolate(&page));
    }
}

static void release__costs_one_operation_from_every_state(void **unused)
{
    static const enum zs_page_state from[] = { ZS_PAGE_OWNED, ZS_PAGE_MOVABLE,
                                               ZS_PAGE_LOCKED,
                                               ZS_PAGE_ISOLATED };

    (void)unused;
    for (unsigned i = 0; i < 4; i++) {
        bool in_limbo;

        take_to(from[i]);
        (void)cost();
        in_limbo = zs_page_release_edge(&page);
        assert_int_equal(cost(), 1);
        assert_int_equal(in_limbo, i < 2);
        if (!in_limbo) {
            zs_page_finish_edge(&page);
            assert_int_equal(cost(), 1);
        }
        zs_page_reclaim_edge(&page);
    }
}

static void refused_edge__costs_none(void **unused)
{
    (void)unused;
    (void)cost();
    assert_false(zs_page_try_lock(&page));
    assert_false(zs_page_try_isolate(&page));
    assert_false(zs_page_try_putback(&page));
    assert_int_equal(cost(), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_way__costs_one_operation_an_edge),
        cmocka_unit_test(release__costs_one_operation_from_every_state),
        cmocka_unit_test(refused_edge__costs_none),
    };

    return cmocka_run_group_tests_name("edge_cost", tests, NULL, NULL);
}
