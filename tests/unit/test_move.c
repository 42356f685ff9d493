/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of movers against readers and writers: the mover is halted
 * between any two steps (lib/base/step.h) while others go on.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "migrate.h"
#include "pool_impl.h"
#include "rcu.h"
#include "step.h"
#include "zspool/compactor.h"

#define N_OBJECTS 600u
#define OBJ_BYTES 1000u
#define READS_PER_STEP 1000000u

static struct zs_pool *pool;
static zs_handle_t objects[N_OBJECTS];

/* --- fixture: objects of which every second one is freed --- */

static unsigned char byte_of(unsigned i)
{
    return (unsigned char)(i * 31 + 7);
}

static int make_pool(void **state)
{
    struct zs_pool_config cfg = {
        .private_arena = { .reserve_bytes = 1 << 30 },
        .max_zspages = 4096,
    };
    unsigned char buf[OBJ_BYTES];

    (void)state;
    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        memset(buf, byte_of(i), sizeof(buf));
        assert_int_equal(zs_obj_create(pool, buf, sizeof(buf), &objects[i]), 0);
    }
    for (unsigned i = 0; i < N_OBJECTS; i += 2) {
        zs_free(pool, objects[i]);
        objects[i].raw = 0;
    }
    return 0;
}

static int drop_pool(void **state)
{
    (void)state;
    atomic_store_explicit(&zs_step_hook, NULL, memory_order_release);
    zs_pool_destroy(pool);
    return 0;
}

static bool object_is_right(unsigned i)
{
    unsigned char local[ZS_LOCAL_COPY_BYTES];
    const unsigned char *p = zs_obj_read_begin(pool, objects[i], local);
    bool right = p[0] == byte_of(i) && p[OBJ_BYTES / 2] == byte_of(i) &&
                 p[OBJ_BYTES - 1] == byte_of(i);

    zs_obj_read_end(pool);
    return right;
}

static void all_objects_are_right(void)
{
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        assert_true(objects[i].raw == 0 || object_is_right(i));
    }
}

/* --- a mover in another thread, halted at one step --- */

static _Atomic unsigned halt_at, n_halted;
static _Atomic bool go_on;

static void halt(enum zs_step step)
{
    if (step != atomic_load_explicit(&halt_at, memory_order_relaxed) ||
        atomic_fetch_add_explicit(&n_halted, 1, memory_order_acq_rel) > 0) {
        return; /* only the first time */
    }
    while (!atomic_load_explicit(&go_on, memory_order_acquire)) {
        sched_yield();
    }
}

static void *compact(void *unused)
{
    (void)unused;
    return (void *)(intptr_t)zs_compact(zs_pool_arena(pool), NULL);
}

/* Every movable page of the arena, once. */
static void *migrate_all(void *unused)
{
    struct zs_arena *a = zs_pool_arena(pool);
    zs_pfn_t pages[ZS_MIGRATE_BATCH];
    unsigned n = 0;

    (void)unused;
    for (zs_pfn_t p = 0; p < ZS_MIGRATE_BATCH; p++) {
        if (zs_isolate_movable_ops_page(a, p)) {
            pages[n++] = p;
        }
    }
    n = zs_migrate_pages(a, pages, n, ZS_MIGRATE_SYNC);
    for (unsigned i = 0; i < n; i++) {
        zs_putback_movable_ops_page(a, pages[i]);
    }
    zs_grace_flush(&a->grace);
    return NULL;
}

/* Start `mover` and return when it stands at `step`. */
static pthread_t start_halted(void *(*mover)(void *), enum zs_step step)
{
    pthread_t thread;

    atomic_store(&halt_at, step);
    atomic_store(&n_halted, 0);
    atomic_store(&go_on, false);
    atomic_store_explicit(&zs_step_hook, halt, memory_order_release);
    assert_int_equal(pthread_create(&thread, NULL, mover, NULL), 0);
    while (atomic_load_explicit(&n_halted, memory_order_acquire) == 0) {
        sched_yield();
    }
    return thread;
}

static void finish(pthread_t thread)
{
    void *result;

    atomic_store_explicit(&go_on, true, memory_order_release);
    pthread_join(thread, &result);
    assert_null(result);
    atomic_store_explicit(&zs_step_hook, NULL, memory_order_release);
}

static void read_a_lot(void)
{
    for (unsigned n = 0; n < READS_PER_STEP; n++) {
        unsigned i = (n * 2 + 1) % N_OBJECTS;

        if (!object_is_right(i)) {
            fail_msg("object %u is wrong", i);
        }
    }
}

