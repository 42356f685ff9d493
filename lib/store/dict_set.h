/* SPDX-License-Identifier: MIT */
/*
 * dict_set.h - the dictionaries of a store: numbers, use, end.
 *
 * Words
 *   class    what the embedder puts apart: a tenant, a kind of key
 *   set      the dictionaries of one class, at most ZS_DICTS_PER_CLASS
 *   number   of a dictionary in its store; values carry it in their header
 *   current  the dictionary of a class that puts use
 *   retired  it was, and another one is; its values stay readable
 *   count    values with a number; each thread adds to a count of its own
 *
 * Life of a dictionary
 *
 *   publish      another is published                  count is 0
 *   -----> CURRENT ------> RETIRED --(grace)--> DRAINING --(graces)--> free
 *
 * Invariants
 *   L1  a put takes the current dictionary, stores the value and counts it in
 *       one read section
 *   L2  so a grace period after its retirement a number's count only falls
 *   L3  a value is counted out after no new reader can find it (release; the
 *       sum acquires)
 *   L4  what is in by_number[] in a read section is not freed before its end
 *
 *   Because of L2 it is no matter that the threads' counts are summed one after
 *   the other: each only falls, so a sum of 0 is never less than the truth, and
 *   the truth is never below 0. Without the grace period it would be wrong: a
 *   value counted in by one thread after that was looked at, and out by another
 *   before, hides a third value.
 *
 *   A sum of 0: no reader can find a value with the number any more (L3). Those
 *   who had found one before are in read sections: after one more grace period
 *   nobody decompresses with it, and dictionary and number are free.
 *
 *   So while a get decompresses it holds nothing but its read section.
 *
 * Locking
 *   `lock` (rank TRAINER): one publishes or reaps at a time; held for grace
 *   periods. Puts and gets take no lock.
 *
 * Not done
 *   The count of a value whose header was damaged is lost: its dictionary stays
 *   until the store ends, or goes too soon, and then values that carry its
 *   number read as damaged, or as other bytes, like all of a damaged store.
 */
#ifndef ZS_LIB_DICT_SET_H
#define ZS_LIB_DICT_SET_H

#include "codec.h"
#include "dict_sampler.h"
#include "dict_train.h"
#include "lock.h"
#include "rcu.h"
#include "thread_ctx.h"
#include "value_header.h"
#include "zspool/store.h"

#define ZS_DICT_NUMBERS ZS_HOW_DICTIONARIES /* 0: none */
#define ZS_DICTS_PER_CLASS 8u

enum zs_dict_state { ZS_DICT_CURRENT, ZS_DICT_RETIRED, ZS_DICT_DRAINING };

struct zs_dict {
    void *prepared;           /* by the store's codec */
    void *cold;               /* by that of cold values, or NULL */
    size_t bytes;             /* charged */
    uint8_t number;           /* set once at publish */
    uint8_t class;            /* set once at publish */
    enum zs_dict_state state; /* guarded by lock */
};

/* What a thread adds to. */
struct zs_dict_thread {
    _Atomic uint64_t n_values[ZS_DICT_NUMBERS]; /* may be "negative" */
    struct zs_sample_turn turns[ZS_DICT_CLASSES];
};

/* The training of a class: dict_work.h; guarded by lock. */
struct zs_dict_class {
    struct zs_sampler sampler;
    bool is_looking;        /* few samples, to see whether it pays; else all */
    uint64_t ready_bytes;   /* put before the next training */
    uint64_t cost;          /* with what was current when it was last known */
    uint64_t not_before_ns; /* the next look */
};

struct zs_arena;

struct zs_dicts {
    struct zs_dict_user user; /* set once at create */
    struct zs_arena *arena;   /* set once at create */
    struct zs_lock lock;
    /* Written under lock, read in read sections. */
    _Atomic(struct zs_dict *) by_number[ZS_DICT_NUMBERS];
    _Atomic(struct zs_dict *) current[ZS_DICT_CLASSES];
    /* Made at first use, and then they stay. */
    _Atomic(struct zs_dict_class *) classes[ZS_DICT_CLASSES];
    _Atomic(struct zs_dict_thread *) threads[ZS_THREAD_NUMBERS];
    struct zs_dict_thread shared; /* by threads that have none of their own */
#define ZS_DICT_COUNTER_(name, text) _Atomic uint64_t name;
    ZS_DICT_COUNTERS(ZS_DICT_COUNTER_) /* relaxed */
#undef ZS_DICT_COUNTER_
};

void zs_dicts_init(struct zs_dicts *d, const struct zs_dict_user *user,
                   struct zs_arena *arena);
void zs_dicts_destroy(struct zs_dicts *d);

/* --- of puts and gets --- */

/* The calling thread's; never NULL. */
struct zs_dict_thread *zs_dict_thread(struct zs_dicts *d, bool *is_own);

/* In a read section: what puts of a class use now, or NULL. Acquire pairs with
 * zs_dicts_publish(). */
static inline const struct zs_dict *zs_dicts_current(struct zs_dicts *d,
                                                     unsigned class)
{
    return atomic_load_explicit(&d->current[class], memory_order_acquire);
}

/* In a read section: the dictionary of a value that was found in it. NULL:
 * there is none, the value is damaged. */
static inline const struct zs_dict *zs_dicts_find(struct zs_dicts *d,
                                                  unsigned number)
{
    return atomic_load_explicit(&d->by_number[number], memory_order_acquire);
}

/* Values with this number came (1) or went (-1): L1, L3. */
void zs_dicts_count(struct zs_dicts *d, unsigned number, int n);

/* Made at first use, and then gathers. NULL: no memory. */
struct zs_dict_class *zs_dicts_class(struct zs_dicts *d, unsigned class,
                                     size_t sample_bytes, uint64_t ready_bytes);

/* --- of who trains; holds the lock --- */

/* Make a prepared dictionary the current one of a class, with what it is for
 * the cold codec, or NULL. True: both are taken over. False: the class has as
 * many as it may, no number is free, or the arena's limit does not allow it. */
bool zs_dicts_publish(struct zs_dicts *d, unsigned class, void *prepared,
                      void *cold);

/* Free what has drained. May wait for readers. Returns how many were freed;
 * *n_left: how many are retired and still have values. */
unsigned zs_dicts_reap(struct zs_dicts *d, unsigned *n_left);

/* --- statistics --- */

uint64_t zs_dicts_n_values(struct zs_dicts *d, unsigned number);
void zs_dicts_add(_Atomic uint64_t *counter, uint64_t n);

#endif /* ZS_LIB_DICT_SET_H */
