/* SPDX-License-Identifier: MIT */
/* Unit tests of lib/zspage/handles.h, on a budget of their own. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/mman.h>

#include <cmocka.h>

#include "handles.h"
#include "counting_os.h"
#include "os.h"
#include "test_random.h"

#define PAGE ZS_OS_PAGE_BYTES
#define GROUP ZS_GROUP_HANDLES
#define N_GROUPS 4u
#define N_HANDLES (N_GROUPS * GROUP)
#define N_NEVER ZS_HANDLES_TOGETHER /* the first ones, handle 0 among them */
#define N_GIVEN (N_HANDLES - N_NEVER)
#define GROUP_0 (GROUP - N_NEVER) /* that the first group gives */

static struct zs_budget budget;
static struct zs_handles table;
static uint32_t taken[N_HANDLES]; /* scratch for the tests */

/* A table of four groups. */
static int create(void **unused)
{
    (void)unused;
    count_os();
    budget = (struct zs_budget){ 0 };
    return zs_handles_init(&table, N_GIVEN, &budget);
}

static int destroy(void **unused)
{
    (void)unused;
    zs_handles_destroy(&table);
    count_os_no_more();
    return n_reserved != 0 || budget.used != 0 || budget.metadata != 0;
}

static uint32_t take_one(void)
{
    uint32_t h = 0;

    assert_int_equal(zs_handles_take(&table, &h, 1), 1);
    return h;
}

static void take_all(void)
{
    assert_int_equal(zs_handles_take(&table, taken, N_HANDLES), N_GIVEN);
}

static void give_one(uint32_t h)
{
    zs_handles_give(&table, &h, 1);
}

static uint64_t charged(unsigned pages, unsigned groups)
{
    return (uint64_t)pages * PAGE + groups * sizeof(struct zs_handle_group);
}

static bool is_resident(uint32_t group)
{
    unsigned char vec = 0;
    void *page = (void *)(table.slots + (size_t)group * GROUP);

    assert_int_equal(mincore(page, PAGE, &vec), 0);
    return vec & 1;
}

/* --- create --- */

static void init__charges_nothing(void **unused)
{
    (void)unused;
    assert_int_equal(budget.used, 0);
    assert_int_equal(table.n_handles, N_HANDLES);
}

static void init__without_address_space_leaves_nothing(void **unused)
{
    int before = n_reserved;

    (void)unused;
    for (int k = 1; k <= 3; k++) {
        struct zs_handles other;

        refuse_reserve = k;
        assert_int_equal(zs_handles_init(&other, 100, &budget), -ENOMEM);
        assert_int_equal(n_reserved, before);
    }
}

/* --- taking --- */

static void take__never_gives_handle_0(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < 3; round++) {
        take_all();
        for (unsigned i = 0; i < N_GIVEN; i++) {
            assert_in_range(taken[i], N_NEVER, N_HANDLES - 1);
        }
        zs_handles_give(&table, taken, N_GIVEN);
    }
}

static void take__gives_every_handle_once(void **unused)
{
    static bool seen[N_HANDLES];

    (void)unused;
    take_all();
    for (unsigned i = 0; i < N_GIVEN; i++) {
        assert_false(seen[taken[i]]);
        seen[taken[i]] = true;
    }
}

static void take__begins_with_the_lowest_group(void **unused)
{
    (void)unused;
    take_all();
    give_one(3 * GROUP + 7);
    give_one(1 * GROUP + 9);
    give_one(2 * GROUP + 8);
    assert_int_equal(take_one(), 1 * GROUP + 9);
    assert_int_equal(take_one(), 2 * GROUP + 8);
    assert_int_equal(take_one(), 3 * GROUP + 7);
}

static void take__fills_a_group_before_the_next(void **unused)
{
    (void)unused;
    for (uint32_t g = 0; g < N_GROUPS; g++) {
        for (uint32_t i = g == 0 ? N_NEVER : 0; i < GROUP; i++) {
            assert_int_equal(take_one() / GROUP, g);
        }
    }
}

