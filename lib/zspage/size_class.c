/* SPDX-License-Identifier: MIT */
/*
 * size_class.c - which slot sizes exist, and how long their chains are.
 *
 * Words
 *   tail    the bytes of a zspage behind its last slot
 *   cost    memory of the objects of a class: pages, their descriptors, the
 *           zspages' structs and back references
 *   step    distance from one class to the next
 *
 * Idea
 *   A slot may span pages, so the sizes that waste nothing are k * 4096 / n:
 *   k pages cut into n slots, rounded down to a multiple of 4. With chains
 *   of up to 32 pages there are thousands, and we may take those we like. From
 *   each class we look at the sizes 3/4 of a step to one step further, take
 *   the one of least cost per byte, and widen it until its chain has no tail.
 *
 *      class 2048, step 24: looked at are 2064, 2068 and 2072. All do best
 *      with 63 slots on 32 pages, which have room for 2080 bytes each: the
 *      next class is 2080.
 *
 *   Close to a simple fraction of the page there is nothing to choose from:
 *   after 3968 (32 slots on 31 pages) the next is 4096, and then 4160 (63 on
 *   64). A size between two classes would cost what the upper one costs.
 *
 *   What a step should be: objects lose half a step each, and every class in
 *   use loses half a page and the metadata of its last zspage. With n objects
 *   per byte of size and a loss of l per class the sum is least at a step of
 *   sqrt(2 l / n), whatever the size. So steps are even, 24 bytes, and shorter
 *   only where sizes are small and objects many.
 *
 * Invariants
 *   C1  slot_bytes is a multiple of 4 and strictly increasing; the first is
 *       ZS_SMALLEST_CLASS_BYTES, the last ZS_LARGEST_CLASS_BYTES
 *   C2  n_slots == n_pages * 4096 / slot_bytes <= 1024, and slots of four
 *       bytes more would not fit as often (no hidden larger class)
 *   C3  n_pages >= min_pages, except where 1024 slots need fewer
 *   C4  above one page classes are at least ZS_CLASS_COARSE_GRANULE apart
 *
 * Locking
 *   None. The table is written once under pthread_once and only read after.
 *
 * Cost
 *   A lookup is one load, above one page two. Building takes about 2 ms, once
 *   a process. The figures behind the rule are in
 *   docs/decisions/0001-size-classes.md; bench/classsim makes them.
 *
 * Not done
 *   A second, coarser table for small pools; see the decision.
 */
#include "size_class.h"

#include <pthread.h>
#include <stdbool.h>

#include "check.h"

const struct zs_size_class_rule zs_size_class_default_rule = {
    .min_step_bytes = 4,
    .steps = 20,
    .max_step_bytes = 24,
    .large_steps = 48,
    .min_pages = 8,
    .max_pages = 32,
    .large_max_pages = 64,
    .expected_bytes = 128 * 1024,
    .longer_bytes = 32,
};

struct zs_size_class_table zs_size_classes;

/* What the cost counts beside the pages; docs/size-classes.md. */
enum { PAGE_DESCRIPTOR_BYTES = 8, ZSPAGE_BYTES = 64, BACK_REF_BYTES = 4 };

/* A stored page that did not shrink comes with a header of a few bytes. */
enum { RAW_PAGE_HEADER_ROOM = 16 };

