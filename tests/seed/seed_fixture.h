/* SPDX-License-Identifier: MIT */
/*
 * seed_fixture.h - for the programs of tests/seed: one test chosen by its
 * name, an arena, and an owner of pages whose answers the test sets.
 */
#ifndef ZS_TEST_SEED_FIXTURE_H
#define ZS_TEST_SEED_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core_edges.h"
#include "migrate.h"
#include "rcu.h"
#include "zspool/arena.h"
#include "zspool/movable_ops.h"
#include "zspool/stats.h"

#define BLOCK ZS_BLOCK_PAGES
#define MAX_PAGES 4096u /* of the arenas in these tests */

static struct zs_arena *arena;

/* --- one test by name --- */

/* Without an argument all tests run. A name that is no test's is an error:
 * cmocka alone would run nothing and call that success. */
static inline bool seed_select(const struct CMUnitTest *tests, size_t n,
                               int argc, char **argv)
{
    if (argc < 2) {
        return true;
    }
    for (size_t i = 0; i < n; i++) {
        if (strcmp(tests[i].name, argv[1]) == 0) {
            cmocka_set_test_filter(argv[1]);
            return true;
        }
    }
    (void)fprintf(stderr, "%s: no such test\n", argv[1]);
    return false;
}

#define SEED_MAIN(tests, argc, argv)                                           \
    (seed_select(tests, sizeof(tests) / sizeof((tests)[0]), argc, argv)        \
         ? cmocka_run_group_tests_name("seed", tests, NULL, NULL)              \
         : 2)

/* --- the arena --- */

static inline void make_arena(size_t n_blocks)
{
    struct zs_arena_config cfg = { .reserve_bytes = n_blocks * ZS_BLOCK_BYTES };

    assert_true(n_blocks * BLOCK <= MAX_PAGES);
    assert_int_equal(zs_arena_create(&cfg, &arena), 0);
}

static inline void flush(void)
{
    zs_grace_flush(&arena->grace);
}

static inline uint32_t word_at(zs_pfn_t page)
{
    uint32_t word = UINT32_MAX;

    assert_int_equal(zs_arena_page_flags(arena, page, 1, &word), 0);
    return word;
}

static inline enum zs_page_state state_at(zs_pfn_t page)
{
    return zs_word_state(word_at(page));
}

static inline zs_page_type_t type_at(zs_pfn_t page)
{
    return zs_page_flags_type(word_at(page));
}

static inline struct zs_arena_stats arena_stats(void)
{
    struct zs_arena_stats s;

    zs_arena_stats(arena, &s);
    return s;
}

static inline uint64_t pages_used(void)
{
    return arena_stats().used_bytes / ZS_PAGE_BYTES;
}

static inline unsigned count_pages(zs_page_type_t type,
                                   enum zs_page_state state)
{
    unsigned n = 0;

    for (zs_pfn_t p = 0; p < zs_arena_nr_pages(arena); p++) {
        n += type_at(p) == type && state_at(p) == state;
    }
    return n;
}

/* Isolate every page of the type that can be, from `from` on. */
static inline unsigned isolate_all(zs_page_type_t type, zs_pfn_t from,
                                   zs_pfn_t *pages, unsigned max)
{
    unsigned n = 0;

    for (zs_pfn_t p = from; p < zs_arena_nr_pages(arena) && n < max; p++) {
        if (type_at(p) == type && zs_isolate_movable_ops_page(arena, p)) {
            pages[n++] = p;
        }
    }
    return n;
}

static inline void put_back(const zs_pfn_t *pages, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        zs_putback_movable_ops_page(arena, pages[i]);
    }
}

/* --- an owner of pages --- */

struct owner {
    zs_page_type_t type;
    bool says_no;                  /* isolate_page */
    bool frees_at_isolate;         /* and then says what says_no says */
    bool asks_again;               /* isolates the page within isolate_page */
    bool frees_at_migrate;         /* and says GONE */
    enum zs_migrate_result answer; /* migrate_page; DONE moves the page */
    _Atomic unsigned n_isolate, n_migrate, n_putback, n_got_twice;
    zs_pfn_t moved_to[MAX_PAGES]; /* the last time it was moved */
    zs_pfn_t origin[MAX_PAGES];   /* what is here was here at first, + 1 */
    zs_pfn_t place[MAX_PAGES];    /* and what was here first is there, + 1 */
};

/* Where what was at `page` in the beginning is now. */
static inline zs_pfn_t owner_place(const struct owner *o, zs_pfn_t page)
{
    return o->place[page] != 0 ? o->place[page] - 1 : page;
}

static inline void owner_note_move(struct owner *o, zs_pfn_t dst, zs_pfn_t src)
{
    zs_pfn_t origin = o->origin[src] != 0 ? o->origin[src] - 1 : src;

    o->moved_to[src] = dst;
    o->origin[src] = 0;
    o->origin[dst] = origin + 1;
    o->place[origin] = dst + 1;
}

