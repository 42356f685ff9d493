/* SPDX-License-Identifier: MIT */
/*
 * codec_lz4.c - lz4 blocks, without a frame.
 *
 * LZ4_compress_fast_extState() with a state of the thread's costs what
 * LZ4_compress_default() costs (which puts its 16 KiB state on the stack). The
 * room for the result is always the whole bound: lz4 then runs the variant
 * without a check per sequence. Decompression needs no state.
 */
#include <errno.h>
#include <lz4.h>

#include "check.h"
#include "codec.h"
#include "os.h"

#define LEVEL_DEFAULT 1
#define LEVEL_MAX 65537

_Static_assert(ZS_MAX_VALUE_BYTES <= LZ4_MAX_INPUT_SIZE,
               "lengths of values fit lz4's int");

static int lz4_resolve_level(int level, int *out)
{
    if (level < 0 || level > LEVEL_MAX) {
        return -EINVAL;
    }
    *out = level == 0 ? LEVEL_DEFAULT : level;
    return 0;
}

static size_t lz4_bound(size_t len)
{
    return (size_t)LZ4_compressBound((int)len);
}

static void *lz4_compressor_create(void)
{
    return zs_os.alloc((size_t)LZ4_sizeofState());
}

static void lz4_compressor_destroy(void *compressor)
{
    zs_os.free(compressor);
}

static int lz4_compress(void *compressor, int level, const void *src,
                        size_t len, void *dst, size_t *out)
{
    int n = LZ4_compress_fast_extState(compressor, src, dst, (int)len,
                                       LZ4_compressBound((int)len), level);

    ZS_CHECK(n > 0); /* cannot fail with room for the bound */
    *out = (size_t)n;
    return 0;
}

static int lz4_decompress(void *decompressor, const void *src, size_t src_len,
                          void *dst, size_t len)
{
    int n = LZ4_decompress_safe(src, dst, (int)src_len, (int)len);

    (void)decompressor;
    return n >= 0 && (size_t)n == len ? 0 : -EBADMSG;
}

const struct zs_codec zs_codec_lz4 = {
    .id = ZS_CODEC_LZ4,
    .name = "lz4",
    .min_length = 13, /* lz4 itself looks for no match in less */
    .resolve_level = lz4_resolve_level,
    .bound = lz4_bound,
    .compressor_create = lz4_compressor_create,
    .compressor_destroy = lz4_compressor_destroy,
    .compress = lz4_compress,
    .decompress = lz4_decompress,
};
