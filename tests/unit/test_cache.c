/* SPDX-License-Identifier: MIT */
/* Unit tests of threads' caches (lib/zspage/cache.h). */
#include "cache.h"

#include <pthread.h>
#include <sched.h>

#include "offline_fixture.h"
#include "os.h"
#include "step.h"
#include "stops.h"

#define LEN 100u

static void begin(void)
{
    create(16, 0, 0);
    create_pool();
    memset(objects, 0, sizeof(objects));
}

static void end(void)
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

static void store_all(size_t len)
{
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        objects[i] = store(i, len);
    }
}

static void free_all(void)
{
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        zs_free(pool, objects[i]);
        objects[i].raw = 0;
    }
}

static uint64_t bound(void)
{
    struct zs_arena_stats stats;

    zs_arena_stats(arena, &stats);
    return stats.footprint_bytes / 400 > ZS_CACHE_MIN_BYTES
               ? stats.footprint_bytes / 400
               : ZS_CACHE_MIN_BYTES;
}

/* --- one thread --- */

static void freed_handle__is_the_next_one(void **unused)
{
    zs_handle_t h, again;

    (void)unused;
    begin();
    store_all(LEN);
    h = objects[7];
    zs_free(pool, h);
    assert_false(zs_handle_check(pool, h));
    assert_int_equal(stats_now().n_objects, N_OBJECTS - 1);
    assert_true(stats_now().n_cached_slots > 0);
    assert_int_equal(zs_malloc(pool, LEN, &again), 0);
    assert_int_equal(again.raw, h.raw);
    assert_true(zs_handle_check(pool, h));
    assert_int_equal(stats_now().n_objects, N_OBJECTS);
    end();
}

/* Sizes at both sides of each class, and of what is cached at all. */
static void every_size__is_cached_or_not_and_right(void **unused)
{
    (void)unused;
    begin();
    for (unsigned turn = 0; turn < 3; turn++) {
        for (unsigned i = 0; i < 1200; i++) {
            objects[i] = store(i, i + 1);
        }
        for (unsigned i = 0; i < 1200; i++) {
            assert_object_is_right(objects[i], i, i + 1);
            assert_true(zs_obj_size(pool, objects[i]) >= i + 1);
            zs_free(pool, objects[i]);
        }
    }
    assert_int_equal(stats_now().n_objects, 0);
    assert_int_equal(stats_now().live_bytes, 0);
    assert_in_range(stats_now().cached_bytes, 1, bound());
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_int_equal(stats_now().n_cached_slots, 0);
    assert_int_equal(stats_now().n_zspages, 0);
    end();
}

static void small_pool__takes_slots_a_little_larger_at_most(void **unused)
{
    uint64_t rng = 1;

    (void)unused;
    begin();
    store_all(LEN);
    for (unsigned i = 0; i < 100000; i++) {
        unsigned at = (unsigned)(rng = rng * 6364136223846793005u + 1) >> 5;
        zs_handle_t *h = &objects[at % N_OBJECTS];
        size_t len = 64 + (rng >> 40) % 449;

        zs_free(pool, *h);
        assert_int_equal(zs_malloc(pool, len, h), 0);
        assert_in_range(zs_obj_size(pool, *h), len, len / 4 * 5 + 16);
    }
    assert_in_range(stats_now().cached_bytes, 0, bound());
    end();
}

/* The first `len` bytes of an object are those that were given. */
static void create_and_compare(size_t len, size_t size)
{
    unsigned char bytes[1200], copy[ZS_LOCAL_COPY_BYTES];
    zs_handle_t h;

    for (size_t i = 0; i < len; i++) {
        bytes[i] = byte_of((unsigned)(len + size), i);
    }
    assert_int_equal(zs_obj_create_sized(pool, bytes, len, size, &h), 0);
    assert_true(zs_obj_size(pool, h) >= size);
    assert_memory_equal(zs_obj_read_begin(pool, h, copy), bytes, len);
    zs_obj_read_end(pool);
    if (size % 3 == 0) { /* so that all slots of some zspages come about */
        zs_free(pool, h);
    }
}

