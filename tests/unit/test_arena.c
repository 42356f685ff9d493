/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of lib/page: arenas, their pages, and the memory behind them.
 *
 * What an arena says about its memory is held against mincore(2) of its range.
 */
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "os.h"
#include "page.h"
#include "zspool/arena.h"
#include "zspool/stats.h"

#define MIB ((size_t)1 << 20)
#define PAGE ((size_t)ZS_PAGE_BYTES)
#define BLOCK ZS_BLOCK_PAGES /* pages */
#define MAX_PAGES 8192u      /* of the arenas in this file */

static struct zs_arena *arena;
static zs_page_type_t type;

/* --- the operating system, counted and made to fail --- */

static struct zs_os real_os;
static int n_reserved, n_allocated;
static int refuse_reserve, refuse_alloc; /* the k-th call fails; 0: none */
static int refuse_populate, refuse_release;
static unsigned populate_before_refusal; /* pages */
static unsigned n_releases;

static bool is_refused(int *k)
{
    return *k > 0 && --*k == 0;
}

static void *fake_reserve(size_t bytes, size_t align)
{
    if (is_refused(&refuse_reserve)) {
        return NULL;
    }
    n_reserved++;
    return real_os.reserve(bytes, align);
}

static void fake_unreserve(void *addr, size_t bytes)
{
    n_reserved--;
    real_os.unreserve(addr, bytes);
}

static void *fake_alloc(size_t bytes)
{
    if (is_refused(&refuse_alloc)) {
        return NULL;
    }
    n_allocated++;
    return real_os.alloc(bytes);
}

static void fake_free(void *p)
{
    n_allocated--;
    real_os.free(p);
}

static int fake_populate(void *addr, size_t bytes)
{
    if (is_refused(&refuse_populate)) {
        memset(addr, 0, populate_before_refusal * PAGE);
        return -ENOMEM;
    }
    return real_os.populate(addr, bytes);
}

static int fake_release(void *addr, size_t bytes)
{
    n_releases++;
    return is_refused(&refuse_release) ? -EAGAIN : real_os.release(addr, bytes);
}

static int watch_os(void **unused)
{
    (void)unused;
    real_os = zs_os;
    zs_os.reserve = fake_reserve;
    zs_os.unreserve = fake_unreserve;
    zs_os.alloc = fake_alloc;
    zs_os.free = fake_free;
    zs_os.populate = fake_populate;
    zs_os.release = fake_release;
    n_reserved = n_allocated = 0;
    refuse_reserve = refuse_alloc = refuse_populate = refuse_release = 0;
    populate_before_refusal = 0;
    return 0;
}

static int restore_os(void **unused)
{
    (void)unused;
    zs_os = real_os;
    return n_reserved != 0 || n_allocated != 0;
}

/* --- an arena with one page type --- */

static void create(size_t blocks, size_t retain_bytes, size_t limit_bytes)
{
    struct zs_arena_config cfg = { .reserve_bytes = blocks * ZS_BLOCK_BYTES,
                                   .retain_bytes = retain_bytes,
                                   .limit_bytes = limit_bytes };

    assert_int_equal(zs_arena_create(&cfg, &arena), 0);
    assert_int_equal(zs_page_type_create(arena, "test", &type), 0);
}

static void destroy(void)
{
    assert_int_equal(zs_page_type_destroy(arena, type), 0);
    zs_arena_destroy(arena);
}

static struct zs_arena_stats stats(void)
{
    struct zs_arena_stats s;

    zs_arena_stats(arena, &s);
    return s;
}

static zs_pfn_t take(unsigned n)
{
    zs_pfn_t first = ZS_PFN_NONE;

    assert_int_equal(zs_pages_alloc(arena, type, n, &first), 0);
    return first;
}

static zs_pfn_t take_populated(unsigned n)
{
    zs_pfn_t first = take(n);

    assert_int_equal(zs_pages_populate(arena, first, n), 0);
    return first;
}

