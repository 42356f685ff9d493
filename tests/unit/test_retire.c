/* SPDX-License-Identifier: MIT */
/* Unit tests of zs_page_retire(): pages that are never used again. */
#include "pool_impl.h"

#include "offline_fixture.h"
#include "stops.h"

static void assert_is_retired(zs_pfn_t page)
{
    uint32_t word;

    assert_int_equal(zs_arena_page_flags(arena, page, 1, &word), 0);
    assert_string_equal(zs_page_type_name(arena, zs_page_flags_type(word)),
                        "retired");
    assert_int_equal(n_in_core_of(page, 1), 0);
    assert_false(zs_page_is_resident(arena, page));
}

static unsigned n_free_pages(void)
{
    return (unsigned)(zs_arena_nr_pages(arena) - stats().used_bytes / PAGE);
}

/* Every other page can be had, and this one cannot. */
static void assert_never_handed_out(zs_pfn_t page)
{
    unsigned n_free = n_free_pages();

    assert_int_equal(add_things_until_full(), n_free);
    for (unsigned i = 0; i < own.n_things; i++) {
        assert_int_not_equal(own.page_of[i], page);
    }
    assert_is_retired(page);
    assert_figures_are_true();
}

static void create_with_things(size_t blocks, unsigned n)
{
    create(blocks, 0, 0);
    create_embedder();
    for (unsigned i = 0; i < n; i++) {
        (void)add_thing(true);
    }
}

static void destroy_all(void)
{
    destroy_embedder();
    destroy();
}

/* --- pages that can be had --- */

static void retire__of_a_free_page_takes_it_for_good(void **unused)
{
    (void)unused;
    create_with_things(2, 10);
    assert_int_equal(zs_page_retire(arena, 200, NULL), 0);
    assert_is_retired(200);
    assert_int_equal(stats().n_pages_retired, 1);
    assert_int_equal(stats().used_bytes, 11 * PAGE);
    assert_never_handed_out(200);
    destroy_all();
}

/* Its descriptor must be there for good: the block opens for it. */
static void retire__in_a_block_never_used_opens_it(void **unused)
{
    uint64_t metadata;

    (void)unused;
    create_with_things(4, 0);
    metadata = stats().metadata_bytes;
    assert_int_equal(zs_page_retire(arena, 2 * BLOCK + 7, NULL), 0);
    assert_int_equal(stats().metadata_bytes,
                     metadata + ZS_OS_PAGE_BYTES + 3 * sizeof(struct zs_block));
    assert_int_equal(stats().n_blocks_used, 1);
    assert_int_equal(n_in_core(), 0);
    assert_never_handed_out(2 * BLOCK + 7);
    destroy_all();
}

static void retire__gives_the_memory_of_the_page_back(void **unused)
{
    (void)unused;
    create_with_things(2, 0);
    zs_pages_free(arena, take_populated(20), 20);
    assert_int_equal(zs_page_retire(arena, 12, NULL), 0);
    assert_is_retired(12);
    assert_int_equal(n_in_core(), 19);
    assert_figures_are_true();
    assert_never_handed_out(12);
    destroy_all();
}

static void retire__moves_what_is_in_the_page(void **unused)
{
    zs_pfn_t page;

    (void)unused;
    create_with_things(2, 50);
    page = own.page_of[17];
    assert_int_equal(zs_page_retire(arena, page, NULL), 0);
    assert_is_retired(page);
    assert_int_not_equal(own.page_of[17], page);
    assert_int_equal(own.n_moved, 1); /* and nothing else */
    assert_int_equal(stats().deferred_bytes, 0);
    all_things_are_right();
    assert_never_handed_out(page);
    all_things_are_right();
    destroy_all();
}

static void retire__takes_pages_of_each_owner(void **unused)
{
    (void)unused;
    create_all_owners(8);
    for (zs_pfn_t page = 3; page < 2 * BLOCK; page += 37) {
        assert_int_equal(zs_page_retire(arena, page, NULL), 0);
        assert_is_retired(page);
    }
    assert_int_equal(stats().n_pages_retired, (2 * BLOCK - 3 + 36) / 37);
    all_owners_are_right();
    destroy_all_owners();
}

/* The pages of the zspage that the object is in, and whether it is full. */
static bool is_in_full_zspage(zs_handle_t h, zs_pfn_t *page)
{
    uint32_t word = zs_slot_load(&pool->handles, h.raw);
    const struct zspage *zp = zspage_at(pool, zs_slot_zspage(word));
    size_t at = zs_slot_index(word) * zspage_slot_bytes(zp);

    *page = zspage_pfn(zp, (unsigned)(at / PAGE));
    return zp->n_live == zp->n_slots;
}

static void retire__splits_a_full_zspage_and_empties_another(void **unused)
{
    zs_pfn_t full, partial;

    (void)unused;
    create_all_owners(8);
    assert_true(is_in_full_zspage(objects[0], &full));
    assert_false(is_in_full_zspage(objects[N_OBJECTS - 1], &partial));
    assert_int_equal(zs_page_retire(arena, full, NULL), 0);
    assert_int_equal(zs_page_retire(arena, partial, NULL), 0);
    assert_is_retired(full);
    assert_is_retired(partial);
    all_owners_are_right();
    destroy_all_owners();
}

