/* SPDX-License-Identifier: MIT */
/*
 * rcu.h - read sections and grace periods (liburcu, flavour "bp").
 *
 * Words
 *   read section   from zs_read_lock() to zs_read_unlock(); may nest
 *   grace period   passes when every read section that was open at its begin
 *                  has ended
 *
 * Flavour bp registers a thread at its first read section and forgets it at
 * its exit, so an embedder's threads need no calls of ours, and with
 * sys_membarrier a reader executes no locked instruction. Its functions of less
 * than ten lines are compiled in: their header says that any program may do
 * that, and a read section is 1.3 ns instead of 11.5
 * (docs/decisions/0006-reader-flavour.md).
 *
 * An embedder may have readers of another kind (zspool/readers.h). Then a grace
 * period of ours is one of bp's and after it one of each other kind's.
 *
 * liburcu is not instrumented for ThreadSanitizer; the annotations below tell
 * it the one edge that a grace period gives: what a reader did in its section
 * happened before what anybody does after the grace period. There, and for
 * UndefinedBehaviorSanitizer (liburcu's readers are less aligned than they
 * say), the sections are calls, so that liburcu's own words stay out of sight.
 */
#ifndef ZS_LIB_RCU_H
#define ZS_LIB_RCU_H

#include <stdbool.h>

#include <urcu/urcu-bp.h>

#include <urcu/static/urcu-bp.h>

#include "sanitizer.h"

#ifdef ZS_TSAN
#include <sanitizer/tsan_interface.h>
extern char zs_tsan_readers;
#define ZS_TSAN_READER_LEAVES() __tsan_release(&zs_tsan_readers)
#define ZS_TSAN_GRACE_PASSED() __tsan_acquire(&zs_tsan_readers)
#else
#define ZS_TSAN_READER_LEAVES() ((void)0)
#define ZS_TSAN_GRACE_PASSED() ((void)0)
#endif

#if defined(ZS_TSAN) || defined(ZS_ASAN_OR_UBSAN)
#define ZS_URCU_(function) urcu_bp_##function
#else
#define ZS_URCU_(function) _urcu_bp_##function
/* Found without a call, like the threads' caches (lib/zspage/cache.h). */
extern DECLARE_URCU_TLS(struct urcu_bp_reader *, urcu_bp_reader)
    __attribute__((tls_model("initial-exec")));
#endif

static inline void zs_read_lock(void)
{
    ZS_URCU_(read_lock)();
}

static inline void zs_read_unlock(void)
{
    ZS_TSAN_READER_LEAVES();
    ZS_URCU_(read_unlock)();
}

static inline bool zs_in_read_section(void)
{
    return ZS_URCU_(read_ongoing)() != 0;
}

/* In a section of ours, or in one that we cannot know of: for assertions. */
bool zs_may_read(void);

/* Before a lock is taken under which it may read for the first time: liburcu
 * then needs its own. */
static inline void zs_reader_register(void)
{
    (void)zs_in_read_section();
}

/* Stop with a message when this thread is in a read section; `func` is the
 * public function that may wait. */
void zs_may_wait(const char *func);

/* Wait for a grace period. Holds no lock of rank CLASS or above. */
void zs_wait_for_readers(void);

/* What is to be done after a grace period. */
struct zs_after_grace {
    struct rcu_head head;
    void (*fn)(struct zs_after_grace *after);
};

/* Call fn(after) from liburcu's thread after a grace period. */
void zs_call_after_grace(struct zs_after_grace *after,
                         void (*fn)(struct zs_after_grace *after));

/*
 * Around a fork (fork.h). Before it liburcu's thread pauses, and its locks and
 * ours are taken: from then on nobody waits for readers, nor becomes one. In
 * the child the thread of before is replaced; readers of other kinds are
 * forgotten, for their flavours keep the threads that are gone.
 */
void zs_rcu_before_fork(void);
void zs_rcu_after_fork_parent(void);
void zs_rcu_after_fork_child(void);

#endif /* ZS_LIB_RCU_H */
