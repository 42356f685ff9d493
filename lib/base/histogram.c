/* SPDX-License-Identifier: MIT */
/* histogram.c - see histogram.h; and what the public figures say. */
#include "histogram.h"

void zs_histogram_raise_max(struct zs_histogram *h, uint64_t value)
{
    uint64_t max = atomic_load_explicit(&h->max, memory_order_relaxed);

    while (value > max && !atomic_compare_exchange_weak_explicit(
                              &h->max, &max, value, memory_order_relaxed,
                              memory_order_relaxed)) {
    }
}

void zs_histogram_read(const struct zs_histogram *h,
                       struct zs_histogram_figures *out)
{
    out->n = 0;
    for (unsigned i = 0; i < ZS_HISTOGRAM_BUCKETS; i++) {
        out->buckets[i] =
            atomic_load_explicit(&h->buckets[i], memory_order_relaxed);
        out->n += out->buckets[i];
    }
    out->sum = atomic_load_explicit(&h->sum, memory_order_relaxed);
    out->max = atomic_load_explicit(&h->max, memory_order_relaxed);
}

uint64_t zs_histogram_bucket_limit(unsigned i)
{
    if (i >= ZS_HISTOGRAM_BUCKETS - 1) {
        return UINT64_MAX;
    }
    return i < 16 ? i + 1 : (uint64_t)(i % 8 + 9) << (i / 8 - 1);
}

/* How many of n values are the first p percent of them: at least one. */
static uint64_t rank_of(uint64_t n, double p)
{
    double exact = p * (double)n / 100;
    uint64_t rank;

    if (!(exact > 1)) { /* or not a number */
        return 1;
    }
    if (exact >= (double)n) {
        return n;
    }
    rank = (uint64_t)exact;
    return (double)rank < exact ? rank + 1 : rank;
}

uint64_t zs_histogram_percentile(const struct zs_histogram_figures *f, double p)
{
    uint64_t rank = rank_of(f->n, p);
    uint64_t seen = 0;

    for (unsigned i = 0; i < ZS_HISTOGRAM_BUCKETS; i++) {
        seen += f->buckets[i];
        if (seen >= rank) {
            uint64_t limit = zs_histogram_bucket_limit(i);
            return limit < f->max ? limit : f->max;
        }
    }
    return f->max; /* none, or not as zs_histogram_read() left it */
}
