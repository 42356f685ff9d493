/* SPDX-License-Identifier: MIT */
/*
 * noise.h - need a codec be tried on this value?
 *
 * Idea
 *   What is compressed or encrypted already has every byte equally often. A
 *   look at 32 of them tells it from text, code and records; but not from what
 *   is noise but for a few percent, which would lose these. So a look is not
 *   enough. Values of about the same length are tried, and counted: one more
 *   where none came smaller, 8 less where it did. At 32 a thread is wary: now
 *   it looks, and spares the codec what looks like noise, but for one in 220.
 *   Should that one shrink, the count begins anew.
 *
 *   As long as most values shrink nothing is looked at, and nothing lost.
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

/* What a thread has learnt of a store's values, by length. Relaxed: threads may
 * share one, and what they lose is a try. */
struct zs_noise {
    _Atomic uint8_t counts[ZS_NOISE_LENGTHS];
};

bool zs_looks_like_noise(const void *data, size_t len);

/* Shall the codec be spared this value? */
bool zs_noise_skips(struct zs_noise *n, const void *data, size_t len);
/* It was tried. */
void zs_noise_learn(struct zs_noise *n, size_t len, bool shrank);

#endif /* ZS_LIB_NOISE_H */
