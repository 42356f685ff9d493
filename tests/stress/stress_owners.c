/* SPDX-License-Identifier: MIT */
/*
 * stress_owners - every kind of owner in one arena, and every kind of mover.
 *
 * Imitates a daemon with little memory to spare: a pool of values, a balloon,
 * and page-sized cells of the daemon's own type share an arena whose limit
 * they reach again and again. Four workers change all three. One mover
 * compacts, shrinks, takes pageblocks offline and online and retires pages; two
 * isolate pages by hand, keep them for a while, and migrate them or put them
 * back; a compactor thread ticks. The system refuses memory, and refuses to
 * take it back, a few times in a thousand.
 *
 * Asserted all the while: every value and every cell has the bytes that were
 * last stored in it; what a read section has found stays as it was, also when
 * it is moved or freed; the balloon's figures add up; no more memory than the
 * limit; in an offline pageblock no page is in use. At the end all is freed and
 * must add up: no object, no page but the retired ones, nothing withheld,
 * nothing deferred, and residency page by page as mincore has it.
 *
 * The cells' callbacks answer RETRY, REFUSED and false at random, and free
 * their page at any moment. How often each case was met is printed; a run long
 * enough in which one was not met fails, for it asserts nothing about it.
 *
 * Every thread draws from its own seed. Deterministic but for the scheduling.
 *
 *     stress_owners [operations per worker] [seed]
 */
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>

#include "migrate.h"
#include "os.h"
#include "owners.h"
#include "step.h"
#include "zspool/compactor.h"

#define N_WORKERS 4u
#define N_HANDS 2u
#define LIMIT_BYTES ((size_t)24 << 20)
#define RESERVE_BYTES ((size_t)64 << 20)
#define ENOUGH_OPS 100000u /* of each worker: then every case is met */
#define ENOUGH_ROUNDS 2u   /* of move_all() */
#define FAULTS_IN_1000 4u

struct counts counts;
struct zs_arena *arena;
struct zs_pool *pool;
struct zs_balloon *balloon;
_Atomic bool done;
_Atomic unsigned n_rounds;

/* --- random --- */

static _Thread_local uint64_t seed;

void set_seed(uint64_t number)
{
    seed = number * 0x9e3779b97f4a7c15u | 1;
}

uint64_t below(uint64_t n)
{
    if (seed == 0) { /* liburcu's thread, the compactor's */
        set_seed(0);
    }
    seed ^= seed << 13;
    seed ^= seed >> 7;
    seed ^= seed << 17;
    return (seed >> 8) % n;
}

bool one_in(uint64_t n)
{
    return below(n) == 0;
}

/* --- a system that refuses --- */

static struct zs_os real_os;
static _Atomic bool faults_on;
static _Thread_local bool calm; /* what was half populated can be undone */

static bool fails(void)
{
    bool fail = atomic_load_explicit(&faults_on, memory_order_relaxed) &&
                below(1000) < FAULTS_IN_1000;

    if (fail) {
        COUNT(faults);
    }
    return fail;
}

static int populate_or_not(void *addr, size_t bytes)
{
    calm = false;
    if (!fails()) {
        return real_os.populate(addr, bytes);
    }
    if (bytes > ZS_OS_PAGE_BYTES && one_in(2)) {
        calm = true;
        REQUIRE(real_os.populate(addr, ZS_OS_PAGE_BYTES) == 0);
    }
    return -ENOMEM;
}

static int release_or_not(void *addr, size_t bytes)
{
    return !calm && fails() ? -EAGAIN : real_os.release(addr, bytes);
}

/* Between any two steps of a move others may come in. */
static void at_step(enum zs_step step)
{
    (void)step;
    if (one_in(512)) {
        sched_yield();
    }
}

/* --- what is checked everywhere --- */

bool got(int err)
{
    REQUIRE(err == 0 || err == -ENOMEM || err == -ENOSPC);
    if (err) {
        COUNT(no_memory);
    }
    return err == 0;
}

void check_balloon(void)
{
    struct zs_balloon_stats s;

    zs_balloon_stats(balloon, &s);
    REQUIRE(s.listed_bytes + s.isolated_bytes == s.current_bytes);
}

/* zs_arena_shrink() and its like raise the target, too. */
static void balloon_op(void)
{
    uint64_t bytes = 1 + below(MOST_WITHHELD / 4);

    if (zs_balloon_target(balloon) > MOST_WITHHELD) {
        (void)zs_balloon_deflate(balloon, MOST_WITHHELD);
    } else if (one_in(3)) {
        (void)zs_balloon_inflate(balloon, bytes);
    } else if (one_in(2)) {
        (void)zs_balloon_deflate(balloon, bytes);
    } else {
        (void)zs_balloon_fill(balloon);
    }
    check_balloon();
}

