/* SPDX-License-Identifier: MIT */
/*
 * rdb.c - values out of a Redis dump file (RDB), versions 1 to 12.
 *
 * Words
 *   opcode   first byte of an item: 0xf4 and above say something about the
 *            file or the next key, the others are the type of a key's value
 *   element  a string inside a value of another type: an element of a list, a
 *            field of a hash, or a whole list, hash ... that is packed in one
 *            string (listpack, ziplist, intset)
 *
 * Idea
 *   Values of type string are taken. Everything else has to be read over, and
 *   RDB has no lengths for that, so each type is known here by what it consists
 *   of. With all_types elements are taken, too: each is one allocation of
 *   Redis, as a string is.
 *
 * Not done
 *   The checksum at the end is not computed; keys are not kept; hashes with
 *   expiring fields (Redis 7.4 and later, types 24 and 25) and modules are read
 *   over. Types that no released Redis writes are refused with their number.
 */
#include "formats.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "rdb_string.h"

#define MAX_VERSION 12

enum {
    OP_SLOT_INFO = 0xf4,
    OP_FUNCTION = 0xf5,
    OP_MODULE_AUX = 0xf7,
    OP_IDLE = 0xf8,
    OP_FREQ = 0xf9,
    OP_AUX = 0xfa,
    OP_RESIZEDB = 0xfb,
    OP_EXPIRE_MS = 0xfc,
    OP_EXPIRE = 0xfd,
    OP_SELECTDB = 0xfe,
    OP_EOF = 0xff,
    LOWEST_OP = OP_SLOT_INFO,
};

/* What the value of a type consists of: a number of items, each of strings (s),
 * plain lengths (l), scores as text (t) and 8 raw bytes (8). Without number:
 * one item. */
struct shape {
    bool is_known, has_number;
    const char *before, *item;
};

static const struct shape shapes[] = {
    [1] = { true, true, "", "s" },     /* list */
    [2] = { true, true, "", "s" },     /* set */
    [3] = { true, true, "", "st" },    /* zset */
    [4] = { true, true, "", "ss" },    /* hash */
    [5] = { true, true, "", "s8" },    /* zset, binary scores */
    [9] = { true, false, "", "s" },    /* hash: zipmap */
    [10] = { true, false, "", "s" },   /* list: ziplist */
    [11] = { true, false, "", "s" },   /* set: intset */
    [12] = { true, false, "", "s" },   /* zset: ziplist */
    [13] = { true, false, "", "s" },   /* hash: ziplist */
    [14] = { true, true, "", "s" },    /* list of ziplists */
    [16] = { true, false, "", "s" },   /* hash: listpack */
    [17] = { true, false, "", "s" },   /* zset: listpack */
    [18] = { true, true, "", "ls" },   /* list of listpacks */
    [20] = { true, false, "", "s" },   /* set: listpack */
    [24] = { true, true, "8", "lss" }, /* hash with expiring fields */
    [25] = { true, false, "8", "s" },  /* likewise: listpack */
};

enum { TYPE_STRING = 0, TYPE_MODULE = 7 };

static bool is_stream(unsigned type)
{
    return type == 15 || type == 19 || type == 21;
}

static bool element(struct intake *in, struct reader *r)
{
    if (!in->all_types) {
        return rdb_skip_string(r);
    }
    return rdb_string(r, &in->blob, &in->key) &&
           intake_value(in, r, in->blob.data, in->blob.len);
}

/* A length byte and as many digits; the three last lengths mean nan, inf. */
static bool skip_score(struct reader *r)
{
    unsigned char len;

    return reader_bytes(r, &len, 1, "a score") &&
           (len >= 253 || reader_skip(r, len, "a score"));
}

static bool skip_length(struct reader *r)
{
    uint64_t len;

    return rdb_length(r, &len);
}

static bool skip_lengths(struct reader *r, unsigned n)
{
    while (n > 0 && skip_length(r)) {
        n--;
    }
    return n == 0;
}

static bool parts(struct intake *in, struct reader *r, const char *what)
{
    bool ok = true;

    for (; ok && *what != '\0'; what++) {
        ok = *what == 's'   ? element(in, r)
             : *what == 'l' ? skip_length(r)
             : *what == 't' ? skip_score(r)
                            : reader_skip(r, 8, "a value");
    }
    return ok;
}

static bool read_shape(struct intake *in, struct reader *r,
                       const struct shape *s)
{
    uint64_t n = 1;

    if (!parts(in, r, s->before) || (s->has_number && !rdb_length(r, &n))) {
        return false;
    }
    while (n > 0 && parts(in, r, s->item)) {
        n--;
    }
    return n == 0;
}

/* Entries that wait for an acknowledgement: 16 bytes of id, and when and how
 * often it was delivered if that is told here. */
static bool skip_pending(struct reader *r, bool has_delivery)
{
    uint64_t n;

    if (!rdb_length(r, &n)) {
        return false;
    }
    while (n > 0 && reader_skip(r, has_delivery ? 24 : 16, "a stream") &&
           (!has_delivery || skip_length(r))) {
        n--;
    }
    return n == 0;
}

