/* SPDX-License-Identifier: MIT */
/* Unit tests of zs_malloc_aligned(), and of what keeps objects aligned. */
#include <pthread.h>

#include "exact_sizes.h"
#include "pool_impl.h"

#include "offline_fixture.h"

static void create_empty(size_t blocks)
{
    create(blocks, 0, 0);
    create_pool();
}

static void destroy_all(void)
{
    zs_pool_destroy(pool);
    destroy();
}

static zs_handle_t store_aligned(unsigned object, size_t alignment, size_t len)
{
    unsigned char *buf = malloc(len);
    zs_handle_t h;

    assert_non_null(buf);
    for (size_t i = 0; i < len; i++) {
        buf[i] = byte_of(object, i);
    }
    assert_int_equal(zs_malloc_aligned(pool, alignment, len, &h), 0);
    assert_int_equal(zs_obj_write(pool, h, 0, buf, len), 0);
    free(buf);
    return h;
}

/* Returns how many parts it lies in. */
static unsigned assert_aligned(zs_handle_t h, size_t alignment)
{
    struct zs_view view;

    zs_obj_view_begin(pool, &h, 1, &view);
    if ((uintptr_t)view.part[0].iov_base % alignment != 0) {
        fail_msg("%p is not aligned to %zu", view.part[0].iov_base, alignment);
    }
    zs_obj_read_end(pool);
    return view.n_parts;
}

static uint32_t class_bytes_of(zs_handle_t h)
{
    return (uint32_t)zs_obj_size(pool, h);
}

static void compact(void)
{
    assert_int_equal(zs_compact(arena, NULL), 0);
}

/* --- new objects --- */

static void malloc_aligned__serves_every_alignment_and_size(void **unused)
{
    static const size_t sizes[] = { 1,     8,     100,   511,   512,
                                    513,   3000,  4096,  4097,  12288,
                                    30000, 65535, 65536, 65537, 300000 };

    (void)unused;
    create_empty(16);
    for (size_t alignment = 1; alignment <= PAGE; alignment *= 2) {
        for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
            zs_handle_t pair[2] = { store_aligned(i, alignment, sizes[i]),
                                    store_aligned(i, alignment, sizes[i]) };

            for (unsigned k = 0; k < 2; k++) {
                (void)assert_aligned(pair[k], alignment);
                assert_true(zs_obj_size(pool, pair[k]) >= sizes[i]);
                assert_object_is_right(pair[k], i, sizes[i]);
                zs_free(pool, pair[k]);
            }
        }
    }
    destroy_all();
}

static void malloc_aligned__refuses_what_is_out_of_range(void **unused)
{
    zs_handle_t h = { 77 };

    (void)unused;
    create_empty(4);
    assert_int_equal(zs_malloc_aligned(pool, 0, 8, &h), -EINVAL);
    assert_int_equal(zs_malloc_aligned(pool, 3, 8, &h), -EINVAL);
    assert_int_equal(zs_malloc_aligned(pool, 2 * PAGE, 8, &h), -EINVAL);
    assert_int_equal(zs_malloc_aligned(pool, 64, 0, &h), -EINVAL);
    assert_int_equal(zs_malloc_aligned(pool, 64, ZS_MAX_OBJ_BYTES + 1, &h),
                     -EINVAL);
    assert_int_equal(zs_malloc_aligned(pool, 64, 16 * MIB, &h), -ENOMEM);
    assert_int_equal(h.raw, 77); /* written only on success */
    destroy_all();
}

/* --- moves --- */

#define N_MOVED 3000u

static size_t alignment_at(unsigned i)
{
    return (size_t)8 << i % 10; /* 8 .. 4096 */
}

static size_t len_at(unsigned i)
{
    return 1 + i * 7919u % 2000;
}

static void compaction__keeps_objects_aligned(void **unused)
{
    (void)unused;
    create_empty(16);
    for (unsigned i = 0; i < N_MOVED; i++) {
        objects[i] = store_aligned(i, alignment_at(i), len_at(i));
    }
    for (unsigned i = 0; i < N_MOVED; i++) {
        if (i % 7 != 0) {
            zs_free(pool, objects[i]);
        }
    }
    compact();
    for (unsigned i = 0; i < N_MOVED; i += 7) {
        (void)assert_aligned(objects[i], alignment_at(i));
        assert_object_is_right(objects[i], i, len_at(i));
    }
    destroy_all();
}

/* The smallest class for which the slots of it and of the `n` - 1 after it are
 * multiples of the alignment, and that of the one behind them is not. */
static unsigned find_classes(unsigned n, uint32_t alignment)
{
    unsigned in_row = 0;

    for (unsigned i = zs_size_class_of(100); i < zs_nr_size_classes(); i++) {
        if (zs_size_class(i)->slot_bytes % alignment == 0) {
            in_row++;
        } else if (in_row >= n) {
            return i - n;
        } else {
            in_row = 0;
        }
    }
    fail_msg("no such classes");
    return 0;
}

static size_t bytes_of_class(unsigned i)
{
    return zs_size_class(i)->slot_bytes;
}

/* One object in the class and one in the next: the first is moved up. */
static bool moves_up(zs_handle_t h, unsigned from)
{
    zs_handle_t other;

    assert_int_equal(class_bytes_of(h), bytes_of_class(from));
    assert_int_equal(zs_malloc(pool, bytes_of_class(from + 1), &other), 0);
    compact();
    zs_free(pool, other);
    return class_bytes_of(h) != bytes_of_class(from);
}

