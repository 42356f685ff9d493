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
    0xffffff,
    0x1000000,
    0x1000001,
    ZS_MAX_VALUE_BYTES - 1,
    ZS_MAX_VALUE_BYTES,
};
#define N_BOUNDARIES (sizeof(boundaries) / sizeof(boundaries[0]))

static bool same_value(const struct zs_value *a, const struct zs_value *b)
{
    return a->kind == b->kind && a->length == b->length &&
           a->payload == b->payload && a->header == b->header;
}

/* The header alone, in memory of exactly its size. */
static unsigned char *encoded(const struct zs_value *v)
{
    unsigned char *header = malloc(v->header);

    assert_non_null(header);
    zs_value_header_encode(v, header);
    return header;
}

static void check_round_trip(enum zs_value_kind kind, size_t length,
                             size_t payload)
{
    struct zs_value in = zs_value_make(kind, length, payload);
    unsigned char *header = encoded(&in);
    struct zs_value out;

    assert_in_range(in.header, 1, ZS_VALUE_HEADER_MAX_BYTES);
    assert_int_equal(zs_value_header_decode(header, in.header + payload, &out),
                     0);
    assert_true(same_value(&in, &out));
    free(header);
}

/* Every room that is too small for header and payload is refused. */
static void check_truncation(enum zs_value_kind kind, size_t length,
                             size_t payload)
{
    struct zs_value in = zs_value_make(kind, length, payload);
    unsigned char *header = encoded(&in);
    struct zs_value out;

    for (size_t room = 0; room < in.header; room++) {
        unsigned char *part = malloc(room + 1); /* malloc(0) may be NULL */

        assert_non_null(part);
        memcpy(part + 1, header, room);
        assert_int_equal(zs_value_header_decode(part + 1, room, &out),
                         -EBADMSG);
        free(part);
    }
    if (payload > 0) {
        assert_int_equal(
            zs_value_header_decode(header, in.header + payload - 1, &out),
            -EBADMSG);
    }
    free(header);
}

/* Call check() for every pair of boundaries that makes a lawful value. */
static void for_each_boundary(void (*check)(enum zs_value_kind kind,
                                            size_t length, size_t payload))
{
    for (size_t i = 0; i < N_BOUNDARIES; i++) {
        check(ZS_VALUE_RAW, boundaries[i], boundaries[i]);
        if (boundaries[i] > 0) {
            check(ZS_VALUE_SAME_FILLED, boundaries[i], 1);
        }
        for (size_t j = 1; j < i; j++) {
            check(ZS_VALUE_COMPRESSED, boundaries[i], boundaries[j]);
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

static void header__of_any_value_fits_the_maximum(void **unused)
{
    struct zs_value v;

    (void)unused;
    v = zs_value_make(ZS_VALUE_COMPRESSED, ZS_MAX_VALUE_BYTES,
                      ZS_MAX_VALUE_BYTES - 1);
    assert_int_equal(v.header, ZS_VALUE_HEADER_MAX_BYTES);
    v = zs_value_make(ZS_VALUE_RAW, ZS_MAX_VALUE_BYTES, ZS_MAX_VALUE_BYTES);
    assert_true(v.header + v.payload <= ZS_MAX_OBJ_BYTES);
}

static void decode__gives_back_what_was_encoded(void **unused)
{
    (void)unused;
    for_each_boundary(check_round_trip);
    for (size_t length = 0; length < 9000; length++) {
        check_round_trip(ZS_VALUE_RAW, length, length);
        check_round_trip(ZS_VALUE_SAME_FILLED, length + 1, 1);
    }
    for (size_t payload = 1; payload < 4096; payload++) {
        check_round_trip(ZS_VALUE_COMPRESSED, 4096, payload);
    }
    for (size_t length = 2; length < 1100; length++) {
        for (size_t payload = 1; payload < length; payload += 7) {
            check_round_trip(ZS_VALUE_COMPRESSED, length, payload);
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

static void decode__refuses_lengths_above_the_maximum(void **unused)
{
    /* raw, same-filled, compressed: four bytes of length, 2^28 and 2^32 - 1 */
    static const unsigned char objects[][9] = {
        { 0x73, 0, 0, 0, 0x10 },
        { 0x73, 0xff, 0xff, 0xff, 0xff },
        { 0xf3, 0, 0, 0, 0x10 },
        { 0xf3, 0xff, 0xff, 0xff, 0xff },
        { 0xbf, 0, 0, 0, 0x10, 1, 0, 0, 0 },
        { 0xbf, 0xff, 0xff, 0xff, 0xff, 1, 0, 0, 0 },
    };
    struct zs_value out;

    (void)unused;
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
        assert_int_equal(zs_value_header_decode(objects[i], SIZE_MAX, &out),
                         -EBADMSG);
    }
}

static void decode__refuses_payloads_that_did_not_shrink(void **unused)
{
    static const unsigned char objects[][9] = {
        { 0x80, 0 },         /* a page made of nothing */
        { 0x90, 0 },         /* a page made of 4096 bytes */
        { 0x9f, 0xff },      /* a page made of 8191 */
        { 0xa0, 0, 0 },      /* an empty line */
        { 0xa0, 4 << 2, 4 }, /* a line of 4 made of 4 */
        { 0xb0, 9, 9 },      /* long form: 9 made of 9 */
        { 0xb1, 9, 0, 1 },   /* long form: 9 made of 256 */
        { 0xc0 },            /* same-filled with no byte */
    };
    struct zs_value out;

    (void)unused;
    for (size_t i = 0; i < sizeof(objects) / sizeof(objects[0]); i++) {
        assert_int_equal(zs_value_header_decode(objects[i], SIZE_MAX, &out),
                         -EBADMSG);
    }
}

/* V1 to V4 of value_header.h, written down a second time. */
static void check_lawful(const struct zs_value *v, size_t room)
{
    assert_true(v->length <= ZS_MAX_VALUE_BYTES);
    assert_true(v->header + v->payload <= room);
    if (v->kind == ZS_VALUE_RAW) {
        assert_int_equal(v->payload, v->length);
    } else if (v->kind == ZS_VALUE_SAME_FILLED) {
        assert_int_equal(v->payload, 1);
        assert_true(v->length > 0);
    } else {
        assert_int_equal(v->kind, ZS_VALUE_COMPRESSED);
        assert_true(v->payload > 0 && v->payload < v->length);
    }
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
        cmocka_unit_test(header__of_any_value_fits_the_maximum),
        cmocka_unit_test(decode__gives_back_what_was_encoded),
        cmocka_unit_test(decode__refuses_every_truncation),
        cmocka_unit_test(decode__refuses_zeroed_memory),
        cmocka_unit_test(decode__refuses_lengths_above_the_maximum),
        cmocka_unit_test(decode__refuses_payloads_that_did_not_shrink),
        cmocka_unit_test(decode__accepts_only_lawful_values_from_garbage),
    };
    return cmocka_run_group_tests_name("value_header", tests, NULL, NULL);
}
