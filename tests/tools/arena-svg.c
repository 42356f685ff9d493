/* SPDX-License-Identifier: MIT */
/*
 * arena-svg.c - the pictures of docs/maps.md.
 *
 * arena-svg BEFORE AFTER: an arena that was filled, of which three of four
 * objects were freed at random, before and after a compaction pass. A balloon
 * has some of it, and an object is pinned.
 */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "zspool/balloon.h"
#include "zspool/compactor.h"
#include "zspool/movable_ops.h"
#include "zspool/pool.h"

#define N 120000u
#define PINNED 60007u

static zs_handle_t handles[N];

static unsigned random_below(unsigned n)
{
    static uint64_t state = 1;

    state = state * UINT64_C(6364136223846793005) + 1;
    return (unsigned)(state >> 33) % n;
}

static void or_die(int ok, const char *what)
{
    if (!ok) {
        perror(what);
        exit(1);
    }
}

static void draw(struct zs_arena *a, const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);

    or_die(fd >= 0, path);
    zs_arena_dump_svg(a, fd);
    or_die(close(fd) == 0, path);
}

static void fill_and_thin_out(struct zs_pool *pool)
{
    for (unsigned i = 0; i < N; i++) {
        size_t size = 500 + random_below(2500);

        or_die(zs_malloc(pool, size, &handles[i]) == 0, "zs_malloc");
    }
    for (unsigned i = 0; i < N; i++) {
        if (random_below(4) != 0 && i != PINNED) {
            zs_free(pool, handles[i]);
        }
    }
}

int main(int argc, char **argv)
{
    const struct zs_arena_config arena = { .name = "a cache" };
    const struct zs_pool_config config = { .private_arena = arena };
    struct zs_balloon *balloon;
    struct zs_pool *pool;
    struct zs_arena *a;
    struct zs_pin pin;

    or_die(argc == 3, "usage: arena-svg BEFORE AFTER");
    or_die(zs_pool_create(&config, &pool) == 0, "zs_pool_create");
    a = zs_pool_arena(pool);
    or_die(zs_balloon_create(a, &balloon) == 0, "zs_balloon_create");
    zs_balloon_inflate(balloon, 6 << 20);
    fill_and_thin_out(pool);
    zs_pin(pool, handles[PINNED], "a cursor", &pin);
    draw(a, argv[1]);
    or_die(zs_compact(a, NULL) == 0, "zs_compact");
    draw(a, argv[2]);
    zs_arena_dump(a, STDOUT_FILENO, 0);
    zs_unpin(pool, &pin);
    zs_balloon_destroy(balloon);
    zs_pool_destroy(pool);
    return 0;
}
