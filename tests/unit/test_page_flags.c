/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of lib/page/page_flags.h: the machine written a second time, as a
 * matrix, and one test for each promise of the header's top comment.
 */
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core_edges.h"
#include "page_flags.h"

#define DAMAGED ZS_PAGE_NR_STATES
#define N_RACES 20000u

static const zs_page_type_t some_types[] = { 1, 255 };
#define N_TYPES (sizeof(some_types) / sizeof(some_types[0]))

/*
 * The machine, written by hand and not derived from the header: a letter for
 * each edge, a dot where there is none. If the table in page_flags.h changes,
 * this must be changed by hand as well.
 */
static const char spec[ZS_PAGE_NR_STATES][ZS_PAGE_NR_STATES + 1] = {
    /* to: FREE, OWNED, MOVABLE, LOCKED, ISOLATED,
     *     LOCKED_RELEASED, ISOLATED_RELEASED, LIMBO */
    [ZS_PAGE_FREE] = ".a......",
    [ZS_PAGE_OWNED] = "..m....o",
    [ZS_PAGE_MOVABLE] = "...k...v",
    [ZS_PAGE_LOCKED] = "..u.ir..",
    [ZS_PAGE_ISOLATED] = "..p...sd",
    [ZS_PAGE_LOCKED_RELEASED] = ".......x",
    [ZS_PAGE_ISOLATED_RELEASED] = ".......y",
    [ZS_PAGE_LIMBO] = "c.......",
};

static const char letter_of[ZS_EDGE_NR] = {
    [ZS_EDGE_ALLOC] = 'a',
    [ZS_EDGE_SET_MOVABLE] = 'm',
    [ZS_EDGE_LOCK] = 'k',
    [ZS_EDGE_UNLOCK] = 'u',
    [ZS_EDGE_ISOLATE] = 'i',
    [ZS_EDGE_PUTBACK] = 'p',
    [ZS_EDGE_MIGRATED] = 'd',
    [ZS_EDGE_RELEASE_OWNED] = 'o',
    [ZS_EDGE_RELEASE_MOVABLE] = 'v',
    [ZS_EDGE_RELEASE_LOCKED] = 'r',
    [ZS_EDGE_RELEASE_ISOLATED] = 's',
    [ZS_EDGE_FINISH_LOCKED] = 'x',
    [ZS_EDGE_FINISH_ISOLATED] = 'y',
    [ZS_EDGE_RECLAIM] = 'c',
};

/* The bits above the type, read off the picture. */
static uint32_t word_of(unsigned state, zs_page_type_t type)
{
    static const uint32_t bits[ZS_PAGE_NR_STATES] = {
        [ZS_PAGE_OWNED] = 0,
        [ZS_PAGE_MOVABLE] = 0x100,
        [ZS_PAGE_LOCKED] = 0x300,
        [ZS_PAGE_ISOLATED] = 0x500,
        [ZS_PAGE_LOCKED_RELEASED] = 0xb00,
        [ZS_PAGE_ISOLATED_RELEASED] = 0xd00,
        [ZS_PAGE_LIMBO] = 0x1000,
    };

    return state == ZS_PAGE_FREE ? 0 : bits[state] | type;
}

static struct zs_page page_with(uint32_t word)
{
    struct zs_page p;

    atomic_init(&p.word, word);
    atomic_init(&p.owner, 0);
    return p;
}

static struct zs_page page_in(unsigned state)
{
    return page_with(word_of(state, 3));
}

static unsigned state_of(const struct zs_page *p)
{
    return zs_word_state(zs_page_word(p));
}

/* Where the spec lets an edge lead; DAMAGED: nowhere. */
static unsigned spec_target(unsigned from, unsigned edge)
{
    const char *row = spec[from];
    const char *hit = strchr(row, letter_of[edge]);

    return hit ? (unsigned)(hit - row) : DAMAGED;
}

static void check_step(unsigned from, unsigned edge, zs_page_type_t type)
{
    uint32_t before = word_of(from, type);
    struct zs_page p = page_with(before);
    unsigned to = spec_target(from, edge);
    /* A type is given to ALLOC; to the others it must not matter. */
    bool took = zs_page_step(&p, (enum zs_page_edge)edge,
                             edge == ZS_EDGE_ALLOC ? type : 77);

    if (to == DAMAGED) {
        assert_false(took);
        assert_int_equal(zs_page_word(&p), before);
    } else {
        assert_true(took);
        assert_int_equal(zs_page_word(&p), word_of(to, type));
        assert_int_equal(state_of(&p), to);
    }
}

