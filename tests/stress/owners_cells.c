/* SPDX-License-Identifier: MIT */
/*
 * owners_cells.c - an embedder's own pages. Every word of a cell's page names
 * the cell and its version. Contents never change: a new version is a new page,
 * so that readers need no lock. The callbacks are as unhelpful as they may be.
 */
#include <pthread.h>
#include <sched.h>
#include <string.h>

#include "owners.h"

#define N_CELLS 2048u
#define CELL_WORDS (ZS_PAGE_BYTES / sizeof(uint64_t))

struct cell {
    pthread_mutex_t lock;  /* for changes; a mover's callbacks take it, too */
    _Atomic zs_pfn_t page; /* ZS_PFN_NONE: none. Read without the lock */
    _Atomic uint32_t version;
    bool held; /* by the core: isolated, and not moved or put back since */
};

static struct cell cells[N_CELLS];
static zs_page_type_t cell_type;
static _Atomic uint64_t n_pages; /* that cells have */

static zs_pfn_t page_of(const struct cell *c)
{
    return atomic_load_explicit(&c->page, memory_order_acquire);
}

static uint64_t cell_word(uint32_t number, uint32_t version, unsigned i)
{
    uint64_t name = (uint64_t)number << 32 | version;

    return i == 0 ? name : (name + i) * 0x9e3779b97f4a7c15u;
}

/* All words are of one version of the cell; returns which. */
static uint32_t check_cell(uint32_t number, zs_pfn_t page)
{
    const uint64_t *words = zs_page_address(arena, page);
    uint32_t version = (uint32_t)words[0];

    for (unsigned i = 0; i < CELL_WORDS; i++) {
        REQUIRE(words[i] == cell_word(number, version, i));
    }
    return version;
}

/* Lock held. */
static void fill_cell(uint32_t number)
{
    struct cell *c = &cells[number];
    uint32_t version =
        1 + atomic_load_explicit(&c->version, memory_order_relaxed);
    uint64_t *words;
    zs_pfn_t page;

    if (!got(zs_page_alloc(arena, cell_type, &page))) {
        return;
    }
    words = zs_page_address(arena, page);
    for (unsigned i = 0; i < CELL_WORDS; i++) {
        words[i] = cell_word(number, version, i);
    }
    REQUIRE(zs_page_private(arena, page) == 0);
    zs_page_set_private(arena, page, number + 1);
    atomic_store_explicit(&c->page, page, memory_order_release);
    atomic_store_explicit(&c->version, version, memory_order_release);
    atomic_fetch_add_explicit(&n_pages, 1, memory_order_relaxed);
    if (!one_in(300)) { /* now and then one that cannot move */
        zs_page_set_movable(arena, page);
    }
}

/* Lock held. Freed pages may be in the core's hands, and in readers' eyes. */
static void empty_cell(struct cell *c)
{
    zs_pfn_t page = page_of(c);

    atomic_store_explicit(&c->page, ZS_PFN_NONE, memory_order_release);
    if (c->held) {
        COUNT(freed_isolated);
        c->held = false;
    }
    atomic_fetch_sub_explicit(&n_pages, 1, memory_order_relaxed);
    zs_page_free(arena, cell_type, page);
}

static void read_cell(uint32_t number)
{
    struct cell *c = &cells[number];
    uint32_t least = atomic_load_explicit(&c->version, memory_order_acquire);
    zs_pfn_t page;

    zs_read_begin();
    page = page_of(c);
    if (page != ZS_PFN_NONE) {
        uint32_t version = check_cell(number, page);

        REQUIRE(version >= least);
        COUNT(reads);
        if (one_in(32)) {
            sched_yield();
            REQUIRE(check_cell(number, page) == version);
        }
    }
    zs_read_end();
}

void cells_op(bool shrinking)
{
    uint32_t number = (uint32_t)below(N_CELLS);
    struct cell *c = &cells[number];

    if (one_in(2)) {
        read_cell(number);
        return;
    }
    pthread_mutex_lock(&c->lock);
    if (page_of(c) != ZS_PFN_NONE && (shrinking || one_in(4))) {
        empty_cell(c);
    }
    if (page_of(c) == ZS_PFN_NONE && one_in(shrinking ? 8 : 1)) {
        fill_cell(number);
    }
    pthread_mutex_unlock(&c->lock);
}

/* The core has the page, so its private word is what fill_cell() has set. */
static uint32_t number_of(zs_pfn_t page)
{
    uint32_t number = zs_page_private(arena, page) - 1;

    REQUIRE(number < N_CELLS);
    return number;
}

