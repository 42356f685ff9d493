/* SPDX-License-Identifier: MIT */
/*
 * stress_compactor - the calls that steer a compactor thread, all at once.
 *
 * Imitates a daemon that is reconfigured while it works: one thread makes,
 * replaces and frees values in two arenas, one with a limit; one reads them;
 * three others start and stop compactors, add and remove arenas, pause, resume,
 * kick, change budgets, ask for figures, and compact by hand. Arenas come and
 * go as well: a third one is made, looked after, and destroyed, again and
 * again. Every value is checked when it is read.
 *
 * A compactor is used under a lock that excludes its end only, as the contract
 * asks. Deterministic but for the scheduling; the seed is printed.
 *
 *     stress_compactor [operations per thread] [seed]
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "zspool/compactor.h"
#include "zspool/pool.h"

#define N_ARENAS 2u
#define N_VALUES 3000u /* of an arena */
#define N_STEERERS 3u
#define N_COMPACTORS 2u
#define LIMIT_BYTES ((size_t)6 << 20)
#define REQUIRE(c)                                                             \
    ((c) ? (void)0                                                             \
         : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c), abort()))

struct job {
    uint64_t ops, seed;
};

struct value {
    pthread_rwlock_t lock;
    zs_handle_t h; /* raw == 0: none */
};

/* `lock` shared: it is used; exclusive: it is started or stopped. */
struct slot {
    pthread_rwlock_t lock;
    struct zs_compactor *c; /* NULL: none */
};

static struct zs_arena *arenas[N_ARENAS];
static struct zs_pool *pools[N_ARENAS];
static struct value values[N_ARENAS][N_VALUES];
static struct slot slots[N_COMPACTORS];
static _Atomic bool done;
static _Atomic uint64_t n_reads, n_refused, n_started, n_added;

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static void add(_Atomic uint64_t *counter, bool when)
{
    atomic_fetch_add_explicit(counter, when, memory_order_relaxed);
}

/* --- the load --- */

static void fill(unsigned char *buf, uint32_t number, size_t len)
{
    memset(buf, (int)(number * 31 + 7), len);
    memcpy(buf, &number, sizeof(number));
}

/* Its first bytes say which it is, the next ones are all alike. */
static void check(const unsigned char *p, uint32_t number)
{
    uint32_t found;

    memcpy(&found, p, sizeof(found));
    REQUIRE(found == number);
    for (size_t i = sizeof(found); i < 32; i++) {
        REQUIRE(p[i] == (unsigned char)(number * 31 + 7));
    }
}

static void change_locked(unsigned a, uint32_t number, uint64_t r)
{
    struct value *v = &values[a][number];
    unsigned char buf[9000];
    size_t len = r % 20 == 0 ? 4000 + r / 32 % 5000 : 32 + r / 32 % 1500;
    int err = 0;

    fill(buf, number, len);
    if (v->h.raw == 0) {
        err = zs_obj_create(pools[a], buf, len, &v->h);
    } else if (r % 3 == 0) {
        zs_free(pools[a], v->h);
        v->h.raw = 0;
    } else {
        err = zs_obj_replace(pools[a], v->h, buf, len);
    }
    REQUIRE(err == 0 || err == -ENOMEM);
    add(&n_refused, err != 0);
}

static void *changer(void *arg)
{
    struct job *job = arg;

    for (uint64_t i = 0; i < job->ops; i++) {
        uint64_t r = next_random(&job->seed);
        unsigned a = r % N_ARENAS;
        uint32_t number = (uint32_t)(r / N_ARENAS % N_VALUES);

        pthread_rwlock_wrlock(&values[a][number].lock);
        change_locked(a, number, r >> 20);
        pthread_rwlock_unlock(&values[a][number].lock);
    }
    return NULL;
}

static void *reader(void *arg)
{
    struct job *job = arg;
    unsigned char local[ZS_LOCAL_COPY_BYTES];

    while (!atomic_load_explicit(&done, memory_order_relaxed)) {
        uint64_t r = next_random(&job->seed);
        unsigned a = r % N_ARENAS;
        uint32_t number = (uint32_t)(r / N_ARENAS % N_VALUES);
        struct value *v = &values[a][number];

        pthread_rwlock_rdlock(&v->lock);
        if (v->h.raw != 0) {
            check(zs_obj_read_begin(pools[a], v->h, local), number);
            zs_obj_read_end(pools[a]);
            add(&n_reads, true);
        }
        pthread_rwlock_unlock(&v->lock);
    }
    return NULL;
}

