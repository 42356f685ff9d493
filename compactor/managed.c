/* SPDX-License-Identifier: MIT */
/* managed.c - see managed.h. */
#include "managed.h"

#include <errno.h>
#include <time.h>

#include "figures.h"
#include "os.h"
#include "pass.h"
#include "policy.h"
#include "shrink.h"

#define MAX_WAIT_SHIFT 6u
#define POINT_NS UINT64_C(50000)   /* between two looks at the clock */
#define SCORE_NS UINT64_C(5000000) /* between two scores in a pass */
#define MIN_PAUSE_NS UINT64_C(1000000)
#define VICTIMS_TOGETHER 4u
#define LITTLE_GAIN 64u  /* a pass that gains less of the waste was in vain */
#define TURN_TICKS 8u    /* a pass makes way for other arenas after that */
#define UNBLOCK_TICKS 4u /* between passes for pins that have ended */
#define WAKE_SHARE 512u  /* of the footprint: so much may be taken unseen */
#define WAKE_FREED 8u    /* times as much may be freed */
#define MIN_WAKE_BYTES (UINT64_C(1) << 20)

static void count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

static void set(_Atomic uint64_t *figure, uint64_t value)
{
    atomic_store_explicit(figure, value, memory_order_relaxed);
}

static bool is_set(const _Atomic bool *flag)
{
    return atomic_load_explicit(flag, memory_order_relaxed);
}

/* --- the share of a processor --- */

/* Also of a pass in progress, so that a new budget is taken up. */
static void take_budget(struct zs_managed *m)
{
    struct zs_pace *p = &m->arena->pace;
    const struct zs_compact_budget *b = &m->budget;

    zs_lock_acquire(&m->shared->lock);
    m->budget = m->shared->budget;
    zs_lock_release(&m->shared->lock);
    atomic_store_explicit(&p->step_ns, b->step_ns, memory_order_relaxed);
    atomic_store_explicit(&p->step_bytes, b->step_bytes, memory_order_relaxed);
    atomic_store_explicit(&p->step_objects, b->step_objects,
                          memory_order_relaxed);
}

/* While memory is short no empty block is kept. */
static uint64_t reserve_of(const struct zs_managed *m)
{
    return m->urgent ? 0 : zs_policy_reserve(&m->budget);
}

/* How near the limit is, and what that asks for. */
static void look_at_limit(struct zs_managed *m, const struct zs_score *s)
{
    const struct zs_watermark_figures f = {
        .limit_bytes = m->arena->budget.limit,
        .footprint_bytes =
            atomic_load_explicit(&m->arena->budget.used, memory_order_relaxed),
        .idle_bytes = s->idle,
        .reclaimable_bytes = zs_score_waste(s, 0),
    };
    struct zs_watermark_answer a = zs_watermarks_look(&m->marks, &f);
    enum zs_pressure_level level = zs_watermarks_level(&a);

    m->near_limit = zs_watermarks_want_work(a.state, m->near_limit);
    m->urgent = m->near_limit ||
                m->shared->shortage.state.level > ZS_PRESSURE_LOW ||
                zs_arena_is_stalled(m->arena);
    atomic_store_explicit(&m->level, (int)level, memory_order_relaxed);
    set(&m->evict_bytes, level > ZS_PRESSURE_NONE ? a.evict_bytes : 0);
    set(&m->footprint_bytes, s->footprint);
}

/* The score now, and the share that follows from it. */
static void weigh(struct zs_managed *m, struct zs_score *s, bool working)
{
    unsigned permille;

    zs_score_take(m->arena, s);
    look_at_limit(m, s);
    permille = zs_score_permille(s, reserve_of(m));
    m->share_percent = zs_policy_share(&m->budget, permille, working);
    if (m->urgent && permille > 0) {
        m->share_percent = m->budget.max_share_percent;
    }
    set(&m->stats.waste_permille, permille);
    set(&m->stats.share_percent, m->share_percent);
}

