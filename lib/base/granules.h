/* SPDX-License-Identifier: MIT */
/*
 * granules.h - metadata in one reserved range, lowest place first.
 *
 * Words
 *   granule   64 bytes; allocations are runs of granules, named by the index
 *             of their first one
 *
 * Idea
 *   One bit per granule, so one 64-bit word of the map stands for one page of
 *   the operating system. Allocation takes the lowest run that is free, so
 *   what survives gathers at the front; a page whose word becomes zero is
 *   given back. Metadata shrinks with the data.
 *
 * Invariants
 *   G1  a page is resident only if its word is not zero
 *   G2  no run of n free granules begins before hint[n]
 *
 * Locking: none here, the caller's lock guards a heap. Memory handed out never
 * moves; a freed granule reads as anything until reused, and stays mapped.
 * Cost: O(1) but for a scan of the map from the hint; one release call when a
 * page empties.
 */
#ifndef ZS_LIB_GRANULES_H
#define ZS_LIB_GRANULES_H

#include <stddef.h>
#include <stdint.h>

#include "budget.h"

#define ZS_GRANULE_BYTES 64u
#define ZS_GRANULES_PER_PAGE 64u

struct zs_granules {
    char *base;
    uint64_t *map;
    struct zs_budget *budget;
    uint32_t n_granules;
    uint32_t map_pages; /* pages of the map charged so far */
    uint32_t hint[ZS_GRANULES_PER_PAGE + 1];
};

/* `n_granules` is the most it can ever hold. 0 or -ENOMEM. */
int zs_granules_init(struct zs_granules *g, uint32_t n_granules,
                     struct zs_budget *budget);
void zs_granules_destroy(struct zs_granules *g);

/* n is 1..ZS_GRANULES_PER_PAGE. -ENOMEM: the budget; -ENOSPC: the range. New
 * granules are zero where their page was not in use before. */
int zs_granules_alloc(struct zs_granules *g, unsigned n, uint32_t *first);
void zs_granules_free(struct zs_granules *g, uint32_t first, unsigned n);

static inline void *zs_granule(const struct zs_granules *g, uint32_t idx)
{
    return g->base + (size_t)idx * ZS_GRANULE_BYTES;
}

#endif /* ZS_LIB_GRANULES_H */
