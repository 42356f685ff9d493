/* SPDX-License-Identifier: MIT */
/* handles.c - see handles.h. */
#include "handles.h"

#include <errno.h>
#include <string.h>

#include "bits.h"
#include "os.h"

#define GROUP_BYTES (ZS_GROUP_HANDLES * sizeof(uint32_t))
_Static_assert(GROUP_BYTES == ZS_OS_PAGE_BYTES, "a group is one OS page");

static uint32_t n_groups(const struct zs_handles *t)
{
    return t->n_handles / ZS_GROUP_HANDLES;
}

static size_t slots_bytes(const struct zs_handles *t)
{
    return (size_t)t->n_handles * sizeof(uint32_t);
}

static size_t groups_bytes(const struct zs_handles *t)
{
    return (size_t)n_groups(t) * sizeof(struct zs_handle_group);
}

static size_t full_bytes(const struct zs_handles *t)
{
    return ((size_t)n_groups(t) + 63) / 64 * sizeof(uint64_t);
}

int zs_handles_init(struct zs_handles *t, uint32_t n, struct zs_budget *b)
{
    memset(t, 0, sizeof(*t));
    t->n_handles = (n + ZS_HANDLES_TOGETHER + ZS_GROUP_HANDLES - 1) /
                   ZS_GROUP_HANDLES * ZS_GROUP_HANDLES;
    t->budget = b;
    t->slots = zs_os.reserve(slots_bytes(t), ZS_OS_PAGE_BYTES);
    if (!t->slots) {
        return -ENOMEM;
    }
    t->groups = zs_os.reserve(groups_bytes(t), ZS_OS_PAGE_BYTES);
    if (!t->groups) {
        goto undo_slots;
    }
    t->full = zs_os.reserve(full_bytes(t), ZS_OS_PAGE_BYTES);
    if (!t->full) {
        goto undo_groups;
    }
    zs_lock_init(&t->lock, ZS_RANK_HANDLES);
    return 0;

undo_groups:
    zs_os.unreserve(t->groups, groups_bytes(t));
undo_slots:
    zs_os.unreserve((void *)t->slots, slots_bytes(t));
    return -ENOMEM;
}

static uint64_t charged_bytes(const struct zs_handles *t)
{
    uint64_t bytes = (uint64_t)t->n_touched * sizeof(struct zs_handle_group);

    for (uint32_t g = 0; g < t->n_touched; g++) {
        bytes += t->groups[g].fresh > 0 ? ZS_OS_PAGE_BYTES : 0;
    }
    return bytes;
}

void zs_handles_destroy(struct zs_handles *t)
{
    zs_budget_uncharge_metadata(t->budget, charged_bytes(t));
    zs_lock_destroy(&t->lock);
    zs_os.unreserve(t->full, full_bytes(t));
    zs_os.unreserve(t->groups, groups_bytes(t));
    zs_os.unreserve((void *)t->slots, slots_bytes(t));
}

/* Charge what taking the first handle of a group makes resident. */
static bool charge_group(struct zs_handles *t, uint32_t g)
{
    uint64_t bytes = ZS_OS_PAGE_BYTES;

    if (g >= t->n_touched) {
        bytes += sizeof(struct zs_handle_group) * (g + 1 - t->n_touched);
    }
    if (!zs_budget_try_charge_metadata(t->budget, bytes)) {
        return false;
    }
    if (g >= t->n_touched) {
        t->n_touched = g + 1;
    }
    atomic_fetch_add_explicit(&t->n_groups, 1, memory_order_relaxed);
    if (g == 0) {
        /* H4: handle 0 means "no object"; its neighbours stay unused too, so
         * that what is taken together begins with a cache line. */
        t->groups[0].fresh = ZS_HANDLES_TOGETHER;
        t->groups[0].n_used = ZS_HANDLES_TOGETHER;
    }
    return true;
}

static uint32_t take_from_group(struct zs_handles *t, uint32_t g)
{
    struct zs_handle_group *group = &t->groups[g];
    uint32_t base = g * ZS_GROUP_HANDLES;
    uint32_t h;

    if (group->free_head != 0) {
        h = base + group->free_head - 1u;
        group->free_head = (uint16_t)zs_slot_free_link(
            atomic_load_explicit(&t->slots[h], memory_order_relaxed));
    } else {
        h = base + group->fresh++;
    }
    group->n_used++;
    if (group->n_used == ZS_GROUP_HANDLES) {
        zs_bit_set(t->full, g);
    }
    return h;
}

int zs_handles_take(struct zs_handles *t, uint32_t *out, unsigned n)
{
    unsigned taken = 0;
    int err = 0;

    zs_lock_acquire(&t->lock);
    while (taken < n && !err) {
        uint32_t g =
            (uint32_t)zs_bits_next(t->full, t->hint, n_groups(t), false);

        t->hint = g;
        if (g == n_groups(t)) {
            err = -ENOSPC;
        } else if (t->groups[g].fresh == 0 && !charge_group(t, g)) {
            err = -ENOMEM;
        } else {
            out[taken++] = take_from_group(t, g);
        }
    }
    atomic_fetch_add_explicit(&t->n_taken, taken, memory_order_relaxed);
    zs_lock_release(&t->lock);
    return taken > 0 ? (int)taken : err;
}

/* The last handle of a group came back: forget the group. */
static void drop_group(struct zs_handles *t, uint32_t g)
{
    int err = zs_os.release((void *)(t->slots + (size_t)g * ZS_GROUP_HANDLES),
                            GROUP_BYTES);

    if (!err) { /* else it stays as it is, resident and charged */
        t->groups[g] = (struct zs_handle_group){ 0 };
        atomic_fetch_sub_explicit(&t->n_groups, 1, memory_order_relaxed);
        zs_budget_uncharge_metadata(t->budget, ZS_OS_PAGE_BYTES);
    }
}

static void give_one(struct zs_handles *t, uint32_t h)
{
    uint32_t g = h / ZS_GROUP_HANDLES;
    struct zs_handle_group *group = &t->groups[g];

    ZS_ASSERT(group->n_used > 0 && h != 0);
    atomic_store_explicit(&t->slots[h], zs_slot_free_word(group->free_head),
                          memory_order_relaxed);
    group->free_head = (uint16_t)(h % ZS_GROUP_HANDLES + 1);
    group->n_used--;
    zs_bit_clear(t->full, g);
    if (g < t->hint) {
        t->hint = g;
    }
    if (group->n_used == 0) {
        drop_group(t, g);
    }
}

void zs_handles_give(struct zs_handles *t, const uint32_t *h, unsigned n)
{
    zs_lock_acquire(&t->lock);
    for (unsigned i = 0; i < n; i++) {
        give_one(t, h[i]);
    }
    atomic_fetch_sub_explicit(&t->n_taken, n, memory_order_relaxed);
    zs_lock_release(&t->lock);
}
