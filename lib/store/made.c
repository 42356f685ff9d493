/* SPDX-License-Identifier: MIT */
/* made.c - what becomes of a value, the cheapest first. */
#include "made.h"

#include <errno.h>

#include "pattern.h"
#include "rcu.h"

void zs_make_pattern(struct zs_store *store, struct zs_tenant *tenant,
                     uint64_t pattern, size_t len, struct zs_made *m)
{
    int number =
        zs_patterns_number(&store->patterns, pattern, len, tenant->number);
    struct zs_value v = zs_value_make(ZS_VALUE_PATTERN, len, ZS_PATTERN_BYTES);

    m->dict = NULL;
    m->tenant = tenant;
    m->taken = 0;
    m->change = (struct zs_store_stats){ 0 };
    if (number >= 0) {
        v.header = v.payload = 0;
        m->as = ZS_MADE_BARE;
        m->number = (unsigned)number;
        zs_stats_note(&m->change, &v, 0, 1);
        return;
    }
    zs_value_set_tenant(&v, tenant->number);
    m->as = ZS_MADE_OBJECT;
    memcpy(m->pattern, &pattern, sizeof(m->pattern));
    zs_pack_payload(store, NULL, &v, m->pattern, &m->packed);
    zs_stats_note(&m->change, &v, m->packed.beside, 1);
}

void zs_make_list(struct zs_store *store, const struct zs_parts *parts,
                  const struct zs_store_stats *change, struct zs_made *m)
{
    m->dict = NULL;
    m->as = ZS_MADE_PARTS;
    m->tenant = parts->tenant;
    m->taken = change->used_bytes;
    m->parts = *parts;
    m->change = *change;
    zs_pack_payload(store, NULL, &parts->value, parts->list, &m->packed);
    zs_stats_note(&m->change, &parts->value, m->packed.beside, 1);
}

/* Open a read section, if there is a dictionary for such a value. */
static void dict_begin(struct zs_store *store, unsigned class, const void *data,
                       size_t len, struct zs_made *m)
{
    m->dict = NULL;
    if (store->dicts == NULL || len >= ZS_SAMPLE_LIMIT_BYTES ||
        len < store->codec->min_length) {
        return;
    }
    zs_dict_work_offer(store->dicts, class, data, len);
    zs_read_lock();
    m->dict = zs_dicts_current(&store->dicts->dicts, class);
    if (m->dict == NULL) {
        zs_read_unlock();
    }
}

/* Count the value, if it is one with a dictionary: L1. */
static void dict_end(struct zs_store *store, const struct zs_made *m, int err)
{
    if (m->dict == NULL) {
        return;
    }
    if (err == 0 && m->packed.value.dictionary != 0) {
        zs_dicts_count(&store->dicts->dicts, m->packed.value.dictionary, 1);
    }
    zs_read_unlock();
}

int zs_make(struct zs_store *store, struct zs_tenant *tenant, const void *data,
            size_t len, struct zs_made *m)
{
    uint64_t pattern;
    int err;

    m->dict = NULL;
    m->tenant = tenant;
    m->taken = 0;
    if (len > ZS_MAX_VALUE_BYTES) {
        return -EINVAL;
    }
    if (zs_find_pattern(data, len, &pattern)) {
        zs_make_pattern(store, tenant, pattern, len, m);
        return 0;
    }
    m->change = (struct zs_store_stats){ 0 };
    if (len > ZS_PART_BYTES) {
        struct zs_store_stats change = { 0 };

        err = zs_parts_create(store, tenant, data, len, &m->parts, &change);
        if (err == 0) {
            zs_make_list(store, &m->parts, &change, m);
        }
        return err;
    }
    m->as = ZS_MADE_OBJECT;
    dict_begin(store, tenant->number, data, len, m);
    err = zs_pack(store, NULL, tenant->number, m->dict, data, len, &m->packed);
    if (err == 0) {
        zs_stats_note(&m->change, &m->packed.value, m->packed.beside, 1);
    } else {
        dict_end(store, m, err);
    }
    return err;
}

int zs_made_take(struct zs_store *store, struct zs_made *m, uint64_t spare)
{
    uint64_t need = m->change.used_bytes - m->taken;
    int err;

    need = need > spare ? need - spare : 0;
    err = zs_tenant_take(store, m->tenant, need);
    if (err == 0) {
        m->taken += need;
    }
    return err;
}

void zs_made_end(struct zs_store *store, const struct zs_made *m, int err)
{
    switch (m->as) {
    case ZS_MADE_BARE:
        break;
    case ZS_MADE_OBJECT:
        zs_pack_end(&m->packed);
        break;
    case ZS_MADE_PARTS:
        if (err != 0) {
            zs_parts_undo(store, &m->parts, zs_n_parts(m->parts.value.length));
        }
        zs_parts_end(&m->parts);
        break;
    }
    if (err == 0) {
        zs_tenant_commit(m->tenant, &m->change);
    } else {
        zs_tenant_give(store, m->tenant, m->taken);
    }
    dict_end(store, m, err);
}

int zs_made_create(struct zs_store *store, struct zs_made *m, zs_handle_t *out)
{
    int err = zs_made_take(store, m, 0);

    if (err == 0) {
        err = m->as == ZS_MADE_BARE
                  ? zs_bare_create(store->pool, m->number, out)
                  : zs_packed_create(store, &m->packed, out);
    }
    zs_made_end(store, m, err);
    return err;
}
