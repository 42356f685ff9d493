/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of reading in sections of one's own: zs_obj_peek(), zs_obj_view(),
 * zs_readers_add() with liburcu's flavours memb and qsbr and with a made-up
 * kind. Kinds cannot be taken back, so the made-up one is added first.
 */
#include "pool_impl.h"

#include <errno.h>
#include <sched.h>
#include <urcu/urcu-memb.h>
#include <urcu/urcu-qsbr.h>

#include "offline_fixture.h"
#include "rcu.h"
#include "stops.h"
#include "zspool/readers.h"

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

static size_t n_waiting(void)
{
    struct zs_pool_stats stats;

    zs_pool_stats(pool, &stats);
    return stats.n_limbo_slots;
}

static bool peeks_right(unsigned object)
{
    char local[ZS_LOCAL_COPY_BYTES];
    const unsigned char *p = zs_obj_peek(pool, objects[object], local);
    size_t wrong = 0;

    for (size_t i = 0; i < OBJ_BYTES; i++) {
        wrong += p[i] != byte_of(object, i);
    }
    return wrong == 0;
}

/* --- our own kind --- */

static void peek__reads_in_a_section_of_the_embedders(void **unused)
{
    struct zs_view views[33];

    (void)unused;
    create_full();
    zs_read_begin();
    assert_true(peeks_right(7));
    zs_obj_view(pool, objects, 33, views);
    for (unsigned i = 0; i < 33; i++) {
        assert_int_equal(views[i].n_parts, 1);
        assert_memory_equal(views[i].part[0].iov_base,
                            (unsigned char[]){ byte_of(i, 0) }, 1);
    }
    zs_read_end();
    urcu_bp_read_lock();
    assert_true(peeks_right(8));
    urcu_bp_read_unlock();
    assert_false(zs_in_read_section());
    destroy_all();
}

static void peek_dead(void)
{
    zs_free(pool, objects[3]);
    zs_read_begin();
    (void)peeks_right(3);
}

static void peek_outside(void)
{
    (void)peeks_right(3);
}

static void peek__of_a_dead_handle_stops(void **unused)
{
    (void)unused;
    create_full();
    assert_stops(peek_dead, "zs_obj_peek", "not a live handle");
    if (ZS_CHECKS >= 1) {
        assert_stops(peek_outside, "zs_may_read", "access.c");
    }
    destroy_all();
}

/* --- a made-up kind: one section, closed by whoever waits for it --- */

static _Atomic bool is_open;  /* some thread's section */
static _Thread_local bool me; /* this thread's */
static _Atomic unsigned n_waits;

static void made_up_wait(void)
{
    atomic_fetch_add(&n_waits, 1);
    while (atomic_load(&is_open)) {
        usleep(1000);
    }
}

static int made_up_ongoing(void)
{
    return me;
}

static const struct zs_readers made_up = { made_up_wait, made_up_ongoing };

static void add__refuses_what_is_no_kind(void **unused)
{
    struct zs_readers no_wait = { NULL, made_up_ongoing };
    struct zs_readers no_ongoing = { made_up_wait, NULL };

    (void)unused;
    assert_int_equal(zs_readers_add(NULL), -EINVAL);
    assert_int_equal(zs_readers_add(&no_wait), -EINVAL);
    assert_int_equal(zs_readers_add(&no_ongoing), -EINVAL);
    assert_int_equal(zs_readers_add(&made_up), 0);
    assert_int_equal(zs_readers_add(&made_up), 0); /* and takes no place */
}

static void compaction__waits_for_the_other_kind(void **unused)
{
    unsigned before;

    (void)unused;
    create_full();
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        if (i % 4 != 0) {
            zs_free(pool, objects[i]);
        }
    }
    before = atomic_load(&n_waits);
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_true(atomic_load(&n_waits) > before);
    destroy_all();
}

/* The round that nobody waits for does not end before the section. */
static void deferred_round__waits_for_the_other_kind(void **unused)
{
    char local[ZS_LOCAL_COPY_BYTES];
    const unsigned char *p;
    unsigned before;

    (void)unused;
    create_full();
    before = atomic_load(&n_waits);
    me = true;
    atomic_store(&is_open, true);
    p = zs_obj_peek(pool, objects[5], local);
    assert_int_equal(zs_obj_replace(pool, objects[5], "new", 4), 0);
    zs_free_deferred(pool, objects[6]);
    while (atomic_load(&n_waits) == before) { /* liburcu's thread is at it */
        usleep(1000);
    }
    for (unsigned i = 100; i < 400; i++) { /* others want slots meanwhile */
        zs_free(pool, objects[i]);
        objects[i] = store(i, OBJ_BYTES);
    }
    for (size_t i = 0; i < OBJ_BYTES; i++) {
        assert_int_equal(p[i], byte_of(5, i));
    }
    assert_true(peeks_right(6));
    assert_int_equal(n_waiting(), 2);
    ZS_TSAN_READER_LEAVES();
    me = false;
    atomic_store(&is_open, false);
    for (unsigned i = 0; i < 60000 && n_waiting() > 0; i++) {
        usleep(1000);
    }
    assert_int_equal(n_waiting(), 0);
    destroy_all();
}

static void compact_in_a_made_up_section(void)
{
    /* It runs in the child of a fork, which knows no other kind. */
    (void)!zs_readers_add(&made_up);
    me = true;
    assert_int_equal(zs_compact(arena, NULL), 0);
}