static enum zs_page_state state_of(zs_pfn_t pfn)
{
    return zs_word_state(zs_page_word(zs_page(arena, pfn)));
}

/* Fill a page with its number, and look for it later. */
static void write_page(zs_pfn_t pfn)
{
    uint32_t *p = zs_page_addr(arena, pfn);

    for (unsigned i = 0; i < PAGE / sizeof(*p); i++) {
        p[i] = pfn + i;
    }
}

static void assert_page_intact(zs_pfn_t pfn)
{
    const uint32_t *p = zs_page_addr(arena, pfn);

    for (unsigned i = 0; i < PAGE / sizeof(*p); i++) {
        assert_int_equal(p[i], pfn + i);
    }
}

/* One byte per page of the range: is there memory behind it? */
static const unsigned char *ask_mincore(void)
{
    static unsigned char vec[MAX_PAGES];

    assert_true(arena->bytes <= MAX_PAGES * PAGE);
    assert_int_equal(mincore(arena->base, arena->bytes, vec), 0);
    return vec;
}

static unsigned n_in_core(void)
{
    const unsigned char *vec = ask_mincore();
    unsigned n = 0;

    for (size_t i = 0; i < arena->bytes / PAGE; i++) {
        n += vec[i] & 1;
    }
    return n;
}

/* The resident bits say what mincore says, and the figures add up. */
static void assert_figures_are_true(void)
{
    const unsigned char *vec = ask_mincore();
    struct zs_arena_stats s = stats();
    uint64_t n_resident = 0;
    uint64_t n_used = 0;

    for (zs_pfn_t i = 0; i < arena->bytes / PAGE; i++) {
        const struct zs_block *b = &arena->blocks[i / BLOCK];
        bool used = zs_bit_test(b->used, i % BLOCK);

        if ((vec[i] & 1) != zs_bit_test(b->resident, i % BLOCK)) {
            fail_msg("page %u: mincore says %d", i, vec[i] & 1);
        }
        assert_int_equal(state_of(i) != ZS_PAGE_FREE, used); /* A1 */
        n_resident += vec[i] & 1;
        n_used += used;
    }
    assert_int_equal(s.resident_bytes, n_resident * PAGE);
    assert_int_equal(s.used_bytes, n_used * PAGE);
    assert_int_equal(s.footprint_bytes, s.resident_bytes + s.metadata_bytes);
}

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

/* --- memory behind pages --- */

static void populate__makes_exactly_those_pages_resident(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(4, 0, 0);
    first = take(1100);
    assert_int_equal(zs_pages_populate(arena, first + 500, 30), 0);
    assert_int_equal(n_in_core(), 30);
    assert_false(zs_page_is_resident(arena, first + 499));
    assert_true(zs_page_is_resident(arena, first + 500));
    assert_true(zs_page_is_resident(arena, first + 529));
    assert_false(zs_page_is_resident(arena, first + 530));
    assert_figures_are_true();
    zs_pages_free(arena, first, 1100);
    destroy();
}

static void populate__keeps_what_is_there(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(4, 0, 0);
    first = take(64);
    assert_int_equal(zs_pages_populate(arena, first + 10, 5), 0);
    for (unsigned i = 10; i < 15; i++) {
        write_page(first + i);
    }
    assert_int_equal(zs_pages_populate(arena, first, 64), 0);
    assert_int_equal(zs_pages_populate(arena, first, 64), 0);
    for (unsigned i = 10; i < 15; i++) {
        assert_page_intact(first + i);
    }
    assert_int_equal(stats().resident_bytes, 64 * PAGE);
    zs_pages_free(arena, first, 64);
    destroy();
}

static void depopulate__gives_the_memory_back_but_not_the_pages(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(4, 0, 0);
    first = take_populated(100);
    write_page(first);
    zs_pages_depopulate(arena, first + 1, 99);
    assert_int_equal(n_in_core(), 1);
    assert_int_equal(stats().bytes_released, 99 * PAGE);
    assert_int_equal(stats().used_bytes, 100 * PAGE);
    assert_page_intact(first);
    assert_figures_are_true();
    zs_pages_free(arena, first, 100);
    destroy();
}

