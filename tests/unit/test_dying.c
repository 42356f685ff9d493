/* SPDX-License-Identifier: MIT */
/* Unit tests of zs_free_deferred(). */
#include "pool_impl.h"

#include <sched.h>

#include "offline_fixture.h"
#include "stops.h"

static void create_full(void)
{
    create(16, 0, 0);
    create_pool();
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        objects[i] = store(i, OBJ_BYTES);
    }
}

static void destroy_all(void)
{
    zs_pool_destroy(pool);
    destroy();
}

static struct zs_pool_stats stats_now(void)
{
    struct zs_pool_stats stats;

    zs_pool_stats(pool, &stats);
    return stats;
}

/* The round of liburcu's thread, within a minute. */
static void wait_until_none_is_left(void)
{
    for (unsigned i = 0; i < 60000 && stats_now().n_limbo_slots > 0; i++) {
        usleep(1000);
    }
    assert_int_equal(stats_now().n_limbo_slots, 0);
}

static void dying_object__is_read_to_the_end_of_the_section(void **unused)
{
    struct zs_view view;

    (void)unused;
    create_full();
    zs_read_begin();
    zs_free_deferred(pool, objects[5]);
    assert_false(zs_handle_check(pool, objects[5]));
    assert_object_is_right(objects[5], 5, OBJ_BYTES);
    assert_true(zs_obj_size(pool, objects[5]) >= OBJ_BYTES);
    zs_obj_view_begin(pool, &objects[5], 1, &view);
    assert_int_equal(*(unsigned char *)view.part[0].iov_base, byte_of(5, 0));
    zs_obj_read_end(pool);
    /* Others come and go meanwhile, also from its class. */
    for (unsigned i = 100; i < 1000; i++) {
        zs_free(pool, objects[i]);
        objects[i] = store(i, OBJ_BYTES);
    }
    assert_object_is_right(objects[5], 5, OBJ_BYTES);
    assert_int_equal(stats_now().n_limbo_slots, 1);
    assert_int_equal(stats_now().n_objects, N_OBJECTS - 1);
    zs_read_end();
    wait_until_none_is_left();
    assert_int_equal(stats_now().n_objects, N_OBJECTS - 1);
    destroy_all();
}

static void all_of_them__come_back_by_the_round_alone(void **unused)
{
    (void)unused;
    create_full();
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        zs_free_deferred(pool, objects[i]);
    }
    wait_until_none_is_left();
    assert_int_equal(stats_now().n_objects, 0);
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_int_equal(stats_now().n_zspages, 0);
    assert_figures_are_true();
    destroy_all();
}

static void all_of_them__come_back_by_a_compaction(void **unused)
{
    struct zs_arena_stats stats;

    (void)unused;
    create_full();
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        zs_free_deferred(pool, objects[i]);
    }
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_int_equal(stats_now().n_limbo_slots, 0);
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_int_equal(stats_now().n_zspages, 0);
    zs_arena_stats(arena, &stats);
    assert_int_equal(stats.deferred_bytes, 0);
    assert_int_equal(stats.used_bytes, 0);
    destroy_all();
}

static void run__dies_like_the_others(void **unused)
{
    enum { LEN = 200000 };
    zs_handle_t h;

    (void)unused;
    create(16, 0, 0);
    create_pool();
    h = store(1, LEN);
    zs_read_begin();
    zs_free_deferred(pool, h);
    assert_object_is_right(h, 1, LEN);
    zs_read_end();
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_int_equal(stats_now().n_zspages, 0);
    destroy_all();
}

static void compaction__goes_round_a_dying_object(void **unused)
{
    (void)unused;
    create_full();
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        if (i % 3 != 0) {
            (i % 3 == 1 ? zs_free_deferred : zs_free)(pool, objects[i]);
            objects[i].raw = 0;
        }
    }
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(zs_compact(arena, NULL), 0);
    }
    for (unsigned i = 0; i < N_OBJECTS; i += 3) {
        assert_object_is_right(objects[i], i, OBJ_BYTES);
    }
    assert_int_equal(stats_now().n_objects, N_OBJECTS / 3);
    assert_figures_are_true();
    destroy_all();
}

static void pool__may_end_while_objects_are_dying(void **unused)
{
    (void)unused;
    create_full();
    for (unsigned i = 0; i < 100; i++) {
        zs_free_deferred(pool, objects[i]);
    }
    destroy_all();
}

/* --- bad use --- */

static char one_byte;
static void free_it(void)
{
    zs_free(pool, objects[0]);
}
static void defer_it(void)
{
    zs_free_deferred(pool, objects[0]);
}
static void write_it(void)
{
    (void)!zs_obj_write(pool, objects[0], 0, &one_byte, 1);
}
static void replace_it(void)
{
    (void)!zs_obj_replace(pool, objects[0], &one_byte, 1);
}
static void pin_it(void)
{
    struct zs_pin pin;

    zs_pin(pool, objects[0], "test", &pin);
}

