/* SPDX-License-Identifier: MIT */
/* Unit tests of what zscompress-report measures with: who learns, who is
 * measured, headers, codecs with dictionaries, and the advice. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "advice.h"
#include "codecs.h"
#include "hash.h"
#include "pack.h"
#include "split.h"
#include "value_header.h"

#define N_RECORDS 20000u

/* Each record comes twice, in different places. */
static void add_records(struct values *v)
{
    for (unsigned i = 0; i < N_RECORDS; i++) {
        char text[200];
        unsigned id = (i * 7919u) % (N_RECORDS / 2);
        int n = snprintf(text, sizeof(text),
                         "{\"id\": %u, \"name\": \"user%u\", \"score\": %u}",
                         id, id * 31u, (unsigned)(hash_number(id) % 1000));

        assert_true(values_add(v, text, (size_t)n));
    }
}

struct fixture {
    struct values v;
    struct split s;
};

static void begin(struct fixture *f, uint64_t measure_bytes)
{
    assert_true(values_open(&f->v, 64 << 20));
    add_records(&f->v);
    assert_true(split_make(&f->v, measure_bytes, &f->s));
}

static void end(struct fixture *f)
{
    split_free(&f->s);
    values_close(&f->v);
}

static int by_hash(const void *a, const void *b)
{
    const struct value *x = *(const struct value *const *)a;
    const struct value *y = *(const struct value *const *)b;

    return (x->hash > y->hash) - (x->hash < y->hash);
}

static void split__no_copy_of_a_trained_value_is_measured(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 64 << 20);
    assert_int_equal(f.s.n_trained + f.s.n_measured, N_RECORDS);
    assert_in_range(f.s.n_trained, N_RECORDS * 18 / 100, N_RECORDS * 22 / 100);
    qsort(f.s.trained, f.s.n_trained, sizeof(void *), by_hash);
    for (size_t i = 0; i < f.s.n_measured; i++) {
        assert_null(bsearch(&f.s.measured[i], f.s.trained, f.s.n_trained,
                            sizeof(void *), by_hash));
    }
    end(&f);
}

static void split__measures_about_as_much_as_asked_for(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f, 100000);
    assert_in_range(f.s.measured_bytes, 60000, 110000);
    end(&f);
}

static void split__long_values_teach_nothing(void **state)
{
    static unsigned char data[DICT_MAX_VALUE_BYTES];
    struct values v;
    struct split s;
    size_t n;

    (void)state;
    assert_true(values_open(&v, 64 << 20));
    for (unsigned i = 0; i < 100; i++) {
        data[i] = (unsigned char)(i + 1);
        assert_true(values_add(&v, data, sizeof(data)));
    }
    assert_true(split_make(&v, 64 << 20, &s));
    assert_int_equal(s.n_trained, 0);
    assert_int_equal(s.n_measured, 100);
    assert_null(split_train(&v, &s, 4096, &n));
    split_free(&s);
    values_close(&v);
}

static void
codecs__give_back_what_they_got_and_gain_by_a_dictionary(void **state)
{
    unsigned char packed[1024], back[256];
    struct fixture f;
    size_t dict_bytes;
    void *dict;

    (void)state;
    begin(&f, 64 << 20);
    dict = split_train(&f.v, &f.s, 4096, &dict_bytes);
    assert_non_null(dict);
    for (unsigned i = 0; i < N_CODECS; i++) {
        size_t sum[2] = { 0, 0 };

        for (unsigned with = 0; with < (codecs[i].kind != CODEC_NONE) + 1u;
             with++) {
            struct coder *c =
                coder_create(&codecs[i], with ? dict : NULL, dict_bytes);

            assert_non_null(c);
            assert_int_equal(coder_dict_memory(c) >= dict_bytes, with);
            for (unsigned j = 0; j < 300; j++) {
                const struct value *one = f.s.measured[j];
                const unsigned char *src = f.v.bytes + one->at;
                size_t n = coder_compress(c, src, one->len, packed);

                assert_in_range(n, 1, coder_bound(c, one->len));
                assert_true(coder_decompress(c, packed, n, back, one->len));
                assert_memory_equal(back, src, one->len);
                sum[with] += n;
            }
            coder_destroy(c);
        }
        assert_true(codecs[i].kind == CODEC_NONE || 3 * sum[1] < 2 * sum[0]);
    }
    free(dict);
    end(&f);
}

static void pack__headers_are_those_of_the_store(void **state)
{
    static const size_t lengths[] = { 1,    31,   32,    255,   256,
                                      1023, 1024, 4095,  4096,  4097,
                                      4127, 4128, 65535, 65536, ZS_PART_BYTES };

    (void)state;
    for (size_t i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
        size_t len = lengths[i];

        assert_int_equal(pack_header_bytes(true, len, len),
                         zs_value_make(ZS_VALUE_RAW, len, len).header);
        for (size_t payload = 1; payload < len; payload = payload * 5 / 4 + 1) {
            assert_int_equal(
                pack_header_bytes(false, len, payload),
                zs_value_make(ZS_VALUE_COMPRESSED, len, payload).header);
        }
    }
}

static void add_row(struct results *r, enum codec_kind kind, uint64_t bytes,
                    double compress, double decompress)
{
    for (unsigned i = 0; i < N_CODECS; i++) {
        if (codecs[i].kind == kind) {
            r->rows[r->n_rows++] =
                (struct row){ .codec = &codecs[i],
                              .projected_bytes = bytes,
                              .compress = { .mbps = compress },
                              .decompress = { .mbps = decompress } };
            return;
        }
    }
}

static void advice__least_memory_then_least_work(void **state)
{
    struct results r = { .n_rows = 0 };

    (void)state;
    add_row(&r, CODEC_NONE, 1000, 9000, 9000);
    assert_null(advice_best(&r));
    add_row(&r, CODEC_LZ4, 950, 500, 3000); /* not worth it */
    assert_null(advice_best(&r));
    assert_null(advice_quickest(&r));
    add_row(&r, CODEC_LZ4, 600, 500, 3000);
    assert_ptr_equal(advice_best(&r), &r.rows[2]);
    add_row(&r, CODEC_ZSTD, 410, 100, 700);
    add_row(&r, CODEC_ZSTD, 400, 50, 600);
    add_row(&r, CODEC_ZSTD, 300, 3, 600); /* too slow */
    assert_ptr_equal(advice_best(&r), &r.rows[3]);
    assert_ptr_equal(advice_quickest(&r), &r.rows[2]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(split__no_copy_of_a_trained_value_is_measured),
        cmocka_unit_test(split__measures_about_as_much_as_asked_for),
        cmocka_unit_test(split__long_values_teach_nothing),
        cmocka_unit_test(
            codecs__give_back_what_they_got_and_gain_by_a_dictionary),
        cmocka_unit_test(pack__headers_are_those_of_the_store),
        cmocka_unit_test(advice__least_memory_then_least_work),
    };
    return cmocka_run_group_tests_name("report_rows", tests, NULL, NULL);
}
