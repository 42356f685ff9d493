/* SPDX-License-Identifier: MIT */
/*
 * thread_ctx.h - what a thread keeps for all stores it uses: a compressor and
 * a decompressor per codec, one work buffer, and a number of its own.
 *
 * Everything is made at first use and given up when the thread exits. A thread
 * sees only its own and takes no lock, but for its first context and its end.
 */
#ifndef ZS_LIB_THREAD_CTX_H
#define ZS_LIB_THREAD_CTX_H

#include <stddef.h>

#include "codec.h"

/* A work buffer above this is given back right after its use. */
#define ZS_WORK_BUFFER_KEEP_BYTES ((size_t)512 * 1024)

#define ZS_THREAD_NUMBERS 64u

/* Once before all others, in no read section: it may wait for a fork. */
void zs_thread_ctx_init(void);

/* The calling thread's compressor or decompressor of a codec; *out is NULL for
 * a codec that needs none. 0 or -ENOMEM. */
int zs_thread_compressor(const struct zs_codec_ops *codec, void **out);
int zs_thread_decompressor(const struct zs_codec_ops *codec, void **out);

/* Destroy what all threads have of a codec that nobody holds. */
void zs_threads_drop_codec(const struct zs_codec_ops *codec);

/* Take the calling thread's work buffer, with room for at least `bytes`, and
 * put it back. One take at a time. 0 or -ENOMEM; contents are undefined. */
int zs_thread_buffer_take(size_t bytes, unsigned char **out);
void zs_thread_buffer_put(void);

/* A number from 1 up that no other living thread has, below
 * ZS_THREAD_NUMBERS; the next owner sees all that this thread did. 0: all are
 * taken, or no memory. The same until the thread exits, unless it is 0. */
unsigned zs_thread_number(void);

#endif /* ZS_LIB_THREAD_CTX_H */
