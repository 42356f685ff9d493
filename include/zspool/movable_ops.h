/* SPDX-License-Identifier: MIT */
/*
 * zspool/movable_ops.h - page types, and how their pages are moved.
 *
 * Every page in use has a type: who owns it. An owner that can have its
 * pages moved gives the type three callbacks, marks its pages movable, and
 * from then on the migration core may, at any time and from any thread:
 *
 *   isolate_page   ask to take a page away; true hands the page to the core
 *   migrate_page   have the owner move its contents from src to dst
 *   putback_page   return a page that was not moved
 *
 * The core keeps the state of each page in an explicit flag word (type,
 * MOVABLE_OPS, LOCKED, ISOLATED, RELEASED, LIMBO). An owner never reads
 * LOCKED or ISOLATED, and never needs to: it may free its page at any moment.
 * If the page is in the core's hands just then, the core finishes the free
 * and calls nothing more for that page.
 *
 * Rules for callbacks: the core holds no lock and is inside a read section
 * when it calls; so callbacks may take the owner's locks and free its pages,
 * and may not wait for a grace period. They can run at the same time as the
 * owner's own free of the same page; the owner decides under its own lock who
 * came first, and answers false or GONE when the page is no longer its own.
 *
 * The pools of the library are such owners. Taking pages of a type of one's
 * own is not exported yet (lib/page/page.h has it inside).
 */
#ifndef ZS_MOVABLE_OPS_H
#define ZS_MOVABLE_OPS_H

#include <stdbool.h>
#include <stdint.h>

#include "zspool/arena.h"

ZS_BEGIN_DECLS

typedef uint32_t zs_pfn_t;      /* a page's number in its arena */
typedef uint8_t zs_page_type_t; /* 1..ZS_PAGE_TYPE_MAX; 0 is no type */

#define ZS_PAGE_TYPE_MAX 255u
#define ZS_PFN_NONE UINT32_MAX

/** Answer of migrate_page. */
enum zs_migrate_result {
    ZS_MIGRATE_DONE,    /**< contents and owner are at dst; src is given up */
    ZS_MIGRATE_RETRY,   /**< busy just now: ask again */
    ZS_MIGRATE_REFUSED, /**< not in this pass */
    ZS_MIGRATE_GONE,    /**< the owner has lawfully freed src meanwhile */
};

enum zs_migrate_mode {
    ZS_MIGRATE_ASYNC, /**< take locks only by trying */
    ZS_MIGRATE_SYNC,  /**< locks may be waited for */
};

struct zs_movable_ops {
    /** @return true to hand `page` to the core, false to refuse. */
    bool (*isolate_page)(void *ctx, zs_pfn_t page);
    /** `dst` is a page of the same type, owned, and with memory behind it if
     *  `src` had some when it was chosen. On DONE the owner has marked it
     *  movable and will free it itself one day; on every other answer the
     *  core takes it back. */
    enum zs_migrate_result (*migrate_page)(void *ctx, zs_pfn_t dst,
                                           zs_pfn_t src,
                                           enum zs_migrate_mode mode);
    /** `page` was isolated, was not moved, and is the owner's again. */
    void (*putback_page)(void *ctx, zs_pfn_t page);
};

/**
 * Create a page type in the arena.
 *
 * @param name  short name for dumps; must outlive the type.
 * @retval 0        `*out` is the type; zs_page_type_destroy() ends it
 * @retval -ENOSPC  all ZS_PAGE_TYPE_MAX types are taken
 */
ZS_API ZS_MUST_CHECK int zs_page_type_create(struct zs_arena *arena,
                                             const char *name,
                                             zs_page_type_t *out);

/**
 * End a page type and its movable_ops.
 *
 * May wait for a grace period (callbacks may be running): stops the process
 * when called in a read section.
 *
 * @retval 0       success
 * @retval -EBUSY  pages of the type exist; nothing was changed
 * @retval -EINVAL  no such type
 */
ZS_API ZS_MUST_CHECK int zs_page_type_destroy(struct zs_arena *arena,
                                              zs_page_type_t type);

/**
 * Give a page type its callbacks, once.
 *
 * @param ops  must outlive the type, as `ctx`, which every callback receives.
 * @retval 0        success
 * @retval -EINVAL  no such type, or a callback is missing
 * @retval -EBUSY   the type has movable_ops already
 */
ZS_API ZS_MUST_CHECK int zs_set_movable_ops(struct zs_arena *arena,
                                            zs_page_type_t type,
                                            const struct zs_movable_ops *ops,
                                            void *ctx);

ZS_END_DECLS

#endif /* ZS_MOVABLE_OPS_H */
