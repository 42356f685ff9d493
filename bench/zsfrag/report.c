/* SPDX-License-Identifier: MIT */
/* report.c - the results, for people and for programs. */
#include "report.h"

#include <inttypes.h>
#include <stdio.h>

#define MIB 1048576.0

static double ratio(uint64_t a, uint64_t b)
{
    return b == 0 ? 0 : (double)a / (double)b;
}

static int64_t released_bytes(const struct step *s)
{
    return (int64_t)s->footprint_before - (int64_t)s->footprint;
}

void report_json_string(const char *s)
{
    putchar('"');
    for (; *s != '\0'; s++) {
        if (*s == '"' || *s == '\\') {
            putchar('\\');
        }
        putchar((unsigned char)*s < ' ' ? ' ' : *s);
    }
    putchar('"');
}

static void json_step(const struct step *s)
{
    printf("{\"freed\":%g,\"raw_bytes\":%" PRIu64 ",\"live_bytes\":%" PRIu64
           ",\"footprint_before\":%" PRIu64 ",\"footprint\":%" PRIu64
           ",\"ratio\":%.4f,\"compact_seconds\":%.6f"
           ",\"released_bytes\":%" PRId64 "}",
           s->freed, s->raw_bytes, s->live_bytes, s->footprint_before,
           s->footprint, ratio(s->footprint, s->live_bytes), s->compact_seconds,
           released_bytes(s));
}

static const char *const stage_names[N_STAGES] = {
    [STAGE_PUT_COLD] = "put_cold",     [STAGE_PUT] = "put",
    [STAGE_PUT_RANDOM] = "put_random", [STAGE_GET] = "get",
    [STAGE_GET_RANDOM] = "get_random",
};

static void json_speeds(const struct result *r)
{
    for (unsigned i = 0; i < N_STAGES; i++) {
        const struct speed *s = &r->speed[i];
        const char *name = stage_names[i];

        printf(",\"%s_mbps\":%.1f,\"%s_ratio\":%.4f,\"%s_ratio_low\":%.4f"
               ",\"%s_ratio_high\":%.4f",
               name, s->mbps, name, s->ratio, name, s->low, name, s->high);
    }
}

static void json_result(const struct result *r, unsigned ref_bytes)
{
    printf(",\"values\":%" PRIu64, r->n_values);
    json_speeds(r);
    printf(",\"raw_compress_mbps\":%.1f,\"raw_decompress_mbps\":%.1f"
           ",\"ref_bytes\":%u,\"steps\":[",
           r->speed[STAGE_PUT].raw_mbps, r->speed[STAGE_GET].raw_mbps,
           ref_bytes);
    for (unsigned i = 0; i < r->n_steps; i++) {
        if (i > 0) {
            putchar(',');
        }
        json_step(&r->steps[i]);
    }
    printf("],\"verified\":%" PRIu64 ",\"corrupt\":%" PRIu64, r->n_verified,
           r->n_corrupt);
}

void report_json(const struct outcome *o, const struct args *args)
{
    printf("{\"allocator\":");
    report_json_string(o->back->name);
    if (o->kind == RUN_DONE) {
        printf(",\"codec\":\"%s\",\"unit\":\"%s\"", codec_name(args->codec),
               unit_name(args->unit));
        json_result(&o->result, o->back->ref_bytes);
    } else {
        printf(o->kind == RUN_MISSING ? ",\"missing\":" : ",\"failed\":");
        report_json_string(o->why);
    }
    puts("}");
    fflush(stdout);
}

void report_input(const struct args *args, uint64_t input_bytes,
                  uint64_t n_files, const struct plan *plan)
{
    printf("input: %" PRIu64 " files, %.1f MiB; %" PRIu32 " values (%s), %.1f "
           "MiB; codec %s leaves %.1f MiB of them\n",
           n_files, (double)input_bytes / MIB, plan->n_pieces,
           args->unit == UNIT_PAGE ? "pages" : "lines",
           (double)plan->raw_bytes / MIB, codec_name(args->codec),
           (double)plan->stored_bytes / MIB);
    fflush(stdout);
}

