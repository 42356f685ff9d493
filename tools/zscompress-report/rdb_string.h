/* SPDX-License-Identifier: MIT */
/* rdb_string.h - the two things that an RDB file is made of: lengths and
 * strings. False: failed, noted in the reader. */
#ifndef ZSREPORT_RDB_STRING_H
#define ZSREPORT_RDB_STRING_H

#include "reader.h"

/* A plain length. */
bool rdb_length(struct reader *r, uint64_t *out);

/* A string, unpacked: as it is, a number in decimal, or LZF. `scratch` holds
 * the packed bytes. */
bool rdb_string(struct reader *r, struct blob *out, struct blob *scratch);

/* Read over a string, without unpacking it. */
bool rdb_skip_string(struct reader *r);

#endif /* ZSREPORT_RDB_STRING_H */
