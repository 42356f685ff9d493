/* SPDX-License-Identifier: MIT */
/*
 * stress_dict - dictionaries come and go, and cold values are compressed anew,
 * while eight threads put and get.
 *
 * Imitates a cache whose data change nature again and again. Threads put,
 * replace and delete values of two classes in one shared table; others read
 * them meanwhile without excluding a replace. The kind of record that is put
 * changes with every second dictionary, the store's thread looks every
 * millisecond, another thread calls zs_store_background() as well and lists the
 * dictionaries, and a compactor ticks. A value is cold when it was left alone
 * for a fifth of a millisecond, so it is compressed anew while others get,
 * replace and delete it, and its handle is used again. Each record carries its
 * seed, from which all its bytes follow: a value that is decompressed with the
 * wrong dictionary, or with one that is gone, shows.
 *
 * At the end all values are deleted: every count must be 0, and all that is
 * retired be freed.
 *
 *     stress_dict [dictionaries that are to be published] [seed]
 */
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../unit/dict_fixture.h"
#include "zspool/compactor.h"
#include "zspool/stats.h"
#include "zspool/store.h"

#define N_CELLS 4000u
#define N_THREADS 8u
#define MAX_BYTES 512u
#define N_KINDS 4u
#define N_TRIED 200u  /* values compressed anew */
#define N_DROPPED 20u /* that somebody came in between with */
#define REQUIRE(c)                                                             \
    ((c) ? (void)0                                                             \
         : (fprintf(stderr, "%s:%d: %s\n", __FILE__, __LINE__, #c), abort()))

static struct zs_store *store;
/* A cell whose handle is never deleted: read at any time, replaced by whoever
 * has taken `taken`. And one whose value comes and goes. */
static zs_handle_t stable[N_CELLS];
static _Atomic bool taken[N_CELLS];
static _Atomic uint64_t cells[N_CELLS]; /* handle << 32 | seed; 0: taken */
static _Atomic uint32_t kind_now;
static _Atomic bool done;
static uint64_t n_wanted; /* dictionaries published */

static uint64_t next_random(uint64_t *s)
{
    *s ^= *s << 13;
    *s ^= *s >> 7;
    *s ^= *s << 17;
    return *s * UINT64_C(0x2545f4914f6cdd1d);
}

/* Bytes 0 to 3 are the seed, whose upper bits are the kind of the record. */
static size_t make_record(char *out, uint32_t seed)
{
    static const char *const more[N_KINDS] = { "", "", "<!-- kind two -->",
                                               "; and the fourth kind" };
    unsigned kind = seed >> 30;
    size_t len = 4;

    memcpy(out, &seed, 4);
    len +=
        (kind & 1) != 0 ? make_html(out + 4, seed) : make_json(out + 4, seed);
    memcpy(out + len, more[kind], strlen(more[kind]));
    return len + strlen(more[kind]);
}

static uint32_t new_seed(uint64_t *rng)
{
    uint32_t kind = atomic_load_explicit(&kind_now, memory_order_relaxed);

    return kind << 30 | (uint32_t)(next_random(rng) >> 34) | 1;
}

static void check_get(zs_handle_t h)
{
    char want[MAX_BYTES], back[MAX_BYTES];
    uint32_t seed;
    size_t len;

    REQUIRE(zs_store_get(store, h, back, sizeof(back), &len) == 0);
    REQUIRE(len > 4);
    memcpy(&seed, back, 4);
    REQUIRE(len == make_record(want, seed));
    REQUIRE(memcmp(back, want, len) == 0);
}

static void replace_stable(size_t i, uint64_t *rng)
{
    char value[MAX_BYTES];

    if (atomic_exchange_explicit(&taken[i], true, memory_order_acquire)) {
        return;
    }
    REQUIRE(zs_store_replace_class(store, (unsigned)i & 1, stable[i], value,
                                   make_record(value, new_seed(rng))) == 0);
    atomic_store_explicit(&taken[i], false, memory_order_release);
}

static void replace_cell(size_t i, uint64_t *rng)
{
    uint64_t entry =
        atomic_exchange_explicit(&cells[i], 0, memory_order_acq_rel);
    uint32_t seed = new_seed(rng);
    char value[MAX_BYTES];
    zs_handle_t h = { (uint32_t)(entry >> 32) };

    if (entry == 0) {
        return; /* somebody else has it just now */
    }
    check_get(h);
    zs_store_delete(store, h);
    REQUIRE(zs_store_put_class(store, (unsigned)i & 1, value,
                               make_record(value, seed), &h) == 0);
    atomic_store_explicit(&cells[i], (uint64_t)h.raw << 32 | seed,
                          memory_order_release);
}

static void *run(void *arg)
{
    uint64_t rng = (uint64_t)(uintptr_t)arg;

    while (!atomic_load_explicit(&done, memory_order_relaxed)) {
        size_t i = (size_t)(next_random(&rng) % N_CELLS);

        switch (next_random(&rng) % 4) {
        case 0:
            replace_stable(i, &rng);
            break;
        case 1:
            replace_cell(i, &rng);
            break;
        default:
            check_get(stable[i]);
        }
    }
    return NULL;
}

static void *meddle(void *unused)
{
    struct zs_dict_info info[31];
    struct zs_dict_stats d = { 0 };
    struct zs_recompress_stats r = { 0 };

    (void)unused;
    while (d.n_published < n_wanted || r.n_tried < N_TRIED ||
           r.n_dropped < N_DROPPED) {
        (void)zs_store_background(store);
        REQUIRE(zs_store_dictionaries(store, info, 31) <= 16);
        sched_yield();
        zs_store_dict_stats(store, &d);
        zs_store_recompress_stats(store, &r);
        atomic_store_explicit(&kind_now, (uint32_t)d.n_published / 2 % N_KINDS,
                              memory_order_relaxed);
    }
    atomic_store_explicit(&done, true, memory_order_relaxed);
    return NULL;
}

static void fill(uint64_t *rng)
{
    char value[MAX_BYTES];

    for (size_t i = 0; i < N_CELLS; i++) {
        uint32_t seed = new_seed(rng);
        zs_handle_t h;

        REQUIRE(zs_store_put(store, value, make_record(value, seed), &h) == 0);
        REQUIRE(zs_store_put(store, value, make_record(value, seed),
                             &stable[i]) == 0);
        atomic_store(&cells[i], (uint64_t)h.raw << 32 | seed);
    }
}

static void check_recompression(void)
{
    struct zs_recompress_stats r;

    zs_store_recompress_stats(store, &r);
    printf("%lu rounds, %lu candidates, %lu tried, %lu accepted, %lu drained, "
           "%lu dropped\n",
           (unsigned long)r.n_rounds, (unsigned long)r.n_candidates,
           (unsigned long)r.n_tried, (unsigned long)r.n_accepted,
           (unsigned long)r.n_drained, (unsigned long)r.n_dropped);
    REQUIRE(r.n_accepted > 0 && r.n_dropped > 0);
}

static void empty(void)
{
    struct zs_dict_info info[31];
    struct zs_store_stats s;
    struct zs_dict_stats d;
    size_t n;

    for (size_t i = 0; i < N_CELLS; i++) {
        check_get(stable[i]);
        zs_store_delete(store, stable[i]);
        zs_store_delete(
            store, (zs_handle_t){ (uint32_t)(atomic_load(&cells[i]) >> 32) });
    }
    (void)zs_store_background(store);
    zs_store_stats(store, &s);
    REQUIRE(s.n_values == 0 && s.raw_bytes == 0 && s.stored_bytes == 0);
    n = zs_store_dictionaries(store, info, 31);
    for (size_t i = 0; i < n; i++) {
        REQUIRE(info[i].n_values == 0 && info[i].is_current);
    }
    zs_store_dict_stats(store, &d);
    printf("%lu trainings, %lu published, %lu rejected, %lu left\n",
           (unsigned long)d.n_trainings, (unsigned long)d.n_published,
           (unsigned long)d.n_rejected, (unsigned long)d.n_dictionaries);
    fflush(stdout);
    REQUIRE(d.n_dictionaries == n && n <= 2);
}

static void stress(enum zs_codec_id codec, uint64_t seed)
{
    const struct zs_store_config cfg = {
        .codec = codec,
        .dictionaries = { .interval_ns = 1000000,
                          .max_bytes = 4096,
                          .sample_bytes = 65536,
                          .min_gain_percent = 1 },
        .recompress = { .on = true, .idle_ns = 200000, .cpu_percent = 100 },
    };
    const struct zs_compactor_config compactor_cfg = { .tick_ns = 1000000 };
    struct zs_compactor *compactor;
    pthread_t threads[N_THREADS], meddler;
    uint64_t rng = seed;

    REQUIRE(zs_store_create(&cfg, &store) == 0);
    atomic_store(&done, false);
    atomic_store(&kind_now, 0);
    fill(&rng);
    REQUIRE(zs_compactor_start(zs_pool_arena(zs_store_pool(store)),
                               &compactor_cfg, &compactor) == 0);
    REQUIRE(pthread_create(&meddler, NULL, meddle, NULL) == 0);
    for (size_t i = 0; i < N_THREADS; i++) {
        REQUIRE(pthread_create(&threads[i], NULL, run,
                               (void *)(uintptr_t)(seed * 100 + i + 1)) == 0);
    }
    for (size_t i = 0; i < N_THREADS; i++) {
        pthread_join(threads[i], NULL);
    }
    pthread_join(meddler, NULL);
    zs_compactor_stop(compactor);
    check_recompression();
    empty();
    zs_store_destroy(store);
}

int main(int argc, char **argv)
{
    uint64_t seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;

    n_wanted = argc > 1 ? strtoull(argv[1], NULL, 10) : 8;
    printf("stress_dict: %lu dictionaries, seed %lu\n", (unsigned long)n_wanted,
           (unsigned long)seed);
    stress(ZS_CODEC_LZ4, seed);
    stress(ZS_CODEC_ZSTD, seed);
    return 0;
}
