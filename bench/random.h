/* SPDX-License-Identifier: MIT */
/* random.h - a quick source of numbers, the same in every run. */
#ifndef ZS_BENCH_RANDOM_H
#define ZS_BENCH_RANDOM_H

#include <stdint.h>

/* Any state but 0. */
static inline uint64_t random_next(uint64_t *state)
{
    uint64_t x = *state;

    x ^= x << 13;
    x ^= x >> 7;
    x ^= x << 17;
    return *state = x;
}

/* 0 .. n-1 */
static inline uint32_t random_below(uint64_t *state, uint32_t n)
{
    return (uint32_t)((random_next(state) >> 32) * n >> 32);
}

#endif /* ZS_BENCH_RANDOM_H */
