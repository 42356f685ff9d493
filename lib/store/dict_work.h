/* SPDX-License-Identifier: MIT */
/*
 * dict_work.h - when to train, and on whose time.
 *
 * Words
 *   look    samples are asked what they cost with the current dictionary
 *   gather  sampling with all the room there may be, to train on it
 *
 * Idea
 *   A class without a dictionary gathers. When READY_BYTES have been put it is
 *   trained; then again after four times as much, and four times that, until
 *   the sample was as large as it may be: larger ones make better dictionaries.
 *   From then on it looks: a small sample, whose cost with the current
 *   dictionary is compared with what it was. Where that has become worse by
 *   WORSE_PERCENT the class begins anew. Each look begins a new
 *   epoch, so samples are never older than the last one.
 *
 *   A result is published if it costs less than the current dictionary by the
 *   store's min_gain_percent, and saves at least its own memory on what has
 *   been put while it was sampled.
 *
 *   The store's worker (worker.h) does this. It is started by the first put
 *   that finds a class ready, and sleeps until the next one does, or an
 *   interval has passed. Stores with `no_thread` are worked on by
 *   zs_store_background().
 *
 *   After a step the next one of its class waits for the store's interval. So a
 *   class trains at most once in an interval, 100 ms of a core at worst, and
 *   only while its data go on changing.
 *
 * Locking: zs_dicts' lock, during a step.
 */
#ifndef ZS_LIB_DICT_WORK_H
#define ZS_LIB_DICT_WORK_H

#include "dict_set.h"
#include "worker.h"

struct zs_dict_work {
    struct zs_dicts dicts;
    struct zs_dict_config cfg; /* with defaults filled in */
    struct zs_worker *worker;  /* set once at create; NULL: no thread */
};

/* NULL in *out: the codec has no dictionaries, or they are off. 0, -EINVAL or
 * -ENOMEM. */
int zs_dict_work_create(const struct zs_dict_config *cfg,
                        const struct zs_dict_user *user, struct zs_arena *arena,
                        struct zs_worker *worker, struct zs_dict_work **out);
/* When no step is under way. NULL is allowed. */
void zs_dict_work_destroy(struct zs_dict_work *w);

/* A value of a class is put: perhaps it becomes a sample. Never waits. */
void zs_dict_work_offer(struct zs_dict_work *w, unsigned class,
                        const void *data, size_t len);

/* Do what is due. True: something was done. *next_ns: when something may be due
 * again, UINT64_MAX: after a poke. May wait for readers. */
bool zs_dict_work_step(struct zs_dict_work *w, uint64_t *next_ns);

#endif /* ZS_LIB_DICT_WORK_H */
