/* SPDX-License-Identifier: MIT */
/* worker.c - a store's thread; see the header. */
#include "worker.h"

#include <signal.h>
#include <time.h>

#include "os.h"

#define PAUSE_NS UINT64_C(2000000) /* between steps, however often poked */

static void sleep_until(struct zs_worker *w, uint64_t until_ns)
{
    struct timespec t = { .tv_sec = (time_t)(until_ns / 1000000000u),
                          .tv_nsec = (long)(until_ns % 1000000000u) };

    if (until_ns == UINT64_MAX) {
        (void)sem_wait(&w->wake); /* a signal: one look more */
    } else {
        (void)sem_clockwait(&w->wake, CLOCK_MONOTONIC, &t);
    }
}

static void *run(void *arg)
{
    struct zs_worker *w = arg;
    uint64_t next_ns = 0;

    /* acquire pairs with destroy: nothing more is to be touched */
    while (!atomic_load_explicit(&w->stop, memory_order_acquire)) {
        uint64_t now = zs_os.now_ns();

        if (next_ns <= now) {
            /* Poked from here on: again. */
            atomic_store_explicit(&w->is_poked, false, memory_order_relaxed);
            (void)w->step(w->arg, &next_ns);
        } else {
            sleep_until(w, next_ns);
            /* Poked, and once only: is_poked stays until the next step. */
            if (atomic_load_explicit(&w->is_poked, memory_order_relaxed) &&
                now + PAUSE_NS < next_ns) {
                next_ns = now + PAUSE_NS;
            }
        }
    }
    return NULL;
}

/* All signals are the embedder's threads'. */
static void start(struct zs_worker *w)
{
    sigset_t all, kept;
    int err;

    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &kept);
    err = zs_os.thread_start(&w->thread, run, w);
    pthread_sigmask(SIG_SETMASK, &kept, NULL);
    if (err != 0) { /* the next poke tries again */
        atomic_store_explicit(&w->is_poked, false, memory_order_relaxed);
        atomic_store_explicit(&w->is_started, false, memory_order_relaxed);
    }
}

void zs_worker_poke(struct zs_worker *w)
{
    if (atomic_exchange_explicit(&w->is_poked, true, memory_order_relaxed)) {
        return;
    }
    if (!atomic_load_explicit(&w->is_started, memory_order_relaxed) &&
        !atomic_exchange_explicit(&w->is_started, true, memory_order_relaxed)) {
        start(w);
    }
    sem_post(&w->wake);
}

/* --- begin and end --- */

void zs_worker_init(struct zs_worker *w,
                    bool (*step)(void *arg, uint64_t *next_ns), void *arg)
{
    w->step = step;
    w->arg = arg;
    sem_init(&w->wake, 0, 0);
}

void zs_worker_forget(struct zs_worker *w)
{
    atomic_store_explicit(&w->is_started, false, memory_order_relaxed);
    atomic_store_explicit(&w->is_poked, false, memory_order_relaxed);
}

void zs_worker_destroy(struct zs_worker *w)
{
    if (atomic_load_explicit(&w->is_started, memory_order_relaxed)) {
        atomic_store_explicit(&w->stop, true, memory_order_release);
        sem_post(&w->wake);
        pthread_join(w->thread, NULL);
    }
    sem_destroy(&w->wake);
}
