/* SPDX-License-Identifier: MIT */
/* store_dict.c - what a store's header says of dictionaries. */
#include "store_impl.h"

bool zs_store_background(struct zs_store *store)
{
    uint64_t next_ns;

    return store->dicts != NULL && zs_dict_work_step(store->dicts, &next_ns);
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