/* --- the table --- */

static void step__takes_the_edges_of_the_spec_and_no_other(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < N_TYPES; i++) {
        for (unsigned s = 0; s < ZS_PAGE_NR_STATES; s++) {
            for (unsigned e = 0; e < ZS_EDGE_NR; e++) {
                check_step(s, e, some_types[i]);
            }
        }
    }
}

static void spec__names_every_edge_once(void **unused)
{
    unsigned n = 0;

    (void)unused;
    for (unsigned s = 0; s < ZS_PAGE_NR_STATES; s++) {
        for (unsigned t = 0; t < ZS_PAGE_NR_STATES; t++) {
            n += spec[s][t] != '.';
        }
    }
    assert_int_equal(n, ZS_EDGE_NR);
}

/* F4: the owner gets nothing back from there. */
static void released_and_limbo__lead_to_free_only(void **unused)
{
    static const unsigned ends[] = { ZS_PAGE_LOCKED_RELEASED,
                                     ZS_PAGE_ISOLATED_RELEASED, ZS_PAGE_LIMBO };

    (void)unused;
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        for (unsigned e = 0; e < ZS_EDGE_NR; e++) {
            struct zs_page p = page_in(ends[i]);

            if (zs_page_step(&p, (enum zs_page_edge)e, 3)) {
                assert_true(state_of(&p) == ZS_PAGE_LIMBO ||
                            state_of(&p) == ZS_PAGE_FREE);
            }
        }
    }
}

/* --- words --- */

static void free__is_the_zero_word(void **unused)
{
    struct zs_page p = page_in(ZS_PAGE_LIMBO);

    (void)unused;
    assert_int_equal(zs_word_state(0), ZS_PAGE_FREE);
    zs_page_reclaim_edge(&p);
    assert_int_equal(zs_page_word(&p), 0);
}

static void type__stays_until_the_page_is_free(void **unused)
{
    struct zs_page p = page_with(0);

    (void)unused;
    zs_page_alloc_edge(&p, 200);
    assert_int_equal(zs_word_type(zs_page_word(&p)), 200);
    zs_page_set_movable_edge(&p);
    assert_true(zs_page_try_lock(&p));
    assert_true(zs_page_try_isolate(&p));
    assert_false(zs_page_release_edge(&p));
    assert_int_equal(zs_word_type(zs_page_word(&p)), 200);
    zs_page_finish_edge(&p);
    assert_int_equal(zs_word_type(zs_page_word(&p)), 200);
    zs_page_reclaim_edge(&p);
    assert_int_equal(zs_word_type(zs_page_word(&p)), 0);
}

static bool is_a_word_of_the_spec(uint32_t word)
{
    zs_page_type_t type = (zs_page_type_t)(word & 0xff);

    for (unsigned s = 0; s < ZS_PAGE_NR_STATES; s++) {
        bool typed = s != ZS_PAGE_FREE;

        if (word == word_of(s, type) && (type != 0) == typed) {
            return true;
        }
    }
    return false;
}

static void check_word(uint32_t word)
{
    bool good = is_a_word_of_the_spec(word);

    assert_int_equal(zs_word_state(word) != DAMAGED, good);
    for (unsigned e = 0; !good && e < ZS_EDGE_NR; e++) {
        struct zs_page p = page_with(word);

        assert_false(zs_page_step(&p, (enum zs_page_edge)e, 1));
        assert_int_equal(zs_page_word(&p), word);
    }
}

static void damaged_word__is_recognised_and_keeps_still(void **unused)
{
    static const uint32_t types[] = { 0, 1, 128, 255 };

    (void)unused;
    for (uint32_t bits = 0; bits < 0x4000; bits += 0x100) {
        for (unsigned i = 0; i < 4; i++) {
            check_word(bits | types[i]);
            check_word(bits | types[i] | 0x80000000u);
        }
    }
}

