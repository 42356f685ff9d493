/* SPDX-License-Identifier: MIT */
/*
 * cache.c - a cache with a clock: from an object back to its key.
 *
 * The index goes from a key to a handle. Eviction goes through the pool in the
 * order of addresses (zs_pool_next()) and needs the way back: key_of[], a table
 * beside the pool with a word for each handle. The values also begin with their
 * keys, for whoever has only the object. docs/embedding.md compares the two.
 *
 * Look-ups, insertions and evictions run together and take no lock. What makes
 * that safe: who looks at a handle that others may free opens a read section
 * before it gets the handle, and who frees one takes it out of the index first
 * and calls zs_free_deferred() then. Until the section ends the object stays
 * readable, and the handle names no other one.
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zspool/compactor.h>
#include <zspool/movable_ops.h>
#include <zspool/pool.h>

#define N_KEYS 20000u
#define MAX_OBJECTS 50000u
#define N_HANDLES ZS_HANDLE_LIMIT(MAX_OBJECTS)
#define N_TURNS 200000u
#define LIMIT_BYTES ((size_t)4 << 20)

struct value {
    uint32_t key; /* in front of the bytes: object -> key, the other way */
    char text[];
};

static struct zs_pool *pool;
static _Atomic uint32_t handle_of[N_KEYS]; /* the index; 0: not cached */
static _Atomic uint32_t key_of[N_HANDLES]; /* key + 1; 0: not in the index */
static _Atomic uint8_t is_used[N_HANDLES]; /* looked up since the hand passed */
static pthread_mutex_t hand_lock = PTHREAD_MUTEX_INITIALIZER;
static struct zs_pool_cursor hand; /* of the clock */
static _Atomic unsigned n_evicted, n_hits, n_wrong;

/* In a read section, so `h` is still the object that it was when it was found.
 * Whoever takes it out of the index frees it. */
static bool take_out(uint32_t key, uint32_t h)
{
    if (!atomic_compare_exchange_strong_explicit(&handle_of[key], &h, 0,
                                                 memory_order_acq_rel,
                                                 memory_order_relaxed)) {
        return false;
    }
    atomic_store_explicit(&key_of[h], 0, memory_order_relaxed);
    zs_free_deferred(pool, (zs_handle_t){ h });
    return true;
}

/* Is it to go? Not in the index yet, or any more: no. In use since the last
 * time: next time, perhaps. */
static bool is_cold(uint32_t h, uint32_t *key)
{
    uint32_t k = atomic_load_explicit(&key_of[h], memory_order_acquire);

    *key = k - 1;
    return k != 0 &&
           !atomic_exchange_explicit(&is_used[h], 0, memory_order_relaxed);
}

/* The hand moves on over some objects. */
static void evict_some(void)
{
    zs_handle_t h[64];
    uint32_t key;
    size_t n;

    pthread_mutex_lock(&hand_lock);
    zs_read_begin();
    n = zs_pool_next(pool, &hand, h, 64);
    for (size_t i = 0; i < n; i++) {
        if (is_cold(h[i].raw, &key) && take_out(key, h[i].raw)) {
            atomic_fetch_add_explicit(&n_evicted, 1, memory_order_relaxed);
        }
    }
    if (n < 64) { /* the end: begin again */
        hand = (struct zs_pool_cursor){ 0 };
    }
    zs_read_end();
    pthread_mutex_unlock(&hand_lock);
}

static size_t make(uint32_t key, struct value *v, size_t room)
{
    v->key = key;
    return sizeof(*v) + 1 +
           (size_t)snprintf(v->text, room, "%0*u", (int)(100 + key % 400), key);
}

