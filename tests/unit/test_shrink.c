/* SPDX-License-Identifier: MIT */
/* Unit tests of zs_arena_shrink(): so many bytes, the cheapest first. */
#include "offline_fixture.h"
#include "stops.h"

#define LEN 3000u /* of an object: 3,000 of them take more than 4 blocks */

/* --- an owner with caches, and a clock that the tests set --- */

static unsigned n_dropped;
static uint64_t clock_ns, drop_takes_ns, release_takes_ns;

static uint64_t fake_now(void)
{
    return clock_ns;
}

static void drop_caches(void *ctx)
{
    (void)ctx;
    n_dropped++;
    clock_ns += drop_takes_ns;
}

static int slow_release(void *addr, size_t bytes)
{
    clock_ns += release_takes_ns;
    return fake_release(addr, bytes);
}

static const struct zs_shrink_ops shrink_ops = { .drop_caches = drop_caches };

static void create_all(size_t blocks)
{
    create(blocks, 0, 0);
    zs_set_shrink_ops(arena, type, &shrink_ops, NULL);
    create_embedder();
    create_pool();
    balloon = NULL;
    memset(objects, 0, sizeof(objects));
    n_dropped = 0;
    clock_ns = 1000;
    drop_takes_ns = release_takes_ns = 0;
    zs_os.now_ns = fake_now;
    zs_os.release = slow_release;
}

static void destroy_all(void)
{
    destroy_all_owners();
}

static struct zs_shrink_result shrink(uint64_t bytes, uint64_t deadline_ns)
{
    struct zs_shrink_result r;
    unsigned before = n_in_core();

    memset(&r, 0xff, sizeof(r));
    assert_int_equal(zs_arena_shrink(arena, bytes, deadline_ns, &r), 0);
    assert_int_equal(r.bytes, r.idle.bytes + r.caches.bytes +
                                  r.evacuation.bytes + r.balloon.bytes);
    if (r.evacuation.bytes == 0) { /* else memory was taken, too */
        assert_int_equal(before - n_in_core(), r.bytes / PAGE);
    }
    assert_figures_are_true();
    return r;
}

static void assert_not_run(const struct zs_shrink_stage *stage)
{
    assert_int_equal(stage->bytes, 0);
    assert_int_equal(stage->duration_ns, 0);
}

/* Four blocks with memory, free, and nothing else to be given. */
static void make_idle_blocks(void)
{
    for (unsigned i = 0; i < 4; i++) {
        (void)take_populated(BLOCK);
    }
    zs_pages_free(arena, 0, 4 * BLOCK);
    assert_int_equal(n_in_core(), 4 * BLOCK);
}

/* Objects, of which one in four stays; nothing is free in whole pages. */
static void make_sparse_zspages(void)
{
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        objects[i] = store(i, LEN);
    }
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        if (i % 4 != 0) {
            zs_free(pool, objects[i]);
            objects[i].raw = 0;
        }
    }
    zs_grace_flush(&arena->grace);
    (void)zs_arena_trim(arena, 0);
}

static void assert_objects_are_right(void)
{
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        if (objects[i].raw != 0) {
            assert_object_is_right(objects[i], i, LEN);
        }
    }
}

/* So many pages that wait for a reader, or for somebody who asks. */
static void make_limbo(unsigned n)
{
    zs_pfn_t pages[64];

    assert_true(n <= 64);
    for (unsigned i = 0; i < n; i++) {
        pages[i] = own.page_of[add_thing(true)];
        assert_true(zs_isolate_movable_ops_page(arena, pages[i]));
    }
    assert_int_equal(zs_migrate_pages(arena, pages, n, ZS_MIGRATE_SYNC), 0);
    assert_int_equal(stats().deferred_bytes, n * PAGE);
}

/* --- each stage --- */

