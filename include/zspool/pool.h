/* SPDX-License-Identifier: MIT */
/*
 * zspool/pool.h - objects: allocate, read, write, replace, free.
 *
 * A pool hands out *handles*, not pointers: the compactor may move an object
 * between two accesses. Bytes are read inside a read section and written
 * through calls:
 *
 *     struct zs_pool *pool;
 *     zs_handle_t h;
 *     char two_part[ZS_LOCAL_COPY_BYTES];
 *     if (zs_pool_create(NULL, &pool) == 0 &&
 *         zs_obj_create(pool, "hello", 6, &h) == 0) {
 *         const char *p = zs_obj_read_begin(pool, h, two_part);
 *         puts(p);
 *         zs_obj_read_end(pool);
 *         zs_free(pool, h);
 *     }
 *
 * Who may do what at the same time. Calls on different handles never disturb
 * each other. On one handle any number of readers, the compactor and one
 * zs_obj_replace() or zs_realloc() run together; zs_free() of a handle that
 * somebody still reads or is about to read, zs_obj_write() against readers of
 * the same handle, and two changers of one handle are for the caller to
 * exclude.
 *
 * Read sections nest, take no lock, and never wait for the compactor. Inside
 * one, call nothing that says "may wait" (zs_compact(), zs_pool_destroy(),
 * zs_compactor_stop()...): it would wait for itself, so the process is stopped
 * with a message. Memory that moved away is given back only after all read
 * sections that might see it have ended, so keep them short.
 *
 * Conventions: see zspool/arena.h.
 */
#ifndef ZS_POOL_H
#define ZS_POOL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

#include "zspool/arena.h"
#include "zspool/export.h"
#include "zspool/stats.h"

ZS_BEGIN_DECLS

struct zs_pool; /* opaque */

/** The name of an object. Stays the same when the object moves. */
typedef struct zs_handle {
    uint32_t raw; /**< 0: no object */
} zs_handle_t;

/** Every `raw` of a pool is below that, where max_objects is what the pool was
 *  created with, not 0. They are small numbers, taken from the lowest group of
 *  1,024 that has a free one, so they can index a table of the embedder's. */
#define ZS_HANDLE_LIMIT(max_objects) ((max_objects) + 2048)

/** Largest object, in bytes. */
#define ZS_MAX_OBJ_BYTES ((size_t)256 * 1024 * 1024)

/** What zs_obj_read_begin()'s local copy must have room for. */
#define ZS_LOCAL_COPY_BYTES ZS_PAGE_BYTES

/** Pool settings. Zero-initialise, then set what differs from the default. */
struct zs_pool_config {
    /** What it is called in statistics; the first 23 bytes are copied. NULL:
     *  "pool" and the number of its page type. */
    const char *name;
    /** Arena to live in; it must outlive the pool. NULL: a private one. */
    struct zs_arena *arena;
    /** Settings of the private arena. */
    struct zs_arena_config private_arena;
    /** Most objects. 0: one for every 32 bytes of the arena's range, at most
     *  2^30. */
    uint32_t max_objects;
    /** Most zspages (a zspage holds up to 1,024 objects of one size class;
     *  docs/size-classes.md). 0 and more than 2^20 - 1: 2^20 - 1. */
    uint32_t max_zspages;
    /** Bytes of free slots that threads may keep at hand, all of them together,
     *  where 0.25 % of the arena's footprint is less. 0: 512 KiB. Fewer make
     *  zs_malloc() and zs_free() of a small pool slower
     *  (docs/decisions/0004-thread-caches.md). */
    size_t min_cache_bytes;
};

/**
 * Create a pool. May wait for a compaction pass of a shared arena.
 *
 * @param cfg  settings, copied; NULL means all defaults.
 * @param out  receives the pool; the caller owns it (zs_pool_destroy()).
 *
 * @retval 0        success
 * @retval -EINVAL  a setting is out of range
 * @retval -ENOMEM  no memory for the pool itself; nothing is left behind
 * @retval -ENOSPC  the arena has no page type left
 */
ZS_API ZS_MUST_CHECK int zs_pool_create(const struct zs_pool_config *cfg,
                                        struct zs_pool **out);

/**
 * Free the pool with every object still in it. Owner only; may wait for a
 * grace period. Stop a compactor of a private arena first. NULL is allowed.
 */
ZS_API void zs_pool_destroy(struct zs_pool *pool);

/** The arena that the pool lives in: for zs_compact() and compactors. */
ZS_API struct zs_arena *zs_pool_arena(const struct zs_pool *pool);

