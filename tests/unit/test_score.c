/* SPDX-License-Identifier: MIT */
/* Unit tests of compactor/score.c: the score is what the statistics say, and
 * waste is what compaction could give back. */
#include "balloon_fixture.h"
#include "exact_sizes.h"
#include "pool_impl.h"
#include "score.h"
#include "zspool/compactor.h"
#include "zspool/pool.h"

#define N_OBJECTS 3000u
#define OBJ_BYTES 1000u

static struct zs_pool *pool;
static zs_handle_t objects[N_OBJECTS];

static struct zs_score score(void)
{
    struct zs_score s;

    memset(&s, 0xff, sizeof(s));
    zs_arena_begin_pass(arena);
    zs_score_take(arena, &s);
    zs_arena_end_pass(arena);
    return s;
}

static struct zs_pool_stats pool_stats(void)
{
    struct zs_pool_stats s;

    zs_pool_stats(pool, &s);
    return s;
}

static void create_objects(void)
{
    static const char bytes[OBJ_BYTES];
    struct zs_pool_config cfg = { .arena = arena };

    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        assert_int_equal(zs_obj_create(pool, bytes, OBJ_BYTES, &objects[i]), 0);
    }
}

/* `keep`: one in so many stays. */
static void make_holes(unsigned keep)
{
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        if (i % keep != 0) {
            zs_free(pool, objects[i]);
        }
    }
}

static void destroy_objects(unsigned keep)
{
    for (unsigned i = 0; i < N_OBJECTS; i += keep) {
        zs_free(pool, objects[i]);
    }
    zs_pool_destroy(pool);
}

/* --- what is taken --- */

static void empty_arena__has_no_waste(void **unused)
{
    struct zs_score s;

    (void)unused;
    create(8, 0, 0);
    s = score();
    assert_int_equal(s.resident, 0);
    assert_int_equal(s.live, 0);
    assert_int_equal(zs_score_waste(&s, 0), 0);
    assert_int_equal(zs_score_permille(&s, 0), 0);
    destroy();
}

static void score__is_what_the_statistics_say(void **unused)
{
    struct zs_score s;

    (void)unused;
    create(16, 0, 0);
    create_objects();
    make_holes(3);
    s = score();
    assert_int_equal(s.footprint, stats().footprint_bytes);
    assert_int_equal(s.resident, stats().resident_bytes);
    assert_int_equal(s.live,
                     pool_stats().live_bytes + pool_stats().cached_bytes);
    assert_int_equal(s.idle, stats().resident_bytes -
                                 pool_stats().zspage_resident_bytes);
    assert_int_equal(s.deferred, stats().deferred_bytes);
    assert_int_equal(zs_score_waste(&s, 0), s.resident - s.live - s.deferred);
    destroy_objects(3);
    destroy();
}

static void pages_of_other_owners__are_live(void **unused)
{
    zs_pfn_t page;
    struct zs_score s;

    (void)unused;
    create(8, 0, 0);
    page = take_populated(100);
    s = score();
    assert_int_equal(s.live, 100 * PAGE);
    assert_int_equal(s.idle, 0);
    assert_int_equal(zs_score_waste(&s, 0), 0);
    zs_pages_free(arena, page, 100);
    destroy();
}

static void free_pages__are_idle(void **unused)
{
    zs_pfn_t page;
    struct zs_score s;

    (void)unused;
    create(8, 0, 0);
    page = take_populated(100);
    zs_pages_free(arena, page, 60);
    s = score();
    assert_int_equal(s.live, 40 * PAGE);
    assert_int_equal(s.idle, 60 * PAGE);
    assert_int_equal(s.idle_blocks, 0);
    assert_int_equal(zs_score_waste(&s, 0), 60 * PAGE);
    assert_int_equal(zs_score_permille(&s, 0), 1); /* of 128 MiB */
    zs_pages_free(arena, page + 60, 40);
    destroy();
}

static void empty_blocks__are_idle_blocks(void **unused)
{
    zs_pfn_t page;
    struct zs_score s;

    (void)unused;
    create(8, 0, 0);
    page = take_populated(3 * BLOCK);
    assert_int_equal(score().idle_blocks, 0);
    zs_pages_free(arena, page, 2 * BLOCK);
    s = score();
    assert_int_equal(s.idle_blocks, 2 * ZS_BLOCK_BYTES);
    assert_int_equal(s.idle, 2 * ZS_BLOCK_BYTES);
    zs_pages_free(arena, page + 2 * BLOCK, BLOCK);
    destroy();
}

static void reserve__is_no_waste(void **unused)
{
    zs_pfn_t page;
    struct zs_score s;

    (void)unused;
    create(8, 0, 0);
    page = take_populated(4 * BLOCK);
    zs_pages_free(arena, page, 3 * BLOCK);
    s = score();
    assert_int_equal(zs_score_waste(&s, 0), 3 * ZS_BLOCK_BYTES);
    assert_int_equal(zs_score_waste(&s, ZS_BLOCK_BYTES), 2 * ZS_BLOCK_BYTES);
    assert_int_equal(zs_score_waste(&s, 9 * ZS_BLOCK_BYTES), 0);
    assert_int_equal(zs_score_permille(&s, ZS_BLOCK_BYTES), 31);
    zs_pages_free(arena, page + 3 * BLOCK, BLOCK);
    destroy();
}

