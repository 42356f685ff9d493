/* SPDX-License-Identifier: MIT */
/* Unit tests of zspool/movable_ops.h: an embedder's own pages, and looking at
 * flag words (lib/page/public.c). */
#include "embedder.h"
#include "migrate.h"
#include "stops.h"
#include "zspool/compactor.h"

static void create_all(size_t blocks)
{
    create(blocks, 0, 0);
    create_embedder();
}

static void destroy_all(void)
{
    destroy_embedder();
    destroy();
}

static void flush(void)
{
    zs_grace_flush(&arena->grace);
}

/* --- taking --- */

static void page_alloc__gives_a_page_with_memory_behind_it(void **unused)
{
    zs_pfn_t page = ZS_PFN_NONE;

    (void)unused;
    create(2, 0, 0);
    assert_int_equal(zs_page_alloc(arena, type, &page), 0);
    assert_true(page < zs_arena_nr_pages(arena));
    assert_int_equal(state_of(page), ZS_PAGE_OWNED);
    assert_int_equal(stats().used_bytes, PAGE);
    assert_int_equal(n_in_core(), 1);
    assert_figures_are_true();
    write_page(page);
    assert_page_intact(page);
    zs_page_free(arena, type, page);
    destroy();
}

static void page_alloc__of_no_type_is_einval(void **unused)
{
    zs_pfn_t page = 77;

    (void)unused;
    create(1, 0, 0);
    assert_int_equal(zs_page_alloc(arena, 0, &page), -EINVAL);
    assert_int_equal(zs_page_alloc(arena, 255, &page), -EINVAL);
    assert_int_equal(zs_page_alloc(arena, ZS_PAGE_TYPE_MAX, &page), -EINVAL);
    assert_int_equal(zs_page_alloc(arena, (zs_page_type_t)(type + 1), &page),
                     -EINVAL);
    assert_int_equal(page, 77);
    assert_int_equal(stats().used_bytes, 0);
    destroy();
}

static void page_alloc__at_the_limit_is_enomem(void **unused)
{
    zs_pfn_t first, page = 77;
    uint64_t before;

    (void)unused;
    create(1, 0, 0);
    assert_int_equal(zs_page_alloc(arena, type, &first), 0);
    before = stats().footprint_bytes;
    arena->budget.limit = before + PAGE - 1;
    assert_int_equal(zs_page_alloc(arena, type, &page), -ENOMEM);
    assert_int_equal(page, 77);
    assert_int_equal(stats().footprint_bytes, before);
    assert_int_equal(stats().used_bytes, PAGE);
    arena->budget.limit = before + PAGE;
    assert_int_equal(zs_page_alloc(arena, type, &page), 0);
    zs_page_free(arena, type, page);
    zs_page_free(arena, type, first);
    destroy();
}

static void page_alloc__of_more_than_the_range_is_enomem(void **unused)
{
    static zs_pfn_t pages[BLOCK];
    zs_pfn_t page = 77;

    (void)unused;
    create(1, 0, 0);
    for (unsigned i = 0; i < BLOCK; i++) {
        assert_int_equal(zs_page_alloc(arena, type, &pages[i]), 0);
    }
    assert_int_equal(zs_page_alloc(arena, type, &page), -ENOMEM);
    assert_int_equal(page, 77);
    assert_figures_are_true();
    for (unsigned i = 0; i < BLOCK; i++) {
        zs_page_free(arena, type, pages[i]);
    }
    destroy();
}

static void page_alloc__leaves_nothing_when_the_system_refuses(void **unused)
{
    zs_pfn_t page = 77;
    uint64_t before;

    (void)unused;
    create(1, 0, 0);
    zs_pages_free(arena, take(1), 1); /* the block is open, and counted */
    before = stats().footprint_bytes;
    refuse_populate = 1;
    assert_int_equal(zs_page_alloc(arena, type, &page), -ENOMEM);
    assert_int_equal(page, 77);
    assert_int_equal(stats().used_bytes, 0);
    assert_int_equal(stats().footprint_bytes, before);
    assert_figures_are_true();
    assert_int_equal(zs_page_alloc(arena, type, &page), 0);
    zs_page_free(arena, type, page);
    destroy();
}

