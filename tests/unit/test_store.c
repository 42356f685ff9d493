/* SPDX-License-Identifier: MIT */
/* Unit tests of zspool/store.h on a real pool: values, costs, statistics. */
#include "store_fixture.h"

#include "for_store.h"

/* --- create --------------------------------------------------------------- */

static void create__takes_defaults_and_refuses_unknown_settings(void **unused)
{
    static const struct zs_store_config bad[] = {
        { .codec = (enum zs_codec_id)99 },
        { .codec = ZS_CODEC_LZ4, .level = 13 },
        { .codec = ZS_CODEC_LZ4, .level = -65538 },
        { .checksum = (enum zs_checksum)3 },
        { .codec = ZS_CODEC_ZSTD, .level = -131073 },
        { .codec = ZS_CODEC_ZSTD, .level = 20 },
        { .codec = ZS_CODEC_NONE, .level = 1 },
    };
    struct zs_store *store = NULL;

    (void)unused;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        assert_int_equal(zs_store_create(&bad[i], &store), -EINVAL);
        assert_null(store);
    }
    assert_int_equal(zs_store_create(NULL, &store), 0);
    assert_non_null(zs_store_pool(store));
    check_empty(store);
    zs_store_destroy(store);
    zs_store_destroy(NULL);
}

static void destroy__frees_values_that_are_still_there(void **unused)
{
    struct zs_store *store = store_of(ZS_CODEC_LZ4);

    (void)unused;
    for (size_t len = 0; len < 3000; len += 7) {
        put(store, text, len);
    }
    zs_store_destroy(store);
}

/* --- put and get ---------------------------------------------------------- */

static void check_all_lengths(enum zs_codec_id codec, size_t step)
{
    struct zs_store *store = store_of(codec);

    for (size_t len = 0; len <= 9000; len += step) {
        zs_handle_t a = put(store, text + len, len);
        zs_handle_t b = put(store, noise + len, len);

        check_value(store, a, text + len, len);
        check_value(store, b, noise + len, len);
        zs_store_delete(store, a);
        zs_store_delete(store, b);
    }
    check_empty(store);
    zs_store_destroy(store);
}

static void get__gives_back_every_length_with_lz4(void **unused)
{
    (void)unused;
    check_all_lengths(ZS_CODEC_LZ4, 1);
}

static void get__gives_back_every_length_with_zstd(void **unused)
{
    (void)unused;
    check_all_lengths(ZS_CODEC_ZSTD, 1);
}

static void get__gives_back_every_length_with_no_codec(void **unused)
{
    (void)unused;
    check_all_lengths(ZS_CODEC_NONE, 1);
}

static void get__gives_back_large_values(void **unused)
{
    static const size_t lengths[] = { 65536, 262144, 1000000, LARGEST };

    (void)unused;
    for (size_t c = 0; c < N_CODECS; c++) {
        struct zs_store *store = store_of(all_codecs[c]);

        for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
            zs_handle_t a = put(store, text, lengths[i]);
            zs_handle_t b = put(store, noise, lengths[i]);

            check_value(store, a, text, lengths[i]);
            check_value(store, b, noise, lengths[i]);
            zs_store_delete(store, a);
            zs_store_delete(store, b);
        }
        check_empty(store);
        zs_store_destroy(store);
    }
}

static void get__gives_back_values_that_all_live_at_once(void **unused)
{
    enum { N = 4000 };
    zs_handle_t *handles = exactly(N * sizeof(*handles));

    (void)unused;
    for (size_t c = 0; c < N_CODECS; c++) {
        struct zs_store *store = store_of(all_codecs[c]);

        for (size_t i = 0; i < N; i++) {
            handles[i] = put(store, text + i * 100, i % 4500);
        }
        for (size_t i = 0; i < N; i++) {
            check_value(store, handles[i], text + i * 100, i % 4500);
        }
        zs_store_destroy(store);
    }
    free(handles);
}

