/* SPDX-License-Identifier: MIT */
/*
 * codec.c - the codecs of the process.
 *
 * Locking: codecs_lock (rank STORE) guards who holds what, and what is added
 * and taken out. Looking a codec up needs no lock: tables are constant, and
 * whoever looks either holds the codec or does not go on to use it.
 */
#include "codec.h"

#include <errno.h>
#include <stdatomic.h>
#include <string.h>

#include "lock.h"
#include "thread_ctx.h"

#define MAX_NAME_BYTES 31u

struct zs_lock zs_codecs_lock = { PTHREAD_MUTEX_INITIALIZER, ZS_RANK_STORE };
static unsigned n_holders[ZS_NR_CODECS]; /* guarded by zs_codecs_lock */
static _Atomic(const struct zs_codec_ops *) codecs[ZS_NR_CODECS] = {
    [ZS_CODEC_LZ4] = &zs_codec_lz4,
    [ZS_CODEC_ZSTD] = &zs_codec_zstd,
    [ZS_CODEC_NONE] = &zs_codec_none,
};

static bool is_own(enum zs_codec_id id)
{
    return id >= ZS_CODEC_OWN && id <= ZS_CODEC_OWN_LAST;
}

const struct zs_codec_ops *zs_codec_find(enum zs_codec_id id)
{
    /* acquire: pairs with zs_codec_register(); what it leads to is written */
    return (unsigned)id < ZS_NR_CODECS
               ? atomic_load_explicit(&codecs[id], memory_order_acquire)
               : NULL;
}

const struct zs_codec_ops *zs_codec_get(enum zs_codec_id id)
{
    const struct zs_codec_ops *codec;

    zs_lock_acquire(&zs_codecs_lock);
    codec = zs_codec_find(id);
    if (codec != NULL) {
        n_holders[id]++;
    }
    zs_lock_release(&zs_codecs_lock);
    return codec;
}

void zs_codec_put(const struct zs_codec_ops *codec)
{
    zs_lock_acquire(&zs_codecs_lock);
    ZS_ASSERT(n_holders[codec->id] > 0);
    n_holders[codec->id]--;
    zs_lock_release(&zs_codecs_lock);
}

int zs_codec_by_name(const char *name, enum zs_codec_id *out)
{
    for (unsigned id = 0; id < ZS_NR_CODECS; id++) {
        const struct zs_codec_ops *codec = zs_codec_find((enum zs_codec_id)id);

        if (codec != NULL && strcmp(codec->name, name) == 0) {
            *out = (enum zs_codec_id)id;
            return 0;
        }
    }
    return -ENOENT;
}

const char *zs_codec_name(enum zs_codec_id id)
{
    const struct zs_codec_ops *codec = zs_codec_find(id);

    return codec != NULL ? codec->name : NULL;
}

static bool is_whole(const struct zs_codec_ops *ops)
{
    size_t name =
        ops->name != NULL ? strnlen(ops->name, MAX_NAME_BYTES + 1) : 0;

    return name >= 1 && name <= MAX_NAME_BYTES && ops->resolve_level != NULL &&
           ops->bound != NULL && ops->compress != NULL &&
           ops->decompress != NULL &&
           (ops->compressor_create != NULL) ==
               (ops->compressor_destroy != NULL) &&
           (ops->decompressor_create != NULL) ==
               (ops->decompressor_destroy != NULL) &&
           (ops->dict_create == NULL ||
            (ops->dict_destroy != NULL && ops->dict_bytes != NULL &&
             ops->compress_with != NULL && ops->decompress_with != NULL));
}

int zs_codec_register(const struct zs_codec_ops *ops)
{
    enum zs_codec_id other;
    int err = 0;

    if (!is_own(ops->id) || !is_whole(ops)) {
        return -EINVAL;
    }
    zs_lock_acquire(&zs_codecs_lock);
    if (zs_codec_find(ops->id) != NULL ||
        zs_codec_by_name(ops->name, &other) == 0) {
        err = -EEXIST;
    } else {
        atomic_store_explicit(&codecs[ops->id], ops, memory_order_release);
    }
    zs_lock_release(&zs_codecs_lock);
    return err;
}

int zs_codec_unregister(enum zs_codec_id id)
{
    const struct zs_codec_ops *codec;
    int err = 0;

    zs_lock_acquire(&zs_codecs_lock);
    codec = is_own(id) ? zs_codec_find(id) : NULL;
    if (codec == NULL) {
        err = -ENOENT;
    } else if (n_holders[id] > 0) {
        err = -EBUSY;
    } else {
        atomic_store_explicit(&codecs[id], NULL, memory_order_relaxed);
    }
    zs_lock_release(&zs_codecs_lock);
    if (err == 0) {
        zs_threads_drop_codec(codec);
    }
    return err;
}
