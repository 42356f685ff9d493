/* SPDX-License-Identifier: MIT */
/* backend.c - the allocators by name. */
#include "backend.h"

#include <stddef.h>
#include <string.h>

static const struct backend *const backends[] = {
    &back_zspool,   &back_zspool_small, &back_glibc, &back_jemalloc,
    &back_mimalloc, &back_tcmalloc,     &back_zram,
};

const struct backend *backend_find(const char *name)
{
    for (size_t i = 0; i < sizeof(backends) / sizeof(backends[0]); i++) {
        if (strcmp(backends[i]->name, name) == 0) {
            return backends[i];
        }
    }
    return NULL;
}
