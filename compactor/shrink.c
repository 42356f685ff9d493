/* SPDX-License-Identifier: MIT */
/*
 * shrink.c - zs_arena_shrink(): so many bytes back to the system, the cheapest
 * first.
 *
 * Each stage is measured the same way: by how much the arena's counter of
 * bytes given back has grown meanwhile. So what other threads give back at the
 * same time counts too; nobody asks who it was.
 */
#include "shrink.h"

#include <errno.h>

#include "os.h"
#include "pass.h"
#include "zspool/stats.h"

struct shrink {
    struct zs_arena *arena;
    uint64_t want;     /* bytes */
    uint64_t until_ns; /* 0: no bound */
    struct zs_shrink_result *result;
};

uint32_t zs_idle_blocks(struct zs_arena *a)
{
    uint32_t idle;

    zs_lock_acquire(&a->lock);
    idle = a->n_blocks_idle;
    zs_lock_release(&a->lock);
    return idle;
}

uint64_t zs_shrink_withhold(struct zs_arena *a, uint64_t bytes)
{
    uint64_t withheld = 0;

    ZS_ASSERT_HELD(&a->pass_lock);
    for (unsigned i = 1; i <= ZS_PAGE_TYPE_MAX; i++) {
        const struct zs_page_type *t = &a->types[i];

        if (t->shrink && t->shrink->withhold) {
            withheld += t->shrink->withhold(t->shrink_ctx, bytes);
            bytes = 0; /* the first one takes it on, the others go on */
        }
    }
    return withheld;
}

static uint64_t released_so_far(struct zs_arena *a)
{
    struct zs_arena_stats stats;

    zs_arena_stats(a, &stats);
    return stats.bytes_released;
}

static uint64_t missing(const struct shrink *s)
{
    uint64_t given = s->result->bytes;

    return given < s->want ? s->want - given : 0;
}

/* --- the stages --- */

static int give_idle(struct shrink *s)
{
    uint64_t blocks = missing(s) / ZS_BLOCK_BYTES + 1;
    uint32_t idle = zs_idle_blocks(s->arena);

    (void)zs_arena_trim(s->arena, blocks < idle ? idle - (uint32_t)blocks : 0);
    return 0;
}

static int give_caches(struct shrink *s)
{
    zs_pass_drop_caches(s->arena);
    zs_grace_flush(&s->arena->grace);
    return give_idle(s);
}

static int give_by_evacuation(struct shrink *s)
{
    struct zs_pass_goal goal = {
        .want_bytes = missing(s),
        .until_ns = s->until_ns,
    };
    struct zs_compact_result ignored = { 0 };
    struct zs_survey survey;
    int err = zs_survey_take(s->arena, &survey, false);

    if (!err) {
        zs_pass_run(s->arena, &survey, &goal, &ignored);
        zs_survey_free(&survey);
    }
    return err;
}

static int give_to_balloons(struct shrink *s)
{
    s->result->withheld_bytes = zs_shrink_withhold(s->arena, missing(s));
    return 0;
}

/* --- all of them --- */

static int run_stage(struct shrink *s, int (*give)(struct shrink *s),
                     struct zs_shrink_stage *out)
{
    uint64_t begin = zs_os.now_ns();
    uint64_t before = released_so_far(s->arena);
    int err;

    if (missing(s) == 0 || (s->until_ns != 0 && begin >= s->until_ns)) {
        return 0;
    }
    err = give(s);
    out->bytes = released_so_far(s->arena) - before;
    out->duration_ns = zs_os.now_ns() - begin;
    s->result->bytes += out->bytes;
    return err;
}

static int run_stages(struct shrink *s)
{
    struct zs_shrink_result *r = s->result;
    int err = run_stage(s, give_idle, &r->idle);

    if (!err) {
        err = run_stage(s, give_caches, &r->caches);
    }
    if (!err) {
        err = run_stage(s, give_by_evacuation, &r->evacuation);
    }
    if (!err) {
        err = run_stage(s, give_to_balloons, &r->balloon);
    }
    return err;
}

int zs_arena_shrink(struct zs_arena *a, uint64_t bytes, uint64_t deadline_ns,
                    struct zs_shrink_result *out)
{
    struct zs_shrink_result r = { 0 };
    struct shrink s = { .arena = a, .want = bytes, .result = &r };
    uint64_t now = zs_os.now_ns();
    int err;

    if (bytes == 0) {
        return -EINVAL;
    }
    zs_may_wait(__func__);
    if (deadline_ns != 0) {
        s.until_ns = now + deadline_ns < now ? 0 : now + deadline_ns;
    }
    zs_arena_begin_pass(a);
    err = run_stages(&s);
    zs_arena_end_pass(a);
    if (out) {
        *out = r;
    }
    return err;
}