static void get__says_how_much_room_is_needed(void **unused)
{
    static const unsigned char zeroes[3000];
    const unsigned char *kinds[] = { text, noise, zeroes };

    (void)unused;
    for (size_t c = 0; c < N_CODECS; c++) {
        struct zs_store *store = store_of(all_codecs[c]);

        for (size_t k = 0; k < 3; k++) {
            zs_handle_t h = put(store, kinds[k], 3000);

            for (size_t cap = 0; cap < 3000; cap += 1 + cap / 2) {
                unsigned char *small = exactly(cap);
                size_t len = 0;

                assert_int_equal(zs_store_get(store, h, small, cap, &len),
                                 -ERANGE);
                assert_int_equal(len, 3000);
                free(small);
            }
            check_value(store, h, kinds[k], 3000);
        }
        zs_store_destroy(store);
    }
}

static void get__leaves_the_rest_of_a_larger_buffer_alone(void **unused)
{
    unsigned char back[4096];

    (void)unused;
    for (size_t c = 0; c < N_CODECS; c++) {
        struct zs_store *store = store_of(all_codecs[c]);

        for (size_t n = 0; n < 4096; n += 111) {
            zs_handle_t h = put(store, text, n);
            size_t len;

            memset(back, 0xee, sizeof(back));
            assert_int_equal(zs_store_get(store, h, back, 4096, &len), 0);
            assert_memory_equal(back, text, n);
            for (size_t i = n; i < sizeof(back); i++) {
                assert_int_equal(back[i], 0xee);
            }
        }
        zs_store_destroy(store);
    }
}

static void put__takes_an_empty_value_without_a_buffer(void **unused)
{
    struct zs_store *store = store_of(ZS_CODEC_LZ4);
    zs_handle_t h = put(store, NULL, 0);
    size_t len = 1;

    (void)unused;
    assert_int_equal(zs_store_get(store, h, NULL, 0, &len), 0);
    assert_int_equal(len, 0);
    assert_int_equal(zs_store_length(store, h), 0);
    zs_store_delete(store, h);
    check_empty(store);
    zs_store_destroy(store);
}

static void put__refuses_more_than_the_maximum(void **unused)
{
    struct zs_store *store = store_of(ZS_CODEC_LZ4);
    zs_handle_t h = { .raw = 77 };
    zs_handle_t old = put(store, text, 100);

    (void)unused;
    assert_int_equal(zs_store_put(store, text, ZS_MAX_VALUE_BYTES + 1, &h),
                     -EINVAL);
    assert_int_equal(zs_store_put(store, text, SIZE_MAX, &h), -EINVAL);
    assert_int_equal(h.raw, 77); /* not written */
    assert_int_equal(zs_store_replace(store, old, text, ZS_MAX_VALUE_BYTES + 1),
                     -EINVAL);
    check_value(store, old, text, 100);
    zs_store_destroy(store);
}

/* --- what a value costs --------------------------------------------------- */

static void put__sees_the_one_byte_that_differs(void **unused)
{
    struct zs_store *store = store_of(ZS_CODEC_LZ4);
    unsigned char data[100] = { 0 };

    (void)unused;
    for (size_t len = 2; len <= sizeof(data); len += 1 + len / 8) {
        for (size_t i = 0; i < len; i++) {
            zs_handle_t h;

            data[i] = 1;
            h = put(store, data, len);
            assert_int_equal(stats_of(store).n_same_filled, 0);
            check_value(store, h, data, len);
            zs_store_delete(store, h);
            data[i] = 0;
        }
    }
    zs_store_destroy(store);
}

static void put__keeps_what_does_not_shrink_as_it_is(void **unused)
{
    (void)unused;
    for (size_t c = 0; c < N_CODECS; c++) {
        struct zs_store *store = store_of(all_codecs[c]);
        struct zs_store_stats expected = {
            .n_values = 1,
            .raw_bytes = 4096,
            .stored_bytes = 4096,
            .header_bytes = 2,
            .used_bytes = zs_obj_class_bytes(4098) + 8,
            .n_stored_raw = 1,
        };

        put(store, noise, 4096);
        check_stats(store, &expected);
        zs_store_destroy(store);
    }
}

