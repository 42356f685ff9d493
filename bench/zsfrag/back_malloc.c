/* SPDX-License-Identifier: MIT */
/*
 * back_malloc.c - glibc, jemalloc, mimalloc, tcmalloc: a value in a block of
 * malloc(), just as long as what is kept of it.
 *
 * One program for all four: which of them answers malloc() is decided by what
 * the worker was started with. The lengths of the blocks, which an embedder
 * must keep too, stand in an array of the tool and are not counted.
 */
#include <dlfcn.h>
#include <errno.h>
#include <malloc.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "codec.h"
#include "pages.h"

struct blocks {
    const struct plan *plan;
    struct codec codec;
    void *scratch;
    void **blocks;
    uint32_t *lens;
};

static void *prepare(const struct plan *plan, int device)
{
    struct blocks *b = pages_map(sizeof(*b));

    (void)device;
    if (b == NULL) {
        return NULL;
    }
    b->plan = plan;
    b->blocks = pages_map(plan->n_pieces * sizeof(b->blocks[0]));
    b->lens = pages_map(plan->n_pieces * sizeof(b->lens[0]));
    return b->blocks == NULL || b->lens == NULL ? NULL : b;
}

static int open_blocks(void *self)
{
    struct blocks *b = self;

    if (!codec_open(&b->codec, b->plan->codec)) {
        return -ENOMEM;
    }
    b->scratch = malloc(b->codec.ops->bound(b->plan->longest_bytes));
    return b->scratch != NULL ? 0 : -ENOMEM;
}

static int put(void *self, uint32_t i, const void *src, uint32_t len)
{
    struct blocks *b = self;
    const void *kept;
    uint32_t n = value_pack(&b->codec, src, len, b->scratch, &kept);
    void *block = malloc(n);

    if (block == NULL) {
        return -ENOMEM;
    }
    memcpy(block, kept, n);
    b->blocks[i] = block;
    b->lens[i] = n;
    return 0;
}

static int get(void *self, uint32_t i, void *dst, uint32_t len)
{
    struct blocks *b = self;
    return value_unpack(&b->codec, b->blocks[i], b->lens[i], dst, len)
               ? 0
               : -EBADMSG;
}

static void drop(void *self, uint32_t i)
{
    struct blocks *b = self;
    free(b->blocks[i]);
}

typedef int mallctl_fn(const char *, void *, size_t *, void *, size_t);
typedef void mi_collect_fn(bool);
typedef void release_fn(void);

/* Puts the address of a preloaded library's function into *fn (a pointer to
 * a function); false: there is none of that name. */
static bool find(const char *symbol, void *fn)
{
    void *address = dlsym(RTLD_DEFAULT, symbol);

    memcpy(fn, &address, sizeof(address));
    return address != NULL;
}

static bool is_jemalloc(void)
{
    mallctl_fn *fn;
    return find("mallctl", &fn);
}

static bool is_mimalloc(void)
{
    mi_collect_fn *fn;
    return find("mi_collect", &fn);
}

static bool is_tcmalloc(void)
{
    release_fn *fn;
    return find("MallocExtension_ReleaseFreeMemory", &fn);
}

static bool is_glibc(void)
{
    return !is_jemalloc() && !is_mimalloc() && !is_tcmalloc();
}

static int compact_glibc(void *self)
{
    (void)self;
    malloc_trim(0);
    return 0;
}

static int compact_jemalloc(void *self)
{
    mallctl_fn *mallctl;

    (void)self;
    if (!find("mallctl", &mallctl)) {
        return -ENOSYS;
    }
    mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
    /* 4096 is MALLCTL_ARENAS_ALL */
    return mallctl("arena.4096.purge", NULL, NULL, NULL, 0) == 0 ? 0 : -EIO;
}

static int compact_mimalloc(void *self)
{
    mi_collect_fn *collect;

    (void)self;
    if (!find("mi_collect", &collect)) {
        return -ENOSYS;
    }
    collect(true);
    return 0;
}

static int compact_tcmalloc(void *self)
{
    release_fn *release;

    (void)self;
    if (!find("MallocExtension_ReleaseFreeMemory", &release)) {
        return -ENOSYS;
    }
    release();
    return 0;
}

#define BLOCK_CALLS                                                            \
    .ref_bytes = 8, .objects = &objects_malloc, .prepare = prepare,            \
    .open = open_blocks, .put = put, .get = get, .drop = drop

const struct backend back_glibc = {
    .name = "glibc",
    .give_back = "malloc_trim(0)",
    .is_in_use = is_glibc,
    .compact = compact_glibc,
    BLOCK_CALLS,
};

const struct backend back_jemalloc = {
    .name = "jemalloc",
    .give_back = "mallctl thread.tcache.flush, arena.<all>.purge",
    .preload = { "libjemalloc.so.2" },
    .preload_env = "ZSFRAG_JEMALLOC",
    .is_in_use = is_jemalloc,
    .compact = compact_jemalloc,
    BLOCK_CALLS,
};

const struct backend back_mimalloc = {
    .name = "mimalloc",
    .give_back = "mi_collect(true)",
    .preload = { "libmimalloc.so.2", "libmimalloc.so.2.0" },
    .preload_env = "ZSFRAG_MIMALLOC",
    .is_in_use = is_mimalloc,
    .compact = compact_mimalloc,
    BLOCK_CALLS,
};

const struct backend back_tcmalloc = {
    .name = "tcmalloc",
    .give_back = "MallocExtension_ReleaseFreeMemory()",
    .preload = { "libtcmalloc_minimal.so.4", "libtcmalloc.so.4" },
    .preload_env = "ZSFRAG_TCMALLOC",
    .is_in_use = is_tcmalloc,
    .compact = compact_tcmalloc,
    BLOCK_CALLS,
};
