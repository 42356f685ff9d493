/* SPDX-License-Identifier: MIT */
/* noise.h - does a value look as if no codec could make it smaller? */
#ifndef ZS_LIB_NOISE_H
#define ZS_LIB_NOISE_H

#include <stdbool.h>
#include <stddef.h>

/* Shorter values are not looked at: trying the codec costs little then. */
#define ZS_NOISE_MIN_BYTES 4096u

/* What the question costs, and how often it errs: noise.c. */
bool zs_looks_like_noise(const void *data, size_t len);

#endif /* ZS_LIB_NOISE_H */
