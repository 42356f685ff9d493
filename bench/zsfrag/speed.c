/* SPDX-License-Identifier: MIT */
/*
 * speed.c - how fast values are put and got, beside the codec alone.
 *
 * Words   lane   one of two ways to do the same: the allocator, or the codec
 *                alone over a flat array that was touched before
 *         chunk  a stretch of the values in the order of a stage, some MiB
 *         order  as they were first put, or random; the same for both lanes
 *
 * Idea    A shared machine changes its speed from second to second, so the two
 *         lanes take turns on each chunk, and the ratio is taken between times
 *         that lie milliseconds apart. Whoever comes second on a chunk finds
 *         the values in the processor's cache; so the allocator goes first on
 *         even chunks and second on odd ones, and a ratio is made of one of
 *         each. Reported are medians: of the ratios over all pairs, and of the
 *         speeds over all chunks; and the tenths of the ratios at either end.
 *
 * Cost    The first fill can be timed only once. The other passes are
 *         repeated until about 1 GiB has gone through them.
 */
#include "speed.h"

#include <errno.h>
#include <time.h>

#include "pages.h"

#define MAX_PASSES 8u
#define ENOUGH_BYTES (UINT64_C(1) << 30)
#define MIN_CHUNK_BYTES (UINT64_C(256) << 10)
#define MAX_CHUNK_BYTES (UINT64_C(8) << 20)
#define FLAT_SLACK 16u /* codecs copy in words: some bytes beyond the end */

typedef void lane_fn(struct run *run, const struct chunk *chunk);

struct contest {
    const char *name;
    lane_fn *alloc, *raw;
    void (*before_pass)(struct run *run); /* not timed; may be NULL */
    bool in_random_order, once;
};

static double now_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static inline uint32_t value_at(const struct run *run, uint32_t place)
{
    return run->visit == NULL ? place : run->visit[place];
}

static void raw_compress_value(struct run *run, uint32_t i)
{
    const struct piece *p = &run->plan->pieces[i];

    run->flat_lens[i] = run->raw.ops->compress(
        &run->raw, run->data + p->start, p->len,
        run->flat + run->flat_starts[i], run->raw.ops->bound(p->len));
}

static void raw_compress(struct run *run, const struct chunk *chunk)
{
    for (uint32_t k = chunk->from; k < chunk->to; k++) {
        raw_compress_value(run, value_at(run, k));
    }
}

static void raw_decompress(struct run *run, const struct chunk *chunk)
{
    for (uint32_t k = chunk->from; k < chunk->to; k++) {
        uint32_t i = value_at(run, k);

        if (!run->raw.ops->decompress(
                &run->raw, run->flat + run->flat_starts[i], run->flat_lens[i],
                run->buffer, run->plan->pieces[i].len)) {
            run_fail(run, "the codec alone", EBADMSG);
        }
    }
}

static void alloc_put(struct run *run, const struct chunk *chunk)
{
    for (uint32_t k = chunk->from; k < chunk->to; k++) {
        uint32_t i = value_at(run, k);
        const struct piece *p = &run->plan->pieces[i];
        int err = run->back->put(run->self, i, run->data + p->start, p->len);

        if (err != 0) {
            run_fail(run, "put", -err);
        }
    }
}

static void alloc_get(struct run *run, const struct chunk *chunk)
{
    for (uint32_t k = chunk->from; k < chunk->to; k++) {
        uint32_t i = value_at(run, k);
        int err =
            run->back->get(run->self, i, run->buffer, run->plan->pieces[i].len);

        if (err != 0) {
            run_fail(run, "get", -err);
        }
    }
}

static void drop_all(struct run *run)
{
    for (uint32_t i = 0; i < run->plan->n_pieces; i++) {
        run->back->drop(run->self, i);
    }
}

static double timed(lane_fn *lane, struct run *run, const struct chunk *chunk)
{
    double start = now_seconds();
    lane(run, chunk);
    double seconds = now_seconds() - start;
    return seconds > 1e-9 ? seconds : 1e-9;
}

/* Shell's sort; qsort() would call malloc(), which is being measured. */
static void sort(double *values, uint64_t n)
{
    for (uint64_t gap = n / 2; gap > 0; gap /= 2) {
        for (uint64_t i = gap; i < n; i++) {
            double v = values[i];
            uint64_t k = i;
            for (; k >= gap && values[k - gap] > v; k -= gap) {
                values[k] = values[k - gap];
            }
            values[k] = v;
        }
    }
}

