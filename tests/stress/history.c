/* SPDX-License-Identifier: MIT */
/* history.c - see history.h. */
#include "history.h"

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "cache_sizes.h"
#include "zspool/stats.h"

#define MAX_SIZE 200000u
#define CREATES_A_PHASE 40u /* for each of the amount's 255 */

static unsigned char pattern[MAX_SIZE + 256]; /* an object is a window on it */

static uint32_t next_random(uint32_t *s)
{
    *s = *s * 1664525u + 1013904223u;
    return *s >> 8;
}

static uint32_t between(uint32_t *s, uint32_t lo, uint32_t hi)
{
    return lo + next_random(s) % (hi - lo + 1);
}

/* Distributions; the phase's seed decides where some of them lie. */
static uint32_t next_size(unsigned sizes, uint32_t where, uint32_t *s)
{
    switch (sizes % 8) {
    case 0: /* one size */
        return 8 + where % 4096;
    case 1: /* words */
        return between(s, 1, 64);
    case 2: /* lines */
        return between(s, 50, 1000);
    case 3: /* compressed pages */
        return between(s, 900, 4200);
    case 4: /* a few neighbouring classes */
        return 16 + where % 3000 + next_random(s) % 100;
    case 5: /* above a page */
        return between(s, 4097, 65536);
    case 6: /* runs, of one size or of all */
        return where % 2 ? 65537 + where % (MAX_SIZE - 65537)
                         : between(s, 65537, MAX_SIZE);
    default: /* everything */
        return between(s, 1, 1u << between(s, 3, 15));
    }
}

/* --- the most there was --- */

static void note_handles(struct history *h, unsigned pool)
{
    uint64_t now = h->n_live[pool] + h->n_dying[pool];

    if (now > h->peak_handles[pool]) {
        h->peak_handles[pool] = now;
    }
}

static void note_zspages(struct history *h)
{
    struct zs_arena_stats arena;

    zs_arena_stats(h->arena, &arena);
    if (arena.n_blocks_used > h->peak_blocks) {
        h->peak_blocks = arena.n_blocks_used;
    }
    for (unsigned i = 0; i < h->n_pools; i++) {
        struct zs_pool_stats stats;

        zs_pool_stats(h->pools[i], &stats);
        if (stats.n_zspages > h->peak_zspages[i]) {
            h->peak_zspages[i] = stats.n_zspages;
        }
    }
}

/* --- objects --- */

static void add_object(struct history *h, unsigned pool, zs_handle_t handle,
                       uint32_t size, uint8_t seed)
{
    struct object *o = &h->objects[h->n_objects++];

    *o = (struct object){ handle, size, (uint8_t)pool, seed };
    h->live_bytes += size;
    h->n_live[pool]++;
    note_handles(h, pool);
}

static bool has_room(const struct history *h, uint32_t size)
{
    return h->n_objects < HISTORY_MAX_OBJECTS &&
           h->live_bytes + size <= HISTORY_MAX_BYTES;
}

static void forget_object(struct history *h, uint32_t i)
{
    struct object *o = &h->objects[i];

    h->live_bytes -= o->size;
    h->n_live[o->pool]--;
    *o = h->objects[--h->n_objects];
}

static void verify_object(const struct history *h, const struct object *o)
{
    unsigned char local[ZS_LOCAL_COPY_BYTES];
    struct zs_pool *pool = h->pools[o->pool];
    const void *p = zs_obj_read_begin(pool, o->h, local);

    REQUIRE(memcmp(p, pattern + o->seed, o->size) == 0);
    zs_obj_read_end(pool);
}

/* --- phases --- */

static void create_some(struct history *h, const struct phase *p)
{
    unsigned pool = p->pool % h->n_pools;
    uint32_t s = p->seed;
    bool aligned = p->kind == PHASE_CREATE_ALIGNED;

    for (unsigned i = 0; i < p->amount * CREATES_A_PHASE; i++) {
        uint32_t size = next_size(p->sizes, p->seed, &s);
        uint8_t seed = (uint8_t)next_random(&s);
        zs_handle_t handle;

        if (!has_room(h, size)) {
            return;
        }
        if (aligned) {
            REQUIRE(zs_malloc_aligned(h->pools[pool], (size_t)8 << p->seed % 6,
                                      size, &handle) == 0);
            REQUIRE(zs_obj_write(h->pools[pool], handle, 0, pattern + seed,
                                 size) == 0);
        } else {
            REQUIRE(zs_obj_create(h->pools[pool], pattern + seed, size,
                                  &handle) == 0);
        }
        add_object(h, pool, handle, size, seed);
        if (i % 64 == 0) {
            note_zspages(h);
        }
    }
}

