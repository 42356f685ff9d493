/* SPDX-License-Identifier: MIT */
/* args.h - the command line of zscompress-report. */
#ifndef ZSREPORT_ARGS_H
#define ZSREPORT_ARGS_H

#include <stdbool.h>
#include <stdint.h>

#include "formats.h"

/* Exit statuses: done; the input is damaged or cannot be read; bad use. */
enum { EXIT_OK = 0, EXIT_BAD = 1, EXIT_USAGE = 2 };

struct args {
    enum format format;
    enum unit unit;
    bool is_unit_given;
    bool all_types;
    bool json;
    bool quick;
    uint64_t max_bytes;     /* of values to keep */
    uint64_t measure_bytes; /* of those, to compress with every case */
    uint64_t total_bytes;   /* to project to; 0: what was read */
    const char *svg;        /* NULL: none */
    char *const *paths;     /* ends with NULL; at least one */
};

/* Parse; -1: go on, otherwise the exit status. */
int args_parse(int argc, char **argv, struct args *out);

#endif /* ZSREPORT_ARGS_H */
