/* SPDX-License-Identifier: MIT */
/* codec.c - lz4, zstd and none as an embedder would call them himself. */
#define ZSTD_STATIC_LINKING_ONLY /* contexts in memory of our own */

#include "codec.h"

#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "pages.h"

#define ZSTD_LEVEL 3

static bool lz4_open(struct codec *c)
{
    c->encoder = malloc((size_t)LZ4_sizeofState());
    return c->encoder != NULL;
}

static bool lz4_open_fixed(struct codec *c)
{
    c->encoder = pages_map((size_t)LZ4_sizeofState());
    return c->encoder != NULL;
}

static void lz4_close(struct codec *c)
{
    free(c->encoder);
}

static size_t lz4_bound(uint32_t len)
{
    return (size_t)LZ4_compressBound((int)len);
}

static uint32_t lz4_compress(const struct codec *c, const void *src,
                             uint32_t len, void *dst, size_t room)
{
    return (uint32_t)LZ4_compress_fast_extState(c->encoder, src, dst, (int)len,
                                                (int)room, 1);
}

static bool lz4_decompress(const struct codec *c, const void *src, uint32_t n,
                           void *dst, uint32_t len)
{
    (void)c;
    return LZ4_decompress_safe(src, dst, (int)n, (int)len) == (int)len;
}

static bool zstd_open(struct codec *c)
{
    c->encoder = ZSTD_createCCtx();
    c->decoder = ZSTD_createDCtx();
    return c->encoder != NULL && c->decoder != NULL;
}

static bool zstd_open_fixed(struct codec *c)
{
    size_t encoder_bytes = ZSTD_estimateCCtxSize(ZSTD_LEVEL);
    size_t decoder_bytes = ZSTD_estimateDCtxSize();
    void *encoder = pages_map(encoder_bytes);
    void *decoder = pages_map(decoder_bytes);

    if (encoder == NULL || decoder == NULL) {
        return false;
    }
    c->encoder = ZSTD_initStaticCCtx(encoder, encoder_bytes);
    c->decoder = ZSTD_initStaticDCtx(decoder, decoder_bytes);
    return c->encoder != NULL && c->decoder != NULL;
}

static void zstd_close(struct codec *c)
{
    ZSTD_freeCCtx(c->encoder);
    ZSTD_freeDCtx(c->decoder);
}

static size_t zstd_bound(uint32_t len)
{
    return ZSTD_compressBound(len);
}

static uint32_t zstd_compress(const struct codec *c, const void *src,
                              uint32_t len, void *dst, size_t room)
{
    size_t n = ZSTD_compressCCtx(c->encoder, dst, room, src, len, ZSTD_LEVEL);
    return ZSTD_isError(n) ? 0 : (uint32_t)n;
}

static bool zstd_decompress(const struct codec *c, const void *src, uint32_t n,
                            void *dst, uint32_t len)
{
    return ZSTD_decompressDCtx(c->decoder, dst, len, src, n) == len;
}

static bool none_open(struct codec *c)
{
    (void)c;
    return true;
}

static void none_close(struct codec *c)
{
    (void)c;
}

static size_t none_bound(uint32_t len)
{
    return len;
}

static uint32_t none_compress(const struct codec *c, const void *src,
                              uint32_t len, void *dst, size_t room)
{
    (void)c;
    if (room < len) {
        return 0;
    }
    memcpy(dst, src, len);
    return len;
}

static bool none_decompress(const struct codec *c, const void *src, uint32_t n,
                            void *dst, uint32_t len)
{
    (void)c;
    (void)n;
    memcpy(dst, src, len);
    return true;
}

static const struct codec_ops codecs[] = {
    [CODEC_LZ4] = { lz4_open, lz4_open_fixed, lz4_close, lz4_bound,
                    lz4_compress, lz4_decompress },
    [CODEC_ZSTD] = { zstd_open, zstd_open_fixed, zstd_close, zstd_bound,
                     zstd_compress, zstd_decompress },
    [CODEC_NONE] = { none_open, none_open, none_close, none_bound,
                     none_compress, none_decompress },
};

bool codec_open(struct codec *c, enum codec_id id)
{
    *c = (struct codec){ .ops = &codecs[id] };
    return c->ops->open(c);
}

bool codec_open_fixed(struct codec *c, enum codec_id id)
{
    *c = (struct codec){ .ops = &codecs[id] };
    return c->ops->open_fixed(c);
}

void codec_close(struct codec *c)
{
    c->ops->close(c);
}

static bool is_same_filled(const unsigned char *src, uint32_t len)
{
    return src[0] == src[len - 1] && memcmp(src, src + 1, len - 1) == 0;
}

uint32_t value_pack(const struct codec *c, const void *src, uint32_t len,
                    void *scratch, const void **kept)
{
    uint32_t n = len;

    *kept = src;
    if (is_same_filled(src, len)) {
        return 1;
    }
    if (c->ops != &codecs[CODEC_NONE]) {
        n = c->ops->compress(c, src, len, scratch, c->ops->bound(len));
    }
    if (n == 0 || n >= len) {
        return len;
    }
    *kept = scratch;
    return n;
}

bool value_unpack(const struct codec *c, const void *kept, uint32_t n_kept,
                  void *dst, uint32_t len)
{
    if (n_kept == len) {
        memcpy(dst, kept, len);
        return true;
    }
    if (n_kept == 1) {
        memset(dst, *(const unsigned char *)kept, len);
        return true;
    }
    return c->ops->decompress(c, kept, n_kept, dst, len);
}
