/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of huge blocks (lib/page/huge.c). The system's huge pages are
 * faked by small ones: what is tested is who gets them, what stays, and that
 * the figures are what mincore says. One test asks the real system.
 */
#include "balloon_fixture.h"
#include "pool_impl.h"
#include "zspool/compactor.h"
#include "zspool/pool.h"

static unsigned n_asked, n_forbidden;
static bool refuse_huge, refuse_forbid;

static int fake_populate_huge(void *addr, size_t bytes)
{
    n_asked++;
    return refuse_huge ? -ENOMEM : real_os.populate(addr, bytes);
}

static int fake_forbid_huge(void *addr, size_t bytes)
{
    (void)addr;
    assert_int_equal(bytes, ZS_BLOCK_BYTES);
    n_forbidden++;
    return refuse_forbid ? -ENOMEM : 0;
}

static int watch_huge(void **unused)
{
    watch_os(unused);
    zs_os.populate_huge = fake_populate_huge;
    zs_os.forbid_huge = fake_forbid_huge;
    n_asked = n_forbidden = 0;
    refuse_huge = refuse_forbid = false;
    return 0;
}

static void create_huge(size_t blocks, size_t limit_bytes)
{
    struct zs_arena_config cfg = { .reserve_bytes = blocks * ZS_BLOCK_BYTES,
                                   .limit_bytes = limit_bytes,
                                   .huge_pages = ZS_HUGE_ALWAYS };

    assert_int_equal(zs_arena_create(&cfg, &arena), 0);
    assert_int_equal(zs_page_type_create(arena, "test", &type), 0);
}

static zs_pfn_t take_for(enum zs_page_use use, unsigned n)
{
    zs_pfn_t first = ZS_PFN_NONE;

    assert_int_equal(zs_pages_alloc_for(arena, type, n, use, &first), 0);
    return first;
}

static bool is_huge(zs_pfn_t page)
{
    return zs_page_is_huge(arena, page);
}

/* --- who gets one --- */

static void dense_pages__open_a_huge_block_and_share_it(void **unused)
{
    zs_pfn_t one, other;

    (void)unused;
    create_huge(4, 0);
    one = take_for(ZS_USE_DENSE, 16);
    other = take_for(ZS_USE_DENSE, 100);
    assert_true(is_huge(one));
    assert_int_equal(one / BLOCK, other / BLOCK);
    assert_int_equal(n_asked, 1);
    assert_int_equal(stats().n_blocks_huge, 1);
    assert_int_equal(stats().resident_bytes, ZS_BLOCK_BYTES);
    assert_int_equal(zs_pages_populate(arena, one, 16), 0);
    assert_figures_are_true();
    zs_pages_free(arena, one, 16);
    zs_pages_free(arena, other, 100);
    destroy();
}

static void sparse_and_bare_pages__keep_out(void **unused)
{
    zs_pfn_t dense, sparse, bare;

    (void)unused;
    create_huge(4, 0);
    dense = take_for(ZS_USE_DENSE, 16);
    sparse = take_for(ZS_USE_SPARSE, 16);
    bare = take_for(ZS_USE_BARE, 16);
    assert_false(is_huge(sparse));
    assert_false(is_huge(bare));
    assert_int_equal(stats().resident_bytes, ZS_BLOCK_BYTES);
    zs_pages_free(arena, dense, 16);
    zs_pages_free(arena, sparse, 16);
    zs_pages_free(arena, bare, 16);
    destroy();
}

/* With the range used up: sparse pages take what there is, bare ones do not. */
static void last_pages_of_the_range__are_for_all_but_bare_ones(void **unused)
{
    zs_pfn_t dense, sparse, none;

    (void)unused;
    create_huge(1, 0);
    dense = take_for(ZS_USE_DENSE, 16);
    sparse = take_for(ZS_USE_SPARSE, 16);
    assert_true(is_huge(sparse));
    assert_int_equal(zs_pages_alloc_for(arena, type, 1, ZS_USE_BARE, &none),
                     -ENOMEM);
    zs_pages_free(arena, dense, 16);
    zs_pages_free(arena, sparse, 16);
    destroy();
}