static void create_sized__stores_the_first_bytes(void **unused)
{
    (void)unused;
    begin();
    for (size_t size = 1; size <= 1100; size += size < 80 ? 1 : 17) {
        for (size_t len = 0; len <= size; len += len < 20 ? 1 : 37) {
            create_and_compare(len, size);
        }
    }
    end();
}

static void create_sized__beyond_the_object_is_einval(void **unused)
{
    zs_handle_t h = { 77 };

    (void)unused;
    begin();
    assert_int_equal(zs_malloc(pool, LEN, &h), 0);
    zs_free(pool, h);
    h.raw = 77;
    assert_int_equal(zs_obj_create_sized(pool, "123", 4, 3, &h), -EINVAL);
    assert_int_equal(zs_obj_create_sized(pool, "", 0, 0, &h), -EINVAL);
    assert_int_equal(h.raw, 77);
    assert_int_equal(stats_now().n_objects, 0);
    end();
}

static void ten_pools__have_a_cache_each(void **unused)
{
    struct zs_pool *pools[10];
    zs_handle_t h[10];

    (void)unused;
    create(16, 0, 0);
    for (unsigned i = 0; i < 10; i++) {
        create_pool();
        pools[i] = pool;
        assert_int_equal(zs_malloc(pool, LEN, &h[i]), 0);
    }
    for (unsigned turn = 0; turn < 100; turn++) {
        for (unsigned i = 0; i < 10; i++) {
            zs_free(pools[i], h[i]);
            assert_int_equal(zs_malloc(pools[i], LEN, &h[i]), 0);
        }
    }
    for (unsigned i = 0; i < 10; i++) {
        struct zs_pool_stats stats;

        zs_pool_stats(pools[i], &stats);
        assert_int_equal(stats.n_objects, 1);
        zs_pool_destroy(pools[i]);
    }
    destroy();
}

static void *(*real_reserve)(size_t bytes, size_t align);

static void *no_room(size_t bytes, size_t align)
{
    (void)bytes;
    (void)align;
    return NULL;
}

static void no_memory_for_a_cache__is_no_error(void **unused)
{
    (void)unused;
    begin();
    real_reserve = zs_os.reserve;
    zs_os.reserve = no_room;
    store_all(LEN);
    free_all();
    assert_int_equal(stats_now().n_cached_slots, 0);
    assert_int_equal(stats_now().n_objects, 0);
    zs_os.reserve = real_reserve;
    store_all(LEN);
    free_all();
    assert_true(stats_now().n_cached_slots > 0);
    assert_figures_are_true();
    end();
}

/* --- bad use --- */

static char local[ZS_LOCAL_COPY_BYTES];
static void free_it(void)
{
    zs_free(pool, objects[0]);
}
static void defer_it(void)
{
    zs_free_deferred(pool, objects[0]);
}
static void read_it(void)
{
    (void)zs_obj_read_begin(pool, objects[0], local);
}
static void ask_it(void)
{
    (void)zs_obj_size(pool, objects[0]);
}
static void write_it(void)
{
    (void)!zs_obj_write(pool, objects[0], 0, "", 1);
}
static void replace_it(void)
{
    (void)!zs_obj_replace(pool, objects[0], "", 1);
}
static void free_none(void)
{
    zs_free(pool, (zs_handle_t){ 0 });
}
static void free_far(void)
{
    zs_free(pool, (zs_handle_t){ 0x3fffffff });
}

static void cached_handle__is_dead(void **unused)
{
    static void (*const bad_uses[])(void) = { free_it, defer_it, read_it,
                                              ask_it,  write_it, replace_it };

    (void)unused;
    begin();
    store_all(LEN);
    zs_free(pool, objects[0]);
    for (unsigned i = 0; i < 6; i++) {
        assert_stops(bad_uses[i], "not a live handle", "freed twice");
    }
    assert_stops(free_none, "zs_free", "no such handle");
    assert_stops(free_far, "zs_free", "no such handle");
    end();
}

