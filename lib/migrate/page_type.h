/* SPDX-License-Identifier: MIT */
/* page_type.h - the one look-up of callbacks: from a type, in the table. */
#ifndef ZS_LIB_PAGE_TYPE_H
#define ZS_LIB_PAGE_TYPE_H

#include "page.h"

/* In a read section; what is found stays valid until it ends. NULL: the type
 * has none, or is being ended. */
const struct zs_movable_ops *zs_ops_of_type(struct zs_arena *a,
                                            zs_page_type_t type, void **ctx);

#endif /* ZS_LIB_PAGE_TYPE_H */
