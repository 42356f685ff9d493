/* SPDX-License-Identifier: MIT */
/* made.c - what becomes of a value, the cheapest first. */
#include "made.h"

#include <errno.h>

#include "pattern.h"

void zs_make_pattern(struct zs_store *store, uint64_t pattern, size_t len,
                     struct zs_made *m)
{
    int number = zs_patterns_number(&store->patterns, pattern, len);
    struct zs_value v = zs_value_make(ZS_VALUE_PATTERN, len, ZS_PATTERN_BYTES);

    m->change = (struct zs_store_stats){ 0 };
    if (number >= 0) {
        v.header = v.payload = 0;
        m->as = ZS_MADE_BARE;
        m->number = (unsigned)number;
        zs_stats_note(&m->change, &v, 0, 1);
        return;
    }
    m->as = ZS_MADE_OBJECT;
    memcpy(m->pattern, &pattern, sizeof(m->pattern));
    zs_pack_payload(store, NULL, &v, m->pattern, &m->packed);
    zs_stats_note(&m->change, &v, m->packed.beside, 1);
}

void zs_make_list(struct zs_store *store, const struct zs_parts *parts,
                  const struct zs_store_stats *change, struct zs_made *m)
{
    m->as = ZS_MADE_PARTS;
    m->parts = *parts;
    m->change = *change;
    zs_pack_payload(store, NULL, &parts->value, parts->list, &m->packed);
    zs_stats_note(&m->change, &parts->value, m->packed.beside, 1);
}

int zs_make(struct zs_store *store, const void *data, size_t len,
            struct zs_made *m)
{
    uint64_t pattern;
    int err;

    if (len > ZS_MAX_VALUE_BYTES) {
        return -EINVAL;
    }
    if (zs_find_pattern(data, len, &pattern)) {
        zs_make_pattern(store, pattern, len, m);
        return 0;
    }
    m->change = (struct zs_store_stats){ 0 };
    if (len > ZS_PART_BYTES) {
        struct zs_store_stats change = { 0 };

        err = zs_parts_create(store, data, len, &m->parts, &change);
        if (err == 0) {
            zs_make_list(store, &m->parts, &change, m);
        }
        return err;
    }
    m->as = ZS_MADE_OBJECT;
    err = zs_pack(store, NULL, data, len, &m->packed);
    if (err == 0) {
        zs_stats_note(&m->change, &m->packed.value, m->packed.beside, 1);
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
        zs_stats_commit(&store->counters, &m->change);
    }
}

int zs_made_create(struct zs_store *store, const struct zs_made *m,
                   zs_handle_t *out)
{
    int err = m->as == ZS_MADE_BARE
                  ? zs_bare_create(store->pool, m->number, out)
                  : zs_packed_create(store, &m->packed, out);

    zs_made_end(store, m, err);
    return err;
}
