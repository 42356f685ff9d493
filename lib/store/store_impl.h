/* SPDX-License-Identifier: MIT */
/*
 * store_impl.h - the inside of a store, and which file does what with it.
 *
 *   store.c         create, put, replace, delete
 *   store_get.c     get, into whatever buffer; from an offset; lengths
 *   store_batch.c   many values at once
 *   store_view.c    looking at stored bytes; going through all values
 *   store_export.c  a value as a message, and back
 *   pack.c          a value, or a part of one, becomes an object
 *   unpack.c        and back
 *   parts.c         values above ZS_PART_BYTES
 *   patterns.c      values without an object
 *   store_dict.c    what the store's header says of dictionaries
 *   dict_*.c        dictionaries: sampling, training, use, end
 *   recompress.c    cold values
 *   cold_map.c      which they are, and who may change a value
 *   worker.c        the store's thread
 */
#ifndef ZS_LIB_STORE_IMPL_H
#define ZS_LIB_STORE_IMPL_H

#include <errno.h>

#include "fork.h"
#include "codec.h"
#include "dict_work.h"
#include "patterns.h"
#include "recompress.h"
#include "store_stats.h"
#include "zspool/store.h"

struct zs_store {
    struct zs_pool *pool;             /* set once at create */
    const struct zs_codec_ops *codec; /* set once at create */
    int level;                        /* set once at create */
    unsigned checksum_bytes;          /* set once at create: 0, 4 or 8 */
    _Atomic uint32_t next_parts; /* number of the next value in parts; relaxed:
                                   * only to be another one */
    struct zs_dict_work *dicts;  /* set once at create; NULL: none */
    struct zs_recompress recompress; /* all zero: off */
    struct zs_worker worker;         /* for both */
    struct zs_patterns patterns;
    struct zs_fork_member fork;
    struct zs_store_counters counters;
};

extern const struct zs_fork_ops zs_store_fork_ops; /* fork_store.c */

/* What is due for dictionaries and cold values: the step of the worker of the
 * store `arg`. */
bool zs_store_work(void *arg, uint64_t *next_ns);

/* A pool's -ENOMEM as a store's error; `limit_refused` was false before. */
static inline int zs_store_error(int err)
{
    return err == -ENOMEM && zs_limit_refused ? -ENOSPC : err;
}

#endif /* ZS_LIB_STORE_IMPL_H */
