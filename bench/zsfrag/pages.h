/* SPDX-License-Identifier: MIT */
/*
 * pages.h - memory of the tool itself: mapped, never from malloc, and touched
 * at once, so that it disturbs no heap and is in the first footprint.
 */
#ifndef ZSFRAG_PAGES_H
#define ZSFRAG_PAGES_H

#include <stddef.h>
#include <string.h>
#include <sys/mman.h>

/* Zeroed, resident; NULL when there is no memory. Never given back. */
static inline void *pages_map(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    return p == MAP_FAILED ? NULL : p;
}

/* The same, in huge pages where there are some: tables that are read at random
 * should cost little beside what is measured. */
static inline void *pages_map_huge(size_t bytes)
{
    void *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED) {
        return NULL;
    }
    (void)madvise(p, bytes, MADV_HUGEPAGE);
    return memset(p, 0, bytes);
}

#endif /* ZSFRAG_PAGES_H */
