/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of lib/base/grace.h, with members that only count.
 *
 * Nothing here waits for time to pass. A read section of the test's own thread
 * holds an ASYNC round back; a gate holds back liburcu's thread, on which
 * every ASYNC round ends.
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

#include "grace.h"
#include "os.h"

#define N_MEMBERS 3u

/* A member as it should be: what waits moves into a round, and on into FLUSH
 * if that begins before ASYNC has ended. */
struct member {
    struct zs_grace_member base;
    _Atomic unsigned waiting;
    _Atomic unsigned in_round[ZS_NR_ROUNDS];
    _Atomic unsigned given_back;
    _Atomic unsigned starts[ZS_NR_ROUNDS];
    _Atomic unsigned finishes[ZS_NR_ROUNDS];
    _Atomic unsigned started_at, finished_at; /* on the common clock */
};

static struct zs_grace grace;
static struct member members[N_MEMBERS];
static _Atomic unsigned ticks;

static unsigned get(const _Atomic unsigned *v)
{
    return atomic_load_explicit(v, memory_order_acquire);
}

static unsigned add(_Atomic unsigned *v, unsigned n)
{
    return atomic_fetch_add_explicit(v, n, memory_order_acq_rel) + n;
}

static unsigned take_all(_Atomic unsigned *v)
{
    return atomic_exchange_explicit(v, 0, memory_order_acq_rel);
}

static void start(struct zs_grace_member *base, enum zs_round round)
{
    struct member *m = (struct member *)base;

    add(&m->in_round[round], take_all(&m->waiting));
    if (round == ZS_ROUND_FLUSH) {
        add(&m->in_round[round], take_all(&m->in_round[ZS_ROUND_ASYNC]));
    }
    add(&m->starts[round], 1);
    atomic_store_explicit(&m->started_at, add(&ticks, 1), memory_order_release);
}

static void finish(struct zs_grace_member *base, enum zs_round round)
{
    struct member *m = (struct member *)base;

    add(&m->given_back, take_all(&m->in_round[round]));
    add(&m->finishes[round], 1);
    atomic_store_explicit(&m->finished_at, add(&ticks, 1),
                          memory_order_release);
}

static int join_members(void **unused)
{
    (void)unused;
    zs_grace_init(&grace);
    memset(members, 0, sizeof(members));
    for (unsigned i = 0; i < N_MEMBERS; i++) {
        members[i].base.start = start;
        members[i].base.finish = finish;
        zs_grace_join(&grace, &members[i].base);
    }
    return 0;
}

static bool is_member(const struct member *m)
{
    const struct zs_grace_member *i = grace.members;

    while (i && i != &m->base) {
        i = i->next;
    }
    return i != NULL;
}

/* Wait for the end of the ASYNC round and of those that follow it. */
static void wait_for_rest(void)
{
    zs_lock_acquire(&grace.lock);
    while (grace.async) {
        zs_lock_wait(&grace.lock, &grace.idle);
    }
    zs_lock_release(&grace.lock);
}

/* --- the gate: liburcu's thread stays in a callback until it is opened --- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool reached, open;
    struct zs_after_grace after;
} gate = { .lock = PTHREAD_MUTEX_INITIALIZER,
           .changed = PTHREAD_COND_INITIALIZER };

static void stay_in_gate(struct zs_after_grace *unused)
{
    (void)unused;
    pthread_mutex_lock(&gate.lock);
    gate.reached = true;
    pthread_cond_broadcast(&gate.changed);
    while (!gate.open) {
        pthread_cond_wait(&gate.changed, &gate.lock);
    }
    pthread_mutex_unlock(&gate.lock);
}

static void close_gate(void)
{
    gate.reached = false;
    gate.open = false;
    zs_call_after_grace(&gate.after, stay_in_gate);
    pthread_mutex_lock(&gate.lock);
    while (!gate.reached) {
        pthread_cond_wait(&gate.changed, &gate.lock);
    }
    pthread_mutex_unlock(&gate.lock);
}

static void open_gate(void)
{
    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
}

static int leave_all(void **unused)
{
    (void)unused;
    open_gate(); /* and no read section either, if a test has failed */
    while (zs_in_read_section()) {
        zs_read_unlock();
    }
    for (unsigned i = 0; i < N_MEMBERS; i++) {
        if (is_member(&members[i])) {
            zs_grace_leave(&grace, &members[i].base);
        }
    }
    zs_grace_destroy(&grace);
    return 0;
}