/* --- threads that sleep --- */

struct sleeper {
    pthread_t thread;
    pthread_barrier_t *asleep, *awake;
    unsigned seed;
};

/* Fills its cache, sleeps until it is told, and goes on. */
static void *fill_and_sleep(void *arg)
{
    struct sleeper *s = arg;
    zs_handle_t mine[500];
    uint64_t rng = s->seed;

    for (unsigned turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < 500; i++) {
            rng = rng * 6364136223846793005u + 1442695040888963407u;
            assert_int_equal(zs_malloc(pool, 1 + (rng >> 40) % 1024, &mine[i]),
                             0);
        }
        for (unsigned i = 0; i < 500; i++) {
            zs_free(pool, mine[i]);
        }
        pthread_barrier_wait(s->asleep);
        pthread_barrier_wait(s->awake);
    }
    return NULL;
}

static pthread_barrier_t asleep, awake;
static struct sleeper sleepers[8];
static unsigned n_sleepers;

static void put_to_sleep(unsigned n)
{
    n_sleepers = n;
    pthread_barrier_init(&asleep, NULL, n + 1);
    pthread_barrier_init(&awake, NULL, n + 1);
    for (unsigned i = 0; i < n; i++) {
        sleepers[i] = (struct sleeper){ .asleep = &asleep,
                                        .awake = &awake,
                                        .seed = i + 1 };
        assert_int_equal(pthread_create(&sleepers[i].thread, NULL,
                                        fill_and_sleep, &sleepers[i]),
                         0);
    }
    pthread_barrier_wait(&asleep);
}

/* They go on, sleep once more, and end. */
static void wake_up(void)
{
    pthread_barrier_wait(&awake);
    pthread_barrier_wait(&asleep);
    pthread_barrier_wait(&awake);
    for (unsigned i = 0; i < n_sleepers; i++) {
        pthread_join(sleepers[i].thread, NULL);
    }
    pthread_barrier_destroy(&asleep);
    pthread_barrier_destroy(&awake);
}

static void caches__hold_no_more_than_they_may_together(void **unused)
{
    zs_handle_t h;

    (void)unused;
    for (unsigned n = 1; n <= 8; n *= 2) {
        begin();
        put_to_sleep(n);
        assert_in_range(stats_now().cached_bytes, 1, bound());
        assert_int_equal(zs_malloc(pool, LEN, &h), 0); /* one more joins */
        assert_in_range(stats_now().cached_bytes, 0, bound());
        wake_up();
        zs_free(pool, h);
        end();
    }
}

static void sleeping_thread__loses_its_cache_to_a_compaction(void **unused)
{
    (void)unused;
    begin();
    put_to_sleep(3);
    assert_true(stats_now().n_cached_slots > 0);
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_int_equal(stats_now().n_cached_slots, 0);
    assert_int_equal(stats_now().n_zspages, 0);
    wake_up();
    assert_int_equal(stats_now().n_objects, 0);
    end();
}

static void sleeping_thread__loses_its_cache_to_a_shrink(void **unused)
{
    struct zs_shrink_result r;

    (void)unused;
    begin();
    put_to_sleep(3);
    (void)!zs_arena_shrink(arena, 64 << 20, 0, &r);
    assert_int_equal(stats_now().n_cached_slots, 0);
    wake_up();
    end();
}

static void ended_thread__leaves_nothing(void **unused)
{
    struct zs_arena_stats before, after;

    (void)unused;
    begin();
    zs_arena_stats(arena, &before);
    put_to_sleep(4);
    wake_up();
    assert_int_equal(stats_now().n_cached_slots, 0);
    assert_null(pool->caches);
    assert_int_equal(zs_compact(arena, NULL), 0);
    zs_arena_stats(arena, &after);
    assert_in_range(after.metadata_bytes, before.metadata_bytes,
                    before.metadata_bytes + 4 * PAGE);
    assert_figures_are_true();
    end();
}

