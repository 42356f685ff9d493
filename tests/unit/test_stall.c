/* SPDX-License-Identifier: MIT */
/* Unit tests of lib/page/stall.c: an allocation that meets the limit waits a
 * little for the compactor. The clock stands still, so it waits for attempts
 * and never for the time. */
#include "compactor_fixture.h"
#include "test_random.h"
#include "zspool/stats.h"
#include "zspool/store.h"

#define LIMIT ((size_t)6 << 20)
#define OTHER_BYTES 3000u
#define MS UINT64_C(1000000)

static struct zs_pool *pool;
static struct zs_arena *arena;

static int set_up_limit(void **state)
{
    set_up(state);
    drop_rig(&rigs[0]);
    make_rig(&rigs[0], LIMIT);
    pool = rigs[0].pool;
    arena = rigs[0].arena;
    return 0;
}

/* Up to the limit; returns how many objects that are. */
static unsigned fill_to_the_limit(void)
{
    unsigned char bytes[OBJ_BYTES];
    unsigned i = 0;

    for (;; i++) {
        int err;

        assert_true(i < N_OBJECTS);
        fill(bytes, i);
        err = zs_obj_create(pool, bytes, OBJ_BYTES, &rigs[0].objects[i]);
        if (err) {
            assert_int_equal(err, -ENOMEM);
            return i;
        }
    }
}

/* One in eight stays, at random: so no page is free as a whole. */
static void make_random_holes(unsigned n)
{
    random_state = 7;
    for (unsigned i = 0; i < n; i++) {
        if (random_below(8) != 0) {
            free_object(&rigs[0], i);
        }
    }
}

static void begin_compactor(bool paused)
{
    stop_the_clock();
    start_compactor(NULL, TICK_NS);
    if (paused) {
        zs_compactor_pause(compactor);
    }
    look_after(0);
}

/* Of objects of another class; stops at the first error. */
static int take_others(unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        zs_handle_t h;
        int err = zs_malloc(pool, OTHER_BYTES, &h);

        if (err) {
            return err;
        }
    }
    return 0;
}

static void assert_counters(uint64_t stall, uint64_t success, uint64_t fail)
{
    struct zs_compact_stats s;

    zs_compact_stats(arena, &s);
    assert_int_equal(s.compact_stall, stall);
    assert_int_equal(s.compact_success, success);
    assert_int_equal(s.compact_fail, fail);
}

/* (The thread may be quicker than the first to stall.) */
static void assert_nothing_failed(void)
{
    struct zs_compact_stats s;

    zs_compact_stats(arena, &s);
    assert_int_equal(s.compact_success, s.compact_stall);
    assert_int_equal(s.compact_fail, 0);
}

/* --- it helps --- */

/* So many take a megabyte: much more than what is free without. */
#define MANY 350u

static void without_a_compactor__fragmentation_is_out_of_memory(void **unused)
{
    (void)unused;
    make_random_holes(fill_to_the_limit());
    assert_int_equal(take_others(MANY), -ENOMEM);
    assert_counters(0, 0, 0);
}

static void with_a_compactor__fragmentation_is_compacted(void **unused)
{
    (void)unused;
    make_random_holes(fill_to_the_limit());
    begin_compactor(false);
    assert_int_equal(take_others(MANY), 0);
    assert_nothing_failed();
    assert_true(stats_of(0).passes > 0);
    assert_true(arena_stats(0).footprint_bytes <= LIMIT);
}

static void after_remove__nobody_waits(void **unused)
{
    (void)unused;
    make_random_holes(fill_to_the_limit());
    begin_compactor(false);
    assert_int_equal(zs_compactor_remove(compactor, arena), 0);
    assert_int_equal(take_others(MANY), -ENOMEM);
    assert_counters(0, 0, 0);
}

static void what_there_is_room_for__does_not_stall(void **unused)
{
    unsigned char bytes[OBJ_BYTES];
    unsigned n = fill_to_the_limit();

    (void)unused;
    make_random_holes(n);
    begin_compactor(false);
    for (unsigned i = 0; i < n / 2; i++) {
        if (rigs[0].objects[i].raw == 0) {
            fill(bytes, i);
            assert_int_equal(
                zs_obj_create(pool, bytes, OBJ_BYTES, &rigs[0].objects[i]), 0);
        }
    }
    assert_counters(0, 0, 0);
}

/* --- where it may not wait --- */

static void in_a_read_section__it_fails_at_once(void **unused)
{
    int err;

    (void)unused;
    make_random_holes(fill_to_the_limit());
    begin_compactor(false);
    zs_read_begin();
    err = take_others(MANY);
    zs_read_end();
    assert_int_equal(err, -ENOMEM);
    assert_counters(0, 0, 0);
}

