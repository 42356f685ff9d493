/* SPDX-License-Identifier: MIT */
/* embed.c - the shortest honest use of zspool; valid C and C++. */
#include <stdio.h>
#include <string.h>

#include <zspool/compactor.h>
#include <zspool/store.h>

/* 0 or a negative errno, as everything in zspool. */
static int put_and_get(struct zs_store *store)
{
    const char value[] = "a page, a page, a page, a page, a page, a page";
    char back[sizeof(value)];
    zs_handle_t h;
    size_t len;
    int err = zs_store_put(store, value, sizeof(value), &h);

    if (err == 0) {
        struct zs_store_stats stats;

        err = zs_store_get(store, h, back, sizeof(back), &len);
        zs_store_stats(store, &stats);
        zs_store_delete(store, h);
#define PRINT(name, text) printf("%4d  %s\n", (int)stats.name, text);
        ZS_STORE_STATS(PRINT)
    }
    return err;
}

int main(void)
{
    static struct zs_store_config cfg; /* all zero: the defaults */
    struct zs_store *store = NULL;
    struct zs_compactor *compactor = NULL;
    int err;

    cfg.pool.private_arena.limit_bytes = (size_t)64 * 1024 * 1024;
    err = zs_store_create(&cfg, &store);
    if (err == 0) {
        err = zs_compactor_start(zs_pool_arena(zs_store_pool(store)), NULL,
                                 &compactor);
    }
    if (err == 0) {
        err = put_and_get(store);
    }
    zs_compactor_stop(compactor); /* both allow NULL */
    zs_store_destroy(store);
    if (err != 0) {
        fprintf(stderr, "embed: %s\n", strerror(-err));
    }
    return err != 0;
}
