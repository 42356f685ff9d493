/* SPDX-License-Identifier: MIT */
/* Unit tests of zs_pool_next(). */
#include <pthread.h>
#include <stdatomic.h>

#include "pool_impl.h"

#include "offline_fixture.h"

#define N_MANY 2000u
#define MAX_HANDLES (1u << 17)

/* How often each handle was listed. */
static uint8_t times[MAX_HANDLES];

/* Sizes of all kinds: below a page, above, runs. */
static size_t len_at(unsigned i)
{
    return i % 100 == 0 ? 70000 : i % 20 == 0 ? 6000 : 1 + i * 7919u % 2000;
}

static void create_many(void)
{
    create(16, 0, 0);
    create_pool();
    for (unsigned i = 0; i < N_MANY; i++) {
        objects[i] = store(i, len_at(i));
    }
}

static void destroy_all(void)
{
    zs_pool_destroy(pool);
    destroy();
}

static void count(const zs_handle_t *handles, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        assert_true(handles[i].raw < MAX_HANDLES);
        times[handles[i].raw]++;
    }
}

/* A whole walk, `n` at a time. Returns how many were listed. */
static size_t walk(size_t n)
{
    struct zs_pool_cursor cursor = { 0 };
    zs_handle_t handles[1000];
    size_t all = 0, got;

    assert_true(n <= 1000);
    memset(times, 0, sizeof(times));
    do {
        got = zs_pool_next(pool, &cursor, handles, n);
        assert_true(got <= n);
        count(handles, got);
        all += got;
    } while (got == n);
    assert_int_equal(zs_pool_next(pool, &cursor, handles, n), 0);
    return all;
}

static void assert_listed_once(unsigned first, unsigned n, unsigned step)
{
    for (unsigned i = first; i < n; i += step) {
        if (times[objects[i].raw] != 1) {
            fail_msg("object %u was listed %u times", i, times[objects[i].raw]);
        }
    }
}

/* --- what is listed --- */

static void walk__lists_every_object_once(void **unused)
{
    static const size_t at_a_time[] = { 1, 3, 63, 64, 65, 1000 };

    (void)unused;
    create_many();
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(walk(at_a_time[i]), N_MANY);
        assert_listed_once(0, N_MANY, 1);
    }
    destroy_all();
}

static void walk__is_in_order_of_addresses(void **unused)
{
    static zs_handle_t all[N_MANY];
    static struct zs_view views[N_MANY];
    struct zs_pool_cursor cursor = { 0 };

    (void)unused;
    create_many();
    assert_int_equal(zs_pool_next(pool, &cursor, all, N_MANY), N_MANY);
    zs_obj_view_begin(pool, all, N_MANY, views);
    for (unsigned i = 1; i < N_MANY; i++) {
        assert_true((const char *)views[i - 1].part[0].iov_base <
                    (const char *)views[i].part[0].iov_base);
    }
    zs_obj_read_end(pool);
    destroy_all();
}

static void walk__of_an_empty_pool_lists_nothing(void **unused)
{
    (void)unused;
    create(16, 0, 0);
    create_pool();
    assert_int_equal(walk(10), 0);
    objects[0] = store(0, 100);
    assert_int_equal(walk(10), 1);
    zs_free(pool, objects[0]);
    assert_int_equal(walk(10), 0);
    destroy_all();
}

static void walk__leaves_freed_objects_out(void **unused)
{
    (void)unused;
    create_many();
    zs_read_begin(); /* so that the deferred ones wait */
    for (unsigned i = 0; i < N_MANY; i += 4) {
        zs_free(pool, objects[i]); /* some stay in the thread's cache */
        zs_free_deferred(pool, objects[i + 1]);
    }
    assert_int_equal(walk(64), N_MANY / 2);
    assert_listed_once(2, N_MANY, 4);
    assert_listed_once(3, N_MANY, 4);
    zs_read_end();
    zs_grace_flush(&arena->grace);
    assert_int_equal(walk(64), N_MANY / 2);
    destroy_all();
}