static bool isolate_cell(void *ctx, zs_pfn_t page)
{
    struct cell *c = &cells[number_of(page)];
    bool yes = !one_in(32);

    (void)ctx;
    pthread_mutex_lock(&c->lock);
    if (page_of(c) != page) {
        yes = yes && one_in(2); /* either answer: it is freed, or will be */
    } else if (yes && one_in(128)) {
        empty_cell(c); /* and says yes */
    } else if (yes) {
        REQUIRE(!c->held);
        c->held = true;
    }
    pthread_mutex_unlock(&c->lock);
    if (!yes) {
        COUNT(unwilling);
    }
    return yes;
}

/* Lock held, and src is the cell's. */
static enum zs_migrate_result move_cell(uint32_t number, zs_pfn_t dst,
                                        zs_pfn_t src)
{
    struct cell *c = &cells[number];

    REQUIRE(c->held);
    if (one_in(16)) {
        return one_in(2) ? ZS_MIGRATE_RETRY : ZS_MIGRATE_REFUSED;
    }
    (void)check_cell(number, src);
    memcpy(zs_page_address(arena, dst), zs_page_address(arena, src),
           ZS_PAGE_BYTES);
    zs_page_set_private(arena, dst, number + 1);
    if (one_in(64)) {
        if (one_in(2)) { /* others ask for it before the core takes it back */
            zs_page_set_movable(arena, dst);
        }
        empty_cell(c);
        return ZS_MIGRATE_GONE;
    }
    c->held = false;
    atomic_store_explicit(&c->page, dst, memory_order_release);
    zs_page_set_movable(arena, dst);
    return ZS_MIGRATE_DONE;
}

static void count_answer(enum zs_migrate_result result)
{
    switch (result) {
    case ZS_MIGRATE_DONE:
        COUNT(cells_moved);
        break;
    case ZS_MIGRATE_RETRY:
        COUNT(retried);
        break;
    case ZS_MIGRATE_REFUSED:
        COUNT(refused);
        break;
    case ZS_MIGRATE_GONE:
        COUNT(gone);
        break;
    }
}

static enum zs_migrate_result
migrate_cell(void *ctx, zs_pfn_t dst, zs_pfn_t src, enum zs_migrate_mode mode)
{
    uint32_t number = number_of(src);
    struct cell *c = &cells[number];
    enum zs_migrate_result result = ZS_MIGRATE_RETRY;

    (void)ctx;
    if (mode == ZS_MIGRATE_SYNC) {
        pthread_mutex_lock(&c->lock);
    } else if (pthread_mutex_trylock(&c->lock) != 0) {
        count_answer(result);
        return result;
    }
    result = page_of(c) == src ? move_cell(number, dst, src) : ZS_MIGRATE_GONE;
    pthread_mutex_unlock(&c->lock);
    count_answer(result);
    return result;
}

static void putback_cell(void *ctx, zs_pfn_t page)
{
    struct cell *c = &cells[number_of(page)];

    (void)ctx;
    pthread_mutex_lock(&c->lock);
    if (page_of(c) == page) {
        REQUIRE(c->held);
        c->held = false;
        if (one_in(64)) {
            empty_cell(c);
            COUNT(freed_in_putback);
        }
    }
    pthread_mutex_unlock(&c->lock);
}

/* For a page that may be freed: the word can be anything. */
static void describe_cell(void *ctx, zs_pfn_t page, char *text, size_t len)
{
    (void)ctx;
    (void)snprintf(text, len, "cell %u", zs_page_private(arena, page) - 1);
}

static const struct zs_movable_ops cell_ops = {
    .isolate_page = isolate_cell,
    .migrate_page = migrate_cell,
    .putback_page = putback_cell,
    .describe_holder = describe_cell,
};

void cells_create(void)
{
    REQUIRE(zs_page_type_create(arena, "cell", &cell_type) == 0);
    REQUIRE(zs_set_movable_ops(arena, cell_type, &cell_ops, NULL) == 0);
    for (uint32_t i = 0; i < N_CELLS; i++) {
        REQUIRE(pthread_mutex_init(&cells[i].lock, NULL) == 0);
        atomic_store_explicit(&cells[i].page, ZS_PFN_NONE,
                              memory_order_relaxed);
    }
}

uint64_t cells_pages(void)
{
    return atomic_load_explicit(&n_pages, memory_order_relaxed);
}

void cells_free(void)
{
    for (uint32_t i = 0; i < N_CELLS; i++) {
        if (page_of(&cells[i]) != ZS_PFN_NONE) {
            REQUIRE(!cells[i].held);
            read_cell(i);
            empty_cell(&cells[i]);
        }
    }
    REQUIRE(cells_pages() == 0);
}

void cells_destroy(void)
{
    REQUIRE(zs_page_type_destroy(arena, cell_type) == 0);
    for (uint32_t i = 0; i < N_CELLS; i++) {
        pthread_mutex_destroy(&cells[i].lock);
    }
}
