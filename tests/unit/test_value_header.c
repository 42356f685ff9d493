/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of lib/store/value_header.h. Objects are allocated with exactly
 * the bytes that decode may read, so that a sanitizer sees every overrun.
 */
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

static const size_t boundaries[] = {
    0,
    1,
    2,
    31,
    32,
    33,
    127,
    128,
    255,
    256,
    257,
    1023,
    1024,
    1025,
    4095,
    4096,
    4097,
    4127,
    4128,
    4129,
    8191,
    8192,
    65535,
    65536,
    65537,
    ZS_PART_BYTES - 1,
    ZS_PART_BYTES,
    ZS_PART_BYTES + 1,
    0xffffff,
    0x1000000,
    0x1000001,
    ZS_MAX_VALUE_BYTES - 1,
    ZS_MAX_VALUE_BYTES,
};
#define N_BOUNDARIES (sizeof(boundaries) / sizeof(boundaries[0]))

static bool same_value(const struct zs_value *a, const struct zs_value *b)
{
    return a->kind == b->kind && a->codec == b->codec &&
           a->dictionary == b->dictionary && a->tenant == b->tenant &&
           a->length == b->length && a->payload == b->payload &&
           a->header == b->header;
}

/* The header alone, in memory of exactly its size. */
static unsigned char *encoded(const struct zs_value *v)
{
    unsigned char *header = malloc(v->header);

    assert_non_null(header);
    zs_value_header_encode(v, header);
    return header;
}

static void check_one_round_trip(const struct zs_value *in)
{
    unsigned char *header = encoded(in);
    struct zs_value out;

    assert_in_range(in->header, 1, ZS_VALUE_HEADER_MAX_BYTES);
    assert_int_equal(
        zs_value_header_decode(header, in->header + in->payload, &out), 0);
    assert_true(same_value(in, &out));
    free(header);
}

static void check_round_trip(const struct zs_value *in)
{
    struct zs_value of_tenant = *in;

    check_one_round_trip(in);
    zs_value_set_tenant(&of_tenant, 9);
    check_one_round_trip(&of_tenant);
}

/* Every room that is too small for header and payload is refused. */
static void check_truncation(const struct zs_value *in)
{
    unsigned char *header = encoded(in);
    struct zs_value out;

    for (size_t room = 0; room < in->header; room++) {
        unsigned char *part = malloc(room + 1); /* malloc(0) may be NULL */

        assert_non_null(part);
        memcpy(part + 1, header, room);
        assert_int_equal(zs_value_header_decode(part + 1, room, &out),
                         -EBADMSG);
        free(part);
    }
    if (in->payload > 0) {
        assert_int_equal(
            zs_value_header_decode(header, in->header + in->payload - 1, &out),
            -EBADMSG);
    }
    free(header);
}

/* Call check() for every boundary, and pair of them, that makes a lawful
 * value. */
static void for_each_boundary(void (*check)(const struct zs_value *v))
{
    for (size_t i = 0; i < N_BOUNDARIES; i++) {
        size_t len = boundaries[i];
        struct zs_value v;

        if (len <= ZS_PART_BYTES) {
            v = zs_value_make(ZS_VALUE_RAW, len, len);
            check(&v);
        } else {
            v = zs_value_make(ZS_VALUE_IN_PARTS, len, zs_list_bytes(len));
            check(&v);
        }
        if (len >= ZS_PATTERN_MIN_BYTES) {
            v = zs_value_make(ZS_VALUE_PATTERN, len, ZS_PATTERN_BYTES);
            check(&v);
        }
        for (size_t j = 1; j < i && len <= ZS_PART_BYTES; j++) {
            v = zs_value_make(ZS_VALUE_COMPRESSED, len, boundaries[j]);
            check(&v);
            v = zs_value_make_how(0, 1 + (unsigned)j % 31, len, boundaries[j]);
            check(&v);
            v = zs_value_make_how(7, (unsigned)i % 32, len, boundaries[j]);
            check(&v);
        }
    }
}

static void header__is_two_bytes_for_a_compressed_page(void **unused)
{
    (void)unused;
    for (size_t payload = 1; payload < 4096; payload++) {
        struct zs_value v = zs_value_make(ZS_VALUE_COMPRESSED, 4096, payload);

        assert_int_equal(v.header, 2);
    }
}