static void idle_huge_blocks__serve_sparse_pages_too(void **unused)
{
    zs_pfn_t dense[3], sparse;

    (void)unused;
    create_huge(4, 0);
    for (unsigned i = 0; i < 3; i++) {
        dense[i] = take_for(ZS_USE_DENSE, BLOCK);
    }
    zs_pages_free(arena, dense[0], BLOCK);
    zs_pages_free(arena, dense[1], BLOCK);
    sparse = take_for(ZS_USE_SPARSE, 16);
    assert_true(is_huge(sparse));
    zs_pages_free(arena, sparse, 16);
    zs_arena_pack(arena, true); /* but not while a pass packs */
    sparse = take_for(ZS_USE_SPARSE, 16);
    assert_false(is_huge(sparse));
    zs_arena_pack(arena, false);
    zs_pages_free(arena, sparse, 16);
    zs_pages_free(arena, dense[2], BLOCK);
    destroy();
}

static void small_arena__has_none_by_default(void **unused)
{
    zs_pfn_t page;

    (void)unused;
    create(4, 0, 0);
    page = take_for(ZS_USE_DENSE, 16);
    assert_int_equal(n_asked, 0);
    zs_pages_free(arena, page, 16);
    destroy();
}

/* A block that would fill the last part of the limit stays small. */
static void limit__keeps_huge_blocks_away(void **unused)
{
    zs_pfn_t page;

    (void)unused;
    create_huge(4, ZS_BLOCK_BYTES + 32 * PAGE);
    page = take_for(ZS_USE_DENSE, 16);
    assert_false(is_huge(page));
    assert_int_equal(n_asked, 0);
    zs_pages_free(arena, page, 16);
    destroy();
}

static void pass_that_packs__opens_none_and_fills_holes(void **unused)
{
    zs_pfn_t one, other, none;

    (void)unused;
    create_huge(4, 0);
    zs_arena_pack(arena, true);
    one = take_for(ZS_USE_DENSE, 16);
    assert_false(is_huge(one));
    assert_int_equal(zs_pages_alloc_for(arena, type, 1, ZS_USE_HOLES, &none),
                     -ENOMEM);
    zs_arena_pack(arena, false);
    other = take_for(ZS_USE_DENSE, 500);
    assert_int_equal(take_for(ZS_USE_HOLES, 12), other + 500);
    zs_pages_free(arena, one, 16);
    zs_pages_free(arena, other, 512);
    destroy();
}

static void create__knows_three_answers(void **unused)
{
    struct zs_arena_config cfg = { .huge_pages = ZS_HUGE_ALWAYS + 1 };

    (void)unused;
    assert_int_equal(zs_arena_create(&cfg, &arena), -EINVAL);
    cfg = (struct zs_arena_config){ .reserve_bytes = 4 * MIB,
                                    .huge_pages = ZS_HUGE_NEVER };
    assert_int_equal(zs_arena_create(&cfg, &arena), 0);
    zs_arena_destroy(arena);
}

/* --- a system that refuses --- */

static void refused_block__is_a_small_one(void **unused)
{
    zs_pfn_t page;

    (void)unused;
    create_huge(4, 0);
    refuse_huge = true;
    page = take_for(ZS_USE_DENSE, 16);
    assert_int_equal(n_asked, 1);
    assert_false(is_huge(page));
    assert_int_equal(stats().resident_bytes, 0);
    assert_int_equal(zs_pages_populate(arena, page, 16), 0);
    assert_int_equal(stats().resident_bytes, 16 * PAGE);
    assert_figures_are_true();
    zs_pages_free(arena, page, 16);
    destroy();
}

static void system_that_refuses__is_asked_less_and_less(void **unused)
{
    zs_pfn_t pages[15];

    (void)unused;
    create_huge(16, 0);
    refuse_huge = true;
    for (unsigned i = 0; i < 15; i++) {
        pages[i] = take_for(ZS_USE_DENSE, BLOCK);
    }
    assert_int_equal(n_asked, 4); /* of blocks 1, 3, 6, 11 */
    refuse_huge = false;
    for (unsigned i = 0; i < 15; i++) {
        zs_pages_free(arena, pages[i], BLOCK);
    }
    destroy();
}

