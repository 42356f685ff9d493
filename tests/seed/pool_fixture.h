/* SPDX-License-Identifier: MIT */
/* pool_fixture.h - a pool in the arena of seed_fixture.h, with objects whose
 * bytes are known. */
#ifndef ZS_TEST_SEED_POOL_FIXTURE_H
#define ZS_TEST_SEED_POOL_FIXTURE_H

#include "pool_impl.h"
#include "seed_fixture.h"

#define MAX_OBJECTS 4000u
#define MAX_OBJECT_BYTES 4000u

static struct zs_pool *pool;
static zs_handle_t objects[MAX_OBJECTS];
static unsigned n_objects;
static size_t object_bytes;

static inline unsigned char byte_of(unsigned i)
{
    return (unsigned char)(i * 31 + 7);
}

static inline void add_objects(unsigned n)
{
    unsigned char data[MAX_OBJECT_BYTES];

    for (; n > 0; n--, n_objects++) {
        memset(data, byte_of(n_objects), object_bytes);
        assert_int_equal(
            zs_obj_create(pool, data, object_bytes, &objects[n_objects]), 0);
    }
}

static inline void make_pool(unsigned n, size_t bytes)
{
    struct zs_pool_config cfg = { .arena = arena, .max_zspages = 4096 };

    assert_true(n <= MAX_OBJECTS && bytes <= MAX_OBJECT_BYTES);
    memset(objects, 0, sizeof(objects));
    n_objects = 0;
    object_bytes = bytes;
    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    add_objects(n);
}

static inline void free_object(unsigned i)
{
    if (objects[i].raw != 0) {
        zs_free(pool, objects[i]);
        objects[i].raw = 0;
    }
}

static inline void free_all_objects(void)
{
    for (unsigned i = 0; i < n_objects; i++) {
        free_object(i);
    }
    n_objects = 0;
}

static inline void assert_objects_are_right(void)
{
    char local[ZS_LOCAL_COPY_BYTES];

    for (unsigned i = 0; i < n_objects; i++) {
        const unsigned char *p;
        size_t wrong = 0;

        if (objects[i].raw == 0) {
            continue;
        }
        p = zs_obj_read_begin(pool, objects[i], local);
        for (size_t k = 0; k < object_bytes; k++) {
            wrong += p[k] != byte_of(i);
        }
        zs_obj_read_end(pool);
        assert_int_equal(wrong, 0);
    }
}

static inline void drop_pool(void)
{
    zs_pool_destroy(pool);
    pool = NULL;
    n_objects = 0;
}

#endif /* ZS_TEST_SEED_POOL_FIXTURE_H */
