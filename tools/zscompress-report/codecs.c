/* SPDX-License-Identifier: MIT */
/*
 * codecs.c - lz4, lz4's strong levels and zstd, as the store uses them.
 *
 * lz4 has no public way to share a prepared dictionary, so its prepared state
 * is copied before each value: 16 KiB, about half a microsecond, which counts
 * as part of the compression. A zstd frame names neither its dictionary nor a
 * checksum: a store knows by the value's header which one it was.
 */
#include "codecs.h"

#include <lz4.h>
#include <lz4hc.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#define KIB ((size_t)1024)

const struct codec codecs[N_CODECS] = {
    { CODEC_NONE, 0, "none" },     { CODEC_LZ4, 8, "lz4 fast 8" },
    { CODEC_LZ4, 1, "lz4 1" },     { CODEC_LZ4HC, 9, "lz4 HC 9" },
    { CODEC_ZSTD, -1, "zstd -1" }, { CODEC_ZSTD, 1, "zstd 1" },
    { CODEC_ZSTD, 3, "zstd 3" },   { CODEC_ZSTD, 9, "zstd 9" },
    { CODEC_ZSTD, 19, "zstd 19" },
};

struct coder {
    const struct codec *codec;
    const char *dict; /* NULL: none */
    size_t dict_bytes;
    LZ4_stream_t *fast, *fast_prepared;
    LZ4_streamHC_t *high, *high_prepared;
    ZSTD_CCtx *cctx;
    ZSTD_DCtx *dctx;
    ZSTD_CDict *cdict;
    ZSTD_DDict *ddict;
};

size_t codec_min_length(const struct codec *c)
{
    return c->kind == CODEC_NONE ? SIZE_MAX : c->kind == CODEC_ZSTD ? 16 : 13;
}

size_t codec_max_dict(const struct codec *c)
{
    return c->kind == CODEC_NONE   ? 0
           : c->kind == CODEC_ZSTD ? SIZE_MAX
                                   : 64 * KIB;
}

static bool open_lz4(struct coder *c)
{
    c->fast = LZ4_createStream();
    c->fast_prepared = c->dict != NULL ? LZ4_createStream() : NULL;
    if (c->fast_prepared != NULL) {
        LZ4_loadDict(c->fast_prepared, c->dict, (int)c->dict_bytes);
    }
    return c->fast != NULL && (c->dict == NULL || c->fast_prepared != NULL);
}

static bool open_lz4hc(struct coder *c)
{
    c->high = LZ4_createStreamHC();
    c->high_prepared = c->dict != NULL ? LZ4_createStreamHC() : NULL;
    if (c->high_prepared != NULL) {
        LZ4_resetStreamHC_fast(c->high_prepared, c->codec->level);
        LZ4_loadDictHC(c->high_prepared, c->dict, (int)c->dict_bytes);
    }
    return c->high != NULL && (c->dict == NULL || c->high_prepared != NULL);
}

static bool open_zstd(struct coder *c)
{
    c->cctx = ZSTD_createCCtx();
    c->dctx = ZSTD_createDCtx();
    if (c->cctx == NULL || c->dctx == NULL) {
        return false;
    }
    if (c->dict == NULL) {
        return true;
    }
    c->cdict = ZSTD_createCDict(c->dict, c->dict_bytes, c->codec->level);
    c->ddict = ZSTD_createDDict(c->dict, c->dict_bytes);
    return c->cdict != NULL && c->ddict != NULL &&
           !ZSTD_isError(ZSTD_CCtx_refCDict(c->cctx, c->cdict)) &&
           !ZSTD_isError(ZSTD_CCtx_setParameter(c->cctx, ZSTD_c_dictIDFlag, 0));
}

struct coder *coder_create(const struct codec *codec, const void *dict,
                           size_t dict_bytes)
{
    struct coder *c = calloc(1, sizeof(*c));
    bool ok = c != NULL;

    if (ok) {
        c->codec = codec;
        c->dict = dict;
        c->dict_bytes = dict_bytes;
        ok = codec->kind == CODEC_LZ4     ? open_lz4(c)
             : codec->kind == CODEC_LZ4HC ? open_lz4hc(c)
             : codec->kind == CODEC_ZSTD  ? open_zstd(c)
                                          : true;
    }
    if (!ok) {
        coder_destroy(c);
        return NULL;
    }
    return c;
}

