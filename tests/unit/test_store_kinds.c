/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of what becomes of a value in a store: patterns, noise, parts, and
 * checksums.
 */
#include "for_store.h"
#include "noise.h"
#include "os.h"
#include "store_fixture.h"

#define MIB ((size_t)1 << 20)

static uint64_t n_objects(struct zs_store *store)
{
    struct zs_pool_stats s;

    zs_pool_stats(zs_store_pool(store), &s);
    return s.n_objects;
}

/* --- patterns ------------------------------------------------------------- */

/* The last `period` bytes that were written are repeated. */
static void fill(unsigned char *p, size_t len, size_t period)
{
    for (size_t i = 0; i < len; i++) {
        p[i] = i < period ? (unsigned char)next_random() : p[i - period];
    }
}

static void put__keeps_no_object_of_a_pattern(void **unused)
{
    unsigned char *data = exactly(100000);

    (void)unused;
    for (size_t c = 0; c < N_CODECS; c++) {
        struct zs_store *store = store_of(all_codecs[c]);

        for (size_t len = 16; len <= 100000; len += 1 + len / 3) {
            struct zs_store_stats s;
            zs_handle_t h;

            fill(data, len, (size_t)1 << len % 4);
            h = put(store, data, len);
            s = stats_of(store);
            assert_int_equal(s.n_same_filled, 1);
            assert_int_equal(s.raw_bytes, len);
            assert_int_equal(s.stored_bytes + s.header_bytes, 0);
            assert_int_equal(n_objects(store), 0);
            assert_int_equal(zs_store_stored_length(store, h), 0);
            check_value(store, h, data, len);
            zs_store_delete(store, h);
        }
        check_empty(store);
        zs_store_destroy(store);
    }
    free(data);
}

static void put__keeps_no_object_of_a_large_pattern(void **unused)
{
    struct zs_store *store = store_of(ZS_CODEC_LZ4);
    unsigned char *data = calloc(1, LARGEST);
    zs_handle_t h;

    (void)unused;
    assert_non_null(data);
    h = put(store, data, LARGEST);
    assert_int_equal(n_objects(store), 0);
    check_value(store, h, data, LARGEST);
    data[LARGEST - 1] = 1;
    h = put(store, data, LARGEST);
    assert_true(n_objects(store) > 1);
    check_value(store, h, data, LARGEST);
    zs_store_destroy(store);
    free(data);
}

static void put__keeps_a_small_object_when_there_are_too_many(void **unused)
{
    enum { N = ZS_BARE_NUMBERS + 300 };
    struct zs_store *store = store_of(ZS_CODEC_LZ4);
    zs_handle_t *handles = exactly(N * sizeof(*handles));
    unsigned char data[64];

    (void)unused;
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < sizeof(data); k++) {
            data[k] = (unsigned char)(i >> 8 * (k % 4));
        }
        handles[i] = put(store, data, sizeof(data));
    }
    assert_int_equal(stats_of(store).n_same_filled, N);
    assert_int_equal(n_objects(store), 300);
    assert_int_equal(stats_of(store).stored_bytes, 300 * 8);
    assert_int_equal(stats_of(store).header_bytes, 300 * 2);
    for (size_t i = 0; i < N; i++) {
        for (size_t k = 0; k < sizeof(data); k++) {
            data[k] = (unsigned char)(i >> 8 * (k % 4));
        }
        check_value(store, handles[i], data, sizeof(data));
        zs_store_delete(store, handles[i]);
    }
    check_empty(store);
    zs_store_destroy(store);
    free(handles);
}

static void replace__turns_patterns_into_objects_and_back(void **unused)
{
    struct zs_store *store = store_of(ZS_CODEC_LZ4);
    unsigned char zeroes[500] = { 0 }, ones[40];
    zs_handle_t h = put(store, zeroes, 500);
    zs_handle_t other = put(store, zeroes, 500);

    (void)unused;
    memset(ones, 1, sizeof(ones));
    for (int i = 0; i < 10; i++) {
        assert_int_equal(zs_store_replace(store, h, text, 3000), 0);
        check_value(store, h, text, 3000);
        assert_int_equal(n_objects(store), 1);
        assert_int_equal(zs_store_replace(store, h, ones, 40), 0);
        check_value(store, h, ones, 40);
        assert_int_equal(zs_store_replace(store, h, zeroes, 500), 0);
        check_value(store, h, zeroes, 500);
        assert_int_equal(stats_of(store).n_same_filled, 2);
    }
    check_value(store, other, zeroes, 500);
    assert_false(zs_handle_check(zs_store_pool(store), h));
    zs_store_delete(store, h);
    zs_store_delete(store, other);
    check_empty(store);
    zs_store_destroy(store);
}

