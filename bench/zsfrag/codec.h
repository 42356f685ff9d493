/* SPDX-License-Identifier: MIT */
/*
 * codec.h - the codecs as an embedder would call them himself, and the rule
 * of what is kept of a value.
 *
 * The library has its own copy of all this (lib/store); here it serves the
 * other allocators, the figures of the raw codec, and the count of live bytes.
 */
#ifndef ZSFRAG_CODEC_H
#define ZSFRAG_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "args.h"

struct codec {
    const struct codec_ops *ops;
    void *encoder, *decoder;
};

struct codec_ops {
    /* Contexts from malloc(), that grow as the codec likes. */
    bool (*open)(struct codec *c);
    /* Contexts in mapped memory that is all there from the start. */
    bool (*open_fixed)(struct codec *c);
    void (*close)(struct codec *c); /* of what open() made */
    size_t (*bound)(uint32_t len);
    /* Bytes written; 0: they would be more than `room`. */
    uint32_t (*compress)(const struct codec *c, const void *src, uint32_t len,
                         void *dst, size_t room);
    bool (*decompress)(const struct codec *c, const void *src, uint32_t n,
                       void *dst, uint32_t len);
};

bool codec_open(struct codec *c, enum codec_id id);
bool codec_open_fixed(struct codec *c, enum codec_id id);
void codec_close(struct codec *c); /* after codec_open() only */

/*
 * What is kept of a value: one byte if all its bytes are the same, else what
 * the codec makes of it if that is less, else the value as it is. Returns how
 * many bytes, and in `*kept` where they are: in `src` or in `scratch`, which
 * has room for the codec's bound.
 */
uint32_t value_pack(const struct codec *c, const void *src, uint32_t len,
                    void *scratch, const void **kept);

/* The way back; `kept` bytes are there, `len` come out. */
bool value_unpack(const struct codec *c, const void *kept, uint32_t n_kept,
                  void *dst, uint32_t len);

#endif /* ZSFRAG_CODEC_H */
