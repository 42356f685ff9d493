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
 * Each value is compressed on its own. One that repeats the same 1, 2, 4 or 8
 * bytes costs no object, only its handle; one that would not take a smaller
 * size class is stored raw; one above 256 KiB is kept in parts, which are moved
 * one by one. Values may be of 0 bytes to 1 GiB.
 *
 * Thread rules are those of zspool/pool.h: reading runs beside reading, replace
 * and the compactor; delete is for the caller to order after the last read. A
 * handle is for the functions of this header: the pool may have no object of
 * it.
 *
 * Errors beside those of a function:
 *   -ENOSPC   a limit of the store's, of its tenant's (zspool/limits.h), or of
 *             the arena's, its range, or the pool's handles, are used up:
 *             delete something, or raise the limit
 *   -EAGAIN   put, replace, import: above a soft limit, where the store is to
 *             answer so
 *   -ENOMEM   the system refused memory
 *   -EBADMSG  stored bytes were damaged. With a checksum every damage to them
 *             is found; without one what still decompresses to the right length
 *             is not. Nothing beyond the bytes asked for is ever written.
 * Outputs are written on 0 only, but where a length comes with -ERANGE. A
 * buffer that was to be filled is left alone on -ERANGE; on -EBADMSG and
 * -ENOMEM the bytes that the value would have taken in it are unspecified.
 *
 * Conventions: see zspool/arena.h.
 */
#ifndef ZS_STORE_H
#define ZS_STORE_H

#include "zspool/codec.h"
#include "zspool/limits.h"
#include "zspool/pool.h"

ZS_BEGIN_DECLS

struct zs_store; /* opaque */

/** Largest value, in bytes (0 is a lawful length). */
#define ZS_MAX_VALUE_BYTES ((size_t)1 << 30)

/** What stands behind each stored value, against damage of memory. */
enum zs_checksum {
    ZS_CHECKSUM_NONE,    /**< default */
    ZS_CHECKSUM_XXH3_32, /**< 4 bytes: misses one damage in 2^32 */
    ZS_CHECKSUM_XXH3_64, /**< 8 bytes */
};

/** Classes that values may be put in: 0 .. ZS_DICT_CLASSES - 1. A class is a
 *  tenant: it has limits and statistics of its own. */
#define ZS_DICT_CLASSES ZS_TENANTS

/**
 * Dictionaries: what the values of a class have in common, learnt from some of
 * those that are put. Values of less than 16 KiB are compressed with it, which
 * makes three times less of records of 100 bytes that are alike. A store whose
 * data change learns again; older dictionaries go with their last value.
 * docs/dictionaries.md has figures, and what each setting does.
 */
struct zs_dict_config {
    /** No dictionaries. Codecs that have none go without in any case. */
    bool off;
    /** No thread of the store's: call zs_store_background() instead. Else the
     *  first put that finds enough to learn from starts one. */
    bool no_thread;
    /** Largest dictionary, 1 KiB .. 1 MiB. 0: 64 KiB. */
    size_t max_bytes;
    /** Memory for samples, at most, 64 KiB .. 64 MiB. 0: 1 MiB. */
    size_t sample_bytes;
    /** Time between two looks at the data of a class, at least. 0: 1 s. */
    uint64_t interval_ns;
    /** A new dictionary replaces another one, or none, if it saves this much of
     *  the memory of values that it was not trained on, in percent. 0: 5. */
    unsigned min_gain_percent;
};

/**
 * Recompression: values that nobody gets, replaces or deletes for some time get
 * a stronger codec or the newest dictionary, in the background, where that
 * makes a smaller size class of them; values of a dictionary that is not used
 * any more move to the one that is. Who gets such a value pays for the stronger
 * codec; a value that is replaced begins anew. docs/recompression.md.
 */
struct zs_recompress_config {
    /** Off unless it is set. */
    bool on;
    /** No thread of the store's: call zs_store_background() instead. */
    bool no_thread;
    /** What cold values are compressed with. Both 0: zstd at level 9. */
    enum zs_codec_id codec;
    int level;
    /** How long a value must be left alone: once to twice that. 0: 60 s. */
    uint64_t idle_ns;
    /** Share of one core that it may take, 1 .. 100. 0: 5. */
    unsigned cpu_percent;
};

