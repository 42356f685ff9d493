/* SPDX-License-Identifier: MIT */
/*
 * stats_text.c - zs_stats_json() and zs_stats_prometheus().
 *
 * A metric of several pools is written for all of them together, as the format
 * wants it, so each pool is asked once for each of its metrics; that is cheaper
 * than a place to keep the answers.
 *
 * Locking: figures_lock, from begin to end.
 */
#include <string.h>

#include "figures.h"

static const struct zs_figure arena_table[] = { ZS_ARENA_STATS(ZS_FIGURE) };
static const struct zs_figure compact_table[] = { ZS_COMPACT_STATS(ZS_FIGURE) };
static const struct zs_figure histogram_table[] = { ZS_ARENA_HISTOGRAMS(
    ZS_FIGURE) };
static const struct zs_figure type_pages = { "type_pages",
                                             "pages in use of a page type" };

static bool is_kind_locked(const struct zs_arena *a, unsigned i,
                           const char *kind)
{
    const struct zs_figures_ops *ops = a->types[i].figures;

    return ops && (!kind || strcmp(ops->kind, kind) == 0);
}

/* The next owner of the kind (NULL: any) after type number `i`; 0: none. */
static unsigned next_owner_locked(const struct zs_arena *a, const char *kind,
                                  unsigned i)
{
    while (++i <= ZS_PAGE_TYPE_MAX) {
        if (is_kind_locked(a, i, kind)) {
            return i;
        }
    }
    return 0;
}

/* The next owner after `i` that is the first of its kind; 0: none. */
static unsigned next_kind_locked(const struct zs_arena *a, unsigned i)
{
    do {
        i = next_owner_locked(a, NULL, i);
    } while (i != 0 && next_owner_locked(a, a->types[i].figures->kind, 0) != i);
    return i;
}

void zs_name_owner_locked(const struct zs_arena *a, unsigned i, char *name)
{
    const struct zs_page_type *t = &a->types[i];
    const char *own = t->figures->name ? t->figures->name(t->figures_ctx) : "";
    struct zs_text text;

    zs_text_init(&text, name, ZS_OWNER_NAME_BYTES);
    if (*own != '\0') {
        zs_text_add(&text, "%s", own);
    } else {
        zs_text_add(&text, "%s%u", t->figures->kind, i);
    }
}

/* The histograms are named in their order, as the tables are. */
static const struct zs_histogram_figures *
histogram_at(const struct zs_arena_histograms *all, size_t i)
{
    return (const struct zs_histogram_figures *)all + i;
}

static uint64_t pages_of(const struct zs_arena *a, unsigned type)
{
    return atomic_load_explicit(&a->types[type].n_pages, memory_order_relaxed);
}

/* --- JSON --- */

static void add_owner_json(struct zs_text *t, struct zs_arena *a, unsigned i)
{
    const struct zs_page_type *type = &a->types[i];
    const struct zs_figures_ops *k = type->figures;
    uint64_t values[ZS_MOST_FIGURES];
    char name[ZS_OWNER_NAME_BYTES];

    zs_name_owner_locked(a, i, name);
    type->figures->read(type->figures_ctx, values);
    zs_text_add(t, "{\"name\":");
    zs_text_add_quoted(t, name);
    zs_text_add(t, ",\"type\":%u,", i);
    zs_figures_add_json(t, k->table, k->n, values);
    zs_text_add(t, "}");
}

/* All owners of the kind that the first of them is of. */
static void add_kind_json(struct zs_text *t, struct zs_arena *a, unsigned first)
{
    const char *kind = a->types[first].figures->kind;
    const char *before = "";

    zs_text_add(t, ",\n\"%ss\":[", kind);
    for (unsigned i = first; i != 0; i = next_owner_locked(a, kind, i)) {
        zs_text_add(t, "%s", before);
        add_owner_json(t, a, i);
        before = ",\n";
    }
    zs_text_add(t, "]");
}

/* Types of the embedder's, and the pages of the library's own. */
static void add_types_json(struct zs_text *t, struct zs_arena *a)
{
    const char *before = "";

    zs_text_add(t, ",\n\"types\":[");
    for (unsigned i = 1; i <= ZS_PAGE_TYPE_RETIRED; i++) {
        const char *name = zs_page_type_name(a, (zs_page_type_t)i);

        if (*name != '\0') {
            zs_text_add(t, "%s{\"number\":%u,\"name\":", before, i);
            zs_text_add_quoted(t, name);
            zs_text_add(t, ",\"pages\":");
            zs_text_add_number(t, pages_of(a, i));
            zs_text_add(t, "}");
            before = ",\n";
        }
    }
    zs_text_add(t, "]");
}

static void add_histograms_json(struct zs_text *t, struct zs_arena *a)
{
    struct zs_arena_histograms all;

    zs_arena_histograms(a, &all);
    zs_text_add(t, ",\n\"histograms\":{");
    for (size_t i = 0; i < ZS_FIGURES_LEN(histogram_table); i++) {
        zs_text_add(t, "%s", i > 0 ? ",\n" : "");
        zs_histogram_add_json(t, histogram_table[i].name,
                              histogram_at(&all, i));
    }
    zs_text_add(t, "}");
}

