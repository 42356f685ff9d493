/* SPDX-License-Identifier: MIT */
/*
 * thread.c - the compactor thread: which arena is looked at, and when.
 *
 * Idea
 *   The thread sleeps on a semaphore until the first of its arenas is due, or
 *   until somebody posts: a kick, an arena that has grown (from any thread,
 *   holding any lock), a stop. Then it looks at those that are due, one after
 *   the other. A pass in progress asks at its points whether it is to end.
 *
 * Locking: `shared.lock` (rank COMPACTOR) guards the list of arenas and the
 * budget; it is not held during a look. `busy` says which arena is being looked
 * at; who takes that one off the list waits for it on `idle`.
 *
 * Forks (fork.h): the thread does not come with the child. There the compactor
 * is only good for being stopped; its arenas may have another one.
 */
#include <errno.h>
#include <stddef.h>

#include "fork.h"
#include "managed.h"
#include "os.h"
#include "policy.h"
#include "rcu.h"

#define DEFAULT_TICK_NS UINT64_C(500000000)

struct zs_compactor {
    struct zs_compactor_shared shared;
    pthread_t thread;
    pthread_cond_t idle;
    struct zs_managed *arenas; /* guarded by shared.lock */
    struct zs_managed *busy;   /* guarded by shared.lock */
    struct zs_fork_member fork;
    bool is_gone; /* written in the child of a fork */
};

static bool is_stopping(const struct zs_compactor *c)
{
    return atomic_load_explicit(&c->shared.stop, memory_order_relaxed);
}

static bool is_leaving(const struct zs_managed *m)
{
    return atomic_load_explicit(&m->leaving, memory_order_relaxed);
}

/* --- the thread --- */

/* Who waits longest of those that are due; kicked ones first. */
static struct zs_managed *first_due_locked(struct zs_compactor *c,
                                           uint64_t *next_ns)
{
    uint64_t now = zs_os.now_ns();
    struct zs_managed *first = NULL;

    for (struct zs_managed *m = c->arenas; m; m = m->next) {
        if (is_leaving(m)) {
            continue;
        }
        *next_ns = m->due_ns < *next_ns ? m->due_ns : *next_ns;
        if (zs_managed_is_due(m, now) &&
            (!first || zs_managed_waits_longer(m, first))) {
            first = m;
        }
    }
    return first;
}

/* One that is due, marked busy; else when the first one is, or the tick. */
static struct zs_managed *take_due(struct zs_compactor *c, uint64_t *next_ns)
{
    struct zs_managed *m;

    *next_ns = c->shared.shortage.next_ns;
    zs_lock_acquire(&c->shared.lock);
    m = first_due_locked(c, next_ns);
    c->busy = m;
    zs_lock_release(&c->shared.lock);
    return m;
}

static void end_busy(struct zs_compactor *c)
{
    zs_lock_acquire(&c->shared.lock);
    c->busy = NULL;
    pthread_cond_broadcast(&c->idle);
    zs_lock_release(&c->shared.lock);
}

/* Posts from before this look at the arenas say nothing any more. */
static void forget_posts(struct zs_compactor *c)
{
    while (sem_trywait(&c->shared.wake) == 0) {
    }
}

/* What the arenas say together: the worst, and all that is missing. */
static enum zs_pressure_level ask_arenas(struct zs_compactor *c, uint64_t *want,
                                         uint64_t *footprint)
{
    int worst = ZS_PRESSURE_NONE;

    *want = 0;
    *footprint = 0;
    zs_lock_acquire(&c->shared.lock);
    for (struct zs_managed *m = c->arenas; m; m = m->next) {
        int level = atomic_load_explicit(&m->level, memory_order_relaxed);

        worst = level > worst ? level : worst;
        *want += atomic_load_explicit(&m->evict_bytes, memory_order_relaxed);
        *footprint +=
            atomic_load_explicit(&m->footprint_bytes, memory_order_relaxed);
    }
    zs_lock_release(&c->shared.lock);
    return (enum zs_pressure_level)worst;
}

/* Look at all; whether to work is for the policy. */
static void wake_arenas(struct zs_compactor *c)
{
    zs_lock_acquire(&c->shared.lock);
    for (struct zs_managed *m = c->arenas; m; m = m->next) {
        zs_arena_wake(m->arena);
    }
    zs_lock_release(&c->shared.lock);
}

/* Once a tick, kicks or not. What the embedder frees is compacted after it. */
static void look_at_system(struct zs_compactor *c)
{
    struct zs_shortage *s = &c->shared.shortage;
    uint64_t want, footprint;
    enum zs_pressure_level arenas;

    zs_shortage_look(s, zs_os.now_ns(), c->shared.tick_ns);
    if (s->looked) {
        arenas = ask_arenas(c, &want, &footprint);
        if (zs_shortage_tell(s, arenas, want, footprint)) {
            wake_arenas(c);
        }
    }
}

