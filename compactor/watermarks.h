/* SPDX-License-Identifier: MIT */
/*
 * watermarks.h - how near an arena is to its limit. Pure: figures in, state and
 * bytes out.
 *
 * Words
 *   free   what allocations may still take: limit - footprint + idle
 *   idle   memory that is resident and free: kept for the next allocations,
 *          given back for them at the limit
 *   min, low, high   the marks of free; min <= low <= high
 *
 *       free
 *        |   ABOVE_HIGH   nothing to do
 *   high +---------------
 *        |   BELOW_HIGH   a compactor that is awake works on
 *    low +---------------
 *        |   BELOW_LOW    the compactor wakes, works until high is reached
 *    min +---------------
 *        |   BELOW_MIN    memory counts as short; soon allocations stall
 *      0 +---------------
 *
 * Defaults, from the limit, as the kernel derives its own from the size of a
 * zone:
 *   min   sqrt(limit in KiB * 16) KiB; 128 KiB to 256 MiB, and at most an
 *         eighth of the limit
 *   low   min + gap, high = low + gap
 *   gap   a quarter of min or 1 % of the limit (64 MiB at most), whichever is
 *         more. (The kernel's is 0.1 %; a compactor that looks once a tick and
 *         gives back whole pageblocks has to begin earlier.)
 *
 *      limit    min        low        high
 *       8 MiB   0.35 MiB   0.44 MiB   0.53 MiB
 *      64 MiB   1.0        1.6        2.3
 *     512 MiB   2.8        7.9        13.1
 *      64 GiB   32         96         160
 */
#ifndef ZS_COMPACTOR_WATERMARKS_H
#define ZS_COMPACTOR_WATERMARKS_H

#include <stdbool.h>
#include <stdint.h>

#include "zspool/pressure.h"

#define ZS_WATERMARK_MIN_LEAST (UINT64_C(128) << 10)
#define ZS_WATERMARK_MIN_MOST (UINT64_C(256) << 20)
#define ZS_WATERMARK_GAP_MOST (UINT64_C(64) << 20)

struct zs_watermarks {
    uint64_t min_bytes;
    uint64_t low_bytes;
    uint64_t high_bytes;
};

struct zs_watermark_figures {
    uint64_t limit_bytes;       /* 0: none */
    uint64_t footprint_bytes;   /* of the arena, idle memory included */
    uint64_t idle_bytes;        /* of the footprint */
    uint64_t reclaimable_bytes; /* what compaction would give, an estimate */
};

enum zs_watermark_state {
    ZS_WATERMARK_BELOW_MIN,
    ZS_WATERMARK_BELOW_LOW,
    ZS_WATERMARK_BELOW_HIGH,
    ZS_WATERMARK_ABOVE_HIGH,
};

struct zs_watermark_answer {
    enum zs_watermark_state state;
    uint64_t free_bytes; /* UINT64_MAX: no limit */
    /* To get to high: what compaction can give, and what is missing then: the
     * embedder's to evict. */
    uint64_t compact_bytes;
    uint64_t evict_bytes;
};

static inline uint64_t zs_smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* The largest number whose square is at most n. */
static inline uint64_t zs_square_root(uint64_t n)
{
    uint64_t root = 0;

    for (uint64_t bit = UINT64_C(1) << 31; bit > 0; bit >>= 1) {
        if ((root | bit) * (root | bit) <= n) {
            root |= bit;
        }
    }
    return root;
}

/* limit_bytes 0: all marks are 0. */
static inline struct zs_watermarks zs_watermarks_default(uint64_t limit_bytes)
{
    uint64_t min = zs_square_root((limit_bytes >> 10) * 16) << 10;
    uint64_t gap = zs_smaller(limit_bytes / 100, ZS_WATERMARK_GAP_MOST);

    min = min > ZS_WATERMARK_MIN_LEAST ? min : ZS_WATERMARK_MIN_LEAST;
    min = zs_smaller(min, ZS_WATERMARK_MIN_MOST);
    min = zs_smaller(min, limit_bytes / 8);
    gap = gap > min / 4 ? gap : min / 4;
    return (struct zs_watermarks){ min, min + gap, min + 2 * gap };
}

/* The embedder's marks. One that is 0 is the default's distance above the one
 * below it, and not above the next one given. False: they are not in order, or
 * above the limit; also when marks are given and there is no limit. */
static inline bool zs_watermarks_set(struct zs_watermarks given,
                                     uint64_t limit_bytes,
                                     struct zs_watermarks *out)
{
    struct zs_watermarks w = zs_watermarks_default(limit_bytes);
    uint64_t gap = w.low_bytes - w.min_bytes;

    w.min_bytes = given.min_bytes ? given.min_bytes : w.min_bytes;
    w.low_bytes = given.low_bytes ? given.low_bytes : w.min_bytes + gap;
    w.high_bytes = given.high_bytes ? given.high_bytes : w.low_bytes + gap;
    if (!given.low_bytes) {
        w.low_bytes = zs_smaller(w.low_bytes, w.high_bytes);
    }
    if (!given.min_bytes) {
        w.min_bytes = zs_smaller(w.min_bytes, w.low_bytes);
    }
    if (w.min_bytes > w.low_bytes || w.low_bytes > w.high_bytes ||
        w.high_bytes > limit_bytes) {
        return false;
    }
    *out = w;
    return true;
}

static inline enum zs_watermark_state
zs_watermark_state(const struct zs_watermarks *w, uint64_t free_bytes)
{
    if (free_bytes < w->min_bytes) {
        return ZS_WATERMARK_BELOW_MIN;
    }
    if (free_bytes < w->low_bytes) {
        return ZS_WATERMARK_BELOW_LOW;
    }
    return free_bytes < w->high_bytes ? ZS_WATERMARK_BELOW_HIGH
                                      : ZS_WATERMARK_ABOVE_HIGH;
}

static inline struct zs_watermark_answer
zs_watermarks_look(const struct zs_watermarks *w,
                   const struct zs_watermark_figures *f)
{
    struct zs_watermark_answer a = { .state = ZS_WATERMARK_ABOVE_HIGH,
                                     .free_bytes = UINT64_MAX };
    uint64_t used = f->footprint_bytes;
    uint64_t missing = 0;

    if (f->limit_bytes == 0) {
        return a;
    }
    used -= zs_smaller(f->idle_bytes, used);
    a.free_bytes = f->limit_bytes - zs_smaller(used, f->limit_bytes);
    a.state = zs_watermark_state(w, a.free_bytes);
    if (a.free_bytes < w->high_bytes) {
        missing = w->high_bytes - a.free_bytes;
    }
    a.compact_bytes = zs_smaller(missing, f->reclaimable_bytes);
    a.evict_bytes = missing - a.compact_bytes;
    return a;
}

/* Does the compactor work? Woken below low, it does until high is reached. */
static inline bool zs_watermarks_want_work(enum zs_watermark_state state,
                                           bool awake)
{
    return state <= ZS_WATERMARK_BELOW_LOW ||
           (awake && state == ZS_WATERMARK_BELOW_HIGH);
}

/* What the embedder is told: nothing as long as compaction is enough. */
static inline enum zs_pressure_level
zs_watermarks_level(const struct zs_watermark_answer *a)
{
    if (a->evict_bytes == 0 || a->state >= ZS_WATERMARK_BELOW_HIGH) {
        return ZS_PRESSURE_NONE;
    }
    return a->state == ZS_WATERMARK_BELOW_LOW ? ZS_PRESSURE_LOW
                                              : ZS_PRESSURE_HIGH;
}

#endif /* ZS_COMPACTOR_WATERMARKS_H */