/* Of sorted values. */
static double median(const double *values, uint64_t n)
{
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static uint64_t bytes_of(const struct run *run, const struct chunk *chunk)
{
    uint64_t bytes = 0;

    for (uint32_t k = chunk->from; k < chunk->to; k++) {
        bytes += run->plan->pieces[value_at(run, k)].len;
    }
    return bytes;
}

/* What compete() has measured: MAX_PASSES times n_chunks of each at most. */
struct samples {
    double *mbps, *raw_mbps, *ratios;
    uint64_t n, n_ratios;
};

/* Lanes take turns; see the top of the file. */
static void one_pass(struct run *run, const struct contest *c,
                     struct samples *out)
{
    double pair = 0, raw_pair = 0;

    for (uint32_t k = 0; k < run->n_chunks; k++) {
        const struct chunk *chunk = &run->chunks[k];
        double bytes = (double)bytes_of(run, chunk);
        double seconds = 0, raw_seconds;

        if (k % 2 == 0) {
            seconds = timed(c->alloc, run, chunk);
        }
        raw_seconds = timed(c->raw, run, chunk);
        if (k % 2 == 1) {
            seconds = timed(c->alloc, run, chunk);
        }
        out->mbps[out->n] = bytes / seconds / 1e6;
        out->raw_mbps[out->n++] = bytes / raw_seconds / 1e6;
        pair += seconds;
        raw_pair += raw_seconds;
        if (k % 2 == 1 || run->n_chunks == 1) {
            out->ratios[out->n_ratios++] = raw_pair / pair;
            pair = raw_pair = 0;
        }
        run_progress(run, c->name, chunk->to - chunk->from);
    }
}

static unsigned n_passes(const struct run *run, const struct contest *c)
{
    uint64_t n = c->once ? 1 : ENOUGH_BYTES / run->plan->raw_bytes;
    return n < 1 ? 1 : n > MAX_PASSES ? MAX_PASSES : (unsigned)n;
}

static struct speed compete(struct run *run, const struct contest *c)
{
    size_t room = (size_t)MAX_PASSES * run->n_chunks;
    struct samples s = { .mbps = run->samples,
                         .raw_mbps = run->samples + room,
                         .ratios = run->samples + 2 * room };

    run->visit = c->in_random_order ? run->order : NULL;
    for (unsigned pass = 0; pass < n_passes(run, c); pass++) {
        if (c->before_pass != NULL) {
            c->before_pass(run);
        }
        one_pass(run, c, &s);
    }
    sort(s.mbps, s.n);
    sort(s.raw_mbps, s.n);
    sort(s.ratios, s.n_ratios);
    return (struct speed){ .mbps = median(s.mbps, s.n),
                           .raw_mbps = median(s.raw_mbps, s.n),
                           .ratio = median(s.ratios, s.n_ratios),
                           .low = s.ratios[s.n_ratios / 10],
                           .high = s.ratios[s.n_ratios - 1 - s.n_ratios / 10] };
}

static const struct contest contests[N_STAGES] = {
    [STAGE_PUT_COLD] = { "first fill", alloc_put, raw_compress, NULL, false,
                         true },
    [STAGE_PUT] = { "filling again", alloc_put, raw_compress, drop_all, false,
                    false },
    [STAGE_PUT_RANDOM] = { "filling at random", alloc_put, raw_compress,
                           drop_all, true, false },
    [STAGE_GET] = { "reading", alloc_get, raw_decompress, NULL, false, false },
    [STAGE_GET_RANDOM] = { "reading at random", alloc_get, raw_decompress, NULL,
                           true, false },
};

uint64_t speed_work(const struct run *run)
{
    uint64_t work = 0;

    for (unsigned s = 0; s < N_STAGES; s++) {
        work += (uint64_t)run->plan->n_pieces * n_passes(run, &contests[s]);
    }
    return work + run->plan->n_pieces; /* fill_in_order() */
}

/* So that values lie as they did after the first fill, for the footprint. */
static void fill_in_order(struct run *run)
{
    drop_all(run);
    run->visit = NULL;
    for (uint32_t k = 0; k < run->n_chunks; k++) {
        alloc_put(run, &run->chunks[k]);
        run_progress(run, "filling again",
                     run->chunks[k].to - run->chunks[k].from);
    }
}

void speed_measure(struct run *run)
{
    for (unsigned s = 0; s < N_STAGES; s++) {
        run->result.speed[s] = compete(run, &contests[s]);
    }
    fill_in_order(run);
}

/* Cut the values into chunks; with `out` NULL only counts. */
static uint32_t cut_chunks(const struct plan *plan, struct chunk *out)
{
    uint64_t want = plan->raw_bytes / 64;
    uint32_t n = 0, i = 0;

    want = want < MIN_CHUNK_BYTES ? MIN_CHUNK_BYTES : want;
    want = want > MAX_CHUNK_BYTES ? MAX_CHUNK_BYTES : want;
    while (i < plan->n_pieces) {
        struct chunk chunk = { .from = i };
        uint64_t bytes = 0;

        while (i < plan->n_pieces && bytes < want) {
            bytes += plan->pieces[i++].len;
        }
        chunk.to = i;
        if (out != NULL) {
            out[n] = chunk;
        }
        n++;
    }
    return n;
}

bool speed_prepare(struct run *run)
{
    const struct plan *plan = run->plan;
    uint64_t flat_bytes = 0, at = 0;

    run->n_chunks = cut_chunks(plan, NULL);
    run->chunks = pages_map(run->n_chunks * sizeof(run->chunks[0]));
    run->samples = pages_map((size_t)3 * MAX_PASSES * run->n_chunks *
                             sizeof(run->samples[0]));
    run->flat_lens = pages_map(plan->n_pieces * sizeof(run->flat_lens[0]));
    run->flat_starts = pages_map(plan->n_pieces * sizeof(run->flat_starts[0]));
    if (run->chunks == NULL || run->samples == NULL || run->flat_lens == NULL ||
        run->flat_starts == NULL || !codec_open_fixed(&run->raw, plan->codec)) {
        return false;
    }
    cut_chunks(plan, run->chunks);
    for (uint32_t i = 0; i < plan->n_pieces; i++) {
        flat_bytes += run->raw.ops->bound(plan->pieces[i].len) + FLAT_SLACK;
    }
    /* only what the values need is ever touched, and that just below */
    run->flat = mmap(NULL, flat_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (run->flat == MAP_FAILED) {
        return false;
    }
    madvise(run->flat, flat_bytes, MADV_NOHUGEPAGE);
    for (uint32_t i = 0; i < plan->n_pieces; i++) {
        run->flat_starts[i] = at;
        raw_compress_value(run, i);
        at += run->flat_lens[i] + FLAT_SLACK;
    }
    return true;
}