/* --- marking --- */

static void set_movable__lets_the_core_ask(void **unused)
{
    unsigned thing;
    zs_pfn_t page;

    (void)unused;
    create_all(1);
    thing = add_thing(false);
    page = own.page_of[thing];
    assert_false(zs_isolate_movable_ops_page(arena, page));
    zs_page_set_movable(arena, page);
    assert_int_equal(state_of(page), ZS_PAGE_MOVABLE);
    assert_true(zs_isolate_movable_ops_page(arena, page));
    zs_putback_movable_ops_page(arena, page);
    assert_int_equal(own.n_put_back, 1);
    assert_thing_is_right(thing);
    destroy_all();
}

/* What the children of the tests below do wrong. */
static zs_pfn_t bad_page;
static zs_page_type_t bad_type;

static void set_bad_movable(void)
{
    zs_page_set_movable(arena, bad_page);
}

static void free_bad(void)
{
    zs_page_free(arena, bad_type, bad_page);
}

static void address_of_bad(void)
{
    (void)zs_page_address(arena, bad_page);
}

static void set_bad_private(void)
{
    zs_page_set_private(arena, bad_page, 1);
}

static void read_bad_private(void)
{
    (void)zs_page_private(arena, bad_page);
}

static void set_movable__of_a_page_not_owned_stops(void **unused)
{
    unsigned thing, other;

    (void)unused;
    create_all(1);
    thing = add_thing(true);
    other = add_thing(true);
    bad_page = own.page_of[thing];
    assert_stops(set_bad_movable, "zs_page_set_movable", "MOVABLE");
    assert_true(zs_isolate_movable_ops_page(arena, bad_page));
    assert_stops(set_bad_movable, "zs_page_set_movable", "ISOLATED");
    zs_putback_movable_ops_page(arena, bad_page);
    bad_page = own.page_of[other];
    zs_read_begin();
    free_thing(other);
    assert_stops(set_bad_movable, "zs_page_set_movable", "LIMBO");
    zs_read_end();
    flush();
    assert_stops(set_bad_movable, "zs_page_set_movable", "FREE");
    destroy_all();
}

/* --- freeing --- */

static void page_free__waits_for_a_reader(void **unused)
{
    zs_pfn_t page, other;

    (void)unused;
    create(1, 0, 0);
    assert_int_equal(zs_page_alloc(arena, type, &page), 0);
    write_page(page);
    zs_read_begin();
    zs_page_free(arena, type, page);
    assert_int_equal(zs_page_alloc(arena, type, &other), 0);
    assert_int_not_equal(other, page);
    assert_int_equal(state_of(page), ZS_PAGE_LIMBO);
    assert_int_equal(stats().deferred_bytes, PAGE);
    assert_int_equal(stats().used_bytes, 2 * PAGE); /* it counts still */
    assert_page_intact(page);
    zs_read_end();
    flush();
    assert_int_equal(state_of(page), ZS_PAGE_FREE);
    assert_int_equal(stats().deferred_bytes, 0);
    assert_int_equal(stats().used_bytes, PAGE);
    zs_page_free(arena, type, other);
    destroy();
}

/* Nobody flushes: a grace period that the free itself has asked for. */
static void page_free__ends_by_itself(void **unused)
{
    uint64_t end = zs_os.now_ns() + UINT64_C(60000000000);
    zs_pfn_t page;

    (void)unused;
    create(1, 0, 0);
    assert_int_equal(zs_page_alloc(arena, type, &page), 0);
    zs_page_free(arena, type, page);
    while (state_of(page) != ZS_PAGE_FREE) {
        assert_true(zs_os.now_ns() < end);
        usleep(100);
    }
    destroy();
}

