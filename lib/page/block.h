/* SPDX-License-Identifier: MIT */
/*
 * block.h - one pageblock: which of its 512 pages are used and resident.
 *
 * Pure bookkeeping: no lock, no system call, no arena. All of it is guarded by
 * the arena lock.
 *
 * Invariants
 *   K1  n_used and n_resident count the bits of `used` and `resident`
 *   K2  no run of free pages in the block is longer than run_hint
 *   K3  a huge block is resident, all of it, until it is given back whole
 */
#ifndef ZS_LIB_BLOCK_H
#define ZS_LIB_BLOCK_H

#include <stdbool.h>
#include <stdint.h>

#include "bits.h"

#define ZS_BLOCK_PAGES 512u
#define ZS_BLOCK_NONE UINT32_MAX

enum zs_block_state {
    ZS_BLOCK_EMPTY,   /* no page used, nothing resident; the zero state       */
    ZS_BLOCK_OPEN,    /* pages may be taken                                   */
    ZS_BLOCK_CLOSED,  /* being evacuated: pages are freed, none are taken     */
    ZS_BLOCK_HELD,    /* as CLOSED, but it stays so when it is empty          */
    ZS_BLOCK_BUSY,    /* its free pages are being given back                  */
    ZS_BLOCK_OFFLINE, /* as EMPTY, and nothing is taken from it              */
};

/* Lists of blocks by the longest run that they can have. */
#define ZS_BLOCK_NR_LISTS 11u

struct zs_block {
    uint64_t used[ZS_BLOCK_PAGES / 64];
    uint64_t resident[ZS_BLOCK_PAGES / 64];
    uint16_t n_used;
    uint16_t n_resident;
    uint16_t run_hint;
    uint8_t state; /* enum zs_block_state */
    uint8_t list;  /* which list it is on, when OPEN */
    uint32_t prev, next;
    uint8_t resume;      /* BUSY for a trim: the state before and after it */
    uint8_t skip_passes; /* how many more passes leave it out */
    uint8_t skip_shift;  /* the next time it is 1 << skip_shift */
    uint8_t touched;     /* tick in which pages were last taken or given */
    bool huge;           /* one huge page of the system */
    uint16_t n_retired;  /* of n_used */
};

/* First page of a free run of n, or ZS_BITS_NONE; then run_hint is exact. */
size_t zs_block_find_run(struct zs_block *b, unsigned n);

/* Mark pages used or free, keeping K1 and K2. */
void zs_block_take(struct zs_block *b, unsigned first, unsigned n);
void zs_block_give(struct zs_block *b, unsigned first, unsigned n);

/* Mark pages resident or not; returns how many changed. */
unsigned zs_block_set_resident(struct zs_block *b, unsigned first, unsigned n,
                               bool resident);

/* Free pages with memory; fewer than there are where used ones have none. */
static inline unsigned zs_block_n_idle(const struct zs_block *b)
{
    return b->n_resident > b->n_used ? (unsigned)(b->n_resident - b->n_used)
                                     : 0;
}

/* Next run [*first, *first + n) of free resident pages from *first on; returns
 * n, or 0 when there is none. */
unsigned zs_block_next_idle_run(const struct zs_block *b, unsigned *first);

bool zs_block_is_valid(const struct zs_block *b);

/* List of a block whose longest run is n: 1 -> 1, 2..3 -> 2, 4..7 -> 3 ... */
static inline unsigned zs_block_list_of(unsigned n)
{
    return n == 0 ? 0 : 32u - (unsigned)__builtin_clz(n);
}

#endif /* ZS_LIB_BLOCK_H */
