/* SPDX-License-Identifier: MIT */
/*
 * count_ops OPERATION N - do an operation N times on a small pool, for
 * counting instructions (scripts/bench --callgrind).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "random.h"
#include "zspool/pool.h"

#define N_LIVE 1000u
#define REQUIRE(c)                                                             \
    ((c) ? (void)0 : (fprintf(stderr, "count_ops: %s\n", #c), exit(1)))

static struct zs_pool *pool;
static zs_handle_t live[N_LIVE];
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

static const struct {
    const char *name;
    void (*run)(void);
} operations[] = {
    { "malloc_free", malloc_free }, { "churn", churn },
    { "create", create },           { "read", read_one },
    { "view16", view16 },           { "free_deferred", free_deferred },
};

int main(int argc, char **argv)
{
    struct zs_pool_config cfg = {
        .private_arena = { .reserve_bytes = (size_t)64 << 20 },
        .max_zspages = 4096,
    };
    void (*run)(void) = NULL;

    for (size_t i = 0;
         argc == 3 && i < sizeof(operations) / sizeof(*operations); i++) {
        run =
            strcmp(operations[i].name, argv[1]) == 0 ? operations[i].run : run;
    }
    if (run == NULL) {
        fprintf(stderr, "usage: count_ops OPERATION N\n");
        return 2;
    }
    REQUIRE(zs_pool_create(&cfg, &pool) == 0);
    for (uint32_t i = 0; i < N_LIVE; i++) {
        REQUIRE(zs_obj_create(pool, some_bytes, 64 + random_below(&rng, 449),
                              &live[i]) == 0);
    }
    for (long n = strtol(argv[2], NULL, 10); n > 0; n--) {
        run();
    }
    zs_pool_destroy(pool);
    return 0;
}
