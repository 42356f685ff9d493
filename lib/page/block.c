/* SPDX-License-Identifier: MIT */
/* block.c - see block.h. */
#include "block.h"

#include "check.h"

static unsigned longest_run(const struct zs_block *b)
{
    size_t best = 0;
    size_t at = 0;

    while (at < ZS_BLOCK_PAGES) {
        size_t first = zs_bits_next(b->used, at, ZS_BLOCK_PAGES, false);

        at = zs_bits_next(b->used, first, ZS_BLOCK_PAGES, true);
        if (at - first > best) {
            best = at - first;
        }
    }
    return (unsigned)best;
}

size_t zs_block_find_run(struct zs_block *b, unsigned n)
{
    size_t at = zs_bits_find_clear_run(b->used, 0, ZS_BLOCK_PAGES, n);

    if (at == ZS_BITS_NONE) {
        b->run_hint = (uint16_t)longest_run(b);
    }
    return at;
}

void zs_block_take(struct zs_block *b, unsigned first, unsigned n)
{
    ZS_ASSERT(first + n <= ZS_BLOCK_PAGES);
    ZS_ASSERT(zs_bits_next(b->used, first, first + n, true) == first + n);
    zs_bits_set(b->used, first, n);
    b->n_used = (uint16_t)(b->n_used + n);
    if (b->run_hint > ZS_BLOCK_PAGES - b->n_used) {
        b->run_hint = (uint16_t)(ZS_BLOCK_PAGES - b->n_used);
    }
    ZS_ASSERT_SLOW(zs_block_is_valid(b));
}

void zs_block_give(struct zs_block *b, unsigned first, unsigned n)
{
    size_t begin = first;
    size_t end;

    ZS_ASSERT(first + n <= ZS_BLOCK_PAGES);
    ZS_ASSERT(zs_bits_next(b->used, first, first + n, false) == first + n);
    zs_bits_clear(b->used, first, n);
    b->n_used = (uint16_t)(b->n_used - n);
    while (begin > 0 && !zs_bit_test(b->used, begin - 1)) {
        begin--;
    }
    end = zs_bits_next(b->used, first, ZS_BLOCK_PAGES, true);
    if (b->run_hint < end - begin) {
        b->run_hint = (uint16_t)(end - begin);
    }
    ZS_ASSERT_SLOW(zs_block_is_valid(b));
}

unsigned zs_block_set_resident(struct zs_block *b, unsigned first, unsigned n,
                               bool resident)
{
    unsigned changed = 0;

    ZS_ASSERT(first + n <= ZS_BLOCK_PAGES);
    for (unsigned i = first; i < first + n; i++) {
        changed += zs_bit_test(b->resident, i) != resident;
    }
    if (resident) {
        zs_bits_set(b->resident, first, n);
        b->n_resident = (uint16_t)(b->n_resident + changed);
    } else {
        zs_bits_clear(b->resident, first, n);
        b->n_resident = (uint16_t)(b->n_resident - changed);
    }
    return changed;
}

unsigned zs_block_next_idle_run(const struct zs_block *b, unsigned *first)
{
    uint64_t busy[ZS_BLOCK_PAGES / 64]; /* used, or not resident */
    size_t at;
    size_t end;

    for (unsigned w = 0; w < ZS_BLOCK_PAGES / 64; w++) {
        busy[w] = b->used[w] | ~b->resident[w];
    }
    at = zs_bits_next(busy, *first, ZS_BLOCK_PAGES, false);
    end = zs_bits_next(busy, at, ZS_BLOCK_PAGES, true);
    *first = (unsigned)at;
    return (unsigned)(end - at);
}

static unsigned count_bits(const uint64_t *map)
{
    unsigned n = 0;

    for (unsigned w = 0; w < ZS_BLOCK_PAGES / 64; w++) {
        n += (unsigned)__builtin_popcountll(map[w]);
    }
    return n;
}

bool zs_block_is_valid(const struct zs_block *b)
{
    return (!b->huge || b->n_resident == ZS_BLOCK_PAGES) &&
           count_bits(b->used) == b->n_used &&
           count_bits(b->resident) == b->n_resident &&
           longest_run(b) <= b->run_hint;
}
