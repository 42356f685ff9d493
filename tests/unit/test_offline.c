/* SPDX-License-Identifier: MIT */
/* Unit tests of compactor/offline.c: pageblocks out of use and back. */
#include <pthread.h>
#include <sched.h>

#include "offline_fixture.h"
#include "stops.h"

#define BYTES(blocks) ((size_t)(blocks)*ZS_BLOCK_BYTES)

/* Nothing is in use there, nothing has memory there. */
static void assert_is_gone(uint32_t block, uint32_t n)
{
    zs_pfn_t first = block * BLOCK;

    assert_int_equal(n_used_of(first, n * BLOCK), 0);
    assert_int_equal(n_in_core_of(first, n * BLOCK), 0);
    assert_figures_are_true();
}

/* --- taking blocks out --- */

static void offline__of_what_was_never_used_needs_no_memory(void **unused)
{
    (void)unused;
    create(6, 0, 0);
    assert_int_equal(zs_arena_offline(arena, BYTES(1), BYTES(2), NULL), 0);
    assert_int_equal(zs_arena_offline(arena, BYTES(5), BYTES(1), NULL), 0);
    assert_int_equal(stats().n_blocks_offline, 3);
    assert_int_equal(stats().n_blocks_used, 0);
    assert_int_equal(stats().resident_bytes, 0);
    assert_is_gone(0, 6);
    destroy(); /* with offline blocks */
}

static void offline__gives_the_memory_of_idle_pages_back(void **unused)
{
    (void)unused;
    create(2, 0, 0);
    zs_pages_free(arena, take_populated(300), 300);
    assert_int_equal(n_in_core(), 300);
    assert_int_equal(zs_arena_offline(arena, 0, BYTES(1), NULL), 0);
    assert_int_equal(n_in_core(), 0);
    assert_int_equal(stats().bytes_released, 300 * PAGE);
    assert_int_equal(stats().n_blocks_used, 0);
    assert_is_gone(0, 1);
    destroy();
}

static void offline__moves_what_all_owners_have_there(void **unused)
{
    struct zs_blocker why = { .page = 77 };

    (void)unused;
    create_all_owners(8);
    assert_in_range(n_used_of(0, 2 * BLOCK), 1000, 1024);
    assert_int_equal(zs_arena_offline(arena, 0, BYTES(2), &why), 0);
    assert_int_equal(why.page, 77);
    assert_is_gone(0, 2);
    assert_int_equal(stats().n_blocks_offline, 2);
    assert_int_equal(stats().deferred_bytes, 0);
    all_owners_are_right();
    assert_true(own.n_moved > 0);
    destroy_all_owners();
}

/* From one end of what is used to the other, and back. */
static void offline__of_each_block_in_turn_loses_nothing(void **unused)
{
    (void)unused;
    create_all_owners(8);
    for (uint32_t i = 0; i < 8; i++) {
        assert_int_equal(zs_arena_offline(arena, BYTES(i), BYTES(1), NULL), 0);
        assert_is_gone(i, 1);
        all_owners_are_right();
        assert_int_equal(zs_arena_online(arena, BYTES(i), BYTES(1)), 0);
    }
    assert_int_equal(stats().n_blocks_offline, 0);
    destroy_all_owners();
}

static void offline__takes_the_blocks_from_the_allocator(void **unused)
{
    unsigned n;

    (void)unused;
    create(4, 0, 0);
    create_embedder();
    (void)add_thing(true);
    assert_int_equal(zs_arena_offline(arena, 0, BYTES(2), NULL), 0);
    n = add_things_until_full();
    assert_int_equal(n, 2 * BLOCK - 1);
    assert_is_gone(0, 2);
    assert_int_equal(zs_arena_online(arena, 0, BYTES(1)), 0);
    assert_int_equal(add_things_until_full(), BLOCK);
    assert_is_gone(1, 1);
    assert_int_equal(zs_arena_online(arena, BYTES(1), BYTES(1)), 0);
    assert_int_equal(add_things_until_full(), BLOCK);
    all_things_are_right();
    assert_figures_are_true();
    destroy_embedder();
    destroy();
}

static void offline__also_keeps_long_runs_out(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(5, 0, 0);
    assert_int_equal(zs_arena_offline(arena, BYTES(1), BYTES(1), NULL), 0);
    assert_int_equal(zs_pages_alloc(arena, type, 4 * BLOCK, &first), -ENOMEM);
    first = take(3 * BLOCK);
    assert_int_equal(first, 2 * BLOCK);
    zs_pages_free(arena, first, 3 * BLOCK);
    destroy();
}