static void take__of_the_last_handles_gives_what_there_is(void **unused)
{
    uint32_t h[8];

    (void)unused;
    take_all();
    give_one(45);
    give_one(2000);
    assert_int_equal(zs_handles_take(&table, h, 8), 2);
    assert_int_equal(h[0], 45);
    assert_int_equal(h[1], 2000);
}

static void take__from_a_full_table_is_enospc(void **unused)
{
    uint32_t h = 12345;

    (void)unused;
    take_all();
    assert_int_equal(zs_handles_take(&table, &h, 1), -ENOSPC);
    assert_int_equal(h, 12345);
    give_one(4000);
    assert_int_equal(take_one(), 4000);
    assert_int_equal(zs_handles_take(&table, &h, 1), -ENOSPC);
}

static void take__charges_a_group_when_it_is_first_used(void **unused)
{
    (void)unused;
    (void)take_one();
    assert_int_equal(budget.used, charged(1, 1));
    (void)zs_handles_take(&table, taken, GROUP_0 - 1);
    assert_int_equal(budget.used, charged(1, 1));
    (void)take_one();
    assert_int_equal(budget.used, charged(2, 2));
    assert_int_equal(budget.metadata, budget.used);
}

static void take__at_the_limit_is_enomem_and_changes_nothing(void **unused)
{
    uint32_t h = 12345;

    (void)unused;
    budget.limit = charged(2, 2);
    /* Asked for more than fits, it gives what fits. */
    assert_int_equal(zs_handles_take(&table, taken, 3 * GROUP),
                     GROUP_0 + GROUP);
    assert_int_equal(zs_handles_take(&table, &h, 1), -ENOMEM);
    assert_int_equal(h, 12345);
    assert_int_equal(budget.used, charged(2, 2));
    give_one(77);
    assert_int_equal(take_one(), 77);
    assert_int_equal(zs_handles_take(&table, &h, 1), -ENOMEM);
}

static void take__below_the_limit_of_one_page_is_enomem(void **unused)
{
    uint32_t h;

    (void)unused;
    budget.limit = PAGE - 1;
    assert_int_equal(zs_handles_take(&table, &h, 1), -ENOMEM);
    assert_int_equal(budget.used, 0);
}

/* --- giving back --- */

static void give__makes_the_words_free(void **unused)
{
    uint32_t h = take_one();

    (void)unused;
    atomic_store_explicit(&table.slots[h], zs_slot_word(7, 3, ZS_SLOT_LIVE),
                          memory_order_release);
    assert_true(zs_slot_is_live(zs_slot_load(&table, h)));
    give_one(h);
    assert_false(zs_slot_is_live(zs_slot_load(&table, h)));
}

static void give__of_the_last_of_a_group_gives_its_page_back(void **unused)
{
    (void)unused;
    (void)zs_handles_take(&table, taken, GROUP_0 + GROUP);
    zs_handles_give(&table, &taken[GROUP_0], GROUP - 1);
    assert_int_equal(n_releases, 0); /* one is left */
    assert_true(is_resident(1));
    give_one(taken[GROUP_0 + GROUP - 1]);
    assert_int_equal(n_releases, 1);
    assert_ptr_equal(released, (void *)(table.slots + GROUP));
    assert_int_equal(budget.used, charged(1, 2));
    assert_false(is_resident(1));
}

static void group__is_used_again_after_its_page_went(void **unused)
{
    (void)unused;
    (void)zs_handles_take(&table, taken, GROUP_0 + GROUP);
    zs_handles_give(&table, &taken[GROUP_0], GROUP);
    assert_int_equal(take_one() / GROUP, 1);
    assert_int_equal(budget.used, charged(2, 2));
    assert_int_equal(zs_handles_take(&table, taken, N_HANDLES),
                     N_GIVEN - GROUP_0 - 1);
}

/* The system refuses to take the page: the group goes on as it is. */
static void group__survives_a_failed_release(void **unused)
{
    static bool seen[N_HANDLES];

    (void)unused;
    (void)zs_handles_take(&table, taken, GROUP_0 + GROUP);
    refuse_release = true;
    zs_handles_give(&table, &taken[GROUP_0], GROUP);
    assert_int_equal(budget.used, charged(2, 2));
    refuse_release = false;
    for (unsigned i = 0; i < GROUP; i++) {
        uint32_t h = take_one();

        assert_int_equal(h / GROUP, 1);
        assert_false(seen[h]);
        seen[h] = true;
        taken[i] = h;
    }
    zs_handles_give(&table, taken, GROUP);
    assert_int_equal(budget.used, charged(1, 2));
}

