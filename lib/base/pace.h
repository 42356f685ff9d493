/* SPDX-License-Identifier: MIT */
/*
 * pace.h - the steps of a mover: how long they may be, and how long they were.
 *
 * Words
 *   mover   the thread that holds the arena's pass_lock: a compaction, a
 *           shrink, an offline
 *   step    while a mover holds a lock that others take, or has a zspage
 *           closed to writers. Nobody waits for a mover longer than a step
 *   point   a place between two steps, where a mover may pause
 *
 * Idea
 *   A thread-local clock counts how many such things its thread holds. The
 *   first one begins a step and the last one ends it, so that no step is
 *   forgotten: locks say it themselves (lock.h, from ZS_RANK_CACHES on), and so
 *   does the mover where it closes and opens a zspage. Threads that are no
 *   movers look at one word.
 *
 *   A step during which the system gave the processor to somebody else is as
 *   long as that took. Such steps are counted apart; the mover finds them by
 *   its involuntary context switches, looked at at its points and after each
 *   step that was long.
 *
 * Cost: two looks at the clock a step, 45 ns.
 */
#ifndef ZS_LIB_PACE_H
#define ZS_LIB_PACE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "histogram.h"

#define ZS_STEP_NS UINT64_C(100000) /* defaults of the limits below */
#define ZS_STEP_BYTES (64u * 1024)
#define ZS_STEP_OBJECTS 256u /* also the most */

struct zs_pace {
    /* Limits of a step; relaxed, anybody sets them at any time. */
    _Atomic uint64_t step_ns;
    _Atomic uint32_t step_bytes;
    _Atomic uint32_t step_objects;

    struct zs_histogram steps;          /* their length in ns */
    struct zs_histogram steps_switched; /* of those with a context switch */
    uint64_t switches; /* of the mover when last looked; pass_lock */

    /* What a pass that pauses does at its points; NULL: this one does not
     * pause. pass_lock */
    void (*point)(void *ctx);
    void *point_ctx;
    /* Such a pass ends soon when it sets `ending` there; because somebody waits
     * for pass_lock, for instance. */
    bool ending;                /* pass_lock */
    _Atomic uint32_t n_waiting; /* relaxed */
};

struct zs_step_clock {
    struct zs_pace *pace; /* NULL: this thread is no mover */
    unsigned depth;
    uint64_t begin_ns;
};
extern _Thread_local struct zs_step_clock zs_step_clock
    __attribute__((tls_model("initial-exec")));

void zs_pace_init(struct zs_pace *p);

/* This thread is a mover, until zs_mover_ends(). */
void zs_mover_begins(struct zs_pace *p);
void zs_mover_ends(void);

/* Is this thread a mover, of any arena? */
static inline bool zs_is_mover(void)
{
    return zs_step_clock.pace != NULL;
}

void zs_step_begin(void);
void zs_step_end(void);

static inline void zs_step_enter(void)
{
    if (__builtin_expect(zs_step_clock.pace != NULL, 0) &&
        zs_step_clock.depth++ == 0) {
        zs_step_begin();
    }
}

static inline void zs_step_leave(void)
{
    if (__builtin_expect(zs_step_clock.pace != NULL, 0) &&
        --zs_step_clock.depth == 0) {
        zs_step_end();
    }
}

/* Is so much of the step's time over that copying must end? Half of it: places
 * are still to be switched. False for who is no mover. */
bool zs_step_is_over(void);

/* Between two steps: pause if it is time to. No lock but pass_lock is held, no
 * zspage closed, and this is no read section. For who is no mover: nothing. */
void zs_pace_point(struct zs_pace *p);

/* The mover has been away of its own will, or for long: what it was switched
 * until now belongs to no step. */
void zs_pace_look_at_switches(struct zs_pace *p);

/* Is this a pass that pauses? */
static inline bool zs_pace_pauses(const struct zs_pace *p)
{
    return p->point != NULL;
}

/* Should the pass end soon? It may not pause any more. */
bool zs_pace_is_ending(const struct zs_pace *p);

static inline uint32_t zs_pace_step_bytes(const struct zs_pace *p)
{
    return atomic_load_explicit(&p->step_bytes, memory_order_relaxed);
}

static inline uint32_t zs_pace_step_objects(const struct zs_pace *p)
{
    return atomic_load_explicit(&p->step_objects, memory_order_relaxed);
}

#endif /* ZS_LIB_PACE_H */
