/* SPDX-License-Identifier: MIT */
/* pool.c - create and destroy a pool, and its figures. */
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "cache.h"
#include "os.h"
#include "rcu.h"

#define DEFAULT_BYTES_PER_HANDLE 32u
#define SIDE_BYTES_PER_ZSPAGE                                                  \
    ((uint64_t)ZS_MAX_SLOTS_PER_ZSPAGE * sizeof(uint32_t))

static size_t classes_bytes(const struct zs_pool *pool)
{
    return pool->n_classes * sizeof(struct zs_class);
}

static void init_classes(struct zs_pool *pool)
{
    for (unsigned i = 0; i < pool->n_classes; i++) {
        struct zs_class *cl = &pool->classes[i];

        zs_lock_init(&cl->lock, ZS_RANK_CLASS);
        if (i + 1 < pool->n_classes) { /* the last one is that of runs */
            const struct zs_size_class *size = zs_size_class(i);

            cl->slot_bytes = size->slot_bytes;
            cl->n_slots = size->n_slots;
            cl->n_pages = size->n_pages;
        }
    }
}

static uint32_t n_handles(const struct zs_pool_config *cfg,
                          const struct zs_arena *a)
{
    size_t n = cfg->max_objects ? cfg->max_objects
                                : a->bytes / DEFAULT_BYTES_PER_HANDLE;

    return n < ZS_MAX_HANDLES - ZS_GROUP_HANDLES
               ? (uint32_t)n
               : ZS_MAX_HANDLES - ZS_GROUP_HANDLES;
}

/* Most zspages: as configured, and never more than the arena has pages. */
static uint32_t n_zspages(const struct zs_pool_config *cfg,
                          const struct zs_arena *a)
{
    uint64_t n = cfg->max_zspages ? cfg->max_zspages : ZS_MAX_ZSPAGES;
    uint64_t pages = (uint64_t)a->n_blocks * ZS_BLOCK_PAGES;

    n = n + 1 < ZS_MAX_ZSPAGES ? n + 1 : ZS_MAX_ZSPAGES; /* 0 is no zspage */
    return (uint32_t)(n < pages + 1 ? n : pages + 1);
}

static size_t fast_class_bytes(const struct zs_pool *pool)
{
    return pool->zspages.n_granules * sizeof(pool->fast_class[0]);
}

static int init_tables(struct zs_pool *pool, const struct zs_pool_config *cfg)
{
    struct zs_budget *b = &pool->arena->budget;
    uint32_t zspages = n_zspages(cfg, pool->arena);
    uint32_t none;
    int err = zs_handles_init(&pool->handles, n_handles(cfg, pool->arena), b);

    if (err) {
        return err;
    }
    err = zs_granules_init(&pool->zspages, zspages, b);
    if (err) {
        goto undo_handles;
    }
    err = zs_granules_init(
        &pool->sides,
        (uint32_t)(zspages * (SIDE_BYTES_PER_ZSPAGE / ZS_GRANULE_BYTES)), b);
    if (err) {
        goto undo_zspages;
    }
    pool->fast_class = zs_os.reserve(fast_class_bytes(pool), ZS_OS_PAGE_BYTES);
    if (!pool->fast_class) {
        err = -ENOMEM;
        goto undo_sides;
    }
    zs_lock_init(&pool->table_lock, ZS_RANK_TABLE);
    err = zs_granules_alloc(&pool->zspages, 1, &none); /* 0 is no zspage */
    if (!err) {
        return 0;
    }
    zs_lock_destroy(&pool->table_lock);
    zs_os.unreserve((void *)pool->fast_class, fast_class_bytes(pool));
undo_sides:
    zs_granules_destroy(&pool->sides);
undo_zspages:
    zs_granules_destroy(&pool->zspages);
undo_handles:
    zs_handles_destroy(&pool->handles);
    return err;
}

static void destroy_tables(struct zs_pool *pool)
{
    zs_lock_destroy(&pool->table_lock);
    zs_budget_uncharge_metadata(&pool->arena->budget,
                                (uint64_t)pool->fast_class_pages *
                                    ZS_OS_PAGE_BYTES);
    zs_os.unreserve((void *)pool->fast_class, fast_class_bytes(pool));
    zs_granules_destroy(&pool->sides);
    zs_granules_destroy(&pool->zspages);
    zs_handles_destroy(&pool->handles);
}