/* Wherever they are: they are taken first. */
static void reserve__is_of_free_pages_too(void **unused)
{
    zs_pfn_t page;
    struct zs_score s;

    (void)unused;
    create(8, 0, 0);
    page = take_populated(100);
    zs_pages_free(arena, page, 60);
    s = score();
    assert_int_equal(zs_score_waste(&s, 20 * PAGE), 40 * PAGE);
    assert_int_equal(zs_score_waste(&s, 9 * ZS_BLOCK_BYTES), 0);
    zs_pages_free(arena, page + 60, 40);
    destroy();
}

static void balloon__is_no_waste(void **unused)
{
    struct zs_score before, s;
    zs_pfn_t page;

    (void)unused;
    create_balloon(8);
    page = take_populated(100);
    (void)zs_arena_trim(arena, 0);
    before = score();
    (void)zs_balloon_inflate(balloon, 2 * ZS_BLOCK_BYTES);
    assert_int_equal(stats().withheld_bytes, 2 * ZS_BLOCK_BYTES);
    s = score();
    assert_int_equal(s.footprint, stats().footprint_bytes);
    assert_int_equal(s.resident, before.resident);
    assert_int_equal(s.live, before.live);
    assert_int_equal(s.idle, before.idle);
    assert_int_equal(zs_score_waste(&s, 0), 0);
    zs_pages_free(arena, page, 100);
    destroy_balloon();
}

static void deferred_memory__is_no_waste(void **unused)
{
    struct zs_score s;
    zs_pfn_t page;

    (void)unused;
    create(8, 0, 0);
    page = take_populated(100);
    zs_read_begin();
    for (unsigned i = 0; i < 100; i++) {
        zs_page_free(arena, type, page + i);
    }
    s = score();
    assert_int_equal(stats().deferred_bytes, 100 * PAGE);
    assert_int_equal(s.deferred, 100 * PAGE);
    assert_int_equal(zs_score_waste(&s, 0), 0);
    zs_read_end();
    zs_grace_flush(&arena->grace);
    s = score();
    assert_int_equal(s.deferred, 0);
    assert_int_equal(zs_score_waste(&s, 0), 100 * PAGE);
    destroy();
}

static void gained__grows_by_what_compaction_gains(void **unused)
{
    uint64_t before;

    (void)unused;
    create(16, 0, 0);
    create_objects();
    make_holes(4);
    before = score().gained;
    assert_int_equal(score().gained, before); /* looking gains nothing */
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_true(score().gained > before);
    before = score().gained;
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_int_equal(score().gained, before);
    destroy_objects(4);
    destroy();
}

static void after_a_compaction__hardly_anything_is_waste(void **unused)
{
    struct zs_score s;

    (void)unused;
    create(16, 0, 0);
    create_objects();
    make_holes(4);
    s = score();
    assert_true(zs_score_waste(&s, 0) > s.resident / 10 * 6);
    assert_int_equal(zs_compact(arena, NULL), 0);
    s = score();
    assert_true(zs_score_waste(&s, 0) < s.resident / 30);
    destroy_objects(4);
    destroy();
}

static void estimate__has_the_scores_waste(void **unused)
{
    struct zs_compact_estimate e;
    struct zs_score s;

    (void)unused;
    create(16, 0, 0);
    create_objects();
    make_holes(4);
    s = score();
    assert_int_equal(zs_compact_estimate(arena, &e), 0);
    assert_int_equal(e.waste_bytes, zs_score_waste(&s, 0));
    assert_int_equal(e.waste_permille, zs_score_permille(&s, 0));
    destroy_objects(4);
    destroy();
}

/* --- pure --- */

/* Counters are not of one moment. */
static void waste__is_never_below_zero(void **unused)
{
    static const struct zs_score s = {
        .resident = 100,
        .live = 90,
        .deferred = 20,
        .idle = 5,
        .idle_blocks = 50,
    };

    (void)unused;
    assert_int_equal(zs_score_waste(&s, 0), 0);
    assert_int_equal(zs_score_permille(&s, 0), 0);
}

static void reserve__counts_no_more_than_is_idle(void **unused)
{
    static const struct zs_score s = {
        .resident = 100,
        .live = 40,
        .idle = 10,
        .idle_blocks = 50,
    };

    (void)unused;
    assert_int_equal(zs_score_waste(&s, 1000), 50);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(empty_arena__has_no_waste),
        PROMISE(score__is_what_the_statistics_say),
        PROMISE(pages_of_other_owners__are_live),
        PROMISE(free_pages__are_idle),
        PROMISE(empty_blocks__are_idle_blocks),
        PROMISE(reserve__is_no_waste),
        PROMISE(reserve__is_of_free_pages_too),
        PROMISE(balloon__is_no_waste),
        PROMISE(deferred_memory__is_no_waste),
        PROMISE(gained__grows_by_what_compaction_gains),
        PROMISE(after_a_compaction__hardly_anything_is_waste),
        PROMISE(estimate__has_the_scores_waste),
        PROMISE(waste__is_never_below_zero),
        PROMISE(reserve__counts_no_more_than_is_idle),
    };

    use_exact_sizes();
    return cmocka_run_group_tests_name("score", tests, NULL, NULL);
}
