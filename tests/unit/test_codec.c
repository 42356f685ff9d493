/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of lib/store/codec.h: every promise is tried on every codec.
 * Sources and results lie in memory of exactly their size, so that a sanitizer
 * sees every overrun.
 */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zdict.h>

#include "codec.h"
#include "os.h"

#define N_CODECS ((unsigned)ZS_CODEC_NONE + 1) /* that are always there */

/* A codec at one level, and what one thread needs to use it. */
struct user {
    const struct zs_codec_ops *codec;
    int level;
    void *compressor;
    void *decompressor;
};

static uint32_t random_state;

static uint32_t next_random(void)
{
    random_state = random_state * 1664525u + 1013904223u;
    return random_state >> 8;
}

static unsigned char *exactly(size_t n)
{
    unsigned char *p = malloc(n > 0 ? n : 1);

    assert_non_null(p);
    return p;
}

/* Bytes that shrink to about a half. */
static unsigned char *text(size_t len)
{
    static const char words[] = "page zspage handle slot pool arena block ";
    unsigned char *p = exactly(len);

    for (size_t i = 0; i < len;) {
        size_t from = next_random() % (sizeof(words) - 1);
        size_t n = 1 + next_random() % 9;

        while (n-- > 0 && i < len) {
            p[i++] = (unsigned char)words[from++ % (sizeof(words) - 1)];
        }
    }
    return p;
}

static unsigned char *noise(size_t len)
{
    unsigned char *p = exactly(len);

    for (size_t i = 0; i < len; i++) {
        p[i] = (unsigned char)next_random();
    }
    return p;
}

static struct user user_create(enum zs_codec_id id, int level)
{
    struct user u = { .codec = zs_codec_find(id) };

    assert_non_null(u.codec);
    assert_int_equal(u.codec->resolve_level(level, &u.level), 0);
    if (u.codec->compressor_create != NULL) {
        u.compressor = u.codec->compressor_create();
        assert_non_null(u.compressor);
    }
    if (u.codec->decompressor_create != NULL) {
        u.decompressor = u.codec->decompressor_create();
        assert_non_null(u.decompressor);
    }
    return u;
}

static void user_destroy(struct user *u)
{
    if (u->compressor != NULL) {
        u->codec->compressor_destroy(u->compressor);
    }
    if (u->decompressor != NULL) {
        u->codec->decompressor_destroy(u->decompressor);
    }
}

static unsigned char *compress(const struct user *u, const void *data,
                               size_t len, size_t *n)
{
    size_t bound = u->codec->bound(len);
    unsigned char *room = exactly(bound);
    unsigned char *fitted;

    assert_int_equal(
        u->codec->compress(u->compressor, u->level, data, len, room, n), 0);
    assert_in_range(*n, 1, bound);
    fitted = exactly(*n);
    memcpy(fitted, room, *n);
    free(room);
    return fitted;
}

static int decompress(const struct user *u, const void *packed, size_t n,
                      void *out, size_t len)
{
    return u->codec->decompress(u->decompressor, packed, n, out, len);
}

/* Takes over `data`. */
static void check_round_trip(const struct user *u, unsigned char *data,
                             size_t len)
{
    size_t n;
    unsigned char *packed = compress(u, data, len, &n);
    unsigned char *back = exactly(len);

    assert_int_equal(decompress(u, packed, n, back, len), 0);
    assert_memory_equal(back, data, len);
    free(back);
    free(packed);
    free(data);
}

static void find__knows_every_id_and_no_other(void **unused)
{
    (void)unused;
    for (unsigned id = 0; id < N_CODECS; id++) {
        const struct zs_codec_ops *codec = zs_codec_find((enum zs_codec_id)id);

        assert_non_null(codec);
        assert_int_equal(codec->id, id);
        assert_non_null(codec->name);
    }
    assert_null(zs_codec_find((enum zs_codec_id)ZS_NR_CODECS));
    assert_null(zs_codec_find((enum zs_codec_id)INT_MAX));
}

static void level__has_a_default_and_limits(void **unused)
{
    static const struct {
        enum zs_codec_id id;
        int lowest, highest, standard;
    } levels[] = {
        { ZS_CODEC_LZ4, -65537, 12, -1 },
        { ZS_CODEC_ZSTD, -131072, 19, 3 },
        { ZS_CODEC_NONE, 0, 0, 0 },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        const struct zs_codec_ops *codec = zs_codec_find(levels[i].id);
        int level = 42;

        assert_int_equal(codec->resolve_level(levels[i].lowest - 1, &level),
                         -EINVAL);
        assert_int_equal(codec->resolve_level(levels[i].highest + 1, &level),
                         -EINVAL);
        assert_int_equal(codec->resolve_level(INT_MIN, &level), -EINVAL);
        assert_int_equal(codec->resolve_level(INT_MAX, &level), -EINVAL);
        assert_int_equal(level, 42); /* not written */
        assert_int_equal(codec->resolve_level(levels[i].highest, &level), 0);
        assert_int_equal(level, levels[i].highest);
        assert_int_equal(codec->resolve_level(0, &level), 0);
        assert_int_equal(level, levels[i].standard);
    }
}

