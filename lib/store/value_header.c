/* SPDX-License-Identifier: MIT */
/*
 * value_header.c - encode and decode the header of a stored value.
 *
 * The forms and their bits are drawn in value_header.h. Each form has one
 * encoder and one decoder here. Decoding trusts nothing: every decoder first
 * asks whether the bytes it wants are there, and what comes out must keep V1
 * to V4 and fit the object.
 */
#include "value_header.h"

#include <errno.h>
#include <stdbool.h>

#include "check.h"
#include "zspool/store.h"

#define PAGE_LENGTH 4096u  /* the length with a form of its own */
#define LINE_LIMIT 1024u   /* both lengths of a line are below it */
#define SHORT_LIMIT 32u    /* a raw length in the first byte alone */
#define MIDDLE_LIMIT 4128u /* SHORT_LIMIT + what 12 bits can hold */

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
        return false; /* V4 */
    }
    switch (v->kind) {
    case ZS_VALUE_RAW:
        return v->payload == v->length; /* V1 */
    case ZS_VALUE_COMPRESSED:
        return v->payload >= 1 && v->payload < v->length; /* V2 */
    case ZS_VALUE_SAME_FILLED:
        return v->payload == 1 && v->length >= 1; /* V3 */
    }
    return false;
}

static size_t header_bytes(const struct zs_value *v)
{
    if (v->kind == ZS_VALUE_COMPRESSED) {
        if (v->length == PAGE_LENGTH) {
            return 2;
        }
        if (v->length < LINE_LIMIT) {
            return 3;
        }
        return 1 + bytes_for(v->length) + bytes_for(v->payload);
    }
    if (v->length < SHORT_LIMIT) {
        return 1;
    }
    return v->length < MIDDLE_LIMIT ? 2 : 1 + bytes_for(v->length);
}

struct zs_value zs_value_make(enum zs_value_kind kind, size_t length,
                              size_t payload)
{
    struct zs_value v = { .kind = kind, .length = length, .payload = payload };

    ZS_ASSERT(keeps_equations(&v));
    v.header = header_bytes(&v);
    return v;
}

static void encode_compressed(const struct zs_value *v, unsigned char *out)
{
    unsigned kind = (unsigned)v->kind << 6;

    if (v->length == PAGE_LENGTH) {
        out[0] = (unsigned char)(kind | v->payload >> 8);
        out[1] = (unsigned char)v->payload;
    } else if (v->length < LINE_LIMIT) {
        out[0] = (unsigned char)(kind | FORM_LINE | v->length >> 6);
        out[1] = (unsigned char)(v->length << 2 | v->payload >> 8);
        out[2] = (unsigned char)v->payload;
    } else {
        size_t n = bytes_for(v->length);
        size_t m = bytes_for(v->payload);

        out[0] = (unsigned char)(kind | FORM_LONG | (n - 1) << 2 | (m - 1));
        put_le(out + 1, v->length, n);
        put_le(out + 1 + n, v->payload, m);
    }
}

/* Raw and same-filled: one length. */
static void encode_plain(const struct zs_value *v, unsigned char *out)
{
    unsigned kind = (unsigned)v->kind << 6;

    if (v->length < SHORT_LIMIT) {
        out[0] = (unsigned char)(kind | v->length);
    } else if (v->length < MIDDLE_LIMIT) {
        size_t rest = v->length - SHORT_LIMIT;

        out[0] = (unsigned char)(kind | FORM_MIDDLE | rest >> 8);
        out[1] = (unsigned char)rest;
    } else {
        size_t n = bytes_for(v->length);

        out[0] = (unsigned char)(kind | FORM_LONG | (n - 1));
        put_le(out + 1, v->length, n);
    }
}

void zs_value_header_encode(const struct zs_value *v, unsigned char *out)
{
    if (v->kind == ZS_VALUE_COMPRESSED) {
        encode_compressed(v, out);
    } else {
        encode_plain(v, out);
    }
}

static bool decode_compressed(const unsigned char *object, size_t room,
                              struct zs_value *v)
{
    unsigned first = object[0];

    if ((first & 0x20u) == 0) {
        v->header = 2;
        if (room >= 2) {
            v->length = PAGE_LENGTH;
            v->payload = (size_t)(first & 0x1fu) << 8 | object[1];
        }
    } else if ((first & 0x30u) == FORM_LINE) {
        v->header = 3;
        if (room >= 3) {
            v->length = (size_t)(first & 0xfu) << 6 | object[1] >> 2;
            v->payload = (size_t)(object[1] & 3u) << 8 | object[2];
        }
    } else {
        size_t n = (first >> 2 & 3u) + 1;
        size_t m = (first & 3u) + 1;

        v->header = 1 + n + m;
        if (room >= v->header) {
            v->length = get_le(object + 1, n);
            v->payload = get_le(object + 1 + n, m);
        }
    }
    return room >= v->header;
}

static bool decode_plain(const unsigned char *object, size_t room,
                         struct zs_value *v)
{
    unsigned first = object[0];

    if ((first & 0x20u) == 0) {
        v->header = 1;
        v->length = first & 0x1fu;
    } else if ((first & 0x30u) == FORM_MIDDLE) {
        v->header = 2;
        if (room >= 2) {
            v->length = SHORT_LIMIT + ((size_t)(first & 0xfu) << 8 | object[1]);
        }
    } else {
        size_t n = (first & 3u) + 1;

        v->header = 1 + n;
        if ((first & 0xcu) != 0) {
            return false; /* no form has these bits */
        }
        if (room >= v->header) {
            v->length = get_le(object + 1, n);
        }
    }
    v->payload = v->kind == ZS_VALUE_RAW ? v->length : 1;
    return room >= v->header;
}

int zs_value_header_decode(const unsigned char *object, size_t room,
                           struct zs_value *out)
{
    struct zs_value v = { 0 };
    bool is_whole;

    if (room == 0) {
        return -EBADMSG;
    }
    v.kind = (enum zs_value_kind)(object[0] >> 6);
    is_whole = v.kind == ZS_VALUE_COMPRESSED
                   ? decode_compressed(object, room, &v)
                   : decode_plain(object, room, &v);
    if (!is_whole || !keeps_equations(&v) || v.payload > room - v.header) {
        return -EBADMSG;
    }
    *out = v;
    return 0;
}
