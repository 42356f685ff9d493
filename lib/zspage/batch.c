/* SPDX-License-Identifier: MIT */
/*
 * batch.c - making and freeing many objects at once.
 *
 * A free through the cache is a look at the handle's slot word and little
 * else, so in a large pool it is one cache miss. For a group of handles the
 * misses overlap. (Looking at many objects: view.c.)
 */
#include "pool_impl.h"

#define GROUP 16u /* as many misses as a core has under way */

static void prefetch_words(const struct zs_pool *pool,
                           const zs_handle_t *handles, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        __builtin_prefetch(&pool->handles.slots[handles[i].raw], 1);
    }
}

void zs_free_batch(struct zs_pool *pool, const zs_handle_t *handles, size_t n)
{
    prefetch_words(pool, handles, n < GROUP ? n : GROUP);
    for (size_t i = 0; i < n; i++) {
        if (i + GROUP < n) {
            prefetch_words(pool, handles + i + GROUP, 1);
        }
        zs_free(pool, handles[i]);
    }
}

int zs_malloc_batch(struct zs_pool *pool, const size_t *sizes, size_t n,
                    zs_handle_t *out)
{
    for (size_t i = 0; i < n; i++) {
        int err = zs_malloc(pool, sizes[i], &out[i]);

        if (err) {
            zs_free_batch(pool, out, i);
            return err;
        }
    }
    return 0;
}
