/* SPDX-License-Identifier: MIT */
/*
 * embedder.h - an owner of pages that uses the public functions alone, on top
 * of arena_fixture.h. Each of its things has a number and one page; the page is
 * filled with the number, and its private word says it.
 */
#ifndef ZS_TEST_EMBEDDER_H
#define ZS_TEST_EMBEDDER_H

#include <stdio.h>

#include "arena_fixture.h"

#define MAX_THINGS 4096u

/* What it does when the core asks. */
enum manner {
    AGREES,
    WILL_NOT,         /* isolate_page: false */
    REFUSES,          /* true, then REFUSED */
    FREES_AT_ISOLATE, /* frees the page and says false */
    FREES_AT_MIGRATE, /* frees it and says GONE */
    FREES_AT_PUTBACK, /* says REFUSED, and frees when it gets it back */
};

static struct embedder {
    zs_page_type_t type;
    enum manner manner;
    const char *holder; /* what describe_holder says */
    unsigned n_things;
    zs_pfn_t page_of[MAX_THINGS];
    unsigned n_moved, n_put_back;
} own;

static void fill_thing(unsigned thing)
{
    uint32_t *p = zs_page_address(arena, own.page_of[thing]);

    for (unsigned i = 0; i < ZS_PAGE_BYTES / sizeof(*p); i++) {
        p[i] = thing * 2048 + i;
    }
}

static void assert_thing_is_right(unsigned thing)
{
    const uint32_t *p = zs_page_address(arena, own.page_of[thing]);

    for (unsigned i = 0; i < ZS_PAGE_BYTES / sizeof(*p); i++) {
        if (p[i] != thing * 2048 + i) {
            fail_msg("thing %u: %u at %u", thing, p[i], i);
        }
    }
    assert_int_equal(zs_page_private(arena, own.page_of[thing]), thing + 1);
}

__attribute__((unused)) static void all_things_are_right(void)
{
    for (unsigned i = 0; i < own.n_things; i++) {
        if (own.page_of[i] != ZS_PFN_NONE) {
            assert_thing_is_right(i);
        }
    }
}

static void free_thing(unsigned thing)
{
    zs_page_free(arena, own.type, own.page_of[thing]);
    own.page_of[thing] = ZS_PFN_NONE;
}

static bool own_isolate(void *ctx, zs_pfn_t page)
{
    unsigned thing = zs_page_private(arena, page) - 1;

    assert_ptr_equal(ctx, &own);
    if (own.manner == FREES_AT_ISOLATE) {
        free_thing(thing);
    }
    return own.manner != WILL_NOT && own.manner != FREES_AT_ISOLATE;
}

static enum zs_migrate_result own_migrate(void *ctx, zs_pfn_t dst, zs_pfn_t src,
                                          enum zs_migrate_mode mode)
{
    uint32_t word = zs_page_private(arena, src);

    (void)ctx;
    (void)mode;
    if (own.manner == FREES_AT_MIGRATE) {
        free_thing(word - 1);
        return ZS_MIGRATE_GONE;
    }
    if (own.manner != AGREES) {
        return ZS_MIGRATE_REFUSED;
    }
    memcpy(zs_page_address(arena, dst), zs_page_address(arena, src),
           ZS_PAGE_BYTES);
    zs_page_set_private(arena, dst, word);
    own.page_of[word - 1] = dst;
    zs_page_set_movable(arena, dst);
    own.n_moved++;
    return ZS_MIGRATE_DONE;
}

static void own_putback(void *ctx, zs_pfn_t page)
{
    (void)ctx;
    own.n_put_back++;
    if (own.manner == FREES_AT_PUTBACK) {
        free_thing(zs_page_private(arena, page) - 1);
    }
}

static void own_describe(void *ctx, zs_pfn_t page, char *text, size_t len)
{
    (void)ctx;
    (void)page;
    if (own.holder) {
        (void)snprintf(text, len, "%s", own.holder);
    }
}

static const struct zs_movable_ops own_ops = {
    .isolate_page = own_isolate,
    .migrate_page = own_migrate,
    .putback_page = own_putback,
    .describe_holder = own_describe,
};

__attribute__((unused)) static void create_embedder(void)
{
    own = (struct embedder){ .manner = AGREES };
    assert_int_equal(zs_page_type_create(arena, "embedder", &own.type), 0);
    assert_int_equal(zs_set_movable_ops(arena, own.type, &own_ops, &own), 0);
}

/* A new thing; without `movable` its page is fixed where it is. */
__attribute__((unused)) static unsigned add_thing(bool movable)
{
    unsigned thing = own.n_things;

    assert_true(thing < MAX_THINGS);
    assert_int_equal(zs_page_alloc(arena, own.type, &own.page_of[thing]), 0);
    own.n_things++;
    fill_thing(thing);
    zs_page_set_private(arena, own.page_of[thing], thing + 1);
    if (movable) {
        zs_page_set_movable(arena, own.page_of[thing]);
    }
    return thing;
}

/* As many as there are pages. */
__attribute__((unused)) static unsigned add_things_until_full(void)
{
    unsigned n = 0;
    zs_pfn_t page;

    while (zs_page_alloc(arena, own.type, &page) == 0) {
        unsigned thing = own.n_things++;

        assert_true(thing < MAX_THINGS);
        own.page_of[thing] = page;
        fill_thing(thing);
        zs_page_set_private(arena, page, thing + 1);
        zs_page_set_movable(arena, page);
        n++;
    }
    return n;
}

__attribute__((unused)) static void destroy_embedder(void)
{
    for (unsigned i = 0; i < own.n_things; i++) {
        if (own.page_of[i] != ZS_PFN_NONE) {
            free_thing(i);
        }
    }
    assert_int_equal(zs_page_type_destroy(arena, own.type), 0);
}

#endif /* ZS_TEST_EMBEDDER_H */
