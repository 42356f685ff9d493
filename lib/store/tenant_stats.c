/* SPDX-License-Identifier: MIT */
/*
 * tenant_stats.c - what tenants hold, for those who ask.
 *
 * The sums go over all threads' stripes and are of no one moment. A store takes
 * part in the statistics of its arena as a layer over its pool (owner_ops.h);
 * there no lock may be taken, so the dictionaries are looked at in a read
 * section.
 */
#include <errno.h>
#include <string.h>

#include "owner_ops.h"
#include "rcu.h"
#include "store_impl.h"

static uint64_t load(const _Atomic uint64_t *from)
{
    return atomic_load_explicit(from, memory_order_relaxed);
}

void zs_tenants_sum(struct zs_store *store, struct zs_store_stats *out)
{
    *out = (struct zs_store_stats){ 0 };
    for (unsigned i = 0; i < ZS_TENANTS; i++) {
        struct zs_tenant *t = zs_tenant_find(&store->tenants, i);
        struct zs_store_stats s;

        if (t != NULL) {
            zs_stats_sum(&t->counters, &s);
#define ADD_(name, text) out->name += s.name;
            ZS_STORE_STATS(ADD_)
#undef ADD_
        }
    }
}

static uint64_t limit_of(const _Atomic uint64_t *limit)
{
    uint64_t l = load(limit);

    return l != UINT64_MAX ? l : 0;
}

static void add_gauge(const struct zs_gauge *g, struct zs_store_mem_stats *out)
{
    out->mem_limit = limit_of(&g->hard);
    out->mem_soft_limit = limit_of(&g->soft);
    out->mem_used_max = load(&g->max);
#define ADD_(name) out->name += load(&g->name);
    ZS_GAUGE_COUNTERS(ADD_)
#undef ADD_
}

static void add_values(struct zs_tenant *t, struct zs_store_mem_stats *out)
{
    struct zs_store_stats s;

    zs_stats_sum(&t->counters, &s);
    out->orig_data_size += s.raw_bytes;
    out->compr_data_size += s.stored_bytes;
    out->mem_used_total += s.used_bytes;
    out->n_values += s.n_values;
    out->same_pages += s.n_same_filled;
    out->huge_pages += s.n_stored_raw;
    for (unsigned i = 0; i < ZS_THREAD_NUMBERS; i++) {
        out->mem_reserved += load(&t->counters.stripes[i].reserve);
    }
}

/* Of one tenant, or of all. */
static uint64_t dictionary_bytes(struct zs_store *store, unsigned tenant)
{
    uint64_t bytes = 0;

    if (store->dicts == NULL) {
        return 0;
    }
    zs_read_lock();
    for (unsigned i = 1; i < ZS_DICT_NUMBERS; i++) {
        const struct zs_dict *d = zs_dicts_find(&store->dicts->dicts, i);

        if (d != NULL && (tenant == ZS_WHOLE_STORE || d->class == tenant)) {
            bytes += d->bytes;
        }
    }
    zs_read_unlock();
    return bytes;
}

/* False: it has put nothing. */
static bool read_stats(struct zs_store *store, unsigned tenant,
                       struct zs_store_mem_stats *out)
{
    struct zs_tenants *all = &store->tenants;
    bool is_there = tenant == ZS_WHOLE_STORE;

    *out = (struct zs_store_mem_stats){ 0 };
    for (unsigned i = 0; i < ZS_TENANTS; i++) {
        struct zs_tenant *t = zs_tenant_find(all, i);

        if (t != NULL && (i == tenant || tenant == ZS_WHOLE_STORE)) {
            add_values(t, out);
            add_gauge(&t->gauge, out);
            is_there = true;
        }
    }
    if (tenant == ZS_WHOLE_STORE) {
        add_gauge(&all->whole, out);
    }
    out->dictionary_bytes = dictionary_bytes(store, tenant);
    out->pages_compacted = zs_pool_pages_compacted(store->pool);
    return is_there;
}

int zs_store_mem_stats(struct zs_store *store, unsigned tenant,
                       struct zs_store_mem_stats *out)
{
    if (tenant >= ZS_TENANTS && tenant != ZS_WHOLE_STORE) {
        return -EINVAL;
    }
    if (!read_stats(store, tenant, out)) {
        *out = (struct zs_store_mem_stats){ 0 };
    }
    return 0;
}

/* --- in the arena's statistics --- */

static bool read_layer(void *ctx, unsigned part, uint64_t *values)
{
    struct zs_store_mem_stats stats;
    bool is_there =
        read_stats(ctx, part == ZS_WHOLE_LAYER ? ZS_WHOLE_STORE : part, &stats);

    memcpy(values, &stats, sizeof(stats));
    return is_there;
}

static const struct zs_figure table[] = { ZS_STORE_MEM_STATS(ZS_FIGURE) };
_Static_assert(ZS_FIGURES_LEN(table) <= ZS_MOST_FIGURES, "see there");

static const struct zs_layer_figures layer = {
    .kind = "store",
    .part = "tenant",
    .n_parts = ZS_TENANTS,
    .table = table,
    .n = ZS_FIGURES_LEN(table),
    .read = read_layer,
};

void zs_tenants_show(struct zs_store *store)
{
    zs_set_layer_figures(zs_pool_arena(store->pool),
                         zs_pool_page_type(store->pool), &layer, store);
}

void zs_tenants_hide(struct zs_store *store)
{
    zs_set_layer_figures(zs_pool_arena(store->pool),
                         zs_pool_page_type(store->pool), NULL, NULL);
}
