/* SPDX-License-Identifier: MIT */
/*
 * evacuate.h - emptying a range of pages: objects first, then whole pages.
 *
 * For all who want pages empty: a compaction pass, offline, retire. The block
 * is CLOSED or HELD meanwhile. All under pass_lock.
 */
#ifndef ZS_COMPACTOR_EVACUATE_H
#define ZS_COMPACTOR_EVACUATE_H

#include "page.h"

/* Take what the pages belong to off the owners' lists: it is neither filled nor
 * moved into, until zs_evacuate_attach_owners(). */
void zs_evacuate_detach(struct zs_arena *a, zs_pfn_t first, unsigned n);
void zs_evacuate_attach_owners(struct zs_arena *a);

/*
 * Have the owners move the objects of the pages elsewhere, then migrate the
 * pages that are left. What would not move is back with its owner. The pages
 * are free when readers have gone (zs_grace_flush()); where too much waits for
 * them, this waits.
 */
void zs_evacuate_pages(struct zs_arena *a, zs_pfn_t first, unsigned n);

#endif /* ZS_COMPACTOR_EVACUATE_H */
