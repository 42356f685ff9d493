/* SPDX-License-Identifier: MIT */
/*
 * noise.c - a cheap look at a value before a codec is tried on it.
 *
 * Idea
 *   Count the bytes at some places, evenly far apart, and sum the squares of
 *   the counts. For n bytes drawn evenly from 256 the sum is n + n (n - 1) /
 *   256 on average and varies by n / 256 * 22.6; where some bytes are more
 *   common than others it is larger: a tenth of zeroes adds n * n / 100, 15
 *   times that for n = 128. What is compressed or encrypted already is even;
 *   text, code, tables and records are not.
 *
 *   The distance of the places is odd, so that they do not fall on the same
 *   field of each record.
 *
 * Cost
 *   128 places of a page, 256 of a larger value, and a pass over 256 counts.
 *   Figures: docs/figures.md.
 *
 * Not done
 *   Repetitions of noise are not seen: finding them is what codecs do. Such a
 *   value is kept raw if all of it is even.
 */
#include "noise.h"

#include <stdint.h>
#include <string.h>

#define FEW_PLACES 128u
#define MANY_PLACES 256u
#define MANY_FROM_BYTES 65536u

static unsigned sum_of_squares(const uint8_t *counts)
{
    unsigned sum = 0;

    for (unsigned i = 0; i < 256; i++) {
        sum += (unsigned)counts[i] * counts[i];
    }
    return sum;
}

bool zs_looks_like_noise(const void *data, size_t len)
{
    const unsigned char *p = data;
    unsigned n = len < MANY_FROM_BYTES ? FEW_PLACES : MANY_PLACES;
    size_t step = (len / n - 1) | 1;
    uint8_t counts[256] = { 0 };

    if (len < ZS_NOISE_MIN_BYTES) {
        return false;
    }
    for (unsigned i = 0; i < n; i++) {
        uint8_t *count = &counts[p[i * step]];

        *count = (uint8_t)(*count + (*count < UINT8_MAX));
    }
    /* the mean and three times what it varies by */
    return sum_of_squares(counts) < n + n * (n - 1) / 256 + n * 68 / 256;
}
