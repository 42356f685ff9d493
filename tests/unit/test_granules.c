/* SPDX-License-Identifier: MIT */
/* Unit tests of lib/base/granules.h, on a budget of their own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "granules.h"
#include "counting_os.h"
#include "os.h"
#include "test_random.h"

#define PAGE ZS_OS_PAGE_BYTES
#define PER_PAGE ZS_GRANULES_PER_PAGE
#define PER_MAP_PAGE (PER_PAGE * 512u) /* granules of one page of the map */

static struct zs_budget budget;
static struct zs_granules heap;

static int watch_os(void **unused)
{
    (void)unused;
    count_os();
    budget = (struct zs_budget){ 0 };
    return 0;
}

static int restore_os(void **unused)
{
    (void)unused;
    count_os_no_more();
    return 0;
}

static void create(uint32_t n_granules)
{
    assert_int_equal(zs_granules_init(&heap, n_granules, &budget), 0);
}

static void destroy(void)
{
    zs_granules_destroy(&heap);
    assert_int_equal(n_reserved, 0);
    assert_int_equal(budget.used, 0);
    assert_int_equal(budget.metadata, 0);
}

static uint32_t take(unsigned n)
{
    uint32_t first = UINT32_MAX;

    assert_int_equal(zs_granules_alloc(&heap, n, &first), 0);
    return first;
}

static void assert_charged(uint64_t pages)
{
    assert_int_equal(budget.used, pages * PAGE);
    assert_int_equal(budget.metadata, pages * PAGE);
}

static bool is_resident(uint32_t granule)
{
    unsigned char vec = 0;
    char *page = (char *)zs_granule(&heap, granule / PER_PAGE * PER_PAGE);

    assert_int_equal(mincore(page, PAGE, &vec), 0);
    return vec & 1;
}

/* --- create and destroy --- */

static void init__charges_nothing(void **unused)
{
    (void)unused;
    create(1000);
    assert_charged(0);
    destroy();
}

static void init__without_address_space_leaves_nothing(void **unused)
{
    (void)unused;
    for (int k = 1; k <= 2; k++) {
        refuse_reserve = k;
        assert_int_equal(zs_granules_init(&heap, 100, &budget), -ENOMEM);
        assert_int_equal(n_reserved, 0);
        assert_charged(0);
    }
}

static void destroy__of_a_full_heap_returns_the_budget(void **unused)
{
    (void)unused;
    create(PER_MAP_PAGE + 1000); /* its map has two pages */
    for (unsigned i = 0; i < PER_MAP_PAGE / PER_PAGE + 10; i++) {
        (void)take(PER_PAGE);
    }
    assert_charged(PER_MAP_PAGE / PER_PAGE + 10 + 2);
    destroy();
}

/* --- taking --- */

static void alloc__takes_the_lowest_place_that_fits(void **unused)
{
    (void)unused;
    create(1000);
    assert_int_equal(take(10), 0);
    assert_int_equal(take(20), 10);
    assert_int_equal(take(5), 30);
    zs_granules_free(&heap, 0, 10);
    assert_int_equal(take(11), 35); /* the hole is too small for it */
    assert_int_equal(take(4), 0);
    assert_int_equal(take(7), 46);
    assert_int_equal(take(6), 4);
    destroy();
}

static void alloc__uses_a_hole_made_of_two_neighbours(void **unused)
{
    (void)unused;
    create(1000);
    for (unsigned i = 0; i < 10; i++) {
        (void)take(PER_PAGE);
    }
    zs_granules_free(&heap, 3 * PER_PAGE + 32, 32);
    zs_granules_free(&heap, 4 * PER_PAGE, 32);
    assert_int_equal(take(PER_PAGE), 3 * PER_PAGE + 32);
    destroy();
}

static void alloc__charges_a_page_when_it_is_first_used(void **unused)
{
    (void)unused;
    create(1000);
    (void)take(1);
    assert_charged(2); /* one page, and one of the map */
    (void)take(63);
    assert_charged(2);
    (void)take(1);
    assert_charged(3);
    (void)take(64); /* the rest of that page and one of the next */
    assert_charged(4);
    destroy();
}