/* A freed page keeps its memory for the next owner. */
static void free__leaves_the_memory_in_a_block_in_use(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(4, 0, 0);
    first = take_populated(100);
    zs_pages_free(arena, first + 50, 50);
    assert_int_equal(n_in_core(), 100);
    assert_figures_are_true();
    zs_pages_free(arena, first, 50);
    destroy();
}

/* --- the limit --- */

/* Populate page by page until the limit; returns how many there are then. */
static unsigned populate_to_the_limit(zs_pfn_t first, unsigned n)
{
    unsigned i = 0;

    while (i < n && zs_pages_populate(arena, first + i, 1) == 0) {
        write_page(first + i);
        i++;
    }
    return i;
}

static void populate__at_the_limit_is_enomem_and_changes_nothing(void **unused)
{
    struct zs_arena_stats s;
    zs_pfn_t first;
    unsigned n;

    (void)unused;
    create(8, 0, 4 * MIB);
    first = take(1500);
    n = populate_to_the_limit(first, 1500);
    s = stats();
    assert_in_range(n, 900, 1024);
    assert_true(s.footprint_bytes <= 4 * MIB);
    assert_true(s.footprint_bytes + PAGE > 4 * MIB);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(zs_pages_populate(arena, first + n, 1), -ENOMEM);
        assert_int_equal(zs_pages_populate(arena, first + n, 100), -ENOMEM);
    }
    assert_int_equal(stats().footprint_bytes, s.footprint_bytes);
    assert_figures_are_true();
    for (unsigned i = 0; i < n; i++) {
        assert_page_intact(first + i);
    }
    zs_pages_depopulate(arena, first, 10);
    assert_int_equal(zs_pages_populate(arena, first + n, 10), 0);
    zs_pages_free(arena, first, 1500);
    destroy();
}

/* Memory of free pages must not stand in the way of those that are used. */
static void populate__at_the_limit_takes_idle_memory(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(8, 0, 4 * MIB);
    first = take_populated(900);
    for (unsigned i = 300; i < 900; i++) {
        zs_pages_free(arena, first + i, 1);
    }
    assert_int_equal(n_in_core(), 900);
    zs_pages_depopulate(arena, first, 300);
    assert_int_equal(zs_pages_populate(arena, first, 300), 0);
    assert_int_equal(zs_pages_populate(arena, take(600), 600), 0);
    assert_true(stats().footprint_bytes <= 4 * MIB);
    assert_figures_are_true();
    for (zs_pfn_t i = 0; i < arena->bytes / PAGE; i++) {
        if (state_of(i) != ZS_PAGE_FREE) {
            zs_pages_free(arena, i, 1);
        }
    }
    destroy();
}

static void alloc__at_the_limit_is_enomem_and_changes_nothing(void **unused)
{
    struct zs_arena_stats s;
    zs_pfn_t none = 12345;

    (void)unused;
    create(8, 0, 1); /* not even the metadata of a block */
    s = stats();
    assert_int_equal(zs_pages_alloc(arena, type, 1, &none), -ENOMEM);
    assert_int_equal(zs_pages_alloc(arena, type, 1000, &none), -ENOMEM);
    assert_int_equal(none, 12345);
    assert_memory_equal(&s, &(struct zs_arena_stats[]){ stats() }[0],
                        sizeof(s));
    destroy();
}

static void charge_metadata__counts_against_the_limit(void **unused)
{
    struct zs_arena_stats before;

    (void)unused;
    create(8, 0, 4 * MIB);
    before = stats();
    assert_int_equal(zs_arena_charge_metadata(arena, 3 * MIB), 0);
    assert_int_equal(stats().metadata_bytes, before.metadata_bytes + 3 * MIB);
    assert_int_equal(zs_arena_charge_metadata(arena, 2 * MIB), -ENOMEM);
    assert_int_equal(stats().metadata_bytes, before.metadata_bytes + 3 * MIB);
    assert_int_equal(stats().resident_bytes, 0);
    zs_budget_uncharge_metadata(&arena->budget, 3 * MIB);
    destroy();
}

