/* SPDX-License-Identifier: MIT */
/* direct.c - see direct.h. */
#include "direct.h"

#include "os.h"
#include "pass.h"

#define WANT_BYTES (UINT64_C(4) << 20) /* given back by one, about */
#define MOST_NS UINT64_C(5000000)
#define FIRST_PAUSE_NS UINT64_C(1000000)
#define MAX_PAUSE_SHIFT 10u

static uint64_t headroom(struct zs_arena *a)
{
    uint64_t used = atomic_load_explicit(&a->budget.used, memory_order_relaxed);

    return used < a->budget.limit ? a->budget.limit - used : 0;
}

static void note_outcome(struct zs_arena *a, bool gained)
{
    zs_count(gained ? &a->counters.success : &a->counters.fail);
    if (gained) {
        a->direct_failures = 0;
        return;
    }
    a->direct_after_ns =
        zs_os.now_ns() + (FIRST_PAUSE_NS << a->direct_failures);
    a->direct_failures += a->direct_failures < MAX_PAUSE_SHIFT;
}

/* At every point: is the time up? */
static void look_at_time(void *ctx)
{
    struct zs_arena *a = ctx;

    a->pace.ending |= zs_os.now_ns() >= a->direct_until_ns;
}

static void compact_a_little(struct zs_arena *a)
{
    static const struct zs_pass_goal goal = { .want_bytes = WANT_BYTES };
    struct zs_compact_result ignored = { 0 };
    struct zs_survey s;

    zs_count(&a->counters.stall);
    a->direct_until_ns = zs_os.now_ns() + MOST_NS;
    a->pace.ending = false;
    a->pace.point_ctx = a;
    a->pace.point = look_at_time;
    if (zs_survey_take(a, &s, true) == 0) {
        zs_pass_run(a, &s, &goal, &ignored);
        zs_survey_free(&s);
    }
    a->pace.point = NULL;
}

/* What a pass before this one gave back counts too. */
bool zs_direct_compact(struct zs_arena *a)
{
    uint64_t before = headroom(a);
    bool gained;

    zs_arena_begin_pass(a);
    if (headroom(a) <= before && zs_os.now_ns() >= a->direct_after_ns) {
        compact_a_little(a);
        note_outcome(a, headroom(a) > before);
    }
    gained = headroom(a) > before;
    zs_arena_end_pass(a);
    return gained;
}
