/* SPDX-License-Identifier: MIT */
/* Unit tests of compactor/thread.c: one thread, its arenas, its budget, and
 * when it looks at them. */
#include "compactor_fixture.h"

/* --- arenas come and go --- */

static void add__is_refused_for_an_arena_that_has_a_compactor(void **unused)
{
    struct zs_compactor *other = NULL;

    (void)unused;
    start_compactor(NULL, HOUR_NS);
    look_after(0);
    assert_int_equal(zs_compactor_add(compactor, rigs[0].arena), -EBUSY);
    assert_int_equal(zs_compactor_start(rigs[0].arena, NULL, &other), -EBUSY);
    assert_null(other);
    assert_int_equal(zs_compactor_start(NULL, NULL, &other), 0);
    assert_int_equal(zs_compactor_add(other, rigs[0].arena), -EBUSY);
    zs_compactor_stop(other);
    assert_int_equal(zs_compactor_stats(compactor, rigs[0].arena,
                                        &(struct zs_compactor_stats){ 0 }),
                     0);
}

static void remove__is_for_the_compactors_own_arenas(void **unused)
{
    struct zs_compactor_stats none;

    (void)unused;
    start_compactor(NULL, HOUR_NS);
    assert_int_equal(zs_compactor_remove(compactor, rigs[0].arena), -ENOENT);
    look_after(0);
    assert_int_equal(zs_compactor_remove(compactor, rigs[1].arena), -ENOENT);
    assert_int_equal(zs_compactor_remove(compactor, rigs[0].arena), 0);
    assert_int_equal(zs_compactor_remove(compactor, rigs[0].arena), -ENOENT);
    assert_int_equal(zs_compactor_stats(compactor, rigs[0].arena, &none),
                     -ENOENT);
    look_after(0); /* it may come back */
}

static void *no_memory(size_t bytes)
{
    (void)bytes;
    return NULL;
}

static void add__without_memory_leaves_the_arena_free(void **unused)
{
    (void)unused;
    start_compactor(NULL, HOUR_NS);
    zs_os.alloc = no_memory;
    assert_int_equal(zs_compactor_add(compactor, rigs[0].arena), -ENOMEM);
    zs_os.alloc = real_os.alloc;
    look_after(0);
}

static void start__without_memory_fails(void **unused)
{
    (void)unused;
    zs_os.alloc = no_memory;
    assert_int_equal(zs_compactor_start(NULL, NULL, &compactor), -ENOMEM);
    zs_os.alloc = real_os.alloc;
    assert_null(compactor);
}

static void add__refuses_a_limit_below_the_watermarks(void **unused)
{
    struct zs_compactor_config cfg = { .high_bytes = (uint64_t)9 << 20 };

    (void)unused;
    drop_rig(&rigs[0]);
    make_rig(&rigs[0], (size_t)8 << 20);
    assert_int_equal(zs_compactor_start(rigs[0].arena, &cfg, &compactor),
                     -EINVAL);
    assert_int_equal(zs_compactor_start(NULL, &cfg, &compactor), 0);
    assert_int_equal(zs_compactor_add(compactor, rigs[0].arena), -EINVAL);
    look_after(1); /* no limit: no marks */
}

static int refuse_thread(pthread_t *out, void *(*run)(void *), void *arg)
{
    (void)out;
    (void)run;
    (void)arg;
    return -EAGAIN;
}

static void start__fails_cleanly(void **unused)
{
    struct zs_compactor_config cfg = { .budget.high_permille = 1001 };

    (void)unused;
    assert_int_equal(zs_compactor_start(rigs[0].arena, &cfg, &compactor),
                     -EINVAL);
    zs_os.thread_start = refuse_thread;
    assert_int_equal(zs_compactor_start(rigs[0].arena, NULL, &compactor),
                     -EAGAIN);
    zs_os.thread_start = real_os.thread_start;
    assert_null(compactor);
    zs_compactor_stop(NULL);
    start_compactor(NULL, HOUR_NS);
    look_after(0); /* nobody has it */
}

static void one_thread__looks_after_all_its_arenas(void **unused)
{
    static const struct zs_compact_budget budget = FULL_SHARE;

    (void)unused;
    start_compactor(&budget, HOUR_NS);
    for (unsigned i = 0; i < N_RIGS; i++) {
        look_after(i);
        fill_rig(&rigs[i]);
        make_holes(&rigs[i], 8);
    }
    zs_compactor_kick(compactor);
    for (unsigned i = 0; i < N_RIGS; i++) {
        /* a live block, and no more than two empty ones */
        WAIT_FOR(arena_stats(i).resident_bytes <= 3 * ZS_BLOCK_BYTES);
    }
}

/* --- a pass that pauses for long --- */

static _Atomic uint64_t cpu_ns;

/* Each look costs ten seconds, so each pause is a quarter of an hour. */
static uint64_t much_cpu(void)
{
    return atomic_fetch_add_explicit(&cpu_ns, UINT64_C(10000000000),
                                     memory_order_relaxed);
}

