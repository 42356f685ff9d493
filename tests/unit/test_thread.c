/* SPDX-License-Identifier: MIT */
/* Unit tests of compactor/thread.c and managed.c: one thread, its arenas, when
 * it looks at them, and what it leaves alone. */
#include "compactor_fixture.h"
#include "zspool/stats.h"

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
    struct zs_compactor_config cfg = { .budget.high_percent = 101 };

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
        /* a live block, and the two empty ones of the reserve */
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
    WAIT_FOR(stats_of(0).passes_ended_early == 1);
}

static void compact__ends_a_pause(void **unused)
{
    (void)unused;
    begin_long_pause();
    assert_int_equal(zs_compact(rigs[0].arena, NULL), 0);
    assert_true(ratio(0) < 1.05);
    WAIT_FOR(stats_of(0).passes_ended_early == 1);
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
    assert_int_equal(b.low_percent, 1);
    assert_int_equal(b.high_percent, 2);
    assert_int_equal(b.share_percent, 5);
    assert_int_equal(b.max_share_percent, 100);
    assert_int_equal(b.step_ns, 100000);
    assert_int_equal(b.step_bytes, 64 * 1024);
    assert_int_equal(b.step_objects, 256);
    assert_int_equal(b.reserve_bytes, 4 << 20);
    assert_int_equal(b.decay_ns, 500000000);
}

