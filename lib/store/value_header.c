/* SPDX-License-Identifier: MIT */
/*
 * value_header.c - encode and decode the header of a stored value.
 *
 * The forms and their bits are drawn in value_header.h. Each form has one
 * encoder and one decoder here. Decoding trusts nothing: every decoder first
 * asks whether the bytes it wants are there, and what comes out must keep V1
 * to V7 (which is for decode_of_tenant()) and fit the object.
 */
#include "value_header.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "check.h"
#include "zspool/store.h"

#define PAGE_LENGTH 4096u  /* the length with a form of its own */
#define LINE_LIMIT 1024u   /* both lengths of a line are below it */
#define SHORT_LIMIT 32u    /* a raw length in the first byte alone */
#define MIDDLE_LIMIT 4128u /* SHORT_LIMIT + what 12 bits can hold */

#define BITS_SHORT 0x08u /* and three of a dictionary's number, minus 1 */
#define BITS_PATTERN 0x10u
#define BITS_IN_PARTS 0x20u
#define BITS_TENANT 0x30u /* and its number: above ZS_MARK_BYTE */
#define BITS_RAW 0x40u
#define BITS_COMPRESSED 0x80u
#define BITS_HOW 0xc0u

#define FORM_MIDDLE 0x20u /* beside the kind: 12 bits of length */
#define FORM_LONG 0x30u   /* beside the kind: lengths in whole bytes */
#define FORM_LINE 0x20u   /* compressed: 10 + 10 bits */

static size_t bytes_for(size_t value)
{
    size_t n = 1;

    while (value >> (8 * n) != 0) {
        n++;
    }
    return n;
}

static void put_le(unsigned char *out, size_t value, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        out[i] = (unsigned char)(value >> (8 * i));
    }
}

static size_t get_le(const unsigned char *in, size_t n)
{
    size_t value = 0;

    for (size_t i = 0; i < n; i++) {
        value |= (size_t)in[i] << (8 * i);
    }
    return value;
}

static bool keeps_equations(const struct zs_value *v)
{
    if (v->length > ZS_MAX_VALUE_BYTES) {
        return false; /* V5 */
    }
    if ((v->codec | v->dictionary) != 0 && v->kind != ZS_VALUE_COMPRESSED) {
        return false; /* V6 */
    }
    switch (v->kind) {
    case ZS_VALUE_RAW:
        return v->payload == v->length && v->length <= ZS_PART_BYTES; /* V1 */
    case ZS_VALUE_COMPRESSED:
        return v->payload >= 1 && v->payload < v->length &&
               v->length <= ZS_PART_BYTES; /* V2 */
    case ZS_VALUE_PATTERN:
        return v->payload == ZS_PATTERN_BYTES &&
               v->length >= ZS_PATTERN_MIN_BYTES; /* V3 */
    case ZS_VALUE_IN_PARTS:
        return v->payload == zs_list_bytes(v->length) &&
               v->length > ZS_PART_BYTES; /* V4 */
    }
    return false;
}

static bool has_how(const struct zs_value *v)
{
    return (v->codec | v->dictionary) != 0;
}

/* A short line, with one of the first dictionaries. */
static bool is_short(const struct zs_value *v)
{
    return v->codec == 0 && v->dictionary >= 1 && v->dictionary <= 8 &&
           v->length <= UINT8_MAX;
}

static size_t compressed_header_bytes(const struct zs_value *v)
{
    if (v->length == PAGE_LENGTH) {
        return 2;
    }
    if (v->length < LINE_LIMIT) {
        return 3;
    }
    return 1 + bytes_for(v->length) + bytes_for(v->payload);
}

static size_t plain_header_bytes(const struct zs_value *v)
{
    switch (v->kind) {
    case ZS_VALUE_COMPRESSED:
        return is_short(v) ? 3 : has_how(v) + compressed_header_bytes(v);
    case ZS_VALUE_RAW:
        if (v->length < MIDDLE_LIMIT) {
            return v->length < SHORT_LIMIT ? 1 : 2;
        }
        break;
    case ZS_VALUE_PATTERN:
    case ZS_VALUE_IN_PARTS:
        break;
    }
    return 1 + bytes_for(v->length);
}

static size_t header_bytes(const struct zs_value *v)
{
    return (v->tenant != 0) + plain_header_bytes(v);
}

struct zs_value zs_value_make(enum zs_value_kind kind, size_t length,
                              size_t payload)
{
    struct zs_value v = { .kind = kind, .length = length, .payload = payload };

    ZS_ASSERT(keeps_equations(&v));
    v.header = header_bytes(&v);
    return v;
}

struct zs_value zs_value_make_how(unsigned codec, unsigned dictionary,
                                  size_t length, size_t payload)
{
    struct zs_value v = {
        .kind = ZS_VALUE_COMPRESSED,
        .codec = (uint8_t)codec,
        .dictionary = (uint8_t)dictionary,
        .length = length,
        .payload = payload,
    };

    ZS_ASSERT(codec < ZS_HOW_CODECS && dictionary < ZS_HOW_DICTIONARIES);
    ZS_ASSERT(keeps_equations(&v));
    v.header = header_bytes(&v);
    return v;
}