static void dying_handle__is_dead_but_for_readers(void **unused)
{
    static void (*const bad_uses[])(void) = { free_it, defer_it, write_it,
                                              replace_it, pin_it };

    (void)unused;
    create_full();
    zs_read_begin();
    zs_free_deferred(pool, objects[0]);
    for (unsigned i = 0; i < 5; i++) {
        assert_stops(bad_uses[i], "not a live handle", "dead");
    }
    zs_read_end();
    destroy_all();
}

/* --- a table that is looked up without a lock --- */

#define N_ENTRIES 64u
static _Atomic uint32_t table[N_ENTRIES];
static _Atomic bool done;
static _Atomic uint64_t n_found;

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static void *look_up(void *unused)
{
    uint64_t rng = (uint64_t)(uintptr_t)&rng | 1;
    unsigned char local[ZS_LOCAL_COPY_BYTES];
    uintptr_t wrong = 0;

    (void)unused;
    while (!atomic_load_explicit(&done, memory_order_relaxed)) {
        zs_handle_t h;
        const unsigned char *p;

        zs_read_begin();
        h.raw = atomic_load_explicit(&table[next_random(&rng) % N_ENTRIES],
                                     memory_order_acquire);
        p = zs_obj_read_begin(pool, h, local);
        for (unsigned i = 1; i < 200; i++) {
            wrong += p[i] != p[0];
        }
        zs_obj_read_end(pool);
        zs_read_end();
        atomic_fetch_add_explicit(&n_found, 1, memory_order_relaxed);
    }
    return (void *)wrong;
}

static zs_handle_t store_same(unsigned char byte)
{
    unsigned char buf[200];
    zs_handle_t h;

    memset(buf, byte, sizeof(buf));
    assert_int_equal(zs_obj_create(pool, buf, sizeof(buf), &h), 0);
    return h;
}

static void table__is_looked_up_while_its_objects_die(void **unused)
{
    uint64_t rng = 12345;
    pthread_t readers[2];
    void *wrong;

    (void)unused;
    create(16, 0, 0);
    create_pool();
    for (unsigned i = 0; i < N_ENTRIES; i++) {
        atomic_store_explicit(&table[i], store_same((unsigned char)i).raw,
                              memory_order_release);
    }
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&readers[i], NULL, look_up, NULL), 0);
    }
    for (unsigned i = 0; i < 20000; i++) {
        uint32_t old = atomic_exchange_explicit(
            &table[next_random(&rng) % N_ENTRIES],
            store_same((unsigned char)i).raw, memory_order_acq_rel);

        zs_free_deferred(pool, (zs_handle_t){ old });
        if (i % 2000 == 0) {
            assert_int_equal(zs_compact(arena, NULL), 0);
        }
    }
    atomic_store_explicit(&done, true, memory_order_relaxed);
    for (unsigned i = 0; i < 2; i++) {
        pthread_join(readers[i], &wrong);
        assert_null(wrong);
    }
    assert_true(atomic_load_explicit(&n_found, memory_order_relaxed) > 0);
    assert_int_equal(stats_now().n_objects, N_ENTRIES);
    destroy_all();
}

/* Until a round has passed a zspage of dying objects looks full; a pass begins
 * with one. (The section keeps liburcu's thread from being quicker.) */
static void compaction__packs_what_dying_objects_leave(void **unused)
{
    enum { N = 1000 }; /* of one pageblock: none is evacuated */
    uint64_t n_zspages;

    (void)unused;
    create(16, 0, 0);
    create_pool();
    for (unsigned i = 0; i < N; i++) {
        objects[i] = store(i, OBJ_BYTES);
    }
    zs_read_begin();
    for (unsigned i = 0; i < N; i++) {
        if (i % 8 != 0) {
            zs_free_deferred(pool, objects[i]);
        }
    }
    zs_read_end();
    assert_int_equal(zs_compact(arena, NULL), 0);
    n_zspages = stats_now().n_zspages;
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_int_equal(stats_now().n_zspages, n_zspages); /* it was done */
    for (unsigned i = 0; i < N; i += 8) {
        assert_object_is_right(objects[i], i, OBJ_BYTES);
    }
    destroy_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(dying_object__is_read_to_the_end_of_the_section),
        cmocka_unit_test(all_of_them__come_back_by_the_round_alone),
        cmocka_unit_test(all_of_them__come_back_by_a_compaction),
        cmocka_unit_test(run__dies_like_the_others),
        cmocka_unit_test(compaction__goes_round_a_dying_object),
        cmocka_unit_test(compaction__packs_what_dying_objects_leave),
        cmocka_unit_test(pool__may_end_while_objects_are_dying),
        cmocka_unit_test(dying_handle__is_dead_but_for_readers),
        cmocka_unit_test(table__is_looked_up_while_its_objects_die),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
