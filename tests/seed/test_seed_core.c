/* SPDX-License-Identifier: MIT */
/*
 * Rows 7, 9, 11, 17 and 21 of the seed: the core's path of a page.
 */
#include <pthread.h>

#include "pool_fixture.h"
#include "seed_fixture.h"
#include "zspool/balloon.h"

#define N_RACES 300000u

static struct owner owner;

/* --- 7: isolate_movable_ops_page answers yes or no --- */

typedef bool isolate_fn(struct zs_arena *, zs_pfn_t);

static void assert_not_isolated(zs_pfn_t page)
{
    enum zs_page_state before = state_at(page);

    assert_false(zs_isolate_movable_ops_page(arena, page));
    assert_int_equal(state_at(page), before);
}

static void seed_07__true_means_isolated(void **unused)
{
    isolate_fn *isolate = zs_isolate_movable_ops_page;
    zs_pfn_t movable, owned;

    (void)unused;
    _Static_assert(
        _Generic(zs_isolate_movable_ops_page(NULL, 0), bool : 1, default : 0),
        "a yes or a no");
    make_arena(2);
    make_owner(&owner, "owner");
    movable = take_movable(&owner, 2);
    owned = take_owned(&owner, 1);
    assert_true(isolate(arena, movable));
    assert_int_equal(state_at(movable), ZS_PAGE_ISOLATED);
    assert_not_isolated(movable);   /* somebody has it */
    assert_not_isolated(owned);     /* not movable */
    assert_not_isolated(owned + 9); /* free */
    owner.says_no = true;
    assert_not_isolated(movable + 1); /* refused */
    assert_int_equal(owner.n_isolate, 2);
    owner.says_no = false;
    owner.frees_at_isolate = true; /* yes, but it is gone */
    assert_false(zs_isolate_movable_ops_page(arena, movable + 1));
    assert_int_not_equal(state_at(movable + 1), ZS_PAGE_ISOLATED);
    put_back(&movable, 1);
    drop_owner(&owner);
    drop_arena();
}

/* --- 9: from ISOLATED to done, retry or refused --- */

static enum zs_migrate_result migrate_one(zs_pfn_t src, zs_pfn_t *dst)
{
    *dst = take_destination(type_at(src));
    return migrate_page_to(*dst, src);
}

static void assert_stays(zs_pfn_t src, enum zs_migrate_result answer)
{
    zs_pfn_t dst;

    owner.answer = answer;
    assert_int_equal(migrate_one(src, &dst), answer);
    assert_int_equal(state_at(src), ZS_PAGE_ISOLATED);
    assert_int_equal(state_at(dst), ZS_PAGE_OWNED); /* the caller's still */
    assert_true(page_holds(src, src));
    zs_pages_free(arena, dst, 1);
}

static void seed_09__isolated_ends_in_done_gone_or_stays(void **unused)
{
    zs_pfn_t src, dst;

    (void)unused;
    make_arena(2);
    make_owner(&owner, "owner");
    src = take_movable(&owner, 2);
    assert_true(zs_isolate_movable_ops_page(arena, src));
    assert_true(zs_isolate_movable_ops_page(arena, src + 1));
    assert_stays(src, ZS_MIGRATE_RETRY);
    assert_stays(src, ZS_MIGRATE_REFUSED);
    zs_read_begin(); /* what is left behind waits */
    owner.answer = ZS_MIGRATE_DONE;
    assert_int_equal(migrate_one(src, &dst), ZS_MIGRATE_DONE);
    assert_int_equal(state_at(src), ZS_PAGE_LIMBO);
    assert_int_equal(state_at(dst), ZS_PAGE_MOVABLE);
    assert_true(page_holds(dst, src));
    owner.frees_at_migrate = true;
    assert_int_equal(migrate_one(src + 1, &dst), ZS_MIGRATE_GONE);
    assert_int_equal(state_at(src + 1), ZS_PAGE_LIMBO);
    zs_read_end();
    assert_int_equal(owner.n_migrate, 4);
    assert_int_equal(owner.n_putback, 0);
    drop_owner(&owner);
    drop_arena();
}

/* --- 11: one path for all owners --- */

static void seed_11__pages_of_all_owners_go_one_way(void **unused)
{
    zs_pfn_t pages[ZS_MIGRATE_BATCH];
    struct zs_balloon *balloon;
    unsigned n, n_pool;
    uint64_t withheld;

    (void)unused;
    make_arena(4);
    make_owner(&owner, "owner");
    (void)take_movable(&owner, 20);
    make_pool(100, 3000);
    assert_int_equal(zs_balloon_create(arena, &balloon), 0);
    withheld = zs_balloon_inflate(balloon, 30 * ZS_PAGE_BYTES);
    assert_int_equal(withheld, 30 * ZS_PAGE_BYTES);
    n = isolate_all(owner.type, 0, pages, BLOCK);
    assert_int_equal(n, 20);
    n_pool = isolate_all(pool->type, 0, pages + n, BLOCK - n);
    assert_true(n_pool > 4);
    n += n_pool;
    for (zs_pfn_t p = 0; p < zs_arena_nr_pages(arena); p++) {
        if (zs_isolate_movable_ops_page(arena, p)) { /* the balloon's */
            pages[n++] = p;
        }
    }
    assert_int_equal(n, 50 + n_pool);
    assert_int_equal(zs_migrate_pages(arena, pages, n, ZS_MIGRATE_SYNC), 0);
    assert_int_equal(arena_stats().pages_migrated, n);
    for (zs_pfn_t p = 0; p < MAX_PAGES; p++) {
        assert_true(owner.moved_to[p] == 0 || page_holds(owner.moved_to[p], p));
    }
    assert_objects_are_right();
    assert_int_equal(zs_balloon_current(balloon), withheld);
    zs_balloon_destroy(balloon);
    drop_pool();
    drop_owner(&owner);
    drop_arena();
}

