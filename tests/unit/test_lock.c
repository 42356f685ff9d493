/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of lib/base/lock.h and of the waiting rules in lib/base/rcu.h.
 * What must stop the process happens in a child; the text it leaves behind is
 * read from a pipe.
 */
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "lock.h"
#include "rcu.h"

static struct zs_lock locks[ZS_NR_RANKS];
static struct zs_lock same_rank_as_arena;

static int init_locks(void **unused)
{
    (void)unused;
    for (unsigned r = 0; r < ZS_NR_RANKS; r++) {
        zs_lock_init(&locks[r], (enum zs_rank)r);
    }
    zs_lock_init(&same_rank_as_arena, ZS_RANK_ARENA);
    return 0;
}

/* --- a child that is expected to stop --- */

static char last_words[1024];

static _Noreturn void run_child(void (*act)(void), int err)
{
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
    signal(SIGABRT, SIG_DFL);
    dup2(err, STDERR_FILENO);
    alarm(10); /* a deadlock is not an abort */
    act();
    _exit(0);
}

static bool aborts(void (*act)(void))
{
    int fds[2];
    int status;
    size_t len = 0;
    ssize_t got;
    pid_t child;

    assert_int_equal(pipe(fds), 0);
    child = fork();
    if (child == 0) {
        run_child(act, fds[1]);
    }
    close(fds[1]);
    while ((got = read(fds[0], last_words + len,
                       sizeof(last_words) - 1 - len)) > 0) {
        len += (size_t)got;
    }
    last_words[len] = '\0';
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

/* Ranks are known to checked builds only. */
static void need_checks(void)
{
    if (ZS_CHECKS < 1) {
        skip();
    }
}

/* --- order --- */

static unsigned first_rank, second_rank;

static void take_first_then_second(void)
{
    zs_lock_acquire(&locks[first_rank]);
    zs_lock_acquire(&locks[second_rank]);
}

static void take_two_of_one_rank(void)
{
    zs_lock_acquire(&locks[ZS_RANK_ARENA]);
    zs_lock_acquire(&same_rank_as_arena);
}

static void try_a_lower_rank(void)
{
    zs_lock_acquire(&locks[ZS_RANK_ARENA]);
    (void)zs_lock_try_acquire(&locks[ZS_RANK_CLASS]);
}

static void acquire__in_the_order_of_the_ranks_is_fine(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < 2; round++) {
        for (unsigned r = 0; r < ZS_NR_RANKS; r++) {
            zs_lock_acquire(&locks[r]);
        }
        for (unsigned r = 0; r < ZS_NR_RANKS; r++) {
            zs_lock_release(&locks[r]); /* releases have no order */
        }
    }
}

static void acquire__of_a_lower_rank_aborts(void **unused)
{
    (void)unused;
    need_checks();
    for (unsigned r = 1; r < ZS_NR_RANKS; r++) {
        first_rank = r;
        second_rank = r - 1;
        assert_true(aborts(take_first_then_second));
    }
    first_rank = ZS_NR_RANKS - 1;
    second_rank = 0;
    assert_true(aborts(take_first_then_second));
}

static void acquire__of_the_same_rank_aborts(void **unused)
{
    (void)unused;
    need_checks();
    assert_true(aborts(take_two_of_one_rank));
}

static void take_lower_than_together(void)
{
    zs_lock_acquire_together(&locks[ZS_RANK_ARENA]);
    zs_lock_acquire_together(&locks[ZS_RANK_CLASS]);
}

static void take_same_as_together(void)
{
    zs_lock_acquire_together(&locks[ZS_RANK_ARENA]);
    zs_lock_acquire(&same_rank_as_arena);
}

static void acquire_together__takes_several_of_one_rank(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < 2; round++) {
        zs_lock_acquire_together(&locks[ZS_RANK_CLASS]);
        zs_lock_acquire_together(&locks[ZS_RANK_ARENA]);
        zs_lock_acquire_together(&same_rank_as_arena);
        zs_lock_release_together(&same_rank_as_arena);
        zs_lock_release_together(&locks[ZS_RANK_ARENA]);
        zs_lock_release_together(&locks[ZS_RANK_CLASS]);
    }
}

static void acquire_together__keeps_the_order_of_ranks(void **unused)
{
    (void)unused;
    need_checks();
    assert_true(aborts(take_lower_than_together));
    assert_true(aborts(take_same_as_together));
}

static void try_acquire__of_a_lower_rank_aborts(void **unused)
{
    (void)unused;
    need_checks();
    assert_true(aborts(try_a_lower_rank));
}

static void acquire__of_a_lower_rank_is_fine_after_the_release(void **unused)
{
    (void)unused;
    zs_lock_acquire(&locks[ZS_RANK_PASS]);
    zs_lock_acquire(&locks[ZS_RANK_ARENA]);
    zs_lock_release(&locks[ZS_RANK_ARENA]);
    zs_lock_acquire(&locks[ZS_RANK_CLASS]);
    zs_lock_release(&locks[ZS_RANK_CLASS]);
    zs_lock_release(&locks[ZS_RANK_PASS]);
}

/* --- what one thread holds is nothing to another --- */

static void *take_class(void *unused)
{
    zs_lock_acquire(&locks[ZS_RANK_CLASS]);
    zs_lock_release(&locks[ZS_RANK_CLASS]);
    return unused;
}