static void page_free__of_pages_of_others_stops(void **unused)
{
    (void)unused;
    create_all(2);
    bad_page = own.page_of[add_thing(true)];
    bad_type = type; /* not the page's */
    assert_stops(free_bad, "zs_page_free", "MOVABLE");
    bad_type = 0;
    assert_stops(free_bad, "zs_page_free", "MOVABLE");
    bad_type = 255;
    assert_stops(free_bad, "zs_page_free", "MOVABLE");
    bad_page++; /* nobody's */
    for (unsigned t = 0; t < 3; t++) {
        static const zs_page_type_t types[] = { 0, 1, 255 };

        bad_type = types[t];
        assert_stops(free_bad, "zs_page_free", "FREE");
    }
    destroy_all();
}

static void page_free__twice_stops(void **unused)
{
    unsigned thing;

    (void)unused;
    create_all(1);
    thing = add_thing(true);
    bad_page = own.page_of[thing];
    bad_type = own.type;
    zs_read_begin();
    free_thing(thing);
    assert_stops(free_bad, "zs_page_free", "LIMBO");
    zs_read_end();
    flush();
    assert_stops(free_bad, "zs_page_free", "FREE");
    destroy_all();
}

static void page_free__twice_while_isolated_stops(void **unused)
{
    unsigned thing;

    (void)unused;
    create_all(1);
    thing = add_thing(true);
    bad_page = own.page_of[thing];
    bad_type = own.type;
    assert_true(zs_isolate_movable_ops_page(arena, bad_page));
    free_thing(thing);
    assert_int_equal(state_of(bad_page), ZS_PAGE_ISOLATED_RELEASED);
    assert_stops(free_bad, "zs_page_free", "ISOLATED_RELEASED");
    zs_putback_movable_ops_page(arena, bad_page);
    flush();
    assert_int_equal(state_of(bad_page), ZS_PAGE_FREE);
    assert_int_equal(own.n_put_back, 0); /* it was not the owner's any more */
    destroy_all();
}

static void page_free__of_the_place_it_was_moved_from_stops(void **unused)
{
    unsigned thing;
    zs_pfn_t page;

    (void)unused;
    create_all(1);
    thing = add_thing(true);
    page = bad_page = own.page_of[thing];
    bad_type = own.type;
    assert_true(zs_isolate_movable_ops_page(arena, page));
    zs_read_begin();
    assert_int_equal(zs_migrate_pages(arena, &page, 1, ZS_MIGRATE_SYNC), 0);
    assert_int_not_equal(own.page_of[thing], bad_page);
    assert_stops(free_bad, "zs_page_free", "LIMBO");
    zs_read_end();
    assert_thing_is_right(thing);
    destroy_all();
}

/* Freed inside isolate_page, migrate_page and putback_page. */
static void page_free__in_a_callback_is_finished_once(void **unused)
{
    static const enum manner manners[] = { FREES_AT_ISOLATE, FREES_AT_MIGRATE,
                                           FREES_AT_PUTBACK };

    (void)unused;
    create_all(2);
    for (unsigned i = 0; i < 3; i++) {
        zs_pfn_t page = own.page_of[add_thing(true)];
        zs_pfn_t src = page;
        bool isolated;

        own.manner = manners[i];
        isolated = zs_isolate_movable_ops_page(arena, page);
        assert_int_equal(isolated, i > 0);
        if (isolated &&
            zs_migrate_pages(arena, &page, 1, ZS_MIGRATE_SYNC) == 1) {
            zs_putback_movable_ops_page(arena, page);
        }
        flush();
        assert_int_equal(state_of(src), ZS_PAGE_FREE);
        assert_int_equal(stats().used_bytes, 0);
        assert_int_equal(stats().deferred_bytes, 0);
    }
    assert_int_equal(own.n_put_back, 1);
    assert_figures_are_true();
    destroy_all();
}

