/* SPDX-License-Identifier: MIT */
/*
 * granules.h - metadata in one reserved range, lowest place first.
 *
 * Words
 *   granule   64 bytes; allocations are runs of granules, named by the index
 *             of their first one
 *   idle page one without granules in use that has not been given back yet
 *
 * Idea
 *   One bit per granule, so one 64-bit word of the map stands for one page of
 *   the operating system. Allocation takes the lowest run that is free, so
 *   what survives gathers at the front; a page whose word becomes zero is
 *   given back. Metadata shrinks with the data. Each time interrupts the
 *   processors that the process runs on, so a compaction pass, which empties
 *   many, gathers them and gives back neighbours together.
 *
 * Invariants
 *   G1  a page is resident only if its word is not zero or it is idle; it is
 *       charged until it is given back
 *   G2  no run of n free granules begins before hint[n]
 *
 * Locking: none here, the caller's lock guards a heap. Memory handed out never
 * moves; a freed granule reads as anything until reused, and stays mapped.
 * Cost: O(1) but for a scan of the map from the hint; one release call when a
 * page empties, or one for a run of idle pages.
 */
#ifndef ZS_LIB_GRANULES_H
#define ZS_LIB_GRANULES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "budget.h"

#define ZS_GRANULE_BYTES 64u
#define ZS_GRANULES_PER_PAGE 64u
#define ZS_GRANULES_MAX_IDLE 64u

struct zs_granules {
    char *base;
    uint64_t *map;
    struct zs_budget *budget;
    uint32_t n_granules;
    uint32_t map_pages; /* pages of the map charged so far */
    uint32_t hint[ZS_GRANULES_PER_PAGE + 1];
    bool gathers;
    uint32_t n_idle;
    uint32_t idle[ZS_GRANULES_MAX_IDLE]; /* pages, in any order */
};

/* `n_granules` is the most it can ever hold. 0 or -ENOMEM. */
int zs_granules_init(struct zs_granules *g, uint32_t n_granules,
                     struct zs_budget *budget);
void zs_granules_destroy(struct zs_granules *g);

/* n is 1..ZS_GRANULES_PER_PAGE. -ENOMEM: the budget; -ENOSPC: the range. New
 * granules are zero where their page was not in use before. */
int zs_granules_alloc(struct zs_granules *g, unsigned n, uint32_t *first);
void zs_granules_free(struct zs_granules *g, uint32_t first, unsigned n);

/* From now on pages that become empty are gathered: given back when this ends,
 * when there are ZS_GRANULES_MAX_IDLE, or when the budget wants them. */
void zs_granules_gather(struct zs_granules *g);
void zs_granules_gather_end(struct zs_granules *g);

static inline void *zs_granule(const struct zs_granules *g, uint32_t idx)
{
    return g->base + (size_t)idx * ZS_GRANULE_BYTES;
}

#endif /* ZS_LIB_GRANULES_H */
