/* SPDX-License-Identifier: MIT */
/*
 * guarantee.h - docs/guarantees.md as a function: how much memory an arena may
 * keep after a compaction, from what is live in it and the most there ever was.
 *
 * It knows sizes of structs and the table of size classes; of where things are
 * it knows nothing.
 */
#ifndef ZS_TESTS_GUARANTEE_H
#define ZS_TESTS_GUARANTEE_H

#include <stdbool.h>
#include <stdint.h>

#include "size_class.h"
#include "zspool/arena.h"

/* What there is in one pool, and was. */
struct census {
    uint32_t n[ZS_MAX_SIZE_CLASSES]; /* live objects by class */
    uint64_t n_runs, run_pages;      /* live objects above every class */
    uint64_t n_live, usable_bytes, asked_bytes;
    uint64_t peak_handles; /* given out at once, with those of caches */
    uint64_t kept_handles; /* that caches may have, none of them live */
    uint64_t peak_zspages; /* at once */
    uint64_t n_threads;    /* that have used it */
};

struct arena_census {
    uint64_t n_balloon_pages; /* that have no memory */
    uint64_t range_bytes;
    uint64_t peak_blocks; /* pageblocks in use at once */
    bool may_be_huge;     /* pageblocks */
};

/* In bytes. */
struct bounds {
    uint64_t resident, metadata; /* after zs_compact() */
    uint64_t blocks;             /* not bytes: pageblocks in use */
    uint64_t work;               /* that the pass moves, at the most */
    /* with a compactor thread at its default marks and reserve */
    uint64_t thread_resident, thread_metadata;
};

void census_add_object(struct census *c, uint64_t usable, uint64_t asked);

void bounds_of(const struct arena_census *arena, const struct census *pools,
               unsigned n_pools, struct bounds *out);

#endif /* ZS_TESTS_GUARANTEE_H */