static enum zs_pressure_level level_of(const struct zs_managed *m)
{
    return (enum zs_pressure_level)atomic_load_explicit(&m->level,
                                                        memory_order_relaxed);
}

static bool has_waiters(const struct zs_managed *m)
{
    return atomic_load_explicit(&m->arena->pace.n_waiting,
                                memory_order_relaxed) > 0;
}

/* Asked for by other threads, at any time. */
static bool is_called_off(const struct zs_managed *m)
{
    return is_set(&m->shared->stop) || is_set(&m->shared->paused) ||
           is_set(&m->leaving);
}

/* Others have waited long enough, too. */
static bool is_turn_over(const struct zs_managed *m, uint64_t now)
{
    return now - m->pass_ns > TURN_TICKS * m->shared->tick_ns &&
           atomic_load_explicit(&m->shared->n_arenas, memory_order_relaxed) > 1;
}

static void look_again(struct zs_managed *m)
{
    struct zs_shortage *shortage = &m->shared->shortage;
    struct zs_score s;

    m->score_ns = zs_os.now_ns();
    zs_shortage_look(shortage, m->score_ns, m->shared->tick_ns);
    take_budget(m);
    weigh(m, &s, true);
    m->called_off = is_called_off(m) || is_turn_over(m, m->score_ns) ||
                    zs_shortage_is_urgent(shortage, level_of(m)) ||
                    has_waiters(m);
    m->arena->pace.ending |= m->share_percent == 0 || m->called_off;
    if (zs_arena_is_stalled(m->arena)) {
        zs_arena_tell_stalled(m->arena, false);
    }
}

/* Processor time since the last point, in pause owed for it. */
static void owe(struct zs_managed *m)
{
    uint64_t now = zs_os.thread_cpu_ns();
    uint64_t used = now - m->cpu_ns;
    unsigned share = m->share_percent;

    m->cpu_ns = now;
    count(&m->stats.cpu_ns, used);
    m->owed_ns = share == 0 || share >= 100
                     ? 0
                     : m->owed_ns + used * (100 - share) / share;
}

/* What waits for readers need not wait for the end of the pause as well; and
 * while nothing is packed huge blocks may be opened. */
static void pause_now(struct zs_managed *m)
{
    struct zs_arena *a = m->arena;
    bool packing = zs_arena_is_packing(a);
    uint64_t begin, slept;

    zs_grace_flush(&a->grace);
    zs_arena_pack(a, false);
    begin = zs_os.now_ns();
    zs_compactor_sleep(m->shared, begin + m->owed_ns);
    slept = zs_os.now_ns() - begin;
    zs_arena_pack(a, packing);
    count(&m->stats.paused_ns, slept);
    m->owed_ns -= slept < m->owed_ns ? slept : m->owed_ns;
    zs_pace_look_at_switches(&a->pace);
}

static void point(void *ctx)
{
    struct zs_managed *m = ctx;
    uint64_t now = zs_os.now_ns();

    if (now - m->point_ns < POINT_NS) {
        return;
    }
    m->point_ns = now;
    zs_pace_look_at_switches(&m->arena->pace);
    owe(m);
    if (now - m->score_ns >= SCORE_NS || is_called_off(m) || has_waiters(m)) {
        look_again(m);
    }
    while (m->owed_ns >= MIN_PAUSE_NS && !zs_pace_is_ending(&m->arena->pace)) {
        pause_now(m);
        look_again(m); /* woken by somebody: is there more to do? */
    }
}

static void begin_trickle(struct zs_managed *m)
{
    struct zs_pace *p = &m->arena->pace;

    uint64_t now = zs_os.now_ns();
    uint64_t rested = now - m->point_ns;

    m->owed_ns -= rested < m->owed_ns ? rested : m->owed_ns;
    m->point_ns = now;
    m->score_ns = now;
    m->pass_ns = now;
    m->called_off = false;
    p->ending = false;
    p->point = point;
    p->point_ctx = m;
}

static void end_trickle(struct zs_managed *m)
{
    m->arena->pace.point = NULL;
}

/* --- passes --- */