/* Returns when the pass stands in its first pause, or is about to. */
static void begin_long_pause(void)
{
    static const struct zs_compact_budget budget = { .share_percent = 1,
                                                     .max_share_percent = 1 };

    zs_os.thread_cpu_ns = much_cpu;
    fill_rig(&rigs[0]);
    make_holes(&rigs[0], 8);
    start_compactor(&budget, HOUR_NS);
    look_after(0);
    zs_compactor_kick(compactor);
    WAIT_FOR(stats_of(0).passes == 1 && stats_of(0).cpu_ns > 0);
}

static void remove__ends_a_pause(void **unused)
{
    (void)unused;
    begin_long_pause();
    assert_int_equal(zs_compactor_remove(compactor, rigs[0].arena), 0);
    drop_rig(&rigs[0]); /* that is what it is for */
}

static void stop__ends_a_pause(void **unused)
{
    (void)unused;
    begin_long_pause();
    zs_compactor_stop(compactor);
    compactor = NULL;
}

static void pause__ends_a_pass(void **unused)
{
    (void)unused;
    begin_long_pause();
    zs_compactor_pause(compactor);
    WAIT_FOR(stats_of(0).passes_ended_early >= 1);
}

static void compact__ends_a_pause(void **unused)
{
    (void)unused;
    begin_long_pause();
    assert_int_equal(zs_compact(rigs[0].arena, NULL), 0);
    assert_true(ratio(0) < 1.05);
    WAIT_FOR(stats_of(0).passes_ended_early >= 1);
}

static void pool_destroy__ends_a_pause(void **unused)
{
    struct zs_pool_config cfg = { 0 };
    struct zs_pool *other;

    (void)unused;
    cfg.arena = rigs[0].arena;
    assert_int_equal(zs_pool_create(&cfg, &other), 0);
    begin_long_pause();
    zs_pool_destroy(other);
    zs_pool_destroy(rigs[0].pool);
    rigs[0].pool = NULL;
}

static void pauses__are_counted(void **unused)
{
    (void)unused;
    begin_long_pause();
    zs_compactor_pause(compactor);
    WAIT_FOR(stats_of(0).paused_ns > 0);
    assert_true(stats_of(0).cpu_ns >= UINT64_C(10000000000));
}

/* --- budget --- */

static void budget__is_complete_when_read(void **unused)
{
    struct zs_compact_budget b;

    (void)unused;
    start_compactor(NULL, HOUR_NS);
    zs_compactor_budget(compactor, &b);
    assert_int_equal(b.low_permille, 7);
    assert_int_equal(b.high_permille, 10);
    assert_int_equal(b.share_percent, 5);
    assert_int_equal(b.max_share_percent, 100);
    assert_int_equal(b.step_ns, 100000);
    assert_int_equal(b.step_bytes, 64 * 1024);
    assert_int_equal(b.step_objects, 256);
    assert_int_equal(b.reserve_bytes, 2 << 20);
    assert_int_equal(b.decay_ns, 500000000);
}

static void budget__is_what_was_set(void **unused)
{
    static const struct zs_compact_budget set = {
        .low_permille = 3,
        .high_permille = 7,
        .share_percent = 11,
        .max_share_percent = 13,
        .step_ns = 17,
        .step_bytes = 19,
        .step_objects = 23,
        .reserve_bytes = ZS_RESERVE_NOTHING,
        .decay_ns = 29,
    };
    struct zs_compact_budget got;

    (void)unused;
    start_compactor(NULL, HOUR_NS);
    assert_int_equal(zs_compactor_set_budget(compactor, &set), 0);
    zs_compactor_budget(compactor, &got);
    assert_memory_equal(&got, &set, sizeof(got));
}

static void budget_out_of_range__leaves_the_old_one(void **unused)
{
    static const struct zs_compact_budget bad[] = {
        { .high_permille = 1001 },
        { .low_permille = 9, .high_permille = 8 },
        { .max_share_percent = 101 },
        { .share_percent = 9, .max_share_percent = 8 },
        { .step_objects = 257 },
    };
    struct zs_compact_budget before, after;

    (void)unused;
    start_compactor(NULL, HOUR_NS);
    zs_compactor_budget(compactor, &before);
    for (unsigned i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(zs_compactor_set_budget(compactor, &bad[i]), -EINVAL);
    }
    zs_compactor_budget(compactor, &after);
    assert_memory_equal(&before, &after, sizeof(before));
}

static void steps__follow_the_budget(void **unused)
{
    struct zs_compact_budget b = { .step_ns = 17,
                                   .step_bytes = 19,
                                   .step_objects = 23 };
    struct zs_pace *p = &rigs[0].arena->pace;

    (void)unused;
    start_compactor(NULL, HOUR_NS);
    look_after(0);
    assert_int_equal(zs_compactor_set_budget(compactor, &b), 0);
    zs_compactor_kick(compactor);
    WAIT_FOR(zs_pace_step_objects(p) == 23 && zs_pace_step_bytes(p) == 19 &&
             atomic_load_explicit(&p->step_ns, memory_order_relaxed) == 17);
}

/* --- when it looks --- */

