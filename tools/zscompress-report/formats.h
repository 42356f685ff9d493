/* SPDX-License-Identifier: MIT */
/*
 * formats.h - readers of dumps. Each reads to the end, hands every value to
 * values_add(), and answers false when something is wrong; the reader then has
 * what and where. What is no value of a string key is counted as skipped.
 */
#ifndef ZSREPORT_FORMATS_H
#define ZSREPORT_FORMATS_H

#include "reader.h"
#include "values.h"

enum format {
    FORMAT_AUTO, /* by the first bytes */
    FORMAT_PLAIN,
    FORMAT_MEMCACHED,
    FORMAT_RDB,
    FORMAT_AOF,
};

enum unit { UNIT_VALUE, UNIT_PAGE, UNIT_LINE };

/* Where values go, and how they are told apart. */
struct intake {
    struct values *values;
    enum format format;
    enum unit unit;
    bool is_unit_given;
    bool all_types; /* of Redis: strings inside lists, hashes ... as well */
    uint64_t n_skipped;
    uint64_t n_files, n_unreadable;
    struct blob blob, key; /* scratch of the readers */
};

/* One value to the values; false, noted in the reader: no memory. */
bool intake_value(struct intake *in, struct reader *r, const void *data,
                  size_t len);

/* What the bytes look like that come next; FORMAT_PLAIN: like no dump. */
enum format format_guess(struct reader *r);

bool read_plain(struct intake *in, struct reader *r, enum unit unit);
bool read_memcached(struct intake *in, struct reader *r);
bool read_rdb(struct intake *in, struct reader *r);
bool read_aof(struct intake *in, struct reader *r);

/* One stream of the intake's format, or of what it looks like. */
bool read_stream(struct intake *in, struct reader *r, enum unit unit);

/* Is this line of a memcached dump the head of a value? *len: the bytes that
 * follow it, before "\r\n". */
bool memcached_is_value_head(const unsigned char *line, size_t n, size_t *len);

#endif /* ZSREPORT_FORMATS_H */
