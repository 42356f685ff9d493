/* SPDX-License-Identifier: MIT */
/*
 * pack.h - a value, or a part of one, becomes an object.
 *
 * Words
 *   head    what stands before the payload: the mark of a part, the header
 *   object  head, payload, checksum
 *
 * Invariants
 *   S1  an object is compressed only if it takes a smaller class for it
 */
#ifndef ZS_LIB_PACK_H
#define ZS_LIB_PACK_H

#include <stdbool.h>
#include <sys/uio.h>

#include "checksum.h"
#include "store_impl.h"
#include "value_header.h"

#define ZS_HEAD_MAX_BYTES (ZS_MARK_BYTES + ZS_VALUE_HEADER_MAX_BYTES)

/* An object on its way into the pool. */
struct zs_packed {
    struct zs_value value;
    size_t beside;         /* bytes of mark and checksum */
    struct iovec piece[3]; /* all of it, in order */
    unsigned n_pieces;
    bool is_in_buffer; /* the thread's work buffer is taken */
    unsigned char head[ZS_HEAD_MAX_BYTES];
    unsigned char sum[ZS_CHECKSUM_MAX_BYTES];
};

/*
 * Make an object of at most ZS_PART_BYTES. `mark`: of a part, or NULL; a part's
 * tenant is 0, for its value says it. `dict`: what to compress with, or NULL; a
 * dictionary of the tenant's. Pieces may lead to `data`. 0, and then
 * zs_pack_end() after the last use; or -ENOMEM.
 */
int zs_pack(struct zs_store *store, const struct zs_mark *mark, unsigned tenant,
            const struct zs_dict *dict, const void *data, size_t len,
            struct zs_packed *p);

/* Make an object of a payload that is there: `v` says what it is. */
void zs_pack_payload(const struct zs_store *store, const struct zs_mark *mark,
                     const struct zs_value *v, const void *payload,
                     struct zs_packed *p);

void zs_pack_end(const struct zs_packed *p);

/* Put it into the pool. Errors as zs_malloc(). */
int zs_packed_create(struct zs_store *store, const struct zs_packed *p,
                     zs_handle_t *out);
int zs_packed_replace(struct zs_store *store, const struct zs_packed *p,
                      zs_handle_t h);

/* Does a payload of n bytes make a smaller class than the value raw? (S1) */
bool zs_pack_is_smaller(const struct zs_store *store,
                        const struct zs_value *packed);

#endif /* ZS_LIB_PACK_H */
