/* SPDX-License-Identifier: MIT */
/* load_report.c - the results of workloads, for people and for programs. */
#include <inttypes.h>
#include <stdio.h>

#include "loads.h"
#include "report.h"

#define MB 1e6

static double ratio(uint64_t a, uint64_t b)
{
    return b == 0 ? 0 : (double)a / (double)b;
}

/* Of a put, with the drops that make room for it. */
static double put_ns(const struct load_result *r)
{
    return r->n_puts == 0 ? 0 : r->seconds * 1e9 / (double)r->n_puts;
}

/* Of a put or a drop. */
static double op_ns(const struct load_result *r)
{
    uint64_t n = r->n_puts + r->n_drops;

    return n == 0 ? 0 : r->seconds * 1e9 / (double)n;
}

static void json_detail(const char *name, const struct load_detail *d,
                        uint64_t live)
{
    printf(",\"%s\":{\"footprint\":%" PRIu64 ",\"live_bytes\":%" PRIu64
           ",\"ratio\":%.4f,\"put_bytes\":%" PRIu64,
           name, d->footprint, d->live, ratio(d->footprint, live),
           d->put_bytes);
    printf(",\"resident_bytes\":%" PRIu64 ",\"metadata_bytes\":%" PRIu64
           ",\"used_bytes\":%" PRIu64 ",\"deferred_bytes\":%" PRIu64
           ",\"class_bytes\":%" PRIu64 ",\"zspage_bytes\":%" PRIu64
           ",\"cached_bytes\":%" PRIu64 ",\"objects_moved\":%" PRIu64
           ",\"bytes_moved\":%" PRIu64 "}",
           d->resident_bytes, d->metadata_bytes, d->used_bytes,
           d->deferred_bytes, d->class_bytes, d->zspage_bytes, d->cached_bytes,
           d->objects_moved, d->bytes_moved);
}

static void json_follow(const struct load_result *r)
{
    printf(",\"follow_seconds\":[");
    for (unsigned i = 0; i < r->n_halvings; i++) {
        printf(i > 0 ? "," : "");
        if (r->follow_seconds[i] < 0) {
            printf("null");
        } else {
            printf("%.3f", r->follow_seconds[i]);
        }
    }
    printf("]");
}

static void json_result(const struct load_result *r)
{
    printf(",\"target_bytes\":%" PRIu64 ",\"puts\":%" PRIu64
           ",\"drops\":%" PRIu64 ",\"seconds\":%.6f,\"after_seconds\":%.6f"
           ",\"put_ns\":%.1f,\"operation_ns\":%.1f,\"main_cpu_seconds\":%.6f"
           ",\"others_cpu_seconds\":%.6f",
           r->target_bytes, r->n_puts, r->n_drops, r->seconds, r->after_seconds,
           put_ns(r), op_ns(r), r->main_cpu, r->others_cpu);
    json_detail("fill", &r->fill, r->fill.live);
    json_detail("peak", &r->peak, r->target_bytes);
    json_detail("final", &r->final, r->final.live);
    json_detail("rested", &r->rested, r->rested.live);
    printf(",\"peak_seconds\":%.3f,\"minor_faults\":%" PRIu64
           ",\"involuntary_switches\":%" PRIu64 ",\"samples\":%" PRIu64
           ",\"sample_us\":%.2f,\"sample_gap_bytes\":%" PRId64,
           r->peak_seconds, r->minor_faults, r->switches, r->n_samples,
           r->sample_us, r->sample_gap);
    if (r->n_halvings > 0) {
        json_follow(r);
    }
    printf(",\"verified\":%" PRIu64 ",\"corrupt\":%" PRIu64, r->n_checked,
           r->n_corrupt);
}

void load_report_json(const struct outcome *o, const char *load)
{
    printf("{\"allocator\":");
    report_json_string(o->back->name);
    printf(",\"workload\":\"%s\"", load);
    if (o->kind == RUN_DONE) {
        json_result(&o->load);
    } else {
        printf(o->kind == RUN_MISSING ? ",\"missing\":" : ",\"failed\":");
        report_json_string(o->why);
    }
    puts("}");
    fflush(stdout);
}

static void row(const struct outcome *o, const char *load)
{
    const struct load_result *r = &o->load;

    printf("%-6s %-9s", load, o->back->name);
    if (o->kind != RUN_DONE) {
        printf(" %s: %s\n", o->kind == RUN_MISSING ? "missing" : "failed",
               o->why);
        return;
    }
    printf(" %6.3f %6.3f %6.3f %6.3f %8.1f %8.1f %7.2f %7.0f %6.2f %8.1f\n",
           ratio(r->fill.footprint, r->fill.live),
           ratio(r->peak.footprint, r->target_bytes),
           ratio(r->final.footprint, r->final.live),
           ratio(r->rested.footprint, r->rested.live),
           (double)r->peak.footprint / MB, (double)r->final.footprint / MB,
           r->seconds, op_ns(r), r->others_cpu,
           (double)r->final.bytes_moved / MB);
}

static void follow_row(const struct outcome *o)
{
    printf("%-9s", o->back->name);
    for (unsigned i = 0; i < o->load.n_halvings; i++) {
        if (o->load.follow_seconds[i] < 0) {
            printf("    never");
        } else {
            printf(" %6.2f s", o->load.follow_seconds[i]);
        }
    }
    printf("\n");
}

static void table_follow(const struct outcome *o, unsigned n)
{
    bool said = false;

    for (unsigned i = 0; i < n; i++) {
        if (o[i].kind == RUN_DONE && o[i].load.n_halvings > 0) {
            if (!said) {
                printf("\ntide: footprint within 10 %% of live after each "
                       "halving, and from then on\n\n");
                said = true;
            }
            follow_row(&o[i]);
        }
    }
}

void load_report_table(const struct outcome *outcomes, const struct args *args)
{
    unsigned n = args->n_allocators;

    printf("\nfootprint (resident memory beyond start-up) / live (requested "
           "bytes): first fill, peak\nfrom then on, at the end, after a rest; "
           "MB: 10^6 bytes; ns: of a put or a drop; CPU of the\nother threads, "
           "seconds; moved by compaction, MB\n\n");
    printf("%-6s %-9s %6s %6s %6s %6s %8s %8s %7s %7s %6s %8s\n", "", "",
           "fill", "peak", "final", "rested", "peak MB", "final MB", "seconds",
           "ns", "CPU", "moved");
    for (unsigned i = 0; i < args->n_loads; i++) {
        for (unsigned k = 0; k < n; k++) {
            row(&outcomes[i * n + k], args->loads[i]->name);
        }
    }
    table_follow(outcomes, args->n_loads * n);
    printf("\n");
    for (unsigned i = 0; i < args->n_loads * n; i++) {
        const struct load_result *r = &outcomes[i].load;
        if (outcomes[i].kind == RUN_DONE) {
            printf("%-6s %-9s %" PRIu64 " objects compared, %" PRIu64
                   " differ\n",
                   args->loads[i / n]->name, outcomes[i].back->name,
                   r->n_checked, r->n_corrupt);
        }
    }
}
