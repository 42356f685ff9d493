/* SPDX-License-Identifier: MIT */
/*
 * store_batch.c - many values at once.
 *
 * Idea
 *   In a large store a look-up is three cache misses, one after the other: slot
 *   word, zspage, the object's bytes. For a group of handles each step is taken
 *   for all before the next one begins (zs_obj_fetch()), so that the misses of
 *   a step overlap; then the group is worked on as ever. A group is one read
 *   section.
 */
#include <errno.h>

#include "zspool/movable_ops.h"
#include "store_impl.h"

#define GROUP 16u /* as many misses as a core has under way */

int zs_store_put_batch(struct zs_store *store, const struct iovec *values,
                       size_t n, zs_handle_t *out)
{
    for (size_t i = 0; i < n; i++) {
        int err =
            zs_store_put(store, values[i].iov_base, values[i].iov_len, &out[i]);

        if (err != 0) {
            zs_store_delete_batch(store, out, i);
            return err;
        }
    }
    return 0;
}

static void fetch(struct zs_store *store, const struct zs_store_get *gets,
                  size_t n)
{
    zs_handle_t handles[GROUP];

    for (size_t i = 0; i < n; i++) {
        handles[i] = gets[i].handle;
    }
    zs_obj_fetch(store->pool, handles, n);
}

int zs_store_get_batch(struct zs_store *store, struct zs_store_get *gets,
                       size_t n)
{
    int err = 0;

    for (size_t at = 0; at < n; at += GROUP) {
        size_t some = n - at < GROUP ? n - at : GROUP;

        zs_read_begin();
        fetch(store, gets + at, some);
        for (size_t i = at; i < at + some; i++) {
            struct zs_store_get *g = &gets[i];

            g->err = zs_store_get(store, g->handle, g->buf, g->cap, &g->len);
            err = err != 0 ? err : g->err;
        }
        zs_read_end();
    }
    return err;
}

void zs_store_delete_batch(struct zs_store *store, const zs_handle_t *handles,
                           size_t n)
{
    for (size_t at = 0; at < n; at += GROUP) {
        size_t some = n - at < GROUP ? n - at : GROUP;

        zs_read_begin();
        zs_obj_fetch(store->pool, handles + at, some);
        zs_read_end();
        for (size_t i = at; i < at + some; i++) {
            zs_store_delete(store, handles[i]);
        }
    }
}
