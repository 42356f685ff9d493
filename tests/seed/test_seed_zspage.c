/* SPDX-License-Identifier: MIT */
/*
 * Rows 6 and 12 of the seed: pages of zspages that end while somebody looks at
 * them, or has them isolated.
 */
#include <pthread.h>

#include "pool_fixture.h"
#include "seed_fixture.h"

#define OBJECT_BYTES 3000u
#define ROUNDS 60u

static zs_pfn_t pages[MAX_PAGES];

/* Those of pages[0..n) that are in the state, in front; returns how many. */
static unsigned keep_those_in(enum zs_page_state state, unsigned n)
{
    unsigned kept = 0;

    for (unsigned i = 0; i < n; i++) {
        if (state_at(pages[i]) == state) {
            zs_pfn_t page = pages[i];

            pages[i] = pages[kept];
            pages[kept++] = page;
        }
    }
    return kept;
}

/* --- 6: the type of a dying zspage's page --- */

static _Atomic bool scanning;

struct scan {
    zs_page_type_t type;
    unsigned n_wrong, n_seen;
};

/* No lock, no read section: a type, or an all-zero word, and nothing else. */
static void *scan_all(void *arg)
{
    static uint32_t words[MAX_PAGES];
    struct scan *s = arg;

    do {
        uint32_t n = zs_arena_nr_pages(arena);

        s->n_wrong += zs_arena_page_flags(arena, 0, n, words) != 0;
        for (uint32_t i = 0; i < n; i++) {
            zs_page_type_t type = zs_page_flags_type(words[i]);

            s->n_wrong += type != 0 ? type != s->type : words[i] != 0;
            s->n_wrong += zs_word_state(words[i]) == ZS_PAGE_NR_STATES;
            s->n_seen += type != 0;
        }
    } while (atomic_load(&scanning));
    return NULL;
}

static void scan_while_zspages_die(void)
{
    struct scan scan = { .type = pool->type };
    pthread_t scanner;

    atomic_store(&scanning, true);
    add_objects(300);
    assert_int_equal(pthread_create(&scanner, NULL, scan_all, &scan), 0);
    for (unsigned i = 0; i < ROUNDS; i++) {
        unsigned n = isolate_all(pool->type, i, pages, BLOCK);

        free_all_objects();
        n = zs_migrate_pages(arena, pages, n, ZS_MIGRATE_SYNC);
        put_back(pages, n);
        if (i % 4 == 3) {
            flush(); /* or all memory waits for readers some day */
        }
        add_objects(300);
    }
    atomic_store(&scanning, false);
    assert_int_equal(pthread_join(scanner, NULL), 0);
    assert_int_equal(scan.n_wrong, 0);
    assert_true(scan.n_seen > 0);
    free_all_objects();
}

static void seed_06__a_scanner_sees_the_type_of_dying_pages(void **unused)
{
    unsigned n;

    (void)unused;
    make_arena(4);
    make_pool(200, OBJECT_BYTES);
    n = isolate_all(pool->type, 0, pages, BLOCK);
    assert_true(n > 0);
    zs_read_begin(); /* nothing becomes free before we have looked */
    free_all_objects();
    n = keep_those_in(ZS_PAGE_ISOLATED_RELEASED, n);
    assert_true(n > 0);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(type_at(pages[i]), pool->type);
        zs_putback_movable_ops_page(arena, pages[i]);
        assert_int_equal(state_at(pages[i]), ZS_PAGE_LIMBO);
        assert_int_equal(type_at(pages[i]), pool->type);
    }
    zs_read_end();
    flush();
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(word_at(pages[i]), 0);
    }
    for (zs_pfn_t p = 0; p < zs_arena_nr_pages(arena); p++) {
        if (state_at(p) == ZS_PAGE_ISOLATED) { /* of the zspage that is kept */
            zs_putback_movable_ops_page(arena, p);
        }
    }
    scan_while_zspages_die();
    drop_pool();
    drop_arena();
}

/* --- 12: a zspage that ends while its page is isolated --- */

static void assert_counts_agree(void)
{
    struct zs_pool_stats s;

    flush();
    zs_pool_stats(pool, &s);
    assert_int_equal(pages_used() * ZS_PAGE_BYTES, s.zspage_bytes);
    assert_int_equal(count_pages(pool->type, ZS_PAGE_MOVABLE), pages_used());
}

/* Isolate all pages, end all zspages but one; returns how many pages are gone,
 * in front; *n is how many are isolated in all. */
static unsigned destroy_isolated(unsigned *n)
{
    unsigned gone;

    *n = isolate_all(pool->type, 0, pages, BLOCK);
    free_all_objects();
    gone = keep_those_in(ZS_PAGE_ISOLATED_RELEASED, *n);
    assert_true(gone > 3);
    return gone;
}

static void seed_12__a_destroyed_zspage_is_gone_and_nothing_is_lost(void **x)
{
    unsigned n, gone;
    zs_pfn_t dst;

    (void)x;
    make_arena(4);
    make_pool(300, OBJECT_BYTES);
    gone = destroy_isolated(&n);
    /* What the owner answers, and what becomes of it. */
    dst = take_destination(pool->type);
    assert_int_equal(
        zspage_movable_ops.migrate_page(pool, dst, pages[0], ZS_MIGRATE_SYNC),
        ZS_MIGRATE_GONE);
    assert_int_equal(
        zspage_movable_ops.migrate_page(pool, dst, pages[0], ZS_MIGRATE_ASYNC),
        ZS_MIGRATE_GONE);
    assert_false(zspage_movable_ops.isolate_page(pool, pages[0]));
    assert_int_equal(migrate_page_to(dst, pages[0]), ZS_MIGRATE_GONE);
    assert_int_equal(state_at(dst), ZS_PAGE_OWNED);
    zs_pages_free(arena, dst, 1);
    zs_putback_movable_ops_page(arena, pages[1]);
    assert_int_equal(
        zs_migrate_pages(arena, pages + 2, gone - 2, ZS_MIGRATE_SYNC), 0);
    flush();
    for (unsigned i = 0; i < gone; i++) {
        assert_int_equal(word_at(pages[i]), 0);
    }
    put_back(pages + gone, n - gone);
    assert_counts_agree();
    /* It all works as before, also when the pool itself ends meanwhile. */
    add_objects(300);
    assert_objects_are_right();
    assert_counts_agree();
    gone = destroy_isolated(&n);
    put_back(pages, n);
    drop_pool();
    drop_arena();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seed_06__a_scanner_sees_the_type_of_dying_pages),
        cmocka_unit_test(
            seed_12__a_destroyed_zspage_is_gone_and_nothing_is_lost),
    };

    return SEED_MAIN(tests, argc, argv);
}
