/* SPDX-License-Identifier: MIT */
/*
 * codec_none.c - no compression: every value is stored raw.
 *
 * min_length keeps the store from calling compress(); both functions copy, so
 * that the table keeps its promises to any other caller.
 */
#include <errno.h>
#include <stdint.h>
#include <string.h>

#include "codec.h"

static int none_resolve_level(int level, int *out)
{
    if (level != 0) {
        return -EINVAL;
    }
    *out = 0;
    return 0;
}

static size_t none_bound(size_t len)
{
    return len;
}

static int none_compress(void *compressor, int level, const void *src,
                         size_t len, void *dst, size_t *out)
{
    (void)compressor;
    (void)level;
    memcpy(dst, src, len);
    *out = len;
    return 0;
}

static int none_decompress(void *decompressor, const void *src, size_t src_len,
                           void *dst, size_t len)
{
    (void)decompressor;
    if (src_len != len) {
        return -EBADMSG;
    }
    memcpy(dst, src, len);
    return 0;
}

const struct zs_codec_ops zs_codec_none = {
    .id = ZS_CODEC_NONE,
    .name = "none",
    .min_length = SIZE_MAX,
    .resolve_level = none_resolve_level,
    .bound = none_bound,
    .compress = none_compress,
    .decompress = none_decompress,
};
