/* SPDX-License-Identifier: MIT */
/*
 * fork_arena.c - an arena's part in a fork (lib/base/fork.h).
 *
 * In the child no compactor looks after the arena, nobody waits for a pass,
 * and liburcu's new thread carries the round that was under way.
 */
#include "arena_impl.h"

static struct zs_arena *arena_of(struct zs_fork_member *m)
{
    return (struct zs_arena *)((char *)m - offsetof(struct zs_arena, fork));
}

/* As zs_arena_begin_pass(). */
static void hurry(struct zs_fork_member *m)
{
    struct zs_arena *a = arena_of(m);

    atomic_fetch_add_explicit(&a->pace.n_waiting, 1, memory_order_relaxed);
    zs_arena_wake(a);
}

/* NULL: the arena has none of that rank. */
static struct zs_lock *lock_of_rank(struct zs_arena *a, enum zs_rank rank)
{
    switch (rank) {
    case ZS_RANK_PASS:
        return &a->pass_lock;
    case ZS_RANK_FLUSH:
        return &a->grace.flush_lock;
    case ZS_RANK_FIGURES:
        return &a->figures_lock;
    case ZS_RANK_TYPES:
        return &a->types_lock;
    case ZS_RANK_ROUNDS:
        return &a->grace.lock;
    case ZS_RANK_LIMBO:
        return &a->limbo_lock;
    case ZS_RANK_ARENA:
        return &a->lock;
    default:
        return NULL;
    }
}

static void lock(struct zs_fork_member *m, enum zs_rank rank)
{
    struct zs_arena *a = arena_of(m);
    struct zs_lock *l = lock_of_rank(a, rank);

    if (l) {
        zs_lock_acquire_together(l);
    }
    if (rank == ZS_RANK_PASS) {
        atomic_fetch_sub_explicit(&a->pace.n_waiting, 1, memory_order_relaxed);
    }
}

static void unlock(struct zs_fork_member *m, enum zs_rank rank)
{
    struct zs_lock *l = lock_of_rank(arena_of(m), rank);

    if (l) {
        zs_lock_release_together(l);
    }
}

static void child(struct zs_fork_member *m)
{
    struct zs_arena *a = arena_of(m);

    atomic_store_explicit(&a->pace.n_waiting, 0, memory_order_relaxed);
    atomic_store_explicit(&a->wake_above, UINT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&a->woken, false, memory_order_relaxed);
    a->waker = NULL;
    a->compactor_stats = NULL;
    atomic_store_explicit(&a->n_stalled, 0, memory_order_relaxed);
    pthread_cond_init(&a->attempted, NULL); /* who waited is not there */
    pthread_cond_init(&a->grace.idle, NULL);
}

const struct zs_fork_ops zs_arena_fork_ops = {
    .hurry = hurry,
    .lock = lock,
    .unlock = unlock,
    .child = child,
};