static void *try_arena(void *got)
{
    *(bool *)got = zs_lock_try_acquire(&locks[ZS_RANK_ARENA]);
    /* Not held, so this is no violation. */
    return take_class(NULL);
}

static void run_thread(void *(*run)(void *), void *arg)
{
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, run, arg), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
}

static void ranks__are_of_one_thread(void **unused)
{
    (void)unused;
    zs_lock_acquire(&locks[ZS_RANK_ARENA]);
    run_thread(take_class, NULL);
    zs_lock_release(&locks[ZS_RANK_ARENA]);
}

static void
try_acquire__of_a_held_lock_is_false_and_holds_nothing(void **unused)
{
    bool got = true;

    (void)unused;
    zs_lock_acquire(&locks[ZS_RANK_ARENA]);
    run_thread(try_arena, &got);
    zs_lock_release(&locks[ZS_RANK_ARENA]);
    assert_false(got);
}

static void try_acquire__of_an_unheld_lock_is_true(void **unused)
{
    (void)unused;
    assert_true(zs_lock_try_acquire(&locks[ZS_RANK_ARENA]));
    ZS_ASSERT_HELD(&locks[ZS_RANK_ARENA]);
    zs_lock_release(&locks[ZS_RANK_ARENA]);
}

/* --- held or not --- */

static void assert_held_without_holding(void)
{
    ZS_ASSERT_HELD(&locks[ZS_RANK_LIMBO]);
}

static void assert_none_while_holding(void)
{
    zs_lock_acquire(&locks[ZS_RANK_LIMBO]);
    ZS_ASSERT_NONE_FROM(ZS_RANK_CLASS);
}

static void assert_held__aborts_when_it_is_not(void **unused)
{
    (void)unused;
    need_checks();
    assert_true(aborts(assert_held_without_holding));
    zs_lock_acquire(&locks[ZS_RANK_LIMBO]);
    ZS_ASSERT_HELD(&locks[ZS_RANK_LIMBO]);
    zs_lock_release(&locks[ZS_RANK_LIMBO]);
}

static void assert_none_from__aborts_when_one_is_held(void **unused)
{
    (void)unused;
    need_checks();
    assert_true(aborts(assert_none_while_holding));
    zs_lock_acquire(&locks[ZS_RANK_TYPES]); /* below the bound */
    ZS_ASSERT_NONE_FROM(ZS_RANK_CLASS);
    zs_lock_release(&locks[ZS_RANK_TYPES]);
}

/* --- waiting for readers --- */

static void wait_with_a_class_lock(void)
{
    zs_lock_acquire(&locks[ZS_RANK_CLASS]);
    zs_wait_for_readers();
}

static void wait_in_a_read_section(void)
{
    zs_read_lock();
    zs_read_lock();
    zs_read_unlock(); /* the outer one is open still */
    zs_may_wait("zs_some_function");
}

static void wait_for_readers__holding_a_class_lock_aborts(void **unused)
{
    (void)unused;
    need_checks();
    assert_true(aborts(wait_with_a_class_lock));
}

static void wait_for_readers__holding_a_lower_rank_is_fine(void **unused)
{
    (void)unused;
    zs_lock_acquire(&locks[ZS_RANK_PASS]);
    zs_lock_acquire(&locks[ZS_RANK_FLUSH]);
    zs_wait_for_readers();
    zs_lock_release(&locks[ZS_RANK_FLUSH]);
    zs_lock_release(&locks[ZS_RANK_PASS]);
}

/* In every build: this is a caller's mistake, not ours. */
static void may_wait__in_a_read_section_aborts_and_says_so(void **unused)
{
    (void)unused;
    assert_true(aborts(wait_in_a_read_section));
    assert_non_null(strstr(last_words, "zs_some_function"));
    assert_non_null(strstr(last_words, "read section"));
}

static void may_wait__outside_of_read_sections_does_nothing(void **unused)
{
    (void)unused;
    zs_may_wait("zs_some_function");
    zs_read_lock();
    assert_true(zs_in_read_section());
    zs_read_unlock();
    assert_false(zs_in_read_section());
    zs_may_wait("zs_some_function");
}

#define PROMISE(f) cmocka_unit_test_setup(f, init_locks)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(acquire__in_the_order_of_the_ranks_is_fine),
        PROMISE(acquire__of_a_lower_rank_aborts),
        PROMISE(acquire__of_the_same_rank_aborts),
        PROMISE(acquire_together__takes_several_of_one_rank),
        PROMISE(acquire_together__keeps_the_order_of_ranks),
        PROMISE(try_acquire__of_a_lower_rank_aborts),
        PROMISE(acquire__of_a_lower_rank_is_fine_after_the_release),
        PROMISE(ranks__are_of_one_thread),
        PROMISE(try_acquire__of_a_held_lock_is_false_and_holds_nothing),
        PROMISE(try_acquire__of_an_unheld_lock_is_true),
        PROMISE(assert_held__aborts_when_it_is_not),
        PROMISE(assert_none_from__aborts_when_one_is_held),
        PROMISE(wait_for_readers__holding_a_class_lock_aborts),
        PROMISE(wait_for_readers__holding_a_lower_rank_is_fine),
        PROMISE(may_wait__in_a_read_section_aborts_and_says_so),
        PROMISE(may_wait__outside_of_read_sections_does_nothing),
    };
    return cmocka_run_group_tests_name("lock", tests, NULL, NULL);
}
