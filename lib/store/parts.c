/* SPDX-License-Identifier: MIT */
/* parts.c - see parts.h. */
#include "parts.h"

#include <errno.h>

#include "checksum.h"
#include "os.h"
#include "pack.h"

/* --- lists --- */

static zs_handle_t list_handle(const unsigned char *list, size_t i)
{
    return (zs_handle_t){ .raw = zs_get_le32(list + 4 * (1 + i)) };
}

struct zs_mark zs_parts_mark(const struct zs_parts *parts, size_t i)
{
    return (struct zs_mark){ .value = zs_get_le32(parts->list),
                             .index = (uint16_t)i };
}

size_t zs_part_length(size_t length, size_t i)
{
    size_t left = length - i * ZS_PART_BYTES;

    return left < ZS_PART_BYTES ? left : ZS_PART_BYTES;
}

/* --- making --- */

int zs_parts_begin(struct zs_store *store, struct zs_tenant *tenant,
                   size_t length, struct zs_parts *out)
{
    out->list = zs_os.alloc(zs_list_bytes(length));
    if (out->list == NULL) {
        return -ENOMEM;
    }
    out->value =
        zs_value_make(ZS_VALUE_IN_PARTS, length, zs_list_bytes(length));
    out->tenant = tenant;
    zs_value_set_tenant(&out->value, tenant->number);
    zs_put_le32(out->list, atomic_fetch_add_explicit(&store->next_parts, 1,
                                                     memory_order_relaxed));
    return 0;
}

void zs_parts_end(const struct zs_parts *parts)
{
    zs_os.free(parts->list);
}

void zs_parts_undo(struct zs_store *store, const struct zs_parts *parts,
                   size_t n)
{
    for (size_t i = 0; i < n; i++) {
        zs_handle_t h = list_handle(parts->list, i);

        zs_change_begin(&store->recompress.map, h.raw);
        zs_free(store->pool, h);
        zs_change_end(&store->recompress.map);
    }
}

int zs_parts_add(struct zs_store *store, struct zs_parts *parts, size_t i,
                 const struct zs_packed *p, struct zs_store_stats *change)
{
    struct zs_store_stats cost = { 0 };
    zs_handle_t h;
    int err;

    zs_stats_note_part(&cost, &p->value, p->beside, 1);
    err = zs_tenant_take(store, parts->tenant, cost.used_bytes);
    if (err != 0) {
        return err;
    }
    /* Not by the thread's cache: who finds the handle sees the mark
     * (store_view.c). */
    err = zs_obj_create_from(store->pool, p->piece, p->n_pieces, &h);
    if (err == 0) {
        zs_put_le32(parts->list + 4 * (1 + i), h.raw);
        zs_stats_note_part(change, &p->value, p->beside, 1);
    } else {
        zs_tenant_give(store, parts->tenant, cost.used_bytes);
    }
    return err;
}

static int create_part(struct zs_store *store, struct zs_parts *parts, size_t i,
                       const void *data, size_t len,
                       struct zs_store_stats *change)
{
    struct zs_mark mark = zs_parts_mark(parts, i);
    struct zs_packed p;
    int err = zs_pack(store, &mark, 0, NULL, data, len, &p);

    if (err == 0) {
        err = zs_parts_add(store, parts, i, &p, change);
        zs_pack_end(&p);
    }
    return err;
}

int zs_parts_create(struct zs_store *store, struct zs_tenant *tenant,
                    const void *data, size_t len, struct zs_parts *out,
                    struct zs_store_stats *change)
{
    size_t n = zs_n_parts(len);
    int err = zs_parts_begin(store, tenant, len, out);

    for (size_t i = 0; err == 0 && i < n; i++) {
        err = create_part(store, out, i,
                          (const unsigned char *)data + i * ZS_PART_BYTES,
                          zs_part_length(len, i), change);
        if (err != 0) {
            zs_parts_undo(store, out, i);
            zs_tenant_give(store, tenant, change->used_bytes);
            zs_parts_end(out);
        }
    }
    return err;
}