static void has_movable_ops__needs_the_flag_and_a_type(void **unused)
{
    (void)unused;
    for (unsigned s = 0; s < ZS_PAGE_NR_STATES; s++) {
        bool expect = s >= ZS_PAGE_MOVABLE && s <= ZS_PAGE_ISOLATED_RELEASED;

        assert_int_equal(zs_word_has_movable_ops(word_of(s, 1)), expect);
    }
    assert_false(zs_word_has_movable_ops(0x100));
}

static void is_released__is_true_in_the_two_released_states(void **unused)
{
    (void)unused;
    for (unsigned s = 0; s < ZS_PAGE_NR_STATES; s++) {
        struct zs_page p = page_in(s);

        assert_int_equal(zs_page_is_released(&p),
                         s == ZS_PAGE_LOCKED_RELEASED ||
                             s == ZS_PAGE_ISOLATED_RELEASED);
    }
}

/* --- release (F2) --- */

static void release__of_an_unheld_page_is_the_callers_to_go_on(void **unused)
{
    struct zs_page owned = page_in(ZS_PAGE_OWNED);
    struct zs_page movable = page_in(ZS_PAGE_MOVABLE);

    (void)unused;
    assert_true(zs_page_release_edge(&owned));
    assert_int_equal(state_of(&owned), ZS_PAGE_LIMBO);
    assert_true(zs_page_release_edge(&movable));
    assert_int_equal(state_of(&movable), ZS_PAGE_LIMBO);
}

static void release__of_a_held_page_is_left_to_the_holder(void **unused)
{
    struct zs_page locked = page_in(ZS_PAGE_LOCKED);
    struct zs_page isolated = page_in(ZS_PAGE_ISOLATED);

    (void)unused;
    assert_false(zs_page_release_edge(&locked));
    assert_int_equal(state_of(&locked), ZS_PAGE_LOCKED_RELEASED);
    assert_false(zs_page_release_edge(&isolated));
    assert_int_equal(state_of(&isolated), ZS_PAGE_ISOLATED_RELEASED);
}

static void released_page__refuses_all_but_the_finish(void **unused)
{
    struct zs_page locked = page_in(ZS_PAGE_LOCKED_RELEASED);
    struct zs_page isolated = page_in(ZS_PAGE_ISOLATED_RELEASED);

    (void)unused;
    assert_false(zs_page_try_unlock(&locked));
    assert_false(zs_page_try_isolate(&locked));
    assert_false(zs_page_try_putback(&isolated));
    assert_false(zs_page_try_lock(&isolated));
    zs_page_finish_edge(&locked);
    zs_page_finish_edge(&isolated);
    assert_int_equal(state_of(&locked), ZS_PAGE_LIMBO);
    assert_int_equal(state_of(&isolated), ZS_PAGE_LIMBO);
}

/* --- misuse stops the process --- */

static bool aborts(void (*act)(struct zs_page *p), struct zs_page *p)
{
    int status;
    pid_t child = fork();

    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO); /* the message is expected */
        alarm(10);            /* an endless loop is not an abort */
        act(p);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void release(struct zs_page *p)
{
    (void)zs_page_release_edge(p);
}

static void alloc(struct zs_page *p)
{
    zs_page_alloc_edge(p, 1);
}

static void alloc_without_type(struct zs_page *p)
{
    zs_page_alloc_edge(p, 0);
}

static void release__of_a_page_not_in_use_aborts(void **unused)
{
    static const unsigned not_in_use[] = { ZS_PAGE_FREE, ZS_PAGE_LIMBO,
                                           ZS_PAGE_LOCKED_RELEASED,
                                           ZS_PAGE_ISOLATED_RELEASED };

    (void)unused;
    for (unsigned i = 0; i < 4; i++) {
        struct zs_page p = page_in(not_in_use[i]);

        assert_true(aborts(release, &p));
    }
}

static void release__of_a_damaged_page_aborts(void **unused)
{
    struct zs_page two_holders = page_with(0x703);
    struct zs_page no_type = page_with(0x100);

    (void)unused;
    assert_true(aborts(release, &two_holders));
    assert_true(aborts(release, &no_type));
}

static void alloc__of_a_page_in_use_aborts(void **unused)
{
    struct zs_page owned = page_in(ZS_PAGE_OWNED);
    struct zs_page vacant = page_in(ZS_PAGE_FREE);

    (void)unused;
    assert_true(aborts(alloc, &owned));
    assert_true(aborts(alloc_without_type, &vacant));
}