/* --- workers --- */

struct worker {
    unsigned id;
    uint64_t ops, seed;
    struct values *values;
};

static struct worker workers[N_WORKERS];
static _Atomic unsigned n_working;

/* Times of growing and of shrinking, so that there is something to compact. */
static void one_op(struct worker *w, uint64_t i)
{
    bool shrinking = (i / 4096 + w->id) % 3 == 0;
    bool reading = one_in(32); /* nothing here waits for readers */
    uint64_t op = below(64);

    if (reading) {
        zs_read_begin();
    }
    if (op < 2) {
        balloon_op();
    } else if (op < 24) {
        cells_op(shrinking);
    } else {
        values_op(w->values, shrinking);
    }
    if (reading) {
        zs_read_end();
    }
}

/* Passes wait for readers, however long the others take: wait for some. */
static bool move_all_has_met_all(uint64_t ops)
{
    return ops < ENOUGH_OPS ||
           atomic_load_explicit(&n_rounds, memory_order_relaxed) >=
               ENOUGH_ROUNDS;
}

static void *work(void *arg)
{
    struct worker *w = arg;

    set_seed(w->seed);
    for (uint64_t i = 0; i < w->ops || !move_all_has_met_all(w->ops); i++) {
        one_op(w, i);
    }
    values_unpin(w->values);
    atomic_fetch_sub_explicit(&n_working, 1, memory_order_relaxed);
    return NULL;
}

/* --- the run --- */

static void create_all(uint64_t ops, uint64_t first_seed)
{
    struct zs_arena_config acfg = { .limit_bytes = LIMIT_BYTES,
                                    .reserve_bytes = RESERVE_BYTES,
                                    .huge_pages = first_seed % 2 == 0
                                                      ? ZS_HUGE_ALWAYS
                                                      : ZS_HUGE_DEFAULT };
    struct zs_pool_config pcfg = { .max_zspages = 1 << 16 };

    real_os = zs_os;
    zs_os.populate = populate_or_not;
    zs_os.release = release_or_not;
#if ZS_CHECKS >= 1
    atomic_store_explicit(&zs_step_hook, at_step, memory_order_release);
#else
    (void)at_step; /* these builds have no steps */
#endif
    REQUIRE(zs_arena_create(&acfg, &arena) == 0);
    pcfg.arena = arena;
    REQUIRE(zs_pool_create(&pcfg, &pool) == 0);
    REQUIRE(zs_balloon_create(arena, &balloon) == 0);
    cells_create();
    for (unsigned i = 0; i < N_WORKERS; i++) {
        workers[i] =
            (struct worker){ i, ops, first_seed + i, values_create(i) };
    }
}

static void sample(void)
{
    struct timespec t = { 0, 2000000 };
    struct zs_arena_stats s;

    nanosleep(&t, NULL);
    check_balloon();
    zs_arena_stats(arena, &s);
    REQUIRE(s.footprint_bytes <= LIMIT_BYTES);
}

static void run_threads(uint64_t first_seed)
{
    struct zs_compactor_config ccfg = { .tick_ns = 100000000 };
    struct zs_compactor *compactor;
    pthread_t threads[N_WORKERS + 1 + N_HANDS];
    uint64_t seeds[1 + N_HANDS];
    unsigned n = 0;

    atomic_store_explicit(&n_working, N_WORKERS, memory_order_relaxed);
    REQUIRE(zs_compactor_start(arena, &ccfg, &compactor) == 0);
    for (; n < N_WORKERS; n++) {
        REQUIRE(pthread_create(&threads[n], NULL, work, &workers[n]) == 0);
    }
    for (unsigned i = 0; i < 1 + N_HANDS; i++, n++) {
        seeds[i] = first_seed + n;
        REQUIRE(pthread_create(&threads[n], NULL, i ? move_by_hand : move_all,
                               &seeds[i]) == 0);
    }
    while (atomic_load_explicit(&n_working, memory_order_relaxed) > 0) {
        sample();
        if (one_in(64)) {
            zs_compactor_kick(compactor);
        }
    }
    atomic_store_explicit(&done, true, memory_order_relaxed);
    for (unsigned i = 0; i < n; i++) {
        pthread_join(threads[i], NULL);
    }
    zs_compactor_stop(compactor);
}

/* How many pages of the arena have a type of this name. */
static uint64_t count_pages(const char *type_name)
{
    uint64_t n = 0;

    for (zs_pfn_t page = 0; page < zs_arena_nr_pages(arena); page++) {
        uint32_t word;
        zs_page_type_t type;

        REQUIRE(zs_arena_page_flags(arena, page, 1, &word) == 0);
        type = zs_page_flags_type(word);
        if (strcmp(zs_page_type_name(arena, type), type_name) == 0) {
            REQUIRE(strcmp(zs_page_flags_state(word), "ISOLATED") != 0);
            n += type != 0;
        }
    }
    return n;
}

