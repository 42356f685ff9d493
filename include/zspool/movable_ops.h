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
 * The pools and balloons of the library are such owners. An embedder's own page
 * type is another, with the functions at the end of this file:
 *
 *     zs_page_type_t type;
 *     zs_pfn_t page;
 *     zs_page_type_create(arena, "bucket", &type);
 *     zs_set_movable_ops(arena, type, &bucket_ops, table);
 *     zs_page_alloc(arena, type, &page);
 *     memset(zs_page_address(arena, page), 0, ZS_PAGE_BYTES);
 *     zs_page_set_movable(arena, page);
 *     ...
 *     zs_page_free(arena, type, page);
 *     zs_page_type_destroy(arena, type);
 *
 * examples/hash_table.c is a whole one; docs/movable-ops.md is the contract.
 */
#ifndef ZS_MOVABLE_OPS_H
#define ZS_MOVABLE_OPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zspool/arena.h"

ZS_BEGIN_DECLS

typedef uint8_t zs_page_type_t; /* 1..ZS_PAGE_TYPE_MAX; 0 is no type */

#define ZS_PAGE_TYPE_MAX 254u

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
    /** Optional: write into `text` (of `len` bytes, to be ended with a zero)
     *  who keeps `page` from moving, and since when. For reports only; called
     *  like the others, for a page that the owner may have freed since. */
    void (*describe_holder)(void *ctx, zs_pfn_t page, char *text, size_t len);
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
 * End a page type and its movable_ops. Free its pages before.
 *
 * May wait for grace periods (freed pages wait for readers, callbacks may be
 * running) and for a compaction pass: stops the process when called in a read
 * section.
 *
 * @retval 0       success
 * @retval -EBUSY  pages of the type exist; nothing was changed. Also when the
 *                 core holds a freed page at this moment: call again
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

/* --- pages of one's own --- */

/**
 * Take one page, with memory behind it; contents are undefined. It stays where
 * it is until zs_page_set_movable().
 *
 * @retval 0        `*out` is the caller's; end it with zs_page_free()
 * @retval -EINVAL  no such type
 * @retval -ENOMEM  the arena's limit or range is used up, or the system
 *                  refused memory
 *
 * Cost: one arena lock; a system call (about 4 us) where the page has no
 * memory yet. Never waits for readers.
 */
ZS_API ZS_MUST_CHECK int zs_page_alloc(struct zs_arena *arena,
                                       zs_page_type_t type, zs_pfn_t *out);

/**
 * From now on the core may ask to move the page. Once per page, when all that
 * the callbacks look at is in place; it cannot be taken back. In migrate_page
 * call it for `dst` before answering DONE. A page that is not the caller's, or
 * is movable already, stops the process with a message.
 */
ZS_API void zs_page_set_movable(struct zs_arena *arena, zs_pfn_t page);

/**
 * Free a page. Never fails, never waits, and may be called from callbacks. Its
 * memory can be seen in read sections that are open now; it is used again
 * after they have ended. A page that is not of the type, or was freed or
 * migrated before, stops the process with a message.
 */
ZS_API void zs_page_free(struct zs_arena *arena, zs_page_type_t type,
                         zs_pfn_t page);

/** Where a page is. Valid until the page is freed or migrated; in a read
 *  section that began before, until that section ends. */
ZS_API void *zs_page_address(const struct zs_arena *arena, zs_pfn_t page);

/**
 * A word that belongs to the page's owner: what the page is to it. 0 in a new
 * page. It does not move with the page. The owner can rely on it, also in
 * isolate_page, migrate_page and putback_page; after the page is freed or
 * migrated, so for readers of the old page and in describe_holder, it may be
 * anything.
 * A release store and an acquire load.
 */
ZS_API void zs_page_set_private(struct zs_arena *arena, zs_pfn_t page,
                                uint32_t word);
ZS_API uint32_t zs_page_private(struct zs_arena *arena, zs_pfn_t page);

/**
 * Open and close a read section of this thread, as zs_obj_read_begin() does.
 * They nest. Nothing that "may wait" is called inside (it stops the process).
 */
ZS_API void zs_read_begin(void);
ZS_API void zs_read_end(void);

/* --- looking at pages, for people and viewers --- */

/**
 * Copy the flag words of `n` pages from `first` on. A copy of words that
 * change: old when it is read, and no base for decisions.
 *
 * @retval 0        words[0..n) are set
 * @retval -ERANGE  not all of them are pages of the arena
 */
ZS_API ZS_MUST_CHECK int zs_arena_page_flags(struct zs_arena *arena,
                                             zs_pfn_t first, uint32_t n,
                                             uint32_t *words);

/** For zs_arena_dump(): a character for each page. */
#define ZS_DUMP_PAGES 1u

/**
 * Print a map of the arena to a file descriptor, for people: a character for
 * each pageblock, which says how full it is. Below it each pageblock that
 * compaction could not empty just now, with a page that would not move and who
 * holds it, as its owner says (a pin: by whom, and since when).
 *
 * @param flags  0, or ZS_DUMP_PAGES: a letter for the type of each page of the
 *               pageblocks in use instead.
 *
 * Blocks are copied one after the other, not at one moment. Asks the owners of
 * pages, so not to be called with a lock that describe_holder takes. Cost: some
 * 200 ns for each page in use, twice; and the writes.
 */
ZS_API void zs_arena_dump(struct zs_arena *arena, int fd, unsigned flags);

/**
 * The same as a picture (SVG, standing alone): a cell for each pageblock, as
 * full as it is in use, coloured by the type of most of its pages; marks for
 * huge, offline, and what cannot be emptied; in words where the pointer rests.
 * Some 400 bytes for each pageblock.
 */
ZS_API void zs_arena_dump_svg(struct zs_arena *arena, int fd);

/** The type and the name of the state in a copied flag word. */
ZS_API zs_page_type_t zs_page_flags_type(uint32_t word);
ZS_API const char *zs_page_flags_state(uint32_t word);

/** A type's name; "" for a type that is not taken. */
ZS_API const char *zs_page_type_name(struct zs_arena *arena,
                                     zs_page_type_t type);

/** How many pages the arena has: numbers below it are pages. */
ZS_API zs_pfn_t zs_arena_nr_pages(const struct zs_arena *arena);

ZS_END_DECLS

#endif /* ZS_MOVABLE_OPS_H */