static void put__never_stores_more_than_the_raw_value_and_header(void **unused)
{
    (void)unused;
    for (size_t c = 0; c < N_CODECS; c++) {
        struct zs_store *store = store_of(all_codecs[c]);

        for (size_t len = 0; len < 5000; len += 1 + len / 40) {
            struct zs_value raw = zs_value_make(ZS_VALUE_RAW, len, len);
            zs_handle_t h = put(store, text + len, len);
            struct zs_store_stats s = stats_of(store);

            assert_true(s.stored_bytes + s.header_bytes <= len + raw.header);
            zs_store_delete(store, h);
        }
        zs_store_destroy(store);
    }
}

static void put__shrinks_pages_of_text(void **unused)
{
    (void)unused;
    for (size_t c = 0; c < N_CODECS; c++) {
        struct zs_store *store = store_of(all_codecs[c]);
        struct zs_store_stats s;

        put(store, text, 4096);
        s = stats_of(store);
        assert_int_equal(s.raw_bytes, 4096);
        assert_int_equal(s.header_bytes, 2);
        assert_int_equal(s.n_stored_raw, all_codecs[c] == ZS_CODEC_NONE);
        assert_true(s.stored_bytes < 3500 || s.n_stored_raw == 1);
        zs_store_destroy(store);
    }
}

static void level__trades_size_for_time(void **unused)
{
    static const struct zs_store_config fast[] = {
        { .codec = ZS_CODEC_LZ4, .level = -1000 },
        { .codec = ZS_CODEC_LZ4, .level = -1 },
        { .codec = ZS_CODEC_ZSTD, .level = -7 },
    };
    static const struct zs_store_config small[] = {
        { .codec = ZS_CODEC_LZ4 },
        { .codec = ZS_CODEC_LZ4, .level = 9 },
        { .codec = ZS_CODEC_ZSTD, .level = 19 },
    };

    (void)unused;
    for (size_t i = 0; i < 3; i++) {
        struct zs_store *a, *b;

        assert_int_equal(zs_store_create(&fast[i], &a), 0);
        assert_int_equal(zs_store_create(&small[i], &b), 0);
        check_value(a, put(a, text, 50000), text, 50000);
        check_value(b, put(b, text, 50000), text, 50000);
        assert_true(stats_of(a).stored_bytes > stats_of(b).stored_bytes);
        zs_store_destroy(a);
        zs_store_destroy(b);
    }
}

/* --- replace, delete, statistics ------------------------------------------ */

static void replace__gives_a_handle_a_value_of_any_length(void **unused)
{
    (void)unused;
    for (size_t c = 0; c < N_CODECS; c++) {
        struct zs_store *store = store_of(all_codecs[c]);
        zs_handle_t h = put(store, text, 10);

        for (size_t i = 0; i < 500; i++) {
            size_t len = next_random() % (i % 10 == 0 ? 60000 : 3000);
            const unsigned char *data = (i % 3 == 0 ? noise : text) + i;

            assert_int_equal(zs_store_replace(store, h, data, len), 0);
            check_value(store, h, data, len);
            assert_int_equal(stats_of(store).n_values, 1);
            assert_int_equal(stats_of(store).raw_bytes, len);
        }
        zs_store_delete(store, h);
        check_empty(store);
        zs_store_destroy(store);
    }
}

/* What the statistics must be: the sum over the headers as they are stored. */
static void add_stored(struct zs_store *store, zs_handle_t h,
                       struct zs_store_stats *sum)
{
    unsigned char local_copy[ZS_LOCAL_COPY_BYTES];
    struct zs_pool *pool = zs_store_pool(store);
    const unsigned char *object;
    struct zs_value v;
    size_t size;

