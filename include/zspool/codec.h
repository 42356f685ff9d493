/* SPDX-License-Identifier: MIT */
/*
 * zspool/codec.h - codecs: which there are, and how to add one.
 *
 * A codec is a table of functions. Stores find it by its id; lz4, zstd and none
 * are there from the beginning. One of your own (examples/codec.c has it all):
 *
 *     static const struct zs_codec_ops rle = {
 *         .id = ZS_CODEC_OWN,
 *         .name = "rle",
 *         .min_length = 8,
 *         .resolve_level = rle_resolve_level,
 *         .bound = rle_bound,
 *         .compress = rle_compress,
 *         .decompress = rle_decompress,
 *     };
 *     if (zs_codec_register(&rle) == 0) {
 *         struct zs_store_config cfg = { .codec = ZS_CODEC_OWN };
 *         ...
 *     }
 *
 * No function of a table keeps state of its own: what a codec needs between
 * calls lives in a compressor or decompressor, which the library makes once per
 * thread, at first use, and gives up when the thread ends or the codec is
 * unregistered. All functions may be called by several threads at once, in read
 * sections, and call nothing of zspool.
 *
 * Conventions: see zspool/arena.h.
 */
#ifndef ZS_CODEC_H
#define ZS_CODEC_H

#include <stdbool.h>
#include <stddef.h>

#include "zspool/export.h"

ZS_BEGIN_DECLS

/** Ids are written into exported values (zs_store_export()), so a codec keeps
 *  its own for ever. */
enum zs_codec_id {
    ZS_CODEC_LZ4, /**< default */
    ZS_CODEC_ZSTD,
    ZS_CODEC_NONE,
    ZS_CODEC_OWN = 16,      /**< the first for embedders */
    ZS_CODEC_OWN_LAST = 31, /**< and the last */
};

struct zs_codec_ops {
    enum zs_codec_id id;
    const char *name; /**< 1 to 31 bytes */

    /** Shorter values are not worth trying; SIZE_MAX: the codec never tries. */
    size_t min_length;

    /** Turn the level of a config, where 0 is the default, into the one to
     *  hand to compress(). -EINVAL: out of range; *out is left alone. */
    int (*resolve_level)(int level, int *out);

    /** Room that compress() needs for any value of len bytes. Values come in
     *  parts: len is at most 256 KiB. */
    size_t (*bound)(size_t len);

    /** State of one thread, NULL for want of memory. A create that is NULL: the
     *  codec needs none, and its state argument below is NULL. */
    void *(*compressor_create)(void);
    void (*compressor_destroy)(void *compressor);
    void *(*decompressor_create)(void);
    void (*decompressor_destroy)(void *decompressor);

    /** Compress len > 0 bytes to dst, which has room for bound(len). *out is
     *  what was written; it may be more than len. 0 or -ENOMEM. */
    int (*compress)(void *compressor, int level, const void *src, size_t len,
                    void *dst, size_t *out);

    /** Undo it, of whatever level: exactly len bytes are written to dst. src
     *  may be damaged, or made by an enemy: what does not decompress to len
     *  bytes is -EBADMSG, and nothing outside src and dst is read or written.
     *  0, -EBADMSG or -ENOMEM. */
    int (*decompress)(void *decompressor, const void *src, size_t src_len,
                      void *dst, size_t len);

    /**
     * Dictionaries: bytes that both sides know beforehand. dict_create NULL:
     * the codec has none, and the members after it are NULL, too.
     *
     * A prepared dictionary is made once, for one level (of resolve_level()),
     * and copies what it needs of `content`. It is never changed after that:
     * any number of threads use it at once. NULL: no memory, or `content` is
     * no dictionary of this codec. dict_bytes() is all the memory it keeps.
     */
    bool dict_is_plain; /* content is any bytes; else in zstd's format */
    void *(*dict_create)(const void *content, size_t len, int level);
    void (*dict_destroy)(void *dict);
    size_t (*dict_bytes)(const void *dict);

    /** compress() and decompress() with a prepared dictionary; what one makes
     * only the other undoes, with a dictionary of the same content. With
     * another one the result is any bytes, or -EBADMSG. */
    int (*compress_with)(void *compressor, const void *dict, const void *src,
                         size_t len, void *dst, size_t *out);
    int (*decompress_with)(void *decompressor, const void *dict,
                           const void *src, size_t src_len, void *dst,
                           size_t len);
};

/**
 * Add a codec.
 *
 * @param ops  stays the caller's and as it is until zs_codec_unregister().
 *
 * @retval 0        stores can be made with it
 * @retval -EINVAL  the id is not one for embedders; no name, or a longer one;
 *                  a function that must be there is not
 * @retval -EEXIST  the id or the name is taken
 */
ZS_API ZS_MUST_CHECK int zs_codec_register(const struct zs_codec_ops *ops);

/**
 * Take a codec out again. Its compressors and decompressors of all threads are
 * destroyed.
 *
 * @retval 0
 * @retval -EBUSY   a store uses it
 * @retval -ENOENT  nobody has registered such a codec
 */
ZS_API ZS_MUST_CHECK int zs_codec_unregister(enum zs_codec_id id);

/** The id of a codec. 0, or -ENOENT: no codec has that name. */
ZS_API ZS_MUST_CHECK int zs_codec_by_name(const char *name,
                                          enum zs_codec_id *out);

/** The name of a codec; NULL: there is no such codec. */
ZS_API const char *zs_codec_name(enum zs_codec_id id);

ZS_END_DECLS

#endif /* ZS_CODEC_H */
