/* SPDX-License-Identifier: MIT */
/* store_stats.c - count what a store holds. */
#include "store_stats.h"

#include <stdbool.h>

void zs_stats_note(struct zs_store_stats *change, const struct zs_value *v,
                   size_t beside, int n)
{
    uint64_t one = (uint64_t)n; /* -1 wraps, as everything here may */
    bool is_list = v->kind == ZS_VALUE_IN_PARTS;

    change->n_values += one;
    change->raw_bytes += one * v->length;
    change->stored_bytes += is_list ? 0 : one * v->payload;
    change->header_bytes += one * (v->header + beside);
    change->used_bytes += one * zs_object_cost(v->header + v->payload + beside);
    if (is_list) {
        change->n_in_parts += one;
        change->header_bytes += one * v->payload;
    }
    if (v->kind == ZS_VALUE_PATTERN) {
        change->n_same_filled += one;
    }
    if (v->kind == ZS_VALUE_RAW) {
        change->n_stored_raw += one;
    }
}

void zs_stats_note_part(struct zs_store_stats *change,
                        const struct zs_value *part, size_t beside, int n)
{
    uint64_t one = (uint64_t)n;

    change->stored_bytes += one * part->payload;
    change->header_bytes += one * (part->header + beside);
    change->used_bytes +=
        one * zs_object_cost(part->header + part->payload + beside);
}

static void add(_Atomic uint64_t *counter, uint64_t change, bool is_own)
{
    if (is_own) {
        uint64_t now = atomic_load_explicit(counter, memory_order_relaxed);

        atomic_store_explicit(counter, now + change, memory_order_relaxed);
    } else if (change != 0) {
        atomic_fetch_add_explicit(counter, change, memory_order_relaxed);
    }
}

void zs_stats_commit(struct zs_store_counters *counters,
                     const struct zs_store_stats *change)
{
    unsigned number = zs_thread_number();
    struct zs_stats_stripe *s = &counters->stripes[number];

#define ADD_(name, text) add(&s->name, change->name, number != 0);
    ZS_STORE_STATS(ADD_)
#undef ADD_
}

void zs_stats_sum(struct zs_store_counters *counters,
                  struct zs_store_stats *out)
{
    *out = (struct zs_store_stats){ 0 };
    for (unsigned i = 0; i < ZS_THREAD_NUMBERS; i++) {
        struct zs_stats_stripe *s = &counters->stripes[i];

#define SUM_(name, text)                                                       \
    out->name += atomic_load_explicit(&s->name, memory_order_relaxed);
        ZS_STORE_STATS(SUM_)
#undef SUM_
    }
}
