/* SPDX-License-Identifier: MIT */
/*
 * dict_train.h - make a dictionary of samples, and say what it is worth.
 *
 * Words
 *   held-out sample  one that is not trained on, but tried with the result
 *   cost             what held-out samples take in the pool: bytes of their
 *                    size classes, for each 1,000,000 bytes of theirs
 *
 * Idea
 *   Every fifth sample is held out. A dictionary is worth what it saves of
 *   memory, so its gain is counted in size classes: a value that shrinks and
 *   stays in its class gains nothing.
 *
 *   Whether to train at all is asked first, by the cost of new samples with the
 *   dictionary in use: 100 times cheaper than training.
 *
 * Threads: functions of their arguments; any thread that has a work buffer.
 * Cost: training takes 70 to 100 ms of CPU for 1 MiB of samples, and some MiB
 * of memory meanwhile; a cost some 0.3 us for each held-out sample.
 */
#ifndef ZS_LIB_DICT_TRAIN_H
#define ZS_LIB_DICT_TRAIN_H

#include "codec.h"
#include "dict_sampler.h"

/* A codec as a store uses it. */
struct zs_dict_user {
    const struct zs_codec_ops *codec; /* has dictionaries */
    int level;
    /* What else a result is prepared for, where that codec has dictionaries;
     * NULL: nothing. */
    const struct zs_codec_ops *cold_codec;
    int cold_level;
    unsigned beside_bytes; /* of each object: header of a line, checksum */
};

/* Samples in two parts: taken over, and split. */
struct zs_split {
    struct zs_samples samples; /* the room; n and n_bytes are as sampled */
    size_t *train_lens;        /* n_train of them, at the room's begin */
    size_t n_train;
    size_t train_bytes;
    unsigned char *held; /* n_held, one after the other */
    size_t *held_lens;
    size_t n_held;
    size_t held_bytes;
};

/* `trains`: hold every fifth sample out; else all of them, for a cost alone.
 * 0, and then zs_split_free(), which frees the samples, too; -ENOMEM: the
 * samples are still the caller's. */
int zs_samples_split(struct zs_samples *samples, bool trains,
                     struct zs_split *out);
void zs_split_free(struct zs_split *split, struct zs_budget *budget);

/* What the held-out samples cost, with a prepared dictionary or with NULL.
 * 0 or -ENOMEM. */
int zs_dict_cost(const struct zs_dict_user *user, const void *dict,
                 const struct zs_split *split, uint64_t *out);

/*
 * Train a dictionary of at most max_bytes and prepare it. NULL: there are too
 * few samples, or they have nothing in common, or there is no memory. In *cold:
 * the same, prepared for the cold codec, or NULL.
 */
void *zs_dict_train(const struct zs_dict_user *user,
                    const struct zs_split *split, size_t max_bytes,
                    void **cold);

#endif /* ZS_LIB_DICT_TRAIN_H */