static void compact__moves_the_pages_of_an_embedder(void **unused)
{
    struct zs_compact_result r;

    (void)unused;
    create_all(4);
    for (unsigned i = 0; i < 3 * BLOCK; i++) {
        (void)add_thing(true);
    }
    for (unsigned i = 0; i < 3 * BLOCK; i++) {
        if (i % 3 != 0) {
            free_thing(i);
        }
    }
    assert_int_equal(zs_compact(arena, &r), 0);
    assert_int_equal(r.blocks_emptied, 2);
    assert_int_equal(r.pages_migrated, own.n_moved);
    assert_in_range(own.n_moved, BLOCK / 2, BLOCK);
    assert_int_equal(n_in_core(), BLOCK);
    all_things_are_right();
    assert_figures_are_true();
    destroy_all();
}

/* --- numbers that are no pages --- */

static void bad_number__stops_every_call(void **unused)
{
    (void)unused;
    create(2, 0, 0);
    bad_type = type;
    for (unsigned i = 0; i < 2; i++) {
        bad_page = i == 0 ? zs_arena_nr_pages(arena) : ZS_PFN_NONE;
        assert_stops(set_bad_movable, "zs_page_set_movable", "out of range");
        assert_stops(free_bad, "zs_page_free", "out of range");
        assert_stops(address_of_bad, "zs_page_address", "out of range");
        assert_stops(set_bad_private, "zs_page_set_private", "out of range");
        assert_stops(read_bad_private, "zs_page_private", "out of range");
    }
    destroy();
}

/* --- what a page carries --- */

static void address__is_the_page_in_the_range(void **unused)
{
    (void)unused;
    create(2, 0, 0);
    for (zs_pfn_t page = 0; page < zs_arena_nr_pages(arena); page++) {
        assert_ptr_equal(zs_page_address(arena, page),
                         arena->base + page * PAGE);
    }
    destroy();
}

static void private_word__is_zero_in_every_new_page(void **unused)
{
    (void)unused;
    create(1, 0, 0);
    for (unsigned round = 0; round < 3; round++) {
        zs_pfn_t page;

        assert_int_equal(zs_page_alloc(arena, type, &page), 0);
        assert_int_equal(page, 0); /* the same one each time */
        assert_int_equal(zs_page_private(arena, page), 0);
        zs_page_set_private(arena, page, UINT32_MAX - round);
        assert_int_equal(zs_page_private(arena, page), UINT32_MAX - round);
        zs_page_free(arena, type, page);
        flush();
    }
    destroy();
}

/* --- read sections --- */

static void compact_here(void)
{
    int err = zs_compact(arena, NULL);

    (void)err;
}

static void destroy_type_here(void)
{
    int err = zs_page_type_destroy(arena, type);

    (void)err;
}

static void read_section__nests_and_forbids_waiting(void **unused)
{
    (void)unused;
    create(1, 0, 0);
    zs_read_begin();
    zs_read_begin();
    zs_read_end();
    assert_true(zs_in_read_section());
    assert_stops(compact_here, "zs_compact", "inside a read section");
    assert_stops(destroy_type_here, "zs_page_type_destroy",
                 "inside a read section");
    zs_read_end();
    assert_false(zs_in_read_section());
    assert_int_equal(zs_compact(arena, NULL), 0);
    destroy();
}

/* --- looking --- */