static void decompress__gives_back_every_length(void **unused)
{
    (void)unused;
    for (unsigned id = 0; id < N_CODECS; id++) {
        struct user u = user_create((enum zs_codec_id)id, 0);

        for (size_t len = 1; len < 700; len++) {
            check_round_trip(&u, text(len), len);
            check_round_trip(&u, noise(len), len);
        }
        for (size_t len = 700; len < 1000000; len = len * 5 / 3) {
            check_round_trip(&u, text(len), len);
            check_round_trip(&u, noise(len), len);
        }
        user_destroy(&u);
    }
}

static void decompress__gives_back_every_level(void **unused)
{
    (void)unused;
    for (int level = -7; level <= 19; level++) {
        struct user u = user_create(ZS_CODEC_ZSTD, level);

        check_round_trip(&u, text(4096), 4096);
        user_destroy(&u);
    }
    for (int level = -65537; level <= 12;
         level += level < -1 ? -level / 2 : 1) {
        struct user u = user_create(ZS_CODEC_LZ4, level);

        check_round_trip(&u, text(4096), 4096);
        user_destroy(&u);
    }
}

static void compress__shrinks_text_and_never_passes_its_bound(void **unused)
{
    (void)unused;
    for (unsigned id = 0; id < ZS_CODEC_NONE; id++) {
        struct user u = user_create((enum zs_codec_id)id, 0);
        unsigned char *data = text(4096);
        size_t n;

        free(compress(&u, data, 4096, &n)); /* asserts the bound */
        assert_true(n < 3500);
        free(data);
        user_destroy(&u);
    }
}

static void none__does_not_ask_to_be_tried(void **unused)
{
    (void)unused;
    assert_true(zs_codec_none.min_length > ZS_MAX_VALUE_BYTES);
}

static void decompress__refuses_a_wrong_length(void **unused)
{
    (void)unused;
    for (unsigned id = 0; id < N_CODECS; id++) {
        struct user u = user_create((enum zs_codec_id)id, 0);
        unsigned char *data = text(1000);
        size_t n;
        unsigned char *packed = compress(&u, data, 1000, &n);

        for (size_t len = 1; len <= 1100; len += len < 990 ? 13 : 1) {
            unsigned char *back = exactly(len);

            assert_int_equal(decompress(&u, packed, n, back, len),
                             len == 1000 ? 0 : -EBADMSG);
            free(back);
        }
        free(packed);
        free(data);
        user_destroy(&u);
    }
}

static void decompress__refuses_every_truncation(void **unused)
{
    (void)unused;
    for (unsigned id = 0; id < N_CODECS; id++) {
        struct user u = user_create((enum zs_codec_id)id, 0);
        unsigned char *data = text(1000);
        unsigned char *back = exactly(1000);
        size_t n;
        unsigned char *packed = compress(&u, data, 1000, &n);

        for (size_t cut = 1; cut < n; cut++) {
            unsigned char *part = exactly(cut);

            memcpy(part, packed, cut);
            assert_int_equal(decompress(&u, part, cut, back, 1000), -EBADMSG);
            free(part);
        }
        free(packed);
        free(back);
        free(data);
        user_destroy(&u);
    }
}

static void decompress__survives_every_damaged_byte(void **unused)
{
    (void)unused;
    for (unsigned id = 0; id < N_CODECS; id++) {
        struct user u = user_create((enum zs_codec_id)id, 0);
        unsigned char *data = text(4096);
        unsigned char *back = exactly(4096);
        size_t n;
        unsigned char *packed = compress(&u, data, 4096, &n);

        for (size_t i = 0; i < n; i++) {
            for (unsigned bit = 0; bit < 8; bit++) {
                int err;

                packed[i] ^= (unsigned char)(1u << bit);
                err = decompress(&u, packed, n, back, 4096);
                assert_true(err == 0 || err == -EBADMSG);
                packed[i] ^= (unsigned char)(1u << bit);
            }
        }
        /* And the decompressor is as good as before. */
        assert_int_equal(decompress(&u, packed, n, back, 4096), 0);
        assert_memory_equal(back, data, 4096);
        free(packed);
        free(back);
        free(data);
        user_destroy(&u);
    }
}

