/* SPDX-License-Identifier: MIT */
/*
 * pack.h - one value the way the store keeps it.
 *
 * The store's rules, which its headers and docs state: a value that is too
 * short for the codec, or that would take the same size class, is raw; in front
 * stands a header of 1 to 8 bytes with both lengths. A value that was
 * packed with a dictionary is taken to need one byte more, for its number.
 * A test holds the sum of headers to what a real store says.
 */
#ifndef ZSREPORT_PACK_H
#define ZSREPORT_PACK_H

#include "codecs.h"

struct packed {
    size_t payload;
    size_t header;
    bool is_raw;
};

/* Bytes of the header. */
size_t pack_header_bytes(bool is_raw, size_t len, size_t payload);

/* dst has room for coder_bound(); `plain` is for values that are too long for
 * a dictionary, and `c` itself where there is none. A raw value's bytes are
 * not copied to dst. */
struct packed pack_value(struct coder *c, struct coder *plain,
                         const struct codec *codec, const void *src, size_t len,
                         void *dst);

#endif /* ZSREPORT_PACK_H */
