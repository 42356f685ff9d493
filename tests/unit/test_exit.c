/* SPDX-License-Identifier: MIT */
/* Unit tests of the end of a process with threads at work: fork_load.h. */
#include "fork_load.h"
#include "sanitizer.h"

#ifdef ZS_ASAN_OR_UBSAN
/* exit() with threads at work: their stacks move while leaks are looked for. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
    return "detect_leaks=0";
}
#endif

static void stop_at_exit(void)
{
    zs_compactor_stop(compactor);
}

/* exit() with threads at work, in the middle of whatever they do. */
static int start_load_and_exit(bool stop_compactor)
{
    start_load();
    if (stop_compactor && atexit(stop_at_exit) != 0) {
        return 1;
    }
    usleep((useconds_t)(getpid() % 20) * 1000);
    exit(0);
}

static void exits_well(bool stop_compactor)
{
    for (unsigned i = 0; i < 20; i++) {
        pid_t child = fork();
        int status;

        if (child == 0) {
            signal(SIGABRT, SIG_DFL);
            alarm(CHILD_SECONDS);
            _exit(start_load_and_exit(stop_compactor));
        }
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 0);
    }
}

static void exit__with_threads_at_work(void **state)
{
    (void)state;
    exits_well(false);
}

static void exit__stops_the_compactor_in_an_exit_handler(void **state)
{
    (void)state;
    exits_well(true);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(exit__with_threads_at_work, watch),
        cmocka_unit_test_setup(exit__stops_the_compactor_in_an_exit_handler,
                               watch),
    };

#ifdef ZS_TSAN
    (void)tests; /* it does not follow threads into the child of a fork */
    return 77;
#else
    return cmocka_run_group_tests(tests, NULL, NULL);
#endif
}
