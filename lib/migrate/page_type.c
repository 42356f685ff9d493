/* SPDX-License-Identifier: MIT */
/*
 * page_type.c - page types and their callbacks.
 *
 * A type is a small number in the flag word of each of its pages; everything
 * else about it is in the arena's table, indexed by that number.
 *
 * Locking: types_lock guards registration. The core looks ops up without it,
 * inside a read section, for a page it holds LOCKED or ISOLATED; such a page
 * keeps its type alive (n_pages > 0). A look-up that finds NULL is a type that
 * is being ended, and the page is left alone.
 */
#include <errno.h>

#include "owner_ops.h"
#include "page_type.h"

int zs_page_type_create(struct zs_arena *a, const char *name,
                        zs_page_type_t *out)
{
    int err = -ENOSPC;

    zs_lock_acquire(&a->types_lock);
    for (unsigned t = 1; t <= ZS_PAGE_TYPE_MAX; t++) {
        if (!a->types[t].taken) {
            a->types[t].taken = true;
            a->types[t].name = name;
            *out = (zs_page_type_t)t;
            err = 0;
            break;
        }
    }
    zs_lock_release(&a->types_lock);
    return err;
}

const struct zs_movable_ops *zs_ops_of_type(struct zs_arena *a,
                                            zs_page_type_t type, void **ctx)
{
    const struct zs_movable_ops *ops =
        atomic_load_explicit(&a->types[type].ops, memory_order_acquire);

    /* written before the callbacks were, so read after them */
    *ctx = ops ? a->types[type].ctx : NULL;
    return ops;
}

static bool ops_are_whole(const struct zs_movable_ops *ops)
{
    return ops && ops->isolate_page && ops->migrate_page && ops->putback_page;
}

static bool is_taken_locked(const struct zs_arena *a, zs_page_type_t type)
{
    return type >= 1 && type <= ZS_PAGE_TYPE_MAX && a->types[type].taken;
}

int zs_set_movable_ops(struct zs_arena *a, zs_page_type_t type,
                       const struct zs_movable_ops *ops, void *ctx)
{
    struct zs_page_type *t = &a->types[type];
    int err = 0;

    zs_lock_acquire(&a->types_lock);
    if (!is_taken_locked(a, type) || !ops_are_whole(ops)) {
        err = -EINVAL;
    } else if (atomic_load_explicit(&t->ops, memory_order_relaxed)) {
        err = -EBUSY;
    } else {
        t->ctx = ctx;
        /* release: pairs with the acquire in zs_ops_of_type() */
        atomic_store_explicit(&t->ops, ops, memory_order_release);
    }
    zs_lock_release(&a->types_lock);
    return err;
}

void zs_set_evacuation_ops(struct zs_arena *a, zs_page_type_t type,
                           const struct zs_evacuation_ops *ops, void *ctx)
{
    struct zs_page_type *t = &a->types[type];

    zs_may_wait(__func__); /* a pass waits for readers under pass_lock */
    zs_arena_begin_pass(a);
    t->evacuation = ops;
    t->evacuation_ctx = ctx;
    zs_arena_end_pass(a);
}

void zs_set_shrink_ops(struct zs_arena *a, zs_page_type_t type,
                       const struct zs_shrink_ops *ops, void *ctx)
{
    struct zs_page_type *t = &a->types[type];

    zs_may_wait(__func__);
    zs_arena_begin_pass(a);
    t->shrink = ops;
    t->shrink_ctx = ctx;
    zs_arena_end_pass(a);
}

/* No more look-ups. */
static int end_ops(struct zs_arena *a, zs_page_type_t type)
{
    struct zs_page_type *t = &a->types[type];
    int err = 0;

    zs_lock_acquire(&a->types_lock);
    if (!is_taken_locked(a, type)) {
        err = -EINVAL;
    } else if (atomic_load_explicit(&t->n_pages, memory_order_acquire) != 0) {
        err = -EBUSY;
    } else {
        atomic_store_explicit(&t->ops, NULL, memory_order_relaxed);
    }
    zs_lock_release(&a->types_lock);
    return err;
}

int zs_page_type_destroy(struct zs_arena *a, zs_page_type_t type)
{
    int err;

    zs_may_wait(__func__);
    zs_grace_flush(&a->grace); /* its freed pages may be waiting for readers */
    err = end_ops(a, type);
    if (err) {
        return err;
    }
    zs_wait_for_readers(); /* callbacks that were looked up have returned */
    zs_set_evacuation_ops(a, type, NULL, NULL);
    zs_set_shrink_ops(a, type, NULL, NULL);
    zs_set_figures_ops(a, type, NULL, NULL);
    zs_lock_acquire(&a->types_lock);
    a->types[type].taken = false;
    zs_lock_release(&a->types_lock);
    return 0;
}
