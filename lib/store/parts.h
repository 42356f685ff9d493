/* SPDX-License-Identifier: MIT */
/*
 * parts.h - values above ZS_PART_BYTES.
 *
 * Idea
 *   Such a value is cut every ZS_PART_BYTES. Each part is compressed on its own
 *   and is an object with a handle of its own, so it is moved on its own, and
 *   some bytes of the value can be read without the rest. The value's own
 *   object is a list: a number, and the parts' handles.
 *
 *   Each part begins with a mark: the number of its value, and its index. So a
 *   list that was damaged never leads to what is not its own part.
 *
 *   A part's handle is known to the list alone. Whoever replaces a value makes
 *   the new parts first and lets the old ones go after; readers who have the
 *   old list read the old parts (zs_free_deferred()).
 */
#ifndef ZS_LIB_PARTS_H
#define ZS_LIB_PARTS_H

#include "pack.h"
#include "unpack.h"

/* The list of new parts, on its way to become an object. */
struct zs_parts {
    struct zs_tenant *tenant;
    struct zs_value value;
    unsigned char *list; /* value.payload bytes */
};

/* Make the parts of a tenant's value: all of them or, on error, none. What they
 * count is added to *change, which was zero; their cost is taken. 0, and then
 * zs_parts_end(); or as zs_malloc(), or -ENOSPC. */
int zs_parts_create(struct zs_store *store, struct zs_tenant *tenant,
                    const void *data, size_t len, struct zs_parts *out,
                    struct zs_store_stats *change);
/* A list without parts yet. 0 or -ENOMEM. */
int zs_parts_begin(struct zs_store *store, struct zs_tenant *tenant,
                   size_t length, struct zs_parts *out);
void zs_parts_end(const struct zs_parts *parts);

/* The mark of part i. */
struct zs_mark zs_parts_mark(const struct zs_parts *parts, size_t i);
/* Bytes of the value that part i is to hold. */
size_t zs_part_length(size_t length, size_t i);
/* Take what part i costs, put it into the pool and into the list. Errors as
 * zs_malloc(), and -ENOSPC. */
int zs_parts_add(struct zs_store *store, struct zs_parts *parts, size_t i,
                 const struct zs_packed *p, struct zs_store_stats *change);

/* Let the first n parts of a list go, which is not that of a value. What they
 * cost is for the caller to give back. */
void zs_parts_undo(struct zs_store *store, const struct zs_parts *parts,
                   size_t n);

/* Let the parts go that a value has; in its read section, which shows that the
 * value is in parts. With `deferred` others may be reading them. */
void zs_parts_free(struct zs_store *store, const struct zs_reading *r,
                   bool deferred);

/* --- reading --- */

/* In the value's read section: part i, verified. 0 or -EBADMSG. */
int zs_part_open(struct zs_store *store, const struct zs_reading *r, size_t i,
                 void *local_copy, struct zs_stored *out);

int zs_parts_copy(struct zs_store *store, const struct zs_reading *r,
                  size_t offset, void *buf, size_t n);

/* Add n (1 or -1) times what the parts of a value cost to *change. */
void zs_parts_note(struct zs_store *store, const struct zs_reading *r,
                   struct zs_store_stats *change, int n);

#endif /* ZS_LIB_PARTS_H */
