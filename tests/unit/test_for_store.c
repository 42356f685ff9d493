/* SPDX-License-Identifier: MIT */
/* Unit tests of lib/zspage/for_store.h: bare handles, objects of pieces. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "for_store.h"
#include "zspool/compactor.h"
#include "zspool/movable_ops.h"

static struct zs_pool *pool;
static char local[ZS_LOCAL_COPY_BYTES];

static int make_pool(void **unused)
{
    (void)unused;
    return zs_pool_create(NULL, &pool);
}

static int free_pool(void **unused)
{
    (void)unused;
    zs_pool_destroy(pool);
    return 0;
}

/* The number of a bare handle, or -1. */
static int number_of(zs_handle_t h)
{
    size_t size;
    const void *p = zs_obj_read_begin_sized(pool, h, local, &size);

    zs_obj_read_end(pool);
    return p == NULL ? (int)size : -1;
}

static size_t n_walked(void)
{
    struct zs_pool_cursor at = { 0 };
    zs_handle_t h[16];

    return zs_pool_next(pool, &at, h, 16);
}

static void bare__is_dead_to_the_pool(void **unused)
{
    struct zs_pool_stats stats;
    zs_handle_t h;
    size_t size;

    (void)unused;
    assert_int_equal(zs_bare_create(pool, 1023, &h), 0);
    assert_int_equal(number_of(h), 1023);
    assert_false(zs_handle_check(pool, h));
    assert_int_equal(n_walked(), 0);
    zs_read_begin();
    assert_null(zs_obj_try_peek_sized(pool, h, local, &size));
    zs_read_end();
    zs_pool_stats(pool, &stats);
    assert_int_equal(stats.n_objects, 0);
    zs_bare_free(pool, h);
    assert_false(zs_handle_check(pool, h));
}

static void bare__becomes_an_object_and_back(void **unused)
{
    struct iovec pieces[2] = { { (void *)(uintptr_t) "he", 2 },
                               { (void *)(uintptr_t) "llo", 4 } };
    zs_handle_t h;

    (void)unused;
    assert_int_equal(zs_bare_create(pool, 0, &h), 0);
    for (unsigned i = 0; i < 3000; i++) {
        assert_int_equal(zs_obj_replace_from(pool, h, pieces, 2), 0);
        assert_string_equal(zs_obj_read_begin(pool, h, local), "hello");
        zs_obj_read_end(pool);
        assert_true(zs_handle_check(pool, h));
        zs_bare_replace(pool, h, i % ZS_BARE_NUMBERS);
        assert_int_equal(number_of(h), i % ZS_BARE_NUMBERS);
        zs_bare_replace(pool, h, 7);
        assert_int_equal(number_of(h), 7);
    }
    assert_int_equal(zs_compact(zs_pool_arena(pool), NULL), 0);
    assert_int_equal(number_of(h), 7);
    zs_bare_free(pool, h);
}

/* A reader keeps what it has. */
static void bare__leaves_readers_their_object(void **unused)
{
    zs_handle_t h, other;
    const char *p;

    (void)unused;
    assert_int_equal(zs_obj_create(pool, "old", 4, &h), 0);
    p = zs_obj_read_begin(pool, h, local);
    zs_bare_replace(pool, h, 1);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(zs_obj_create(pool, "new", 4, &other), 0);
        assert_string_equal(p, "old");
        zs_free(pool, other);
    }
    zs_obj_read_end(pool);
    zs_bare_free(pool, h);
}

static void create_from__copies_pieces_one_after_the_other(void **unused)
{
    (void)unused;
    for (size_t len = 1; len < 300000; len = len * 5 / 3 + 1) {
        unsigned char *data = malloc(len);
        struct iovec pieces[3];
        zs_handle_t h;

        assert_non_null(data);
        for (size_t i = 0; i < len; i++) {
            data[i] = (unsigned char)(i * 7 >> 3);
        }
        pieces[0] = (struct iovec){ data, len / 3 };
        pieces[1] = (struct iovec){ data + len / 3, len - len / 3 };
        pieces[2] = (struct iovec){ data, 0 };
        assert_int_equal(zs_obj_create_from(pool, pieces, 3, &h), 0);
        assert_memory_equal(zs_obj_read_begin(pool, h, local), data, len);
        zs_obj_read_end(pool);
        assert_true(zs_obj_size(pool, h) >= len);
        assert_true(zs_obj_class_bytes(len) >= len);
        zs_free(pool, h);
        free(data);
    }
}

static void create_from__refuses_nothing_and_too_much(void **unused)
{
    struct iovec pieces[2] = { { local, 0 }, { local, ZS_MAX_OBJ_BYTES } };
    zs_handle_t h = { .raw = 77 };

    (void)unused;
    assert_int_equal(zs_obj_create_from(pool, pieces, 1, &h), -EINVAL);
    pieces[0].iov_len = 1;
    assert_int_equal(zs_obj_create_from(pool, pieces, 2, &h), -EINVAL);
    assert_int_equal(h.raw, 77);
}

static void peek__takes_any_handle(void **unused)
{
    zs_handle_t handles[20];
    size_t size;

    (void)unused;
    for (unsigned i = 0; i < 20; i++) {
        handles[i].raw = i * 0x0fffffffu;
    }
    zs_read_begin();
    for (unsigned i = 0; i < 20; i++) {
        assert_null(zs_obj_try_peek_sized(pool, handles[i], local, &size));
    }
    zs_obj_fetch(pool, handles, 20);
    zs_read_end();
}

static void next__lists_bare_handles_alone(void **unused)
{
    enum { N = 5000 };
    static zs_handle_t bare[N], objects[N];
    zs_handle_t h[33];
    uint32_t at = 0;
    size_t n, found = 0;

    (void)unused;
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(zs_bare_create(pool, i % 1024, &bare[i]), 0);
        assert_int_equal(zs_obj_create(pool, "object", 7, &objects[i]), 0);
    }
    for (unsigned i = 0; i < N; i += 2) {
        zs_bare_free(pool, bare[i]);
    }
    while ((n = zs_bare_next(pool, &at, h, 33)) > 0) {
        for (size_t k = 0; k < n; k++) {
            assert_true(number_of(h[k]) >= 0);
        }
        found += n;
    }
    assert_int_equal(found, N / 2);
    for (unsigned i = 0; i < N; i++) {
        zs_free(pool, objects[i]);
        if (i % 2 == 1) {
            zs_bare_free(pool, bare[i]);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bare__is_dead_to_the_pool),
        cmocka_unit_test(bare__becomes_an_object_and_back),
        cmocka_unit_test(bare__leaves_readers_their_object),
        cmocka_unit_test(create_from__copies_pieces_one_after_the_other),
        cmocka_unit_test(create_from__refuses_nothing_and_too_much),
        cmocka_unit_test(peek__takes_any_handle),
        cmocka_unit_test(next__lists_bare_handles_alone),
    };
    return cmocka_run_group_tests_name("for_store", tests, make_pool,
                                       free_pool);
}