void coder_destroy(struct coder *c)
{
    if (c == NULL) {
        return;
    }
    LZ4_freeStream(c->fast);
    LZ4_freeStream(c->fast_prepared);
    LZ4_freeStreamHC(c->high);
    LZ4_freeStreamHC(c->high_prepared);
    ZSTD_freeCCtx(c->cctx);
    ZSTD_freeDCtx(c->dctx);
    ZSTD_freeCDict(c->cdict);
    ZSTD_freeDDict(c->ddict);
    free(c);
}

size_t coder_dict_memory(const struct coder *c)
{
    if (c->dict == NULL) {
        return 0;
    }
    /* both of zstd's hold a copy of their own */
    return (c->codec->kind == CODEC_ZSTD ? 0 : c->dict_bytes) +
           (c->fast_prepared != NULL ? sizeof(*c->fast_prepared) : 0) +
           (c->high_prepared != NULL ? sizeof(*c->high_prepared) : 0) +
           ZSTD_sizeof_CDict(c->cdict) + ZSTD_sizeof_DDict(c->ddict);
}

size_t coder_bound(const struct coder *c, size_t len)
{
    return c->codec->kind == CODEC_ZSTD ? ZSTD_compressBound(len)
                                        : (size_t)LZ4_compressBound((int)len);
}

static int compress_lz4(struct coder *c, const void *src, int len, void *dst)
{
    int room = LZ4_compressBound(len);

    if (c->dict == NULL) {
        return LZ4_compress_fast_extState(c->fast, src, dst, len, room,
                                          c->codec->level);
    }
    memcpy(c->fast, c->fast_prepared, sizeof(*c->fast));
    return LZ4_compress_fast_continue(c->fast, src, dst, len, room,
                                      c->codec->level);
}

static int compress_lz4hc(struct coder *c, const void *src, int len, void *dst)
{
    int room = LZ4_compressBound(len);

    if (c->dict == NULL) {
        return LZ4_compress_HC_extStateHC(c->high, src, dst, len, room,
                                          c->codec->level);
    }
    memcpy(c->high, c->high_prepared, sizeof(*c->high));
    return LZ4_compress_HC_continue(c->high, src, dst, len, room);
}

static size_t compress_zstd(struct coder *c, const void *src, size_t len,
                            void *dst)
{
    size_t room = ZSTD_compressBound(len);
    size_t n = c->dict == NULL ? ZSTD_compressCCtx(c->cctx, dst, room, src, len,
                                                   c->codec->level)
                               : ZSTD_compress2(c->cctx, dst, room, src, len);

    return ZSTD_isError(n) ? 0 : n;
}

size_t coder_compress(struct coder *c, const void *src, size_t len, void *dst)
{
    switch (c->codec->kind) {
    case CODEC_LZ4:
        return (size_t)compress_lz4(c, src, (int)len, dst);
    case CODEC_LZ4HC:
        return (size_t)compress_lz4hc(c, src, (int)len, dst);
    case CODEC_ZSTD:
        return compress_zstd(c, src, len, dst);
    default:
        memcpy(dst, src, len);
        return len;
    }
}

bool coder_decompress(struct coder *c, const void *src, size_t n, void *dst,
                      size_t len)
{
    if (c->codec->kind == CODEC_NONE) {
        memcpy(dst, src, len);
        return n == len;
    }
    if (c->codec->kind == CODEC_ZSTD) {
        return (c->dict == NULL
                    ? ZSTD_decompressDCtx(c->dctx, dst, len, src, n)
                    : ZSTD_decompress_usingDDict(c->dctx, dst, len, src, n,
                                                 c->ddict)) == len;
    }
    return (c->dict == NULL
                ? LZ4_decompress_safe(src, dst, (int)n, (int)len)
                : LZ4_decompress_safe_usingDict(src, dst, (int)n, (int)len,
                                                c->dict, (int)c->dict_bytes)) ==
           (int)len;
}
