/* SPDX-License-Identifier: MIT */
/* Unit tests of compactor/managed.c: passes that gain nothing, pins, memory
 * that is kept, and figures. */
#include "compactor_fixture.h"
#include "zspool/stats.h"

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
        .low_permille = 1,
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
    assert_true(s.waste_permille > 0); /* there is something to want */
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

static void below_the_low_mark__no_pass(void **unused)
{
    static const struct zs_compact_budget budget = { .low_permille = 50 };

    (void)unused;
    fill_rig(&rigs[0]);
    stop_the_clock();
    start_compactor(&budget, TICK_NS);
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
    make_idle_pages(8 *
                    ZS_BLOCK_PAGES); /* it would look while memory is taken */
    look_after(0);
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
    assert_int_equal(s.reserve_bytes, 2 << 20);
}

#define LOOK_TEST(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOK_TEST(paused_between_two_passes__it_sleeps),
        LOOK_TEST(passes_that_gain_nothing__become_rare),
        LOOK_TEST(memory_of_a_pin__comes_back_at_the_tick_after_it),
        LOOK_TEST(new_waste__ends_the_deferral),
        LOOK_TEST(kick__passes_whatever_was_deferred),
        LOOK_TEST(kick_during_a_look__is_not_lost),
        LOOK_TEST(below_the_low_mark__no_pass),
        LOOK_TEST(idle_memory__goes_by_halves_down_to_the_reserve),
        LOOK_TEST(without_reserve_and_decay__all_goes_at_the_tick),
        LOOK_TEST(idle_memory_near_the_limit__wakes_nobody),
        LOOK_TEST(statistics__have_the_compactors_part),
        LOOK_TEST(stats__say_what_was_seen),
    };

    use_exact_sizes();
    alarm(240); /* a deadlock is a failure */
    return cmocka_run_group_tests_name("managed", tests, NULL, NULL);
}
