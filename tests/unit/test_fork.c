/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of fork(): what a child may do with what it inherited, and that
 * the parent goes on. The load: fork_load.h.
 */
#include <errno.h>
#include <spawn.h>
#include <stdio.h>

#include "cache.h"
#include "fork.h"
#include "os.h"
#include "sanitizer.h"
#include "zspool/balloon.h"
#include "zspool/movable_ops.h"
#include "zspool/readers.h"
#include "zspool/store.h"

#include "fork_load.h"

#define N_FORKS 200u

extern char **environ;

/* --- the load, in a child --- */

/* Objects that `handles` does not know: of the threads that are gone, which
 * had just made one or were about to free it. */
static int walk_finds(size_t *n)
{
    struct zs_pool_cursor at = { 0 };
    zs_handle_t h[64];
    size_t got;

    *n = 0;
    while ((got = zs_pool_next(pool, &at, h, 64)) > 0) {
        for (size_t i = 0; i < got; i++) {
            if (!zs_handle_check(pool, h[i])) {
                return 1;
            }
        }
        *n += got;
    }
    return 0;
}

static int change_some(void)
{
    for (unsigned i = 0; i < 500; i++) {
        change_one(0, i, i);
    }
    return 0;
}

/* Pages that nobody has in the end would show as a type that does not end, and
 * a lost round or pin as a wait. */
static int use_inheritance(void)
{
    struct zs_pool_stats stats;
    size_t n;

    if (read_all() != 0) {
        return 1;
    }
    change_some();
    if (read_all() != 0) {
        return 2;
    }
    if (zs_compact(zs_pool_arena(pool), NULL) != 0 || read_all() != 0) {
        return 3;
    }
    free_all();
    zs_compactor_stop(compactor); /* it may run, in some tests */
    if (walk_finds(&n) != 0 || n > 2 * N_THREADS) {
        return 4;
    }
    zs_pool_stats(pool, &stats);
    if (stats.n_objects != n) {
        return 5;
    }
    /* More than once: liburcu's thread may be giving back the last ones. */
    for (unsigned i = 0; i < 10; i++) {
        if (zs_compact(zs_pool_arena(pool), NULL) != 0) {
            return 6;
        }
        zs_pool_stats(pool, &stats);
        if (stats.n_zspages <= n) {
            zs_pool_destroy(pool);
            return 0;
        }
    }
    zs_pool_dump(pool, STDERR_FILENO);
    return 7; /* something is kept that holds no object */
}

static void child__has_all_objects_and_may_do_everything(void **state)
{
    (void)state;
    start_load();
    for (unsigned i = 0; i < N_FORKS; i++) {
        in_child(use_inheritance);
    }
    stop_load();
}

/* --- several threads fork --- */

static int use_and_fork_again(void)
{
    pid_t child;
    int status;

    if (read_all() != 0) {
        return 1;
    }
    change_some();
    child = fork();
    if (child == 0) {
        alarm(CHILD_SECONDS);
        _exit(use_inheritance());
    }
    if (waitpid(child, &status, 0) != child || !WIFEXITED(status)) {
        return 20;
    }
    if (WEXITSTATUS(status) != 0) {
        return 20 + WEXITSTATUS(status);
    }
    return use_inheritance();
}

static void child__may_fork_again(void **state)
{
    (void)state;
    start_load();
    for (unsigned i = 0; i < 10; i++) {
        in_child(use_and_fork_again);
    }
    stop_load();
}

static void *fork_some(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 20; i++) {
        in_child(read_all);
    }
    return NULL;
}

static void forks__of_two_threads_at_once(void **state)
{
    pthread_t other;

    (void)state;
    start_load();
    assert_int_equal(pthread_create(&other, NULL, fork_some, NULL), 0);
    (void)fork_some(NULL);
    pthread_join(other, NULL);
    stop_load();
}

/* --- threads and compactors of the child --- */

static void *load_for_a_while(void *arg)
{
    unsigned owner = (unsigned)(uintptr_t)arg;

    for (uint32_t v = 1; v < 20000; v++) {
        change_one(owner, v * 7919 % N_OBJECTS, v);
        if (!read_one(owner, v % N_OBJECTS)) {
            abort();
        }
    }
    return NULL;
}

