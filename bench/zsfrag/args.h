/* SPDX-License-Identifier: MIT */
/* args.h - the command line of zsfrag. */
#ifndef ZSFRAG_ARGS_H
#define ZSFRAG_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_STEPS 17 /* the full pool and 16 shares */
#define MAX_ALLOCATORS 16
#define MAX_LOADS 16

enum codec_id { CODEC_LZ4, CODEC_ZSTD, CODEC_NONE };
enum unit { UNIT_PAGE, UNIT_LINE };

struct backend;
struct load_shape;

struct args {
    const struct backend *allocators[MAX_ALLOCATORS];
    unsigned n_allocators;
    enum codec_id codec;
    enum unit unit;
    double freed[MAX_STEPS]; /* [0] is 0, then rising, below 1 */
    unsigned n_steps;
    uint64_t limit_bytes; /* 0: none */
    uint64_t seed;
    bool json;
    char *const *paths; /* ends with NULL */
    /* --workload: then nothing above but allocators, seed and json */
    const struct load_shape *loads[MAX_LOADS];
    unsigned n_loads;
    uint64_t live_mib; /* 0: as the workload has it */
    bool has_rest;     /* likewise */
    uint64_t rest_seconds;
    const char *series; /* NULL: none */
};

/* Exit statuses. */
enum { EXIT_OK = 0, EXIT_BAD = 1, EXIT_USAGE = 2 };

/*
 * Parse; -1: go on, otherwise the exit status (after --help or a message).
 */
int args_parse(int argc, char **argv, struct args *out);

const char *codec_name(enum codec_id id);
const char *unit_name(enum unit unit);

#endif /* ZSFRAG_ARGS_H */