/** Store settings. Zero-initialise, then set what differs. */
struct zs_store_config {
    enum zs_codec_id codec;
    /** 0: the codec's default. Higher levels compress better and slower, as far
     *  as they are above or below 0:
     *    lz4   -65537..-1: faster, by an acceleration of 1 (default) to 65537;
     *          1..12: lz4's HC levels, which take 256 KiB a thread
     *    zstd  -131072..-1: its fast levels; 1..19, default 3
     *    none  0 only */
    int level;
    enum zs_checksum checksum;
    struct zs_dict_config dictionaries;
    struct zs_recompress_config recompress;
    struct zs_eviction_config eviction; /**< limits: zs_store_set_limits() */
    struct zs_pool_config pool;
};

#define ZS_STORE_STATS(X)                                                      \
    X(n_values, "values stored now")                                           \
    X(raw_bytes, "their length as given")                                      \
    X(stored_bytes, "what the codec made of them, raw ones as they are")       \
    X(header_bytes, "headers, checksums and lists of parts beside that")       \
    X(used_bytes, "what values cost: slots, handles and side entries")         \
    X(n_same_filled, "values that repeat 1, 2, 4 or 8 bytes")                  \
    X(n_stored_raw, "values in one part that did not shrink")                  \
    X(n_in_parts, "values of several parts")

#define ZS_STORE_FIELD_(name, text) uint64_t name;
struct zs_store_stats {
    ZS_STORE_STATS(ZS_STORE_FIELD_)
};

/**
 * Create a store.
 *
 * @retval 0, -EINVAL, -ENOMEM, -ENOSPC  as zs_pool_create(); -EINVAL also for
 *         an unknown codec, level or back-pressure.
 */
ZS_API ZS_MUST_CHECK int zs_store_create(const struct zs_store_config *cfg,
                                         struct zs_store **out);

/** Free the store and every value in it. Owner only; may wait. NULL is
 *  allowed. */
ZS_API void zs_store_destroy(struct zs_store *store);

/** The pool below: for statistics, zs_pool_arena() and zs_compact(). */
ZS_API struct zs_pool *zs_store_pool(const struct zs_store *store);

/**
 * Compress and store `len` bytes: all of them or, on error, none.
 *
 * @retval 0        `*out` names the value until zs_store_delete()
 * @retval -EINVAL  len is above ZS_MAX_VALUE_BYTES
 * @retval -ENOSPC, -ENOMEM  nothing is stored
 */
ZS_API ZS_MUST_CHECK int zs_store_put(struct zs_store *store, const void *data,
                                      size_t len, zs_handle_t *out);

/** zs_store_put() of a value of a class, which has its own dictionaries: for
 *  tenants or kinds of keys whose values are alike. -EINVAL also for a class
 *  that there is not. Other functions mean class 0. A value of another class
 *  takes a byte more, unless it has a dictionary or no object. */
ZS_API ZS_MUST_CHECK int zs_store_put_class(struct zs_store *store,
                                            unsigned class_number,
                                            const void *data, size_t len,
                                            zs_handle_t *out);

/** Give a handle a new value; on error the old one stays. Beside it readers get
 *  the old value or the new one, whole. Errors as put. */
ZS_API ZS_MUST_CHECK int zs_store_replace(struct zs_store *store, zs_handle_t h,
                                          const void *data, size_t len);

/** zs_store_replace() by a value of a class. */
ZS_API ZS_MUST_CHECK int zs_store_replace_class(struct zs_store *store,
                                                unsigned class_number,
                                                zs_handle_t h, const void *data,
                                                size_t len);

/** Delete a value. Never fails; see zs_free(). */
ZS_API void zs_store_delete(struct zs_store *store, zs_handle_t h);

/**
 * Read a value back.
 *
 * @param cap  room in `buf`; @param len  receives the value's length.
 * @retval 0         buf[0 .. *len) is the value; the rest is left alone
 * @retval -ERANGE   `cap` is too small; `*len` is what is needed
 * @retval -EBADMSG, -ENOMEM
 *
 * A value in parts keeps its read section open for as long as it is copied.
 */
ZS_API ZS_MUST_CHECK int zs_store_get(struct zs_store *store, zs_handle_t h,
                                      void *buf, size_t cap, size_t *len);

/**
 * Read up to `cap` bytes of a value from `offset` on. `*len` receives how many:
 * fewer than `cap` at the value's end, 0 behind it. Cost: parts that it does
 * not touch are not looked at; of a compressed one that it does, all is
 * decompressed.
 *
 * @retval 0, -EBADMSG, -ENOMEM
 */
ZS_API ZS_MUST_CHECK int zs_store_get_range(struct zs_store *store,
                                            zs_handle_t h, size_t offset,
                                            void *buf, size_t cap, size_t *len);

