/* SPDX-License-Identifier: MIT */
/*
 * values.h - what came in: all of it counted, a random part of it kept.
 *
 * Idea. Each value draws a number by its place in the input, and is kept if
 * that is below a limit. When more bytes are kept than allowed, the limit is
 * halved and who is above it leaves: at every moment each value seen so far is
 * kept with the same chance, in whatever order they came.
 *
 * Values of one repeated pattern are counted and not kept: what they cost is
 * known. A value longer than VALUE_MAX_BYTES is cut.
 */
#ifndef ZSREPORT_VALUES_H
#define ZSREPORT_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "repeats.h"

#define VALUE_MAX_BYTES ((size_t)16 << 20)
#define N_SIZES 26 /* [i]: lengths of 2^(i-1) .. 2^i - 1; [0]: empty */

struct value {
    uint64_t place; /* in the input */
    uint64_t hash;
    size_t at; /* in values.bytes */
    uint32_t len;
};

struct values {
    unsigned char *bytes; /* of the kept ones, in order, side by side */
    size_t n_bytes, max_bytes, mapped;
    struct value *kept;
    size_t n_kept, room;
    uint64_t limit;
    uint64_t n_all, bytes_all; /* every value that came, cut ones in parts */
    uint64_t n_same, bytes_same;
    uint64_t n_cut;
    uint64_t n_of_size[N_SIZES], bytes_of_size[N_SIZES];
    struct repeats repeats;
};

/* Keep at most max_bytes. false: no memory. */
bool values_open(struct values *v, uint64_t max_bytes);
void values_close(struct values *v);

/* false: no memory. */
bool values_add(struct values *v, const void *data, size_t len);

/* The share of values that was kept; 1: all. Same-filled ones aside. */
double values_share(const struct values *v);

/* The smallest length that `share` of all values do not exceed, to a power of
 * two. */
uint64_t values_length_below(const struct values *v, double share);

/* One pattern of 1, 2, 4 or 8 bytes, over and over? */
bool value_is_same_filled(const unsigned char *data, size_t len);

#endif /* ZSREPORT_VALUES_H */
