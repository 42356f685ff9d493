/* SPDX-License-Identifier: MIT */
/*
 * patterns.h - loads of mimalloc-bench, each written once for two heaps.
 *
 * Included twice by bench_patterns.c, with
 *   NAME(x)        x of this heap
 *   REF            what names a block: a handle or a pointer
 *   NO_REF         none of them
 *   MAKE(size)     a new block with its first bytes written; NO_REF on error
 *   FREE(ref)      end of a block
 *   RAW(ref), FROM(raw)   a uintptr_t and back
 *
 * The patterns and their parameters are those of mimalloc-bench; its programs
 * end after a time, these count what a pair of malloc and free costs. Where a
 * pattern starts new threads to have blocks freed by others than their makers,
 * blocks are handed over through shared slots instead.
 */

/* larson 5 8 1000 5000 100 4141: a server. Each thread replaces random ones of
 * 5,000 blocks of 8 to 1,000 bytes, then goes on with another's blocks. */
#define LARSON_BLOCKS 5000u
#define LARSON_MIN 8u
#define LARSON_MAX 1000u

struct NAME(larson) {
    REF blocks[LARSON_BLOCKS];
};
static _Atomic(struct NAME(larson) *) NAME(larson_sets)[MAX_SETS];

static struct NAME(larson) *
    NAME(larson_next)(struct NAME(larson) * mine, uint64_t *rng, unsigned n)
{
    struct NAME(larson) *other = atomic_exchange_explicit(
        &NAME(larson_sets)[random_below(rng, n)], mine, memory_order_acq_rel);

    return other ? other : calloc(1, sizeof(*other));
}

static void NAME(larson_run)(struct bm_run *run, uint64_t rng)
{
    struct NAME(larson) *set = calloc(1, sizeof(*set));

    while (bm_next_batch(run, LARSON_BLOCKS)) {
        for (unsigned i = 0; i < LARSON_BLOCKS; i++) {
            REF *b = &set->blocks[random_below(&rng, LARSON_BLOCKS)];

            if (RAW(*b) != 0) {
                FREE(*b);
            }
            *b = MAKE(LARSON_MIN +
                      random_below(&rng, LARSON_MAX - LARSON_MIN + 1));
        }
        set = NAME(larson_next)(set, &rng, (unsigned)bm_threads(run));
    }
    for (unsigned i = 0; i < LARSON_BLOCKS; i++) {
        if (RAW(set->blocks[i]) != 0) {
            FREE(set->blocks[i]);
        }
    }
    free(set);
}

static void NAME(larson_end)(void)
{
    for (unsigned s = 0; s < MAX_SETS; s++) {
        struct NAME(larson) *set = atomic_exchange_explicit(
            &NAME(larson_sets)[s], NULL, memory_order_acq_rel);

        for (unsigned i = 0; set && i < LARSON_BLOCKS; i++) {
            if (RAW(set->blocks[i]) != 0) {
                FREE(set->blocks[i]);
            }
        }
        free(set);
    }
}

/* xmalloc-test -t 5 -s 64: batches of 64-byte blocks are freed by whoever gets
 * them next. */
#define XMALLOC_BYTES 64u
#define XMALLOC_BLOCKS 120u

struct NAME(xmalloc) {
    REF blocks[XMALLOC_BLOCKS];
};
static _Atomic(struct NAME(xmalloc) *) NAME(xmalloc_slots)[MAX_SETS];

static void NAME(xmalloc_free)(struct NAME(xmalloc) * batch)
{
    for (unsigned i = 0; batch && i < XMALLOC_BLOCKS; i++) {
        FREE(batch->blocks[i]);
    }
    free(batch);
}

static void NAME(xmalloc_run)(struct bm_run *run, uint64_t rng)
{
    while (bm_next_batch(run, XMALLOC_BLOCKS)) {
        struct NAME(xmalloc) *batch = malloc(sizeof(*batch));

        for (unsigned i = 0; i < XMALLOC_BLOCKS; i++) {
            batch->blocks[i] = MAKE(XMALLOC_BYTES);
        }
        NAME(xmalloc_free)
        (atomic_exchange_explicit(
            &NAME(xmalloc_slots)[random_below(&rng, MAX_SETS)], batch,
            memory_order_acq_rel));
    }
}

