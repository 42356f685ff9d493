/* SPDX-License-Identifier: MIT */
/* Unit tests of zs_compact(): one pass by hand. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "exact_sizes.h"
#include "os.h"
#include "pool_impl.h"
#include "zspool/compactor.h"

#define N_OBJECTS 20000u
#define OBJ_BYTES 900u

static struct zs_pool *pool;
static zs_handle_t objects[N_OBJECTS];

static void fill(unsigned char *buf, unsigned i)
{
    memset(buf, (int)(i * 17 + 3), OBJ_BYTES);
    memcpy(buf, &i, sizeof(i));
}

/* `keep`: one object in so many stays. */
static void make_holes(unsigned keep)
{
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        if (i % keep != 0 && objects[i].raw != 0) {
            zs_free(pool, objects[i]);
            objects[i].raw = 0;
        }
    }
}

static int make_pool(void **state)
{
    struct zs_pool_config cfg = {
        .private_arena = { .reserve_bytes = (size_t)256 << 20 },
        .max_zspages = 1 << 14,
    };
    unsigned char buf[OBJ_BYTES];

    (void)state;
    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        fill(buf, i);
        assert_int_equal(zs_obj_create(pool, buf, OBJ_BYTES, &objects[i]), 0);
    }
    return 0;
}

static int drop_pool(void **state)
{
    (void)state;
    zs_pool_destroy(pool);
    return 0;
}

static void all_objects_are_right(void)
{
    unsigned char local[ZS_LOCAL_COPY_BYTES], want[OBJ_BYTES];

    for (unsigned i = 0; i < N_OBJECTS; i++) {
        if (objects[i].raw != 0) {
            const void *p = zs_obj_read_begin(pool, objects[i], local);
            int differs;

            fill(want, i);
            differs = memcmp(p, want, OBJ_BYTES);
            zs_obj_read_end(pool);
            assert_int_equal(differs, 0);
        }
    }
}

static struct zs_arena_stats arena_stats(void)
{
    struct zs_arena_stats stats;

    zs_arena_stats(zs_pool_arena(pool), &stats);
    return stats;
}

static double ratio(void)
{
    struct zs_pool_stats stats;

    zs_pool_stats(pool, &stats);
    return (double)arena_stats().resident_bytes / (double)stats.live_bytes;
}

/* --- one pass --- */

static void compact__leaves_little_more_than_the_live_bytes(void **state)
{
    static const unsigned keeps[] = { 2, 4, 8 };

    (void)state;
    for (unsigned k = 0; k < 3; k++) {
        make_holes(keeps[k]);
        assert_int_equal(zs_compact(zs_pool_arena(pool), NULL), 0);
        assert_true(ratio() < 1.01); /* one class: a page at its end */
        all_objects_are_right();
    }
}

/* Fewer free slots than the emptiest zspage has objects: none can be emptied
 * whole. And in none of them a page is free. */
static void compact__leaves_no_holes_in_zspages(void **state)
{
    enum { N = 8 * 512, BYTES = 64 };
    static zs_handle_t h[N];
    struct zs_pool_config cfg = { .max_zspages = 1 << 10 };
    struct zs_pool_stats stats;
    struct zs_pool *small;

    (void)state;
    zs_size_classes_init();
    assert_int_equal(zs_size_class(zs_size_class_of(BYTES))->n_slots, 512);
    assert_int_equal(zs_pool_create(&cfg, &small), 0);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(
            zs_obj_create_sized(small, &i, sizeof(i), BYTES, &h[i]), 0);
    }
    for (unsigned i = 0; i < N; i += 10) {
        zs_free(small, h[i]);
    }
    assert_int_equal(zs_compact(zs_pool_arena(small), NULL), 0);
    zs_pool_stats(small, &stats);
    assert_true(stats.live_bytes >= (uint64_t)N * 9 / 10 * BYTES - BYTES);
    assert_true(stats.zspage_resident_bytes < stats.live_bytes + ZS_PAGE_BYTES);
    for (unsigned i = 1; i < N; i += i % 10 == 9 ? 2 : 1) {
        unsigned char local[ZS_LOCAL_COPY_BYTES];

        assert_memory_equal(zs_obj_read_begin(small, h[i], local), &i,
                            sizeof(i));
        zs_obj_read_end(small);
    }
    zs_pool_destroy(small);
}

