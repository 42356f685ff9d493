/* SPDX-License-Identifier: MIT */
/*
 * timing.c - how fast each row packs and unpacks.
 *
 * Words
 *   chunk   some values that follow each other among those measured, which are
 *           shuffled: like visits of a cache, and each chunk is like all
 *   round   every row packs and unpacks one chunk, the same for all of them
 *
 * Idea
 *   Rows take turns, so that a machine that becomes slower does so for all of
 *   them. A row whose chunk took long gets a shorter one in its next round: it
 *   begins where the others' do. The first round warms up. Every value must
 *   come back as it was. A chunk is timed as a whole for MB/s, and a
 *   second time value by value for p50 and p99; the clock's own time is taken
 *   off those. A row's figure is the median of its rounds.
 *
 * Cost
 *   N_ROUNDS rounds of at most about 4 * CHUNK_NS a row.
 */
#include "timing.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "pack.h"

#define MIN_VALUES 16
#define N_ROUNDS 6 /* the first is not counted */
#define CHUNK_NS 8e6
#define QUICK_CHUNK_NS 1e6
#define CHUNK_BYTES ((size_t)2 << 20)
#define MAX_VALUES 20000u /* of a chunk */

struct timed {
    uint64_t at, n; /* in the packed bytes; n: of the payload */
    bool is_raw, with_dict;
};

struct timer {
    const struct values *v;
    const struct split *s;
    struct timed values[MAX_VALUES];
    float *times[2]; /* of single values: packing, unpacking */
    unsigned char *packed, *back;
    double clock_ns;
    double chunk_ns; /* that a chunk should take to pack */
};

struct line { /* of one row, over the rounds */
    struct coder *c, *plain;
    size_t n_values; /* of its next chunk */
    double mbps[2][N_ROUNDS], p50[2][N_ROUNDS], p99[2][N_ROUNDS];
};

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_double(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static int by_float(const void *a, const void *b)
{
    float x = *(const float *)a, y = *(const float *)b;

    return (x > y) - (x < y);
}

static double median(double *values, size_t n)
{
    qsort(values, n, sizeof(*values), by_double);
    return values[n / 2];
}

static double clock_cost_ns(void)
{
    double each[501];

    for (size_t i = 0; i < 501; i++) {
        double from = now_ns();

        each[i] = now_ns() - from;
    }
    return median(each, 501);
}

/* ---- one value ---------------------------------------------------------- */

static const struct value *value_of(const struct timer *t, size_t first,
                                    size_t i)
{
    return t->s->measured[(first + i) % t->s->n_measured];
}

static void pack_one(struct timer *t, const struct line *l,
                     const struct row *row, size_t first, size_t i,
                     uint64_t *at)
{
    const struct value *one = value_of(t, first, i);
    const unsigned char *src = t->v->bytes + one->at;
    struct packed p =
        pack_value(l->c, l->plain, row->codec, src, one->len, t->packed + *at);

    if (p.is_raw) {
        memcpy(t->packed + *at, src, one->len);
    }
    t->values[i] =
        (struct timed){ *at, p.payload, p.is_raw,
                        l->c != l->plain && one->len < DICT_MAX_VALUE_BYTES };
    *at += p.payload;
}

static bool unpack_one(struct timer *t, const struct line *l, size_t first,
                       size_t i)
{
    const struct value *one = value_of(t, first, i);
    const struct timed *p = &t->values[i];

    if (p->is_raw) {
        memcpy(t->back, t->packed + p->at, one->len);
        return true;
    }
    return coder_decompress(p->with_dict ? l->c : l->plain, t->packed + p->at,
                            p->n, t->back, one->len);
}

/* ---- a chunk ------------------------------------------------------------ */

static uint64_t chunk_bytes(const struct timer *t, size_t first, size_t n)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++) {
        sum += value_of(t, first, i)->len;
    }
    return sum;
}

/* As many values as all buffers have room for. */
static size_t largest_chunk(const struct timer *t, size_t first)
{
    uint64_t sum = 0;
    size_t n = 0;

    while (n < MAX_VALUES && n < t->s->n_measured &&
           (n == 0 || sum + value_of(t, first, n)->len <= CHUNK_BYTES)) {
        sum += value_of(t, first, n++)->len;
    }
    return n;
}

static double pack_chunk(struct timer *t, const struct line *l,
                         const struct row *row, size_t first, bool each)
{
    double from = now_ns();
    uint64_t at = 0;

    for (size_t i = 0; i < l->n_values; i++) {
        double start = each ? now_ns() : 0;

        pack_one(t, l, row, first, i, &at);
        if (each) {
            t->times[0][i] = (float)(now_ns() - start - t->clock_ns);
        }
    }
    return now_ns() - from;
}

static double unpack_chunk(struct timer *t, const struct line *l, size_t first,
                           bool each)
{
    double from = now_ns();

    for (size_t i = 0; i < l->n_values; i++) {
        double start = each ? now_ns() : 0;

        unpack_one(t, l, first, i);
        if (each) {
            t->times[1][i] = (float)(now_ns() - start - t->clock_ns);
        }
    }
    return now_ns() - from;
}