/**
 * Allocate an object of `size` bytes; contents are undefined, the address is
 * a multiple of 4.
 *
 * @param size  1 .. ZS_MAX_OBJ_BYTES; rounded up to the size class (in small
 *              pools sometimes to one a little larger).
 *
 * @retval 0        `*out` is a live handle, to be given to zs_free() once
 * @retval -EINVAL  size is 0 or too large
 * @retval -ENOMEM  the arena's limit or range is used up, or the system
 *                  refused memory; all that was stored stays readable
 * @retval -ENOSPC  the pool has used up its handles or zspage numbers
 *
 * Cost: up to 1,024 bytes no lock and no locked instruction, mostly: the
 * thread keeps some free slots of each class at hand, all threads together at
 * most 0.25 % of the arena's footprint (or min_cache_bytes, if that is more),
 * and in a pool of a few MiB for fewer classes than there are. Else one
 * class lock; a fresh zspage only when no zspage of the class has room. Never
 * waits for readers; may be called in a read section. Outside of one, at the
 * limit of an arena that a compactor thread looks after, it waits for room, 5
 * ms at most.
 */
ZS_API ZS_MUST_CHECK int zs_malloc(struct zs_pool *pool, size_t size,
                                   zs_handle_t *out);

/** zs_malloc() and store `data` in it; cheaper than zs_obj_write() after. */
ZS_API ZS_MUST_CHECK int zs_obj_create(struct zs_pool *pool, const void *data,
                                       size_t size, zs_handle_t *out);

/**
 * zs_malloc() of `size` bytes, and store the first `len` of them: a header,
 * say, whose value comes later by zs_obj_write(). The rest is undefined. Errors
 * as zs_malloc(), and -EINVAL when len is above size.
 */
ZS_API ZS_MUST_CHECK int zs_obj_create_sized(struct zs_pool *pool,
                                             const void *data, size_t len,
                                             size_t size, zs_handle_t *out);

/**
 * zs_malloc() of an object whose first byte lies at a multiple of `alignment`,
 * and stays so: when it is moved, its pages are migrated, or it is replaced or
 * resized. Views and pins show that; but where zs_obj_read_begin() returns the
 * local copy, that is as aligned as the caller has made it.
 *
 * @param alignment  a power of two, 1 .. ZS_PAGE_BYTES.
 * @param size       1 .. ZS_MAX_OBJ_BYTES.
 *
 * @retval 0        `*out` is a live handle, to be given to zs_free() once
 * @retval -EINVAL  alignment or size is out of range
 * @retval -ENOMEM,-ENOSPC  as zs_malloc()
 *
 * Cost: the class lock. The size is rounded up to a class that is a multiple of
 * the alignment, above 64 KiB to whole pages (docs/size-classes.md has what
 * that wastes; a size that is a multiple of the alignment wastes least). The
 * other objects of such a class are kept aligned, too, when they are replaced
 * or resized.
 */
ZS_API ZS_MUST_CHECK int zs_malloc_aligned(struct zs_pool *pool,
                                           size_t alignment, size_t size,
                                           zs_handle_t *out);

/**
 * Free an object, from any thread. Never fails and never waits for readers:
 * nobody may be reading the object, or read it later (zs_free_deferred()). A
 * handle that is out of range, dead or already freed stops the process with a
 * message. Cost: as zs_malloc(); the slot may stay in the thread's cache.
 *
 * In a pool of more than 131,072 objects, all of at most 1,024 bytes, a library
 * without checks (-Dchecks=off) does the work of a free up to eight of the
 * thread's frees later. What is done wrong with the handle meanwhile may be
 * noticed later, too, and not at all if another thread frees it once more.
 */
ZS_API void zs_free(struct zs_pool *pool, zs_handle_t h);

/**
 * Free an object that others may be reading, or be about to read: who is in a
 * read section (zs_read_begin() in zspool/movable_ops.h, or that of an object)
 * and has got the handle there before this call may still begin to read it,
 * until that section ends. Memory and handle are used again after that.
 *
 * For a table that is looked up without a lock: take the handle out of the
 * table, then call this; readers open their section before they look it up.
 * Never fails and never waits; may be called in a read section. Bad handles
 * stop the process as in zs_free().
 *
 * Cost: some 100 ns, as it goes by the class lock, here and when it ends.
 */
ZS_API void zs_free_deferred(struct zs_pool *pool, zs_handle_t h);

/**
 * zs_malloc() of n objects: all of them or, on error, none.
 *
 * @param sizes  n sizes, in bytes.
 * @param out    receives n handles; undefined on error.
 */
ZS_API ZS_MUST_CHECK int zs_malloc_batch(struct zs_pool *pool,
                                         const size_t *sizes, size_t n,
                                         zs_handle_t *out);
