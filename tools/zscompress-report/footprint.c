/* SPDX-License-Identifier: MIT */
/* footprint.c - what objects of given sizes take in a pool. */
#include "footprint.h"

#include <errno.h>
#include <stdlib.h>
#include <zspool/compactor.h>
#include <zspool/store.h>

#define SAME_BYTES 4u /* of a value without an object: its handle */

static int compacted_footprint(struct zs_pool *pool, uint64_t *out)
{
    struct zs_arena *arena = zs_pool_arena(pool);
    struct zs_arena_stats stats;
    int err = zs_compact(arena, NULL);

    if (err == 0) {
        zs_arena_stats(arena, &stats);
        *out = stats.footprint_bytes;
    }
    return err;
}

static int put_objects(struct zs_pool *pool, const uint32_t *sizes, size_t n,
                       const void *zeros)
{
    zs_handle_t h;
    int err = 0;

    for (size_t i = 0; i < n && err == 0; i++) {
        err = zs_obj_create(pool, zeros, sizes[i], &h);
    }
    return err;
}

static size_t largest(const uint32_t *sizes, size_t n)
{
    size_t max = 1;

    for (size_t i = 0; i < n; i++) {
        max = sizes[i] > max ? sizes[i] : max;
    }
    return max;
}

int footprint_of_objects(const uint32_t *sizes, size_t n, unsigned times,
                         uint64_t n_same, uint64_t *out)
{
    void *zeros = calloc(1, largest(sizes, n));
    struct zs_pool *pool = NULL;
    int err = zeros != NULL ? zs_pool_create(NULL, &pool) : -ENOMEM;

    for (; err == 0 && times > 0; times--) {
        err = put_objects(pool, sizes, n, zeros);
    }
    if (err == 0) {
        err = compacted_footprint(pool, out);
    }
    if (err == 0) {
        *out += n_same * SAME_BYTES;
    }
    zs_pool_destroy(pool);
    free(zeros);
    return err;
}

static int store_config(const struct codec *codec, struct zs_store_config *cfg)
{
    *cfg = (struct zs_store_config){ .level = codec->level,
                                     .dictionaries = { .off = true } };
    switch (codec->kind) {
    case CODEC_NONE:
        cfg->codec = ZS_CODEC_NONE;
        return 0;
    case CODEC_LZ4: /* levels of the store are below 0 there */
        cfg->codec = ZS_CODEC_LZ4;
        cfg->level = -codec->level;
        return 0;
    case CODEC_LZ4HC:
        cfg->codec = ZS_CODEC_LZ4;
        return 0;
    case CODEC_ZSTD:
        cfg->codec = ZS_CODEC_ZSTD;
        return 0;
    }
    return -ENOTSUP;
}

int footprint_of_store(const struct codec *codec, const struct values *v,
                       const struct split *s, uint64_t *out,
                       uint64_t *header_bytes)
{
    struct zs_store_config cfg;
    struct zs_store_stats stats;
    struct zs_store *store = NULL;
    zs_handle_t h;
    int err = store_config(codec, &cfg);

    if (err == 0) {
        err = zs_store_create(&cfg, &store);
    }
    for (size_t i = 0; err == 0 && i < s->n_measured; i++) {
        const struct value *one = s->measured[i];

        err = zs_store_put(store, v->bytes + one->at, one->len, &h);
    }
    if (err == 0) {
        zs_store_stats(store, &stats);
        *header_bytes = stats.header_bytes;
        err = compacted_footprint(zs_store_pool(store), out);
    }
    zs_store_destroy(store);
    return err;
}
