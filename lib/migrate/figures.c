/* SPDX-License-Identifier: MIT */
/*
 * figures.c - statistics: who has some, and how they are written.
 *
 * Idea
 *   Each figure is kept in one place, by whoever changes it. Here they are
 *   asked for and added up; what an owner has counted is added to the arena's
 *   when the owner ends, so that counters of the arena never fall.
 *
 * Locking: figures_lock guards who is asked. It is the first of all, for those
 * who are asked take their own locks.
 */
#include "figures.h"

#include <string.h>

static bool is_counter(const struct zs_figure *f)
{
    static const char end[] = ", ever";
    size_t len = strlen(f->text);

    return len >= sizeof(end) &&
           strcmp(f->text + len + 1 - sizeof(end), end) == 0;
}

/* --- JSON --- */

void zs_figures_add_json(struct zs_text *t, const struct zs_figure *table,
                         size_t n, const uint64_t *values)
{
    for (size_t i = 0; i < n; i++) {
        zs_text_add(t, "%s\"%s\":", i > 0 ? "," : "", table[i].name);
        zs_text_add_number(t, values[i]);
    }
}

void zs_histogram_add_json(struct zs_text *t, const char *name,
                           const struct zs_histogram_figures *h)
{
    static const struct {
        const char *name;
        double percent;
    } points[] = { { "p50", 50 },
                   { "p90", 90 },
                   { "p99", 99 },
                   { "p99.9", 99.9 },
                   { "p99.99", 99.99 } };

    zs_text_add(t, "\"%s\":{\"n\":", name);
    zs_text_add_number(t, h->n);
    zs_text_add(t, ",\"sum\":");
    zs_text_add_number(t, h->sum);
    zs_text_add(t, ",\"max\":");
    zs_text_add_number(t, h->max);
    for (size_t i = 0; i < ZS_FIGURES_LEN(points); i++) {
        zs_text_add(t, ",\"%s\":", points[i].name);
        zs_text_add_number(t, zs_histogram_percentile(h, points[i].percent));
    }
    zs_text_add(t, "}");
}

/* --- metrics --- */

static const char *ending_of(const struct zs_figure *f)
{
    return is_counter(f) ? "_total" : "";
}

void zs_metric_add_head(struct zs_text *t, const char *prefix,
                        const struct zs_figure *f)
{
    zs_text_add(t, "# HELP %s%s%s %s\n", prefix, f->name, ending_of(f),
                f->text);
    zs_text_add(t, "# TYPE %s%s%s %s\n", prefix, f->name, ending_of(f),
                is_counter(f) ? "counter" : "gauge");
}

static void add_labels(struct zs_text *t, const struct zs_label *labels)
{
    for (const struct zs_label *l = labels; l->name; l++) {
        zs_text_add(t, "%s%s=", l != labels ? "," : "", l->name);
        zs_text_add_quoted(t, l->value);
    }
}

void zs_metric_add_sample(struct zs_text *t, const char *prefix,
                          const struct zs_figure *f,
                          const struct zs_label *labels, uint64_t value)
{
    zs_text_add(t, "%s%s%s{", prefix, f->name, ending_of(f));
    add_labels(t, labels);
    zs_text_add(t, "} ");
    zs_text_add_number(t, value);
    zs_text_add(t, "\n");
}

void zs_figures_add_metrics(struct zs_text *t, const char *prefix,
                            const struct zs_figure *table, size_t n,
                            const struct zs_label *labels,
                            const uint64_t *values)
{
    for (size_t i = 0; i < n; i++) {
        zs_metric_add_head(t, prefix, &table[i]);
        zs_metric_add_sample(t, prefix, &table[i], labels, values[i]);
    }
}

/* Buckets from 2^FIRST_POWER ns on: those below are in the first. */
#define FIRST_POWER 6u

static void add_buckets(struct zs_text *t, const char *prefix, const char *name,
                        const struct zs_label *labels,
                        const struct zs_histogram_figures *h)
{
    uint64_t n = 0;
    unsigned i = 0;

    for (unsigned power = FIRST_POWER; power < ZS_HISTOGRAM_OCTAVES; power++) {
        while (zs_histogram_bucket_limit(i) <= UINT64_C(1) << power) {
            n += h->buckets[i++];
        }
        zs_text_add(t, "%s%s_seconds_bucket{", prefix, name);
        add_labels(t, labels);
        zs_text_add(t, ",le=\"");
        zs_text_add_seconds(t, UINT64_C(1) << power);
        zs_text_add(t, "\"} ");
        zs_text_add_number(t, n);
        zs_text_add(t, "\n");
    }
}

