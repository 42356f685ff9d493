/* SPDX-License-Identifier: MIT */
/*
 * Rows 4, 14, 15, 16, 19, 20 and 25 of the seed: what the flag word says, and
 * what it does not need to.
 */
#include <sys/mman.h>

#include "pass.h"
#include "seed_fixture.h"

static struct owner owner, other;

/* --- 4: types stay until the page is free --- */

static struct zs_page page_with(uint32_t word)
{
    struct zs_page p;

    atomic_init(&p.word, word);
    atomic_init(&p.owner, 0);
    return p;
}

/* Every edge from every type: only RECLAIM, the allocator's, ends a type. */
static void assert_edges_keep_types(void)
{
    for (unsigned e = 0; e < ZS_EDGE_NR; e++) {
        for (unsigned t = 1; e != ZS_EDGE_ALLOC && t <= 255; t++) {
            struct zs_page p =
                page_with(zs_page_state_bits[zs_page_rules[e].from] | t);

            assert_true(zs_page_step(&p, (enum zs_page_edge)e, 0));
            assert_int_equal(zs_word_type(zs_page_word(&p)),
                             e == ZS_EDGE_RECLAIM ? 0 : t);
        }
    }
}

static void assert_waits_typed(zs_pfn_t page)
{
    assert_int_equal(state_at(page), ZS_PAGE_LIMBO);
    assert_int_equal(type_at(page), owner.type);
}

static void seed_04__a_type_stays_until_the_page_is_free(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    assert_edges_keep_types();
    make_arena(2);
    make_owner(&owner, "owner");
    first = take_movable(&owner, 5);
    zs_read_begin(); /* nothing becomes free before we have looked */
    zs_page_free(arena, owner.type, first);
    assert_waits_typed(first);
    owner.frees_at_isolate = true; /* freed while LOCKED */
    assert_false(zs_isolate_movable_ops_page(arena, first + 1));
    assert_waits_typed(first + 1);
    owner.frees_at_isolate = false;
    for (unsigned i = 2; i < 5; i++) {
        assert_true(zs_isolate_movable_ops_page(arena, first + i));
    }
    zs_page_free(arena, owner.type, first + 2); /* freed while ISOLATED */
    assert_int_equal(state_at(first + 2), ZS_PAGE_ISOLATED_RELEASED);
    assert_int_equal(type_at(first + 2), owner.type);
    zs_putback_movable_ops_page(arena, first + 2);
    assert_waits_typed(first + 2);
    first += 3;
    assert_int_equal(zs_migrate_pages(arena, &first, 1, ZS_MIGRATE_SYNC), 0);
    assert_waits_typed(first); /* migrated */
    owner.frees_at_migrate = true;
    first += 1;
    assert_int_equal(zs_migrate_pages(arena, &first, 1, ZS_MIGRATE_SYNC), 0);
    assert_waits_typed(first); /* gone */
    zs_read_end();
    flush();
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(word_at(first - i), 0);
    }
    drop_owner(&owner);
    drop_arena();
}

/* --- 14: movability is not taken back --- */

static bool is_movable(unsigned state)
{
    return (zs_page_state_bits[state] & ZS_PF_OWNER_MOVABLE_OPS) != 0;
}

/* The states that can be reached from `from` by any edges but those that end
 * at LIMBO, the page's end. */
static void assert_only_ends_when_movable(unsigned edge)
{
    const struct zs_page_rule r = zs_page_rules[edge];

    if (is_movable(r.from) && !is_movable(r.to)) {
        assert_int_equal(r.to, ZS_PAGE_LIMBO);
    }
    if (r.from == ZS_PAGE_LIMBO) {
        assert_int_equal(r.to, ZS_PAGE_FREE);
    }
}

static void seed_14__no_edge_takes_movability_back(void **unused)
{
    unsigned n_marks = 0;

    (void)unused;
    for (unsigned e = 0; e < ZS_EDGE_NR; e++) {
        assert_only_ends_when_movable(e);
        n_marks += !is_movable(zs_page_rules[e].from) &&
                   is_movable(zs_page_rules[e].to);
    }
    assert_int_equal(n_marks, 1);
}

/* --- 15: no test that follows pointers --- */

