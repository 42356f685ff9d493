/* SPDX-License-Identifier: MIT */
/* Unit tests of sections: who has waited has the owner's data to itself. */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "os.h"
#include "section.h"

#define TURNS 20000u

static struct zs_section section;
static _Atomic bool keep_out, inside, leave, end;
static uint64_t data; /* the owner's, or the thief's while it keeps it out */

/* --- one section is waited for --- */

static void *stay_inside(void *unused)
{
    (void)unused;
    zs_section_enter(&section);
    atomic_store_explicit(&inside, true, memory_order_release);
    while (!atomic_load_explicit(&leave, memory_order_acquire)) {
        sched_yield();
    }
    data = 7;
    zs_section_leave(&section);
    return NULL;
}

static void *let_go(void *unused)
{
    (void)unused;
    for (unsigned i = 0; i < 100; i++) {
        sched_yield();
    }
    atomic_store_explicit(&leave, true, memory_order_release);
    return NULL;
}

static void section__that_is_under_way_is_waited_for(void **state)
{
    pthread_t owner, other;

    (void)state;
    data = 0;
    assert_int_equal(pthread_create(&owner, NULL, stay_inside, NULL), 0);
    while (!atomic_load_explicit(&inside, memory_order_acquire)) {
        sched_yield();
    }
    assert_int_equal(pthread_create(&other, NULL, let_go, NULL), 0);
    zs_sections_barrier();
    zs_section_wait(&section);
    assert_int_equal(data, 7);
    zs_section_wait(&section); /* none: at once */
    pthread_join(owner, NULL);
    pthread_join(other, NULL);
}

/* --- the two of them in turn --- */

static bool enter(void)
{
    if (zs_sections_are_fenced()) {
        zs_section_enter_fenced(&section);
    } else {
        zs_section_enter(&section);
    }
    if (!atomic_load_explicit(&keep_out, memory_order_acquire)) {
        return true;
    }
    zs_section_leave(&section);
    return false;
}

static void *own(void *mine)
{
    uint64_t *n = mine;

    while (!atomic_load_explicit(&end, memory_order_relaxed)) {
        if (enter()) {
            data++; /* not atomic: lost if the thief is at it */
            (*n)++;
            zs_section_leave(&section);
        } else {
            sched_yield();
        }
    }
    return NULL;
}

static void steal_in_turns(void)
{
    uint64_t owner_did = 0;
    pthread_t owner;

    data = 0;
    atomic_store_explicit(&end, false, memory_order_relaxed);
    assert_int_equal(pthread_create(&owner, NULL, own, &owner_did), 0);
    for (unsigned i = 0; i < TURNS; i++) {
        atomic_store_explicit(&keep_out, true, memory_order_relaxed);
        zs_sections_barrier();
        zs_section_wait(&section);
        data++;
        atomic_store_explicit(&keep_out, false, memory_order_release);
    }
    atomic_store_explicit(&end, true, memory_order_relaxed);
    pthread_join(owner, NULL);
    assert_int_equal(data, owner_did + TURNS);
}

static void thief__has_the_data_to_itself(void **state)
{
    (void)state;
    zs_sections_init();
    assert_false(zs_sections_are_fenced());
    steal_in_turns();
}

static int no_barrier(void)
{
    return -ENOSYS;
}

/* Which mode it is, is decided once in a process. */
static void thief__has_it_also_where_there_is_no_membarrier(void **state)
{
    pid_t child = fork();
    int status;

    (void)state;
    if (child == 0) {
        alarm(60);
        zs_os.barrier = no_barrier;
        zs_sections_init();
        if (!zs_sections_are_fenced()) {
            _exit(2);
        }
        steal_in_turns();
        _exit(data >= TURNS ? 0 : 3);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(thief__has_it_also_where_there_is_no_membarrier),
        cmocka_unit_test(thief__has_the_data_to_itself),
        cmocka_unit_test(section__that_is_under_way_is_waited_for),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
