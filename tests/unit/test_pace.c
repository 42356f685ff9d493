/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of lib/base/pace.c, and of what movers make of it: when a step
 * begins and ends, how it is counted, and that moves keep to its limits. The
 * clock and the context switches are the test's.
 */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "os.h"
#include "pool_impl.h"
#include "step.h"
#include "zspool/compactor.h"

#define US UINT64_C(1000)

/* --- the operating system: time passes when a test says so --- */

static struct zs_os real_os;
static _Atomic uint64_t clock_ns, n_switches;

static uint64_t fake_now(void)
{
    return atomic_load_explicit(&clock_ns, memory_order_relaxed);
}

static uint64_t fake_switches(void)
{
    return atomic_load_explicit(&n_switches, memory_order_relaxed);
}

static void pass_time(uint64_t ns)
{
    atomic_fetch_add_explicit(&clock_ns, ns, memory_order_relaxed);
}

static void lose_the_processor(void)
{
    atomic_fetch_add_explicit(&n_switches, 1, memory_order_relaxed);
}

/* --- a pace and two locks --- */

static struct zs_pace pace;
static struct zs_lock outer, inner;
static unsigned n_points;

static int begin(void **unused)
{
    (void)unused;
    real_os = zs_os;
    atomic_store_explicit(&clock_ns, 1000 * US, memory_order_relaxed);
    zs_os.now_ns = fake_now;
    zs_os.thread_switches = fake_switches;
    memset(&pace, 0, sizeof(pace));
    zs_pace_init(&pace);
    zs_lock_init(&outer, ZS_RANK_CLASS);
    zs_lock_init(&inner, ZS_RANK_ARENA);
    n_points = 0;
    return 0;
}

static int end(void **unused)
{
    (void)unused;
    zs_lock_destroy(&outer);
    zs_lock_destroy(&inner);
    zs_os = real_os;
    return 0;
}

static struct zs_histogram_figures figures_of(const struct zs_histogram *h)
{
    struct zs_histogram_figures f;

    zs_histogram_read(h, &f);
    return f;
}

static void assert_steps(uint64_t n, uint64_t sum_ns)
{
    struct zs_histogram_figures f = figures_of(&pace.steps);

    assert_int_equal(f.n, n);
    assert_int_equal(f.sum, sum_ns);
}

static void assert_switched_steps(uint64_t n, uint64_t sum_ns)
{
    struct zs_histogram_figures f = figures_of(&pace.steps_switched);

    assert_int_equal(f.n, n);
    assert_int_equal(f.sum, sum_ns);
}

static void hold_for(struct zs_lock *l, uint64_t ns)
{
    zs_lock_acquire(l);
    pass_time(ns);
    zs_lock_release(l);
}

static void count_point(void *ctx)
{
    assert_ptr_equal(ctx, &n_points);
    n_points++;
}

static void begin_pausing_pass(void)
{
    zs_mover_begins(&pace);
    pace.point = count_point;
    pace.point_ctx = &n_points;
}

/* --- the step clock --- */

static void step__is_while_a_lock_is_held(void **unused)
{
    (void)unused;
    zs_mover_begins(&pace);
    hold_for(&outer, 3 * US);
    pass_time(50 * US); /* between two steps */
    hold_for(&outer, 4 * US);
    zs_mover_ends();
    assert_steps(2, 7 * US);
}

static void nested_locks__are_one_step(void **unused)
{
    (void)unused;
    zs_mover_begins(&pace);
    zs_lock_acquire(&outer);
    pass_time(1 * US);
    hold_for(&inner, 2 * US);
    pass_time(4 * US);
    zs_lock_release(&outer);
    zs_mover_ends();
    assert_steps(1, 7 * US);
}

/* The zspage is closed under the lock and opened under it, much later. */
static void closed_zspage_and_its_lock__are_one_step(void **unused)
{
    (void)unused;
    zs_mover_begins(&pace);
    zs_lock_acquire(&outer);
    zs_step_enter();
    zs_lock_release(&outer);
    pass_time(20 * US);
    zs_lock_acquire(&outer);
    zs_step_leave();
    pass_time(1 * US);
    zs_lock_release(&outer);
    zs_mover_ends();
    assert_steps(1, 21 * US);
}

