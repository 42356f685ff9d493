/* SPDX-License-Identifier: MIT */
/*
 * core_edges.h - the edges of the flag word that the migration core takes.
 *
 * For lib/migrate alone: ISOLATED has one writer, and who owns a page cannot
 * ask whether it is isolated.
 */
#ifndef ZS_LIB_CORE_EDGES_H
#define ZS_LIB_CORE_EDGES_H

#include "page_flags.h"

/* Core: keep the page from changing hands while its owner is asked. False:
 * not movable just now. */
static inline bool zs_page_try_lock(struct zs_page *p)
{
    return zs_page_step(p, ZS_EDGE_LOCK, 0);
}

/* Core: the owner said no. False: it was released meanwhile, so finish. */
static inline bool zs_page_try_unlock(struct zs_page *p)
{
    return zs_page_step(p, ZS_EDGE_UNLOCK, 0);
}

/* Core: the owner said yes. False: it was released meanwhile, so finish. */
static inline bool zs_page_try_isolate(struct zs_page *p)
{
    return zs_page_step(p, ZS_EDGE_ISOLATE, 0);
}

/* Core: give the page back unmoved. False: released meanwhile, so finish. */
static inline bool zs_page_try_putback(struct zs_page *p)
{
    return zs_page_step(p, ZS_EDGE_PUTBACK, 0);
}

/* Core: the contents are elsewhere. The owner has let go of the page, so it
 * cannot have released it. */
static inline void zs_page_migrated_edge(struct zs_page *p)
{
    bool ok = zs_page_step(p, ZS_EDGE_MIGRATED, 0);
    ZS_CHECK(ok);
}

/* Core: has the owner released the page that this thread holds? */
static inline bool zs_page_is_released(const struct zs_page *p)
{
    return (zs_page_word(p) & ZS_PF_OWNER_RELEASED) != 0;
}

/* Core: end of a page that was released while this thread held it. */
static inline void zs_page_finish_edge(struct zs_page *p)
{
    bool ok = zs_page_step(p, ZS_EDGE_FINISH_ISOLATED, 0) ||
              zs_page_step(p, ZS_EDGE_FINISH_LOCKED, 0);
    ZS_CHECK(ok);
}

#endif /* ZS_LIB_CORE_EDGES_H */
