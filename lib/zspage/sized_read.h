/* SPDX-License-Identifier: MIT */
/* sized_read.h - zs_obj_read_begin() for lib/store, which must know the size of
 * the very slot that it reads: a replace may change zs_obj_size() at once. */
#ifndef ZS_LIB_SIZED_READ_H
#define ZS_LIB_SIZED_READ_H

#include "zspool/pool.h"

/* *size receives the usable bytes of what is returned. */
const void *zs_obj_read_begin_sized(struct zs_pool *pool, zs_handle_t h,
                                    void *local_copy, size_t *size);

#endif /* ZS_LIB_SIZED_READ_H */