static void lock_that_could_be_had__begins_a_step(void **unused)
{
    (void)unused;
    zs_mover_begins(&pace);
    assert_true(zs_lock_try_acquire(&outer));
    pass_time(5 * US);
    zs_lock_release(&outer);
    zs_mover_ends();
    assert_steps(1, 5 * US);
}

/* Nobody but movers and compactors takes those. */
static void locks_before_the_caches__are_no_steps(void **unused)
{
    struct zs_lock early;

    (void)unused;
    zs_lock_init(&early, ZS_RANK_TYPES);
    zs_mover_begins(&pace);
    hold_for(&early, 5 * US);
    zs_mover_ends();
    zs_lock_destroy(&early);
    assert_steps(0, 0);
}

static void who_is_no_mover__records_nothing(void **unused)
{
    (void)unused;
    hold_for(&outer, 5 * US);
    zs_step_enter();
    zs_step_leave();
    zs_mover_begins(&pace);
    assert_true(zs_is_mover());
    zs_mover_ends();
    assert_false(zs_is_mover());
    hold_for(&outer, 5 * US);
    assert_steps(0, 0);
    assert_switched_steps(0, 0);
}

static void *hold_both(void *unused)
{
    (void)unused;
    hold_for(&outer, 5 * US);
    hold_for(&inner, 5 * US);
    zs_pace_point(&pace);
    return NULL;
}

static void other_threads__record_nothing_beside_a_mover(void **unused)
{
    pthread_t other;

    (void)unused;
    begin_pausing_pass();
    assert_int_equal(pthread_create(&other, NULL, hold_both, NULL), 0);
    pthread_join(other, NULL);
    zs_mover_ends();
    assert_steps(0, 0);
    assert_int_equal(n_points, 0);
}

/* --- steps that lost the processor --- */

static void long_step_with_a_switch__is_counted_apart(void **unused)
{
    (void)unused;
    zs_mover_begins(&pace);
    zs_lock_acquire(&outer);
    pass_time(500 * US);
    lose_the_processor();
    zs_lock_release(&outer);
    hold_for(&outer, 400 * US); /* that one is the mover's own */
    zs_mover_ends();
    assert_steps(1, 400 * US);
    assert_switched_steps(1, 500 * US);
}

static void short_step_with_a_switch__is_like_any_other(void **unused)
{
    (void)unused;
    zs_mover_begins(&pace);
    zs_lock_acquire(&outer);
    pass_time(20 * US);
    lose_the_processor();
    zs_lock_release(&outer);
    zs_mover_ends();
    assert_steps(1, 20 * US);
    assert_switched_steps(0, 0);
}

static void switches_before_the_pass__belong_to_no_step(void **unused)
{
    (void)unused;
    lose_the_processor();
    zs_mover_begins(&pace);
    hold_for(&outer, 500 * US);
    zs_mover_ends();
    assert_switched_steps(0, 0);
}

static void switches_at_a_point__belong_to_no_step(void **unused)
{
    (void)unused;
    zs_mover_begins(&pace);
    lose_the_processor();
    zs_pace_look_at_switches(&pace);
    hold_for(&outer, 500 * US);
    zs_mover_ends();
    assert_switched_steps(0, 0);
}

/* --- when a step is over --- */

static void step__is_over_at_half_its_time(void **unused)
{
    (void)unused;
    atomic_store_explicit(&pace.step_ns, 80 * US, memory_order_relaxed);
    zs_mover_begins(&pace);
    zs_lock_acquire(&outer);
    pass_time(40 * US);
    assert_false(zs_step_is_over());
    pass_time(1);
    assert_true(zs_step_is_over());
    zs_lock_release(&outer);
    zs_lock_acquire(&outer);
    assert_false(zs_step_is_over()); /* the next one has its own time */
    zs_lock_release(&outer);
    zs_mover_ends();
}

static void step_of_no_mover__is_never_over(void **unused)
{
    (void)unused;
    zs_lock_acquire(&outer);
    pass_time(10000 * US);
    assert_false(zs_step_is_over());
    zs_lock_release(&outer);
}

/* --- points --- */