/* --- what stays, and what goes --- */

static void pages_of_a_huge_block__keep_their_memory(void **unused)
{
    zs_pfn_t page;

    (void)unused;
    create_huge(4, 0);
    page = take_for(ZS_USE_DENSE, 16);
    write_page(page);
    zs_pages_depopulate(arena, page, 16);
    assert_false(zs_pages_make_bare(arena, page, 16));
    assert_page_intact(page);
    assert_int_equal(zs_arena_trim(arena, 0), 0);
    assert_int_equal(stats().resident_bytes, ZS_BLOCK_BYTES);
    assert_int_equal(n_releases, 0);
    assert_figures_are_true();
    zs_pages_free(arena, page, 16);
    destroy();
}

static void empty_huge_block__goes_back_whole(void **unused)
{
    zs_pfn_t page;

    (void)unused;
    create_huge(4, 0);
    page = take_for(ZS_USE_DENSE, 16);
    zs_pages_free(arena, page, 16);
    assert_int_equal(zs_arena_trim(arena, 0), ZS_BLOCK_BYTES);
    assert_int_equal(n_forbidden, 1);
    assert_int_equal(stats().n_blocks_huge, 0);
    assert_int_equal(stats().resident_bytes, 0);
    page = take_for(ZS_USE_SPARSE, 16); /* the same block, small now */
    assert_int_equal(zs_pages_populate(arena, page, 1), 0);
    assert_int_equal(n_in_core(), 1);
    assert_figures_are_true();
    zs_pages_free(arena, page, 16);
    destroy();
}

static void empty_huge_block__stays_when_the_system_refuses(void **unused)
{
    zs_pfn_t page;

    (void)unused;
    create_huge(4, 0);
    page = take_for(ZS_USE_DENSE, 16);
    zs_pages_free(arena, page, 16);
    refuse_forbid = true;
    assert_int_equal(zs_arena_trim(arena, 0), 0);
    assert_int_equal(stats().n_blocks_huge, 1);
    assert_figures_are_true();
    refuse_forbid = false;
    refuse_release = 1;
    assert_int_equal(zs_arena_trim(arena, 0), 0);
    assert_int_equal(stats().n_blocks_huge, 0);
    assert_figures_are_true();
    assert_int_equal(zs_arena_trim(arena, 0), ZS_BLOCK_BYTES);
    destroy();
}

/* Whatever kind it is: one of each. */
static void emptied_blocks__are_kept_while_a_pass_asks_for_it(void **unused)
{
    zs_pfn_t small, huge[2];

    (void)unused;
    create_huge(8, 0);
    small = take_populated(16);
    huge[0] = take_for(ZS_USE_DENSE, BLOCK);
    huge[1] = take_for(ZS_USE_DENSE, BLOCK);
    zs_arena_recycle(arena, 1);
    assert_true(zs_block_close(arena, small / BLOCK));
    assert_true(zs_block_close(arena, huge[0] / BLOCK));
    assert_true(zs_block_close(arena, huge[1] / BLOCK));
    zs_pages_free(arena, small, 16);
    zs_pages_free(arena, huge[0], BLOCK);
    assert_int_equal(stats().resident_bytes, 16 * PAGE + ZS_BLOCK_BYTES * 2);
    zs_pages_free(arena, huge[1], BLOCK); /* one too many */
    assert_int_equal(stats().resident_bytes, 16 * PAGE + ZS_BLOCK_BYTES);
    zs_arena_recycle(arena, 0);
    (void)zs_arena_trim(arena, 0);
    assert_int_equal(stats().resident_bytes, 0);
    assert_figures_are_true();
    destroy();
}