/* The type and its callbacks come last: from then on the core may call. */
static int init_type(struct zs_pool *pool)
{
    int err = zs_page_type_create(pool->arena, "zspage", &pool->type);

    if (err) {
        return err;
    }
    err =
        zs_set_movable_ops(pool->arena, pool->type, &zspage_movable_ops, pool);
    ZS_CHECK(err == 0); /* a fresh type has none */
    zs_set_evacuation_ops(pool->arena, pool->type, &zspage_evacuation_ops,
                          pool);
    zs_set_shrink_ops(pool->arena, pool->type, &zspage_shrink_ops, pool);
    zs_set_figures_ops(pool->arena, pool->type, &zspage_figures_ops, pool);
    return 0;
}

static int init_pool(struct zs_pool *pool, const struct zs_pool_config *cfg)
{
    size_t metadata;
    int err;

    zs_size_classes_init();
    pool->n_classes = zs_nr_size_classes() + 1;
    metadata = sizeof(*pool) + classes_bytes(pool);
    err = zs_arena_charge_metadata(pool->arena, metadata);
    if (err) {
        return err;
    }
    err = -ENOMEM;
    pool->classes = zs_os.alloc(classes_bytes(pool));
    if (!pool->classes) {
        goto undo_charge;
    }
    init_classes(pool);
    err = init_tables(pool, cfg);
    if (err) {
        goto undo_classes;
    }
    limbo_init(pool);
    zs_lock_init(&pool->pins_lock, ZS_RANK_PINS);
    err = caches_init(pool, cfg->min_cache_bytes);
    if (err) {
        goto undo_limbo;
    }
    err = init_type(pool);
    if (!err) {
        return 0;
    }
    caches_destroy(pool);
undo_limbo:
    zs_lock_destroy(&pool->pins_lock);
    zs_grace_leave(&pool->arena->grace, &pool->limbo_member);
    destroy_tables(pool);
undo_classes:
    zs_os.free(pool->classes);
undo_charge:
    zs_budget_uncharge_metadata(&pool->arena->budget, metadata);
    return err;
}

int zs_pool_create(const struct zs_pool_config *cfg, struct zs_pool **out)
{
    static const struct zs_pool_config defaults;
    struct zs_pool *pool;
    int err = 0;

    zs_may_wait(__func__);
    cfg = cfg ? cfg : &defaults;
    pool = zs_os.alloc(sizeof(*pool));
    if (!pool) {
        return -ENOMEM;
    }
    (void)snprintf(pool->name, sizeof(pool->name), "%s",
                   cfg->name ? cfg->name : "");
    pool->arena = cfg->arena;
    pool->own_arena = !cfg->arena;
    if (pool->own_arena) {
        err = zs_arena_create(&cfg->private_arena, &pool->arena);
    }
    if (err) {
        goto undo_pool;
    }
    err = init_pool(pool, cfg);
    if (err) {
        goto undo_arena;
    }
    *out = pool;
    return 0;

undo_arena:
    if (pool->own_arena) {
        zs_arena_destroy(pool->arena);
    }
undo_pool:
    zs_os.free(pool);
    return err;
}

/* --- destroy --- */

/* All objects die at once: every zspage is let go, whatever is in it. */
static void release_all_zspages(struct zs_pool *pool)
{
    size_t end = (size_t)pool->zspages.map_pages * ZS_OS_PAGE_BYTES * 8;
    size_t n = 0;

    end = end < pool->zspages.n_granules ? end : pool->zspages.n_granules;
    for (;;) {
        struct zspage *zp;

        n = zs_bits_next(pool->zspages.map, n + 1, end, true);
        if (n >= end) {
            return;
        }
        zp = zspage_at(pool, (uint32_t)n);
        zp->n_live = 0;
        zp->n_limbo = 0;
        zp->n_dying = 0;
        zspage_release(pool, zp);
    }
}

void zs_pool_destroy(struct zs_pool *pool)
{
    struct zs_arena *arena;
    int err;

    if (!pool) {
        return;
    }
    zs_may_wait(__func__);
    arena = pool->arena;
    zs_set_evacuation_ops(arena, pool->type, NULL, NULL);
    zs_set_shrink_ops(arena, pool->type, NULL, NULL);
    zs_set_figures_ops(arena, pool->type, NULL, NULL);
    caches_destroy(pool);
    zs_grace_leave(&arena->grace, &pool->limbo_member);
    release_all_zspages(pool);
    while ((err = zs_page_type_destroy(arena, pool->type)) == -EBUSY) {
        sched_yield(); /* the core finishes a page that it holds */
    }
    limbo_drop_chains(pool);
    destroy_tables(pool);
    zs_budget_uncharge_metadata(&arena->budget,
                                sizeof(*pool) + classes_bytes(pool));
    for (unsigned i = 0; i < pool->n_classes; i++) {
        zs_lock_destroy(&pool->classes[i].lock);
    }
    zs_lock_destroy(&pool->pins_lock);
    zs_lock_destroy(&pool->limbo_lock);
    zs_os.free(pool->classes);
    if (pool->own_arena) {
        zs_arena_destroy(arena);
    }
    zs_os.free(pool);
}

