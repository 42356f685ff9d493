/* SPDX-License-Identifier: MIT */
/* sized_read.h - reading for lib/store: it must know the size of the very slot
 * that it reads (a replace may change zs_obj_size() at once), and it knows what
 * is read next. */
#ifndef ZS_LIB_SIZED_READ_H
#define ZS_LIB_SIZED_READ_H

#include "zspool/pool.h"

/* *size receives the usable bytes of what is returned. */
const void *zs_obj_read_begin_sized(struct zs_pool *pool, zs_handle_t h,
                                    void *local_copy, size_t *size);

#define ZS_FETCH_BYTES 512u /* of an object; the CPU does the rest by itself */
#define ZS_CACHE_LINE 64u

/* Have the begin of an object's bytes fetched into the cache. Fetching memory
 * that is not there does no harm. */
static inline void zs_fetch_bytes(const char *p, size_t len)
{
    if (len >= ZS_FETCH_BYTES) {
        for (size_t at = 0; at < ZS_FETCH_BYTES; at += ZS_CACHE_LINE) {
            __builtin_prefetch(p + at); /* unrolled */
        }
        return;
    }
    for (size_t at = 0; at < len; at += ZS_CACHE_LINE) {
        __builtin_prefetch(p + at);
    }
}

/* In a read section: have the begin of an object fetched into the cache, if
 * there is one of that name. */
void zs_obj_fetch(const struct zs_pool *pool, uint32_t h);

#endif /* ZS_LIB_SIZED_READ_H */
