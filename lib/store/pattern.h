/* SPDX-License-Identifier: MIT */
/* pattern.h - is this value the same 1, 2, 4 or 8 bytes over and over? */
#ifndef ZS_LIB_PATTERN_H
#define ZS_LIB_PATTERN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "value_header.h"

static inline uint64_t zs_load_pattern(const unsigned char *p)
{
    uint64_t pattern;

    memcpy(&pattern, p, sizeof(pattern));
    return pattern;
}

/*
 * True when the value repeats its first eight bytes, the last time perhaps in
 * part: they are *out. One byte, two or four that are repeated do that, too.
 *
 * Most values are told apart by their first or last sixteen bytes. Those that
 * are left are compared with themselves moved by eight, at the speed of
 * memcmp().
 */
static inline bool zs_find_pattern(const void *data, size_t len, uint64_t *out)
{
    const unsigned char *p = data;

    if (len < ZS_PATTERN_MIN_BYTES ||
        zs_load_pattern(p) != zs_load_pattern(p + 8) ||
        zs_load_pattern(p + len - 16) != zs_load_pattern(p + len - 8) ||
        memcmp(p, p + 8, len - 8) != 0) {
        return false;
    }
    *out = zs_load_pattern(p);
    return true;
}

/* Write `len` bytes of a value with that pattern, from `offset` on. */
static inline void zs_fill_pattern(unsigned char *out, size_t len,
                                   uint64_t pattern, size_t offset)
{
    unsigned char turned[8], plain[8];

    memcpy(plain, &pattern, sizeof(plain));
    if (memcmp(plain, plain + 1, 7) == 0) {
        memset(out, plain[0], len);
        return;
    }
    for (size_t i = 0; i < 8; i++) {
        turned[i] = plain[(offset + i) % 8];
    }
    for (; len >= 8; len -= 8) {
        memcpy(out, turned, 8);
        out += 8;
    }
    memcpy(out, turned, len);
}

#endif /* ZS_LIB_PATTERN_H */