static void note_outcome(struct zs_managed *m, uint64_t gained, uint64_t waste,
                         uint64_t now)
{
    if (gained > waste / LITTLE_GAIN) {
        m->fruitless = 0;
        return;
    }
    if (m->called_off) {
        return; /* it might have gained */
    }
    m->deferred_waste = waste;
    m->deferred_until_ns = now + (m->shared->tick_ns << m->fruitless);
    m->fruitless += m->fruitless < MAX_WAIT_SHIFT;
}

/* Something that held pages has gone. Who pins and unpins all the time has the
 * compactor try again now and then only. */
static bool is_unblocked(struct zs_managed *m, uint64_t now)
{
    if (now - m->unblocked_ns < UNBLOCK_TICKS * m->shared->tick_ns ||
        !atomic_exchange_explicit(&m->arena->unblocked, false,
                                  memory_order_relaxed)) {
        return false;
    }
    m->unblocked_ns = now;
    return true;
}

/* Has it been tried, and is there no more waste than then? */
static bool is_deferred(struct zs_managed *m, uint64_t waste, uint64_t now)
{
    bool deferred = m->fruitless > 0 && now < m->deferred_until_ns &&
                    waste <= m->deferred_waste + m->deferred_waste / 8 &&
                    !is_unblocked(m, now);

    count(&m->stats.passes_deferred, deferred);
    return deferred;
}

static void run_whole_pass(struct zs_managed *m, uint32_t keep_blocks)
{
    struct zs_pass_goal goal = {
        .keep_blocks = keep_blocks,
        .together = VICTIMS_TOGETHER,
    };
    struct zs_compact_result r = { 0 };
    struct zs_survey s;

    if (zs_survey_take(m->arena, &s, true) == 0) {
        zs_pass_run(m->arena, &s, &goal, &r);
        zs_survey_free(&s);
    }
}

static uint32_t blocks_to_keep(struct zs_managed *m, uint64_t idle,
                               uint64_t passed_ns)
{
    uint64_t keep = m->urgent ? 0 : zs_policy_keep(&m->budget, idle, passed_ns);
    uint32_t blocks = (uint32_t)(keep / ZS_BLOCK_BYTES);

    set(&m->stats.reserve_bytes, reserve_of(m));
    return blocks < m->arena->retain_blocks ? blocks : m->arena->retain_blocks;
}

/* Where nothing was moved and no less is resident than before, a pass only gave
 * back what it had taken to move to. */
static uint64_t gained_since(struct zs_managed *m,
                             const struct zs_score *before)
{
    struct zs_score s;

    zs_score_take(m->arena, &s);
    return s.moved == before->moved && s.resident >= before->resident
               ? 0
               : s.gained - before->gained;
}

/* A load that takes memory uses what becomes free where it is: no block is
 * emptied for it, to be filled again at once. And emptying blocks interrupts
 * other processors more than anything else, so once a tick will do. But where
 * most of the waste is free pages already, consolidating gains nothing. */
static bool is_enough_to_consolidate(const struct zs_managed *m,
                                     const struct zs_score *s, uint64_t now)
{
    uint64_t tick = m->shared->tick_ns;

    return (now - m->grew_ns < tick || now - m->whole_ns < tick) &&
           !m->urgent && s->idle * 2 < zs_score_waste(s, 0);
}

static void work(struct zs_managed *m, const struct zs_score *s, uint64_t now)
{
    struct zs_arena *a = m->arena;
    uint64_t waste = zs_score_waste(s, reserve_of(m));
    uint64_t gained = 0;

    if (is_deferred(m, waste, now)) {
        return;
    }
    count(&m->stats.passes, 1);
    begin_trickle(m);
    if (is_enough_to_consolidate(m, s, now)) {
        zs_pass_consolidate(a);
        gained = gained_since(m, s);
    }
    if (gained == 0 && !zs_pace_is_ending(&a->pace)) {
        zs_pass_drop_caches(a);
        m->whole_ns = now;
        run_whole_pass(m, blocks_to_keep(m, s->idle_blocks, 0));
    }
    count(&m->stats.passes_ended_early, zs_pace_is_ending(&a->pace));
    end_trickle(m);
    note_outcome(m, gained_since(m, s), waste, now);
}

