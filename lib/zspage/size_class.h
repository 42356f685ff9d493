/* SPDX-License-Identifier: MIT */
/*
 * size_class.h - the table of size classes, and which class holds a size.
 *
 *     zs_size_classes_init();                  once, before the first lookup
 *     unsigned idx = zs_size_class_of(300);
 *     const struct zs_size_class *cl = zs_size_class(idx);
 *
 * The table is the same in every process and never changes after init.
 * Threads: init may be called by several threads at once; the rest only reads.
 */
#ifndef ZS_LIB_SIZE_CLASS_H
#define ZS_LIB_SIZE_CLASS_H

#include <stddef.h>
#include <stdint.h>

#include "check.h"

#define ZS_CLASS_PAGE_BYTES 4096u
#define ZS_MAX_SLOTS_PER_ZSPAGE 1024u /* 10 bits of index in a slot word */

#define ZS_SMALLEST_CLASS_BYTES 8u
#define ZS_LARGEST_CLASS_BYTES 65536u
#define ZS_MAX_SIZE_CLASSES 384u    /* for static arrays; checked when built */
#define ZS_MAX_PAGES_PER_ZSPAGE 64u /* longest chain; checked when built */

/* n_slots * slot_bytes <= n_pages * ZS_CLASS_PAGE_BYTES */
struct zs_size_class {
    uint32_t slot_bytes; /* multiple of 4; the class index orders by it */
    uint16_t n_slots;
    uint16_t n_pages;
};

/*
 * What decides a table. A step is the distance from one class to the next;
 * it may be longer where no chain offers anything between.
 */
struct zs_size_class_rule {
    uint32_t min_step_bytes;  /* multiple of 4 */
    uint32_t steps;           /* up to one page a step is size / steps, */
    uint32_t max_step_bytes;  /* but not more than this */
    uint32_t large_steps;     /* above one page it is size / large_steps */
    uint32_t min_pages;       /* of a chain, where 1024 slots allow it */
    uint32_t max_pages;       /* of a chain, sizes up to one page */
    uint32_t large_max_pages; /* of a chain, sizes above one page */
    uint32_t expected_bytes;  /* of objects in a class, and what one page */
    uint32_t longer_bytes;    /* more in its chain must save of their cost */
};

/* The rule of the library's own table. docs/decisions/0001 says why. */
extern const struct zs_size_class_rule zs_size_class_default_rule;

/*
 * Builds the table of a rule into @p out, smallest class first; pure.
 * Returns the number of classes; more than max stops the process.
 */
unsigned zs_size_classes_build(const struct zs_size_class_rule *rule,
                               struct zs_size_class *out, unsigned max);

/* Builds the library's table, the first time it is called. */
void zs_size_classes_init(void);

/*
 * The built table and its index. Sizes up to one page find their class by
 * one load. Above, no granule holds the ends of two classes: the load gives
 * the class of the granule's first size, and a compare with the size of that
 * class says whether it is the next one.
 */
#define ZS_CLASS_FINE_GRANULE 4u
#define ZS_CLASS_COARSE_GRANULE 64u

struct zs_size_class_table {
    unsigned n_classes; /* 0: not built yet */
    uint16_t fine[ZS_CLASS_PAGE_BYTES / ZS_CLASS_FINE_GRANULE + 1];
    uint16_t coarse[ZS_LARGEST_CLASS_BYTES / ZS_CLASS_COARSE_GRANULE + 1];
    struct zs_size_class classes[ZS_MAX_SIZE_CLASSES];
};

extern struct zs_size_class_table zs_size_classes; /* set once by init */

static inline unsigned zs_nr_size_classes(void)
{
    ZS_ASSERT(zs_size_classes.n_classes != 0);
    return zs_size_classes.n_classes;
}

static inline const struct zs_size_class *zs_size_class(unsigned idx)
{
    ZS_ASSERT(idx < zs_size_classes.n_classes);
    return &zs_size_classes.classes[idx];
}

/* The smallest class that holds bytes, 1 .. ZS_CLASS_PAGE_BYTES. */
static inline unsigned zs_size_class_of_small(size_t bytes)
{
    ZS_ASSERT(zs_size_classes.n_classes != 0);
    ZS_ASSERT(bytes - 1 < ZS_CLASS_PAGE_BYTES);
    return zs_size_classes
        .fine[(bytes + ZS_CLASS_FINE_GRANULE - 1) / ZS_CLASS_FINE_GRANULE];
}

/* The smallest class that holds bytes, 1 .. ZS_LARGEST_CLASS_BYTES. */
static inline unsigned zs_size_class_of(size_t bytes)
{
    const struct zs_size_class_table *t = &zs_size_classes;
    unsigned idx;

    ZS_ASSERT(t->n_classes != 0);
    ZS_ASSERT(bytes - 1 < ZS_LARGEST_CLASS_BYTES);
    if (bytes <= ZS_CLASS_PAGE_BYTES) {
        return zs_size_class_of_small(bytes);
    }
    idx = t->coarse[bytes / ZS_CLASS_COARSE_GRANULE];
    return idx + (bytes > t->classes[idx].slot_bytes);
}

#endif /* ZS_LIB_SIZE_CLASS_H */
