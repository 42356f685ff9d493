/* SPDX-License-Identifier: MIT */
/* section.c - see section.h. */
#include "section.h"

#include <pthread.h>
#include <sched.h>

#include "check.h"
#include "os.h"

static _Atomic bool fenced;

static void try_barrier(void)
{
    atomic_store_explicit(&fenced, zs_os.barrier() != 0, memory_order_relaxed);
}

void zs_sections_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, try_barrier);
}

bool zs_sections_are_fenced(void)
{
    return atomic_load_explicit(&fenced, memory_order_relaxed);
}

void zs_sections_barrier(void)
{
    int err = 0;

    if (zs_sections_are_fenced()) {
        zs_full_fence(); /* pairs with owners' own */
    } else {
        err = zs_os.barrier();
    }
    ZS_CHECK(err == 0); /* it worked when it was tried first */
}

void zs_section_wait(const struct zs_section *s)
{
    /* acquire: pairs with zs_section_leave() */
    while (atomic_load_explicit(&s->under_way, memory_order_acquire)) {
        sched_yield(); /* its thread may have been put off the processor */
    }
}
