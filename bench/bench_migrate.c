/* SPDX-License-Identifier: MIT */
/*
 * bench_migrate - how fast pages of zspages are migrated, beside memcpy.
 *
 * Looks inside the library: embedders reach page migration through compaction
 * only, which moves objects first.
 */
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "bm.h"
#include "migrate.h"
#include "zspool/pool.h"

#define TOTAL_BYTES ((size_t)64 << 20)
#define MAX_BLOCKS (4 * TOTAL_BYTES / ZS_BLOCK_BYTES)

struct zspages {
    struct zs_pool *pool;
    struct zs_arena *arena;
    char bytes[ZS_PAGE_BYTES];
};

/* A pool of full zspages. */
static bool fill(struct zspages *z, size_t object_bytes)
{
    struct zs_arena_stats s = { 0 };
    zs_handle_t h;

    memset(z->bytes, 'x', sizeof(z->bytes));
    if (zs_pool_create(NULL, &z->pool) != 0) {
        return false;
    }
    z->arena = zs_pool_arena(z->pool);
    while (s.used_bytes < TOTAL_BYTES) {
        for (unsigned i = 0; i < 64; i++) {
            if (zs_obj_create(z->pool, z->bytes, object_bytes, &h) != 0) {
                return false;
            }
        }
        zs_arena_stats(z->arena, &s);
    }
    return true;
}

/* Which pageblocks are in use now: only these are emptied in a turn, not those
 * that it fills. */
static uint32_t blocks_in_use(const struct zspages *z, uint32_t *blocks)
{
    uint32_t n = 0;

    for (uint32_t i = 0; i < z->arena->n_touched_blocks; i++) {
        if (z->arena->blocks[i].n_used > 0 && n < MAX_BLOCKS &&
            zs_block_close(z->arena, i)) {
            blocks[n++] = i;
        }
    }
    return n;
}

static uint64_t migrate_block(struct zs_arena *a, uint32_t block)
{
    zs_pfn_t first = block * ZS_BLOCK_PAGES;
    zs_pfn_t batch[ZS_MIGRATE_BATCH];
    unsigned n = 0;
    unsigned left;

    for (zs_pfn_t p = first; p < first + ZS_BLOCK_PAGES; p++) {
        if (zs_isolate_movable_ops_page(a, p)) {
            batch[n++] = p;
        }
    }
    left = zs_migrate_pages(a, batch, n, ZS_MIGRATE_SYNC);
    for (unsigned i = 0; i < left; i++) {
        zs_putback_movable_ops_page(a, batch[i]);
    }
    return n - left;
}

/* The blocks that were emptied are open again, with their memory or without. */
static void end_turn(struct zs_arena *a, const uint32_t *blocks, uint32_t n,
                     bool keep_memory)
{
    for (uint32_t i = 0; i < n; i++) {
        zs_block_reopen(a, blocks[i]); /* limbo pages keep it in use */
    }
    zs_grace_flush(&a->grace);
    if (!keep_memory) {
        (void)zs_arena_trim(a, 0);
    }
}

static uint64_t turns(struct bm_run *run, struct zspages *z, bool keep_memory)
{
    uint32_t blocks[MAX_BLOCKS];
    uint32_t n = blocks_in_use(z, blocks);
    uint64_t moved = 0;

    while (bm_next(run)) {
        for (uint32_t i = 0; i < n; i++) {
            moved += migrate_block(z->arena, blocks[i]);
        }
        bm_pause(run);
        end_turn(z->arena, blocks, n, keep_memory);
        n = blocks_in_use(z, blocks);
        bm_resume(run);
    }
    end_turn(z->arena, blocks, n, keep_memory);
    return moved;
}

static void migrate(struct bm_run *run, int64_t object_bytes, bool keep_memory)
{
    struct zspages *z = calloc(1, sizeof(*z));

    if (!z || !fill(z, (size_t)object_bytes)) {
        bm_skip(run, "no memory");
    } else {
        bm_bytes(run, (int64_t)(turns(run, z, keep_memory) * ZS_PAGE_BYTES));
    }
    if (z) {
        zs_pool_destroy(z->pool);
    }
    free(z);
}

/* Question: how fast do pages of zspages move to free pages that have memory
 * (the last owner's)?  Unit: bytes moved per second, one thread. */
static void migrate_warm(struct bm_run *run, int64_t object_bytes)
{
    migrate(run, object_bytes, true);
}

/* Question: and to pages that must get memory first?  Unit: the same. */
static void migrate_cold(struct bm_run *run, int64_t object_bytes)
{
    migrate(run, object_bytes, false);
}

/* Question: how fast does memcpy copy as many pages one by one, from memory to
 * memory?  Unit: bytes copied per second. */
static void copy_warm(struct bm_run *run, int64_t unused)
{
    char *from = mmap(NULL, 2 * TOTAL_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    char *to = from + TOTAL_BYTES;
    int64_t turns = 0;

    (void)unused;
    if (from == MAP_FAILED) {
        bm_skip(run, "no memory");
        return;
    }
    memset(from, 1, 2 * TOTAL_BYTES);
    for (; bm_next(run); turns++) {
        for (size_t at = 0; at < TOTAL_BYTES; at += ZS_PAGE_BYTES) {
            memcpy(to + at, from + at, ZS_PAGE_BYTES);
            bm_use(to + at);
        }
    }
    bm_bytes(run, turns * (int64_t)TOTAL_BYTES);
    munmap(from, 2 * TOTAL_BYTES);
}

/* Question: and to memory that is populated first, 512 pages at a time?  Unit:
 * the same. */
static void copy_cold(struct bm_run *run, int64_t unused)
{
    char *from = mmap(NULL, 2 * TOTAL_BYTES, PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    char *to = from + TOTAL_BYTES;
    int64_t turns = 0;

    (void)unused;
    if (from == MAP_FAILED) {
        bm_skip(run, "no memory");
        return;
    }
    madvise(to, TOTAL_BYTES, MADV_NOHUGEPAGE);
    memset(from, 1, TOTAL_BYTES);
    for (; bm_next(run); turns++) {
        for (size_t at = 0; at < TOTAL_BYTES; at += ZS_BLOCK_BYTES) {
            madvise(to + at, ZS_BLOCK_BYTES, MADV_POPULATE_WRITE);
            for (size_t i = 0; i < ZS_BLOCK_BYTES; i += ZS_PAGE_BYTES) {
                memcpy(to + at + i, from + at + i, ZS_PAGE_BYTES);
            }
        }
        bm_pause(run);
        madvise(to, TOTAL_BYTES, MADV_DONTNEED);
        bm_resume(run);
    }
    bm_bytes(run, turns * (int64_t)TOTAL_BYTES);
    munmap(from, 2 * TOTAL_BYTES);
}

static const int64_t object_bytes[] = { 100, 1000, 3000, -1 };
static const int64_t none[] = { 0, -1 };

const struct bm_case bm_cases[] = {
    { "migrate/warm", migrate_warm, object_bytes, "object_bytes", 0 },
    { "migrate/cold", migrate_cold, object_bytes, "object_bytes", 0 },
    { "memcpy/warm", copy_warm, none, "none", 0 },
    { "memcpy/cold", copy_cold, none, "none", 0 },
    { 0 },
};
