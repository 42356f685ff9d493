/* SPDX-License-Identifier: MIT */
/* Unit tests of compactor/shortage.c: when the embedder is told that memory is
 * short, and what it may do then. */
#include "compactor_fixture.h"
#include "fake_tree.h"
#include "shortage.h"
#include "stops.h"

#define MIB (UINT64_C(1) << 20)
#define MS UINT64_C(1000000)

/* --- what was told --- */

static _Atomic unsigned n_told;
static _Atomic int told_level;
static _Atomic uint64_t told_want;

static void note(void *ctx, enum zs_pressure_level level, uint64_t want_bytes)
{
    assert_ptr_equal(ctx, &n_told);
    atomic_store(&told_level, (int)level);
    atomic_store(&told_want, want_bytes);
    atomic_fetch_add(&n_told, 1);
}

static void assert_told(unsigned n, enum zs_pressure_level level)
{
    assert_int_equal(atomic_load(&n_told), n);
    assert_int_equal(atomic_load(&told_level), level);
}

/* --- the system: a group with 100 MiB, of which so many are left --- */

#define GROUP "/sys/cg/a"
static _Atomic uint64_t room_mib;

static int read_group(const char *path, char *buf, size_t size)
{
    if (strcmp(path, GROUP "/memory.current") == 0) {
        return snprintf(
            buf, size, "%llu\n",
            (unsigned long long)(MIB * (100 - atomic_load(&room_mib))));
    }
    return tree_read_file(path, buf, size);
}

static void make_group(void)
{
    memset(tree, 0, sizeof(tree));
    tree_set("/proc/self/cgroup", "0::/a\n");
    tree_set("/proc/self/mountinfo", "1 0 0:1 / /sys/cg rw - cgroup2 c rw\n");
    tree_set(GROUP "/memory.max", "%llu\n", (unsigned long long)(100 * MIB));
    atomic_store(&room_mib, 90);
    atomic_store(&n_told, 0);
    zs_os.read_file = read_group;
}

/* --- without a thread --- */

static struct zs_shortage shortage;

static int begin_pure(void **state)
{
    static const struct zs_compactor_config cfg = {
        .pressure = note,
        .pressure_ctx = &n_told,
    };

    tree_begin(state);
    make_group();
    shortage = (struct zs_shortage){ 0 };
    zs_shortage_init(&shortage, &cfg);
    return 0;
}

static bool look_and_tell(enum zs_pressure_level arenas, uint64_t want)
{
    tree_now_ns += 500 * MS;
    zs_shortage_look(&shortage, tree_now_ns, 500 * MS);
    return zs_shortage_tell(&shortage, arenas, want, 1000 * MIB);
}

static void look__is_once_a_tick(void **unused)
{
    unsigned reads;

    (void)unused;
    zs_shortage_look(&shortage, tree_now_ns, 500 * MS);
    assert_true(shortage.looked);
    reads = tree_reads;
    zs_shortage_look(&shortage, tree_now_ns + 500 * MS - 1, 500 * MS);
    assert_int_equal(tree_reads, reads);
    zs_shortage_look(&shortage, tree_now_ns + 500 * MS, 500 * MS);
    assert_true(tree_reads > reads);
}

static void enough__is_not_told(void **unused)
{
    (void)unused;
    assert_false(look_and_tell(ZS_PRESSURE_NONE, 0));
    assert_int_equal(atomic_load(&n_told), 0);
}

static void short_system__is_told_with_what_is_missing(void **unused)
{
    (void)unused;
    atomic_store(&room_mib, 10);
    assert_true(look_and_tell(ZS_PRESSURE_NONE, 0));
    assert_told(1, ZS_PRESSURE_LOW);
    /* to one and a half eighths of the limit */
    assert_int_equal(atomic_load(&told_want), 100 * MIB * 3 / 16 - 10 * MIB);
    atomic_store(&room_mib, 5);
    assert_true(look_and_tell(ZS_PRESSURE_NONE, 0));
    assert_told(2, ZS_PRESSURE_HIGH);
    atomic_store(&room_mib, 1);
    assert_true(look_and_tell(ZS_PRESSURE_NONE, 0));
    assert_told(3, ZS_PRESSURE_CRITICAL);
}

