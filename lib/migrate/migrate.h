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

#include "page.h"
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

/*
 * The narrow interface by which an owner may offer to move its *objects*, so
 * that a pageblock is emptied without moving free slots along.
 *
 * Called by one compaction pass at a time (pass_lock held), outside of read
 * sections, for a page that had the owner's type a moment ago; it may have
 * changed hands since, and the owner must find out. May take the owner's
 * locks; may not wait for readers.
 */
struct zs_evacuation_ops {
    /* What `page` belongs to: the run [page, *end) of pages that go together
     * with it, and the bytes of live objects in that run. */
    void (*look)(void *ctx, zs_pfn_t page, zs_pfn_t *end, size_t *live_bytes);
    /* Allocate nothing more in what `page` belongs to. */
    void (*detach)(void *ctx, zs_pfn_t page);
    /*
     * Move the objects out of what `page` belongs to.
     *   DONE     no live object is left in it
     *   REFUSED  moving its pages is as good
     *   RETRY    a writer holds it, or there is no memory to move to
     *   GONE     the page is not the owner's any more
     */
    enum zs_migrate_result (*move_objects)(void *ctx, zs_pfn_t page);
    /* Undo every detach; also of what consolidate and trim left off the lists
     * because a writer held it. */
    void (*attach_all)(void *ctx);
    /* Put the objects of partly filled structures together. True: stopped
     * because too much waits for readers; call again after a flush. */
    bool (*consolidate)(void *ctx);
    /* Give back the memory behind unused ends. */
    void (*trim)(void *ctx);
    /* Objects and bytes moved since the beginning. */
    void (*count_moved)(void *ctx, uint64_t *objects, uint64_t *bytes);
};

/*
 * What an owner can do when memory is wanted back (zs_arena_shrink()), other
 * than by evacuation. Called as the evacuation interface is; a member that is
 * NULL is not offered.
 */
struct zs_shrink_ops {
    /* Give up what is kept at hand for the next calls; moves nothing. */
    void (*drop_caches)(void *ctx);
    /* Withhold so many more bytes from use, now or when they become free; 0: go
     * on with what was asked for before. Returns bytes withheld more. */
    uint64_t (*withhold)(void *ctx, uint64_t bytes);
};
void zs_set_shrink_ops(struct zs_arena *a, zs_page_type_t type,
                       const struct zs_shrink_ops *ops, void *ctx);

/* Offer (or, with NULL, withdraw) the evacuation interface of a type. Waits
 * for a compaction pass in progress. */
void zs_set_evacuation_ops(struct zs_arena *a, zs_page_type_t type,
                           const struct zs_evacuation_ops *ops, void *ctx);

#endif /* ZS_LIB_MIGRATE_H */
