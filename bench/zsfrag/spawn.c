/* SPDX-License-Identifier: MIT */
/*
 * spawn.c - start a worker with the right malloc() and listen to it.
 *
 * A worker is this program again, with other arguments (run.h) and LD_PRELOAD.
 * Whether a library can be had is tried by preloading it into a worker that
 * only answers whether it is in use: dlopen() would refuse some that can be
 * preloaded (thread-local storage), and would put them into this process.
 */
#include "spawn.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "progress.h"
#include "run.h"
#include "zram.h"

volatile sig_atomic_t spawn_stopped;

static void on_signal(int number)
{
    spawn_stopped = number;
}

void spawn_catch_signals(void)
{
    const struct sigaction action = { .sa_handler = on_signal };
    const struct sigaction ignore = { .sa_handler = SIG_IGN };

    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGHUP, &action, NULL);
    sigaction(SIGPIPE, &ignore, NULL); /* a device may have to be removed */
}

_Noreturn void spawn_end_by_signal(void)
{
    signal(spawn_stopped, SIG_DFL);
    raise(spawn_stopped);
    _exit(EXIT_BAD);
}

/* In the child. */
static _Noreturn void become(char *const argv[], const char *preload)
{
    if (preload != NULL) {
        setenv("LD_PRELOAD", preload, 1);
    } else {
        unsetenv("LD_PRELOAD");
    }
    execv("/proc/self/exe", argv);
    _exit(EXIT_USAGE);
}

/* The exit status as of waitpid(); the child is ended first when a signal
 * wants the tool to stop. */
static int wait_for(pid_t pid)
{
    int status = -1;

    for (;;) {
        if (spawn_stopped != 0) {
            kill(pid, SIGKILL);
        }
        if (waitpid(pid, &status, 0) == pid || errno != EINTR) {
            return status;
        }
    }
}

static bool probe(const struct backend *back, const char *preload)
{
    char *const argv[] = { "zsfrag", PROBE_OPTION, (char *)back->name, NULL };
    pid_t pid = fork();

    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
        dup2(null, STDERR_FILENO); /* the dynamic linker complains */
        become(argv, preload);
    }
    return pid > 0 && wait_for(pid) == 0;
}

/* The library to preload in *preload (NULL: none is needed); false: there is
 * none, see `why`. */
static bool find_preload(const struct backend *back, const char **preload,
                         char *why, size_t room)
{
    const char *named =
        back->preload_env != NULL ? getenv(back->preload_env) : NULL;

    *preload = named;
    if (back->preload[0] == NULL) {
        return true;
    }
    if (named != NULL) {
        if (probe(back, named)) {
            return true;
        }
        snprintf(why, room, "%s=%.80s is no %s that can be preloaded",
                 back->preload_env, named, back->name);
        return false;
    }
    for (int i = 0; back->preload[i] != NULL; i++) {
        *preload = back->preload[i];
        if (probe(back, *preload)) {
            return true;
        }
    }
    snprintf(why, room, "%s is not installed", back->preload[0]);
    return false;
}

/* The device's number in *device (-1: none is needed). */
static bool find_device(const struct backend *back, const struct job *job,
                        int *device, char *why, size_t room)
{
    *device = -1;
    if (!back->is_zram) {
        return true;
    }
    if (job->args->unit != UNIT_PAGE) {
        snprintf(why, room, "it stores whole pages: use --unit page");
        return false;
    }
    if (job->args->codec == CODEC_NONE) {
        snprintf(why, room, "it always compresses: use --codec lz4 or zstd");
        return false;
    }
    *device = zram_add(codec_name(job->args->codec),
                       job->n_pieces * PAGE_PIECE_BYTES, why, room);
    return *device >= 0;
}