/* --- looks --- */

/* The blocks' clock. */
static void advance_tick(struct zs_arena *a)
{
    zs_lock_acquire(&a->lock);
    a->tick++;
    zs_lock_release(&a->lock);
}

static void look_locked(struct zs_managed *m, uint64_t now, bool ticked)
{
    struct zs_arena *a = m->arena;
    struct zs_score s;

    if (ticked) {
        (void)zs_shrink_withhold(a, 0);
    }
    weigh(m, &s, false);
    if (m->share_percent > 0) {
        work(m, &s, now);
    }
    if (ticked) {
        uint32_t keep = blocks_to_keep(m, s.idle_blocks, now - m->ticked_ns);

        if (keep < s.idle_blocks / ZS_BLOCK_BYTES) {
            (void)zs_arena_trim(a, keep);
        }
        m->ticked_ns = now;
        advance_tick(a);
    }
}

/* What may be taken, or freed, until the waste can have passed the high mark.
 * (Most of what is freed is taken again, so that says less.) */
static void set_wake_marks(struct zs_managed *m)
{
    struct zs_arena *a = m->arena;
    uint64_t used = atomic_load_explicit(&a->budget.used, memory_order_relaxed);
    uint64_t freed =
        atomic_load_explicit(&a->freed_bytes, memory_order_relaxed);
    uint64_t more = used / WAKE_SHARE;

    more = more > MIN_WAKE_BYTES ? more : MIN_WAKE_BYTES;
    atomic_store_explicit(&a->wake_freed, freed + WAKE_FREED * more,
                          memory_order_relaxed);
    if (a->budget.limit != 0 && used < a->budget.limit - m->marks.low_bytes &&
        used + more > a->budget.limit - m->marks.low_bytes) {
        more = a->budget.limit - m->marks.low_bytes - used;
    }
    m->grown_bytes = used + more;
    atomic_store_explicit(&a->wake_above, used + more, memory_order_relaxed);
}

/* Who asks for a look by hand wants the pass, too. */
static bool note_kick(struct zs_managed *m)
{
    bool kicked =
        atomic_exchange_explicit(&m->kicked, false, memory_order_relaxed);

    if (kicked) {
        m->fruitless = 0;
    }
    return kicked;
}

static void note_wake(struct zs_managed *m, uint64_t now)
{
    struct zs_arena *a = m->arena;

    if (atomic_exchange_explicit(&a->woken, false, memory_order_relaxed)) {
        count(&m->stats.wakes, 1);
    }
    if (atomic_load_explicit(&a->budget.used, memory_order_relaxed) >
        m->grown_bytes) {
        m->grew_ns = now;
    }
}

void zs_managed_look(struct zs_managed *m)
{
    struct zs_arena *a = m->arena;
    uint64_t now = zs_os.now_ns();
    bool ticked = note_kick(m) || now - m->ticked_ns >= m->shared->tick_ns;

    note_wake(m, now);
    count(&m->stats.looks, 1);
    set(&m->stats.pressure_level, (uint64_t)m->shared->shortage.state.level);
    m->cpu_ns = zs_os.thread_cpu_ns();
    take_budget(m);
    if (is_set(&m->shared->paused)) {
        m->share_percent = 0;
        set(&m->stats.share_percent, 0);
    } else {
        zs_arena_begin_pass(a);
        look_locked(m, now, ticked);
        zs_arena_end_pass(a);
    }
    zs_arena_tell_stalled(a, true);
    owe(m);
    now = zs_os.now_ns();
    m->due_ns =
        now + (m->share_percent > 0 && m->fruitless == 0 ? m->owed_ns
                                                         : m->shared->tick_ns);
    set_wake_marks(m);
}

