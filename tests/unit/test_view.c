/* SPDX-License-Identifier: MIT */
/* Unit tests of zs_obj_view_begin(), zs_obj_write() and zs_realloc(). */
#include "pool_impl.h"

#include "offline_fixture.h"
#include "stops.h"

#define LEN 3000u

static void create_full(void)
{
    create(16, 0, 0);
    create_pool();
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        objects[i] = store(i, LEN);
    }
}

static void destroy_all(void)
{
    zs_pool_destroy(pool);
    destroy();
}

static void assert_view_is_right(const struct zs_view *v, unsigned object,
                                 size_t len)
{
    size_t at = 0;

    for (unsigned p = 0; p < v->n_parts; p++) {
        const unsigned char *bytes = v->part[p].iov_base;

        for (size_t i = 0; i < v->part[p].iov_len; i++, at++) {
            if (at < len && bytes[i] != byte_of(object, at)) {
                fail_msg("object %u differs at %zu", object, at);
            }
        }
    }
    assert_int_equal(at, zs_obj_size(pool, objects[object]));
}

/* Counts are of no group: 0, 1, and some beside whole groups. */
static void view__leads_to_the_bytes_of_each_object(void **unused)
{
    static const unsigned counts[] = { 0, 1, 15, 16, 17, 33, N_OBJECTS };
    static struct zs_view views[N_OBJECTS];

    (void)unused;
    create_full();
    for (unsigned c = 0; c < 7; c++) {
        zs_obj_view_begin(pool, objects, counts[c], views);
        for (unsigned i = 0; i < counts[c]; i++) {
            assert_int_equal(views[i].n_parts, 1);
            assert_view_is_right(&views[i], i, LEN);
        }
        zs_obj_read_end(pool);
        assert_false(zs_in_read_section());
    }
    destroy_all();
}

/* Every second page is moved, so that chains are split. */
static void split_chains(void)
{
    for (zs_pfn_t page = 0; page < 4 * BLOCK; page += 2) {
        if (zs_isolate_movable_ops_page(arena, page) &&
            zs_migrate_pages(arena, &page, 1, ZS_MIGRATE_SYNC) > 0) {
            zs_putback_movable_ops_page(arena, page);
        }
    }
}

static void view__has_two_parts_where_migration_has_split_them(void **unused)
{
    static struct zs_view views[N_OBJECTS];
    unsigned n_split = 0;

    (void)unused;
    create_full();
    split_chains();
    zs_obj_view_begin(pool, objects, N_OBJECTS, views);
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        assert_view_is_right(&views[i], i, LEN);
        n_split += views[i].n_parts == 2;
    }
    zs_obj_read_end(pool);
    assert_true(n_split > 0);
    destroy_all();
}

/* What a view has led to stays until the section ends. */
static void view__is_a_snapshot(void **unused)
{
    unsigned char other[LEN] = { 0 };
    struct zs_view view;

    (void)unused;
    create_full();
    zs_obj_view_begin(pool, &objects[7], 1, &view);
    assert_int_equal(zs_obj_replace(pool, objects[7], other, LEN), 0);
    for (unsigned i = 0; i < 100; i++) {
        (void)store(N_OBJECTS + i, LEN);
    }
    assert_view_is_right(&view, 7, LEN);
    zs_obj_read_end(pool);
    destroy_all();
}

static void view_dead(void)
{
    struct zs_view views[2];

    zs_free(pool, objects[1]);
    zs_obj_view_begin(pool, objects, 2, views);
}

static void view__of_a_dead_handle_stops(void **unused)
{
    (void)unused;
    create_full();
    assert_stops(view_dead, "zs_obj_view_begin", "dead");
    destroy_all();
}

/* Nothing above a page is ever in two parts. */
static void view__of_a_large_object_has_one_part(void **unused)
{
    static const size_t lens[] = { 4100, 6000, 30000, 65536, 65537, 3 * MIB };
    struct zs_view views[6];

    (void)unused;
    create_full();
    for (unsigned i = 0; i < 6; i++) {
        objects[i] = store(i, lens[i]);
    }
    split_chains();
    assert_int_equal(zs_compact(arena, NULL), 0);
    zs_obj_view_begin(pool, objects, 6, views);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(views[i].n_parts, 1);
        assert_view_is_right(&views[i], i, lens[i]);
    }
    zs_obj_read_end(pool);
    destroy_all();
}

/* --- writing parts --- */

/* The same write to the object and to what it should hold. */
static void write_both(unsigned object, unsigned char *want, size_t at,
                       size_t len)
{
    unsigned char *bytes = malloc(len + 1);

    assert_non_null(bytes);
    memset(bytes, (int)(at * 7 + len) | 1, len + 1);
    assert_int_equal(zs_obj_write(pool, objects[object], at, bytes, len), 0);
    memcpy(want + at, bytes, len);
    free(bytes);
}

static void assert_holds(unsigned object, const unsigned char *want, size_t len)
{
    struct zs_view v;
    size_t at = 0;

    zs_obj_view_begin(pool, &objects[object], 1, &v);
    for (unsigned p = 0; p < v.n_parts; p++) {
        size_t left = len - at;
        size_t n = v.part[p].iov_len < left ? v.part[p].iov_len : left;

        assert_memory_equal(v.part[p].iov_base, want + at, n);
        at += n;
    }
    zs_obj_read_end(pool);
    assert_int_equal(at, len);
}