static void begin_series(struct zs_text *t, const char *prefix,
                         const char *name, const char *ending,
                         const struct zs_label *labels)
{
    zs_text_add(t, "%s%s_seconds%s{", prefix, name, ending);
    add_labels(t, labels);
}

void zs_histogram_add_metric(struct zs_text *t, const char *prefix,
                             const struct zs_figure *f,
                             const struct zs_label *labels,
                             const struct zs_histogram_figures *h)
{
    zs_text_add(t, "# HELP %s%s_seconds %s\n# TYPE %s%s_seconds histogram\n",
                prefix, f->name, f->text, prefix, f->name);
    add_buckets(t, prefix, f->name, labels, h);
    begin_series(t, prefix, f->name, "_bucket", labels);
    zs_text_add(t, ",le=\"+Inf\"} ");
    zs_text_add_number(t, h->n);
    zs_text_add(t, "\n");
    begin_series(t, prefix, f->name, "_sum", labels);
    zs_text_add(t, "} ");
    zs_text_add_seconds(t, h->sum);
    zs_text_add(t, "\n");
    begin_series(t, prefix, f->name, "_count", labels);
    zs_text_add(t, "} ");
    zs_text_add_number(t, h->n);
    zs_text_add(t, "\n");
}

/* --- who takes part --- */

void zs_set_figures_ops(struct zs_arena *a, zs_page_type_t type,
                        const struct zs_figures_ops *ops, void *ctx)
{
    struct zs_page_type *t = &a->types[type];

    zs_lock_acquire(&a->figures_lock);
    if (t->figures && t->figures->count) {
        t->figures->count(t->figures_ctx, &a->gone);
    }
    t->figures = ops;
    t->figures_ctx = ctx;
    zs_lock_release(&a->figures_lock);
}

void zs_set_layer_figures(struct zs_arena *a, zs_page_type_t type,
                          const struct zs_layer_figures *ops, void *ctx)
{
    struct zs_page_type *t = &a->types[type];

    zs_lock_acquire(&a->figures_lock);
    t->layer = ops;
    t->layer_ctx = ctx;
    zs_lock_release(&a->figures_lock);
}

void zs_set_compactor_stats(struct zs_arena *a,
                            void (*add)(void *ctx, struct zs_text *text,
                                        bool as_json),
                            void *ctx)
{
    zs_lock_acquire(&a->figures_lock);
    a->compactor_stats = add;
    a->compactor_stats_ctx = ctx;
    zs_lock_release(&a->figures_lock);
}

static uint64_t relaxed(const _Atomic uint64_t *v)
{
    return atomic_load_explicit(v, memory_order_relaxed);
}

static void add_arenas_own(struct zs_arena *a, struct zs_compact_stats *out)
{
    struct zs_arena_stats stats;

    zs_arena_stats(a, &stats);
    out->compact_migrate_scanned += relaxed(&a->counters.migrate_scanned);
    out->compact_isolated += relaxed(&a->counters.isolated);
    out->compact_stall += relaxed(&a->counters.stall);
    out->compact_success += relaxed(&a->counters.success);
    out->compact_fail += relaxed(&a->counters.fail);
    out->bytes_released += stats.bytes_released;
    out->busy_skips += stats.migrate_retries;
    out->deferred_releases += relaxed(&a->grace.n_released);
}

void zs_compact_stats_locked(struct zs_arena *a, struct zs_compact_stats *out)
{
    ZS_ASSERT_HELD(&a->figures_lock);
    *out = a->gone;
    for (unsigned i = 1; i <= ZS_PAGE_TYPE_MAX; i++) {
        const struct zs_page_type *t = &a->types[i];

        if (t->figures && t->figures->count) {
            t->figures->count(t->figures_ctx, out);
        }
    }
    add_arenas_own(a, out);
}

void zs_compact_stats(struct zs_arena *a, struct zs_compact_stats *out)
{
    zs_lock_acquire(&a->figures_lock);
    zs_compact_stats_locked(a, out);
    zs_lock_release(&a->figures_lock);
}