static void compact__says_what_it_did(void **state)
{
    struct zs_arena_stats before = arena_stats();
    struct zs_compact_result r;

    (void)state;
    make_holes(4);
    assert_int_equal(zs_compact(zs_pool_arena(pool), &r), 0);
    assert_int_equal(r.blocks_chosen, r.blocks_emptied);
    assert_in_range(r.blocks_emptied, 5, before.n_blocks_used);
    assert_int_equal(r.pages_left, 0);
    assert_true(r.bytes_moved ==
                r.objects_moved * zs_obj_size(pool, objects[0]));
    assert_true(r.bytes_released > before.resident_bytes / 2);
    assert_true(r.duration_ns > 0);
    assert_int_equal(arena_stats().deferred_bytes, 0);
}

static void compact__moves_nothing_when_there_is_nothing_to_gain(void **state)
{
    struct zs_compact_result r;

    (void)state;
    assert_int_equal(zs_compact(zs_pool_arena(pool), NULL), 0);
    assert_int_equal(zs_compact(zs_pool_arena(pool), &r), 0);
    assert_int_equal(r.objects_moved, 0);
    assert_int_equal(r.pages_migrated, 0);
    assert_int_equal(r.bytes_released, 0);
}

static void compact__migrates_the_pages_of_full_zspages(void **state)
{
    struct zs_arena *a = zs_pool_arena(pool);
    struct zs_compact_result r;
    uint32_t first = UINT32_MAX;

    (void)state;
    /* Free whole zspages in every block but the first: full ones stay. */
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        uint32_t w = zs_slot_load(&pool->handles, objects[i].raw);
        uint32_t zspage = zs_slot_zspage(w);

        first = first == UINT32_MAX ? zspage : first;
        if ((zspage - first) % 4 != 0) {
            zs_free(pool, objects[i]);
            objects[i].raw = 0;
        }
    }
    assert_int_equal(zs_compact(a, &r), 0);
    assert_true(r.pages_migrated > r.blocks_emptied * 50);
    assert_int_equal(r.pages_left, 0);
    assert_true(ratio() < 1.01);
    all_objects_are_right();
}

static void *failing_alloc(size_t bytes)
{
    (void)bytes;
    return NULL;
}

static void compact__without_memory_changes_nothing(void **state)
{
    void *(*real)(size_t) = zs_os.alloc;
    struct zs_compact_result r = { .pages_left = 99 };

    (void)state;
    make_holes(2);
    zs_os.alloc = failing_alloc;
    assert_int_equal(zs_compact(zs_pool_arena(pool), &r), -ENOMEM);
    zs_os.alloc = real;
    assert_int_equal(r.pages_left, 99);
    all_objects_are_right();
}

static int failing_populate(void *addr, size_t bytes)
{
    (void)addr;
    (void)bytes;
    return -ENOMEM;
}

static int failing_release(void *addr, size_t bytes)
{
    (void)addr;
    (void)bytes;
    return -EINVAL;
}

static void compact__loses_nothing_when_the_system_refuses(void **state)
{
    int (*populate)(void *, size_t) = zs_os.populate;
    int (*release)(void *, size_t) = zs_os.release;

    (void)state;
    make_holes(3);
    zs_os.populate = failing_populate;
    assert_int_equal(zs_compact(zs_pool_arena(pool), NULL), 0);
    zs_os.populate = populate;
    all_objects_are_right();
    zs_os.release = failing_release;
    assert_int_equal(zs_compact(zs_pool_arena(pool), NULL), 0);
    zs_os.release = release;
    all_objects_are_right();
    assert_int_equal(zs_compact(zs_pool_arena(pool), NULL), 0);
    assert_true(ratio() < 1.01);
    all_objects_are_right();
}

/* --- calls of the system --- */

static int (*real_release)(void *, size_t);
static int (*real_populate)(void *, size_t);
static unsigned n_metadata_calls, n_populates;
static size_t metadata_bytes;

static bool is_in(const struct zs_granules *g, const void *addr)
{
    const char *p = addr;

    return p >= g->base &&
           p < g->base + (size_t)g->n_granules * ZS_GRANULE_BYTES;
}

static int counting_release(void *addr, size_t bytes)
{
    if (is_in(&pool->zspages, addr) || is_in(&pool->sides, addr)) {
        n_metadata_calls++;
        metadata_bytes += bytes;
    }
    return real_release(addr, bytes);
}

static int counting_populate(void *addr, size_t bytes)
{
    n_populates++;
    return real_populate(addr, bytes);
}

static void compact__gives_metadata_back_together(void **state)
{
    (void)state;
    make_holes(50);
    n_metadata_calls = 0;
    metadata_bytes = 0;
    real_release = zs_os.release;
    zs_os.release = counting_release;
    assert_int_equal(zs_compact(zs_pool_arena(pool), NULL), 0);
    zs_os.release = real_release;
    assert_true(metadata_bytes >= 8 * ZS_OS_PAGE_BYTES);
    assert_in_range(n_metadata_calls, 1, 2 * 2); /* two heaps */
    assert_int_equal(pool->zspages.n_idle, 0);
    assert_int_equal(pool->sides.n_idle, 0);
    all_objects_are_right();
}

