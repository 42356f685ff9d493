/* SPDX-License-Identifier: MIT */
/*
 * aligned.c - objects at multiples of a power of two.
 *
 * Idea
 *   Slot i of a zspage begins i * slot_bytes behind the begin of a page, and
 *   stays at that offset of its page wherever the page goes. So all slots of a
 *   class are aligned to what divides both its slot_bytes and a page: an
 *   aligned object is one of a class with that property. Runs begin with a
 *   page.
 *
 *   Which object asked for what is not kept. A class that holds aligned objects
 *   remembers the largest alignment that one of them may need, for ever, and
 *   what leaves it for another class (moved up, replaced, resized) goes into
 *   one that keeps it, and hands the alignment on.
 *
 *      zs_malloc_aligned(64, 200)    class 256, remembers 64
 *      moved up                      class 272 is no multiple of 64: stays
 *      zs_obj_replace(.., 300)       class 320, remembers 64 from then on
 *
 * Invariants
 *   N1  an object that was allocated with an alignment lies in a class that
 *       remembers at least that, and whose slots have it
 *
 * Cost: unaligned objects in such a class are kept aligned, too. That wastes
 * what the next class with the property is larger by (docs/size-classes.md).
 */
#include <errno.h>

#include "pool_impl.h"

static bool is_power_of_two(size_t n)
{
    return n != 0 && (n & (n - 1)) == 0;
}

/* What to ask for so that the slot is aligned: the size of the smallest class
 * that is; there is one, for the largest is a multiple of every alignment. */
static size_t aligned_size(size_t alignment, size_t size)
{
    unsigned i;

    _Static_assert(ZS_LARGEST_CLASS_BYTES % ZS_PAGE_BYTES == 0, "see above");
    if (size > ZS_LARGEST_CLASS_BYTES) {
        return size;
    }
    i = zs_size_class_of(size);
    while (zs_size_class(i)->slot_bytes % alignment != 0) {
        i++;
    }
    return zs_size_class(i)->slot_bytes;
}

static struct zs_class *class_for(struct zs_pool *pool, size_t size)
{
    unsigned runs = pool->n_classes - 1;

    return &pool->classes[size <= ZS_LARGEST_CLASS_BYTES
                              ? zs_size_class_of(size)
                              : runs];
}

/* 0: no object of it ever asked. Relaxed: who puts an object into the class
 * remembers first and takes the class lock then; who moves objects out of it
 * has held the lock since, so it sees what they need. */
static uint32_t alignment_of(const struct zs_class *cl)
{
    return atomic_load_explicit(&cl->alignment, memory_order_relaxed);
}

static void remember(struct zs_class *cl, uint32_t alignment)
{
    uint32_t most = alignment_of(cl);

    while (most < alignment &&
           !atomic_compare_exchange_weak_explicit(
               &cl->alignment, &most, alignment, memory_order_relaxed,
               memory_order_relaxed)) {
    }
}

bool class_keeps_alignment(const struct zs_class *from,
                           const struct zs_class *to)
{
    uint32_t alignment = alignment_of(from);

    return alignment == 0 || to->slot_bytes % alignment == 0;
}

void class_hand_alignment_on(const struct zs_class *from, struct zs_class *to)
{
    remember(to, alignment_of(from));
}

/* The class of the slot that a handle has; NULL: it has none. */
static const struct zs_class *class_of_handle(const struct zs_pool *pool,
                                              uint32_t h)
{
    uint32_t w = zs_slot_load(&pool->handles, h);
    unsigned number = 0;

    if (zs_slot_is_live(w)) {
        number = class_number(zspage_at(pool, zs_slot_zspage(w)));
    }
    return number != 0 ? &pool->classes[number - 1] : NULL;
}

size_t size_keeping_alignment(struct zs_pool *pool, uint32_t h, size_t size)
{
    const struct zs_class *from = class_of_handle(pool, h);
    uint32_t alignment = from ? alignment_of(from) : 0;

    if (alignment != 0) {
        size = aligned_size(alignment, size);
        remember(class_for(pool, size), alignment);
    }
    return size;
}

int zs_malloc_aligned(struct zs_pool *pool, size_t alignment, size_t size,
                      zs_handle_t *out)
{
    if (!is_power_of_two(alignment) || alignment > ZS_PAGE_BYTES || size == 0 ||
        size > ZS_MAX_OBJ_BYTES) {
        return -EINVAL;
    }
    size = aligned_size(alignment, size);
    remember(class_for(pool, size), (uint32_t)alignment);
    /* Not through the cache: it may give a slot of another class. */
    return create_uncached(pool, NULL, 0, size, out);
}