static int work_with_threads(void)
{
    struct zs_compactor_config cfg = { .tick_ns = 1000000 };
    struct zs_arena *arena = zs_pool_arena(pool);
    struct zs_compactor *own;
    struct zs_compactor_stats stats;
    pthread_t mine[N_THREADS];

    if (zs_compactor_add(compactor, arena) != -ESRCH ||
        zs_compactor_start(arena, &cfg, &own) != 0) {
        return 1;
    }
    for (unsigned t = 0; t < N_THREADS; t++) {
        if (pthread_create(&mine[t], NULL, load_for_a_while,
                           (void *)(uintptr_t)t) != 0) {
            return 2;
        }
    }
    /* The inherited one: harmless, and no part of the new one goes with it. */
    zs_compactor_kick(compactor);
    zs_compactor_pause(compactor);
    zs_compactor_resume(compactor);
    zs_compactor_stop(compactor);
    for (unsigned t = 0; t < N_THREADS; t++) {
        pthread_join(mine[t], NULL);
    }
    if (zs_compactor_stats(own, arena, &stats) != 0 || read_all() != 0) {
        return 3;
    }
    compactor = own;
    return use_inheritance();
}

static void child__runs_threads_and_a_compactor(void **state)
{
    (void)state;
    start_load();
    for (unsigned i = 0; i < 20; i++) {
        in_child(work_with_threads);
    }
    stop_load();
}

static int make_a_pool(void)
{
    struct zs_pool *mine;
    zs_handle_t h;

    if (zs_pool_create(NULL, &mine) != 0 ||
        zs_obj_create(mine, "child", 6, &h) != 0 ||
        zs_obj_replace(mine, h, "other", 6) != 0 ||
        zs_compact(zs_pool_arena(mine), NULL) != 0) {
        return 1;
    }
    zs_free(mine, h);
    zs_pool_destroy(mine);
    return use_inheritance();
}

static void child__makes_pools_of_its_own(void **state)
{
    (void)state;
    start_load();
    for (unsigned i = 0; i < 10; i++) {
        in_child(make_a_pool);
    }
    stop_load();
}

/* --- one thing each, without load --- */

static void make_pool(void)
{
    struct zs_pool_config cfg = {
        .private_arena = { .reserve_bytes = (size_t)64 << 20 },
    };

    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
}

static _Atomic bool other_is_there, other_may_go;

static void wait_until(const _Atomic bool *flag)
{
    while (!atomic_load(flag)) {
        sched_yield();
    }
}

static void with_other_thread(void *(*run)(void *), void (*act)(void))
{
    pthread_t other;

    atomic_store(&other_is_there, false);
    atomic_store(&other_may_go, false);
    assert_int_equal(pthread_create(&other, NULL, run, NULL), 0);
    wait_until(&other_is_there);
    act();
    atomic_store(&other_may_go, true);
    pthread_join(other, NULL);
}

static void *sleep_in_read_section(void *unused)
{
    (void)unused;
    zs_read_begin();
    atomic_store(&other_is_there, true);
    wait_until(&other_may_go);
    zs_read_end();
    return NULL;
}

static int wait_for_readers(void)
{
    zs_wait_for_readers();
    return zs_compact(zs_pool_arena(pool), NULL);
}

static void wait_in_child(void)
{
    in_child(wait_for_readers);
}

static void readers_that_are_gone__are_not_waited_for(void **state)
{
    (void)state;
    make_pool();
    with_other_thread(sleep_in_read_section, wait_in_child);
    zs_pool_destroy(pool);
}

static void *fill_cache(void *unused)
{
    zs_handle_t h;

    (void)unused;
    if (zs_obj_create(pool, "x", 1, &h) != 0) {
        abort();
    }
    zs_free(pool, h);
    atomic_store(&other_is_there, true);
    wait_until(&other_may_go);
    return NULL;
}

static unsigned n_caches(void)
{
    return atomic_load(&pool->n_caches);
}

static void *free_one(void *unused)
{
    (void)fill_cache(unused);
    return NULL;
}