static void retired_page__makes_its_block_small(void **unused)
{
    zs_pfn_t page;

    (void)unused;
    create_huge(4, 0);
    page = take_for(ZS_USE_DENSE, 16);
    refuse_forbid = true;
    assert_int_equal(zs_page_retire(arena, page + 20, NULL), -EIO);
    assert_true(is_huge(page));
    refuse_forbid = false;
    assert_int_equal(zs_page_retire(arena, page + 20, NULL), 0);
    assert_false(is_huge(page));
    assert_false(zs_page_is_resident(arena, page + 20));
    assert_figures_are_true();
    zs_pages_free(arena, page, 16);
    destroy();
}

static void offline__takes_huge_blocks(void **unused)
{
    zs_pfn_t page;

    (void)unused;
    create_huge(4, 0);
    page = take_for(ZS_USE_DENSE, 16);
    zs_pages_free(arena, page, 16);
    assert_int_equal(zs_arena_offline(arena, 0, ZS_BLOCK_BYTES, NULL), 0);
    assert_int_equal(stats().n_blocks_huge, 0);
    assert_int_equal(stats().resident_bytes, 0);
    assert_int_equal(zs_arena_online(arena, 0, ZS_BLOCK_BYTES), 0);
    destroy();
}

static void balloon__takes_no_page_of_a_huge_block(void **unused)
{
    zs_pfn_t page;

    (void)unused;
    create_huge(2, 0);
    page = take_for(ZS_USE_DENSE, 16);
    assert_int_equal(zs_balloon_create(arena, &balloon), 0);
    (void)zs_balloon_inflate(balloon, 2 * ZS_BLOCK_BYTES);
    assert_int_equal(zs_balloon_current(balloon), ZS_BLOCK_BYTES);
    assert_withholds(BLOCK, 0);
    zs_balloon_destroy(balloon);
    zs_pages_free(arena, page, 16);
    destroy();
}

/* --- a pool --- */

#define N_OBJECTS 40000u
#define N_SIZES 64u

static struct zs_pool *pool;
static zs_handle_t objects[N_OBJECTS];

static void create_objects(unsigned char *bytes)
{
    struct zs_pool_config cfg = { .arena = arena };

    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        memset(bytes, (int)i, 64);
        assert_int_equal(
            zs_obj_create(pool, bytes, 200 + i % N_SIZES * 50, &objects[i]), 0);
    }
}

static void all_objects_are_right(unsigned step)
{
    unsigned char local[ZS_LOCAL_COPY_BYTES];

    for (unsigned i = 0; i < N_OBJECTS; i += step) {
        const unsigned char *p = zs_obj_read_begin(pool, objects[i], local);

        assert_int_equal(p[0], (unsigned char)i);
        assert_int_equal(p[63], (unsigned char)i);
        zs_obj_read_end(pool);
    }
}

static unsigned n_holes(void)
{
    unsigned n = 0;

    for (uint32_t i = 0; i < arena->n_touched_blocks; i++) {
        const struct zs_block *b = &arena->blocks[i];

        n += b->huge ? BLOCK - b->n_used : 0;
    }
    return n;
}

/* Also of the ends of zspages: what is resident is what is needed. */
static void compact__leaves_no_holes(void **unused)
{
    static unsigned char bytes[4096];
    struct zs_arena_stats s;
    struct zs_pool_stats p;

    (void)unused;
    create_huge(64, 0);
    create_objects(bytes);
    assert_true(stats().n_blocks_huge > 2);
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        if (i % 3 != 0) {
            zs_free(pool, objects[i]);
        }
    }
    assert_int_equal(zs_compact(arena, NULL), 0);
    all_objects_are_right(3);
    assert_figures_are_true();
    s = stats();
    assert_true(s.n_blocks_huge > 0);
    assert_true(n_holes() * PAGE <= s.footprint_bytes / 1024);
    zs_pool_stats(pool, &p); /* of each class, one page or two are part full */
    assert_true(s.resident_bytes <=
                p.live_bytes + p.live_bytes / 100 + N_SIZES * 2 * PAGE);
    for (unsigned i = 0; i < N_OBJECTS; i += 3) {
        zs_free(pool, objects[i]);
    }
    zs_pool_destroy(pool);
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_int_equal(stats().resident_bytes, 0);
    destroy();
}

