/* SPDX-License-Identifier: MIT */
/* policy.c - see policy.h. */
#include "policy.h"

#include <stdlib.h>

#include "zspool/arena.h"

#define BLOCK_PAGES (ZS_BLOCK_BYTES / ZS_PAGE_BYTES)
#define STEPS 16u
/* Giving back 512 small pages takes as long as moving so many bytes; a huge
 * page goes at once (docs/decisions/0007). */
#define SMALL_PAGES_COST (ZS_BLOCK_BYTES / 4)

static unsigned cost(const struct zs_block_figures *f)
{
    uint64_t bytes = f->live_bytes + f->bare_bytes;

    if (!f->huge) {
        bytes += SMALL_PAGES_COST;
    }
    return (unsigned)(bytes * STEPS / ZS_BLOCK_BYTES);
}

/* What a victim gives back, in percent of its memory. */
static bool is_worth_it(const struct zs_block_figures *f)
{
    uint64_t resident = (uint64_t)f->n_resident * ZS_PAGE_BYTES;

    return f->n_fixed == 0 && !f->skip && resident > 0 &&
           f->live_bytes * 100 <= resident * (100 - ZS_POLICY_MIN_GAIN_PERCENT);
}

/* Cheapest first, and of those the highest; blocks that cannot be emptied, or
 * are not worth it, at the end. */
static int by_cost(const void *pa, const void *pb)
{
    const struct zs_block_figures *a = pa;
    const struct zs_block_figures *b = pb;

    if (is_worth_it(a) != is_worth_it(b)) {
        return is_worth_it(a) ? -1 : 1;
    }
    if (cost(a) != cost(b)) {
        return cost(a) < cost(b) ? -1 : 1;
    }
    return a->block > b->block ? -1 : a->block < b->block;
}

/* Room that everything in use needs. */
static uint64_t total_room(const struct zs_block_figures *f, size_t n)
{
    uint64_t room = 0;

    for (size_t i = 0; i < n; i++) {
        room += f[i].live_bytes + f[i].bare_bytes;
    }
    return room;
}

size_t zs_policy_choose(struct zs_block_figures *f, size_t n)
{
    uint64_t need = (total_room(f, n) + ZS_BLOCK_BYTES - 1) / ZS_BLOCK_BYTES;
    size_t victims = n > need ? n - (size_t)need : 0;

    qsort(f, n, sizeof(*f), by_cost);
    for (size_t i = 0; i < victims; i++) {
        if (!is_worth_it(&f[i])) {
            return i; /* so are all behind it */
        }
    }
    return victims;
}

uint64_t zs_policy_gain(const struct zs_block_figures *f, size_t n)
{
    uint64_t live = 0;
    uint64_t resident = 0;

    for (size_t i = 0; i < n; i++) {
        if (!f[i].skip) {
            live += f[i].live_bytes;
            resident += (uint64_t)f[i].n_resident * ZS_PAGE_BYTES;
        }
    }
    return resident > live ? resident - live : 0;
}

bool zs_policy_wants_pass(const struct zs_block_figures *f, size_t n,
                          unsigned wasted_percent)
{
    uint64_t resident = 0;

    for (size_t i = 0; i < n; i++) {
        resident += (uint64_t)f[i].n_resident * ZS_PAGE_BYTES;
    }
    return zs_policy_gain(f, n) * 100 > resident * wasted_percent;
}