static void core_edges__from_a_wrong_state_abort(void **unused)
{
    struct zs_page movable = page_in(ZS_PAGE_MOVABLE);

    (void)unused;
    assert_true(aborts(zs_page_migrated_edge, &movable));
    assert_true(aborts(zs_page_finish_edge, &movable));
    assert_true(aborts(zs_page_reclaim_edge, &movable));
    assert_true(aborts(zs_page_set_movable_edge, &movable));
}

/* --- the race that RELEASED is for --- */

static struct zs_page raced[N_RACES];
static _Atomic unsigned core_at; /* the page that the core plays with */
static unsigned finished_by_core[N_RACES];
static unsigned finished_by_owner[N_RACES];

/* Lock, isolate and put back once. False: the page is not the core's to take
 * any more. */
static bool hold_once(unsigned i)
{
    struct zs_page *p = &raced[i];

    if (!zs_page_try_lock(p)) {
        return false;
    }
    if (i % 2 == 0 ? zs_page_try_unlock(p)
                   : zs_page_try_isolate(p) && zs_page_try_putback(p)) {
        return true;
    }
    finished_by_core[i]++;
    zs_page_finish_edge(p);
    return false;
}

/* The bound is never reached unless a release was lost. */
static void *run_core(void *unused)
{
    for (unsigned i = 0; i < N_RACES; i++) {
        unsigned rounds = 0;

        atomic_store_explicit(&core_at, i, memory_order_release);
        while (rounds < 10000000 && hold_once(i)) {
            if (++rounds % 500 == 0) {
                sched_yield(); /* with one processor the owner must run */
            }
        }
    }
    return unused;
}

/* Looks for a while before it yields, so that the two meet on the same page
 * where there are two processors. */
static void release_when_the_core_is_there(unsigned i)
{
    unsigned looks = 0;

    while (atomic_load_explicit(&core_at, memory_order_acquire) < i) {
        if (++looks % 2000 == 0) {
            sched_yield();
        }
    }
    for (volatile unsigned wait = i % 50; wait > 0; wait--) {
        /* each time at another moment of the core's round */
    }
    if (zs_page_release_edge(&raced[i])) {
        finished_by_owner[i]++;
    }
}

static void lock_and_release__race_to_exactly_one_finish(void **unused)
{
    pthread_t core;

    (void)unused;
    for (unsigned i = 0; i < N_RACES; i++) {
        raced[i] = page_in(ZS_PAGE_MOVABLE);
    }
    assert_int_equal(pthread_create(&core, NULL, run_core, NULL), 0);
    for (unsigned i = 0; i < N_RACES; i++) {
        release_when_the_core_is_there(i);
    }
    assert_int_equal(pthread_join(core, NULL), 0);
    for (unsigned i = 0; i < N_RACES; i++) {
        assert_int_equal(finished_by_core[i] + finished_by_owner[i], 1);
        assert_int_equal(state_of(&raced[i]), ZS_PAGE_LIMBO);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(step__takes_the_edges_of_the_spec_and_no_other),
        cmocka_unit_test(spec__names_every_edge_once),
        cmocka_unit_test(released_and_limbo__lead_to_free_only),
        cmocka_unit_test(free__is_the_zero_word),
        cmocka_unit_test(type__stays_until_the_page_is_free),
        cmocka_unit_test(damaged_word__is_recognised_and_keeps_still),
        cmocka_unit_test(has_movable_ops__needs_the_flag_and_a_type),
        cmocka_unit_test(is_released__is_true_in_the_two_released_states),
        cmocka_unit_test(release__of_an_unheld_page_is_the_callers_to_go_on),
        cmocka_unit_test(release__of_a_held_page_is_left_to_the_holder),
        cmocka_unit_test(released_page__refuses_all_but_the_finish),
        cmocka_unit_test(release__of_a_page_not_in_use_aborts),
        cmocka_unit_test(release__of_a_damaged_page_aborts),
        cmocka_unit_test(alloc__of_a_page_in_use_aborts),
        cmocka_unit_test(core_edges__from_a_wrong_state_abort),
        cmocka_unit_test(lock_and_release__race_to_exactly_one_finish),
    };
    return cmocka_run_group_tests_name("page_flags", tests, NULL, NULL);
}