/* 4 bytes of slot word a value, in whole pages, and the table. */
static void put__of_many_patterns_costs_their_handles(void **unused)
{
    enum { N = 50000 };
    static const unsigned char zeroes[4096];
    struct zs_store *store = store_of(ZS_CODEC_LZ4);
    struct zs_arena *arena = zs_pool_arena(zs_store_pool(store));
    struct zs_arena_stats before, after;

    (void)unused;
    put(store, zeroes, sizeof(zeroes));
    zs_arena_stats(arena, &before);
    for (size_t i = 0; i < N; i++) {
        put(store, zeroes, sizeof(zeroes));
    }
    zs_arena_stats(arena, &after);
    assert_in_range(after.footprint_bytes - before.footprint_bytes,
                    N * 4 - 4096, N * 4 + 3 * 4096);
    zs_store_destroy(store);
}

/* --- noise ---------------------------------------------------------------- */

static void noise__is_told_from_what_shrinks(void **unused)
{
    unsigned char *page = exactly(MIB);
    unsigned missed = 0;

    (void)unused;
    for (size_t i = 0; i < 1000; i++) {
        missed += !zs_looks_like_noise(noise + i * 4096, 4096);
        assert_false(zs_looks_like_noise(text + i * 4096, 4096));
    }
    assert_true(missed < 20);
    for (size_t len = 4096; len <= MIB; len *= 2) {
        assert_false(zs_looks_like_noise(text, len));
        /* half of it zeroes; records of 32 bytes, 8 of them noise */
        memcpy(page, noise, len);
        memset(page + len / 3, 0, len / 2);
        assert_false(zs_looks_like_noise(page, len));
        for (size_t i = 0; i < len; i++) {
            page[i] = i % 32 < 8 ? noise[i] : 7;
        }
        assert_false(zs_looks_like_noise(page, len));
    }
    free(page);
}

static void noise__is_skipped_after_many_and_not_for_ever(void **unused)
{
    struct zs_noise n = { 0 };
    unsigned tried = 0;

    (void)unused;
    for (unsigned i = 0; i < 31 + 1 + 8; i++) {
        assert_false(zs_noise_skips(&n, noise, 5000));
        zs_noise_learn(&n, 5000, i == 20); /* one comes smaller: 8 back */
    }
    assert_false(zs_noise_skips(&n, noise, 5000)); /* 31 by now */
    zs_noise_learn(&n, 5000, false);
    assert_true(zs_noise_skips(&n, noise, 8191));
    assert_false(zs_noise_skips(&n, noise, 8192)); /* of another length */
    assert_false(zs_noise_skips(&n, text, 5000));
    for (unsigned i = 0; i < 221 * 10; i++) {
        if (!zs_noise_skips(&n, noise, 4096)) {
            zs_noise_learn(&n, 4096, false);
            tried++;
        }
    }
    assert_int_equal(tried, 10);
    while (zs_noise_skips(&n, noise, 4096)) {
    }
    zs_noise_learn(&n, 4096, true);
    assert_false(zs_noise_skips(&n, noise, 4096));
}

/* What repeats itself but looks like noise is compressed all the same. */
static void put__compresses_repeated_noise(void **unused)
{
    struct zs_store *store = store_of(ZS_CODEC_LZ4);
    unsigned char *data = exactly(8192);

    (void)unused;
    memcpy(data, noise, 4096);
    memcpy(data + 4096, noise, 4096);
    for (unsigned i = 0; i < 100; i++) {
        put(store, data, 8192);
    }
    assert_int_equal(stats_of(store).n_stored_raw, 0);
    zs_store_destroy(store);
    free(data);
}

