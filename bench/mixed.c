/* SPDX-License-Identifier: MIT */
/*
 * mixed - what evacuating a half-empty arena of three owners gives back.
 *
 *     mixed [MIB]        default 1024
 *
 * Fills an arena of so many MiB with objects of a pool, pages of an embedder's
 * own type and pages of a balloon, all mixed; gives half of each up at random;
 * compacts. Prints what is resident before and after, and what an ideal
 * packing would need: the bytes of live objects and the embedder's live pages
 * (a balloon's have no memory). Exits 1 when less than 97 % of what an ideal
 * packing would give back was given back, or when anything was lost.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "zspool/balloon.h"
#include "zspool/compactor.h"
#include "zspool/movable_ops.h"
#include "zspool/pool.h"
#include "zspool/stats.h"

#define MIN_OBJECT 40u
#define MAX_OBJECT 4000u
#define GOAL 0.97

static uint64_t rng = 88172645463325252u;

static struct zs_arena *arena;
static struct zs_pool *pool;
static struct zs_balloon *balloon;

struct object {
    zs_handle_t h;
    uint32_t size;
    unsigned char fill;
};
static struct object *objects;
static size_t n_objects;

/* Pages of the embedder; a page's private word is its index here. */
static zs_page_type_t type;
static zs_pfn_t *pages; /* ZS_PFN_NONE: given up */
static size_t n_pages;

static void fail(const char *what)
{
    fprintf(stderr, "mixed: %s\n", what);
    exit(1);
}

/* One thread only, so the callbacks need no lock. */
static bool isolate_page(void *ctx, zs_pfn_t page)
{
    (void)ctx;
    return pages[zs_page_private(arena, page)] == page;
}

static enum zs_migrate_result
migrate_page(void *ctx, zs_pfn_t dst, zs_pfn_t src, enum zs_migrate_mode mode)
{
    uint32_t index = zs_page_private(arena, src);

    (void)ctx;
    (void)mode;
    memcpy(zs_page_address(arena, dst), zs_page_address(arena, src),
           ZS_PAGE_BYTES);
    zs_page_set_private(arena, dst, index);
    pages[index] = dst;
    zs_page_set_movable(arena, dst);
    return ZS_MIGRATE_DONE;
}

static void putback_page(void *ctx, zs_pfn_t page)
{
    (void)ctx;
    (void)page;
}

static const struct zs_movable_ops ops = {
    .isolate_page = isolate_page,
    .migrate_page = migrate_page,
    .putback_page = putback_page,
};

static void set_up(size_t total_bytes)
{
    struct zs_arena_config arena_cfg = { .reserve_bytes = 4 * total_bytes };
    struct zs_pool_config pool_cfg = { 0 };

    if (zs_arena_create(&arena_cfg, &arena) != 0) {
        fail("no arena");
    }
    pool_cfg.arena = arena;
    if (zs_pool_create(&pool_cfg, &pool) != 0 ||
        zs_balloon_create(arena, &balloon) != 0 ||
        zs_page_type_create(arena, "mixed", &type) != 0 ||
        zs_set_movable_ops(arena, type, &ops, NULL) != 0) {
        fail("no owners");
    }
    objects = calloc(total_bytes / MIN_OBJECT, sizeof(*objects));
    pages = calloc(total_bytes / ZS_PAGE_BYTES, sizeof(*pages));
    if (!objects || !pages) {
        fail("no memory");
    }
}

static void add_object(void)
{
    static char bytes[MAX_OBJECT];
    struct object *o = &objects[n_objects++];

    o->size = MIN_OBJECT + random_below(&rng, MAX_OBJECT - MIN_OBJECT);
    o->fill = (unsigned char)random_below(&rng, 256);
    memset(bytes, o->fill, o->size);
    if (zs_obj_create(pool, bytes, o->size, &o->h) != 0) {
        fail("no memory for an object");
    }
}

static void add_page(void)
{
    zs_pfn_t page;

    if (zs_page_alloc(arena, type, &page) != 0) {
        fail("no memory for a page");
    }
    memset(zs_page_address(arena, page), (int)(n_pages & 0xff), ZS_PAGE_BYTES);
    zs_page_set_private(arena, page, (uint32_t)n_pages);
    pages[n_pages++] = page;
    zs_page_set_movable(arena, page);
}

static uint64_t used_bytes(void)
{
    struct zs_arena_stats s;

    zs_arena_stats(arena, &s);
    return s.used_bytes;
}