static void compact__leaves_offline_blocks_alone(void **unused)
{
    (void)unused;
    create_all_owners(8);
    assert_int_equal(zs_arena_offline(arena, BYTES(1), BYTES(1), NULL), 0);
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        if (i % 3 != 0) {
            zs_free(pool, objects[i]);
            objects[i].raw = 0;
        }
    }
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_is_gone(1, 1);
    assert_int_equal(stats().n_blocks_offline, 1);
    all_owners_are_right();
    destroy_all_owners();
}

/* --- objects that move whole --- */

static void offline__moves_objects_larger_than_a_page(void **unused)
{
    static const size_t len = 30000;
    zs_handle_t h[80];

    (void)unused;
    create(8, 0, 0);
    create_pool();
    for (unsigned i = 0; i < 80; i++) {
        h[i] = store(i, len);
    }
    assert_int_equal(zs_arena_offline(arena, 0, BYTES(2), NULL), 0);
    assert_is_gone(0, 2);
    for (unsigned i = 0; i < 80; i++) {
        assert_object_is_right(h[i], i, len);
    }
    zs_pool_destroy(pool);
    destroy();
}

/* The run begins in the block before: it goes whole, or not at all. */
static void offline__moves_a_run_that_only_ends_there(void **unused)
{
    static const size_t len = 5 * ZS_BLOCK_BYTES / 2;
    zs_handle_t h;

    (void)unused;
    create(8, 0, 0);
    create_pool();
    h = store(1, len);
    assert_int_equal(n_used_of(0, 3 * BLOCK), 5 * BLOCK / 2);
    assert_int_equal(zs_arena_offline(arena, BYTES(2), BYTES(1), NULL), 0);
    assert_is_gone(2, 1);
    assert_int_equal(n_used_of(0, 3 * BLOCK), 0);
    assert_object_is_right(h, 1, len);
    assert_int_equal(zs_arena_online(arena, BYTES(2), BYTES(1)), 0);
    assert_int_equal(zs_arena_offline(arena, BYTES(4), BYTES(1), NULL), 0);
    assert_is_gone(4, 1);
    assert_object_is_right(h, 1, len);
    zs_pool_destroy(pool);
    destroy();
}

/* --- ranges that are none --- */

static void offline__of_no_whole_blocks_is_einval(void **unused)
{
    static const struct {
        size_t first, bytes;
    } bad[] = {
        { 0, 0 },
        { 0, ZS_BLOCK_BYTES - 1 },
        { 0, ZS_PAGE_BYTES },
        { 1, ZS_BLOCK_BYTES },
        { ZS_PAGE_BYTES, ZS_BLOCK_BYTES },
        { 0, 5 * (size_t)ZS_BLOCK_BYTES },
        { 3 * (size_t)ZS_BLOCK_BYTES, 2 * (size_t)ZS_BLOCK_BYTES },
        { 4 * (size_t)ZS_BLOCK_BYTES, ZS_BLOCK_BYTES },
        { ZS_BLOCK_BYTES, SIZE_MAX - ZS_BLOCK_BYTES + 1 },
        { SIZE_MAX - ZS_BLOCK_BYTES + 1, ZS_BLOCK_BYTES },
    };

    (void)unused;
    create(4, 0, 0);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct zs_blocker why = { .page = 77 };

        assert_int_equal(
            zs_arena_offline(arena, bad[i].first, bad[i].bytes, &why), -EINVAL);
        assert_int_equal(why.page, 77);
        assert_int_equal(zs_arena_online(arena, bad[i].first, bad[i].bytes),
                         -EINVAL);
    }
    assert_int_equal(stats().n_blocks_offline, 0);
    destroy();
}

static void offline__twice_is_einval_and_changes_nothing(void **unused)
{
    (void)unused;
    create(4, 0, 0);
    assert_int_equal(zs_arena_offline(arena, BYTES(2), BYTES(1), NULL), 0);
    for (uint32_t first = 0; first <= 2; first++) {
        assert_int_equal(
            zs_arena_offline(arena, BYTES(first), BYTES(3 - first), NULL),
            -EINVAL);
    }
    assert_int_equal(stats().n_blocks_offline, 1);
    destroy();
}

