/* SPDX-License-Identifier: MIT */
/*
 * pools.c - the pools of the process: for ends of threads, which give up their
 * caches in all of them, and for forks (lib/base/fork.h).
 *
 * Idea
 *   At a fork the fast paths of all caches are turned off like by a thief, and
 *   their sections waited for; so each bin is whole. In the child the caches of
 *   the threads that are gone belong to nobody. They are not emptied: that
 *   would copy many pages for a child that only wants to execute something.
 *   Thieves find them as ever, and a thread's first use of the pool takes one
 *   over before it makes a new one.
 */
#include <sys/syscall.h>
#include <unistd.h>

#include "cache.h"
#include "fork.h"

/* Ends of threads and of pools exclude each other. */
static struct zs_lock pools_lock = { PTHREAD_MUTEX_INITIALIZER, ZS_RANK_POOLS };
static struct zs_pool *pools; /* linked by next_pool; guarded by pools_lock */

void pools_each(void (*fn)(struct zs_pool *pool))
{
    zs_lock_acquire(&pools_lock);
    for (struct zs_pool *p = pools; p; p = p->next_pool) {
        fn(p);
    }
    zs_lock_release(&pools_lock);
}

/* --- forks --- */

static void lock_classes(struct zs_pool *pool)
{
    for (unsigned i = 0; i < pool->n_classes; i++) {
        zs_lock_acquire_together(&pool->classes[i].lock);
    }
}

static void unlock_classes(struct zs_pool *pool)
{
    for (unsigned i = 0; i < pool->n_classes; i++) {
        zs_lock_release_together(&pool->classes[i].lock);
    }
}

/* NULL: a pool has none, or several, of that rank. */
static struct zs_lock *lock_of_rank(struct zs_pool *pool, enum zs_rank rank)
{
    switch (rank) {
    case ZS_RANK_CACHES:
        return &pool->caches_lock;
    case ZS_RANK_PINS:
        return &pool->pins_lock;
    case ZS_RANK_LIMBO:
        return &pool->limbo_lock;
    case ZS_RANK_HANDLES:
        return &pool->handles.lock;
    case ZS_RANK_TABLE:
        return &pool->table_lock;
    default:
        return NULL;
    }
}

static void lock(struct zs_fork_member *m, enum zs_rank rank)
{
    (void)m;
    if (rank == ZS_RANK_POOLS) {
        zs_lock_acquire_together(&pools_lock);
    }
    for (struct zs_pool *p = pools; rank > ZS_RANK_POOLS && p;
         p = p->next_pool) {
        struct zs_lock *l = lock_of_rank(p, rank);

        if (l) {
            zs_lock_acquire_together(l);
        }
        if (rank == ZS_RANK_CACHES) {
            caches_close_locked(p);
        } else if (rank == ZS_RANK_CLASS) {
            lock_classes(p);
        }
    }
}

static void unlock(struct zs_fork_member *m, enum zs_rank rank)
{
    (void)m;
    for (struct zs_pool *p = pools; rank == ZS_RANK_CACHES && p;
         p = p->next_pool) {
        caches_open_locked(p); /* all, while it counts as held */
    }
    for (struct zs_pool *p = pools; rank > ZS_RANK_POOLS && p;
         p = p->next_pool) {
        struct zs_lock *l = lock_of_rank(p, rank);

        if (rank == ZS_RANK_CLASS) {
            unlock_classes(p);
        }
        if (l) {
            zs_lock_release_together(l);
        }
    }
    if (rank == ZS_RANK_POOLS) {
        zs_lock_release_together(&pools_lock);
    }
}

static long parents_thread; /* that forks; under all locks */

/* The thread is another one in the child, by its number. */
static void hurry(struct zs_fork_member *m)
{
    (void)m;
    parents_thread = syscall(SYS_gettid);
}

static void child(struct zs_fork_member *m)
{
    (void)m;
    for (struct zs_pool *p = pools; p; p = p->next_pool) {
        caches_disown(p);
        pins_disown(p, parents_thread);
    }
}

static const struct zs_fork_ops fork_ops = {
    .hurry = hurry,
    .lock = lock,
    .unlock = unlock,
    .child = child,
};
static struct zs_fork_member member = { .how = &fork_ops };

/* --- who is there --- */

int pools_add(struct zs_pool *pool)
{
    int err = zs_fork_join(&member);

    if (err) {
        return err;
    }
    zs_lock_acquire(&pools_lock);
    pool->next_pool = pools;
    pools = pool;
    zs_lock_release(&pools_lock);
    return 0;
}

void pools_remove(struct zs_pool *pool)
{
    struct zs_pool **link = &pools;

    zs_lock_acquire(&pools_lock);
    while (*link != pool) {
        link = &(*link)->next_pool;
    }
    *link = pool->next_pool;
    zs_lock_release(&pools_lock);
}
