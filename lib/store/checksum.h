/* SPDX-License-Identifier: MIT */
/*
 * checksum.h - XXH3 over an object as it is stored, behind it.
 *
 * Over the stored bytes, not over the value: so every damaged byte is found,
 * also one that the codec would not mind, nothing damaged is handed to a codec,
 * and fewer bytes are read. Head (mark and header) and payload may lie apart:
 * the sum of the first is the seed of the second's.
 */
#ifndef ZS_LIB_CHECKSUM_H
#define ZS_LIB_CHECKSUM_H

#include <stdbool.h>
#include <string.h>
#include <xxhash.h>

#define ZS_CHECKSUM_MAX_BYTES 8u

static inline void zs_checksum_make(const void *head, size_t head_len,
                                    const void *payload, size_t len,
                                    unsigned char *out)
{
    uint64_t sum =
        XXH3_64bits_withSeed(payload, len, XXH3_64bits(head, head_len));

    for (unsigned i = 0; i < ZS_CHECKSUM_MAX_BYTES; i++) {
        out[i] = (unsigned char)(sum >> 8 * i);
    }
}

/* Is it `n` bytes of that sum that stand behind the payload? */
static inline bool zs_checksum_fits(const void *head, size_t head_len,
                                    const unsigned char *payload, size_t len,
                                    unsigned n)
{
    unsigned char sum[ZS_CHECKSUM_MAX_BYTES];

    zs_checksum_make(head, head_len, payload, len, sum);
    return memcmp(sum, payload + len, n) == 0;
}

#endif /* ZS_LIB_CHECKSUM_H */
