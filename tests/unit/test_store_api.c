/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of zspool/store.h beside put, get, replace and delete: ranges,
 * growing buffers, batches, views, messages, walks.
 */
#include "store_fixture.h"
#include "zspool/compactor.h"

#define PARTS_LENGTH (2 * ZS_PART_BYTES + 777)

static const unsigned char zeroes[PARTS_LENGTH];

/* Values of each kind: raw, compressed, a pattern, both in parts. */
static const struct sample {
    unsigned char **random; /* NULL: zeroes */
    size_t len;
} samples[] = {
    { &noise, 0 },    { &noise, 1 },          { &noise, 700 },
    { &noise, 5000 }, { &text, 300 },         { &text, 4096 },
    { &text, 70000 }, { NULL, 4096 },         { &text, PARTS_LENGTH },
    { NULL, 33 },     { NULL, PARTS_LENGTH }, { &noise, PARTS_LENGTH },
};
#define N_SAMPLES (sizeof(samples) / sizeof(samples[0]))

static const unsigned char *sample_data(size_t i)
{
    return samples[i].random != NULL ? *samples[i].random : zeroes;
}

static zs_handle_t put_sample(struct zs_store *store, size_t i)
{
    return put(store, sample_data(i), samples[i].len);
}

static void check_sample(struct zs_store *store, zs_handle_t h, size_t i)
{
    check_value(store, h, sample_data(i), samples[i].len);
}

static struct zs_store *checked_store_of(enum zs_codec_id codec)
{
    struct zs_store_config cfg = { .codec = codec,
                                   .checksum = ZS_CHECKSUM_XXH3_64 };
    struct zs_store *store;

    assert_int_equal(zs_store_create(&cfg, &store), 0);
    return store;
}

/* --- ranges and growing buffers ------------------------------------------- */

static void check_range(struct zs_store *store, zs_handle_t h, size_t i,
                        size_t offset, size_t cap)
{
    unsigned char *back = exactly(cap);
    size_t len = samples[i].len;
    size_t left = offset < len ? len - offset : 0;
    size_t got = SIZE_MAX;

    assert_int_equal(zs_store_get_range(store, h, offset, back, cap, &got), 0);
    assert_int_equal(got, left < cap ? left : cap);
    assert_memory_equal(back, sample_data(i) + (got > 0 ? offset : 0), got);
    free(back);
}

static void get_range__gives_the_bytes_asked_for(void **unused)
{
    (void)unused;
    for (size_t c = 0; c < N_CODECS; c++) {
        struct zs_store *store = checked_store_of(all_codecs[c]);

        for (size_t i = 0; i < N_SAMPLES; i++) {
            zs_handle_t h = put_sample(store, i);
            size_t len = samples[i].len;

            check_range(store, h, i, 0, len);
            check_range(store, h, i, 0, len + 1);
            check_range(store, h, i, len, 10);
            check_range(store, h, i, len + 1, 10);
            check_range(store, h, i, SIZE_MAX, 10);
            check_range(store, h, i, 0, 0);
            for (size_t n = 0; n < 40; n++) {
                check_range(store, h, i, next_random() % (len + 1),
                            next_random() % (n % 2 == 0 ? 50 : len + 9));
            }
            for (size_t at = ZS_PART_BYTES - 2; at < ZS_PART_BYTES + 2; at++) {
                check_range(store, h, i, at, 3);
                check_range(store, h, i, at, ZS_PART_BYTES + 3);
            }
        }
        zs_store_destroy(store);
    }
}

static void get_grow__makes_the_buffer_larger_only(void **unused)
{
    struct zs_store *store = store_of(ZS_CODEC_LZ4);
    struct zs_store_buffer b = { 0 };
    size_t largest = 0;

    (void)unused;
    for (size_t i = 0; i < N_SAMPLES; i++) {
        zs_handle_t h = put_sample(store, i);

        assert_int_equal(zs_store_get_grow(store, h, &b), 0);
        assert_int_equal(b.len, samples[i].len);
        assert_memory_equal(b.data, sample_data(i), b.len);
        largest = largest > b.len ? largest : b.len;
        assert_int_equal(b.cap, largest);
    }
    free(b.data);
    zs_store_destroy(store);
}