/* A value is compressed only if a smaller class comes of it. */
static void put__keeps_raw_what_takes_the_same_class(void **unused)
{
    unsigned char *data = exactly(5000);
    unsigned n_raw = 0;

    (void)unused;
    for (size_t c = 0; c < 2; c++) {
        struct zs_store *store = store_of(all_codecs[c]);

        for (size_t len = 40; len < 5000; len += 13) {
            struct zs_store_stats s;
            zs_handle_t h;

            memcpy(data, noise, len);
            memset(data + len / 2, 0, len / 50 + 8); /* shrinks a little */
            h = put(store, data, len);
            s = stats_of(store);
            if (s.n_stored_raw == 0) {
                struct zs_value raw = zs_value_make(ZS_VALUE_RAW, len, len);

                assert_true(
                    zs_obj_class_bytes(s.stored_bytes + s.header_bytes) <
                    zs_obj_class_bytes(len + raw.header));
            }
            n_raw += s.n_stored_raw == 1;
            check_value(store, h, data, len);
            zs_store_delete(store, h);
        }
        zs_store_destroy(store);
    }
    assert_true(n_raw > 50);
    free(data);
}

/* --- parts ---------------------------------------------------------------- */

static const size_t part_lengths[] = { ZS_PART_BYTES,
                                       ZS_PART_BYTES + 1,
                                       2 * ZS_PART_BYTES - 1,
                                       2 * ZS_PART_BYTES,
                                       MIB,
                                       4 * ZS_PART_BYTES + 1,
                                       7 * ZS_PART_BYTES + 99 };
#define N_PART_LENGTHS (sizeof(part_lengths) / sizeof(part_lengths[0]))

static void put__cuts_large_values_into_parts(void **unused)
{
    (void)unused;
    for (size_t c = 0; c < N_CODECS; c++) {
        struct zs_store *store = store_of(all_codecs[c]);

        for (size_t i = 0; i < N_PART_LENGTHS; i++) {
            size_t len = part_lengths[i];
            size_t n = (len + ZS_PART_BYTES - 1) / ZS_PART_BYTES;
            zs_handle_t a = put(store, text, len);
            uint64_t with_a = n_objects(store);
            zs_handle_t b = put(store, noise, len);

            assert_int_equal(with_a, n > 1 ? n + 1 : 1);
            assert_int_equal(stats_of(store).n_in_parts, n > 1 ? 2 : 0);
            check_value(store, a, text, len);
            check_value(store, b, noise, len);
            assert_int_equal(zs_store_stored_length(store, a) +
                                 zs_store_stored_length(store, b),
                             stats_of(store).stored_bytes +
                                 stats_of(store).header_bytes);
            zs_store_delete(store, a);
            zs_store_delete(store, b);
            check_empty(store);
            assert_int_equal(n_objects(store), 0);
        }
        zs_store_destroy(store);
    }
}

static void replace__takes_parts_for_objects_and_back(void **unused)
{
    struct zs_store *store = store_of(ZS_CODEC_LZ4);
    zs_handle_t h = put(store, text, 10);

    (void)unused;
    for (size_t i = 0; i < 3 * N_PART_LENGTHS; i++) {
        size_t len = part_lengths[i % N_PART_LENGTHS];

        assert_int_equal(zs_store_replace(store, h, noise + i, len), 0);
        check_value(store, h, noise + i, len);
        assert_int_equal(stats_of(store).n_values, 1);
        assert_int_equal(stats_of(store).raw_bytes, len);
        if (i % 3 == 0) {
            assert_int_equal(zs_store_replace(store, h, text, i), 0);
            check_value(store, h, text, i);
        }
    }
    zs_store_delete(store, h);
    check_empty(store);
    assert_int_equal(n_objects(store), 0);
    zs_store_destroy(store);
}

/* The k-th population of memory fails for good; so does the k-th metadata. */
static unsigned populates_left;
static int (*real_populate)(void *addr, size_t bytes);

static int populate_some(void *addr, size_t bytes)
{
    if (populates_left == 0) {
        return -ENOMEM;
    }
    populates_left--;
    return real_populate(addr, bytes);
}