static void read__goes_on_at_every_step_of_an_object_move(void **state)
{
    (void)state;
    for (unsigned s = ZS_STEP_OBJ_CLOSED; s <= ZS_STEP_OBJ_OPENED; s++) {
        void *unused = NULL;
        pthread_t mover;

        if (s != ZS_STEP_OBJ_CLOSED) { /* a fresh pool to compact */
            drop_pool(&unused);
            make_pool(&unused);
        }
        mover = start_halted(compact, (enum zs_step)s);
        read_a_lot();
        finish(mover);
        all_objects_are_right();
    }
}

static void read__goes_on_at_every_step_of_a_page_migration(void **state)
{
    (void)state;
    for (unsigned s = ZS_STEP_PAGE_ISOLATED; s < ZS_NR_STEPS; s++) {
        void *unused = NULL;
        pthread_t mover;

        if (s != ZS_STEP_PAGE_ISOLATED) {
            drop_pool(&unused);
            make_pool(&unused);
        }
        mover = start_halted(migrate_all, (enum zs_step)s);
        read_a_lot();
        finish(mover);
        all_objects_are_right();
    }
}

/* --- free, replace and write while the bytes are copied --- */

static void free__during_the_copy_is_not_undone_by_the_mover(void **state)
{
    pthread_t mover = start_halted(compact, ZS_STEP_OBJ_COPIED);
    struct zs_pool_stats stats;

    (void)state;
    for (unsigned i = 1; i < N_OBJECTS; i += 2) {
        zs_free(pool, objects[i]);
        objects[i].raw = 0;
    }
    finish(mover);
    zs_pool_stats(pool, &stats);
    assert_int_equal(stats.n_objects, 0);
    assert_int_equal(zs_compact(zs_pool_arena(pool), NULL), 0);
    zs_pool_stats(pool, &stats);
    assert_int_equal(stats.n_zspages, 0);
}

static void
reused_handle__is_not_hit_by_a_move_of_its_former_object(void **state)
{
    pthread_t mover = start_halted(compact, ZS_STEP_OBJ_COPIED);
    unsigned char buf[OBJ_BYTES];

    (void)state;
    for (unsigned i = 1; i < N_OBJECTS; i += 2) {
        zs_free(pool, objects[i]);
        memset(buf, byte_of(i), sizeof(buf));
        assert_int_equal(zs_obj_create(pool, buf, sizeof(buf), &objects[i]), 0);
    }
    finish(mover);
    all_objects_are_right();
}

static void replace__during_the_copy_wins(void **state)
{
    pthread_t mover = start_halted(compact, ZS_STEP_OBJ_COPIED);
    unsigned char buf[OBJ_BYTES];

    (void)state;
    for (unsigned i = 1; i < N_OBJECTS; i += 2) {
        memset(buf, byte_of(i + 1), sizeof(buf));
        assert_int_equal(zs_obj_replace(pool, objects[i], buf, sizeof(buf)), 0);
    }
    finish(mover);
    for (unsigned i = 1; i + 1 < N_OBJECTS; i += 2) {
        objects[i + 1] = objects[i]; /* now read as the neighbour's bytes */
        objects[i].raw = 0;
    }
    objects[N_OBJECTS - 1].raw = 0;
    all_objects_are_right();
}

static void *write_all(void *unused)
{
    unsigned char buf[OBJ_BYTES];

    (void)unused;
    for (unsigned i = 1; i < N_OBJECTS; i += 2) {
        memset(buf, byte_of(i), sizeof(buf));
        buf[0] = 0xee;
        if (zs_obj_write(pool, objects[i], 0, buf, sizeof(buf)) != 0) {
            return (void *)1;
        }
    }
    return NULL;
}

static bool some_zspage_is_asked_to_stop(void)
{
    for (unsigned i = 1; i < N_OBJECTS; i += 2) {
        uint32_t w = zs_slot_load(&pool->handles, objects[i].raw);

        if (zspage_is_asked_to_stop(zspage_at(pool, zs_slot_zspage(w)))) {
            return true;
        }
    }
    return false;
}

static void write__during_the_copy_stops_the_mover_and_is_kept(void **state)
{
    pthread_t mover = start_halted(compact, ZS_STEP_OBJ_COPYING);
    pthread_t writer;
    void *result;

    (void)state;
    assert_int_equal(pthread_create(&writer, NULL, write_all, NULL), 0);
    while (!some_zspage_is_asked_to_stop()) {
        sched_yield();
    }
    finish(mover);
    pthread_join(writer, &result);
    assert_null(result);
    for (unsigned i = 1; i < N_OBJECTS; i += 2) {
        unsigned char local[ZS_LOCAL_COPY_BYTES];
        const unsigned char *p = zs_obj_read_begin(pool, objects[i], local);

        assert_int_equal(p[0], 0xee);
        assert_int_equal(p[1], byte_of(i));
        zs_obj_read_end(pool);
    }
}