void zs_value_set_other_tenant_(struct zs_value *v, unsigned tenant)
{
    ZS_ASSERT(tenant < ZS_TENANTS);
    if (v->dictionary == 0) {
        v->tenant = (uint8_t)tenant;
        v->header = header_bytes(v);
    }
}

/* --- encoding --- */

/* The how byte, if there is one, and what follows it. */
static unsigned char *encode_how(const struct zs_value *v, unsigned char *out)
{
    if (has_how(v)) {
        *out++ = (unsigned char)(v->codec << 5 | v->dictionary);
    }
    return out;
}

static void encode_compressed(const struct zs_value *v, unsigned char *out)
{
    unsigned bits = has_how(v) ? BITS_HOW : BITS_COMPRESSED;
    unsigned char *rest;

    if (is_short(v)) {
        out[0] = (unsigned char)(BITS_SHORT | (v->dictionary - 1u));
        out[1] = (unsigned char)v->length;
        out[2] = (unsigned char)v->payload;
        return;
    }
    rest = encode_how(v, out + 1);
    if (v->length == PAGE_LENGTH) {
        out[0] = (unsigned char)(bits | v->payload >> 8);
        rest[0] = (unsigned char)v->payload;
    } else if (v->length < LINE_LIMIT) {
        out[0] = (unsigned char)(bits | FORM_LINE | v->length >> 6);
        rest[0] = (unsigned char)(v->length << 2 | v->payload >> 8);
        rest[1] = (unsigned char)v->payload;
    } else {
        size_t n = bytes_for(v->length);
        size_t m = bytes_for(v->payload);

        out[0] = (unsigned char)(bits | FORM_LONG | (n - 1) << 2 | (m - 1));
        put_le(rest, v->length, n);
        put_le(rest + n, v->payload, m);
    }
}

/* `bits`, with the bytes of the length in the last two, and the length. */
static void encode_long(size_t length, unsigned bits, unsigned char *out)
{
    size_t n = bytes_for(length);

    out[0] = (unsigned char)(bits | (n - 1));
    put_le(out + 1, length, n);
}

static void encode_raw(const struct zs_value *v, unsigned char *out)
{
    if (v->length < SHORT_LIMIT) {
        out[0] = (unsigned char)(BITS_RAW | v->length);
    } else if (v->length < MIDDLE_LIMIT) {
        size_t rest = v->length - SHORT_LIMIT;

        out[0] = (unsigned char)(BITS_RAW | FORM_MIDDLE | rest >> 8);
        out[1] = (unsigned char)rest;
    } else {
        encode_long(v->length, BITS_RAW | FORM_LONG, out);
    }
}

void zs_value_header_encode(const struct zs_value *v, unsigned char *out)
{
    if (v->tenant != 0) {
        *out++ = (unsigned char)(BITS_TENANT | v->tenant);
    }
    switch (v->kind) {
    case ZS_VALUE_COMPRESSED:
        encode_compressed(v, out);
        break;
    case ZS_VALUE_RAW:
        encode_raw(v, out);
        break;
    case ZS_VALUE_PATTERN:
        encode_long(v->length, BITS_PATTERN, out);
        break;
    case ZS_VALUE_IN_PARTS:
        encode_long(v->length, BITS_IN_PARTS, out);
        break;
    }
}

/* --- decoding --- */

/* Forms 10; with a how byte, `rest` lies behind it. `left`: bytes from `rest`
 * on. */
static bool decode_lengths(unsigned first, const unsigned char *rest,
                           size_t left, struct zs_value *v)
{
    if ((first & 0x20u) == 0) {
        if (left >= 1) {
            v->length = PAGE_LENGTH;
            v->payload = (size_t)(first & 0x1fu) << 8 | rest[0];
        }
        return left >= 1;
    }
    if ((first & 0x30u) == FORM_LINE) {
        if (left >= 2) {
            v->length = (size_t)(first & 0xfu) << 6 | rest[0] >> 2;
            v->payload = (size_t)(rest[0] & 3u) << 8 | rest[1];
        }
        return left >= 2;
    }
    size_t n = (first >> 2 & 3u) + 1;
    size_t m = (first & 3u) + 1;

    if (left >= n + m) {
        v->length = get_le(rest, n);
        v->payload = get_le(rest + n, m);
    }
    return left >= n + m;
}

static inline __attribute__((always_inline)) bool
decode_compressed(const unsigned char *object, size_t room, struct zs_value *v)
{
    unsigned first = object[0];
    size_t at = 1;

    v->kind = ZS_VALUE_COMPRESSED;
    if (first >= BITS_HOW) {
        if (room < 2) {
            return false;
        }
        v->codec = object[1] >> 5;
        v->dictionary = object[1] & 0x1fu;
        at = 2;
        if (!has_how(v)) {
            return false; /* there is a shorter form */
        }
    }
    return decode_lengths(first, object + at, room - at, v);
}

static bool decode_long(const unsigned char *object, size_t room,
                        struct zs_value *v)
{
    size_t n = (object[0] & 3u) + 1;

