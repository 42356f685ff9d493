/* SPDX-License-Identifier: MIT */
/*
 * load_shapes.c - the workloads by name.
 *
 * W1 .. W8: Rumble, Kejriwal, Ousterhout, "Log-structured Memory for
 * DRAM-based Storage", FAST '14, table 2. redis: the shape of the test with
 * which Redis, Mesh and others show what fragmentation costs a cache. tide is
 * this tool's own.
 */
#include <stddef.h>
#include <string.h>

#include "load.h"

#define CHURN(name_, b0, b1, share, a0, a1)                                    \
    {                                                                          \
        .name = name_, .kind = LOAD_CHURN, .before = { b0, b1 },               \
        .after = { a0, a1 }, .deleted = share, .target_mib = 512,              \
        .rest_seconds = 2                                                      \
    }

static const struct load_shape shapes[] = {
    CHURN("W1", 100, 100, 0, 0, 0),
    CHURN("W2", 100, 100, 0, 130, 130),
    CHURN("W3", 100, 100, 0.9, 130, 130),
    CHURN("W4", 100, 150, 0, 200, 250),
    CHURN("W5", 100, 150, 0.9, 200, 250),
    CHURN("W6", 100, 200, 0.5, 1000, 2000),
    CHURN("W7", 1000, 2000, 0.9, 1500, 2500),
    CHURN("W8", 50, 150, 0.9, 5000, 15000),
    { .name = "redis",
      .kind = LOAD_CACHE,
      .before = { 240, 240 },
      .after = { 492, 492 },
      .n_before = 700000,
      .n_after = 170000,
      .target_mib = 100,
      .rest_seconds = 2 },
    { .name = "tide",
      .kind = LOAD_TIDE,
      .before = { 64, 4000 },
      .target_mib = 512,
      .rest_seconds = 4 },
};

const struct load_shape *load_find(const char *name)
{
    for (size_t i = 0; i < sizeof(shapes) / sizeof(shapes[0]); i++) {
        if (strcmp(shapes[i].name, name) == 0) {
            return &shapes[i];
        }
    }
    return NULL;
}
