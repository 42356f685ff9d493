/* SPDX-License-Identifier: MIT */
/* evacuate.c - see evacuate.h. */
#include "evacuate.h"

#include "migrate.h"
#include "page_flags.h"

static const struct zs_page_type *type_at(struct zs_arena *a, zs_pfn_t page)
{
    return &a->types[zs_word_type(zs_page_word(zs_page(a, page)))];
}

static void flush_if_full(struct zs_arena *a)
{
    if (zs_deferred_is_full(a)) {
        zs_grace_flush(&a->grace);
    }
}

void zs_evacuate_detach(struct zs_arena *a, zs_pfn_t first, unsigned n)
{
    zs_pfn_t page = first;

    while (page < first + n) {
        const struct zs_page_type *t = type_at(a, page);
        zs_pfn_t end = page + 1;

        if (t->evacuation) {
            t->evacuation->detach(t->evacuation_ctx, page, &end);
        }
        page = end;
    }
}

void zs_evacuate_attach_owners(struct zs_arena *a)
{
    for (unsigned i = 1; i <= ZS_PAGE_TYPE_MAX; i++) {
        const struct zs_page_type *t = &a->types[i];

        if (t->evacuation) {
            t->evacuation->attach_all(t->evacuation_ctx);
        }
    }
}

/* Each thing that pages belong to is asked once. */
static zs_pfn_t move_objects_at(struct zs_arena *a,
                                const struct zs_page_type *t, zs_pfn_t page)
{
    zs_pfn_t end;

    (void)t->evacuation->move_objects(t->evacuation_ctx, page, &end);
    flush_if_full(a);
    zs_pace_point(&a->pace);
    return end;
}

static void move_objects(struct zs_arena *a, zs_pfn_t first, unsigned n)
{
    zs_pfn_t page = first;

    while (page < first + n) {
        const struct zs_page_type *t = type_at(a, page);

        page = t->evacuation ? move_objects_at(a, t, page) : page + 1;
    }
}

static void migrate_pages(struct zs_arena *a, zs_pfn_t first, unsigned n)
{
    zs_pfn_t pages[ZS_BLOCK_PAGES];
    unsigned left = 0;

    for (zs_pfn_t page = first; page < first + n; page++) {
        if (zs_isolate_movable_ops_page(a, page)) {
            pages[left++] = page;
        }
    }
    left = zs_migrate_pages(a, pages, left, ZS_MIGRATE_SYNC);
    for (unsigned i = 0; i < left; i++) {
        zs_putback_movable_ops_page(a, pages[i]);
    }
    flush_if_full(a);
}

void zs_evacuate_pages(struct zs_arena *a, zs_pfn_t first, unsigned n)
{
    ZS_ASSERT_HELD(&a->pass_lock);
    ZS_ASSERT(n <= ZS_BLOCK_PAGES);
    move_objects(a, first, n);
    migrate_pages(a, first, n);
}