static int take_cache_over(void)
{
    struct zs_pool_stats stats;
    pthread_t other;
    unsigned before = n_caches();

    atomic_store(&other_may_go, true);
    pthread_create(&other, NULL, free_one, NULL);
    pthread_join(other, NULL);
    if (n_caches() != before - 1) { /* taken over, and given up at its end */
        return 1;
    }
    zs_pool_stats(pool, &stats);
    return stats.n_objects == 0 ? 0 : 2;
}

static int empty_caches_of_the_gone(void)
{
    struct zs_pool_stats stats;

    if (zs_compact(zs_pool_arena(pool), NULL) != 0) {
        return 1;
    }
    zs_pool_stats(pool, &stats);
    if (stats.n_cached_slots != 0 || stats.zspage_bytes != 0) {
        return 2;
    }
    zs_pool_destroy(pool);
    return 0;
}

static void take_over_in_child(void)
{
    in_child(take_cache_over);
    in_child(empty_caches_of_the_gone);
}

static void caches_of_the_gone__are_emptied_or_taken_over(void **state)
{
    (void)state;
    make_pool();
    with_other_thread(fill_cache, take_over_in_child);
    zs_pool_destroy(pool);
}

static zs_handle_t pinned[2];
static struct zs_pin own_pin;

static void *pin_one(void *unused)
{
    struct zs_pin pin;

    (void)unused;
    zs_pin(pool, pinned[1], "other", &pin);
    atomic_store(&other_is_there, true);
    wait_until(&other_may_go);
    zs_unpin(pool, &pin);
    return NULL;
}

static int end_own_pin(void)
{
    if (zspage_n_pins(zspage_at(pool, own_pin.zspage)) != 2) {
        return 1; /* the other one still counts */
    }
    zs_unpin(pool, &own_pin);
    if (zs_compact(zs_pool_arena(pool), NULL) != 0) {
        return 2;
    }
    zs_pool_destroy(pool);
    return 0;
}

static void end_pin_in_child(void)
{
    in_child(end_own_pin);
}

static void pins__stay_and_are_ended_by_who_has_them(void **state)
{
    (void)state;
    make_pool();
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(zs_obj_create(pool, "pinned", 7, &pinned[i]), 0);
    }
    zs_pin(pool, pinned[0], "own", &own_pin);
    with_other_thread(pin_one, end_pin_in_child);
    zs_unpin(pool, &own_pin);
    zs_pool_destroy(pool);
}

static struct zs_arena *arena;
static struct zs_balloon *balloon;

static void *inflate_and_deflate(void *unused)
{
    (void)unused;
    atomic_store(&other_is_there, true);
    while (!atomic_load(&other_may_go)) {
        (void)zs_balloon_inflate(balloon, 1 << 20);
        (void)zs_balloon_deflate(balloon, 1 << 20);
    }
    return NULL;
}

static int destroy_balloon_and_arena(void)
{
    zs_balloon_destroy(balloon);
    zs_arena_destroy(arena);
    return 0;
}

static void fork_balloon(void)
{
    for (unsigned i = 0; i < 30; i++) {
        in_child(destroy_balloon_and_arena);
    }
}

static void balloon__loses_no_page(void **state)
{
    struct zs_arena_config cfg = { .reserve_bytes = (size_t)64 << 20 };

    (void)state;
    assert_int_equal(zs_arena_create(&cfg, &arena), 0);
    assert_int_equal(zs_balloon_create(arena, &balloon), 0);
    with_other_thread(inflate_and_deflate, fork_balloon);
    zs_balloon_destroy(balloon);
    zs_arena_destroy(arena);
}

static struct zs_store *store;

static void *put_values(void *unused)
{
    char value[2000];

    (void)unused;
    for (unsigned n = 0; !atomic_load(&other_may_go); n++) {
        zs_handle_t h;

        memset(value, 'a', sizeof(value));
        memcpy(value, &n, sizeof(n));
        if (zs_store_put(store, value, sizeof(value), &h) != 0) {
            abort();
        }
        zs_store_delete(store, h);
        atomic_store(&other_is_there, true);
    }
    return NULL;
}

