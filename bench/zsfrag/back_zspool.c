/* SPDX-License-Identifier: MIT */
/* back_zspool.c - a value in a store of the library, with its defaults. */
#include <errno.h>

#include "backend.h"
#include "pages.h"
#include "zspool/compactor.h"
#include "zspool/store.h"

struct values {
    const struct plan *plan;
    struct zs_store *store;
    zs_handle_t *handles;
};

static const enum zs_codec_id codecs[] = {
    [CODEC_LZ4] = ZS_CODEC_LZ4,
    [CODEC_ZSTD] = ZS_CODEC_ZSTD,
    [CODEC_NONE] = ZS_CODEC_NONE,
};

static bool is_in_use(void)
{
    return true;
}

static void *prepare(const struct plan *plan, int device)
{
    struct values *v = pages_map(sizeof(*v));

    (void)device;
    if (v == NULL) {
        return NULL;
    }
    v->plan = plan;
    v->handles = pages_map(plan->n_pieces * sizeof(v->handles[0]));
    return v->handles == NULL ? NULL : v;
}

static int open_with(struct values *v, enum zs_huge_pages huge_pages)
{
    struct zs_store_config cfg = {
        .codec = codecs[v->plan->codec],
        .dictionaries = { .off = true }, /* all allocators get the same bytes */
        .pool = { .private_arena = { .huge_pages = huge_pages } },
    };

    return zs_store_create(&cfg, &v->store);
}

static int open_store(void *self)
{
    return open_with(self, ZS_HUGE_DEFAULT);
}

static int open_small(void *self)
{
    return open_with(self, ZS_HUGE_NEVER);
}

static int put(void *self, uint32_t i, const void *src, uint32_t len)
{
    struct values *v = self;
    return zs_store_put(v->store, src, len, &v->handles[i]);
}

static int get(void *self, uint32_t i, void *dst, uint32_t len)
{
    struct values *v = self;
    size_t got;
    int err = zs_store_get(v->store, v->handles[i], dst, len, &got);

    return err == 0 && got != len ? -EBADMSG : err;
}

static void drop(void *self, uint32_t i)
{
    struct values *v = self;
    zs_store_delete(v->store, v->handles[i]);
}

static int compact(void *self)
{
    struct values *v = self;
    return zs_compact(zs_pool_arena(zs_store_pool(v->store)), NULL);
}

const struct backend back_zspool = {
    .name = "zspool",
    .give_back = "zs_compact()",
    .ref_bytes = sizeof(zs_handle_t),
    .objects = &objects_pool,
    .is_in_use = is_in_use,
    .prepare = prepare,
    .open = open_store,
    .put = put,
    .get = get,
    .drop = drop,
    .compact = compact,
};

const struct backend back_zspool_small = {
    .name = "zspool-small",
    .give_back = "zs_compact()",
    .ref_bytes = sizeof(zs_handle_t),
    .objects = &objects_pool_small,
    .is_in_use = is_in_use,
    .prepare = prepare,
    .open = open_small,
    .put = put,
    .get = get,
    .drop = drop,
    .compact = compact,
};
