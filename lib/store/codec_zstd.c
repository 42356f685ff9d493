/* SPDX-License-Identifier: MIT */
/*
 * codec_zstd.c - zstd frames, one per value, no checksum.
 *
 * A context is used again for every value of its thread. Its workspace grows
 * with level and value length; zstd gives it back by itself when it has been
 * far too large for a while.
 *
 * With a dictionary a record of 100 bytes becomes 30, so what stands in every
 * frame counts: 6 bytes of magic number and header, 3 of the block's, 4 of the
 * dictionary's number. The store knows all that. So a value of up to
 * BLOCK_BYTES is one block without a frame, or, if that makes it no smaller,
 * its own bytes; that is told by its length. A longer value is a frame.
 */
#define ZSTD_STATIC_LINKING_ONLY /* for blocks */
#define ZSTD_DISABLE_DEPRECATE_WARNINGS
#include <errno.h>
#include <stdint.h>
#include <string.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "codec.h"
#include "os.h"

#define LEVEL_MIN (-131072) /* ZSTD_minCLevel() */
#define LEVEL_DEFAULT 3
#define LEVEL_MAX 19
#define BLOCK_BYTES ((size_t)16 * 1024)
#define DICT_MIN_BYTES 8u

static int zstd_resolve_level(int level, int *out)
{
    if (level < LEVEL_MIN || level > LEVEL_MAX) {
        return -EINVAL;
    }
    *out = level == 0 ? LEVEL_DEFAULT : level;
    return 0;
}

static size_t zstd_bound(size_t len)
{
    return ZSTD_compressBound(len);
}

static void *zstd_compressor_create(void)
{
    return ZSTD_createCCtx();
}

static void zstd_compressor_destroy(void *compressor)
{
    ZSTD_freeCCtx(compressor);
}

static void *zstd_decompressor_create(void)
{
    return ZSTD_createDCtx();
}

static void zstd_decompressor_destroy(void *decompressor)
{
    ZSTD_freeDCtx(decompressor);
}

static int zstd_compress(void *compressor, int level, const void *src,
                         size_t len, void *dst, size_t *out)
{
    size_t n = ZSTD_compressCCtx(compressor, dst, ZSTD_compressBound(len), src,
                                 len, level);

    if (ZSTD_isError(n)) {
        return -ENOMEM; /* the one thing that room for the bound leaves */
    }
    *out = n;
    return 0;
}

static int zstd_decompress(void *decompressor, const void *src, size_t src_len,
                           void *dst, size_t len)
{
    size_t n = ZSTD_decompressDCtx(decompressor, dst, len, src, src_len);

    if (ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation) {
        return -ENOMEM;
    }
    return !ZSTD_isError(n) && n == len ? 0 : -EBADMSG;
}

struct zstd_dict {
    ZSTD_CDict *c;
    ZSTD_DDict *d;
};

static void zstd_dict_destroy(void *dict)
{
    struct zstd_dict *d = dict;

    ZSTD_freeCDict(d->c); /* both allow NULL */
    ZSTD_freeDDict(d->d);
    zs_os.free(d);
}

/* Both tables of a dictionary; each copies the content. */
static void *zstd_dict_create(const void *content, size_t len, int level)
{
    struct zstd_dict *d;

    if (len < DICT_MIN_BYTES) {
        return NULL;
    }
    d = zs_os.alloc(sizeof(*d));
    if (d == NULL) {
        return NULL;
    }
    d->c = ZSTD_createCDict(content, len, level);
    d->d = ZSTD_createDDict(content, len);
    if (d->c == NULL || d->d == NULL) {
        zstd_dict_destroy(d);
        return NULL;
    }
    return d;
}

static size_t zstd_dict_bytes(const void *dict)
{
    const struct zstd_dict *d = dict;

    return sizeof(*d) + ZSTD_sizeof_CDict(d->c) + ZSTD_sizeof_DDict(d->d);
}

/* zstd's answer: bytes, 0 for a block that does not shrink, or an error. */
static size_t compress_block(ZSTD_CCtx *c, const struct zstd_dict *d,
                             const void *src, size_t len, void *dst)
{
    const ZSTD_frameParameters none = { 0, 0, 1 };
    size_t err = ZSTD_compressBegin_usingCDict_advanced(c, d->c, none, len);

    return ZSTD_isError(err)
               ? err
               : ZSTD_compressBlock(c, dst, ZSTD_compressBound(len), src, len);
}

static int zstd_compress_with(void *compressor, const void *dict,
                              const void *src, size_t len, void *dst,
                              size_t *out)
{
    const struct zstd_dict *d = dict;
    size_t n =
        len <= BLOCK_BYTES
            ? compress_block(compressor, d, src, len, dst)
            : ZSTD_compress_usingCDict(compressor, dst, ZSTD_compressBound(len),
                                       src, len, d->c);

    if (ZSTD_isError(n)) {
        return -ENOMEM; /* the one thing that room for the bound leaves */
    }
    if (len <= BLOCK_BYTES && (n == 0 || n >= len)) {
        memcpy(dst, src, len);
        n = len;
    }
    *out = n;
    return 0;
}

static size_t decompress_block(ZSTD_DCtx *c, const struct zstd_dict *d,
                               const void *src, size_t src_len, void *dst,
                               size_t len)
{
    size_t err = ZSTD_decompressBegin_usingDDict(c, d->d);

    return ZSTD_isError(err) ? err
                             : ZSTD_decompressBlock(c, dst, len, src, src_len);
}

static int zstd_decompress_with(void *decompressor, const void *dict,
                                const void *src, size_t src_len, void *dst,
                                size_t len)
{
    const struct zstd_dict *d = dict;
    size_t n;

    if (len <= BLOCK_BYTES && src_len >= len) {
        if (src_len > len) {
            return -EBADMSG;
        }
        memcpy(dst, src, len);
        return 0;
    }
    n = len <= BLOCK_BYTES
            ? decompress_block(decompressor, d, src, src_len, dst, len)
            : ZSTD_decompress_usingDDict(decompressor, dst, len, src, src_len,
                                         d->d);
    if (ZSTD_getErrorCode(n) == ZSTD_error_memory_allocation) {
        return -ENOMEM;
    }
    return !ZSTD_isError(n) && n == len ? 0 : -EBADMSG;
}

const struct zs_codec_ops zs_codec_zstd = {
    .id = ZS_CODEC_ZSTD,
    .name = "zstd",
    .min_length = 16, /* a frame begins with 9 bytes that are not the value's */
    .resolve_level = zstd_resolve_level,
    .bound = zstd_bound,
    .compressor_create = zstd_compressor_create,
    .compressor_destroy = zstd_compressor_destroy,
    .decompressor_create = zstd_decompressor_create,
    .decompressor_destroy = zstd_decompressor_destroy,
    .compress = zstd_compress,
    .decompress = zstd_decompress,
    .dict_create = zstd_dict_create,
    .dict_destroy = zstd_dict_destroy,
    .dict_bytes = zstd_dict_bytes,
    .compress_with = zstd_compress_with,
    .decompress_with = zstd_decompress_with,
};
