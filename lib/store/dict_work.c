/* SPDX-License-Identifier: MIT */
/* dict_work.c - when to train, and on whose time; see the header. */
#include "dict_work.h"

#include <errno.h>

#include "arena_impl.h"
#include "noise.h"
#include "os.h"
#include "page.h"

#define DEFAULT_MAX_BYTES ((size_t)64 * 1024)
#define DEFAULT_SAMPLE_BYTES ((size_t)1024 * 1024)
#define DEFAULT_INTERVAL_NS UINT64_C(1000000000)
#define DEFAULT_MIN_GAIN_PERCENT 5u

#define READY_BYTES ((uint64_t)1024 * 1024)
#define LOOK_ROOM_BYTES ((size_t)64 * 1024)
#define LOOK_READY_BYTES ((uint64_t)256 * 1024)
#define SMALL_ROOM_BYTES ((size_t)128 * 1024)
#define FOOTPRINT_PER_ROOM 32u
#define WORSE_PERCENT 5u

/* --- one class --- */

/* A small store has small samples, and so small dictionaries. */
static size_t room_for_samples(const struct zs_dict_work *w)
{
    uint64_t footprint = atomic_load_explicit(&w->dicts.arena->budget.used,
                                              memory_order_relaxed);
    size_t room = w->cfg.sample_bytes;

    while (room > SMALL_ROOM_BYTES && room * FOOTPRINT_PER_ROOM > footprint) {
        room /= 2;
    }
    return room;
}

static void gather(struct zs_dict_work *w, struct zs_dict_class *c)
{
    c->is_looking = false;
    zs_sampler_restart(&c->sampler, room_for_samples(w), c->ready_bytes);
}

static void look(struct zs_dict_work *w, struct zs_dict_class *c)
{
    size_t room = w->cfg.sample_bytes < LOOK_ROOM_BYTES ? w->cfg.sample_bytes
                                                        : LOOK_ROOM_BYTES;

    c->is_looking = true;
    zs_sampler_restart(&c->sampler, room, LOOK_READY_BYTES);
}

/* Bytes that a dictionary saves of what was put. */
static uint64_t bytes_saved(uint64_t before, uint64_t after, uint64_t put_bytes)
{
    return before > after
               ? (before - after) * (put_bytes / 1024) / (1000000 / 1024)
               : 0;
}

/* Is what it saves worth publishing it? */
static bool is_worth_it(const struct zs_dict_work *w, const void *prepared,
                        uint64_t before, uint64_t after, uint64_t saved)
{
    return after * 100 <= before * (100 - w->cfg.min_gain_percent) &&
           saved >= w->dicts.user.codec->dict_bytes(prepared);
}

static void drop_cold(const struct zs_dict_user *user, void **cold)
{
    if (*cold != NULL) {
        user->cold_codec->dict_destroy(*cold);
        *cold = NULL;
    }
}

/* It is only kept where both together cost no more than what is saved. */
static void judge_cold(const struct zs_dict_user *user, const void *prepared,
                       void **cold, uint64_t saved)
{
    if (*cold != NULL && user->codec->dict_bytes(prepared) +
                                 user->cold_codec->dict_bytes(*cold) >
                             saved) {
        drop_cold(user, cold);
    }
}

/* Train, and publish the result if it is worth it. */
static void train(struct zs_dict_work *w, unsigned class,
                  struct zs_dict_class *c, const struct zs_split *split,
                  uint64_t cost)
{
    struct zs_dicts *d = &w->dicts;
    uint64_t put_bytes = zs_samples_put_bytes(&split->samples);
    uint64_t new_cost;
    void *cold;
    void *prepared = zs_dict_train(&d->user, split, w->cfg.max_bytes, &cold);

    zs_dicts_add(&d->n_trainings, 1);
    if (prepared != NULL &&
        zs_dict_cost(&d->user, prepared, split, &new_cost) == 0) {
        uint64_t saved = bytes_saved(cost, new_cost, put_bytes);

        judge_cold(&d->user, prepared, &cold, saved);
        if (is_worth_it(w, prepared, cost, new_cost, saved) &&
            zs_dicts_publish(d, class, prepared, cold)) {
            zs_dicts_add(&d->n_published, 1);
            c->cost = new_cost;
            return;
        }
    }
    zs_dicts_add(&d->n_rejected, 1);
    if (prepared != NULL) {
        d->user.codec->dict_destroy(prepared);
    }
    drop_cold(&d->user, &cold);
    c->cost = cost; /* not again until it is worse than that */
}

/* Next the class gathers a larger sample, or it looks. */
static void go_on(struct zs_dict_work *w, struct zs_dict_class *c,
                  size_t room_bytes)
{
    if (room_bytes * 2 <= room_for_samples(w)) {
        c->ready_bytes *= 4;
        gather(w, c);
    } else {
        look(w, c);
    }
}

static void work_on_samples(struct zs_dict_work *w, unsigned class,
                            struct zs_dict_class *c,
                            const struct zs_split *split)
{
    struct zs_dicts *d = &w->dicts;
    const struct zs_dict *current = zs_dicts_current(d, class);
    size_t room_bytes = split->samples.room_bytes;
    uint64_t cost;

    zs_dicts_add(&d->n_looks, 1);
    if (zs_dict_cost(&d->user, current != NULL ? current->prepared : NULL,
                     split, &cost) != 0) {
        gather(w, c); /* no memory: later */
    } else if (!c->is_looking) {
        train(w, class, c, split, cost);
        go_on(w, c, room_bytes);
    } else if (cost * 100 > c->cost * (100 + WORSE_PERCENT)) {
        c->ready_bytes = READY_BYTES;
        gather(w, c);
    } else {
        look(w, c);
    }
}

