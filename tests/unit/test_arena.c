/* SPDX-License-Identifier: MIT */
/* Unit tests of arenas and of taking pages (lib/page). */
#include "arena_fixture.h"

/* --- create and destroy --- */

static void create__with_all_defaults(void **unused)
{
    (void)unused;
    assert_int_equal(zs_arena_create(NULL, &arena), 0);
    assert_int_equal(arena->bytes, (size_t)64 << 30);
    assert_int_equal(arena->retain_blocks, arena->n_blocks); /* no bound */
    assert_int_equal(stats().limit_bytes, 0);
    assert_int_equal(stats().resident_bytes, 0);
    zs_arena_destroy(arena);
}

static void create__rounds_the_range_up_to_whole_blocks(void **unused)
{
    struct zs_arena_config cfg = { .reserve_bytes = ZS_BLOCK_BYTES + 1 };

    (void)unused;
    assert_int_equal(zs_arena_create(&cfg, &arena), 0);
    assert_int_equal(arena->bytes, 2 * ZS_BLOCK_BYTES);
    assert_int_equal((uintptr_t)arena->base % ZS_BLOCK_BYTES, 0);
    zs_arena_destroy(arena);
}

static void create__of_more_than_4_tib_is_einval(void **unused)
{
    struct zs_arena_config cfg = { .reserve_bytes = ((size_t)4 << 40) + 1 };
    struct zs_arena *none = NULL;

    (void)unused;
    assert_int_equal(zs_arena_create(&cfg, &none), -EINVAL);
    cfg.reserve_bytes = SIZE_MAX;
    assert_int_equal(zs_arena_create(&cfg, &none), -EINVAL);
    assert_null(none);
}

static void create__leaves_nothing_when_the_system_refuses(void **unused)
{
    struct zs_arena *none = NULL;
    int k = 0;
    int err;

    (void)unused;
    refuse_alloc = 1;
    assert_int_equal(zs_arena_create(NULL, &none), -ENOMEM);
    do { /* the first call refused, the second, ... until none is */
        refuse_reserve = ++k;
        err = zs_arena_create(NULL, &none);
        if (err) {
            assert_int_equal(err, -ENOMEM);
            assert_int_equal(n_reserved, 0);
            assert_int_equal(n_allocated, 0);
            assert_null(none);
        }
    } while (err);
    assert_true(k > 4); /* range, descriptors, blocks, map */
    zs_arena_destroy(none);
}

static void destroy__of_null_does_nothing(void **unused)
{
    (void)unused;
    zs_arena_destroy(NULL);
}

static void destroy__with_a_page_type_aborts(void **unused)
{
    int status;
    pid_t child;

    (void)unused;
    create(1, 0, 0);
    child = fork();
    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO); /* the message is expected */
        zs_arena_destroy(arena);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    destroy();
}

/* --- taking pages --- */

static void alloc__gives_owned_pages_of_the_type_side_by_side(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(4, 0, 0);
    first = take(20);
    for (unsigned i = 0; i < 20; i++) {
        assert_int_equal(state_of(first + i), ZS_PAGE_OWNED);
        assert_int_equal(zs_word_type(zs_page_word(zs_page(arena, first + i))),
                         type);
        assert_int_equal(zs_page_owner(arena, first + i), 0);
    }
    assert_int_equal(state_of(first + 20), ZS_PAGE_FREE);
    assert_int_equal(stats().used_bytes, 20 * PAGE);
    zs_pages_free(arena, first, 20);
    destroy();
}

static void alloc__makes_nothing_resident(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(4, 0, 0);
    first = take(600);
    assert_int_equal(n_in_core(), 0);
    assert_figures_are_true();
    zs_pages_free(arena, first, 600);
    destroy();
}

static void alloc__of_1_to_512_stays_in_one_block(void **unused)
{
    (void)unused;
    create(4, 0, 0);
    for (unsigned n = 1; n <= BLOCK; n++) {
        zs_pfn_t a = take(n);
        zs_pfn_t b = take(n);

        assert_int_equal(a / BLOCK, (a + n - 1) / BLOCK);
        assert_int_equal(b / BLOCK, (b + n - 1) / BLOCK);
        assert_true(a + n <= b || b + n <= a);
        zs_pages_free(arena, a, n);
        zs_pages_free(arena, b, n);
    }
    assert_int_equal(stats().used_bytes, 0);
    destroy();
}

static void alloc__of_more_begins_with_a_block(void **unused)
{
    static const unsigned lengths[] = { 513, 1024, 1025, 1500, 2048 };

    (void)unused;
    create(8, 0, 0);
    for (unsigned i = 0; i < 5; i++) {
        unsigned n = lengths[i];
        zs_pfn_t small = take(3);
        zs_pfn_t first = take_populated(n);

        assert_int_equal(first % BLOCK, 0);
        assert_figures_are_true();
        zs_pages_free(arena, first, n);
        zs_pages_free(arena, small, 3);
        assert_figures_are_true();
    }
    destroy();
}

