/* SPDX-License-Identifier: MIT */
/*
 * measure.c - every codec with every dictionary.
 *
 * Words
 *   measured values  those of the split that no dictionary has seen
 *   all values       everything that was read; the measured ones stand for
 *                    them, same-filled ones are counted beside
 *
 * Idea
 *   Each measured value is packed once for each row, and the size of the object
 *   kept. A pool is filled with objects of those sizes until they stand for all
 *   values, or for POOL_BYTES of them, and compacted; its footprint, scaled to
 *   all values, and the dictionary's own memory are what the row would take.
 *
 * Cost
 *   Time is that of zstd 19: about 1 s for 2 MiB, five times.
 */
#include "measure.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "footprint.h"
#include "pack.h"
#include "timing.h"

#define KIB ((size_t)1024)
#define POOL_BYTES 67108864.0

static const size_t dict_sizes[N_DICTS] = { 4 * KIB, 16 * KIB, 64 * KIB,
                                            112 * KIB };

static void progress(const char *what, const char *with)
{
    if (isatty(STDERR_FILENO)) {
        fprintf(stderr, "\r\033[K%s%s", what, with);
    }
}

const char *measure_dict_name(const struct row *row)
{
    static const char *const names[N_DICTS] = { "4 KiB", "16 KiB", "64 KiB",
                                                "112 KiB" };
    unsigned i = 0;

    while (i < N_DICTS && dict_sizes[i] != row->dict_asked) {
        i++;
    }
    return row->dict == NULL || i == N_DICTS ? "-" : names[i];
}

static size_t longest(const struct split *s)
{
    size_t max = 1;

    for (size_t i = 0; i < s->n_measured; i++) {
        max = s->measured[i]->len > max ? s->measured[i]->len : max;
    }
    return max;
}

/* Everything that packing one row needs. */
struct bench {
    const struct values *v;
    const struct split *s;
    uint32_t *sizes; /* of objects, one for each measured value */
    unsigned char *dst;
};

static bool pack_all(const struct bench *b, struct row *row)
{
    struct coder *plain = coder_create(row->codec, NULL, 0), *c = plain;

    if (row->dict != NULL) {
        c = coder_create(row->codec, row->dict, row->dict_bytes);
    }
    if (c == NULL || plain == NULL) {
        coder_destroy(plain);
        return false;
    }
    for (size_t i = 0; i < b->s->n_measured; i++) {
        const struct value *one = b->s->measured[i];
        struct packed p = pack_value(c, plain, row->codec,
                                     b->v->bytes + one->at, one->len, b->dst);

        row->n_raw += p.is_raw;
        row->payload_bytes += p.payload;
        row->header_bytes += p.header;
        b->sizes[i] = (uint32_t)(p.header + p.payload);
    }
    row->dict_memory = coder_dict_memory(c);
    if (c != plain) {
        coder_destroy(c);
    }
    coder_destroy(plain);
    return true;
}

/* How often the measured values are to be put, to stand for `all` bytes or for
 * as many as are enough. */
static unsigned times_for(double all, double measured)
{
    double times = (all < POOL_BYTES ? all : POOL_BYTES) / measured;

    return times < 1 ? 1 : (unsigned)(times + 0.5);
}

/* Ratio and memory, of all values. */
static bool project(const struct bench *b, double total, struct row *row)
{
    const struct values *v = b->v;
    double measured = (double)b->s->measured_bytes;
    double grown = total / (double)v->bytes_all;
    double all = (double)(v->bytes_all - v->bytes_same) * grown;
    double n_same = (double)v->n_same * grown;
    unsigned times = times_for(all, measured);
    double scale = all / (measured * times);
    uint64_t footprint;

    if (footprint_of_objects(b->sizes, b->s->n_measured, times,
                             (uint64_t)(n_same / scale), &footprint) != 0) {
        return false;
    }
    row->projected_bytes =
        (uint64_t)((double)footprint * scale) + row->dict_memory;
    row->memory = total / (double)row->projected_bytes;
    row->ratio = total / ((double)row->payload_bytes * all / measured + n_same);
    return true;
}

static bool check_store(const struct bench *b, const struct row *row,
                        struct store_check *out)
{
    return footprint_of_objects(b->sizes, b->s->n_measured, 1, 0,
                                &out->computed) == 0 &&
           footprint_of_store(row->codec, b->v, b->s, &out->real,
                              &out->real_headers) == 0;
}

static bool measure_row(const struct bench *b, struct row *row,
                        struct results *out)
{
    progress(row->codec->name, row->dict != NULL ? " with a dictionary" : "");
    if (!pack_all(b, row) || !project(b, (double)out->total_bytes, row)) {
        return false;
    }
    if (row->codec->kind == CODEC_LZ4 && row->codec->level == 1 &&
        row->dict == NULL) {
        out->check.headers = row->header_bytes;
        return check_store(b, row, &out->check);
    }
    return true;
}

static void make_rows(const struct values *v, const struct split *s,
                      struct results *out)
{
    for (unsigned d = 0; d < N_DICTS; d++) {
        progress("training a dictionary", "");
        out->dicts[d] = split_train(v, s, dict_sizes[d], &out->dict_bytes[d]);
    }
    for (unsigned c = 0; c < N_CODECS; c++) {
        out->rows[out->n_rows++] = (struct row){ .codec = &codecs[c] };
        for (unsigned d = 0; d < N_DICTS; d++) {
            if (out->dicts[d] != NULL &&
                dict_sizes[d] <= codec_max_dict(&codecs[c])) {
                out->rows[out->n_rows++] =
                    (struct row){ .codec = &codecs[c],
                                  .dict = out->dicts[d],
                                  .dict_bytes = out->dict_bytes[d],
                                  .dict_asked = dict_sizes[d] };
            }
        }
    }
}

bool measure_all(const struct values *v, const struct split *s,
                 uint64_t total_bytes, bool quick, struct results *out)
{
    struct coder *zstd = coder_create(&codecs[N_CODECS - 1], NULL, 0);
    struct bench b = { v, s, NULL, NULL };
    const uint32_t one = 4;
    bool ok;

    *out = (struct results){ .total_bytes = total_bytes };
    b.sizes = calloc(s->n_measured + 1, sizeof(*b.sizes));
    if (zstd != NULL) { /* its bound is above lz4's */
        b.dst = malloc(coder_bound(zstd, longest(s)) + longest(s) / 200 + 64);
    }
    coder_destroy(zstd);
    ok = b.sizes != NULL && b.dst != NULL &&
         footprint_of_objects(&one, 1, 1, 0, &out->fixed_bytes) == 0;
    if (ok) {
        make_rows(v, s, out);
    }
    for (unsigned i = 0; ok && i < out->n_rows; i++) {
        ok = measure_row(&b, &out->rows[i], out);
    }
    progress("timing", "");
    ok = ok && timing_run(v, s, quick, out);
    progress("", "");
    free(b.sizes);
    free(b.dst);
    if (!ok) {
        warnx("not enough memory to measure");
    }
    return ok;
}

void measure_free(struct results *r)
{
    for (unsigned d = 0; d < N_DICTS; d++) {
        free(r->dicts[d]);
    }
}