static void walk__lists_replaced_objects_at_their_new_place(void **unused)
{
    static const char bytes[70000];

    (void)unused;
    create_many();
    for (unsigned i = 0; i < N_MANY; i += 3) {
        assert_int_equal(zs_obj_replace(pool, objects[i], bytes, len_at(i + 1)),
                         0);
    }
    assert_int_equal(walk(64), N_MANY);
    assert_listed_once(0, N_MANY, 1);
    destroy_all();
}

/* Others' pages, whose words mean something else, lie between. */
static void walk__leaves_other_owners_out(void **unused)
{
    (void)unused;
    create_all_owners(16);
    assert_int_equal(walk(64), N_OBJECTS);
    assert_listed_once(0, N_OBJECTS, 1);
    destroy_all_owners();
}

static void walk__finds_objects_in_split_zspages(void **unused)
{
    unsigned n_moved = 0;

    (void)unused;
    create_many();
    for (zs_pfn_t page = 0; page < 4 * BLOCK; page += 2) {
        if (!zs_isolate_movable_ops_page(arena, page)) {
            continue;
        }
        if (zs_migrate_pages(arena, &page, 1, ZS_MIGRATE_SYNC) > 0) {
            zs_putback_movable_ops_page(arena, page);
        } else {
            n_moved++;
        }
    }
    assert_true(n_moved > 0);
    assert_int_equal(walk(64), N_MANY);
    assert_listed_once(0, N_MANY, 1);
    destroy_all();
}

static void walk__finds_objects_after_compaction(void **unused)
{
    (void)unused;
    create_many();
    for (unsigned i = 0; i < N_MANY; i++) {
        if (i % 5 != 0) {
            zs_free(pool, objects[i]);
        }
    }
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_int_equal(walk(64), N_MANY / 5);
    assert_listed_once(0, N_MANY, 5);
    destroy_all();
}

/* --- while others go on --- */

/* Every third object is freed, and others are made, between the steps. */
static void walk__meets_what_stays_once_while_others_come_and_go(void **unused)
{
    struct zs_pool_cursor cursor = { 0 };
    zs_handle_t handles[5];
    unsigned next = 0;
    size_t got;

    (void)unused;
    create_many();
    memset(times, 0, sizeof(times));
    while ((got = zs_pool_next(pool, &cursor, handles, 5)) > 0) {
        count(handles, got);
        for (unsigned i = 0; i < 2 && next < N_MANY; i++, next += 3) {
            zs_free(pool, objects[next]);
            (void)store(next, len_at(next + 1));
        }
    }
    assert_listed_once(1, N_MANY, 3);
    assert_listed_once(2, N_MANY, 3);
    destroy_all();
}

#define N_OWN 200u

static _Atomic bool stop;

/* Makes, resizes and frees objects of its own. */
static void *change(void *arg)
{
    static _Atomic unsigned turn;
    zs_handle_t mine[N_OWN] = { { 0 } };
    bool replaces = arg != NULL;

    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        unsigned i = atomic_fetch_add_explicit(&turn, 1, memory_order_relaxed);
        zs_handle_t *h = &mine[i * 31 % N_OWN];

        if (h->raw != 0 && replaces && i % 3 == 0) {
            (void)!zs_obj_replace(pool, *h, "replaced", 9);
        } else if (h->raw != 0) {
            if (i % 2 == 0) {
                zs_free(pool, *h);
            } else {
                zs_free_deferred(pool, *h);
            }
            h->raw = 0;
        } else if (zs_malloc(pool, len_at(i), h) != 0) {
            h->raw = 0;
        }
    }
    for (unsigned i = 0; i < N_OWN; i++) {
        if (mine[i].raw != 0) {
            zs_free(pool, mine[i]);
        }
    }
    return NULL;
}

static void *compact(void *unused)
{
    (void)unused;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        if (zs_compact(arena, NULL) != 0) {
            return "compact";
        }
    }
    return NULL;
}

static void start(pthread_t *thread, void *(*body)(void *), void *arg)
{
    atomic_store_explicit(&stop, false, memory_order_relaxed);
    assert_int_equal(pthread_create(thread, NULL, body, arg), 0);
}

