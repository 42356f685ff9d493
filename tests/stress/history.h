/* SPDX-License-Identifier: MIT */
/*
 * history.h - what an embedder may do to an arena, phase by phase, and what
 * there is in the end.
 *
 * A history is a list of phases, each of a few numbers; so it can come from a
 * random generator or from a fuzzer's bytes, and any numbers make a valid one.
 * It keeps within HISTORY_MAX_BYTES of live objects.
 */
#ifndef ZS_TESTS_HISTORY_H
#define ZS_TESTS_HISTORY_H

#include <stdbool.h>
#include <stdint.h>

#include "guarantee.h"
#include "zspool/balloon.h"
#include "zspool/compactor.h"
#include "zspool/pool.h"

#define HISTORY_POOLS 3u
#define HISTORY_MAX_OBJECTS 40000u
#define HISTORY_MAX_BYTES ((uint64_t)32 << 20)
#define HISTORY_RANGE_BYTES ((uint64_t)512 << 20)

#define REQUIRE(c)                                                             \
    ((c) ? (void)0                                                             \
         : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c), abort()))

enum phase_kind {
    PHASE_CREATE,
    PHASE_CREATE_AGAIN, /* the same, twice as likely */
    PHASE_CREATE_BATCH,
    PHASE_CREATE_ALIGNED,
    PHASE_FREE,
    PHASE_FREE_MOST,
    PHASE_FREE_STRIDE, /* all but every k-th, in the order of the table */
    PHASE_FREE_DEFERRED,
    PHASE_REPLACE,
    PHASE_RESIZE,
    PHASE_SHRINK, /* free pages go back, in place */
    PHASE_COMPACT,
    PHASE_BALLOON,
    PHASE_NR_KINDS
};

struct phase {
    unsigned kind, pool, sizes; /* any: taken modulo */
    unsigned amount;            /* 0 .. 255 */
    bool by_other_thread;       /* whose caches then sleep */
    uint32_t seed;
};

struct object {
    zs_handle_t h; /* raw == 0: none */
    uint32_t size;
    uint8_t pool, seed;
};

struct history {
    struct zs_arena *arena;
    struct zs_pool *pools[HISTORY_POOLS];
    unsigned n_pools;
    enum zs_huge_pages huge;
    struct zs_balloon *balloon;
    struct object *objects; /* HISTORY_MAX_OBJECTS */
    uint32_t n_objects;     /* entries in use, live or not */
    uint64_t live_bytes;    /* asked for */
    /* per pool, for the census */
    uint64_t n_live[HISTORY_POOLS], n_dying[HISTORY_POOLS];
    uint64_t peak_handles[HISTORY_POOLS], peak_zspages[HISTORY_POOLS];
    uint64_t peak_blocks;
    bool used_by_other;
    uint64_t number; /* for reports of failures */
};

/* Once a process: the other thread, the objects' bytes. */
void history_init(void);

/* objects: room for HISTORY_MAX_OBJECTS. */
void history_begin(struct history *h, unsigned n_pools, enum zs_huge_pages huge,
                   struct object *objects);
void history_run(struct history *h, const struct phase *p);
/* Every object reads back as it was written. */
void history_verify(const struct history *h);
void history_census(struct history *h, struct census *out);
void history_end(struct history *h);

/* Compact, and check everything that docs/guarantees.md says of zs_compact().
 * Returns what it moved and gave back. */
struct zs_compact_result history_compact_and_check(struct history *h);

/* Have a compactor thread do it, with short ticks; check what is said of that.
 * Returns how many looks it took. */
uint64_t history_leave_to_thread_and_check(struct history *h);

#endif /* ZS_TESTS_HISTORY_H */
