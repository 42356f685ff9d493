/* SPDX-License-Identifier: MIT */
/* granules.c - see granules.h. */
#include "granules.h"

#include <errno.h>
#include <string.h>

#include "bits.h"
#include "check.h"
#include "os.h"

#define WORDS_PER_MAP_PAGE (ZS_OS_PAGE_BYTES / sizeof(uint64_t))

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
    zs_budget_uncharge_metadata(g->budget,
                                (uint64_t)g->map_pages * ZS_OS_PAGE_BYTES);
    zs_os.unreserve(g->map, n_words(g) * sizeof(uint64_t));
    zs_os.unreserve(g->base, (size_t)g->n_granules * ZS_GRANULE_BYTES);
}

/* Pages of the map and of the range that [first, first + n) makes resident. */
static uint64_t new_bytes(const struct zs_granules *g, uint32_t first,
                          unsigned n, uint32_t *map_pages)
{
    size_t last_word = (first + n - 1) / ZS_GRANULES_PER_PAGE;
    uint32_t need = (uint32_t)(last_word / WORDS_PER_MAP_PAGE) + 1;
    uint64_t pages = 0;

    for (size_t w = first / ZS_GRANULES_PER_PAGE; w <= last_word; w++) {
        pages += g->map[w] == 0;
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

int zs_granules_alloc(struct zs_granules *g, unsigned n, uint32_t *first)
{
    uint32_t map_pages;
    size_t at;
    uint64_t bytes;

    ZS_ASSERT(n >= 1 && n <= ZS_GRANULES_PER_PAGE);
    at = zs_bits_find_clear_run(g->map, g->hint[n], g->n_granules, n);
    if (at == ZS_BITS_NONE) {
        return -ENOSPC;
    }
    bytes = new_bytes(g, (uint32_t)at, n, &map_pages);
    if (!zs_budget_try_charge_metadata(g->budget, bytes)) {
        return -ENOMEM;
    }
    g->map_pages = map_pages;
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
        if (g->map[w] == 0) { /* G1 */
            int err =
                zs_os.release(g->base + w * ZS_OS_PAGE_BYTES, ZS_OS_PAGE_BYTES);

            /* A page that stays is harmless, and is counted as gone. */
            (void)err;
            zs_budget_uncharge_metadata(g->budget, ZS_OS_PAGE_BYTES);
        }
    }
}