/* --- reading --- */

/* Part i as it stands there: is it one, is it this one? Not verified. */
static int find_part(struct zs_store *store, const struct zs_reading *r,
                     size_t i, void *local_copy, struct zs_stored *out,
                     const unsigned char **object, size_t *room)
{
    struct zs_mark mark;
    const unsigned char *p = zs_obj_try_peek_sized(
        store->pool, list_handle(r->payload, i), local_copy, room);

    if (p == NULL || zs_mark_decode(p, *room, &mark) != 0 ||
        mark.value != zs_get_le32(r->payload) || mark.index != i ||
        zs_value_header_decode(p + ZS_MARK_BYTES, *room - ZS_MARK_BYTES,
                               &out->value) != 0 ||
        out->value.length != zs_part_length(r->value.length, i) ||
        (out->value.kind != ZS_VALUE_RAW &&
         out->value.kind != ZS_VALUE_COMPRESSED)) {
        return -EBADMSG;
    }
    out->payload = p + ZS_MARK_BYTES + out->value.header;
    *object = p;
    return 0;
}

int zs_part_open(struct zs_store *store, const struct zs_reading *r, size_t i,
                 void *local_copy, struct zs_stored *out)
{
    const unsigned char *object;
    size_t room, head_len;
    unsigned n = store->checksum_bytes;

    if (find_part(store, r, i, local_copy, out, &object, &room) != 0) {
        return -EBADMSG;
    }
    head_len = ZS_MARK_BYTES + out->value.header;
    if (n > 0 && (n > room - head_len - out->value.payload ||
                  !zs_checksum_fits(object, head_len, out->payload,
                                    out->value.payload, n))) {
        return -EBADMSG;
    }
    return 0;
}

int zs_parts_copy(struct zs_store *store, const struct zs_reading *r,
                  size_t offset, void *buf, size_t n)
{
    unsigned char local_copy[ZS_LOCAL_COPY_BYTES];
    unsigned char *out = buf;

    while (n > 0) {
        size_t i = offset / ZS_PART_BYTES;
        size_t at = offset % ZS_PART_BYTES;
        struct zs_stored part;
        size_t some;
        int err = zs_part_open(store, r, i, local_copy, &part);

        if (err != 0) {
            return err;
        }
        some = part.value.length - at;
        some = some < n ? some : n;
        err = zs_stored_copy(store, &part, at, out, some);
        if (err != 0) {
            return err;
        }
        out += some;
        offset += some;
        n -= some;
    }
    return 0;
}

void zs_parts_note(struct zs_store *store, const struct zs_reading *r,
                   struct zs_store_stats *change, int n)
{
    unsigned char local_copy[ZS_LOCAL_COPY_BYTES];

    for (size_t i = 0; i < zs_n_parts(r->value.length); i++) {
        const unsigned char *object;
        struct zs_stored part;
        size_t room;

        if (find_part(store, r, i, local_copy, &part, &object, &room) == 0) {
            zs_stats_note_part(change, &part.value,
                               ZS_MARK_BYTES + store->checksum_bytes, n);
        }
    }
}

void zs_parts_free(struct zs_store *store, const struct zs_reading *r,
                   bool deferred)
{
    unsigned char local_copy[ZS_LOCAL_COPY_BYTES];

    for (size_t i = 0; i < zs_n_parts(r->value.length); i++) {
        zs_handle_t h = list_handle(r->payload, i);
        const unsigned char *object;
        struct zs_mark mark;
        size_t room;

        object = zs_obj_try_peek_sized(store->pool, h, local_copy, &room);
        if (object == NULL || zs_mark_decode(object, room, &mark) != 0 ||
            mark.value != zs_get_le32(r->payload) || mark.index != i) {
            continue; /* damaged: it stays until the store ends */
        }
        zs_cold_forget(&store->recompress.map, h.raw);
        if (deferred) {
            zs_free_deferred(store->pool, h);
        } else {
            zs_free(store->pool, h);
        }
    }
}
