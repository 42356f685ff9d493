/* SPDX-License-Identifier: MIT */
/* rcu.c - waiting for readers. */
#include "rcu.h"

#include "check.h"
#include "lock.h"

#ifdef ZS_TSAN
char zs_tsan_readers;
#endif

void zs_may_wait(const char *func)
{
    if (zs_in_read_section()) {
        zs_misuse(func, "may wait, and was called inside a read section", 0,
                  "it would wait for itself");
    }
}

void zs_wait_for_readers(void)
{
    zs_may_wait(__func__); /* callers say so earlier, by their own names */
    ZS_ASSERT_NONE_FROM(ZS_RANK_CLASS);
    urcu_bp_synchronize_rcu();
    ZS_TSAN_GRACE_PASSED();
}

void zs_after_grace(struct rcu_head *head, void (*fn)(struct rcu_head *head))
{
    ZS_TSAN_READER_LEAVES(); /* the caller's own writes, for the callback */
    urcu_bp_call_rcu(head, fn);
}