/* --- 17: the movable unit is one page --- */

/* A page of a chain, with its neighbours of the same chain on both sides. */
static zs_pfn_t middle_of_a_chain(void)
{
    for (zs_pfn_t p = 1; p + 1 < zs_arena_nr_pages(arena); p++) {
        uint32_t zspage = zs_page_owner(arena, p) >> ZS_OWNER_PLACE_BITS;

        if (type_at(p) == pool->type && state_at(p - 1) == ZS_PAGE_MOVABLE &&
            state_at(p) == ZS_PAGE_MOVABLE &&
            state_at(p + 1) == ZS_PAGE_MOVABLE &&
            zs_page_owner(arena, p - 1) >> ZS_OWNER_PLACE_BITS == zspage &&
            zs_page_owner(arena, p + 1) >> ZS_OWNER_PLACE_BITS == zspage) {
            return p;
        }
    }
    fail_msg("no chain of three pages");
    return ZS_PFN_NONE;
}

static void seed_17__a_run_moves_page_by_page(void **unused)
{
    zs_pfn_t pages[BLOCK];
    zs_pfn_t run, middle;
    unsigned n = 0;

    (void)unused;
    make_arena(4);
    make_owner(&owner, "owner");
    run = take_movable(&owner, 8);
    for (unsigned i = 1; i < 8; i += 2) { /* every second one */
        assert_true(zs_isolate_movable_ops_page(arena, run + i));
        assert_int_equal(state_at(run + i - 1), ZS_PAGE_MOVABLE);
        pages[n++] = run + i;
    }
    assert_int_equal(zs_migrate_pages(arena, pages, n, ZS_MIGRATE_SYNC), 0);
    for (unsigned i = 0; i < 8; i++) {
        bool moved = i % 2 == 1;

        assert_int_equal(owner.moved_to[run + i] != 0, moved);
        assert_true(
            page_holds(moved ? owner.moved_to[run + i] : run + i, run + i));
        assert_int_equal(state_at(run + i) == ZS_PAGE_MOVABLE, !moved);
    }
    make_pool(200, 3000); /* objects lie across the edges of pages */
    middle = middle_of_a_chain();
    assert_true(zs_isolate_movable_ops_page(arena, middle));
    pages[0] = middle;
    assert_int_equal(zs_migrate_pages(arena, pages, 1, ZS_MIGRATE_SYNC), 0);
    assert_int_equal(state_at(middle - 1), ZS_PAGE_MOVABLE);
    assert_int_equal(state_at(middle + 1), ZS_PAGE_MOVABLE);
    assert_int_not_equal(state_at(middle), ZS_PAGE_MOVABLE);
    assert_objects_are_right();
    drop_pool();
    drop_owner(&owner);
    drop_arena();
}

/* --- 21: who sets ISOLATED is one --- */

static zs_pfn_t wanted;
static _Atomic unsigned n_holders, n_held, n_held_twice;

/* No waiting for each other: what collides, collides. */
static void *isolate_in_rounds(void *unused)
{
    for (unsigned i = 0; i < N_RACES; i++) {
        if (zs_isolate_movable_ops_page(arena, wanted)) {
            atomic_fetch_add(&n_held, 1);
            if (atomic_fetch_add(&n_holders, 1) != 0) {
                atomic_fetch_add(&n_held_twice, 1);
            }
            atomic_fetch_sub(&n_holders, 1);
            zs_putback_movable_ops_page(arena, wanted);
        }
    }
    return unused;
}

static void seed_21__of_two_isolators_one_gets_the_page(void **unused)
{
    pthread_t other;

    (void)unused;
    make_arena(1);
    make_owner(&owner, "owner");
    wanted = take_movable(&owner, 1);
    /* While the owner is being asked, LOCKED: */
    owner.asks_again = true;
    assert_true(zs_isolate_movable_ops_page(arena, wanted));
    assert_int_equal(owner.n_got_twice, 0);
    assert_int_equal(owner.n_isolate, 1);
    /* while it is ISOLATED: */
    assert_false(zs_isolate_movable_ops_page(arena, wanted));
    zs_putback_movable_ops_page(arena, wanted);
    owner.asks_again = false;
    /* and at the same moment: */
    assert_int_equal(pthread_create(&other, NULL, isolate_in_rounds, NULL), 0);
    (void)isolate_in_rounds(NULL);
    assert_int_equal(pthread_join(other, NULL), 0);
    assert_int_equal(n_held_twice, 0);
    assert_true(n_held > 0);
    assert_int_equal(owner.n_putback, 1 + n_held);
    assert_int_equal(owner.n_isolate, 1 + n_held);
    drop_owner(&owner);
    drop_arena();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seed_07__true_means_isolated),
        cmocka_unit_test(seed_09__isolated_ends_in_done_gone_or_stays),
        cmocka_unit_test(seed_11__pages_of_all_owners_go_one_way),
        cmocka_unit_test(seed_17__a_run_moves_page_by_page),
        cmocka_unit_test(seed_21__of_two_isolators_one_gets_the_page),
    };

    return SEED_MAIN(tests, argc, argv);
}
