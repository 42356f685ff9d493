/* SPDX-License-Identifier: MIT */
/* offline_fixture.h - an arena that a pool, a balloon and an embedder share;
 * for test_offline.c and test_retire.c. */
#ifndef ZS_TEST_OFFLINE_FIXTURE_H
#define ZS_TEST_OFFLINE_FIXTURE_H

#include "embedder.h"
#include "migrate.h"
#include "zspool/balloon.h"
#include "zspool/compactor.h"
#include "zspool/pool.h"

#define N_OBJECTS 3000u
#define OBJ_BYTES 700u

static struct zs_pool *pool;
static struct zs_balloon *balloon;
static zs_handle_t objects[N_OBJECTS];

/* What an object of `len` bytes holds: no two are alike. */
static unsigned char byte_of(unsigned object, size_t at)
{
    return (unsigned char)(object * 29 + object / 256 + at * 3 + at / 4096);
}

static zs_handle_t store(unsigned object, size_t len)
{
    unsigned char *buf = malloc(len);
    zs_handle_t h;

    assert_non_null(buf);
    for (size_t i = 0; i < len; i++) {
        buf[i] = byte_of(object, i);
    }
    assert_int_equal(zs_obj_create(pool, buf, len, &h), 0);
    free(buf);
    return h;
}

__attribute__((unused)) static void
assert_object_is_right(zs_handle_t h, unsigned object, size_t len)
{
    static unsigned char local[ZS_LOCAL_COPY_BYTES];
    const unsigned char *p = zs_obj_read_begin(pool, h, local);
    size_t wrong = 0;

    for (size_t i = 0; i < len; i++) {
        wrong += p[i] != byte_of(object, i);
    }
    zs_obj_read_end(pool);
    assert_int_equal(wrong, 0);
}

__attribute__((unused)) static void create_pool(void)
{
    struct zs_pool_config cfg = { .arena = arena,
                                  .max_objects = 1 << 16,
                                  .max_zspages = 1 << 12 };

    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
}

/* Objects, balloon pages and pages of the embedder, side by side. */
__attribute__((unused)) static void create_all_owners(size_t blocks)
{
    create(blocks, 0, 0);
    create_embedder();
    create_pool();
    assert_int_equal(zs_balloon_create(arena, &balloon), 0);
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        objects[i] = store(i, OBJ_BYTES);
        if (i % 10 == 0) {
            (void)add_thing(true);
            assert_int_equal(zs_balloon_inflate(balloon, PAGE), PAGE);
        }
    }
}

__attribute__((unused)) static void all_owners_are_right(void)
{
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        if (objects[i].raw != 0) {
            assert_object_is_right(objects[i], i, OBJ_BYTES);
        }
    }
    all_things_are_right();
    assert_int_equal(zs_balloon_current(balloon), N_OBJECTS / 10 * PAGE);
    assert_figures_are_true();
}

__attribute__((unused)) static void destroy_all_owners(void)
{
    zs_balloon_destroy(balloon);
    zs_pool_destroy(pool);
    destroy_embedder();
    destroy();
}

/* How many pages of [first, first + n) have memory, says mincore. */
__attribute__((unused)) static unsigned n_in_core_of(zs_pfn_t first, unsigned n)
{
    const unsigned char *vec = ask_mincore();
    unsigned in_core = 0;

    for (unsigned i = 0; i < n; i++) {
        in_core += vec[first + i] & 1;
    }
    return in_core;
}

__attribute__((unused)) static unsigned n_used_of(zs_pfn_t first, unsigned n)
{
    unsigned used = 0;

    for (unsigned i = 0; i < n; i++) {
        used += state_of(first + i) != ZS_PAGE_FREE;
    }
    return used;
}

__attribute__((unused)) static int refuse_all_releases(void *addr, size_t bytes)
{
    (void)addr;
    (void)bytes;
    return -EAGAIN;
}

#endif /* ZS_TEST_OFFLINE_FIXTURE_H */
