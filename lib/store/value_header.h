/* SPDX-License-Identifier: MIT */
/*
 * value_header.h - what stands before the payload of every stored value.
 *
 * A stored object is a header of 1 to 9 bytes and a payload. The header
 * carries both lengths exactly: an object's class size says nothing about
 * its value, and may change when the object is moved.
 *
 *   first byte    then            kind         lengths it can hold
 *   00xxxxxx                      damaged      none: zeroed memory is no value
 *   010lllll                      raw          0..31
 *   0110llll      l8              raw          32..4127, minus 32
 *   011100nn      n+1 bytes       raw          any
 *   100ppppp      p8              compressed   4096 exactly, payload < 8192
 *   1010llll      l6p2 p8         compressed   both < 1024
 *   1011nnmm      n+1, m+1 bytes  compressed   any: length, payload
 *   11......      as raw          same-filled  payload is the one byte
 *
 * Lengths of more than one byte are little-endian in the last form of each
 * kind; in the shorter forms the bits run from high to low. Payload length of
 * a raw value is its length, of a same-filled value 1.
 *
 * So a compressed page costs 2 bytes, a compressed line below 1 KiB 3, a raw
 * page 2.
 */
#ifndef ZS_LIB_VALUE_HEADER_H
#define ZS_LIB_VALUE_HEADER_H

#include <stddef.h>

#define ZS_VALUE_HEADER_MAX_BYTES 9u

enum zs_value_kind { /* as in the first byte's two upper bits */
                     ZS_VALUE_RAW = 1,
                     ZS_VALUE_COMPRESSED = 2,
                     ZS_VALUE_SAME_FILLED = 3,
};

/*
 * Equations
 *   V1  raw          payload == length
 *   V2  compressed   1 <= payload < length
 *   V3  same-filled  payload == 1 <= length
 *   V4  length <= ZS_MAX_VALUE_BYTES
 */
struct zs_value {
    enum zs_value_kind kind;
    size_t length;  /* as it was put */
    size_t payload; /* bytes after the header */
    size_t header;  /* bytes of the header: made by the functions below */
};

/* A value that keeps its equations, with `header` filled in. */
struct zs_value zs_value_make(enum zs_value_kind kind, size_t length,
                              size_t payload);

/* Write v->header bytes to `out`. */
void zs_value_header_encode(const struct zs_value *v, unsigned char *out);

/*
 * Read the header at the begin of an object of `room` bytes. -EBADMSG: it is
 * damaged, or header and payload do not fit `room`. Reads at most `room`
 * bytes; `out` is written only on 0.
 */
int zs_value_header_decode(const unsigned char *object, size_t room,
                           struct zs_value *out);

#endif /* ZS_LIB_VALUE_HEADER_H */