/* True: there was something to do. */
static bool work_on_class(struct zs_dict_work *w, unsigned class,
                          struct zs_dict_class *c, uint64_t now)
{
    struct zs_budget *budget = c->sampler.budget;
    struct zs_samples samples;
    struct zs_split split;

    if (now < c->not_before_ns || !zs_sampler_is_ready(&c->sampler)) {
        return false;
    }
    zs_sampler_take(&c->sampler, &samples);
    if (zs_samples_split(&samples, !c->is_looking, &split) == 0) {
        work_on_samples(w, class, c, &split);
        zs_split_free(&split, budget);
    } else {
        zs_samples_free(&samples, budget);
    }
    c->not_before_ns = zs_os.now_ns() + w->cfg.interval_ns;
    return true;
}

bool zs_dict_work_step(struct zs_dict_work *w, uint64_t *next_ns)
{
    struct zs_dicts *d = &w->dicts;
    bool did_something;
    unsigned n_left;

    zs_may_wait("zs_store_background");
    zs_lock_acquire(&d->lock);
    did_something = zs_dicts_reap(d, &n_left) > 0;
    *next_ns = UINT64_MAX;
    for (unsigned class = 0; class < ZS_DICT_CLASSES; class ++) {
        struct zs_dict_class *c =
            atomic_load_explicit(&d->classes[class], memory_order_acquire);

        if (c != NULL) {
            did_something |= work_on_class(w, class, c, zs_os.now_ns());
            if (zs_sampler_is_ready(&c->sampler) &&
                c->not_before_ns < *next_ns) {
                *next_ns = c->not_before_ns;
            }
        }
    }
    zs_lock_release(&d->lock);
    if (n_left > 0) { /* nobody pokes when the last value of one goes */
        uint64_t again = zs_os.now_ns() + w->cfg.interval_ns;

        *next_ns = again < *next_ns ? again : *next_ns;
    }
    return did_something;
}

/* --- puts --- */

void zs_dict_work_offer(struct zs_dict_work *w, unsigned class,
                        const void *data, size_t len)
{
    bool is_own;
    struct zs_dict_thread *t = zs_dict_thread(&w->dicts, &is_own);
    struct zs_dict_class *c;

    if (__builtin_expect(!zs_sample_turn_ends(&t->turns[class]), 1)) {
        return;
    }
    c = zs_dicts_class(&w->dicts, class, room_for_samples(w), READY_BYTES);
    if (c != NULL && !zs_looks_like_noise(data, len) &&
        zs_sampler_offer(&c->sampler, &t->turns[class], data, len) &&
        w->worker != NULL) {
        zs_worker_poke(w->worker);
    }
}

/* --- begin and end --- */

static int fill_in(struct zs_dict_config *cfg)
{
    if (cfg->max_bytes == 0) {
        cfg->max_bytes = DEFAULT_MAX_BYTES;
    }
    if (cfg->sample_bytes == 0) {
        cfg->sample_bytes = DEFAULT_SAMPLE_BYTES;
    }
    if (cfg->interval_ns == 0) {
        cfg->interval_ns = DEFAULT_INTERVAL_NS;
    }
    if (cfg->min_gain_percent == 0) {
        cfg->min_gain_percent = DEFAULT_MIN_GAIN_PERCENT;
    }
    return cfg->min_gain_percent <= 100 && cfg->max_bytes >= 1024 &&
                   cfg->max_bytes <= (size_t)1 << 20 &&
                   cfg->sample_bytes >= 65536 &&
                   cfg->sample_bytes <= (size_t)1 << 26
               ? 0
               : -EINVAL;
}

int zs_dict_work_create(const struct zs_dict_config *cfg,
                        const struct zs_dict_user *user, struct zs_arena *arena,
                        struct zs_worker *worker, struct zs_dict_work **out)
{
    struct zs_dict_config filled = *cfg;
    struct zs_dict_work *w;

    *out = NULL;
    if (fill_in(&filled) != 0) {
        return -EINVAL;
    }
    if (filled.off || user->codec->dict_create == NULL) {
        return 0;
    }
    w = zs_os.alloc(sizeof(*w));
    if (w == NULL) {
        return -ENOMEM;
    }
    if (zs_arena_charge_metadata(arena, sizeof(*w)) != 0) {
        zs_os.free(w);
        return -ENOMEM;
    }
    w->cfg = filled;
    w->worker = filled.no_thread ? NULL : worker;
    zs_dicts_init(&w->dicts, user, arena);
    *out = w;
    return 0;
}

void zs_dict_work_destroy(struct zs_dict_work *w)
{
    struct zs_arena *arena;

    if (w == NULL) {
        return;
    }
    arena = w->dicts.arena;
    zs_dicts_destroy(&w->dicts);
    zs_os.free(w);
    zs_budget_uncharge_metadata(&arena->budget, sizeof(*w));
}
