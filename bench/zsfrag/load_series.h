/* SPDX-License-Identifier: MIT */
/* load_series.h - the course of a load in time, as lines of CSV. */
#ifndef ZSFRAG_LOAD_SERIES_H
#define ZSFRAG_LOAD_SERIES_H

#include <stdbool.h>

#include "load_run.h"

#define SERIES_HEAD                                                            \
    "workload,allocator,seconds,live_bytes,footprint_bytes,resident_bytes,"    \
    "others_cpu_seconds\n"

/* Append the samples of a load; false: errno says why not. */
bool load_series_write(const struct load *l, int fd);

#endif /* ZSFRAG_LOAD_SERIES_H */
