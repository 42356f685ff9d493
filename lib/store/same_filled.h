/* SPDX-License-Identifier: MIT */
/* same_filled.h - is this value one byte over and over? */
#ifndef ZS_LIB_SAME_FILLED_H
#define ZS_LIB_SAME_FILLED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline bool zs_all_bytes_are(const unsigned char *p8, unsigned char byte)
{
    uint64_t word;

    memcpy(&word, p8, sizeof(word));
    return word == byte * UINT64_C(0x0101010101010101);
}

/*
 * True when all `len` bytes are equal; no byte at all is not.
 *
 * Most values are told apart by their first or last eight bytes. Those that
 * are left are compared with themselves moved by one: p[i] == p[i + 1] for
 * every i, at the speed of memcmp().
 */
static inline bool zs_is_same_filled(const void *data, size_t len)
{
    const unsigned char *p = data;

    if (len < 2) {
        return len == 1;
    }
    if (len >= 8 &&
        (!zs_all_bytes_are(p, p[0]) || !zs_all_bytes_are(p + len - 8, p[0]))) {
        return false;
    }
    return memcmp(p, p + 1, len - 1) == 0;
}

#endif /* ZS_LIB_SAME_FILLED_H */
