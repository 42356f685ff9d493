/* SPDX-License-Identifier: MIT */
/*
 * aof.c - values out of a Redis append-only file: commands in RESP.
 *
 *   *3\r\n $3\r\nSET\r\n $3\r\nkey\r\n $5\r\nvalue\r\n
 *
 * Which arguments are values is in a table. Each write counts, also one that a
 * later write replaces: keys are not kept. An RDB file in front (what Redis
 * calls the preamble) is read as such. Lines that begin with '#' are notes.
 */
#include "formats.h"

#include <ctype.h>
#include <inttypes.h>
#include <string.h>
#include <strings.h>

#define MAX_ARGS UINT64_C(1048576)      /* Redis' own limits */
#define MAX_BYTES (UINT64_C(512) << 20) /* of an argument */
#define MAX_LINE ((size_t)64)
#define NAME_BYTES 16

/* Values: argument `first`, and every step-th from there (0: only that). */
struct command {
    const char *name;
    unsigned first, step;
    bool is_element; /* of another type: taken with all_types */
};

static const struct command commands[] = {
    { "set", 2, 0, false },    { "setnx", 2, 0, false },
    { "setex", 3, 0, false },  { "psetex", 3, 0, false },
    { "getset", 2, 0, false }, { "mset", 2, 2, false },
    { "msetnx", 2, 2, false }, { "append", 2, 0, true },
    { "hset", 3, 2, true },    { "hsetnx", 3, 2, true },
    { "hmset", 3, 2, true },   { "lpush", 2, 1, true },
    { "rpush", 2, 1, true },   { "lpushx", 2, 1, true },
    { "rpushx", 2, 1, true },  { "sadd", 2, 1, true },
    { "zadd", 3, 2, true },    { "xadd", 4, 2, true },
};

static const struct command *find_command(const char *name)
{
    for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
        if (strcasecmp(name, commands[i].name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}

/* "*12\r\n" or "$12\r\n" */
static bool read_number(struct intake *in, struct reader *r, char mark,
                        uint64_t max, uint64_t *out)
{
    uint64_t start = reader_offset(r), n = 0;
    const unsigned char *p;
    size_t at = 1;

    if (!reader_line(r, MAX_LINE, &in->key)) {
        return reader_fail_at(r, start, "ends in the middle of a command");
    }
    p = in->key.data;
    while (at < in->key.len && isdigit(p[at]) && n <= max) {
        n = 10 * n + (uint64_t)(p[at++] - '0');
    }
    if (p[0] == (unsigned char)mark && at == in->key.len && p[at - 1] != '\n' &&
        in->key.len < MAX_LINE) {
        return reader_fail_at(r, start, "ends in the middle of a command");
    }
    if (p[0] != (unsigned char)mark || at == 1 || n > max ||
        in->key.len - at != 2 || p[at] != '\r' || p[at + 1] != '\n') {
        return reader_fail_at(
            r, start, "'%c' and a number up to %" PRIu64 " should be here",
            mark, max);
    }
    *out = n;
    return true;
}

static bool read_line_end(struct reader *r)
{
    uint64_t start = reader_offset(r);
    char end[2];

    if (!reader_bytes(r, end, 2, "a command")) {
        return false;
    }
    return memcmp(end, "\r\n", 2) == 0 ||
           reader_fail_at(r, start, "no line end behind an argument");
}

static bool skip_arg(struct intake *in, struct reader *r)
{
    uint64_t len;

    return read_number(in, r, '$', MAX_BYTES, &len) &&
           reader_skip(r, len, "a command") && read_line_end(r);
}

static bool take_arg(struct intake *in, struct reader *r)
{
    uint64_t len;

    return read_number(in, r, '$', MAX_BYTES, &len) &&
           reader_blob(r, (size_t)len, &in->blob, "a command") &&
           read_line_end(r) && intake_value(in, r, in->blob.data, (size_t)len);
}

/* The first argument; "" when it is too long to be a known one. */
static bool read_name(struct intake *in, struct reader *r,
                      char name[NAME_BYTES])
{
    uint64_t len;

    if (!read_number(in, r, '$', MAX_BYTES, &len)) {
        return false;
    }
    name[0] = '\0';
    if (len >= NAME_BYTES) {
        return reader_skip(r, len, "a command") && read_line_end(r);
    }
    if (!reader_bytes(r, name, (size_t)len, "a command")) {
        return false;
    }
    name[len] = '\0';
    return read_line_end(r);
}

static bool is_value(const struct command *c, uint64_t arg)
{
    return c != NULL && arg >= c->first &&
           (c->step == 0 ? arg == c->first : (arg - c->first) % c->step == 0);
}

static bool read_command(struct intake *in, struct reader *r)
{
    const struct command *c;
    char name[NAME_BYTES];
    uint64_t n;

    if (!read_number(in, r, '*', MAX_ARGS, &n) ||
        (n > 0 && !read_name(in, r, name))) {
        return false;
    }
    c = n > 0 ? find_command(name) : NULL;
    if (c != NULL && c->is_element && !in->all_types) {
        c = NULL;
    }
    in->n_skipped += c == NULL;
    for (uint64_t arg = 1; arg < n; arg++) {
        if (is_value(c, arg) ? !take_arg(in, r) : !skip_arg(in, r)) {
            return false;
        }
    }
    return true;
}

bool read_aof(struct intake *in, struct reader *r)
{
    const unsigned char *p;

    while (reader_peek(r, 1, &p) == 1) {
        bool is_note = p[0] == '#';

        if (reader_offset(r) == 0 && p[0] == 'R') {
            return read_rdb(in, r);
        }
        if (is_note ? !reader_line(r, VALUE_MAX_BYTES, &in->key)
                    : !read_command(in, r)) {
            return false;
        }
    }
    return !r->failed;
}