static void mover__does_not_wait_for_itself(void **unused)
{
    int err;

    (void)unused;
    make_random_holes(fill_to_the_limit());
    begin_compactor(false);
    zs_arena_begin_pass(arena);
    err = take_others(MANY);
    zs_arena_end_pass(arena);
    assert_int_equal(err, -ENOMEM);
    assert_counters(0, 0, 0);
}

/* --- it does not help --- */

static void paused_compactor__is_no_help(void **unused)
{
    (void)unused;
    (void)fill_to_the_limit();
    begin_compactor(true);
    assert_int_equal(take_others(MANY), -ENOMEM);
    assert_counters(1, 0, 1);
}

/* 1, 2, 4 ... ms */
static void failures__are_not_repeated_for_a_while(void **unused)
{
    (void)unused;
    (void)fill_to_the_limit();
    begin_compactor(true);
    (void)take_others(MANY);
    assert_counters(1, 0, 1);
    assert_int_equal(take_others(MANY), -ENOMEM);
    pass_time(MS - 1);
    assert_int_equal(take_others(MANY), -ENOMEM);
    assert_counters(1, 0, 1);
    pass_time(1);
    assert_int_equal(take_others(MANY), -ENOMEM);
    assert_counters(2, 0, 2);
    pass_time(2 * MS - 1);
    assert_int_equal(take_others(MANY), -ENOMEM);
    assert_counters(2, 0, 2);
    pass_time(1);
    assert_int_equal(take_others(MANY), -ENOMEM);
    assert_counters(3, 0, 3);
}

static void failures__are_a_second_apart_at_most(void **unused)
{
    (void)unused;
    (void)fill_to_the_limit();
    begin_compactor(true);
    for (unsigned i = 0; i < 20; i++) {
        pass_time(1024 * MS);
        (void)take_others(MANY);
    }
    assert_counters(20, 0, 20);
}

/* --- a store --- */

#define N_VALUES 5000u
#define VALUE_BYTES 1200u

static void put_random(struct zs_store *store, size_t len, int want,
                       zs_handle_t *h)
{
    unsigned char value[4000];

    for (size_t at = 0; at < len; at++) {
        value[at] = (unsigned char)random_below(256);
    }
    assert_int_equal(zs_store_put(store, value, len, h), want);
}

static unsigned fill_store(struct zs_store *store, zs_handle_t *values)
{
    unsigned char value[VALUE_BYTES];
    unsigned n = 0;
    int err;

    do {
        for (size_t at = 0; at < VALUE_BYTES; at++) {
            value[at] = (unsigned char)random_below(256);
        }
        assert_true(n < N_VALUES);
        err = zs_store_put(store, value, VALUE_BYTES, &values[n++]);
    } while (!err);
    assert_int_equal(err, -ENOSPC);
    return n - 1;
}

static void store__puts_beyond_fragmentation(void **unused)
{
    static zs_handle_t values[N_VALUES];
    struct zs_store_config cfg = { .codec = ZS_CODEC_NONE };
    struct zs_store *store;
    zs_handle_t h;
    unsigned n;

    (void)unused;
    cfg.pool.arena = arena;
    assert_int_equal(zs_store_create(&cfg, &store), 0);
    n = fill_store(store, values);
    for (unsigned i = 0; i < n; i++) {
        if (random_below(8) != 0) {
            zs_store_delete(store, values[i]);
        }
    }
    begin_compactor(false);
    for (unsigned i = 0; i < MANY; i++) {
        put_random(store, 3500, 0, &h);
    }
    assert_nothing_failed();
    assert_int_equal(zs_compactor_remove(compactor, arena), 0);
    zs_store_destroy(store);
}

#define LIMIT_TEST(f)                                                          \
    cmocka_unit_test_setup_teardown(f, set_up_limit, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIMIT_TEST(without_a_compactor__fragmentation_is_out_of_memory),
        LIMIT_TEST(with_a_compactor__fragmentation_is_compacted),
        LIMIT_TEST(after_remove__nobody_waits),
        LIMIT_TEST(what_there_is_room_for__does_not_stall),
        LIMIT_TEST(in_a_read_section__it_fails_at_once),
        LIMIT_TEST(mover__does_not_wait_for_itself),
        LIMIT_TEST(paused_compactor__is_no_help),
        LIMIT_TEST(failures__are_not_repeated_for_a_while),
        LIMIT_TEST(failures__are_a_second_apart_at_most),
        LIMIT_TEST(store__puts_beyond_fragmentation),
    };

    use_exact_sizes();
    alarm(240); /* a deadlock is a failure */
    return cmocka_run_group_tests_name("stall", tests, NULL, NULL);
}
