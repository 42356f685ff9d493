/* SPDX-License-Identifier: MIT */
/*
 * migrate.h - the migration core: isolate, migrate, put back.
 *
 * Only this room and the compactor see these functions; owners see the
 * callbacks of zspool/movable_ops.h. A page is named by its number; its ops
 * are found from the type in its flag word and nowhere else.
 */
#ifndef ZS_LIB_MIGRATE_H
#define ZS_LIB_MIGRATE_H

#include "owner_ops.h"
#include "zspool/compactor.h"

#define ZS_MIGRATE_BATCH 512u /* most pages in one call: a pageblock */
#define ZS_MIGRATE_PASSES 3u  /* how often a page that says RETRY is asked */

/*
 * Take a page from its owner. True: this thread holds the page, ISOLATED, and
 * ends that with zs_migrate_pages() or zs_putback_movable_ops_page().
 */
bool zs_isolate_movable_ops_page(struct zs_arena *a, zs_pfn_t page);

/* Give an isolated page back to its owner, unmoved. */
void zs_putback_movable_ops_page(struct zs_arena *a, zs_pfn_t page);

/*
 * The one way from ISOLATED to anywhere else: have the owner move `src`, which
 * this thread holds, to `dst`, a page of the same type fresh from
 * zs_pages_alloc().
 *   DONE     src is in LIMBO and in `left`, for zs_limbo_defer(); dst is the
 *            owner's
 *   GONE     src was freed by its owner and is finished; dst is the caller's
 *   RETRY, REFUSED   src is isolated as before; dst is the caller's
 */
enum zs_migrate_result zs_migrate_movable_ops_page(struct zs_arena *a,
                                                   zs_pfn_t dst, zs_pfn_t src,
                                                   enum zs_migrate_mode mode,
                                                   struct zs_limbo_batch *left);

/*
 * Migrate up to ZS_MIGRATE_BATCH isolated pages. Returns how many were not
 * migrated; those are pages[0..n) now, still isolated, for the caller to put
 * back or to try again. Pages that say RETRY are asked again, the first time
 * always by trying locks; pages that say REFUSED are not. Never waits for
 * readers.
 */
unsigned zs_migrate_pages(struct zs_arena *a, zs_pfn_t *pages, unsigned n,
                          enum zs_migrate_mode mode);

/* What a page is at this moment and, as its owner says, who holds it. */
void zs_describe_page(struct zs_arena *a, zs_pfn_t page,
                      struct zs_blocker *out);

#endif /* ZS_LIB_MIGRATE_H */