static void decompress__survives_garbage(void **unused)
{
    (void)unused;
    for (unsigned id = 0; id < N_CODECS; id++) {
        struct user u = user_create((enum zs_codec_id)id, 0);

        for (size_t i = 0; i < 3000; i++) {
            size_t n = 1 + next_random() % 300;
            size_t len = 1 + next_random() % 5000;
            unsigned char *garbage = noise(n);
            unsigned char *back = exactly(len);
            int err = decompress(&u, garbage, n, back, len);

            assert_true(err == 0 || err == -EBADMSG);
            free(back);
            free(garbage);
        }
        user_destroy(&u);
    }
}

/* --- dictionaries --- */

#define DICT_BYTES 16384u

/* A codec with a dictionary of text, in the format that it wants. */
struct dict_user {
    struct user u;
    void *dict;
};

static bool dict_user_create(enum zs_codec_id id, struct dict_user *du)
{
    size_t sizes[256];
    unsigned char *samples;
    unsigned char content[DICT_BYTES];
    size_t n;

    du->u = user_create(id, 0);
    if (du->u.codec->dict_create == NULL) {
        user_destroy(&du->u);
        return false;
    }
    for (size_t i = 0; i < 256; i++) {
        sizes[i] = 512;
    }
    samples = text(256 * (size_t)512);
    n = ZDICT_trainFromBuffer(content, DICT_BYTES, samples, sizes, 256);
    assert_false(ZDICT_isError(n));
    free(samples);
    du->dict = du->u.codec->dict_create(content, n, du->u.level);
    assert_non_null(du->dict);
    return true;
}

static void dict_user_destroy(struct dict_user *du)
{
    du->u.codec->dict_destroy(du->dict);
    user_destroy(&du->u);
}

static unsigned char *compress_with(const struct dict_user *du,
                                    const void *data, size_t len, size_t *n)
{
    size_t bound = du->u.codec->bound(len);
    unsigned char *room = exactly(bound);
    unsigned char *fitted;

    assert_int_equal(du->u.codec->compress_with(du->u.compressor, du->dict,
                                                data, len, room, n),
                     0);
    assert_in_range(*n, 1, bound);
    fitted = exactly(*n);
    memcpy(fitted, room, *n);
    free(room);
    return fitted;
}

static int decompress_with(const struct dict_user *du, const void *packed,
                           size_t n, void *out, size_t len)
{
    return du->u.codec->decompress_with(du->u.decompressor, du->dict, packed, n,
                                        out, len);
}

/* Takes over `data`. */
static void check_round_trip_with(const struct dict_user *du,
                                  unsigned char *data, size_t len)
{
    size_t n;
    unsigned char *packed = compress_with(du, data, len, &n);
    unsigned char *back = exactly(len);

    assert_int_equal(decompress_with(du, packed, n, back, len), 0);
    assert_memory_equal(back, data, len);
    free(back);
    free(packed);
    free(data);
}

static void dict__has_all_its_functions_or_none(void **unused)
{
    (void)unused;
    for (unsigned id = 0; id < N_CODECS; id++) {
        const struct zs_codec_ops *c = zs_codec_find((enum zs_codec_id)id);
        bool has = c->dict_create != NULL;

        assert_int_equal(c->dict_destroy != NULL, has);
        assert_int_equal(c->dict_bytes != NULL, has);
        assert_int_equal(c->compress_with != NULL, has);
        assert_int_equal(c->decompress_with != NULL, has);
    }
}

static void dict__gives_back_every_length(void **unused)
{
    struct dict_user du;

    (void)unused;
    for (unsigned id = 0; id < N_CODECS; id++) {
        if (!dict_user_create((enum zs_codec_id)id, &du)) {
            continue;
        }
        for (size_t len = 1; len < 700; len++) {
            check_round_trip_with(&du, text(len), len);
            check_round_trip(&du.u, text(len), len); /* side by side */
            check_round_trip_with(&du, noise(len), len);
        }
        for (size_t len = 700; len < 200000; len = len * 5 / 3) {
            check_round_trip_with(&du, text(len), len);
            check_round_trip_with(&du, noise(len), len);
        }
        dict_user_destroy(&du);
    }
}

static void dict__shrinks_short_text_to_a_half(void **unused)
{
    struct dict_user du;

    (void)unused;
    for (unsigned id = 0; id < N_CODECS; id++) {
        unsigned char *data = text(100);
        size_t plain;
        size_t with;

        if (dict_user_create((enum zs_codec_id)id, &du)) {
            free(compress(&du.u, data, 100, &plain));
            free(compress_with(&du, data, 100, &with));
            assert_true(with < plain * 3 / 4);
            assert_true(du.u.codec->dict_bytes(du.dict) > DICT_BYTES / 2);
            dict_user_destroy(&du);
        }
        free(data);
    }
}

