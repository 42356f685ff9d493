/* SPDX-License-Identifier: MIT */
/* bench_compact - how fast memory comes back. */
#include <stdlib.h>
#include <string.h>

#include "bm.h"
#include "random.h"
#include "zspool/compactor.h"
#include "zspool/pool.h"

#define N_OBJECTS 32768u /* about 64 MiB */
#define MIN_BYTES 200u
#define MAX_BYTES 4000u

struct objects {
    struct zs_pool *pool;
    zs_handle_t handles[N_OBJECTS];
    uint64_t rng;
    char bytes[MAX_BYTES];
};

/* Fill the pool, then free a random share of it. */
static bool make_holes(struct objects *o, int64_t percent_freed)
{
    for (uint32_t i = 0; i < N_OBJECTS; i++) {
        size_t len = MIN_BYTES + random_below(&o->rng, MAX_BYTES - MIN_BYTES);
        if (zs_obj_create(o->pool, o->bytes, len, &o->handles[i]) != 0) {
            return false;
        }
    }
    for (uint32_t i = 0; i < N_OBJECTS; i++) {
        if (random_below(&o->rng, 100) < (uint32_t)percent_freed) {
            zs_free(o->pool, o->handles[i]);
            o->handles[i].raw = 0;
        }
    }
    return true;
}

static void free_rest(struct objects *o)
{
    for (uint32_t i = 0; i < N_OBJECTS; i++) {
        if (o->handles[i].raw != 0) {
            zs_free(o->pool, o->handles[i]);
        }
    }
}

static void turns(struct bm_run *run, struct objects *o, int64_t percent_freed)
{
    struct zs_compact_result r;
    uint64_t released = 0, moved = 0;

    while (bm_next(run)) {
        bm_pause(run);
        bool ok = make_holes(o, percent_freed);
        bm_resume(run);
        if (!ok || zs_compact(zs_pool_arena(o->pool), &r) != 0) {
            bm_skip(run, "no memory");
            break;
        }
        bm_pause(run);
        released += r.bytes_released;
        moved += r.bytes_moved + r.pages_migrated * ZS_PAGE_BYTES;
        free_rest(o);
        bm_resume(run);
    }
    bm_bytes(run, (int64_t)released);
    bm_metric(run, "moved_per_released",
              released == 0 ? 0 : (double)moved / (double)released);
}

/* Question: how fast is memory given back after a random share of all objects
 * is freed?  Unit: bytes given back per second, one thread, no readers. */
static void compact_objects(struct bm_run *run, int64_t percent_freed)
{
    struct objects *o = malloc(sizeof(*o));

    if (o == NULL || zs_pool_create(NULL, &o->pool) != 0) {
        bm_skip(run, "no pool");
        free(o);
        return;
    }
    o->rng = 1;
    memset(o->bytes, 'x', sizeof(o->bytes));
    turns(run, o, percent_freed);
    zs_pool_destroy(o->pool);
    free(o);
}

static const int64_t freed_percent[] = { 50, 75, 90, -1 };

const struct bm_case bm_cases[] = {
    { "compact/objects", compact_objects, freed_percent, "percent_freed", 0 },
    { 0 },
};
