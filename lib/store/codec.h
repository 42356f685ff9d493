/* SPDX-License-Identifier: MIT */
/*
 * codec.h - the codecs of the process (zspool/codec.h has the table of each).
 *
 * Who uses a codec for longer than a call holds it (zs_codec_get()): what is
 * held cannot be unregistered.
 */
#ifndef ZS_LIB_CODEC_H
#define ZS_LIB_CODEC_H

#include <stddef.h>

#include "lock.h"
#include "zspool/store.h"

#define ZS_NR_CODECS (ZS_CODEC_OWN_LAST + 1) /* ids */

extern const struct zs_codec_ops zs_codec_lz4;
extern const struct zs_codec_ops zs_codec_zstd;
extern const struct zs_codec_ops zs_codec_none;

/* The codec's table, NULL when there is no such codec. */
const struct zs_codec_ops *zs_codec_find(enum zs_codec_id id);

/* The same, held until zs_codec_put(). */
const struct zs_codec_ops *zs_codec_get(enum zs_codec_id id);
void zs_codec_put(const struct zs_codec_ops *codec);

/* Guards the list of codecs; for forks (thread_ctx.c). */
extern struct zs_lock zs_codecs_lock;

#endif /* ZS_LIB_CODEC_H */