/* In all states; isolated ones in `isolated`. */
static zs_pfn_t pages_in_all_states(zs_pfn_t *isolated)
{
    zs_pfn_t first = take_movable(&owner, 6);

    for (unsigned i = 0; i < 2; i++) {
        isolated[i] = first + i;
        assert_true(zs_isolate_movable_ops_page(arena, first + i));
    }
    zs_pages_free(arena, isolated[1], 1); /* RELEASED */
    zs_page_free(arena, owner.type, first + 2);
    (void)take_owned(&owner, 3);
    return first;
}

static void look_at_all_pages(void)
{
    struct zs_survey survey;

    for (zs_pfn_t p = 0; p < zs_arena_nr_pages(arena); p++) {
        uint32_t word = word_at(p);

        assert_int_equal(zs_word_has_movable_ops(word),
                         (word & 0x100) != 0 && (word & 0xff) != 0);
        assert_int_equal(zs_word_is_owners(word),
                         zs_word_is(word, ZS_PAGE_OWNED) ||
                             zs_word_is(word, ZS_PAGE_MOVABLE) ||
                             zs_word_is(word, ZS_PAGE_LOCKED) ||
                             zs_word_is(word, ZS_PAGE_ISOLATED));
        assert_non_null(zs_page_flags_state(word));
        if (!zs_word_is(word, ZS_PAGE_MOVABLE)) {
            assert_false(zs_isolate_movable_ops_page(arena, p));
        }
    }
    zs_lock_acquire(&arena->pass_lock);
    assert_int_equal(zs_survey_take(arena, &survey, false), 0);
    zs_lock_release(&arena->pass_lock);
    assert_int_equal(survey.n, 1);
    assert_int_equal(survey.figures[0].n_fixed, 3); /* those OWNED */
    zs_survey_free(&survey);
}

/* What a page's type leads to is not there: who follows it, crashes. */
static void seed_15__looking_at_a_page_follows_no_pointer(void **unused)
{
    void *nothing =
        mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    zs_pfn_t isolated[2];

    (void)unused;
    assert_true(nothing != MAP_FAILED);
    make_arena(2);
    make_owner(&owner, "owner");
    zs_read_begin();
    (void)pages_in_all_states(isolated);
    atomic_store(&arena->types[owner.type].ops,
                 (const struct zs_movable_ops *)nothing);
    arena->types[owner.type].ctx = nothing;
    look_at_all_pages();
    arena->types[owner.type].ctx = &owner;
    atomic_store(&arena->types[owner.type].ops, &owner_ops);
    put_back(isolated, 2);
    zs_read_end();
    (void)munmap(nothing, 4096);
    drop_owner(&owner);
    drop_arena();
}

/* --- 16: page_has_movable_ops --- */

static void seed_16__flag_and_type_together_and_nothing_else(void **unused)
{
    bool (*has_movable_ops)(uint32_t) = zs_word_has_movable_ops;

    (void)unused;
    for (uint32_t word = 0; word < 1u << 13; word++) {
        bool flag = (word & 0x100u) != 0;
        bool has_type = (word & 0xffu) != 0;

        assert_int_equal(has_movable_ops(word), flag && has_type);
    }
}

/* --- 19: ops come from the type --- */

static void seed_19__ops_are_found_by_type_in_a_table(void **unused)
{
    zs_pfn_t page, others;

    (void)unused;
    _Static_assert(sizeof(struct zs_page) == 8, "two words");
    _Static_assert(sizeof(((struct zs_page *)0)->word) == 4 &&
                       sizeof(((struct zs_page *)0)->owner) == 4,
                   "neither of them has room for a pointer");
    make_arena(2);
    make_type(&owner, "owner");
    make_owner(&other, "other");
    page = take_movable(&owner, 1); /* before its type has any ops */
    others = take_movable(&other, 1);
    assert_false(zs_isolate_movable_ops_page(arena, page));
    assert_int_equal(zs_set_movable_ops(arena, owner.type, &owner_ops, &owner),
                     0);
    assert_true(zs_isolate_movable_ops_page(arena, page));
    assert_int_equal(owner.n_isolate, 1);
    assert_int_equal(other.n_isolate, 0);
    assert_true(zs_isolate_movable_ops_page(arena, others));
    assert_int_equal(owner.n_isolate, 1);
    assert_int_equal(other.n_isolate, 1);
    /* Another context in the table, and the same page goes there. */
    arena->types[owner.type].ctx = &other;
    zs_putback_movable_ops_page(arena, page);
    arena->types[owner.type].ctx = &owner;
    assert_int_equal(owner.n_putback, 0);
    assert_int_equal(other.n_putback, 1);
    zs_putback_movable_ops_page(arena, others);
    drop_owner(&owner);
    drop_owner(&other);
    drop_arena();
}