    if (!zs_handle_check(pool, h)) { /* it has no object */
        sum->n_values++;
        sum->raw_bytes += zs_store_length(store, h);
        sum->n_same_filled++;
        sum->used_bytes += 4; /* the handle */
        return;
    }
    size = zs_obj_size(pool, h);
    object = zs_obj_read_begin(pool, h, local_copy);
    assert_int_equal(zs_value_header_decode(object, size, &v), 0);
    zs_obj_read_end(pool);
    sum->n_values++;
    sum->raw_bytes += v.length;
    sum->stored_bytes += v.payload;
    sum->header_bytes += v.header;
    /* and handle and side entry; the pool may have found it a larger slot */
    sum->used_bytes += zs_obj_class_bytes(v.header + v.payload) + 8;
    sum->n_same_filled += v.kind == ZS_VALUE_PATTERN; /* too many of them */
    sum->n_stored_raw += v.kind == ZS_VALUE_RAW;
}

static void stats__are_exact_over_put_replace_and_delete(void **unused)
{
    enum { N = 300 };
    static unsigned char zeroes[5000];
    zs_handle_t handles[N] = { { 0 } };
    struct zs_store *store = store_of(ZS_CODEC_LZ4);

    (void)unused;
    for (size_t round = 0; round < 9000; round++) {
        const unsigned char *kinds[] = { text, noise, zeroes };
        const unsigned char *data = kinds[next_random() % 3];
        size_t len = next_random() % 5000;
        zs_handle_t *h = &handles[next_random() % N];

        if (h->raw == 0) {
            *h = put(store, data, len);
        } else if (next_random() % 2 == 0) {
            assert_int_equal(zs_store_replace(store, *h, data, len), 0);
        } else {
            zs_store_delete(store, *h);
            h->raw = 0;
        }
        if (round % 500 == 0) {
            struct zs_store_stats sum = { 0 };

            for (size_t i = 0; i < N; i++) {
                if (handles[i].raw != 0) {
                    add_stored(store, handles[i], &sum);
                }
            }
            check_stats(store, &sum);
        }
    }
    for (size_t i = 0; i < N; i++) {
        if (handles[i].raw != 0) {
            zs_store_delete(store, handles[i]);
        }
    }
    check_empty(store);
    zs_store_destroy(store);
}

static void length__is_that_of_the_value_as_put(void **unused)
{
    struct zs_store *store = store_of(ZS_CODEC_ZSTD);

    (void)unused;
    for (size_t len = 0; len < 10000; len += 37) {
        assert_int_equal(zs_store_length(store, put(store, text, len)), len);
    }
    zs_store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(create__takes_defaults_and_refuses_unknown_settings),
        cmocka_unit_test(destroy__frees_values_that_are_still_there),
        cmocka_unit_test(get__gives_back_every_length_with_lz4),
        cmocka_unit_test(get__gives_back_every_length_with_zstd),
        cmocka_unit_test(get__gives_back_every_length_with_no_codec),
        cmocka_unit_test(get__gives_back_large_values),
        cmocka_unit_test(get__gives_back_values_that_all_live_at_once),
        cmocka_unit_test(get__says_how_much_room_is_needed),
        cmocka_unit_test(get__leaves_the_rest_of_a_larger_buffer_alone),
        cmocka_unit_test(put__takes_an_empty_value_without_a_buffer),
        cmocka_unit_test(put__refuses_more_than_the_maximum),
        cmocka_unit_test(put__sees_the_one_byte_that_differs),
        cmocka_unit_test(put__keeps_what_does_not_shrink_as_it_is),
        cmocka_unit_test(put__never_stores_more_than_the_raw_value_and_header),
        cmocka_unit_test(put__shrinks_pages_of_text),
        cmocka_unit_test(level__trades_size_for_time),
        cmocka_unit_test(replace__gives_a_handle_a_value_of_any_length),
        cmocka_unit_test(stats__are_exact_over_put_replace_and_delete),
        cmocka_unit_test(length__is_that_of_the_value_as_put),
    };
    return cmocka_run_group_tests_name("store", tests, make_data, free_data);
}
