/* SPDX-License-Identifier: MIT */
/*
 * store_get.c - getting a value, or some of it; how long it is.
 *
 * What is stored is checked before it is measured against the buffer: a damaged
 * length is -EBADMSG, where there are checksums, not -ERANGE.
 */
#include <errno.h>
#include <stdlib.h>

#include "checksum.h"
#include "parts.h"

/* With the section open on 0 only. */
static int open_verified(struct zs_store *store, zs_handle_t h,
                         struct zs_reading *r)
{
    int err = zs_reading_begin(store, h, r);

    zs_cold_touch(&store->recompress.map, h.raw);
    if (err == 0) {
        err = zs_reading_verify(store, r);
    }
    if (err != 0) {
        zs_reading_end(store);
    }
    return err;
}

int zs_store_get(struct zs_store *store, zs_handle_t h, void *buf, size_t cap,
                 size_t *len)
{
    struct zs_reading r;
    int err = open_verified(store, h, &r);

    if (err != 0) {
        return err;
    }
    if (r.value.length <= cap) {
        err = zs_reading_copy(store, &r, 0, buf, r.value.length);
    } else {
        err = -ERANGE;
    }
    zs_reading_end(store);
    if (err == 0 || err == -ERANGE) {
        *len = r.value.length;
    }
    return err;
}

int zs_store_get_range(struct zs_store *store, zs_handle_t h, size_t offset,
                       void *buf, size_t cap, size_t *len)
{
    struct zs_reading r;
    size_t n = 0;
    int err = open_verified(store, h, &r);

    if (err != 0) {
        return err;
    }
    if (offset < r.value.length) {
        n = r.value.length - offset;
        n = n < cap ? n : cap;
    }
    if (n > 0) {
        err = zs_reading_copy(store, &r, offset, buf, n);
    }
    zs_reading_end(store);
    if (err == 0) {
        *len = n;
    }
    return err;
}

static int grow(struct zs_store_buffer *b, size_t bytes)
{
    void *data = b->grow != NULL ? b->grow(b->arg, b->data, bytes)
                                 : realloc(b->data, bytes);

    if (data == NULL) {
        return -ENOMEM;
    }
    b->data = data;
    b->cap = bytes;
    return 0;
}

int zs_store_get_grow(struct zs_store *store, zs_handle_t h,
                      struct zs_store_buffer *b)
{
    size_t len;
    int err = zs_store_get(store, h, b->data, b->cap, &len);

    while (err == -ERANGE) { /* again: it may be replaced by a longer one */
        err = grow(b, len);
        if (err == 0) {
            err = zs_store_get(store, h, b->data, b->cap, &len);
        }
    }
    if (err == 0) {
        b->len = len;
    }
    return err;
}

size_t zs_store_length(struct zs_store *store, zs_handle_t h)
{
    struct zs_reading r;
    int err = zs_reading_begin(store, h, &r);

    zs_reading_end(store);
    return err == 0 ? r.value.length : 0;
}

/* What a value counts in the statistics; nothing, if it is damaged. */
static struct zs_store_stats count_of(struct zs_store *store, zs_handle_t h)
{
    struct zs_store_stats s = { 0 };
    struct zs_reading r;

    if (zs_reading_begin(store, h, &r) == 0) {
        zs_stats_note(&s, &r.value,
                      r.object != NULL ? store->checksum_bytes : 0, 1);
        if (r.value.kind == ZS_VALUE_IN_PARTS) {
            zs_parts_note(store, &r, &s, 1);
        }
    }
    zs_reading_end(store);
    return s;
}

size_t zs_store_stored_length(struct zs_store *store, zs_handle_t h)
{
    struct zs_store_stats s = count_of(store, h);

    return s.stored_bytes + s.header_bytes;
}

uint64_t zs_store_cost(struct zs_store *store, zs_handle_t h)
{
    return count_of(store, h).used_bytes;
}
