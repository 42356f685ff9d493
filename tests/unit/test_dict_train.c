/* SPDX-License-Identifier: MIT */
/* Unit tests of lib/store/dict_train.h. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dict_fixture.h"
#include "dict_train.h"
#include "os.h"
#include "size_class.h"

static struct zs_budget budget;

static void *cold; /* not asked for */

static struct zs_dict_user user_of(const struct zs_codec_ops *codec)
{
    struct zs_dict_user user = { .codec = codec, .beside_bytes = 4 };

    assert_int_equal(codec->resolve_level(0, &user.level), 0);
    return user;
}

typedef size_t make_fn(char *out, uint32_t i);

static void sample(make_fn *make, uint32_t n, struct zs_samples *out)
{
    struct zs_sampler s;
    struct zs_sample_turn t = { 0 };
    char value[512];

    zs_sampler_init(&s, &budget);
    zs_sampler_restart(&s, (size_t)1 << 20, UINT64_MAX);
    for (uint32_t i = 0; i < n; i++) {
        size_t len = make(value, i);

        if (zs_sample_turn_ends(&t)) {
            (void)zs_sampler_offer(&s, &t, value, len);
        }
    }
    zs_sampler_take(&s, out);
    zs_sampler_destroy(&s);
}

static size_t make_noise(char *out, uint32_t i)
{
    uint32_t x = i * 2654435761u + 1;

    for (size_t k = 0; k < 200; k++) {
        x ^= x << 13;
        x ^= x >> 17;
        x ^= x << 5;
        out[k] = (char)(x >> 11);
    }
    return 200;
}

static struct zs_split split_of(make_fn *make, uint32_t n)
{
    struct zs_samples samples;
    struct zs_split split;

    sample(make, n, &samples);
    assert_int_equal(zs_samples_split(&samples, true, &split), 0);
    assert_null(samples.room); /* taken over */
    return split;
}

static void split__loses_nothing_and_holds_a_fifth_out(void **unused)
{
    struct zs_split split = split_of(make_json, 1000);
    size_t at = 0, held_at = 0, t = 0, h = 0;
    char value[512];

    (void)unused;
    assert_int_equal(split.n_held, split.samples.n / 5);
    assert_int_equal(split.n_train + split.n_held, split.samples.n);
    assert_int_equal(split.train_bytes + split.held_bytes,
                     split.samples.n_bytes);
    for (uint32_t i = 0; split.samples.gap == 1 && i < split.samples.n; i++) {
        size_t len = make_json(value, i);

        if (i % 5 == 4) {
            assert_int_equal(split.held_lens[h++], len);
            assert_memory_equal(split.held + held_at, value, len);
            held_at += len;
        } else {
            assert_int_equal(split.train_lens[t++], len);
            assert_memory_equal(split.samples.room + at, value, len);
            at += len;
        }
    }
    zs_split_free(&split, &budget);
    assert_int_equal(atomic_load(&budget.used), 0);
}

static void train__makes_half_of_records_that_are_alike(void **unused)
{
    const struct zs_codec_ops *codecs[] = { &zs_codec_lz4, &zs_codec_zstd };

    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        struct zs_dict_user user = user_of(codecs[i]);
        struct zs_split split = split_of(make_json, 20000);
        void *dict = zs_dict_train(&user, &split, 16384, &cold);
        uint64_t without, with;

        assert_non_null(dict);
        assert_int_equal(zs_dict_cost(&user, NULL, &split, &without), 0);
        assert_int_equal(zs_dict_cost(&user, dict, &split, &with), 0);
        assert_in_range(without, 500000, 1100000);
        assert_true(with * 2 < without);
        user.codec->dict_destroy(dict);
        zs_split_free(&split, &budget);
    }
}

static void cost__tells_other_data_from_what_was_trained_on(void **unused)
{
    struct zs_dict_user user = user_of(&zs_codec_lz4);
    struct zs_split json = split_of(make_json, 20000);
    struct zs_split html = split_of(make_html, 20000);
    void *dict = zs_dict_train(&user, &json, 16384, &cold);
    uint64_t same, other;

    (void)unused;
    assert_int_equal(zs_dict_cost(&user, dict, &json, &same), 0);
    assert_int_equal(zs_dict_cost(&user, dict, &html, &other), 0);
    assert_true(same * 3 < other * 2);
    user.codec->dict_destroy(dict);
    zs_split_free(&json, &budget);
    zs_split_free(&html, &budget);
}

static void cost__of_noise_is_its_classes_with_and_without(void **unused)
{
    struct zs_dict_user user = user_of(&zs_codec_zstd);
    struct zs_split json = split_of(make_json, 20000);
    struct zs_split noise = split_of(make_noise, 1000);
    void *dict = zs_dict_train(&user, &json, 16384, &cold);
    uint64_t slot = zs_size_class(zs_size_class_of(204))->slot_bytes;
    uint64_t without, with;

    (void)unused;
    assert_int_equal(zs_dict_cost(&user, NULL, &noise, &without), 0);
    assert_int_equal(zs_dict_cost(&user, dict, &noise, &with), 0);
    assert_int_equal(without, slot * 1000000 / 200);
    assert_int_equal(with, without);
    user.codec->dict_destroy(dict);
    zs_split_free(&json, &budget);
    zs_split_free(&noise, &budget);
}

static void train__of_few_samples_is_null(void **unused)
{
    struct zs_dict_user user = user_of(&zs_codec_lz4);
    struct zs_split split = split_of(make_json, 3);
    struct zs_split nothing = split_of(make_json, 0);

    (void)unused;
    assert_null(zs_dict_train(&user, &split, 16384, &cold));
    assert_null(zs_dict_train(&user, &nothing, 16384, &cold));
    zs_split_free(&split, &budget);
    zs_split_free(&nothing, &budget);
}

static int allocs_left;
static struct zs_os real_os;

static void *some_memory(size_t bytes)
{
    return allocs_left-- > 0 ? real_os.alloc(bytes) : NULL;
}

static void split_and_train__without_memory_leave_nothing(void **unused)
{
    struct zs_dict_user user = user_of(&zs_codec_lz4);
    struct zs_samples samples;
    struct zs_split split;

    (void)unused;
    sample(make_json, 20000, &samples);
    real_os = zs_os;
    zs_os.alloc = some_memory;
    for (int n = 0; n < 2; n++) {
        allocs_left = n;
        assert_int_equal(zs_samples_split(&samples, true, &split), -ENOMEM);
        assert_non_null(samples.room);
    }
    allocs_left = 2;
    assert_int_equal(zs_samples_split(&samples, true, &split), 0);
    for (int n = 0; n < 2; n++) {
        allocs_left = n;
        assert_null(zs_dict_train(&user, &split, 16384, &cold));
    }
    zs_os = real_os;
    zs_split_free(&split, &budget);
    assert_int_equal(atomic_load(&budget.used), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split__loses_nothing_and_holds_a_fifth_out),
        cmocka_unit_test(train__makes_half_of_records_that_are_alike),
        cmocka_unit_test(cost__tells_other_data_from_what_was_trained_on),
        cmocka_unit_test(cost__of_noise_is_its_classes_with_and_without),
        cmocka_unit_test(train__of_few_samples_is_null),
        cmocka_unit_test(split_and_train__without_memory_leave_nothing),
    };
    zs_size_classes_init();
    return cmocka_run_group_tests_name("dict_train", tests, NULL, NULL);
}
