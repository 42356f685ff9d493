/* SPDX-License-Identifier: MIT */
/* store_view.h - a view within a reading, for whoever looks at all parts of one
 * value. */
#ifndef ZS_LIB_STORE_VIEW_H
#define ZS_LIB_STORE_VIEW_H

#include "unpack.h"

/* -EINVAL: there is no such part. -EBADMSG: it is damaged. */
int zs_view_part(struct zs_store *store, const struct zs_reading *r,
                 size_t part, void *local_copy, struct zs_store_view *out);

#endif /* ZS_LIB_STORE_VIEW_H */
