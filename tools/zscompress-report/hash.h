/* SPDX-License-Identifier: MIT */
/* hash.h - 64 bits of a value's bytes, or of a number. Not for adversaries: who
 * makes two values collide hides a duplicate, no more. */
#ifndef ZSREPORT_HASH_H
#define ZSREPORT_HASH_H

#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* splitmix64's last steps: neighbours become strangers. */
static inline uint64_t hash_number(uint64_t z)
{
    z += UINT64_C(0x9e3779b97f4a7c15);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

static inline uint64_t hash_bytes(const unsigned char *data, size_t len)
{
    uint64_t h = hash_number(len), word;
    size_t at = 0;

    for (; at + sizeof(word) <= len; at += sizeof(word)) {
        memcpy(&word, data + at, sizeof(word));
        h = (h ^ word) * UINT64_C(0xd6e8feb86659fd93);
        h ^= h >> 32;
    }
    word = 0;
    memcpy(&word, data + at, len - at);
    return hash_number(h ^ word);
}

/* A hash that is below this happens with a chance of `share`. */
static inline uint64_t hash_limit(double share)
{
    return share >= 1 ? UINT64_MAX : (uint64_t)(share * 0x1p64);
}

#endif /* ZSREPORT_HASH_H */