static void page_flags__are_a_copy_of_the_words(void **unused)
{
    uint32_t words[6];
    unsigned thing;
    zs_pfn_t first;

    (void)unused;
    create_all(1);
    assert_int_equal(zs_page_alloc(arena, type, &first), 0);
    thing = add_thing(true);
    assert_int_equal(own.page_of[thing], first + 1);
    words[3] = 12345;
    assert_int_equal(zs_arena_page_flags(arena, first, 3, words), 0);
    assert_int_equal(zs_page_flags_type(words[0]), type);
    assert_string_equal(zs_page_flags_state(words[0]), "OWNED");
    assert_int_equal(zs_page_flags_type(words[1]), own.type);
    assert_string_equal(zs_page_flags_state(words[1]), "MOVABLE");
    assert_int_equal(words[2], 0);
    assert_int_equal(zs_page_flags_type(words[2]), 0);
    assert_string_equal(zs_page_flags_state(words[2]), "FREE");
    assert_int_equal(words[3], 12345);
    assert_true(zs_isolate_movable_ops_page(arena, first + 1));
    assert_int_equal(zs_arena_page_flags(arena, first + 1, 1, words), 0);
    assert_string_equal(zs_page_flags_state(words[0]), "ISOLATED");
    assert_string_equal(zs_page_flags_state(UINT32_MAX), "damaged");
    zs_putback_movable_ops_page(arena, first + 1);
    zs_page_free(arena, type, first);
    destroy_all();
}

static void page_flags__beyond_the_arena_are_erange(void **unused)
{
    static uint32_t words[2 * BLOCK + 1];
    zs_pfn_t end;

    (void)unused;
    create(2, 0, 0);
    end = zs_arena_nr_pages(arena);
    words[0] = 12345;
    assert_int_equal(zs_arena_page_flags(arena, end, 1, words), -ERANGE);
    assert_int_equal(zs_arena_page_flags(arena, 0, end + 1, words), -ERANGE);
    assert_int_equal(zs_arena_page_flags(arena, 1, UINT32_MAX, words), -ERANGE);
    assert_int_equal(zs_arena_page_flags(arena, ZS_PFN_NONE, 1, words),
                     -ERANGE);
    assert_int_equal(words[0], 12345);
    assert_int_equal(zs_arena_page_flags(arena, end, 0, words), 0);
    assert_int_equal(zs_arena_page_flags(arena, 0, end, words), 0);
    assert_int_equal(words[0], 0);
    destroy();
}

static void type_name__is_empty_for_what_is_not_taken(void **unused)
{
    zs_page_type_t other;

    (void)unused;
    create(1, 0, 0);
    assert_string_equal(zs_page_type_name(arena, type), "test");
    assert_int_equal(zs_page_type_create(arena, "other", &other), 0);
    assert_string_equal(zs_page_type_name(arena, other), "other");
    assert_int_equal(zs_page_type_destroy(arena, other), 0);
    assert_string_equal(zs_page_type_name(arena, other), "");
    assert_string_equal(zs_page_type_name(arena, 0), "");
    assert_string_equal(zs_page_type_name(arena, ZS_PAGE_TYPE_MAX), "");
    destroy();
}

/* Retired pages have a type of the allocator's own: nobody can end it, give it
 * callbacks, or take pages of it. */
static void retired_type__is_nobodys(void **unused)
{
    zs_pfn_t page = 77;

    (void)unused;
    create(1, 0, 0);
    assert_string_equal(zs_page_type_name(arena, 255), "retired");
    assert_int_equal(zs_page_type_destroy(arena, 255), -EINVAL);
    assert_int_equal(zs_set_movable_ops(arena, 255, &own_ops, &own), -EINVAL);
    assert_int_equal(zs_page_alloc(arena, 255, &page), -EINVAL);
    assert_int_equal(page, 77);
    destroy();
}

static void set_private_of_bad(void)
{
    zs_page_set_private(arena, bad_page, 5);
}

static void private_word__of_a_freed_page_cannot_be_set(void **unused)
{
    unsigned thing;

    (void)unused;
    create_all(1);
    thing = add_thing(true);
    bad_page = own.page_of[thing];
    zs_read_begin();
    free_thing(thing); /* its word links pages that wait for readers */
    assert_stops(set_private_of_bad, "zs_page_set_private", "LIMBO");
    zs_read_end();
    flush();
    assert_stops(set_private_of_bad, "zs_page_set_private", "FREE");
    destroy_all();
}

