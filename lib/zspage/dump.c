/* SPDX-License-Identifier: MIT */
/* dump.c - a table of size classes and a line per zspage, for people. */
#include <stdio.h>

#include "pool_impl.h"

static void dump_class(int fd, const struct zs_class *cl)
{
    uint64_t slots = (uint64_t)cl->n_zspages * cl->n_slots;

    dprintf(fd, "%8u %6u %5u %8u %10llu %10llu %6llu %5.1f%%\n", cl->slot_bytes,
            cl->n_slots, cl->n_pages, cl->n_zspages,
            (unsigned long long)cl->n_live, (unsigned long long)cl->n_free,
            (unsigned long long)cl->n_limbo,
            slots ? 100.0 * (double)cl->n_live / (double)slots : 100.0);
}

static char slot_mark(const struct zs_pool *pool, uint32_t entry)
{
    if (zs_side_is_handle(entry)) {
        return zs_slot_is_live(zs_slot_load(&pool->handles, entry)) ? 'a' : 'c';
    }
    return entry & ZS_SIDE_LIMBO ? 'L' : 'D';
}

static void dump_zspage(const struct zs_pool *pool, int fd,
                        const struct zspage *zp)
{
    const uint32_t *side = side_of(pool, zp);
    char map[ZS_MAX_SLOTS_PER_ZSPAGE + 1];
    unsigned n = 0;

    for (; n < zp->fresh; n++) {
        map[n] = slot_mark(pool, side[n]);
    }
    map[n] = '\0';
    for (n = zp->free_head; n != ZS_NO_LINK; n = side[n] & ZS_NO_LINK) {
        map[n] = '.';
    }
    dprintf(fd, "  %6u %s%s\n", zspage_number(pool, zp), map,
            zp->fresh < zp->n_slots ? "-" : "");
}

static void dump_lists(const struct zs_pool *pool, int fd,
                       const struct zs_class *cl)
{
    for (unsigned l = 0; l < ZS_NR_LISTS; l++) {
        for (uint32_t n = cl->lists[l]; n != 0; n = zspage_at(pool, n)->next) {
            dump_zspage(pool, fd, zspage_at(pool, n));
        }
    }
}

void zs_pool_dump(struct zs_pool *pool, int fd)
{
    dprintf(fd, "%8s %6s %5s %8s %10s %10s %6s %6s\n", "slot", "slots", "pages",
            "zspages", "live", "free", "limbo", "used");
    for (unsigned i = 0; i < pool->n_classes; i++) {
        struct zs_class *cl = &pool->classes[i];

        zs_lock_acquire(&cl->lock);
        if (cl->n_zspages > 0) {
            dump_class(fd, cl);
            dump_lists(pool, fd, cl);
        }
        zs_lock_release(&cl->lock);
    }
    pin_dump(pool, fd);
    dprintf(fd, "a live, c in a thread's cache, L or D (with its handle) waits "
                "for readers, . free, - not used yet\n");
}