/* So many that a dictionary is trained on them, by a thread of the child's. */
static int use_store(void)
{
    char value[2000] = "a value", back[2000];
    zs_handle_t h;
    size_t len;

    for (unsigned i = 0; i < 2000; i++) {
        if (zs_store_put(store, value, sizeof(value), &h) != 0 ||
            zs_store_replace(store, h, value, 1000 + i % 1000) != 0 ||
            zs_store_get(store, h, back, sizeof(back), &len) != 0 ||
            len != 1000 + i % 1000 || memcmp(value, back, len) != 0) {
            return 1;
        }
        zs_store_delete(store, h);
    }
    zs_store_destroy(store);
    return 0;
}

static void fork_store(void)
{
    for (unsigned i = 0; i < 20; i++) {
        in_child(use_store);
    }
}

static void store__goes_on_in_the_child(void **state)
{
    struct zs_store_config cfg = { .codec = ZS_CODEC_ZSTD };

    (void)state;
    assert_int_equal(zs_store_create(&cfg, &store), 0);
    with_other_thread(put_values, fork_store);
    zs_store_destroy(store);
}

static int barrier_works(void)
{
    return zs_os.barrier() == 0 ? 0 : 1;
}

static void child__has_the_barrier(void **state)
{
    (void)state;
    if (zs_sections_are_fenced()) {
        skip(); /* the system has none */
    }
    make_pool();
    in_child(barrier_works);
    zs_pool_destroy(pool);
}

static unsigned n_waits;

static void count_wait(void)
{
    n_waits++;
}

static int never_reads(void)
{
    return 0;
}

static const struct zs_readers other_kind = { count_wait, never_reads };

static int readd_kind(void)
{
    n_waits = 0;
    zs_wait_for_readers();
    if (n_waits != 0 || zs_readers_add(&other_kind) != 0) {
        return 1;
    }
    zs_wait_for_readers();
    return n_waits == 1 ? 0 : 2;
}

static void readers_of_another_kind__are_forgotten(void **state)
{
    (void)state;
    make_pool();
    assert_int_equal(zs_readers_add(&other_kind), 0);
    in_child(readd_kind);
    n_waits = 0;
    zs_wait_for_readers();
    assert_int_equal(n_waits, 1); /* by the parent, they are not */
    zs_pool_destroy(pool);
}

/* More threads at work than have numbers. */
#define N_MANY 300u

static _Atomic unsigned n_running;

static void *work_with_others(void *unused)
{
    zs_work_begin();
    zs_work_end();
    atomic_fetch_add(&n_running, 1);
    while (!atomic_load(&other_may_go)) {
        zs_work_begin();
        zs_work_end();
        usleep(1000);
    }
    return unused;
}

static void fork__waits_for_any_number_of_threads(void **state)
{
    static pthread_t many[N_MANY];

    (void)state;
    make_pool();
    atomic_store(&other_may_go, false);
    for (unsigned i = 0; i < N_MANY; i++) {
        assert_int_equal(pthread_create(&many[i], NULL, work_with_others, NULL),
                         0);
    }
    while (atomic_load(&n_running) < N_MANY) {
        sched_yield();
    }
    in_child(wait_for_readers);
    atomic_store(&other_may_go, true);
    for (unsigned i = 0; i < N_MANY; i++) {
        pthread_join(many[i], NULL);
    }
    in_child(wait_for_readers);
    zs_pool_destroy(pool);
}

/* --- from the compactor's own thread --- */

static _Atomic int callbacks_child; /* how it has ended, + 1 */

static int use_and_end_here(void)
{
    char local[ZS_LOCAL_COPY_BYTES];
    struct zs_compactor *own;
    int differs = memcmp(zs_obj_read_begin(pool, pinned[0], local), "first", 6);

    zs_obj_read_end(pool);
    if (differs || zs_compactor_start(pool->arena, NULL, &own) != 0) {
        return 1;
    }
    zs_compactor_stop(own);
    return zs_compact(pool->arena, NULL) == 0 ? 0 : 2;
}

static void fork_under_pressure(void *ctx, enum zs_pressure_level level,
                                uint64_t want_bytes)
{
    pid_t child;
    int status;

    (void)ctx;
    (void)level;
    (void)want_bytes;
    if (atomic_load(&callbacks_child) == 0) {
        child = fork();
        if (child == 0) {
            alarm(CHILD_SECONDS);
            _exit(use_and_end_here());
        }
        (void)waitpid(child, &status, 0);
        atomic_store(&callbacks_child, status + 1);
    }
}