/* --- what is freed at once after it was moved --- */

static zs_handle_t victim;

static void free_victim(enum zs_step step)
{
    if (step == ZS_STEP_OBJ_OPENED && victim.raw != 0) {
        zs_handle_t h = victim;

        victim.raw = 0;
        zs_free(pool, h);
    }
}

static void run__freed_right_after_its_move_is_released_once(void **state)
{
    enum { LARGE = 600 * 1024, N = 12 };
    zs_handle_t runs[N];
    struct zs_pool_stats stats;

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(zs_malloc(pool, LARGE, &runs[i]), 0);
    }
    for (unsigned i = 0; i + 1 < N; i++) {
        zs_free(pool, runs[i]);
    }
    victim = runs[N - 1]; /* alone in the highest block */
    atomic_store_explicit(&zs_step_hook, free_victim, memory_order_release);
    while (victim.raw != 0) {
        assert_int_equal(zs_compact(zs_pool_arena(pool), NULL), 0);
    }
    atomic_store_explicit(&zs_step_hook, NULL, memory_order_release);
    zs_pool_stats(pool, &stats);
    assert_int_equal(stats.n_objects, N_OBJECTS / 2);
    all_objects_are_right();
}

/* A class's last objects go up into the next class. There they are freed, and
 * their zspage with them, before the mover is through. */
static void object_moved_up__may_be_freed_at_once(void **state)
{
    zs_handle_t small, large;
    struct zs_pool_stats stats;
    void *unused = NULL;
    pthread_t mover;

    (void)state;
    drop_pool(&unused);
    assert_int_equal(zs_pool_create(NULL, &pool), 0);
    memset(objects, 0, sizeof(objects));
    assert_int_equal(zs_malloc(pool, 1000, &small), 0);
    assert_int_equal(zs_malloc(pool, zs_obj_size(pool, small) + 1, &large), 0);
    mover = start_halted(compact, ZS_STEP_OBJ_SWITCHING);
    assert_int_equal(zs_obj_size(pool, small), zs_obj_size(pool, large));
    zs_free(pool, small);
    zs_free(pool, large);
    finish(mover);
    assert_int_equal(zs_compact(zs_pool_arena(pool), NULL), 0);
    zs_pool_stats(pool, &stats);
    assert_int_equal(stats.n_objects, 0);
    assert_int_equal(stats.n_zspages, 0);
}

/* --- under a load of replaces --- */

static _Atomic bool enough;

static void *replace_for_ever(void *unused)
{
    unsigned char buf[OBJ_BYTES];

    (void)unused;
    while (!atomic_load_explicit(&enough, memory_order_relaxed)) {
        for (unsigned i = 1; i < N_OBJECTS; i += 2) {
            memset(buf, byte_of(i), sizeof(buf));
            if (zs_obj_replace(pool, objects[i], buf, sizeof(buf)) != 0) {
                return (void *)1;
            }
        }
    }
    return NULL;
}

static void compact__returns_while_objects_are_replaced(void **state)
{
    pthread_t replacer;
    void *result;

    (void)state;
    atomic_store(&enough, false);
    assert_int_equal(pthread_create(&replacer, NULL, replace_for_ever, NULL),
                     0);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(zs_compact(zs_pool_arena(pool), NULL), 0);
    }
    atomic_store(&enough, true);
    pthread_join(replacer, &result);
    assert_null(result);
    all_objects_are_right();
    zs_grace_flush(&zs_pool_arena(pool)->grace);
    assert_int_equal(zs_grace_deferred(&zs_pool_arena(pool)->grace), 0);
}

/* --- one reader parked in a read section --- */

static _Atomic bool parked, leave;

static void *park(void *arg)
{
    unsigned char local[ZS_LOCAL_COPY_BYTES];
    unsigned i = *(unsigned *)arg;
    const unsigned char *p = zs_obj_read_begin(pool, objects[i], local);
    bool right;

    atomic_store_explicit(&parked, true, memory_order_release);
    while (!atomic_load_explicit(&leave, memory_order_acquire)) {
        sched_yield();
    }
    right = p[0] == byte_of(i) && p[OBJ_BYTES - 1] == byte_of(i);
    zs_obj_read_end(pool);
    return (void *)(intptr_t)!right;
}

static pthread_t start_parked(unsigned *i)
{
    pthread_t thread;

    atomic_store(&parked, false);
    atomic_store(&leave, false);
    assert_int_equal(pthread_create(&thread, NULL, park, i), 0);
    while (!atomic_load_explicit(&parked, memory_order_acquire)) {
        sched_yield();
    }
    return thread;
}

