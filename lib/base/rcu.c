/* SPDX-License-Identifier: MIT */
/*
 * rcu.c - waiting for readers, of our kind and of others.
 *
 * Other kinds are only ever added, so whoever has read their number may use all
 * below it without a lock.
 *
 * Invariants
 *   K1  a section of another kind that begins after zs_readers_add() has
 *       returned is waited for by every grace period that covers what the
 *       section can find. For either the wait below comes after the adding,
 *       and sees the kind; or it comes before, and the section sees what had
 *       been taken away before that wait. kinds_lock makes it one or the other.
 */
#include "rcu.h"

#include <errno.h>
#include <stdatomic.h>
#include <stddef.h>

#include "check.h"
#include "lock.h"
#include "zspool/readers.h"

#ifdef ZS_TSAN
char zs_tsan_readers;
#endif

static pthread_mutex_t kinds_lock = PTHREAD_MUTEX_INITIALIZER; /* innermost */
static struct zs_readers kinds[ZS_MAX_READERS];
static _Atomic unsigned n_kinds; /* release: pairs with kinds_known() */

static unsigned kinds_known(void)
{
    return atomic_load_explicit(&n_kinds, memory_order_acquire);
}

/* Under kinds_lock. */
static int add_kind(const struct zs_readers *kind)
{
    unsigned n = atomic_load_explicit(&n_kinds, memory_order_relaxed);

    for (unsigned i = 0; i < n; i++) {
        if (kinds[i].wait == kind->wait) {
            return 0;
        }
    }
    if (n == ZS_MAX_READERS) {
        return -ENOSPC;
    }
    kinds[n] = *kind;
    atomic_store_explicit(&n_kinds, n + 1, memory_order_release);
    return 0;
}

int zs_readers_add(const struct zs_readers *kind)
{
    int err;

    if (!kind || !kind->wait || !kind->ongoing) {
        return -EINVAL;
    }
    pthread_mutex_lock(&kinds_lock);
    err = add_kind(kind);
    pthread_mutex_unlock(&kinds_lock);
    return err;
}

static bool in_section_of_another_kind(void)
{
    unsigned n = kinds_known();

    for (unsigned i = 0; i < n; i++) {
        if (kinds[i].ongoing()) {
            return true;
        }
    }
    return false;
}

bool zs_may_read(void)
{
    return zs_in_read_section() || in_section_of_another_kind();
}

void zs_may_wait(const char *func)
{
    if (zs_may_read()) {
        zs_misuse(func, "may wait, and was called inside a read section", 0,
                  "it would wait for itself");
    }
}

static void wait_for_other_kinds(void)
{
    unsigned n;

    pthread_mutex_lock(&kinds_lock); /* K1 */
    n = kinds_known();
    pthread_mutex_unlock(&kinds_lock);
    for (unsigned i = 0; i < n; i++) {
        kinds[i].wait();
    }
}

void zs_wait_for_readers(void)
{
    zs_may_wait(__func__); /* callers say so earlier, by their own names */
    ZS_ASSERT_NONE_FROM(ZS_RANK_CLASS);
    urcu_bp_synchronize_rcu();
    wait_for_other_kinds();
    ZS_TSAN_GRACE_PASSED();
}

static void grace_of_bp_passed(struct rcu_head *head)
{
    struct zs_after_grace *after =
        (struct zs_after_grace *)((char *)head -
                                  offsetof(struct zs_after_grace, head));

    wait_for_other_kinds();
    ZS_TSAN_GRACE_PASSED();
    after->fn(after);
}

void zs_call_after_grace(struct zs_after_grace *after,
                         void (*fn)(struct zs_after_grace *after))
{
    after->fn = fn;
    ZS_TSAN_READER_LEAVES(); /* the caller's own writes, for the callback */
    urcu_bp_call_rcu(&after->head, grace_of_bp_passed);
}

/* The thread is there first, so that nobody has to make it meanwhile: who does
 * so in a read section waits for the fork, which waits for liburcu, which may
 * be waiting for that section. */
void zs_rcu_before_fork(void)
{
    (void)urcu_bp_get_default_call_rcu_data();
    urcu_bp_call_rcu_before_fork();
    urcu_bp_before_fork();
    pthread_mutex_lock(&kinds_lock);
}

void zs_rcu_after_fork_parent(void)
{
    pthread_mutex_unlock(&kinds_lock);
    urcu_bp_after_fork_parent();
    urcu_bp_call_rcu_after_fork_parent();
}

void zs_rcu_after_fork_child(void)
{
    atomic_store_explicit(&n_kinds, 0, memory_order_relaxed);
    pthread_mutex_unlock(&kinds_lock);
    urcu_bp_after_fork_child();
    urcu_bp_call_rcu_after_fork_child();
}
