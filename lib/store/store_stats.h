/* SPDX-License-Identifier: MIT */
/*
 * store_stats.h - the counters of a store, one per field of ZS_STORE_STATS.
 *
 * A thread with a number (thread_ctx.h) adds to a stripe of its own, with
 * plain loads and stores; those without share stripe 0. A statistic is the sum
 * over all stripes. A stripe may be "negative" (a thread that only deletes):
 * unsigned arithmetic wraps there and back, and the sum is exact. All is
 * relaxed: a counter guards nothing, and a sum taken while threads are at work
 * is of no one moment.
 */
#ifndef ZS_LIB_STORE_STATS_H
#define ZS_LIB_STORE_STATS_H

#include <stdatomic.h>
#include <stdint.h>

#include "for_store.h"
#include "noise.h"
#include "thread_ctx.h"
#include "value_header.h"
#include "zspool/store.h"

/* What an object costs, and a value without one: slot, handle, side entry. */
#define ZS_HANDLE_BYTES 4u
#define ZS_SIDE_ENTRY_BYTES 4u

static inline uint64_t zs_object_cost(size_t bytes)
{
    return bytes == 0 ? ZS_HANDLE_BYTES
                      : zs_obj_class_bytes(bytes) + ZS_HANDLE_BYTES +
                            ZS_SIDE_ENTRY_BYTES;
}

struct zs_stats_stripe {
#define ZS_STORE_COUNTER_(name, text) _Atomic uint64_t name;
    ZS_STORE_STATS(ZS_STORE_COUNTER_)
#undef ZS_STORE_COUNTER_
    struct zs_noise noise;
    _Atomic uint64_t reserve; /* tenants.h */
    char apart[64];           /* so that no two stripes share a cache line */
};

struct zs_store_counters {
    struct zs_stats_stripe stripes[ZS_THREAD_NUMBERS];
};

/* Note in *change that values like `v` came (n 1) or went (n -1), whose object
 * has `beside` more bytes than header and payload. */
void zs_stats_note(struct zs_store_stats *change, const struct zs_value *v,
                   size_t beside, int n);

/* The same for one part of a value in parts. */
void zs_stats_note_part(struct zs_store_stats *change,
                        const struct zs_value *part, size_t beside, int n);

/* Add a change to the calling thread's stripe. */
void zs_stats_commit(struct zs_store_counters *counters,
                     const struct zs_store_stats *change);

void zs_stats_sum(struct zs_store_counters *counters,
                  struct zs_store_stats *out);

#endif /* ZS_LIB_STORE_STATS_H */