/* The last block of a long run has room for others. */
static void alloc__uses_the_rest_behind_a_long_run(void **unused)
{
    zs_pfn_t first, small;

    (void)unused;
    create(2, 0, 0);
    first = take(513);
    small = take(511);
    assert_int_equal(small, first + 513);
    zs_pages_free(arena, first, 513);
    zs_pages_free(arena, small, 511);
    destroy();
}

static void alloc__takes_the_fullest_block_first(void **unused)
{
    zs_pfn_t blocks[3], page;

    (void)unused;
    create(3, 0, 0);
    for (unsigned i = 0; i < 3; i++) {
        blocks[i] = take(BLOCK);
    }
    zs_pages_free(arena, blocks[0] + 100, 100);
    zs_pages_free(arena, blocks[1] + 200, 80); /* the fullest */
    zs_pages_free(arena, blocks[2] + 100, 90);
    for (unsigned i = 0; i < 80; i++) {
        page = take(1);
        assert_int_equal(page / BLOCK, blocks[1] / BLOCK);
    }
    page = take(85); /* blocks[1] is full now, blocks[2] the next */
    assert_int_equal(page / BLOCK, blocks[2] / BLOCK);
    page = take(95); /* only blocks[0] has such a run */
    assert_int_equal(page / BLOCK, blocks[0] / BLOCK);
    zs_pages_free(arena, page, 95);
    page = take(5);
    assert_int_equal(page / BLOCK, blocks[2] / BLOCK);
    zs_pages_free(arena, blocks[0], 100);
    zs_pages_free(arena, blocks[0] + 200, 312);
    zs_pages_free(arena, blocks[1], BLOCK);
    zs_pages_free(arena, blocks[2], 190);
    zs_pages_free(arena, blocks[2] + 190, 322);
    destroy();
}

static void alloc__opens_the_lowest_empty_block(void **unused)
{
    zs_pfn_t blocks[4];

    (void)unused;
    create(5, ZS_RETAIN_NOTHING, 0);
    for (unsigned i = 0; i < 4; i++) {
        blocks[i] = take(BLOCK);
        assert_int_equal(blocks[i], i * BLOCK);
    }
    zs_pages_free(arena, blocks[2], BLOCK);
    zs_pages_free(arena, blocks[1], BLOCK);
    assert_int_equal(take(BLOCK), blocks[1]);
    assert_int_equal(take(BLOCK), blocks[2]);
    for (unsigned i = 0; i < 4; i++) {
        zs_pages_free(arena, blocks[i], BLOCK);
    }
    destroy();
}

static void alloc__of_a_used_up_range_is_enomem(void **unused)
{
    zs_pfn_t all[2];
    zs_pfn_t none = 12345;

    (void)unused;
    create(2, 0, 0);
    assert_int_equal(zs_pages_alloc(arena, type, 1025, &none), -ENOMEM);
    all[0] = take(BLOCK);
    all[1] = take(BLOCK);
    assert_int_equal(zs_pages_alloc(arena, type, 1, &none), -ENOMEM);
    assert_int_equal(none, 12345);
    assert_figures_are_true();
    zs_pages_free(arena, all[1] + 5, 3);
    assert_int_equal(zs_pages_alloc(arena, type, 4, &none), -ENOMEM);
    assert_int_equal(take(3), all[1] + 5);
    zs_pages_free(arena, all[0], BLOCK);
    zs_pages_free(arena, all[1], BLOCK);
    destroy();
}

static void free__lets_the_pages_be_used_again(void **unused)
{
    (void)unused;
    create(1, 0, 0);
    for (unsigned i = 0; i < 3000; i++) {
        unsigned n = 1 + i % 400;
        zs_pfn_t first = take(n);

        assert_int_equal(state_of(first), ZS_PAGE_OWNED);
        zs_pages_free(arena, first, n);
        assert_int_equal(state_of(first), ZS_PAGE_FREE);
    }
    assert_int_equal(stats().used_bytes, 0);
    assert_int_equal(stats().n_blocks_used, 1); /* retained */
    destroy();
}

/* --- closed blocks --- */

static void closed_block__gives_no_pages(void **unused)
{
    zs_pfn_t first, page;
    zs_pfn_t none;

    (void)unused;
    create(2, 0, 0);
    first = take(100);
    assert_true(zs_block_close(arena, first / BLOCK));
    page = take(BLOCK);
    assert_int_not_equal(page / BLOCK, first / BLOCK);
    assert_int_equal(zs_pages_alloc(arena, type, 1, &none), -ENOMEM);
    zs_block_reopen(arena, first / BLOCK);
    assert_int_equal(take(1) / BLOCK, first / BLOCK);
    zs_pages_free(arena, first, 101);
    zs_pages_free(arena, page, BLOCK);
    destroy();
}

