/* SPDX-License-Identifier: MIT */
/*
 * fork_load.h - a pool with three threads that make, read, replace, write and
 * free objects, and a compactor with a tick of 2 ms; and children to fork in
 * the middle of that. A child ends by _exit(), 0 if all was right, and has an
 * alarm, so that a hang is a failure.
 *
 * Each object says whose it is and of which version, and its other bytes follow
 * from that: whoever finds one can tell whether it is whole.
 */
#ifndef ZS_TEST_FORK_LOAD_H
#define ZS_TEST_FORK_LOAD_H

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "zspool/compactor.h"
#include "zspool/pool.h"

#define N_THREADS 3u
#define N_OBJECTS 3000u /* of a thread */
#define CHILD_SECONDS 60u
#define MAX_BYTES 9000u

static struct zs_pool *pool;
static struct zs_pool *idle_pool; /* there may be several */
static struct zs_compactor *compactor;
static _Atomic bool done;

/* --- objects of a load --- */

/* An object of `len` bytes with a number in front, and the same byte behind. */
static size_t make_bytes(unsigned char *buf, uint32_t number, uint32_t version)
{
    size_t len = 16 + (number * 37 + version * 101) % 1500;

    if (number % 50 == 0) {
        len = 3000 + (version * 997) % 6000;
    }
    memset(buf, (int)(number + version), len);
    memcpy(buf, &number, sizeof(number));
    memcpy(buf + 4, &version, sizeof(version));
    len = len < MAX_BYTES ? len : MAX_BYTES;
    return len;
}

/* Is it what make_bytes() has made, of any version? */
static bool is_whole(const unsigned char *p, uint32_t number)
{
    unsigned char want[MAX_BYTES];
    uint32_t version;
    size_t len;

    memcpy(&version, p + 4, sizeof(version));
    len = make_bytes(want, number, version);
    return memcmp(p, want, len) == 0;
}

/* The handle of each object. A thread writes it when the object is there, and
 * clears it before it frees: what a child finds here is live. */
static _Atomic uint32_t handles[N_THREADS][N_OBJECTS];

static bool read_one(unsigned owner, unsigned i)
{
    uint32_t number = owner * N_OBJECTS + i;
    zs_handle_t h = { atomic_load(&handles[owner][i]) };
    unsigned char local[ZS_LOCAL_COPY_BYTES];
    bool whole = true;

    if (h.raw != 0) {
        whole = is_whole(zs_obj_read_begin(pool, h, local), number);
        zs_obj_read_end(pool);
    }
    return whole;
}

static uint32_t next_random(uint32_t *s)
{
    *s = *s * 1664525u + 1013904223u;
    return *s >> 8;
}

static void must(int err)
{
    if (err) {
        abort(); /* there is no limit */
    }
}

static void change_one(unsigned owner, unsigned i, uint32_t version)
{
    uint32_t number = owner * N_OBJECTS + i;
    _Atomic uint32_t *place = &handles[owner][i];
    zs_handle_t h = { atomic_load(place) };
    unsigned char buf[MAX_BYTES];
    size_t len = make_bytes(buf, number, version);

    if (h.raw == 0) {
        must(zs_obj_create(pool, buf, len, &h));
        atomic_store(place, h.raw);
    } else if (version % 3 == 0) {
        atomic_store(place, 0);
        zs_free(pool, h);
    } else if (version % 7 == 0) {
        atomic_store(place, 0);
        zs_free_deferred(pool, h);
    } else if (version % 11 == 0) {
        must(zs_realloc(pool, h, MAX_BYTES));
    } else {
        must(zs_obj_replace(pool, h, buf, len));
    }
}

static void *run_load(void *arg)
{
    unsigned owner = (unsigned)(uintptr_t)arg;
    uint32_t seed = owner + 1;

    for (uint32_t version = 1; !atomic_load(&done); version++) {
        unsigned i = next_random(&seed) % N_OBJECTS;

        change_one(owner, i, version);
        if (!read_one(owner, next_random(&seed) % N_OBJECTS)) {
            abort();
        }
        if (version % 64 == 0) { /* fork() is a thread's turn as well */
            sched_yield();
        }
    }
    return NULL;
}

/* --- children --- */

/* Run `act` in a child; it returns 0 or the number of what was wrong. */
static inline void in_child(int (*act)(void))
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        /* liburcu waits with all signals blocked but this one. */
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        signal(SIGABRT, SIG_DFL);
        alarm(CHILD_SECONDS);
        _exit(act());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        fail_msg("child: %s %d", WIFEXITED(status) ? "exit" : "signal",
                 WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
    }
}

static int read_all(void)
{
    for (unsigned t = 0; t < N_THREADS; t++) {
        for (unsigned i = 0; i < N_OBJECTS; i++) {
            if (!read_one(t, i)) {
                return 1;
            }
        }
    }
    return 0;
}

static void free_all(void)
{
    for (unsigned t = 0; t < N_THREADS; t++) {
        for (unsigned i = 0; i < N_OBJECTS; i++) {
            zs_handle_t h = { atomic_load(&handles[t][i]) };

            if (h.raw != 0) {
                zs_free(pool, h);
            }
        }
    }
}

/* --- a pool with threads at work --- */

static pthread_t threads[N_THREADS];

static void start_load(void)
{
    struct zs_pool_config cfg = {
        .private_arena = { .reserve_bytes = (size_t)256 << 20 },
        .max_zspages = 1 << 14,
    };
    struct zs_compactor_config compact = {
        .tick_ns = 2000000,
        .budget = { .low_permille = 10, .high_permille = 20 },
    };

    atomic_store(&done, false);
    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    assert_int_equal(zs_pool_create(&cfg, &idle_pool), 0);
    assert_int_equal(
        zs_compactor_start(zs_pool_arena(pool), &compact, &compactor), 0);
    for (unsigned t = 0; t < N_THREADS; t++) {
        assert_int_equal(
            pthread_create(&threads[t], NULL, run_load, (void *)(uintptr_t)t),
            0);
    }
}

static inline void stop_load(void)
{
    atomic_store(&done, true);
    for (unsigned t = 0; t < N_THREADS; t++) {
        pthread_join(threads[t], NULL);
    }
    assert_int_equal(read_all(), 0);
    free_all();
    memset((void *)handles, 0, sizeof(handles));
    zs_compactor_stop(compactor);
    zs_pool_destroy(pool);
    zs_pool_destroy(idle_pool);
}

static int watch(void **state)
{
    (void)state;
    alarm(4 * CHILD_SECONDS); /* the parent may hang as well */
    return 0;
}

#endif /* ZS_TEST_FORK_LOAD_H */