/* --- the system refuses --- */

static void populate__that_fails_changes_nothing(void **unused)
{
    struct zs_arena_stats s;
    zs_pfn_t first;

    (void)unused;
    create(4, 0, 0);
    first = take(50);
    s = stats();
    refuse_populate = 1;
    assert_int_equal(zs_pages_populate(arena, first, 50), -ENOMEM);
    assert_memory_equal(&s, &(struct zs_arena_stats[]){ stats() }[0],
                        sizeof(s));
    assert_figures_are_true();
    assert_int_equal(zs_pages_populate(arena, first, 50), 0);
    assert_figures_are_true();
    zs_pages_free(arena, first, 50);
    destroy();
}

/* The system has made some pages resident and then found no more memory. */
static void
populate__that_fails_half_way_leaves_nothing_uncounted(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(4, 0, 0);
    first = take(50);
    assert_int_equal(zs_pages_populate(arena, first + 20, 5), 0);
    write_page(first + 22);
    populate_before_refusal = 12;
    refuse_populate = 1;
    assert_int_equal(zs_pages_populate(arena, first, 50), -ENOMEM);
    assert_figures_are_true();
    assert_page_intact(first + 22);
    zs_pages_free(arena, first, 50);
    destroy();
}

static void
populate__of_two_blocks_keeps_the_first_when_the_second_fails(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(4, 0, 0);
    first = take(1024);
    refuse_populate = 2;
    assert_int_equal(zs_pages_populate(arena, first, 1024), -ENOMEM);
    assert_int_equal(n_in_core(), 512);
    assert_figures_are_true();
    zs_pages_free(arena, first, 1024);
    destroy();
}

/* Whatever release call fails: the block is as it was, or gone. */
static void free__survives_a_failed_release(void **unused)
{
    (void)unused;
    for (int k = 1; k <= 2; k++) { /* the block and its descriptors */
        zs_pfn_t first;

        create(1, ZS_RETAIN_NOTHING, 0);
        first = take_populated(BLOCK);
        refuse_release = k;
        zs_pages_free(arena, first, BLOCK);
        assert_int_equal(refuse_release, 0);
        assert_int_equal(stats().used_bytes, 0);
        assert_int_equal(stats().n_blocks_used, 1); /* stays */
        assert_int_equal(stats().n_blocks_released, 0);
        assert_figures_are_true();
        assert_int_equal(take(BLOCK), first); /* nothing is lost */
        assert_int_equal(zs_pages_populate(arena, first, BLOCK), 0);
        memset(zs_page_addr(arena, first), 1, BLOCK * PAGE);
        assert_figures_are_true();
        zs_pages_free(arena, first, BLOCK);
        assert_int_equal(stats().n_blocks_used, 0);
        assert_figures_are_true();
        destroy();
    }
}

/* The first slice is refused, or a later one, or none. */
static void trim__survives_a_failed_release(void **unused)
{
    (void)unused;
    for (int k = 1; k <= 5; k++) {
        zs_pfn_t first;

        create(1, 0, 0);
        first = take_populated(300);
        zs_pages_free(arena, first + 100, 200);
        write_page(first + 99);
        refuse_release = k;
        (void)zs_arena_trim(arena, 0);
        refuse_release = 0;
        assert_figures_are_true();
        assert_int_equal(take(412), first + 100); /* has all its room */
        zs_pages_free(arena, first + 100, 412);
        (void)zs_arena_trim(arena, 0);
        assert_int_equal(n_in_core(), 100);
        assert_int_equal(stats().bytes_released, 200 * PAGE);
        assert_page_intact(first + 99);
        assert_figures_are_true();
        zs_pages_free(arena, first, 100);
        destroy();
    }
}