static bool comes_back(struct timer *t, const struct line *l, size_t first)
{
    for (size_t i = 0; i < l->n_values; i++) {
        const struct value *one = value_of(t, first, i);

        if (!unpack_one(t, l, first, i) ||
            memcmp(t->back, t->v->bytes + one->at, one->len) != 0) {
            return false;
        }
    }
    return true;
}

static void note(struct timer *t, struct line *l, unsigned what, unsigned round,
                 double ns, uint64_t bytes)
{
    float *times = t->times[what];
    size_t n = l->n_values;

    qsort(times, n, sizeof(*times), by_float);
    l->mbps[what][round] = (double)bytes / ns * 1e3;
    l->p50[what][round] = (double)times[n / 2] / 1e3;
    l->p99[what][round] = (double)times[n - 1 - n / 100] / 1e3;
}

/* So many values that packing them takes chunk_ns. */
static void adapt(struct line *l, double ns, double chunk_ns)
{
    double n = (double)l->n_values * chunk_ns / (ns > 1 ? ns : 1);

    l->n_values = n < MIN_VALUES   ? MIN_VALUES
                  : n > MAX_VALUES ? MAX_VALUES
                                   : (size_t)n;
}

static void run_row(struct timer *t, struct row *row, struct line *l,
                    unsigned round, size_t first)
{
    size_t most = largest_chunk(t, first);
    double pack_ns, unpack_ns;
    uint64_t bytes;

    l->n_values = l->n_values > most ? most : l->n_values;
    bytes = chunk_bytes(t, first, l->n_values);
    pack_ns = pack_chunk(t, l, row, first, false);
    unpack_ns = unpack_chunk(t, l, first, false);
    row->is_verified = comes_back(t, l, first) && row->is_verified;
    pack_chunk(t, l, row, first, true);
    unpack_chunk(t, l, first, true);
    note(t, l, 0, round, pack_ns, bytes);
    note(t, l, 1, round, unpack_ns, bytes);
    adapt(l, pack_ns, t->chunk_ns);
}

static struct speed speed_of(struct line *l, unsigned what)
{
    return (struct speed){ median(l->mbps[what] + 1, N_ROUNDS - 1),
                           median(l->p50[what] + 1, N_ROUNDS - 1),
                           median(l->p99[what] + 1, N_ROUNDS - 1) };
}

/* ---- all ---------------------------------------------------------------- */

static bool open_lines(struct line *lines, struct results *out)
{
    for (unsigned i = 0; i < out->n_rows; i++) {
        struct row *row = &out->rows[i];
        struct line *l = &lines[i];

        row->is_verified = true;
        l->n_values = MIN_VALUES;
        l->plain = coder_create(row->codec, NULL, 0);
        l->c = row->dict == NULL
                   ? l->plain
                   : coder_create(row->codec, row->dict, row->dict_bytes);
        if (l->c == NULL || l->plain == NULL) {
            return false;
        }
    }
    return true;
}

static void close_lines(struct line *lines, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (lines[i].c != lines[i].plain) {
            coder_destroy(lines[i].c);
        }
        coder_destroy(lines[i].plain);
    }
}

static bool open_timer(struct timer *t, const struct values *v,
                       const struct split *s, bool quick)
{
    size_t room = CHUNK_BYTES + VALUE_MAX_BYTES; /* each value in its bound */

    t->v = v;
    t->s = s;
    t->clock_ns = clock_cost_ns();
    t->chunk_ns = quick ? QUICK_CHUNK_NS : CHUNK_NS;
    t->packed = malloc(room + room / 100 + (size_t)1024 * 1024);
    t->back = malloc(VALUE_MAX_BYTES);
    t->times[0] = calloc(MAX_VALUES, sizeof(float));
    t->times[1] = calloc(MAX_VALUES, sizeof(float));
    return t->packed != NULL && t->back != NULL && t->times[0] != NULL &&
           t->times[1] != NULL;
}

static void close_timer(struct timer *t)
{
    free(t->packed);
    free(t->back);
    free(t->times[0]);
    free(t->times[1]);
    free(t);
}

bool timing_run(const struct values *v, const struct split *s, bool quick,
                struct results *out)
{
    struct timer *t = calloc(1, sizeof(*t));
    struct line *lines = calloc(MAX_ROWS, sizeof(*lines));
    bool ok = t != NULL && lines != NULL && open_timer(t, v, s, quick) &&
              open_lines(lines, out);

    for (unsigned round = 0; ok && round < N_ROUNDS; round++) {
        size_t first = s->n_measured * round / N_ROUNDS;

        for (unsigned i = 0; i < out->n_rows; i++) {
            run_row(t, &out->rows[i], &lines[i], round, first);
        }
    }
    for (unsigned i = 0; ok && i < out->n_rows; i++) {
        out->rows[i].compress = speed_of(&lines[i], 0);
        out->rows[i].decompress = speed_of(&lines[i], 1);
    }
    if (lines != NULL) {
        close_lines(lines, out->n_rows);
    }
    free(lines);
    if (t != NULL) {
        close_timer(t);
    }
    return ok;
}
