/* SPDX-License-Identifier: MIT */
/*
 * bench_clock - cases whose times are known, to see what the reported ones
 * mean: tests/tools/bench-test looks at them. Twins do the same.
 */
#include <time.h>

#include "bm.h"

static int64_t thread_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Every thread works for so long. */
static void busy(struct bm_run *run, int64_t us)
{
    while (bm_next(run)) {
        int64_t end = thread_cpu_ns() + us * 1000;

        while (thread_cpu_ns() < end) {
        }
    }
}

/* Every thread waits for so long. */
static void asleep(struct bm_run *run, int64_t us)
{
    const struct timespec t = { .tv_nsec = us * 1000 };

    while (bm_next(run)) {
        nanosleep(&t, NULL);
    }
}

static void fails(struct bm_run *run, int64_t us)
{
    (void)us;
    bm_skip(run, "as it should");
}

static const int64_t us_each[] = { 500, -1 };

const struct bm_case bm_cases[] = {
    { "pool/busy", busy, us_each, "us", 2 },
    { "pool/asleep", asleep, us_each, "us", 2 },
    { "malloc/busy", busy, us_each, "us", 2 },
    { "malloc/asleep", asleep, us_each, "us", 2 },
    { "pool/fails", fails, us_each, "us", 0 },
    { 0 },
};