static void points__are_for_passes_that_pause(void **unused)
{
    struct zs_pace other = { .point = count_point, .point_ctx = &n_points };

    (void)unused;
    zs_mover_begins(&pace);
    zs_pace_point(&pace);
    assert_false(zs_pace_pauses(&pace));
    zs_mover_ends();
    begin_pausing_pass();
    assert_true(zs_pace_pauses(&pace));
    zs_pace_point(&other); /* not this mover's arena */
    assert_int_equal(n_points, 0);
    zs_pace_point(&pace);
    assert_int_equal(n_points, 1);
    zs_mover_ends();
    zs_pace_point(&pace);
    assert_int_equal(n_points, 1);
}

static void pass__ends_when_it_says_so(void **unused)
{
    (void)unused;
    begin_pausing_pass();
    assert_false(zs_pace_is_ending(&pace));
    pace.ending = true;
    assert_true(zs_pace_is_ending(&pace));
    zs_mover_ends();
}

static void pass_that_does_not_pause__does_not_end_early(void **unused)
{
    (void)unused;
    zs_mover_begins(&pace);
    pace.ending = true;
    assert_false(zs_pace_is_ending(&pace));
    zs_mover_ends();
}

/* --- moves --- */

#define N_OBJECTS 600u
#define OBJ_BYTES 1000u

static struct zs_pool *pool;
static zs_handle_t objects[N_OBJECTS];
static size_t slot_bytes;

/* Between closing a zspage and opening it: objects copied, now and at most;
 * how many batches; what each copy takes. */
static unsigned n_copied, most_copied, n_batches;
static uint64_t copy_takes_ns;

static void watch_batch(enum zs_step step)
{
    switch (step) {
    case ZS_STEP_OBJ_CLOSED:
        n_copied = 0;
        break;
    case ZS_STEP_OBJ_COPYING:
        assert_int_equal(zs_step_clock.depth, 1);
        pass_time(copy_takes_ns);
        n_copied++;
        break;
    case ZS_STEP_OBJ_OPENED:
        assert_int_equal(zs_step_clock.depth, 0);
        most_copied = n_copied > most_copied ? n_copied : most_copied;
        n_batches++;
        break;
    default:
        break;
    }
}

static void fill(unsigned char *bytes, unsigned i)
{
    for (unsigned at = 0; at < OBJ_BYTES; at++) {
        bytes[at] = (unsigned char)(i * 31 + at * 7);
    }
}

/* Objects in full zspages, of which every second one is freed. */
static int make_pool(void **state)
{
    struct zs_pool_config cfg = {
        .private_arena = { .reserve_bytes = (size_t)64 << 20 },
        .max_zspages = 4096,
    };
    unsigned char bytes[OBJ_BYTES];

    begin(state);
    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        fill(bytes, i);
        assert_int_equal(zs_obj_create(pool, bytes, OBJ_BYTES, &objects[i]), 0);
    }
    for (unsigned i = 0; i < N_OBJECTS; i += 2) {
        zs_free(pool, objects[i]);
    }
    slot_bytes = zs_obj_size(pool, objects[1]);
    most_copied = n_batches = 0;
    copy_takes_ns = 0;
    atomic_store_explicit(&zs_step_hook, watch_batch, memory_order_release);
    return 0;
}

static int drop_pool(void **state)
{
    atomic_store_explicit(&zs_step_hook, NULL, memory_order_release);
    zs_pool_destroy(pool);
    return end(state);
}

static struct zs_pace *pool_pace(void)
{
    return &zs_pool_arena(pool)->pace;
}

static void assert_nothing_is_lost(void)
{
    unsigned char local[ZS_LOCAL_COPY_BYTES], want[OBJ_BYTES];
    struct zs_pool_stats s;

    for (unsigned i = 1; i < N_OBJECTS; i += 2) {
        const void *p = zs_obj_read_begin(pool, objects[i], local);

        fill(want, i);
        assert_memory_equal(p, want, OBJ_BYTES);
        zs_obj_read_end(pool);
    }
    zs_pool_stats(pool, &s);
    assert_int_equal(s.n_objects, N_OBJECTS / 2);
    assert_int_equal(s.live_bytes, N_OBJECTS / 2 * slot_bytes);
}

