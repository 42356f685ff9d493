/* SPDX-License-Identifier: MIT */
/*
 * store_fixture.h - what the unit tests of a store share: data that shrinks
 * and data that does not, and the usual steps with their assertions. Buffers
 * that a store writes to are malloc'd to size, so that a sanitizer sees every
 * overrun.
 */
#ifndef ZS_TEST_STORE_FIXTURE_H
#define ZS_TEST_STORE_FIXTURE_H

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "value_header.h"
#include "zspool/store.h"

static const enum zs_codec_id all_codecs[] = { ZS_CODEC_LZ4, ZS_CODEC_ZSTD,
                                               ZS_CODEC_NONE };
#define N_CODECS (sizeof(all_codecs) / sizeof(all_codecs[0]))
#define LARGEST ((size_t)20 * 1024 * 1024)

static unsigned char *text;  /* LARGEST bytes that shrink to about a half */
static unsigned char *noise; /* LARGEST bytes that do not shrink */
static uint64_t random_state = 1;

static inline uint32_t next_random(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(random_state >> 33);
}

static inline void *exactly(size_t n)
{
    void *p = malloc(n > 0 ? n : 1);

    assert_non_null(p);
    return p;
}

static inline int make_data(void **unused)
{
    static const char words[] = "page zspage handle slot pool arena block ";

    (void)unused;
    text = exactly(LARGEST);
    noise = exactly(LARGEST);
    for (size_t i = 0; i < LARGEST;) {
        size_t from = next_random() % (sizeof(words) - 1);
        size_t n = 1 + next_random() % 9;

        while (n-- > 0 && i < LARGEST) {
            text[i++] = (unsigned char)words[from++ % (sizeof(words) - 1)];
        }
    }
    for (size_t i = 0; i < LARGEST; i++) {
        noise[i] = (unsigned char)next_random();
    }
    return 0;
}

static inline int free_data(void **unused)
{
    (void)unused;
    free(text);
    free(noise);
    return 0;
}

static inline struct zs_store *store_of(enum zs_codec_id codec)
{
    struct zs_store_config cfg = { .codec = codec };
    struct zs_store *store;

    assert_int_equal(zs_store_create(&cfg, &store), 0);
    return store;
}

static inline zs_handle_t put(struct zs_store *store, const void *data,
                              size_t len)
{
    zs_handle_t h;

    assert_int_equal(zs_store_put(store, data, len, &h), 0);
    return h;
}

static inline void check_value(struct zs_store *store, zs_handle_t h,
                               const void *data, size_t len)
{
    unsigned char *back = exactly(len);
    size_t got = SIZE_MAX;

    assert_int_equal(zs_store_length(store, h), len);
    assert_int_equal(zs_store_get(store, h, back, len, &got), 0);
    assert_int_equal(got, len);
    assert_memory_equal(back, data, len);
    free(back);
}

static inline struct zs_store_stats stats_of(struct zs_store *store)
{
    struct zs_store_stats s;

    zs_store_stats(store, &s);
    return s;
}

static inline void check_stats(struct zs_store *store,
                               const struct zs_store_stats *expected)
{
    struct zs_store_stats s = stats_of(store);

#define CHECK_(name, text) assert_int_equal(s.name, expected->name);
    ZS_STORE_STATS(CHECK_)
#undef CHECK_
}

static inline void check_empty(struct zs_store *store)
{
    static const struct zs_store_stats nothing;

    check_stats(store, &nothing);
}

#endif /* ZS_TEST_STORE_FIXTURE_H */