static zs_pfn_t page_of(zs_handle_t h)
{
    char local[ZS_LOCAL_COPY_BYTES];
    const char *p = zs_obj_read_begin(pool, h, local);
    zs_pfn_t page = (zs_pfn_t)((size_t)(p - arena->base) / PAGE);

    zs_obj_read_end(pool);
    return page;
}

/* Behind seven runs of 65 pages is room for no eighth. */
static void compact__leaves_no_block_that_nothing_fits_into(void **unused)
{
    enum { RUN_BYTES = 65 * PAGE, N = 100 };
    struct zs_pool_config cfg = { 0 };

    (void)unused;
    create_huge(64, 0);
    cfg.arena = arena;
    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(zs_malloc(pool, RUN_BYTES, &objects[i]), 0);
        assert_int_equal(zs_obj_write(pool, objects[i], 0, &i, sizeof(i)), 0);
    }
    assert_true(stats().resident_bytes > (uint64_t)N * RUN_BYTES * 108 / 100);
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_int_equal(stats().resident_bytes, N * RUN_BYTES);
    for (unsigned i = 0; i < N; i++) {
        const void *p = zs_obj_read_begin(pool, objects[i], NULL);

        assert_memory_equal(p, &i, sizeof(i));
        zs_obj_read_end(pool);
    }
    assert_figures_are_true();
    zs_pool_destroy(pool);
    destroy();
}

/* The last zspage of a class is partly filled; in a huge block its unused
 * pages would keep their memory. */
static void trim__moves_ends_out_of_huge_blocks(void **unused)
{
    static const char bytes[1000];
    struct zs_pool_config cfg = { 0 };

    (void)unused;
    create_huge(16, 0);
    cfg.arena = arena;
    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(zs_obj_create(pool, bytes, 1000, &objects[i]), 0);
    }
    assert_true(is_huge(page_of(objects[999])));
    zs_lock_acquire(&arena->pass_lock);
    zs_arena_pack(arena, true);
    zspage_evacuation_ops.trim(pool);
    zspage_evacuation_ops.attach_all(pool);
    zs_grace_flush(&arena->grace);
    zs_arena_pack(arena, false);
    zs_lock_release(&arena->pass_lock);
    assert_false(is_huge(page_of(objects[999])));
    assert_figures_are_true();
    for (unsigned i = 0; i < 1000; i++) {
        zs_free(pool, objects[i]);
    }
    zs_pool_destroy(pool);
    destroy();
}

/* At the limit small blocks get no memory, but holes have it. */
static void at_the_limit__holes_are_used(void **unused)
{
    struct zs_pool_config cfg = { 0 };
    zs_pfn_t page, pages[2 * BLOCK];
    zs_handle_t first, second;
    unsigned n = 0;

    (void)unused;
    create_huge(16, 8 * MIB);
    cfg.arena = arena;
    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    assert_int_equal(zs_malloc(pool, 3000, &first), 0); /* its tables */
    page = take_for(ZS_USE_DENSE, 16);
    assert_true(is_huge(page));
    zs_arena_pack(arena, true); /* no more of them */
    do {
        pages[n] = take_for(ZS_USE_SPARSE, 2);
    } while (zs_pages_populate(arena, pages[n], 2) == 0 && ++n < 2 * BLOCK);
    assert_true(n < 2 * BLOCK);
    assert_int_equal(zs_malloc(pool, 100, &second), 0);
    assert_figures_are_true();
    for (unsigned i = 0; i <= n; i++) {
        zs_pages_free(arena, pages[i], 2);
    }
    zs_arena_pack(arena, false);
    zs_free(pool, first);
    zs_free(pool, second);
    zs_pool_destroy(pool);
    zs_pages_free(arena, page, 16);
    destroy();
}

/* --- holes --- */

#define HOLE 2u /* pages */

static zs_pfn_t fillers[BLOCK / HOLE];

