/* SPDX-License-Identifier: MIT */
/*
 * patterns.h - the patterns of a store's values that have no object.
 *
 * Words
 *   pattern  eight bytes, the length of the value that repeats them, and its
 *            tenant
 *   number   of a pattern in its store: what a bare handle keeps
 *            (lib/zspage/for_store.h)
 *
 * Idea
 *   Pages of zeroes and the like: few patterns, many values. A table keeps each
 *   pattern once, and a value is the number of its own in a slot word. What is
 *   in the table stays there: readers need no lock, and no count of values is
 *   kept. When it is full, values with new patterns are small objects.
 *
 * Invariants
 *   P1  the first n_patterns entries are never changed
 *   P2  an index entry that is not 0 is the number, plus 1, of such an entry
 *
 * Cost
 *   20 KiB with the first pattern, counted in the arena's footprint; a look-up
 *   is a hash and a compare.
 */
#ifndef ZS_LIB_PATTERNS_H
#define ZS_LIB_PATTERNS_H

#include <stdatomic.h>
#include <stdint.h>

#include "for_store.h"
#include "lock.h"
#include "arena_impl.h"

#define ZS_PATTERN_INDEX (2 * ZS_BARE_NUMBERS) /* never more than half full */

struct zs_pattern {
    uint64_t bytes;
    uint32_t length;
    uint32_t tenant;
};

struct zs_pattern_table {
    struct zs_pattern entries[ZS_BARE_NUMBERS]; /* by number; P1 */
    _Atomic uint16_t index[ZS_PATTERN_INDEX];   /* by hash; P2 */
};

struct zs_patterns {
    struct zs_lock lock; /* rank STORE; guards what is added */
    uint32_t n_patterns; /* guarded by lock */
    struct zs_arena *arena;
    _Atomic(struct zs_pattern_table *) table; /* NULL: no pattern yet */
};

void zs_patterns_init(struct zs_patterns *p, struct zs_arena *arena);
void zs_patterns_destroy(struct zs_patterns *p);

/* The number of a pattern, which gets one if it has none. -1: the table is
 * full, or there is no memory for one. */
int zs_patterns_number(struct zs_patterns *p, uint64_t bytes, size_t length,
                       unsigned tenant);

/* The pattern with a number that zs_patterns_number() has returned. */
const struct zs_pattern *zs_patterns_get(const struct zs_patterns *p,
                                         unsigned number);

#endif /* ZS_LIB_PATTERNS_H */
