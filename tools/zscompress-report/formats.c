/* SPDX-License-Identifier: MIT */
/* formats.c - telling dumps apart, and what is no dump. */
#include "formats.h"

#include <ctype.h>
#include <string.h>

#define PAGE 4096u
#define HEAD_BYTES 400u /* enough for the first line of a memcached dump */

bool intake_value(struct intake *in, struct reader *r, const void *data,
                  size_t len)
{
    return values_add(in->values, data, len) ||
           reader_fail_at(r, reader_offset(r), "not enough memory");
}

static bool looks_like_rdb(const unsigned char *p, size_t n)
{
    return n >= 9 && memcmp(p, "REDIS", 5) == 0 && isdigit(p[5]) &&
           isdigit(p[6]) && isdigit(p[7]) && isdigit(p[8]);
}

/* "*3\r\n$" */
static bool looks_like_aof(const unsigned char *p, size_t n)
{
    size_t at = 1;

    if (n < 5 || p[0] != '*' || !isdigit(p[1])) {
        return false;
    }
    while (at < n && isdigit(p[at])) {
        at++;
    }
    return n - at >= 3 && memcmp(p + at, "\r\n$", 3) == 0;
}

static bool looks_like_memcached(const unsigned char *p, size_t n)
{
    const unsigned char *end = memchr(p, '\n', n);
    size_t len;

    return end != NULL &&
           memcached_is_value_head(p, (size_t)(end - p) + 1, &len);
}

enum format format_guess(struct reader *r)
{
    const unsigned char *p;
    size_t n = reader_peek(r, HEAD_BYTES, &p);

    if (looks_like_rdb(p, n)) {
        return FORMAT_RDB;
    }
    if (looks_like_aof(p, n)) {
        return FORMAT_AOF;
    }
    return n > 0 && looks_like_memcached(p, n) ? FORMAT_MEMCACHED
                                               : FORMAT_PLAIN;
}

static bool read_lines(struct intake *in, struct reader *r)
{
    while (reader_line(r, VALUE_MAX_BYTES, &in->blob)) {
        size_t len = in->blob.len;

        len -= in->blob.data[len - 1] == '\n';
        if (len > 0 && !intake_value(in, r, in->blob.data, len)) {
            return false;
        }
    }
    return !r->failed;
}

bool read_plain(struct intake *in, struct reader *r, enum unit unit)
{
    size_t most = unit == UNIT_PAGE ? PAGE : VALUE_MAX_BYTES;

    if (unit == UNIT_LINE) {
        return read_lines(in, r);
    }
    while (reader_piece(r, most, &in->blob)) {
        if (!intake_value(in, r, in->blob.data, in->blob.len)) {
            return false;
        }
        in->values->n_cut +=
            unit == UNIT_VALUE && in->blob.len == most && !reader_at_end(r);
    }
    return !r->failed;
}

bool read_stream(struct intake *in, struct reader *r, enum unit unit)
{
    switch (in->format != FORMAT_AUTO ? in->format : format_guess(r)) {
    case FORMAT_RDB:
        return read_rdb(in, r);
    case FORMAT_AOF:
        return read_aof(in, r);
    case FORMAT_MEMCACHED:
        return read_memcached(in, r);
    default:
        return read_plain(in, r, unit);
    }
}