static void online__of_a_block_in_use_is_einval_and_changes_nothing(void **u)
{
    zs_pfn_t page;

    (void)u;
    create(4, 0, 0);
    page = take(1);
    assert_int_equal(zs_arena_online(arena, 0, BYTES(1)), -EINVAL);
    assert_int_equal(zs_arena_online(arena, BYTES(1), BYTES(1)), -EINVAL);
    assert_int_equal(zs_arena_offline(arena, BYTES(1), BYTES(2), NULL), 0);
    assert_int_equal(zs_arena_online(arena, BYTES(1), BYTES(3)), -EINVAL);
    assert_int_equal(zs_arena_online(arena, 0, BYTES(2)), -EINVAL);
    assert_int_equal(stats().n_blocks_offline, 2);
    assert_int_equal(zs_arena_online(arena, BYTES(1), BYTES(2)), 0);
    assert_int_equal(zs_arena_online(arena, BYTES(1), BYTES(2)), -EINVAL);
    zs_pages_free(arena, page, 1);
    destroy();
}

static void offline_here(void)
{
    int err = zs_arena_offline(arena, 0, BYTES(1), NULL);

    (void)err;
}

static void online_here(void)
{
    int err = zs_arena_online(arena, 0, BYTES(1));

    (void)err;
}

static void waiting_call__in_a_read_section_stops(void **unused)
{
    (void)unused;
    create(1, 0, 0);
    zs_read_begin();
    assert_stops(offline_here, "zs_arena_offline", "read section");
    assert_stops(online_here, "zs_arena_online", "read section");
    zs_read_end();
    destroy();
}

/* --- what does not move --- */

static unsigned n_free_pages(void)
{
    return (unsigned)(zs_arena_nr_pages(arena) - stats().used_bytes / PAGE);
}

/* All that is stored is intact, and every free page can be had. */
static void assert_usable_as_before(void)
{
    unsigned n_free = n_free_pages();

    assert_int_equal(stats().n_blocks_offline, 0);
    assert_int_equal(stats().deferred_bytes, 0);
    assert_figures_are_true();
    all_things_are_right();
    assert_int_equal(add_things_until_full(), n_free);
}

static void offline__names_a_page_that_is_not_movable(void **unused)
{
    struct zs_blocker why;
    zs_pfn_t fixed;

    (void)unused;
    create(6, 0, 0);
    create_embedder();
    for (unsigned i = 0; i < 2 * BLOCK; i++) {
        (void)add_thing(i != BLOCK + 50);
    }
    fixed = own.page_of[BLOCK + 50];
    memset(&why, 0xff, sizeof(why));
    /* block 0 goes, block 1 does not, block 2 is EMPTY: all of them stay */
    assert_int_equal(zs_arena_offline(arena, 0, BYTES(3), &why), -EBUSY);
    assert_int_equal(why.page, fixed);
    assert_int_equal(why.type, own.type);
    assert_string_equal(why.type_name, "embedder");
    assert_string_equal(why.state, "OWNED");
    assert_string_equal(why.holder, "");
    assert_int_equal(zs_arena_offline(arena, 0, BYTES(3), NULL), -EBUSY);
    assert_usable_as_before();
    destroy_embedder();
    destroy();
}

static void offline__names_who_holds_a_page(void **unused)
{
    static const enum manner manners[] = { REFUSES, WILL_NOT };

    (void)unused;
    for (unsigned i = 0; i < 2; i++) {
        struct zs_blocker why;
        zs_pfn_t page;

        create(4, 0, 0);
        create_embedder();
        page = own.page_of[add_thing(true)];
        own.manner = manners[i];
        own.holder = "a test, since noon";
        assert_int_equal(zs_arena_offline(arena, 0, BYTES(1), &why), -EBUSY);
        assert_int_equal(why.page, page);
        assert_int_equal(why.type, own.type);
        assert_string_equal(why.type_name, "embedder");
        assert_string_equal(why.state, "MOVABLE");
        assert_string_equal(why.holder, "a test, since noon");
        assert_usable_as_before();
        own.manner = AGREES; /* and now it moves */
        for (unsigned t = 1; t < own.n_things; t++) {
            free_thing(t);
        }
        assert_int_equal(zs_arena_offline(arena, 0, BYTES(1), &why), 0);
        destroy_embedder();
        destroy();
    }
}

