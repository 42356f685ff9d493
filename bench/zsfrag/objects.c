/* SPDX-License-Identifier: MIT */
/* objects.c - plain objects of malloc(), and of a pool with its compactor. */
#include "objects.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "zspool/compactor.h"
#include "zspool/pool.h"
#include "zspool/stats.h"

/* --- malloc() --- */

static int open_malloc(void)
{
    return 0;
}

static int put_malloc(const void *src, uint32_t len, uint64_t *ref)
{
    void *block = malloc(len);

    if (block == NULL) {
        return -ENOMEM;
    }
    memcpy(block, src, len);
    *ref = (uint64_t)(uintptr_t)block;
    return 0;
}

static void *block_of(uint64_t ref)
{
    return (void *)(uintptr_t)ref; /* NOLINT(performance-no-int-to-ptr) */
}

static bool is_same_malloc(uint64_t ref, const void *src, uint32_t len)
{
    return memcmp(block_of(ref), src, len) == 0;
}

static void drop_malloc(uint64_t ref)
{
    free(block_of(ref));
}

const struct objects objects_malloc = {
    .open = open_malloc,
    .put = put_malloc,
    .is_same = is_same_malloc,
    .drop = drop_malloc,
};

/* --- zspool --- */

static struct zs_pool *pool;
static struct zs_compactor *compactor;

static int open_with(enum zs_huge_pages huge_pages)
{
    struct zs_pool_config cfg = {
        .private_arena = { .huge_pages = huge_pages },
    };
    int err = zs_pool_create(&cfg, &pool);

    return err != 0 ? err
                    : zs_compactor_start(zs_pool_arena(pool), NULL, &compactor);
}

static int open_pool(void)
{
    return open_with(ZS_HUGE_DEFAULT);
}

static int open_small(void)
{
    return open_with(ZS_HUGE_NEVER);
}

static int put_pool(const void *src, uint32_t len, uint64_t *ref)
{
    zs_handle_t h;
    int err = zs_obj_create(pool, src, len, &h);

    *ref = err == 0 ? h.raw : 0;
    return err;
}

static bool is_same_pool(uint64_t ref, const void *src, uint32_t len)
{
    const zs_handle_t h = { .raw = (uint32_t)ref };
    char copy[ZS_LOCAL_COPY_BYTES];
    bool same = memcmp(zs_obj_read_begin(pool, h, copy), src, len) == 0;

    zs_obj_read_end(pool);
    return same;
}

static void drop_pool(uint64_t ref)
{
    const zs_handle_t h = { .raw = (uint32_t)ref };

    zs_free(pool, h);
}

static void tell_pool(struct load_detail *out)
{
    struct zs_arena_stats arena;
    struct zs_pool_stats objects;

    zs_arena_stats(zs_pool_arena(pool), &arena);
    zs_pool_stats(pool, &objects);
    out->resident_bytes = arena.resident_bytes;
    out->metadata_bytes = arena.metadata_bytes;
    out->used_bytes = arena.used_bytes;
    out->deferred_bytes = arena.deferred_bytes;
    out->class_bytes = objects.live_bytes;
    out->zspage_bytes = objects.zspage_resident_bytes;
    out->cached_bytes = objects.cached_bytes;
    out->objects_moved = objects.objects_moved;
    out->bytes_moved = objects.bytes_moved;
}

const struct objects objects_pool = {
    .open = open_pool,
    .put = put_pool,
    .is_same = is_same_pool,
    .drop = drop_pool,
    .tell = tell_pool,
};

const struct objects objects_pool_small = {
    .open = open_small,
    .put = put_pool,
    .is_same = is_same_pool,
    .drop = drop_pool,
    .tell = tell_pool,
};