/* --- against a shadow --- */

static bool live[N_HANDLES];
static unsigned live_in_group(uint32_t g)
{
    unsigned n = 0;

    for (unsigned i = g == 0 ? N_NEVER : 0; i < GROUP; i++) {
        n += live[g * GROUP + i];
    }
    return n;
}

static uint32_t lowest_group_with_room(void)
{
    uint32_t g = 0;

    while (g < N_GROUPS && live_in_group(g) == (g == 0 ? GROUP_0 : GROUP)) {
        g++;
    }
    return g;
}

static void take_at_random(void)
{
    unsigned n = 1 + random_below(200);
    uint32_t lowest = lowest_group_with_room();
    int got = zs_handles_take(&table, taken, n);

    if (lowest == N_GROUPS) {
        assert_int_equal(got, -ENOSPC);
        return;
    }
    assert_in_range(got, 1, n);
    assert_int_equal(taken[0] / GROUP, lowest);
    for (int i = 0; i < got; i++) {
        assert_true(taken[i] < N_HANDLES && !live[taken[i]]);
        live[taken[i]] = true;
        /* The owner's word must not disturb the table. */
        atomic_store_explicit(&table.slots[taken[i]], UINT32_MAX,
                              memory_order_release);
    }
}

static void give_at_random(void)
{
    uint32_t first = N_NEVER + random_below(N_GIVEN);
    unsigned n = 0;

    for (uint32_t h = first; h < N_HANDLES && n < 200; h++) {
        if (live[h] && random_below(8) != 0) {
            live[h] = false;
            taken[n++] = h;
        }
    }
    zs_handles_give(&table, taken, n);
}

/* Handle 0 is "live" from the first take on, so group 0 stays. */
static uint64_t shadow_charge(void)
{
    unsigned pages = 0;

    for (uint32_t g = 0; g < N_GROUPS; g++) {
        pages += live_in_group(g) > 0;
    }
    return charged(pages, table.n_touched);
}

static void random_use__agrees_with_the_shadow(void **unused)
{
    (void)unused;
    memset(live, 0, sizeof(live));
    live[0] = true;
    random_state = 1;
    for (unsigned round = 0; round < 1000; round++) {
        /* a fill, a drain, a fill ... */
        if (random_below(10) < (round / 100 % 2 == 0 ? 7u : 3u)) {
            take_at_random();
        } else {
            give_at_random();
        }
        if (table.n_touched > 0) {
            assert_int_equal(budget.used, shadow_charge());
        }
    }
    for (uint32_t g = 0; g < N_GROUPS; g++) { /* H2 */
        assert_int_equal(is_resident(g), live_in_group(g) > 0);
    }
}

#define PROMISE(f) cmocka_unit_test_setup_teardown(f, create, destroy)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(init__charges_nothing),
        PROMISE(init__without_address_space_leaves_nothing),
        PROMISE(take__never_gives_handle_0),
        PROMISE(take__gives_every_handle_once),
        PROMISE(take__begins_with_the_lowest_group),
        PROMISE(take__fills_a_group_before_the_next),
        PROMISE(take__of_the_last_handles_gives_what_there_is),
        PROMISE(take__from_a_full_table_is_enospc),
        PROMISE(take__charges_a_group_when_it_is_first_used),
        PROMISE(take__at_the_limit_is_enomem_and_changes_nothing),
        PROMISE(take__below_the_limit_of_one_page_is_enomem),
        PROMISE(give__makes_the_words_free),
        PROMISE(give__of_the_last_of_a_group_gives_its_page_back),
        PROMISE(group__is_used_again_after_its_page_went),
        PROMISE(group__survives_a_failed_release),
        PROMISE(random_use__agrees_with_the_shadow),
    };
    return cmocka_run_group_tests_name("handles", tests, NULL, NULL);
}