static void alloc__charges_the_map_page_by_page(void **unused)
{
    (void)unused;
    create(PER_MAP_PAGE + PER_PAGE);
    for (unsigned i = 0; i < PER_MAP_PAGE / PER_PAGE; i++) {
        (void)take(PER_PAGE);
    }
    assert_charged(PER_MAP_PAGE / PER_PAGE + 1);
    (void)take(1);
    assert_charged(PER_MAP_PAGE / PER_PAGE + 1 + 2);
    destroy();
}

static void alloc__of_new_pages_gives_zeroes(void **unused)
{
    static const char zeroes[PAGE];
    uint32_t first;

    (void)unused;
    create(1000);
    first = take(PER_PAGE);
    assert_memory_equal(zs_granule(&heap, first), zeroes, PAGE);
    memset(zs_granule(&heap, first), 0xff, PAGE);
    zs_granules_free(&heap, first, PER_PAGE);
    assert_int_equal(take(PER_PAGE), first);
    assert_memory_equal(zs_granule(&heap, first), zeroes, PAGE);
    destroy();
}

static void alloc__of_a_full_range_is_enospc(void **unused)
{
    uint32_t first = 12345;
    uint64_t used;

    (void)unused;
    create(2 * PER_PAGE);
    (void)take(PER_PAGE);
    (void)take(PER_PAGE);
    used = budget.used;
    assert_int_equal(zs_granules_alloc(&heap, 1, &first), -ENOSPC);
    assert_int_equal(first, 12345);
    assert_int_equal(budget.used, used);
    zs_granules_free(&heap, 17, 1);
    assert_int_equal(zs_granules_alloc(&heap, 2, &first), -ENOSPC);
    assert_int_equal(take(1), 17);
    destroy();
}

static void init__rounds_the_range_up_to_whole_pages(void **unused)
{
    uint32_t first;

    (void)unused;
    create(1);
    assert_int_equal(take(PER_PAGE), 0);
    assert_int_equal(zs_granules_alloc(&heap, 1, &first), -ENOSPC);
    destroy();
}

static void alloc__at_the_limit_is_enomem_and_changes_nothing(void **unused)
{
    uint32_t first = 12345;

    (void)unused;
    create(1000);
    budget.limit = 4 * PAGE; /* three pages and one of the map */
    for (unsigned i = 0; i < 3; i++) {
        (void)take(PER_PAGE);
    }
    for (unsigned n = 1; n <= PER_PAGE; n++) {
        assert_int_equal(zs_granules_alloc(&heap, n, &first), -ENOMEM);
    }
    assert_int_equal(first, 12345);
    assert_charged(4);
    zs_granules_free(&heap, 5, 2); /* room in a page that is there already */
    assert_int_equal(take(2), 5);
    zs_granules_free(&heap, PER_PAGE, PER_PAGE);
    assert_int_equal(take(30), PER_PAGE);
    destroy();
}

/* --- giving back (G1) --- */

static void free__gives_a_page_back_when_it_is_empty(void **unused)
{
    (void)unused;
    create(1000);
    (void)take(40);
    (void)take(40); /* 40..79: in both pages */
    memset(zs_granule(&heap, 0), 1, 2 * PAGE);
    zs_granules_free(&heap, 0, 40);
    assert_int_equal(n_releases, 0);
    assert_charged(3);
    zs_granules_free(&heap, 40, 40); /* empties both */
    assert_int_equal(n_releases, 2);
    assert_ptr_equal(released, (char *)zs_granule(&heap, PER_PAGE));
    assert_charged(1);
    assert_false(is_resident(0));
    assert_false(is_resident(PER_PAGE));
    destroy();
}

static void free__keeps_the_page_of_what_is_left(void **unused)
{
    (void)unused;
    create(1000);
    (void)take(63);
    (void)take(1);
    memset(zs_granule(&heap, 63), 0x5a, ZS_GRANULE_BYTES);
    zs_granules_free(&heap, 0, 63);
    assert_int_equal(n_releases, 0);
    assert_int_equal(*(char *)zs_granule(&heap, 63), 0x5a);
    destroy();
}

/* --- gathering what is to be given back --- */

static void fill(unsigned pages)
{
    create(100 * PER_PAGE);
    for (unsigned i = 0; i < pages; i++) {
        memset(zs_granule(&heap, take(PER_PAGE)), 1, PAGE);
    }
}