static void retire__of_a_page_of_a_run_moves_the_run(void **unused)
{
    zs_handle_t h;

    (void)unused;
    create_with_things(8, 0);
    create_pool();
    h = store(3, 3 * MIB);
    assert_int_equal(zs_page_retire(arena, BLOCK + 40, NULL), 0);
    assert_is_retired(BLOCK + 40);
    assert_object_is_right(h, 3, 3 * MIB);
    assert_int_equal(stats().used_bytes, 769 * PAGE);
    assert_figures_are_true();
    zs_pool_destroy(pool);
    assert_never_handed_out(BLOCK + 40);
    destroy_all();
}

static void retire__of_every_page_of_a_block_leaves_none(void **unused)
{
    (void)unused;
    create_with_things(2, 5);
    for (zs_pfn_t page = 0; page < BLOCK; page++) {
        assert_int_equal(zs_page_retire(arena, page, NULL), 0);
    }
    all_things_are_right();
    assert_int_equal(stats().n_pages_retired, BLOCK);
    assert_int_equal(add_things_until_full(), BLOCK - 5);
    assert_int_equal(n_in_core(), BLOCK);
    assert_figures_are_true();
    destroy_all();
}

/* --- pages that cannot --- */

static void retire__of_no_page_is_einval(void **unused)
{
    struct zs_blocker why = { .page = 77 };

    (void)unused;
    create_with_things(2, 1);
    assert_int_equal(zs_page_retire(arena, 2 * BLOCK, &why), -EINVAL);
    assert_int_equal(zs_page_retire(arena, ZS_PFN_NONE, &why), -EINVAL);
    assert_int_equal(zs_page_retire(arena, 100, &why), 0);
    assert_int_equal(zs_page_retire(arena, 100, &why), -EINVAL);
    assert_int_equal(
        zs_arena_offline(arena, ZS_BLOCK_BYTES, ZS_BLOCK_BYTES, &why), 0);
    assert_int_equal(zs_page_retire(arena, BLOCK + 3, &why), -EINVAL);
    assert_int_equal(why.page, 77);
    assert_int_equal(stats().n_pages_retired, 1);
    destroy_all();
}

static void retire__of_a_page_that_stays_is_ebusy(void **unused)
{
    struct zs_blocker why;
    zs_pfn_t fixed;

    (void)unused;
    create_with_things(2, 9);
    fixed = own.page_of[add_thing(false)];
    own.holder = "nobody moves this";
    assert_int_equal(zs_page_retire(arena, fixed, NULL), -EBUSY);
    assert_int_equal(zs_page_retire(arena, fixed, &why), -EBUSY);
    assert_int_equal(why.page, fixed);
    assert_int_equal(why.type, own.type);
    assert_string_equal(why.type_name, "embedder");
    assert_string_equal(why.state, "OWNED");
    assert_string_equal(why.holder, "nobody moves this");
    assert_int_equal(stats().n_pages_retired, 0);
    assert_int_equal(own.n_moved, 0); /* its neighbours were left alone */
    assert_int_equal(add_things_until_full(), 2 * BLOCK - 10);
    all_things_are_right();
    assert_figures_are_true();
    destroy_all();
}

static void retire__without_room_to_move_to_is_enomem(void **unused)
{
    (void)unused;
    create_with_things(2, 0);
    assert_int_equal(add_things_until_full(), 2 * BLOCK);
    assert_int_equal(zs_page_retire(arena, 5, NULL), -ENOMEM);
    assert_int_equal(stats().n_pages_retired, 0);
    all_things_are_right();
    free_thing(20);
    assert_int_equal(zs_page_retire(arena, 5, NULL), -ENOMEM); /* same block */
    free_thing(BLOCK + 20);
    assert_int_equal(zs_page_retire(arena, 5, NULL), 0);
    all_things_are_right();
    assert_never_handed_out(5);
    destroy_all();
}

static void retire__without_room_for_the_descriptor_is_enomem(void **unused)
{
    uint64_t used;

    (void)unused;
    create_with_things(3, 1);
    used = arena->budget.used;
    arena->budget.limit = used + ZS_OS_PAGE_BYTES;
    assert_int_equal(zs_page_retire(arena, 2 * BLOCK, NULL), -ENOMEM);
    assert_int_equal(arena->budget.used, used);
    assert_int_equal(stats().n_pages_retired, 0);
    arena->budget.limit += 2 * sizeof(struct zs_block);
    assert_int_equal(zs_page_retire(arena, 2 * BLOCK, NULL), 0);
    arena->budget.limit = 0;
    assert_never_handed_out(2 * BLOCK);
    destroy_all();
}

static void retire__is_eio_when_memory_is_not_taken_back(void **unused)
{
    (void)unused;
    create_with_things(2, 10);
    zs_os.release = refuse_all_releases;
    assert_int_equal(zs_page_retire(arena, own.page_of[4], NULL), -EIO);
    zs_os.release = fake_release;
    assert_int_equal(stats().n_pages_retired, 0);
    all_things_are_right();
    assert_figures_are_true();
    assert_int_equal(add_things_until_full(), 2 * BLOCK - 10);
    destroy_all();
}

