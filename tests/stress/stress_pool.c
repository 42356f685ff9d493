/* SPDX-License-Identifier: MIT */
/*
 * stress_pool - everything at once, every byte checked.
 *
 * Imitates a caching daemon under memory pressure: two threads create, free,
 * write in place and replace values; one reads any of them; one compacts
 * without pause; one isolates and migrates pages at random. A value carries its
 * number, version, length and a checksum, so a torn, stale or foreign read
 * shows; some are aligned. The arena has a limit, so allocations fail now and
 * then.
 *
 * What runs against what: readers share a value's lock with replace and with
 * the movers (nothing else protects them); free and in-place writes exclude
 * readers of the same value, as the contract asks.
 *
 * At the end all is freed and must add up: no object, no page in use.
 * Deterministic but for the scheduling; the seed is printed. Not a benchmark.
 *
 *     stress_pool [operations per thread] [seed]
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "migrate.h"
#include "zspool/compactor.h"
#include "zspool/pool.h"

#define N_VALUES 4000u
#define N_CHANGERS 2u
#define LIMIT_BYTES ((size_t)24 << 20)
#define REQUIRE(c)                                                             \
    ((c) ? (void)0                                                             \
         : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c), abort()))

struct value {
    pthread_rwlock_t lock; /* write: free, create, write in place */
    zs_handle_t h;         /* raw == 0: none */
    size_t alignment;      /* changed under the lock */
    _Atomic uint32_t version;
};

struct head {
    uint32_t number, version, len, sum;
};

struct job {
    unsigned id;
    uint64_t ops;
    uint64_t seed;
};

static struct zs_pool *pool;
static struct value values[N_VALUES];
static _Atomic bool done;
static _Atomic uint64_t n_reads, n_refused, n_migrated;

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s;
}

static uint32_t sum_of(const unsigned char *p, size_t len)
{
    uint32_t sum = 2166136261u;

    for (size_t i = 0; i < len; i++) {
        sum = (sum ^ p[i]) * 16777619u;
    }
    return sum;
}

/* Mostly small, some larger than a page, a few larger than every class. */
static size_t random_len(uint64_t *s)
{
    uint64_t r = next_random(s) % 1000;

    if (r < 900) {
        return sizeof(struct head) + next_random(s) % 2000;
    }
    return r < 997 ? 4000 + next_random(s) % 9000
                   : 66000 + next_random(s) % 100000;
}

static void make_value(unsigned char *buf, uint32_t number, uint32_t version,
                       size_t len)
{
    struct head head = { number, version, (uint32_t)len, 0 };
    size_t body = len - sizeof(head);

    for (size_t i = 0; i < body; i++) {
        buf[sizeof(head) + i] = (unsigned char)(number + version * 7 + i);
    }
    head.sum = sum_of(buf + sizeof(head), body);
    memcpy(buf, &head, sizeof(head));
}

static void check_value(const unsigned char *p, uint32_t number,
                        uint32_t min_version, size_t room)
{
    struct head head;

    memcpy(&head, p, sizeof(head));
    REQUIRE(head.number == number);
    REQUIRE(head.version >= min_version);
    REQUIRE(head.len >= sizeof(head) && head.len <= room);
    REQUIRE(head.sum == sum_of(p + sizeof(head), head.len - sizeof(head)));
}

/* Shared lock held: replace and movers may be at work on it. */
static void read_value(uint32_t number)
{
    struct value *v = &values[number];
    unsigned char local[ZS_LOCAL_COPY_BYTES];
    uint32_t version = atomic_load_explicit(&v->version, memory_order_acquire);
    const unsigned char *p = zs_obj_read_begin(pool, v->h, local);

    check_value(p, number, version, SIZE_MAX);
    REQUIRE(p == local || (uintptr_t)p % v->alignment == 0);
    zs_obj_read_end(pool);
    atomic_fetch_add_explicit(&n_reads, 1, memory_order_relaxed);
}

static bool refused(int err)
{
    REQUIRE(err == 0 || err == -ENOMEM || err == -ENOSPC);
    atomic_fetch_add_explicit(&n_refused, err != 0, memory_order_relaxed);
    return err != 0;
}