static void *grow_refused(void *arg, void *data, size_t bytes)
{
    (void)data;
    *(size_t *)arg = bytes;
    return NULL;
}

static void get_grow__keeps_the_buffer_when_it_cannot_grow(void **unused)
{
    struct zs_store *store = store_of(ZS_CODEC_LZ4);
    char small[10] = "unchanged";
    size_t asked = 0;
    struct zs_store_buffer b = {
        .data = small, .cap = 10, .grow = grow_refused, .arg = &asked
    };
    zs_handle_t h = put(store, text, 4096);

    (void)unused;
    assert_int_equal(zs_store_get_grow(store, h, &b), -ENOMEM);
    assert_int_equal(asked, 4096);
    assert_ptr_equal(b.data, small);
    assert_string_equal(small, "unchanged");
    assert_int_equal(zs_store_replace(store, h, text, 5), 0);
    assert_int_equal(zs_store_get_grow(store, h, &b), 0);
    assert_int_equal(b.len, 5);
    zs_store_destroy(store);
}

static void stored_length__adds_up_to_the_statistics(void **unused)
{
    (void)unused;
    for (size_t c = 0; c < N_CODECS; c++) {
        struct zs_store *store = checked_store_of(all_codecs[c]);
        uint64_t sum = 0;

        for (size_t i = 0; i < N_SAMPLES; i++) {
            sum += zs_store_stored_length(store, put_sample(store, i));
        }
        assert_int_equal(sum, stats_of(store).stored_bytes +
                                  stats_of(store).header_bytes);
        zs_store_destroy(store);
    }
}

/* --- batches -------------------------------------------------------------- */

static void batches__do_what_single_calls_do(void **unused)
{
    enum { N = 100 };
    struct iovec values[N];
    zs_handle_t handles[N];
    struct zs_store_get gets[N];

    (void)unused;
    for (size_t c = 0; c < N_CODECS; c++) {
        struct zs_store *store = store_of(all_codecs[c]);

        for (size_t i = 0; i < N; i++) {
            size_t k = i % (N_SAMPLES - 4); /* not the large ones */

            values[i].iov_base = (void *)(uintptr_t)sample_data(k);
            values[i].iov_len = samples[k].len;
        }
        assert_int_equal(zs_store_put_batch(store, values, N, handles), 0);
        assert_int_equal(stats_of(store).n_values, N);
        for (size_t i = 0; i < N; i++) {
            gets[i] = (struct zs_store_get){ .handle = handles[i],
                                             .buf = exactly(values[i].iov_len),
                                             .cap = values[i].iov_len };
        }
        gets[50].cap = 0;
        assert_int_equal(zs_store_get_batch(store, gets, N), -ERANGE);
        for (size_t i = 0; i < N; i++) {
            assert_int_equal(gets[i].len, values[i].iov_len);
            assert_int_equal(gets[i].err, i == 50 ? -ERANGE : 0);
            if (i != 50) {
                assert_memory_equal(gets[i].buf, values[i].iov_base,
                                    gets[i].len);
            }
            free(gets[i].buf);
        }
        assert_int_equal(zs_store_get_batch(store, gets, 0), 0);
        zs_store_delete_batch(store, handles, N);
        check_empty(store);
        zs_store_destroy(store);
    }
}

static void put_batch__is_all_or_nothing(void **unused)
{
    struct zs_store *store = store_of(ZS_CODEC_LZ4);
    struct iovec values[40];
    zs_handle_t handles[40];

    (void)unused;
    for (size_t i = 0; i < 40; i++) {
        values[i].iov_base = text;
        values[i].iov_len = i == 33 ? ZS_MAX_VALUE_BYTES + 1 : 100 * i;
    }
    assert_int_equal(zs_store_put_batch(store, values, 40, handles), -EINVAL);
    check_empty(store);
    zs_store_destroy(store);
}

/* --- views ---------------------------------------------------------------- */