static pthread_barrier_t two;

static void *keep_handles(void *unused)
{
    zs_handle_t h;

    (void)unused;
    assert_int_equal(zs_malloc(pool, LEN, &h), 0);
    zs_free(pool, h);
    pthread_barrier_wait(&two);
    pthread_barrier_wait(&two); /* sleeps */
    return NULL;
}

/* What a sleeping thread has at hand is taken before an allocation fails. */
static void no_handles__are_left_in_caches_before_enospc(void **unused)
{
    enum { N = 900 };
    struct zs_pool_config cfg = {
        .private_arena = { .reserve_bytes = 64 << 20 },
        .max_objects = N,
    };
    pthread_t thread;
    unsigned n = 0;
    zs_handle_t h;

    (void)unused;
    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    pthread_barrier_init(&two, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, keep_handles, NULL), 0);
    pthread_barrier_wait(&two);
    while (zs_malloc(pool, 8 + n * 61 % 1000, &h) == 0) {
        n++;
    }
    assert_int_equal(n, 1024 - ZS_HANDLES_TOGETHER);
    pthread_barrier_wait(&two);
    pthread_join(thread, NULL);
    pthread_barrier_destroy(&two);
    zs_pool_destroy(pool);
}

/* --- two threads --- */

static _Atomic uint32_t exchange[256];
static _Atomic bool done;

static void *exchange_objects(void *arg)
{
    uint64_t rng = (uintptr_t)arg;
    uintptr_t wrong = 0;

    for (unsigned i = 0; i < 100000; i++) {
        unsigned char bytes[208] = { 0 };
        zs_handle_t h;
        uint32_t old;

        rng = rng * 6364136223846793005u + 1442695040888963407u;
        memset(bytes, (int)(rng >> 50), 8);
        if (zs_obj_create(pool, bytes, 8 + (rng >> 40) % 200, &h) != 0) {
            return (void *)1;
        }
        old = atomic_exchange_explicit(&exchange[(rng >> 33) % 256], h.raw,
                                       memory_order_acq_rel);
        if (old != 0) {
            unsigned char copy[ZS_LOCAL_COPY_BYTES];
            const unsigned char *p =
                zs_obj_read_begin(pool, (zs_handle_t){ old }, copy);

            for (unsigned b = 1; b < 8; b++) {
                wrong += p[b] != p[0];
            }
            zs_obj_read_end(pool);
            zs_free(pool, (zs_handle_t){ old });
        }
    }
    return (void *)wrong;
}

static void *compact_all_the_time(void *unused)
{
    (void)unused;
    while (!atomic_load_explicit(&done, memory_order_relaxed)) {
        if (zs_compact(arena, NULL) != 0) {
            return (void *)1;
        }
    }
    return NULL;
}

static void objects__are_freed_by_others_while_they_are_moved(void **unused)
{
    pthread_t threads[3];
    void *wrong;

    (void)unused;
    begin();
    atomic_store_explicit(&done, false, memory_order_relaxed);
    for (uintptr_t i = 0; i < 2; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, exchange_objects,
                                        (void *)(i + 1)),
                         0);
    }
    assert_int_equal(
        pthread_create(&threads[2], NULL, compact_all_the_time, NULL), 0);
    for (unsigned i = 0; i < 3; i++) {
        if (i == 2) {
            atomic_store_explicit(&done, true, memory_order_relaxed);
        }
        pthread_join(threads[i], &wrong);
        assert_null(wrong);
    }
    for (unsigned i = 0; i < 256; i++) {
        uint32_t raw =
            atomic_exchange_explicit(&exchange[i], 0, memory_order_relaxed);

        if (raw != 0) {
            zs_free(pool, (zs_handle_t){ raw });
        }
    }
    assert_int_equal(stats_now().n_objects, 0);
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_int_equal(stats_now().n_zspages, 0);
    end();
}

