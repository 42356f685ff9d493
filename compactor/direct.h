/* SPDX-License-Identifier: MIT */
/*
 * direct.h - compaction by an allocation that met the limit.
 *
 * Offered for arenas that a compactor looks after. The allocation's thread asks
 * (zs_arena_try_direct() in page.h) where it holds no lock and is in no read
 * section; it becomes the arena's mover, so a pass that pauses ends first, and
 * that may have been enough.
 *
 * Whoever has compacted for nothing is not followed by others for a while: 1,
 * 2, 4 ... 1,024 ms.
 */
#ifndef ZS_COMPACTOR_DIRECT_H
#define ZS_COMPACTOR_DIRECT_H

#include <stdbool.h>

#include "page.h"

/* Compact for some milliseconds at most. True: there is more headroom than
 * before. May wait for readers. */
bool zs_direct_compact(struct zs_arena *a);

#endif /* ZS_COMPACTOR_DIRECT_H */
