/* SPDX-License-Identifier: MIT */
/*
 * figures.h - writing statistics as JSON and for Prometheus, from their tables.
 *
 * Who takes part: owners of pages by zs_set_figures_ops() (owner_ops.h), the
 * compactor by zs_set_compactor_stats().
 */
#ifndef ZS_LIB_FIGURES_H
#define ZS_LIB_FIGURES_H

#include "owner_ops.h"
#include "text.h"

/* A label of a metric; an array of them ends with a name of NULL. */
struct zs_label {
    const char *name;
    const char *value;
};

/* "name":value,... without braces. */
void zs_figures_add_json(struct zs_text *t, const struct zs_figure *table,
                         size_t n, const uint64_t *values);
/* "name":{...} */
void zs_histogram_add_json(struct zs_text *t, const char *name,
                           const struct zs_histogram_figures *h);

/* HELP and TYPE of a metric, prefix + name, then its samples. */
void zs_metric_add_head(struct zs_text *t, const char *prefix,
                        const struct zs_figure *f);
void zs_metric_add_sample(struct zs_text *t, const char *prefix,
                          const struct zs_figure *f,
                          const struct zs_label *labels, uint64_t value);
/* Both, for a whole table. */
void zs_figures_add_metrics(struct zs_text *t, const char *prefix,
                            const struct zs_figure *table, size_t n,
                            const struct zs_label *labels,
                            const uint64_t *values);
/* A histogram of nanoseconds, in seconds: prefix + name + "_seconds". */
void zs_histogram_add_metric(struct zs_text *t, const char *prefix,
                             const struct zs_figure *f,
                             const struct zs_label *labels,
                             const struct zs_histogram_figures *h);

/* The name of the owner of a page type, or what stands for it. */
#define ZS_OWNER_NAME_BYTES 32u
void zs_name_owner_locked(const struct zs_arena *a, unsigned type, char *name);

/* Whole members of the JSON object, each after a comma; whole metrics. */
void zs_layers_add_json_locked(struct zs_text *t, struct zs_arena *a);
void zs_layers_add_metrics_locked(struct zs_text *t, struct zs_arena *a);

/* zs_compact_stats(), with figures_lock held. */
void zs_compact_stats_locked(struct zs_arena *a, struct zs_compact_stats *out);

/*
 * The compactor's part, or NULL to end it: as JSON the members of an object,
 * without braces, else whole lines of metrics, with the label arena. Called
 * with figures_lock (the first rank of all) held; may take the compactor's
 * locks, and waits for no pass. May wait for a caller of the statistics, so no
 * lock is held at the call.
 */
void zs_set_compactor_stats(struct zs_arena *a,
                            void (*add)(void *ctx, struct zs_text *text,
                                        bool as_json),
                            void *ctx);

#endif /* ZS_LIB_FIGURES_H */