struct zs_arena *zs_pool_arena(const struct zs_pool *pool)
{
    return pool->arena;
}

/* --- figures --- */

static void add_class(struct zs_class *cl, struct zs_pool_stats *out)
{
    zs_lock_acquire(&cl->lock);
    out->n_objects += cl->n_live;
    out->live_bytes += cl->live_bytes;
    out->n_zspages += cl->n_zspages;
    out->zspage_bytes += cl->n_pages_held * ZS_PAGE_BYTES;
    out->zspage_resident_bytes += cl->n_pages_resident * ZS_PAGE_BYTES;
    out->n_limbo_slots += cl->n_limbo;
    out->objects_moved += cl->objects_moved;
    out->bytes_moved += cl->bytes_moved;
    out->moves_stopped += cl->moves_stopped;
    out->moves_busy += cl->moves_busy;
    zs_lock_release(&cl->lock);
}

static uint64_t min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

void zs_pool_stats(struct zs_pool *pool, struct zs_pool_stats *out)
{
    memset(out, 0, sizeof(*out));
    for (unsigned i = 0; i < pool->n_classes; i++) {
        add_class(&pool->classes[i], out);
    }
    caches_count(pool, &out->n_cached_slots, &out->cached_bytes);
    /* Not of one moment with the classes: less than nothing is nothing. */
    out->n_objects -= min_u64(out->n_objects, out->n_cached_slots);
    out->live_bytes -= min_u64(out->live_bytes, out->cached_bytes);
}

static const char *name_of(void *ctx)
{
    const struct zs_pool *pool = ctx;

    return pool->name;
}

static void read_figures(void *ctx, uint64_t *values)
{
    struct zs_pool_stats stats;

    zs_pool_stats(ctx, &stats);
    memcpy(values, &stats, sizeof(stats));
}

static void count_compaction(void *ctx, struct zs_compact_stats *sum)
{
    struct zs_pool *pool = ctx;

    for (unsigned i = 0; i < pool->n_classes; i++) {
        struct zs_class *cl = &pool->classes[i];

        zs_lock_acquire(&cl->lock);
        sum->pages_compacted += cl->pages_compacted;
        sum->objects_moved += cl->objects_moved;
        sum->bytes_moved += cl->bytes_moved;
        sum->busy_skips += cl->moves_busy;
        zs_lock_release(&cl->lock);
    }
}

static const struct zs_figure figures[] = { ZS_POOL_STATS(ZS_FIGURE) };
_Static_assert(ZS_FIGURES_LEN(figures) <= ZS_MOST_FIGURES, "see there");

const struct zs_figures_ops zspage_figures_ops = {
    .kind = "pool",
    .table = figures,
    .n = ZS_FIGURES_LEN(figures),
    .name = name_of,
    .read = read_figures,
    .count = count_compaction,
};

static void class_stats_locked(const struct zs_class *cl,
                               struct zs_class_stats *out)
{
    uint64_t resident = cl->n_pages_resident * ZS_PAGE_BYTES;

    *out = (struct zs_class_stats){
        .slot_bytes = cl->slot_bytes,
        .n_objects = cl->n_live,
        .live_bytes = cl->live_bytes,
        .n_zspages = cl->n_zspages,
        .resident_bytes = resident,
        .waste_permille = resident > cl->live_bytes
                              ? (resident - cl->live_bytes) * 1000 / resident
                              : 0,
    };
}

size_t zs_pool_class_stats(struct zs_pool *pool, struct zs_class_stats *out,
                           size_t max)
{
    size_t n = 0;

    for (unsigned i = 0; i < pool->n_classes; i++) {
        struct zs_class *cl = &pool->classes[i];

        zs_lock_acquire(&cl->lock);
        if (cl->n_zspages > 0) {
            if (n < max) {
                class_stats_locked(cl, &out[n]);
            }
            n++;
        }
        zs_lock_release(&cl->lock);
    }
    return n;
}
