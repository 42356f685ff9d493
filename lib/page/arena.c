/* SPDX-License-Identifier: MIT */
/*
 * arena.c - create and destroy an arena, and its figures.
 *
 * Everything that grows with the range (descriptors, blocks, the map) is a
 * reserved range that becomes resident as blocks are taken, and is charged to
 * the budget then (page_alloc.c).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "os.h"
#include "page.h"
#include "zspool/stats.h"

#define DEFAULT_RESERVE_BYTES ((size_t)64 << 30)
#define MAX_RESERVE_BYTES ((size_t)4 << 40)

static size_t pages_bytes(const struct zs_arena *a)
{
    return (size_t)a->n_blocks * ZS_BLOCK_PAGES * sizeof(struct zs_page);
}

static size_t blocks_bytes(const struct zs_arena *a)
{
    return (size_t)a->n_blocks * sizeof(struct zs_block);
}

static size_t map_bytes(const struct zs_arena *a)
{
    return ((size_t)a->n_blocks + 63) / 64 * sizeof(uint64_t);
}

static int reserve_ranges(struct zs_arena *a)
{
    a->base = zs_os.reserve(a->bytes, ZS_BLOCK_BYTES);
    if (!a->base) {
        return -ENOMEM;
    }
    a->pages = zs_os.reserve(pages_bytes(a), ZS_OS_PAGE_BYTES);
    if (!a->pages) {
        goto undo_base;
    }
    a->blocks = zs_os.reserve(blocks_bytes(a), ZS_OS_PAGE_BYTES);
    if (!a->blocks) {
        goto undo_pages;
    }
    a->not_empty = zs_os.reserve(map_bytes(a), ZS_OS_PAGE_BYTES);
    if (!a->not_empty) {
        goto undo_blocks;
    }
    return 0;

undo_blocks:
    zs_os.unreserve(a->blocks, blocks_bytes(a));
undo_pages:
    zs_os.unreserve(a->pages, pages_bytes(a));
undo_base:
    zs_os.unreserve(a->base, a->bytes);
    return -ENOMEM;
}

static void init_name(struct zs_arena *a, const char *name)
{
    static _Atomic unsigned last;

    if (name) {
        (void)snprintf(a->name, sizeof(a->name), "%s", name);
    } else {
        (void)snprintf(
            a->name, sizeof(a->name), "arena%u",
            1 + atomic_fetch_add_explicit(&last, 1, memory_order_relaxed));
    }
}

static void init_sizes(struct zs_arena *a, const struct zs_arena_config *cfg)
{
    size_t reserve =
        cfg->reserve_bytes ? cfg->reserve_bytes : DEFAULT_RESERVE_BYTES;

    a->n_blocks = (uint32_t)((reserve + ZS_BLOCK_BYTES - 1) / ZS_BLOCK_BYTES);
    a->bytes = (size_t)a->n_blocks * ZS_BLOCK_BYTES;
    a->retain_blocks = a->n_blocks;
    if (cfg->retain_bytes == ZS_RETAIN_NOTHING) {
        a->retain_blocks = 0;
    } else if (cfg->retain_bytes != 0 && cfg->retain_bytes < a->bytes) {
        a->retain_blocks = (uint32_t)(cfg->retain_bytes / ZS_BLOCK_BYTES);
    }
    a->budget.limit = cfg->limit_bytes;
    a->huge_pages = cfg->huge_pages;
}

/* Nobody uses it any more, or yet. */
static void end_arena(struct zs_arena *a)
{
    zs_grace_leave(&a->grace, &a->limbo_member);
    ZS_CHECK(a->n_pages_used == a->n_pages_retired);
    zs_grace_destroy(&a->grace);
    zs_lock_destroy(&a->limbo_lock);
    zs_lock_destroy(&a->figures_lock);
    zs_lock_destroy(&a->pass_lock);
    zs_lock_destroy(&a->types_lock);
    pthread_cond_destroy(&a->attempted);
    zs_lock_destroy(&a->lock);
    zs_os.unreserve(a->not_empty, map_bytes(a));
    zs_os.unreserve(a->blocks, blocks_bytes(a));
    zs_os.unreserve(a->pages, pages_bytes(a));
    zs_os.unreserve(a->base, a->bytes);
    zs_os.free(a);
}