static void check_view(struct zs_store *store, zs_handle_t h, size_t i,
                       size_t part)
{
    unsigned char local_copy[ZS_LOCAL_COPY_BYTES];
    struct zs_store_view v;

    assert_int_equal(zs_store_view_begin(store, h, part, local_copy, &v), 0);
    assert_int_equal(v.value_length, samples[i].len);
    assert_true(v.offset + v.length <= v.value_length);
    switch (v.kind) {
    case ZS_STORED_RAW:
        assert_int_equal(v.bytes, v.length);
        assert_memory_equal(v.data, sample_data(i) + v.offset, v.length);
        break;
    case ZS_STORED_COMPRESSED:
        assert_true(v.bytes < v.length);
        break;
    case ZS_STORED_PATTERN:
        assert_int_equal(v.bytes, 8);
        assert_int_equal(v.length, v.value_length);
        assert_memory_equal(v.data, sample_data(i), 8);
        break;
    }
    zs_store_view_end(store);
}

static void view__shows_every_part(void **unused)
{
    unsigned char local_copy[ZS_LOCAL_COPY_BYTES];

    (void)unused;
    for (size_t c = 0; c < N_CODECS; c++) {
        struct zs_store *store = checked_store_of(all_codecs[c]);

        for (size_t i = 0; i < N_SAMPLES; i++) {
            zs_handle_t h = put_sample(store, i);
            struct zs_store_view v;
            size_t sum = 0;

            assert_int_equal(zs_store_view_begin(store, h, 0, local_copy, &v),
                             0);
            zs_store_view_end(store);
            for (size_t part = 0; part < v.n_parts; part++) {
                struct zs_store_view p;

                check_view(store, h, i, part);
                assert_int_equal(
                    zs_store_view_begin(store, h, part, local_copy, &p), 0);
                assert_int_equal(p.offset, sum);
                sum += p.length;
                zs_store_view_end(store);
            }
            assert_int_equal(sum, samples[i].len);
            assert_int_equal(
                zs_store_view_begin(store, h, v.n_parts, local_copy, &v),
                -EINVAL);
        }
        zs_store_destroy(store);
    }
}

/* --- messages ------------------------------------------------------------- */

static unsigned char *exported(struct zs_store *store, zs_handle_t h,
                               size_t *len)
{
    unsigned char *message;

    assert_int_equal(zs_store_export(store, h, NULL, 0, len), -ERANGE);
    message = exactly(*len);
    assert_int_equal(zs_store_export(store, h, message, *len - 1, len),
                     -ERANGE);
    assert_int_equal(zs_store_export(store, h, message, *len, len), 0);
    return message;
}

static void import__takes_what_export_made_into_any_store(void **unused)
{
    (void)unused;
    for (size_t c = 0; c < N_CODECS * N_CODECS; c++) {
        struct zs_store *from = checked_store_of(all_codecs[c / N_CODECS]);
        struct zs_store *to = store_of(all_codecs[c % N_CODECS]);

        for (size_t i = 0; i < N_SAMPLES; i++) {
            zs_handle_t a = put_sample(from, i), b, direct;
            size_t len;
            unsigned char *message = exported(from, a, &len);

            assert_int_equal(zs_store_import(to, message, len, &b), 0);
            free(message);
            check_sample(to, b, i);
            direct = put_sample(to, i);
            assert_int_equal(zs_store_stored_length(to, b),
                             zs_store_stored_length(to, direct));
            zs_store_delete(to, b);
            zs_store_delete(to, direct);
            check_empty(to);
        }
        zs_store_destroy(from);
        zs_store_destroy(to);
    }
}

static void import__refuses_every_changed_byte_and_length(void **unused)
{
    struct zs_store *store = store_of(ZS_CODEC_LZ4);

    (void)unused;
    for (size_t i = 0; i < N_SAMPLES; i++) {
        zs_handle_t h = put_sample(store, i), out = { .raw = 77 };
        struct zs_store_stats before = stats_of(store);
        size_t len, step;
        unsigned char *message = exported(store, h, &len);

        step = len > 10000 ? len / 500 : 1;
        for (size_t at = 0; at < len; at += at < 40 ? 1 : step) {
            unsigned char *part = exactly(at);

            message[at] ^= 0x10;
            assert_true(zs_store_import(store, message, len, &out) < 0);
            message[at] ^= 0x10;
            memcpy(part, message, at);
            assert_int_equal(zs_store_import(store, part, at, &out), -EBADMSG);
            free(part);
        }
        assert_int_equal(out.raw, 77);
        check_stats(store, &before);
        message[3]++; /* the next version */
        assert_int_equal(zs_store_import(store, message, len, &out), -ENOTSUP);
        free(message);
    }
    zs_store_destroy(store);
}

