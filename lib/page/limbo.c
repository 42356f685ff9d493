/* SPDX-License-Identifier: MIT */
/*
 * limbo.c - pages that wait for their last reader.
 *
 * Idea
 *   A page that migration has emptied, or that its owner has freed while the
 *   core held it or readers may look, is nobody's; but a reader that found it
 *   before may still be there. It is in LIMBO: on a list, linked through
 *   the descriptors' owner words, until a grace period has passed (grace.h).
 *
 * Locking: limbo_lock guards the three list heads.
 */
#include "page.h"

static struct zs_arena *arena_of(struct zs_grace_member *m)
{
    return (struct zs_arena *)((char *)m -
                               offsetof(struct zs_arena, limbo_member));
}

static zs_pfn_t last_of(struct zs_arena *a, zs_pfn_t pfn)
{
    while (zs_page_owner(a, pfn) != ZS_PFN_NONE) {
        pfn = zs_page_owner(a, pfn);
    }
    return pfn;
}

/* Put list `from` in front of list `to`. */
static void splice(struct zs_arena *a, zs_pfn_t *to, zs_pfn_t *from)
{
    if (*from != ZS_PFN_NONE) {
        zs_page_set_owner(a, last_of(a, *from), *to);
        *to = *from;
        *from = ZS_PFN_NONE;
    }
}

static void start(struct zs_grace_member *m, enum zs_round round)
{
    struct zs_arena *a = arena_of(m);

    zs_lock_acquire(&a->limbo_lock);
    splice(a, &a->limbo_round[round], &a->limbo_next);
    if (round == ZS_ROUND_FLUSH) {
        splice(a, &a->limbo_round[round], &a->limbo_round[ZS_ROUND_ASYNC]);
    }
    zs_lock_release(&a->limbo_lock);
}

static void finish(struct zs_grace_member *m, enum zs_round round)
{
    struct zs_arena *a = arena_of(m);
    zs_pfn_t pfn;

    zs_lock_acquire(&a->limbo_lock);
    pfn = a->limbo_round[round];
    a->limbo_round[round] = ZS_PFN_NONE;
    zs_lock_release(&a->limbo_lock);
    while (pfn != ZS_PFN_NONE) {
        zs_pfn_t next = zs_page_owner(a, pfn);

        zs_pages_reclaim(a, pfn, 1);
        zs_grace_uncount(&a->grace, ZS_PAGE_BYTES, 1);
        pfn = next;
    }
}

void zs_limbo_init(struct zs_arena *a)
{
    zs_lock_init(&a->limbo_lock, ZS_RANK_LIMBO);
    a->limbo_next = ZS_PFN_NONE;
    a->limbo_round[ZS_ROUND_ASYNC] = ZS_PFN_NONE;
    a->limbo_round[ZS_ROUND_FLUSH] = ZS_PFN_NONE;
    a->limbo_member.start = start;
    a->limbo_member.finish = finish;
    zs_grace_join(&a->grace, &a->limbo_member);
}

void zs_limbo_gather(struct zs_arena *a, struct zs_limbo_batch *batch,
                     zs_pfn_t pfn)
{
    if (batch->n == 0) {
        batch->last = pfn;
    } else {
        zs_page_set_owner(a, pfn, batch->first);
    }
    batch->first = pfn;
    batch->n++;
}

void zs_limbo_defer(struct zs_arena *a, const struct zs_limbo_batch *batch)
{
    if (batch->n == 0) {
        return;
    }
    zs_grace_count(&a->grace, (uint64_t)batch->n * ZS_PAGE_BYTES);
    zs_lock_acquire(&a->limbo_lock);
    zs_page_set_owner(a, batch->last, a->limbo_next);
    a->limbo_next = batch->first;
    zs_lock_release(&a->limbo_lock);
}

void zs_page_defer(struct zs_arena *a, zs_pfn_t pfn)
{
    struct zs_limbo_batch one = { 0 };

    zs_limbo_gather(a, &one, pfn);
    zs_limbo_defer(a, &one);
}

bool zs_deferred_is_full(struct zs_arena *a)
{
    uint64_t bound = (uint64_t)2 * ZS_BLOCK_BYTES;
    uint64_t share;

    zs_lock_acquire(&a->lock);
    share = a->n_pages_used * ZS_PAGE_BYTES / 100;
    zs_lock_release(&a->lock);
    return atomic_load_explicit(&a->grace.moved_bytes, memory_order_relaxed) >=
           (share > bound ? share : bound);
}