/* --- flush --- */

static void flush__starts_and_finishes_every_member_once(void **unused)
{
    (void)unused;
    zs_grace_flush(&grace);
    for (unsigned i = 0; i < N_MEMBERS; i++) {
        assert_int_equal(get(&members[i].starts[ZS_ROUND_FLUSH]), 1);
        assert_int_equal(get(&members[i].finishes[ZS_ROUND_FLUSH]), 1);
        assert_int_equal(get(&members[i].starts[ZS_ROUND_ASYNC]), 0);
    }
}

static void flush__finishes_nobody_before_all_have_started(void **unused)
{
    unsigned last_start = 0;
    unsigned first_finish = UINT32_MAX;

    (void)unused;
    zs_grace_flush(&grace);
    for (unsigned i = 0; i < N_MEMBERS; i++) {
        unsigned began = get(&members[i].started_at);
        unsigned ended = get(&members[i].finished_at);

        last_start = began > last_start ? began : last_start;
        first_finish = ended < first_finish ? ended : first_finish;
    }
    assert_true(last_start < first_finish);
}

static void flush__gives_back_all_that_waited_before(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < N_MEMBERS; i++) {
        add(&members[i].waiting, i + 1);
    }
    zs_grace_flush(&grace);
    for (unsigned i = 0; i < N_MEMBERS; i++) {
        assert_int_equal(get(&members[i].given_back), i + 1);
    }
}

/* liburcu's thread is held, so nobody but the flush can have done it. */
static void flush__takes_over_what_an_async_round_covers(void **unused)
{
    struct member *m = &members[0];

    (void)unused;
    close_gate();
    add(&m->waiting, 5);
    zs_grace_request(&grace);
    assert_int_equal(get(&m->in_round[ZS_ROUND_ASYNC]), 5);
    zs_grace_flush(&grace);
    assert_int_equal(get(&m->given_back), 5);
    assert_int_equal(get(&m->finishes[ZS_ROUND_ASYNC]), 0);
    open_gate();
    wait_for_rest();
    assert_int_equal(get(&m->given_back), 5); /* once */
    assert_int_equal(get(&m->finishes[ZS_ROUND_ASYNC]), 1);
}

/* --- a reader that began before --- */

static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool inside, may_leave;
    unsigned given_back_meanwhile;
} reader = { .lock = PTHREAD_MUTEX_INITIALIZER,
             .changed = PTHREAD_COND_INITIALIZER };

static void *read_until_told(void *unused)
{
    zs_read_lock();
    pthread_mutex_lock(&reader.lock);
    reader.inside = true;
    pthread_cond_broadcast(&reader.changed);
    while (!reader.may_leave) {
        pthread_cond_wait(&reader.changed, &reader.lock);
    }
    pthread_mutex_unlock(&reader.lock);
    for (unsigned i = 0; i < 1000; i++) {
        sched_yield(); /* a chance for a flush that does not wait for us */
    }
    reader.given_back_meanwhile = get(&members[0].given_back);
    zs_read_unlock();
    return unused;
}

static pthread_t begin_reader(void)
{
    pthread_t thread;

    reader.inside = false;
    reader.may_leave = false;
    assert_int_equal(pthread_create(&thread, NULL, read_until_told, NULL), 0);
    pthread_mutex_lock(&reader.lock);
    while (!reader.inside) {
        pthread_cond_wait(&reader.changed, &reader.lock);
    }
    pthread_mutex_unlock(&reader.lock);
    return thread;
}

static void let_reader_leave(void)
{
    pthread_mutex_lock(&reader.lock);
    reader.may_leave = true;
    pthread_cond_broadcast(&reader.changed);
    pthread_mutex_unlock(&reader.lock);
}

/* Lets the reader go once the round has begun; rank-wise a start() callback
 * may do nothing more. */
static void start_and_let_reader_leave(struct zs_grace_member *base,
                                       enum zs_round round)
{
    start(base, round);
    let_reader_leave();
}

static void flush__waits_for_a_reader_that_began_before(void **unused)
{
    struct member *m = &members[0];
    pthread_t thread = begin_reader();

    (void)unused;
    m->base.start = start_and_let_reader_leave;
    add(&m->waiting, 1);
    zs_grace_flush(&grace);
    assert_int_equal(get(&m->given_back), 1);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(reader.given_back_meanwhile, 0);
}