static void create_batches(struct history *h, const struct phase *p)
{
    enum { N = 100 };
    unsigned pool = p->pool % h->n_pools;
    uint32_t s = p->seed;
    zs_handle_t handles[N];
    size_t sizes[N];

    for (unsigned i = 0; i < p->amount * CREATES_A_PHASE / N; i++) {
        uint64_t sum = 0;

        for (unsigned k = 0; k < N; k++) {
            sizes[k] = next_size(p->sizes, p->seed, &s);
            sum += sizes[k];
        }
        if (h->n_objects + N > HISTORY_MAX_OBJECTS ||
            h->live_bytes + sum > HISTORY_MAX_BYTES) {
            return;
        }
        REQUIRE(zs_malloc_batch(h->pools[pool], sizes, N, handles) == 0);
        for (unsigned k = 0; k < N; k++) {
            uint8_t seed = (uint8_t)next_random(&s);

            REQUIRE(zs_obj_write(h->pools[pool], handles[k], 0, pattern + seed,
                                 sizes[k]) == 0);
            add_object(h, pool, handles[k], (uint32_t)sizes[k], seed);
        }
        note_zspages(h);
    }
}

static void free_object(struct history *h, uint32_t i, bool deferred)
{
    struct object *o = &h->objects[i];

    if (deferred) {
        zs_free_deferred(h->pools[o->pool], o->h);
        h->n_dying[o->pool]++;
    } else {
        zs_free(h->pools[o->pool], o->h);
    }
    forget_object(h, i);
}

static void free_share(struct history *h, const struct phase *p, unsigned share)
{
    uint32_t s = p->seed;
    uint64_t n = (uint64_t)h->n_objects * share / 256;

    for (uint64_t i = 0; i < n; i++) {
        free_object(h, next_random(&s) % h->n_objects,
                    p->kind == PHASE_FREE_DEFERRED);
    }
}

/* By somebody who looks at a table meanwhile: until the end none is gone. */
static void free_deferred(struct history *h, const struct phase *p)
{
    zs_read_begin();
    free_share(h, p, p->amount);
    zs_read_end();
}

static void free_stride(struct history *h, const struct phase *p)
{
    uint32_t k = 2 + p->amount;

    for (uint32_t i = h->n_objects; i-- > 0;) {
        if (i % k != 0) {
            free_object(h, i, false);
        }
    }
}

static void change_object(struct history *h, const struct phase *p, uint32_t *s,
                          bool replace)
{
    struct object *o = &h->objects[next_random(s) % h->n_objects];
    struct zs_pool *pool = h->pools[o->pool];
    uint32_t size = next_size(p->sizes, p->seed, s);

    if (h->live_bytes + size > HISTORY_MAX_BYTES) {
        return;
    }
    if (replace) {
        o->seed = (uint8_t)next_random(s);
        REQUIRE(zs_obj_replace(pool, o->h, pattern + o->seed, size) == 0);
    } else {
        REQUIRE(zs_realloc(pool, o->h, size) == 0);
        REQUIRE(zs_obj_write(pool, o->h, 0, pattern + o->seed, size) == 0);
    }
    h->live_bytes += size;
    h->live_bytes -= o->size;
    o->size = size;
}

static void change_some(struct history *h, const struct phase *p)
{
    uint32_t s = p->seed;
    uint64_t n = (uint64_t)h->n_objects * p->amount / 256;

    for (uint64_t i = 0; i < n; i++) {
        change_object(h, p, &s, p->kind == PHASE_REPLACE);
        if (i % 64 == 0) {
            note_zspages(h);
        }
    }
}

/* Nobody dies any more. */
static void forget_dying(struct history *h)
{
    for (unsigned i = 0; i < h->n_pools; i++) {
        h->n_dying[i] = 0;
    }
}

