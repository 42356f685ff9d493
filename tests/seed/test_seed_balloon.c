/* SPDX-License-Identifier: MIT */
/*
 * Rows 1, 2, 5 and 13 of the seed: the balloon's list, and pages that it has
 * given up.
 */
#include <pthread.h>
#include <sched.h>

#include "balloon_impl.h"
#include "seed_fixture.h"

#define N_PAGES 192u
#define ROUNDS 40u

static struct zs_balloon *balloon;

static void make_balloon(unsigned n_pages)
{
    make_arena(4);
    assert_int_equal(zs_balloon_create(arena, &balloon), 0);
    assert_int_equal(
        zs_balloon_inflate(balloon, (uint64_t)n_pages * ZS_PAGE_BYTES),
        (uint64_t)n_pages * ZS_PAGE_BYTES);
}

static void drop_balloon(void)
{
    zs_balloon_destroy(balloon);
    assert_int_equal(arena_stats().withheld_bytes, 0);
    drop_arena();
}

static zs_pfn_t listed_page(unsigned k)
{
    for (zs_pfn_t p = 0; p < balloon->top; p++) {
        if (zs_bit_test(balloon->list, p) && k-- == 0) {
            return p;
        }
    }
    fail_msg("not so many are listed");
    return ZS_PFN_NONE;
}

/* Unlink by hand, as deflating does: one less is wanted. */
static bool unlink_by_hand(zs_pfn_t page)
{
    bool listed;

    zs_lock_acquire(&balloon->lock);
    listed = balloon_unlink_locked(balloon, page);
    balloon->target -= listed;
    zs_lock_release(&balloon->lock);
    return listed;
}

/* --- 1: listed and isolated exclude each other --- */

/* The balloon at one moment; what is counted is counted here, not there. */
struct look {
    uint64_t listed, isolated, target; /* as the balloon says */
    uint64_t bits;                     /* of the list */
};

static struct look look(void)
{
    struct look l = { 0 };

    zs_lock_acquire(&balloon->lock);
    l.listed = balloon->n_listed;
    l.isolated = balloon->n_isolated;
    l.target = balloon->target;
    for (zs_pfn_t p = 0; p < zs_arena_nr_pages(arena); p++) {
        l.bits += zs_bit_test(balloon->list, p);
    }
    zs_lock_release(&balloon->lock);
    return l;
}

/* By hand, so nothing moves meanwhile: the flag words say the same. */
static void assert_lists(uint64_t listed, uint64_t isolated)
{
    struct look l = look();
    struct zs_balloon_stats s;

    assert_int_equal(l.listed, listed);
    assert_int_equal(l.bits, listed);
    assert_int_equal(l.isolated, isolated);
    assert_int_equal(count_pages(balloon->type, ZS_PAGE_MOVABLE), listed);
    assert_int_equal(count_pages(balloon->type, ZS_PAGE_ISOLATED), isolated);
    for (zs_pfn_t p = 0; p < zs_arena_nr_pages(arena); p++) {
        assert_false(state_at(p) == ZS_PAGE_ISOLATED &&
                     zs_bit_test(balloon->list, p));
    }
    zs_balloon_stats(balloon, &s);
    assert_int_equal(s.listed_bytes, listed * ZS_PAGE_BYTES);
    assert_int_equal(s.isolated_bytes, isolated * ZS_PAGE_BYTES);
    assert_int_equal(s.current_bytes, (listed + isolated) * ZS_PAGE_BYTES);
    assert_int_equal(arena_stats().withheld_bytes, s.current_bytes);
}

static void step_by_hand(void)
{
    zs_pfn_t pages[8];

    assert_lists(N_PAGES, 0);
    for (unsigned i = 0; i < 8; i++) {
        pages[i] = listed_page(10);
        assert_true(zs_isolate_movable_ops_page(arena, pages[i]));
        assert_lists(N_PAGES - i - 1, i + 1);
    }
    assert_int_equal(zs_migrate_pages(arena, pages, 2, ZS_MIGRATE_SYNC), 0);
    assert_lists(N_PAGES - 6, 6);
    for (unsigned i = 2; i < 5; i++) {
        zs_putback_movable_ops_page(arena, pages[i]);
        assert_lists(N_PAGES - 8 + i + 1, 8 - i - 1);
    }
    (void)zs_balloon_deflate(balloon, N_PAGES / 2 * ZS_PAGE_BYTES);
    assert_lists(N_PAGES / 2 - 3, 3);
    put_back(pages + 5, 3);
    assert_lists(N_PAGES / 2, 0);
    (void)zs_balloon_inflate(balloon, N_PAGES / 2 * ZS_PAGE_BYTES);
    flush();
    assert_lists(N_PAGES, 0);
}

