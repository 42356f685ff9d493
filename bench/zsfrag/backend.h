/* SPDX-License-Identifier: MIT */
/*
 * backend.h - what every allocator is put behind.
 *
 * A worker calls: is_in_use, prepare, (first look at the footprint), open,
 * then the rest in any order. Memory of the tool itself is mapped in prepare
 * (pages.h); from open on everything counts. Nothing is ever closed: the
 * worker ends.
 */
#ifndef ZSFRAG_BACKEND_H
#define ZSFRAG_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "objects.h"
#include "plan.h"

struct backend {
    const char *name;
    /* The call that gives memory back, for people. */
    const char *give_back;
    /* What the embedder keeps for each value: a handle or a pointer. */
    unsigned ref_bytes;
    /* Libraries to preload, the first that works; none: { NULL }. */
    const char *preload[4];
    /* Names the library to preload instead; NULL: there is none. */
    const char *preload_env;
    /* Needs a zram device. */
    bool is_zram;

    /* Plain ones, for workloads; NULL: it has none. */
    const struct objects *objects;

    /* Is this allocator really the one of this process? */
    bool (*is_in_use)(void);
    /* NULL on failure; `device` is the number of the zram device. */
    void *(*prepare)(const struct plan *plan, int device);
    /* 0 or a negative errno, here and below. */
    int (*open)(void *self);
    int (*put)(void *self, uint32_t i, const void *src, uint32_t len);
    int (*get)(void *self, uint32_t i, void *dst, uint32_t len);
    void (*drop)(void *self, uint32_t i);
    int (*compact)(void *self);
    /* NULL: what the process has more than before open. */
    uint64_t (*footprint)(void *self);
};

extern const struct backend back_zspool;
extern const struct backend back_zspool_small; /* without huge pages */
extern const struct backend back_glibc;
extern const struct backend back_jemalloc;
extern const struct backend back_mimalloc;
extern const struct backend back_tcmalloc;
extern const struct backend back_zram;

/* NULL: no such allocator. */
const struct backend *backend_find(const char *name);

#endif /* ZSFRAG_BACKEND_H */
