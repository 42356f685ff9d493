/* SPDX-License-Identifier: MIT */
/*
 * codec_zstd.c - zstd frames, one per value, no checksum.
 *
 * A context is used again for every value of its thread. Its workspace grows
 * with level and value length; zstd gives it back by itself when it has been
 * far too large for a while.
 */
#include <errno.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "codec.h"

#define LEVEL_MIN (-7)
#define LEVEL_DEFAULT 3
#define LEVEL_MAX 19

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

const struct zs_codec zs_codec_zstd = {
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
};