static void fork__in_the_pressure_callback_works(void **state)
{
    struct zs_pool_config cfg = {
        .private_arena = { .reserve_bytes = (size_t)64 << 20,
                           .limit_bytes = (size_t)8 << 20 },
        .max_zspages = 1 << 14,
    };
    struct zs_compactor_config compact = { .tick_ns = 1000000,
                                           .pressure = fork_under_pressure };
    zs_handle_t h;

    (void)state;
    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    assert_int_equal(zs_obj_create(pool, "first", 6, &pinned[0]), 0);
    while (zs_malloc(pool, 3000, &h) == 0) { /* the limit is near then */
    }
    assert_int_equal(zs_compactor_start(pool->arena, &compact, &compactor), 0);
    while (atomic_load(&callbacks_child) == 0) {
        sched_yield();
    }
    assert_int_equal(atomic_load(&callbacks_child), 1);
    zs_compactor_stop(compactor);
    zs_pool_destroy(pool);
}

/* --- what is refused, or fails --- */

static int end_at_once(void)
{
    return 0;
}

/* As fork() was without handlers: good for exec() and _exit(). */
static void fork__in_a_read_section_does_not_wait(void **state)
{
    (void)state;
    make_pool();
    zs_read_begin();
    in_child(end_at_once);
    zs_read_end();
    in_child(wait_for_readers); /* and the next one is prepared again */
    zs_pool_destroy(pool);
}

static void fork__of_a_mover_does_not_wait(void **state)
{
    (void)state;
    make_pool();
    zs_arena_begin_pass(pool->arena);
    in_child(end_at_once);
    zs_arena_end_pass(pool->arena);
    in_child(wait_for_readers);
    zs_pool_destroy(pool);
}

static int no_handlers(void (*prepare)(void), void (*parent)(void),
                       void (*child)(void))
{
    (void)prepare;
    (void)parent;
    (void)child;
    return -ENOMEM;
}

/* The first test, for handlers are installed once. */
static void arena_create__needs_the_handlers(void **state)
{
    int (*real)(void (*)(void), void (*)(void), void (*)(void)) = zs_os.at_fork;

    (void)state;
    zs_os.at_fork = no_handlers;
    assert_int_equal(zs_arena_create(NULL, &arena), -ENOMEM);
    assert_int_equal(zs_pool_create(NULL, &pool), -ENOMEM);
    zs_os.at_fork = real;
    assert_int_equal(zs_arena_create(NULL, &arena), 0);
    zs_arena_destroy(arena);
}

/* --- what needs no handler --- */

static void spawn_true(void)
{
    char *args[] = { (char *)"true", NULL };
    pid_t child;
    int status;

    assert_int_equal(posix_spawnp(&child, "true", NULL, NULL, args, environ),
                     0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

/* In a read section, too: no handler runs. */
static void posix_spawn__needs_nothing(void **state)
{
    (void)state;
    start_load();
    for (unsigned i = 0; i < 50; i++) {
        zs_read_begin();
        spawn_true();
        zs_read_end();
    }
    stop_load();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup(name, watch)
        TEST(arena_create__needs_the_handlers),
        TEST(child__has_the_barrier),
        TEST(readers_that_are_gone__are_not_waited_for),
        TEST(caches_of_the_gone__are_emptied_or_taken_over),
        TEST(pins__stay_and_are_ended_by_who_has_them),
        TEST(balloon__loses_no_page),
        TEST(store__goes_on_in_the_child),
        TEST(child__makes_pools_of_its_own),
        TEST(child__has_all_objects_and_may_do_everything),
        TEST(child__may_fork_again),
        TEST(child__runs_threads_and_a_compactor),
        TEST(forks__of_two_threads_at_once),
        TEST(fork__waits_for_any_number_of_threads),
        TEST(fork__in_the_pressure_callback_works),
        TEST(fork__in_a_read_section_does_not_wait),
        TEST(fork__of_a_mover_does_not_wait),
        TEST(posix_spawn__needs_nothing),
        TEST(readers_of_another_kind__are_forgotten), /* for ever here */
    };

#ifdef ZS_TSAN
    (void)tests; /* it does not follow threads into the child of a fork */
    return 77;
#else
    return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}
