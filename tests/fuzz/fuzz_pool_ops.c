/* SPDX-License-Identifier: MIT */
/*
 * fuzz_pool_ops - random operations on a pool against a shadow model.
 *
 * Input: a byte stream, decoded by next_byte(); an exhausted stream yields
 * zeros, so every input is valid and short inputs stay short.
 *     byte 0      limit of the arena, in 128 KiB, above 1 MiB; 0: none
 *     then, for each operation:
 *     op = b % 8  0,1 create (b >= 192: aligned to 8 << (b >> 3) % 8)
 *                 2 free  3 write  4 replace  5 read  6 compact
 *                 7 migrate a run of pages, or (b >= 128) let the next
 *                   population of pages fail
 *     slot = b % SLOTS, size from two more bytes (small, or with 16 to 64 KiB,
 *     or a run)
 *
 * Oracle: slot i reads back as the pattern of its seed, whatever moved in
 * between, and is aligned; refused operations change nothing; counts agree at
 * the end; a walk lists what is live.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "migrate.h"
#include "os.h"
#include "zspool/compactor.h"
#include "zspool/pool.h"

#define SLOTS 64u
#define MAX_SIZE 200000u
#define REQUIRE(c) ((c) ? (void)0 : abort())

struct input {
    const uint8_t *p, *end;
};

struct slot {
    zs_handle_t h;
    uint32_t size;
    size_t alignment; /* 0: of an empty slot */
    uint8_t seed;
};

static unsigned char pattern[MAX_SIZE + 256]; /* an object is a window on it */
static struct zs_pool *pool;
static struct slot slots[SLOTS];
static bool fail_once;
static int (*real_populate)(void *addr, size_t bytes);

static unsigned next_byte(struct input *in)
{
    return in->p < in->end ? *in->p++ : 0;
}

static int populate(void *addr, size_t bytes)
{
    if (fail_once) {
        fail_once = false;
        return -ENOMEM;
    }
    return real_populate(addr, bytes);
}

static uint32_t next_size(struct input *in)
{
    unsigned high = next_byte(in); /* two statements: fixed order */
    uint32_t size = 1 + (high << 8 | next_byte(in));

    if (high >= 250) {
        return size * 3; /* above the largest class */
    }
    return high >= 64 ? size : size % 5000 + 1;
}

static void make_pattern(void)
{
    uint32_t x = 1;

    for (size_t i = 0; i < sizeof(pattern); i++) {
        x = x * 1664525u + 1013904223u;
        pattern[i] = (unsigned char)(x >> 24);
    }
}

static void verify(const struct slot *s)
{
    unsigned char local[ZS_LOCAL_COPY_BYTES];
    const void *p = zs_obj_read_begin(pool, s->h, local);

    REQUIRE(p == local || (uintptr_t)p % s->alignment == 0);
    REQUIRE(memcmp(p, pattern + s->seed, s->size) == 0);
    zs_obj_read_end(pool);
    REQUIRE(zs_obj_size(pool, s->h) >= s->size);
}

static int create_aligned(struct slot *s, const void *data, size_t size,
                          size_t alignment)
{
    int err = zs_malloc_aligned(pool, alignment, size, &s->h);

    if (!err) {
        REQUIRE(zs_obj_write(pool, s->h, 0, data, size) == 0);
    }
    return err;
}

static void create(struct slot *s, struct input *in, unsigned op)
{
    uint32_t size = next_size(in);
    uint8_t seed = (uint8_t)next_byte(in);
    size_t alignment = op >= 192 ? (size_t)8 << (op >> 3) % 8 : 4;
    int err = op >= 192 ? create_aligned(s, pattern + seed, size, alignment)
                        : zs_obj_create(pool, pattern + seed, size, &s->h);

    if (!err) {
        s->alignment = alignment;
        s->size = size;
        s->seed = seed;
    }
}

static void replace(struct slot *s, struct input *in)
{
    uint32_t size = next_size(in);
    uint8_t seed = (uint8_t)next_byte(in);

    if (zs_obj_replace(pool, s->h, pattern + seed, size) == 0) {
        s->size = size;
        s->seed = seed;
    }
    verify(s);
}