static _Atomic unsigned n_working;

static void *migrate_in_rounds(void *unused)
{
    zs_pfn_t pages[BLOCK];

    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned n = isolate_all(balloon->type, i % 2, pages, BLOCK);
        unsigned n_back = n / 3;

        put_back(pages, n_back);
        n = zs_migrate_pages(arena, pages + n_back, n - n_back,
                             ZS_MIGRATE_SYNC);
        put_back(pages + n_back, n);
        flush();
    }
    atomic_fetch_sub(&n_working, 1);
    return unused;
}

static void *deflate_in_rounds(void *unused)
{
    for (unsigned i = 0; i < N_PAGES / 2; i++) {
        (void)zs_balloon_deflate(balloon, ZS_PAGE_BYTES);
        sched_yield();
    }
    atomic_fetch_sub(&n_working, 1);
    return unused;
}

/* Whenever one looks: what the list says adds up, and the total is between
 * what is wanted and what it was before. */
static void look_while_they_work(void)
{
    uint64_t before = N_PAGES;

    do {
        struct look l = look();
        uint64_t total = l.listed + l.isolated;
        struct zs_balloon_stats s;

        assert_int_equal(l.bits, l.listed);
        assert_in_range(total, l.target, before);
        before = total;
        zs_balloon_stats(balloon, &s);
        assert_int_equal(s.listed_bytes + s.isolated_bytes, s.current_bytes);
        assert_in_range(s.current_bytes, s.target_bytes,
                        before * ZS_PAGE_BYTES);
    } while (atomic_load(&n_working) > 0);
}

static void race(bool deflate)
{
    pthread_t migrator, deflater;

    atomic_store(&n_working, 1 + deflate);
    assert_int_equal(pthread_create(&migrator, NULL, migrate_in_rounds, NULL),
                     0);
    if (deflate) {
        assert_int_equal(
            pthread_create(&deflater, NULL, deflate_in_rounds, NULL), 0);
    }
    look_while_they_work();
    assert_int_equal(pthread_join(migrator, NULL), 0);
    if (deflate) {
        assert_int_equal(pthread_join(deflater, NULL), 0);
    }
    flush();
}

static void seed_01__listed_and_isolated_are_the_total(void **unused)
{
    (void)unused;
    make_balloon(N_PAGES);
    step_by_hand();
    race(false);
    assert_lists(N_PAGES, 0);
    race(true);
    assert_lists(N_PAGES / 2, 0);
    assert_int_equal(pages_used(), N_PAGES / 2);
    drop_balloon();
}

/* --- 2: unlink and finalize --- */

static void seed_02__a_page_off_every_list_can_be_finalized(void **unused)
{
    zs_pfn_t page, other;

    (void)unused;
    make_balloon(4);
    /* Two steps, and unlinking alone gives nothing back. */
    page = listed_page(1);
    assert_true(unlink_by_hand(page));
    assert_int_equal(state_at(page), ZS_PAGE_MOVABLE);
    assert_int_equal(arena_stats().withheld_bytes, 4 * ZS_PAGE_BYTES);
    assert_false(unlink_by_hand(page));
    balloon_finalize(balloon, page, 1);
    assert_int_equal(word_at(page), 0);
    assert_int_equal(arena_stats().withheld_bytes, 3 * ZS_PAGE_BYTES);
    /* Given up during putback: it is isolated, so on no list. */
    page = listed_page(0);
    other = listed_page(1);
    assert_true(zs_isolate_movable_ops_page(arena, page));
    assert_true(zs_isolate_movable_ops_page(arena, other));
    assert_int_equal(zs_balloon_deflate(balloon, UINT64_MAX), ZS_PAGE_BYTES);
    assert_false(unlink_by_hand(page));
    assert_int_equal(state_at(page), ZS_PAGE_ISOLATED);
    assert_int_equal(arena_stats().withheld_bytes, 2 * ZS_PAGE_BYTES);
    zs_putback_movable_ops_page(arena, page);
    assert_false(zs_bit_test(balloon->list, page));
    assert_int_equal(arena_stats().withheld_bytes, ZS_PAGE_BYTES);
    /* The same during migration. */
    assert_int_equal(zs_migrate_pages(arena, &other, 1, ZS_MIGRATE_SYNC), 0);
    assert_int_equal(arena_stats().withheld_bytes, 0);
    assert_int_equal(balloon->n_listed + balloon->n_isolated, 0);
    flush();
    assert_int_equal(pages_used(), 0);
    drop_balloon();
}

