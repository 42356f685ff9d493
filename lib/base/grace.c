/* SPDX-License-Identifier: MIT */
/* grace.c - see grace.h. */
#include "grace.h"

#include <stddef.h>

#include "fork.h"
#include "os.h"
#include "probe.h"

void zs_grace_init(struct zs_grace *g)
{
    *g = (struct zs_grace){ 0 };
    zs_lock_init(&g->lock, ZS_RANK_ROUNDS);
    zs_lock_init(&g->flush_lock, ZS_RANK_FLUSH);
    pthread_cond_init(&g->idle, NULL);
}

/* Wait until no ASYNC round is under way. */
static void wait_async_locked(struct zs_grace *g)
{
    while (g->async) {
        zs_lock_wait(&g->lock, &g->idle);
    }
}

void zs_grace_destroy(struct zs_grace *g)
{
    zs_lock_acquire(&g->lock);
    wait_async_locked(g);
    ZS_CHECK(!g->members);
    zs_lock_release(&g->lock);
    pthread_cond_destroy(&g->idle);
    zs_lock_destroy(&g->flush_lock);
    zs_lock_destroy(&g->lock);
}

static void start_locked(struct zs_grace *g, enum zs_round round)
{
    ZS_ASSERT_HELD(&g->lock);
    g->began_ns[round] = zs_os.now_ns();
    for (struct zs_grace_member *m = g->members; m; m = m->next) {
        m->start(m, round);
    }
}

/* Its readers are gone: so long what it covers has waited for them. */
static void note_delay_locked(struct zs_grace *g, enum zs_round round)
{
    uint64_t took = zs_os.now_ns() - g->began_ns[round];

    ZS_ASSERT_HELD(&g->lock);
    zs_histogram_add(&g->delays, took);
    ZS_PROBE2(grace, round, took);
}

/*
 * Members join at the head and leave only when no round is under way, so the
 * list behind the head read here does not change meanwhile.
 */
static void finish(struct zs_grace *g, enum zs_round round)
{
    struct zs_grace_member *m;

    zs_lock_acquire(&g->lock);
    note_delay_locked(g, round);
    m = g->members;
    zs_lock_release(&g->lock);
    for (; m; m = m->next) {
        m->finish(m, round);
    }
}

/* After finish(ASYNC): begin the next round at once, or come to rest. */
static bool begin_again_locked(struct zs_grace *g)
{
    bool begin = g->again && g->n_leaving == 0;

    g->finishing = false;
    if (begin) {
        g->again = false;
        start_locked(g, ZS_ROUND_ASYNC);
    } else {
        g->async = false;
    }
    pthread_cond_broadcast(&g->idle);
    return begin;
}

static void async_passed(struct zs_after_grace *after)
{
    struct zs_grace *g =
        (struct zs_grace *)((char *)after - offsetof(struct zs_grace, after));
    bool begin;

    zs_lock_acquire(&g->lock);
    g->finishing = true;
    zs_lock_release(&g->lock);
    finish(g, ZS_ROUND_ASYNC);
    zs_lock_acquire(&g->lock);
    begin = begin_again_locked(g);
    zs_lock_release(&g->lock);
    if (begin) {
        zs_call_after_grace(&g->after, async_passed);
    }
}

void zs_grace_request(struct zs_grace *g)
{
    bool begin;

    zs_work_begin();
    zs_lock_acquire(&g->lock);
    begin = !g->async && g->n_leaving == 0;
    if (begin) {
        g->async = true;
        start_locked(g, ZS_ROUND_ASYNC);
    } else {
        g->again = true;
    }
    zs_lock_release(&g->lock);
    if (begin) {
        zs_call_after_grace(&g->after, async_passed);
    }
    zs_work_end();
}

void zs_grace_flush(struct zs_grace *g)
{
    uint64_t moved;

    zs_lock_acquire(&g->flush_lock);
    zs_lock_acquire(&g->lock);
    while (g->finishing) { /* it may hold what waits, and put some back */
        zs_lock_wait(&g->lock, &g->idle);
    }
    start_locked(g, ZS_ROUND_FLUSH);
    moved = atomic_load_explicit(&g->moved_bytes, memory_order_relaxed);
    zs_lock_release(&g->lock);
    zs_wait_for_readers();
    finish(g, ZS_ROUND_FLUSH);
    atomic_fetch_sub_explicit(&g->moved_bytes, moved, memory_order_relaxed);
    zs_lock_release(&g->flush_lock);
}

void zs_grace_join(struct zs_grace *g, struct zs_grace_member *m)
{
    zs_lock_acquire(&g->lock);
    m->next = g->members;
    g->members = m;
    zs_lock_release(&g->lock);
}

static void unlink_locked(struct zs_grace *g, struct zs_grace_member *m)
{
    struct zs_grace_member **p = &g->members;

    while (*p != m) {
        ZS_CHECK(*p);
        p = &(*p)->next;
    }
    *p = m->next;
}

void zs_grace_leave(struct zs_grace *g, struct zs_grace_member *m)
{
    bool again;

    zs_grace_flush(g);
    zs_lock_acquire(&g->flush_lock); /* no FLUSH round under way */
    zs_lock_acquire(&g->lock);
    g->n_leaving++; /* no new ASYNC round either */
    wait_async_locked(g);
    unlink_locked(g, m);
    g->n_leaving--;
    again = g->again;
    g->again = false;
    zs_lock_release(&g->lock);
    zs_lock_release(&g->flush_lock);
    if (again) {
        zs_grace_request(g);
    }
}

void zs_grace_count(struct zs_grace *g, uint64_t bytes)
{
    uint64_t now = bytes + atomic_fetch_add_explicit(&g->deferred_bytes, bytes,
                                                     memory_order_relaxed);
    uint64_t peak =
        atomic_load_explicit(&g->deferred_peak, memory_order_relaxed);

    while (now > peak && !atomic_compare_exchange_weak_explicit(
                             &g->deferred_peak, &peak, now,
                             memory_order_relaxed, memory_order_relaxed)) {
    }
}

void zs_grace_count_moved(struct zs_grace *g, uint64_t bytes)
{
    atomic_fetch_add_explicit(&g->moved_bytes, bytes, memory_order_relaxed);
}

void zs_grace_uncount(struct zs_grace *g, uint64_t bytes, uint64_t n)
{
    atomic_fetch_add_explicit(&g->n_released, n, memory_order_relaxed);
    atomic_fetch_sub_explicit(&g->deferred_bytes, bytes, memory_order_relaxed);
}