/* At the limit an allocation takes idle memory wherever it is. */
static void closed_block__is_trimmed_and_stays_closed(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(2, 0, 0);
    first = take_populated(100);
    zs_pages_free(arena, first, 50);
    assert_true(zs_block_close(arena, first / BLOCK));
    assert_int_equal(zs_arena_trim(arena, 0), 50 * PAGE);
    assert_false(zs_block_close(arena, first / BLOCK));
    assert_int_equal(zs_block_pages_left(arena, first / BLOCK), 50);
    assert_int_equal(zs_arena_trim(arena, 0), 0);
    zs_block_reopen(arena, first / BLOCK);
    zs_pages_free(arena, first + 50, 50);
    destroy();
}

static void
held_block__is_trimmed_and_stays_held_when_it_is_empty(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(2, 0, 0);
    first = take_populated(100);
    assert_int_equal(zs_block_hold(arena, first / BLOCK), 0);
    zs_pages_free(arena, first, 100);
    assert_int_equal(zs_arena_trim(arena, 0), 100 * PAGE);
    assert_int_equal(stats().n_blocks_used, 1);
    assert_int_equal(zs_block_take_offline(arena, first / BLOCK), 0);
    zs_block_bring_online(arena, first / BLOCK);
    assert_int_equal(stats().n_blocks_used, 0);
    destroy();
}

static void closed_block__is_given_back_when_it_is_empty(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(2, 2 * ZS_BLOCK_BYTES, 0); /* retaining does not save it */
    first = take_populated(100);
    assert_true(zs_block_close(arena, first / BLOCK));
    zs_pages_free(arena, first, 99);
    assert_int_equal(stats().n_blocks_released, 0);
    zs_pages_free(arena, first + 99, 1);
    assert_int_equal(stats().n_blocks_released, 1);
    assert_int_equal(stats().n_blocks_used, 0);
    assert_int_equal(n_in_core(), 0);
    assert_figures_are_true();
    zs_block_reopen(arena, first / BLOCK); /* too late, and harmless */
    assert_int_equal(stats().n_blocks_used, 0);
    destroy();
}

static void close__is_refused_unless_the_block_is_open(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(2, 0, 0);
    first = take(1);
    assert_true(zs_block_close(arena, first / BLOCK));
    assert_false(zs_block_close(arena, first / BLOCK));
    assert_false(zs_block_close(arena, 1)); /* never used */
    zs_block_reopen(arena, first / BLOCK);
    zs_pages_free(arena, first, 1);
    destroy();
}

static void reopen__of_an_empty_block_gives_it_back(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(2, 2 * ZS_BLOCK_BYTES, 0);
    first = take_populated(7);
    zs_pages_free(arena, first, 7); /* idle, resident */
    assert_true(zs_block_close(arena, first / BLOCK));
    zs_block_reopen(arena, first / BLOCK);
    assert_int_equal(stats().n_blocks_used, 0);
    assert_int_equal(n_in_core(), 0);
    assert_figures_are_true();
    destroy();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(create__with_all_defaults),
        PROMISE(create__rounds_the_range_up_to_whole_blocks),
        PROMISE(create__of_more_than_4_tib_is_einval),
        PROMISE(create__leaves_nothing_when_the_system_refuses),
        PROMISE(destroy__of_null_does_nothing),
        PROMISE(destroy__with_a_page_type_aborts),
        PROMISE(alloc__gives_owned_pages_of_the_type_side_by_side),
        PROMISE(alloc__makes_nothing_resident),
        PROMISE(alloc__of_1_to_512_stays_in_one_block),
        PROMISE(alloc__of_more_begins_with_a_block),
        PROMISE(alloc__uses_the_rest_behind_a_long_run),
        PROMISE(alloc__takes_the_fullest_block_first),
        PROMISE(alloc__opens_the_lowest_empty_block),
        PROMISE(alloc__of_a_used_up_range_is_enomem),
        PROMISE(free__lets_the_pages_be_used_again),
        PROMISE(closed_block__gives_no_pages),
        PROMISE(closed_block__is_trimmed_and_stays_closed),
        PROMISE(held_block__is_trimmed_and_stays_held_when_it_is_empty),
        PROMISE(closed_block__is_given_back_when_it_is_empty),
        PROMISE(close__is_refused_unless_the_block_is_open),
        PROMISE(reopen__of_an_empty_block_gives_it_back),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
