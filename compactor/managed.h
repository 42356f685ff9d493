/* SPDX-License-Identifier: MIT */
/*
 * managed.h - one arena that a compactor thread looks after.
 *
 * Words
 *   look    taking the arena's score, and what follows from it
 *   due     when the next look is to be; earlier when the arena is woken
 *   trickle a pass that pauses, so that it takes its share of a processor
 *
 * Idea
 *   The score is cheap, so there may be many looks. It says how large a share
 *   of a processor is to be spent. A pass pauses at its points for as long as
 *   that takes, and takes the score again every few milliseconds: the share
 *   follows the waste up and down, and a pass ends when there is little left.
 *
 *   A pass that gained nothing is followed by 1, 2, 4 ... 64 ticks without
 *   one, unless the waste has grown since.
 *
 *   The next look comes with the tick, or when so much more memory was taken
 *   that the waste may have passed the high mark (zs_arena_note_growth()).
 *
 * Locking: the fields are the compactor thread's own, but for those that say
 * otherwise. Passes run under the arena's pass_lock.
 */
#ifndef ZS_COMPACTOR_MANAGED_H
#define ZS_COMPACTOR_MANAGED_H

#include <semaphore.h>
#include <stdatomic.h>

#include "page.h"
#include "score.h"
#include "shortage.h"
#include "watermarks.h"
#include "zspool/compactor.h"

/* What all arenas of a compactor share. */
struct zs_compactor_shared {
    sem_t wake; /* posted: there may be something to do */
    struct zs_lock lock;
    struct zs_compact_budget budget; /* guarded by lock; complete */
    uint64_t tick_ns;                /* set once, as are the next */
    struct zs_watermarks marks;      /* as given: 0 is the default */
    _Atomic unsigned n_arenas;       /* relaxed */
    struct zs_shortage shortage;     /* the thread's own */
    _Atomic bool stop, paused;       /* relaxed: asked for at points */
};

struct zs_managed {
    struct zs_managed *next; /* guarded by shared lock */
    struct zs_arena *arena;  /* set once */
    struct zs_compactor_shared *shared;
    _Atomic bool kicked, leaving; /* relaxed, as those above */

    uint64_t due_ns;
    uint64_t ticked_ns;   /* when memory was last given back by decay */
    uint64_t grown_bytes; /* of memory taken: what counts as growth */
    uint64_t whole_ns;    /* when the last whole pass began */
    uint64_t grew_ns;     /* when last that had happened */
    unsigned fruitless;   /* passes, one after the other */
    uint64_t deferred_until_ns;
    uint64_t unblocked_ns;           /* when last tried again for that */
    uint64_t deferred_waste;         /* of the pass that gained nothing */
    struct zs_compact_budget budget; /* the copy in use */
    struct zs_watermarks marks;      /* set once; all 0 without a limit */
    bool near_limit;                 /* below low, and high is not reached */
    bool urgent;                     /* memory is short: work at any mark */

    /* for the embedder: relaxed, written at looks */
    _Atomic int level;
    _Atomic uint64_t evict_bytes, footprint_bytes;

    /* of the pass in progress */
    uint64_t point_ns, score_ns; /* when last looked at the clock, the score */
    uint64_t cpu_ns;             /* the thread's, then */
    uint64_t pass_ns;            /* when it began */
    bool called_off;             /* by others, not for want of work */
    uint64_t owed_ns;            /* pause that is due */
    unsigned share_percent;

    /* figures; relaxed, written by the thread */
    struct {
#define ZS_ATOMIC_FIELD_(name, text) _Atomic uint64_t name;
        ZS_COMPACTOR_STATS(ZS_ATOMIC_FIELD_)
    } stats;
};

/* -EBUSY: the arena has a compactor. -EINVAL: its limit is below the marks.
 * -ENOMEM */
int zs_managed_create(struct zs_arena *a, struct zs_compactor_shared *shared,
                      struct zs_managed **out);
/* May wait for a pass. Nobody looks at it any more. */
void zs_managed_destroy(struct zs_managed *m);

/* Is it time to look? And of two for which it is, at which first? */
bool zs_managed_is_due(const struct zs_managed *m, uint64_t now);
bool zs_managed_waits_longer(const struct zs_managed *a,
                             const struct zs_managed *b);

/* Take the score, work if there is something to gain, say when it is due. */
void zs_managed_look(struct zs_managed *m);

/* The figures as they are now. */
void zs_managed_stats(const struct zs_managed *m,
                      struct zs_compactor_stats *out);

/* Sleep, until `until_ns` or until the semaphore is posted. */
void zs_compactor_sleep(struct zs_compactor_shared *shared, uint64_t until_ns);

#endif /* ZS_COMPACTOR_MANAGED_H */