static void may_wait__in_a_section_of_the_other_kind_stops(void **unused)
{
    (void)unused;
    create_full();
    assert_stops(compact_in_a_made_up_section, "zs_compact", "read section");
    destroy_all();
}

/* --- liburcu's other flavours, against movers --- */

#define N_ROUNDS 30u

static _Atomic bool end;

/* Read everything that stays, once. */
static unsigned peek_at_all(void)
{
    unsigned n_wrong = 0;

    for (unsigned i = 0; i < N_OBJECTS; i += 4) {
        n_wrong += !peeks_right(i);
    }
    return n_wrong;
}

static void *read_by_memb(void *n_wrong)
{
    urcu_memb_register_thread();
    while (!atomic_load(&end)) {
        urcu_memb_read_lock();
        *(unsigned *)n_wrong += peek_at_all();
        ZS_TSAN_READER_LEAVES();
        urcu_memb_read_unlock();
    }
    urcu_memb_unregister_thread();
    return NULL;
}

static void *read_by_qsbr(void *n_wrong)
{
    urcu_qsbr_register_thread();
    while (!atomic_load(&end)) {
        *(unsigned *)n_wrong += peek_at_all();
        ZS_TSAN_READER_LEAVES();
        urcu_qsbr_quiescent_state();
    }
    urcu_qsbr_unregister_thread();
    return NULL;
}

/* Three of four come and go, and are moved and replaced; the fourth stays, and
 * is moved. */
static void move_them_about(void)
{
    for (unsigned round = 0; round < N_ROUNDS; round++) {
        for (unsigned i = 0; i < N_OBJECTS; i++) {
            if (i % 4 != 0 && round % 2 == 0) {
                zs_free_deferred(pool, objects[i]);
            } else if (i % 4 != 0) {
                objects[i] = store(i, OBJ_BYTES);
            } else if ((i + round) % 8 == 0) {
                unsigned char bytes[OBJ_BYTES];

                for (size_t at = 0; at < OBJ_BYTES; at++) {
                    bytes[at] = byte_of(i, at);
                }
                assert_int_equal(
                    zs_obj_replace(pool, objects[i], bytes, OBJ_BYTES), 0);
            }
        }
        assert_int_equal(zs_compact(arena, NULL), 0);
    }
}

static const struct zs_readers memb = { urcu_memb_synchronize_rcu,
                                        urcu_memb_read_ongoing };
static const struct zs_readers qsbr = { urcu_qsbr_synchronize_rcu,
                                        urcu_qsbr_read_ongoing };

static void readers_of_memb_and_qsbr__see_right_bytes_always(void **unused)
{
    unsigned n_wrong[2] = { 0, 0 };
    pthread_t threads[2];

    (void)unused;
    assert_int_equal(zs_readers_add(&memb), 0);
    assert_int_equal(zs_readers_add(&qsbr), 0);
    create_full();
    assert_int_equal(
        pthread_create(&threads[0], NULL, read_by_memb, &n_wrong[0]), 0);
    assert_int_equal(
        pthread_create(&threads[1], NULL, read_by_qsbr, &n_wrong[1]), 0);
    move_them_about();
    atomic_store(&end, true);
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    assert_int_equal(n_wrong[0], 0);
    assert_int_equal(n_wrong[1], 0);
    destroy_all();
}

static void compact_while_online(void)
{
    (void)!zs_readers_add(&qsbr); /* in the child of a fork, as above */
    urcu_qsbr_register_thread();
    assert_int_equal(zs_compact(arena, NULL), 0);
}

static void compact_while_offline(void)
{
    urcu_qsbr_register_thread();
    urcu_qsbr_thread_offline();
    assert_int_equal(zs_compact(arena, NULL), 0);
    urcu_qsbr_thread_online();
    urcu_qsbr_unregister_thread();
}

static void thread_of_qsbr__goes_offline_before_it_may_wait(void **unused)
{
    (void)unused;
    create_full();
    assert_stops(compact_while_online, "zs_compact", "read section");
    compact_while_offline();
    destroy_all();
}

static void no_wait(void)
{
}

static void add__refuses_more_kinds_than_there_is_room_for(void **unused)
{
    struct zs_readers fourth = { no_wait, made_up_ongoing };
    struct zs_readers fifth = { compact_while_offline, made_up_ongoing };

    (void)unused;
    assert_int_equal(zs_readers_add(&fourth), 0);
    assert_int_equal(zs_readers_add(&fifth), -ENOSPC);
    assert_int_equal(zs_readers_add(&made_up), 0); /* it is there */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peek__reads_in_a_section_of_the_embedders),
        cmocka_unit_test(peek__of_a_dead_handle_stops),
        cmocka_unit_test(add__refuses_what_is_no_kind),
        cmocka_unit_test(compaction__waits_for_the_other_kind),
        cmocka_unit_test(deferred_round__waits_for_the_other_kind),
        cmocka_unit_test(may_wait__in_a_section_of_the_other_kind_stops),
        cmocka_unit_test(readers_of_memb_and_qsbr__see_right_bytes_always),
        cmocka_unit_test(thread_of_qsbr__goes_offline_before_it_may_wait),
        cmocka_unit_test(add__refuses_more_kinds_than_there_is_room_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
