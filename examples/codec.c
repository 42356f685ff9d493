/* SPDX-License-Identifier: MIT */
/*
 * codec.c - a codec of one's own, for arrays of counters.
 *
 * Each 8-byte counter is a little more than the one before. All lowest bytes
 * are taken first, then all bytes above them, and of each the difference to the
 * counter before: long runs of one byte, which become its number and the byte.
 * lz4 finds little to repeat in such data.
 */
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <zspool/codec.h>
#include <zspool/store.h>

#define COUNTER_CODEC ZS_CODEC_OWN
#define STRIDE 8u /* bytes of a counter */
#define N_COUNTERS 512u

/* The place of the byte that comes i-th. */
static size_t place(size_t i, size_t len)
{
    size_t n = len / STRIDE;

    return i < n * STRIDE ? i % n * STRIDE + i / n : i;
}

static uint8_t before(const uint8_t *bytes, size_t at)
{
    return at >= STRIDE ? bytes[at - STRIDE] : 0;
}

/* Of the byte that comes i-th to that of the counter before. */
static uint8_t difference(const uint8_t *bytes, size_t i, size_t len)
{
    size_t at = place(i, len);

    return (uint8_t)(bytes[at] - before(bytes, at));
}

static int resolve_level(int level, int *out)
{
    if (level != 0) {
        return -EINVAL;
    }
    *out = 0;
    return 0;
}

static size_t bound(size_t len)
{
    return 2 * len; /* every byte a run of its own */
}

/* Runs: number of bytes - 1, then the byte. */
static int compress(void *compressor, int level, const void *src, size_t len,
                    void *dst, size_t *out)
{
    const uint8_t *in = src;
    uint8_t *to = dst;
    size_t n = 0;

    (void)compressor;
    (void)level;
    for (size_t i = 0; i < len;) {
        uint8_t byte = difference(in, i, len);
        size_t run = 1;

        while (run < 256 && i + run < len &&
               difference(in, i + run, len) == byte) {
            run++;
        }
        to[n++] = (uint8_t)(run - 1);
        to[n++] = byte;
        i += run;
    }
    *out = n;
    return 0;
}

/* Trusts nothing: every run has to fit in what is left. */
static int decompress(void *decompressor, const void *src, size_t src_len,
                      void *dst, size_t len)
{
    const uint8_t *in = src;
    uint8_t *to = dst;
    size_t done = 0;

    (void)decompressor;
    for (size_t i = 0; i + 1 < src_len; i += 2) {
        size_t run = in[i] + 1u;

        if (run > len - done) {
            return -EBADMSG;
        }
        for (; run > 0; run--, done++) {
            size_t at = place(done, len);

            to[at] = (uint8_t)(in[i + 1] + before(to, at));
        }
    }
    return done == len && src_len % 2 == 0 ? 0 : -EBADMSG;
}

static const struct zs_codec_ops counters = {
    .id = COUNTER_CODEC,
    .name = "counters",
    .min_length = 2 * STRIDE,
    .resolve_level = resolve_level,
    .bound = bound,
    .compress = compress,
    .decompress = decompress,
};

/* Put and get an array of counters; how many bytes it was kept in, 0: wrong. */
static size_t try_codec(enum zs_codec_id id)
{
    static uint64_t values[N_COUNTERS], back[N_COUNTERS];
    struct zs_store_config cfg = { .codec = id };
    struct zs_store *store;
    zs_handle_t h;
    size_t len, kept = 0;

    for (unsigned i = 0; i < N_COUNTERS; i++) {
        values[i] = 1000000007u + i;
    }
    if (zs_store_create(&cfg, &store) != 0) {
        return 0;
    }
    if (zs_store_put(store, values, sizeof(values), &h) == 0 &&
        zs_store_get(store, h, back, sizeof(back), &len) == 0 &&
        len == sizeof(values) && memcmp(values, back, len) == 0) {
        kept = zs_store_stored_length(store, h);
    }
    zs_store_destroy(store);
    return kept;
}

int main(void)
{
    enum zs_codec_id id;
    size_t own, lz4;

    if (zs_codec_register(&counters) != 0 ||
        zs_codec_by_name("counters", &id) != 0) {
        return 1;
    }
    own = try_codec(id);
    lz4 = try_codec(ZS_CODEC_LZ4);
    printf("%u counters, %zu bytes: %zu with lz4, %zu with a codec of one's "
           "own\n",
           N_COUNTERS, N_COUNTERS * sizeof(uint64_t), lz4, own);
    if (zs_codec_unregister(id) != 0) {
        return 1;
    }
    return own > 0 && own < lz4 ? 0 : 1;
}
