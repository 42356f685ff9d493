/* SPDX-License-Identifier: MIT */
/*
 * recompress.h - cold values get a stronger codec or a newer dictionary.
 *
 * Words
 *   hand   the handle that is looked at next; it goes round
 *   visit  the hand comes by: what is not cold becomes so; what is cold and was
 *          not tried becomes a candidate
 *   round  from the first handle to the last
 *   batch  the candidates of one step
 *   cold codec  what such values are compressed with; number 1 in their header
 *
 * Idea
 *   A clock hand goes over the handles, once in idle_ns. A candidate is
 *   decompressed, and compressed anew in whichever of these ways there is: with
 *   the cold codec, with the current dictionary of its class, with both. The
 *   smallest size class wins. If it is smaller than the one it has, the value
 *   is replaced. If not, or if it was, it is "tried" and left alone until it is
 *   replaced or a dictionary is published.
 *
 *   A value with a retired dictionary is moved to another one for an equal
 *   class, too: that dictionary's memory is the gain.
 *
 *   A step ends with a pause, so long that all steps together take cpu_percent
 *   of a core. Whoever asks for a value, replaces or deletes it stops the
 *   worker at once (cold_map.h).
 *
 *   The old object lives until the new one is there: without room for both,
 *   nothing happens.
 *
 * Locking: `lock` (rank TRAINER), during a step; held for grace periods.
 *
 * Not done
 *   Parts of large values are left as they are. A value that is asked for again
 *   stays as it is, with the cold codec, until it is replaced.
 */
#ifndef ZS_LIB_RECOMPRESS_H
#define ZS_LIB_RECOMPRESS_H

#include "cold_map.h"
#include "lock.h"
#include "zspool/store.h"

#define ZS_COLD_CODEC 1u /* its number in headers of values */

struct zs_recompress {
    const struct zs_codec_ops *codec; /* set once at create; NULL: off */
    int level;                        /* set once at create */
    struct zs_recompress_config cfg;  /* with defaults filled in */
    struct zs_lock lock;
    uint32_t hand;          /* guarded by lock, as all below */
    bool again;             /* this round, tried values are tried again */
    uint64_t n_published;   /* dictionaries, when the last round began */
    uint64_t not_before_ns; /* the next step */
    struct zs_cold_map map;
#define ZS_RECOMPRESS_COUNTER_(name, text) _Atomic uint64_t name;
    ZS_RECOMPRESS_COUNTERS(ZS_RECOMPRESS_COUNTER_) /* relaxed */
#undef ZS_RECOMPRESS_COUNTER_
};

struct zs_store;

/* 0, -EINVAL or -ENOMEM. The store has its pool. */
int zs_recompress_init(struct zs_store *store,
                       const struct zs_recompress_config *cfg);
/* When no step is under way. */
void zs_recompress_destroy(struct zs_store *store);

/* Do what is due: one batch at most. As zs_worker's step. */
bool zs_recompress_step(struct zs_store *store, uint64_t *next_ns);

#endif /* ZS_LIB_RECOMPRESS_H */
