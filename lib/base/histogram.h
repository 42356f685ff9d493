/* SPDX-License-Identifier: MIT */
/*
 * histogram.h - how long things took: counts in fixed buckets, lock-free.
 *
 * Words
 *   octave   the values above 2^k, up to 2^(k+1)
 *   bucket   one of the 8 equal parts of an octave; below 16 a value each
 *
 * Idea
 *   A value's bucket is its highest bit and the three bits after it, of the
 *   value less one, so that each octave's upper end lies in it: the bounds of
 *   octaves are exact for who asks "how many took at most 2^k ns?". A bucket
 *   is at most an eighth as wide as what is in it.
 *
 * Invariants
 *   H1  zeroed memory is an empty histogram
 *   H2  a bucket only grows; how many there are in all is the sum of the
 *       buckets and is kept nowhere else
 *
 * Locking: none. Relaxed atomics: figures read meanwhile are of no one
 * moment.
 *
 * Cost: two locked instructions and about ten plain ones for each value; 2,256
 * bytes.
 */
#ifndef ZS_LIB_HISTOGRAM_H
#define ZS_LIB_HISTOGRAM_H

#include <stdatomic.h>
#include <stdint.h>

#include "zspool/stats.h"

struct zs_histogram {
    _Atomic uint64_t sum; /* all relaxed */
    _Atomic uint64_t max;
    _Atomic uint64_t buckets[ZS_HISTOGRAM_BUCKETS];
};

static inline unsigned zs_histogram_bucket(uint64_t value)
{
    const uint64_t last = (UINT64_C(1) << ZS_HISTOGRAM_OCTAVES) - 1;
    uint64_t v = value - (value != 0);
    unsigned shift;

    v = v < last ? v : last;
    shift = 60u - (unsigned)__builtin_clzll(v | 8);
    return 8 * shift + (unsigned)(v >> shift);
}

/* The value is above the greatest so far. */
void zs_histogram_raise_max(struct zs_histogram *h, uint64_t value);

/* By any thread, under any lock, in a read section. */
static inline void zs_histogram_add(struct zs_histogram *h, uint64_t value)
{
    if (value > atomic_load_explicit(&h->max, memory_order_relaxed)) {
        zs_histogram_raise_max(h, value);
    }
    atomic_fetch_add_explicit(&h->sum, value, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->buckets[zs_histogram_bucket(value)], 1,
                              memory_order_relaxed);
}

void zs_histogram_read(const struct zs_histogram *h,
                       struct zs_histogram_figures *out);

#endif /* ZS_LIB_HISTOGRAM_H */