/** A buffer of the caller's that grows. Zero-initialise it, or give it room. */
struct zs_store_buffer {
    void *data; /**< `cap` bytes, of malloc() unless `grow` is set */
    size_t len; /**< of the value in it */
    size_t cap;
    /** Like realloc(), and NULL on failure, when `data` stays as it is. Called
     *  outside of read sections of the library's. NULL: realloc() itself. */
    void *(*grow)(void *arg, void *data, size_t bytes);
    void *arg;
};

/**
 * zs_store_get() into a buffer that is made larger if need be, never smaller.
 * `data` is the caller's to free in any case.
 *
 * @retval 0        data[0 .. len) is the value
 * @retval -ENOMEM  `grow` failed, or as zs_store_get()
 * @retval -EBADMSG
 */
ZS_API ZS_MUST_CHECK int zs_store_get_grow(struct zs_store *store,
                                           zs_handle_t h,
                                           struct zs_store_buffer *buffer);

/** Length of a value as it was put; 0 also when its header is damaged. Not
 *  checked by the checksum. */
ZS_API size_t zs_store_length(struct zs_store *store, zs_handle_t h);

/** Bytes that a value takes of objects: payload, header, checksum, all parts. 0
 *  for one that repeats a pattern. A slot is that, rounded up to its class; and
 *  a value costs 4 bytes of handle and, where it has a slot, 4 more. */
ZS_API size_t zs_store_stored_length(struct zs_store *store, zs_handle_t h);

/** What a value costs of its tenant's limits (zspool/limits.h); 0 when its
 *  header is damaged. */
ZS_API uint64_t zs_store_cost(struct zs_store *store, zs_handle_t h);

/* --- many at once: in a large store quicker than one by one, for the cache
 * misses of a group overlap --- */

/** Put n values: all of them or, on error, none. `out` receives n handles. */
ZS_API ZS_MUST_CHECK int zs_store_put_batch(struct zs_store *store,
                                            const struct iovec *values,
                                            size_t n, zs_handle_t *out);

/** One of many zs_store_get(). */
struct zs_store_get {
    zs_handle_t handle;
    void *buf;
    size_t cap;
    size_t len; /**< out */
    int err;    /**< out: what zs_store_get() returns */
};

/** Returns 0, or the first `err` that is not. Each is tried in any case. */
ZS_API int zs_store_get_batch(struct zs_store *store, struct zs_store_get *gets,
                              size_t n);

ZS_API void zs_store_delete_batch(struct zs_store *store,
                                  const zs_handle_t *handles, size_t n);

/* --- stored bytes: for replication, snapshots, reading without a copy --- */

enum zs_stored_kind {
    ZS_STORED_RAW, /**< the value's bytes themselves */
    ZS_STORED_COMPRESSED,
    ZS_STORED_PATTERN, /**< 8 bytes that are repeated, the last time in part */
};

/** One part of a value, as it is stored. Most values have one part. */
struct zs_store_view {
    enum zs_stored_kind kind;
    enum zs_codec_id codec; /**< of compressed bytes */
    unsigned dictionary;    /**< of compressed bytes, in this store; 0: none */
    const void *data;
    size_t bytes;        /**< at `data` */
    size_t offset;       /**< of the part in the value */
    size_t length;       /**< of the part in the value */
    size_t n_parts;      /**< of the value */
    size_t value_length; /**< of the whole value */
};

/**
 * Open a read section and look at the stored bytes of part `part` (0 ..) of a
 * value. Nothing is decompressed; a raw value is read where it lies. Of two
 * calls each may find another value, if the handle is replaced meanwhile.
 *
 * @param local_copy  ZS_LOCAL_COPY_BYTES of the caller's, as for
 *                    zs_obj_read_begin().
 * @retval 0         `*out` is valid until zs_store_view_end()
 * @retval -EINVAL   the value has no such part; no section is open
 * @retval -EBADMSG  damaged; no section is open
 */
ZS_API ZS_MUST_CHECK int zs_store_view_begin(struct zs_store *store,
                                             zs_handle_t h, size_t part,
                                             void *local_copy,
                                             struct zs_store_view *out);
ZS_API void zs_store_view_end(struct zs_store *store);

/**
 * Write a value as a message that zs_store_import() of any store understands,
 * here or elsewhere. Compressed bytes stay as they are.
 *
 * @param cap  room in `buf`; @param len  receives the message's length.
 * @retval 0         buf[0 .. *len) is the message
 * @retval -ERANGE   `cap` is too small; `*len` is what is needed
 * @retval -EBADMSG
 */
ZS_API ZS_MUST_CHECK int zs_store_export(struct zs_store *store, zs_handle_t h,
                                         void *buf, size_t cap, size_t *len);

