/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of lib/migrate/dump.c and dump_svg.c: maps of an arena say how
 * full each block is and who holds one.
 *
 * TEXT_CHECK  tests/tools/text-check: a real parser of XML; without it (no
 *             python3) the picture is looked at as text only
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "page.h"
#include "zspool/compactor.h"
#include "zspool/movable_ops.h"
#include "zspool/pool.h"

#define BLOCK ZS_BLOCK_PAGES
#define PAGE_OBJECT 4096u /* a page each */

static struct zs_arena *arena;
static zs_page_type_t type;

static int make_arena(void **unused)
{
    const struct zs_arena_config cfg = { .name = "a<b",
                                         .reserve_bytes = 8 * ZS_BLOCK_BYTES,
                                         .huge_pages = ZS_HUGE_NEVER };

    (void)unused;
    assert_int_equal(zs_arena_create(&cfg, &arena), 0);
    assert_int_equal(zs_page_type_create(arena, "x&y", &type), 0);
    return 0;
}

static int drop_arena(void **unused)
{
    (void)unused;
    assert_int_equal(zs_page_type_destroy(arena, type), 0);
    zs_arena_destroy(arena);
    return 0;
}

static zs_pfn_t take(unsigned n)
{
    zs_pfn_t first;

    assert_int_equal(zs_pages_alloc(arena, type, n, &first), 0);
    return first;
}

static char text[1 << 18];

static void read_back(FILE *f)
{
    size_t n;

    rewind(f);
    n = fread(text, 1, sizeof(text) - 1, f);
    text[n] = '\0';
    assert_int_equal(fclose(f), 0);
}

static void dump(unsigned flags)
{
    FILE *f = tmpfile();

    assert_non_null(f);
    zs_arena_dump(arena, fileno(f), flags);
    read_back(f);
}

static void dump_svg(void)
{
    FILE *f = tmpfile();

    assert_non_null(f);
    zs_arena_dump_svg(arena, fileno(f));
    read_back(f);
}

static void assert_says(const char *what)
{
    if (!strstr(text, what)) {
        fail_msg("not said: %s\nbut: %s", what, text);
    }
}

static void assert_does_not_say(const char *what)
{
    if (strstr(text, what)) {
        fail_msg("said: %s", what);
    }
}

/* Movable pages keep no block: nobody is asked to hold them. */
static bool yes(void *ctx, zs_pfn_t page)
{
    (void)ctx;
    (void)page;
    return true;
}

static enum zs_migrate_result never(void *ctx, zs_pfn_t dst, zs_pfn_t src,
                                    enum zs_migrate_mode mode)
{
    (void)ctx;
    (void)dst;
    (void)src;
    (void)mode;
    return ZS_MIGRATE_REFUSED;
}

static void nothing(void *ctx, zs_pfn_t page)
{
    (void)ctx;
    (void)page;
}

static bool some_are_held;

static void say_who(void *ctx, zs_pfn_t page, char *who, size_t len)
{
    (void)ctx;
    if (some_are_held && page == BLOCK + 7) {
        (void)snprintf(who, len, "held by <me> & \"you\"");
    }
}

static void make_movable(void)
{
    static const struct zs_movable_ops ops = { yes, never, nothing, say_who };

    assert_int_equal(zs_set_movable_ops(arena, type, &ops, NULL), 0);
}

static zs_pfn_t take_movable(unsigned n)
{
    zs_pfn_t first = take(n);

    for (unsigned i = 0; i < n; i++) {
        zs_page_mark_movable(arena, first + i);
    }
    return first;
}

/* Blocks: whole, 20 pages less than half, empty, offline. */
static void dump__is_a_character_for_each_block(void **unused)
{
    zs_pfn_t full, half, gone;

    (void)unused;
    make_movable();
    full = take_movable(BLOCK);
    half = take_movable(BLOCK / 2 - 20);
    gone = take_movable(BLOCK);
    assert_int_equal(zs_arena_offline(arena, 3 * (size_t)ZS_BLOCK_BYTES,
                                      ZS_BLOCK_BYTES, NULL),
                     0);
    zs_pages_free(arena, gone, BLOCK);
    (void)zs_arena_trim(arena, 0);
    dump(0);
    assert_says("arena a<b: ");
    assert_says("\n     0 #4.-\n");
    assert_does_not_say("cannot be emptied just now:");
    zs_pages_free(arena, full, BLOCK);
    zs_pages_free(arena, half, BLOCK / 2 - 20);
}

static void dump__names_the_page_that_is_not_movable(void **unused)
{
    zs_pfn_t first, fixed;

    (void)unused;
    make_movable();
    first = take_movable(5);
    fixed = take(1);
    dump(0);
    assert_says("\n     0 !\n");
    assert_says("cannot be emptied just now:\n"
                "     0 page 5 of x&y (OWNED): not movable\n");
    zs_pages_free(arena, fixed, 1);
    dump(0);
    assert_says("\n     0 0\n");
    zs_pages_free(arena, first, 5);
}

