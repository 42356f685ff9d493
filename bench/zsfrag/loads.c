/* SPDX-License-Identifier: MIT */
/* loads.c - the main process of --workload: one worker after the other. */
#include "loads.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "load_run.h"
#include "load_series.h"
#include "progress.h"

static struct outcome outcomes[MAX_LOADS * MAX_ALLOCATORS];

/* -1 after a message. */
static int write_plan(const struct args *args, const struct load_shape *shape)
{
    uint64_t mib =
        args->live_mib != 0 ? args->live_mib : (uint64_t)shape->target_mib;
    struct load_plan plan = {
        .target_bytes = mib << 20,
        .seed = args->seed,
        .rest_seconds = (unsigned)(args->has_rest ? args->rest_seconds
                                                  : shape->rest_seconds)
    };
    int fd = memfd_create("zsfrag-load", 0);

    snprintf(plan.name, sizeof(plan.name), "%s", shape->name);
    if (fd < 0 || pwrite(fd, &plan, sizeof(plan), 0) != (ssize_t)sizeof(plan)) {
        warn("plan");
        if (fd >= 0) {
            close(fd);
        }
        return -1;
    }
    return fd;
}

/* The rows of one workload. */
static bool run_load(const struct args *args, const struct load_shape *shape,
                     int series, struct outcome *rows)
{
    int plan = write_plan(args, shape);
    const struct job job = { .args = args,
                             .plan_fd = plan,
                             .data_fd = series,
                             .option = LOAD_WORKER_OPTION };

    for (unsigned i = 0; i < args->n_allocators && plan >= 0; i++) {
        spawn_run(args->allocators[i], &job, &rows[i]);
        if (spawn_stopped != 0) {
            break;
        }
        if (args->json) {
            load_report_json(&rows[i], shape->name);
        }
    }
    if (plan >= 0) {
        close(plan);
    }
    return plan >= 0;
}

/* -1: none is wanted; -2 after a message. */
static int open_series(const char *path)
{
    int fd;

    if (path == NULL) {
        return -1;
    }
    fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND, 0666);
    if (fd < 0 || dprintf(fd, SERIES_HEAD) < 0) {
        warn("--series %s", path);
        return -2;
    }
    return fd;
}

int loads_run(const struct args *args)
{
    int series = open_series(args->series);

    if (series == -2) {
        return EXIT_USAGE;
    }
    progress_start(args->json);
    spawn_catch_signals();
    for (unsigned i = 0; i < args->n_loads; i++) {
        if (!run_load(args, args->loads[i], series,
                      &outcomes[i * args->n_allocators])) {
            return EXIT_BAD;
        }
        if (spawn_stopped != 0) {
            spawn_end_by_signal();
        }
    }
    if (!args->json) {
        load_report_table(outcomes, args);
    }
    if (fflush(stdout) != 0) {
        warn("standard output");
        return EXIT_BAD;
    }
    return outcomes_exit_status(outcomes, args->n_loads * args->n_allocators);
}
