/* SPDX-License-Identifier: MIT */
/* score.c - see score.h. */
#include "score.h"

#include <string.h>

#include "owner_ops.h"

/* Of smaller arenas a share is too little to work for: with hundreds of classes
 * in use their last zspages are more than that, and come and go. */
#define SMALL_BYTES (UINT64_C(128) << 20)

static uint64_t less(uint64_t a, uint64_t b)
{
    return a > b ? a - b : 0; /* counters are not of one moment */
}

/* Add what the pages of one type hold; returns how many of their bytes have
 * memory. (Those that owners withhold from use have none.) */
static uint64_t add_type(const struct zs_page_type *t, struct zs_score *s)
{
    struct zs_owner_weight w = { 0 };

    if (t->evacuation) {
        t->evacuation->weigh(t->evacuation_ctx, &w);
    } else if (!t->shrink || !t->shrink->withhold) {
        w.live = ZS_PAGE_BYTES *
                 atomic_load_explicit(&t->n_pages, memory_order_relaxed);
        w.resident = w.live;
    }
    s->live += w.live;
    s->gained += w.compacted;
    s->moved += w.compacted;
    return w.resident;
}

void zs_score_take(struct zs_arena *a, struct zs_score *s)
{
    struct zs_budget *b = &a->budget;
    uint64_t used = 0, metadata, withheld;

    ZS_ASSERT_HELD(&a->pass_lock);
    memset(s, 0, sizeof(*s));
    for (unsigned i = 1; i <= ZS_PAGE_TYPE_MAX; i++) {
        used += add_type(&a->types[i], s);
    }
    withheld = atomic_load_explicit(&b->withheld, memory_order_relaxed);
    metadata = atomic_load_explicit(&b->metadata, memory_order_relaxed);
    s->footprint =
        less(atomic_load_explicit(&b->used, memory_order_relaxed), withheld);
    s->resident = less(s->footprint, metadata);
    s->idle = less(s->resident, used);
    s->deferred = zs_grace_deferred(&a->grace);
    s->moved += ZS_PAGE_BYTES *
                atomic_load_explicit(&a->pages_migrated, memory_order_relaxed);
    zs_lock_acquire(&a->lock);
    s->gained += a->bytes_released;
    s->idle_blocks = (uint64_t)a->n_blocks_idle * ZS_BLOCK_BYTES;
    zs_lock_release(&a->lock);
}

uint64_t zs_score_waste(const struct zs_score *s, uint64_t reserve_bytes)
{
    uint64_t kept = s->idle < reserve_bytes ? s->idle : reserve_bytes;

    return less(s->resident, s->live + s->deferred + kept);
}

unsigned zs_score_permille(const struct zs_score *s, uint64_t reserve_bytes)
{
    uint64_t of = s->resident > SMALL_BYTES ? s->resident : SMALL_BYTES;

    return (unsigned)(zs_score_waste(s, reserve_bytes) * 1000 / of);
}