static void depopulate__that_fails_stays_counted(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(1, 0, 0);
    first = take_populated(30);
    refuse_release = 1;
    zs_pages_depopulate(arena, first, 30);
    assert_figures_are_true();
    assert_int_equal(stats().bytes_released, 0);
    zs_pages_depopulate(arena, first, 30);
    assert_int_equal(n_in_core(), 0);
    assert_figures_are_true();
    zs_pages_free(arena, first, 30);
    destroy();
}

/* --- giving memory back --- */

static void trim__gives_back_the_memory_of_free_pages_alone(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(4, 0, 0);
    first = take_populated(1000);
    for (unsigned i = 0; i < 1000; i += 2) {
        write_page(first + i);
        zs_pages_free(arena, first + i + 1, 1);
    }
    assert_int_equal(n_in_core(), 1000);
    assert_int_equal(zs_arena_trim(arena, 0), 500 * PAGE);
    assert_int_equal(n_in_core(), 500);
    assert_int_equal(stats().bytes_released, 500 * PAGE);
    assert_figures_are_true();
    for (unsigned i = 0; i < 1000; i += 2) {
        assert_page_intact(first + i);
        zs_pages_free(arena, first + i, 1);
    }
    destroy();
}

static void trim__of_nothing_makes_no_call(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(4, 0, 0);
    first = take_populated(100);
    n_releases = 0;
    assert_int_equal(zs_arena_trim(arena, 0), 0);
    assert_int_equal(n_releases, 0);
    zs_pages_free(arena, first, 100);
    destroy();
}

static void trim__keeps_as_many_empty_blocks_as_asked(void **unused)
{
    zs_pfn_t blocks[4];

    (void)unused;
    create(4, 4 * ZS_BLOCK_BYTES, 0);
    for (unsigned i = 0; i < 4; i++) {
        blocks[i] = take_populated(BLOCK);
    }
    for (unsigned i = 0; i < 4; i++) {
        zs_pages_free(arena, blocks[i], BLOCK);
    }
    assert_int_equal(n_in_core(), 4 * BLOCK); /* all retained */
    assert_int_equal(zs_arena_trim(arena, 3), ZS_BLOCK_BYTES);
    assert_int_equal(n_in_core(), 3 * BLOCK);
    assert_int_equal(zs_arena_trim(arena, 3), 0);
    assert_int_equal(zs_arena_trim(arena, 0), 3 * ZS_BLOCK_BYTES);
    assert_int_equal(n_in_core(), 0);
    assert_int_equal(stats().n_blocks_used, 0);
    assert_int_equal(stats().n_blocks_released, 4);
    assert_figures_are_true();
    destroy();
}

static void free__gives_empty_blocks_back_beyond_the_retained(void **unused)
{
    zs_pfn_t blocks[5];

    (void)unused;
    create(5, 2 * ZS_BLOCK_BYTES, 0);
    for (unsigned i = 0; i < 5; i++) {
        blocks[i] = take_populated(BLOCK);
    }
    for (unsigned i = 0; i < 5; i++) {
        zs_pages_free(arena, blocks[i], BLOCK);
    }
    assert_int_equal(n_in_core(), 2 * BLOCK);
    assert_int_equal(stats().n_blocks_released, 3);
    assert_int_equal(stats().bytes_released, 3 * ZS_BLOCK_BYTES);
    assert_figures_are_true();
    destroy();
}

static void free__of_a_retained_block_is_not_counted_twice(void **unused)
{
    zs_pfn_t blocks[3];

    (void)unused;
    create(3, ZS_BLOCK_BYTES, 0);
    for (unsigned i = 0; i < 3; i++) {
        blocks[i] = take_populated(BLOCK);
    }
    for (unsigned round = 0; round < 5; round++) {
        zs_pages_free(arena, blocks[0], BLOCK);   /* idle */
        assert_int_equal(take(BLOCK), blocks[0]); /* and used again */
    }
    zs_pages_free(arena, blocks[1], BLOCK);
    assert_int_equal(n_in_core(), 3 * BLOCK); /* the one to retain */
    zs_pages_free(arena, blocks[2], BLOCK);
    zs_pages_free(arena, blocks[0], BLOCK);
    assert_int_equal(n_in_core(), BLOCK);
    destroy();
}

