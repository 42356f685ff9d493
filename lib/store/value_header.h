/* SPDX-License-Identifier: MIT */
/*
 * value_header.h - what stands before the payload of every stored value.
 *
 * Words
 *   how   with what a value was compressed, where that is not the store's own
 *         codec without a dictionary: a number of a codec and of a dictionary
 *   part  one of the pieces that a value above ZS_PART_BYTES is kept in
 *   mark  what stands before the header of a part, and names its value
 *   tenant  whose value it is: a number, 0 where nobody says another one
 *
 * The header carries both lengths exactly: an object's class size says nothing
 * about its value, and may change when the object is moved.
 *
 *   first byte    then            kind         lengths it can hold
 *   00000000                      damaged      none: zeroed memory is no value
 *   00001ddd      l8 p8           compressed   below 256; dictionary ddd + 1
 *   000100nn      n+1 bytes       pattern      any; payload is the pattern
 *   001000nn      n+1 bytes       in parts     any; payload is the list
 *   00110000      6 bytes                      a part's mark, no value
 *   0011tttt      any of the other forms       of tenant tttt, not 0
 *   010lllll                      raw          0..31
 *   0110llll      l8              raw          32..4127, minus 32
 *   011100nn      n+1 bytes       raw          any
 *   100ppppp      p8              compressed   4096 exactly, payload < 8192
 *   1010llll      l6p2 p8         compressed   both < 1024
 *   1011nnmm      n+1, m+1 bytes  compressed   any: length, payload
 *   11......      how, as 10      compressed   as 10; how is cccddddd
 *
 * Lengths of more than one byte are little-endian in the last form of each
 * kind; in the shorter forms the bits run from high to low.
 *
 * A value has one form only, the shortest. So a compressed page costs 2 bytes,
 * with a dictionary 3; a compressed line below 1 KiB 3, with a dictionary 3 or
 * 4; a raw page 2. A tenant's value is one byte more, but where a dictionary
 * says whose it is, for each is of one tenant.
 */
#ifndef ZS_LIB_VALUE_HEADER_H
#define ZS_LIB_VALUE_HEADER_H

#include <stddef.h>
#include <stdint.h>

#define ZS_VALUE_HEADER_MAX_BYTES 9u

/* A longer value is kept in parts of so many bytes, the last one shorter. A
 * part that does not shrink fits 64 pages with mark, header and checksum; so
 * no part takes more than one step of a mover (256 KiB). */
#define ZS_PART_BYTES ((size_t)256 * 1024 - 32)

#define ZS_PATTERN_BYTES 8u      /* a pattern, as it is stored */
#define ZS_PATTERN_MIN_BYTES 16u /* the shortest value that is looked at */

#define ZS_HOW_CODECS 8u        /* 0: the store's own codec */
#define ZS_HOW_DICTIONARIES 32u /* 0: none */

enum zs_value_kind {
    ZS_VALUE_RAW = 1,
    ZS_VALUE_COMPRESSED,
    ZS_VALUE_PATTERN, /* eight bytes repeated, the last time in part */
    ZS_VALUE_IN_PARTS,
};

/*
 * Equations
 *   V1  raw         payload == length <= ZS_PART_BYTES
 *   V2  compressed  1 <= payload < length <= ZS_PART_BYTES
 *   V3  pattern     payload == ZS_PATTERN_BYTES, length >= the shortest
 *   V4  in parts    payload == zs_list_bytes(length), length > ZS_PART_BYTES
 *   V5  length <= ZS_MAX_VALUE_BYTES
 *   V6  codec and dictionary are 0 but for compressed ones
 *   V7  with a dictionary the tenant is 0 here, and the dictionary's in truth
 */
struct zs_value {
    enum zs_value_kind kind;
    uint8_t codec;      /* of the how byte */
    uint8_t dictionary; /* of the how byte */
    uint8_t tenant;     /* V7 */
    size_t length;      /* as it was put */
    size_t payload;     /* bytes after the header */
    size_t header;      /* bytes of the header: made by the functions below */
};

static inline size_t zs_n_parts(size_t length)
{
    return (length + ZS_PART_BYTES - 1) / ZS_PART_BYTES;
}

/* The list of a value in parts: its number, then a handle for each part. */
static inline size_t zs_list_bytes(size_t length)
{
    return sizeof(uint32_t) * (1 + zs_n_parts(length));
}

/* A value that keeps its equations, with `header` filled in. */
struct zs_value zs_value_make(enum zs_value_kind kind, size_t length,
                              size_t payload);
/* A compressed one. */
struct zs_value zs_value_make_how(unsigned codec, unsigned dictionary,
                                  size_t length, size_t payload);

/* Whose value it is, below ZS_TENANTS; of one with a dictionary it is kept in
 * mind there. */
void zs_value_set_other_tenant_(struct zs_value *v, unsigned tenant);
static inline void zs_value_set_tenant(struct zs_value *v, unsigned tenant)
{
    if (tenant != 0) { /* as made */
        zs_value_set_other_tenant_(v, tenant);
    }
}

/* Write v->header bytes to `out`. */
void zs_value_header_encode(const struct zs_value *v, unsigned char *out);

/*
 * Read the header at the begin of an object of `room` bytes. -EBADMSG: it is
 * damaged, or header and payload do not fit `room`. Reads at most `room`
 * bytes; `out` is written only on 0.
 */
int zs_value_header_decode(const unsigned char *object, size_t room,
                           struct zs_value *out);

/* --- marks of parts --- */

#define ZS_MARK_BYTES 7u
#define ZS_MARK_BYTE 0x30u /* the first; no header begins with it */

struct zs_mark {
    uint32_t value; /* the number in the list of the value in parts */
    uint16_t index; /* of the part */
};

void zs_mark_encode(const struct zs_mark *mark, unsigned char *out);
/* Is this the begin of a part, of whatever value? */
int zs_mark_decode(const unsigned char *object, size_t room,
                   struct zs_mark *out);

/* Little-endian numbers, as in lists and marks. */
static inline void zs_put_le32(unsigned char *out, uint32_t value)
{
    out[0] = (unsigned char)value;
    out[1] = (unsigned char)(value >> 8);
    out[2] = (unsigned char)(value >> 16);
    out[3] = (unsigned char)(value >> 24);
}

static inline uint32_t zs_get_le32(const unsigned char *in)
{
    return in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 |
           (uint32_t)in[3] << 24;
}

#endif /* ZS_LIB_VALUE_HEADER_H */