static void header__is_three_bytes_for_a_compressed_line(void **unused)
{
    (void)unused;
    for (size_t length = 2; length < 1024; length++) {
        struct zs_value v =
            zs_value_make(ZS_VALUE_COMPRESSED, length, length - 1);

        assert_int_equal(v.header, 3);
    }
}

static void header__is_at_most_two_bytes_up_to_a_raw_page(void **unused)
{
    (void)unused;
    for (size_t length = 0; length <= 4096; length++) {
        struct zs_value v = zs_value_make(ZS_VALUE_RAW, length, length);

        assert_int_equal(v.header, length < 32 ? 1 : 2);
    }
}

static void header__takes_at_most_one_byte_more_with_a_dictionary(void **unused)
{
    (void)unused;
    for (unsigned d = 1; d < ZS_HOW_DICTIONARIES; d++) {
        assert_int_equal(zs_value_make_how(0, d, 4096, 1000).header, 3);
        assert_int_equal(zs_value_make_how(0, d, 187, 50).header,
                         d <= 8 ? 3 : 4);
        assert_int_equal(zs_value_make_how(0, d, 255, 254).header,
                         d <= 8 ? 3 : 4);
        assert_int_equal(zs_value_make_how(0, d, 256, 50).header, 4);
        assert_int_equal(zs_value_make_how(1, d, 187, 50).header, 4);
    }
}

static void
header__takes_one_byte_more_for_a_tenant_unless_a_dictionary(void **unused)
{
    struct zs_value v, out;
    unsigned char object[ZS_VALUE_HEADER_MAX_BYTES];

    (void)unused;
    for (unsigned tenant = 0; tenant < ZS_TENANTS; tenant++) {
        v = zs_value_make(ZS_VALUE_COMPRESSED, 4096, 1000);
        zs_value_set_tenant(&v, tenant);
        assert_int_equal(v.header, tenant == 0 ? 2 : 3);
        zs_value_header_encode(&v, object);
        assert_int_equal(zs_value_header_decode(object, v.header + 1000, &out),
                         0);
        assert_int_equal(out.tenant, tenant);
        v = zs_value_make_how(0, 3, 4096, 1000);
        zs_value_set_tenant(&v, tenant);
        assert_int_equal(v.header, 3);
        assert_int_equal(v.tenant, 0);
    }
}

static void
decode__refuses_a_tenant_beside_a_dictionary_and_another(void **unused)
{
    unsigned char with_dictionary[64] = { 0x31, 0xe0 | 187 >> 6, 9,
                                          (187 << 2) & 0xff, 50 };
    unsigned char twice[64] = { 0x31, 0x32, 0x41 };
    unsigned char mark[64] = { 0x31, ZS_MARK_BYTE, 0x41 };
    struct zs_value v;

    (void)unused;
    assert_int_equal(zs_value_header_decode(with_dictionary + 1, 63, &v), 0);
    assert_int_equal(zs_value_header_decode(with_dictionary, 64, &v), -EBADMSG);
    assert_int_equal(zs_value_header_decode(twice, 64, &v), -EBADMSG);
    assert_int_equal(zs_value_header_decode(mark, 64, &v), -EBADMSG);
}

static void decode__refuses_a_longer_form_than_need_be(void **unused)
{
    /* 187 bytes, 50 of payload: a line with a how byte */
    unsigned char object[64] = { 0xe0 | 187 >> 6, 9, (187 << 2) & 0xff, 50 };
    struct zs_value v;

    (void)unused;
    assert_int_equal(zs_value_header_decode(object, 64, &v), 0);
    assert_int_equal(v.dictionary, 9);
    object[1] = 8; /* this one has a form of 3 bytes */
    assert_int_equal(zs_value_header_decode(object, 64, &v), -EBADMSG);
}

static void header__of_any_value_fits_the_maximum(void **unused)
{
    struct zs_value v;

    (void)unused;
    v = zs_value_make_how(1, 0, ZS_PART_BYTES, ZS_PART_BYTES - 1);
    zs_value_set_tenant(&v, 15);
    assert_int_equal(v.header, ZS_VALUE_HEADER_MAX_BYTES);
    v = zs_value_make(ZS_VALUE_RAW, ZS_PART_BYTES, ZS_PART_BYTES);
    assert_true(ZS_MARK_BYTES + v.header + v.payload + 8 <= 256 * 1024);
}

