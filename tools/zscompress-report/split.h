/* SPDX-License-Identifier: MIT */
/*
 * split.h - which values dictionaries learn from, and which are measured.
 *
 * The two have no value in common, not even copies: who learns is decided by a
 * value's bytes. Else a dictionary would be praised for what it was shown.
 */
#ifndef ZSREPORT_SPLIT_H
#define ZSREPORT_SPLIT_H

#include "values.h"

/* Longer values are packed without a dictionary, as the store does. */
#define DICT_MAX_VALUE_BYTES 16384u

struct split {
    const struct value **trained;
    const struct value **measured; /* shuffled */
    size_t n_trained, n_measured;
    uint64_t trained_bytes, measured_bytes;
};

/* false: no memory. */
bool split_make(const struct values *v, uint64_t measure_bytes,
                struct split *out);
void split_free(struct split *s);

/* One dictionary; free() by the caller. NULL: too few values to learn from. */
void *split_train(const struct values *v, const struct split *s, size_t bytes,
                  size_t *out_bytes);

#endif /* ZSREPORT_SPLIT_H */