static void empty_page(uint32_t page)
{
    zs_granules_free(&heap, page * PER_PAGE, PER_PAGE);
}

static void gather__gives_neighbours_back_in_one_call(void **unused)
{
    (void)unused;
    fill(10);
    zs_granules_gather(&heap);
    empty_page(4);
    empty_page(6);
    empty_page(9);
    empty_page(5);
    assert_int_equal(n_releases, 0);
    zs_granules_gather_end(&heap);
    assert_int_equal(n_releases, 2);
    assert_ptr_equal(released, zs_granule(&heap, 9 * PER_PAGE));
    assert_charged(6 + 1);
    for (uint32_t page = 0; page < 10; page++) {
        assert_int_equal(is_resident(page * PER_PAGE),
                         page < 4 || page == 7 || page == 8);
    }
    empty_page(8); /* it has ended */
    assert_int_equal(n_releases, 3);
    destroy();
}

static void gather__charges_pages_until_they_are_gone(void **unused)
{
    (void)unused;
    fill(3);
    zs_granules_gather(&heap);
    empty_page(1);
    assert_charged(3 + 1);
    assert_true(is_resident(PER_PAGE));
    assert_int_equal(take(PER_PAGE), PER_PAGE); /* charged already */
    assert_charged(3 + 1);
    zs_granules_gather_end(&heap);
    assert_int_equal(n_releases, 0);
    assert_true(is_resident(PER_PAGE));
    destroy();
}

static void gather__of_too_many_gives_back(void **unused)
{
    (void)unused;
    fill(ZS_GRANULES_MAX_IDLE + 1);
    zs_granules_gather(&heap);
    for (uint32_t page = 1; page < ZS_GRANULES_MAX_IDLE; page++) {
        empty_page(page);
    }
    assert_int_equal(n_releases, 0);
    empty_page(ZS_GRANULES_MAX_IDLE);
    assert_int_equal(n_releases, 1);
    assert_int_equal(released_bytes, ZS_GRANULES_MAX_IDLE * PAGE);
    assert_charged(1 + 1);
    destroy();
}

static void gather__close_to_the_limit_keeps_nothing(void **unused)
{
    (void)unused;
    fill(5);
    budget.limit = 2 * ZS_GRANULES_MAX_IDLE * PAGE;
    zs_granules_gather(&heap);
    empty_page(2);
    assert_int_equal(n_releases, 1);
    assert_charged(4 + 1);
    destroy();
}

static void alloc__at_the_limit_takes_what_is_gathered(void **unused)
{
    (void)unused;
    fill(5);
    zs_granules_gather(&heap);
    empty_page(2);
    assert_int_equal(take(1), 2 * PER_PAGE); /* so page 2 has no such run */
    zs_granules_free(&heap, 4 * PER_PAGE, PER_PAGE);
    zs_granules_free(&heap, 3 * PER_PAGE + 1, PER_PAGE - 1);
    zs_granules_free(&heap, 2 * PER_PAGE, 1);
    assert_int_equal(take(1), 2 * PER_PAGE);
    budget.limit = budget.used; /* page 4 is idle; 1..63 of page 3 free */
    assert_int_equal(take(PER_PAGE - 1), 2 * PER_PAGE + 1);
    assert_int_equal(take(PER_PAGE), 3 * PER_PAGE + 1); /* on to page 4 */
    assert_int_equal(n_releases, 0);
    destroy();
}

static void alloc__at_the_limit_gives_back_what_is_gathered(void **unused)
{
    (void)unused;
    fill(5);
    empty_page(1);
    zs_granules_gather(&heap);
    empty_page(3);
    budget.limit = budget.used;
    assert_int_equal(n_releases, 1);
    assert_int_equal(take(PER_PAGE), PER_PAGE);
    assert_int_equal(n_releases, 2);
    assert_false(is_resident(3 * PER_PAGE));
    assert_charged(4 + 1);
    destroy();
}

static void destroy__returns_the_budget_of_what_is_gathered(void **unused)
{
    (void)unused;
    fill(5);
    zs_granules_gather(&heap);
    empty_page(2);
    empty_page(4);
    destroy();
}

/* --- against a shadow --- */

