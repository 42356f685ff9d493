/* SPDX-License-Identifier: MIT */
/*
 * load.h - workloads of changing object sizes: what they are, and what a
 * worker finds out about one.
 *
 * Words
 *   live      the requested bytes of the objects that live
 *   target    the live bytes that a load keeps to
 *   others    all threads of the worker but the one that puts and drops: the
 *             compactor, and whatever threads an allocator or the library has
 */
#ifndef ZSFRAG_LOAD_H
#define ZSFRAG_LOAD_H

#include <stdint.h>

#define MAX_HALVINGS 8

enum load_kind { LOAD_CHURN, LOAD_CACHE, LOAD_TIDE };

/* min .. max bytes, all as likely */
struct sizes {
    uint32_t min, max;
};

struct load_shape {
    const char *name;
    enum load_kind kind;
    struct sizes before, after; /* after.max 0: there is no such phase */
    double deleted;             /* share of the objects, between */
    uint64_t n_before, n_after; /* LOAD_CACHE: objects, at its own target */
    /* When nothing else is asked for: */
    uint32_t target_mib;
    unsigned rest_seconds;
};

/* NULL: no such workload. */
const struct load_shape *load_find(const char *name);

/* What a worker is told, in a memory file. */
struct load_plan {
    char name[16];
    uint64_t target_bytes;
    uint64_t seed;
    unsigned rest_seconds;
};

/* What an allocator says of itself; all 0 where it says nothing. */
struct load_detail {
    uint64_t footprint; /* by the tool */
    uint64_t live;      /* at that moment, by the tool */
    uint64_t put_bytes; /* put so far */
    uint64_t resident_bytes, metadata_bytes, used_bytes, deferred_bytes;
    uint64_t class_bytes; /* live, as usable bytes of size classes */
    uint64_t zspage_bytes, cached_bytes;
    uint64_t objects_moved, bytes_moved;
};

struct load_result {
    uint64_t target_bytes;
    uint64_t n_puts, n_drops;
    double seconds;       /* of puts and drops, looks left out */
    double after_seconds; /* of these, behind what is deleted between */
    double main_cpu, others_cpu;
    struct load_detail fill, peak, final, rested;
    double peak_seconds; /* when that was */
    uint64_t minor_faults, switches;
    uint64_t n_samples;
    double sample_us;   /* what one took */
    int64_t sample_gap; /* the quick figure less the exact one, at the end */
    uint64_t n_checked, n_corrupt;
    /* LOAD_TIDE */
    unsigned n_halvings;
    double follow_seconds[MAX_HALVINGS]; /* below 0: not before the next rise */
};

#endif /* ZSFRAG_LOAD_H */
