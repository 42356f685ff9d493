/* SPDX-License-Identifier: MIT */
/*
 * tenants.h - what each tenant of a store holds, and how much it may.
 *
 * Words
 *   tenant   a class of values; value_header.h says how a value knows its own
 *   cost     of a value: zs_stats_note()'s used_bytes
 *   gauge    of a tenant, and of the whole store: what is taken of its limits
 *   reserve  what a thread has taken of a gauge, and no value costs yet
 *   step     so much a thread takes at once, so that gauges are seldom written
 *
 * Idea
 *   A put takes its value's cost from the thread's reserve, with a plain load
 *   and a store; a delete gives it back there. Only when a reserve is used up,
 *   or grows beyond two steps, are the gauges changed: of the tenant and of the
 *   store, by compare and exchange, never beyond the hard limit. Near the limit
 *   a thread takes what it needs and nothing in reserve.
 *
 *   Before a put begins it looks at both gauges: one that is above its soft
 *   limit has victims asked for, and then the put is slowed or turned away.
 *
 * Invariants
 *   G1  a gauge's `used` is the cost of its tenant's values and the reserves
 *       of it, and what is on the way between: never less than what values cost
 *   G2  `used` grows only as long as it stays at most `hard`
 *   G3  the store's gauge is the sum of its tenants' gauges
 *   By G1 and G2 the hard limit is never passed, whoever puts at once. (G1
 *   counts a value before it is in the pool, and until it is out of it.)
 *
 * Locking
 *   None; lock-free but for the callback, which one thread at a time is in.
 *   A reserve is its thread's; stripe 0 is shared, and has none.
 *
 * Not done
 *   What others have in reserve is not collected when a limit is met; so a put
 *   may be refused although that much is free (zspool/limits.h).
 */
#ifndef ZS_LIB_TENANTS_H
#define ZS_LIB_TENANTS_H

#include "dict_work.h"
#include "store_stats.h"
#include "zspool/limits.h"

#define ZS_GAUGE_COUNTERS(X)                                                   \
    X(n_asked) X(n_refused) X(n_again) X(n_slowed) X(slowed_ns)

/* All relaxed, but where said: what is guarded by it is only a number. */
struct zs_gauge {
    _Atomic uint64_t used; /* G1, G2 */
    _Atomic uint64_t soft; /* UINT64_MAX: none */
    _Atomic uint64_t hard; /* UINT64_MAX: none */
    _Atomic uint64_t step;
    _Atomic uint64_t max;       /* the most that `used` was */
    _Atomic uint64_t ask_above; /* asked in vain: again from here on */
    _Atomic bool is_asking;     /* somebody is in the callback; acquire */
#define ZS_GAUGE_COUNTER_(name) _Atomic uint64_t name;
    ZS_GAUGE_COUNTERS(ZS_GAUGE_COUNTER_)
#undef ZS_GAUGE_COUNTER_
};

struct zs_tenant {
    struct zs_gauge gauge;
    unsigned number; /* set once */
    char apart[64];
    struct zs_store_counters counters;
};

struct zs_tenants {
    struct zs_gauge whole;
    char apart[64];
    struct zs_tenant first;
    /* Made at first use, and then they stay; release pairs with acquire. */
    _Atomic(struct zs_tenant *) others[ZS_TENANTS - 1];
    struct zs_arena *arena;             /* set once at create */
    struct zs_eviction_config eviction; /* set once at create */
};

struct zs_store;

/* 0 or -EINVAL. */
int zs_tenants_init(struct zs_tenants *t, const struct zs_eviction_config *cfg,
                    struct zs_arena *arena);
void zs_tenants_destroy(struct zs_tenants *t);
/* In the child: whoever was in the callback is gone. */
void zs_tenants_after_fork(struct zs_tenants *t);

/* number < ZS_TENANTS; NULL: it has put nothing yet. */
static inline struct zs_tenant *zs_tenant_find(struct zs_tenants *t,
                                               unsigned number)
{
    return number == 0 ? &t->first
                       : atomic_load_explicit(&t->others[number - 1],
                                              memory_order_acquire);
}

/* Whose value it is that was found in this read section. NULL: its header is
 * damaged. */
struct zs_tenant *zs_tenant_of(struct zs_store *store,
                               const struct zs_value *v);

/*
 * A put or replace of a tenant's is to begin: no lock is held and no section of
 * the library's is open. Makes the tenant, may call the callback, may sleep. 0,
 * -EINVAL, -EAGAIN, -ENOMEM.
 */
int zs_tenant_admit(struct zs_store *store, unsigned number,
                    struct zs_tenant **out);

/* Take the cost of a value that is to be stored, by a tenant that was admitted.
 * -ENOSPC: a hard limit does not allow it. Never waits. */
int zs_tenant_take(struct zs_store *store, struct zs_tenant *t, uint64_t cost);
/* A value has gone, or was not stored after all. */
void zs_tenant_give(struct zs_store *store, struct zs_tenant *t, uint64_t cost);

/* Count a value in or out. */
static inline void zs_tenant_commit(struct zs_tenant *t,
                                    const struct zs_store_stats *change)
{
    zs_stats_commit(&t->counters, change);
}

/* --- statistics --- */

void zs_tenants_sum(struct zs_store *store, struct zs_store_stats *out);
/* In the arena's statistics, until it is withdrawn. */
void zs_tenants_show(struct zs_store *store);
void zs_tenants_hide(struct zs_store *store);

#endif /* ZS_LIB_TENANTS_H */
