/* SPDX-License-Identifier: MIT */
/*
 * zspool/store.h - a pool with codecs on top: put bytes, get bytes.
 *
 *     struct zs_store *store;
 *     zs_handle_t h;
 *     if (zs_store_create(NULL, &store) == 0 &&
 *         zs_store_put(store, value, value_len, &h) == 0) {
 *         char back[4096];
 *         size_t len;
 *         if (zs_store_get(store, h, back, sizeof(back), &len) == 0)
 *             fwrite(back, 1, len, stdout);
 *         zs_store_delete(store, h);
 *     }
 *
 * Each value is compressed on its own. A value that consists of one repeated
 * byte keeps only that byte; a value that does not shrink is stored raw. Thread
 * rules are those of zspool/pool.h: get runs beside get, replace and the
 * compactor; delete is for the caller to order after the last get.
 *
 * Conventions: see zspool/arena.h.
 */
#ifndef ZS_STORE_H
#define ZS_STORE_H

#include "zspool/pool.h"

ZS_BEGIN_DECLS

struct zs_store; /* opaque */

enum zs_codec_id {
    ZS_CODEC_LZ4, /**< default */
    ZS_CODEC_ZSTD,
    ZS_CODEC_NONE,
};

/** Largest value, in bytes (0 is a lawful length). */
#define ZS_MAX_VALUE_BYTES (ZS_MAX_OBJ_BYTES - 16)

/** Store settings. Zero-initialise, then set what differs. */
struct zs_store_config {
    enum zs_codec_id codec;
    /** lz4: acceleration 1..65537, 0: 1. zstd: level -7..19, 0: 3. none: 0. */
    int level;
    struct zs_pool_config pool;
};

#define ZS_STORE_STATS(X)                                                      \
    X(n_values, "values stored now")                                           \
    X(raw_bytes, "their length as given")                                      \
    X(stored_bytes, "what the codec made of them, raw ones as they are")       \
    X(header_bytes, "value headers beside that")                               \
    X(n_same_filled, "values of one repeated byte")                            \
    X(n_stored_raw, "values that did not shrink")

#define ZS_STORE_FIELD_(name, text) uint64_t name;
struct zs_store_stats {
    ZS_STORE_STATS(ZS_STORE_FIELD_)
};

/**
 * Create a store.
 *
 * @retval 0, -EINVAL, -ENOMEM, -ENOSPC  as zs_pool_create(); -EINVAL also for
 *         an unknown codec or level.
 */
ZS_API ZS_MUST_CHECK int zs_store_create(const struct zs_store_config *cfg,
                                         struct zs_store **out);

/** Free the store and every value in it. Owner only; may wait. NULL is
 *  allowed. */
ZS_API void zs_store_destroy(struct zs_store *store);

/** The pool below: for statistics, zs_pool_arena() and zs_compact(). */
ZS_API struct zs_pool *zs_store_pool(const struct zs_store *store);

/**
 * Compress and store `len` bytes.
 *
 * @retval 0        `*out` names the value until zs_store_delete()
 * @retval -EINVAL  len is above ZS_MAX_VALUE_BYTES
 * @retval -ENOMEM, -ENOSPC  as zs_malloc(); nothing is stored
 */
ZS_API ZS_MUST_CHECK int zs_store_put(struct zs_store *store, const void *data,
                                      size_t len, zs_handle_t *out);

/**
 * Read a value back.
 *
 * @param cap  room in `buf`; @param len  receives the value's length.
 * @retval 0         `buf` holds the value
 * @retval -ERANGE   `cap` is too small; `*len` is what is needed (the one
 *                   output written on an error), `buf` is unspecified
 * @retval -EBADMSG  the stored bytes do not decompress (memory was damaged;
 *                   there is no checksum, so not all damage is found)
 * @retval -ENOMEM   no memory for this thread's codec context
 */
ZS_API ZS_MUST_CHECK int zs_store_get(struct zs_store *store, zs_handle_t h,
                                      void *buf, size_t cap, size_t *len);

/** Give a handle a new value; on error the old one stays. Errors as put. */
ZS_API ZS_MUST_CHECK int zs_store_replace(struct zs_store *store, zs_handle_t h,
                                          const void *data, size_t len);

/** Length of a value as it was put; 0 also when its header is damaged. */
ZS_API size_t zs_store_length(struct zs_store *store, zs_handle_t h);

/** Delete a value. Never fails; see zs_free(). */
ZS_API void zs_store_delete(struct zs_store *store, zs_handle_t h);

/** Statistics of the store's values. Cost: a few loads. */
ZS_API void zs_store_stats(struct zs_store *store, struct zs_store_stats *out);

ZS_END_DECLS

#endif /* ZS_STORE_H */
