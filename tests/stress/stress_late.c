/* SPDX-License-Identifier: MIT */
/*
 * stress_late - a pool of very many small objects, in which frees are late.
 *
 * Imitates the index of a large cache: threads replace random entries of one
 * shared table by new objects, write into them, and free what others have made;
 * a compactor ticks every millisecond, somebody compacts, asks for statistics,
 * and walks. Threads come and go. Each object carries its seed, from which its
 * size and its bytes follow, so one that was freed twice, moved wrongly or
 * handed out twice shows.
 *
 * Frees wait in a ring only in builds without checks (lib/zspage/cache.h); so
 * this is for the release build, with and without sanitizers. Elsewhere it is
 * one more test of caches against movers.
 *
 * At the end table, statistics and walk must agree, and all is freed.
 *
 *     stress_late [operations per thread] [seed]
 */
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cache.h"
#include "zspool/compactor.h"

#define N_CELLS 200000u
#define N_THREADS 3u
#define MAX_BYTES 1000u
#define REQUIRE(c)                                                             \
    ((c) ? (void)0                                                             \
         : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c), abort()))

static struct zs_pool *pool;
static _Atomic uint64_t cells[N_CELLS]; /* handle << 32 | seed; 0: taken */
static _Atomic bool done;
static uint64_t n_ops;

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s * UINT64_C(0x2545f4914f6cdd1d);
}

/* Mostly below 200 bytes. */
static size_t size_of(uint32_t seed)
{
    uint32_t mixed = seed * 2654435761u >> 8;

    return 4 +
           (mixed % 16 == 0 ? mixed / 16 % (MAX_BYTES - 4) : mixed / 16 % 196);
}

static void fill(unsigned char *bytes, uint32_t seed)
{
    size_t len = size_of(seed);

    for (size_t i = 0; i < len; i++) {
        bytes[i] = (unsigned char)(seed >> (i % 4 * 8));
    }
}

static void check(zs_handle_t h, uint32_t seed)
{
    unsigned char want[MAX_BYTES], local[ZS_LOCAL_COPY_BYTES];

    fill(want, seed);
    REQUIRE(memcmp(zs_obj_read_begin(pool, h, local), want, size_of(seed)) ==
            0);
    zs_obj_read_end(pool);
}

static uint64_t make(uint64_t *rng)
{
    unsigned char bytes[MAX_BYTES];
    uint32_t seed = (uint32_t)next_random(rng);
    zs_handle_t h;

    fill(bytes, seed);
    if (next_random(rng) % 4 != 0) {
        REQUIRE(zs_obj_create(pool, bytes, size_of(seed), &h) == 0);
    } else {
        REQUIRE(zs_malloc(pool, size_of(seed), &h) == 0);
        REQUIRE(zs_obj_write(pool, h, 0, bytes, size_of(seed)) == 0);
    }
    return (uint64_t)h.raw << 32 | seed;
}

/* The same handle with other bytes; `replace`: of any size. */
static uint64_t change(zs_handle_t h, uint64_t *rng, bool replace)
{
    unsigned char bytes[MAX_BYTES];
    uint32_t seed = (uint32_t)next_random(rng);

    fill(bytes, seed);
    if (replace || size_of(seed) > zs_obj_size(pool, h)) {
        REQUIRE(zs_obj_replace(pool, h, bytes, size_of(seed)) == 0);
    } else {
        REQUIRE(zs_obj_write(pool, h, 0, bytes, size_of(seed)) == 0);
    }
    return (uint64_t)h.raw << 32 | seed;
}

static void one(uint64_t *rng)
{
    _Atomic uint64_t *cell = &cells[next_random(rng) % N_CELLS];
    uint64_t entry = atomic_exchange_explicit(cell, 0, memory_order_acq_rel);
    zs_handle_t h = { (uint32_t)(entry >> 32) };
    unsigned what = (unsigned)(next_random(rng) % 16);

    if (entry == 0) {
        return; /* somebody else has it just now */
    }
    REQUIRE(zs_handle_check(pool, h));
    check(h, (uint32_t)entry);
    if (what < 12) {
        if (what == 0) {
            zs_free_deferred(pool, h);
        } else {
            zs_free(pool, h);
        }
        entry = make(rng);
    } else {
        entry = change(h, rng, what == 12);
    }
    atomic_store_explicit(cell, entry, memory_order_release);
}