/* Parts at both ends, in the middle, of no byte, and all of it; then what lies
 * behind the end. `border`: where two pages meet in the object, if they do. */
static void write_parts(unsigned object, size_t border)
{
    size_t size = zs_obj_size(pool, objects[object]);
    unsigned char *want = malloc(size);

    assert_non_null(want);
    memset(want, 0, size);
    assert_int_equal(zs_obj_write(pool, objects[object], 0, want, size), 0);
    write_both(object, want, 0, 1);
    write_both(object, want, size - 1, 1);
    write_both(object, want, border - 1, 2);
    write_both(object, want, border - 3, 3);
    write_both(object, want, border, 3);
    write_both(object, want, 0, 0);
    write_both(object, want, size, 0);
    assert_holds(object, want, size);
    write_both(object, want, 1, size - 2);
    assert_holds(object, want, size);
    assert_int_equal(zs_obj_write(pool, objects[object], size, want, 1),
                     -ERANGE);
    assert_int_equal(zs_obj_write(pool, objects[object], size + 1, want, 0),
                     -ERANGE);
    assert_holds(object, want, size);
    free(want);
}

/* And the neighbours are as they were. */
static void write__into_two_pages_that_are_apart(void **unused)
{
    unsigned n_split = 0;

    (void)unused;
    create_full();
    split_chains();
    for (unsigned i = 1; i + 1 < N_OBJECTS && n_split < 50; i += 3) {
        struct zs_view v;

        zs_obj_view_begin(pool, &objects[i], 1, &v);
        zs_obj_read_end(pool);
        if (v.n_parts == 2 && v.part[0].iov_len > 3 && v.part[1].iov_len > 3) {
            write_parts(i, v.part[0].iov_len);
            assert_object_is_right(objects[i - 1], i - 1, LEN);
            assert_object_is_right(objects[i + 1], i + 1, LEN);
            n_split++;
        }
    }
    assert_int_equal(n_split, 50);
    destroy_all();
}

static void write__into_large_objects_and_runs(void **unused)
{
    static const size_t lens[] = { 20, 4096, 6000, 65536, 65537, 3 * MIB };

    (void)unused;
    create(16, 0, 0);
    create_pool();
    for (unsigned i = 0; i < 6; i++) {
        objects[i] = store(i, lens[i]);
    }
    for (unsigned i = 0; i < 6; i++) {
        write_parts(i, lens[i] > PAGE ? PAGE : 10);
    }
    destroy_all();
}

/* --- realloc --- */

static void realloc__keeps_handle_and_bytes(void **unused)
{
    static const size_t sizes[] = { 3000,    3004, 5000, 60000,         70000,
                                    3 * MIB, 20,   1,    ZS_PAGE_BYTES, 300 };
    size_t kept = LEN;

    (void)unused;
    create(16, 0, 0);
    create_pool();
    objects[5] = store(5, LEN);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        assert_int_equal(zs_realloc(pool, objects[5], sizes[i]), 0);
        assert_true(zs_obj_size(pool, objects[5]) >= sizes[i]);
        kept = sizes[i] < kept ? sizes[i] : kept;
        assert_object_is_right(objects[5], 5, kept);
    }
    zs_free(pool, objects[5]);
    zs_grace_flush(&arena->grace);
    destroy_all();
}

static void realloc__within_the_class_changes_nothing(void **unused)
{
    uint32_t word;

    (void)unused;
    create(16, 0, 0);
    create_pool();
    objects[0] = store(0, LEN);
    word = zs_slot_load(&pool->handles, objects[0].raw);
    assert_int_equal(
        zs_realloc(pool, objects[0], zs_obj_size(pool, objects[0])), 0);
    assert_int_equal(zs_slot_load(&pool->handles, objects[0].raw), word);
    objects[1] = store(1, 300000);
    word = zs_slot_load(&pool->handles, objects[1].raw);
    assert_int_equal(zs_realloc(pool, objects[1], 300001), 0);
    assert_int_equal(zs_slot_load(&pool->handles, objects[1].raw), word);
    destroy_all();
}

static void realloc__fails_and_leaves_the_object_as_it_was(void **unused)
{
    (void)unused;
    create(4, 0, 0);
    create_pool();
    objects[0] = store(0, LEN);
    assert_int_equal(zs_realloc(pool, objects[0], 0), -EINVAL);
    assert_int_equal(zs_realloc(pool, objects[0], ZS_MAX_OBJ_BYTES + 1),
                     -EINVAL);
    assert_int_equal(zs_realloc(pool, objects[0], 16 * MIB), -ENOMEM);
    assert_object_is_right(objects[0], 0, LEN);
    destroy_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(view__leads_to_the_bytes_of_each_object),
        PROMISE(view__has_two_parts_where_migration_has_split_them),
        PROMISE(view__is_a_snapshot),
        PROMISE(view__of_a_dead_handle_stops),
        PROMISE(view__of_a_large_object_has_one_part),
        PROMISE(write__into_two_pages_that_are_apart),
        PROMISE(write__into_large_objects_and_runs),
        PROMISE(realloc__keeps_handle_and_bytes),
        PROMISE(realloc__within_the_class_changes_nothing),
        PROMISE(realloc__fails_and_leaves_the_object_as_it_was),
    };

    return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
