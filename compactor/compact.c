/* SPDX-License-Identifier: MIT */
/* compact.c - zs_compact(): one whole pass, now; and what it would give. */
#include <string.h>

#include "owner_ops.h"
#include "os.h"
#include "pass.h"
#include "score.h"
#include "zspool/stats.h"

/* Figures that only grow; a pass is the difference. */
struct totals {
    uint64_t objects, bytes;
    struct zs_arena_stats arena;
};

static void take_totals(struct zs_arena *a, struct totals *t)
{
    memset(t, 0, sizeof(*t));
    zs_arena_stats(a, &t->arena);
    for (unsigned i = 1; i <= ZS_PAGE_TYPE_MAX; i++) {
        const struct zs_page_type *type = &a->types[i];

        if (type->evacuation) {
            type->evacuation->count_moved(type->evacuation_ctx, &t->objects,
                                          &t->bytes);
        }
    }
}

static void add_difference(const struct totals *before,
                           const struct totals *after,
                           struct zs_compact_result *r)
{
    r->objects_moved = after->objects - before->objects;
    r->bytes_moved = after->bytes - before->bytes;
    r->pages_migrated =
        after->arena.pages_migrated - before->arena.pages_migrated;
    r->bytes_released =
        after->arena.bytes_released - before->arena.bytes_released;
}

int zs_compact(struct zs_arena *a, struct zs_compact_result *out)
{
    struct zs_compact_result r = { 0 };
    uint64_t begin = zs_os.now_ns();
    static const struct zs_pass_goal as_far_as_it_goes;
    struct totals before, after;
    struct zs_survey s;
    int err;

    zs_may_wait(__func__);
    zs_arena_begin_pass(a);
    err = zs_survey_take(a, &s, false);
    if (!err) {
        take_totals(a, &before);
        zs_pass_drop_caches(a);
        zs_pass_run(a, &s, &as_far_as_it_goes, &r);
        take_totals(a, &after);
        zs_survey_free(&s);
    }
    zs_arena_end_pass(a);
    if (err) {
        return err;
    }
    add_difference(&before, &after, &r);
    r.duration_ns = zs_os.now_ns() - begin;
    if (out) {
        *out = r;
    }
    return 0;
}

/* Sorts the figures, as a pass would. */
static void estimate(struct zs_survey *s, struct zs_compact_estimate *out)
{
    out->blocks_scanned = s->n;
    out->bytes_gained = zs_policy_gain(s->figures, s->n);
    out->blocks_chosen = zs_policy_choose(s->figures, s->n);
    for (size_t i = 0; i < out->blocks_chosen; i++) {
        out->bytes_to_move += s->figures[i].live_bytes;
    }
}

int zs_compact_estimate(struct zs_arena *a, struct zs_compact_estimate *out)
{
    struct zs_compact_estimate e = { 0 };
    struct zs_score score;
    struct zs_survey s;
    int err;

    zs_may_wait(__func__);
    zs_arena_begin_pass(a);
    err = zs_survey_take(a, &s, false);
    if (!err) {
        estimate(&s, &e);
        zs_survey_free(&s);
        zs_score_take(a, &score);
        e.waste_bytes = zs_score_waste(&score, 0);
        e.waste_permille = zs_score_permille(&score, 0);
    }
    zs_arena_end_pass(a);
    if (!err) {
        *out = e;
    }
    return err;
}