/* A huge block, full of runs of so many pages. */
static void fill_a_huge_block(void)
{
    for (unsigned i = 0; i < BLOCK / HOLE; i++) {
        fillers[i] = take_for(ZS_USE_DENSE, HOLE);
        assert_true(is_huge(fillers[i]));
    }
    assert_int_equal(n_asked, 1);
}

/* Every `step`th run becomes a hole; the others stay. */
static void make_holes(unsigned step)
{
    for (unsigned i = 0; i < BLOCK / HOLE; i += step) {
        zs_pages_free(arena, fillers[i], HOLE);
        fillers[i] = ZS_PFN_NONE;
    }
}

static void drop_fillers(void)
{
    for (unsigned i = 0; i < BLOCK / HOLE; i++) {
        if (fillers[i] != ZS_PFN_NONE) {
            zs_pages_free(arena, fillers[i], HOLE);
        }
    }
}

static void holes__are_preferred_when_none_is_long_enough(void **unused)
{
    (void)unused;
    create_huge(8, 0);
    fill_a_huge_block();
    assert_false(zs_arena_prefers_idle(arena, 16)); /* there is none */
    make_holes(2);
    assert_true(zs_arena_prefers_idle(arena, 16));
    assert_false(zs_arena_prefers_idle(arena, HOLE)); /* that one fits */
    drop_fillers();
    destroy();
}

static void few_holes__are_left_alone(void **unused)
{
    (void)unused;
    create_huge(8, 0);
    fill_a_huge_block();
    make_holes(32); /* 8 of them, 16 pages */
    assert_true(zs_arena_prefers_idle(arena, 2 * HOLE));
    assert_false(zs_arena_prefers_idle(arena, 8 * HOLE / 2 + 1));
    drop_fillers();
    destroy();
}

/* They come and go with what is taken; a closed block has none to offer. */
static void holes__are_counted(void **unused)
{
    (void)unused;
    create_huge(8, 0);
    fill_a_huge_block();
    assert_int_equal(arena->n_pages_idle, 0);
    make_holes(2);
    assert_int_equal(arena->n_pages_idle, BLOCK / 2);
    fillers[0] = take_for(ZS_USE_DENSE, HOLE);
    assert_int_equal(arena->n_pages_idle, BLOCK / 2 - HOLE);
    assert_true(zs_block_close(arena, fillers[0] / BLOCK));
    assert_int_equal(arena->n_pages_idle, 0);
    zs_block_reopen(arena, fillers[0] / BLOCK);
    assert_int_equal(arena->n_pages_idle, BLOCK / 2 - HOLE);
    drop_fillers();
    destroy();
}

/* Objects: some 780 in zspages that are filled little by little, and what comes
 * then in dense ones of 28 pages. Not as many as the holes have room for. */
#define IN_HOLES 1300u

/* Without those that lie across two pages. */
static unsigned n_in_block(uint32_t block)
{
    unsigned found = 0;

    for (unsigned i = 0; i < IN_HOLES; i++) {
        found += page_of(objects[i]) / BLOCK == block;
    }
    return found;
}

static void create_objects_in_holes(void)
{
    unsigned char bytes[1000];
    struct zs_pool_config cfg = { .arena = arena };

    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    for (unsigned i = 0; i < IN_HOLES; i++) {
        memset(bytes, (int)i, sizeof(bytes));
        assert_int_equal(zs_obj_create(pool, bytes, sizeof(bytes), &objects[i]),
                         0);
    }
}

static void free_and_destroy_pool(unsigned step)
{
    for (unsigned i = 0; i < IN_HOLES; i += step) {
        zs_free(pool, objects[i]);
    }
    zs_pool_destroy(pool);
}

static void first_objects_are_right(unsigned step)
{
    unsigned char local[ZS_LOCAL_COPY_BYTES];

    for (unsigned i = 0; i < IN_HOLES; i += step) {
        const unsigned char *p = zs_obj_read_begin(pool, objects[i], local);

        for (unsigned at = 0; at < 1000; at++) {
            assert_int_equal(p[at], (unsigned char)i);
        }
        zs_obj_read_end(pool);
    }
}

