/* SPDX-License-Identifier: MIT */
/*
 * speed.c - how fast values are put and got, beside the codec alone.
 *
 * Words   lane   one of two ways to do the same: the allocator, or the codec
 *                alone over a flat array that was touched before
 *         chunk  a stretch of neighbouring values, some MiB
 *
 * Idea    A shared machine changes its speed from second to second, so the two
 *         lanes take turns on each chunk, and the ratio is taken between times
 *         that lie milliseconds apart. Whoever comes second on a chunk finds
 *         the values in the processor's cache; so the allocator goes first on
 *         even chunks and second on odd ones, and a ratio is made of one of
 *         each. Reported are medians: of the ratios over all pairs, and of the
 *         speeds over all chunks.
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

typedef void lane_fn(struct run *run, const struct chunk *chunk);

struct contest {
    const char *stage;
    lane_fn *alloc, *raw;
    void (*before_pass)(struct run *run); /* not timed; may be NULL */
    unsigned n_passes;
};

static double now_seconds(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void raw_compress(struct run *run, const struct chunk *chunk)
{
    const struct plan *plan = run->plan;
    char *at = run->flat + chunk->flat_start;

    for (uint32_t i = chunk->from; i < chunk->to; i++) {
        const struct piece *p = &plan->pieces[i];
        run->flat_lens[i] =
            run->raw.ops->compress(&run->raw, run->data + p->start, p->len, at,
                                   run->raw.ops->bound(p->len));
        at += run->flat_lens[i];
    }
}

static void raw_decompress(struct run *run, const struct chunk *chunk)
{
    const struct plan *plan = run->plan;
    const char *at = run->flat + chunk->flat_start;

    for (uint32_t i = chunk->from; i < chunk->to; i++) {
        if (!run->raw.ops->decompress(&run->raw, at, run->flat_lens[i],
                                      run->buffer, plan->pieces[i].len)) {
            run_fail(run, "the codec alone", EBADMSG);
        }
        at += run->flat_lens[i];
    }
}

static void alloc_put(struct run *run, const struct chunk *chunk)
{
    const struct plan *plan = run->plan;

    for (uint32_t i = chunk->from; i < chunk->to; i++) {
        const struct piece *p = &plan->pieces[i];
        int err = run->back->put(run->self, i, run->data + p->start, p->len);
        if (err != 0) {
            run_fail(run, "put", -err);
        }
    }
}

static void alloc_get(struct run *run, const struct chunk *chunk)
{
    const struct plan *plan = run->plan;

    for (uint32_t i = chunk->from; i < chunk->to; i++) {
        int err =
            run->back->get(run->self, i, run->buffer, plan->pieces[i].len);
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

static double median(double *values, uint64_t n)
{
    sort(values, n);
    return n % 2 == 1 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

/* Lanes take turns; see the top of the file. */
static struct speed compete(struct run *run, const struct contest *c)
{
    double *mbps = run->samples;
    double *raw_mbps = mbps + (size_t)MAX_PASSES * run->n_chunks;
    double *ratios = raw_mbps + (size_t)MAX_PASSES * run->n_chunks;
    uint64_t n = 0, n_ratios = 0;

    for (unsigned pass = 0; pass < c->n_passes; pass++) {
        if (c->before_pass != NULL) {
            c->before_pass(run);
        }
        double pair = 0, raw_pair = 0;
        for (uint32_t k = 0; k < run->n_chunks; k++) {
            const struct chunk *chunk = &run->chunks[k];
            double seconds = 0, raw_seconds;
            if (k % 2 == 0) {
                seconds = timed(c->alloc, run, chunk);
            }
            raw_seconds = timed(c->raw, run, chunk);
            if (k % 2 == 1) {
                seconds = timed(c->alloc, run, chunk);
            }
            mbps[n] = (double)chunk->bytes / seconds / 1e6;
            raw_mbps[n++] = (double)chunk->bytes / raw_seconds / 1e6;
            pair += seconds;
            raw_pair += raw_seconds;
            if (k % 2 == 1 || run->n_chunks == 1) {
                ratios[n_ratios++] = raw_pair / pair;
                pair = raw_pair = 0;
            }
            run_progress(run, c->stage, chunk->to - chunk->from);
        }
    }
    return (struct speed){ median(mbps, n), median(raw_mbps, n),
                           median(ratios, n_ratios) };
}

static unsigned n_passes(const struct run *run)
{
    uint64_t n = ENOUGH_BYTES / run->plan->raw_bytes;
    return n < 1 ? 1 : n > MAX_PASSES ? MAX_PASSES : (unsigned)n;
}

uint64_t speed_work(const struct run *run)
{
    return (uint64_t)run->plan->n_pieces * (1 + 2 * n_passes(run));
}

void speed_measure(struct run *run)
{
    const struct contest cold = { "first fill", alloc_put, raw_compress, NULL,
                                  1 };
    const struct contest warm = { "filling again", alloc_put, raw_compress,
                                  drop_all, n_passes(run) };
    const struct contest get = { "reading", alloc_get, raw_decompress, NULL,
                                 n_passes(run) };

    run->result.put_cold = compete(run, &cold);
    run->result.put = compete(run, &warm);
    run->result.get = compete(run, &get);
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
        while (i < plan->n_pieces && chunk.bytes < want) {
            chunk.bytes += plan->pieces[i++].len;
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
    if (run->chunks == NULL || run->samples == NULL || run->flat_lens == NULL ||
        !codec_open_fixed(&run->raw, plan->codec)) {
        return false;
    }
    cut_chunks(plan, run->chunks);
    for (uint32_t i = 0; i < plan->n_pieces; i++) {
        flat_bytes += run->raw.ops->bound(plan->pieces[i].len);
    }
    /* only what the values need is ever touched, and that just below */
    run->flat = mmap(NULL, flat_bytes, PROT_READ | PROT_WRITE,
                     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (run->flat == MAP_FAILED) {
        return false;
    }
    madvise(run->flat, flat_bytes, MADV_NOHUGEPAGE);
    for (uint32_t k = 0; k < run->n_chunks; k++) {
        struct chunk *chunk = &run->chunks[k];
        chunk->flat_start = at;
        raw_compress(run, chunk);
        for (uint32_t i = chunk->from; i < chunk->to; i++) {
            at += run->flat_lens[i];
        }
    }
    return true;
}