static void short_arenas__are_told_too(void **unused)
{
    (void)unused;
    assert_true(look_and_tell(ZS_PRESSURE_HIGH, 12345));
    assert_told(1, ZS_PRESSURE_HIGH);
    assert_int_equal(atomic_load(&told_want), 12345);
}

static void worse_level_and_greater_want__are_told(void **unused)
{
    (void)unused;
    atomic_store(&room_mib, 10); /* LOW, 8.75 MiB */
    assert_true(look_and_tell(ZS_PRESSURE_HIGH, 1));
    assert_told(1, ZS_PRESSURE_HIGH);
    assert_int_equal(atomic_load(&told_want), 100 * MIB * 3 / 16 - 10 * MIB);
    atomic_store(&room_mib, 5);
    assert_true(look_and_tell(ZS_PRESSURE_LOW, 99 * MIB));
    assert_told(2, ZS_PRESSURE_HIGH);
    assert_int_equal(atomic_load(&told_want), 99 * MIB);
}

static void one_look__is_told_once(void **unused)
{
    (void)unused;
    assert_true(look_and_tell(ZS_PRESSURE_HIGH, 1));
    assert_false(zs_shortage_is_urgent(&shortage, ZS_PRESSURE_CRITICAL));
    assert_false(
        zs_shortage_tell(&shortage, ZS_PRESSURE_CRITICAL, 1, 1000 * MIB));
    assert_told(1, ZS_PRESSURE_HIGH);
}

static void end__is_told_once_with_nothing_wanted(void **unused)
{
    (void)unused;
    assert_true(look_and_tell(ZS_PRESSURE_HIGH, 1));
    assert_true(look_and_tell(ZS_PRESSURE_NONE, 0));
    assert_told(2, ZS_PRESSURE_NONE);
    assert_int_equal(atomic_load(&told_want), 0);
    assert_false(look_and_tell(ZS_PRESSURE_NONE, 0));
    assert_told(2, ZS_PRESSURE_NONE);
}

static void nobody_to_tell__is_no_call(void **unused)
{
    (void)unused;
    shortage.fn = NULL;
    atomic_store(&room_mib, 1);
    assert_false(look_and_tell(ZS_PRESSURE_HIGH, 1));
    assert_int_equal(shortage.state.level, ZS_PRESSURE_CRITICAL);
}

static void look_only(void)
{
    tree_now_ns += 500 * MS;
    zs_shortage_look(&shortage, tree_now_ns, 500 * MS);
}

/* What is worse than what was told last; the same only after some looks. */
static void urgent_news__end_a_pass(void **unused)
{
    (void)unused;
    assert_false(zs_shortage_is_urgent(&shortage, ZS_PRESSURE_HIGH));
    look_only();
    assert_false(zs_shortage_is_urgent(&shortage, ZS_PRESSURE_NONE));
    assert_true(zs_shortage_is_urgent(&shortage, ZS_PRESSURE_LOW));
    assert_true(zs_shortage_tell(&shortage, ZS_PRESSURE_LOW, 1, MIB));
    look_only();
    assert_false(zs_shortage_is_urgent(&shortage, ZS_PRESSURE_LOW));
    assert_true(zs_shortage_is_urgent(&shortage, ZS_PRESSURE_HIGH));
    for (unsigned i = 0; i < 3; i++) {
        look_only();
    }
    assert_true(zs_shortage_is_urgent(&shortage, ZS_PRESSURE_LOW));
}

/* --- with a thread --- */

#define LIMIT ((size_t)6 << 20)

static int begin_thread(void **state)
{
    set_up(state);
    make_group();
    drop_rig(&rigs[0]);
    make_rig(&rigs[0], LIMIT);
    stop_the_clock();
    return 0;
}

static void start_telling(zs_pressure_fn *fn)
{
    struct zs_compactor_config cfg = {
        .tick_ns = TICK_NS,
        .budget = FULL_SHARE,
        .pressure = fn,
        .pressure_ctx = &n_told,
    };

    assert_int_equal(zs_compactor_start(rigs[0].arena, &cfg, &compactor), 0);
}