/* --- and blocks that have one --- */

static void compact__empties_a_block_with_a_retired_page(void **unused)
{
    struct zs_compact_result r;

    (void)unused;
    create_with_things(4, 2 * BLOCK);
    for (unsigned i = 0; i < 2 * BLOCK; i++) {
        if (i % 4 != 0) {
            free_thing(i);
        }
    }
    zs_grace_flush(&arena->grace);
    assert_int_equal(zs_page_retire(arena, BLOCK + 9, NULL), 0);
    assert_int_equal(zs_compact(arena, &r), 0);
    assert_int_equal(r.blocks_emptied, 1);
    assert_int_equal(r.pages_left, 0);
    assert_int_equal(n_in_core_of(BLOCK, BLOCK), 0);
    assert_int_equal(n_in_core(), BLOCK / 2);
    assert_int_equal(n_used_of(BLOCK, BLOCK), 1);
    all_things_are_right();
    assert_never_handed_out(BLOCK + 9);
    destroy_all();
}

/* Nothing is there to gain: it is not tried again and again. */
static void compact__does_not_choose_a_block_of_retired_pages(void **unused)
{
    struct zs_compact_result r;

    (void)unused;
    create_with_things(2, 0);
    assert_int_equal(zs_page_retire(arena, 4, NULL), 0);
    assert_int_equal(zs_compact(arena, &r), 0);
    assert_int_equal(r.blocks_scanned, 0);
    assert_int_equal(r.blocks_chosen, 0);
    destroy_all();
}

static void offline__of_a_block_with_a_retired_page_and_back(void **unused)
{
    (void)unused;
    create_with_things(2, 60);
    assert_int_equal(zs_page_retire(arena, 30, NULL), 0);
    assert_int_equal(zs_page_retire(arena, 300, NULL), 0);
    assert_int_equal(zs_arena_offline(arena, 0, ZS_BLOCK_BYTES, NULL), 0);
    assert_int_equal(n_used_of(0, BLOCK), 2);
    assert_int_equal(n_in_core_of(0, BLOCK), 0);
    assert_int_equal(stats().n_blocks_offline, 1);
    assert_int_equal(add_things_until_full(), BLOCK - 60);
    assert_int_equal(n_used_of(0, BLOCK), 2);
    assert_is_retired(30);
    assert_int_equal(zs_arena_online(arena, 0, ZS_BLOCK_BYTES), 0);
    assert_never_handed_out(30);
    assert_is_retired(300);
    assert_int_equal(n_free_pages(), 0);
    assert_int_equal(stats().n_blocks_used, 2); /* paid for once */
    all_things_are_right();
    destroy_all();
}

/* The arena goes with offline blocks that have retired pages, and without. */
static void arena__is_destroyed_with_retired_pages(void **unused)
{
    (void)unused;
    create(3, 0, 0);
    assert_int_equal(zs_page_retire(arena, 1, NULL), 0);
    assert_int_equal(zs_page_retire(arena, BLOCK + 1, NULL), 0);
    assert_int_equal(zs_arena_offline(arena, 0, ZS_BLOCK_BYTES, NULL), 0);
    assert_int_equal(stats().n_pages_retired, 2);
    destroy();
}

static void retire_here(void)
{
    int err = zs_page_retire(arena, 0, NULL);

    (void)err;
}

static void retire__in_a_read_section_stops(void **unused)
{
    (void)unused;
    create(1, 0, 0);
    zs_read_begin();
    assert_stops(retire_here, "zs_page_retire", "read section");
    zs_read_end();
    destroy();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(retire__of_a_free_page_takes_it_for_good),
        PROMISE(retire__in_a_block_never_used_opens_it),
        PROMISE(retire__gives_the_memory_of_the_page_back),
        PROMISE(retire__moves_what_is_in_the_page),
        PROMISE(retire__takes_pages_of_each_owner),
        PROMISE(retire__splits_a_full_zspage_and_empties_another),
        PROMISE(retire__of_a_page_of_a_run_moves_the_run),
        PROMISE(retire__of_every_page_of_a_block_leaves_none),
        PROMISE(retire__of_no_page_is_einval),
        PROMISE(retire__of_a_page_that_stays_is_ebusy),
        PROMISE(retire__without_room_to_move_to_is_enomem),
        PROMISE(retire__without_room_for_the_descriptor_is_enomem),
        PROMISE(retire__is_eio_when_memory_is_not_taken_back),
        PROMISE(compact__empties_a_block_with_a_retired_page),
        PROMISE(compact__does_not_choose_a_block_of_retired_pages),
        PROMISE(offline__of_a_block_with_a_retired_page_and_back),
        PROMISE(arena__is_destroyed_with_retired_pages),
        PROMISE(retire__in_a_read_section_stops),
    };
    return cmocka_run_group_tests_name("retire", tests, NULL, NULL);
}
