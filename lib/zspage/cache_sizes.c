/* SPDX-License-Identifier: MIT */
/* cache_sizes.c - see cache_sizes.h. */
#include "cache_sizes.h"

#include <pthread.h>

#include "check.h"
#include "size_class.h"

#define EVEN4_BELOW_BYTES ((uint64_t)2 << 20)
#define EVEN8_BELOW_BYTES ((uint64_t)6 << 20)
#define LARGEST_BIN_BYTES 16384u /* of slots, but */
#define LEAST_HANDLES 16u

struct zs_cache_sizes zs_cache_sizes;

/* The next of the sizes that divide each doubling into n. */
static size_t round_up_evenly(size_t bytes, size_t n)
{
    size_t step = 4;

    while (step * n * 2 < bytes) {
        step *= 2;
    }
    return (bytes + step - 1) / step * step;
}

static uint16_t bin_for(size_t bytes)
{
    return zs_bin_offset(zs_size_class_of_small(bytes) + 1);
}

static void build_maps(struct zs_cache_sizes *s)
{
    for (size_t i = 0; i < ZS_CACHE_SIZES; i++) {
        size_t bytes = i * 4 + 4;

        s->exact[i] = bin_for(bytes);
        s->even8[i] = bin_for(round_up_evenly(bytes, 8));
        s->even4[i] = bin_for(round_up_evenly(bytes, 4));
    }
    s->n_bins = zs_size_class_of_small(ZS_CACHE_LARGEST_BYTES) + 2;
    ZS_CHECK(s->n_bins <= ZS_CACHE_BINS);
}

static void build_bins(struct zs_cache_sizes *s)
{
    uint32_t at = 0;

    for (unsigned i = 1; i < s->n_bins; i++) {
        uint32_t bytes = zs_size_class(i - 1)->slot_bytes;
        uint32_t most = LARGEST_BIN_BYTES / bytes;

        most = most < LEAST_HANDLES ? LEAST_HANDLES : most;
        s->slot_bytes[i] = bytes;
        s->most[i] =
            most > ZS_CACHE_MOST_HANDLES ? ZS_CACHE_MOST_HANDLES : most;
        s->first[i] = at + 1; /* behind its zero */
        at += s->most[i] + 1;
    }
    s->n_handles = at;
}

static void build(void)
{
    zs_size_classes_init();
    zs_cache_sizes.even4_below = EVEN4_BELOW_BYTES;
    zs_cache_sizes.even8_below = EVEN8_BELOW_BYTES;
    build_maps(&zs_cache_sizes);
    build_bins(&zs_cache_sizes);
}

void zs_cache_sizes_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, build);
}

const uint16_t *zs_cache_sizes_for(uint64_t footprint_bytes)
{
    if (footprint_bytes >= zs_cache_sizes.even8_below) {
        return zs_cache_sizes.exact;
    }
    return footprint_bytes >= zs_cache_sizes.even4_below ? zs_cache_sizes.even8
                                                         : zs_cache_sizes.even4;
}