static inline bool owner_isolate(void *ctx, zs_pfn_t page)
{
    struct owner *o = ctx;

    atomic_fetch_add(&o->n_isolate, 1);
    if (o->frees_at_isolate) {
        zs_pages_free(arena, page, 1);
    }
    if (o->asks_again && zs_isolate_movable_ops_page(arena, page)) {
        atomic_fetch_add(&o->n_got_twice, 1);
    }
    return !o->says_no;
}

static inline enum zs_migrate_result
owner_migrate(void *ctx, zs_pfn_t dst, zs_pfn_t src, enum zs_migrate_mode mode)
{
    struct owner *o = ctx;

    (void)mode;
    atomic_fetch_add(&o->n_migrate, 1);
    if (o->frees_at_migrate) {
        zs_pages_free(arena, src, 1);
        return ZS_MIGRATE_GONE;
    }
    if (o->answer == ZS_MIGRATE_DONE) {
        memcpy(zs_page_addr(arena, dst), zs_page_addr(arena, src),
               ZS_PAGE_BYTES);
        zs_page_mark_movable(arena, dst);
        owner_note_move(o, dst, src);
    }
    return o->answer;
}

static inline void owner_putback(void *ctx, zs_pfn_t page)
{
    struct owner *o = ctx;

    (void)page;
    atomic_fetch_add(&o->n_putback, 1);
}

static inline void owner_describe(void *ctx, zs_pfn_t page, char *text,
                                  size_t len)
{
    (void)ctx;
    (void)snprintf(text, len, "bucket %u", page);
}

static const struct zs_movable_ops owner_ops = {
    .isolate_page = owner_isolate,
    .migrate_page = owner_migrate,
    .putback_page = owner_putback,
    .describe_holder = owner_describe,
};

static inline void make_type(struct owner *o, const char *name)
{
    memset(o, 0, sizeof(*o));
    assert_int_equal(zs_page_type_create(arena, name, &o->type), 0);
}

static inline void make_owner(struct owner *o, const char *name)
{
    make_type(o, name);
    assert_int_equal(zs_set_movable_ops(arena, o->type, &owner_ops, o), 0);
}

static inline void fill_page(zs_pfn_t page, uint32_t value)
{
    uint32_t *p = zs_page_addr(arena, page);

    for (unsigned i = 0; i < ZS_PAGE_BYTES / sizeof(*p); i++) {
        p[i] = value * 7919 + i;
    }
}

static inline bool page_holds(zs_pfn_t page, uint32_t value)
{
    const uint32_t *p = zs_page_addr(arena, page);
    bool right = true;

    for (unsigned i = 0; i < ZS_PAGE_BYTES / sizeof(*p); i++) {
        right = right && p[i] == value * 7919 + i;
    }
    return right;
}

/* A run of pages of the owner with memory, each filled with its number. */
static inline zs_pfn_t take_owned(const struct owner *o, unsigned n)
{
    zs_pfn_t first = ZS_PFN_NONE;

    assert_int_equal(zs_pages_alloc(arena, o->type, n, &first), 0);
    assert_int_equal(zs_pages_populate(arena, first, n), 0);
    for (unsigned i = 0; i < n; i++) {
        fill_page(first + i, first + i);
    }
    return first;
}

static inline zs_pfn_t take_movable(const struct owner *o, unsigned n)
{
    zs_pfn_t first = take_owned(o, n);

    for (unsigned i = 0; i < n; i++) {
        zs_page_mark_movable(arena, first + i);
    }
    return first;
}

/* A page to migrate to, as the core would take one. */
static inline zs_pfn_t take_destination(zs_page_type_t type)
{
    zs_pfn_t dst = ZS_PFN_NONE;

    assert_int_equal(zs_pages_alloc(arena, type, 1, &dst), 0);
    assert_int_equal(zs_pages_populate(arena, dst, 1), 0);
    return dst;
}

/* The core's step, and the end of its batch. */
static inline enum zs_migrate_result migrate_page_to(zs_pfn_t dst, zs_pfn_t src)
{
    struct zs_limbo_batch left = { 0 };
    enum zs_migrate_result result =
        zs_migrate_movable_ops_page(arena, dst, src, ZS_MIGRATE_SYNC, &left);

    zs_limbo_defer(arena, &left);
    return result;
}

/* Free what the owner has still, and end the type. */
static inline void drop_owner(struct owner *o)
{
    for (zs_pfn_t p = 0; p < zs_arena_nr_pages(arena); p++) {
        if (type_at(p) == o->type && zs_word_is_owners(word_at(p))) {
            zs_pages_free(arena, p, 1);
        }
    }
    flush();
    assert_int_equal(zs_page_type_destroy(arena, o->type), 0);
}

/* Everybody is gone: nothing may be left. */
static inline void drop_arena(void)
{
    flush();
    assert_int_equal(pages_used(), 0);
    zs_arena_destroy(arena);
    arena = NULL;
}

#endif /* ZS_TEST_SEED_FIXTURE_H */
