/* SPDX-License-Identifier: MIT */
/* Unit tests of lib/migrate/page_type.c: registration of types and ops. */
#include "migrate_fixture.h"

static void type_create__gives_254_types_and_then_enospc(void **unused)
{
    zs_page_type_t types[ZS_PAGE_TYPE_MAX];
    zs_page_type_t none = 77;

    (void)unused;
    for (unsigned i = 1; i < ZS_PAGE_TYPE_MAX; i++) { /* one is there */
        assert_int_equal(zs_page_type_create(arena, "more", &types[i]), 0);
        assert_int_not_equal(types[i], 0);
        assert_int_not_equal(types[i], owner.type);
    }
    assert_int_equal(zs_page_type_create(arena, "more", &none), -ENOSPC);
    assert_int_equal(none, 77);
    for (unsigned i = 1; i < ZS_PAGE_TYPE_MAX; i++) {
        assert_int_equal(zs_page_type_destroy(arena, types[i]), 0);
    }
}

static void set_ops__a_second_time_is_ebusy(void **unused)
{
    (void)unused;
    assert_int_equal(zs_set_movable_ops(arena, owner.type, &ops, &owner),
                     -EBUSY);
}

static void set_ops__without_type_or_callback_is_einval(void **unused)
{
    struct zs_movable_ops broken = ops;
    zs_page_type_t other;

    (void)unused;
    assert_int_equal(zs_page_type_create(arena, "other", &other), 0);
    assert_int_equal(zs_set_movable_ops(arena, 0, &ops, NULL), -EINVAL);
    assert_int_equal(
        zs_set_movable_ops(arena, (zs_page_type_t)(other + 1), &ops, NULL),
        -EINVAL);
    assert_int_equal(zs_set_movable_ops(arena, other, NULL, NULL), -EINVAL);
    broken.isolate_page = NULL;
    assert_int_equal(zs_set_movable_ops(arena, other, &broken, NULL), -EINVAL);
    broken = ops;
    broken.migrate_page = NULL;
    assert_int_equal(zs_set_movable_ops(arena, other, &broken, NULL), -EINVAL);
    broken = ops;
    broken.putback_page = NULL;
    assert_int_equal(zs_set_movable_ops(arena, other, &broken, NULL), -EINVAL);
    assert_int_equal(zs_set_movable_ops(arena, other, &ops, &owner), 0);
    assert_int_equal(zs_page_type_destroy(arena, other), 0);
}

static void type_destroy__is_refused_while_pages_exist(void **unused)
{
    zs_pfn_t page = take_movable(1);
    zs_pfn_t moving = take_movable(1);

    (void)unused;
    assert_int_equal(zs_page_type_destroy(arena, owner.type), -EBUSY);
    assert_true(zs_isolate_movable_ops_page(arena, moving)); /* ops intact */
    zs_pages_free(arena, page, 1);
    assert_int_equal(zs_page_type_destroy(arena, owner.type), -EBUSY);
    assert_int_equal(zs_migrate_pages(arena, &moving, 1, ZS_MIGRATE_SYNC), 0);
    zs_pages_free(arena, owner.moved_to[moving], 1);
    assert_int_equal(zs_page_type_destroy(arena, owner.type), 0);
    assert_int_equal(zs_page_type_create(arena, "again", &owner.type), 0);
}

/* The page that was left behind waits for readers; that is not the owner's. */
static void type_destroy__waits_for_pages_in_limbo(void **unused)
{
    zs_pfn_t page = take_movable(1);

    (void)unused;
    assert_true(zs_isolate_movable_ops_page(arena, page));
    assert_int_equal(zs_migrate_pages(arena, &page, 1, ZS_MIGRATE_SYNC), 0);
    assert_int_equal(state_of(page), ZS_PAGE_LIMBO);
    zs_pages_free(arena, owner.moved_to[page], 1);
    assert_int_equal(zs_page_type_destroy(arena, owner.type), 0);
    assert_int_equal(zs_page_type_create(arena, "again", &owner.type), 0);
}

static void type__of_a_destroyed_one_begins_without_ops(void **unused)
{
    zs_page_type_t other, again;

    (void)unused;
    assert_int_equal(zs_page_type_create(arena, "other", &other), 0);
    assert_int_equal(zs_set_movable_ops(arena, other, &ops, &owner), 0);
    assert_int_equal(zs_page_type_destroy(arena, other), 0);
    assert_int_equal(zs_page_type_create(arena, "again", &again), 0);
    assert_int_equal(again, other);
    assert_int_equal(zs_set_movable_ops(arena, again, &ops, &owner), 0);
    assert_int_equal(zs_page_type_destroy(arena, again), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(type_create__gives_254_types_and_then_enospc),
        PROMISE(set_ops__a_second_time_is_ebusy),
        PROMISE(set_ops__without_type_or_callback_is_einval),
        PROMISE(type_destroy__is_refused_while_pages_exist),
        PROMISE(type_destroy__waits_for_pages_in_limbo),
        PROMISE(type__of_a_destroyed_one_begins_without_ops),
    };
    return cmocka_run_group_tests_name("page_type", tests, NULL, NULL);
}
