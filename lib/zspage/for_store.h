/* SPDX-License-Identifier: MIT */
/*
 * for_store.h - what lib/store needs of a pool beyond zspool/pool.h.
 *
 * Words
 *   bare handle  one that is taken and has no object: its slot word is a small
 *                number of the store's (zs_slot_bare_word())
 *
 * To everybody else a bare handle is dead: zs_handle_check() says no, other
 * calls of the pool stop the process, a walk does not list it. An object may
 * become bare and the other way, and readers beside that see the one or the
 * other, as with zs_obj_replace().
 */
#ifndef ZS_LIB_FOR_STORE_H
#define ZS_LIB_FOR_STORE_H

#include "zspool/movable_ops.h"
#include "zspool/pool.h"

#define ZS_BARE_NUMBERS 1024u

/*
 * zs_obj_read_begin(), and *size receives the usable bytes of the very slot
 * that is read: a replace may change zs_obj_size() at once. NULL: the handle
 * is bare, and *size its number. The section is open in any case.
 */
const void *zs_obj_read_begin_sized(struct zs_pool *pool, zs_handle_t h,
                                    void *local_copy, size_t *size);

/* In a read section, of a handle that may be anything: NULL unless it has an
 * object. */
const void *zs_obj_try_peek_sized(struct zs_pool *pool, zs_handle_t h,
                                  void *local_copy, size_t *size);

/* In a read section: have the slot words, zspages and first bytes of n objects
 * fetched, all at once. Handles may be bare, or none at all. */
void zs_obj_fetch(const struct zs_pool *pool, const zs_handle_t *handles,
                  size_t n);

/* zs_obj_create() and zs_obj_replace() of bytes in several pieces, which are
 * copied once. The handle to be replaced may be bare. */
int zs_obj_create_from(struct zs_pool *pool, const struct iovec *pieces,
                       unsigned n, zs_handle_t *out);
int zs_obj_replace_from(struct zs_pool *pool, zs_handle_t h,
                        const struct iovec *pieces, unsigned n);

/* Bytes that an object of `size` bytes takes in a pool with all classes. */
size_t zs_obj_class_bytes(size_t size);

/* Every handle that is taken is below it, as of just now. */
uint32_t zs_pool_handles_end(struct zs_pool *pool);
/* Most that it can ever be. */
uint32_t zs_pool_handles_limit(const struct zs_pool *pool);

/* Usable bytes of a live object, 0: the handle, which may be anything, has
 * none just now. */
size_t zs_obj_live_bytes(struct zs_pool *pool, zs_handle_t h);

/* From now on the word of a freed object is not live any more when zs_free()
 * returns, however many objects there are. Once, before the first object. */
void zs_pool_free_at_once(struct zs_pool *pool);

/* number < ZS_BARE_NUMBERS. Errors as zs_malloc(). */
int zs_bare_create(struct zs_pool *pool, unsigned number, zs_handle_t *out);
/* Give a handle up its object, if it has one, for a number. */
void zs_bare_replace(struct zs_pool *pool, zs_handle_t h, unsigned number);
void zs_bare_free(struct zs_pool *pool, zs_handle_t h);

/* Of its pages in the arena, and how many of them moves have emptied, ever. */
zs_page_type_t zs_pool_page_type(const struct zs_pool *pool);
uint64_t zs_pool_pages_compacted(struct zs_pool *pool);

/* List bare handles from *at on, by number, and move *at behind them; as
 * zs_pool_next(). */
size_t zs_bare_next(struct zs_pool *pool, uint32_t *at, zs_handle_t *handles,
                    size_t n);

#endif /* ZS_LIB_FOR_STORE_H */
