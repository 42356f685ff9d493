/* SPDX-License-Identifier: MIT */
/*
 * stats_layers.c - what is built on owners of pages, and its parts, in the two
 * texts of statistics: stores on pools, and their tenants.
 *
 * Locking: figures_lock, all the time.
 */
#include <string.h>

#include "figures.h"

#define PREFIX_BYTES 48u

/* The next one of the kind (NULL: any) after type number `i`; 0: none. */
static unsigned next_layer_locked(const struct zs_arena *a, const char *kind,
                                  unsigned i)
{
    while (++i <= ZS_PAGE_TYPE_MAX) {
        const struct zs_layer_figures *l = a->types[i].layer;

        if (l && (!kind || strcmp(l->kind, kind) == 0)) {
            return i;
        }
    }
    return 0;
}

/* The next one after `i` that is the first of its kind; 0: none. */
static unsigned next_kind_locked(const struct zs_arena *a, unsigned i)
{
    do {
        i = next_layer_locked(a, NULL, i);
    } while (i != 0 && next_layer_locked(a, a->types[i].layer->kind, 0) != i);
    return i;
}

/* --- JSON --- */

static void add_parts_json(struct zs_text *t, const struct zs_page_type *type)
{
    const struct zs_layer_figures *l = type->layer;
    uint64_t values[ZS_MOST_FIGURES];
    const char *before = "";

    zs_text_add(t, ",\"%ss\":[", l->part);
    for (unsigned part = 0; part < l->n_parts; part++) {
        if (l->read(type->layer_ctx, part, values)) {
            zs_text_add(t, "%s{\"number\":%u,", before, part);
            zs_figures_add_json(t, l->table, l->n, values);
            zs_text_add(t, "}");
            before = ",\n";
        }
    }
    zs_text_add(t, "]");
}

static void add_layer_json(struct zs_text *t, struct zs_arena *a, unsigned i)
{
    const struct zs_page_type *type = &a->types[i];
    const struct zs_layer_figures *l = type->layer;
    uint64_t values[ZS_MOST_FIGURES];
    char name[ZS_OWNER_NAME_BYTES];

    zs_name_owner_locked(a, i, name);
    (void)l->read(type->layer_ctx, ZS_WHOLE_LAYER, values);
    zs_text_add(t, "{\"name\":");
    zs_text_add_quoted(t, name);
    zs_text_add(t, ",\"type\":%u,", i);
    zs_figures_add_json(t, l->table, l->n, values);
    add_parts_json(t, type);
    zs_text_add(t, "}");
}

void zs_layers_add_json_locked(struct zs_text *t, struct zs_arena *a)
{
    ZS_ASSERT_HELD(&a->figures_lock);
    for (unsigned i = next_kind_locked(a, 0); i != 0;
         i = next_kind_locked(a, i)) {
        const char *kind = a->types[i].layer->kind;
        const char *before = "";

        zs_text_add(t, ",\n\"%ss\":[", kind);
        for (unsigned k = i; k != 0; k = next_layer_locked(a, kind, k)) {
            zs_text_add(t, "%s", before);
            add_layer_json(t, a, k);
            before = ",\n";
        }
        zs_text_add(t, "]");
    }
}

/* --- Prometheus --- */

/* A figure of a layer (`part` ZS_WHOLE_LAYER) or of a part, if it is there. */
static void add_sample(struct zs_text *t, struct zs_arena *a, unsigned i,
                       unsigned part, const char *prefix, size_t figure)
{
    const struct zs_page_type *type = &a->types[i];
    const struct zs_layer_figures *l = type->layer;
    uint64_t values[ZS_MOST_FIGURES];
    char name[ZS_OWNER_NAME_BYTES];
    char number[ZS_OWNER_NAME_BYTES];
    bool is_part = part != ZS_WHOLE_LAYER;
    struct zs_label labels[] = { { "arena", a->name },
                                 { l->kind, name },
                                 { is_part ? l->part : NULL, number },
                                 { NULL, NULL } };
    struct zs_text text;

    if (!l->read(type->layer_ctx, part, values)) {
        return;
    }
    zs_name_owner_locked(a, i, name);
    zs_text_init(&text, number, sizeof(number));
    zs_text_add(&text, "%u", part);
    zs_metric_add_sample(t, prefix, &l->table[figure], labels, values[figure]);
}

/* One figure of all layers of a kind (first: the type of the first of them), or
 * of all their parts. */
static void add_metric(struct zs_text *t, struct zs_arena *a, unsigned first,
                       bool of_parts, size_t figure)
{
    const struct zs_layer_figures *l = a->types[first].layer;
    char prefix[PREFIX_BYTES];
    struct zs_text text;

    zs_text_init(&text, prefix, sizeof(prefix));
    zs_text_add(&text, "zspool_%s_", of_parts ? l->part : l->kind);
    zs_metric_add_head(t, prefix, &l->table[figure]);
    for (unsigned i = first; i != 0; i = next_layer_locked(a, l->kind, i)) {
        if (!of_parts) {
            add_sample(t, a, i, ZS_WHOLE_LAYER, prefix, figure);
        }
        for (unsigned part = 0; of_parts && part < l->n_parts; part++) {
            add_sample(t, a, i, part, prefix, figure);
        }
    }
}

void zs_layers_add_metrics_locked(struct zs_text *t, struct zs_arena *a)
{
    ZS_ASSERT_HELD(&a->figures_lock);
    for (unsigned i = next_kind_locked(a, 0); i != 0;
         i = next_kind_locked(a, i)) {
        const struct zs_layer_figures *l = a->types[i].layer;

        for (size_t f = 0; f < 2 * l->n; f++) {
            add_metric(t, a, i, f >= l->n, f % l->n);
        }
    }
}