static void request__waits_for_a_reader_that_began_before(void **unused)
{
    struct member *m = &members[0];
    pthread_t thread = begin_reader();

    (void)unused;
    m->base.start = start_and_let_reader_leave;
    add(&m->waiting, 1);
    zs_grace_request(&grace);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(reader.given_back_meanwhile, 0);
    wait_for_rest();
    assert_int_equal(get(&m->given_back), 1);
}

/* --- request --- */

static void request__in_a_read_section_does_not_wait(void **unused)
{
    struct member *m = &members[1];

    (void)unused;
    add(&m->waiting, 2);
    zs_read_lock();
    zs_grace_request(&grace);
    zs_grace_request(&grace);
    assert_int_equal(get(&m->in_round[ZS_ROUND_ASYNC]), 2);
    assert_int_equal(get(&m->finishes[ZS_ROUND_ASYNC]), 0);
    zs_read_unlock();
    wait_for_rest();
    assert_int_equal(get(&m->given_back), 2);
}

/* R1: what came after the start waits for the next round. */
static void round__gives_back_only_what_waited_at_its_start(void **unused)
{
    struct member *m = &members[1];

    (void)unused;
    zs_read_lock();
    add(&m->waiting, 2);
    zs_grace_request(&grace);
    add(&m->waiting, 3);
    zs_read_unlock();
    wait_for_rest();
    assert_int_equal(get(&m->given_back), 2);
    assert_int_equal(get(&m->waiting), 3);
}

static void request__during_a_round_begins_another_after_it(void **unused)
{
    struct member *m = &members[1];

    (void)unused;
    zs_read_lock();
    add(&m->waiting, 2);
    zs_grace_request(&grace);
    add(&m->waiting, 3);
    zs_grace_request(&grace);
    assert_int_equal(get(&m->starts[ZS_ROUND_ASYNC]), 1);
    zs_read_unlock();
    wait_for_rest();
    assert_int_equal(get(&m->given_back), 5);
    assert_int_equal(get(&m->finishes[ZS_ROUND_ASYNC]), 2);
}

/* However often it is asked for. */
static void requests__during_a_round_begin_one_more_round(void **unused)
{
    (void)unused;
    zs_read_lock();
    for (unsigned i = 0; i < 100; i++) {
        zs_grace_request(&grace);
    }
    zs_read_unlock();
    wait_for_rest();
    assert_int_equal(get(&members[0].starts[ZS_ROUND_ASYNC]), 2);
    assert_int_equal(get(&members[0].finishes[ZS_ROUND_ASYNC]), 2);
}

/* --- leave --- */

static void leave__gives_back_what_waited(void **unused)
{
    struct member *m = &members[2];

    (void)unused;
    add(&m->waiting, 4);
    zs_grace_request(&grace);
    add(&m->waiting, 3);
    zs_grace_leave(&grace, &m->base);
    assert_int_equal(get(&m->given_back), 7);
    assert_int_equal(get(&m->in_round[ZS_ROUND_ASYNC]), 0);
    assert_int_equal(get(&m->in_round[ZS_ROUND_FLUSH]), 0);
}

static void leave__ends_all_calls_to_that_member_alone(void **unused)
{
    struct member *gone = &members[1];
    unsigned before;

    (void)unused;
    zs_grace_leave(&grace, &gone->base);
    before = get(&gone->started_at);
    zs_grace_flush(&grace);
    zs_grace_request(&grace);
    wait_for_rest();
    assert_int_equal(get(&gone->started_at), before);
    assert_int_equal(get(&members[0].starts[ZS_ROUND_ASYNC]), 1);
    assert_int_equal(get(&members[2].starts[ZS_ROUND_ASYNC]), 1);
}

static void *leave_as_member_2(void *unused)
{
    zs_grace_leave(&grace, &members[2].base);
    return unused;
}

static void wait_until_someone_leaves(void)
{
    bool leaving = false;

    while (!leaving) {
        sched_yield();
        zs_lock_acquire(&grace.lock);
        leaving = grace.n_leaving > 0;
        zs_lock_release(&grace.lock);
    }
}

/* A round under way still calls the member, so leave waits for its end. A
 * request made meanwhile is not forgotten. */
