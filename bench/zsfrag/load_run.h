/* SPDX-License-Identifier: MIT */
/* load_run.h - one allocator under one workload, in a process of its own. */
#ifndef ZSFRAG_LOAD_RUN_H
#define ZSFRAG_LOAD_RUN_H

#include <stdbool.h>
#include <stdint.h>

#include "load.h"
#include "objects.h"
#include "run.h"

#define LOAD_WORKER_OPTION "--load-worker"

/* The tool's note of a live object. */
struct entry {
    uint64_t ref;
    uint32_t len;
    uint32_t key; /* its bytes follow from that; rises with every put */
};

/* A line of the series; see load_series.h. */
struct sample {
    double seconds;
    uint64_t live, footprint, resident;
    double others_cpu;
};

/* All memory here is mapped before the first look at the footprint. */
struct load {
    struct run *run; /* for failures and progress */
    const struct load_plan *plan;
    const struct load_shape *shape;
    const struct objects *objects;
    struct entry *entries; /* the n live ones, in no order */
    uint32_t n, room;
    const unsigned char *bytes; /* what objects are filled from */
    uint64_t target, live, put_bytes;
    uint32_t next_key;
    uint64_t rng;
    int statm;
    uint64_t first_quick; /* figure, before the allocator was opened */
    uint64_t next_sample; /* when so many bytes are put */
    uint64_t last_quick;
    bool is_full;             /* it has met the target */
    double started;           /* moment */
    double looking, sampling; /* seconds since, in looks and quick ones */
    struct sample *samples;   /* NULL: no series is wanted */
    uint32_t n_samples, max_samples;
    struct load_result *result;
};

/* The other end of the command line that spawn.c makes. Does not return. */
_Noreturn void load_worker(char **argv);

/* --- for load_tide.c --- */
double load_now(void);
/* One object of a size of `sizes`, as far as room[] goes. */
void load_put(struct load *l, const struct sizes *sizes);
void load_drop_random(struct load *l);
/* Look at the footprint, quickly; every MiB put, and when asked for. */
void load_sample(struct load *l);
double load_others_cpu(void);
/* From here on there is a peak. */
void load_end_of_fill(struct load *l);

/* The rising and falling load. */
void load_tide(struct load *l);

#endif /* ZSFRAG_LOAD_RUN_H */
