/* SPDX-License-Identifier: MIT */
/*
 * plan.h - what every worker is told: the values, and what to do with them.
 *
 * The main process reads the input once into one memory file, cuts it into
 * pieces, and writes the plan into another. Both are mapped by each worker in
 * turn, so that all allocators get the same values in the same order.
 */
#ifndef ZSFRAG_PLAN_H
#define ZSFRAG_PLAN_H

#include <stdint.h>

#include "args.h"
#include "input.h"

/* One value. */
struct piece {
    uint64_t start;  /* in the data file */
    uint32_t len;    /* bytes, at least 1 */
    uint32_t stored; /* what is left of it: see pack.h */
};

struct plan {
    uint64_t raw_bytes;    /* of all pieces */
    uint64_t stored_bytes; /* of all pieces */
    uint64_t data_bytes;   /* length of the data file */
    uint64_t seed;
    uint32_t n_pieces;
    uint32_t longest_bytes; /* the longest piece */
    enum codec_id codec;
    enum unit unit;
    unsigned n_steps; /* the first one frees nothing */
    double freed[MAX_STEPS];
    struct piece pieces[];
};

/* A piece is at most this long; a longer line is cut. */
#define MAX_PIECE_BYTES (64u << 20)
#define PAGE_PIECE_BYTES 4096u
/* A shorter rest at the end of a file is dropped (--unit page). */
#define MIN_REST_BYTES 64u

/*
 * Cut the input, measure each piece with the codec, write the plan into a
 * memory file. Returns its descriptor; -1 after a message when that is not
 * possible. The caller closes it. Maps nothing when it returns.
 */
int plan_make(const struct input *input, const struct args *args);

/* Map a plan for reading; NULL when that fails. Never unmapped. */
const struct plan *plan_map(int fd);

#endif /* ZSFRAG_PLAN_H */
