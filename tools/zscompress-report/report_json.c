/* SPDX-License-Identifier: MIT */
/* report_json.c - everything as one JSON object. */
#include "report.h"

#include <inttypes.h>

#include "advice.h"

static void json_sizes(const struct values *v)
{
    const char *comma = "";

    printf("\"lengths\":[");
    for (unsigned i = 0; i < N_SIZES; i++) {
        if (v->n_of_size[i] > 0) {
            printf("%s{\"below\":%" PRIu64 ",\"values\":%" PRIu64
                   ",\"bytes\":%" PRIu64 "}",
                   comma, UINT64_C(1) << i, v->n_of_size[i],
                   v->bytes_of_size[i]);
            comma = ",";
        }
    }
    printf("],\n");
}

static void json_input(const struct report *p)
{
    double of_values, of_bytes;

    repeats_shares(&p->v->repeats, &of_values, &of_bytes);
    printf("\"files\":%" PRIu64 ",\"unreadable_files\":%" PRIu64
           ",\"skipped_entries\":%" PRIu64 ",\"cut_values\":%" PRIu64 ",\n",
           p->in->n_files, p->in->n_unreadable, p->in->n_skipped, p->v->n_cut);
    printf("\"values\":%" PRIu64 ",\"bytes\":%" PRIu64
           ",\"kept_share\":%.6g,\"kept_values\":%zu,\"kept_bytes\":%zu,\n",
           p->v->n_all, p->v->bytes_all, values_share(p->v), p->v->n_kept,
           p->v->n_bytes);
    printf("\"measured_values\":%zu,\"measured_bytes\":%" PRIu64
           ",\"trained_values\":%zu,\"trained_bytes\":%" PRIu64 ",\n",
           p->s->n_measured, p->s->measured_bytes, p->s->n_trained,
           p->s->trained_bytes);
    printf("\"same_filled_values\":%" PRIu64 ",\"same_filled_bytes\":%" PRIu64
           ",\"repeated_value_share\":%.6f,\"repeated_byte_share\":%.6f,\n",
           p->v->n_same, p->v->bytes_same, of_values, of_bytes);
    json_sizes(p->v);
}

static void json_speed(const char *name, const struct speed *s)
{
    printf(",\"%s_mbps\":%.1f,\"%s_p50_us\":%.3f,\"%s_p99_us\":%.3f", name,
           s->mbps, name, s->p50_us, name, s->p99_us);
}

static void json_row(const struct row *row, uint64_t measured)
{
    printf("{\"codec\":\"%s\",\"level\":%d,\"name\":\"%s\""
           ",\"dictionary_bytes\":%zu,\"dictionary_memory\":%" PRIu64,
           row->codec->kind == CODEC_NONE    ? "none"
           : row->codec->kind == CODEC_LZ4   ? "lz4"
           : row->codec->kind == CODEC_LZ4HC ? "lz4hc"
                                             : "zstd",
           row->codec->level, row->codec->name, row->dict_bytes,
           row->dict_memory);
    printf(",\"measured_bytes\":%" PRIu64 ",\"payload_bytes\":%" PRIu64
           ",\"header_bytes\":%" PRIu64 ",\"raw_values\":%" PRIu64
           ",\"ratio\":%.4f,\"memory_ratio\":%.4f,\"projected_bytes\":%" PRIu64,
           measured, row->payload_bytes, row->header_bytes, row->n_raw,
           row->ratio, row->memory, row->projected_bytes);
    json_speed("compress", &row->compress);
    json_speed("decompress", &row->decompress);
    printf(",\"verified\":%s}", row->is_verified ? "true" : "false");
}

static void json_choice(const char *name, const struct row *row)
{
    if (row == NULL) {
        printf("\"%s\":null", name);
    } else {
        printf("\"%s\":{\"name\":\"%s\",\"dictionary_bytes\":%zu}", name,
               row->codec->name, row->dict_bytes);
    }
}

void report_json(const struct report *p)
{
    const struct store_check *c = &p->r->check;

    printf("{\n");
    json_input(p);
    printf("\"rows\":[\n");
    for (unsigned i = 0; i < p->r->n_rows; i++) {
        json_row(&p->r->rows[i], p->s->measured_bytes);
        printf(i + 1 < p->r->n_rows ? ",\n" : "],\n");
    }
    printf("\"total_bytes\":%" PRIu64 ",\"pool_fixed_bytes\":%" PRIu64 ",\n",
           p->r->total_bytes, p->r->fixed_bytes);
    printf("\"store_check\":{\"footprint\":%" PRIu64 ",\"computed\":%" PRIu64
           ",\"header_bytes\":%" PRIu64 ",\"computed_header_bytes\":%" PRIu64
           "},\n",
           c->real, c->computed, c->real_headers, c->headers);
    json_choice("recommended", advice_best(p->r));
    printf(",\n");
    json_choice("quickest", advice_quickest(p->r));
    printf("\n}\n");
}