static void dense_zspages__are_put_together_from_holes(void **unused)
{
    uint32_t block;

    (void)unused;
    create_huge(16, 0);
    fill_a_huge_block();
    block = fillers[1] / BLOCK;
    make_holes(2);
    create_objects_in_holes();
    assert_int_equal(n_asked, 1); /* no other huge block */
    assert_true(n_in_block(block) > 300);
    first_objects_are_right(1);
    assert_figures_are_true();
    free_and_destroy_pool(1);
    drop_fillers();
    destroy();
}

/* The fillers cannot move, so the block stays and takes what is left. */
static void zspages_in_holes__can_be_compacted(void **unused)
{
    struct zs_compact_result r;

    (void)unused;
    create_huge(16, 0);
    fill_a_huge_block();
    make_holes(2);
    create_objects_in_holes();
    for (unsigned i = 0; i < IN_HOLES; i++) {
        if (i % 4 != 0) {
            zs_free(pool, objects[i]);
        }
    }
    assert_int_equal(zs_compact(arena, &r), 0);
    assert_true(r.objects_moved > 0);
    first_objects_are_right(4);
    assert_figures_are_true();
    free_and_destroy_pool(4);
    drop_fillers();
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_int_equal(stats().resident_bytes, 0);
    assert_int_equal(arena->n_pages_idle, 0);
    destroy();
}

/* Whatever the system says, the figures are true. */
static void real_system__is_believed(void **unused)
{
    zs_pfn_t page;

    (void)unused;
    zs_os.populate_huge = real_os.populate_huge;
    zs_os.forbid_huge = real_os.forbid_huge;
    create_huge(4, 0);
    page = take_for(ZS_USE_DENSE, 16);
    assert_int_equal(n_in_core(), is_huge(page) ? BLOCK : 0);
    assert_figures_are_true();
    zs_pages_free(arena, page, 16);
    (void)zs_arena_trim(arena, 0);
    assert_int_equal(n_in_core(), 0);
    page = take_for(ZS_USE_SPARSE, 16);
    assert_int_equal(zs_pages_populate(arena, page, 1), 0);
    assert_int_equal(n_in_core(), 1); /* nothing is left of "huge" */
    zs_pages_free(arena, page, 16);
    destroy();
}

#undef PROMISE
#define PROMISE(f) cmocka_unit_test_setup_teardown(f, watch_huge, restore_os)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(dense_pages__open_a_huge_block_and_share_it),
        PROMISE(sparse_and_bare_pages__keep_out),
        PROMISE(last_pages_of_the_range__are_for_all_but_bare_ones),
        PROMISE(idle_huge_blocks__serve_sparse_pages_too),
        PROMISE(small_arena__has_none_by_default),
        PROMISE(limit__keeps_huge_blocks_away),
        PROMISE(pass_that_packs__opens_none_and_fills_holes),
        PROMISE(create__knows_three_answers),
        PROMISE(refused_block__is_a_small_one),
        PROMISE(system_that_refuses__is_asked_less_and_less),
        PROMISE(pages_of_a_huge_block__keep_their_memory),
        PROMISE(empty_huge_block__goes_back_whole),
        PROMISE(empty_huge_block__stays_when_the_system_refuses),
        PROMISE(emptied_blocks__are_kept_while_a_pass_asks_for_it),
        PROMISE(retired_page__makes_its_block_small),
        PROMISE(offline__takes_huge_blocks),
        PROMISE(balloon__takes_no_page_of_a_huge_block),
        PROMISE(compact__leaves_no_holes),
        PROMISE(compact__leaves_no_block_that_nothing_fits_into),
        PROMISE(trim__moves_ends_out_of_huge_blocks),
        PROMISE(at_the_limit__holes_are_used),
        PROMISE(holes__are_preferred_when_none_is_long_enough),
        PROMISE(few_holes__are_left_alone),
        PROMISE(holes__are_counted),
        PROMISE(dense_zspages__are_put_together_from_holes),
        PROMISE(zspages_in_holes__can_be_compacted),
        PROMISE(real_system__is_believed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
