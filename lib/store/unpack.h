/* SPDX-License-Identifier: MIT */
/*
 * unpack.h - reading what is stored: an object becomes a value, or some of it.
 *
 * Nothing that is stored is trusted: what has been damaged is -EBADMSG, and
 * leads to no byte outside of its object and of the caller's buffer.
 */
#ifndef ZS_LIB_UNPACK_H
#define ZS_LIB_UNPACK_H

#include "store_impl.h"
#include "value_header.h"

/* A value, and a read section. */
struct zs_reading {
    struct zs_value value;
    const unsigned char *object; /* NULL: there is none, but a pattern */
    const unsigned char *payload;
    size_t room; /* from object on */
    uint64_t pattern;
    unsigned char local_copy[ZS_LOCAL_COPY_BYTES];
};

/* Open a read section and find out what is there. -EBADMSG: the header is
 * damaged. The section is open in any case. */
int zs_reading_begin(struct zs_store *store, zs_handle_t h,
                     struct zs_reading *r);
void zs_reading_end(struct zs_store *store);

/* Is the object as it was made? 0 or -EBADMSG; always 0 without checksums. */
int zs_reading_verify(const struct zs_store *store, const struct zs_reading *r);

/*
 * Write n bytes of the value, from `offset` on, which are there (offset + n <=
 * length). 0, -EBADMSG or -ENOMEM, and then what is in buf[0..n) is
 * unspecified.
 */
int zs_reading_copy(struct zs_store *store, const struct zs_reading *r,
                    size_t offset, void *buf, size_t n);

/* --- objects, of whole values or of parts --- */

/* Stored bytes that are raw or compressed. */
struct zs_stored {
    struct zs_value value;
    const unsigned char *payload;
};

/* n bytes from `offset` on, as above. */
int zs_stored_copy(const struct zs_store *store, const struct zs_stored *s,
                   size_t offset, void *buf, size_t n);

/* The codec that a value was compressed with; NULL: none that is there. */
const struct zs_codec_ops *zs_codec_of(const struct zs_store *store,
                                       const struct zs_value *v);

#endif /* ZS_LIB_UNPACK_H */