int zs_arena_create(const struct zs_arena_config *cfg, struct zs_arena **out)
{
    static const struct zs_arena_config defaults;
    struct zs_arena *a;
    int err;

    cfg = cfg ? cfg : &defaults;
    if (cfg->reserve_bytes > MAX_RESERVE_BYTES ||
        (unsigned)cfg->huge_pages > ZS_HUGE_ALWAYS) {
        return -EINVAL;
    }
    a = zs_os.alloc(sizeof(*a));
    if (!a) {
        return -ENOMEM;
    }
    init_name(a, cfg->name);
    init_sizes(a, cfg);
    err = reserve_ranges(a);
    if (err) {
        zs_os.free(a);
        return err;
    }
    for (unsigned l = 0; l < ZS_BLOCK_NR_LISTS; l++) {
        a->lists[false][l] = ZS_BLOCK_NONE;
        a->lists[true][l] = ZS_BLOCK_NONE;
    }
    zs_lock_init(&a->lock, ZS_RANK_ARENA);
    pthread_cond_init(&a->attempted, NULL);
    zs_lock_init(&a->types_lock, ZS_RANK_TYPES);
    zs_lock_init(&a->pass_lock, ZS_RANK_PASS);
    zs_pace_init(&a->pace);
    atomic_store_explicit(&a->wake_above, UINT64_MAX, memory_order_relaxed);
    atomic_store_explicit(&a->wake_freed, UINT64_MAX, memory_order_relaxed);
    zs_lock_init(&a->figures_lock, ZS_RANK_FIGURES);
    a->types[ZS_PAGE_TYPE_RETIRED].taken = true;
    a->types[ZS_PAGE_TYPE_RETIRED].name = "retired";
    zs_grace_init(&a->grace);
    zs_limbo_init(a);
    /* Not refused by a limit below it: the arena must exist to say so. */
    atomic_fetch_add_explicit(&a->budget.used, sizeof(*a),
                              memory_order_relaxed);
    atomic_fetch_add_explicit(&a->budget.metadata, sizeof(*a),
                              memory_order_relaxed);
    a->fork.how = &zs_arena_fork_ops;
    err = zs_fork_join(&a->fork);
    if (err) {
        end_arena(a);
        return err;
    }
    *out = a;
    return 0;
}

static void check_unused(const struct zs_arena *a)
{
    for (unsigned t = 1; t <= ZS_PAGE_TYPE_MAX; t++) {
        if (a->types[t].taken) {
            zs_misuse("zs_arena_destroy", "a page type is still there", t,
                      a->types[t].name);
        }
    }
}

void zs_arena_destroy(struct zs_arena *a)
{
    if (!a) {
        return;
    }
    zs_may_wait(__func__);
    check_unused(a);
    zs_fork_leave(&a->fork);
    end_arena(a);
}

const char *zs_arena_name(const struct zs_arena *a)
{
    return a->name;
}

static uint64_t relaxed(const _Atomic uint64_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

void zs_arena_stats(struct zs_arena *a, struct zs_arena_stats *out)
{
    memset(out, 0, sizeof(*out));
    out->metadata_bytes = relaxed(&a->budget.metadata);
    out->withheld_bytes = relaxed(&a->budget.withheld);
    out->footprint_bytes = relaxed(&a->budget.used);
    if (out->footprint_bytes > out->withheld_bytes) {
        out->footprint_bytes -= out->withheld_bytes;
    }
    if (out->footprint_bytes > out->metadata_bytes) { /* not of one moment */
        out->resident_bytes = out->footprint_bytes - out->metadata_bytes;
    }
    out->limit_bytes = a->budget.limit;
    out->deferred_bytes = zs_grace_deferred(&a->grace);
    out->deferred_peak_bytes = relaxed(&a->grace.deferred_peak);
    out->pages_migrated = relaxed(&a->pages_migrated);
    out->migrate_retries = relaxed(&a->migrate_retries);
    zs_lock_acquire(&a->lock);
    out->used_bytes = a->n_pages_used * ZS_PAGE_BYTES;
    out->n_blocks_used = a->n_blocks_used;
    out->n_blocks_huge = a->n_blocks_huge;
    out->n_blocks_offline = a->n_blocks_offline;
    out->n_pages_retired = a->n_pages_retired;
    out->n_blocks_released = a->n_blocks_released;
    out->bytes_released = a->bytes_released;
    zs_lock_release(&a->lock);
}

void zs_arena_histograms(struct zs_arena *a, struct zs_arena_histograms *out)
{
    zs_histogram_read(&a->grace.delays, &out->reader_delay);
    zs_histogram_read(&a->alloc_waits, &out->alloc_wait);
    zs_histogram_read(&a->pace.steps, &out->step);
    zs_histogram_read(&a->pace.steps_switched, &out->step_switched);
}
