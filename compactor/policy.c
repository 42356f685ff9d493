/* SPDX-License-Identifier: MIT */
/* policy.c - see policy.h. */
#include "policy.h"

#include <errno.h>
#include <stdlib.h>

#include "pace.h"
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
    if (f->age_ticks < ZS_POLICY_YOUNG_TICKS) {
        bytes += ZS_BLOCK_BYTES / STEPS;
    }
    return (unsigned)(bytes * STEPS / ZS_BLOCK_BYTES);
}

/* What a victim gives back, in percent of its memory: with its last page goes
 * the one that holds its descriptors. */
static bool is_worth_it(const struct zs_block_figures *f)
{
    uint64_t memory = ((uint64_t)f->n_resident + 1) * ZS_PAGE_BYTES;

    return f->n_fixed == 0 && !f->skip && f->n_resident > 0 &&
           f->live_bytes * 100 <= memory * (100 - ZS_POLICY_MIN_GAIN_PERCENT);
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

#define DEFAULT_LOW_PERMILLE 7u
#define DEFAULT_HIGH_PERMILLE 10u
#define DEFAULT_SHARE_PERCENT 5u
#define DEFAULT_RESERVE_BYTES ((uint64_t)ZS_BLOCK_BYTES)
#define DEFAULT_DECAY_NS UINT64_C(500000000)

static void default_u(unsigned *field, unsigned value)
{
    *field = *field ? *field : value;
}

static void default_u64(uint64_t *field, uint64_t value)
{
    *field = *field ? *field : value;
}

static unsigned max_u(unsigned a, unsigned b)
{
    return a > b ? a : b;
}

int zs_policy_complete_budget(struct zs_compact_budget *b)
{
    default_u(&b->low_permille,
              b->high_permille && b->high_permille < DEFAULT_LOW_PERMILLE
                  ? b->high_permille
                  : DEFAULT_LOW_PERMILLE);
    default_u(&b->high_permille, max_u(b->low_permille, DEFAULT_HIGH_PERMILLE));
    default_u(&b->share_percent,
              b->max_share_percent &&
                      b->max_share_percent < DEFAULT_SHARE_PERCENT
                  ? b->max_share_percent
                  : DEFAULT_SHARE_PERCENT);
    default_u(&b->max_share_percent, 100);
    default_u64(&b->step_ns, ZS_STEP_NS);
    default_u(&b->step_bytes, ZS_STEP_BYTES);
    default_u(&b->step_objects, ZS_STEP_OBJECTS);
    default_u64(&b->reserve_bytes, DEFAULT_RESERVE_BYTES);
    default_u64(&b->decay_ns, DEFAULT_DECAY_NS);
    return b->high_permille > 1000 || b->low_permille > b->high_permille ||
                   b->max_share_percent > 100 ||
                   b->share_percent > b->max_share_percent ||
                   b->step_objects > ZS_STEP_OBJECTS
               ? -EINVAL
               : 0;
}

unsigned zs_policy_share(const struct zs_compact_budget *b,
                         unsigned waste_permille, bool working)
{
    unsigned low = b->low_permille;
    unsigned high = b->high_permille;
    unsigned above;

    if (waste_permille < (working ? low - low / 4 : low)) {
        return 0;
    }
    above = waste_permille > high ? waste_permille - high : 0;
    above = above < high ? above : high;
    return b->share_percent +
           (b->max_share_percent - b->share_percent) * above / high;
}

uint64_t zs_policy_reserve(const struct zs_compact_budget *b)
{
    return b->reserve_bytes == ZS_RESERVE_NOTHING ? 0 : b->reserve_bytes;
}

uint64_t zs_policy_keep(const struct zs_compact_budget *b, uint64_t idle,
                        uint64_t passed_ns)
{
    uint64_t reserve = zs_policy_reserve(b);
    uint64_t beyond = idle > reserve ? idle - reserve : 0;
    uint64_t halvings = passed_ns / b->decay_ns;

    if (halvings >= 64) {
        return idle - beyond;
    }
    beyond >>= halvings;
    /* of a half that is under way, a part: straight, a little too much */
    beyond -=
        (uint64_t)((double)beyond / 2 * (double)(passed_ns % b->decay_ns) /
                   (double)b->decay_ns);
    return (idle < reserve ? idle : reserve) + beyond;
}