static void put__of_parts_is_all_or_nothing(void **unused)
{
    const size_t LEN = 12 * ZS_PART_BYTES;
    unsigned n_failed = 0;
    int err = -ENOMEM;

    (void)unused;
    real_populate = zs_os.populate;
    for (unsigned k = 0; err != 0; k++) {
        struct zs_store_config cfg = {
            .codec = ZS_CODEC_NONE,
            .pool.private_arena.huge_pages = ZS_HUGE_NEVER,
        };
        struct zs_store *store;
        zs_handle_t h = { .raw = 77 }, old;

        assert_int_equal(zs_store_create(&cfg, &store), 0);
        old = put(store, text, 3 * ZS_PART_BYTES);
        populates_left = k;
        zs_os.populate = populate_some;
        err = zs_store_put(store, noise, LEN, &h);
        if (err != 0) {
            assert_int_equal(err, -ENOMEM);
            assert_int_equal(h.raw, 77);
            assert_int_equal(zs_store_replace(store, old, noise, LEN), -ENOMEM);
            assert_int_equal(n_objects(store), 4);
            check_value(store, old, text, 3 * ZS_PART_BYTES);
            n_failed++;
        }
        zs_os.populate = real_populate;
        assert_int_equal(stats_of(store).n_values, err != 0 ? 1 : 2);
        zs_store_destroy(store);
    }
    assert_true(n_failed >= 12);
}

static void put__of_parts_at_the_limit_is_all_or_nothing(void **unused)
{
    (void)unused;
    for (size_t limit = 2 * MIB; limit < 6 * MIB; limit += MIB / 4) {
        struct zs_store_config cfg = {
            .pool.private_arena.limit_bytes = limit,
        };
        struct zs_store *store;
        zs_handle_t h;

        assert_int_equal(zs_store_create(&cfg, &store), 0);
        assert_int_equal(zs_store_put(store, noise, 8 * MIB, &h), -ENOSPC);
        assert_int_equal(n_objects(store), 0);
        check_empty(store);
        h = put(store, noise, MIB);
        assert_int_equal(zs_store_replace(store, h, noise, 8 * MIB), -ENOSPC);
        check_value(store, h, noise, MIB);
        zs_store_destroy(store);
    }
}

static void *no_alloc(size_t bytes)
{
    (void)bytes;
    return NULL;
}

static void put__refuses_without_memory_for_the_list(void **unused)
{
    struct zs_store *store = store_of(ZS_CODEC_LZ4);
    zs_handle_t h = put(store, text, MIB); /* all contexts are there */
    void *(*real_alloc)(size_t bytes) = zs_os.alloc;

    (void)unused;
    zs_os.alloc = no_alloc;
    assert_int_equal(zs_store_put(store, text, MIB, &h), -ENOMEM);
    zs_os.alloc = real_alloc;
    check_value(store, h, text, MIB);
    zs_store_destroy(store);
}

/* --- checksums ------------------------------------------------------------ */

static struct zs_store *checked_store(enum zs_codec_id codec,
                                      enum zs_checksum checksum)
{
    struct zs_store_config cfg = { .codec = codec, .checksum = checksum };
    struct zs_store *store;

    assert_int_equal(zs_store_create(&cfg, &store), 0);
    return store;
}

static void flip(struct zs_store *store, zs_handle_t h, size_t at)
{
    struct zs_pool *pool = zs_store_pool(store);
    unsigned char local_copy[ZS_LOCAL_COPY_BYTES];
    const unsigned char *p = zs_obj_read_begin(pool, h, local_copy);
    unsigned char byte = p[at] ^ 0x40;

    zs_obj_read_end(pool);
    assert_int_equal(zs_obj_write(pool, h, at, &byte, 1), 0);
}

static void check_flips(struct zs_store *store, zs_handle_t h, size_t len,
                        bool checked)
{
    size_t stored = zs_store_stored_length(store, h);
    unsigned char *back = exactly(len);
    unsigned char *message = exactly(len + 100);

    for (size_t i = 0; i < stored; i++) {
        size_t got = 0;
        int err;

        flip(store, h, i);
        err = zs_store_get(store, h, back, len, &got);
        if (checked) {
            assert_int_equal(err, -EBADMSG);
            assert_int_equal(
                zs_store_get_range(store, h, 1, back, len - 1, &got), -EBADMSG);
            assert_int_equal(
                zs_store_export(store, h, message, len + 100, &got), -EBADMSG);
        } else {
            assert_true(err == 0 || err == -EBADMSG || err == -ERANGE);
            (void)!zs_store_get_range(store, h, 1, back, len - 1, &got);
            (void)!zs_store_export(store, h, message, len + 100, &got);
        }
        flip(store, h, i);
    }
    free(back);
    free(message);
}