static void budget__is_what_was_set(void **unused)
{
    static const struct zs_compact_budget set = {
        .low_percent = 3,
        .high_percent = 7,
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
        { .high_percent = 101 },
        { .low_percent = 9, .high_percent = 8 },
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

/* --- a thread that is halted --- */

static _Atomic bool halts, is_halted;
static _Atomic(void *) survey; /* what a pass allocates first, frees at last */

static void *watching_alloc(size_t bytes)
{
    void *p = real_os.alloc(bytes);
    void *none = NULL;

    if (zs_is_mover() && atomic_load(&halts)) {
        (void)atomic_compare_exchange_strong(&survey, &none, p);
    }
    return p;
}

static void halting_free(void *p)
{
    if (p && p == atomic_load(&survey) && atomic_exchange(&halts, false)) {
        atomic_store(&is_halted, true);
        while (atomic_load(&is_halted)) {
            sched_yield();
        }
    }
    real_os.free(p);
}

static void watch_passes(void)
{
    atomic_store(&halts, false);
    zs_os.alloc = watching_alloc;
    zs_os.free = halting_free;
}

/* The next pass halts at its end. */
static void halt_a_pass(void)
{
    atomic_store(&survey, NULL);
    atomic_store(&is_halted, false);
    atomic_store(&halts, true);
}

static void go_on(void)
{
    atomic_store(&is_halted, false);
}

/* It would have gone on at once, at the greatest share. */
static void paused_between_two_passes__it_sleeps(void **unused)
{
    static const struct zs_compact_budget budget = FULL_SHARE;
    uint64_t looks;

    (void)unused;
    fill_rig(&rigs[0]);
    make_holes(&rigs[0], 8);
    watch_passes();
    halt_a_pass();
    stop_the_clock();
    start_compactor(&budget, TICK_NS);
    look_after(0);
    zs_compactor_kick(compactor);
    WAIT_FOR(atomic_load(&is_halted));
    zs_compactor_pause(compactor);
    go_on();
    WAIT_FOR(stats_of(0).looks >= 2);
    looks = stats_of(0).looks;
    for (unsigned i = 0; i < 2000; i++) {
        sched_yield();
    }
    assert_in_range(stats_of(0).looks, looks, looks + 1);
    assert_int_equal(stats_of(0).share_percent, 0);
}

/* --- what cannot be gained --- */

#define N_PINS 3u
#define N_BESIDE 1200u /* of more than a pageblock together */

static struct zs_pin pins[N_PINS];

/* One object in each of some classes, with nothing beside it in its pageblock.
 * It is the last of its zspage, so none of the memory before it can go. */
static void pin_one_in_each_class(void)
{
    static const char bytes[3000];
    static zs_handle_t h[N_PINS][N_BESIDE];
    struct zs_pool *pool = rigs[0].pool;

    for (unsigned i = 0; i < N_PINS; i++) {
        for (unsigned k = 0; k < N_BESIDE; k++) {
            assert_int_equal(
                zs_obj_create(pool, bytes, 2000 + 200 * i, &h[i][k]), 0);
        }
    }
    for (unsigned i = 0; i < N_PINS; i++) {
        zs_pin(pool, h[i][N_BESIDE - 1], "test", &pins[i]);
        for (unsigned k = 0; k < N_BESIDE - 1; k++) {
            zs_free(pool, h[i][k]);
        }
    }
}

static void unpin_all(void)
{
    for (unsigned i = 0; i < N_PINS; i++) {
        zs_unpin(rigs[0].pool, &pins[i]);
    }
}

static void begin_with_pins(void)
{
    static const struct zs_compact_budget budget = {
        .share_percent = 100,
        .reserve_bytes = ZS_RESERVE_NOTHING,
        .decay_ns = 1,
    };

    stop_the_clock();
    pin_one_in_each_class();
    start_compactor(&budget, TICK_NS);
    look_after(0);
}

/* After 1, 2, 4 ... 64 ticks each. */
static void passes_that_gain_nothing__become_rare(void **unused)
{
    struct zs_compactor_stats early, s;

    (void)unused;
    begin_with_pins();
    let_ticks_pass(20);
    early = stats_of(0);
    let_ticks_pass(180);
    s = stats_of(0);
    assert_true(s.waste_permille > 500); /* there is something to want */
    assert_true(early.passes >= 3);
    assert_true(s.passes - early.passes <= 6);
    assert_true(s.passes_deferred >= 150);
    assert_true(s.looks <= 210);
    unpin_all();
}

static void memory_of_a_pin__comes_back_at_the_tick_after_it(void **unused)
{
    uint64_t before;

    (void)unused;
    begin_with_pins();
    let_ticks_pass(200); /* the next pass would be 55 ticks away */
    before = arena_stats(0).resident_bytes;
    unpin_all();
    let_ticks_pass(1);
    WAIT_FOR(arena_stats(0).resident_bytes < before);
    assert_true(stats_of(0).waste_permille > 0);
}

static void new_waste__ends_the_deferral(void **unused)
{
    (void)unused;
    fill_rig(&rigs[0]);
    begin_with_pins();
    make_holes(&rigs[0], 1000); /* hardly anything else */
    let_ticks_pass(200);
    unpin_all();
    let_ticks_pass(1);
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        if (rigs[0].objects[i].raw == 0) {
            unsigned char bytes[OBJ_BYTES];

            fill(bytes, i);
            assert_int_equal(zs_obj_create(rigs[0].pool, bytes, OBJ_BYTES,
                                           &rigs[0].objects[i]),
                             0);
        }
    }
    make_holes(&rigs[0], 8);
    let_ticks_pass(1);
    WAIT_FOR(arena_stats(0).resident_bytes < 2 * ZS_BLOCK_BYTES);
}

static void kick__passes_whatever_was_deferred(void **unused)
{
    uint64_t passes;

    (void)unused;
    begin_with_pins();
    let_ticks_pass(100);
    passes = stats_of(0).passes;
    zs_compactor_kick(compactor);
    WAIT_FOR(stats_of(0).passes == passes + 1);
    unpin_all();
}

/* The pass that goes on has looked already, and gains nothing. */
static void kick_during_a_look__is_not_lost(void **unused)
{
    uint64_t passes, before;

    (void)unused;
    watch_passes();
    begin_with_pins();
    let_ticks_pass(100);
    before = arena_stats(0).resident_bytes;
    passes = stats_of(0).passes;
    halt_a_pass();
    zs_compactor_kick(compactor);
    WAIT_FOR(atomic_load(&is_halted));
    assert_int_equal(stats_of(0).passes, passes + 1);
    unpin_all();
    zs_compactor_kick(compactor);
    go_on();
    WAIT_FOR(arena_stats(0).resident_bytes < before);
}

static void nothing_to_gain__no_pass(void **unused)
{
    (void)unused;
    fill_rig(&rigs[0]);
    stop_the_clock();
    start_compactor(NULL, TICK_NS);
    look_after(0);
    let_ticks_pass(50);
    assert_int_equal(stats_of(0).passes, 0);
    assert_int_equal(stats_of(0).passes_deferred, 0);
    assert_int_equal(stats_of(0).looks, 50);
}

/* --- reserve and decay --- */

/* Rig 0 gets empty blocks that have memory, n pages of them. */
static void make_idle_pages(unsigned n)
{
    struct zs_arena *a = rigs[0].arena;
    zs_page_type_t type;
    zs_pfn_t page;

    assert_int_equal(zs_page_type_create(a, "test", &type), 0);
    assert_int_equal(zs_pages_alloc(a, type, n, &page), 0);
    assert_int_equal(zs_pages_populate(a, page, n), 0);
    zs_pages_free(a, page, n);
    assert_int_equal(zs_page_type_destroy(a, type), 0);
    assert_int_equal(arena_stats(0).resident_bytes, (size_t)n * ZS_PAGE_BYTES);
}

static void make_idle_blocks(const struct zs_compact_budget *budget)
{
    stop_the_clock();
    start_compactor(budget, TICK_NS);
    look_after(0);
    make_idle_pages(8 * ZS_BLOCK_PAGES);
}

static void idle_memory__goes_by_halves_down_to_the_reserve(void **unused)
{
    static const struct zs_compact_budget budget = {
        .share_percent = 100,
        .reserve_bytes = 2 * ZS_BLOCK_BYTES,
        .decay_ns = TICK_NS,
    };

    (void)unused;
    make_idle_blocks(&budget);
    let_ticks_pass(1); /* a half of the six that are no reserve */
    WAIT_FOR(arena_stats(0).resident_bytes == 5 * ZS_BLOCK_BYTES);
    let_ticks_pass(10);
    WAIT_FOR(arena_stats(0).resident_bytes == 2 * ZS_BLOCK_BYTES);
    assert_int_equal(stats_of(0).reserve_bytes, 2 * ZS_BLOCK_BYTES);
}

/* Most of what is used is idle, so the limit is far; yet more is used than the
 * low watermark would leave. */
static void idle_memory_near_the_limit__wakes_nobody(void **unused)
{
    static const struct zs_compact_budget all_is_reserve = {
        .reserve_bytes = (uint64_t)1 << 40,
    };
    _Atomic uint64_t *mark;

    (void)unused;
    drop_rig(&rigs[0]);
    make_rig(&rigs[0], (size_t)8 << 20);
    mark = &rigs[0].arena->wake_above;
    make_idle_pages(4 * ZS_BLOCK_PAGES - 64);
    assert_true(arena_stats(0).footprint_bytes > (8 << 20) - 440000);
    stop_the_clock();
    start_compactor(&all_is_reserve, TICK_NS);
    look_after(0);
    let_ticks_pass(1);
    assert_true(atomic_load_explicit(mark, memory_order_relaxed) >
                arena_stats(0).footprint_bytes);
}

static void without_reserve_and_decay__all_goes_at_the_tick(void **unused)
{
    static const struct zs_compact_budget budget = {
        .share_percent = 100,
        .reserve_bytes = ZS_RESERVE_NOTHING,
        .decay_ns = 1,
    };

    (void)unused;
    make_idle_blocks(&budget);
    let_ticks_pass(1);
    WAIT_FOR(arena_stats(0).resident_bytes == 0);
    assert_int_equal(stats_of(0).reserve_bytes, 0);
}

/* --- figures --- */

static char *json_of(unsigned i, char *buf, size_t size)
{
    assert_true(zs_stats_json(rigs[i].arena, buf, size) < size);
    return buf;
}

static void statistics__have_the_compactors_part(void **unused)
{
    static char buf[1 << 20];

    (void)unused;
    assert_null(strstr(json_of(0, buf, sizeof(buf)), "\"compactor\""));
    start_compactor(NULL, HOUR_NS);
    look_after(0);
    zs_compactor_kick(compactor);
    WAIT_FOR(stats_of(0).looks == 1);
    assert_non_null(strstr(json_of(0, buf, sizeof(buf)), "\"compactor\""));
    assert_non_null(strstr(buf, "\"passes_deferred\""));
    assert_true(zs_stats_prometheus(rigs[0].arena, buf, sizeof(buf)) <
                sizeof(buf));
    assert_non_null(strstr(buf, "zspool_compactor_looks"));
    assert_int_equal(zs_compactor_remove(compactor, rigs[0].arena), 0);
    assert_null(strstr(json_of(0, buf, sizeof(buf)), "\"compactor\""));
}

static void stats__say_what_was_seen(void **unused)
{
    static const struct zs_compact_budget budget = FULL_SHARE;
    struct zs_compactor_stats s;

    (void)unused;
    fill_rig(&rigs[0]);
    make_holes(&rigs[0], 8);
    stop_the_clock();
    start_compactor(&budget, TICK_NS);
    look_after(0);
    let_ticks_pass(1);
    WAIT_FOR(stats_of(0).passes >= 1);
    let_ticks_pass(5);
    s = stats_of(0);
    assert_int_equal(s.passes_ended_early, 0);
    assert_int_equal(s.paused_ns, 0);
    assert_int_equal(s.pressure_level, ZS_PRESSURE_NONE);
    assert_true(s.cpu_ns > 0);
    assert_int_equal(s.reserve_bytes, 4 << 20);
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
        THREAD_TEST(paused_between_two_passes__it_sleeps),
        THREAD_TEST(passes_that_gain_nothing__become_rare),
        THREAD_TEST(memory_of_a_pin__comes_back_at_the_tick_after_it),
        THREAD_TEST(new_waste__ends_the_deferral),
        THREAD_TEST(kick__passes_whatever_was_deferred),
        THREAD_TEST(kick_during_a_look__is_not_lost),
        THREAD_TEST(nothing_to_gain__no_pass),
        THREAD_TEST(idle_memory__goes_by_halves_down_to_the_reserve),
        THREAD_TEST(without_reserve_and_decay__all_goes_at_the_tick),
        THREAD_TEST(idle_memory_near_the_limit__wakes_nobody),
        THREAD_TEST(statistics__have_the_compactors_part),
        THREAD_TEST(stats__say_what_was_seen),
    };

    use_exact_sizes();
    alarm(240); /* a deadlock is a failure */
    return cmocka_run_group_tests_name("thread", tests, NULL, NULL);
}
