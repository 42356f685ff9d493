/* SPDX-License-Identifier: MIT */
/*
 * stall.c - an allocation that met the limit waits a little for the compactor.
 *
 * Words
 *   stall     an allocation's wait, STALL_NS at most
 *   headroom  what may still be taken below the limit
 *   attempt   one look of the compactor at the arena, with what followed
 *
 * Idea
 *   The kernel compacts on the allocating thread. Here that thread may hold any
 *   lock of the embedder's, which readers or callbacks of page types may be
 *   waiting for; so it runs none of them and waits for no reader. It has the
 *   compactor work at its greatest share, and waits for headroom, or until a
 *   whole attempt that began after the call has ended, or for STALL_NS.
 *   Whatever is waited for behind it, that much later it goes on.
 *
 *   An allocation that stalled for nothing is not followed by others for a
 *   while: 1, 2, 4 ... 1,024 ms.
 *
 * Locking: the arena lock guards all of it.
 */
#include "os.h"
#include "page.h"

#define STALL_NS UINT64_C(5000000)
#define FIRST_PAUSE_NS UINT64_C(1000000)
#define MAX_PAUSE_SHIFT 10u

static uint64_t headroom(const struct zs_arena *a)
{
    uint64_t used = atomic_load_explicit(&a->budget.used, memory_order_relaxed);

    return used < a->budget.limit ? a->budget.limit - used : 0;
}

/* Somebody compacts, and it is worth trying. */
static bool may_stall_locked(const struct zs_arena *a, uint64_t now)
{
    return a->waker != NULL && now >= a->stall_after_ns;
}

static void wait_locked(struct zs_arena *a, uint64_t had, uint64_t until_ns)
{
    uint32_t enough = a->attempts + 2; /* one has begun by now, perhaps */

    atomic_fetch_add_explicit(&a->n_stalled, 1, memory_order_relaxed);
    while (headroom(a) <= had && a->attempts < enough && a->waker &&
           zs_os.now_ns() < until_ns) {
        zs_arena_wake_locked(a);
        zs_lock_wait_until(&a->lock, &a->attempted, until_ns);
    }
    atomic_fetch_sub_explicit(&a->n_stalled, 1, memory_order_relaxed);
}

static void note_outcome_locked(struct zs_arena *a, bool gained)
{
    zs_count(&a->counters.stall);
    zs_count(gained ? &a->counters.success : &a->counters.fail);
    if (gained) {
        a->stall_failures = 0;
        return;
    }
    a->stall_after_ns = zs_os.now_ns() + (FIRST_PAUSE_NS << a->stall_failures);
    a->stall_failures += a->stall_failures < MAX_PAUSE_SHIFT;
}

bool zs_arena_stall(struct zs_arena *a)
{
    uint64_t now, had;
    bool gained = false;

    if (a->budget.limit == 0 || zs_is_mover() || zs_may_read()) {
        return false;
    }
    now = zs_os.now_ns();
    zs_lock_acquire(&a->lock);
    if (may_stall_locked(a, now)) {
        had = headroom(a);
        wait_locked(a, had, now + STALL_NS);
        gained = headroom(a) > had;
        note_outcome_locked(a, gained);
    }
    zs_lock_release(&a->lock);
    return gained;
}

void zs_arena_tell_stalled(struct zs_arena *a, bool ended)
{
    zs_lock_acquire(&a->lock);
    a->attempts += ended;
    if (zs_arena_is_stalled(a)) {
        pthread_cond_broadcast(&a->attempted);
    }
    zs_lock_release(&a->lock);
}