static void insert(uint32_t key)
{
    _Alignas(struct value) char bytes[600];
    struct value *v = (struct value *)bytes;
    size_t len = make(key, v, sizeof(bytes) - sizeof(*v));
    uint32_t old = 0;
    zs_handle_t h;

    for (unsigned tries = 0; zs_obj_create(pool, v, len, &h) != 0; tries++) {
        evict_some();
        if (tries == 100) {
            return; /* what was evicted still waits for readers: not cached */
        }
    }
    atomic_store_explicit(&key_of[h.raw], key + 1, memory_order_release);
    if (!atomic_compare_exchange_strong_explicit(&handle_of[key], &old, h.raw,
                                                 memory_order_release,
                                                 memory_order_relaxed)) {
        /* Another thread was quicker. The hand may be at it: deferred. */
        atomic_store_explicit(&key_of[h.raw], 0, memory_order_relaxed);
        zs_free_deferred(pool, h);
    }
}

/* True: it was there. */
static bool look_up(uint32_t key)
{
    _Alignas(struct value) char local_copy[ZS_LOCAL_COPY_BYTES];
    const struct value *v;
    zs_handle_t h;

    zs_read_begin(); /* before the handle is looked up */
    h.raw = atomic_load_explicit(&handle_of[key], memory_order_acquire);
    if (h.raw != 0) {
        v = zs_obj_read_begin(pool, h, local_copy);
        if (v->key != key || strtoul(v->text, NULL, 10) != key) {
            atomic_fetch_add_explicit(&n_wrong, 1, memory_order_relaxed);
        }
        zs_obj_read_end(pool);
        atomic_store_explicit(&is_used[h.raw], 1, memory_order_relaxed);
    }
    zs_read_end();
    return h.raw != 0;
}

/* Some keys are asked for more often than others. */
static void *serve(void *seed)
{
    uint64_t s = *(uint64_t *)seed;

    for (unsigned i = 0; i < N_TURNS; i++) {
        uint32_t key;

        s = s * 6364136223846793005u + 1442695040888963407u;
        key = (uint32_t)(s >> 33) % N_KEYS;
        key = s >> 63 ? key : key % (N_KEYS / 10);
        if (look_up(key)) {
            atomic_fetch_add_explicit(&n_hits, 1, memory_order_relaxed);
        } else {
            insert(key);
        }
    }
    return NULL;
}

static int serve_by_two(void)
{
    static uint64_t seeds[2] = { 1, 2 };
    pthread_t other;
    int err = -pthread_create(&other, NULL, serve, &seeds[0]);

    if (err == 0) {
        (void)serve(&seeds[1]);
        pthread_join(other, NULL);
    }
    return err;
}

/* Everything that is live is in the index; nobody else is left. Returns how
 * many objects are left over. */
static uint64_t drop_all(void)
{
    struct zs_pool_cursor at = { 0 };
    struct zs_pool_stats stats;
    zs_handle_t h[64];
    size_t n;

    while ((n = zs_pool_next(pool, &at, h, 64)) > 0) {
        for (size_t i = 0; i < n; i++) {
            (void)take_out(
                atomic_load_explicit(&key_of[h[i].raw], memory_order_relaxed) -
                    1,
                h[i].raw);
        }
    }
    zs_pool_stats(pool, &stats);
    return stats.n_objects;
}

int main(void)
{
    struct zs_pool_config cfg = {
        .private_arena = { .limit_bytes = LIMIT_BYTES },
        .max_objects = MAX_OBJECTS,
    };
    struct zs_compactor *compactor = NULL;
    uint64_t left = 0;
    int err = zs_pool_create(&cfg, &pool);

    if (err == 0) {
        err = zs_compactor_start(zs_pool_arena(pool), NULL, &compactor);
    }
    if (err == 0) {
        err = serve_by_two();
    }
    zs_compactor_stop(compactor);
    if (err == 0) {
        left = drop_all();
        printf("%u turns: %u hits, %u evicted, %u wrong, %u left\n",
               2 * N_TURNS, n_hits, n_evicted, n_wrong, (unsigned)left);
    } else {
        fprintf(stderr, "cache: %s\n", strerror(-err));
    }
    zs_pool_destroy(pool);
    return err != 0 || n_wrong != 0 || left != 0 || n_evicted == 0;
}