/** zs_free() of n handles. In a large pool much quicker than one by one: the
 *  cache misses of a group overlap. */
ZS_API void zs_free_batch(struct zs_pool *pool, const zs_handle_t *handles,
                          size_t n);

/**
 * Open a read section and get the object's bytes.
 *
 * @param local_copy  ZS_LOCAL_COPY_BYTES of the caller's, used when the object
 *                    lies in two pages that are no longer side by side (only
 *                    objects of up to a page, after page migration).
 * @return  address of the bytes, valid until the matching zs_obj_read_end().
 *          A snapshot: an object that is replaced meanwhile keeps its old
 *          bytes here. Never NULL.
 *
 * Cost: two dependent loads; no lock, no shared write.
 */
ZS_API const void *zs_obj_read_begin(struct zs_pool *pool, zs_handle_t h,
                                     void *local_copy);
/** Close the read section of the last zs_obj_read_begin() of this thread. */
ZS_API void zs_obj_read_end(struct zs_pool *pool);

/** zs_obj_read_begin() for a thread that is in a read section already, and
 *  opens none: valid until that section ends. Which sections do:
 *  zspool/readers.h. */
ZS_API const void *zs_obj_peek(struct zs_pool *pool, zs_handle_t h,
                               void *local_copy);

/** Where an object's bytes are: side by side, or in two pages that are not.
 *  All zs_obj_size() of them; fit for writev(). Two parts at most: pages move
 *  one by one only where objects have up to a page, and such an object touches
 *  two. Larger ones move whole and lie in one part, whatever their size, so
 *  nothing above a page is ever copied to a buffer of the caller's. */
struct zs_view {
    struct iovec part[2];
    unsigned n_parts; /**< 1 or 2; 2 only for objects of up to a page */
};

/**
 * Open a read section and get views of n objects, without copying any. What a
 * view leads to is valid until the matching zs_obj_read_end(), and not to be
 * written.
 *
 * For many objects at once this is much quicker than one after the other: what
 * the look-ups wait for (slot words, zspages, the objects' first bytes) is
 * fetched for all of them at the same time.
 *
 * @param handles  n live handles; the same one may be there twice.
 * @param views    receives one view for each.
 */
ZS_API void zs_obj_view_begin(struct zs_pool *pool, const zs_handle_t *handles,
                              size_t n, struct zs_view *views);

/** zs_obj_view_begin() for a thread that is in a read section already, and
 *  opens none, like zs_obj_peek(). */
ZS_API void zs_obj_view(struct zs_pool *pool, const zs_handle_t *handles,
                        size_t n, struct zs_view *views);

/**
 * Overwrite bytes of an object in place.
 *
 * @param offset,len  must lie within zs_obj_size().
 * @retval 0        written
 * @retval -ERANGE  offset + len is beyond the object; nothing was written
 */
ZS_API ZS_MUST_CHECK int zs_obj_write(struct zs_pool *pool, zs_handle_t h,
                                      size_t offset, const void *data,
                                      size_t len);

/** A pinned object: where its bytes are, and the pool's own notes. */
struct zs_pin {
    struct zs_view view; /**< may be written through, too */
    /* the pool's */
    uint32_t handle, zspage;
    const char *holder;
    uint64_t since_ns;
    long thread;
    struct zs_pin *prev, *next;
};

/**
 * Keep an object where it is, for as long as it takes: its bytes may be read
 * and written in place, and the thread may sleep. No read section is needed.
 * Objects of up to a page lie in one part or two, larger ones in one.
 *
 * What is pinned cannot be moved: its pageblock is skipped by compaction, which
 * goes on elsewhere. Meanwhile do not free or replace the object. In checked
 * builds pages that cannot move are reported with the oldest pin on them.
 *
 * @param holder  who pins, for reports; must outlive the pin.
 * @param pin     filled in; must stay at its address until zs_unpin(). At most
 *                2^24 - 1 on an object and its neighbours at once.
 *
 * Cost: one atomic operation; waits for the mover's step (at most 256 KiB)
 * when the object is just being moved.
 */
ZS_API void zs_pin(struct zs_pool *pool, zs_handle_t h, const char *holder,
                   struct zs_pin *pin);
/** End of a pin; from any thread. */
ZS_API void zs_unpin(struct zs_pool *pool, struct zs_pin *pin);

/**
 * Give a handle new contents, of any size. A concurrent reader gets the old
 * bytes or the new ones, whole. Errors as zs_malloc(); on error the old
 * contents stay.
 */
