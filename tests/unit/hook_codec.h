/* SPDX-License-Identifier: MIT */
/*
 * hook_codec.h - a codec that tells when it compresses: lz4's HC, and a
 * function of the test's that is called once, in the middle.
 */
#ifndef ZS_TEST_HOOK_CODEC_H
#define ZS_TEST_HOOK_CODEC_H

#include <lz4hc.h>

#include "zspool/codec.h"

static void (*while_compressing)(void);

static inline int hook_level(int level, int *out)
{
    *out = level;
    return 0;
}

static inline size_t hook_bound(size_t len)
{
    return (size_t)LZ4_compressBound((int)len);
}

static inline int hook_compress(void *c, int level, const void *src, size_t len,
                                void *dst, size_t *out)
{
    void (*call)(void) = while_compressing;
    int n = LZ4_compress_HC(src, dst, (int)len, (int)hook_bound(len), 12);

    (void)c, (void)level;
    while_compressing = NULL;
    if (call != NULL) {
        call();
    }
    *out = (size_t)n;
    return n > 0 ? 0 : -ENOMEM;
}

static inline int hook_decompress(void *d, const void *src, size_t src_len,
                                  void *dst, size_t len)
{
    (void)d;
    return LZ4_decompress_safe(src, dst, (int)src_len, (int)len) == (int)len
               ? 0
               : -EBADMSG;
}

static const struct zs_codec_ops hook = {
    .id = ZS_CODEC_OWN,
    .name = "hook",
    .min_length = 16,
    .resolve_level = hook_level,
    .bound = hook_bound,
    .compress = hook_compress,
    .decompress = hook_decompress,
};

#endif /* ZS_TEST_HOOK_CODEC_H */