static void shrink__takes_idle_blocks_first(void **unused)
{
    struct zs_shrink_result r;

    (void)unused;
    create_all(8);
    make_idle_blocks();
    release_takes_ns = 10;
    r = shrink(PAGE, 0);
    assert_int_equal(r.idle.bytes, ZS_BLOCK_BYTES);
    assert_int_equal(r.idle.duration_ns, 20); /* pages and descriptors */
    assert_not_run(&r.caches);
    assert_not_run(&r.evacuation);
    assert_not_run(&r.balloon);
    assert_int_equal(n_dropped, 0);
    r = shrink(ZS_BLOCK_BYTES + PAGE, 0);
    assert_int_equal(r.idle.bytes, 2 * ZS_BLOCK_BYTES);
    assert_not_run(&r.caches);
    assert_int_equal(n_in_core(), BLOCK);
    r = shrink(ZS_BLOCK_BYTES, 0);
    assert_int_equal(r.idle.bytes, ZS_BLOCK_BYTES);
    assert_int_equal(n_dropped, 0);
    destroy_all();
}

/* Free pages inside blocks in use are idle memory, too. */
static void shrink__takes_idle_pages_of_used_blocks(void **unused)
{
    struct zs_shrink_result r;
    zs_pfn_t first;

    (void)unused;
    create_all(4);
    first = take_populated(100);
    zs_pages_free(arena, first + 10, 60);
    r = shrink(60 * PAGE, 0);
    assert_int_equal(r.idle.bytes, 60 * PAGE);
    assert_not_run(&r.caches);
    zs_pages_free(arena, first, 10);
    zs_pages_free(arena, first + 70, 30);
    destroy_all();
}

static void shrink__then_takes_what_waits_and_what_is_at_hand(void **unused)
{
    struct zs_shrink_result r;

    (void)unused;
    create_all(4);
    make_limbo(50);
    drop_takes_ns = 7;
    r = shrink(50 * PAGE, 0);
    assert_int_equal(r.idle.bytes, 0);
    assert_int_equal(r.caches.bytes, 50 * PAGE);
    assert_int_equal(r.caches.duration_ns, 7);
    assert_int_equal(n_dropped, 1);
    assert_not_run(&r.evacuation);
    assert_not_run(&r.balloon);
    assert_int_equal(stats().deferred_bytes, 0);
    all_things_are_right();
    destroy_all();
}

static void shrink__then_empties_blocks(void **unused)
{
    struct zs_shrink_result r;

    (void)unused;
    create_all(16);
    assert_int_equal(zs_balloon_create(arena, &balloon), 0);
    make_sparse_zspages();
    r = shrink(ZS_BLOCK_BYTES, 0);
    assert_int_equal(r.idle.bytes, 0);
    assert_int_equal(r.caches.bytes, 0);
    assert_int_equal(n_dropped, 1);
    assert_true(r.evacuation.bytes >= ZS_BLOCK_BYTES);
    assert_not_run(&r.balloon);
    assert_int_equal(r.withheld_bytes, 0);
    assert_int_equal(zs_balloon_target(balloon), 0);
    assert_objects_are_right();
    destroy_all();
}

static void shrink__leaves_the_rest_to_a_balloon(void **unused)
{
    struct zs_shrink_result r;
    zs_pfn_t first;

    (void)unused;
    create_all(4);
    assert_int_equal(zs_balloon_create(arena, &balloon), 0);
    (void)zs_balloon_inflate(balloon, 3 * PAGE);
    first = take_populated(100);
    zs_pages_free(arena, first + 50, 4);
    r = shrink(10 * PAGE, 0);
    assert_int_equal(r.idle.bytes, 4 * PAGE);
    assert_int_equal(r.bytes, 4 * PAGE);
    assert_int_equal(r.withheld_bytes, 6 * PAGE); /* what is missing */
    assert_int_equal(zs_balloon_target(balloon), 9 * PAGE);
    assert_int_equal(zs_balloon_current(balloon), 9 * PAGE);
    zs_pages_free(arena, first, 50);
    zs_pages_free(arena, first + 54, 46);
    destroy_all();
}

