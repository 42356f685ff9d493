/* SPDX-License-Identifier: MIT */
/*
 * worker.h - a store's thread, for what no put or get should wait for.
 *
 * It calls one function, a step, which says when it is due again; and sleeps
 * until then, or until somebody pokes it. It is started by the first poke.
 */
#ifndef ZS_LIB_WORKER_H
#define ZS_LIB_WORKER_H

#include <pthread.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

struct zs_worker {
    /* Do what is due. True: something was done. *next_ns: when something may
     * be due again, UINT64_MAX: after a poke. */
    bool (*step)(void *arg, uint64_t *next_ns); /* set once at init */
    void *arg;                                  /* set once at init */
    pthread_t thread;
    sem_t wake;
    _Atomic bool is_started; /* the thread is there, or about to be */
    _Atomic bool is_poked; /* somebody has asked for a step; relaxed: a hint */
    _Atomic bool stop;
};

void zs_worker_init(struct zs_worker *w,
                    bool (*step)(void *arg, uint64_t *next_ns), void *arg);
/* Waits for the step under way. */
void zs_worker_destroy(struct zs_worker *w);

/* In the child of a fork, where the thread is not: the next poke starts another.
 */
void zs_worker_forget(struct zs_worker *w);

/* Have a step done soon. Never waits. If the thread cannot be started, the next
 * poke tries again. */
void zs_worker_poke(struct zs_worker *w);

#endif /* ZS_LIB_WORKER_H */