/* Nobody reads it yet, so it may be written in place. */
static int create_aligned(struct value *v, const unsigned char *buf, size_t len)
{
    int err = zs_malloc_aligned(pool, v->alignment, len, &v->h);

    if (!err) {
        REQUIRE(zs_obj_write(pool, v->h, 0, buf, len) == 0);
    }
    return err;
}

static void create_value(struct value *v, uint32_t number, unsigned char *buf,
                         uint64_t *s)
{
    size_t len = random_len(s);
    uint32_t version = v->version + 1;

    bool aligned = next_random(s) % 8 == 0;

    make_value(buf, number, version, len);
    v->alignment = aligned ? (size_t)8 << next_random(s) % 5 : 4;
    if (!refused(aligned ? create_aligned(v, buf, len)
                         : zs_obj_create(pool, buf, len, &v->h))) {
        atomic_store_explicit(&v->version, version, memory_order_release);
    } else {
        v->h.raw = 0;
    }
}

static void free_value(struct value *v)
{
    zs_free(pool, v->h);
    v->h.raw = 0;
}

static void write_value(struct value *v, uint32_t number, unsigned char *buf,
                        uint64_t *s)
{
    size_t room = zs_obj_size(pool, v->h);
    size_t len =
        sizeof(struct head) + next_random(s) % (room - sizeof(struct head) + 1);
    uint32_t version = v->version + 1;

    make_value(buf, number, version, len);
    REQUIRE(zs_obj_write(pool, v->h, 0, buf, len) == 0);
    atomic_store_explicit(&v->version, version, memory_order_release);
}

/* Only the value's changer comes here; readers go on. */
static void replace_value(struct value *v, uint32_t number, unsigned char *buf,
                          uint64_t *s)
{
    size_t len = random_len(s);
    uint32_t version = v->version + 1;

    make_value(buf, number, version, len);
    if (!refused(zs_obj_replace(pool, v->h, buf, len))) {
        atomic_store_explicit(&v->version, version, memory_order_release);
    }
}

static void change_one(struct job *job, unsigned char *buf)
{
    uint32_t number =
        (uint32_t)(next_random(&job->seed) % (N_VALUES / N_CHANGERS)) *
            N_CHANGERS +
        job->id;
    struct value *v = &values[number];
    unsigned op = (unsigned)(next_random(&job->seed) % 8);

    if (v->h.raw != 0 && op >= 4) {
        pthread_rwlock_rdlock(&v->lock);
        if (op < 7) {
            replace_value(v, number, buf, &job->seed);
        } else {
            read_value(number);
        }
    } else {
        pthread_rwlock_wrlock(&v->lock);
        if (v->h.raw == 0) {
            create_value(v, number, buf, &job->seed);
        } else if (op < 2) {
            free_value(v);
        } else {
            write_value(v, number, buf, &job->seed);
        }
    }
    pthread_rwlock_unlock(&v->lock);
}

static void *changer(void *arg)
{
    struct job *job = arg;
    unsigned char *buf = malloc(1 << 20);

    REQUIRE(buf);
    for (uint64_t i = 0; i < job->ops; i++) {
        change_one(job, buf);
    }
    free(buf);
    return NULL;
}

static void *reader(void *arg)
{
    struct job *job = arg;

    while (!atomic_load_explicit(&done, memory_order_relaxed)) {
        uint32_t number = (uint32_t)(next_random(&job->seed) % N_VALUES);
        struct value *v = &values[number];

        pthread_rwlock_rdlock(&v->lock);
        if (v->h.raw != 0) {
            read_value(number);
        }
        pthread_rwlock_unlock(&v->lock);
    }
    return NULL;
}

static void *compactor(void *arg)
{
    (void)arg;
    while (!atomic_load_explicit(&done, memory_order_relaxed)) {
        REQUIRE(zs_compact(zs_pool_arena(pool), NULL) == 0);
    }
    return NULL;
}