static struct zspage *zspage_of(zs_handle_t h)
{
    return zspage_at(pool, zs_slot_zspage(zs_slot_load(&pool->handles, h.raw)));
}

/* The fullest zspage of the objects' class that has a free slot. */
static struct zspage *fullest(void)
{
    struct zs_class *cl = class_of(pool, zspage_of(objects[0]));
    struct zspage *zp;

    zs_lock_acquire(&cl->lock);
    zp = class_pick_locked(pool, cl);
    zs_lock_release(&cl->lock);
    return zp;
}

static void free_object(unsigned i)
{
    zs_free(pool, objects[i]);
    objects[i].raw = 0;
}

/* The class's last zspage is the fullest one that has a free slot, but these
 * have no memory; in the others there is enough of it. */
static void compact__takes_free_slots_with_memory_first(void **state)
{
    struct zspage *end;
    zs_pfn_t page, behind;

    (void)state;
    for (unsigned i = 1500; i < N_OBJECTS; i++) { /* one pageblock is left */
        free_object(i);
    }
    assert_int_equal(zs_compact(zs_pool_arena(pool), NULL), 0);
    end = fullest();
    assert_in_range(zspage_n_used(end), end->n_slots / 8 + 1, end->n_slots - 8);
    for (unsigned i = 1; i < 1500; i++) {
        if (i % 20 != 0 && zspage_of(objects[i]) != end) {
            free_object(i);
        }
    }
    n_populates = 0;
    real_populate = zs_os.populate;
    zs_os.populate = counting_populate;
    page = zspage_pfn(zspage_of(objects[0]), 0);
    assert_int_equal(zspage_evacuation_ops.move_objects(pool, page, &behind),
                     ZS_MIGRATE_DONE);
    zs_os.populate = real_populate;
    assert_int_equal(n_populates, 0);
    zspage_evacuation_ops.attach_all(pool);
    all_objects_are_right();
}

static void *compact_often(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 5; i++) {
        if (zs_compact(zs_pool_arena(pool), NULL) != 0) {
            return (void *)1;
        }
    }
    return NULL;
}

static void compact__by_two_threads_takes_turns(void **state)
{
    pthread_t other;
    void *result;

    (void)state;
    make_holes(3);
    assert_int_equal(pthread_create(&other, NULL, compact_often, NULL), 0);
    assert_null(compact_often(NULL));
    pthread_join(other, &result);
    assert_null(result);
    all_objects_are_right();
}

/* The first class is gone through like the others, in the first pass too. */
static void compact__puts_the_smallest_objects_together(void **state)
{
    static zs_handle_t small[40000];

    (void)state;
    for (unsigned turn = 0; turn < 2; turn++) {
        for (unsigned i = 0; i < 40000; i++) {
            assert_int_equal(zs_obj_create(pool, "tiny", 4, &small[i]), 0);
        }
        for (unsigned i = 0; i < 40000; i++) {
            if (i % 16 != 0) {
                zs_free(pool, small[i]);
            }
        }
        assert_int_equal(zs_compact(zs_pool_arena(pool), NULL), 0);
        assert_true(pool->classes[0].n_zspages <= 3);
        for (unsigned i = 0; i < 40000; i += 16) {
            zs_free(pool, small[i]);
        }
    }
}

#define COMPACT_TEST(name)                                                     \
    cmocka_unit_test_setup_teardown(name, make_pool, drop_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        COMPACT_TEST(compact__leaves_little_more_than_the_live_bytes),
        COMPACT_TEST(compact__leaves_no_holes_in_zspages),
        COMPACT_TEST(compact__says_what_it_did),
        COMPACT_TEST(compact__moves_nothing_when_there_is_nothing_to_gain),
        COMPACT_TEST(compact__migrates_the_pages_of_full_zspages),
        COMPACT_TEST(compact__without_memory_changes_nothing),
        COMPACT_TEST(compact__loses_nothing_when_the_system_refuses),
        COMPACT_TEST(compact__gives_metadata_back_together),
        COMPACT_TEST(compact__takes_free_slots_with_memory_first),
        COMPACT_TEST(compact__by_two_threads_takes_turns),
        COMPACT_TEST(compact__puts_the_smallest_objects_together),
    };

    use_exact_sizes();
    return cmocka_run_group_tests_name("compact", tests, NULL, NULL);
}
