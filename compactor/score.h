/* SPDX-License-Identifier: MIT */
/*
 * score.h - how much of an arena's memory compaction could give back.
 *
 * Cheap: counters of the arena and of its owners' classes, no look at pages.
 * So the compactor thread may ask at every tick, and while it works. A survey
 * (pass.h) then says where.
 */
#ifndef ZS_COMPACTOR_SCORE_H
#define ZS_COMPACTOR_SCORE_H

#include <stdint.h>

#include "page.h"

struct zs_score {
    uint64_t footprint; /* all memory kept, metadata too */
    uint64_t resident;  /* pages with memory */
    uint64_t live; /* of those: objects, slots in caches, and pages of other
                         * owners */
    uint64_t idle; /* of those: free pages */
    uint64_t
        idle_blocks;   /* bytes of pageblocks that are empty and have memory */
    uint64_t gained;   /* given back, or emptied by moves, ever */
    uint64_t moved;    /* migrated, or emptied by moves, ever */
    uint64_t deferred; /* what waits for readers: it is nobody's to move */
};

/* pass_lock held, for the owners' sake. */
void zs_score_take(struct zs_arena *a, struct zs_score *s);

/* Memory that could be given back, beyond a reserve of free pages. */
uint64_t zs_score_waste(const struct zs_score *s, uint64_t reserve_bytes);

/* The same in thousandths of the resident memory, or of 128 MiB if that is
 * more. */
unsigned zs_score_permille(const struct zs_score *s, uint64_t reserve_bytes);

#endif /* ZS_COMPACTOR_SCORE_H */
