/* SPDX-License-Identifier: MIT */
/*
 * made.h - what a value is to be, made but not yet in the store.
 *
 * zs_make(), then the pool is given it, then zs_made_end(), which counts it or
 * undoes it: so putting and replacing are all or nothing.
 */
#ifndef ZS_LIB_MADE_H
#define ZS_LIB_MADE_H

#include "pack.h"
#include "parts.h"

struct zs_made {
    enum { ZS_MADE_BARE, ZS_MADE_OBJECT, ZS_MADE_PARTS } as;
    unsigned number;         /* ZS_MADE_BARE: of the pattern */
    struct zs_packed packed; /* the object; of ZS_MADE_PARTS, the list */
    struct zs_parts parts;
    unsigned char pattern[ZS_PATTERN_BYTES];
    struct zs_tenant *tenant;
    uint64_t taken;               /* of the tenant's limits */
    const struct zs_dict *dict;   /* that it may have been packed with */
    struct zs_store_stats change; /* when it is in the store */
};

/* A value of a tenant's, which was admitted. On 0, zs_made_end() after its last
 * use: until then a read section may be open (L1 in dict_set.h). -EINVAL,
 * -ENOSPC, or as zs_malloc(). */
int zs_make(struct zs_store *store, struct zs_tenant *tenant, const void *data,
            size_t len, struct zs_made *m);
/* A value that repeats a pattern. */
void zs_make_pattern(struct zs_store *store, struct zs_tenant *tenant,
                     uint64_t pattern, size_t len, struct zs_made *m);
/* The list is complete; it is taken over. */
void zs_make_list(struct zs_store *store, const struct zs_parts *parts,
                  const struct zs_store_stats *change, struct zs_made *m);
/* Take what it costs of the tenant's limits, but for `spare`, which the value
 * costs that it replaces. 0 or -ENOSPC. */
int zs_made_take(struct zs_store *store, struct zs_made *m, uint64_t spare);
/* `err`: it did not get into the store, and gives back what it has taken. */
void zs_made_end(struct zs_store *store, const struct zs_made *m, int err);

/* Into the store, and end. */
int zs_made_create(struct zs_store *store, struct zs_made *m, zs_handle_t *out);

#endif /* ZS_LIB_MADE_H */
