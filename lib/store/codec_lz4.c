/* SPDX-License-Identifier: MIT */
/*
 * codec_lz4.c - lz4 blocks, without a frame.
 *
 * LZ4_compress_fast_extState() with a state of the thread's costs what
 * LZ4_compress_default() costs (which puts its 16 KiB state on the stack). The
 * room for the result is always the whole bound: lz4 then runs the variant
 * without a check per sequence. Decompression needs no state.
 *
 * A prepared dictionary is a stream that has loaded it. A compressor looks
 * into it beside its own table (it "attaches" the other stream), which for a
 * record of 100 bytes takes 150 ns; copying the stream, 16 KiB, to the
 * compressor first would take 380. liblz4 1.9 has the function for this but
 * exports it not, so attach() writes the two fields itself where the library
 * that runs is exactly the one whose header this was compiled with. Any other
 * one gets copies.
 */
#include <errno.h>
#include <lz4.h>
#include <lz4hc.h>
#include <string.h>

#include "check.h"
#include "codec.h"
#include "os.h"

#define LEVEL_DEFAULT (-1)
#define LEVEL_MIN (-65537)
#define DICT_MAX_BYTES 65536u /* as far back as a match can reach */
#define DICT_MIN_BYTES 8      /* lz4 loads nothing of less */

_Static_assert(ZS_MAX_VALUE_BYTES <= LZ4_MAX_INPUT_SIZE,
               "lengths of values fit lz4's int");

static int lz4_resolve_level(int level, int *out)
{
    if (level < LEVEL_MIN || level > LZ4HC_CLEVEL_MAX) {
        return -EINVAL;
    }
    *out = level == 0 ? LEVEL_DEFAULT : level;
    return 0;
}

static size_t lz4_bound(size_t len)
{
    return (size_t)LZ4_compressBound((int)len);
}

struct lz4_compressor {
    LZ4_stream_t stream;  /* of levels below 0 */
    LZ4_streamHC_t *high; /* of levels above, 256 KiB; NULL: not needed yet */
};

static void *lz4_compressor_create(void)
{
    return zs_os.alloc(sizeof(struct lz4_compressor));
}

static void lz4_compressor_destroy(void *compressor)
{
    struct lz4_compressor *c = compressor;

    zs_os.free(c->high);
    zs_os.free(c);
}

/* NULL: no memory. */
static LZ4_streamHC_t *high_stream(struct lz4_compressor *c)
{
    if (c->high == NULL) {
        c->high = zs_os.alloc(sizeof(*c->high));
    }
    return c->high;
}

static int lz4_compress(void *compressor, int level, const void *src,
                        size_t len, void *dst, size_t *out)
{
    struct lz4_compressor *c = compressor;
    int room = LZ4_compressBound((int)len);
    int n;

    if (level < 0) {
        n = LZ4_compress_fast_extState(&c->stream, src, dst, (int)len, room,
                                       -level);
    } else if (high_stream(c) != NULL) {
        n = LZ4_compress_HC_extStateHC(c->high, src, dst, (int)len, room,
                                       level);
    } else {
        return -ENOMEM;
    }
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

struct lz4_dict {
    LZ4_stream_t stream;  /* has loaded `content` */
    LZ4_streamHC_t *high; /* so has this one; NULL: the level is below 0 */
    int level;
    int len;
    char content[];
};

static bool load_high(struct lz4_dict *d)
{
    d->high = zs_os.alloc(sizeof(*d->high));
    if (d->high == NULL) {
        return false;
    }
    LZ4_initStreamHC(d->high, sizeof(*d->high));
    LZ4_resetStreamHC_fast(d->high, d->level);
    LZ4_loadDictHC(d->high, d->content, d->len);
    return true;
}

static void *lz4_dict_create(const void *content, size_t len, int level)
{
    size_t kept = len < DICT_MAX_BYTES ? len : DICT_MAX_BYTES;
    struct lz4_dict *d = zs_os.alloc(sizeof(*d) + kept);

    if (d == NULL) {
        return NULL;
    }
    d->level = level;
    d->len = (int)kept;
    memcpy(d->content, (const char *)content + (len - kept), kept);
    LZ4_initStream(&d->stream, sizeof(d->stream));
    LZ4_loadDict(&d->stream, d->content, d->len);
    if (level > 0 && !load_high(d)) {
        zs_os.free(d);
        return NULL;
    }
    return d;
}

static void lz4_dict_destroy(void *dict)
{
    struct lz4_dict *d = dict;

    zs_os.free(d->high);
    zs_os.free(d);
}

static size_t lz4_dict_bytes(const void *dict)
{
    const struct lz4_dict *d = dict;

    return sizeof(*d) + (size_t)d->len +
           (d->high != NULL ? sizeof(*d->high) : 0);
}

static bool can_attach(void)
{
    return LZ4_VERSION_NUMBER / 100 == 109 &&
           LZ4_versionNumber() == LZ4_VERSION_NUMBER;
}

/* Have the stream's next block begin with the dictionary. */
static void attach(LZ4_stream_t *stream, const struct lz4_dict *d)
{
    if (!can_attach() || d->len < DICT_MIN_BYTES) {
        memcpy(stream, &d->stream, sizeof(*stream));
        return;
    }
    LZ4_resetStream_fast(stream);
    stream->internal_donotuse.dictCtx = &d->stream.internal_donotuse;
    if (stream->internal_donotuse.currentOffset == 0) {
        /* 0 in a table is "no match": positions begin beyond any distance. */
        stream->internal_donotuse.currentOffset = DICT_MAX_BYTES;
    }
}

static int lz4_compress_with(void *compressor, const void *dict,
                             const void *src, size_t len, void *dst,
                             size_t *out)
{
    struct lz4_compressor *c = compressor;
    const struct lz4_dict *d = dict;
    int room = LZ4_compressBound((int)len);
    int n;

    if (d->high == NULL) {
        attach(&c->stream, d);
        n = LZ4_compress_fast_continue(&c->stream, src, dst, (int)len, room,
                                       -d->level);
    } else if (high_stream(c) != NULL) {
        *c->high = *d->high; /* 256 KiB: HC levels are for who has time */
        n = LZ4_compress_HC_continue(c->high, src, dst, (int)len, room);
    } else {
        return -ENOMEM;
    }
    ZS_CHECK(n > 0); /* cannot fail with room for the bound */
    *out = (size_t)n;
    return 0;
}

static int lz4_decompress_with(void *decompressor, const void *dict,
                               const void *src, size_t src_len, void *dst,
                               size_t len)
{
    const struct lz4_dict *d = dict;
    int n = LZ4_decompress_safe_usingDict(src, dst, (int)src_len, (int)len,
                                          d->content, d->len);

    (void)decompressor;
    return n >= 0 && (size_t)n == len ? 0 : -EBADMSG;
}

const struct zs_codec_ops zs_codec_lz4 = {
    .id = ZS_CODEC_LZ4,
    .name = "lz4",
    .min_length = 13, /* lz4 itself looks for no match in less */
    .resolve_level = lz4_resolve_level,
    .bound = lz4_bound,
    .compressor_create = lz4_compressor_create,
    .compressor_destroy = lz4_compressor_destroy,
    .compress = lz4_compress,
    .decompress = lz4_decompress,
    .dict_is_plain = true,
    .dict_create = lz4_dict_create,
    .dict_destroy = lz4_dict_destroy,
    .dict_bytes = lz4_dict_bytes,
    .compress_with = lz4_compress_with,
    .decompress_with = lz4_decompress_with,
};
