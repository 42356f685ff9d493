/* SPDX-License-Identifier: MIT */
/* arena_fixture.h - an arena, an operating system that counts and fails, and
 * figures held against mincore; for test_arena.c and test_resident.c. */
#ifndef ZS_TEST_ARENA_FIXTURE_H
#define ZS_TEST_ARENA_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "os.h"
#include "page.h"
#include "page_flags.h"
#include "zspool/arena.h"
#include "zspool/stats.h"

#define MIB ((size_t)1 << 20)
#define PAGE ((size_t)ZS_PAGE_BYTES)
#define BLOCK ZS_BLOCK_PAGES /* pages */
#define MAX_PAGES 32768u     /* of the arenas in this file */

static struct zs_arena *arena;
static zs_page_type_t type;

/* --- the operating system, counted and made to fail --- */

static struct zs_os real_os;
static int n_reserved, n_allocated;
static int refuse_reserve, refuse_alloc; /* the k-th call fails; 0: none */
static int refuse_populate, refuse_release;
static unsigned populate_before_refusal; /* pages */
static unsigned n_releases;

__attribute__((unused)) static bool is_refused(int *k)
{
    return *k > 0 && --*k == 0;
}

__attribute__((unused)) static void *fake_reserve(size_t bytes, size_t align)
{
    if (is_refused(&refuse_reserve)) {
        return NULL;
    }
    n_reserved++;
    return real_os.reserve(bytes, align);
}

__attribute__((unused)) static void fake_unreserve(void *addr, size_t bytes)
{
    n_reserved--;
    real_os.unreserve(addr, bytes);
}

__attribute__((unused)) static void *fake_alloc(size_t bytes)
{
    if (is_refused(&refuse_alloc)) {
        return NULL;
    }
    n_allocated++;
    return real_os.alloc(bytes);
}

__attribute__((unused)) static void fake_free(void *p)
{
    n_allocated--;
    real_os.free(p);
}

__attribute__((unused)) static int fake_populate(void *addr, size_t bytes)
{
    if (is_refused(&refuse_populate)) {
        memset(addr, 0, populate_before_refusal * PAGE);
        return -ENOMEM;
    }
    return real_os.populate(addr, bytes);
}

__attribute__((unused)) static int fake_release(void *addr, size_t bytes)
{
    n_releases++;
    return is_refused(&refuse_release) ? -EAGAIN : real_os.release(addr, bytes);
}

__attribute__((unused)) static int watch_os(void **unused)
{
    (void)unused;
    real_os = zs_os;
    zs_os.reserve = fake_reserve;
    zs_os.unreserve = fake_unreserve;
    zs_os.alloc = fake_alloc;
    zs_os.free = fake_free;
    zs_os.populate = fake_populate;
    zs_os.release = fake_release;
    n_reserved = n_allocated = 0;
    refuse_reserve = refuse_alloc = refuse_populate = refuse_release = 0;
    populate_before_refusal = 0;
    return 0;
}

__attribute__((unused)) static int restore_os(void **unused)
{
    (void)unused;
    zs_os = real_os;
    return n_reserved != 0 || n_allocated != 0;
}

/* --- an arena with one page type --- */

__attribute__((unused)) static void create(size_t blocks, size_t retain_bytes,
                                           size_t limit_bytes)
{
    struct zs_arena_config cfg = { .reserve_bytes = blocks * ZS_BLOCK_BYTES,
                                   .retain_bytes = retain_bytes,
                                   .limit_bytes = limit_bytes };

    assert_int_equal(zs_arena_create(&cfg, &arena), 0);
    assert_int_equal(zs_page_type_create(arena, "test", &type), 0);
}

__attribute__((unused)) static void destroy(void)
{
    assert_int_equal(zs_page_type_destroy(arena, type), 0);
    zs_arena_destroy(arena);
}

__attribute__((unused)) static struct zs_arena_stats stats(void)
{
    struct zs_arena_stats s;

    zs_arena_stats(arena, &s);
    return s;
}

__attribute__((unused)) static zs_pfn_t take(unsigned n)
{
    zs_pfn_t first = ZS_PFN_NONE;

    assert_int_equal(zs_pages_alloc(arena, type, n, &first), 0);
    return first;
}

__attribute__((unused)) static zs_pfn_t take_populated(unsigned n)
{
    zs_pfn_t first = take(n);

    assert_int_equal(zs_pages_populate(arena, first, n), 0);
    return first;
}

__attribute__((unused)) static enum zs_page_state state_of(zs_pfn_t pfn)
{
    return zs_word_state(zs_page_word(zs_page(arena, pfn)));
}

/* Fill a page with its number, and look for it later. */
__attribute__((unused)) static void write_page(zs_pfn_t pfn)
{
    uint32_t *p = zs_page_addr(arena, pfn);

    for (unsigned i = 0; i < PAGE / sizeof(*p); i++) {
        p[i] = pfn + i;
    }
}

__attribute__((unused)) static void assert_page_intact(zs_pfn_t pfn)
{
    const uint32_t *p = zs_page_addr(arena, pfn);

    for (unsigned i = 0; i < PAGE / sizeof(*p); i++) {
        assert_int_equal(p[i], pfn + i);
    }
}

/* One byte per page of the range: is there memory behind it? */
static const unsigned char *ask_mincore(void)
{
    static unsigned char vec[MAX_PAGES];

    assert_true(arena->bytes <= MAX_PAGES * PAGE);
    assert_int_equal(mincore(arena->base, arena->bytes, vec), 0);
    return vec;
}

__attribute__((unused)) static unsigned n_in_core(void)
{
    const unsigned char *vec = ask_mincore();
    unsigned n = 0;

    for (size_t i = 0; i < arena->bytes / PAGE; i++) {
        n += vec[i] & 1;
    }
    return n;
}

/* The resident bits say what mincore says, and the figures add up. */
__attribute__((unused)) static void assert_figures_are_true(void)
{
    const unsigned char *vec = ask_mincore();
    struct zs_arena_stats s = stats();
    uint64_t n_resident = 0;
    uint64_t n_used = 0;

    for (zs_pfn_t i = 0; i < arena->bytes / PAGE; i++) {
        const struct zs_block *b = &arena->blocks[i / BLOCK];
        bool used = zs_bit_test(b->used, i % BLOCK);

        if ((vec[i] & 1) != zs_bit_test(b->resident, i % BLOCK)) {
            fail_msg("page %u: mincore says %d", i, vec[i] & 1);
        }
        assert_int_equal(state_of(i) != ZS_PAGE_FREE, used); /* A1 */
        n_resident += vec[i] & 1;
        n_used += used;
    }
    assert_int_equal(s.resident_bytes, n_resident * PAGE);
    assert_int_equal(s.used_bytes, n_used * PAGE);
    assert_int_equal(s.footprint_bytes, s.resident_bytes + s.metadata_bytes);
}

#define PROMISE(f) cmocka_unit_test_setup_teardown(f, watch_os, restore_os)

#endif /* ZS_TEST_ARENA_FIXTURE_H */
