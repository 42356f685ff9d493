/* SPDX-License-Identifier: MIT */
/* tenants.c - what tenants hold, and may; see the header. */
#include "tenants.h"

#include <errno.h>

#include "os.h"
#include "page.h"
#include "rcu.h"
#include "store_impl.h"

#define STEP_BYTES ((uint64_t)64 * 1024)
#define STEPS_PER_LIMIT 4096u
#define STEPS_PER_STORE 65536u /* a thread has a reserve for each tenant */
#define DEFAULT_WAIT_NS UINT64_C(1000000)
#define MAX_WAIT_NS UINT64_C(1000000000)
#define SOFT_MARGIN 16u     /* of the soft limit: evict so much below it */
#define ASK_AGAIN_PART 256u /* of the soft limit: asked in vain, ask later */
#define SHARES 1024u        /* of the way from soft to hard */

static uint64_t load(const _Atomic uint64_t *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

static void set(_Atomic uint64_t *to, uint64_t value)
{
    atomic_store_explicit(to, value, memory_order_relaxed);
}

static void count(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* --- gauges --- */

static void gauge_init(struct zs_gauge *g)
{
    set(&g->soft, UINT64_MAX);
    set(&g->hard, UINT64_MAX);
    set(&g->step, STEP_BYTES);
}

/* G2. False: it would be above the limit. */
static bool gauge_take(struct zs_gauge *g, uint64_t bytes)
{
    uint64_t hard = load(&g->hard);
    uint64_t used = load(&g->used);

    do {
        if (used > hard || bytes > hard - used) {
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(
        &g->used, &used, used + bytes, memory_order_relaxed,
        memory_order_relaxed));
    return true;
}

/* Damaged headers may say anything: never below 0. */
static void gauge_give(struct zs_gauge *g, uint64_t bytes)
{
    uint64_t used = load(&g->used);

    while (!atomic_compare_exchange_weak_explicit(
        &g->used, &used, used < bytes ? 0 : used - bytes, memory_order_relaxed,
        memory_order_relaxed)) {
    }
    if (load(&g->ask_above) != 0 && load(&g->used) <= load(&g->soft)) {
        set(&g->ask_above, 0);
    }
}

static void note_max(struct zs_gauge *g)
{
    uint64_t used = load(&g->used);
    uint64_t max = load(&g->max);

    while (used > max && !atomic_compare_exchange_weak_explicit(
                             &g->max, &max, used, memory_order_relaxed,
                             memory_order_relaxed)) {
    }
}

/* From the tenant's gauge and the store's (G3); the one that does not allow it
 * in *refused. */
static bool take_both(struct zs_gauge *whole, struct zs_gauge *g,
                      uint64_t bytes, struct zs_gauge **refused)
{
    *refused = g;
    if (!gauge_take(g, bytes)) {
        return false;
    }
    if (!gauge_take(whole, bytes)) {
        gauge_give(g, bytes);
        *refused = whole;
        return false;
    }
    note_max(g);
    note_max(whole);
    return true;
}

static void give_both(struct zs_gauge *whole, struct zs_gauge *g,
                      uint64_t bytes)
{
    gauge_give(g, bytes);
    gauge_give(whole, bytes);
}

static uint64_t step_of(const struct zs_gauge *whole, const struct zs_gauge *g)
{
    uint64_t a = load(&whole->step);
    uint64_t b = load(&g->step);

    return a < b ? a : b;
}

/* --- tenants --- */

int zs_tenants_init(struct zs_tenants *t, const struct zs_eviction_config *cfg,
                    struct zs_arena *arena)
{
    if (cfg->back_pressure > ZS_BACK_PRESSURE_NONE ||
        cfg->max_wait_ns > MAX_WAIT_NS) {
        return -EINVAL;
    }
    t->arena = arena;
    t->eviction = *cfg;
    if (cfg->max_wait_ns == 0) {
        t->eviction.max_wait_ns = DEFAULT_WAIT_NS;
    }
    gauge_init(&t->whole);
    gauge_init(&t->first.gauge);
    return 0;
}

void zs_tenants_destroy(struct zs_tenants *t)
{
    for (unsigned i = 1; i < ZS_TENANTS; i++) {
        struct zs_tenant *one = zs_tenant_find(t, i);

        if (one != NULL) {
            zs_os.free(one);
            zs_budget_uncharge_metadata(&t->arena->budget, sizeof(*one));
        }
    }
}

void zs_tenants_after_fork(struct zs_tenants *t)
{
    atomic_store_explicit(&t->whole.is_asking, false, memory_order_relaxed);
    for (unsigned i = 0; i < ZS_TENANTS; i++) {
        struct zs_tenant *one = zs_tenant_find(t, i);

        if (one != NULL) {
            atomic_store_explicit(&one->gauge.is_asking, false,
                                  memory_order_relaxed);
        }
    }
}

/* NULL: no memory. */
static struct zs_tenant *make(struct zs_tenants *t, unsigned number)
{
    struct zs_tenant *there = NULL;
    struct zs_tenant *one;

    if (zs_arena_charge_metadata(t->arena, sizeof(*one)) != 0) {
        return NULL;
    }
    one = zs_os.alloc(sizeof(*one));
    if (one != NULL) {
        gauge_init(&one->gauge);
        one->number = number;
        /* release: pairs with zs_tenant_find(); acquire: another's */
        if (atomic_compare_exchange_strong_explicit(
                &t->others[number - 1], &there, one, memory_order_release,
                memory_order_acquire)) {
            return one;
        }
        zs_os.free(one);
    }
    zs_budget_uncharge_metadata(&t->arena->budget, sizeof(*one));
    return there;
}

static struct zs_tenant *get(struct zs_tenants *t, unsigned number)
{
    struct zs_tenant *one = zs_tenant_find(t, number);

    return one != NULL ? one : make(t, number);
}

struct zs_tenant *zs_tenant_of(struct zs_store *store, const struct zs_value *v)
{
    unsigned number = v->tenant;

    if (v->dictionary != 0) { /* V7 */
        const struct zs_dict *dict =
            store->dicts != NULL
                ? zs_dicts_find(&store->dicts->dicts, v->dictionary)
                : NULL;

        if (dict == NULL) {
            return NULL;
        }
        number = dict->class;
    }
    return zs_tenant_find(&store->tenants, number);
}

int zs_tenant_take(struct zs_store *store, struct zs_tenant *t, uint64_t cost)
{
    struct zs_gauge *whole = &store->tenants.whole;
    unsigned thread = zs_thread_number();
    _Atomic uint64_t *reserve = &t->counters.stripes[thread].reserve;
    uint64_t there = load(reserve); /* stripe 0: always 0 */
    struct zs_gauge *refused;
    uint64_t step;

    if (__builtin_expect(cost <= there, 1)) {
        if (cost != 0) {
            set(reserve, there - cost);
        }
        return 0;
    }
    step = thread != 0 ? step_of(whole, &t->gauge) : 0;
    cost -= there;
    if (step != 0 && take_both(whole, &t->gauge, cost + step, &refused)) {
        set(reserve, step);
        return 0;
    }
    if (!take_both(whole, &t->gauge, cost, &refused)) {
        count(&refused->n_refused, 1);
        return -ENOSPC;
    }
    if (thread != 0) {
        set(reserve, 0);
    }
    return 0;
}

void zs_tenant_give(struct zs_store *store, struct zs_tenant *t, uint64_t cost)
{
    struct zs_gauge *whole = &store->tenants.whole;
    unsigned thread = zs_thread_number();
    _Atomic uint64_t *reserve = &t->counters.stripes[thread].reserve;
    uint64_t there = load(reserve);
    uint64_t step;

    if (thread == 0) {
        give_both(whole, &t->gauge, cost);
        return;
    }
    step = step_of(whole, &t->gauge);
    there += cost;
    if (there > 2 * step) {
        give_both(whole, &t->gauge, there - step);
        there = step;
    }
    set(reserve, there);
}

/* --- limits --- */

static uint64_t least_of(const struct zs_store_limits *l)
{
    uint64_t soft = l->soft_bytes != 0 ? l->soft_bytes : UINT64_MAX;
    uint64_t hard = l->hard_bytes != 0 ? l->hard_bytes : UINT64_MAX;

    return soft < hard ? soft : hard;
}

int zs_store_set_limits(struct zs_store *store, unsigned tenant,
                        const struct zs_store_limits *l)
{
    unsigned parts =
        tenant == ZS_WHOLE_STORE ? STEPS_PER_STORE : STEPS_PER_LIMIT;
    struct zs_gauge *g = &store->tenants.whole;
    uint64_t step;

    if ((tenant >= ZS_TENANTS && tenant != ZS_WHOLE_STORE) ||
        (l->hard_bytes != 0 && l->soft_bytes > l->hard_bytes)) {
        return -EINVAL;
    }
    if (tenant != ZS_WHOLE_STORE) {
        struct zs_tenant *t;

        zs_limit_refused = false;
        t = get(&store->tenants, tenant);
        if (t == NULL) {
            return zs_store_error(-ENOMEM);
        }
        g = &t->gauge;
    }
    step = least_of(l) / parts;
    set(&g->step, step < STEP_BYTES ? step : STEP_BYTES);
    set(&g->hard, l->hard_bytes != 0 ? l->hard_bytes : UINT64_MAX);
    set(&g->soft, l->soft_bytes != 0 ? l->soft_bytes : UINT64_MAX);
    set(&g->ask_above, 0);
    return 0;
}

static bool is_above_soft(const struct zs_gauge *g)
{
    return load(&g->used) > load(&g->soft);
}

static _Thread_local bool in_callback;

/* Have victims named, if it is time to. */
static void ask(struct zs_store *store, struct zs_gauge *g, unsigned tenant)
{
    const struct zs_eviction_config *cfg = &store->tenants.eviction;
    uint64_t soft = load(&g->soft);
    uint64_t used = load(&g->used);

    /* acquire pairs with the release below: callbacks come one after another */
    if (cfg->evict == NULL || used <= soft || used <= load(&g->ask_above) ||
        atomic_exchange_explicit(&g->is_asking, true, memory_order_acquire)) {
        return;
    }
    in_callback = true;
    cfg->evict(cfg->ctx, store, tenant, used - (soft - soft / SOFT_MARGIN));
    in_callback = false;
    count(&g->n_asked, 1);
    used = load(&g->used);
    set(&g->ask_above, used > soft ? used + soft / ASK_AGAIN_PART : 0);
    atomic_store_explicit(&g->is_asking, false, memory_order_release);
}

/* What a put is to sleep. */
static uint64_t wait_of(const struct zs_gauge *g, uint64_t max_wait_ns)
{
    uint64_t soft = load(&g->soft);
    uint64_t hard = load(&g->hard);
    uint64_t used = load(&g->used);
    uint64_t shares;

    if (used <= soft || hard == UINT64_MAX) {
        return 0;
    }
    shares =
        used < hard ? (used - soft) / ((hard - soft) / SHARES + 1) : SHARES;
    return max_wait_ns * shares / SHARES;
}

static int press(struct zs_store *store, struct zs_gauge *g)
{
    struct zs_gauge *whole = &store->tenants.whole;
    const struct zs_eviction_config *cfg = &store->tenants.eviction;
    struct zs_gauge *by = is_above_soft(g) ? g : whole;
    uint64_t wait_ns, other_ns;

    if (!is_above_soft(by) || cfg->back_pressure == ZS_BACK_PRESSURE_NONE) {
        return 0;
    }
    if (cfg->back_pressure == ZS_BACK_PRESSURE_AGAIN) {
        count(&by->n_again, 1);
        return -EAGAIN;
    }
    wait_ns = wait_of(g, cfg->max_wait_ns);
    other_ns = wait_of(whole, cfg->max_wait_ns);
    by = wait_ns > other_ns ? g : whole;
    wait_ns = wait_ns > other_ns ? wait_ns : other_ns;
    if (wait_ns > 0) {
        count(&by->n_slowed, 1);
        count(&by->slowed_ns, wait_ns);
        zs_os.sleep_ns(wait_ns);
    }
    return 0;
}

/* What a put meets that is above a limit, or the tenant's first. */
static __attribute__((noinline)) int
admit_slowly(struct zs_store *store, unsigned number, struct zs_tenant **out)
{
    struct zs_tenant *t;

    if (number >= ZS_TENANTS) {
        return -EINVAL;
    }
    t = get(&store->tenants, number);
    if (t == NULL) {
        return -ENOMEM;
    }
    *out = t;
    if (in_callback || zs_in_read_section()) {
        return 0;
    }
    ask(store, &t->gauge, number);
    ask(store, &store->tenants.whole, ZS_WHOLE_STORE);
    return press(store, &t->gauge);
}

int zs_tenant_admit(struct zs_store *store, unsigned number,
                    struct zs_tenant **out)
{
    struct zs_tenant *t =
        number < ZS_TENANTS ? zs_tenant_find(&store->tenants, number) : NULL;

    if (__builtin_expect(t == NULL || is_above_soft(&t->gauge) ||
                             is_above_soft(&store->tenants.whole),
                         0)) {
        return admit_slowly(store, number, out);
    }
    *out = t;
    return 0;
}
