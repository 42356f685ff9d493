/* SPDX-License-Identifier: MIT */
/*
 * bm.h - Google Benchmark for C. bm.cc is the only C++ in the project.
 *
 * A bench is a table of cases and a function for each:
 *
 *     static void alloc_free(struct bm_run *run, int64_t size_bytes)
 *     {
 *         ... set up ...
 *         while (bm_next_batch(run, 64)) {
 *             ... 64 times what is measured ...
 *         }
 *         ... clean up ...
 *     }
 *     static const int64_t sizes_bytes[] = { 32, 256, -1 };
 *     const struct bm_case bm_cases[] = {
 *         { "pool/malloc_free", alloc_free, sizes_bytes, "bytes", 2 },
 *         { 0 },
 *     };
 *
 * The loop costs a few ns a turn (one call into C++); for bodies of less than
 * about 50 ns use bm_next_batch() and loop inside. The function is called
 * several times, until the loop has run for long enough.
 */
#ifndef ZS_BENCH_BM_H
#define ZS_BENCH_BM_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct bm_run;
typedef void bm_fn(struct bm_run *run, int64_t arg);

struct bm_case {
    const char *name;     /* "subject/operation" */
    bm_fn *fn;            /* called by each thread */
    const int64_t *args;  /* ends with -1; each becomes name/ARG */
    const char *arg_unit; /* what ARG is: "bytes", "percent_freed" */
    int max_threads;      /* run with 1, 2, 4 .. threads; 0: with 1 */
};

extern const struct bm_case bm_cases[]; /* ends with name == NULL */

bool bm_next(struct bm_run *run);                  /* run the body once */
bool bm_next_batch(struct bm_run *run, int64_t n); /* run it n times */
/* What lies between is not timed; costs some 100 ns itself. */
void bm_pause(struct bm_run *run);
void bm_resume(struct bm_run *run);

int bm_thread_index(const struct bm_run *run); /* 0 .. bm_threads() - 1 */
int bm_threads(const struct bm_run *run);
/* Wait until every thread of the case is here; outside the loop. */
void bm_wait_all(struct bm_run *run);

/* Results, each thread its own: bytes/s from the bytes of all turns together;
 * a figure of one's own (the mean over the threads is shown); why not. */
void bm_bytes(struct bm_run *run, int64_t total);
void bm_metric(struct bm_run *run, const char *name_unit, double value);
void bm_skip(struct bm_run *run, const char *why);

/* Make the compiler believe that p and what it points to are used. */
static inline void bm_use(const void *p)
{
    __asm__ volatile("" : : "r"(p) : "memory");
}

#ifdef __cplusplus
}
#endif
#endif /* ZS_BENCH_BM_H */
