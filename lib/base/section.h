/* SPDX-License-Identifier: MIT */
/*
 * section.h - short stretches of one thread that others can wait for.
 *
 * Words
 *   section   what a thread does between zs_section_enter() and _leave(): some
 *             ten nanoseconds, no lock, no call that may block
 *   barrier   has every thread of the process execute a full fence
 *
 * Idea
 *   The owner enters by a plain store and executes no locked instruction. Who
 *   wants to keep it out, or to wait until it is out, first writes what a
 *   section looks at, then calls zs_sections_barrier(), then waits for each
 *   section that is under way. This is Dekker's algorithm with all the cost on
 *   the side that is rare (membarrier(2)).
 *
 * Invariants
 *   N1  a section that enters after the barrier sees what was written before
 *       the barrier; one that entered before it is waited for
 *
 * Where the kernel has no membarrier (zs_sections_are_fenced()), owners execute
 * a fence themselves: they enter by zs_section_enter_fenced().
 */
#ifndef ZS_LIB_SECTION_H
#define ZS_LIB_SECTION_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "sanitizer.h"

struct zs_section {
    _Atomic bool under_way; /* written by its owner only */
};

/* ThreadSanitizer does not know fences; it knows this. */
static inline void zs_full_fence(void)
{
#ifdef ZS_TSAN
    static _Atomic int nobodys;

    atomic_fetch_add_explicit(&nobodys, 1, memory_order_seq_cst);
#else
    atomic_thread_fence(memory_order_seq_cst);
#endif
}

/* Before the first section. Any number of times. */
void zs_sections_init(void);
/* Set once, by init. */
bool zs_sections_are_fenced(void);

/* The store goes before what the section loads: for the compiler here, for the
 * processor by the barrier, or by a fence where there is none. */
static inline void zs_section_enter(struct zs_section *s)
{
    atomic_store_explicit(&s->under_way, true, memory_order_relaxed);
    atomic_signal_fence(memory_order_seq_cst);
}

static inline void zs_section_enter_fenced(struct zs_section *s)
{
    atomic_store_explicit(&s->under_way, true, memory_order_relaxed);
    zs_full_fence();
}

/* Release pairs with zs_section_wait(): who has waited sees all of it. */
static inline void zs_section_leave(struct zs_section *s)
{
    atomic_store_explicit(&s->under_way, false, memory_order_release);
}

void zs_sections_barrier(void);

/* After a barrier: until the section that was under way has ended. (A look that
 * happens to meet the next one looks again; it is out most of the time.) */
void zs_section_wait(const struct zs_section *s);

#endif /* ZS_LIB_SECTION_H */
