/* SPDX-License-Identifier: MIT */
/* stops.h - bad use stops the process with a message: tried in a child. */
#ifndef ZS_TEST_STOPS_H
#define ZS_TEST_STOPS_H

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static char last_words[1024];

static _Noreturn void run_to_its_end(void (*bad_use)(void), int err)
{
    (void)setrlimit(RLIMIT_CORE, &(struct rlimit){ 0 });
    signal(SIGABRT, SIG_DFL); /* cmocka's handler would go on */
    dup2(err, STDERR_FILENO);
    alarm(60); /* a deadlock is not a stop */
    bad_use();
    _exit(0);
}

static void read_last_words(int fd)
{
    size_t len = 0;
    ssize_t got;

    while ((got = read(fd, last_words + len, sizeof(last_words) - 1 - len)) >
           0) {
        len += (size_t)got;
    }
    last_words[len] = '\0';
}

/* The process is stopped, and says each of the two texts. */
static void assert_stops(void (*bad_use)(void), const char *text,
                         const char *other)
{
    int fds[2];
    int status;
    pid_t child;

    assert_int_equal(pipe(fds), 0);
    child = fork();
    if (child == 0) {
        run_to_its_end(bad_use, fds[1]);
    }
    close(fds[1]);
    read_last_words(fds[0]);
    close(fds[0]);
    assert_int_equal(waitpid(child, &status, 0), child);
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGABRT) {
        fail_msg("not stopped where \"%s\" is expected", text);
    }
    if (!strstr(last_words, text) || !strstr(last_words, other)) {
        fail_msg("\"%s\" and \"%s\" are not in: %s", text, other, last_words);
    }
}

#endif /* ZS_TEST_STOPS_H */
