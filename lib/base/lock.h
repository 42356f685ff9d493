/* SPDX-License-Identifier: MIT */
/*
 * lock.h - mutexes that know their place.
 *
 * The lock order of the whole library is this enum: a thread may take a lock
 * only if its rank is greater than every rank it holds. Checked builds stop on
 * the first wrong acquisition, deadlock or not. ARCHITECTURE.md prints the
 * enum, and a test compares the two.
 *
 * Who holds a lock of rank ZS_RANK_CLASS or later may not wait for a grace
 * period: a reader may be waiting for that lock.
 */
#ifndef ZS_LIB_LOCK_H
#define ZS_LIB_LOCK_H

#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <time.h>

#include "check.h"
#include "pace.h"

enum zs_rank {
    ZS_RANK_MONITORS,  /* the monitors of the process, for fork and exit  */
    ZS_RANK_MONITOR,   /* arenas of a monitor; an answer in the making    */
    ZS_RANK_FORK,      /* who takes part in a fork of the process         */
    ZS_RANK_TRAINER,   /* training and freeing a store's dictionaries     */
    ZS_RANK_PASS,      /* one compaction pass of an arena at a time       */
    ZS_RANK_FLUSH,     /* one waiter for a grace period of an arena       */
    ZS_RANK_WORK,      /* closed while the process forks                  */
    ZS_RANK_FIGURES,   /* who is asked for statistics of an arena         */
    ZS_RANK_COMPACTOR, /* a compactor thread: its arenas and budget       */
    ZS_RANK_TYPES,     /* page types of an arena                          */
    ZS_RANK_POOLS,     /* the pools of the process, for ends of threads   */
    ZS_RANK_CACHES,    /* the caches of a pool, and who empties them      */
    ZS_RANK_CLASS,     /* lists, zspages, side arrays of one size class   */
    ZS_RANK_BALLOON,   /* what a balloon withholds                        */
    ZS_RANK_PINS,      /* who pins objects of a pool (checked builds)     */
    ZS_RANK_SAMPLES,   /* values of a store, to train on                  */
    ZS_RANK_ROUNDS,    /* grace: who takes part, what round is under way  */
    ZS_RANK_LIMBO,     /* what waits for the next round                   */
    ZS_RANK_HANDLES,   /* free handles of a pool                          */
    ZS_RANK_TABLE,     /* zspage numbers and side arrays of a pool        */
    ZS_RANK_ARENA,     /* pageblocks: which pages are used and resident   */
    ZS_RANK_STORE,     /* patterns of a store; codecs of the process      */
    ZS_NR_RANKS
};

struct zs_lock {
    pthread_mutex_t mutex;
    enum zs_rank rank;
};

#if ZS_CHECKS >= 1
extern _Thread_local unsigned zs_held_ranks; /* a bit per rank */
#define ZS_RANK_TAKE_(r)                                                       \
    do {                                                                       \
        ZS_CHECK(zs_held_ranks >> (r) == 0);                                   \
        zs_held_ranks |= 1u << (r);                                            \
    } while (0)
#define ZS_RANK_TAKE_ALSO_(r)                                                  \
    do {                                                                       \
        ZS_CHECK(zs_held_ranks >> (r) <= 1);                                   \
        zs_held_ranks |= 1u << (r);                                            \
    } while (0)
#define ZS_RANK_DROP_(r) (zs_held_ranks &= ~(1u << (r)))
#define ZS_ASSERT_HELD(l) ZS_CHECK(zs_held_ranks &(1u << (l)->rank))
#define ZS_ASSERT_NONE_FROM(r) ZS_CHECK(zs_held_ranks >> (r) == 0)
#else
#define ZS_RANK_TAKE_(r) ((void)0)
#define ZS_RANK_TAKE_ALSO_(r) ((void)0)
#define ZS_RANK_DROP_(r) ((void)0)
#define ZS_ASSERT_HELD(l) ((void)sizeof(l))
#define ZS_ASSERT_NONE_FROM(r) ((void)sizeof(r))
#endif

static inline void zs_lock_init(struct zs_lock *l, enum zs_rank rank)
{
    pthread_mutexattr_t attr;

    /* Most are held for some ten nanoseconds: spin a little before sleeping. */
    pthread_mutexattr_init(&attr);
    pthread_mutexattr_settype(&attr, PTHREAD_MUTEX_ADAPTIVE_NP);
    pthread_mutex_init(&l->mutex, &attr);
    pthread_mutexattr_destroy(&attr);
    l->rank = rank;
}

static inline void zs_lock_destroy(struct zs_lock *l)
{
    pthread_mutex_destroy(&l->mutex);
}

/* A mover that holds a lock which others take is in a step (pace.h). */
static inline void zs_lock_enter_step_(const struct zs_lock *l)
{
    if (l->rank >= ZS_RANK_CACHES) {
        zs_step_enter();
    }
}

static inline void zs_lock_acquire(struct zs_lock *l)
{
    ZS_RANK_TAKE_(l->rank);
    pthread_mutex_lock(&l->mutex);
    zs_lock_enter_step_(l);
}

/* False: somebody holds it. */
static inline bool zs_lock_try_acquire(struct zs_lock *l)
{
    if (pthread_mutex_trylock(&l->mutex) != 0) {
        return false;
    }
    ZS_RANK_TAKE_(l->rank);
    zs_lock_enter_step_(l);
    return true;
}

/* Does not touch the lock after the unlock: who takes it next may destroy
 * it. */
static inline void zs_lock_release(struct zs_lock *l)
{
    bool may_end_step = l->rank >= ZS_RANK_CACHES;

    ZS_RANK_DROP_(l->rank);
    pthread_mutex_unlock(&l->mutex);
    if (may_end_step) {
        zs_step_leave();
    }
}

/* For a fork (fork.h), which holds all locks of a rank together, and drops them
 * all before it takes one of that rank again. */
static inline void zs_lock_acquire_together(struct zs_lock *l)
{
    ZS_RANK_TAKE_ALSO_(l->rank);
    pthread_mutex_lock(&l->mutex);
}

static inline void zs_lock_release_together(struct zs_lock *l)
{
    ZS_RANK_DROP_(l->rank);
    pthread_mutex_unlock(&l->mutex);
}

/* Sleep on `cond` with the lock dropped meanwhile. */
static inline void zs_lock_wait(struct zs_lock *l, pthread_cond_t *cond)
{
    ZS_ASSERT_HELD(l);
    if (l->rank >= ZS_RANK_CACHES) {
        zs_step_leave();
    }
    pthread_cond_wait(cond, &l->mutex);
    zs_lock_enter_step_(l);
}

/* The same, until a time of zs_os.now_ns() at the latest. */
static inline void zs_lock_wait_until(struct zs_lock *l, pthread_cond_t *cond,
                                      uint64_t until_ns)
{
    struct timespec t = {
        .tv_sec = (time_t)(until_ns / 1000000000u),
        .tv_nsec = (long)(until_ns % 1000000000u),
    };

    ZS_ASSERT_HELD(l);
    if (l->rank >= ZS_RANK_CACHES) {
        zs_step_leave();
    }
    (void)pthread_cond_clockwait(cond, &l->mutex, CLOCK_MONOTONIC, &t);
    zs_lock_enter_step_(l);
}

#endif /* ZS_LIB_LOCK_H */