/* --- steering --- */

/* In range or not: an error then, and nothing changes. */
static void random_budget(uint64_t r, struct zs_compact_budget *b)
{
    *b = (struct zs_compact_budget){
        .low_permille = (unsigned)(r % 4) * 10,
        .high_permille = (unsigned)(r / 4 % 12) * 10,
        .share_percent = (unsigned)(r / 64 % 120),
        .step_ns = r / 8192 % 4 * 30000,
        .step_objects = (uint32_t)(r / 32768 % 64),
        .reserve_bytes = r % 3 == 0 ? ZS_RESERVE_NOTHING : 0,
        .decay_ns = r % 5 == 0 ? 1 : 0,
    };
}

static void start(struct slot *s, uint64_t r)
{
    struct zs_compactor_config cfg = { .tick_ns = 100000 + r % 3000000 };
    struct zs_arena *first = r % 2 == 0 ? arenas[r / 2 % N_ARENAS] : NULL;
    int err;

    random_budget(r, &cfg.budget);
    pthread_rwlock_wrlock(&s->lock);
    if (!s->c) {
        err = zs_compactor_start(first, &cfg, &s->c);
        REQUIRE(err == 0 || err == -EBUSY || err == -EINVAL);
        add(&n_started, err == 0);
    } else if (r % 4 == 0) {
        zs_compactor_stop(s->c);
        s->c = NULL;
    }
    pthread_rwlock_unlock(&s->lock);
}

static void ask(struct zs_compactor *c, struct zs_arena *a)
{
    struct zs_compactor_stats stats;
    struct zs_compact_budget b;
    int err = zs_compactor_stats(c, a, &stats);

    REQUIRE(err == 0 || err == -ENOENT);
    zs_compactor_budget(c, &b);
    REQUIRE(b.low_permille <= b.high_permille);
    REQUIRE(b.share_percent >= 1 && b.share_percent <= b.max_share_percent);
}

static void steer(struct zs_compactor *c, uint64_t r)
{
    struct zs_arena *a = arenas[r / 16 % N_ARENAS];
    struct zs_compact_budget b;
    int err = 0;

    switch (r % 10) {
    case 0:
    case 1:
        err = zs_compactor_add(c, a);
        REQUIRE(err == 0 || err == -EBUSY);
        add(&n_added, err == 0);
        break;
    case 2:
        err = zs_compactor_remove(c, a);
        REQUIRE(err == 0 || err == -ENOENT);
        break;
    case 3:
        random_budget(r / 16, &b);
        err = zs_compactor_set_budget(c, &b);
        REQUIRE(err == 0 || err == -EINVAL);
        break;
    case 4:
        zs_compactor_pause(c);
        break;
    case 5:
    case 6:
        zs_compactor_resume(c);
        break;
    case 7:
        ask(c, a);
        break;
    default:
        zs_compactor_kick(c);
    }
}

/* An arena that lives for a moment, with a compactor for a part of it. */
static void come_and_go(struct zs_compactor *c, uint64_t r)
{
    struct zs_arena_config cfg = { .reserve_bytes = (size_t)8 << 20 };
    struct zs_pool_config pool_cfg = { .max_zspages = 256 };
    struct zs_pool *pool;
    zs_handle_t h[32];

    REQUIRE(zs_arena_create(&cfg, &pool_cfg.arena) == 0);
    REQUIRE(zs_pool_create(&pool_cfg, &pool) == 0);
    REQUIRE(zs_compactor_add(c, pool_cfg.arena) == 0);
    for (unsigned i = 0; i < 32; i++) {
        REQUIRE(zs_malloc(pool, 1 + r / 7 % 3000, &h[i]) == 0);
    }
    for (unsigned i = 0; i < 32; i++) {
        if (i % 8 != 0) {
            zs_free(pool, h[i]);
        }
    }
    if (r % 2 == 0) {
        zs_compactor_kick(c);
    }
    if (r % 3 == 0) { /* the pool may end while its arena is looked at */
        zs_pool_destroy(pool);
        pool = NULL;
    }
    REQUIRE(zs_compactor_remove(c, pool_cfg.arena) == 0);
    zs_pool_destroy(pool);
    zs_arena_destroy(pool_cfg.arena);
}

