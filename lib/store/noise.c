/* SPDX-License-Identifier: MIT */
/*
 * noise.c - see noise.h.
 *
 * At some places, evenly far apart, a few bytes are counted, and the squares of
 * the counts summed. For n bytes drawn evenly from 256 the sum is n + n * (n -
 * 1) / 256 on average, 36 for n = 32, and seldom more than 44; where some bytes
 * are more common than others it is larger. The distance of the places is odd,
 * so that they do not fall on the same field of each record.
 */
#include "noise.h"

#define N_PLACES 8u /* a cache line each, maybe */
#define N_BYTES 4u  /* side by side */
#define MOST_SQUARES 45u

#define WARY 32u
#define FORGIVEN 8u             /* of the count, by one that shrank */
#define TRY_AGAIN (WARY + 220u) /* what is skipped counts on */

bool zs_looks_like_noise(const void *data, size_t len)
{
    const unsigned char *p = data;
    size_t step = (len / N_PLACES - 1) | 1;
    uint8_t counts[256] = { 0 };
    unsigned squares = 0;

    if (len < ZS_NOISE_MIN_BYTES) {
        return false;
    }
    for (unsigned i = 0; i < N_PLACES * N_BYTES; i++) {
        unsigned byte = p[i / N_BYTES * step + i % N_BYTES];

        squares += 2u * counts[byte] + 1; /* (c + 1)^2 - c^2 */
        counts[byte]++;
    }
    return squares < MOST_SQUARES;
}

static _Atomic uint8_t *count_of(struct zs_noise *n, size_t len)
{
    unsigned power = (unsigned)__builtin_ctzl(ZS_NOISE_MIN_BYTES);
    unsigned i = 63u - (unsigned)__builtin_clzl(len) - power;

    return &n->counts[i < ZS_NOISE_LENGTHS ? i : ZS_NOISE_LENGTHS - 1];
}

bool zs_noise_skips(struct zs_noise *n, const void *data, size_t len)
{
    _Atomic uint8_t *at = count_of(n, len);
    unsigned count = atomic_load_explicit(at, memory_order_relaxed);

    if (count < WARY || count >= TRY_AGAIN || !zs_looks_like_noise(data, len)) {
        return false;
    }
    atomic_store_explicit(at, (uint8_t)(count + 1), memory_order_relaxed);
    return true;
}

void zs_noise_learn(struct zs_noise *n, size_t len, bool shrank)
{
    _Atomic uint8_t *at = count_of(n, len);
    unsigned count = atomic_load_explicit(at, memory_order_relaxed);
    unsigned next;

    if (count >= TRY_AGAIN) {
        next = shrank ? 0 : WARY;
    } else if (count >= WARY) {
        next =
            shrank ? WARY - FORGIVEN : count; /* it did not look like noise */
    } else if (shrank) {
        next = count > FORGIVEN ? count - FORGIVEN : 0;
    } else {
        next = count + 1;
    }
    if (next != count) {
        atomic_store_explicit(at, (uint8_t)next, memory_order_relaxed);
    }
}