static void *run(void *arg)
{
    struct zs_compactor *c = arg;

    while (!is_stopping(c)) {
        uint64_t next_ns;
        struct zs_managed *m;

        forget_posts(c);
        look_at_system(c);
        m = take_due(c, &next_ns);
        if (m) {
            zs_managed_look(m);
            end_busy(c);
        } else if (!is_stopping(c)) { /* posted after forget_posts() */
            zs_compactor_sleep(&c->shared, next_ns);
        }
    }
    return NULL;
}

/* --- forks --- */

static struct zs_compactor *compactor_of(struct zs_fork_member *m)
{
    return (struct zs_compactor *)((char *)m -
                                   offsetof(struct zs_compactor, fork));
}

static void lock(struct zs_fork_member *m, enum zs_rank rank)
{
    if (rank == ZS_RANK_COMPACTOR) {
        zs_lock_acquire_together(&compactor_of(m)->shared.lock);
    }
}

static void unlock(struct zs_fork_member *m, enum zs_rank rank)
{
    if (rank == ZS_RANK_COMPACTOR) {
        zs_lock_release_together(&compactor_of(m)->shared.lock);
    }
}

/* Arenas forget it themselves (lib/page/fork_arena.c). Where a callback of the
 * embedder's has forked, this is its thread: it is to end. */
static void child(struct zs_fork_member *m)
{
    struct zs_compactor *c = compactor_of(m);

    c->is_gone = true;
    c->busy = NULL;
    atomic_store_explicit(&c->shared.stop, true, memory_order_relaxed);
    pthread_cond_init(&c->idle, NULL); /* who waited is not there */
}

static const struct zs_fork_ops fork_ops = {
    .lock = lock,
    .unlock = unlock,
    .child = child,
};

/* --- start and stop --- */

/* Nobody looks at it any more. */
static void end_managed(const struct zs_compactor *c, struct zs_managed *m)
{
    if (c->is_gone) {
        zs_os.free(m); /* its arena may have another compactor */
    } else {
        zs_managed_destroy(m);
    }
}

static void free_parts(struct zs_compactor *c)
{
    pthread_cond_destroy(&c->idle);
    zs_lock_destroy(&c->shared.lock);
    sem_destroy(&c->shared.wake);
}

static int init(struct zs_compactor *c, const struct zs_compactor_config *cfg)
{
    int err;

    c->shared.budget = cfg->budget;
    err = zs_policy_complete_budget(&c->shared.budget);
    if (err) {
        return err;
    }
    c->shared.tick_ns = cfg->tick_ns ? cfg->tick_ns : DEFAULT_TICK_NS;
    c->shared.marks = (struct zs_watermarks){
        cfg->min_bytes,
        cfg->low_bytes,
        cfg->high_bytes,
    };
    zs_shortage_init(&c->shared.shortage, cfg);
    sem_init(&c->shared.wake, 0, 0);
    zs_lock_init(&c->shared.lock, ZS_RANK_COMPACTOR);
    pthread_cond_init(&c->idle, NULL);
    c->fork.how = &fork_ops;
    err = zs_fork_join(&c->fork);
    if (err) {
        free_parts(c);
    }
    return err;
}

static void free_compactor(struct zs_compactor *c)
{
    zs_fork_leave(&c->fork);
    free_parts(c);
    zs_os.free(c);
}

int zs_compactor_start(struct zs_arena *arena,
                       const struct zs_compactor_config *cfg,
                       struct zs_compactor **out)
{
    static const struct zs_compactor_config defaults;
    struct zs_compactor *c = zs_os.alloc(sizeof(*c));
    int err;

    if (!c) {
        return -ENOMEM;
    }
    err = init(c, cfg ? cfg : &defaults);
    if (err) {
        zs_os.free(c);
        return err;
    }
    err = arena ? zs_compactor_add(c, arena) : 0;
    if (err) {
        free_compactor(c);
        return err;
    }
    if (zs_os.thread_start(&c->thread, run, c) != 0) {
        if (arena) {
            (void)zs_compactor_remove(c, arena);
        }
        free_compactor(c);
        return -EAGAIN;
    }
    *out = c;
    return 0;
}

