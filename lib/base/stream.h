/* SPDX-License-Identifier: MIT */
/*
 * stream.h - copying to where nobody reads soon.
 *
 * A plain copy fetches the lines it will overwrite before it overwrites them.
 * A streaming one does not, and leaves the cache alone: for bytes that are
 * moved, not used. Worth it for some hundred bytes at once, and only where no
 * locked operation follows soon: that one waits until all have left the core.
 * (docs/decisions/0003, 0005)
 *
 * Fetching what is copied next is part of it, a line for each line written: all
 * at once would wait for a free buffer of the core, one line after the other.
 */
#ifndef ZS_LIB_STREAM_H
#define ZS_LIB_STREAM_H

#include <stddef.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

#define ZS_STREAM_MIN_BYTES 512u
#define ZS_CACHE_LINE 64u

/* Not into L1: it has few misses under way at a time. */
static inline void zs_fetch_line(const char *at)
{
    __builtin_prefetch(at, 0, 1);
}

static inline void zs_fetch(const char *at, size_t len)
{
    for (size_t i = 0; i < len; i += ZS_CACHE_LINE) {
        zs_fetch_line(at + i);
    }
}

#if defined(__SSE2__)

static inline void zs_stream_line(char *dst, const char *src)
{
    __m128i a = _mm_loadu_si128((const __m128i *)(const void *)src);
    __m128i b = _mm_loadu_si128((const __m128i *)(const void *)(src + 16));
    __m128i c = _mm_loadu_si128((const __m128i *)(const void *)(src + 32));
    __m128i d = _mm_loadu_si128((const __m128i *)(const void *)(src + 48));

    _mm_stream_si128((__m128i *)(void *)dst, a);
    _mm_stream_si128((__m128i *)(void *)(dst + 16), b);
    _mm_stream_si128((__m128i *)(void *)(dst + 32), c);
    _mm_stream_si128((__m128i *)(void *)(dst + 48), d);
}

/* `dst` lies `at` bytes behind the beginning of a line. zs_stream_end() before
 * the bytes are published. `ahead`: `len` bytes that are copied soon. */
static inline void zs_stream_copy(char *dst, size_t at, const char *src,
                                  size_t len, const char *ahead)
{
    size_t head = (ZS_CACHE_LINE - at % ZS_CACHE_LINE) % ZS_CACHE_LINE;

    if (len < ZS_STREAM_MIN_BYTES) {
        zs_fetch(ahead, len);
        memcpy(dst, src, len);
        return;
    }
    zs_fetch_line(ahead + len - 1);
    memcpy(dst, src, head);
    dst += head;
    src += head;
    len -= head;
    for (; len >= ZS_CACHE_LINE; len -= ZS_CACHE_LINE) {
        zs_fetch_line(ahead);
        ahead += ZS_CACHE_LINE;
        zs_stream_line(dst, src);
        dst += ZS_CACHE_LINE;
        src += ZS_CACHE_LINE;
    }
    memcpy(dst, src, len);
}

/* A release store does not order streamed bytes; this does. */
static inline void zs_stream_end(void)
{
    _mm_sfence();
}

#else

static inline void zs_stream_copy(char *dst, size_t at, const char *src,
                                  size_t len, const char *ahead)
{
    (void)at;
    zs_fetch(ahead, len);
    memcpy(dst, src, len);
}

static inline void zs_stream_end(void)
{
}

#endif

#endif /* ZS_LIB_STREAM_H */
