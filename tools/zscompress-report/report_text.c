/* SPDX-License-Identifier: MIT */
/* report_text.c - the values, the table, and what follows from it. */
#include "report.h"

#include <inttypes.h>

#include "advice.h"

#define SMALL_BYTES (UINT64_C(32) << 20)

static double percent(double part, double whole)
{
    return whole > 0 ? 100 * part / whole : 0;
}

const char *report_bytes(double bytes, char *room)
{
    static const char *const units[] = { "bytes", "KiB", "MiB", "GiB", "TiB" };
    unsigned i = 0;

    while (bytes >= 1024 && i < 4) {
        bytes /= 1024;
        i++;
    }
    snprintf(room, 24, i == 0 || bytes >= 100 ? "%.0f %s" : "%.1f %s", bytes,
             units[i]);
    return room;
}

static void text_input(const struct report *p)
{
    char total[24], kept[24], measured[24], trained[24];

    printf("input: %" PRIu64 " values, %s", p->v->n_all,
           report_bytes((double)p->v->bytes_all, total));
    if (p->in->n_files > 1) {
        printf(", from %" PRIu64 " files", p->in->n_files);
    }
    printf("\n");
    if (p->in->n_unreadable > 0) {
        printf("  %" PRIu64 " files could not be read\n", p->in->n_unreadable);
    }
    if (p->in->n_skipped > 0) {
        printf("  %" PRIu64
               " entries of the dump hold no string value and were "
               "left out%s\n",
               p->in->n_skipped,
               p->in->all_types ? "" : " (of Redis' other types: --all-types)");
    }
    if (p->v->n_cut > 0) {
        printf("  %" PRIu64 " pieces of values above 16 MiB are cut there\n",
               p->v->n_cut);
    }
    if (values_share(p->v) < 1) {
        printf("  more than --max-mib: a random sample, 1 in %.0f, %s, was "
               "kept; sizes and shares are of all\n",
               1 / values_share(p->v),
               report_bytes((double)p->v->n_bytes, kept));
    }
    printf("  measured: %zu values, %s, chosen at random; dictionaries learned "
           "from %zu others, %s\n",
           p->s->n_measured,
           report_bytes((double)p->s->measured_bytes, measured),
           p->s->n_trained, report_bytes((double)p->s->trained_bytes, trained));
}

static void text_sizes(const struct values *v)
{
    char low[24], high[24];

    printf("\n%-23s %9s %9s\n", "length", "values", "bytes");
    for (unsigned i = 0; i < N_SIZES; i++) {
        if (v->n_of_size[i] == 0) {
            continue;
        }
        report_bytes(i == 0 ? 0 : (double)(UINT64_C(1) << (i - 1)), low);
        report_bytes((double)(UINT64_C(1) << i), high);
        if (i == 0) {
            printf("%-23s", "0");
        } else {
            printf("%9s .. %-10s", low, high);
        }
        printf(" %7.2f %% %7.2f %%\n",
               percent((double)v->n_of_size[i], (double)v->n_all),
               percent((double)v->bytes_of_size[i], (double)v->bytes_all));
    }
}

static const struct row *find_row(const struct results *r, enum codec_kind kind,
                                  int level)
{
    for (unsigned i = 0; i < r->n_rows; i++) {
        if (r->rows[i].codec->kind == kind &&
            r->rows[i].codec->level == level && r->rows[i].dict == NULL) {
            return &r->rows[i];
        }
    }
    return NULL;
}

static void text_shares(const struct report *p)
{
    const struct row *row = find_row(p->r, CODEC_ZSTD, 3);
    double of_values, of_bytes;

    repeats_shares(&p->v->repeats, &of_values, &of_bytes);
    printf("\n  one repeated pattern: %.2f %% of the values, %.2f %% of the "
           "bytes\n",
           percent((double)p->v->n_same, (double)p->v->n_all),
           percent((double)p->v->bytes_same, (double)p->v->bytes_all));
    printf("  copies of an earlier value: %.2f %% of the values, %.2f %% of "
           "the bytes\n",
           100 * of_values, 100 * of_bytes);
    if (row != NULL) {
        printf("  do not shrink by zstd 3 alone: %.2f %% of the others\n",
               percent((double)row->n_raw, (double)p->s->n_measured));
    }
}