/* --- 20: the movable flag is a page flag --- */

static void seed_20__movable_is_one_bit_of_the_flag_word(void **unused)
{
    static const uint32_t privates[] = { 1, 2, 3, 0x80000001u, UINT32_MAX };
    uint32_t before;
    zs_pfn_t page;

    (void)unused;
    assert_int_equal(ZS_PF_OWNER_MOVABLE_OPS, 1u << 8);
    make_arena(1);
    make_owner(&owner, "owner");
    for (unsigned i = 0; i < sizeof(privates) / sizeof(privates[0]); i++) {
        void *address;

        assert_int_equal(zs_page_alloc(arena, owner.type, &page), 0);
        zs_page_set_private(arena, page, privates[i]);
        before = word_at(page);
        address = zs_page_address(arena, page);
        zs_page_set_movable(arena, page);
        assert_int_equal(word_at(page) ^ before, 1u << 8);
        /* The other word is all the owner's, its low bits too. */
        assert_int_equal(zs_page_private(arena, page), privates[i]);
        assert_ptr_equal(zs_page_address(arena, page), address);
        assert_true(zs_isolate_movable_ops_page(arena, page));
        assert_int_equal(zs_page_private(arena, page), privates[i]);
        zs_putback_movable_ops_page(arena, page);
        assert_int_equal(word_at(page) ^ before, 1u << 8);
        assert_int_equal(zs_page_private(arena, page), privates[i]);
    }
    drop_owner(&owner);
    drop_arena();
}

/* --- 25: accounting does not depend on movability --- */

#define N_STEPS 6u
#define N_LIVES 88u

struct account {
    struct zs_arena_stats stats[N_STEPS];
    uint64_t n_pages[N_STEPS];
};

static void note(struct account *a, unsigned step)
{
    a->stats[step] = arena_stats();
    a->n_pages[step] = arena->types[owner.type].n_pages;
}

static void live_a_life(struct account *a, bool movable)
{
    zs_pfn_t first;

    memset(a, 0, sizeof(*a));
    make_arena(3);
    make_owner(&owner, "owner");
    first = take_owned(&owner, N_LIVES);
    note(a, 0);
    for (unsigned i = 0; movable && i < N_LIVES; i++) {
        zs_page_mark_movable(arena, first + i);
    }
    note(a, 1);
    zs_pages_depopulate(arena, first + 20, 10);
    note(a, 2);
    zs_pages_free(arena, first + 10, 15);
    note(a, 3);
    zs_page_free(arena, owner.type, first);
    flush();
    note(a, 4);
    (void)zs_arena_trim(arena, 0);
    note(a, 5);
    drop_owner(&owner);
    drop_arena();
}

static void seed_25__accounting_is_the_same_if_movable_or_not(void **unused)
{
    static struct account fixed, movable;

    (void)unused;
    live_a_life(&fixed, false);
    live_a_life(&movable, true);
    for (unsigned i = 0; i < N_STEPS; i++) {
        assert_memory_equal(&fixed.stats[i], &movable.stats[i],
                            sizeof(fixed.stats[i]));
        assert_int_equal(fixed.n_pages[i], movable.n_pages[i]);
    }
    assert_int_equal(fixed.n_pages[0], N_LIVES);
    assert_int_equal(fixed.n_pages[5], N_LIVES - 16);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seed_04__a_type_stays_until_the_page_is_free),
        cmocka_unit_test(seed_14__no_edge_takes_movability_back),
        cmocka_unit_test(seed_15__looking_at_a_page_follows_no_pointer),
        cmocka_unit_test(seed_16__flag_and_type_together_and_nothing_else),
        cmocka_unit_test(seed_19__ops_are_found_by_type_in_a_table),
        cmocka_unit_test(seed_20__movable_is_one_bit_of_the_flag_word),
        cmocka_unit_test(seed_25__accounting_is_the_same_if_movable_or_not),
    };

    return SEED_MAIN(tests, argc, argv);
}
