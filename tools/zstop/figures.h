/* SPDX-License-Identifier: MIT */
/*
 * figures.h - what a process has said, understood.
 *
 * Figures that are absent (a process of another version, no compactor) are 0,
 * or said to be absent; members that are not known are passed over.
 */
#ifndef ZSTOP_FIGURES_H
#define ZSTOP_FIGURES_H

#include <stdbool.h>
#include <stddef.h>

#define NAME_BYTES 32u
#define MAX_HISTOGRAMS 6u
#define MAX_MAP_BLOCKS 1048576u /* what is above is not shown: 2 TiB */

struct process {
    long pid;
    char program[NAME_BYTES];
    bool has_compactor, is_paused;
    unsigned n_arenas;
};

struct times { /* nanoseconds */
    char name[NAME_BYTES];
    double n, p50, p99, p999, p9999, max;
};

struct figures {
    char arena[NAME_BYTES];
    double footprint, limit, live, objects, withheld;
    double objects_moved, bytes_moved, bytes_released, stalls, busy;

    bool has_compactor;
    double cpu_ns, share_percent, waste_permille, reserve_bytes;
    double passes, passes_deferred;
    unsigned pressure; /* enum zs_pressure_level */

    unsigned n_times;
    struct times times[MAX_HISTOGRAMS];
};

/* The answers to "arenas" and "stats". False: they are not what is expected;
 * nothing was changed. */
bool process_parse(const char *text, size_t len, struct process *out);
bool figures_parse(const char *text, size_t len, struct figures *out);

/* A character for each pageblock. */
struct map {
    char *cells; /* NULL: none yet */
    size_t n;
};

/* The answer to "map". As figures_parse(); false also without memory. */
bool map_parse(const char *text, size_t len, struct map *out);
void map_free(struct map *m);

/* The value of NAME in an answer to "budget"; -1: it has none. */
long budget_value(const char *budget, const char *name);

#endif /* ZSTOP_FIGURES_H */