static pid_t start(const struct backend *back, const struct job *job,
                   const char *preload, int device, int *from_worker)
{
    char plan[16], data[16], to_parent[16], number[16];
    char *const argv[] = { "zsfrag",
                           (char *)job->option,
                           (char *)back->name,
                           plan,
                           data,
                           to_parent,
                           number,
                           NULL };
    int ends[2];

    if (pipe(ends) != 0) {
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        snprintf(plan, sizeof(plan), "%d", job->plan_fd);
        snprintf(data, sizeof(data), "%d", job->data_fd);
        snprintf(to_parent, sizeof(to_parent), "%d", ends[1]);
        snprintf(number, sizeof(number), "%d", device);
        become(argv, preload);
    }
    close(ends[1]);
    *from_worker = ends[0];
    return pid;
}

/* Until the worker's end; what it said last is in *out. */
static void listen_to(int from_worker, struct outcome *out)
{
    struct message m;
    ssize_t n;

    while (spawn_stopped == 0 && (n = read(from_worker, &m, sizeof(m))) != 0) {
        if (n != (ssize_t)sizeof(m)) {
            continue; /* a signal */
        }
        if (m.kind == MSG_PROGRESS) {
            progress_show(out->back->name, m.done, m.total, m.text);
        } else if (m.kind == MSG_RESULT) {
            out->kind = RUN_DONE;
            out->result = m.result;
            out->load = m.load;
        } else {
            memcpy(out->why, m.text, sizeof(out->why));
        }
    }
}

static void run_worker_process(const struct backend *back,
                               const struct job *job, const char *preload,
                               int device, struct outcome *out)
{
    int from_worker = -1;
    pid_t pid = start(back, job, preload, device, &from_worker);

    out->kind = RUN_FAILED;
    if (pid < 0) {
        snprintf(out->why, sizeof(out->why), "no process could be made");
        return;
    }
    listen_to(from_worker, out);
    close(from_worker);
    int status = wait_for(pid);
    if (WIFSIGNALED(status)) {
        out->kind = RUN_FAILED;
        snprintf(out->why, sizeof(out->why), "killed by signal %d (%s)",
                 WTERMSIG(status), strsignal(WTERMSIG(status)));
    } else if (out->kind == RUN_FAILED && out->why[0] == '\0') {
        snprintf(out->why, sizeof(out->why), "ended with status %d",
                 WEXITSTATUS(status));
    }
}

int outcomes_exit_status(const struct outcome *outcomes, unsigned n)
{
    unsigned n_done = 0;
    int status = EXIT_OK;

    for (unsigned i = 0; i < n; i++) {
        const struct outcome *o = &outcomes[i];
        uint64_t n_corrupt = o->result.n_corrupt + o->load.n_corrupt;

        n_done += o->kind == RUN_DONE;
        if (o->kind == RUN_FAILED) {
            warnx("%s failed: %s", o->back->name, o->why);
            status = EXIT_BAD;
        }
        if (n_corrupt > 0) {
            warnx("%s: %" PRIu64 " values came back changed", o->back->name,
                  n_corrupt);
            status = EXIT_BAD;
        }
    }
    if (n_done == 0) {
        warnx("no allocator could be run");
        return EXIT_BAD;
    }
    return status;
}

void spawn_run(const struct backend *back, const struct job *job,
               struct outcome *out)
{
    struct timespec start_time, end_time;
    const char *preload;
    int device;

    *out = (struct outcome){ .back = back, .kind = RUN_MISSING };
    if (job->n_pieces == 0 && back->objects == NULL) {
        snprintf(out->why, sizeof(out->why), "it has no plain objects");
        progress_end(back->name, "missing", 0);
        return;
    }
    if (!find_preload(back, &preload, out->why, sizeof(out->why)) ||
        !find_device(back, job, &device, out->why, sizeof(out->why))) {
        progress_end(back->name, "missing", 0);
        return;
    }
    clock_gettime(CLOCK_MONOTONIC, &start_time);
    run_worker_process(back, job, preload, device, out);
    clock_gettime(CLOCK_MONOTONIC, &end_time);
    if (device >= 0) {
        zram_remove(device);
    }
    out->seconds = (double)(end_time.tv_sec - start_time.tv_sec) +
                   (double)(end_time.tv_nsec - start_time.tv_nsec) * 1e-9;
    progress_end(back->name, out->kind == RUN_DONE ? "done" : "failed",
                 out->seconds);
}
