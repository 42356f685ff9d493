/* SPDX-License-Identifier: MIT */
/* managed.c - see managed.h. */
#include "managed.h"

#include <errno.h>
#include <time.h>

#include "direct.h"
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
#define WAKE_SHARE 512u /* of the footprint: so much may be taken unseen */
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
    m->urgent =
        m->near_limit || m->shared->shortage.state.level > ZS_PRESSURE_LOW;
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

/* Asked for by other threads, at any time. */
static bool is_called_off(const struct zs_managed *m)
{
    return is_set(&m->shared->stop) || is_set(&m->shared->paused) ||
           is_set(&m->leaving);
}

static void look_again(struct zs_managed *m)
{
    struct zs_score s;

    m->score_ns = zs_os.now_ns();
    zs_shortage_look(&m->shared->shortage, m->score_ns, m->shared->tick_ns);
    take_budget(m);
    weigh(m, &s, true);
    m->arena->pace.ending |=
        m->share_percent == 0 || is_called_off(m) ||
        zs_shortage_is_to_tell(&m->shared->shortage,
                               (enum zs_pressure_level)m->level);
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

/* What waits for readers need not wait for the end of the pause as well. */
static void pause_now(struct zs_managed *m)
{
    uint64_t begin, slept;

    zs_grace_flush(&m->arena->grace);
    begin = zs_os.now_ns();
    zs_compactor_sleep(m->shared, begin + m->owed_ns);
    slept = zs_os.now_ns() - begin;
    count(&m->stats.paused_ns, slept);
    m->owed_ns -= slept < m->owed_ns ? slept : m->owed_ns;
    zs_pace_look_at_switches(&m->arena->pace);
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
    if (now - m->score_ns >= SCORE_NS || is_called_off(m)) {
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

    m->point_ns = zs_os.now_ns();
    m->score_ns = m->point_ns;
    m->owed_ns = 0;
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
    if (gained > 0) {
        m->fruitless = 0;
        return;
    }
    m->deferred_waste = waste;
    m->deferred_until_ns = now + (m->shared->tick_ns << m->fruitless);
    m->fruitless += m->fruitless < MAX_WAIT_SHIFT;
}

/* Has it been tried, and is there no more waste than then? */
static bool is_deferred(struct zs_managed *m, uint64_t waste, uint64_t now)
{
    bool unblocked = atomic_exchange_explicit(&m->arena->unblocked, false,
                                              memory_order_relaxed);
    bool deferred = m->fruitless > 0 && now < m->deferred_until_ns &&
                    !unblocked &&
                    waste <= m->deferred_waste + m->deferred_waste / 8;

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

/* What a pass has gained. Where nothing was moved and no less is resident than
 * before, it only gave back what it had taken to move to. */
static uint64_t gain(const struct zs_score *before,
                     const struct zs_score *after)
{
    return after->moved == before->moved && after->resident >= before->resident
               ? 0
               : after->gained - before->gained;
}

/* What a load that takes memory can use as it is stays where it is. */
static void work(struct zs_managed *m, const struct zs_score *s, uint64_t now,
                 bool grows)
{
    struct zs_arena *a = m->arena;
    uint64_t waste = zs_score_waste(s, reserve_of(m));
    struct zs_score after;

    if (is_deferred(m, waste, now) && !m->asked_for) {
        return;
    }
    count(&m->stats.passes, 1);
    begin_trickle(m);
    if (grows) {
        zs_pass_consolidate(a);
    } else {
        zs_pass_drop_caches(a);
        run_whole_pass(m,
                       blocks_to_keep(m, s->idle_blocks, now - m->ticked_ns));
    }
    count(&m->stats.passes_ended_early, zs_pace_is_ending(&a->pace));
    end_trickle(m);
    zs_score_take(a, &after);
    note_outcome(m, gain(s, &after), waste, now);
}

/* --- looks --- */

static void look_locked(struct zs_managed *m, uint64_t now, bool ticked,
                        bool grows)
{
    struct zs_arena *a = m->arena;
    struct zs_score s;

    if (ticked) {
        (void)zs_shrink_withhold(a, 0);
    }
    weigh(m, &s, false);
    if (m->share_percent > 0) {
        work(m, &s, now, grows);
    }
    if (ticked) {
        uint32_t keep = blocks_to_keep(m, s.idle_blocks, now - m->ticked_ns);

        if (keep < s.idle_blocks / ZS_BLOCK_BYTES) {
            (void)zs_arena_trim(a, keep);
        }
        m->ticked_ns = now;
    }
}

/* What may be taken until the waste can have passed the high mark. */
static void set_wake_mark(struct zs_managed *m)
{
    struct zs_arena *a = m->arena;
    uint64_t used = atomic_load_explicit(&a->budget.used, memory_order_relaxed);
    uint64_t more = used / WAKE_SHARE;
    uint64_t low = a->budget.limit - m->marks.low_bytes;

    more = more > MIN_WAKE_BYTES ? more : MIN_WAKE_BYTES;
    /* (What is idle counts as used here: it may be beyond that already.) */
    if (a->budget.limit != 0 && used < low && used + more > low) {
        more = low - used;
    }
    atomic_store_explicit(&a->wake_above, used + more, memory_order_relaxed);
}

void zs_managed_look(struct zs_managed *m)
{
    struct zs_arena *a = m->arena;
    uint64_t now = zs_os.now_ns();
    bool woken =
        atomic_exchange_explicit(&a->woken, false, memory_order_relaxed);
    bool ticked = now - m->ticked_ns >= m->shared->tick_ns;

    count(&m->stats.looks, 1);
    count(&m->stats.wakes, woken);
    set(&m->stats.pressure_level, (uint64_t)m->shared->shortage.state.level);
    m->cpu_ns = zs_os.thread_cpu_ns();
    /* A kick that comes from here on is for the next look. */
    m->asked_for =
        atomic_exchange_explicit(&m->kicked, false, memory_order_relaxed);
    take_budget(m);
    if (is_set(&m->shared->paused)) {
        m->share_percent = 0; /* so there is nothing due before the tick */
        set(&m->stats.share_percent, 0);
    } else {
        zs_arena_begin_pass(a);
        look_locked(m, now, ticked || m->asked_for, woken);
        zs_arena_end_pass(a);
    }
    owe(m);
    now = zs_os.now_ns();
    m->due_ns =
        now + (m->share_percent > 0 && m->fruitless == 0 ? m->owed_ns
                                                         : m->shared->tick_ns);
    set_wake_mark(m);
}

bool zs_managed_is_due(const struct zs_managed *m, uint64_t now)
{
    return now >= m->due_ns || is_set(&m->kicked) || is_set(&m->arena->woken);
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
    set_wake_mark(m);
    zs_set_compactor_stats(a, add_figures, m);
    /* release: pairs with zs_arena_try_direct() */
    atomic_store_explicit(&a->direct, zs_direct_compact, memory_order_release);
    *out = m;
    return 0;
}

void zs_managed_destroy(struct zs_managed *m)
{
    struct zs_arena *a = m->arena;

    atomic_store_explicit(&a->direct, NULL, memory_order_relaxed);
    zs_set_compactor_stats(a, NULL, NULL);
    zs_lock_acquire(&a->lock);
    a->waker = NULL;
    zs_lock_release(&a->lock);
    atomic_store_explicit(&a->wake_above, UINT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&a->woken, false, memory_order_relaxed);
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
