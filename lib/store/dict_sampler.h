/* SPDX-License-Identifier: MIT */
/*
 * dict_sampler.h - some of the values that are put, to train on.
 *
 * Words
 *   epoch    from zs_sampler_restart() to the next one: what was put before is
 *            forgotten
 *   gap      one of so many values is sampled
 *   turn     what a thread keeps: how many values it lets pass
 *   thinned  every sample dropped or kept by the toss of a coin, and the gap
 *            doubled
 *
 * Idea
 *   An epoch begins by taking each value (or one of a few). When the room is
 *   used up it grows, as long as it stays small beside what has been put; then
 *   it is thinned instead. So at any moment each value of the epoch is there
 *   with the same probability, 1 / gap, and the room is at least half full.
 *
 *   A put that is not sampled counts its turn down by one. Turns are of
 *   MAX_TURN at most, so that all threads notice a new epoch soon; for larger
 *   gaps most turns that end take no sample.
 *
 * Invariants
 *   D1  the lengths add up to n_bytes; bytes grow from the room's begin,
 *       lengths from its end, and they do not meet
 *   D2  what the room takes is charged to the budget
 *
 * Locking
 *   `lock` guards the room. A put only tries it: while another thread has it
 *   the value is not sampled.
 */
#ifndef ZS_LIB_DICT_SAMPLER_H
#define ZS_LIB_DICT_SAMPLER_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "budget.h"
#include "lock.h"

#define ZS_SAMPLE_LIMIT_BYTES 16384u /* longer values are no samples */

/* A room, taken out of a sampler. */
struct zs_samples {
    unsigned char *room; /* NULL: nothing was sampled */
    size_t room_bytes;
    size_t n;
    size_t n_bytes; /* one sample after the other, from `room` on */
    uint32_t gap;
};

struct zs_sampler {
    struct zs_lock lock; /* rank SAMPLES */
    struct zs_budget *budget;
    struct zs_samples now; /* guarded by lock, as all below but for gap */
    size_t max_room_bytes;
    uint64_t ready_bytes; /* this much was put: ready */
    uint32_t rng;
    _Atomic uint32_t n_turns; /* threads so far; relaxed: only to differ */
    _Atomic uint32_t gap;     /* now.gap, for puts; relaxed: a hint */
};

struct zs_sample_turn {
    _Atomic uint32_t left; /* values to pass; relaxed, the owner's */
    _Atomic uint32_t rng;
};

void zs_sampler_init(struct zs_sampler *s, struct zs_budget *budget);
void zs_sampler_destroy(struct zs_sampler *s);

/* Begin an epoch, with at most max_room_bytes of memory. It is ready when about
 * ready_bytes have been put. The gap begins at 1 / 16 of the last one. */
void zs_sampler_restart(struct zs_sampler *s, size_t max_room_bytes,
                        uint64_t ready_bytes);

/* Is this value to be offered? Called for each value that is put. */
static inline bool zs_sample_turn_ends(struct zs_sample_turn *t)
{
    uint32_t left = atomic_load_explicit(&t->left, memory_order_relaxed);

    if (left == 0) {
        return true;
    }
    atomic_store_explicit(&t->left, left - 1, memory_order_relaxed);
    return false;
}

/* The turn has ended: perhaps keep the value, and begin the next turn. True:
 * the epoch is ready. Never waits. */
bool zs_sampler_offer(struct zs_sampler *s, struct zs_sample_turn *t,
                      const void *data, size_t len);

/* About how many bytes have been put in this epoch. */
uint64_t zs_samples_put_bytes(const struct zs_samples *samples);
bool zs_sampler_is_ready(struct zs_sampler *s);

/* Take what there is; the epoch goes on with nothing. The samples are the
 * caller's, and stay charged until zs_samples_free(). */
void zs_sampler_take(struct zs_sampler *s, struct zs_samples *out);
size_t zs_sample_length(const struct zs_samples *samples, size_t i);
void zs_samples_free(struct zs_samples *samples, struct zs_budget *budget);

#endif /* ZS_LIB_DICT_SAMPLER_H */