/* There is nothing free: what is freed later goes to the balloon. */
static void shrink__raises_the_target_for_what_is_freed_later(void **unused)
{
    struct zs_shrink_result r;

    (void)unused;
    create_all(1);
    assert_int_equal(zs_balloon_create(arena, &balloon), 0);
    assert_int_equal(add_things_until_full(), BLOCK);
    r = shrink(20 * PAGE, 0);
    assert_int_equal(r.bytes, 0);
    assert_int_equal(r.withheld_bytes, 0);
    assert_int_equal(zs_balloon_target(balloon), 20 * PAGE);
    for (unsigned i = 0; i < 30; i++) {
        free_thing(i * 7);
    }
    zs_grace_flush(&arena->grace);
    assert_int_equal(zs_balloon_fill(balloon), 20 * PAGE);
    assert_int_equal(stats().withheld_bytes, 20 * PAGE);
    assert_figures_are_true();
    destroy_all();
}

static void shrink__asks_one_balloon_only(void **unused)
{
    struct zs_shrink_result r;
    struct zs_balloon *other;

    (void)unused;
    create_all(2);
    assert_int_equal(zs_balloon_create(arena, &balloon), 0);
    assert_int_equal(zs_balloon_create(arena, &other), 0);
    r = shrink(10 * PAGE, 0);
    assert_int_equal(r.withheld_bytes, 10 * PAGE);
    assert_int_equal(zs_balloon_target(balloon) + zs_balloon_target(other),
                     10 * PAGE);
    zs_balloon_destroy(other);
    destroy_all();
}

static void shrink__of_nothing_to_gain_gives_nothing(void **unused)
{
    struct zs_shrink_result r;

    (void)unused;
    create_all(4);
    for (unsigned i = 0; i < BLOCK; i++) {
        (void)add_thing(true);
    }
    r = shrink(UINT64_MAX, 0);
    assert_int_equal(r.bytes, 0);
    assert_int_equal(r.withheld_bytes, 0);
    assert_int_equal(own.n_moved, 0);
    assert_int_equal(n_dropped, 1);
    assert_int_equal(zs_arena_shrink(arena, PAGE, 0, NULL), 0);
    all_things_are_right();
    destroy_all();
}

static void shrink__of_everything_leaves_what_is_live(void **unused)
{
    struct zs_shrink_result r;
    struct zs_pool_stats s;

    (void)unused;
    create_all(16);
    make_idle_blocks();
    make_sparse_zspages();
    make_limbo(30);
    r = shrink(UINT64_MAX, 0);
    zs_pool_stats(pool, &s);
    assert_true(r.evacuation.bytes > 0);
    assert_int_equal(r.caches.bytes, 30 * PAGE);
    assert_in_range(stats().resident_bytes - 30 * PAGE, s.live_bytes,
                    s.live_bytes + 8 * PAGE);
    assert_objects_are_right();
    all_things_are_right();
    destroy_all();
}

/* --- the deadline --- */

static void deadline__over_after_the_first_stage_ends_it(void **unused)
{
    struct zs_shrink_result r;

    (void)unused;
    create_all(16);
    assert_int_equal(zs_balloon_create(arena, &balloon), 0);
    make_sparse_zspages();
    zs_pages_free(arena, take_populated(8), 8);
    release_takes_ns = 5000;
    r = shrink(UINT64_MAX, 5000);
    assert_int_equal(r.idle.bytes, 8 * PAGE);
    assert_in_range(r.idle.duration_ns, 5000, 50000);
    assert_int_equal(n_dropped, 0);
    assert_not_run(&r.caches);
    assert_not_run(&r.evacuation);
    assert_not_run(&r.balloon);
    assert_int_equal(r.withheld_bytes, 0);
    assert_int_equal(zs_balloon_target(balloon), 0);
    destroy_all();
}

static void deadline__over_after_the_second_stage_ends_it(void **unused)
{
    struct zs_shrink_result r;

    (void)unused;
    create_all(16);
    make_sparse_zspages();
    drop_takes_ns = 5000;
    r = shrink(UINT64_MAX, 5000);
    assert_int_equal(n_dropped, 1);
    assert_int_equal(r.caches.duration_ns, 5000);
    assert_not_run(&r.evacuation);
    assert_objects_are_right();
    drop_takes_ns = 4999; /* and just before it does not */
    r = shrink(UINT64_MAX, 5000);
    assert_true(r.evacuation.bytes > ZS_BLOCK_BYTES);
    assert_objects_are_right();
    destroy_all();
}

