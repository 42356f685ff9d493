/* SPDX-License-Identifier: MIT */
/*
 * budget.h - how much memory an arena and its owners keep, and the limit.
 *
 * Equation
 *   B1  used == resident pages * 4096 + metadata + withheld, and used <= limit
 *       when there is one, at every moment
 *
 * What a balloon withholds has no memory, but counts against the limit: that
 * is what withholding means. footprint == used - withheld.
 *
 * Charge before memory becomes resident, uncharge after it is gone: the
 * figure is never less than the truth. (But for a page of metadata that the
 * system refuses to take back: granules.c counts it as gone.)
 */
#ifndef ZS_LIB_BUDGET_H
#define ZS_LIB_BUDGET_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct zs_budget {
    _Atomic uint64_t used;     /* bytes; relaxed: a counter, guards nothing */
    _Atomic uint64_t metadata; /* the part of it that is metadata */
    _Atomic uint64_t withheld; /* the part of it that balloons withhold */
    uint64_t limit;            /* set once at create; 0: none */
};

/*
 * Set when a limit, or the end of an arena's range, has refused this thread
 * something; whoever wants to know clears it first. -ENOMEM alone does not tell
 * that from what the system refuses.
 */
extern _Thread_local bool zs_limit_refused
    __attribute__((tls_model("initial-exec")));

static inline bool zs_budget_try_charge(struct zs_budget *b, uint64_t bytes)
{
    uint64_t now = atomic_load_explicit(&b->used, memory_order_relaxed);

    do {
        if (b->limit != 0 && now + bytes > b->limit) {
            zs_limit_refused = true;
            return false;
        }
    } while (!atomic_compare_exchange_weak_explicit(&b->used, &now, now + bytes,
                                                    memory_order_relaxed,
                                                    memory_order_relaxed));
    return true;
}

static inline void zs_budget_uncharge(struct zs_budget *b, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&b->used, bytes, memory_order_relaxed);
}

static inline bool zs_budget_try_charge_metadata(struct zs_budget *b,
                                                 uint64_t bytes)
{
    if (!zs_budget_try_charge(b, bytes)) {
        return false;
    }
    atomic_fetch_add_explicit(&b->metadata, bytes, memory_order_relaxed);
    return true;
}

static inline void zs_budget_unwithhold(struct zs_budget *b, uint64_t bytes)
{
    atomic_fetch_sub_explicit(&b->withheld, bytes, memory_order_relaxed);
    zs_budget_uncharge(b, bytes);
}

static inline void zs_budget_uncharge_metadata(struct zs_budget *b,
                                               uint64_t bytes)
{
    atomic_fetch_sub_explicit(&b->metadata, bytes, memory_order_relaxed);
    zs_budget_uncharge(b, bytes);
}

#endif /* ZS_LIB_BUDGET_H */