/* Another user of the migration core: any page, at any time. */
static void *migrator(void *arg)
{
    struct job *job = arg;
    struct zs_arena *a = zs_pool_arena(pool);
    uint32_t n_pages = (uint32_t)(2 * LIMIT_BYTES / ZS_PAGE_BYTES);

    while (!atomic_load_explicit(&done, memory_order_relaxed)) {
        zs_pfn_t first = (zs_pfn_t)(next_random(&job->seed) % (n_pages - 32));
        zs_pfn_t pages[32];
        unsigned n = 0;
        unsigned left;

        for (zs_pfn_t p = first; p < first + 32; p++) {
            if (zs_isolate_movable_ops_page(a, p)) {
                pages[n++] = p;
            }
        }
        left = next_random(&job->seed) % 4 == 0
                   ? n
                   : zs_migrate_pages(a, pages, n,
                                      first % 2 ? ZS_MIGRATE_SYNC
                                                : ZS_MIGRATE_ASYNC);
        atomic_fetch_add_explicit(&n_migrated, n - left, memory_order_relaxed);
        for (unsigned i = 0; i < left; i++) {
            zs_putback_movable_ops_page(a, pages[i]);
        }
        if (zs_deferred_is_full(a)) {
            zs_grace_flush(&a->grace);
        }
    }
    return NULL;
}

static void run_threads(uint64_t ops, uint64_t seed)
{
    void *(*bodies[])(void *) = { changer, changer, reader, compactor,
                                  migrator };
    pthread_t threads[5];
    struct job jobs[5];

    for (unsigned i = 0; i < 5; i++) {
        jobs[i] = (struct job){ i, ops, (seed + i) * 0x9e3779b97f4a7c15u | 1 };
        REQUIRE(pthread_create(&threads[i], NULL, bodies[i], &jobs[i]) == 0);
    }
    pthread_join(threads[0], NULL);
    pthread_join(threads[1], NULL);
    atomic_store_explicit(&done, true, memory_order_relaxed);
    for (unsigned i = 2; i < 5; i++) {
        pthread_join(threads[i], NULL);
    }
}

static void check_and_free_all(void)
{
    struct zs_arena_stats arena;
    struct zs_pool_stats stats;

    for (uint32_t i = 0; i < N_VALUES; i++) {
        if (values[i].h.raw != 0) {
            read_value(i);
            free_value(&values[i]);
        }
    }
    zs_pool_stats(pool, &stats);
    REQUIRE(stats.n_objects == 0 && stats.live_bytes == 0);
    printf("moved %llu objects, stopped %llu, busy %llu, pages %llu\n",
           (unsigned long long)stats.objects_moved,
           (unsigned long long)stats.moves_stopped,
           (unsigned long long)stats.moves_busy,
           (unsigned long long)n_migrated);
    REQUIRE(zs_compact(zs_pool_arena(pool), NULL) == 0);
    zs_pool_stats(pool, &stats);
    zs_arena_stats(zs_pool_arena(pool), &arena);
    REQUIRE(stats.n_limbo_slots == 0 && stats.n_zspages == 0);
    REQUIRE(arena.used_bytes == 0 && arena.resident_bytes == 0);
    REQUIRE(arena.deferred_bytes == 0);
}

int main(int argc, char **argv)
{
    uint64_t ops = argc > 1 ? strtoull(argv[1], NULL, 10) : 200000;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    struct zs_arena_config acfg = { .limit_bytes = LIMIT_BYTES,
                                    .reserve_bytes = 16 * LIMIT_BYTES,
                                    .huge_pages = seed % 2 == 0
                                                      ? ZS_HUGE_ALWAYS
                                                      : ZS_HUGE_DEFAULT };
    struct zs_pool_config cfg = { .private_arena = acfg,
                                  .max_zspages = 1 << 16 };

    printf("stress_pool: %llu operations a thread, seed %llu\n",
           (unsigned long long)ops, (unsigned long long)seed);
    REQUIRE(zs_pool_create(&cfg, &pool) == 0);
    for (uint32_t i = 0; i < N_VALUES; i++) {
        pthread_rwlock_init(&values[i].lock, NULL);
    }
    run_threads(ops, seed);
    check_and_free_all();
    printf("%llu reads checked, %llu allocations refused\n",
           (unsigned long long)n_reads, (unsigned long long)n_refused);
    zs_pool_destroy(pool);
    return 0;
}
