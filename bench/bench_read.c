/* SPDX-License-Identifier: MIT */
/*
 * bench_read - what reading objects costs, beside reading blocks by pointers.
 *
 * All objects are of 64 to 512 bytes; which one is read is random. The twins
 * measure the blocks of whatever malloc() the program is started with. What was
 * filled once is kept for the next case of the same number, so that most of the
 * time goes into reading.
 */
#include <stdlib.h>
#include <string.h>

#include "bm.h"
#include "pool_for_all.h"
#include "random.h"
#include "zspool/movable_ops.h"

#define BATCH 64u /* objects; of one view or section, too */
#define MIN_BYTES 64u
#define MAX_BYTES 512u

/* By index, the same for all: no allocator has to be asked. */
static uint32_t size_at(uint32_t i)
{
    return MIN_BYTES + (i * 2654435761u >> 16) % (MAX_BYTES - MIN_BYTES + 1);
}

static uint64_t sum_bytes(const void *p, size_t len)
{
    const unsigned char *bytes = p;
    uint32_t sum = 0;

    for (size_t i = 0; i < len; i++) {
        sum += bytes[i];
    }
    return sum;
}

/* --- what is read --- */

static struct {
    uint32_t n;
    zs_handle_t *live;
    void **blocks;
} kept;

static void drop_kept(void)
{
    for (uint32_t i = 0; kept.blocks != NULL && i < kept.n; i++) {
        free(kept.blocks[i]);
    }
    if (kept.live != NULL) {
        zs_compactor_stop(shared_compactor);
        zs_pool_destroy(shared_pool);
    }
    free(kept.blocks);
    free(kept.live);
    memset(&kept, 0, sizeof(kept));
}

static const zs_handle_t *filled_pool(uint32_t n)
{
    static const char bytes[MAX_BYTES] = "written";

    if (kept.live != NULL && kept.n == n) {
        return kept.live;
    }
    drop_kept();
    shared_pool = make_shared_pool();
    kept.live = malloc(n * sizeof(kept.live[0]));
    kept.n = n;
    for (uint32_t i = 0; i < n; i++) {
        if (shared_pool == NULL || kept.live == NULL ||
            zs_obj_create(shared_pool, bytes, size_at(i), &kept.live[i]) != 0) {
            abort();
        }
    }
    return kept.live;
}

static void *const *filled_blocks(uint32_t n)
{
    if (kept.blocks != NULL && kept.n == n) {
        return kept.blocks;
    }
    drop_kept();
    kept.blocks = malloc(n * sizeof(kept.blocks[0]));
    kept.n = n;
    for (uint32_t i = 0; i < n; i++) {
        if (kept.blocks == NULL ||
            (kept.blocks[i] = malloc(size_at(i))) == NULL) {
            abort();
        }
        memset(kept.blocks[i], 1, size_at(i));
    }
    return kept.blocks;
}

/* --- the cases --- */

/* Question: what does it cost to look at 8 bytes of an object?  Unit:
 * ns/object. */
static void pool_read(struct bm_run *run, int64_t n)
{
    const zs_handle_t *live = filled_pool((uint32_t)n);
    char two_part[ZS_LOCAL_COPY_BYTES];
    uint64_t rng = 1, sum = 0, first;

    while (bm_next_batch(run, BATCH)) {
        for (unsigned i = 0; i < BATCH; i++) {
            uint32_t at = random_below(&rng, (uint32_t)n);

            memcpy(&first, zs_obj_read_begin(shared_pool, live[at], two_part),
                   sizeof(first));
            sum += first;
            zs_obj_read_end(shared_pool);
        }
    }
    bm_use(&sum);
}

static void malloc_read(struct bm_run *run, int64_t n)
{
    void *const *blocks = filled_blocks((uint32_t)n);
    uint64_t rng = 1, sum = 0, first;

    while (bm_next_batch(run, BATCH)) {
        for (unsigned i = 0; i < BATCH; i++) {
            memcpy(&first, blocks[random_below(&rng, (uint32_t)n)],
                   sizeof(first));
            sum += first;
        }
    }
    bm_use(&sum);
}