static void write_all(struct slot *s, struct input *in)
{
    s->seed = (uint8_t)next_byte(in);
    REQUIRE(zs_obj_write(pool, s->h, 0, pattern + s->seed, s->size) == 0);
    REQUIRE(zs_obj_write(pool, s->h, zs_obj_size(pool, s->h), pattern, 1) ==
            -ERANGE);
}

static void release(struct slot *s)
{
    verify(s);
    zs_free(pool, s->h);
    REQUIRE(!zs_handle_check(pool, s->h));
    *s = (struct slot){ 0 };
}

static void migrate(struct input *in)
{
    struct zs_arena *a = zs_pool_arena(pool);
    zs_pfn_t first = next_byte(in) * 8;
    zs_pfn_t pages[64];
    unsigned n = 0;

    for (zs_pfn_t p = first; p < first + 64; p++) {
        if (zs_isolate_movable_ops_page(a, p)) {
            pages[n++] = p;
        }
    }
    n = zs_migrate_pages(a, pages, n, ZS_MIGRATE_ASYNC);
    for (unsigned i = 0; i < n; i++) {
        zs_putback_movable_ops_page(a, pages[i]);
    }
}

/* Every live object is listed, once: as many as there are, each of them one of
 * ours, for zs_pool_next() meets no slot twice. */
static void check_walk(void)
{
    struct zs_pool_cursor cursor = { 0 };
    zs_handle_t listed[7];
    unsigned n_listed = 0, n_live = 0;
    size_t n;

    for (unsigned i = 0; i < SLOTS; i++) {
        n_live += slots[i].h.raw != 0;
    }
    while ((n = zs_pool_next(pool, &cursor, listed, 7)) > 0) {
        for (size_t k = 0; k < n; k++) {
            unsigned i = 0;

            while (i < SLOTS && slots[i].h.raw != listed[k].raw) {
                i++;
            }
            REQUIRE(i < SLOTS);
        }
        n_listed += (unsigned)n;
    }
    REQUIRE(n_listed == n_live);
}

static void run_op(struct input *in)
{
    unsigned op = next_byte(in);
    struct slot *s = &slots[next_byte(in) % SLOTS];
    bool live = s->h.raw != 0;

    switch (op % 8) {
    case 6:
        REQUIRE(zs_compact(zs_pool_arena(pool), NULL) == 0);
        check_walk();
        break;
    case 7:
        if (op >= 128) {
            fail_once = true;
        } else {
            migrate(in);
        }
        break;
    case 0:
    case 1:
        if (!live) {
            create(s, in, op);
        }
        break;
    default:
        if (live) {
            (op % 8 == 2)   ? release(s)
            : (op % 8 == 3) ? write_all(s, in)
            : (op % 8 == 4) ? replace(s, in)
                            : verify(s);
        }
    }
}

static void finish(void)
{
    struct zs_pool_stats stats;
    uint64_t live = 0;

    fail_once = false;
    for (unsigned i = 0; i < SLOTS; i++) {
        if (slots[i].h.raw != 0) {
            verify(&slots[i]);
            live++;
        }
    }
    zs_pool_stats(pool, &stats);
    REQUIRE(stats.n_objects == live);
    check_walk();
    for (unsigned i = 0; i < SLOTS; i++) {
        if (slots[i].h.raw != 0) {
            release(&slots[i]);
        }
    }
    zs_pool_stats(pool, &stats);
    REQUIRE(stats.n_objects == 0 && stats.live_bytes == 0);
    zs_pool_destroy(pool);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, data + size };
    struct zs_pool_config cfg = {
        .private_arena = { .reserve_bytes = (size_t)64 << 20 },
        .max_zspages = 4096,
        .max_objects = 10000,
    };
    unsigned limit = next_byte(&in);

    if (limit > 0) {
        cfg.private_arena.limit_bytes = (1u << 20) + limit * (128u << 10);
    }
    if (!real_populate) {
        real_populate = zs_os.populate;
        zs_os.populate = populate;
        make_pattern();
    }
    fail_once = false;
    REQUIRE(zs_pool_create(&cfg, &pool) == 0);
    while (in.p < in.end) {
        run_op(&in);
    }
    finish();
    return 0;
}