/* lz4's HC levels have a state of their own, and a dictionary for it. */
static void dict__serves_every_level(void **unused)
{
    static const int levels[] = { -1000, -1, 3, 9, 12 };
    size_t last = SIZE_MAX;

    (void)unused;
    for (size_t i = 0; i < sizeof(levels) / sizeof(levels[0]); i++) {
        struct dict_user du = { .u = user_create(ZS_CODEC_LZ4, levels[i]) };
        const struct zs_codec_ops *codec = du.u.codec;
        unsigned char *content, *data, room[1000];
        size_t n;

        random_state = 1;
        content = text(60000);
        data = text(600);
        du.dict = codec->dict_create(content, 60000, du.u.level);
        assert_non_null(du.dict);
        assert_int_equal(
            codec->compress_with(du.u.compressor, du.dict, data, 600, room, &n),
            0);
        assert_true(n <= last);
        last = n;
        free(content);
        check_round_trip_with(&du, data, 600);
        codec->dict_destroy(du.dict);
        user_destroy(&du.u);
    }
}

static void dict__of_any_length_is_prepared_or_refused(void **unused)
{
    (void)unused;
    for (unsigned id = 0; id < N_CODECS; id++) {
        struct dict_user du = { .u = user_create((enum zs_codec_id)id, 0) };

        for (size_t len = 0; du.u.codec->dict_create != NULL && len < 200000;
             len = len * 3 / 2 + 1) {
            unsigned char *content = text(len);

            du.dict = du.u.codec->dict_create(content, len, du.u.level);
            free(content);
            if (du.dict != NULL) {
                check_round_trip_with(&du, text(300), 300);
                du.u.codec->dict_destroy(du.dict);
            }
        }
        user_destroy(&du.u);
    }
}

static void dict__refuses_wrong_lengths_and_survives_damage(void **unused)
{
    struct dict_user du;

    (void)unused;
    for (unsigned id = 0; id < N_CODECS; id++) {
        unsigned char *data = text(1000);
        unsigned char *back = exactly(1000);
        unsigned char *packed;
        size_t n;

        if (!dict_user_create((enum zs_codec_id)id, &du)) {
            free(back);
            free(data);
            continue;
        }
        packed = compress_with(&du, data, 1000, &n);
        assert_int_equal(decompress_with(&du, packed, n, back, 999), -EBADMSG);
        for (size_t cut = 1; cut < n; cut++) {
            unsigned char *part = exactly(cut);

            memcpy(part, packed, cut);
            assert_int_equal(decompress_with(&du, part, cut, back, 1000),
                             -EBADMSG);
            free(part);
        }
        for (size_t i = 0; i < n * 8; i++) {
            int err;

            packed[i / 8] ^= (unsigned char)(1u << i % 8);
            err = decompress_with(&du, packed, n, back, 1000);
            assert_true(err == 0 || err == -EBADMSG);
            packed[i / 8] ^= (unsigned char)(1u << i % 8);
        }
        assert_int_equal(decompress_with(&du, packed, n, back, 1000), 0);
        assert_memory_equal(back, data, 1000);
        free(packed);
        free(back);
        free(data);
        dict_user_destroy(&du);
    }
}

static void *no_memory(size_t bytes)
{
    (void)bytes;
    return NULL;
}

static void dict__create_without_memory_is_null(void **unused)
{
    struct zs_os kept = zs_os;
    unsigned char *content = text(1000);

    (void)unused;
    zs_os.alloc = no_memory;
    assert_null(zs_codec_lz4.dict_create(content, 1000, 1));
    assert_null(zs_codec_zstd.dict_create(content, 1000, 3));
    zs_os = kept;
    free(content);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(find__knows_every_id_and_no_other),
        cmocka_unit_test(level__has_a_default_and_limits),
        cmocka_unit_test(decompress__gives_back_every_length),
        cmocka_unit_test(decompress__gives_back_every_level),
        cmocka_unit_test(compress__shrinks_text_and_never_passes_its_bound),
        cmocka_unit_test(none__does_not_ask_to_be_tried),
        cmocka_unit_test(decompress__refuses_a_wrong_length),
        cmocka_unit_test(decompress__refuses_every_truncation),
        cmocka_unit_test(decompress__survives_every_damaged_byte),
        cmocka_unit_test(decompress__survives_garbage),
        cmocka_unit_test(dict__has_all_its_functions_or_none),
        cmocka_unit_test(dict__gives_back_every_length),
        cmocka_unit_test(dict__shrinks_short_text_to_a_half),
        cmocka_unit_test(dict__serves_every_level),
        cmocka_unit_test(dict__of_any_length_is_prepared_or_refused),
        cmocka_unit_test(dict__refuses_wrong_lengths_and_survives_damage),
        cmocka_unit_test(dict__create_without_memory_is_null),
    };
    return cmocka_run_group_tests_name("codec", tests, NULL, NULL);
}
