/* SPDX-License-Identifier: MIT */
/*
 * grace.h - giving memory back after its last reader, for a whole arena.
 *
 * Words
 *   member    somebody with memory that waits for readers (a pool; the
 *             arena's own pages in LIMBO). It keeps its own lists
 *   round     one grace period and what it covers
 *
 * Idea
 *   A round has two ends. start(): each member moves what waits into the
 *   round. Then a grace period passes. finish(): each member gives the round's
 *   memory back. Nothing is allocated, so giving back cannot fail.
 *
 *   Two rounds may be under way at once. Round ASYNC is carried by liburcu's
 *   thread and asked for by anybody at any time, without waiting. Round FLUSH
 *   is carried by a caller who may wait (a compaction, a destroy); it begins
 *   later than an ASYNC round under way, so it takes over what that one
 *   covers and finishes it sooner.
 *
 * Invariants
 *   R1  what finish(round) gives back was in the member's hands at that
 *       round's start, before its grace period
 *   R2  start and finish of a member run one at a time for each round; start
 *       of FLUSH may run while finish of ASYNC does
 *
 * Locking: `lock` (rank ROUNDS) guards the fields; start() runs under it;
 * finish() runs under no lock here.
 */
#ifndef ZS_LIB_GRACE_H
#define ZS_LIB_GRACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "histogram.h"
#include "lock.h"
#include "rcu.h"

enum zs_round { ZS_ROUND_ASYNC, ZS_ROUND_FLUSH, ZS_NR_ROUNDS };

struct zs_grace_member {
    struct zs_grace_member *next; /* guarded by grace lock */
    void (*start)(struct zs_grace_member *m, enum zs_round round);
    void (*finish)(struct zs_grace_member *m, enum zs_round round);
};

struct zs_grace {
    struct zs_lock lock;
    struct zs_lock flush_lock; /* one FLUSH round at a time */
    pthread_cond_t idle;
    struct zs_grace_member *members;
    bool async;         /* an ASYNC round is under way */
    bool again;         /* and another one is wanted after it */
    bool finishing;     /* liburcu's thread is in finish(ASYNC) */
    unsigned n_leaving; /* members that wait for async to end */
    struct zs_after_grace after;
    _Atomic uint64_t deferred_bytes; /* waiting now; relaxed counters */
    _Atomic uint64_t deferred_peak;
    _Atomic uint64_t moved_bytes; /* left behind by movers since a FLUSH */
    _Atomic uint64_t n_released;  /* things that waited, and are free; ever */
    uint64_t began_ns[ZS_NR_ROUNDS]; /* guarded by lock */
    struct zs_histogram delays; /* from begin to passed, of both rounds; ns */
};

void zs_grace_init(struct zs_grace *g);
void zs_grace_destroy(struct zs_grace *g); /* no members left */

void zs_grace_join(struct zs_grace *g, struct zs_grace_member *m);
/* May wait. On return nothing of the member is in any round. */
void zs_grace_leave(struct zs_grace *g, struct zs_grace_member *m);

/* Have an ASYNC round run soon. Never waits; callable in a read section, under
 * locks below ROUNDS. */
void zs_grace_request(struct zs_grace *g);

/* Run a round now. May wait for readers; on return everything that waited at
 * the call has been given back. */
void zs_grace_flush(struct zs_grace *g);

/* Members count what waits, and movers which part of it is theirs. */
void zs_grace_count(struct zs_grace *g, uint64_t bytes);
void zs_grace_count_moved(struct zs_grace *g, uint64_t bytes);
/* So many bytes of n things (pages, slots) that have waited are free. */
void zs_grace_uncount(struct zs_grace *g, uint64_t bytes, uint64_t n);

static inline uint64_t zs_grace_deferred(const struct zs_grace *g)
{
    return atomic_load_explicit(&g->deferred_bytes, memory_order_relaxed);
}

#endif /* ZS_LIB_GRACE_H */