static void blow(struct history *h, const struct phase *p)
{
    uint64_t bytes = (uint64_t)p->amount * 16 * ZS_PAGE_BYTES;

    if (p->seed % 2) {
        (void)zs_balloon_inflate(h->balloon, bytes);
    } else {
        (void)zs_balloon_deflate(h->balloon, bytes);
    }
}

/* Free pages go back where they are; or more, by whatever it takes. What is
 * missing in the end is asked of the balloon: not here. */
static void shrink(struct history *h, const struct phase *p)
{
    uint64_t target = zs_balloon_target(h->balloon);

    REQUIRE(zs_arena_shrink(h->arena,
                            p->amount < 192 ? 1 : (uint64_t)p->amount << 16, 0,
                            NULL) == 0);
    (void)zs_balloon_deflate(h->balloon,
                             zs_balloon_target(h->balloon) - target);
}

static void run_phase(struct history *h, const struct phase *p)
{
    switch ((enum phase_kind)(p->kind % PHASE_NR_KINDS)) {
    case PHASE_CREATE_BATCH:
        create_batches(h, p);
        break;
    case PHASE_FREE:
        free_share(h, p, p->amount);
        break;
    case PHASE_FREE_DEFERRED:
        free_deferred(h, p);
        break;
    case PHASE_FREE_MOST:
        free_share(h, p, 192 + p->amount / 4);
        break;
    case PHASE_FREE_STRIDE:
        free_stride(h, p);
        break;
    case PHASE_REPLACE:
    case PHASE_RESIZE:
        change_some(h, p);
        break;
    case PHASE_SHRINK:
        shrink(h, p);
        break;
    case PHASE_COMPACT:
        REQUIRE(zs_compact(h->arena, NULL) == 0);
        forget_dying(h);
        break;
    case PHASE_BALLOON:
        blow(h, p);
        break;
    default:
        create_some(h, p);
        break;
    }
    note_zspages(h);
}

/* --- the other thread: between its phases it sleeps, with its caches --- */

static sem_t asked, answered;
static struct history *asked_history;
static const struct phase *asked_phase;

static void *other_thread(void *arg)
{
    (void)arg;
    for (;;) {
        while (sem_wait(&asked) != 0) {
        }
        run_phase(asked_history, asked_phase);
        (void)sem_post(&answered);
    }
    return NULL;
}

void history_run(struct history *h, const struct phase *p)
{
    if (!p->by_other_thread) {
        run_phase(h, p);
        return;
    }
    h->used_by_other = true;
    asked_history = h;
    asked_phase = p;
    (void)sem_post(&asked);
    while (sem_wait(&answered) != 0) {
    }
}

void history_init(void)
{
    pthread_t thread;
    uint32_t s = 1;

    for (size_t i = 0; i < sizeof(pattern); i++) {
        pattern[i] = (unsigned char)next_random(&s);
    }
    REQUIRE(sem_init(&asked, 0, 0) == 0 && sem_init(&answered, 0, 0) == 0);
    REQUIRE(pthread_create(&thread, NULL, other_thread, NULL) == 0);
    pthread_detach(thread);
}

/* --- begin and end --- */

void history_begin(struct history *h, unsigned n_pools, enum zs_huge_pages huge,
                   struct object *objects)
{
    struct zs_arena_config acfg = { .reserve_bytes = HISTORY_RANGE_BYTES,
                                    .huge_pages = huge };

    memset(h, 0, sizeof(*h));
    h->objects = objects;
    h->n_pools = n_pools;
    h->huge = huge;
    REQUIRE(zs_arena_create(&acfg, &h->arena) == 0);
    REQUIRE(zs_balloon_create(h->arena, &h->balloon) == 0);
    for (unsigned i = 0; i < n_pools; i++) {
        struct zs_pool_config cfg = { .arena = h->arena,
                                      .max_zspages = 1 << 16 };

        REQUIRE(zs_pool_create(&cfg, &h->pools[i]) == 0);
    }
}

void history_verify(const struct history *h)
{
    for (uint32_t i = 0; i < h->n_objects; i++) {
        verify_object(h, &h->objects[i]);
    }
}

void history_end(struct history *h)
{
    for (unsigned i = 0; i < h->n_pools; i++) {
        zs_pool_destroy(h->pools[i]);
    }
    zs_balloon_destroy(h->balloon);
    zs_arena_destroy(h->arena);
}