static void retired_page__is_not_for_callers(void **unused)
{
    (void)unused;
    create_all(1);
    bad_page = 3;
    assert_int_equal(zs_page_retire(arena, bad_page, NULL), 0);
    bad_type = 255;
    assert_stops(free_bad, "zs_page_free", "OWNED");
    assert_stops(set_bad_movable, "zs_page_set_movable", "OWNED");
    assert_stops(set_private_of_bad, "zs_page_set_private", "OWNED");
    destroy_all();
}

/* And the names of the owners. */
static void dump_pages__is_a_letter_for_each_page(void **unused)
{
    char text[4096] = "";
    FILE *f = tmpfile();
    unsigned thing;

    (void)unused;
    assert_non_null(f);
    create_all(4);
    for (unsigned i = 0; i < 20; i++) {
        thing = add_thing(true);
    }
    assert_int_equal(zs_page_retire(arena, 100, NULL), 0);
    assert_true(zs_isolate_movable_ops_page(arena, own.page_of[thing]));
    assert_int_equal(
        zs_arena_offline(arena, 3 * ZS_BLOCK_BYTES, ZS_BLOCK_BYTES, NULL), 0);
    zs_arena_dump(arena, fileno(f), ZS_DUMP_PAGES);
    zs_putback_movable_ops_page(arena, own.page_of[thing]);
    rewind(f);
    assert_true(fread(text, 1, sizeof(text) - 1, f) > 0);
    (void)fclose(f);
    /* types: 1 the fixture's, 2 the embedder's */
    assert_non_null(strstr(text, "     0 21 pages in use, 20 resident, open\n"
                                 "       bbbbbbbbbbbbbbbbbbbB....."));
    assert_non_null(strstr(text, "....!...."));
    assert_non_null(strstr(text, "     3 0 pages in use, 0 resident, "
                                 "offline\n"));
    assert_non_null(strstr(text, "\nb "));
    destroy_all();
}

static void nr_pages__counts_the_rounded_range(void **unused)
{
    struct zs_arena_config cfg = { .reserve_bytes = 2 * ZS_BLOCK_BYTES + 1 };
    struct zs_arena *a;

    (void)unused;
    assert_int_equal(zs_arena_create(&cfg, &a), 0);
    assert_int_equal(zs_arena_nr_pages(a), 3 * BLOCK);
    zs_arena_destroy(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(page_alloc__gives_a_page_with_memory_behind_it),
        PROMISE(page_alloc__of_no_type_is_einval),
        PROMISE(page_alloc__at_the_limit_is_enomem),
        PROMISE(page_alloc__of_more_than_the_range_is_enomem),
        PROMISE(page_alloc__leaves_nothing_when_the_system_refuses),
        PROMISE(set_movable__lets_the_core_ask),
        PROMISE(set_movable__of_a_page_not_owned_stops),
        PROMISE(page_free__waits_for_a_reader),
        PROMISE(page_free__ends_by_itself),
        PROMISE(page_free__of_pages_of_others_stops),
        PROMISE(page_free__twice_stops),
        PROMISE(page_free__twice_while_isolated_stops),
        PROMISE(page_free__of_the_place_it_was_moved_from_stops),
        PROMISE(page_free__in_a_callback_is_finished_once),
        PROMISE(compact__moves_the_pages_of_an_embedder),
        PROMISE(bad_number__stops_every_call),
        PROMISE(address__is_the_page_in_the_range),
        PROMISE(private_word__is_zero_in_every_new_page),
        PROMISE(read_section__nests_and_forbids_waiting),
        PROMISE(page_flags__are_a_copy_of_the_words),
        PROMISE(page_flags__beyond_the_arena_are_erange),
        PROMISE(type_name__is_empty_for_what_is_not_taken),
        PROMISE(retired_type__is_nobodys),
        PROMISE(dump_pages__is_a_letter_for_each_page),
        PROMISE(private_word__of_a_freed_page_cannot_be_set),
        PROMISE(retired_page__is_not_for_callers),
        PROMISE(nr_pages__counts_the_rounded_range),
    };
    return cmocka_run_group_tests_name("public_pages", tests, NULL, NULL);
}