static void parked_reader__stops_no_one_but_the_giving_back(void **state)
{
    unsigned i = 1;
    pthread_t reader = start_parked(&i);
    unsigned char buf[OBJ_BYTES];
    struct zs_pool_stats stats;
    pthread_t mover;
    void *result;

    (void)state;
    assert_int_equal(pthread_create(&mover, NULL, compact, NULL), 0);
    do { /* moves go on although their old places cannot be given back */
        sched_yield();
        zs_pool_stats(pool, &stats);
    } while (stats.objects_moved < N_OBJECTS / 8);
    assert_true(stats.n_limbo_slots > 0);
    read_a_lot();
    for (unsigned n = 0; n < 1000; n++) {
        zs_handle_t h;

        memset(buf, 1, sizeof(buf));
        assert_int_equal(zs_obj_create(pool, buf, sizeof(buf), &h), 0);
        assert_int_equal(zs_obj_replace(pool, h, buf, 100), 0);
        zs_free(pool, h);
    }
    atomic_store_explicit(&leave, true, memory_order_release);
    pthread_join(reader, &result);
    assert_null(result); /* its snapshot stayed what it was */
    pthread_join(mover, &result);
    assert_null(result);
    all_objects_are_right();
}

static void deferred_memory__is_bounded_while_a_reader_is_parked(void **state)
{
    enum { N = 24000 }; /* 24 MB, of which half is freed */
    static zs_handle_t many[N];
    unsigned char buf[OBJ_BYTES] = { 0 };
    struct zs_arena *a = zs_pool_arena(pool);
    unsigned i = 1;
    pthread_t reader, mover;
    uint64_t deferred;

    (void)state;
    for (unsigned n = 0; n < N; n++) {
        assert_int_equal(zs_obj_create(pool, buf, sizeof(buf), &many[n]), 0);
    }
    for (unsigned n = 0; n < N; n += 2) {
        zs_free(pool, many[n]);
    }
    reader = start_parked(&i);
    assert_int_equal(pthread_create(&mover, NULL, compact, NULL), 0);
    do {
        sched_yield();
    } while (!zs_deferred_is_full(a));
    for (unsigned n = 0; n < 1000; n++) { /* the mover has time to overrun */
        sched_yield();
    }
    deferred = atomic_load(&a->grace.moved_bytes);
    assert_in_range(deferred, 2 * ZS_BLOCK_BYTES,
                    2 * ZS_BLOCK_BYTES + 256 * 1024);
    atomic_store_explicit(&leave, true, memory_order_release);
    pthread_join(reader, NULL);
    pthread_join(mover, NULL);
    assert_int_equal(zs_grace_deferred(&a->grace), 0);
}

static void pinned_zspage__is_skipped_not_waited_for(void **state)
{
    struct zs_pool_stats stats;
    struct zspage *zp = zspage_at(
        pool, zs_slot_zspage(zs_slot_load(&pool->handles, objects[1].raw)));

    (void)state;
    assert_true(zspage_try_pin(zp));
    assert_int_equal(zs_compact(zs_pool_arena(pool), NULL), 0);
    zs_pool_stats(pool, &stats);
    assert_true(stats.moves_busy > 0);
    zspage_unpin(zp);
    all_objects_are_right();
    assert_int_equal(zs_compact(zs_pool_arena(pool), NULL), 0);
    all_objects_are_right();
}

#define MOVE_TEST(name)                                                        \
    cmocka_unit_test_setup_teardown(name, make_pool, drop_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        MOVE_TEST(read__goes_on_at_every_step_of_an_object_move),
        MOVE_TEST(read__goes_on_at_every_step_of_a_page_migration),
        MOVE_TEST(free__during_the_copy_is_not_undone_by_the_mover),
        MOVE_TEST(reused_handle__is_not_hit_by_a_move_of_its_former_object),
        MOVE_TEST(replace__during_the_copy_wins),
        MOVE_TEST(write__during_the_copy_stops_the_mover_and_is_kept),
        MOVE_TEST(run__freed_right_after_its_move_is_released_once),
        MOVE_TEST(object_moved_up__may_be_freed_at_once),
        MOVE_TEST(compact__returns_while_objects_are_replaced),
        MOVE_TEST(parked_reader__stops_no_one_but_the_giving_back),
        MOVE_TEST(deferred_memory__is_bounded_while_a_reader_is_parked),
        MOVE_TEST(pinned_zspage__is_skipped_not_waited_for),
    };

    return cmocka_run_group_tests_name("move", tests, NULL, NULL);
}
