/* SPDX-License-Identifier: MIT */
/*
 * noise.h - need a codec be tried on this value?
 *
 * Idea
 *   What is compressed or encrypted already has every byte equally often. A
 *   look at 32 of them tells it from text, code and records, for some 30 ns;
 *   but not from what is noise but for a few percent, which would lose these.
 *   So a look is not enough: only where the last 32 values of about the same
 *   length that looked like noise were tried, and none had become smaller, is a
 *   codec spared; and then one in 128 is tried all the same.
 *
 * Cost
 *   Figures, and what is lost: docs/figures.md.
 */
#ifndef ZS_LIB_NOISE_H
#define ZS_LIB_NOISE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Shorter values are not looked at: trying the codec costs little then. */
#define ZS_NOISE_MIN_BYTES 4096u

#define ZS_NOISE_LENGTHS 8u /* by powers of two from there on */

/* What a thread has learnt of a store's values, by length: how many that looked
 * like noise were so, one after the other. Relaxed: threads may share one, and
 * what they lose is a look. */
struct zs_noise {
    _Atomic uint8_t in_a_row[ZS_NOISE_LENGTHS];
};

bool zs_looks_like_noise(const void *data, size_t len);

/* A value looks like noise: is it not worth a try? */
bool zs_noise_is_sure(struct zs_noise *n, size_t len);
/* It was tried. */
void zs_noise_learn(struct zs_noise *n, size_t len, bool shrank);

#endif /* ZS_LIB_NOISE_H */