/* --- 5: the type of a deflated page --- */

static void seed_05__a_deflated_page_keeps_its_type(void **unused)
{
    zs_page_type_t type;
    zs_pfn_t page;

    (void)unused;
    make_balloon(3);
    type = balloon->type;
    page = listed_page(1);
    assert_true(zs_isolate_movable_ops_page(arena, page));
    (void)zs_balloon_deflate(balloon, UINT64_MAX);
    assert_int_equal(type_at(page), type);
    zs_read_begin(); /* it cannot become free before we have looked */
    /* What the core would call: the balloon has no use for it any more. */
    balloon_movable_ops.putback_page(balloon, page);
    assert_int_equal(zs_balloon_current(balloon), 0);
    assert_int_equal(state_at(page), ZS_PAGE_ISOLATED_RELEASED);
    assert_int_equal(type_at(page), type);
    zs_putback_movable_ops_page(arena, page);
    assert_int_equal(state_at(page), ZS_PAGE_LIMBO);
    assert_int_equal(type_at(page), type);
    zs_read_end();
    flush();
    assert_int_equal(word_at(page), 0);
    drop_balloon();
}

/* --- 13: a deflated page refuses isolation --- */

static struct {
    bool asked, answer;
    enum zs_page_state state;
    zs_page_type_t type;
} when_asked;

/* Deflating comes between the core's lock and the balloon's answer. */
static bool deflate_and_isolate(void *ctx, zs_pfn_t page)
{
    (void)zs_balloon_deflate(balloon, UINT64_MAX);
    when_asked.asked = true;
    when_asked.state = state_at(page);
    when_asked.type = type_at(page);
    when_asked.answer = balloon_movable_ops.isolate_page(ctx, page);
    return when_asked.answer;
}

static void seed_13__a_deflated_page_refuses_isolation(void **unused)
{
    struct zs_movable_ops late = balloon_movable_ops;
    zs_pfn_t page;

    (void)unused;
    make_balloon(3);
    /* Unlinked, not yet finalized. */
    page = listed_page(0);
    assert_true(unlink_by_hand(page));
    assert_false(zs_isolate_movable_ops_page(arena, page));
    assert_int_equal(state_at(page), ZS_PAGE_MOVABLE);
    assert_int_equal(balloon->n_isolated, 0);
    balloon_finalize(balloon, page, 1);
    assert_false(zs_isolate_movable_ops_page(arena, page));
    /* Deflated while it is LOCKED. */
    late.isolate_page = deflate_and_isolate;
    atomic_store(&arena->types[balloon->type].ops, &late);
    page = listed_page(0);
    assert_false(zs_isolate_movable_ops_page(arena, page));
    atomic_store(&arena->types[balloon->type].ops, &balloon_movable_ops);
    assert_true(when_asked.asked);
    assert_int_equal(when_asked.state, ZS_PAGE_LOCKED_RELEASED);
    assert_int_equal(when_asked.type, balloon->type);
    assert_false(when_asked.answer);
    assert_int_equal(balloon->n_listed + balloon->n_isolated, 0);
    assert_int_equal(arena_stats().withheld_bytes, 0);
    flush();
    assert_int_equal(word_at(page), 0);
    assert_int_equal(pages_used(), 0);
    drop_balloon();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seed_01__listed_and_isolated_are_the_total),
        cmocka_unit_test(seed_02__a_page_off_every_list_can_be_finalized),
        cmocka_unit_test(seed_05__a_deflated_page_keeps_its_type),
        cmocka_unit_test(seed_13__a_deflated_page_refuses_isolation),
    };

    return SEED_MAIN(tests, argc, argv);
}