static void table_steps(const struct outcome *o)
{
    for (unsigned i = 0; i < o->result.n_steps; i++) {
        const struct step *s = &o->result.steps[i];
        double released = (double)released_bytes(s) / MIB;
        printf("%-9s %4.4g %% %9.1f %9.1f %9.1f %7.3f %9.1f %9.0f %8.2f\n",
               i == 0 ? o->back->name : "", s->freed * 100,
               (double)s->live_bytes / MIB, (double)s->footprint_before / MIB,
               (double)s->footprint / MIB, ratio(s->footprint, s->live_bytes),
               s->compact_seconds * 1e3,
               released > 0 ? released / s->compact_seconds : 0,
               (double)(s->n_live * o->back->ref_bytes) / MIB);
    }
}

static void table_speed(const struct outcome *o)
{
    const struct result *r = &o->result;

    printf("%-9s", o->back->name);
    for (unsigned i = 0; i < N_STAGES; i++) {
        printf(" %10.0f", r->speed[i].mbps);
    }
    printf(" %9.0f %9.0f\n", r->speed[STAGE_PUT].raw_mbps,
           r->speed[STAGE_GET].raw_mbps);
}

static void table_ratio(const struct outcome *o)
{
    printf("%-9s", o->back->name);
    for (unsigned i = 0; i < N_STAGES; i++) {
        const struct speed *s = &o->result.speed[i];

        printf("  %4.2f %4.2f..%4.2f", s->ratio, s->low, s->high);
    }
    printf("\n");
}

static void not_run(const struct outcome *o)
{
    if (o->kind != RUN_DONE) {
        printf("%-9s %s: %s\n", o->back->name,
               o->kind == RUN_MISSING ? "missing" : "failed", o->why);
    }
}

static void table_notes(const struct outcome *outcomes, unsigned n)
{
    printf("\ngiven back by:\n");
    for (unsigned i = 0; i < n; i++) {
        if (outcomes[i].kind == RUN_DONE) {
            printf("  %-9s %s%s\n", outcomes[i].back->name,
                   outcomes[i].back->give_back,
                   outcomes[i].back->is_zram
                       ? "; footprint is mem_used_total of the kernel, which "
                         "leaves out its tables"
                       : "");
        }
    }
    printf("\n");
    for (unsigned i = 0; i < n; i++) {
        const struct result *r = &outcomes[i].result;
        if (outcomes[i].kind == RUN_DONE) {
            printf("%-9s %" PRIu64 " values compared, %" PRIu64 " differ\n",
                   outcomes[i].back->name, r->n_verified, r->n_corrupt);
        }
    }
}

void report_table(const struct outcome *outcomes, unsigned n)
{
    printf("\nMiB; footprint: Pss_Anon + Pss_Shmem beyond start-up; ratio: "
           "footprint after / live\n\n");
    printf("%-9s %6s %9s %9s %9s %7s %9s %9s %8s\n", "", "freed", "live",
           "before", "after", "ratio", "compact", "back", "handles");
    printf("%-9s %6s %9s %9s %9s %7s %9s %9s %8s\n", "", "", "", "compact",
           "compact", "", "ms", "MiB/s", "beside");
    for (unsigned i = 0; i < n; i++) {
        if (outcomes[i].kind == RUN_DONE) {
            table_steps(&outcomes[i]);
        } else {
            not_run(&outcomes[i]);
        }
    }
    printf("\nMB/s of values; random: in another order than that of the first "
           "fill\n\n");
    printf("%-9s %10s %10s %10s %10s %10s %9s %9s\n", "", "put, cold",
           "put, warm", "get", "get, rand.", "put, rand.", "raw put",
           "raw get");
    for (unsigned i = 0; i < n; i++) {
        if (outcomes[i].kind == RUN_DONE) {
            table_speed(&outcomes[i]);
        } else {
            not_run(&outcomes[i]);
        }
    }
    printf("\ntimes the codec alone over a flat array (raw): median of pairs, "
           "and 80 %% of them\n\n");
    printf("%-9s  %-15s  %-15s  %-15s  %-15s  %-15s\n", "", "put, cold",
           "put, warm", "get", "get, random", "put, random");
    for (unsigned i = 0; i < n; i++) {
        if (outcomes[i].kind == RUN_DONE) {
            table_ratio(&outcomes[i]);
        }
    }
    table_notes(outcomes, n);
}
