/* SPDX-License-Identifier: MIT */
/* exact_sizes.h - small pools without their even sizes (cache_sizes.h), for
 * tests that say which size class an object is in. */
#ifndef ZS_TEST_EXACT_SIZES_H
#define ZS_TEST_EXACT_SIZES_H

#include "cache_sizes.h"

static inline void use_exact_sizes(void)
{
    zs_cache_sizes_init();
    zs_cache_sizes.even4_below = 0;
    zs_cache_sizes.even8_below = 0;
}

#endif /* ZS_TEST_EXACT_SIZES_H */