/* As dense as can be: so nothing was left where it was, either. */
static void compact_all(void)
{
    struct zs_pool_stats s;

    assert_int_equal(zs_compact(zs_pool_arena(pool), NULL), 0);
    assert_nothing_is_lost();
    zs_pool_stats(pool, &s);
    assert_true(s.zspage_resident_bytes <= s.live_bytes + 8 * ZS_PAGE_BYTES);
}

/* 10 us each, half of 100 us a step, a look each 4 KiB: 8 at most. */
static void copying__ends_when_the_step_is_over(void **unused)
{
    unsigned look_each = (unsigned)(4096 / slot_bytes);

    (void)unused;
    copy_takes_ns = 10 * US;
    compact_all();
    assert_true(n_batches > 0);
    assert_in_range(most_copied, 5, 5 + look_each);
}

/* However short a step is. */
static void copying__moves_on_in_any_time(void **unused)
{
    unsigned look_each = (unsigned)(4096 / slot_bytes);

    (void)unused;
    copy_takes_ns = 10 * US;
    atomic_store_explicit(&pool_pace()->step_ns, 1, memory_order_relaxed);
    compact_all();
    assert_int_equal(most_copied, look_each);
}

static void step_objects__are_the_most_in_a_step(void **unused)
{
    (void)unused;
    atomic_store_explicit(&pool_pace()->step_objects, 5, memory_order_relaxed);
    compact_all();
    assert_int_equal(most_copied, 5);
}

static void step_bytes__are_the_most_in_a_step(void **unused)
{
    (void)unused;
    atomic_store_explicit(&pool_pace()->step_bytes,
                          (uint32_t)slot_bytes * 4 - 1, memory_order_relaxed);
    compact_all();
    assert_int_equal(most_copied, 3);
}

static void step_bytes__let_one_object_through(void **unused)
{
    (void)unused;
    atomic_store_explicit(&pool_pace()->step_bytes, 1, memory_order_relaxed);
    compact_all();
    assert_int_equal(most_copied, 1);
}

/* The defaults do not split what is small. */
static void steps__are_as_large_as_they_may_be(void **unused)
{
    (void)unused;
    compact_all();
    assert_true(most_copied > 5);
    assert_true(most_copied * slot_bytes <= ZS_STEP_BYTES);
}

static void steps_of_a_move__are_in_the_statistics(void **unused)
{
    struct zs_histogram_figures f;

    (void)unused;
    copy_takes_ns = 10 * US;
    compact_all();
    f = figures_of(&pool_pace()->steps);
    assert_true(f.n >= n_batches);
    assert_int_equal(f.max, most_copied * 10 * US);
}

#define STEP(f) cmocka_unit_test_setup_teardown(f, begin, end)
#define MOVE(f) cmocka_unit_test_setup_teardown(f, make_pool, drop_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        STEP(step__is_while_a_lock_is_held),
        STEP(nested_locks__are_one_step),
        STEP(closed_zspage_and_its_lock__are_one_step),
        STEP(lock_that_could_be_had__begins_a_step),
        STEP(locks_before_the_caches__are_no_steps),
        STEP(who_is_no_mover__records_nothing),
        STEP(other_threads__record_nothing_beside_a_mover),
        STEP(long_step_with_a_switch__is_counted_apart),
        STEP(short_step_with_a_switch__is_like_any_other),
        STEP(switches_before_the_pass__belong_to_no_step),
        STEP(switches_at_a_point__belong_to_no_step),
        STEP(step__is_over_at_half_its_time),
        STEP(step_of_no_mover__is_never_over),
        STEP(points__are_for_passes_that_pause),
        STEP(pass__ends_when_it_says_so),
        STEP(pass_that_does_not_pause__does_not_end_early),
        MOVE(copying__ends_when_the_step_is_over),
        MOVE(copying__moves_on_in_any_time),
        MOVE(step_objects__are_the_most_in_a_step),
        MOVE(step_bytes__are_the_most_in_a_step),
        MOVE(step_bytes__let_one_object_through),
        MOVE(steps__are_as_large_as_they_may_be),
        MOVE(steps_of_a_move__are_in_the_statistics),
    };
    return cmocka_run_group_tests_name("pace", tests, NULL, NULL);
}