static void offline__names_a_page_that_another_mover_has(void **unused)
{
    struct zs_blocker why;
    zs_pfn_t page;

    (void)unused;
    create(4, 0, 0);
    create_embedder();
    page = own.page_of[add_thing(true)];
    assert_true(zs_isolate_movable_ops_page(arena, page));
    assert_int_equal(zs_arena_offline(arena, 0, BYTES(1), &why), -EBUSY);
    assert_int_equal(why.page, page);
    assert_string_equal(why.state, "ISOLATED");
    zs_putback_movable_ops_page(arena, page);
    assert_int_equal(zs_arena_offline(arena, 0, BYTES(1), &why), 0);
    assert_is_gone(0, 1);
    all_things_are_right();
    destroy_embedder();
    destroy();
}

/* A name longer than there is room for is cut. */
static void blocker__texts_are_cut_to_size(void **unused)
{
    static const char long_name[] = "a name of more than twenty-three letters";
    struct zs_blocker why;
    zs_page_type_t other;
    zs_pfn_t page;

    (void)unused;
    create(2, 0, 0);
    assert_int_equal(zs_page_type_create(arena, long_name, &other), 0);
    assert_int_equal(zs_page_alloc(arena, other, &page), 0);
    assert_int_equal(zs_arena_offline(arena, 0, BYTES(1), &why), -EBUSY);
    assert_int_equal(strlen(why.type_name), sizeof(why.type_name) - 1);
    assert_memory_equal(why.type_name, long_name, sizeof(why.type_name) - 1);
    zs_page_free(arena, other, page);
    assert_int_equal(zs_page_type_destroy(arena, other), 0);
    destroy();
}

static zs_pfn_t page_of(const void *p)
{
    return (zs_pfn_t)((size_t)((const char *)p - arena->base) / PAGE);
}

static void offline__names_the_pin_of_an_object(void **unused)
{
    static const size_t lens[] = { OBJ_BYTES, 30000, 300000 };

    (void)unused;
    for (unsigned i = 0; i < 3; i++) {
        struct zs_blocker why;
        struct zs_pin pin;
        zs_handle_t h;
        zs_pfn_t at;

        create(8, 0, 0);
        create_pool();
        h = store(5, lens[i]);
        zs_pin(pool, h, "a writev", &pin);
        at = page_of(pin.view.part[0].iov_base);
        assert_int_equal(zs_arena_offline(arena, 0, BYTES(1), &why), -EBUSY);
        assert_int_equal(why.page, at);
        assert_string_equal(why.type_name, "zspage");
        assert_string_equal(why.state, lens[i] > PAGE ? "OWNED" : "MOVABLE");
        if (ZS_CHECKS >= 1) {
            assert_non_null(strstr(why.holder, "pinned by a writev, thread "));
        } else {
            assert_string_equal(why.holder, "1 pins");
        }
        assert_object_is_right(h, 5, lens[i]);
        zs_unpin(pool, &pin);
        assert_int_equal(zs_arena_offline(arena, 0, BYTES(1), &why), 0);
        assert_is_gone(0, 1);
        assert_object_is_right(h, 5, lens[i]);
        zs_pool_destroy(pool);
        destroy();
    }
}

/* What was taken off the lists to be emptied is filled again. */
static void offline__that_fails_leaves_no_zspage_off_the_lists(void **unused)
{
    struct zs_pool_stats before, after;
    struct zs_pin pin;
    zs_handle_t h;

    (void)unused;
    create(4, 0, 0);
    create_pool();
    h = store(5, OBJ_BYTES);
    zs_pin(pool, h, "a test", &pin);
    zs_pool_stats(pool, &before);
    assert_int_equal(before.n_zspages, 1);
    for (unsigned i = 0; i < 2; i++) {
        zs_pfn_t page = page_of(pin.view.part[0].iov_base);
        int err = i == 0 ? zs_arena_offline(arena, 0, BYTES(1), NULL)
                         : zs_page_retire(arena, page, NULL);

        assert_int_equal(err, -EBUSY);
        assert_object_is_right(store(6, OBJ_BYTES), 6, OBJ_BYTES);
        zs_pool_stats(pool, &after);
        assert_int_equal(after.n_zspages, 1);
    }
    zs_unpin(pool, &pin);
    zs_pool_destroy(pool);
    destroy();
}

