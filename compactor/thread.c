/* SPDX-License-Identifier: MIT */
/*
 * thread.c - the compactor thread: look once a tick, work while it pays.
 *
 * Idea
 *   Each tick takes a survey (it reads, and moves nothing) and asks the policy
 *   whether a pass is worth it. Of the empty blocks beyond KEEP_BLOCKS half are
 *   given back, so that a load that comes back soon finds its memory. A
 *   tick that gave nothing back doubles the wait until the next one, up to
 *   MAX_WAIT_TICKS; a kick or a gain resets it.
 *
 * Locking: `lock` (rank COMPACTOR) guards stop, kicked and the wait; it is not
 * held during a pass.
 */
#include <errno.h>
#include <time.h>

#include "owner_ops.h"
#include "os.h"
#include "pass.h"
#include "shrink.h"
#include "zspool/stats.h"

#define DEFAULT_TICK_NS UINT64_C(500000000)
#define DEFAULT_WASTED_PERCENT 5u
#define MAX_WAIT_TICKS 64u
#define KEEP_BLOCKS 2u /* empty ones, for the next load */

struct zs_compactor {
    struct zs_arena *arena;
    uint64_t tick_ns;
    unsigned wasted_percent;
    pthread_t thread;
    struct zs_lock lock;
    pthread_cond_t wake;
    bool stop;   /* guarded by lock */
    bool kicked; /* guarded by lock */
};

static uint64_t released_so_far(struct zs_arena *a)
{
    struct zs_arena_stats stats;

    zs_arena_stats(a, &stats);
    return stats.bytes_released;
}

static uint32_t blocks_to_keep(struct zs_arena *a)
{
    uint32_t idle = zs_idle_blocks(a);
    uint32_t keep =
        a->retain_blocks < KEEP_BLOCKS ? a->retain_blocks : KEEP_BLOCKS;

    return idle > keep ? (idle + keep) / 2 : idle;
}

/* True: memory was given back. */
static bool pass_if_wanted(struct zs_compactor *c)
{
    struct zs_arena *a = c->arena;
    struct zs_compact_result r = { 0 };
    uint64_t before = released_so_far(a);
    struct zs_survey s;

    zs_lock_acquire(&a->pass_lock);
    (void)zs_shrink_withhold(a, 0);
    if (zs_survey_take(a, &s, true) == 0) {
        if (zs_policy_wants_pass(s.figures, s.n, c->wasted_percent)) {
            struct zs_pass_goal goal = { .keep_blocks = blocks_to_keep(a) };

            zs_pass_drop_caches(a);
            zs_pass_run(a, &s, &goal, &r);
        } else if (blocks_to_keep(a) < zs_idle_blocks(a)) {
            (void)zs_arena_trim(a, blocks_to_keep(a));
        }
        zs_survey_free(&s);
    }
    zs_lock_release(&a->pass_lock);
    return released_so_far(a) > before;
}

static struct timespec deadline(uint64_t wait_ns)
{
    struct timespec t;
    uint64_t ns;

    clock_gettime(CLOCK_MONOTONIC, &t);
    ns = (uint64_t)t.tv_nsec + wait_ns;
    t.tv_sec += (time_t)(ns / 1000000000u);
    t.tv_nsec = (long)(ns % 1000000000u);
    return t;
}

/* Sleep for n ticks, until a kick, or until stop. True: go on. */
static bool sleep_ticks(struct zs_compactor *c, unsigned n, bool *kicked)
{
    struct timespec until = deadline(c->tick_ns * n);
    bool go_on;
    int err = 0;

    zs_lock_acquire(&c->lock);
    while (!c->stop && !c->kicked && err != ETIMEDOUT) {
        err = pthread_cond_timedwait(&c->wake, &c->lock.mutex, &until);
    }
    go_on = !c->stop;
    *kicked = c->kicked;
    c->kicked = false;
    zs_lock_release(&c->lock);
    return go_on;
}

static void *run(void *arg)
{
    struct zs_compactor *c = arg;
    unsigned wait_ticks = 1;
    bool kicked;

    while (sleep_ticks(c, wait_ticks, &kicked)) {
        if (pass_if_wanted(c) || kicked) {
            wait_ticks = 1;
        } else if (wait_ticks < MAX_WAIT_TICKS) {
            wait_ticks *= 2;
        }
    }
    return NULL;
}

static void init_wake(struct zs_compactor *c)
{
    pthread_condattr_t attr;

    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&c->wake, &attr);
    pthread_condattr_destroy(&attr);
}

static void free_compactor(struct zs_compactor *c)
{
    pthread_cond_destroy(&c->wake);
    zs_lock_destroy(&c->lock);
    zs_os.free(c);
}

int zs_compactor_start(struct zs_arena *arena,
                       const struct zs_compactor_config *cfg,
                       struct zs_compactor **out)
{
    static const struct zs_compactor_config defaults;
    struct zs_compactor *c;

    cfg = cfg ? cfg : &defaults;
    if (cfg->wasted_percent > 100) {
        return -EINVAL;
    }
    c = zs_os.alloc(sizeof(*c));
    if (!c) {
        return -ENOMEM;
    }
    c->arena = arena;
    c->tick_ns = cfg->tick_ns ? cfg->tick_ns : DEFAULT_TICK_NS;
    c->wasted_percent =
        cfg->wasted_percent ? cfg->wasted_percent : DEFAULT_WASTED_PERCENT;
    zs_lock_init(&c->lock, ZS_RANK_COMPACTOR);
    init_wake(c);
    if (zs_os.thread_start(&c->thread, run, c) != 0) {
        free_compactor(c);
        return -EAGAIN;
    }
    *out = c;
    return 0;
}

void zs_compactor_kick(struct zs_compactor *c)
{
    zs_lock_acquire(&c->lock);
    c->kicked = true;
    pthread_cond_signal(&c->wake);
    zs_lock_release(&c->lock);
}

void zs_compactor_stop(struct zs_compactor *c)
{
    if (!c) {
        return;
    }
    zs_may_wait(__func__);
    zs_lock_acquire(&c->lock);
    c->stop = true;
    pthread_cond_signal(&c->wake);
    zs_lock_release(&c->lock);
    pthread_join(c->thread, NULL);
    free_compactor(c);
}
