/* SPDX-License-Identifier: MIT */
/*
 * cache_sizes.h - which size classes caches have bins for, and how large.
 *
 * Words
 *   bin number   class index + 1; 0 is no bin
 *   bin offset   where it is in a cache, in bytes; 0 is no bin, too. The fast
 *                paths know bins by that
 *   even sizes   those of some classes only, a fixed number for each doubling
 *
 * Idea
 *   A small pool has a small quota, and with bins for a hundred classes each
 *   would hold two or three handles. A half-filled page for each class is also
 *   more than what rounding up costs it. So in a small pool malloc takes
 *   slots of even sizes only; the smaller the pool, the fewer.
 *   (docs/decisions/0004-thread-caches.md)
 *
 * The tables are built once, with the size classes.
 */
#ifndef ZS_LIB_CACHE_SIZES_H
#define ZS_LIB_CACHE_SIZES_H

#include <stddef.h>
#include <stdint.h>

#define ZS_CACHE_LARGEST_BYTES 1024u
#define ZS_CACHE_MOST_HANDLES 256u /* of a bin */
#define ZS_CACHE_BINS 128u /* at least one more than classes up to there */

/* By (bytes - 1) / 4, for 1 .. ZS_CACHE_LARGEST_BYTES: the bin offset. */
#define ZS_CACHE_SIZE_INDEX(bytes) (((bytes)-1) / 4)
#define ZS_CACHE_SIZES (ZS_CACHE_LARGEST_BYTES / 4)

#define ZS_BIN_OFFSET_0 64u /* cache.h asserts that they are right */
#define ZS_BIN_BYTES 16u

static inline uint16_t zs_bin_offset(unsigned number)
{
    return (uint16_t)(ZS_BIN_OFFSET_0 + number * ZS_BIN_BYTES);
}

static inline unsigned zs_bin_number(unsigned offset)
{
    return (offset - ZS_BIN_OFFSET_0) / ZS_BIN_BYTES;
}

struct zs_cache_sizes {
    uint64_t even4_below; /* bytes of footprint; tests change it */
    uint64_t even8_below;
    unsigned n_bins;                /* bin numbers are below it */
    uint16_t exact[ZS_CACHE_SIZES]; /* every class */
    uint16_t even8[ZS_CACHE_SIZES]; /* 8 sizes a doubling */
    uint16_t even4[ZS_CACHE_SIZES];
    uint32_t slot_bytes[ZS_CACHE_BINS]; /* by bin number, as the next two */
    uint32_t most[ZS_CACHE_BINS];       /* handles that a bin ever holds */
    uint32_t first[ZS_CACHE_BINS];      /* where its handles begin */
    uint32_t n_handles;                 /* of all bins, their zeros included */
};

extern struct zs_cache_sizes zs_cache_sizes; /* set by init */

void zs_cache_sizes_init(void);

/* The table for a pool in an arena of that footprint. */
const uint16_t *zs_cache_sizes_for(uint64_t footprint_bytes);

#endif /* ZS_LIB_CACHE_SIZES_H */