static void decode__gives_back_what_was_encoded(void **unused)
{
    struct zs_value v;

    (void)unused;
    for_each_boundary(check_round_trip);
    for (size_t length = 0; length < 9000; length++) {
        v = zs_value_make(ZS_VALUE_RAW, length, length);
        check_round_trip(&v);
        v = zs_value_make(ZS_VALUE_PATTERN, length + 16, ZS_PATTERN_BYTES);
        check_round_trip(&v);
    }
    for (size_t payload = 1; payload < 4096; payload++) {
        v = zs_value_make(ZS_VALUE_COMPRESSED, 4096, payload);
        check_round_trip(&v);
        v = zs_value_make_how((unsigned)payload % 8, 1 + (unsigned)payload % 31,
                              4096, payload);
        check_round_trip(&v);
    }
    for (size_t length = 2; length < 1100; length++) {
        for (size_t payload = 1; payload < length; payload += 7) {
            v = zs_value_make(ZS_VALUE_COMPRESSED, length, payload);
            check_round_trip(&v);
        }
    }
}

static void decode__refuses_every_truncation(void **unused)
{
    (void)unused;
    for_each_boundary(check_truncation);
}

static void decode__refuses_zeroed_memory(void **unused)
{
    static const unsigned char zeroes[64];
    struct zs_value out;

    (void)unused;
    assert_int_equal(zs_value_header_decode(zeroes, sizeof(zeroes), &out),
                     -EBADMSG);
}

static void check_refused(const unsigned char (*objects)[10], size_t n)
{
    struct zs_value out;

    for (size_t i = 0; i < n; i++) {
        assert_int_equal(zs_value_header_decode(objects[i], SIZE_MAX, &out),
                         -EBADMSG);
    }
}

static void decode__refuses_lengths_above_the_maximum(void **unused)
{
    /* raw and compressed: more than a part; in parts, pattern: above 1 GiB */
    static const unsigned char objects[][10] = {
        { 0x73, 0, 0, 0, 0x10 },
        { 0x72, 0xff, 0xff, 0xff },
        { 0x73, 0xff, 0xff, 0xff, 0xff },
        { 0xbf, 0, 0, 0, 0x10, 1, 0, 0, 0 },
        { 0xb8, 0xff, 0xff, 0xff, 1 },
        { 0xff, 1, 0, 0, 0, 0x10, 1, 0, 0, 0 },
        { 0x13, 1, 0, 0, 0x40 },
        { 0x13, 0xff, 0xff, 0xff, 0xff },
        { 0x23, 1, 0, 0, 0x40 },
        { 0x23, 0xff, 0xff, 0xff, 0xff },
    };

    (void)unused;
    check_refused(objects, sizeof(objects) / sizeof(objects[0]));
}

static void decode__refuses_what_no_value_has(void **unused)
{
    static const unsigned char objects[][10] = {
        { 0x80, 0 },             /* a page made of nothing */
        { 0x90, 0 },             /* a page made of 4096 bytes */
        { 0x9f, 0xff },          /* a page made of 8191 */
        { 0xa0, 0, 0 },          /* an empty line */
        { 0xa0, 4 << 2, 4 },     /* a line of 4 made of 4 */
        { 0xb0, 9, 9 },          /* long form: 9 made of 9 */
        { 0xb1, 9, 0, 1 },       /* long form: 9 made of 256 */
        { 0x10, 15 },            /* a pattern in too short a value */
        { 0x21, 0, 1 },          /* 256 bytes in parts */
        { 0x30, 1, 0, 0, 0, 0 }, /* a part is no value */
    };

    (void)unused;
    check_refused(objects, sizeof(objects) / sizeof(objects[0]));
}

static void decode__refuses_what_could_be_shorter(void **unused)
{
    static const unsigned char objects[][10] = {
        { 0x70, 31 },                  /* raw, fits the first byte */
        { 0x71, 0, 16 },               /* raw, 4096 */
        { 0x72, 0x20, 0x20, 0 },       /* raw, a byte too many */
        { 0xb4, 0, 16, 9 },            /* compressed page */
        { 0xb0, 200, 9 },              /* compressed line */
        { 0xb5, 0, 32, 9, 0 },         /* a byte too many */
        { 0xc0, 0, 9 },                /* how that says nothing */
        { 0x11, 16, 0 },               /* pattern, a byte too many */
        { 0x23, 0, 0, 8, 0, 0, 0, 0 }, /* in parts, a byte too many */
    };

    (void)unused;
    check_refused(objects, sizeof(objects) / sizeof(objects[0]));
}

