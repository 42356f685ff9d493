/* SPDX-License-Identifier: MIT */
/*
 * rdb_string.c - lengths and strings of an RDB file.
 *
 *   00llllll                 length below 64
 *   01llllll l8              below 16384, high bits first
 *   10000000 l32, 10000001 l64   likewise
 *   11eeeeee                 no length: a string in another encoding
 *       0, 1, 2              a number of 1, 2, 4 bytes, low byte first
 *       3                    LZF: packed length, length, packed bytes
 */
#include "rdb_string.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "lzf.h"

#define MAX_BYTES (UINT64_C(512) << 20) /* Redis' own limit */

enum encoding { ENC_INT8, ENC_INT16, ENC_INT32, ENC_LZF, ENC_NONE };

static bool big_endian(struct reader *r, size_t n, uint64_t *out)
{
    unsigned char bytes[8];

    if (!reader_bytes(r, bytes, n, "a length")) {
        return false;
    }
    *out = 0;
    for (size_t i = 0; i < n; i++) {
        *out = *out << 8 | bytes[i];
    }
    return true;
}

/* A length, or with *encoding other than ENC_NONE the way a string is kept. */
static bool length_or_encoding(struct reader *r, uint64_t *out,
                               enum encoding *encoding)
{
    uint64_t start = reader_offset(r);
    unsigned char first;

    if (!reader_bytes(r, &first, 1, "a length")) {
        return false;
    }
    *encoding = ENC_NONE;
    *out = first & 0x3fu;
    if (first < 0x40) {
        return true;
    }
    if (first < 0x80) {
        unsigned char low;
        bool ok = reader_bytes(r, &low, 1, "a length");

        *out = ok ? *out << 8 | low : 0;
        return ok;
    }
    if (first == 0x80 || first == 0x81) {
        return big_endian(r, first == 0x80 ? 4 : 8, out);
    }
    if (first >= 0xc0 && first <= 0xc3) {
        *encoding = (enum encoding)(first & 3u);
        return true;
    }
    return reader_fail_at(r, start, "unknown encoding of a length (0x%02x)",
                          first);
}

bool rdb_length(struct reader *r, uint64_t *out)
{
    uint64_t start = reader_offset(r);
    enum encoding encoding;

    if (!length_or_encoding(r, out, &encoding)) {
        return false;
    }
    return encoding == ENC_NONE ||
           reader_fail_at(r, start, "a string where a length should be");
}

static bool check_length(struct reader *r, uint64_t start, uint64_t len)
{
    return len <= MAX_BYTES ||
           reader_fail_at(r, start,
                          "a string of %" PRIu64
                          " bytes; Redis has none above 512 MiB",
                          len);
}

static bool number_as_text(struct reader *r, enum encoding encoding,
                           struct blob *out)
{
    unsigned char b[4] = { 0 };
    size_t n = (size_t)1 << encoding;
    int32_t number;

    if (!reader_bytes(r, b, n, "a number")) {
        return false;
    }
    number = encoding == ENC_INT8 ? (int8_t)b[0]
             : encoding == ENC_INT16
                 ? (int16_t)((unsigned)b[0] | (unsigned)b[1] << 8)
                 : (int32_t)((uint32_t)b[0] | (uint32_t)b[1] << 8 |
                             (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24);
    if (!blob_reserve(out, 16)) {
        return reader_fail_at(r, reader_offset(r), "not enough memory");
    }
    out->len = (size_t)snprintf((char *)out->data, 16, "%" PRId32, number);
    return true;
}

/* Both lengths; what they say of each other bounds the memory. */
static bool lzf_lengths(struct reader *r, uint64_t *packed, uint64_t *len)
{
    uint64_t start = reader_offset(r);

    if (!rdb_length(r, packed) || !rdb_length(r, len) ||
        !check_length(r, start, *packed) || !check_length(r, start, *len)) {
        return false;
    }
    return *len <= *packed * LZF_MAX_GAIN ||
           reader_fail_at(r, start,
                          "%" PRIu64 " packed bytes cannot make %" PRIu64,
                          *packed, *len);
}

static bool lzf_string(struct reader *r, struct blob *out, struct blob *scratch)
{
    uint64_t start = reader_offset(r), packed, len;

    if (!lzf_lengths(r, &packed, &len) ||
        !reader_blob(r, (size_t)packed, scratch, "a packed string")) {
        return false;
    }
    if (!blob_reserve(out, (size_t)len + 1)) {
        return reader_fail_at(r, start, "not enough memory");
    }
    out->len = (size_t)len;
    return lzf_decompress(scratch->data, scratch->len, out->data, out->len) ||
           reader_fail_at(r, start, "a packed string does not unpack");
}

bool rdb_string(struct reader *r, struct blob *out, struct blob *scratch)
{
    uint64_t start = reader_offset(r), len;
    enum encoding encoding;

    if (!length_or_encoding(r, &len, &encoding)) {
        return false;
    }
    if (encoding == ENC_LZF) {
        return lzf_string(r, out, scratch);
    }
    if (encoding != ENC_NONE) {
        return number_as_text(r, encoding, out);
    }
    return check_length(r, start, len) &&
           reader_blob(r, (size_t)len, out, "a string");
}

bool rdb_skip_string(struct reader *r)
{
    uint64_t len, packed;
    enum encoding encoding;

    if (!length_or_encoding(r, &len, &encoding)) {
        return false;
    }
    if (encoding == ENC_LZF) {
        return lzf_lengths(r, &packed, &len) &&
               reader_skip(r, packed, "a packed string");
    }
    return reader_skip(r, encoding == ENC_NONE ? len : UINT64_C(1) << encoding,
                       "a string");
}
