/* SPDX-License-Identifier: MIT */
/* guarantee.c - see guarantee.h. The names in comments are those of the terms
 * in docs/guarantees.md. */
#include "guarantee.h"

#include <string.h>

#include "arena_impl.h"
#include "cache.h"
#include "pool_impl.h"

#define PAGE ((uint64_t)ZS_PAGE_BYTES)
#define RESERVE_BYTES ((uint64_t)2 << 20)
#define LOW_PERMILLE 7u
#define SMALL_BYTES ((uint64_t)128 << 20) /* the mark's share is of that much */
#define LEAST_CACHE_BYTES ((uint64_t)512 << 10)

static uint64_t div_up(uint64_t a, uint64_t b)
{
    return (a + b - 1) / b;
}

static uint64_t smaller(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static uint64_t larger(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

void census_add_object(struct census *c, uint64_t usable, uint64_t asked)
{
    c->n_live++;
    c->usable_bytes += usable;
    c->asked_bytes += asked;
    if (usable <= ZS_LARGEST_CLASS_BYTES) {
        c->n[zs_size_class_of(usable)]++;
    } else {
        c->n_runs++;
        c->run_pages += usable / PAGE;
    }
}

/* --- what the objects of a pool need, in zspages that are all full but one a
 * class --- */

struct need {
    uint64_t zspages, pages, chain_pages, chain_bytes, side_pages;
    uint64_t classes;     /* in use */
    uint64_t one_of_each; /* pages of a zspage of each of them */
};

static void add_class(struct need *need, const struct zs_size_class *cl,
                      uint64_t n)
{
    uint64_t zspages = div_up(n, cl->n_slots);
    uint64_t last = n % cl->n_slots;

    need->zspages += zspages;
    need->chain_pages += zspages * cl->n_pages;
    need->pages +=
        n / cl->n_slots * cl->n_pages + div_up(last * cl->slot_bytes, PAGE);
    need->chain_bytes +=
        zspages * (sizeof(struct zs_chain) + cl->n_pages * sizeof(zs_pfn_t));
    /* 16 entries are a granule, which lies in one page */
    need->side_pages += zspages * (cl->n_slots > 16 ? 2 : 1);
    need->classes += n > 0;
    need->one_of_each += n > 0 ? cl->n_pages : 0;
}

static struct need need_of(const struct census *c)
{
    struct need need = {
        .zspages = c->n_runs,
        .pages = c->run_pages,
        .chain_pages = c->run_pages,
        .side_pages = c->n_runs,
    };

    for (unsigned i = 0; i < zs_nr_size_classes(); i++) {
        add_class(&need, zs_size_class(i), c->n[i]);
    }
    return need;
}

/* --- metadata --- */

/* FIXED, and CACHES: of each thread */
static uint64_t fixed_bytes(const struct census *c)
{
    uint64_t cache = div_up(sizeof(struct zs_cache) +
                                zs_cache_sizes.n_handles * sizeof(uint32_t),
                            PAGE) *
                     PAGE;

    return sizeof(struct zs_pool) +
           (zs_nr_size_classes() + 1) * sizeof(struct zs_class) +
           c->n_threads * cache;
}

/* HANDLES: a page of the table is kept by one live handle in it, and there are
 * no more than there ever were. Beside them caches keep handles where the
 * table would have pages if the live ones lay in front. */
static uint64_t handle_bytes(const struct census *c)
{
    uint64_t most =
        div_up(c->peak_handles + ZS_HANDLES_TOGETHER, ZS_GROUP_HANDLES);
    uint64_t in_front = div_up(
        c->n_live + c->kept_handles + ZS_HANDLES_TOGETHER, ZS_GROUP_HANDLES);

    return smaller(most, c->n_live + in_front) * PAGE +
           most * sizeof(struct zs_handle_group);
}

/* ZSPAGES: maps of the two heaps, and the table of fast classes, keep what they
 * needed once. */
static uint64_t table_bytes(const struct census *c)
{
    uint64_t maps = 2 + c->peak_zspages / 32768 + c->peak_zspages / 512;
    uint64_t fast = div_up(2 * (c->peak_zspages + 1), PAGE);

    return (maps + fast) * PAGE;
}

/* ZSPAGES and SIDES: a page is kept by one zspage in it. (A side array is at
 * most a page.) */
static uint64_t heap_bytes(const struct census *c, uint64_t zspages,
                           uint64_t side_pages)
{
    uint64_t structs = smaller(div_up(c->peak_zspages + 1, 64), zspages + 1);

    return (structs + smaller(side_pages, c->peak_zspages + 1)) * PAGE;
}

static uint64_t pool_metadata(const struct census *c, const struct need *need)
{
    return fixed_bytes(c) + handle_bytes(c) + table_bytes(c) +
           heap_bytes(c, need->zspages, need->side_pages) + need->chain_bytes;
}

/* The same when not every zspage that could be emptied is. */
static uint64_t pool_metadata_at_most(const struct census *c)
{
    uint64_t chain =
        sizeof(struct zs_chain) + ZS_MAX_PAGES_PER_ZSPAGE * sizeof(zs_pfn_t);

    return fixed_bytes(c) + handle_bytes(c) + table_bytes(c) +
           heap_bytes(c, c->peak_zspages, c->peak_zspages) +
           c->peak_zspages * chain;
}

/* --- all of it --- */

/* BLOCKS: one for 512 pages in use; and for 33 with memory, where these lie
 * alone. */
static uint64_t most_blocks(uint64_t chain_pages, uint64_t pages)
{
    return div_up(chain_pages, ZS_BLOCK_PAGES) + 1 + pages / 33;
}

static uint64_t arena_fixed_bytes(const struct arena_census *a)
{
    return sizeof(struct zs_arena) +
           a->range_bytes / ZS_BLOCK_BYTES * sizeof(struct zs_block) +
           PAGE; /* the balloon */
}

/* What the thread leaves alone comes to it. */
static uint64_t with_waste(uint64_t live)
{
    return larger(live * 1000 / (1000 - LOW_PERMILLE),
                  live + SMALL_BYTES * LOW_PERMILLE / 1000);
}

void bounds_of(const struct arena_census *a, const struct census *pools,
               unsigned n_pools, struct bounds *out)
{
    uint64_t chain_pages = a->n_balloon_pages, pages = 0, usable = 0;
    uint64_t one_of_each = 0, resident, caches;

    memset(out, 0, sizeof(*out));
    out->metadata = arena_fixed_bytes(a);
    out->thread_metadata = out->metadata + (a->peak_blocks + 1) * PAGE;
    for (unsigned i = 0; i < n_pools; i++) {
        struct need need = need_of(&pools[i]);

        chain_pages += need.chain_pages;
        pages += need.pages;
        one_of_each += need.one_of_each;
        usable += pools[i].usable_bytes;
        out->metadata += pool_metadata(&pools[i], &need);
        out->thread_metadata += pool_metadata_at_most(&pools[i]);
    }
    out->blocks = most_blocks(chain_pages, pages);
    out->metadata += out->blocks * PAGE;
    resident = pages * PAGE;
    if (a->may_be_huge) {
        resident = resident * 100 / 97; /* HOLES */
    }
    out->resident = resident;
    out->work = (a->may_be_huge ? 5 : 2) * usable + 10 * one_of_each * PAGE +
                a->n_balloon_pages * PAGE;
    caches = n_pools * larger(LEAST_CACHE_BYTES, usable / 400);
    out->thread_resident =
        larger(resident, with_waste(usable + caches)) + RESERVE_BYTES;
}
