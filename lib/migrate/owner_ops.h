/* SPDX-License-Identifier: MIT */
/*
 * owner_ops.h - what an owner of pages inside the library may offer beside
 * movable_ops: moving its objects, and giving memory back.
 *
 * This and page.h are all that owners see of the rooms below them; the core's
 * functions are in migrate.h.
 */
#ifndef ZS_LIB_OWNER_OPS_H
#define ZS_LIB_OWNER_OPS_H

#include <limits.h>

#include "page.h"

/* What an owner's pages hold. */
struct zs_owner_weight {
    uint64_t live;      /* bytes of live objects */
    uint64_t resident;  /* bytes of its pages that have memory */
    uint64_t compacted; /* bytes of pages that moves have emptied, ever */
};

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
    /* Allocate nothing more in what `page` belongs to; *end as above. */
    void (*detach)(void *ctx, zs_pfn_t page, zs_pfn_t *end);
    /*
     * Move the objects out of what `page` belongs to; *end as above, but of
     * before it moved.
     *   DONE     no live object is left in it
     *   REFUSED  moving its pages is as good
     *   RETRY    a writer holds it, or there is no memory to move to
     *   GONE     the page is not the owner's any more
     */
    enum zs_migrate_result (*move_objects)(void *ctx, zs_pfn_t page,
                                           zs_pfn_t *end);
    /* Undo every detach; also of what consolidate and trim left off the lists
     * because a writer held it. */
    void (*attach_all)(void *ctx);
    /* Put the objects of partly filled structures together. True: stopped
     * because too much waits for readers; call again after a flush. */
    bool (*consolidate)(void *ctx);
    /* Give back the memory behind unused ends. */
    void (*trim)(void *ctx);
    /* A pass begins, or ends; what the owner gives back meanwhile it may give
     * back at its end, together. */
    void (*pass)(void *ctx, bool begins);
    /* The sums over all its pages; from counters, in microseconds. */
    void (*weigh)(void *ctx, struct zs_owner_weight *out);
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

/* One figure; a table is made from an X-macro: its values are uint64_t, in the
 * order of the table, as in the structs of the public headers.
 *
 *     static const struct zs_figure table[] = { ZS_ARENA_STATS(ZS_FIGURE) };
 */
struct zs_figure {
    const char *name;
    const char *text; /* ends in ", ever": a counter */
};
#define ZS_FIGURE(field, about) { #field, about },
#define ZS_FIGURES_LEN(table) (sizeof(table) / sizeof((table)[0]))
#define ZS_MOST_FIGURES 32u /* of an owner */

/*
 * What an owner says about itself in statistics. Called with the arena's
 * figures_lock held and no other; takes the owner's locks, waits for nobody.
 */
struct zs_figures_ops {
    const char *kind;              /* "pool" */
    const struct zs_figure *table; /* the same for all of a kind */
    size_t n;
    /* Its name; "": none. Optional. */
    const char *(*name)(void *ctx);
    void (*read)(void *ctx, uint64_t *values); /* n of them */
    /* Add what it has done for compactions. Optional. */
    void (*count)(void *ctx, struct zs_compact_stats *sum);
};
/* With NULL, withdraw: what it has counted stays with the arena. */
void zs_set_figures_ops(struct zs_arena *a, zs_page_type_t type,
                        const struct zs_figures_ops *ops, void *ctx);

/*
 * What is built on an owner says about itself: a store on its pool. It has the
 * owner's name, and parts: its tenants. Called as the above.
 */
#define ZS_WHOLE_LAYER UINT_MAX
struct zs_layer_figures {
    const char *kind; /* "store" */
    const char *part; /* "tenant"; they are numbered from 0 */
    unsigned n_parts;
    const struct zs_figure *table; /* the same for all, and their parts */
    size_t n;
    /* Of a part, or ZS_WHOLE_LAYER. False: there is no such part now. */
    bool (*read)(void *ctx, unsigned part, uint64_t *values);
};
/* At most one on an owner; with NULL, withdraw. */
void zs_set_layer_figures(struct zs_arena *a, zs_page_type_t type,
                          const struct zs_layer_figures *ops, void *ctx);

/* Offer (or, with NULL, withdraw) the evacuation interface of a type. Waits
 * for a compaction pass in progress. */
void zs_set_evacuation_ops(struct zs_arena *a, zs_page_type_t type,
                           const struct zs_evacuation_ops *ops, void *ctx);

#endif /* ZS_LIB_OWNER_OPS_H */