bool zs_managed_is_due(const struct zs_managed *m, uint64_t now)
{
    return now >= m->due_ns || is_set(&m->kicked) || is_set(&m->arena->woken);
}

bool zs_managed_waits_longer(const struct zs_managed *a,
                             const struct zs_managed *b)
{
    bool kicked = is_set(&a->kicked);

    return kicked != is_set(&b->kicked) ? kicked : a->due_ns < b->due_ns;
}

/* --- figures --- */

void zs_managed_stats(const struct zs_managed *m,
                      struct zs_compactor_stats *out)
{
#define READ_FIGURE(name, text)                                                \
    out->name = atomic_load_explicit(&m->stats.name, memory_order_relaxed);
    ZS_COMPACTOR_STATS(READ_FIGURE)
#undef READ_FIGURE
}

static const struct zs_figure table[] = { ZS_COMPACTOR_STATS(ZS_FIGURE) };

/* The compactor's part of the arena's statistics. */
static void add_figures(void *ctx, struct zs_text *text, bool as_json)
{
    const struct zs_managed *m = ctx;
    const struct zs_label labels[] = { { "arena", m->arena->name },
                                       { NULL, NULL } };
    struct zs_compactor_stats stats;

    zs_managed_stats(m, &stats);
    if (as_json) {
        zs_figures_add_json(text, table, ZS_FIGURES_LEN(table),
                            (const uint64_t *)&stats);
    } else {
        zs_figures_add_metrics(text, "zspool_compactor_", table,
                               ZS_FIGURES_LEN(table), labels,
                               (const uint64_t *)&stats);
    }
}

/* --- ends --- */

static bool claim(struct zs_arena *a, struct zs_compactor_shared *shared)
{
    bool claimed;

    zs_lock_acquire(&a->lock);
    claimed = a->waker == NULL;
    if (claimed) {
        a->waker = &shared->wake;
    }
    zs_lock_release(&a->lock);
    return claimed;
}

/* Marks are for arenas that have a limit. */
static bool set_watermarks(struct zs_managed *m, const struct zs_arena *a,
                           const struct zs_compactor_shared *shared)
{
    return a->budget.limit == 0 ||
           zs_watermarks_set(shared->marks, a->budget.limit, &m->marks);
}

int zs_managed_create(struct zs_arena *a, struct zs_compactor_shared *shared,
                      struct zs_managed **out)
{
    struct zs_managed *m = zs_os.alloc(sizeof(*m));

    if (!m) {
        return -ENOMEM;
    }
    if (!set_watermarks(m, a, shared)) {
        zs_os.free(m);
        return -EINVAL;
    }
    if (!claim(a, shared)) {
        zs_os.free(m);
        return -EBUSY;
    }
    m->arena = a;
    m->shared = shared;
    m->ticked_ns = zs_os.now_ns();
    m->due_ns = m->ticked_ns + shared->tick_ns;
    zs_lock_acquire(&shared->lock);
    m->budget = shared->budget;
    zs_lock_release(&shared->lock);
    set_wake_marks(m);
    zs_set_compactor_stats(a, add_figures, m);
    *out = m;
    return 0;
}

void zs_managed_destroy(struct zs_managed *m)
{
    struct zs_arena *a = m->arena;

    zs_set_compactor_stats(a, NULL, NULL);
    zs_lock_acquire(&a->lock);
    a->waker = NULL;
    atomic_store_explicit(&a->wake_above, UINT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&a->wake_freed, UINT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&a->woken, false, memory_order_relaxed);
    pthread_cond_broadcast(&a->attempted); /* nobody compacts any more */
    zs_lock_release(&a->lock);
    zs_os.free(m);
}

void zs_compactor_sleep(struct zs_compactor_shared *shared, uint64_t until_ns)
{
    struct timespec t = {
        .tv_sec = (time_t)(until_ns / 1000000000u),
        .tv_nsec = (long)(until_ns % 1000000000u),
    };

    while (sem_clockwait(&shared->wake, CLOCK_MONOTONIC, &t) != 0 &&
           errno == EINTR) {
    }
}
