/* SPDX-License-Identifier: MIT */
/*
 * fork.h - fork(): one moment of the library at which nothing is half done.
 *
 * Words
 *   member  an object with locks of its own: an arena, the pools, a balloon, a
 *           compactor
 *   work    what is half done between two lock sections of one thread: pages
 *           taken for a zspage that is not there yet, a slot without its
 *           object. zs_work_begin() to zs_work_end()
 *
 * Idea
 *   fork() copies the memory of all threads and only one thread. So the handler
 *   (pthread_atfork) waits until no other thread is in the middle of anything:
 *     1. passes and flushes end: it has all locks of ranks TRAINER, PASS and
 *        FLUSH. Nobody of the library waits for readers any more
 *     2. liburcu's thread pauses, and liburcu's own locks are held
 *     3. work is closed: what has begun ends, new work waits
 *     4. all other locks, rank by rank; threads' caches are stopped, and their
 *        sections waited for
 *   Then the process forks, and all is opened again, in both. The child first
 *   forgets what belonged to threads that are gone (child()).
 *
 *   Up to 2 a reader is never held up, for step 1 waits for readers; from 3 on
 *   nobody waits for readers, so these may wait for the fork.
 *
 * Invariants
 *   F1  work begins with no lock of rank ZS_RANK_WORK or later, and does not
 *       wait for a pass, a flush or readers
 *   F2  a mover is no work: it holds a lock of rank PASS
 *   F3  several locks of one rank are held together by this handler only. Who
 *       holds one of them waits for later ranks at most, which the handler does
 *       not hold yet
 *
 * Cost: nothing on fast paths (sections of caches, reads). Work is a section of
 * its thread (section.h): no locked operation. A fork takes 13 ms longer, most
 * of it until liburcu's thread pauses, while other threads go on;
 * docs/decisions/0011-fork.md.
 */
#ifndef ZS_LIB_FORK_H
#define ZS_LIB_FORK_H

#include <stdbool.h>

#include "lock.h"

struct zs_fork_member {
    const struct zs_fork_ops *how;
    struct zs_fork_member *next; /* guarded by the fork lock */
    bool joined;                 /* guarded by the fork lock */
};

struct zs_fork_ops {
    /* What takes long should end soon. No lock held; NULL: nothing does. */
    void (*hurry)(struct zs_fork_member *m);
    /* Take and drop its locks of one rank, by zs_lock_acquire_together() and
     * zs_lock_release_together(); NULL: it has none. */
    void (*lock)(struct zs_fork_member *m, enum zs_rank rank);
    void (*unlock)(struct zs_fork_member *m, enum zs_rank rank);
    /* In the child, with all locks: forget the threads that are gone. */
    void (*child)(struct zs_fork_member *m);
};

/* Install the handlers, once. Who has handlers of his own that take a lock
 * before ZS_RANK_FORK does it first: then his run before these. As
 * zs_fork_join(). */
int zs_fork_install(void);

/* Take part from now on; a member that does already, does. Waits for a fork
 * under way. 0 or -ENOMEM: the system keeps no more handlers. No lock held. */
int zs_fork_join(struct zs_fork_member *m);
void zs_fork_leave(struct zs_fork_member *m);

struct zs_work {
    unsigned depth;
    unsigned number; /* fork.c; 0: none */
    bool counted;    /* in a section, or among the strangers */
};
extern _Thread_local struct zs_work zs_work
    __attribute__((tls_model("initial-exec")));

void zs_work_begin_first(void);
void zs_work_end_last(void);

/* May nest. Waits for a fork under way, and for nothing else. */
static inline void zs_work_begin(void)
{
    if (zs_work.depth++ == 0) {
        zs_work_begin_first();
    }
}

static inline void zs_work_end(void)
{
    if (--zs_work.depth == 0) {
        zs_work_end_last();
    }
}

static inline bool zs_is_working(void)
{
    return zs_work.depth != 0;
}

#endif /* ZS_LIB_FORK_H */