static void import__at_the_limit_stores_nothing(void **unused)
{
    struct zs_store_config cfg = {
        .pool.private_arena.limit_bytes = (size_t)2 << 20,
    };
    struct zs_store *from = store_of(ZS_CODEC_LZ4), *to;
    zs_handle_t h = put(from, noise, (size_t)8 << 20), out;
    size_t len;
    unsigned char *message = exported(from, h, &len);

    (void)unused;
    assert_int_equal(zs_store_create(&cfg, &to), 0);
    assert_int_equal(zs_store_import(to, message, len, &out), -ENOSPC);
    check_empty(to);
    put(to, noise, (size_t)1 << 20);
    free(message);
    zs_store_destroy(from);
    zs_store_destroy(to);
}

/* --- walks ---------------------------------------------------------------- */

static void next__lists_every_value_once(void **unused)
{
    enum { N = 3000 };
    struct zs_store *store = store_of(ZS_CODEC_LZ4);
    zs_handle_t *handles = exactly(N * sizeof(*handles));
    struct zs_store_cursor at = { 0 };
    zs_handle_t listed[7];
    size_t n, found = 0;

    (void)unused;
    for (size_t i = 0; i < N; i++) {
        handles[i] = put_sample(store, i % (i < 60 ? N_SAMPLES : 8));
    }
    for (size_t i = 0; i < N; i += 3) {
        zs_store_delete(store, handles[i]);
        handles[i].raw = 0;
    }
    while ((n = zs_store_next(store, &at, listed, 7)) > 0) {
        for (size_t k = 0; k < n; k++) {
            size_t i = 0;

            while (i < N && handles[i].raw != listed[k].raw) {
                i++;
            }
            assert_true(i < N);
            check_sample(store, listed[k], i % (i < 60 ? N_SAMPLES : 8));
            handles[i].raw = 0;
            found++;
        }
    }
    assert_int_equal(found, N - N / 3);
    assert_int_equal(zs_store_next(store, &at, listed, 7), 0);
    zs_store_destroy(store);
    free(handles);
}

static void values__stay_through_compaction(void **unused)
{
    enum { N = 600 };
    struct zs_store *store = checked_store_of(ZS_CODEC_ZSTD);
    zs_handle_t handles[N];

    (void)unused;
    for (size_t i = 0; i < N; i++) {
        handles[i] = put_sample(store, i % N_SAMPLES);
    }
    for (size_t i = 0; i < N; i++) {
        if (i % 5 != 0) {
            zs_store_delete(store, handles[i]);
        }
    }
    assert_int_equal(zs_compact(zs_pool_arena(zs_store_pool(store)), NULL), 0);
    for (size_t i = 0; i < N; i += 5) {
        check_sample(store, handles[i], i % N_SAMPLES);
        zs_store_delete(store, handles[i]);
    }
    check_empty(store);
    zs_store_destroy(store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(get_range__gives_the_bytes_asked_for),
        cmocka_unit_test(get_grow__makes_the_buffer_larger_only),
        cmocka_unit_test(get_grow__keeps_the_buffer_when_it_cannot_grow),
        cmocka_unit_test(stored_length__adds_up_to_the_statistics),
        cmocka_unit_test(batches__do_what_single_calls_do),
        cmocka_unit_test(put_batch__is_all_or_nothing),
        cmocka_unit_test(view__shows_every_part),
        cmocka_unit_test(import__takes_what_export_made_into_any_store),
        cmocka_unit_test(import__refuses_every_changed_byte_and_length),
        cmocka_unit_test(import__at_the_limit_stores_nothing),
        cmocka_unit_test(next__lists_every_value_once),
        cmocka_unit_test(values__stay_through_compaction),
    };
    return cmocka_run_group_tests_name("store_api", tests, make_data,
                                       free_data);
}
