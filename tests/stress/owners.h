/* SPDX-License-Identifier: MIT */
/* owners.h - what the files of stress_owners share; see stress_owners.c. */
#ifndef ZS_STRESS_OWNERS_H
#define ZS_STRESS_OWNERS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "zspool/balloon.h"
#include "zspool/movable_ops.h"
#include "zspool/pool.h"

#define MOST_WITHHELD ((uint64_t)4 << 20) /* about; then it is deflated */
#define REQUIRE(c)                                                             \
    ((c) ? (void)0                                                             \
         : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c), abort()))

/* What is counted, and must be met. */
#define COUNTS(X)                                                              \
    X(isolated)         /* pages that a hand got from an owner */              \
    X(migrated)         /* pages that a hand has moved */                      \
    X(put_back)         /* pages that a hand gave back */                      \
    X(no_destination)   /* by a hand, for want of memory */                    \
    X(unwilling)        /* cells: isolate_page says false */                   \
    X(retried)          /* cells: RETRY */                                     \
    X(refused)          /* cells: REFUSED */                                   \
    X(gone)             /* cells: GONE */                                      \
    X(cells_moved)      /* cells: DONE */                                      \
    X(freed_isolated)   /* cells freed while in the core's hands */            \
    X(freed_in_putback) /* cells freed by putback_page */                      \
    X(no_memory)        /* allocations refused */                              \
    X(faults)           /* system calls refused */                             \
    X(offline)                                                                 \
    X(busy) /* offline or retire: a page would not move */                     \
    X(retired)                                                                 \
    X(shrinks)                                                                 \
    X(pins)                                                                    \
    X(reads)

#define COUNT_FIELD(name) _Atomic uint64_t name;
struct counts {
    COUNTS(COUNT_FIELD)
};
extern struct counts counts; /* relaxed */

#define COUNT(name)                                                            \
    ((void)atomic_fetch_add_explicit(&counts.name, 1, memory_order_relaxed))

extern struct zs_arena *arena;
extern struct zs_pool *pool;
extern struct zs_balloon *balloon;
extern _Atomic bool done;         /* movers: stop */
extern _Atomic unsigned n_rounds; /* of move_all(), each call in each */

/* Random numbers of the calling thread, by its seed. */
void set_seed(uint64_t number);
uint64_t below(uint64_t n);
bool one_in(uint64_t n);

/* True: no error. Else there was no memory, which is counted. */
bool got(int err);
void check_balloon(void);

/* --- owners_values.c: objects of the pool; each worker changes its own --- */

struct values;
struct values *values_create(uint32_t worker);
void values_op(struct values *v, bool shrinking);
void values_unpin(struct values *v);
void values_destroy(struct values *v); /* checks and frees them all */

/* --- owners_cells.c: pages of a type of our own, for any worker --- */

void cells_create(void);
void cells_op(bool shrinking);
uint64_t cells_pages(void);
void cells_free(void); /* checks and frees them all */
void cells_destroy(void);

/* --- owners_movers.c: threads that move pages until `done` --- */

void *move_all(void *seed);     /* by the public calls */
void *move_by_hand(void *seed); /* by the core's own calls */

#endif /* ZS_STRESS_OWNERS_H */