static void thread__tells_at_each_tick_and_at_no_kick(void **unused)
{
    (void)unused;
    atomic_store(&room_mib, 5);
    start_telling(note);
    WAIT_FOR(atomic_load(&n_told) == 1); /* at once */
    for (unsigned i = 2; i < 6; i++) {
        for (unsigned k = 0; k < 3; k++) {
            kick_and_wait();
        }
        assert_told(i - 1, ZS_PRESSURE_HIGH);
        let_ticks_pass(1);
        WAIT_FOR(atomic_load(&n_told) == i);
    }
    assert_int_equal(stats_of(0).pressure_level, ZS_PRESSURE_HIGH);
}

/* Down a level after four calm looks, twice; each of them is told. */
static void thread__tells_once_that_it_is_over(void **unused)
{
    (void)unused;
    atomic_store(&room_mib, 5);
    start_telling(note);
    WAIT_FOR(atomic_load(&n_told) == 1);
    atomic_store(&room_mib, 90);
    let_ticks_pass(8);
    WAIT_FOR(atomic_load(&n_told) == 9);
    assert_told(9, ZS_PRESSURE_NONE);
    assert_int_equal(atomic_load(&told_want), 0);
    let_ticks_pass(10);
    assert_told(9, ZS_PRESSURE_NONE);
}

static void thread__tells_nothing_while_there_is_enough(void **unused)
{
    (void)unused;
    start_telling(note);
    let_ticks_pass(10);
    assert_int_equal(atomic_load(&n_told), 0);
}

static void short_memory__keeps_no_reserve(void **unused)
{
    (void)unused;
    atomic_store(&room_mib, 5);
    start_telling(NULL);
    let_ticks_pass(2);
    assert_int_equal(stats_of(0).pressure_level, ZS_PRESSURE_HIGH);
    assert_int_equal(stats_of(0).reserve_bytes, 0);
}

static void fill_to_the_limit(void)
{
    unsigned char bytes[OBJ_BYTES];

    for (unsigned i = 0;; i++) {
        assert_true(i < N_OBJECTS);
        fill(bytes, i);
        if (zs_obj_create(rigs[0].pool, bytes, OBJ_BYTES,
                          &rigs[0].objects[i]) != 0) {
            return;
        }
    }
}

/* Its first look finds out, the next tick tells. */
static void arena_at_its_limit__is_told(void **unused)
{
    (void)unused;
    fill_to_the_limit();
    start_telling(note);
    let_ticks_pass(1);
    assert_int_equal(atomic_load(&n_told), 0);
    let_ticks_pass(1);
    WAIT_FOR(atomic_load(&n_told) == 1);
    assert_told(1, ZS_PRESSURE_HIGH);
    assert_in_range(atomic_load(&told_want), 1, LIMIT / 4);
}

/* Everything but one in eight, in the callback. */
static void free_most(void *ctx, enum zs_pressure_level level,
                      uint64_t want_bytes)
{
    if (level > ZS_PRESSURE_NONE) {
        make_holes(&rigs[0], 8);
    }
    note(ctx, level, want_bytes);
}

static void what_is_freed__is_compacted_right_after(void **unused)
{
    (void)unused;
    fill_to_the_limit();
    start_telling(free_most);
    let_ticks_pass(2);
    WAIT_FOR(atomic_load(&n_told) == 1);
    WAIT_FOR(arena_stats(0).resident_bytes < LIMIT / 4); /* no further tick */
    let_ticks_pass(3);
    WAIT_FOR(atomic_load(&n_told) == 2);
    assert_told(2, ZS_PRESSURE_NONE);
}

/* Told at once, when the arena is not due for long. */
static void what_is_freed__does_not_wait_for_a_tick(void **unused)
{
    (void)unused;
    fill_to_the_limit();
    atomic_store(&room_mib, 5);
    start_telling(free_most);
    WAIT_FOR(atomic_load(&n_told) == 1);
    WAIT_FOR(arena_stats(0).resident_bytes < LIMIT / 4);
    assert_told(1, ZS_PRESSURE_HIGH);
}

static _Atomic int shrunk;
static _Atomic uint64_t shrunk_bytes;

