/* SPDX-License-Identifier: MIT */
/* evict.c - a cache of two tenants that stays within its limits by itself: the
 * store asks for victims, and the oldest values go. */
#include <stdio.h>
#include <string.h>

#include <zspool/store.h>

#define N_VALUES 20000u
#define N_TENANTS 2u

static zs_handle_t ring[N_TENANTS][N_VALUES]; /* in the order of their puts */
static size_t oldest[N_TENANTS], newest[N_TENANTS];

static void evict(void *unused, struct zs_store *store, unsigned tenant,
                  uint64_t want_bytes)
{
    uint64_t freed = 0;

    (void)unused;
    while (freed < want_bytes && oldest[tenant] < newest[tenant]) {
        zs_handle_t h = ring[tenant][oldest[tenant]++];

        freed += zs_store_cost(store, h);
        zs_store_delete(store, h);
    }
}

static int put(struct zs_store *store, unsigned tenant, unsigned i)
{
    char value[200];
    int len = snprintf(value, sizeof(value),
                       "{\"tenant\":%u,\"id\":%u,\"name\":\"user %u\"}", tenant,
                       i, i * 7919);

    return zs_store_put_class(store, tenant, value, (size_t)len,
                              &ring[tenant][newest[tenant]++]);
}

int main(void)
{
    const struct zs_store_config cfg = { .eviction = { .evict = evict } };
    const struct zs_store_limits limits[N_TENANTS] = {
        { .soft_bytes = 900000, .hard_bytes = 1000000 },
        { .soft_bytes = 90000, .hard_bytes = 100000 },
    };
    struct zs_store_mem_stats s[N_TENANTS];
    struct zs_store *store = NULL;
    int err = zs_store_create(&cfg, &store);

    for (unsigned t = 0; err == 0 && t < N_TENANTS; t++) {
        err = zs_store_set_limits(store, t, &limits[t]);
    }
    for (unsigned i = 0; err == 0 && i < N_TENANTS * N_VALUES; i++) {
        err = put(store, i % N_TENANTS, i);
    }
    for (unsigned t = 0; err == 0 && t < N_TENANTS; t++) {
        err = zs_store_mem_stats(store, t, &s[t]);
        printf("tenant %u: %lu values of %lu bytes in %lu, asked %lu times\n",
               t, (unsigned long)s[t].n_values,
               (unsigned long)s[t].orig_data_size,
               (unsigned long)s[t].mem_used_total, (unsigned long)s[t].n_asked);
    }
    zs_store_destroy(store);
    if (err != 0) {
        fprintf(stderr, "evict: %s\n", strerror(-err));
    }
    return err != 0 || s[0].mem_used_max > 1000000 ||
           s[1].mem_used_max > 100000;
}