static bool skip_consumers(struct reader *r, unsigned type)
{
    uint64_t n;

    if (!rdb_length(r, &n)) {
        return false;
    }
    while (n > 0 && rdb_skip_string(r) &&
           reader_skip(r, type >= 21 ? 16 : 8, "a stream") &&
           skip_pending(r, false)) {
        n--;
    }
    return n == 0;
}

static bool read_stream_value(struct intake *in, struct reader *r,
                              unsigned type)
{
    uint64_t n;

    if (!rdb_length(r, &n)) {
        return false;
    }
    for (; n > 0; n--) { /* id, and a listpack of entries from there */
        if (!rdb_skip_string(r) || !element(in, r)) {
            return false;
        }
    }
    /* length, last id; first id, deleted id, entries ever added */
    if (!skip_lengths(r, type >= 19 ? 8 : 3) || !rdb_length(r, &n)) {
        return false;
    }
    for (; n > 0; n--) { /* groups: name, last id, entries read */
        if (!rdb_skip_string(r) || !skip_lengths(r, type >= 19 ? 3 : 2) ||
            !skip_pending(r, true) || !skip_consumers(r, type)) {
            return false;
        }
    }
    return true;
}

/* A module says what it writes, item by item: 1, 2 numbers, 3 float, 4 double,
 * 5 string, 0 the end. */
static bool skip_module(struct reader *r)
{
    uint64_t what = 0, start;

    if (!skip_length(r)) { /* the module's id */
        return false;
    }
    do {
        bool ok = true;

        start = reader_offset(r);
        if (!rdb_length(r, &what)) {
            return false;
        }
        if (what > 5) {
            return reader_fail_at(r, start, "unknown part of a module");
        }
        ok = what == 0   ? true
             : what < 3  ? skip_length(r)
             : what == 5 ? rdb_skip_string(r)
                         : reader_skip(r, what == 3 ? 4 : 8, "a module");
        if (!ok) {
            return false;
        }
    } while (what != 0);
    return true;
}

static bool read_other_type(struct intake *in, struct reader *r, unsigned type,
                            uint64_t start)
{
    in->n_skipped += !in->all_types;
    if (is_stream(type)) {
        return read_stream_value(in, r, type);
    }
    if (type == TYPE_MODULE) {
        return skip_module(r);
    }
    if (type < sizeof(shapes) / sizeof(shapes[0]) && shapes[type].is_known) {
        return read_shape(in, r, &shapes[type]);
    }
    return reader_fail_at(r, start, "a value of type %u, which is not known",
                          type);
}

static bool read_key(struct intake *in, struct reader *r, unsigned type,
                     uint64_t start)
{
    if (!rdb_skip_string(r)) {
        return false;
    }
    if (type != TYPE_STRING) {
        return read_other_type(in, r, type, start);
    }
    return rdb_string(r, &in->blob, &in->key) &&
           intake_value(in, r, in->blob.data, in->blob.len);
}

static bool skip_opcode(struct reader *r, unsigned op, uint64_t start)
{
    switch (op) {
    case OP_SLOT_INFO:
        return skip_lengths(r, 3);
    case OP_FUNCTION:
        return rdb_skip_string(r);
    case OP_MODULE_AUX:
        return skip_module(r);
    case OP_IDLE:
    case OP_SELECTDB:
        return skip_length(r);
    case OP_FREQ:
        return reader_skip(r, 1, "a key");
    case OP_AUX:
        return rdb_skip_string(r) && rdb_skip_string(r);
    case OP_RESIZEDB:
        return skip_lengths(r, 2);
    case OP_EXPIRE_MS:
        return reader_skip(r, 8, "a key");
    case OP_EXPIRE:
        return reader_skip(r, 4, "a key");
    default:
        return reader_fail_at(r, start, "unknown opcode 0x%02x", op);
    }
}

static bool read_version(struct reader *r, unsigned *out)
{
    char head[10] = { 0 };

    if (!reader_bytes(r, head, 9, "the file's head")) {
        return false;
    }
    *out = (unsigned)strtoul(head + 5, NULL, 10);
    if (memcmp(head, "REDIS", 5) != 0 || *out == 0) {
        return reader_fail_at(r, 0,
                              "no Redis dump: it does not begin with "
                              "REDIS and a version");
    }
    return *out <= MAX_VERSION ||
           reader_fail_at(r, 5, "version %u of the format; up to %d is known",
                          *out, MAX_VERSION);
}

bool read_rdb(struct intake *in, struct reader *r)
{
    unsigned version;
    unsigned char op;

    if (!read_version(r, &version)) {
        return false;
    }
    for (;;) {
        uint64_t start = reader_offset(r);

        if (!reader_bytes(r, &op, 1, "the dump")) {
            return false;
        }
        if (op == OP_EOF) {
            break;
        }
        if (op >= LOWEST_OP ? !skip_opcode(r, op, start)
                            : !read_key(in, r, op, start)) {
            return false;
        }
    }
    if (version >= 5 && !reader_skip(r, 8, "the checksum")) {
        return false;
    }
    return reader_at_end(r) ? !r->failed : read_aof(in, r);
}
