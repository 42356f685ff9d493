/* SPDX-License-Identifier: MIT */
/*
 * compactor_fixture.h - arenas with a pool each, a compactor thread, and a
 * system in which nothing is short; for tests of compactor/thread.c and what
 * it looks after.
 *
 * The clock stands still unless a test lets time pass: the thread sleeps until
 * somebody posts, and a tick comes when the test says so.
 */
#ifndef ZS_TEST_COMPACTOR_FIXTURE_H
#define ZS_TEST_COMPACTOR_FIXTURE_H

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "exact_sizes.h"
#include "os.h"
#include "pool_impl.h"
#include "zspool/compactor.h"

#define N_RIGS 2u
#define N_OBJECTS 8000u
#define OBJ_BYTES 1000u /* four pageblocks together */
#define TICK_NS UINT64_C(1000000000000)
#define HOUR_NS UINT64_C(3600000000000)
#define FULL_SHARE                                                             \
    {                                                                          \
        .share_percent = 100                                                   \
    }

static struct rig {
    struct zs_arena *arena;
    struct zs_pool *pool;
    zs_handle_t objects[N_OBJECTS];
} rigs[N_RIGS];
static struct zs_compactor *compactor;

/* --- the operating system --- */

static struct zs_os real_os;
static _Atomic uint64_t clock_ns;

static uint64_t fake_now(void)
{
    return atomic_load_explicit(&clock_ns, memory_order_relaxed);
}

__attribute__((unused)) static int no_file(const char *path, char *buf,
                                           size_t size)
{
    (void)path;
    (void)buf;
    (void)size;
    return -ENOENT;
}

/* From now on; before the thread is started. */
__attribute__((unused)) static void stop_the_clock(void)
{
    atomic_store_explicit(&clock_ns, real_os.now_ns(), memory_order_relaxed);
    zs_os.now_ns = fake_now;
}

/* The thread finds out, and is not kicked. */
__attribute__((unused)) static void pass_time(uint64_t ns)
{
    struct zs_compact_budget b;

    atomic_fetch_add_explicit(&clock_ns, ns, memory_order_relaxed);
    zs_compactor_budget(compactor, &b);
    assert_int_equal(zs_compactor_set_budget(compactor, &b), 0);
}

/* Bounded: a minute of trying is a failure, not a wait. */
#define WAIT_FOR(condition)                                                    \
    do {                                                                       \
        uint64_t end_ = real_os.now_ns() + UINT64_C(20000000000);              \
        while (!(condition)) {                                                 \
            assert_true(real_os.now_ns() < end_);                              \
            sched_yield();                                                     \
        }                                                                      \
    } while (0)

/* --- arenas and their objects --- */

static void fill(unsigned char *bytes, unsigned i)
{
    memset(bytes, (int)(i * 17 + 3), OBJ_BYTES);
    memcpy(bytes, &i, sizeof(i));
}

__attribute__((unused)) static void make_rig(struct rig *r, size_t limit_bytes)
{
    struct zs_arena_config cfg = { .reserve_bytes = (size_t)64 << 20,
                                   .limit_bytes = limit_bytes };
    struct zs_pool_config pool_cfg = { .max_zspages = 1 << 14 };

    assert_int_equal(zs_arena_create(&cfg, &r->arena), 0);
    pool_cfg.arena = r->arena;
    assert_int_equal(zs_pool_create(&pool_cfg, &r->pool), 0);
    memset(r->objects, 0, sizeof(r->objects));
}

__attribute__((unused)) static void fill_rig(struct rig *r)
{
    unsigned char bytes[OBJ_BYTES];

    for (unsigned i = 0; i < N_OBJECTS; i++) {
        fill(bytes, i);
        assert_int_equal(
            zs_obj_create(r->pool, bytes, OBJ_BYTES, &r->objects[i]), 0);
    }
}

__attribute__((unused)) static void free_object(struct rig *r, unsigned i)
{
    if (r->objects[i].raw != 0) {
        zs_free(r->pool, r->objects[i]);
        r->objects[i].raw = 0;
    }
}

/* `keep`: one object in so many stays. */
__attribute__((unused)) static void make_holes(struct rig *r, unsigned keep)
{
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        if (i % keep != 0) {
            free_object(r, i);
        }
    }
}