static void dump__names_who_holds_a_page(void **unused)
{
    zs_pfn_t first, second;

    (void)unused;
    make_movable();
    first = take_movable(BLOCK);
    second = take_movable(10);
    some_are_held = true;
    dump(0);
    some_are_held = false;
    assert_says("\n     0 #!\n");
    assert_says("     1 page 519 of x&y (MOVABLE): held by <me> & \"you\"\n");
    zs_pages_free(arena, first, BLOCK);
    zs_pages_free(arena, second, 10);
}

/* Of each block with a pin, and of those only: pinned objects of a pool. */
static void dump__names_who_pins_an_object(void **unused)
{
    struct zs_pool_config cfg = { .arena = arena };
    struct zs_pin pin;
    struct zs_pool *pool;
    zs_handle_t h;

    (void)unused;
    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    for (unsigned i = 0; i < 700; i++) {
        assert_int_equal(zs_malloc(pool, PAGE_OBJECT, &h), 0);
    }
    zs_pin(pool, h, "a cursor", &pin);
    dump(0);
    assert_says("cannot be emptied just now:\n     1 page ");
    assert_says(" of zspage (MOVABLE): ");
#if ZS_CHECKS >= 1
    assert_says(", pinned by a cursor, thread ");
#endif
    zs_unpin(pool, &pin);
    dump(0);
    assert_does_not_say("cannot be emptied just now:");
    zs_pool_destroy(pool);
}

/* Objects above a page move whole, and keep no block for that alone. */
static void dump__does_not_blame_large_objects(void **unused)
{
    struct zs_pool_config cfg = { .arena = arena };
    struct zs_pool *pool;
    zs_handle_t h;

    (void)unused;
    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    assert_int_equal(zs_malloc(pool, 100000, &h), 0);
    assert_int_equal(zs_malloc(pool, 10000, &h), 0);
    dump(0);
    assert_does_not_say("cannot be emptied just now:");
    zs_pool_destroy(pool);
}

static void dump__of_many_blocks_has_lines_of_64(void **unused)
{
    const struct zs_arena_config cfg = { .reserve_bytes =
                                             70 * (size_t)ZS_BLOCK_BYTES };
    struct zs_arena *whole = arena;
    zs_page_type_t own = type;
    zs_pfn_t first;

    (void)unused;
    assert_int_equal(zs_arena_create(&cfg, &arena), 0);
    assert_int_equal(zs_page_type_create(arena, "x", &type), 0);
    make_movable();
    first = take_movable(70 * BLOCK);
    dump(0);
    assert_says("\n     0 ################################"
                "################################\n"
                "    64 ######\n");
    zs_pages_free(arena, first, 70 * BLOCK);
    assert_int_equal(zs_page_type_destroy(arena, type), 0);
    zs_arena_destroy(arena);
    arena = whole;
    type = own;
}

static void check_xml(const char *texts)
{
    const char *tool = getenv("TEXT_CHECK");
    char path[64], command[512];
    FILE *f;

    if (!tool) {
        return;
    }
    (void)snprintf(path, sizeof(path), "/tmp/zspool-dump-%ld.svg",
                   (long)getpid());
    f = fopen(path, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    (void)snprintf(command, sizeof(command), "python3 '%s' --xml %s %s", tool,
                   path, texts);
    assert_int_equal(system(command), 0);
    unlink(path);
}

static void svg__is_a_cell_for_each_block(void **unused)
{
    zs_pfn_t first, second;

    (void)unused;
    make_movable();
    first = take_movable(BLOCK);
    second = take_movable(10);
    assert_int_equal(zs_arena_offline(arena, 2 * (size_t)ZS_BLOCK_BYTES,
                                      ZS_BLOCK_BYTES, NULL),
                     0);
    some_are_held = true;
    dump_svg();
    some_are_held = false;
    assert_says("<title>block 0: 512 of 512 pages in use, 0 resident, open\n"
                "512 of x&amp;y</title>");
    assert_says("<title>block 1: 10 of 512 pages in use, 0 resident, open\n"
                "10 of x&amp;y\n"
                "cannot be emptied: page 519 of x&amp;y (MOVABLE): "
                "held by &lt;me&gt; &amp; \"you\"</title>");
    assert_says("<title>block 2: 0 of 512 pages in use, 0 resident, offline");
    assert_does_not_say("block 3");
    check_xml("'block 2:' 'held by <me>' 'a<b: ' 'x&y: 522 pages'");
    zs_pages_free(arena, first, BLOCK);
    zs_pages_free(arena, second, 10);
}

static void svg__of_an_unused_arena_is_whole(void **unused)
{
    (void)unused;
    dump_svg();
    assert_says("</svg>\n");
    check_xml("'a<b: '");
}

#define PROMISE(f) cmocka_unit_test_setup_teardown(f, make_arena, drop_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(dump__is_a_character_for_each_block),
        PROMISE(dump__names_the_page_that_is_not_movable),
        PROMISE(dump__names_who_holds_a_page),
        PROMISE(dump__names_who_pins_an_object),
        PROMISE(dump__does_not_blame_large_objects),
        PROMISE(dump__of_many_blocks_has_lines_of_64),
        PROMISE(svg__is_a_cell_for_each_block),
        PROMISE(svg__of_an_unused_arena_is_whole),
    };
    return cmocka_run_group_tests_name("dump", tests, NULL, NULL);
}
