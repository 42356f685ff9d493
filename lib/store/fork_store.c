/* SPDX-License-Identifier: MIT */
/*
 * fork_store.c - a store's part in a fork (lib/base/fork.h).
 *
 * In the child the worker thread is not there; the next put that finds a class
 * ready starts another one; so does recompression begin again then, or by
 * zs_store_background(). Values with a dictionary are stored and counted as
 * one piece of work (store.c), so no count is less than the truth. What a put
 * in the middle of it had taken of its tenant's limit stays taken.
 */
#include "dict_work.h"
#include "store_impl.h"

static struct zs_store *store_of(struct zs_fork_member *m)
{
    return (struct zs_store *)((char *)m - offsetof(struct zs_store, fork));
}

static struct zs_lock *lock_of_rank(struct zs_store *store, enum zs_rank rank)
{
    return rank == ZS_RANK_STORE ? &store->patterns.lock : NULL;
}

/* Classes are made as work, so there are the same ones at the unlock. */
static void each_sampler(struct zs_store *store, void (*fn)(struct zs_lock *l))
{
    for (unsigned i = 0; store->dicts != NULL && i < ZS_DICT_CLASSES; i++) {
        struct zs_dict_class *c = atomic_load_explicit(
            &store->dicts->dicts.classes[i], memory_order_acquire);

        if (c != NULL) {
            fn(&c->sampler.lock);
        }
    }
}

/* Without them no step is under way, and no claim (cold_map.h) is there. */
static void each_trainer(struct zs_store *store, void (*fn)(struct zs_lock *l))
{
    if (store->dicts != NULL) {
        fn(&store->dicts->dicts.lock);
    }
    if (store->recompress.codec != NULL) {
        fn(&store->recompress.lock);
    }
}

static void lock(struct zs_fork_member *m, enum zs_rank rank)
{
    struct zs_store *store = store_of(m);
    struct zs_lock *l = lock_of_rank(store, rank);

    if (l != NULL) {
        zs_lock_acquire_together(l);
    } else if (rank == ZS_RANK_TRAINER) {
        each_trainer(store, zs_lock_acquire_together);
    } else if (rank == ZS_RANK_SAMPLES) {
        each_sampler(store, zs_lock_acquire_together);
    }
}

static void unlock(struct zs_fork_member *m, enum zs_rank rank)
{
    struct zs_store *store = store_of(m);
    struct zs_lock *l = lock_of_rank(store, rank);

    if (l != NULL) {
        zs_lock_release_together(l);
    } else if (rank == ZS_RANK_TRAINER) {
        each_trainer(store, zs_lock_release_together);
    } else if (rank == ZS_RANK_SAMPLES) {
        each_sampler(store, zs_lock_release_together);
    }
}

static void child(struct zs_fork_member *m)
{
    struct zs_store *store = store_of(m);

    zs_tenants_after_fork(&store->tenants);
    zs_worker_forget(&store->worker);
}

const struct zs_fork_ops zs_store_fork_ops = {
    .lock = lock,
    .unlock = unlock,
    .child = child,
};