#define SHADOW 2048u
static bool shadow[SHADOW];
static uint32_t shadow_place_for(unsigned n)
{
    unsigned len = 0;

    for (uint32_t i = 0; i < SHADOW; i++) {
        len = shadow[i] ? 0 : len + 1;
        if (len == n) {
            return i + 1 - n;
        }
    }
    return SHADOW;
}

static unsigned shadow_pages(void)
{
    unsigned pages = 0;

    for (unsigned w = 0; w < SHADOW / PER_PAGE; w++) {
        pages += memchr(&shadow[w * PER_PAGE], true, PER_PAGE) != NULL;
    }
    return pages;
}

static void take_at_random(void)
{
    unsigned n = 1 + random_below(random_below(4) == 0 ? PER_PAGE : 8);
    uint32_t expect = shadow_place_for(n);
    uint32_t first;
    int err = zs_granules_alloc(&heap, n, &first);

    if (expect == SHADOW) {
        assert_int_equal(err, -ENOSPC);
        return;
    }
    assert_int_equal(err, 0);
    assert_int_equal(first, expect);
    memset(&shadow[first], true, n);
    memset(zs_granule(&heap, first), 0xaa, (size_t)n * ZS_GRANULE_BYTES);
}

static void free_at_random(void)
{
    uint32_t first = random_below(SHADOW);
    unsigned most = 1 + random_below(PER_PAGE);
    unsigned n = 0;

    while (n < most && first + n < SHADOW && shadow[first + n]) {
        n++;
    }
    if (n > 0) {
        zs_granules_free(&heap, first, n);
        memset(&shadow[first], false, n);
    }
}

static void random_use__agrees_with_the_shadow(void **unused)
{
    (void)unused;
    memset(shadow, 0, sizeof(shadow));
    random_state = 1;
    create(SHADOW);
    (void)take(1);
    shadow[0] = true;
    for (unsigned round = 0; round < 10000; round++) {
        /* a fill, a drain, a fill ... */
        if (random_below(10) < (round / 1000 % 2 == 0 ? 8u : 2u)) {
            take_at_random();
        } else {
            free_at_random();
        }
        assert_charged(shadow_pages() + heap.n_idle + 1);
        if (round % 100 == 0) { /* some of the time */
            (round % 300 == 0 ? zs_granules_gather
                              : zs_granules_gather_end)(&heap);
        }
    }
    zs_granules_gather_end(&heap);
    for (unsigned w = 0; w < SHADOW / PER_PAGE; w++) { /* G1 */
        bool in_use = memchr(&shadow[w * PER_PAGE], true, PER_PAGE) != NULL;

        assert_int_equal(is_resident(w * PER_PAGE), in_use);
    }
    destroy();
}

#define PROMISE(f) cmocka_unit_test_setup_teardown(f, watch_os, restore_os)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(init__charges_nothing),
        PROMISE(init__without_address_space_leaves_nothing),
        PROMISE(init__rounds_the_range_up_to_whole_pages),
        PROMISE(destroy__of_a_full_heap_returns_the_budget),
        PROMISE(alloc__takes_the_lowest_place_that_fits),
        PROMISE(alloc__uses_a_hole_made_of_two_neighbours),
        PROMISE(alloc__charges_a_page_when_it_is_first_used),
        PROMISE(alloc__charges_the_map_page_by_page),
        PROMISE(alloc__of_new_pages_gives_zeroes),
        PROMISE(alloc__of_a_full_range_is_enospc),
        PROMISE(alloc__at_the_limit_is_enomem_and_changes_nothing),
        PROMISE(free__gives_a_page_back_when_it_is_empty),
        PROMISE(free__keeps_the_page_of_what_is_left),
        PROMISE(gather__gives_neighbours_back_in_one_call),
        PROMISE(gather__charges_pages_until_they_are_gone),
        PROMISE(gather__of_too_many_gives_back),
        PROMISE(gather__close_to_the_limit_keeps_nothing),
        PROMISE(alloc__at_the_limit_takes_what_is_gathered),
        PROMISE(alloc__at_the_limit_gives_back_what_is_gathered),
        PROMISE(destroy__returns_the_budget_of_what_is_gathered),
        PROMISE(random_use__agrees_with_the_shadow),
    };
    return cmocka_run_group_tests_name("granules", tests, NULL, NULL);
}
