/* SPDX-License-Identifier: MIT */
/* pace.c - see pace.h. */
#include "pace.h"

#include "check.h"
#include "os.h"
#include "probe.h"

/* Longer than any step should be, shorter than what a context switch takes
 * away: only steps that long ask whether they met one. */
#define LONG_STEP_NS UINT64_C(50000)

_Thread_local struct zs_step_clock zs_step_clock;

void zs_pace_init(struct zs_pace *p)
{
    atomic_store_explicit(&p->step_ns, ZS_STEP_NS, memory_order_relaxed);
    atomic_store_explicit(&p->step_bytes, ZS_STEP_BYTES, memory_order_relaxed);
    atomic_store_explicit(&p->step_objects, ZS_STEP_OBJECTS,
                          memory_order_relaxed);
}

/* True: the system took the processor away since it was last asked. */
static bool was_switched(struct zs_pace *p)
{
    uint64_t now = zs_os.thread_switches();
    bool switched = now != p->switches;

    p->switches = now;
    return switched;
}

void zs_mover_begins(struct zs_pace *p)
{
    ZS_ASSERT(zs_step_clock.pace == NULL);
    (void)was_switched(p);
    zs_step_clock.depth = 0;
    zs_step_clock.pace = p;
}

void zs_mover_ends(void)
{
    ZS_ASSERT(zs_step_clock.pace != NULL && zs_step_clock.depth == 0);
    zs_step_clock.pace = NULL;
}

void zs_step_begin(void)
{
    zs_step_clock.begin_ns = zs_os.now_ns();
}

void zs_step_end(void)
{
    struct zs_pace *p = zs_step_clock.pace;
    uint64_t took = zs_os.now_ns() - zs_step_clock.begin_ns;
    bool switched = took > LONG_STEP_NS && was_switched(p);

    zs_histogram_add(switched ? &p->steps_switched : &p->steps, took);
    ZS_PROBE2(step, took, switched);
}

bool zs_step_is_over(void)
{
    const struct zs_pace *p = zs_step_clock.pace;

    return p && zs_os.now_ns() - zs_step_clock.begin_ns >
                    atomic_load_explicit(&p->step_ns, memory_order_relaxed) / 2;
}

void zs_pace_point(struct zs_pace *p)
{
    if (zs_step_clock.pace == p && p->point) {
        ZS_ASSERT(zs_step_clock.depth == 0);
        p->point(p->point_ctx);
    }
}

void zs_pace_look_at_switches(struct zs_pace *p)
{
    (void)was_switched(p);
}

bool zs_pace_is_ending(const struct zs_pace *p)
{
    return p->point && p->ending;
}
