/* SPDX-License-Identifier: MIT */
/* spawn.h - start a worker with the right malloc() and listen to it. */
#ifndef ZSFRAG_SPAWN_H
#define ZSFRAG_SPAWN_H

#include <signal.h>

#include "args.h"
#include "backend.h"
#include "message.h"

enum outcome_kind { RUN_DONE, RUN_MISSING, RUN_FAILED };

struct outcome {
    const struct backend *back;
    enum outcome_kind kind;
    char why[160];        /* not RUN_DONE */
    struct result result; /* one of them */
    struct load_result load;
    double seconds;
};

/* What a worker is given. */
struct job {
    const struct args *args;
    int plan_fd, data_fd; /* data: -1 is possible for a workload */
    const char *option;   /* which worker */
    uint64_t n_pieces;    /* 0: a workload */
};

/* The signal that wants the tool to end, or 0. */
extern volatile sig_atomic_t spawn_stopped;

/* End workers, and devices, in order when a signal comes. Once. */
void spawn_catch_signals(void);
/* The signal does what it would have done. */
_Noreturn void spawn_end_by_signal(void);

void spawn_run(const struct backend *back, const struct job *job,
               struct outcome *out);

/* Says what failed, and what came back changed; 0 or 1. */
int outcomes_exit_status(const struct outcome *outcomes, unsigned n);

#endif /* ZSFRAG_SPAWN_H */
