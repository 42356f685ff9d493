/* SPDX-License-Identifier: MIT */
/* measure.h - every codec with every dictionary: one row of the table each. */
#ifndef ZSREPORT_MEASURE_H
#define ZSREPORT_MEASURE_H

#include "codecs.h"
#include "split.h"

#define N_DICTS 4
#define MAX_ROWS (N_CODECS * (1 + N_DICTS))

struct speed {
    double mbps;           /* of values, median of the rounds */
    double p50_us, p99_us; /* of one value, what the clock takes taken off */
};

struct row {
    const struct codec *codec;
    const void *dict; /* NULL: none */
    size_t dict_bytes, dict_asked;
    uint64_t n_raw, payload_bytes, header_bytes;
    uint64_t dict_memory;
    double ratio;  /* all values / what is left of them */
    double memory; /* all values / footprint of a pool that has them all */
    uint64_t projected_bytes; /* that footprint */
    struct speed compress, decompress;
    bool is_verified; /* what was timed came back as it was */
};

/* Does the table's way to the footprint lead to that of a real store? */
struct store_check {
    uint64_t real, computed;
    uint64_t real_headers, headers;
};

struct results {
    struct row rows[MAX_ROWS];
    unsigned n_rows;
    void *dicts[N_DICTS];
    size_t dict_bytes[N_DICTS];
    struct store_check check; /* lz4 1; zeros: not made */
    uint64_t total_bytes;
    uint64_t fixed_bytes; /* what a pool takes for its first object */
};

/* total_bytes: of such values, what the projection is for. false: after a
 * message. quick: rough times. measure_free() in both cases. */
bool measure_all(const struct values *v, const struct split *s,
                 uint64_t total_bytes, bool quick, struct results *out);
void measure_free(struct results *r);

/* "4 KiB": of a row; "-" without dictionary. */
const char *measure_dict_name(const struct row *row);

#endif /* ZSREPORT_MEASURE_H */
