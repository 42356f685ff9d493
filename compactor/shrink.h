/* SPDX-License-Identifier: MIT */
/* shrink.h - parts of zs_arena_shrink() that the compactor thread uses too. */
#ifndef ZS_COMPACTOR_SHRINK_H
#define ZS_COMPACTOR_SHRINK_H

#include "owner_ops.h"

/* Empty blocks that have memory. */
uint32_t zs_idle_blocks(struct zs_arena *a);

/* Have balloons withhold so many more bytes; 0: go on towards their targets.
 * Returns bytes withheld more. pass_lock held. */
uint64_t zs_shrink_withhold(struct zs_arena *a, uint64_t bytes);

#endif /* ZS_COMPACTOR_SHRINK_H */