static void get__reports_every_flipped_byte(void **unused)
{
    static const enum zs_checksum kinds[] = { ZS_CHECKSUM_NONE,
                                              ZS_CHECKSUM_XXH3_32,
                                              ZS_CHECKSUM_XXH3_64 };

    (void)unused;
    for (size_t c = 0; c < N_CODECS * 3; c++) {
        struct zs_store *store = checked_store(all_codecs[c / 3], kinds[c % 3]);

        for (size_t len = 2; len < 6000; len = len * 3 + 1) {
            zs_handle_t a = put(store, text, len);
            zs_handle_t b = put(store, noise, len);

            check_flips(store, a, len, c % 3 > 0);
            check_flips(store, b, len, c % 3 > 0);
            check_value(store, a, text, len);
            check_value(store, b, noise, len);
        }
        zs_store_destroy(store);
    }
}

static void checksum__costs_its_bytes(void **unused)
{
    struct zs_store *store = checked_store(ZS_CODEC_LZ4, ZS_CHECKSUM_XXH3_32);

    (void)unused;
    put(store, noise, 4096);
    assert_int_equal(stats_of(store).header_bytes, 2 + 4);
    zs_store_destroy(store);
    store = checked_store(ZS_CODEC_LZ4, ZS_CHECKSUM_XXH3_64);
    put(store, text, 4096);
    assert_int_equal(stats_of(store).header_bytes, 2 + 8);
    zs_store_destroy(store);
}

/* The list of a value in parts, and its parts. */
static void get__reports_damaged_lists_and_parts(void **unused)
{
    const size_t LEN = 2 * ZS_PART_BYTES + 5000;
    static const enum zs_checksum kinds[] = { ZS_CHECKSUM_NONE,
                                              ZS_CHECKSUM_XXH3_32 };
    unsigned char *back = exactly(LEN);

    (void)unused;
    for (size_t k = 0; k < 2; k++) {
        struct zs_store *store = checked_store(ZS_CODEC_LZ4, kinds[k]);
        zs_handle_t other = put(store, noise, LEN);
        zs_handle_t h = put(store, text, LEN);
        size_t size = zs_obj_size(zs_store_pool(store), h);
        struct zs_pool_cursor at = { 0 };
        zs_handle_t listed[16];
        size_t n = zs_pool_next(zs_store_pool(store), &at, listed, 16);
        size_t got;

        for (size_t i = 0; i < 20 + 4 * k && i < size; i++) {
            int err;

            flip(store, h, i);
            err = zs_store_get(store, h, back, LEN, &got);
            assert_true(err == -EBADMSG || (err == -ERANGE && k == 0));
            flip(store, h, i);
        }
        for (size_t i = 0; i < n; i++) { /* the begin of every object */
            for (size_t b = 0; b < 20; b++) {
                bool whole;

                flip(store, listed[i], b);
                whole = zs_store_get(store, h, back, LEN, &got) == 0 &&
                        zs_store_get(store, other, back, LEN, &got) == 0;
                assert_false(whole && k == 1);
                flip(store, listed[i], b);
            }
        }
        check_value(store, h, text, LEN);
        check_value(store, other, noise, LEN);
        flip(store, h, 8); /* of the list: what it names stays, or is freed */
        zs_store_delete(store, h);
        check_value(store, other, noise, LEN);
        zs_store_destroy(store);
    }
    free(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put__keeps_no_object_of_a_pattern),
        cmocka_unit_test(put__keeps_no_object_of_a_large_pattern),
        cmocka_unit_test(put__keeps_a_small_object_when_there_are_too_many),
        cmocka_unit_test(replace__turns_patterns_into_objects_and_back),
        cmocka_unit_test(put__of_many_patterns_costs_their_handles),
        cmocka_unit_test(noise__is_told_from_what_shrinks),
        cmocka_unit_test(noise__is_skipped_after_many_and_not_for_ever),
        cmocka_unit_test(put__compresses_repeated_noise),
        cmocka_unit_test(put__keeps_raw_what_takes_the_same_class),
        cmocka_unit_test(put__cuts_large_values_into_parts),
        cmocka_unit_test(replace__takes_parts_for_objects_and_back),
        cmocka_unit_test(put__of_parts_is_all_or_nothing),
        cmocka_unit_test(put__of_parts_at_the_limit_is_all_or_nothing),
        cmocka_unit_test(put__refuses_without_memory_for_the_list),
        cmocka_unit_test(get__reports_every_flipped_byte),
        cmocka_unit_test(checksum__costs_its_bytes),
        cmocka_unit_test(get__reports_damaged_lists_and_parts),
    };
    return cmocka_run_group_tests_name("store_kinds", tests, make_data,
                                       free_data);
}
