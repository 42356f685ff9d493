/* SPDX-License-Identifier: MIT */
/*
 * load_tide.c - live data that doubles and halves, and how fast memory follows.
 *
 * Idea
 *   Fill half the target; then CYCLES times: put until the target, rest, drop
 *   random objects until half of it lives, rest. In a rest a little traffic
 *   goes on: 100 random objects are replaced every 10 ms, so that allocators
 *   that work only when they are called have their chance.
 *
 *   The footprint has followed a halving at the first look behind the last one
 *   of that rest that was more than FOLLOW times live.
 */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <time.h>

#include "load_run.h"
#include "load_series.h"

#define CYCLES 3u
#define FOLLOW 1.1
#define TRICKLE 100u

static void replace_some(struct load *l)
{
    for (unsigned i = 0; i < TRICKLE && l->n > 0; i++) {
        load_drop_random(l);
        load_put(l, &l->shape->before);
    }
}

/* Returns after how many seconds the footprint was near the live bytes, and
 * stayed there; below 0: it never was. */
static double rest(struct load *l)
{
    const struct timespec step = { .tv_nsec = 10000000 };
    double begin = load_now(), now = begin, followed = -1;

    while (now - begin < l->plan->rest_seconds) {
        replace_some(l);
        load_sample(l);
        now = load_now();
        if ((double)l->last_quick > FOLLOW * (double)l->live) {
            followed = -1;
        } else if (followed < 0) {
            followed = now - begin;
        }
        nanosleep(&step, NULL);
    }
    return followed;
}

static void rise_to(struct load *l, uint64_t live)
{
    while (l->live + l->shape->before.max <= live) {
        load_put(l, &l->shape->before);
    }
}

static void fall_to(struct load *l, uint64_t live)
{
    uint64_t n = 0;

    while (l->live > live) {
        load_drop_random(l);
        if (++n % 1024 == 0) {
            load_sample(l);
        }
    }
}

void load_tide(struct load *l)
{
    struct load_result *r = l->result;

    rise_to(l, l->target / 2);
    load_end_of_fill(l);
    (void)rest(l);
    for (unsigned i = 0; i < CYCLES; i++) {
        rise_to(l, l->target);
        (void)rest(l);
        fall_to(l, l->target / 2);
        r->follow_seconds[r->n_halvings++] = rest(l);
    }
}

bool load_series_write(const struct load *l, int fd)
{
    for (uint32_t i = 0; i < l->n_samples; i++) {
        const struct sample *s = &l->samples[i];

        if (dprintf(fd, "%s,%s,%.3f,%" PRIu64 ",%" PRIu64 ",%" PRIu64 ",%.3f\n",
                    l->shape->name, l->run->back->name, s->seconds, s->live,
                    s->footprint, s->resident, s->others_cpu) < 0) {
            return false;
        }
    }
    return true;
}
