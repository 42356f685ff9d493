/* SPDX-License-Identifier: MIT */
/* migrate_fixture.h - an arena of four blocks and an owner of pages whose
 * answers are set by each test; for test_migrate.c and test_page_type.c. */
#ifndef ZS_TEST_MIGRATE_FIXTURE_H
#define ZS_TEST_MIGRATE_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "migrate.h"
#include "page_flags.h"
#include "rcu.h"
#include "zspool/movable_ops.h"
#include "zspool/stats.h"

#define BLOCK ZS_BLOCK_PAGES
#define MAX_PAGES 2048u

static struct zs_arena *arena;

/* --- an owner of pages, and what it will answer --- */

/* What the owner does when it is asked about one of its pages. */
enum manner {
    WILLING,          /* true, DONE                       */
    UNWILLING,        /* false, REFUSED                   */
    BUSY,             /* true, RETRY                      */
    FREES_SAYING_NO,  /* frees the page, false or GONE    */
    FREES_SAYING_YES, /* frees the page; true, isolate only */
    SAYS_GONE,        /* frees it only later              */
};

static struct owner {
    zs_page_type_t type;
    enum manner at_isolate, at_migrate;
    enum manner page_manner[MAX_PAGES]; /* WILLING: as at_migrate says */
    unsigned busy_answers[MAX_PAGES];   /* RETRY so often, then DONE */
    unsigned asked[MAX_PAGES];          /* to migrate */
    zs_pfn_t moved_to[MAX_PAGES];
    unsigned n_isolate, n_migrate, n_putback;
    enum zs_migrate_mode mode;
} owner;

__attribute__((unused)) static bool isolate_page(void *ctx, zs_pfn_t page)
{
    struct owner *o = ctx;

    assert_ptr_equal(ctx, &owner);
    assert_true(zs_in_read_section()); /* C2 */
    ZS_ASSERT_NONE_FROM(0);            /* no lock is held */
    o->n_isolate++;
    if (o->at_isolate == FREES_SAYING_NO || o->at_isolate == FREES_SAYING_YES) {
        zs_pages_free(arena, page, 1);
    }
    return o->at_isolate == WILLING || o->at_isolate == FREES_SAYING_YES;
}

__attribute__((unused)) static enum zs_migrate_result
move_to(struct owner *o, zs_pfn_t dst, zs_pfn_t src)
{
    if (zs_page_is_resident(arena, src)) {
        memcpy(zs_page_addr(arena, dst), zs_page_addr(arena, src),
               ZS_PAGE_BYTES);
    }
    zs_page_set_owner(arena, dst, zs_page_owner(arena, src));
    zs_page_set_movable_edge(zs_page(arena, dst));
    o->moved_to[src] = dst;
    return ZS_MIGRATE_DONE;
}

__attribute__((unused)) static enum zs_migrate_result
migrate_page(void *ctx, zs_pfn_t dst, zs_pfn_t src, enum zs_migrate_mode mode)
{
    struct owner *o = ctx;
    enum manner manner = o->page_manner[src];

    assert_true(zs_in_read_section()); /* C2 */
    ZS_ASSERT_NONE_FROM(0);            /* no lock is held */
    o->n_migrate++;
    o->asked[src]++;
    o->mode = mode;
    if (o->busy_answers[src] > 0) {
        o->busy_answers[src]--;
        return ZS_MIGRATE_RETRY;
    }
    switch (manner == WILLING ? o->at_migrate : manner) {
    case UNWILLING:
        return ZS_MIGRATE_REFUSED;
    case BUSY:
        return ZS_MIGRATE_RETRY;
    case FREES_SAYING_NO:
        zs_pages_free(arena, src, 1);
        return ZS_MIGRATE_GONE;
    case SAYS_GONE:
        return ZS_MIGRATE_GONE;
    default:
        return move_to(o, dst, src);
    }
}