static void text_row(const struct row *row)
{
    printf("%-11s %-8s %7.2f %7.2f %6.1f %% %7.0f %7.0f %8.2f %8.2f %8.2f "
           "%8.2f%s\n",
           row->dict == NULL ? row->codec->name : "",
           row->codec->kind == CODEC_NONE ? "" : measure_dict_name(row),
           row->ratio, row->memory, 100 / row->memory, row->compress.mbps,
           row->decompress.mbps, row->compress.p50_us, row->compress.p99_us,
           row->decompress.p50_us, row->decompress.p99_us,
           row->is_verified ? "" : "  DIFFERS");
}

static void text_table(const struct results *r)
{
    printf("\nratio: bytes of the values / what the codec leaves; memory: "
           "bytes of the values / footprint\nof a store with all of them, "
           "headers, metadata and dictionary counted; us: for one value\n\n");
    printf("%-11s %-8s %7s %7s %8s %15s %17s %17s\n", "", "diction-", "", "",
           "left in", "MB/s", "us to compress", "us to decompress");
    printf("%-11s %-8s %7s %7s %8s %7s %7s %8s %8s %8s %8s\n", "codec", "ary",
           "ratio", "memory", "memory", "compr.", "decomp.", "p50", "p99",
           "p50", "p99");
    for (unsigned i = 0; i < r->n_rows; i++) {
        text_row(&r->rows[i]);
    }
}

static void text_check(const struct report *p)
{
    const struct store_check *c = &p->r->check;
    char real[24], computed[24];

    if (p->r->dicts[0] == NULL) {
        printf("\nNo dictionaries: too few values below 16 KiB to learn "
               "from.\n");
    } else if (p->r->dicts[N_DICTS - 1] == NULL) {
        printf("\nSome dictionary sizes are left out: too few values to learn "
               "from.\n");
    }
    printf("\ncheck: a real store (lz4 1) with the measured values takes %s; "
           "the table's way to it gives %s.\n",
           report_bytes((double)c->real, real),
           report_bytes((double)c->computed, computed));
}

static void say_row(const char *before, const struct row *row)
{
    char bytes[24];

    printf("%s%s, %s", before,
           report_bytes((double)row->projected_bytes, bytes), row->codec->name);
    if (row->dict != NULL) {
        printf(" with a dictionary of %s", measure_dict_name(row));
    }
    printf(" (put p50 %.1f us, get p50 %.1f us, beside the store's own time)",
           row->compress.p50_us, row->decompress.p50_us);
}

/* A small pool's fixed costs weigh; say so. */
static void text_fixed(const struct results *r)
{
    char fixed[24], total[24];

    if (r->total_bytes < SMALL_BYTES) {
        printf("%s is little: %s of every footprint are a store's fixed "
               "costs, and most size classes\nhave partly filled pages. "
               "--total-mib N says what more of such values would take.\n",
               report_bytes((double)r->total_bytes, total),
               report_bytes((double)r->fixed_bytes, fixed));
    }
}

static void text_advice(const struct report *p)
{
    const struct row *best = advice_best(p->r);
    const struct row *quick = advice_quickest(p->r);
    char total[24], raw[24];

    printf("\n%s %s take %s in a store without compression",
           p->r->total_bytes == p->v->bytes_all ? "Your" : "Such values of",
           report_bytes((double)p->r->total_bytes, total),
           report_bytes((double)p->r->rows[0].projected_bytes, raw));
    if (best == NULL) {
        printf(". Compression saves less than 10 %% of that:\nuse none.\n");
        return;
    }
    say_row(".\nRecommended: ", best);
    printf(":\n%.1f %% of the values' bytes.\n", 100 / best->memory);
    if (quick != best) {
        say_row("Quickest that is worth it: ", quick);
        printf(".\n");
    }
}

void report_text(const struct report *p)
{
    text_input(p);
    text_sizes(p->v);
    text_shares(p);
    text_table(p->r);
    text_check(p);
    text_advice(p);
    text_fixed(p->r);
}