static void *change_all(void *arg)
{
    uint64_t rng = (uintptr_t)arg;

    for (uint64_t i = 0; i < n_ops; i++) {
        one(&rng);
    }
    return NULL;
}

/* Threads that live shortly leave nothing behind. */
static void *come_and_go(void *arg)
{
    uint64_t rng = (uintptr_t)arg;

    for (unsigned i = 0; i < 1000; i++) {
        one(&rng);
    }
    return NULL;
}

static void *disturb(void *arg)
{
    uint64_t seed = (uintptr_t)arg;
    struct zs_pool_cursor cursor = { 0 };
    zs_handle_t walked[64];
    struct zs_pool_stats stats;

    while (!atomic_load_explicit(&done, memory_order_relaxed)) {
        pthread_t thread;

        REQUIRE(pthread_create(&thread, NULL, come_and_go,
                               (void *)(uintptr_t)(++seed | 1)) == 0);
        if (zs_pool_next(pool, &cursor, walked, 64) == 0) {
            memset(&cursor, 0, sizeof(cursor));
        }
        zs_pool_stats(pool, &stats);
        REQUIRE(seed % 64 != 0 || zs_compact(zs_pool_arena(pool), NULL) == 0);
        for (unsigned i = 0; i < 20; i++) {
            caches_empty(pool);
        }
        pthread_join(thread, NULL);
    }
    return NULL;
}

static size_t count_by_walk(void)
{
    struct zs_pool_cursor cursor = { 0 };
    zs_handle_t walked[64];
    size_t n, all = 0;

    while ((n = zs_pool_next(pool, &cursor, walked, 64)) > 0) {
        all += n;
    }
    return all;
}

static void all_is_right_and_freed(void)
{
    struct zs_pool_stats stats;

    zs_pool_stats(pool, &stats);
    REQUIRE(stats.n_objects == N_CELLS);
    REQUIRE(count_by_walk() == N_CELLS);
    for (uint32_t i = 0; i < N_CELLS; i++) {
        uint64_t entry = atomic_load_explicit(&cells[i], memory_order_relaxed);
        zs_handle_t h = { (uint32_t)(entry >> 32) };

        check(h, (uint32_t)entry);
        zs_free(pool, h);
        REQUIRE(!zs_handle_check(pool, h));
    }
    zs_pool_stats(pool, &stats);
    REQUIRE(stats.n_objects == 0 && stats.live_bytes == 0);
    REQUIRE(count_by_walk() == 0);
}

static void run(uint64_t seed)
{
    pthread_t threads[N_THREADS], other;

    for (uintptr_t i = 0; i < N_THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, change_all,
                               (void *)(uintptr_t)(seed + i * 7919)) == 0);
    }
    REQUIRE(pthread_create(&other, NULL, disturb,
                           (void *)(uintptr_t)(seed + 1)) == 0);
    for (unsigned i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    atomic_store_explicit(&done, true, memory_order_relaxed);
    pthread_join(other, NULL);
}

int main(int argc, char **argv)
{
    struct zs_compactor_config often = { .tick_ns = 1000000,
                                         .budget.low_permille = 1 };
    struct zs_compactor *compactor;
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    uint64_t rng = seed;

    n_ops = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    printf("seed %llu\n", (unsigned long long)seed);
    REQUIRE(seed != 0 && zs_pool_create(NULL, &pool) == 0);
    for (uint32_t i = 0; i < N_CELLS; i++) {
        atomic_store_explicit(&cells[i], make(&rng), memory_order_relaxed);
    }
    REQUIRE(zs_compactor_start(zs_pool_arena(pool), &often, &compactor) == 0);
    run(seed);
    zs_compactor_stop(compactor);
    all_is_right_and_freed();
    zs_pool_destroy(pool);
    return 0;
}
