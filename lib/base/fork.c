/* SPDX-License-Identifier: MIT */
/* fork.c - see fork.h. */
#include "fork.h"

#include <sched.h>
#include <stdatomic.h>

#include "os.h"
#include "rcu.h"
#include "section.h"

#define N_WORKERS 256u

/*
 * A thread that works is in a section of its own, by its number: a plain store.
 * Numbers are taken at a thread's first work and given back at its end. Where
 * none is left, or its end would not be known, it counts itself among the
 * strangers instead.
 */
static struct {
    _Alignas(64) struct zs_section section;
} workers[N_WORKERS];
static _Atomic uint64_t numbers_taken[N_WORKERS / 64] = { 1 }; /* 0: none */
static _Atomic uint32_t n_strangers;

static _Atomic bool closed;
static struct zs_lock work_lock = { PTHREAD_MUTEX_INITIALIZER, ZS_RANK_WORK };

static struct zs_lock fork_lock = { PTHREAD_MUTEX_INITIALIZER, ZS_RANK_FORK };
static struct zs_fork_member *members; /* guarded by fork_lock */
static bool installed;                 /* guarded by fork_lock */
static _Atomic bool has_members;       /* relaxed: the library is in use */

_Thread_local struct zs_work zs_work;

/* --- numbers --- */

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool has_key; /* set once, before key_once is over */

static unsigned take_number(void)
{
    for (unsigned i = 0; i < N_WORKERS / 64; i++) {
        uint64_t taken =
            atomic_load_explicit(&numbers_taken[i], memory_order_relaxed);

        while (taken != UINT64_MAX) {
            uint64_t lowest = ~taken & (taken + 1);

            if (atomic_compare_exchange_weak_explicit(
                    &numbers_taken[i], &taken, taken | lowest,
                    memory_order_relaxed, memory_order_relaxed)) {
                return i * 64 + (unsigned)__builtin_ctzll(lowest);
            }
        }
    }
    return 0;
}

static void give_number(unsigned n)
{
    atomic_fetch_and_explicit(&numbers_taken[n / 64], ~(UINT64_C(1) << n % 64),
                              memory_order_relaxed);
}

/* The end of a thread. Should it work again in a later destructor, it takes
 * another number and sets the key again, and pthreads calls this again. */
static void end_thread(void *ignored)
{
    (void)ignored;
    give_number(zs_work.number);
    zs_work.number = 0;
}

static void make_key(void)
{
    has_key = pthread_key_create(&key, end_thread) == 0;
}

static void number_thread(struct zs_work *w)
{
    pthread_once(&key_once, make_key);
    w->number = has_key ? take_number() : 0;
    if (w->number != 0 && pthread_setspecific(key, w) != 0) {
        give_number(w->number);
        w->number = 0;
    }
}

/* --- work --- */

/* The fence, here or by the barrier of who closes: this enters and then looks,
 * the handler closes and then waits; one of them sees the other. */
static void enter(const struct zs_work *w)
{
    if (w->number == 0) {
        atomic_fetch_add_explicit(&n_strangers, 1, memory_order_seq_cst);
    } else if (zs_sections_are_fenced()) {
        zs_section_enter_fenced(&workers[w->number].section);
    } else {
        zs_section_enter(&workers[w->number].section);
    }
}

static void leave(const struct zs_work *w)
{
    if (w->number == 0) {
        /* release: pairs with wait_for_workers(), which sees all of it */
        atomic_fetch_sub_explicit(&n_strangers, 1, memory_order_release);
    } else {
        zs_section_leave(&workers[w->number].section);
    }
}

void zs_work_begin_first(void)
{
    struct zs_work *w = &zs_work;

    if (zs_is_mover()) { /* F2 */
        return;
    }
    ZS_ASSERT_NONE_FROM(ZS_RANK_WORK); /* F1 */
    zs_reader_register();
    if (w->number == 0) {
        number_thread(w);
    }
    w->counted = true;
    enter(w);
    while (atomic_load_explicit(&closed, memory_order_seq_cst)) {
        leave(w);
        zs_lock_acquire(&work_lock); /* until the fork is over */
        zs_lock_release(&work_lock);
        enter(w);
    }
}

void zs_work_end_last(void)
{
    struct zs_work *w = &zs_work;

    if (w->counted) {
        w->counted = false;
        leave(w);
    }
}

static void wait_for_workers(void)
{
    zs_sections_barrier();
    for (unsigned i = 1; i < N_WORKERS; i++) {
        zs_section_wait(&workers[i].section);
    }
    while (atomic_load_explicit(&n_strangers, memory_order_seq_cst) != 0) {
        sched_yield();
    }
}

static void close_work(void)
{
    zs_lock_acquire(&work_lock);
    atomic_store_explicit(&closed, true, memory_order_seq_cst);
    wait_for_workers();
}

