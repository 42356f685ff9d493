/* SPDX-License-Identifier: MIT */
/*
 * objects.h - plain objects of an allocator: no codec, no store.
 *
 * One allocator a process, so there is no `self`. `ref` is what the embedder
 * keeps: a pointer or a handle.
 */
#ifndef ZSFRAG_OBJECTS_H
#define ZSFRAG_OBJECTS_H

#include <stdbool.h>
#include <stdint.h>

#include "load.h"

struct objects {
    /* With everything that runs beside it. 0 or a negative errno. */
    int (*open)(void);
    int (*put)(const void *src, uint32_t len, uint64_t *ref);
    bool (*is_same)(uint64_t ref, const void *src, uint32_t len);
    void (*drop)(uint64_t ref);
    /* Fills in what the allocator knows of itself; NULL: nothing. */
    void (*tell)(struct load_detail *out);
};

extern const struct objects objects_malloc;
extern const struct objects objects_pool;       /* compactor at defaults */
extern const struct objects objects_pool_small; /* without huge pages */

#endif /* ZSFRAG_OBJECTS_H */