static void leave__waits_for_the_round_and_keeps_requests(void **unused)
{
    pthread_t leaver;

    (void)unused;
    close_gate();
    zs_grace_request(&grace);
    assert_int_equal(pthread_create(&leaver, NULL, leave_as_member_2, NULL), 0);
    wait_until_someone_leaves();
    assert_true(is_member(&members[2]));
    add(&members[0].waiting, 6);
    zs_grace_request(&grace);
    open_gate();
    assert_int_equal(pthread_join(leaver, NULL), 0);
    assert_int_equal(get(&members[2].finishes[ZS_ROUND_ASYNC]), 1);
    wait_for_rest();
    assert_int_equal(get(&members[0].given_back), 6);
    assert_int_equal(get(&members[2].starts[ZS_ROUND_ASYNC]), 1);
}

/* --- destroy, counters --- */

static void destroy__waits_for_a_round_under_way(void **unused)
{
    struct zs_grace other;

    (void)unused;
    for (unsigned i = 0; i < 3; i++) {
        zs_grace_init(&other);
        zs_grace_request(&other);
        zs_grace_request(&other);
        zs_grace_destroy(&other);
        memset(&other, 0xff, sizeof(other)); /* its callback has run */
    }
    zs_grace_flush(&grace);
}

static void destroy__with_members_aborts(void **unused)
{
    int status;
    pid_t child = fork();

    (void)unused;
    if (child == 0) {
        (void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO); /* the message is expected */
        alarm(10);
        zs_grace_destroy(&grace);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static void count__keeps_the_sum_and_its_peak(void **unused)
{
    (void)unused;
    zs_grace_count(&grace, 100);
    zs_grace_count(&grace, 50);
    zs_grace_uncount(&grace, 120, 3);
    zs_grace_count(&grace, 10);
    assert_int_equal(zs_grace_deferred(&grace), 40);
    assert_int_equal(grace.deferred_peak, 150);
    zs_grace_uncount(&grace, 40, 1);
    assert_int_equal(zs_grace_deferred(&grace), 0);
    assert_int_equal(grace.n_released, 4);
}

/* --- how long it took --- */

static _Atomic uint64_t fake_now;

static uint64_t fake_now_ns(void)
{
    return atomic_load_explicit(&fake_now, memory_order_relaxed);
}

static void start_and_let_time_pass(struct zs_grace_member *base,
                                    enum zs_round round)
{
    start(base, round);
    atomic_fetch_add_explicit(&fake_now, round == ZS_ROUND_FLUSH ? 5000 : 700,
                              memory_order_relaxed);
}

static void delays__are_from_the_start_of_each_round(void **unused)
{
    struct zs_os real_os = zs_os;
    struct zs_histogram_figures f;

    (void)unused;
    zs_os.now_ns = fake_now_ns;
    members[0].base.start = start_and_let_time_pass;
    zs_grace_flush(&grace);
    zs_grace_request(&grace);
    wait_for_rest();
    zs_os = real_os;
    zs_histogram_read(&grace.delays, &f);
    assert_int_equal(f.n, 2);
    assert_int_equal(f.sum, 5700);
    assert_int_equal(f.max, 5000);
}

#define PROMISE(f) cmocka_unit_test_setup_teardown(f, join_members, leave_all)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(flush__starts_and_finishes_every_member_once),
        PROMISE(flush__finishes_nobody_before_all_have_started),
        PROMISE(flush__gives_back_all_that_waited_before),
        PROMISE(flush__takes_over_what_an_async_round_covers),
        PROMISE(flush__waits_for_a_reader_that_began_before),
        PROMISE(request__waits_for_a_reader_that_began_before),
        PROMISE(request__in_a_read_section_does_not_wait),
        PROMISE(round__gives_back_only_what_waited_at_its_start),
        PROMISE(request__during_a_round_begins_another_after_it),
        PROMISE(requests__during_a_round_begin_one_more_round),
        PROMISE(leave__gives_back_what_waited),
        PROMISE(leave__ends_all_calls_to_that_member_alone),
        PROMISE(leave__waits_for_the_round_and_keeps_requests),
        PROMISE(destroy__waits_for_a_round_under_way),
        PROMISE(destroy__with_members_aborts),
        PROMISE(count__keeps_the_sum_and_its_peak),
        PROMISE(delays__are_from_the_start_of_each_round),
    };
    return cmocka_run_group_tests_name("grace", tests, NULL, NULL);
}
