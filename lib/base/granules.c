/* SPDX-License-Identifier: MIT */
/* granules.c - see granules.h. */
#include "granules.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "bits.h"
#include "check.h"
#include "os.h"

#define WORDS_PER_MAP_PAGE (ZS_OS_PAGE_BYTES / sizeof(uint64_t))
#define IDLE_BYTES (ZS_GRANULES_MAX_IDLE * ZS_OS_PAGE_BYTES)

static size_t n_words(const struct zs_granules *g)
{
    return g->n_granules / ZS_GRANULES_PER_PAGE;
}

int zs_granules_init(struct zs_granules *g, uint32_t n_granules,
                     struct zs_budget *budget)
{
    memset(g, 0, sizeof(*g));
    n_granules += (0 - n_granules) % ZS_GRANULES_PER_PAGE;
    g->n_granules = n_granules;
    g->budget = budget;
    g->base =
        zs_os.reserve((size_t)n_granules * ZS_GRANULE_BYTES, ZS_OS_PAGE_BYTES);
    if (!g->base) {
        return -ENOMEM;
    }
    g->map = zs_os.reserve(n_words(g) * sizeof(uint64_t), ZS_OS_PAGE_BYTES);
    if (!g->map) {
        zs_os.unreserve(g->base, (size_t)n_granules * ZS_GRANULE_BYTES);
        return -ENOMEM;
    }
    return 0;
}

void zs_granules_destroy(struct zs_granules *g)
{
    for (size_t w = 0; w < g->map_pages * WORDS_PER_MAP_PAGE; w++) {
        if (w < n_words(g) && g->map[w] != 0) {
            zs_budget_uncharge_metadata(g->budget, ZS_OS_PAGE_BYTES);
        }
    }
    zs_budget_uncharge_metadata(
        g->budget, ((uint64_t)g->map_pages + g->n_idle) * ZS_OS_PAGE_BYTES);
    zs_os.unreserve(g->map, n_words(g) * sizeof(uint64_t));
    zs_os.unreserve(g->base, (size_t)g->n_granules * ZS_GRANULE_BYTES);
}

/* --- idle pages --- */

static int by_number(const void *pa, const void *pb)
{
    const uint32_t *a = pa;
    const uint32_t *b = pb;

    return (*a > *b) - (*a < *b);
}

/* Pages side by side. A page that stays is harmless, and is counted as gone. */
static void give_back(struct zs_granules *g, size_t page, size_t n)
{
    int err =
        zs_os.release(g->base + page * ZS_OS_PAGE_BYTES, n * ZS_OS_PAGE_BYTES);

    (void)err;
    zs_budget_uncharge_metadata(g->budget, n * ZS_OS_PAGE_BYTES);
}

static void give_back_idle(struct zs_granules *g)
{
    uint32_t end;

    qsort(g->idle, g->n_idle, sizeof(g->idle[0]), by_number);
    for (uint32_t i = 0; i < g->n_idle; i = end) {
        end = i + 1;
        while (end < g->n_idle && g->idle[end] == g->idle[i] + (end - i)) {
            end++;
        }
        give_back(g, g->idle[i], end - i);
    }
    g->n_idle = 0;
}

/* Others may want the memory now: nothing is kept close to the limit. */
static bool is_close_to_limit(const struct zs_budget *b)
{
    uint64_t used = atomic_load_explicit(&b->used, memory_order_relaxed);

    return b->limit != 0 && used + 2 * IDLE_BYTES > b->limit;
}

static void page_emptied(struct zs_granules *g, size_t page)
{
    if (!g->gathers) {
        give_back(g, page, 1);
        return;
    }
    g->idle[g->n_idle++] = (uint32_t)page;
    if (g->n_idle == ZS_GRANULES_MAX_IDLE || is_close_to_limit(g->budget)) {
        give_back_idle(g);
    }
}

