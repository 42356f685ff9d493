/* SPDX-License-Identifier: MIT */
/*
 * property_footprint - the guarantees of docs/guarantees.md, for random
 * histories.
 *
 * A history is what a daemon may do in its life, in some ten phases: objects of
 * one size or of many, up to runs of pages, are created, alone, in batches or
 * aligned, freed at once or deferred, replaced and resized, in one to three
 * pools of an arena in which a balloon grows and shrinks; by two threads, of
 * which the second sleeps between its phases, with its caches; free memory is
 * given back where it lies; passes run in between. Nothing is pinned.
 *
 * Then one zs_compact(), and what the arena keeps is no more than a function of
 * what is live in it, and of the most handles and zspages there ever were
 * (guarantee.c, which knows nothing else); the pass moved no more than is said;
 * the kernel's figures agree; every object has its bytes. In every fourth
 * history a compactor thread comes first, whose bound is wider: the low mark,
 * and a reserve.
 *
 * First the histories that once broke it. The same seed is the same history;
 * a failure prints the one to give as the first seed.
 *
 *     property_footprint [histories] [first seed]
 */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "history.h"
#include "pss.h"

#define MOST_PHASES 12u
#define N_KNOWN 4u
/* a zspage to be emptied stood far down its list: a pass did not end */
#define SEED_ENDLESS_PASS 5041u

static struct object objects[HISTORY_MAX_OBJECTS];
static uint64_t state;
static uint64_t n_moved, n_released, most_looks;

static unsigned below(unsigned n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((state >> 33) % n);
}

/* What the kernel counts. (Page vectors of split zspages come from malloc(),
 * which keeps what is freed for a while.) */
static uint64_t kernel_bytes(void)
{
    (void)malloc_trim(0);
    return pss_bytes();
}

/* A footprint that hides something, or claims what is not there. (A cache is
 * charged whole and touched in part.) */
static void check_kernel(const struct history *h, uint64_t before)
{
    uint64_t kernel = kernel_bytes() - before;
    struct zs_arena_stats stats;

    zs_arena_stats(h->arena, &stats);
    if (SMAPS_MEANS_SOMETHING && before != 0) {
        REQUIRE(kernel <= stats.footprint_bytes * 101 / 100 + (128 << 10));
        REQUIRE(kernel + (768 << 10) >= stats.footprint_bytes * 98 / 100);
    }
}

static void run(uint64_t number, const struct phase *phases, unsigned n,
                unsigned n_pools, enum zs_huge_pages huge, bool by_thread)
{
    uint64_t before = kernel_bytes();
    struct zs_compact_result r;
    struct history h;

    history_begin(&h, n_pools, huge, objects);
    h.number = number;
    for (unsigned i = 0; i < n; i++) {
        history_run(&h, &phases[i]);
    }
    if (by_thread) {
        uint64_t looks = history_leave_to_thread_and_check(&h);

        most_looks = looks > most_looks ? looks : most_looks;
    }
    r = history_compact_and_check(&h);
    n_moved += r.bytes_moved + r.pages_migrated * ZS_PAGE_BYTES;
    n_released += r.bytes_released;
    check_kernel(&h, before);
    history_end(&h);
}

/* --- those that once broke it --- */

struct known {
    enum zs_huge_pages huge;
    struct phase phases[3];
};

static const struct known known[N_KNOWN] = {
    /* what is dying looks full, in the only block */
    { ZS_HUGE_NEVER,
      { { PHASE_CREATE, 0, 0, 27, false, 1640 },
        { PHASE_FREE_DEFERRED, 0, 0, 225, false, 1 } } },
    /* runs, behind which is room for less than one in a huge block */
    { ZS_HUGE_ALWAYS,
      { { PHASE_CREATE, 0, 6, 50, false, 68001 },
        { PHASE_CREATE, 0, 6, 50, false, 68001 } } },
    /* a few pages in each block, the others given back where they lie */
    { ZS_HUGE_NEVER,
      { { PHASE_CREATE, 0, 6, 50, false, 1 },
        { PHASE_FREE_STRIDE, 0, 0, 60, false, 1 },
        { PHASE_SHRINK, 0, 0, 1, false, 1 } } },
    /* a few holes in each of eight zspages: fewer than one has objects */
    { ZS_HUGE_NEVER,
      { { PHASE_CREATE, 0, 0, 102, false, 56 },
        { PHASE_FREE, 0, 0, 26, false, 1 } } },
};

static void run_known(void)
{
    for (unsigned i = 0; i < N_KNOWN; i++) {
        run(i, known[i].phases, 3, 1, known[i].huge, false);
    }
}

/* --- random ones --- */

static void run_random(uint64_t seed)
{
    struct phase phases[MOST_PHASES];
    enum zs_huge_pages huge;
    unsigned n_pools, n;

    state = seed;
    (void)below(2); /* neighbouring seeds part */
    (void)below(2);
    n_pools = 1 + below(HISTORY_POOLS);
    huge = (enum zs_huge_pages)below(3);
    n = 3 + below(MOST_PHASES - 2);
    for (unsigned i = 0; i < n; i++) {
        struct phase *p = &phases[i];

        p->kind = below(PHASE_NR_KINDS);
        p->pool = below(HISTORY_POOLS);
        p->sizes = below(8);
        p->amount = below(256);
        p->by_other_thread = below(4) == 0;
        p->seed = below(1u << 30);
    }
    run(seed, phases, n, n_pools, huge, seed % 4 == 0);
}

int main(int argc, char **argv)
{
    unsigned long n = argc > 1 ? strtoul(argv[1], NULL, 10) : 100;
    unsigned long seed = argc > 2 ? strtoul(argv[2], NULL, 10) : 10;

    printf("property_footprint: %lu histories, seeds from %lu\n", n, seed);
    fflush(stdout);
    memset(objects, 1, sizeof(objects)); /* ours, not the arena's */
    history_init();
    run_known();
    run_random(SEED_ENDLESS_PASS);
    for (unsigned long i = 0; i < n; i++) {
        run_random(seed + i);
    }
    printf("moved %llu MiB, gave back %llu MiB; at most %llu looks\n",
           (unsigned long long)(n_moved >> 20),
           (unsigned long long)(n_released >> 20),
           (unsigned long long)most_looks);
    return 0;
}