static void tick__brings_a_look(void **unused)
{
    (void)unused;
    stop_the_clock();
    start_compactor(NULL, TICK_NS);
    look_after(0);
    let_ticks_pass(10);
    assert_int_equal(stats_of(0).looks, 10);
    pass_time(TICK_NS - 1);
    zs_compactor_kick(compactor);
    WAIT_FOR(stats_of(0).looks == 11); /* the kick's, and no other */
    assert_int_equal(stats_of(0).wakes, 0);
}

static void tick__gives_memory_back(void **unused)
{
    static const struct zs_compact_budget budget = FULL_SHARE;

    (void)unused;
    fill_rig(&rigs[0]);
    stop_the_clock();
    start_compactor(&budget, TICK_NS);
    look_after(0);
    make_holes(&rigs[0], 8);
    let_ticks_pass(1);
    WAIT_FOR(arena_stats(0).resident_bytes <= 3 * ZS_BLOCK_BYTES);
}

static void kick__looks_at_once(void **unused)
{
    static const struct zs_compact_budget budget = FULL_SHARE;

    (void)unused;
    fill_rig(&rigs[0]);
    make_holes(&rigs[0], 8);
    start_compactor(&budget, HOUR_NS);
    look_after(0);
    assert_int_equal(stats_of(0).looks, 0);
    zs_compactor_kick(compactor);
    WAIT_FOR(arena_stats(0).resident_bytes <= 3 * ZS_BLOCK_BYTES);
}

/* More than a MiB was taken: nobody waits an hour for that. */
static void growth__brings_a_look(void **unused)
{
    static const struct zs_compact_budget budget = FULL_SHARE;

    (void)unused;
    fill_rig(&rigs[0]);
    start_compactor(&budget, HOUR_NS);
    look_after(0);
    make_holes(&rigs[0], 8);
    for (unsigned i = 0; i < 400; i++) { /* another class: no hole fits */
        zs_handle_t h;

        assert_int_equal(zs_malloc(rigs[0].pool, 3900, &h), 0);
    }
    WAIT_FOR(stats_of(0).wakes > 0 && stats_of(0).passes > 0);
}

static void small_growth__brings_none(void **unused)
{
    zs_handle_t h;

    (void)unused;
    fill_rig(&rigs[0]);
    start_compactor(NULL, HOUR_NS);
    look_after(0);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(zs_malloc(rigs[0].pool, 3900, &h), 0);
    }
    zs_compactor_kick(compactor);
    WAIT_FOR(stats_of(0).looks == 1);
    assert_int_equal(stats_of(0).wakes, 0);
}

/* --- pause and resume --- */

static void paused__it_does_nothing_even_when_kicked(void **unused)
{
    uint64_t before;

    (void)unused;
    fill_rig(&rigs[0]);
    make_holes(&rigs[0], 8);
    start_compactor(NULL, HOUR_NS);
    zs_compactor_pause(compactor);
    look_after(0);
    before = arena_stats(0).resident_bytes;
    zs_compactor_kick(compactor);
    WAIT_FOR(stats_of(0).looks == 1);
    assert_int_equal(stats_of(0).passes, 0);
    assert_int_equal(arena_stats(0).resident_bytes, before);
}

static void resume__makes_up_for_it(void **unused)
{
    static const struct zs_compact_budget budget = FULL_SHARE;

    (void)unused;
    fill_rig(&rigs[0]);
    make_holes(&rigs[0], 8);
    start_compactor(&budget, HOUR_NS);
    zs_compactor_pause(compactor);
    look_after(0);
    zs_compactor_resume(compactor);
    WAIT_FOR(arena_stats(0).resident_bytes <= 3 * ZS_BLOCK_BYTES);
}

#define THREAD_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        THREAD_TEST(add__is_refused_for_an_arena_that_has_a_compactor),
        THREAD_TEST(remove__is_for_the_compactors_own_arenas),
        THREAD_TEST(add__without_memory_leaves_the_arena_free),
        THREAD_TEST(start__without_memory_fails),
        THREAD_TEST(add__refuses_a_limit_below_the_watermarks),
        THREAD_TEST(start__fails_cleanly),
        THREAD_TEST(one_thread__looks_after_all_its_arenas),
        THREAD_TEST(remove__ends_a_pause),
        THREAD_TEST(stop__ends_a_pause),
        THREAD_TEST(pause__ends_a_pass),
        THREAD_TEST(compact__ends_a_pause),
        THREAD_TEST(pool_destroy__ends_a_pause),
        THREAD_TEST(pauses__are_counted),
        THREAD_TEST(budget__is_complete_when_read),
        THREAD_TEST(budget__is_what_was_set),
        THREAD_TEST(budget_out_of_range__leaves_the_old_one),
        THREAD_TEST(steps__follow_the_budget),
        THREAD_TEST(tick__brings_a_look),
        THREAD_TEST(tick__gives_memory_back),
        THREAD_TEST(kick__looks_at_once),
        THREAD_TEST(growth__brings_a_look),
        THREAD_TEST(small_growth__brings_none),
        THREAD_TEST(paused__it_does_nothing_even_when_kicked),
        THREAD_TEST(resume__makes_up_for_it),
    };

    use_exact_sizes();
    alarm(240); /* a deadlock is a failure */
    return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