static void retain_nothing__gives_every_empty_block_back(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(2, ZS_RETAIN_NOTHING, 0);
    first = take_populated(10);
    assert_int_equal(stats().n_blocks_used, 1);
    zs_pages_free(arena, first, 10);
    assert_int_equal(stats().n_blocks_used, 0);
    assert_int_equal(n_in_core(), 0);
    assert_figures_are_true();
    destroy();
}

static void block__leaves_only_its_struct_when_it_is_given_back(void **unused)
{
    uint64_t before;
    zs_pfn_t first;

    (void)unused;
    create(2, ZS_RETAIN_NOTHING, 0);
    before = stats().metadata_bytes;
    first = take_populated(10);
    assert_int_equal(stats().metadata_bytes,
                     before + PAGE + sizeof(struct zs_block));
    zs_pages_free(arena, first, 10);
    assert_int_equal(stats().metadata_bytes, before + sizeof(struct zs_block));
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

static void closed_block__is_not_trimmed(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(2, 0, 0);
    first = take_populated(100);
    zs_pages_free(arena, first, 50);
    assert_true(zs_block_close(arena, first / BLOCK));
    assert_int_equal(zs_arena_trim(arena, 0), 0);
    zs_block_reopen(arena, first / BLOCK);
    assert_int_equal(zs_arena_trim(arena, 0), 50 * PAGE);
    zs_pages_free(arena, first + 50, 50);
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

/* --- at random --- */

#define MAX_RUNS 200u
static struct {
    zs_pfn_t first;
    unsigned n;
} runs[MAX_RUNS];
static unsigned n_runs;
static uint64_t random_state;

static unsigned random_below(unsigned n)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(random_state >> 33) % n;
}

static void take_at_random(void)
{
    unsigned n = 1 + random_below(random_below(20) == 0 ? 1200 : 40);
    zs_pfn_t first;

    if (n_runs < MAX_RUNS && zs_pages_alloc(arena, type, n, &first) == 0) {
        runs[n_runs].first = first;
        runs[n_runs].n = n;
        n_runs++;
    }
}

static void free_at_random(void)
{
    if (n_runs > 0) {
        unsigned i = random_below(n_runs);

        zs_pages_free(arena, runs[i].first, runs[i].n);
        runs[i] = runs[--n_runs];
    }
}

/* Populate, or depopulate, some pages of a run, within one block. */
static void change_memory_at_random(void)
{
    unsigned i, at, n, room;

    if (n_runs == 0) {
        return;
    }
    i = random_below(n_runs);
    at = random_below(runs[i].n);
    n = 1 + random_below(runs[i].n - at);
    room = BLOCK - (runs[i].first + at) % BLOCK;
    n = n < room ? n : room;
    if (random_below(3) == 0) {
        zs_pages_depopulate(arena, runs[i].first + at, n);
    } else {
        (void)zs_pages_populate(arena, runs[i].first + at, n);
    }
}

static void close_or_reopen_at_random(void)
{
    uint32_t block = random_below(arena->n_blocks);

    if (!zs_block_close(arena, block)) {
        zs_block_reopen(arena, block);
    }
}

static void do_something_at_random(void)
{
    unsigned what = random_below(100);

    if (what < 30) {
        take_at_random();
    } else if (what < 55) {
        free_at_random();
    } else if (what < 94) {
        change_memory_at_random();
    } else if (what < 96) {
        (void)zs_arena_trim(arena, random_below(3));
    } else {
        close_or_reopen_at_random();
    }
}

/* A2, A3 and K1, K2 of each block. */
static void assert_blocks_are_valid(void)
{
    uint32_t idle = 0;
    uint32_t used = 0;

    for (uint32_t i = 0; i < arena->n_blocks; i++) {
        const struct zs_block *b = &arena->blocks[i];

        assert_int_not_equal(b->state, ZS_BLOCK_BUSY);
        assert_int_equal(zs_bit_test(arena->not_empty, i),
                         b->state != ZS_BLOCK_EMPTY);
        if (b->state != ZS_BLOCK_EMPTY) {
            assert_true(zs_block_is_valid(b));
        } else {
            assert_int_equal(b->n_used + b->n_resident, 0);
        }
        idle += b->state == ZS_BLOCK_OPEN && b->n_used == 0;
        used += b->state != ZS_BLOCK_EMPTY;
    }
    assert_int_equal(idle, arena->n_blocks_idle);
    assert_int_equal(used, stats().n_blocks_used);
}

static void use_at_random(uint64_t seed, size_t limit_bytes)
{
    random_state = seed;
    n_runs = 0;
    create(8, ZS_BLOCK_BYTES, limit_bytes);
    for (unsigned i = 0; i < 2000; i++) {
        do_something_at_random();
        assert_true(limit_bytes == 0 ||
                    stats().footprint_bytes <= limit_bytes); /* B1 */
        if (i % 20 == 0) {
            assert_figures_are_true();
            assert_blocks_are_valid();
        }
    }
    while (n_runs > 0) {
        free_at_random();
    }
    assert_figures_are_true();
    assert_blocks_are_valid();
    for (uint32_t i = 0; i < arena->n_blocks; i++) {
        zs_block_reopen(arena, i);
    }
    (void)zs_arena_trim(arena, 0);
    assert_int_equal(n_in_core(), 0);
    assert_int_equal(stats().n_blocks_used, 0);
    destroy();
}

static void random_use__keeps_figures_and_mincore_together(void **unused)
{
    (void)unused;
    use_at_random(1, 0);
    use_at_random(2, 0);
}

static void random_use__stays_below_the_limit(void **unused)
{
    (void)unused;
    use_at_random(3, 3 * MIB);
}

#define PROMISE(f) cmocka_unit_test_setup_teardown(f, watch_os, restore_os)

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
        PROMISE(alloc__at_the_limit_is_enomem_and_changes_nothing),
        PROMISE(free__lets_the_pages_be_used_again),
        PROMISE(populate__makes_exactly_those_pages_resident),
        PROMISE(populate__keeps_what_is_there),
        PROMISE(populate__at_the_limit_is_enomem_and_changes_nothing),
        PROMISE(populate__at_the_limit_takes_idle_memory),
        PROMISE(populate__that_fails_changes_nothing),
        PROMISE(populate__that_fails_half_way_leaves_nothing_uncounted),
        PROMISE(populate__of_two_blocks_keeps_the_first_when_the_second_fails),
        PROMISE(depopulate__gives_the_memory_back_but_not_the_pages),
        PROMISE(depopulate__that_fails_stays_counted),
        PROMISE(free__leaves_the_memory_in_a_block_in_use),
        PROMISE(free__survives_a_failed_release),
        PROMISE(free__gives_empty_blocks_back_beyond_the_retained),
        PROMISE(free__of_a_retained_block_is_not_counted_twice),
        PROMISE(retain_nothing__gives_every_empty_block_back),
        PROMISE(block__leaves_only_its_struct_when_it_is_given_back),
        PROMISE(charge_metadata__counts_against_the_limit),
        PROMISE(trim__gives_back_the_memory_of_free_pages_alone),
        PROMISE(trim__of_nothing_makes_no_call),
        PROMISE(trim__keeps_as_many_empty_blocks_as_asked),
        PROMISE(trim__survives_a_failed_release),
        PROMISE(closed_block__gives_no_pages),
        PROMISE(closed_block__is_not_trimmed),
        PROMISE(closed_block__is_given_back_when_it_is_empty),
        PROMISE(close__is_refused_unless_the_block_is_open),
        PROMISE(reopen__of_an_empty_block_gives_it_back),
        PROMISE(random_use__keeps_figures_and_mincore_together),
        PROMISE(random_use__stays_below_the_limit),
    };
    return cmocka_run_group_tests_name("arena", tests, NULL, NULL);
}
