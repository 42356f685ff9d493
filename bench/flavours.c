/* SPDX-License-Identifier: MIT */
/*
 * flavours - what an empty read section of each of liburcu's flavours costs.
 *
 *     flavours               ns, median of 9 turns
 *     flavours NAME N        N sections, for counting instructions
 *
 * "call" goes through the functions that liburcu exports, "inline" through
 * those of its headers (docs/decisions/0006-reader-flavour.md). Not called by
 * anything; for that decision.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <urcu/urcu-bp.h>
#include <urcu/urcu-memb.h>
#include <urcu/urcu-qsbr.h>

#include <urcu/static/urcu-bp.h>
#include <urcu/static/urcu-memb.h>
#include <urcu/static/urcu-qsbr.h>

#define N_TURNS 9
#define N_SECTIONS 10000000L

#define USE_MEMORY() __asm__ volatile("" : : : "memory")
#define CASE(name, enter, leave)                                               \
    static void name(long n)                                                   \
    {                                                                          \
        for (long i = 0; i < n; i++) {                                         \
            enter();                                                           \
            USE_MEMORY();                                                      \
            leave();                                                           \
        }                                                                      \
    }

CASE(nothing, USE_MEMORY, USE_MEMORY)
CASE(bp_call, urcu_bp_read_lock, urcu_bp_read_unlock)
CASE(bp_inline, _urcu_bp_read_lock, _urcu_bp_read_unlock)
CASE(memb_call, urcu_memb_read_lock, urcu_memb_read_unlock)
CASE(memb_inline, _urcu_memb_read_lock, _urcu_memb_read_unlock)
CASE(qsbr_call, urcu_qsbr_read_lock, urcu_qsbr_read_unlock)
CASE(qsbr_inline, _urcu_qsbr_read_lock, _urcu_qsbr_read_unlock)
/* what a thread of qsbr has to do now and then */
CASE(qsbr_quiescent, urcu_qsbr_quiescent_state, USE_MEMORY)

static const struct {
    const char *name;
    void (*run)(long n);
} cases[] = {
    { "nothing", nothing },         { "bp_call", bp_call },
    { "bp_inline", bp_inline },     { "memb_call", memb_call },
    { "memb_inline", memb_inline }, { "qsbr_call", qsbr_call },
    { "qsbr_inline", qsbr_inline }, { "qsbr_quiescent", qsbr_quiescent },
};
#define N_CASES (sizeof(cases) / sizeof(cases[0]))

static double ns_of(void (*run)(long n))
{
    struct timespec a, b;

    clock_gettime(CLOCK_MONOTONIC, &a);
    run(N_SECTIONS);
    clock_gettime(CLOCK_MONOTONIC, &b);
    return ((double)(b.tv_sec - a.tv_sec) * 1e9 +
            (double)(b.tv_nsec - a.tv_nsec)) /
           (double)N_SECTIONS;
}

static int compare(const void *a, const void *b)
{
    const double *x = a;
    const double *y = b;

    return (*x > *y) - (*x < *y);
}

static void measure_all(void)
{
    static double ns[N_CASES][N_TURNS];

    for (unsigned turn = 0; turn < N_TURNS; turn++) {
        for (size_t c = 0; c < N_CASES; c++) {
            ns[c][turn] = ns_of(cases[c].run);
        }
    }
    for (size_t c = 0; c < N_CASES; c++) {
        qsort(ns[c], N_TURNS, sizeof(ns[c][0]), compare);
        printf("%-16s %6.2f ns  %6.2f..%.2f\n", cases[c].name,
               ns[c][N_TURNS / 2], ns[c][0], ns[c][N_TURNS - 1]);
    }
}

int main(int argc, char **argv)
{
    urcu_memb_register_thread();
    urcu_qsbr_register_thread();
    if (argc == 1) {
        measure_all();
    }
    for (size_t c = 0; argc == 3 && c < N_CASES; c++) {
        if (strcmp(cases[c].name, argv[1]) == 0) {
            cases[c].run(strtol(argv[2], NULL, 10));
        }
    }
    urcu_qsbr_unregister_thread();
    urcu_memb_unregister_thread();
    return 0;
}
