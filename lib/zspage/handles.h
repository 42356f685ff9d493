/* SPDX-License-Identifier: MIT */
/*
 * handles.h - the handle table: one slot word per handle, and which are free.
 *
 * Words
 *   group   1,024 handles, whose slot words fill one page of the OS
 *
 * Idea
 *   The table is one reserved linear array, so a handle is an index and a look
 *   up is one load. Free handles are given out from the lowest group that has
 *   any, so live ones gather in front; a group without a live handle gives its
 *   page back. Within a group, free words are linked through their upper bits;
 *   handles never used yet lie behind `fresh`.
 *
 * Invariants
 *   H1  n_used + length(free list) == fresh, for each group
 *   H2  a group's page is resident (and charged) only if fresh > 0
 *   H3  no group below `hint` has a free handle
 *   H4  the first ZS_HANDLES_TOGETHER handles are never given out
 *
 * Locking: `lock` (rank HANDLES) guards all but the slot words of handles that
 * have been given out. Slot words are read without it.
 */
#ifndef ZS_LIB_HANDLES_H
#define ZS_LIB_HANDLES_H

#include <stdatomic.h>
#include <stdint.h>

#include "budget.h"
#include "lock.h"
#include "slot_word.h"

#define ZS_GROUP_HANDLES 1024u
#define ZS_HANDLES_TOGETHER 32u /* slot words of one cache line */
#define ZS_MAX_HANDLES (1u << 30)

struct zs_handle_group {
    uint16_t n_used;
    uint16_t fresh;
    uint16_t free_head; /* index in group + 1; 0: none */
};

struct zs_handles {
    _Atomic uint32_t *slots;
    struct zs_handle_group *groups; /* guarded by lock */
    uint64_t *full;                 /* a bit per group; guarded by lock */
    struct zs_budget *budget;
    uint32_t n_handles;        /* whole groups; set once at create */
    uint32_t n_touched;        /* groups whose struct is charged */
    uint32_t hint;             /* H3 */
    _Atomic uint32_t n_taken;  /* handles; relaxed: others look at it */
    _Atomic uint32_t n_groups; /* resident ones; relaxed: others look at it */
    struct zs_lock lock;
};

int zs_handles_init(struct zs_handles *t, uint32_t n, struct zs_budget *b);
void zs_handles_destroy(struct zs_handles *t);

/* Take up to n free handles, at least one. Returns how many, or -ENOMEM (the
 * budget) or -ENOSPC (none are left). */
int zs_handles_take(struct zs_handles *t, uint32_t *out, unsigned n);
/* Give handles back; their words are FREE. */
void zs_handles_give(struct zs_handles *t, const uint32_t *h, unsigned n);

/* Groups whose page is resident (H2), as of just now. */
static inline uint32_t zs_handles_groups(const struct zs_handles *t)
{
    return atomic_load_explicit(&t->n_groups, memory_order_relaxed);
}

/* Handles below it lie in groups that are needed anyhow: keeping some of them
 * keeps no page of the table. */
static inline uint32_t zs_handles_front(const struct zs_handles *t)
{
    uint32_t n = atomic_load_explicit(&t->n_taken, memory_order_relaxed) +
                 ZS_HANDLES_TOGETHER; /* H4 */

    return (n + ZS_GROUP_HANDLES - 1) / ZS_GROUP_HANDLES * ZS_GROUP_HANDLES;
}

/* acquire: pairs with the release that published the place; what the word
 * leads to is valid until the read section ends. */
static inline uint32_t zs_slot_load(const struct zs_handles *t, uint32_t h)
{
    return atomic_load_explicit(&t->slots[h], memory_order_acquire);
}

#endif /* ZS_LIB_HANDLES_H */
