/* SPDX-License-Identifier: MIT */
/*
 * codec_zstd.c - zstd frames, one per value, no checksum.
 *
 * A context is used again for every value of its thread. Its workspace grows
 * with level and value length; zstd gives it back by itself when it has been
 * far too large for a while.
 *
 * With a dictionary a record of 100 bytes becomes 30, so what stands in every
 * frame counts: the magic number is left out (MAGIC_BYTES less), and the
 * number of the dictionary is made 0, which zstd does not write (the store
 * has its own).
 */
#define ZSTD_STATIC_LINKING_ONLY /* for ZSTD_d_format */
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
#define MAGIC_BYTES 4u
#define DICT_ID_AT 4u /* bytes 4 to 7 of a dictionary in zstd's format */
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
static void *prepare(const void *content, size_t len, int level)
{
    struct zstd_dict *d = zs_os.alloc(sizeof(*d));

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

static void *zstd_dict_create(const void *content, size_t len, int level)
{
    unsigned char *nameless;
    void *dict;

    if (len < DICT_MIN_BYTES) {
        return NULL;
    }
    nameless = zs_os.alloc(len);
    if (nameless == NULL) {
        return NULL;
    }
    memcpy(nameless, content, len);
    if (ZSTD_getDictID_fromDict(content, len) != 0) {
        memset(nameless + DICT_ID_AT, 0, sizeof(uint32_t));
    }
    dict = prepare(nameless, len, level);
    zs_os.free(nameless);
    return dict;
}

static size_t zstd_dict_bytes(const void *dict)
{
    const struct zstd_dict *d = dict;

    return sizeof(*d) + ZSTD_sizeof_CDict(d->c) + ZSTD_sizeof_DDict(d->d);
}

static int zstd_compress_with(void *compressor, const void *dict,
                              const void *src, size_t len, void *dst,
                              size_t *out)
{
    const struct zstd_dict *d = dict;
    size_t n = ZSTD_compress_usingCDict(
        compressor, dst, ZSTD_compressBound(len), src, len, d->c);

    if (ZSTD_isError(n)) {
        return -ENOMEM; /* the one thing that room for the bound leaves */
    }
    *out = n - MAGIC_BYTES;
    memmove(dst, (char *)dst + MAGIC_BYTES, *out);
    return 0;
}

static int zstd_decompress_with(void *decompressor, const void *dict,
                                const void *src, size_t src_len, void *dst,
                                size_t len)
{
    const struct zstd_dict *d = dict;
    size_t n;

    ZSTD_DCtx_setParameter(decompressor, ZSTD_d_format, ZSTD_f_zstd1_magicless);
    n = ZSTD_decompress_usingDDict(decompressor, dst, len, src, src_len, d->d);
    ZSTD_DCtx_setParameter(decompressor, ZSTD_d_format, ZSTD_f_zstd1);
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
