/* SPDX-License-Identifier: MIT */
/*
 * stress_limits - eight threads put more than their tenants may hold.
 *
 * Imitates a cache of four tenants behind limits: threads put, replace, read
 * and delete values of all tenants in one shared table; the eviction callback
 * deletes others of the tenant that is asked for, or of any when it is the
 * store's limit. Dictionaries come and go meanwhile, and a compactor ticks.
 * Each value begins with its seed, from which all its bytes follow.
 *
 * Limits are held all the time: the most that a tenant ever had is not above
 * its hard limit. At the end all values are deleted: every sum must be 0.
 *
 *     stress_limits [operations of a thread] [seed]
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/dict_fixture.h"
#include "zspool/compactor.h"
#include "zspool/stats.h"
#include "zspool/store.h"

#define N_TENANTS 4u
#define N_CELLS 8192u /* cell i is of tenant i % N_TENANTS */
#define N_THREADS 8u
#define MAX_BYTES 4096u
#define TENANT_BYTES ((uint64_t)256 * 1024)
#define STORE_BYTES ((uint64_t)800 * 1024) /* less than all tenants' */
#define REQUIRE(c)                                                             \
    ((c) ? (void)0                                                             \
         : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c), abort()))

static struct zs_store *store;
static _Atomic uint64_t cells[N_CELLS]; /* handle << 32 | seed; 0: none */
static _Atomic uint64_t n_put, n_full, n_evicted;
static uint64_t n_operations;

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s * UINT64_C(0x2545f4914f6cdd1d);
}

/* Records, noise, and patterns. */
static size_t make_value(char *out, uint32_t seed)
{
    uint64_t rng = seed;

    memset(out, 0, MAX_BYTES);
    if (seed % 8 == 1) {
        return 64 + seed / 8 % 4; /* zeros */
    }
    memcpy(out, &seed, 4);
    if (seed % 8 != 3) {
        return 4 + make_json(out + 4, seed);
    }
    for (size_t i = 4; i < 3000; i += 8) {
        uint64_t bits = next_random(&rng);

        memcpy(out + i, &bits, 8);
    }
    return 3000;
}

static void check_get(uint64_t entry)
{
    char want[MAX_BYTES], back[MAX_BYTES];
    zs_handle_t h = { (uint32_t)(entry >> 32) };
    size_t len;

    REQUIRE(zs_store_get(store, h, back, sizeof(back), &len) == 0);
    REQUIRE(len == make_value(want, (uint32_t)entry));
    REQUIRE(memcmp(back, want, len) == 0);
}

/* Whoever takes an entry out of its cell may do what it likes with it. */
static uint64_t take_cell(size_t i)
{
    return atomic_exchange_explicit(&cells[i], 0, memory_order_acq_rel);
}

static void delete_entry(uint64_t entry)
{
    zs_store_delete(store, (zs_handle_t){ (uint32_t)(entry >> 32) });
}

static void evict(void *unused, struct zs_store *s, unsigned tenant,
                  uint64_t want)
{
    static _Atomic uint32_t hand;
    uint64_t freed = 0;

    (void)unused;
    for (unsigned n = 0; freed < want && n < N_CELLS; n++) {
        size_t i =
            atomic_fetch_add_explicit(&hand, 1, memory_order_relaxed) % N_CELLS;
        uint64_t entry;

        if (tenant != ZS_WHOLE_STORE && i % N_TENANTS != tenant) {
            continue;
        }
        entry = take_cell(i);
        if (entry != 0) {
            freed += zs_store_cost(s, (zs_handle_t){ (uint32_t)(entry >> 32) });
            delete_entry(entry);
            atomic_fetch_add_explicit(&n_evicted, 1, memory_order_relaxed);
        }
    }
}

/* A new value for a cell that is free, or instead of the one it had. */
static void write_cell(size_t i, uint64_t *rng)
{
    unsigned tenant = (unsigned)i % N_TENANTS;
    uint32_t seed = (uint32_t)next_random(rng) | 1;
    uint64_t old = take_cell(i);
    char value[MAX_BYTES];
    size_t len = make_value(value, seed);
    zs_handle_t h = { (uint32_t)(old >> 32) };
    uint64_t none = 0;
    int err;

    if (old != 0) {
        check_get(old);
    }
    err = old != 0 ? zs_store_replace_class(store, tenant, h, value, len)
                   : zs_store_put_class(store, tenant, value, len, &h);
    REQUIRE(err == 0 || err == -ENOSPC);
    if (err != 0) {
        atomic_fetch_add_explicit(&n_full, 1, memory_order_relaxed);
        if (old == 0) {
            return;
        }
        seed = (uint32_t)old; /* as it was */
    } else {
        atomic_fetch_add_explicit(&n_put, 1, memory_order_relaxed);
    }
    if (!atomic_compare_exchange_strong_explicit(
            &cells[i], &none, (uint64_t)h.raw << 32 | seed,
            memory_order_acq_rel, memory_order_relaxed)) {
        zs_store_delete(store, h);
    }
}