/* Question: and to sum all its bytes?  Unit: ns/object. */
static void pool_sum(struct bm_run *run, int64_t n)
{
    const zs_handle_t *live = filled_pool((uint32_t)n);
    char two_part[ZS_LOCAL_COPY_BYTES];
    uint64_t rng = 1, sum = 0;

    while (bm_next_batch(run, BATCH)) {
        for (unsigned i = 0; i < BATCH; i++) {
            uint32_t at = random_below(&rng, (uint32_t)n);

            sum += sum_bytes(zs_obj_read_begin(shared_pool, live[at], two_part),
                             size_at(at));
            zs_obj_read_end(shared_pool);
        }
    }
    bm_use(&sum);
}

/* Question: and where the embedder has a read section open anyhow, here one for
 * 64 objects?  Unit: ns/object. */
static void pool_peek_sum(struct bm_run *run, int64_t n)
{
    const zs_handle_t *live = filled_pool((uint32_t)n);
    char two_part[ZS_LOCAL_COPY_BYTES];
    uint64_t rng = 1, sum = 0;

    while (bm_next_batch(run, BATCH)) {
        zs_read_begin();
        for (unsigned i = 0; i < BATCH; i++) {
            uint32_t at = random_below(&rng, (uint32_t)n);

            sum += sum_bytes(zs_obj_peek(shared_pool, live[at], two_part),
                             size_at(at));
        }
        zs_read_end();
    }
    bm_use(&sum);
}

static uint64_t sum_view(const struct zs_view *v, size_t len)
{
    size_t first = len < v->part[0].iov_len ? len : v->part[0].iov_len;

    return sum_bytes(v->part[0].iov_base, first) +
           (first < len ? sum_bytes(v->part[1].iov_base, len - first) : 0);
}

/* Question: and with views of 64 objects at once?  Unit: ns/object. */
static void pool_batch_sum(struct bm_run *run, int64_t n)
{
    const zs_handle_t *live = filled_pool((uint32_t)n);
    struct zs_view views[BATCH];
    zs_handle_t handles[BATCH];
    uint32_t at[BATCH];
    uint64_t rng = 1, sum = 0;

    while (bm_next_batch(run, BATCH)) {
        for (unsigned i = 0; i < BATCH; i++) {
            at[i] = random_below(&rng, (uint32_t)n);
            handles[i] = live[at[i]];
        }
        zs_obj_view_begin(shared_pool, handles, BATCH, views);
        for (unsigned i = 0; i < BATCH; i++) {
            sum += sum_view(&views[i], size_at(at[i]));
        }
        zs_obj_read_end(shared_pool);
    }
    bm_use(&sum);
}

/* The plain loop over pointers: the twin of all three. */
static void malloc_sum(struct bm_run *run, int64_t n)
{
    void *const *blocks = filled_blocks((uint32_t)n);
    uint64_t rng = 1, sum = 0;

    while (bm_next_batch(run, BATCH)) {
        for (unsigned i = 0; i < BATCH; i++) {
            uint32_t at = random_below(&rng, (uint32_t)n);

            sum += sum_bytes(blocks[at], size_at(at));
        }
    }
    bm_use(&sum);
}

static const int64_t live_objects[] = { 1000, 1000000, -1 };

const struct bm_case bm_cases[] = {
    { "pool/read", pool_read, live_objects, "live_objects", 0 },
    { "pool/sum", pool_sum, live_objects, "live_objects", 0 },
    { "pool/peek_sum", pool_peek_sum, live_objects, "live_objects", 0 },
    { "pool/batch_sum", pool_batch_sum, live_objects, "live_objects", 0 },
    { "malloc/read", malloc_read, live_objects, "live_objects", 0 },
    { "malloc/sum", malloc_sum, live_objects, "live_objects", 0 },
    { "malloc/peek_sum", malloc_sum, live_objects, "live_objects", 0 },
    { "malloc/batch_sum", malloc_sum, live_objects, "live_objects", 0 },
    { 0 },
};
