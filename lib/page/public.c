/* SPDX-License-Identifier: MIT */
/*
 * public.c - the pages of an embedder's own types, and looking at flag words.
 *
 * The same pages that the library's own owners have, one at a time and with
 * every argument checked. Freed pages wait for readers: an embedder whose
 * readers use read sections need not know which of its pages were migrated.
 */
#include <errno.h>

#include "page.h"
#include "page_flags.h"
#include "zspool/movable_ops.h"

static struct zs_page *checked(const struct zs_arena *a, zs_pfn_t pfn,
                               const char *func)
{
    if (pfn / ZS_BLOCK_PAGES >= a->n_blocks) {
        zs_misuse(func, "no page of the arena", pfn, "out of range");
    }
    return &a->pages[pfn];
}

static _Noreturn void not_yours(const char *func, zs_pfn_t pfn, uint32_t word)
{
    zs_misuse(func, "not a page of the caller's", pfn,
              zs_page_flags_state(word));
}

/* In use by an owner, and not by the allocator itself. */
static bool may_be_callers(uint32_t word)
{
    return zs_word_is_owners(word) && zs_word_type(word) <= ZS_PAGE_TYPE_MAX;
}

static bool type_is_taken(struct zs_arena *a, zs_page_type_t type)
{
    bool taken;

    zs_lock_acquire(&a->types_lock);
    taken = type >= 1 && type <= ZS_PAGE_TYPE_MAX && a->types[type].taken;
    zs_lock_release(&a->types_lock);
    return taken;
}

static int take_page(struct zs_arena *a, zs_page_type_t type, zs_pfn_t *page)
{
    int err = zs_pages_alloc(a, type, 1, page);

    if (!err) {
        err = zs_pages_populate(a, *page, 1);
        if (err) {
            zs_pages_free(a, *page, 1);
        }
    }
    return err;
}

int zs_page_alloc(struct zs_arena *a, zs_page_type_t type, zs_pfn_t *out)
{
    zs_pfn_t page;
    int err;

    if (!type_is_taken(a, type)) {
        return -EINVAL;
    }
    zs_work_begin();
    err = take_page(a, type, &page);
    zs_work_end();
    if (!err) {
        *out = page;
    }
    return err;
}

void zs_page_set_movable(struct zs_arena *a, zs_pfn_t page)
{
    struct zs_page *p = checked(a, page, __func__);

    if (!may_be_callers(zs_page_word(p)) ||
        !zs_page_step(p, ZS_EDGE_SET_MOVABLE, 0)) {
        not_yours(__func__, page, zs_page_word(p));
    }
}

void zs_page_free(struct zs_arena *a, zs_page_type_t type, zs_pfn_t page)
{
    struct zs_page *p = checked(a, page, __func__);
    uint32_t word = zs_page_word(p);

    if (zs_word_type(word) != type || !may_be_callers(word)) {
        not_yours(__func__, page, word);
    }
    zs_work_begin();
    if (zs_page_release_edge(p)) {
        zs_page_defer(a, page);
        zs_grace_request(&a->grace);
    }
    zs_work_end();
}

void *zs_page_address(const struct zs_arena *a, zs_pfn_t page)
{
    (void)checked(a, page, __func__);
    return zs_page_addr(a, page);
}

void zs_page_set_private(struct zs_arena *a, zs_pfn_t page, uint32_t word)
{
    const struct zs_page *p = checked(a, page, __func__);

    if (!may_be_callers(zs_page_word(p))) { /* LIMBO has its links there */
        not_yours(__func__, page, zs_page_word(p));
    }
    zs_page_set_owner(a, page, word);
}

uint32_t zs_page_private(struct zs_arena *a, zs_pfn_t page)
{
    (void)checked(a, page, __func__);
    return zs_page_owner(a, page);
}

void zs_read_begin(void)
{
    zs_read_lock();
}

void zs_read_end(void)
{
    zs_read_unlock();
}

/* --- looking --- */

zs_pfn_t zs_arena_nr_pages(const struct zs_arena *a)
{
    return a->n_blocks * ZS_BLOCK_PAGES;
}

int zs_arena_page_flags(struct zs_arena *a, zs_pfn_t first, uint32_t n,
                        uint32_t *words)
{
    if (first > zs_arena_nr_pages(a) || n > zs_arena_nr_pages(a) - first) {
        return -ERANGE;
    }
    for (uint32_t i = 0; i < n; i++) {
        words[i] = zs_page_word(&a->pages[first + i]);
    }
    return 0;
}

zs_page_type_t zs_page_flags_type(uint32_t word)
{
    return zs_word_type(word);
}

const char *zs_page_flags_state(uint32_t word)
{
    return zs_page_state_name(zs_word_state(word));
}

const char *zs_page_type_name(struct zs_arena *a, zs_page_type_t type)
{
    const char *name;

    zs_lock_acquire(&a->types_lock);
    name = a->types[type].taken ? a->types[type].name : "";
    zs_lock_release(&a->types_lock);
    return name;
}