/* --- movers --- */

static zs_pfn_t page_of(zs_handle_t h)
{
    const char *p = zs_obj_read_begin(pool, h, local);
    zs_pfn_t page =
        (zs_pfn_t)((size_t)(p - (const char *)zs_page_addr(arena, 0)) / PAGE);

    zs_obj_read_end(pool);
    return page;
}

static const struct zs_evacuation_ops *ops = &zspage_evacuation_ops;

/* As a pass does it, but without emptying caches first. */
static void detach(zs_pfn_t page)
{
    zs_pfn_t end;

    zs_lock_acquire(&arena->pass_lock);
    ops->detach(pool, page, &end);
    zs_lock_release(&arena->pass_lock);
}

static void move_and_attach(zs_pfn_t page)
{
    zs_pfn_t end;

    zs_lock_acquire(&arena->pass_lock);
    (void)ops->move_objects(pool, page, &end);
    ops->attach_all(pool);
    zs_grace_flush(&arena->grace);
    zs_lock_release(&arena->pass_lock);
}

static void cached_slot__is_moved_with_its_zspage(void **unused)
{
    uint32_t before;
    zs_pfn_t page;
    zs_handle_t h;

    (void)unused;
    begin();
    store_all(LEN);
    for (unsigned i = N_OBJECTS - 40; i < N_OBJECTS; i++) {
        zs_free(pool, objects[i]);
    }
    zs_free(pool, objects[0]); /* a full zspage moves by its pages */
    zs_free(pool, objects[1]);
    caches_empty(pool);
    h = objects[2];
    page = page_of(h);
    zs_free(pool, h);
    before = zs_slot_load(&pool->handles, h.raw);
    assert_int_equal(zs_slot_state(before), ZS_SLOT_CACHED);
    detach(page);
    move_and_attach(page);
    assert_int_not_equal(zs_slot_load(&pool->handles, h.raw), before);
    assert_int_equal(zs_malloc(pool, LEN, &objects[2]), 0);
    assert_int_equal(objects[2].raw, h.raw);
    assert_int_equal(zs_obj_write(pool, h, 0, "moved", 6), 0);
    for (unsigned i = 3; i < N_OBJECTS - 40; i++) {
        assert_object_is_right(objects[i], i, LEN);
    }
    end();
}

static void detached_zspage__is_left_alone_by_caches(void **unused)
{
    zs_handle_t cached, live, h;
    zs_pfn_t page;
    uint32_t before;

    (void)unused;
    begin();
    store_all(LEN);
    cached = objects[2];
    live = objects[3];
    page = page_of(cached);
    zs_free(pool, cached);
    before = zs_slot_load(&pool->handles, cached.raw);
    detach(page);
    zs_free(pool, live); /* not into the cache */
    assert_int_equal(zs_slot_state(zs_slot_load(&pool->handles, live.raw)),
                     ZS_SLOT_FREE);
    assert_int_equal(zs_malloc(pool, LEN, &h), 0);
    assert_int_not_equal(h.raw, cached.raw);
    assert_int_equal(zs_slot_load(&pool->handles, cached.raw), before);
    zs_free(pool, h);
    move_and_attach(page);
    for (unsigned i = 4; i < N_OBJECTS; i++) {
        assert_object_is_right(objects[i], i, LEN);
    }
    assert_int_equal(stats_now().n_objects, N_OBJECTS - 2);
    end();
}

#if ZS_CHECKS >= 1 /* there are steps */
static _Atomic bool mover_began, mover_closed;

static void note_closed(enum zs_step step)
{
    if (step == ZS_STEP_OBJ_CLOSED) {
        atomic_store_explicit(&mover_closed, true, memory_order_release);
    }
}

