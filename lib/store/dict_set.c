/* SPDX-License-Identifier: MIT */
/* dict_set.c - the dictionaries of a store; see the header. */
#include "dict_set.h"

#include "arena_impl.h"
#include "fork.h"
#include "os.h"
#include "page.h"

void zs_dicts_add(_Atomic uint64_t *counter, uint64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

void zs_dicts_init(struct zs_dicts *d, const struct zs_dict_user *user,
                   struct zs_arena *arena)
{
    d->user = *user;
    d->arena = arena;
    zs_lock_init(&d->lock, ZS_RANK_TRAINER);
}

static void free_dict(struct zs_dicts *d, struct zs_dict *dict)
{
    d->user.codec->dict_destroy(dict->prepared);
    if (dict->cold != NULL) {
        d->user.cold_codec->dict_destroy(dict->cold);
    }
    zs_budget_uncharge_metadata(&d->arena->budget, dict->bytes);
    zs_dicts_add(&d->n_dictionaries, (uint64_t)-1);
    zs_dicts_add(&d->dictionary_bytes, -(uint64_t)dict->bytes);
    zs_os.free(dict);
}

static struct zs_dict *dict_at(struct zs_dicts *d, unsigned number)
{
    return atomic_load_explicit(&d->by_number[number], memory_order_relaxed);
}

void zs_dicts_destroy(struct zs_dicts *d)
{
    struct zs_budget *budget = &d->arena->budget;

    for (unsigned i = 0; i < ZS_DICT_NUMBERS; i++) {
        if (dict_at(d, i) != NULL) {
            free_dict(d, dict_at(d, i));
        }
    }
    for (unsigned i = 0; i < ZS_DICT_CLASSES; i++) {
        struct zs_dict_class *c =
            atomic_load_explicit(&d->classes[i], memory_order_relaxed);

        if (c != NULL) {
            zs_sampler_destroy(&c->sampler);
            zs_os.free(c);
            zs_budget_uncharge_metadata(budget, sizeof(*c));
        }
    }
    for (unsigned i = 0; i < ZS_THREAD_NUMBERS; i++) {
        struct zs_dict_thread *t =
            atomic_load_explicit(&d->threads[i], memory_order_relaxed);

        if (t != NULL) {
            zs_os.free(t);
            zs_budget_uncharge_metadata(budget, sizeof(*t));
        }
    }
    zs_lock_destroy(&d->lock);
}

/* --- made at first use --- */

/* Charged and zeroed; NULL for want of memory, or at the limit. */
static void *alloc_charged(struct zs_dicts *d, size_t bytes)
{
    bool refused = zs_limit_refused; /* nobody asked for this memory */
    bool charged = zs_budget_try_charge_metadata(&d->arena->budget, bytes);
    void *p = NULL;

    zs_limit_refused = refused;
    if (charged) {
        p = zs_os.alloc(bytes);
        if (p == NULL) {
            zs_budget_uncharge_metadata(&d->arena->budget, bytes);
        }
    }
    return p;
}

static struct zs_dict_thread *make_thread(struct zs_dicts *d, unsigned number)
{
    struct zs_dict_thread *t = alloc_charged(d, sizeof(*t));

    if (t != NULL) { /* release: pairs with sums */
        atomic_store_explicit(&d->threads[number], t, memory_order_release);
    }
    return t;
}

struct zs_dict_thread *zs_dict_thread(struct zs_dicts *d, bool *is_own)
{
    unsigned number = zs_thread_number();
    struct zs_dict_thread *t = NULL;

    if (__builtin_expect(number != 0, 1)) {
        /* It is this thread's, or was left by one that has ended. */
        t = atomic_load_explicit(&d->threads[number], memory_order_relaxed);
        if (__builtin_expect(t == NULL, 0)) {
            t = make_thread(d, number);
        }
    }
    *is_own = t != NULL;
    return t != NULL ? t : &d->shared;
}

/* Perhaps another thread's. NULL: no memory. */
static struct zs_dict_class *make_class(struct zs_dicts *d, unsigned class,
                                        size_t sample_bytes,
                                        uint64_t ready_bytes)
{
    struct zs_dict_class *other = NULL;
    struct zs_dict_class *c = alloc_charged(d, sizeof(*c));

    if (c == NULL) {
        return NULL;
    }
    zs_sampler_init(&c->sampler, &d->arena->budget);
    zs_sampler_restart(&c->sampler, sample_bytes, ready_bytes);
    c->ready_bytes = ready_bytes;
    if (!atomic_compare_exchange_strong_explicit(&d->classes[class], &other, c,
                                                 memory_order_acq_rel,
                                                 memory_order_acquire)) {
        zs_sampler_destroy(&c->sampler); /* another thread was first */
        zs_os.free(c);
        zs_budget_uncharge_metadata(&d->arena->budget, sizeof(*c));
        return other;
    }
    return c;
}

struct zs_dict_class *zs_dicts_class(struct zs_dicts *d, unsigned class,
                                     size_t sample_bytes, uint64_t ready_bytes)
{
    struct zs_dict_class *c =
        atomic_load_explicit(&d->classes[class], memory_order_acquire);

    if (c == NULL) {
        zs_work_begin(); /* a fork has the locks of those that there are */
        c = make_class(d, class, sample_bytes, ready_bytes);
        zs_work_end();
    }
    return c;
}

/* --- counts --- */

void zs_dicts_count(struct zs_dicts *d, unsigned number, int n)
{
    bool is_own;
    _Atomic uint64_t *count = &zs_dict_thread(d, &is_own)->n_values[number];
    uint64_t change = (uint64_t)n; /* -1 wraps, as counts may */

    if (is_own) {
        uint64_t now = atomic_load_explicit(count, memory_order_relaxed);

        /* release: L3 */
        atomic_store_explicit(count, now + change, memory_order_release);
    } else {
        atomic_fetch_add_explicit(count, change, memory_order_release);
    }
}

uint64_t zs_dicts_n_values(struct zs_dicts *d, unsigned number)
{
    uint64_t sum =
        atomic_load_explicit(&d->shared.n_values[number], memory_order_acquire);

    for (unsigned i = 0; i < ZS_THREAD_NUMBERS; i++) {
        struct zs_dict_thread *t =
            atomic_load_explicit(&d->threads[i], memory_order_acquire);

        if (t != NULL) {
            sum += atomic_load_explicit(&t->n_values[number],
                                        memory_order_acquire);
        }
    }
    return sum;
}

/* --- begin --- */

/* 0: the class has as many as it may, or all numbers are taken. */
static unsigned free_number(struct zs_dicts *d, unsigned class)
{
    unsigned n_of_class = 0, number = 0;

    for (unsigned i = ZS_DICT_NUMBERS - 1; i > 0; i--) {
        struct zs_dict *dict = dict_at(d, i);

        if (dict == NULL) {
            number = i;
        } else if (dict->class == class) {
            n_of_class++;
        }
    }
    return n_of_class < ZS_DICTS_PER_CLASS ? number : 0;
}

static void make_current(struct zs_dicts *d, struct zs_dict *dict)
{
    struct zs_dict *old =
        atomic_load_explicit(&d->current[dict->class], memory_order_relaxed);

    if (old != NULL) {
        old->state = ZS_DICT_RETIRED;
    }
    /* Release pairs with find and current; by number first, for who reads what
     * the first put with it has stored. */
    atomic_store_explicit(&d->by_number[dict->number], dict,
                          memory_order_release);
    atomic_store_explicit(&d->current[dict->class], dict, memory_order_release);
}

bool zs_dicts_publish(struct zs_dicts *d, unsigned class, void *prepared,
                      void *cold)
{
    unsigned number;
    struct zs_dict *dict;

    ZS_ASSERT_HELD(&d->lock);
    number = free_number(d, class);
    dict = number != 0 ? zs_os.alloc(sizeof(*dict)) : NULL;
    if (dict == NULL) {
        return false;
    }
    dict->prepared = prepared;
    dict->cold = cold;
    dict->bytes = d->user.codec->dict_bytes(prepared) + sizeof(*dict);
    if (cold != NULL) {
        dict->bytes += d->user.cold_codec->dict_bytes(cold);
    }
    dict->number = (uint8_t)number;
    dict->class = (uint8_t) class;
    if (zs_arena_charge_metadata(d->arena, dict->bytes) != 0) {
        zs_os.free(dict);
        return false;
    }
    zs_dicts_add(&d->n_dictionaries, 1);
    zs_dicts_add(&d->dictionary_bytes, dict->bytes);
    make_current(d, dict);
    return true;
}

/* --- end --- */

static unsigned n_in_state(struct zs_dicts *d, enum zs_dict_state state)
{
    unsigned n = 0;

    for (unsigned i = 1; i < ZS_DICT_NUMBERS; i++) {
        n += dict_at(d, i) != NULL && dict_at(d, i)->state == state;
    }
    return n;
}

/* L2: from here on the counts of what is retired only fall. */
static void drain_retired(struct zs_dicts *d)
{
    if (n_in_state(d, ZS_DICT_RETIRED) == 0) {
        return;
    }
    zs_wait_for_readers();
    for (unsigned i = 1; i < ZS_DICT_NUMBERS; i++) {
        if (dict_at(d, i) != NULL && dict_at(d, i)->state == ZS_DICT_RETIRED) {
            dict_at(d, i)->state = ZS_DICT_DRAINING;
        }
    }
}

static void free_drained(struct zs_dicts *d, const unsigned *numbers,
                         unsigned n)
{
    struct zs_dict *dicts[ZS_DICT_NUMBERS];

    if (n == 0) {
        return;
    }
    zs_wait_for_readers(); /* of values that are gone */
    for (unsigned i = 0; i < n; i++) {
        dicts[i] = dict_at(d, numbers[i]);
        atomic_store_explicit(&d->by_number[numbers[i]], NULL,
                              memory_order_relaxed);
    }
    zs_wait_for_readers(); /* L4: of values whose number is damage */
    for (unsigned i = 0; i < n; i++) {
        free_dict(d, dicts[i]);
    }
}

unsigned zs_dicts_reap(struct zs_dicts *d, unsigned *n_left)
{
    unsigned drained[ZS_DICT_NUMBERS];
    unsigned n = 0;

    ZS_ASSERT_HELD(&d->lock);
    drain_retired(d);
    for (unsigned i = 1; i < ZS_DICT_NUMBERS; i++) {
        if (dict_at(d, i) != NULL && dict_at(d, i)->state == ZS_DICT_DRAINING &&
            zs_dicts_n_values(d, i) == 0) {
            drained[n++] = i;
        }
    }
    free_drained(d, drained, n);
    *n_left = n_in_state(d, ZS_DICT_DRAINING);
    return n;
}