static void open_work(void)
{
    atomic_store_explicit(&closed, false, memory_order_relaxed);
    zs_lock_release(&work_lock);
}

/* --- the locks of all members --- */

static void lock_ranks(enum zs_rank first, enum zs_rank end)
{
    for (unsigned r = first; r < end; r++) {
        for (struct zs_fork_member *m = members; m; m = m->next) {
            if (m->how->lock) {
                m->how->lock(m, (enum zs_rank)r);
            }
        }
    }
}

static void unlock_ranks(enum zs_rank first, enum zs_rank end)
{
    for (unsigned r = end; r-- > first;) {
        for (struct zs_fork_member *m = members; m; m = m->next) {
            if (m->how->unlock) {
                m->how->unlock(m, (enum zs_rank)r);
            }
        }
    }
}

static void hurry_all(void)
{
    for (struct zs_fork_member *m = members; m; m = m->next) {
        if (m->how->hurry) {
            m->how->hurry(m);
        }
    }
}

static void forget_threads(void)
{
    for (struct zs_fork_member *m = members; m; m = m->next) {
        if (m->how->child) {
            m->how->child(m);
        }
    }
}

/* --- the handlers --- */

static _Thread_local bool is_prepared; /* the fork of this thread */

/* ThreadSanitizer follows no threads into a child, and no thread that holds
 * more than 64 locks. Then the child may execute something, or end. */
#ifdef ZS_TSAN
#define MAY_PREPARE false
#else
#define MAY_PREPARE true
#endif

/* A fork waits as a compaction does. Where that would wait for itself nothing
 * is prepared: the child may execute something, or end. */
static bool may_prepare(void)
{
    return MAY_PREPARE && !zs_is_mover() && !zs_is_working() && !zs_may_read();
}

static void before_fork(void)
{
    is_prepared = atomic_load_explicit(&has_members, memory_order_relaxed) &&
                  may_prepare();
    if (!is_prepared) {
        return;
    }
    zs_lock_acquire(&fork_lock);
    hurry_all();
    lock_ranks(ZS_RANK_FORK + 1, ZS_RANK_WORK);
    zs_rcu_before_fork();
    close_work();
    lock_ranks(ZS_RANK_WORK + 1, ZS_NR_RANKS);
}

static void in_parent(void)
{
    if (is_prepared) {
        unlock_ranks(ZS_RANK_WORK + 1, ZS_NR_RANKS);
        open_work();
        zs_rcu_after_fork_parent();
        unlock_ranks(ZS_RANK_FORK + 1, ZS_RANK_WORK);
        zs_lock_release(&fork_lock);
    }
}

/* Threads that are gone have no number. Those that were entering at the fork
 * had still to see that work is closed, and to leave. */
static void keep_own_number(void)
{
    unsigned own = zs_work.number;

    for (unsigned i = 1; i < N_WORKERS; i++) {
        zs_section_leave(&workers[i].section);
    }
    atomic_store_explicit(&n_strangers, 0, memory_order_relaxed);
    for (unsigned i = 0; i < N_WORKERS / 64; i++) {
        uint64_t kept = own / 64 == i ? UINT64_C(1) << own % 64 : 0;

        atomic_store_explicit(&numbers_taken[i], (i == 0) | kept,
                              memory_order_relaxed);
    }
}

static void in_child(void)
{
    if (is_prepared) {
        keep_own_number();
        forget_threads();
        unlock_ranks(ZS_RANK_WORK + 1, ZS_NR_RANKS);
        open_work();
        zs_rcu_after_fork_child();
        unlock_ranks(ZS_RANK_FORK + 1, ZS_RANK_WORK);
        zs_lock_release(&fork_lock);
    }
}

/* --- who takes part --- */

static int install_locked(void)
{
    int err = 0;

    if (!installed) {
        err = zs_os.at_fork(before_fork, in_parent, in_child);
        installed = err == 0;
    }
    return err;
}

int zs_fork_install(void)
{
    int err;

    zs_sections_init();
    zs_lock_acquire(&fork_lock);
    err = install_locked();
    zs_lock_release(&fork_lock);
    return err;
}

int zs_fork_join(struct zs_fork_member *m)
{
    int err;

    zs_sections_init();
    zs_lock_acquire(&fork_lock);
    err = install_locked();
    if (!err && !m->joined) {
        m->joined = true;
        m->next = members;
        members = m;
        atomic_store_explicit(&has_members, true, memory_order_relaxed);
    }
    zs_lock_release(&fork_lock);
    return err;
}

void zs_fork_leave(struct zs_fork_member *m)
{
    struct zs_fork_member **p = &members;

    zs_lock_acquire(&fork_lock);
    while (*p != m) {
        ZS_CHECK(*p);
        p = &(*p)->next;
    }
    *p = m->next;
    m->joined = false;
    zs_lock_release(&fork_lock);
}