void zs_compactor_stop(struct zs_compactor *c)
{
    if (!c) {
        return;
    }
    zs_may_wait(__func__);
    if (pthread_equal(pthread_self(), c->thread)) {
        zs_misuse(__func__, "called by the compactor's own thread", 0,
                  "it would wait for itself");
    }
    zs_lock_acquire(&c->shared.lock);
    atomic_store_explicit(&c->shared.stop, true, memory_order_relaxed);
    (void)sem_post(&c->shared.wake);
    zs_lock_release(&c->shared.lock);
    if (!c->is_gone) {
        pthread_join(c->thread, NULL);
    }
    while (c->arenas) {
        struct zs_managed *m = c->arenas;

        c->arenas = m->next;
        end_managed(c, m);
    }
    free_compactor(c);
}

/* --- arenas --- */

int zs_compactor_add(struct zs_compactor *c, struct zs_arena *arena)
{
    struct zs_managed *m;
    int err;

    if (c->is_gone) {
        return -ESRCH;
    }
    err = zs_managed_create(arena, &c->shared, &m);
    if (err) {
        return err;
    }
    zs_lock_acquire(&c->shared.lock);
    m->next = c->arenas;
    c->arenas = m;
    atomic_fetch_add_explicit(&c->shared.n_arenas, 1, memory_order_relaxed);
    (void)sem_post(&c->shared.wake);
    zs_lock_release(&c->shared.lock);
    return 0;
}

static struct zs_managed *find_locked(struct zs_compactor *c,
                                      const struct zs_arena *arena)
{
    struct zs_managed *m = c->arenas;

    while (m && m->arena != arena) {
        m = m->next;
    }
    return m;
}

static void unlink_locked(struct zs_compactor *c, struct zs_managed *m)
{
    struct zs_managed **p = &c->arenas;

    while (*p != m) {
        p = &(*p)->next;
    }
    *p = m->next;
}

int zs_compactor_remove(struct zs_compactor *c, struct zs_arena *arena)
{
    struct zs_managed *m;

    zs_may_wait(__func__);
    zs_lock_acquire(&c->shared.lock);
    m = find_locked(c, arena);
    if (!m || is_leaving(m)) {
        zs_lock_release(&c->shared.lock);
        return -ENOENT;
    }
    atomic_store_explicit(&m->leaving, true, memory_order_relaxed);
    (void)sem_post(&c->shared.wake); /* it may be pausing */
    while (c->busy == m) {
        zs_lock_wait(&c->shared.lock, &c->idle);
    }
    unlink_locked(c, m);
    atomic_fetch_sub_explicit(&c->shared.n_arenas, 1, memory_order_relaxed);
    zs_lock_release(&c->shared.lock);
    end_managed(c, m);
    return 0;
}

/* --- while it runs --- */

int zs_compactor_set_budget(struct zs_compactor *c,
                            const struct zs_compact_budget *budget)
{
    struct zs_compact_budget whole = *budget;
    int err = zs_policy_complete_budget(&whole);

    if (err) {
        return err;
    }
    zs_lock_acquire(&c->shared.lock);
    c->shared.budget = whole;
    (void)sem_post(&c->shared.wake);
    zs_lock_release(&c->shared.lock);
    return 0;
}

void zs_compactor_budget(struct zs_compactor *c, struct zs_compact_budget *out)
{
    zs_lock_acquire(&c->shared.lock);
    *out = c->shared.budget;
    zs_lock_release(&c->shared.lock);
}

void zs_compactor_kick(struct zs_compactor *c)
{
    zs_lock_acquire(&c->shared.lock);
    for (struct zs_managed *m = c->arenas; m; m = m->next) {
        atomic_store_explicit(&m->kicked, true, memory_order_relaxed);
    }
    (void)sem_post(&c->shared.wake);
    zs_lock_release(&c->shared.lock);
}

void zs_compactor_pause(struct zs_compactor *c)
{
    zs_lock_acquire(&c->shared.lock);
    atomic_store_explicit(&c->shared.paused, true, memory_order_relaxed);
    (void)sem_post(&c->shared.wake);
    zs_lock_release(&c->shared.lock);
}

void zs_compactor_resume(struct zs_compactor *c)
{
    atomic_store_explicit(&c->shared.paused, false, memory_order_relaxed);
    zs_compactor_kick(c);
}

bool zs_compactor_is_paused(const struct zs_compactor *c)
{
    return atomic_load_explicit(&c->shared.paused, memory_order_relaxed);
}

/* --- figures --- */

int zs_compactor_stats(struct zs_compactor *c, struct zs_arena *arena,
                       struct zs_compactor_stats *out)
{
    struct zs_managed *m;

    zs_lock_acquire(&c->shared.lock);
    m = find_locked(c, arena);
    if (m) {
        zs_managed_stats(m, out);
    }
    zs_lock_release(&c->shared.lock);
    return m ? 0 : -ENOENT;
}