__attribute__((unused)) static void putback_page(void *ctx, zs_pfn_t page)
{
    struct owner *o = ctx;

    assert_true(zs_in_read_section()); /* C2 */
    assert_int_equal(zs_word_state(zs_page_word(zs_page(arena, page))),
                     ZS_PAGE_ISOLATED);
    o->n_putback++;
}

static const struct zs_movable_ops ops = { .isolate_page = isolate_page,
                                           .migrate_page = migrate_page,
                                           .putback_page = putback_page };

/* --- an arena of four blocks with that owner --- */

__attribute__((unused)) static int create(void **unused)
{
    struct zs_arena_config cfg = { .reserve_bytes = 4 * ZS_BLOCK_BYTES };

    (void)unused;
    owner = (struct owner){ 0 };
    return zs_arena_create(&cfg, &arena) ||
           zs_page_type_create(arena, "test", &owner.type) ||
           zs_set_movable_ops(arena, owner.type, &ops, &owner);
}

__attribute__((unused)) static enum zs_page_state state_of(zs_pfn_t page)
{
    return zs_word_state(zs_page_word(zs_page(arena, page)));
}

__attribute__((unused)) static unsigned n_in_state(enum zs_page_state state)
{
    unsigned n = 0;

    for (zs_pfn_t i = 0; i < arena->bytes / ZS_PAGE_BYTES; i++) {
        n += state_of(i) == state;
    }
    return n;
}

__attribute__((unused)) static unsigned n_in_use(void)
{
    return (unsigned)(arena->n_blocks * BLOCK) - n_in_state(ZS_PAGE_FREE);
}

__attribute__((unused)) static uint64_t n_counted(void)
{
    struct zs_arena_stats s;

    zs_arena_stats(arena, &s);
    assert_int_equal(s.used_bytes / ZS_PAGE_BYTES,
                     arena->types[owner.type].n_pages);
    return s.used_bytes / ZS_PAGE_BYTES;
}

/* All that is left is the owner's own to free, or waits for readers. */
__attribute__((unused)) static int destroy(void **unused)
{
    (void)unused;
    while (zs_in_read_section()) { /* a test has failed in a callback */
        zs_read_unlock();
    }
    for (zs_pfn_t i = 0; i < arena->bytes / ZS_PAGE_BYTES; i++) {
        if (state_of(i) == ZS_PAGE_MOVABLE || state_of(i) == ZS_PAGE_OWNED) {
            zs_pages_free(arena, i, 1);
        }
    }
    zs_grace_flush(&arena->grace);
    if (n_in_use() != 0 || n_counted() != 0 ||
        zs_page_type_destroy(arena, owner.type) != 0) {
        return -1;
    }
    zs_arena_destroy(arena);
    return 0;
}

__attribute__((unused)) static void fill_page(zs_pfn_t page, uint32_t value)
{
    uint32_t *p = zs_page_addr(arena, page);

    for (unsigned i = 0; i < ZS_PAGE_BYTES / sizeof(*p); i++) {
        p[i] = value + i;
    }
}

__attribute__((unused)) static void assert_page_holds(zs_pfn_t page,
                                                      uint32_t value)
{
    const uint32_t *p = zs_page_addr(arena, page);

    for (unsigned i = 0; i < ZS_PAGE_BYTES / sizeof(*p); i++) {
        assert_int_equal(p[i], value + i);
    }
}

/* A run of movable pages, with memory, each filled with its own number. */
__attribute__((unused)) static zs_pfn_t take_movable(unsigned n)
{
    zs_pfn_t first = ZS_PFN_NONE;

    assert_int_equal(zs_pages_alloc(arena, owner.type, n, &first), 0);
    assert_int_equal(zs_pages_populate(arena, first, n), 0);
    for (unsigned i = 0; i < n; i++) {
        fill_page(first + i, first + i);
        zs_page_set_owner(arena, first + i, 1000 + first + i);
        zs_page_set_movable_edge(zs_page(arena, first + i));
    }
    return first;
}

#define PROMISE(f) cmocka_unit_test_setup_teardown(f, create, destroy)

#endif /* ZS_TEST_MIGRATE_FIXTURE_H */