/* The arena knows exactly which pages have memory; a balloon's have none. */
static void check_residency(void)
{
    size_t n = zs_arena_nr_pages(arena);
    unsigned char *in_core = malloc(n);
    struct zs_arena_stats s;
    uint64_t resident = 0;

    REQUIRE(in_core);
    REQUIRE(mincore(arena->base, arena->bytes, in_core) == 0);
    for (zs_pfn_t page = 0; page < n; page++) {
        bool has_memory = in_core[page] & 1;
        uint32_t word;
        const char *type;

        REQUIRE(zs_arena_page_flags(arena, page, 1, &word) == 0);
        REQUIRE(zs_page_is_resident(arena, page) == has_memory);
        type = zs_page_type_name(arena, zs_page_flags_type(word));
        REQUIRE(strcmp(type, "balloon") != 0 || !has_memory);
        resident += has_memory;
    }
    zs_arena_stats(arena, &s);
    REQUIRE(s.resident_bytes == resident * ZS_PAGE_BYTES);
    free(in_core);
}

/* Movers and workers have ended, nothing is freed yet. */
static void check_at_rest(void)
{
    struct zs_balloon_stats b;
    struct zs_pool_stats p;
    struct zs_arena_stats a;

    zs_grace_flush(&arena->grace);
    zs_arena_stats(arena, &a);
    zs_pool_stats(pool, &p);
    zs_balloon_stats(balloon, &b);
    REQUIRE(a.deferred_bytes == 0);
    REQUIRE(b.isolated_bytes == 0 && b.listed_bytes == a.withheld_bytes);
    REQUIRE(b.listed_bytes == count_pages("balloon") * ZS_PAGE_BYTES);
    REQUIRE(p.zspage_bytes == count_pages("zspage") * ZS_PAGE_BYTES);
    REQUIRE(cells_pages() == count_pages("cell"));
    REQUIRE(a.n_pages_retired == count_pages("retired"));
    REQUIRE(a.used_bytes ==
            b.listed_bytes + p.zspage_bytes +
                (cells_pages() + a.n_pages_retired) * ZS_PAGE_BYTES);
    check_residency();
}

static void free_all(void)
{
    for (unsigned i = 0; i < N_WORKERS; i++) {
        values_destroy(workers[i].values);
    }
    cells_free();
    (void)zs_balloon_deflate(balloon, UINT64_MAX);
}

static void check_nothing_left(void)
{
    struct zs_arena_stats arena_stats;
    struct zs_pool_stats stats;

    REQUIRE(zs_compact(arena, NULL) == 0);
    zs_pool_stats(pool, &stats);
    REQUIRE(stats.n_objects == 0 && stats.live_bytes == 0);
    REQUIRE(stats.n_limbo_slots == 0 && stats.n_zspages == 0);
    REQUIRE(zs_balloon_current(balloon) == 0);
    zs_arena_stats(arena, &arena_stats);
    REQUIRE(arena_stats.n_pages_retired == counts.retired);
    REQUIRE(arena_stats.used_bytes == counts.retired * ZS_PAGE_BYTES);
    REQUIRE(arena_stats.deferred_bytes == 0);
    REQUIRE(arena_stats.withheld_bytes == 0);
    REQUIRE(arena_stats.resident_bytes == 0);
    REQUIRE(arena_stats.n_blocks_offline == 0);
}

static void destroy_all(void)
{
    cells_destroy();
    zs_balloon_destroy(balloon);
    zs_pool_destroy(pool);
    zs_arena_destroy(arena);
}

/* False: a case was never met. */
static bool print_counts(bool all_must_be_met)
{
    bool met = true;

#define PRINT(name)                                                            \
    printf(#name " %llu ", (unsigned long long)counts.name);                   \
    met = met && counts.name > 0;
    COUNTS(PRINT)
    printf("\n");
    return met || !all_must_be_met;
}

int main(int argc, char **argv)
{
    uint64_t ops = argc > 1 ? strtoull(argv[1], NULL, 10) : 100000;
    uint64_t first_seed = argc > 2 ? strtoull(argv[2], NULL, 10) : 1;
    bool met;

    printf("stress_owners: %llu operations a worker, seed %llu\n",
           (unsigned long long)ops, (unsigned long long)first_seed);
    create_all(ops, first_seed);
    atomic_store_explicit(&faults_on, true, memory_order_relaxed);
    run_threads(first_seed);
    atomic_store_explicit(&faults_on, false, memory_order_relaxed);
    check_at_rest();
    free_all();
    check_nothing_left();
    check_residency();
    met = print_counts(ops >= ENOUGH_OPS);
    destroy_all();
    return !met;
}