/**
 * Store what zs_store_export() has written. The bytes may come from anywhere:
 * all is checked, and decompressed once to be sure. They are kept as they come
 * if this store has the same codec, else compressed anew.
 *
 * @retval 0         `*out` names the value
 * @retval -EBADMSG  this is no such message, or it was changed
 * @retval -ENOTSUP  a message of another version, codec or dictionary than this
 *                   process has
 * @retval -ENOSPC, -ENOMEM  nothing is stored
 */
ZS_API ZS_MUST_CHECK int zs_store_import(struct zs_store *store,
                                         const void *bytes, size_t len,
                                         zs_handle_t *out);

/** Where a walk over a store is. Zero-initialise it to begin. */
struct zs_store_cursor {
    struct zs_pool_cursor objects; /* the store's, as all here */
    uint32_t bare;
    bool objects_done;
};

/**
 * List the handles of all values, and move the cursor behind them: n or, at the
 * end, fewer; 0 behind it. What may be missed or listed twice while others are
 * at work is said at zs_pool_next(); a value that turns into a repeated pattern
 * or back counts as moved.
 */
ZS_API size_t zs_store_next(struct zs_store *store,
                            struct zs_store_cursor *cursor,
                            zs_handle_t *handles, size_t n);

/** Statistics of the store's values. Cost: a few loads. */
ZS_API void zs_store_stats(struct zs_store *store, struct zs_store_stats *out);

/* --- dictionaries --- */

/**
 * Do what is due for the store's dictionaries: look at samples, train, free
 * what no value uses any more; and recompress some cold values. For stores with
 * `no_thread`; harmless in others.
 *
 * @return  whether anything was done.
 *
 * Cost: mostly none; a training takes up to 100 ms of CPU, a step of
 * recompression some ms. Other threads' puts
 * and gets go on meanwhile. May wait for readers.
 */
ZS_API bool zs_store_background(struct zs_store *store);

#define ZS_DICT_COUNTERS(X)                                                    \
    X(n_dictionaries, "there now, current and retired ones")                   \
    X(dictionary_bytes, "their memory; it counts in the arena's footprint")    \
    X(n_looks, "times that samples were compared with the current one")        \
    X(n_trainings, "dictionaries trained")                                     \
    X(n_published, "of these, put to use")                                     \
    X(n_rejected, "of these, not better enough, or without room")

#define ZS_DICT_FIELD_(name, text) uint64_t name;
struct zs_dict_stats {
    ZS_DICT_COUNTERS(ZS_DICT_FIELD_)
};

ZS_API void zs_store_dict_stats(struct zs_store *store,
                                struct zs_dict_stats *out);

/** One dictionary. */
struct zs_dict_info {
    unsigned number;       /**< as in struct zs_store_view */
    unsigned class_number; /**< of the values it is for */
    bool is_current;       /**< puts use it */
    size_t bytes;          /**< its memory */
    uint64_t n_values;     /**< compressed with it; of no one moment */
};

/** List at most n of a store's dictionaries (there are never more than 31);
 *  returns how many were listed. Waits for a training under way. */
ZS_API size_t zs_store_dictionaries(struct zs_store *store,
                                    struct zs_dict_info *out, size_t n);

/* --- recompression --- */

#define ZS_RECOMPRESS_COUNTERS(X)                                              \
    X(n_rounds, "times that all values were looked at")                        \
    X(n_candidates, "values that were cold, and not tried before")             \
    X(n_tried, "of these, compressed anew")                                    \
    X(n_accepted, "of these, replaced, for their size class became smaller")   \
    X(saved_bytes, "of size classes, by that")                                 \
    X(n_dropped, "candidates that were asked for, replaced or deleted first")  \
    X(n_no_room, "accepted, but there was no memory for old and new")          \
    X(n_raw_tried, "of n_tried, that had not shrunk before")                   \
    X(n_raw_accepted, "of these, replaced")                                    \
    X(n_drained, "of n_accepted, that had a dictionary that was retired")      \
    X(cpu_ns, "processor time of all that")

#define ZS_RECOMPRESS_FIELD_(name, text) uint64_t name;
struct zs_recompress_stats {
    ZS_RECOMPRESS_COUNTERS(ZS_RECOMPRESS_FIELD_)
};

/** All 0 where it is off. Cost: a few loads. */
ZS_API void zs_store_recompress_stats(struct zs_store *store,
                                      struct zs_recompress_stats *out);

ZS_END_DECLS

#endif /* ZS_STORE_H */
