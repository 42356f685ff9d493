/* SPDX-License-Identifier: MIT */
/*
 * store.c - values in a pool: put, replace, delete.
 *
 * Words
 *   value    the embedder's bytes, as put
 *   payload  what is kept of them: compressed, raw, a pattern, a list of parts
 *   object   head, payload and checksum, contiguous: one object of the pool
 *
 * Idea
 *   put tries the cheapest first. A value that repeats eight bytes has no
 *   object at all: its handle's word says which pattern it is (patterns.h). One
 *   above ZS_PART_BYTES becomes parts and a list of them (parts.h). All others
 *   become one object (pack.c). get is unpack.c and store_get.c.
 *
 * Invariants
 *   S2  the counters are the sum over all values of what zs_stats_note() says
 *       of their headers
 *
 * Locking
 *   None of its own. replace and delete read the old header without a lock:
 *   two changers of one handle are for the caller to exclude.
 *
 * Cost
 *   Beyond the codec: put one copy of the object and one allocation; get a
 *   read section and the header. Nothing is allocated once a thread's context
 *   exists, but for the lists of values in parts.
 *
 * Not done
 *   What a value with a damaged header had added to the byte counters is not
 *   known any more and stays in them.
 */
#include "zspool/store.h"

#include <errno.h>
#include <stdbool.h>

#include "os.h"
#include "made.h"

#define LINE_HEADER_BYTES 4u /* of most values with a dictionary */

static int checksum_bytes_of(enum zs_checksum checksum, unsigned *out)
{
    switch (checksum) {
    case ZS_CHECKSUM_NONE:
        *out = 0;
        return 0;
    case ZS_CHECKSUM_XXH3_32:
        *out = 4;
        return 0;
    case ZS_CHECKSUM_XXH3_64:
        *out = 8;
        return 0;
    }
    return -EINVAL;
}

static int create_dicts(struct zs_store *store,
                        const struct zs_dict_config *cfg)
{
    const struct zs_dict_user user = {
        .codec = store->codec,
        .level = store->level,
        .cold_codec = store->recompress.codec,
        .cold_level = store->recompress.level,
        .beside_bytes = LINE_HEADER_BYTES + store->checksum_bytes,
    };

    return zs_dict_work_create(cfg, &user, zs_pool_arena(store->pool),
                               &store->worker, &store->dicts);
}

int zs_store_create(const struct zs_store_config *cfg, struct zs_store **out)
{
    static const struct zs_store_config defaults;
    struct zs_store *store;
    int err;

    cfg = cfg != NULL ? cfg : &defaults;
    zs_thread_ctx_init();
    store = zs_os.alloc(sizeof(*store));
    if (store == NULL) {
        return -ENOMEM;
    }
    err = -EINVAL;
    store->codec = zs_codec_get(cfg->codec);
    if (store->codec == NULL) {
        goto undo_alloc;
    }
    if (store->codec->resolve_level(cfg->level, &store->level) != 0 ||
        checksum_bytes_of(cfg->checksum, &store->checksum_bytes) != 0) {
        goto undo_codec;
    }
    err = zs_pool_create(&cfg->pool, &store->pool);
    if (err != 0) {
        goto undo_codec;
    }
    err = zs_recompress_init(store, &cfg->recompress);
    if (err != 0) {
        goto undo_pool;
    }
    zs_worker_init(&store->worker, zs_store_work, store);
    err = create_dicts(store, &cfg->dictionaries);
    if (err != 0) {
        goto undo_recompress;
    }
    zs_patterns_init(&store->patterns, zs_pool_arena(store->pool));
    store->fork.how = &zs_store_fork_ops;
    err = zs_fork_join(&store->fork);
    if (err != 0) {
        goto undo_dicts;
    }
    if (cfg->recompress.on && !cfg->recompress.no_thread) {
        zs_worker_poke(&store->worker);
    }
    *out = store;
    return 0;

undo_dicts:
    zs_patterns_destroy(&store->patterns);
    zs_dict_work_destroy(store->dicts);
undo_recompress:
    zs_worker_destroy(&store->worker);
    zs_recompress_destroy(store);
undo_pool:
    zs_pool_destroy(store->pool);
undo_codec:
    zs_codec_put(store->codec);
undo_alloc:
    zs_os.free(store);
    return err;
}

