/* SPDX-License-Identifier: MIT */
/*
 * repeats.h - how many values are copies of one that came before.
 *
 * Idea. A table of hashes and how often each came, for all values whose hash is
 * below a limit. When the table is full the limit is halved and what is above
 * it leaves: all copies of a value stay or go together, so the share of copies
 * among those left is that of all, and memory is bounded however many come.
 */
#ifndef ZSREPORT_REPEATS_H
#define ZSREPORT_REPEATS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct repeats_entry {
    uint64_t hash; /* 0: free */
    uint64_t n, len;
};

struct repeats {
    struct repeats_entry *table;
    size_t room; /* a power of two */
    size_t n_used;
    uint64_t limit;
};

/* `room`: a power of two. false: no memory. */
bool repeats_open(struct repeats *r, size_t room);
void repeats_close(struct repeats *r);

void repeats_add(struct repeats *r, uint64_t hash, size_t len);

/* Shares of all values, and of all their bytes, that are copies: 0 .. 1. */
void repeats_shares(const struct repeats *r, double *of_values,
                    double *of_bytes);

#endif /* ZSREPORT_REPEATS_H */