/* Zero, and a time so far away that it wraps around. */
static void deadline__none_means_none(void **unused)
{
    static const uint64_t none[] = { 0, UINT64_MAX, UINT64_MAX - 999 };

    (void)unused;
    for (unsigned i = 0; i < 3; i++) {
        struct zs_shrink_result r;

        create_all(16);
        make_sparse_zspages();
        drop_takes_ns = UINT64_C(1) << 40;
        r = shrink(UINT64_MAX, none[i]);
        assert_true(r.evacuation.bytes > ZS_BLOCK_BYTES);
        destroy_all();
    }
}

/* --- errors --- */

static void shrink__of_0_bytes_is_einval(void **unused)
{
    struct zs_shrink_result r = { .bytes = 77 };

    (void)unused;
    create_all(8);
    make_idle_blocks();
    assert_int_equal(zs_arena_shrink(arena, 0, 0, &r), -EINVAL);
    assert_int_equal(r.bytes, 77);
    assert_int_equal(n_in_core(), 4 * BLOCK);
    destroy_all();
}

static void shrink__without_memory_for_the_plan_is_enomem(void **unused)
{
    struct zs_shrink_result r;

    (void)unused;
    create_all(16);
    assert_int_equal(zs_balloon_create(arena, &balloon), 0);
    make_sparse_zspages();
    zs_pages_free(arena, take_populated(8), 8);
    refuse_alloc = 1;
    assert_int_equal(zs_arena_shrink(arena, UINT64_MAX, 0, &r), -ENOMEM);
    assert_int_equal(r.idle.bytes, 8 * PAGE); /* what was given before */
    assert_int_equal(r.bytes, 8 * PAGE);
    assert_int_equal(n_dropped, 1);
    assert_int_equal(r.evacuation.bytes, 0);
    assert_not_run(&r.balloon);
    assert_int_equal(zs_balloon_target(balloon), 0);
    assert_objects_are_right();
    destroy_all();
}

static void shrink__counts_nothing_that_the_system_refuses(void **unused)
{
    struct zs_shrink_result r;

    (void)unused;
    create_all(8);
    make_idle_blocks();
    zs_os.release = refuse_all_releases;
    r = shrink(UINT64_MAX, 0);
    assert_int_equal(r.bytes, 0);
    assert_int_equal(n_in_core(), 4 * BLOCK);
    zs_os.release = slow_release;
    destroy_all();
}

static void shrink_here(void)
{
    int err = zs_arena_shrink(arena, 1, 0, NULL);

    (void)err;
}

static void shrink__in_a_read_section_stops(void **unused)
{
    (void)unused;
    create_all(1);
    zs_read_begin();
    assert_stops(shrink_here, "zs_arena_shrink", "read section");
    zs_read_end();
    destroy_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(shrink__takes_idle_blocks_first),
        PROMISE(shrink__takes_idle_pages_of_used_blocks),
        PROMISE(shrink__then_takes_what_waits_and_what_is_at_hand),
        PROMISE(shrink__then_empties_blocks),
        PROMISE(shrink__leaves_the_rest_to_a_balloon),
        PROMISE(shrink__raises_the_target_for_what_is_freed_later),
        PROMISE(shrink__asks_one_balloon_only),
        PROMISE(shrink__of_nothing_to_gain_gives_nothing),
        PROMISE(shrink__of_everything_leaves_what_is_live),
        PROMISE(deadline__over_after_the_first_stage_ends_it),
        PROMISE(deadline__over_after_the_second_stage_ends_it),
        PROMISE(deadline__none_means_none),
        PROMISE(shrink__of_0_bytes_is_einval),
        PROMISE(shrink__without_memory_for_the_plan_is_enomem),
        PROMISE(shrink__counts_nothing_that_the_system_refuses),
        PROMISE(shrink__in_a_read_section_stops),
    };
    return cmocka_run_group_tests_name("shrink", tests, NULL, NULL);
}
