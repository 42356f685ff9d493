/* SPDX-License-Identifier: MIT */
/*
 * count_ops OPERATION N - do an operation N times on a small pool or store, for
 * counting instructions (scripts/bench --callgrind).
 * count_ops --list - the operations' names.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "zspool/store.h"

#define N_LIVE 1000u
#define REQUIRE(c)                                                             \
    ((c) ? (void)0 : (fprintf(stderr, "count_ops: %s\n", #c), exit(1)))

static struct zs_pool *pool;
static zs_handle_t live[N_LIVE];
static struct zs_store *store; /* without a codec: its instructions are not
                                * ours */
static zs_handle_t values[N_LIVE];
static uint64_t rng = 1;
static const char some_bytes[512] = "written";

static void malloc_free(void)
{
    zs_handle_t h;

    REQUIRE(zs_malloc(pool, 256, &h) == 0);
    zs_free(pool, h);
}

static zs_handle_t *random_one(void)
{
    return &live[random_below(&rng, N_LIVE)];
}

static void churn(void)
{
    zs_handle_t *h = random_one();

    zs_free(pool, *h);
    REQUIRE(zs_malloc(pool, 64 + random_below(&rng, 449), h) == 0);
}

static void create(void)
{
    zs_handle_t *h = random_one();

    zs_free(pool, *h);
    REQUIRE(zs_obj_create(pool, some_bytes, 64 + random_below(&rng, 449), h) ==
            0);
}

static void read_one(void)
{
    char local[ZS_LOCAL_COPY_BYTES];

    (void)zs_obj_read_begin(pool, *random_one(), local);
    zs_obj_read_end(pool);
}

static void view16(void)
{
    struct zs_view views[16];

    zs_obj_view_begin(pool, live + random_below(&rng, N_LIVE - 16), 16, views);
    zs_obj_read_end(pool);
}

static void free_deferred(void)
{
    zs_handle_t *h = random_one();

    zs_free_deferred(pool, *h);
    REQUIRE(zs_malloc(pool, 64 + random_below(&rng, 449), h) == 0);
}

/* 16 at a time: a sixteenth of what is counted is one object's. */
static void batch16(void)
{
    zs_handle_t *h = live + random_below(&rng, N_LIVE - 16);
    size_t sizes[16];

    for (unsigned i = 0; i < 16; i++) {
        sizes[i] = 64 + random_below(&rng, 449);
    }
    zs_free_batch(pool, h, 16);
    REQUIRE(zs_malloc_batch(pool, sizes, 16, h) == 0);
}

static void write_64(void)
{
    REQUIRE(zs_obj_write(pool, *random_one(), 0, some_bytes, 64) == 0);
}

static void pin(void)
{
    struct zs_pin p;

    zs_pin(pool, *random_one(), "count_ops", &p);
    zs_unpin(pool, &p);
}

static void replace(void)
{
    REQUIRE(zs_obj_replace(pool, *random_one(), some_bytes,
                           64 + random_below(&rng, 449)) == 0);
}

static void malloc_aligned(void)
{
    zs_handle_t h;

    REQUIRE(zs_malloc_aligned(pool, 64, 256, &h) == 0);
    zs_free(pool, h);
}

static void walk64(void)
{
    static struct zs_pool_cursor at;
    zs_handle_t h[64];

    if (zs_pool_next(pool, &at, h, 64) < 64) {
        at = (struct zs_pool_cursor){ 0 };
    }
}

static void store_put(void)
{
    zs_handle_t *h = &values[random_below(&rng, N_LIVE)];

    zs_store_delete(store, *h);
    REQUIRE(zs_store_put(store, some_bytes, 64 + random_below(&rng, 449), h) ==
            0);
}

static void store_get(void)
{
    char back[sizeof(some_bytes)];
    size_t len;

    REQUIRE(zs_store_get(store, values[random_below(&rng, N_LIVE)], back,
                         sizeof(back), &len) == 0);
}

static const struct {
    const char *name;
    void (*run)(void);
} operations[] = {
    { "malloc_free", malloc_free },
    { "malloc_aligned", malloc_aligned },
    { "churn", churn },
    { "batch16", batch16 },
    { "create", create },
    { "free_deferred", free_deferred },
    { "read", read_one },
    { "view16", view16 },
    { "write_64", write_64 },
    { "pin", pin },
    { "replace", replace },
    { "walk64", walk64 },
    { "store_put", store_put },
    { "store_get", store_get },
};
#define N_OPERATIONS (sizeof(operations) / sizeof(operations[0]))

static void list(void)
{
    for (size_t i = 0; i < N_OPERATIONS; i++) {
        puts(operations[i].name);
    }
}

static void fill(void)
{
    static const struct zs_arena_config arena = { .reserve_bytes = (size_t)64
                                                                   << 20 };
    struct zs_pool_config cfg = { .private_arena = arena, .max_zspages = 4096 };
    struct zs_store_config store_cfg = { .codec = ZS_CODEC_NONE, .pool = cfg };

    REQUIRE(zs_pool_create(&cfg, &pool) == 0);
    REQUIRE(zs_store_create(&store_cfg, &store) == 0);
    for (uint32_t i = 0; i < N_LIVE; i++) {
        uint32_t size = 64 + random_below(&rng, 449);

        REQUIRE(zs_obj_create(pool, some_bytes, size, &live[i]) == 0);
        REQUIRE(zs_store_put(store, some_bytes, size, &values[i]) == 0);
    }
}

int main(int argc, char **argv)
{
    void (*run)(void) = NULL;

    if (argc == 2 && strcmp(argv[1], "--list") == 0) {
        list();
        return 0;
    }
    for (size_t i = 0; argc == 3 && i < N_OPERATIONS; i++) {
        run =
            strcmp(operations[i].name, argv[1]) == 0 ? operations[i].run : run;
    }
    if (run == NULL) {
        fprintf(stderr, "usage: count_ops OPERATION N | --list\n");
        return 2;
    }
    fill();
    for (long n = strtol(argv[2], NULL, 10); n > 0; n--) {
        run();
    }
    zs_store_destroy(store);
    zs_pool_destroy(pool);
    return 0;
}