static uint32_t smaller(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

static uint32_t round_down_4(uint32_t bytes)
{
    return bytes & ~UINT32_C(3);
}

/* What a full zspage of the class takes, metadata included. */
static uint64_t zspage_bytes(const struct zs_size_class *cl)
{
    uint64_t refs = ((uint64_t)cl->n_slots * BACK_REF_BYTES + 63) / 64 * 64;
    uint64_t page = ZS_CLASS_PAGE_BYTES + PAGE_DESCRIPTOR_BYTES;

    return cl->n_pages * page + ZSPAGE_BYTES + refs;
}

/* The cost of a class with the expected bytes of objects. */
static uint64_t class_cost(const struct zs_size_class_rule *rule,
                           const struct zs_size_class *cl)
{
    uint64_t objects = zspage_bytes(cl) * rule->expected_bytes /
                       ((uint64_t)cl->n_slots * cl->slot_bytes);
    uint64_t last_zspage = (uint64_t)cl->n_slots * BACK_REF_BYTES / 2;

    return objects + last_zspage + (uint64_t)cl->n_pages * rule->longer_bytes;
}

/* Is a byte of slot cheaper in a full zspage of a than in one of b? */
static bool wastes_less(const struct zs_size_class *a,
                        const struct zs_size_class *b)
{
    return zspage_bytes(a) * b->n_slots * b->slot_bytes <
           zspage_bytes(b) * a->n_slots * a->slot_bytes;
}

static struct zs_size_class cut(uint32_t slot_bytes, uint32_t n_pages)
{
    uint32_t n = n_pages * ZS_CLASS_PAGE_BYTES / slot_bytes;

    return (struct zs_size_class){
        .slot_bytes = slot_bytes,
        .n_slots = (uint16_t)smaller(n, ZS_MAX_SLOTS_PER_ZSPAGE),
        .n_pages = (uint16_t)n_pages,
    };
}

static uint32_t div_up(uint32_t a, uint32_t b)
{
    return (a + b - 1) / b;
}

/* The chain of least cost for slots of this size; the shortest of equals. */
static struct zs_size_class
cheapest_chain(const struct zs_size_class_rule *rule, uint32_t slot_bytes)
{
    uint32_t for_one = div_up(slot_bytes, ZS_CLASS_PAGE_BYTES);
    uint32_t for_all =
        div_up(slot_bytes * ZS_MAX_SLOTS_PER_ZSPAGE, ZS_CLASS_PAGE_BYTES);
    uint32_t min = larger(for_one, smaller(for_all, rule->min_pages));
    uint32_t max = slot_bytes <= ZS_CLASS_PAGE_BYTES ? rule->max_pages
                                                     : rule->large_max_pages;
    struct zs_size_class best = cut(slot_bytes, min);

    for (uint32_t pages = min + 1; pages <= max; pages++) {
        struct zs_size_class c = cut(slot_bytes, pages);

        if (class_cost(rule, &c) < class_cost(rule, &best)) {
            best = c;
        }
    }
    return best;
}

/* The class of slots of at least this size, widened to leave no tail. */
static struct zs_size_class class_for(const struct zs_size_class_rule *rule,
                                      uint32_t slot_bytes)
{
    struct zs_size_class cl = cheapest_chain(rule, slot_bytes);

    if (cl.n_slots < ZS_MAX_SLOTS_PER_ZSPAGE) {
        cl.slot_bytes =
            round_down_4(cl.n_pages * ZS_CLASS_PAGE_BYTES / cl.n_slots);
    }
    cl.slot_bytes = smaller(cl.slot_bytes, ZS_LARGEST_CLASS_BYTES);
    return cl;
}

static uint32_t step_after(const struct zs_size_class_rule *rule,
                           uint32_t prev_bytes)
{
    if (prev_bytes == ZS_CLASS_PAGE_BYTES) {
        return RAW_PAGE_HEADER_ROOM;
    }
    if (prev_bytes > ZS_CLASS_PAGE_BYTES) {
        return prev_bytes / rule->large_steps;
    }
    return larger(rule->min_step_bytes,
                  smaller(prev_bytes / rule->steps, rule->max_step_bytes));
}

/* The class that follows one of prev_bytes. */
static struct zs_size_class next_class(const struct zs_size_class_rule *rule,
                                       uint32_t prev_bytes)
{
    uint32_t step = step_after(rule, prev_bytes);
    uint32_t lo = round_down_4(prev_bytes + step - step / 4);
    uint32_t hi = round_down_4(prev_bytes + step);
    struct zs_size_class best;

    if (prev_bytes < ZS_CLASS_PAGE_BYTES) {
        hi = smaller(hi, ZS_CLASS_PAGE_BYTES); /* always a class itself */
    }
    hi = smaller(hi, ZS_LARGEST_CLASS_BYTES);
    lo = larger(lo, prev_bytes + 4);
    best = class_for(rule, hi);
    for (uint32_t bytes = lo; bytes < hi; bytes += 4) {
        struct zs_size_class c = class_for(rule, bytes);

        if (wastes_less(&c, &best)) {
            best = c;
        }
    }
    return best;
}

unsigned zs_size_classes_build(const struct zs_size_class_rule *rule,
                               struct zs_size_class *out, unsigned max)
{
    unsigned n = 0;

    ZS_CHECK(max > 0 && rule->min_step_bytes % 4 == 0);
    ZS_CHECK(rule->large_max_pages * ZS_CLASS_PAGE_BYTES >=
             ZS_LARGEST_CLASS_BYTES);
    out[n++] = class_for(rule, ZS_SMALLEST_CLASS_BYTES);
    while (out[n - 1].slot_bytes < ZS_LARGEST_CLASS_BYTES) {
        ZS_CHECK(n < max);
        out[n] = next_class(rule, out[n - 1].slot_bytes);
        n++;
    }
    return n;
}

static bool class_is_valid(const struct zs_size_class *cl, uint32_t prev_bytes)
{
    uint32_t apart = prev_bytes >= ZS_CLASS_PAGE_BYTES ? ZS_CLASS_COARSE_GRANULE
                                                       : ZS_CLASS_FINE_GRANULE;

    return cl->slot_bytes % 4 == 0 && cl->slot_bytes >= prev_bytes + apart &&
           cl->n_pages <= ZS_MAX_PAGES_PER_ZSPAGE && cl->n_slots >= 1 &&
           cl->n_slots <= ZS_MAX_SLOTS_PER_ZSPAGE &&
           cl->n_slots * cl->slot_bytes <= cl->n_pages * ZS_CLASS_PAGE_BYTES;
}

/* Enters the class for all sizes in (prev_bytes, its own]. */
static void index_class(struct zs_size_class_table *t, unsigned idx,
                        uint32_t prev_bytes)
{
    uint32_t end = t->classes[idx].slot_bytes;
    uint32_t g = ZS_CLASS_FINE_GRANULE;
    uint32_t fine_end = smaller(end, ZS_CLASS_PAGE_BYTES);

    for (uint32_t i = prev_bytes / g + 1; i <= fine_end / g; i++) {
        t->fine[i] = (uint16_t)idx; /* i * g: the largest size of entry i */
    }
    g = ZS_CLASS_COARSE_GRANULE;
    for (uint32_t i = prev_bytes / g + 1; i <= end / g; i++) {
        t->coarse[i] = (uint16_t)idx; /* i * g: the smallest */
    }
}

static void build_default_table(void)
{
    struct zs_size_class_table *t = &zs_size_classes;
    uint32_t prev_bytes = 0;
    unsigned n = zs_size_classes_build(&zs_size_class_default_rule, t->classes,
                                       ZS_MAX_SIZE_CLASSES);

    for (unsigned idx = 0; idx < n; idx++) {
        ZS_CHECK(class_is_valid(&t->classes[idx], prev_bytes)); /* C1 C2 C4 */
        index_class(t, idx, prev_bytes);
        prev_bytes = t->classes[idx].slot_bytes;
    }
    t->n_classes = n;
}

void zs_size_classes_init(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, build_default_table);
}