static void *move_page(void *page)
{
    atomic_store_explicit(&mover_began, true, memory_order_release);
    move_and_attach((zs_pfn_t)(uintptr_t)page);
    return NULL;
}

/* A section that has seen the zspage as its caches' own is waited for. */
static void mover__waits_for_a_section_under_way(void **unused)
{
    struct zs_cache *c;
    pthread_t mover;
    zs_pfn_t page;

    (void)unused;
    begin();
    store_all(LEN);
    zs_free(pool, objects[0]); /* a full zspage moves by its pages */
    caches_empty(pool);
    c = cache_of_thread(pool);
    page = page_of(objects[1]);
    atomic_store_explicit(&zs_step_hook, note_closed, memory_order_release);
    assert_true(cache_enter(c));
    detach(page);
    assert_int_equal(
        pthread_create(&mover, NULL, move_page, (void *)(uintptr_t)page), 0);
    while (!atomic_load_explicit(&mover_began, memory_order_acquire)) {
        sched_yield();
    }
    for (unsigned i = 0; i < 1000; i++) {
        sched_yield();
        assert_false(atomic_load_explicit(&mover_closed, memory_order_acquire));
    }
    cache_leave(c);
    pthread_join(mover, NULL);
    assert_true(atomic_load_explicit(&mover_closed, memory_order_acquire));
    atomic_store_explicit(&zs_step_hook, NULL, memory_order_release);
    end();
}
#endif

/* --- ends of pools --- */

static void *outlive_a_pool(void *unused)
{
    zs_handle_t h;

    (void)unused;
    assert_int_equal(zs_malloc(pool, LEN, &h), 0);
    zs_free(pool, h);
    pthread_barrier_wait(&two); /* the pool ends */
    pthread_barrier_wait(&two); /* there is another one */
    assert_int_equal(zs_malloc(pool, LEN, &h), 0);
    zs_free(pool, h);
    return NULL;
}

static void thread__may_outlive_a_pool(void **unused)
{
    pthread_t thread;

    (void)unused;
    begin();
    pthread_barrier_init(&two, NULL, 2);
    assert_int_equal(pthread_create(&thread, NULL, outlive_a_pool, NULL), 0);
    pthread_barrier_wait(&two);
    zs_pool_destroy(pool);
    create_pool();
    pthread_barrier_wait(&two);
    pthread_join(thread, NULL);
    assert_int_equal(stats_now().n_cached_slots, 0);
    pthread_barrier_destroy(&two);
    end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(freed_handle__is_the_next_one),
        cmocka_unit_test(every_size__is_cached_or_not_and_right),
        cmocka_unit_test(small_pool__takes_slots_a_little_larger_at_most),
        cmocka_unit_test(create_sized__stores_the_first_bytes),
        cmocka_unit_test(create_sized__beyond_the_object_is_einval),
        cmocka_unit_test(ten_pools__have_a_cache_each),
        cmocka_unit_test(no_memory_for_a_cache__is_no_error),
        cmocka_unit_test(cached_handle__is_dead),
        cmocka_unit_test(caches__hold_no_more_than_they_may_together),
        cmocka_unit_test(sleeping_thread__loses_its_cache_to_a_compaction),
        cmocka_unit_test(sleeping_thread__loses_its_cache_to_a_shrink),
        cmocka_unit_test(ended_thread__leaves_nothing),
        cmocka_unit_test(objects__are_freed_by_others_while_they_are_moved),
        cmocka_unit_test(cached_slot__is_moved_with_its_zspage),
        cmocka_unit_test(detached_zspage__is_left_alone_by_caches),
#if ZS_CHECKS >= 1
        cmocka_unit_test(mover__waits_for_a_section_under_way),
#endif
        cmocka_unit_test(thread__may_outlive_a_pool),
        cmocka_unit_test(no_handles__are_left_in_caches_before_enospc),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