/* --- no memory, and a system that refuses --- */

static void offline__at_the_limit_is_enomem(void **unused)
{
    struct zs_blocker why;

    (void)unused;
    create(4, 0, 0);
    create_embedder();
    for (unsigned i = 0; i < BLOCK; i++) {
        (void)add_thing(true);
    }
    arena->budget.limit = arena->budget.used;
    assert_int_equal(zs_arena_offline(arena, 0, BYTES(1), &why), -ENOMEM);
    assert_int_equal(own.n_moved, 0);
    assert_int_equal(n_in_core(), BLOCK);
    arena->budget.limit = 0;
    assert_usable_as_before();
    destroy_embedder();
    destroy();
}

/* There is room for one block more; each that is empty makes room for the
 * next. */
static void offline__of_several_blocks_needs_the_room_of_one(void **unused)
{
    (void)unused;
    create(12, 0, 0);
    create_embedder();
    for (unsigned i = 0; i < 4 * BLOCK; i++) {
        (void)add_thing(true);
    }
    arena->budget.limit = arena->budget.used + ZS_BLOCK_BYTES + 64 * PAGE;
    assert_int_equal(zs_arena_offline(arena, 0, BYTES(4), NULL), 0);
    all_things_are_right();
    assert_is_gone(0, 4);
    arena->budget.limit = 0;
    destroy_embedder();
    destroy();
}

/* A pinned run is not given a second one that it cannot move to. */
static void offline__takes_no_memory_for_a_pinned_run(void **unused)
{
    struct zs_blocker why;
    struct zs_pin pin;
    uint64_t released;
    zs_handle_t h;

    (void)unused;
    create(8, 0, 0);
    create_embedder();
    create_pool();
    h = store(1, 3 * MIB);
    zs_pin(pool, h, "a test", &pin);
    released = stats().bytes_released;
    assert_int_equal(zs_arena_offline(arena, 0, BYTES(2), &why), -EBUSY);
    assert_int_equal(stats().bytes_released, released);
    zs_unpin(pool, &pin);
    assert_object_is_right(h, 1, 3 * MIB);
    zs_pool_destroy(pool);
    destroy_embedder();
    destroy();
}

static void offline__of_a_full_arena_is_enomem(void **unused)
{
    (void)unused;
    create(3, 0, 0);
    create_embedder();
    assert_int_equal(add_things_until_full(), 3 * BLOCK);
    assert_int_equal(zs_arena_offline(arena, BYTES(1), BYTES(1), NULL),
                     -ENOMEM);
    assert_usable_as_before();
    for (unsigned i = 0; i < BLOCK; i++) {
        free_thing(i);
    }
    assert_int_equal(zs_arena_offline(arena, BYTES(1), BYTES(1), NULL), 0);
    assert_is_gone(1, 1);
    all_things_are_right();
    destroy_embedder();
    destroy();
}

/* The blocks beyond those ever used cost an entry in a table. */
static void offline__without_room_for_the_tables_is_enomem(void **unused)
{
    uint64_t used;

    (void)unused;
    create(8, 0, 0);
    used = arena->budget.used;
    arena->budget.limit = used + 6 * sizeof(struct zs_block);
    assert_int_equal(zs_arena_offline(arena, BYTES(5), BYTES(2), NULL),
                     -ENOMEM);
    assert_int_equal(stats().n_blocks_offline, 0);
    assert_int_equal(zs_arena_offline(arena, BYTES(5), BYTES(1), NULL), 0);
    assert_int_equal(arena->budget.used, arena->budget.limit);
    assert_int_equal(zs_arena_online(arena, BYTES(5), BYTES(1)), 0);
    assert_int_equal(zs_arena_offline(arena, 0, BYTES(6), NULL), 0);
    arena->budget.limit = 0;
    destroy();
}

static void offline__is_eio_when_memory_is_not_taken_back(void **unused)
{
    (void)unused;
    create(4, 0, 0);
    create_embedder();
    for (unsigned i = 0; i < BLOCK + 100; i++) {
        (void)add_thing(true);
    }
    zs_os.release = refuse_all_releases;
    assert_int_equal(zs_arena_offline(arena, 0, BYTES(1), NULL), -EIO);
    zs_os.release = fake_release;
    assert_usable_as_before();
    for (unsigned i = BLOCK; i < own.n_things; i++) {
        free_thing(i);
    }
    assert_int_equal(zs_arena_offline(arena, 0, BYTES(1), NULL), 0);
    assert_is_gone(0, 1);
    all_things_are_right();
    destroy_embedder();
    destroy();
}

