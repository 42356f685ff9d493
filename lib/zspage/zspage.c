/* SPDX-License-Identifier: MIT */
/* zspage.c - slots and bytes of one zspage; see zspage.h. */
#include "zspage.h"

#include <stdio.h>
#include <string.h>

#include "stream.h"

/* --- bytes --- */

void zspage_copy_in(const struct zs_arena *a, struct zspage *zp, size_t at,
                    const void *data, size_t len)
{
    const char *from = data;

    while (len > 0) {
        size_t part;
        char *to = zspage_bytes(a, zp, at, len, &part);

        memcpy(to, from, part);
        at += part;
        from += part;
        len -= part;
    }
}

void zspage_copy_out(const struct zs_arena *a, const struct zspage *zp,
                     size_t at, void *data, size_t len)
{
    char *to = data;

    while (len > 0) {
        size_t part;
        const char *from = zspage_bytes(a, zp, at, len, &part);

        memcpy(to, from, part);
        at += part;
        to += part;
        len -= part;
    }
}

void zspage_copy(const struct zs_arena *a, struct zspage *dst, size_t dst_at,
                 const struct zspage *src, size_t src_at, size_t len)
{
    while (len > 0) {
        size_t part;
        const char *from = zspage_bytes(a, src, src_at, len, &part);

        zspage_copy_in(a, dst, dst_at, from, part);
        src_at += part;
        dst_at += part;
        len -= part;
    }
}

void zspage_stream(const struct zs_arena *a, struct zspage *dst, size_t dst_at,
                   const struct zspage *src, size_t src_at, size_t len,
                   const char *ahead)
{
    while (len > 0) {
        size_t part;
        const char *from = zspage_bytes(a, src, src_at, len, &part);
        char *to = zspage_bytes(a, dst, dst_at, part, &part);

        zs_stream_copy(to, (size_t)(to - a->base), from, part, ahead);
        ahead += part;
        src_at += part;
        dst_at += part;
        len -= part;
    }
}

bool zspage_owns(const struct zspage *zp, zs_pfn_t pfn, unsigned place)
{
    uint32_t first = atomic_load_explicit(&zp->first, memory_order_acquire);
    const struct zs_chain *chain;

    if (first != 0) {
        return pfn >= first - 1 && pfn - (first - 1) < zp->n_pages;
    }
    chain = atomic_load_explicit(&zp->chain, memory_order_acquire);
    return chain && place < chain->n && zs_chain_page(chain, place) == pfn;
}

/* --- slots --- */

unsigned zspage_n_resident_slots(const struct zspage *zp)
{
    size_t n =
        (size_t)zp->n_resident_pages * ZS_PAGE_BYTES / zspage_slot_bytes(zp);

    return n < zp->n_slots ? (unsigned)n : zp->n_slots;
}

unsigned zspage_take_slot(struct zspage *zp, uint32_t *side, uint32_t handle)
{
    unsigned idx;

    if (zp->free_head != ZS_NO_LINK) {
        idx = zp->free_head;
        zp->free_head = (uint16_t)(side[idx] & ZS_NO_LINK);
    } else {
        idx = zp->fresh++;
    }
    ZS_ASSERT(idx < zspage_n_resident_slots(zp));
    side[idx] = handle;
    zp->n_live++;
    return idx;
}

void zspage_give_slot(struct zspage *zp, uint32_t *side, unsigned idx)
{
    ZS_ASSERT(zp->n_live > 0 && zs_side_is_handle(side[idx]));
    zp->n_live--;
    side[idx] = ZS_SIDE_LINK | zp->free_head;
    zp->free_head = (uint16_t)idx;
}

void zspage_slot_to_limbo(struct zspage *zp, uint32_t *side, unsigned idx,
                          uint32_t stamp)
{
    ZS_ASSERT(zp->n_live > 0 && zs_side_is_handle(side[idx]));
    zp->n_live--;
    zp->n_limbo++;
    side[idx] = ZS_SIDE_LINK | ZS_SIDE_LIMBO |
                (stamp & ZS_SIDE_STAMP_MASK) << ZS_SIDE_STAMP_SHIFT |
                zp->limbo_head;
    zp->limbo_head = (uint16_t)idx;
}

void zspage_slot_to_dying(struct zspage *zp, uint32_t *side, unsigned idx,
                          uint32_t next)
{
    ZS_ASSERT(zp->n_live > 0 && zs_side_is_handle(side[idx]));
    ZS_ASSERT(next < ZS_SIDE_LIMBO);
    zp->n_live--;
    zp->n_dying++;
    side[idx] = ZS_SIDE_LINK | next;
}

uint32_t zspage_free_dying(struct zspage *zp, uint32_t *side, unsigned idx)
{
    uint32_t next = side[idx] & ~ZS_SIDE_LINK;

    ZS_ASSERT(zp->n_dying > 0 && !zs_side_is_handle(side[idx]));
    zp->n_dying--;
    side[idx] = ZS_SIDE_LINK | zp->free_head;
    zp->free_head = (uint16_t)idx;
    return next;
}

/* Stamps wrap; a slot waits for a round or two, not for thousands. */
static bool is_before(uint32_t entry, uint32_t round)
{
    uint32_t age =
        (round - (entry >> ZS_SIDE_STAMP_SHIFT)) & ZS_SIDE_STAMP_MASK;

    return age != 0 && age <= ZS_SIDE_STAMP_MASK / 2;
}

void zspage_free_limbo(struct zspage *zp, uint32_t *side, uint32_t round)
{
    unsigned idx = zp->limbo_head;

    zp->limbo_head = ZS_NO_LINK;
    zp->n_limbo = 0;
    while (idx != ZS_NO_LINK) {
        uint32_t entry = side[idx];

        if (is_before(entry, round)) {
            side[idx] = ZS_SIDE_LINK | zp->free_head;
            zp->free_head = (uint16_t)idx;
        } else {
            side[idx] = (entry & ~(uint32_t)ZS_NO_LINK) | zp->limbo_head;
            zp->limbo_head = (uint16_t)idx;
            zp->n_limbo++;
        }
        idx = entry & ZS_NO_LINK;
    }
}

/* --- checking --- */

static unsigned list_length(const uint32_t *side, unsigned head, unsigned max)
{
    unsigned n = 0;

    while (head != ZS_NO_LINK && n <= max) {
        head = side[head] & ZS_NO_LINK;
        n++;
    }
    return n;
}

static bool complain(const char *what, unsigned a, unsigned b)
{
    fprintf(stderr, "zspage: %s: %u, %u\n", what, a, b);
    return false;
}

bool zspage_is_valid(const struct zspage *zp, const uint32_t *side)
{
    unsigned n_free = list_length(side, zp->free_head, zp->n_slots);
    unsigned n_limbo = list_length(side, zp->limbo_head, zp->n_slots);

    if (n_limbo != zp->n_limbo) {
        return complain("limbo list, n_limbo", n_limbo, zp->n_limbo);
    }
    if (zspage_n_used(zp) + n_free != zp->fresh) {
        return complain("Z1: used + free, fresh", zspage_n_used(zp) + n_free,
                        zp->fresh);
    }
    if (zp->fresh > zspage_n_resident_slots(zp)) {
        return complain("Z4: fresh, resident slots", zp->fresh,
                        zspage_n_resident_slots(zp));
    }
    return true;
}
