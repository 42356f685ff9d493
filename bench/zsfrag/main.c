/* SPDX-License-Identifier: MIT */
/*
 * zsfrag - how much memory does an allocator keep when most values are gone?
 *
 * This process reads the files, makes the plan, runs one worker after the
 * other and prints what they say. README.md has the files in reading order.
 */
#include <err.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "args.h"
#include "input.h"
#include "load_run.h"
#include "loads.h"
#include "plan.h"
#include "progress.h"
#include "report.h"
#include "run.h"
#include "spawn.h"

/* The plan's head, without the pieces. */
static bool read_head(int fd, struct plan *out)
{
    if (pread(fd, out, sizeof(*out), 0) != (ssize_t)sizeof(*out)) {
        warn("plan");
        return false;
    }
    return true;
}

static int run_all(const struct args *args, const struct input *input,
                   int plan_fd)
{
    static struct outcome outcomes[MAX_ALLOCATORS];
    struct plan head;

    if (!read_head(plan_fd, &head)) {
        return EXIT_BAD;
    }
    progress_clear();
    if (!args->json) {
        report_input(args, input->kept_bytes, input->n_spans, &head);
    }
    const struct job job = { .args = args,
                             .plan_fd = plan_fd,
                             .data_fd = input->fd,
                             .option = WORKER_OPTION,
                             .n_pieces = head.n_pieces };
    for (unsigned i = 0; i < args->n_allocators; i++) {
        spawn_run(args->allocators[i], &job, &outcomes[i]);
        if (spawn_stopped != 0) {
            spawn_end_by_signal();
        }
        if (args->json) {
            report_json(&outcomes[i], args);
        }
    }
    if (!args->json) {
        report_table(outcomes, args->n_allocators);
    }
    if (fflush(stdout) != 0) {
        warn("standard output");
        return EXIT_BAD;
    }
    return outcomes_exit_status(outcomes, args->n_allocators);
}

static int work(const struct args *args)
{
    struct input input;
    int status = EXIT_USAGE;

    progress_start(args->json);
    if (input_gather(&input, args->paths, args->limit_bytes)) {
        int plan_fd = plan_make(&input, args);
        if (plan_fd >= 0) {
            spawn_catch_signals();
            status = run_all(args, &input, plan_fd);
            close(plan_fd);
        }
    }
    input_close(&input);
    return status;
}

int main(int argc, char **argv)
{
    struct args args;

    if (argc >= 3 &&
        (strcmp(argv[1], PROBE_OPTION) == 0 ||
         (argc == WORKER_ARGC && strcmp(argv[1], WORKER_OPTION) == 0))) {
        run_worker(argv);
    }
    if (argc == WORKER_ARGC && strcmp(argv[1], LOAD_WORKER_OPTION) == 0) {
        load_worker(argv);
    }
    int status = args_parse(argc, argv, &args);
    if (status >= 0) {
        return status;
    }
    return args.n_loads > 0 ? loads_run(&args) : work(&args);
}