static void join(pthread_t thread)
{
    void *failed;

    atomic_store_explicit(&stop, true, memory_order_relaxed);
    pthread_join(thread, &failed);
    assert_null(failed);
}

/* Neither a pass nor a replace: what stays is met once. */
static void walk__beside_malloc_and_free_is_exact(void **unused)
{
    pthread_t others[2];

    (void)unused;
    create_many();
    start(&others[0], change, NULL);
    start(&others[1], change, NULL);
    for (unsigned turn = 0; turn < 50; turn++) {
        (void)walk(1 + turn * 7);
        assert_listed_once(0, N_MANY, 1);
    }
    join(others[0]);
    join(others[1]);
    assert_int_equal(walk(64), N_MANY);
    destroy_all();
}

/* In a read section what was listed can be read. */
static size_t walk_and_look(void)
{
    struct zs_pool_cursor cursor = { 0 };
    zs_handle_t handles[16];
    struct zs_view views[16];
    size_t all = 0, n;

    do {
        zs_read_begin();
        n = zs_pool_next(pool, &cursor, handles, 16);
        zs_obj_view_begin(pool, handles, n, views);
        for (size_t i = 0; i < n; i++) {
            assert_in_range(views[i].n_parts, 1, 2);
        }
        zs_obj_read_end(pool);
        zs_read_end();
        all += n;
    } while (n == 16);
    return all;
}

static void *defer(void *unused)
{
    (void)unused;
    while (!atomic_load_explicit(&stop, memory_order_relaxed)) {
        zs_handle_t h;

        if (zs_malloc(pool, 500, &h) == 0) {
            zs_free_deferred(pool, h);
        }
    }
    return NULL;
}

/* With all that moves, an object may be missed or met twice; but what is listed
 * is an object, and when the movers have ended the walk is exact. */
static void walk__beside_a_compactor_lists_only_objects(void **unused)
{
    pthread_t compactor, freer;

    (void)unused;
    create_many();
    start(&compactor, compact, NULL);
    start(&freer, defer, NULL);
    for (unsigned turn = 0; turn < 30; turn++) {
        for (unsigned i = turn; i < N_MANY; i += 30) {
            int err = zs_realloc(pool, objects[i], len_at(i + turn));

            assert_true(err == 0 || err == -ENOMEM); /* much is deferred */
        }
        assert_true(walk_and_look() > 0);
    }
    join(freer);
    join(compactor);
    assert_int_equal(walk(64), N_MANY);
    assert_listed_once(0, N_MANY, 1);
    destroy_all();
}

static void walk__is_exact_again_after_everything(void **unused)
{
    pthread_t compactor, others[2];

    (void)unused;
    create_many();
    start(&compactor, compact, NULL);
    start(&others[0], change, &stop);
    start(&others[1], change, NULL);
    for (unsigned turn = 0; turn < 30; turn++) {
        (void)walk(64);
    }
    join(others[0]);
    join(others[1]);
    join(compactor);
    assert_int_equal(walk(64), N_MANY);
    assert_listed_once(0, N_MANY, 1);
    destroy_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(walk__lists_every_object_once),
        PROMISE(walk__is_in_order_of_addresses),
        PROMISE(walk__of_an_empty_pool_lists_nothing),
        PROMISE(walk__leaves_freed_objects_out),
        PROMISE(walk__lists_replaced_objects_at_their_new_place),
        PROMISE(walk__leaves_other_owners_out),
        PROMISE(walk__finds_objects_in_split_zspages),
        PROMISE(walk__finds_objects_after_compaction),
        PROMISE(walk__meets_what_stays_once_while_others_come_and_go),
        /* with threads: the fixture that counts system calls is for one */
        cmocka_unit_test(walk__beside_malloc_and_free_is_exact),
        cmocka_unit_test(walk__beside_a_compactor_lists_only_objects),
        cmocka_unit_test(walk__is_exact_again_after_everything),
    };

    return cmocka_run_group_tests_name("walk", tests, NULL, NULL);
}
