/* SPDX-License-Identifier: MIT */
/* run.h - one allocator's run, in a process of its own. */
#ifndef ZSFRAG_RUN_H
#define ZSFRAG_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "backend.h"
#include "codec.h"
#include "message.h"
#include "plan.h"

/* A stretch of neighbouring values, the unit that is timed. */
struct chunk {
    uint32_t from, to; /* places from .. to-1 of the order of a stage */
};

/* All memory here is mapped before the first look at the footprint. */
struct run {
    const struct plan *plan;
    const struct backend *back;
    void *self; /* the back end's */
    const char *data;
    char *buffer;          /* room for the longest value */
    uint32_t *order;       /* values in the order in which they are freed */
    struct codec raw;      /* for the figures of the raw codec */
    char *flat;            /* all values, compressed, one after the other */
    uint64_t *flat_starts; /* place of each there */
    uint32_t *flat_lens;   /* and its length */
    const uint32_t
        *visit; /* values in the order of a stage; NULL: as they are */
    struct chunk *chunks;
    uint32_t n_chunks;
    double *samples; /* room for 3 times MAX_PASSES times n_chunks */
    uint64_t first_footprint;
    uint32_t n_freed; /* order[0 .. n_freed-1] are free */
    int pipe;
    uint64_t done, total; /* work, for the progress bar */
    struct result result;
};

/* The other end of the command line that spawn.c makes. Does not return. */
_Noreturn void run_worker(char **argv);
#define WORKER_ARGC 7
#define WORKER_OPTION "--worker"
/* Only look whether the allocator is there: exit status 0 or 1. */
#define PROBE_OPTION "--probe-worker"

/* What every worker does first, and last. */
void run_start(struct run *run, char **argv);
_Noreturn void run_end(const struct run *run, const struct message *m);

/* Report why and end the worker. */
_Noreturn void run_fail(const struct run *run, const char *what, int err);
/* Some work is done, in values. */
void run_progress(struct run *run, const char *stage, uint64_t n);

#endif /* ZSFRAG_RUN_H */