void zs_store_destroy(struct zs_store *store)
{
    if (store != NULL) {
        zs_fork_leave(&store->fork);
        zs_worker_destroy(&store->worker);
        zs_dict_work_destroy(store->dicts);
        zs_recompress_destroy(store);
        zs_patterns_destroy(&store->patterns);
        zs_pool_destroy(store->pool);
        zs_codec_put(store->codec);
        zs_os.free(store);
    }
}

struct zs_pool *zs_store_pool(const struct zs_store *store)
{
    return store->pool;
}

int zs_store_put(struct zs_store *store, const void *data, size_t len,
                 zs_handle_t *out)
{
    return zs_store_put_class(store, 0, data, len, out);
}

int zs_store_put_class(struct zs_store *store, unsigned class, const void *data,
                       size_t len, zs_handle_t *out)
{
    struct zs_made m;
    int err;

    zs_limit_refused = false;
    err = zs_make(store, class, data, len, &m);
    if (err == 0 && m.dict != NULL) { /* stored and counted: fork_store.c */
        zs_work_begin();
        err = zs_made_create(store, &m, out);
        zs_work_end();
    } else if (err == 0) {
        err = zs_made_create(store, &m, out);
    }
    return zs_store_error(err);
}

/* --- values that go --- */

/* After no new reader can find a value (L3): count it out. */
static void drop_dict(struct zs_store *store, unsigned number)
{
    if (number != 0 && store->dicts != NULL) {
        zs_dicts_count(&store->dicts->dicts, number, -1);
    }
}

/* Note that a value goes, in its read section. */
static void note_going(struct zs_store *store, const struct zs_reading *r,
                       int damaged, struct zs_store_stats *change)
{
    if (damaged) {
        change->n_values--; /* see "Not done" */
        return;
    }
    zs_stats_note(change, &r->value,
                  r->object != NULL ? store->checksum_bytes : 0, -1);
    if (r->value.kind == ZS_VALUE_IN_PARTS) {
        zs_parts_note(store, r, change, -1);
    }
}

int zs_store_replace(struct zs_store *store, zs_handle_t h, const void *data,
                     size_t len)
{
    return zs_store_replace_class(store, 0, h, data, len);
}

int zs_store_replace_class(struct zs_store *store, unsigned class,
                           zs_handle_t h, const void *data, size_t len)
{
    struct zs_reading old;
    struct zs_made m;
    int err, damaged;

    zs_limit_refused = false;
    err = zs_make(store, class, data, len, &m);
    if (err != 0) {
        return zs_store_error(err);
    }
    zs_work_begin(); /* as in a put */
    /* What the old value is, it stays for this section: C1 in cold_map.h. */
    zs_change_begin(&store->recompress.map, h.raw);
    damaged = zs_reading_begin(store, h, &old);
    if (m.as == ZS_MADE_BARE) {
        zs_bare_replace(store->pool, h, m.number);
    } else {
        err = zs_packed_replace(store, &m.packed, h);
    }
    if (err == 0) {
        note_going(store, &old, damaged, &m.change);
        drop_dict(store, damaged ? 0 : old.value.dictionary);
        if (!damaged && old.value.kind == ZS_VALUE_IN_PARTS) {
            zs_parts_free(store, &old, true);
        }
    }
    zs_reading_end(store);
    zs_change_end(&store->recompress.map);
    zs_made_end(store, &m, err);
    zs_work_end();
    return zs_store_error(err);
}

void zs_store_delete(struct zs_store *store, zs_handle_t h)
{
    struct zs_store_stats change = { 0 };
    struct zs_reading r;
    int damaged;

    zs_change_begin(&store->recompress.map, h.raw);
    damaged = zs_reading_begin(store, h, &r);
    note_going(store, &r, damaged, &change);
    if (!damaged && r.value.kind == ZS_VALUE_IN_PARTS) {
        zs_parts_free(store, &r, false);
    }
    zs_reading_end(store);
    if (r.object == NULL) {
        zs_bare_free(store->pool, h);
    } else {
        zs_free(store->pool, h);
    }
    zs_change_end(&store->recompress.map);
    drop_dict(store, damaged ? 0 : r.value.dictionary);
    zs_stats_commit(&store->counters, &change);
}

void zs_store_stats(struct zs_store *store, struct zs_store_stats *out)
{
    zs_stats_sum(&store->counters, out);
}