static void *steerer(void *arg)
{
    struct job *job = arg;

    while (!atomic_load_explicit(&done, memory_order_relaxed)) {
        uint64_t r = next_random(&job->seed);
        struct slot *s = &slots[r % N_COMPACTORS];

        r = r >> 8;
        if (r % 40 == 0) {
            start(s, r / 64);
        } else if (r % 97 == 0) {
            REQUIRE(zs_compact(arenas[r / 128 % N_ARENAS], NULL) == 0);
        } else {
            pthread_rwlock_rdlock(&s->lock);
            if (s->c && r % 61 == 0) {
                come_and_go(s->c, r / 64);
            } else if (s->c) {
                steer(s->c, r / 64);
            }
            pthread_rwlock_unlock(&s->lock);
        }
    }
    return NULL;
}

/* --- all of it --- */

static void make_all(void)
{
    for (unsigned a = 0; a < N_ARENAS; a++) {
        struct zs_arena_config cfg = { .reserve_bytes = (size_t)64 << 20,
                                       .limit_bytes =
                                           a == 0 ? LIMIT_BYTES : 0 };
        struct zs_pool_config pool_cfg = { .max_zspages = 1 << 14 };

        REQUIRE(zs_arena_create(&cfg, &arenas[a]) == 0);
        pool_cfg.arena = arenas[a];
        REQUIRE(zs_pool_create(&pool_cfg, &pools[a]) == 0);
        for (uint32_t i = 0; i < N_VALUES; i++) {
            pthread_rwlock_init(&values[a][i].lock, NULL);
        }
    }
    for (unsigned i = 0; i < N_COMPACTORS; i++) {
        pthread_rwlock_init(&slots[i].lock, NULL);
    }
}

static void run_threads(uint64_t ops, uint64_t seed)
{
    void *(*bodies[])(void *) = { changer, reader, steerer, steerer, steerer };
    pthread_t threads[2 + N_STEERERS];
    struct job jobs[2 + N_STEERERS];

    for (unsigned i = 0; i < 2 + N_STEERERS; i++) {
        jobs[i] = (struct job){ ops, (seed + i) * 0x9e3779b97f4a7c15u | 1 };
        REQUIRE(pthread_create(&threads[i], NULL, bodies[i], &jobs[i]) == 0);
    }
    pthread_join(threads[0], NULL);
    atomic_store_explicit(&done, true, memory_order_relaxed);
    for (unsigned i = 1; i < 2 + N_STEERERS; i++) {
        pthread_join(threads[i], NULL);
    }
    for (unsigned i = 0; i < N_COMPACTORS; i++) {
        zs_compactor_stop(slots[i].c);
    }
}

static void check_and_free_all(void)
{
    unsigned char local[ZS_LOCAL_COPY_BYTES];

    for (unsigned a = 0; a < N_ARENAS; a++) {
        struct zs_pool_stats stats;

        for (uint32_t i = 0; i < N_VALUES; i++) {
            zs_handle_t h = values[a][i].h;

            if (h.raw != 0) {
                check(zs_obj_read_begin(pools[a], h, local), i);
                zs_obj_read_end(pools[a]);
                zs_free(pools[a], h);
            }
        }
        REQUIRE(zs_compact(arenas[a], NULL) == 0);
        zs_pool_stats(pools[a], &stats);
        REQUIRE(stats.n_objects == 0 && stats.n_zspages == 0);
        zs_pool_destroy(pools[a]);
        zs_arena_destroy(arenas[a]);
    }
}

int main(int argc, char **argv)
{
    uint64_t ops = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

    printf("stress_compactor: %llu operations, seed %llu\n",
           (unsigned long long)ops, (unsigned long long)seed);
    make_all();
    run_threads(ops, seed);
    check_and_free_all();
    printf("%llu reads checked, %llu allocations refused, %llu compactors, "
           "%llu arenas added\n",
           (unsigned long long)n_reads, (unsigned long long)n_refused,
           (unsigned long long)n_started, (unsigned long long)n_added);
    return 0;
}