/* Where the page is among the idle ones; n_idle: it is none. */
static uint32_t find_idle(const struct zs_granules *g, size_t page)
{
    uint32_t i = 0;

    while (i < g->n_idle && g->idle[i] != page) {
        i++;
    }
    return i;
}

static void use_idle(struct zs_granules *g, size_t page)
{
    uint32_t i = find_idle(g, page);

    if (i < g->n_idle) {
        g->idle[i] = g->idle[--g->n_idle];
    }
}

void zs_granules_gather(struct zs_granules *g)
{
    g->gathers = true;
}

void zs_granules_gather_end(struct zs_granules *g)
{
    g->gathers = false;
    give_back_idle(g);
}

/* --- taking and giving --- */

/* Pages of the map and of the range that [first, first + n) makes resident. */
static uint64_t new_bytes(const struct zs_granules *g, uint32_t first,
                          unsigned n, uint32_t *map_pages)
{
    size_t last_word = (first + n - 1) / ZS_GRANULES_PER_PAGE;
    uint32_t need = (uint32_t)(last_word / WORDS_PER_MAP_PAGE) + 1;
    uint64_t pages = 0;

    for (size_t w = first / ZS_GRANULES_PER_PAGE; w <= last_word; w++) {
        pages += g->map[w] == 0 && find_idle(g, w) == g->n_idle;
    }
    *map_pages = need > g->map_pages ? need : g->map_pages;
    return (pages + *map_pages - g->map_pages) * ZS_OS_PAGE_BYTES;
}

/* G2 after [first, first + n) was taken from the lowest place for n. */
static void raise_hints(struct zs_granules *g, uint32_t first, unsigned n)
{
    g->hint[n] = first + n;
    for (unsigned k = n + 1; k <= ZS_GRANULES_PER_PAGE; k++) {
        if (g->hint[k] < first) {
            g->hint[k] = first;
        }
    }
}

/* G2 after a run that touches `first` became free. */
static void lower_hints(struct zs_granules *g, uint32_t first)
{
    for (unsigned k = 1; k <= ZS_GRANULES_PER_PAGE; k++) {
        uint32_t lowest = first > k ? first - k : 0;

        if (g->hint[k] > lowest) {
            g->hint[k] = lowest;
        }
    }
}

static bool charge(struct zs_granules *g, uint32_t first, unsigned n)
{
    uint32_t map_pages;
    uint64_t bytes = new_bytes(g, first, n, &map_pages);

    if (!zs_budget_try_charge_metadata(g->budget, bytes)) {
        if (g->n_idle == 0) {
            return false;
        }
        give_back_idle(g);
        return charge(g, first, n);
    }
    g->map_pages = map_pages;
    return true;
}

int zs_granules_alloc(struct zs_granules *g, unsigned n, uint32_t *first)
{
    size_t at;

    ZS_ASSERT(n >= 1 && n <= ZS_GRANULES_PER_PAGE);
    at = zs_bits_find_clear_run(g->map, g->hint[n], g->n_granules, n);
    if (at == ZS_BITS_NONE) {
        return -ENOSPC;
    }
    if (!charge(g, (uint32_t)at, n)) {
        return -ENOMEM;
    }
    use_idle(g, at / ZS_GRANULES_PER_PAGE);
    use_idle(g, (at + n - 1) / ZS_GRANULES_PER_PAGE);
    zs_bits_set(g->map, at, n);
    raise_hints(g, (uint32_t)at, n);
    *first = (uint32_t)at;
    return 0;
}

void zs_granules_free(struct zs_granules *g, uint32_t first, unsigned n)
{
    size_t w = first / ZS_GRANULES_PER_PAGE;
    size_t last = (first + n - 1) / ZS_GRANULES_PER_PAGE;

    ZS_ASSERT(zs_bits_next(g->map, first, first + n, false) == first + n);
    zs_bits_clear(g->map, first, n);
    lower_hints(g, first);
    for (; w <= last; w++) {
        if (g->map[w] == 0) {
            page_emptied(g, w);
        }
    }
}
