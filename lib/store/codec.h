/* SPDX-License-Identifier: MIT */
/*
 * codec.h - one operations table per codec; nothing else knows a codec's name.
 *
 * A new codec is one file with one constant table, and one line in codec.c. No
 * function here keeps state: what a codec needs between calls lives in a
 * compressor or decompressor that the caller owns (thread_ctx.h keeps one of
 * each per thread). Lengths are those of whole values: at most
 * ZS_MAX_VALUE_BYTES.
 */
#ifndef ZS_LIB_CODEC_H
#define ZS_LIB_CODEC_H

#include <stdbool.h>
#include <stddef.h>

#include "zspool/store.h"

#define ZS_NR_CODECS (ZS_CODEC_NONE + 1)

struct zs_codec {
    enum zs_codec_id id;
    const char *name;

    /* Shorter values are not worth trying; SIZE_MAX: the codec never tries. */
    size_t min_length;

    /* Turn the level of a config, where 0 is the default, into the one to
     * hand to compress(). -EINVAL: out of range; *out is left alone. */
    int (*resolve_level)(int level, int *out);

    /* Room that compress() needs for any value of len bytes. */
    size_t (*bound)(size_t len);

    /* State of one thread, NULL for want of memory. A create that is NULL: the
     * codec needs none, and its state argument below is NULL. */
    void *(*compressor_create)(void);
    void (*compressor_destroy)(void *compressor);
    void *(*decompressor_create)(void);
    void (*decompressor_destroy)(void *decompressor);

    /* Compress len > 0 bytes to dst, which has room for bound(len). *out is
     * what was written; it may be more than len. 0 or -ENOMEM. */
    int (*compress)(void *compressor, int level, const void *src, size_t len,
                    void *dst, size_t *out);

    /* Undo it: exactly len bytes are written to dst. src may be damaged: what
     * does not decompress to len bytes is -EBADMSG, and nothing outside src
     * and dst is read or written. 0, -EBADMSG or -ENOMEM. */
    int (*decompress)(void *decompressor, const void *src, size_t src_len,
                      void *dst, size_t len);

    /*
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

    /* compress() and decompress() with a prepared dictionary; what one makes
     * only the other undoes, with a dictionary of the same content. With
     * another one the result is any bytes, or -EBADMSG. */
    int (*compress_with)(void *compressor, const void *dict, const void *src,
                         size_t len, void *dst, size_t *out);
    int (*decompress_with)(void *decompressor, const void *dict,
                           const void *src, size_t src_len, void *dst,
                           size_t len);
};

extern const struct zs_codec zs_codec_lz4;
extern const struct zs_codec zs_codec_zstd;
extern const struct zs_codec zs_codec_none;

/* The codec's table, NULL when there is no such codec. */
const struct zs_codec *zs_codec_find(enum zs_codec_id id);

#endif /* ZS_LIB_CODEC_H */
