/* SPDX-License-Identifier: MIT */
/* advice.c - which row to take. */
#include "advice.h"

#define MIN_MBPS 20
#define CLOSE 1.05
#define WORTH_IT 0.9 /* of the memory that storing raw takes */
#define GETS_PER_PUT 4

static double work(const struct row *row)
{
    return 1 / row->compress.mbps + GETS_PER_PUT / row->decompress.mbps;
}

/* The least work among rows of at most that much memory. */
static const struct row *least_work(const struct results *r, double max_bytes)
{
    const struct row *best = NULL;

    for (unsigned i = 0; i < r->n_rows; i++) {
        const struct row *row = &r->rows[i];

        if (row->codec->kind != CODEC_NONE && row->compress.mbps >= MIN_MBPS &&
            (double)row->projected_bytes <= max_bytes &&
            (best == NULL || work(row) < work(best))) {
            best = row;
        }
    }
    return best;
}

static double worth_it(const struct results *r)
{
    return WORTH_IT * (double)r->rows[0].projected_bytes;
}

const struct row *advice_quickest(const struct results *r)
{
    return least_work(r, worth_it(r));
}

const struct row *advice_best(const struct results *r)
{
    double least = worth_it(r) / CLOSE;
    bool any = false;

    for (unsigned i = 0; i < r->n_rows; i++) {
        const struct row *row = &r->rows[i];

        if (row->codec->kind != CODEC_NONE && row->compress.mbps >= MIN_MBPS &&
            (double)row->projected_bytes <= least) {
            least = (double)row->projected_bytes;
            any = true;
        }
    }
    return any ? least_work(r, least * CLOSE) : advice_quickest(r);
}