/* By bytes one half objects, one quarter pages, one quarter balloon. */
static void fill(size_t total_bytes)
{
    while (used_bytes() < total_bytes) {
        for (unsigned i = 0; i < 64; i++) {
            add_object();
        }
        for (unsigned i = 0; i < 16; i++) {
            add_page();
        }
        (void)zs_balloon_inflate(balloon, 16 * ZS_PAGE_BYTES);
    }
}

static void give_half_up(void)
{
    for (size_t i = 0; i < n_objects; i++) {
        if (random_below(&rng, 2) == 0) {
            zs_free(pool, objects[i].h);
            objects[i].h.raw = 0;
        }
    }
    for (size_t i = 0; i < n_pages; i++) {
        if (random_below(&rng, 2) == 0) {
            zs_page_free(arena, type, pages[i]);
            pages[i] = ZS_PFN_NONE;
        }
    }
    (void)zs_balloon_deflate(balloon, zs_balloon_current(balloon) / 2);
}

static uint64_t resident_bytes(void)
{
    struct zs_arena_stats s;

    zs_arena_stats(arena, &s);
    return s.resident_bytes;
}

/* What the live data needs, packed without a hole. */
static uint64_t ideal_bytes(void)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < n_objects; i++) {
        bytes += objects[i].h.raw != 0 ? objects[i].size : 0;
    }
    for (size_t i = 0; i < n_pages; i++) {
        bytes += pages[i] != ZS_PFN_NONE ? ZS_PAGE_BYTES : 0;
    }
    return bytes;
}

static bool is_filled(const unsigned char *p, size_t len, unsigned char with)
{
    return p[0] == with && memcmp(p, p + 1, len - 1) == 0;
}

static uint64_t count_lost(void)
{
    static char copy[ZS_LOCAL_COPY_BYTES];
    uint64_t lost = 0;

    for (size_t i = 0; i < n_objects; i++) {
        if (objects[i].h.raw != 0) {
            lost += !is_filled(zs_obj_read_begin(pool, objects[i].h, copy),
                               objects[i].size, objects[i].fill);
            zs_obj_read_end(pool);
        }
    }
    for (size_t i = 0; i < n_pages; i++) {
        if (pages[i] != ZS_PFN_NONE) {
            lost += !is_filled(zs_page_address(arena, pages[i]), ZS_PAGE_BYTES,
                               (unsigned char)i);
        }
    }
    return lost;
}

static double mib(uint64_t bytes)
{
    return (double)bytes / (1 << 20);
}

/* True: enough came back. */
static bool compact_and_report(void)
{
    uint64_t before = resident_bytes();
    uint64_t ideal = ideal_bytes();
    struct zs_compact_result r;
    uint64_t after, lost;
    double share;

    if (zs_compact(arena, &r) != 0) {
        fail("no memory to compact");
    }
    after = resident_bytes();
    lost = count_lost();
    share = (double)(before - after) / (double)(before - ideal);
    printf("resident before %.1f MiB, after %.1f, ideal %.1f: %.1f %% of what "
           "an ideal packing gives back\n",
           mib(before), mib(after), mib(ideal), 100 * share);
    printf("pageblocks scanned %llu, chosen %llu, emptied %llu; objects moved "
           "%llu, pages migrated %llu; %.2f s\n",
           (unsigned long long)r.blocks_scanned,
           (unsigned long long)r.blocks_chosen,
           (unsigned long long)r.blocks_emptied,
           (unsigned long long)r.objects_moved,
           (unsigned long long)r.pages_migrated, (double)r.duration_ns / 1e9);
    printf("lost: %llu\n", (unsigned long long)lost);
    return share >= GOAL && lost == 0;
}

static void tear_down(void)
{
    for (size_t i = 0; i < n_pages; i++) {
        if (pages[i] != ZS_PFN_NONE) {
            zs_page_free(arena, type, pages[i]);
        }
    }
    if (zs_page_type_destroy(arena, type) != 0) {
        fail("pages are left");
    }
    zs_balloon_destroy(balloon);
    zs_pool_destroy(pool);
    zs_arena_destroy(arena);
    free(objects);
    free(pages);
}

int main(int argc, char **argv)
{
    size_t total_mib = argc > 1 ? strtoul(argv[1], NULL, 10) : 1024;
    bool enough;

    if (total_mib < 8 || total_mib > 65536) {
        fail("give a number of MiB from 8 to 65536");
    }
    set_up(total_mib << 20);
    fill(total_mib << 20);
    give_half_up();
    enough = compact_and_report();
    tear_down();
    return enough ? 0 : 1;
}
