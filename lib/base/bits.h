/* SPDX-License-Identifier: MIT */
/*
 * bits.h - bitmaps of 64-bit words: set and clear ranges, find runs.
 *
 * Bit i is bit i % 64 of word i / 64. No locking: the caller's lock guards
 * the map. Used for pages in a pageblock and for granules of metadata.
 */
#ifndef ZS_LIB_BITS_H
#define ZS_LIB_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ZS_BITS_NONE SIZE_MAX

static inline bool zs_bit_test(const uint64_t *map, size_t i)
{
    return map[i / 64] >> (i % 64) & 1;
}

static inline void zs_bit_set(uint64_t *map, size_t i)
{
    map[i / 64] |= UINT64_C(1) << (i % 64);
}

static inline void zs_bit_clear(uint64_t *map, size_t i)
{
    map[i / 64] &= ~(UINT64_C(1) << (i % 64));
}

static inline void zs_bits_set(uint64_t *map, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++) {
        zs_bit_set(map, i);
    }
}

static inline void zs_bits_clear(uint64_t *map, size_t first, size_t n)
{
    for (size_t i = first; i < first + n; i++) {
        zs_bit_clear(map, i);
    }
}

/* First i in [from, end) whose bit equals `value`, or end. */
static inline size_t zs_bits_next(const uint64_t *map, size_t from, size_t end,
                                  bool value)
{
    while (from < end) {
        uint64_t w = value ? map[from / 64] : ~map[from / 64];

        w >>= from % 64;
        if (w != 0) {
            size_t i = from + (size_t)__builtin_ctzll(w);
            return i < end ? i : end;
        }
        from += 64 - from % 64;
    }
    return end;
}

/* First i such that [i, i + n) lies in [from, end) and is clear, or
 * ZS_BITS_NONE. */
static inline size_t zs_bits_find_clear_run(const uint64_t *map, size_t from,
                                            size_t end, size_t n)
{
    for (;;) {
        size_t limit;

        from = zs_bits_next(map, from, end, false);
        if (end - from < n) {
            return ZS_BITS_NONE;
        }
        limit = zs_bits_next(map, from, from + n, true);
        if (limit == from + n) {
            return from;
        }
        from = limit;
    }
}

#endif /* ZS_LIB_BITS_H */
