/* SPDX-License-Identifier: MIT */
/* Unit tests of memory behind pages (lib/page/resident.c). */
#include "arena_fixture.h"

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

static void depopulate__reaches_across_block_borders(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(4, 0, 0);
    first = take_populated(1600);
    zs_pages_depopulate(arena, first + 500, 600); /* parts of three blocks */
    assert_int_equal(n_in_core(), 1000);
    assert_true(zs_page_is_resident(arena, first + 499));
    assert_true(zs_page_is_resident(arena, first + 1100));
    assert_figures_are_true();
    zs_pages_free(arena, first, 1600);
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

/* What is withheld has no memory: it counts at the limit and nowhere else. */
static void withhold__counts_at_the_limit_and_not_in_footprint(void **unused)
{
    struct zs_arena_stats before;
    zs_pfn_t first;

    (void)unused;
    create(4, 0, 2 * MIB);
    first = take(BLOCK);
    before = stats();
    assert_int_equal(zs_arena_withhold(arena, MIB), 0);
    assert_int_equal(stats().withheld_bytes, MIB);
    assert_int_equal(stats().footprint_bytes, before.footprint_bytes);
    assert_int_equal(stats().metadata_bytes, before.metadata_bytes);
    assert_int_equal(stats().resident_bytes, 0);
    assert_int_equal(populate_to_the_limit(first, BLOCK),
                     (MIB - before.footprint_bytes) / PAGE);
    assert_figures_are_true();
    assert_int_equal(zs_arena_withhold(arena, PAGE), -ENOMEM);
    assert_int_equal(stats().withheld_bytes, MIB);
    zs_budget_unwithhold(&arena->budget, MIB);
    assert_int_equal(stats().withheld_bytes, 0);
    assert_int_equal(populate_to_the_limit(first, BLOCK),
                     (2 * MIB - before.footprint_bytes) / PAGE);
    zs_pages_free(arena, first, BLOCK);
    destroy();
}

static void withhold__at_the_limit_takes_idle_memory(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create(4, 0, 2 * MIB);
    first = take(BLOCK);
    zs_pages_free(arena, first + 100,
                  populate_to_the_limit(first, BLOCK) - 100);
    assert_int_equal(zs_arena_withhold(arena, MIB), 0);
    assert_int_equal(n_in_core(), 100);
    assert_figures_are_true();
    zs_budget_unwithhold(&arena->budget, MIB);
    zs_pages_free(arena, first, 100);
    for (zs_pfn_t i = 100; i < BLOCK; i++) {
        if (state_of(first + i) != ZS_PAGE_FREE) {
            zs_pages_free(arena, first + i, 1);
        }
    }
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

/* Populate, or depopulate, some pages of a run. */
static void change_memory_at_random(void)
{
    if (n_runs > 0) {
        unsigned i = random_below(n_runs);
        unsigned at = random_below(runs[i].n);
        unsigned n = 1 + random_below(runs[i].n - at);

        if (random_below(3) == 0) {
            zs_pages_depopulate(arena, runs[i].first + at, n);
        } else {
            (void)zs_pages_populate(arena, runs[i].first + at, n);
        }
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(alloc__at_the_limit_is_enomem_and_changes_nothing),
        PROMISE(populate__makes_exactly_those_pages_resident),
        PROMISE(populate__keeps_what_is_there),
        PROMISE(populate__at_the_limit_is_enomem_and_changes_nothing),
        PROMISE(populate__at_the_limit_takes_idle_memory),
        PROMISE(populate__that_fails_changes_nothing),
        PROMISE(populate__that_fails_half_way_leaves_nothing_uncounted),
        PROMISE(populate__of_two_blocks_keeps_the_first_when_the_second_fails),
        PROMISE(depopulate__gives_the_memory_back_but_not_the_pages),
        PROMISE(depopulate__reaches_across_block_borders),
        PROMISE(depopulate__that_fails_stays_counted),
        PROMISE(free__leaves_the_memory_in_a_block_in_use),
        PROMISE(free__survives_a_failed_release),
        PROMISE(free__gives_empty_blocks_back_beyond_the_retained),
        PROMISE(free__of_a_retained_block_is_not_counted_twice),
        PROMISE(retain_nothing__gives_every_empty_block_back),
        PROMISE(block__leaves_only_its_struct_when_it_is_given_back),
        PROMISE(charge_metadata__counts_against_the_limit),
        PROMISE(withhold__counts_at_the_limit_and_not_in_footprint),
        PROMISE(withhold__at_the_limit_takes_idle_memory),
        PROMISE(trim__gives_back_the_memory_of_free_pages_alone),
        PROMISE(trim__of_nothing_makes_no_call),
        PROMISE(trim__keeps_as_many_empty_blocks_as_asked),
        PROMISE(trim__survives_a_failed_release),
        PROMISE(random_use__keeps_figures_and_mincore_together),
        PROMISE(random_use__stays_below_the_limit),
    };
    return cmocka_run_group_tests_name("resident", tests, NULL, NULL);
}