static void mark__is_read_as_it_was_written(void **unused)
{
    struct zs_mark in = { .value = 0xfedcba98, .index = 0xabcd }, out;
    unsigned char *bytes = malloc(ZS_MARK_BYTES);

    (void)unused;
    assert_non_null(bytes);
    zs_mark_encode(&in, bytes);
    assert_int_equal(zs_mark_decode(bytes, ZS_MARK_BYTES, &out), 0);
    assert_int_equal(out.value, in.value);
    assert_int_equal(out.index, in.index);
    assert_int_equal(zs_mark_decode(bytes, ZS_MARK_BYTES - 1, &out), -EBADMSG);
    bytes[0] ^= 1;
    assert_int_equal(zs_mark_decode(bytes, ZS_MARK_BYTES, &out), -EBADMSG);
    free(bytes);
}

/* V1 to V6 of value_header.h, written down a second time. */
static void check_lawful(const struct zs_value *v, size_t room)
{
    assert_true(v->length <= ZS_MAX_VALUE_BYTES);
    assert_true(v->header + v->payload <= room);
    assert_true(v->codec < 8 && v->dictionary < 32);
    switch (v->kind) {
    case ZS_VALUE_RAW:
        assert_int_equal(v->payload, v->length);
        break;
    case ZS_VALUE_PATTERN:
        assert_int_equal(v->payload, 8);
        assert_true(v->length >= 16);
        break;
    case ZS_VALUE_IN_PARTS:
        assert_true(v->length > ZS_PART_BYTES);
        break;
    case ZS_VALUE_COMPRESSED:
        assert_true(v->payload > 0 && v->payload < v->length);
        return;
    }
    assert_int_equal(v->codec | v->dictionary, 0);
}

static void decode__accepts_only_lawful_values_from_garbage(void **unused)
{
    (void)unused;
    for (size_t room = 1; room <= 12; room++) {
        unsigned char *object = malloc(room);

        assert_non_null(object);
        for (unsigned bits = 0; bits <= 0xffff; bits++) {
            struct zs_value out = { .length = SIZE_MAX };
            int err;

            memset(object, (int)(bits * 31 >> 3 & 0xff), room);
            object[0] = (unsigned char)(bits >> 8);
            object[room - 1] = (unsigned char)bits;
            err = zs_value_header_decode(object, room, &out);
            if (err == 0) {
                check_lawful(&out, room);
            } else {
                assert_int_equal(err, -EBADMSG);
                assert_true(out.length == SIZE_MAX); /* not written */
            }
        }
        free(object);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(header__is_two_bytes_for_a_compressed_page),
        cmocka_unit_test(header__is_three_bytes_for_a_compressed_line),
        cmocka_unit_test(header__is_at_most_two_bytes_up_to_a_raw_page),
        cmocka_unit_test(header__takes_at_most_one_byte_more_with_a_dictionary),
        cmocka_unit_test(
            header__takes_one_byte_more_for_a_tenant_unless_a_dictionary),
        cmocka_unit_test(
            decode__refuses_a_tenant_beside_a_dictionary_and_another),
        cmocka_unit_test(decode__refuses_a_longer_form_than_need_be),
        cmocka_unit_test(header__of_any_value_fits_the_maximum),
        cmocka_unit_test(decode__gives_back_what_was_encoded),
        cmocka_unit_test(decode__refuses_every_truncation),
        cmocka_unit_test(decode__refuses_zeroed_memory),
        cmocka_unit_test(decode__refuses_lengths_above_the_maximum),
        cmocka_unit_test(decode__refuses_what_no_value_has),
        cmocka_unit_test(decode__refuses_what_could_be_shorter),
        cmocka_unit_test(mark__is_read_as_it_was_written),
        cmocka_unit_test(decode__accepts_only_lawful_values_from_garbage),
    };
    return cmocka_run_group_tests_name("value_header", tests, NULL, NULL);
}
