/* SPDX-License-Identifier: MIT */
/* bench_compact - how fast memory comes back. */
#include <stdlib.h>
#include <string.h>

#include "bm.h"
#include "random.h"
#include "zspool/compactor.h"
#include "zspool/pool.h"

#define MIB ((size_t)1 << 20)
#define MIN_BYTES 300u
#define MAX_BYTES 4096u

struct objects {
    struct zs_pool *pool;
    size_t n;
    uint32_t min_bytes, max_bytes;
    uint64_t rng;
    zs_handle_t *handles;
    char bytes[MAX_BYTES];
};

static size_t random_size(struct objects *o)
{
    return o->min_bytes == o->max_bytes
               ? o->min_bytes
               : o->min_bytes +
                     random_below(&o->rng, o->max_bytes - o->min_bytes);
}

/* Fill the pool, compact it as far as it goes, then free a random share. */
static bool make_holes(struct objects *o, int64_t percent_freed)
{
    for (size_t i = 0; i < o->n; i++) {
        if (zs_obj_create(o->pool, o->bytes, random_size(o), &o->handles[i]) !=
            0) {
            return false;
        }
    }
    if (zs_compact(zs_pool_arena(o->pool), NULL) != 0) {
        return false;
    }
    for (size_t i = 0; i < o->n; i++) {
        if (random_below(&o->rng, 100) < (uint32_t)percent_freed) {
            zs_free(o->pool, o->handles[i]);
            o->handles[i].raw = 0;
        }
    }
    return true;
}

static void free_rest(struct objects *o)
{
    for (size_t i = 0; i < o->n; i++) {
        if (o->handles[i].raw != 0) {
            zs_free(o->pool, o->handles[i]);
            o->handles[i].raw = 0;
        }
    }
}

static void report(struct bm_run *run, const struct zs_compact_result *sum)
{
    double moved =
        (double)(sum->bytes_moved + sum->pages_migrated * ZS_PAGE_BYTES);
    double ns = (double)sum->duration_ns;

    bm_bytes(run, (int64_t)sum->bytes_released);
    if (sum->bytes_released > 0 && sum->objects_moved > 0) {
        bm_metric(run, "moved_per_released",
                  moved / (double)sum->bytes_released);
        bm_metric(run, "moved_gb_per_s", moved / ns);
        bm_metric(run, "ns_per_object", ns / (double)sum->objects_moved);
        bm_metric(run, "ns_per_released_kib",
                  ns / ((double)sum->bytes_released / 1024));
    }
}

static void turns(struct bm_run *run, struct objects *o, int64_t percent_freed)
{
    struct zs_compact_result sum = { 0 };

    while (bm_next(run)) {
        struct zs_compact_result r;

        bm_pause(run);
        bool ok = make_holes(o, percent_freed);
        bm_resume(run);
        if (!ok || zs_compact(zs_pool_arena(o->pool), &r) != 0) {
            bm_skip(run, "no memory");
            break;
        }
        bm_pause(run);
        sum.bytes_released += r.bytes_released;
        sum.bytes_moved += r.bytes_moved;
        sum.objects_moved += r.objects_moved;
        sum.pages_migrated += r.pages_migrated;
        sum.duration_ns += r.duration_ns;
        free_rest(o);
        bm_resume(run);
    }
    report(run, &sum);
}

static void compact(struct bm_run *run, size_t bytes, uint32_t min_bytes,
                    uint32_t max_bytes, int64_t percent_freed)
{
    struct objects *o = calloc(1, sizeof(*o));

    if (o != NULL) {
        o->n = bytes / ((min_bytes + max_bytes) / 2);
        o->handles = calloc(o->n, sizeof(o->handles[0]));
    }
    if (o == NULL || o->handles == NULL ||
        zs_pool_create(NULL, &o->pool) != 0) {
        bm_skip(run, "no pool");
    } else {
        o->min_bytes = min_bytes;
        o->max_bytes = max_bytes;
        o->rng = 1;
        memset(o->bytes, 'x', sizeof(o->bytes));
        turns(run, o, percent_freed);
        zs_pool_destroy(o->pool);
    }
    if (o != NULL) {
        free(o->handles);
    }
    free(o);
}

/* Question: how fast is memory given back after a random share of all objects
 * is freed, 256 MiB of them, of the sizes of compressed pages?  Unit: bytes
 * given back per second, one thread, no readers. */
static void compact_pages(struct bm_run *run, int64_t percent_freed)
{
    compact(run, 256 * MIB, MIN_BYTES, MAX_BYTES, percent_freed);
}

/* Question: what does an object cost that is moved?  Unit: ns_per_object; 64
 * MiB of objects of ARG bytes, half of them freed. */
static void compact_objects(struct bm_run *run, int64_t bytes)
{
    compact(run, 64 * MIB, (uint32_t)bytes, (uint32_t)bytes, 50);
}

/* Question: does a byte given back cost the same in a large pool as in a small
 * one?  Unit: ns_per_released_kib; ARG MiB of compressed pages, half of them
 * freed. (4096 takes 5 GiB.) */
static void compact_pool(struct bm_run *run, int64_t mib)
{
    compact(run, (size_t)mib * MIB, MIN_BYTES, MAX_BYTES, 50);
}

static const int64_t freed_percent[] = { 50, 75, 90, -1 };
static const int64_t object_bytes[] = { 100, 1000, -1 };
static const int64_t pool_mib[] = { 64, 256, 1024, 4096, -1 };

const struct bm_case bm_cases[] = {
    { "compact/pages", compact_pages, freed_percent, "percent_freed", 0 },
    { "compact/objects", compact_objects, object_bytes, "object_bytes", 0 },
    { "compact/pool", compact_pool, pool_mib, "pool_mib", 0 },
    { 0 },
};
