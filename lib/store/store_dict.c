/* SPDX-License-Identifier: MIT */
/* store_dict.c - what a store's header says of dictionaries and cold values. */
#include "store_impl.h"

/* A worker's step. */
bool zs_store_work(void *arg, uint64_t *next_ns)
{
    struct zs_store *store = arg;
    uint64_t next_cold;
    bool did_something = false;

    *next_ns = UINT64_MAX;
    if (store->dicts != NULL) {
        did_something = zs_dict_work_step(store->dicts, next_ns);
    }
    did_something |= zs_recompress_step(store, &next_cold);
    *next_ns = next_cold < *next_ns ? next_cold : *next_ns;
    return did_something;
}

bool zs_store_background(struct zs_store *store)
{
    uint64_t next_ns;

    return zs_store_work(store, &next_ns);
}

void zs_store_dict_stats(struct zs_store *store, struct zs_dict_stats *out)
{
    *out = (struct zs_dict_stats){ 0 };
    if (store->dicts == NULL) {
        return;
    }
#define LOAD_(name, text)                                                      \
    out->name =                                                                \
        atomic_load_explicit(&store->dicts->dicts.name, memory_order_relaxed);
    ZS_DICT_COUNTERS(LOAD_)
#undef LOAD_
}

void zs_store_recompress_stats(struct zs_store *store,
                               struct zs_recompress_stats *out)
{
#define LOAD_(name, text)                                                      \
    out->name =                                                                \
        atomic_load_explicit(&store->recompress.name, memory_order_relaxed);
    ZS_RECOMPRESS_COUNTERS(LOAD_)
#undef LOAD_
}

size_t zs_store_dictionaries(struct zs_store *store, struct zs_dict_info *out,
                             size_t n)
{
    struct zs_dicts *d = store->dicts != NULL ? &store->dicts->dicts : NULL;
    size_t listed = 0;

    if (d == NULL) {
        return 0;
    }
    zs_lock_acquire(&d->lock);
    for (unsigned i = 1; i < ZS_DICT_NUMBERS && listed < n; i++) {
        const struct zs_dict *dict = zs_dicts_find(d, i);

        if (dict != NULL) {
            out[listed++] = (struct zs_dict_info){
                .number = i,
                .class_number = dict->class,
                .is_current = dict->state == ZS_DICT_CURRENT,
                .bytes = dict->bytes,
                .n_values = zs_dicts_n_values(d, i),
            };
        }
    }
    zs_lock_release(&d->lock);
    return listed;
}