static void add_arena_json(struct zs_text *t, struct zs_arena *a)
{
    struct zs_arena_stats stats;
    struct zs_compact_stats compact;

    zs_arena_stats(a, &stats);
    zs_text_add(t, "{\"arena\":{\"name\":");
    zs_text_add_quoted(t, a->name);
    zs_text_add(t, ",");
    zs_figures_add_json(t, arena_table, ZS_FIGURES_LEN(arena_table),
                        (const uint64_t *)&stats);
    zs_compact_stats_locked(a, &compact);
    zs_text_add(t, "},\n\"compaction\":{");
    zs_figures_add_json(t, compact_table, ZS_FIGURES_LEN(compact_table),
                        (const uint64_t *)&compact);
    zs_text_add(t, "}");
}

size_t zs_stats_json(struct zs_arena *a, char *buf, size_t size)
{
    struct zs_text t;

    zs_text_init(&t, buf, size);
    zs_lock_acquire(&a->figures_lock);
    add_arena_json(&t, a);
    for (unsigned i = next_kind_locked(a, 0); i != 0;
         i = next_kind_locked(a, i)) {
        add_kind_json(&t, a, i);
    }
    zs_layers_add_json_locked(&t, a);
    add_types_json(&t, a);
    add_histograms_json(&t, a);
    if (a->compactor_stats) {
        zs_text_add(&t, ",\n\"compactor\":{");
        a->compactor_stats(a->compactor_stats_ctx, &t, true);
        zs_text_add(&t, "}");
    }
    zs_lock_release(&a->figures_lock);
    zs_text_add(&t, "}\n");
    return t.len;
}

/* --- Prometheus --- */

#define OWNER_PREFIX_BYTES 48u

static void prefix_of(const struct zs_figures_ops *k, char *prefix)
{
    struct zs_text text;

    zs_text_init(&text, prefix, OWNER_PREFIX_BYTES);
    zs_text_add(&text, "zspool_%s_", k->kind);
}

static void add_owner_sample(struct zs_text *t, struct zs_arena *a, unsigned i,
                             size_t figure)
{
    const struct zs_page_type *type = &a->types[i];
    const struct zs_figures_ops *k = type->figures;
    uint64_t values[ZS_MOST_FIGURES];
    char name[ZS_OWNER_NAME_BYTES];
    char prefix[OWNER_PREFIX_BYTES];
    struct zs_label labels[] = { { "arena", a->name },
                                 { k->kind, name },
                                 { NULL, NULL } };

    zs_name_owner_locked(a, i, name);
    prefix_of(k, prefix);
    type->figures->read(type->figures_ctx, values);
    zs_metric_add_sample(t, prefix, &k->table[figure], labels, values[figure]);
}

static void add_kind_metrics(struct zs_text *t, struct zs_arena *a,
                             unsigned first)
{
    const struct zs_figures_ops *k = a->types[first].figures;
    char prefix[OWNER_PREFIX_BYTES];

    prefix_of(k, prefix);
    for (size_t f = 0; f < k->n; f++) {
        zs_metric_add_head(t, prefix, &k->table[f]);
        for (unsigned i = first; i != 0; i = next_owner_locked(a, k->kind, i)) {
            add_owner_sample(t, a, i, f);
        }
    }
}

static void add_types_metric(struct zs_text *t, struct zs_arena *a)
{
    zs_metric_add_head(t, "zspool_", &type_pages);
    for (unsigned i = 1; i <= ZS_PAGE_TYPE_RETIRED; i++) {
        const char *name = zs_page_type_name(a, (zs_page_type_t)i);
        char number[ZS_OWNER_NAME_BYTES];
        struct zs_label labels[] = { { "arena", a->name },
                                     { "type", name },
                                     { "number", number },
                                     { NULL, NULL } };
        struct zs_text text;

        if (*name != '\0') {
            zs_text_init(&text, number, sizeof(number));
            zs_text_add(&text, "%u", i);
            zs_metric_add_sample(t, "zspool_", &type_pages, labels,
                                 pages_of(a, i));
        }
    }
}

static void add_arena_metrics(struct zs_text *t, struct zs_arena *a,
                              const struct zs_label *labels)
{
    struct zs_arena_stats stats;
    struct zs_compact_stats compact;

    zs_arena_stats(a, &stats);
    zs_figures_add_metrics(t, "zspool_arena_", arena_table,
                           ZS_FIGURES_LEN(arena_table), labels,
                           (const uint64_t *)&stats);
    zs_compact_stats_locked(a, &compact);
    zs_figures_add_metrics(t, "zspool_", compact_table,
                           ZS_FIGURES_LEN(compact_table), labels,
                           (const uint64_t *)&compact);
}

static void add_histogram_metrics(struct zs_text *t, struct zs_arena *a,
                                  const struct zs_label *labels)
{
    struct zs_arena_histograms all;

    zs_arena_histograms(a, &all);
    for (size_t i = 0; i < ZS_FIGURES_LEN(histogram_table); i++) {
        zs_histogram_add_metric(t, "zspool_", &histogram_table[i], labels,
                                histogram_at(&all, i));
    }
}

size_t zs_stats_prometheus(struct zs_arena *a, char *buf, size_t size)
{
    struct zs_label labels[] = { { "arena", a->name }, { NULL, NULL } };
    struct zs_text t;

    zs_text_init(&t, buf, size);
    zs_lock_acquire(&a->figures_lock);
    add_arena_metrics(&t, a, labels);
    for (unsigned i = next_kind_locked(a, 0); i != 0;
         i = next_kind_locked(a, i)) {
        add_kind_metrics(&t, a, i);
    }
    zs_layers_add_metrics_locked(&t, a);
    add_types_metric(&t, a);
    add_histogram_metrics(&t, a, labels);
    if (a->compactor_stats) {
        a->compactor_stats(a->compactor_stats_ctx, &t, false);
    }
    zs_lock_release(&a->figures_lock);
    return t.len;
}