static void free_and_shrink(void *ctx, enum zs_pressure_level level,
                            uint64_t want_bytes)
{
    struct zs_shrink_result r;

    if (level > ZS_PRESSURE_NONE) {
        make_holes(&rigs[0], 8);
        atomic_store(&shrunk, zs_arena_shrink(rigs[0].arena, MIB, 0, &r));
        atomic_store(&shrunk_bytes, r.bytes);
    }
    note(ctx, level, want_bytes);
}

static void callback__may_shrink_the_arena(void **unused)
{
    (void)unused;
    fill_to_the_limit();
    atomic_store(&shrunk, -1);
    start_telling(free_and_shrink);
    let_ticks_pass(2);
    WAIT_FOR(atomic_load(&n_told) == 1);
    assert_int_equal(atomic_load(&shrunk), 0);
    assert_true(atomic_load(&shrunk_bytes) >= MIB);
}

static void remove_the_arena(void *ctx, enum zs_pressure_level level,
                             uint64_t want_bytes)
{
    (void)zs_compactor_remove(compactor, rigs[0].arena);
    note(ctx, level, want_bytes);
}

static void callback__may_remove_an_arena(void **unused)
{
    (void)unused;
    start_telling(remove_the_arena);
    let_ticks_pass(1);
    atomic_store(&room_mib, 5);
    pass_time(TICK_NS);
    WAIT_FOR(atomic_load(&n_told) == 1);
    assert_int_equal(zs_compactor_remove(compactor, rigs[0].arena), -ENOENT);
}

static _Atomic(struct zs_compactor *) its_own;

static void stop_it(void *ctx, enum zs_pressure_level level,
                    uint64_t want_bytes)
{
    struct zs_compactor *c;

    (void)ctx;
    (void)level;
    (void)want_bytes;
    while ((c = atomic_load(&its_own)) == NULL) {
        sched_yield();
    }
    zs_compactor_stop(c);
}

static void stop_in_the_callback(void)
{
    struct zs_compactor_config cfg = { .pressure = stop_it };
    struct zs_compactor *c;

    assert_int_equal(zs_compactor_start(NULL, &cfg, &c), 0);
    atomic_store(&its_own, c);
    for (;;) {
        pause();
    }
}

static void callback__may_not_stop_its_compactor(void **unused)
{
    (void)unused;
    atomic_store(&room_mib, 5);
    assert_stops(stop_in_the_callback, "zs_compactor_stop",
                 "called by the compactor's own thread");
}

#define PURE_TEST(f) cmocka_unit_test_setup_teardown(f, begin_pure, tree_end)
#define THREAD_TEST(f)                                                         \
    cmocka_unit_test_setup_teardown(f, begin_thread, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PURE_TEST(callback__may_not_stop_its_compactor), /* forks: first */
        PURE_TEST(look__is_once_a_tick),
        PURE_TEST(enough__is_not_told),
        PURE_TEST(short_system__is_told_with_what_is_missing),
        PURE_TEST(short_arenas__are_told_too),
        PURE_TEST(worse_level_and_greater_want__are_told),
        PURE_TEST(one_look__is_told_once),
        PURE_TEST(end__is_told_once_with_nothing_wanted),
        PURE_TEST(nobody_to_tell__is_no_call),
        PURE_TEST(urgent_news__end_a_pass),
        THREAD_TEST(thread__tells_at_each_tick_and_at_no_kick),
        THREAD_TEST(thread__tells_once_that_it_is_over),
        THREAD_TEST(thread__tells_nothing_while_there_is_enough),
        THREAD_TEST(short_memory__keeps_no_reserve),
        THREAD_TEST(arena_at_its_limit__is_told),
        THREAD_TEST(what_is_freed__is_compacted_right_after),
        THREAD_TEST(what_is_freed__does_not_wait_for_a_tick),
        THREAD_TEST(callback__may_shrink_the_arena),
        THREAD_TEST(callback__may_remove_an_arena),
    };

    use_exact_sizes();
    alarm(240); /* a deadlock is a failure */
    return cmocka_run_group_tests_name("shortage", tests, NULL, NULL);
}