static void move_up__only_into_a_class_that_keeps_the_alignment(void **unused)
{
    unsigned i;

    (void)unused;
    create_empty(16);
    i = find_classes(1, 64);
    objects[0] = store(0, bytes_of_class(i));
    assert_true(moves_up(objects[0], i)); /* as ever */
    zs_free(pool, objects[0]);

    objects[1] = store_aligned(1, 64, bytes_of_class(i) - 3);
    assert_false(moves_up(objects[1], i));
    (void)assert_aligned(objects[1], 64);
    destroy_all();
}

/* The first goes up one class, and must not go on with those of that class. */
static void move_up__hands_the_alignment_on(void **unused)
{
    unsigned i;

    (void)unused;
    create_empty(16);
    i = find_classes(2, 8);
    objects[0] = store_aligned(0, 8, bytes_of_class(i));
    for (unsigned k = 1; k <= 2; k++) {
        objects[k] = store(k, bytes_of_class(i + k));
    }
    compact();
    assert_int_equal(class_bytes_of(objects[0]), bytes_of_class(i + 1));
    (void)assert_aligned(objects[0], 8);
    compact();
    (void)assert_aligned(objects[0], 8);
    assert_object_is_right(objects[0], 0, bytes_of_class(i));
    destroy_all();
}

static void page_migration__keeps_objects_aligned(void **unused)
{
    unsigned n_split = 0;

    (void)unused;
    create_empty(16);
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        objects[i] = store_aligned(i, 64, 3000);
    }
    for (zs_pfn_t page = 0; page < 4 * BLOCK; page += 2) {
        if (zs_isolate_movable_ops_page(arena, page) &&
            zs_migrate_pages(arena, &page, 1, ZS_MIGRATE_SYNC) > 0) {
            zs_putback_movable_ops_page(arena, page);
        }
    }
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        n_split += assert_aligned(objects[i], 64) == 2;
        assert_object_is_right(objects[i], i, 3000);
    }
    assert_true(n_split > 0);
    destroy_all();
}

/* --- other slots for the same handle --- */

/* Through small classes, those above a page, and runs. */
static const size_t other_sizes[] = {
    100, 5000, 17, 70000, 300, 3000, 12289, 1
};

static void replace__keeps_the_object_aligned(void **unused)
{
    static const char bytes[70000];

    (void)unused;
    create_empty(16);
    for (size_t alignment = 8; alignment <= PAGE; alignment *= 2) {
        objects[0] = store_aligned(0, alignment, 200);
        for (unsigned i = 0; i < 8; i++) {
            assert_int_equal(
                zs_obj_replace(pool, objects[0], bytes, other_sizes[i]), 0);
            (void)assert_aligned(objects[0], alignment);
            assert_true(zs_obj_size(pool, objects[0]) >= other_sizes[i]);
        }
        zs_free(pool, objects[0]);
    }
    destroy_all();
}

static void realloc__keeps_the_object_aligned(void **unused)
{
    (void)unused;
    create_empty(16);
    for (size_t alignment = 8; alignment <= PAGE; alignment *= 2) {
        size_t kept = 200;

        objects[0] = store_aligned(0, alignment, kept);
        for (unsigned i = 0; i < 8; i++) {
            assert_int_equal(zs_realloc(pool, objects[0], other_sizes[i]), 0);
            (void)assert_aligned(objects[0], alignment);
            kept = other_sizes[i] < kept ? other_sizes[i] : kept;
            assert_object_is_right(objects[0], 0, kept);
        }
        zs_free(pool, objects[0]);
    }
    destroy_all();
}

/* A pool in which nobody asks for alignment takes the smallest classes. */
static void without_alignment__sizes_are_as_ever(void **unused)
{
    (void)unused;
    create_empty(4);
    objects[0] = store(0, 4096);
    assert_int_equal(zs_realloc(pool, objects[0], 100), 0);
    assert_int_equal(class_bytes_of(objects[0]),
                     bytes_of_class(zs_size_class_of(100)));
    destroy_all();
}

/* --- all at once --- */

static void *compact_often(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 100; i++) {
        if (zs_compact(arena, NULL) != 0) {
            return "compact";
        }
    }
    return NULL;
}

static void replace__beside_a_compactor_keeps_objects_aligned(void **unused)
{
    static const char bytes[2000];
    pthread_t compactor;
    void *failed;

    (void)unused;
    create_empty(16);
    for (unsigned i = 0; i < N_MOVED; i += 5) {
        objects[i] = store_aligned(i, alignment_at(i / 5), len_at(i));
    }
    assert_int_equal(pthread_create(&compactor, NULL, compact_often, NULL), 0);
    for (unsigned turn = 0; turn < 20; turn++) {
        for (unsigned i = 0; i < N_MOVED; i += 5) {
            assert_int_equal(
                zs_obj_replace(pool, objects[i], bytes, len_at(i + turn)), 0);
            (void)assert_aligned(objects[i], alignment_at(i / 5));
        }
    }
    pthread_join(compactor, &failed);
    assert_null(failed);
    destroy_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(malloc_aligned__serves_every_alignment_and_size),
        PROMISE(malloc_aligned__refuses_what_is_out_of_range),
        PROMISE(compaction__keeps_objects_aligned),
        PROMISE(move_up__only_into_a_class_that_keeps_the_alignment),
        PROMISE(move_up__hands_the_alignment_on),
        PROMISE(page_migration__keeps_objects_aligned),
        PROMISE(replace__keeps_the_object_aligned),
        PROMISE(realloc__keeps_the_object_aligned),
        PROMISE(without_alignment__sizes_are_as_ever),
        /* with threads: the fixture that counts system calls is for one */
        cmocka_unit_test(replace__beside_a_compactor_keeps_objects_aligned),
    };

    use_exact_sizes();
    return cmocka_run_group_tests_name("aligned", tests, NULL, NULL);
}