/* --- what it comes to --- */

/* What caches may have had in hand beside the objects, at the most. */
static uint64_t cached_handles(const struct history *h)
{
    return (1u + h->used_by_other) * (uint64_t)zs_cache_sizes.n_handles;
}

void history_census(struct history *h, struct census *out)
{
    memset(out, 0, h->n_pools * sizeof(*out));
    for (uint32_t i = 0; i < h->n_objects; i++) {
        const struct object *o = &h->objects[i];

        census_add_object(&out[o->pool], zs_obj_size(h->pools[o->pool], o->h),
                          o->size);
    }
    for (unsigned i = 0; i < h->n_pools; i++) {
        out[i].n_threads = 1u + h->used_by_other;
        out[i].kept_handles = cached_handles(h);
        out[i].peak_handles = h->peak_handles[i] + out[i].kept_handles;
        out[i].peak_zspages = h->peak_zspages[i] + 128; /* between two looks */
    }
}

static void require_at_most(const struct history *h, const char *what,
                            uint64_t is, uint64_t bound)
{
    if (is > bound) {
        fprintf(stderr, "history %llu: %s is %llu KiB, more than %llu KiB\n",
                (unsigned long long)h->number, what,
                (unsigned long long)(is >> 10),
                (unsigned long long)(bound >> 10));
        abort();
    }
}

static void find_bounds(struct history *h, struct bounds *out)
{
    struct census pools[HISTORY_POOLS];
    struct arena_census arena = {
        .n_balloon_pages = zs_balloon_current(h->balloon) / ZS_PAGE_BYTES,
        .range_bytes = HISTORY_RANGE_BYTES,
        .peak_blocks = h->peak_blocks,
        .may_be_huge = h->huge != ZS_HUGE_NEVER,
    };

    history_census(h, pools);
    bounds_of(&arena, pools, h->n_pools, out);
}

struct zs_compact_result history_compact_and_check(struct history *h)
{
    struct zs_compact_result r;
    struct zs_arena_stats is;
    struct bounds b;

    REQUIRE(zs_compact(h->arena, &r) == 0);
    forget_dying(h);
    zs_arena_stats(h->arena, &is);
    find_bounds(h, &b);
    require_at_most(h, "resident", is.resident_bytes, b.resident);
    require_at_most(h, "metadata", is.metadata_bytes, b.metadata);
    require_at_most(h, "pageblocks, in KiB,", is.n_blocks_used << 10,
                    b.blocks << 10);
    require_at_most(h, "moved",
                    r.bytes_moved + r.pages_migrated * ZS_PAGE_BYTES, b.work);
    REQUIRE(is.footprint_bytes == is.resident_bytes + is.metadata_bytes);
    REQUIRE(is.deferred_bytes == 0);
    history_verify(h);
    return r;
}

/* --- the thread --- */

#define TICK_NS UINT64_C(1000000)
#define MOST_TICKS 20000u

static bool is_within(struct history *h, const struct bounds *b,
                      struct zs_arena_stats *is)
{
    zs_arena_stats(h->arena, is);
    return is->resident_bytes <= b->thread_resident &&
           is->metadata_bytes <= b->thread_metadata;
}

uint64_t history_leave_to_thread_and_check(struct history *h)
{
    struct zs_compactor_config cfg = {
        .tick_ns = TICK_NS,
        .budget = { .decay_ns = TICK_NS },
    };
    const struct timespec tick = { .tv_nsec = TICK_NS };
    struct zs_compactor_stats stats;
    struct zs_compactor *compactor;
    struct zs_arena_stats is;
    struct bounds b;

    find_bounds(h, &b);
    REQUIRE(zs_compactor_start(h->arena, &cfg, &compactor) == 0);
    for (unsigned i = 0; i < MOST_TICKS && !is_within(h, &b, &is); i++) {
        (void)nanosleep(&tick, NULL);
    }
    REQUIRE(zs_compactor_stats(compactor, h->arena, &stats) == 0);
    zs_compactor_stop(compactor);
    require_at_most(h, "resident, with a thread", is.resident_bytes,
                    b.thread_resident);
    require_at_most(h, "metadata, with a thread", is.metadata_bytes,
                    b.thread_metadata);
    history_verify(h);
    return stats.looks;
}