__attribute__((unused)) static void all_objects_are_right(const struct rig *r)
{
    unsigned char local[ZS_LOCAL_COPY_BYTES], want[OBJ_BYTES];

    for (unsigned i = 0; i < N_OBJECTS; i++) {
        if (r->objects[i].raw != 0) {
            const void *p = zs_obj_read_begin(r->pool, r->objects[i], local);

            fill(want, i);
            assert_memory_equal(p, want, OBJ_BYTES);
            zs_obj_read_end(r->pool);
        }
    }
}

__attribute__((unused)) static void drop_rig(struct rig *r)
{
    if (r->pool) {
        all_objects_are_right(r);
        zs_pool_destroy(r->pool);
    }
    if (r->arena) {
        zs_arena_destroy(r->arena);
    }
    *r = (struct rig){ 0 };
}

__attribute__((unused)) static struct zs_arena_stats arena_stats(unsigned i)
{
    struct zs_arena_stats s;

    zs_arena_stats(rigs[i].arena, &s);
    return s;
}

__attribute__((unused)) static double ratio(unsigned i)
{
    struct zs_pool_stats s;

    zs_pool_stats(rigs[i].pool, &s);
    return (double)arena_stats(i).resident_bytes / (double)s.live_bytes;
}

/* --- the compactor --- */

__attribute__((unused)) static struct zs_compactor_stats stats_of(unsigned i)
{
    struct zs_compactor_stats s;

    assert_int_equal(zs_compactor_stats(compactor, rigs[i].arena, &s), 0);
    return s;
}

/* A look ends with a new mark at which growth wakes the thread: from the mark
 * on it is known what the look has done. */
static void forget_the_mark(void)
{
    atomic_store_explicit(&rigs[0].arena->wake_above, UINT64_MAX,
                          memory_order_relaxed);
}

static bool has_looked(uint64_t looks_before)
{
    return stats_of(0).looks > looks_before &&
           atomic_load_explicit(&rigs[0].arena->wake_above,
                                memory_order_relaxed) != UINT64_MAX;
}

static void wait_for_a_look(uint64_t looks_before)
{
    WAIT_FOR(has_looked(looks_before));
}

/*
 * A tick, and rig 0 is looked at. A pass that gains something is followed by
 * another look at once, and a tick that falls into that is none of its own:
 * then the next one does.
 */
__attribute__((unused)) static void let_a_tick_pass(void)
{
    uint64_t looks = stats_of(0).looks;

    forget_the_mark();
    for (unsigned i = 0; i < 40 && !has_looked(looks); i++) {
        uint64_t end = real_os.now_ns() + UINT64_C(500000000);

        pass_time(TICK_NS);
        while (!has_looked(looks) && real_os.now_ns() < end) {
            sched_yield();
        }
    }
    assert_true(has_looked(looks));
}

__attribute__((unused)) static void let_ticks_pass(unsigned n)
{
    while (n-- > 0) {
        let_a_tick_pass();
    }
}

__attribute__((unused)) static void kick_and_wait(void)
{
    uint64_t looks = stats_of(0).looks;

    forget_the_mark();
    zs_compactor_kick(compactor);
    wait_for_a_look(looks);
}

/* Without an arena. */
__attribute__((unused)) static void
start_compactor(const struct zs_compact_budget *budget, uint64_t tick_ns)
{
    struct zs_compactor_config cfg = { .tick_ns = tick_ns };

    if (budget) {
        cfg.budget = *budget;
    }
    assert_int_equal(zs_compactor_start(NULL, &cfg, &compactor), 0);
}

__attribute__((unused)) static void look_after(unsigned i)
{
    assert_int_equal(zs_compactor_add(compactor, rigs[i].arena), 0);
}

__attribute__((unused)) static int set_up(void **unused)
{
    (void)unused;
    real_os = zs_os;
    zs_os.read_file = no_file;
    for (unsigned i = 0; i < N_RIGS; i++) {
        make_rig(&rigs[i], 0);
    }
    return 0;
}

__attribute__((unused)) static int tear_down(void **unused)
{
    (void)unused;
    zs_compactor_stop(compactor);
    compactor = NULL;
    for (unsigned i = 0; i < N_RIGS; i++) {
        drop_rig(&rigs[i]);
    }
    zs_os = real_os;
    return 0;
}

#endif /* ZS_TEST_COMPACTOR_FIXTURE_H */