    if (room < 1 + n) {
        return false;
    }
    v->length = get_le(object + 1, n);
    return true;
}

static inline __attribute__((always_inline)) bool
decode_raw(const unsigned char *object, size_t room, struct zs_value *v)
{
    unsigned first = object[0];
    bool is_whole = true;

    v->kind = ZS_VALUE_RAW;
    if ((first & 0x20u) == 0) {
        v->length = first & 0x1fu;
    } else if ((first & 0x30u) == FORM_MIDDLE) {
        is_whole = room >= 2;
        if (is_whole) {
            v->length = SHORT_LIMIT + ((size_t)(first & 0xfu) << 8 | object[1]);
        }
    } else {
        is_whole = (first & 0xcu) == 0 && decode_long(object, room, v);
    }
    v->payload = v->length;
    return is_whole;
}

static bool decode_short(const unsigned char *object, size_t room,
                         struct zs_value *v)
{
    v->kind = ZS_VALUE_COMPRESSED;
    v->dictionary = (uint8_t)((object[0] & 7u) + 1);
    if (room < 3) {
        return false;
    }
    v->length = object[1];
    v->payload = object[2];
    return true;
}

static inline __attribute__((always_inline)) bool
decode_without_codec(const unsigned char *object, size_t room,
                     struct zs_value *v)
{
    switch (object[0] & ~3u) {
    case BITS_PATTERN:
        v->kind = ZS_VALUE_PATTERN;
        v->payload = ZS_PATTERN_BYTES;
        return decode_long(object, room, v);
    case BITS_IN_PARTS:
        v->kind = ZS_VALUE_IN_PARTS;
        if (!decode_long(object, room, v)) {
            return false;
        }
        v->payload = zs_list_bytes(v->length);
        return true;
    default:
        return false;
    }
}

/* Apart: the others are compiled in where they are for all values. */
static __attribute__((noinline)) bool
decode_of_tenant(const unsigned char *object, size_t room, struct zs_value *v)
{
    const unsigned char *rest = object + 1;

    v->tenant = object[0] & 0xfu;
    v->header = 1;
    if (room < 2) {
        return false;
    }
    if (rest[0] >= BITS_COMPRESSED) {
        return decode_compressed(rest, room - 1, v) &&
               v->dictionary == 0; /* V7 */
    }
    return rest[0] >= BITS_RAW ? decode_raw(rest, room - 1, v)
                               : decode_without_codec(rest, room - 1, v);
}

static bool decode_seldom(const unsigned char *object, size_t room,
                          struct zs_value *v)
{
    if ((object[0] & ~7u) == BITS_SHORT) {
        return decode_short(object, room, v);
    }
    return object[0] > ZS_MARK_BYTE ? decode_of_tenant(object, room, v)
                                    : decode_without_codec(object, room, v);
}

/* Were lengths in whole bytes written with as few as can be? */
static bool is_shortest(const struct zs_value *v, const unsigned char *object)
{
    unsigned char again[ZS_VALUE_HEADER_MAX_BYTES];

    if ((object[0] & ~7u) == BITS_SHORT) {
        return true;
    }
    if (object[0] >= BITS_HOW && is_short(v)) {
        return false;
    }
    if (object[0] >= BITS_RAW && (object[0] & 0x30u) != FORM_LONG) {
        return true; /* the other forms can be written in one way only */
    }
    zs_value_header_encode(v, again);
    return memcmp(again, object, v->header) == 0;
}

int zs_value_header_decode(const unsigned char *object, size_t room,
                           struct zs_value *out)
{
    struct zs_value v = { 0 };
    bool is_whole;

    if (room == 0) {
        return -EBADMSG;
    }
    if (object[0] >= BITS_COMPRESSED) {
        is_whole = decode_compressed(object, room, &v);
    } else if (object[0] >= BITS_RAW) {
        is_whole = decode_raw(object, room, &v);
    } else {
        is_whole = decode_seldom(object, room, &v);
    }
    if (!is_whole || !keeps_equations(&v)) {
        return -EBADMSG;
    }
    v.header += plain_header_bytes(&v); /* to what a tenant takes */
    /* What is not as it would have been encoded was not. */
    if (v.header > room || v.payload > room - v.header ||
        !is_shortest(&v, object)) {
        return -EBADMSG;
    }
    *out = v;
    return 0;
}

/* --- marks --- */

void zs_mark_encode(const struct zs_mark *mark, unsigned char *out)
{
    out[0] = ZS_MARK_BYTE;
    zs_put_le32(out + 1, mark->value);
    out[5] = (unsigned char)mark->index;
    out[6] = (unsigned char)(mark->index >> 8);
}

int zs_mark_decode(const unsigned char *object, size_t room,
                   struct zs_mark *out)
{
    if (room < ZS_MARK_BYTES || object[0] != ZS_MARK_BYTE) {
        return -EBADMSG;
    }
    out->value = zs_get_le32(object + 1);
    out->index = (uint16_t)(object[5] | object[6] << 8);
    return 0;
}