static void *run(void *arg)
{
    uint64_t rng = (uint64_t)(uintptr_t)arg;

    for (uint64_t n = 0; n < n_operations; n++) {
        size_t i = (size_t)(next_random(&rng) >> 20) % N_CELLS;

        if (next_random(&rng) >> 60 != 0) {
            write_cell(i, &rng);
        } else {
            uint64_t entry = take_cell(i);

            if (entry != 0) {
                delete_entry(entry);
            }
        }
    }
    return NULL;
}

static struct zs_store_mem_stats mem(unsigned tenant)
{
    struct zs_store_mem_stats s;

    REQUIRE(zs_store_mem_stats(store, tenant, &s) == 0);
    return s;
}

/* Others look at the sums meanwhile: of no one moment, and harmless. */
static void *look(void *done)
{
    static char text[1 << 17];

    while (!atomic_load_explicit((_Atomic bool *)done, memory_order_relaxed)) {
        (void)zs_stats_json(zs_pool_arena(zs_store_pool(store)), text,
                            sizeof(text));
        for (unsigned t = 0; t < N_TENANTS; t++) {
            struct zs_store_mem_stats s = mem(t);

            REQUIRE(s.mem_used_max <= s.mem_limit);
        }
    }
    return NULL;
}

static void check_end(void)
{
    for (unsigned t = 0; t < N_TENANTS; t++) {
        REQUIRE(mem(t).mem_used_max <= TENANT_BYTES);
        REQUIRE(mem(t).n_asked > 0);
    }
    REQUIRE(mem(ZS_WHOLE_STORE).mem_used_max <= STORE_BYTES);
    for (size_t i = 0; i < N_CELLS; i++) {
        uint64_t entry = take_cell(i);

        if (entry != 0) {
            check_get(entry);
            delete_entry(entry);
        }
    }
    for (unsigned t = 0; t <= N_TENANTS; t++) {
        struct zs_store_mem_stats s = mem(t < N_TENANTS ? t : ZS_WHOLE_STORE);

        REQUIRE(s.mem_used_total == 0 && s.n_values == 0);
        REQUIRE(s.orig_data_size == 0 && s.compr_data_size == 0);
        REQUIRE(s.same_pages == 0 && s.huge_pages == 0);
    }
    printf("%lu put, %lu refused, %lu evicted, %lu slowed\n",
           (unsigned long)n_put, (unsigned long)n_full,
           (unsigned long)n_evicted,
           (unsigned long)mem(ZS_WHOLE_STORE).n_slowed);
}

static void stress(uint64_t seed)
{
    const struct zs_store_config cfg = {
        .codec = ZS_CODEC_LZ4,
        .dictionaries = { .interval_ns = 1000000,
                          .max_bytes = 4096,
                          .sample_bytes = 65536,
                          .min_gain_percent = 1 },
        .eviction = { .evict = evict, .max_wait_ns = 20000 },
    };
    const struct zs_store_limits tenant = { TENANT_BYTES * 7 / 8,
                                            TENANT_BYTES };
    const struct zs_store_limits whole = { STORE_BYTES * 15 / 16, STORE_BYTES };
    const struct zs_compactor_config compactor_cfg = { .tick_ns = 1000000 };
    struct zs_compactor *compactor;
    pthread_t threads[N_THREADS], looker;
    _Atomic bool done = false;

    REQUIRE(zs_store_create(&cfg, &store) == 0);
    for (unsigned t = 0; t < N_TENANTS; t++) {
        REQUIRE(zs_store_set_limits(store, t, &tenant) == 0);
    }
    REQUIRE(zs_store_set_limits(store, ZS_WHOLE_STORE, &whole) == 0);
    REQUIRE(zs_compactor_start(zs_pool_arena(zs_store_pool(store)),
                               &compactor_cfg, &compactor) == 0);
    REQUIRE(pthread_create(&looker, NULL, look, &done) == 0);
    for (size_t i = 0; i < N_THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, run,
                               (void *)(uintptr_t)(seed * 100 + i + 1)) == 0);
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    atomic_store(&done, true);
    pthread_join(looker, NULL);
    zs_compactor_stop(compactor);
    check_end();
    zs_store_destroy(store);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

    n_operations = argc > 1 ? strtoull(argv[1], NULL, 10) : 30000;
    printf("stress_limits: %lu operations, seed %lu\n",
           (unsigned long)n_operations, (unsigned long)seed);
    stress(seed);
    return 0;
}