ZS_API ZS_MUST_CHECK int zs_obj_replace(struct zs_pool *pool, zs_handle_t h,
                                        const void *data, size_t size);

/**
 * Change the size of an object, keeping its handle and its bytes up to the
 * smaller of both sizes; new bytes are undefined. Stays in place where its size
 * class does. A concurrent reader sees the object before or after. Errors as
 * zs_malloc(); on error the object is as it was.
 */
ZS_API ZS_MUST_CHECK int zs_realloc(struct zs_pool *pool, zs_handle_t h,
                                    size_t size);

/**
 * Usable bytes of an object: its size class, at least what was asked for.
 * Compaction may move an object to a larger class, never to a smaller one; to
 * use the result with zs_obj_read_begin(), ask for it first.
 */
ZS_API size_t zs_obj_size(struct zs_pool *pool, zs_handle_t h);

/** Ask whether a handle names a live object, without stopping when not. */
ZS_API bool zs_handle_check(struct zs_pool *pool, zs_handle_t h);

/** Where a walk over a pool is. Zero-initialise it to begin at the front. */
struct zs_pool_cursor {
    uint32_t page, slot; /* the pool's */
};

/**
 * List live objects in the order of their addresses (in that of the first pages
 * of their zspages, where page migration has split these), and move the cursor
 * behind them:
 *
 *     struct zs_pool_cursor at = { 0 };
 *     zs_handle_t h[64];
 *     size_t n;
 *     while ((n = zs_pool_next(pool, &at, h, 64)) > 0) {
 *         ... h[0] .. h[n - 1] ...
 *     }
 *
 * @param n  room in `handles`, at least 1.
 * @return  how many were listed; fewer than n only at the end, 0 behind it.
 *
 * Threads: other calls go on meanwhile, and nothing is held between two calls;
 * a cursor is for one thread at a time. Each handle was live at some moment of
 * the call that lists it; what was freed before, zs_free_deferred() included,
 * is not listed. From the first call to the last one,
 *   - an object that lives all the while and stays in its place is listed
 *     exactly once;
 *   - one that is moved meanwhile (by a compaction pass, or by zs_obj_replace()
 *     and zs_realloc()), or was in a zspage of which a page was migrated, may
 *     be listed once, more than once, or not at all;
 *   - one that is made or freed meanwhile is listed or not.
 * So a walk is exact for whoever keeps movers away: from its begin to its end
 * no pass runs (zs_compactor_stop(), no zs_compact() nor what else is in
 * zspool/compactor.h), no page is migrated, and nothing is replaced.
 *
 * A listed object may be freed, and its handle used again, at any time by those
 * who may free it. Inside a read section that was opened before the call it
 * stays readable if they use zs_free_deferred(). It may also be so new that its
 * bytes are not written yet. docs/embedding.md shows how to get from a handle
 * to a key in spite of that.
 *
 * Cost: 5 to 10 ns an object, no system call.
 * Takes a class lock for 64 slots at a time; never waits for readers or a
 * mover; may be called in a read section.
 */
ZS_API size_t zs_pool_next(struct zs_pool *pool, struct zs_pool_cursor *cursor,
                           zs_handle_t *handles, size_t n);

/** Statistics of one pool. Cost: takes every class lock once, in turn. */
ZS_API void zs_pool_stats(struct zs_pool *pool, struct zs_pool_stats *out);

/** One size class of a pool. */
#define ZS_CLASS_STATS(X)                                                      \
    X(slot_bytes, "bytes of a slot, 0: runs of pages")                         \
    X(n_objects, "live objects, and slots in threads' caches")                 \
    X(live_bytes, "their slots")                                               \
    X(n_zspages, "zspages")                                                    \
    X(resident_bytes, "pages of those that have memory")                       \
    X(waste_permille, "fragmentation: of resident, what no object uses")

#define ZS_CLASS_FIELD_(name, text) uint64_t name;
struct zs_class_stats {
    ZS_CLASS_STATS(ZS_CLASS_FIELD_)
};

/**
 * Fragmentation by size class: the classes that have a zspage, the smallest
 * first.
 *
 * @param out  room for `max`; may be NULL when max is 0
 * @return     how many there are; the first `max` of them are in `out`
 *
 * Cost: takes every class lock once, in turn.
 */
ZS_API size_t zs_pool_class_stats(struct zs_pool *pool,
                                  struct zs_class_stats *out, size_t max);

/** Print size classes, zspages and (in checked builds) who pins what since when
 *  to a file descriptor, for people. */
ZS_API void zs_pool_dump(struct zs_pool *pool, int fd);

ZS_END_DECLS

#endif /* ZS_POOL_H */
