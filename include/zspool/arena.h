/* SPDX-License-Identifier: MIT */
/*
 * zspool/arena.h - the memory that pools live in.
 *
 * An arena is one reserved address range cut into pages of 4 KiB and
 * pageblocks of 2 MiB. Pools and other owners take pages from it; the
 * compactor empties whole pageblocks and gives them back to the operating
 * system. Most embedders never create one: zs_pool_create() makes a private
 * arena when none is given. Create one to share it between pools:
 *
 *     struct zs_arena_config cfg = { .limit_bytes = 256 << 20 };
 *     struct zs_arena *arena;
 *     if (zs_arena_create(&cfg, &arena) == 0) {
 *         ... pools with .arena = arena ...
 *         zs_arena_destroy(arena);
 *     }
 *
 * Conventions of every zspool header:
 *   errors     0 or a negative errno value; outputs are written only on 0.
 *   units      bytes unless the name says _pages; times in nanoseconds.
 *   threads    safe from several threads at once unless marked "owner only".
 *   forks      fork() may be called by any thread at any time. It waits for
 *              what other threads are just doing, a zs_compact() included.
 *              The child may read, change, free and destroy all that it
 *              inherited; its compactors are off. But not the child of a
 *              fork in a read section or in a callback of movable_ops, which
 *              cannot wait: that one may only call exec or _exit. What
 *              belonged to threads that are gone, and what liburcu's handlers
 *              mean for who uses it too: docs/decisions/0011-fork.md. Do not
 *              fork while another thread creates or destroys an arena, a pool,
 *              a balloon or a compactor: the child has it, half done, for
 *              ever. posix_spawn() and vfork() need nothing of all this.
 */
#ifndef ZS_ARENA_H
#define ZS_ARENA_H

#include <stddef.h>
#include <stdint.h>

#include "zspool/export.h"

ZS_BEGIN_DECLS

#define ZS_PAGE_BYTES 4096u               /**< the arena's unit */
#define ZS_BLOCK_BYTES (2u * 1024 * 1024) /**< one pageblock */

struct zs_arena; /* opaque */

typedef uint32_t zs_pfn_t; /**< a page's number in its arena */
#define ZS_PFN_NONE UINT32_MAX

/** May pageblocks be backed by huge pages of the system? */
enum zs_huge_pages {
    ZS_HUGE_DEFAULT, /**< while the arena keeps 32 MiB or more */
    ZS_HUGE_NEVER,
    ZS_HUGE_ALWAYS, /**< from the first pageblock on */
};

/** Arena settings. Zero-initialise, then set what differs from the default. */
struct zs_arena_config {
    /** What it is called in statistics; the first 23 bytes are copied. NULL:
     *  "arena1", "arena2", ... as they are created. */
    const char *name;
    /** Address space to reserve (costs no memory), rounded up to whole
     *  pageblocks. 0: 64 GiB. At most 4 TiB. */
    size_t reserve_bytes;
    /** Most memory that the arena may keep resident, with the metadata of all
     *  its owners. 0: no limit. */
    size_t limit_bytes;
    /** Most memory of empty pageblocks that stays resident for the next
     *  allocations. 0: no bound of its own; a compactor thread gives it back
     *  over the next ticks, zs_compact() at once. ZS_RETAIN_NOTHING: frees give
     *  every empty pageblock back at once. */
    size_t retain_bytes;
    /** Huge pages for pageblocks that are filled whole. They are made, read and
     *  given back faster; one that is partly free keeps all its memory until
     *  a compaction empties it. Where the system has none, or refuses one, the
     *  pageblock is populated page by page. */
    enum zs_huge_pages huge_pages;
};
#define ZS_RETAIN_NOTHING SIZE_MAX

/**
 * Create an arena.
 *
 * @param cfg  settings, copied; NULL means all defaults.
 * @param out  receives the arena; the caller owns it (zs_arena_destroy()).
 *
 * @retval 0        success
 * @retval -EINVAL  reserve_bytes is above 4 TiB, or huge_pages none of its
 *                  values
 * @retval -ENOMEM  the system refused the address range, or (the first one)
 *                  handlers for fork(); nothing is left
 */
ZS_API ZS_MUST_CHECK int zs_arena_create(const struct zs_arena_config *cfg,
                                         struct zs_arena **out);

/**
 * Give the whole range back. Owner only. Every pool, page type and compactor
 * of the arena must be gone before: the process is stopped when one is not.
 */
ZS_API void zs_arena_destroy(struct zs_arena *arena);

/** What it is called: zs_arena_config.name. As long as the arena is there. */
ZS_API const char *zs_arena_name(const struct zs_arena *arena);

ZS_END_DECLS

#endif /* ZS_ARENA_H */
