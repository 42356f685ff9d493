/* SPDX-License-Identifier: MIT */
/*
 * page_desc.h - the descriptor of a page: two words and nothing else. No
 * mapping, no list head, no reference count, no lock of its own.
 */
#ifndef ZS_LIB_PAGE_DESC_H
#define ZS_LIB_PAGE_DESC_H

#include <stdatomic.h>
#include <stdint.h>

struct zs_page {
    _Atomic uint32_t word;  /* flags and type: page_flags.h */
    _Atomic uint32_t owner; /* the owner's own word; the core never reads it */
};
_Static_assert(sizeof(struct zs_page) == 8, "512 descriptors are one OS page");

#endif /* ZS_LIB_PAGE_DESC_H */