/* The pages went, the descriptors did not. */
static void offline__is_eio_when_descriptors_are_not_taken_back(void **unused)
{
    (void)unused;
    create(2, 0, 0);
    create_embedder();
    free_thing(add_thing(true));
    zs_grace_flush(&arena->grace);
    refuse_release = 2;
    assert_int_equal(zs_arena_offline(arena, 0, BYTES(1), NULL), -EIO);
    assert_usable_as_before();
    destroy_embedder();
    destroy();
}

/* --- readers --- */

struct reader {
    pthread_t thread;
    zs_pfn_t page;
    unsigned thing;
    _Atomic bool inside;
    bool saw_old_bytes;
};

/* In a section from before the move until the old page waits for it. */
static void *read_old_place(void *arg)
{
    struct reader *r = arg;
    const uint32_t *p;

    zs_read_begin();
    p = zs_page_address(arena, r->page);
    atomic_store(&r->inside, true);
    while (state_of(r->page) != ZS_PAGE_LIMBO) {
        sched_yield();
    }
    r->saw_old_bytes = true;
    for (unsigned i = 0; i < ZS_PAGE_BYTES / sizeof(*p); i++) {
        r->saw_old_bytes = r->saw_old_bytes && p[i] == r->thing * 2048 + i;
    }
    r->saw_old_bytes = r->saw_old_bytes && state_of(r->page) == ZS_PAGE_LIMBO;
    zs_read_end();
    return NULL;
}

static void offline__waits_for_readers_of_what_was_there(void **unused)
{
    struct reader r = { .thing = 3 };

    (void)unused;
    create(3, 0, 0);
    create_embedder();
    for (unsigned i = 0; i < 10; i++) {
        (void)add_thing(true);
    }
    r.page = own.page_of[3];
    assert_int_equal(pthread_create(&r.thread, NULL, read_old_place, &r), 0);
    while (!atomic_load(&r.inside)) {
        sched_yield();
    }
    assert_int_equal(zs_arena_offline(arena, 0, BYTES(1), NULL), 0);
    pthread_join(r.thread, NULL);
    assert_true(r.saw_old_bytes);
    assert_is_gone(0, 1);
    all_things_are_right();
    destroy_embedder();
    destroy();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(offline__of_what_was_never_used_needs_no_memory),
        PROMISE(offline__gives_the_memory_of_idle_pages_back),
        PROMISE(offline__moves_what_all_owners_have_there),
        PROMISE(offline__of_each_block_in_turn_loses_nothing),
        PROMISE(offline__takes_the_blocks_from_the_allocator),
        PROMISE(offline__also_keeps_long_runs_out),
        PROMISE(compact__leaves_offline_blocks_alone),
        PROMISE(offline__moves_objects_larger_than_a_page),
        PROMISE(offline__moves_a_run_that_only_ends_there),
        PROMISE(offline__of_no_whole_blocks_is_einval),
        PROMISE(offline__twice_is_einval_and_changes_nothing),
        PROMISE(online__of_a_block_in_use_is_einval_and_changes_nothing),
        PROMISE(waiting_call__in_a_read_section_stops),
        PROMISE(offline__names_a_page_that_is_not_movable),
        PROMISE(offline__names_who_holds_a_page),
        PROMISE(offline__names_a_page_that_another_mover_has),
        PROMISE(blocker__texts_are_cut_to_size),
        PROMISE(offline__names_the_pin_of_an_object),
        PROMISE(offline__that_fails_leaves_no_zspage_off_the_lists),
        PROMISE(offline__at_the_limit_is_enomem),
        PROMISE(offline__of_several_blocks_needs_the_room_of_one),
        PROMISE(offline__takes_no_memory_for_a_pinned_run),
        PROMISE(offline__of_a_full_arena_is_enomem),
        PROMISE(offline__without_room_for_the_tables_is_enomem),
        PROMISE(offline__is_eio_when_memory_is_not_taken_back),
        PROMISE(offline__is_eio_when_descriptors_are_not_taken_back),
        PROMISE(offline__waits_for_readers_of_what_was_there),
    };
    return cmocka_run_group_tests_name("offline", tests, NULL, NULL);
}