static void NAME(xmalloc_end)(void)
{
    for (unsigned s = 0; s < MAX_SETS; s++) {
        NAME(xmalloc_free)
        (atomic_exchange_explicit(&NAME(xmalloc_slots)[s], NULL,
                                  memory_order_acq_rel));
    }
}

/* mstress N 50 25: blocks of sizes that are mostly small, of which a tenth goes
 * through 1,000 shared slots, and a fifth is kept until the end of the turn. */
#define MSTRESS_BLOCKS 5000u
#define MSTRESS_SLOTS 1000u
static _Atomic uintptr_t NAME(mstress_slots)[MSTRESS_SLOTS];

static REF NAME(mstress_make)(uint64_t *rng)
{
    unsigned shift = 0;

    while (shift < 7 && random_below(rng, 4) == 0) { /* half as likely */
        shift++;
    }
    return MAKE((8u << shift) + random_below(rng, 8u << shift));
}

static void NAME(mstress_share)(REF ref, uint64_t *rng)
{
    uintptr_t old = atomic_exchange_explicit(
        &NAME(mstress_slots)[random_below(rng, MSTRESS_SLOTS)], RAW(ref),
        memory_order_acq_rel);

    if (old != 0) {
        FREE(FROM(old));
    }
}

static void NAME(mstress_run)(struct bm_run *run, uint64_t rng)
{
    REF *kept = calloc(MSTRESS_BLOCKS, sizeof(*kept));

    while (bm_next_batch(run, MSTRESS_BLOCKS)) {
        unsigned n = 0;

        for (unsigned i = 0; i < MSTRESS_BLOCKS; i++) {
            REF ref = NAME(mstress_make)(&rng);

            if (random_below(&rng, 10) == 0) {
                NAME(mstress_share)(ref, &rng);
            } else if (random_below(&rng, 5) == 0 || n == 0) {
                kept[n++] = ref;
            } else {
                FREE(ref);
            }
        }
        while (n > 0) {
            FREE(kept[--n]);
        }
    }
    free(kept);
}

static void NAME(mstress_end)(void)
{
    for (unsigned s = 0; s < MSTRESS_SLOTS; s++) {
        uintptr_t raw = atomic_exchange_explicit(&NAME(mstress_slots)[s], 0,
                                                 memory_order_acq_rel);

        if (raw != 0) {
            FREE(FROM(raw));
        }
    }
}

/* rptest N 0 1 2 500 1000 100 8 16000: turns of 100 frees and 100 allocations
 * of 8 to 16,000 bytes (the smaller the likelier) among 500 blocks. */
#define RPTEST_BLOCKS 500u
#define RPTEST_OPS 100u
#define RPTEST_MIN 8u
#define RPTEST_MAX 16000u

static void NAME(rptest_run)(struct bm_run *run, uint64_t rng)
{
    REF *blocks = calloc(RPTEST_BLOCKS, sizeof(*blocks));
    unsigned at = 0;

    while (bm_next_batch(run, RPTEST_OPS)) {
        for (unsigned i = 0; i < RPTEST_OPS; i++) {
            REF *b = &blocks[(at + i * 7) % RPTEST_BLOCKS];
            uint32_t most = random_below(&rng, RPTEST_MAX - RPTEST_MIN) + 1;

            if (RAW(*b) != 0) {
                FREE(*b);
            }
            *b = MAKE(RPTEST_MIN + random_below(&rng, most));
        }
        at += RPTEST_OPS;
    }
    for (unsigned i = 0; i < RPTEST_BLOCKS; i++) {
        if (RAW(blocks[i]) != 0) {
            FREE(blocks[i]);
        }
    }
    free(blocks);
}

static void NAME(rptest_end)(void)
{
}
