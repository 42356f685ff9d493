/* SPDX-License-Identifier: MIT */
/* test_random.h - numbers that look random and are the same in every run; a
 * test sets random_state first. */
#ifndef ZS_TEST_RANDOM_H
#define ZS_TEST_RANDOM_H

#include <stddef.h>
#include <stdint.h>

static uint64_t random_state = 1;

static inline unsigned random_below(size_t n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((random_state >> 33) % n);
}

#endif /* ZS_TEST_RANDOM_H */
