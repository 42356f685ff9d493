/* SPDX-License-Identifier: MIT */
/* cold_map.c - see cold_map.h. */
#include "cold_map.h"

#include <errno.h>
#include <sched.h>
#include <string.h>

#include "check.h"
#include "os.h"

_Static_assert(ZS_COLD_PAGE_HANDLES / 32 * sizeof(uint64_t) == ZS_OS_PAGE_BYTES,
               "a word for 32 handles");

static size_t map_bytes(uint32_t n_handles)
{
    size_t pages =
        ((size_t)n_handles + ZS_COLD_PAGE_HANDLES - 1) / ZS_COLD_PAGE_HANDLES;

    return pages * ZS_OS_PAGE_BYTES;
}

int zs_cold_map_init(struct zs_cold_map *m, uint32_t n_handles,
                     struct zs_budget *budget)
{
    m->words = zs_os.reserve(map_bytes(n_handles), ZS_OS_PAGE_BYTES);
    if (m->words == NULL) {
        return -ENOMEM;
    }
    m->n_handles = n_handles;
    m->budget = budget;
    return 0;
}

void zs_cold_map_destroy(struct zs_cold_map *m)
{
    if (m->words != NULL) {
        zs_os.unreserve((void *)m->words, map_bytes(m->n_handles));
        zs_budget_uncharge_metadata(m->budget,
                                    (uint64_t)m->charged * ZS_OS_PAGE_BYTES);
    }
}

static _Atomic uint32_t *claim_of(struct zs_cold_map *m, uint32_t h)
{
    return &m->claims[h % ZS_CLAIMS];
}

static uint32_t claim_word(uint32_t h, enum zs_claim_state state)
{
    return h << 2 | (uint32_t)state;
}

/* Acquire: what the worker did with the value while BUSY is done, and what it
 * counted. Release: pairs with zs_claim_busy(). */
void zs_cold_forget(struct zs_cold_map *m, uint32_t h)
{
    uint64_t bits = zs_cold_bit(h) | zs_tried_bit(h);
    _Atomic uint32_t *claim;
    uint32_t now;

    if (m->words == NULL || h >= m->n_handles) {
        return;
    }
    ZS_ASSERT(zs_may_read());
    if (zs_cold_load(m, h, bits) != 0) {
        atomic_fetch_and_explicit(&m->words[h / 32], ~bits,
                                  memory_order_relaxed);
    }
    claim = claim_of(m, h);
    now = atomic_load_explicit(claim, memory_order_acquire);
    while (__builtin_expect(now >> 2 == h && now != 0, 0)) {
        if (now == claim_word(h, ZS_CLAIM_BUSY)) {
            sched_yield(); /* C4 */
            now = atomic_load_explicit(claim, memory_order_acquire);
        } else if (atomic_compare_exchange_weak_explicit(
                       claim, &now, 0, memory_order_acq_rel,
                       memory_order_acquire)) {
            return;
        }
    }
}

/* --- the worker's --- */

bool zs_cold_set(struct zs_cold_map *m, uint32_t h, uint64_t bits)
{
    uint32_t page = h / ZS_COLD_PAGE_HANDLES;

    if (page >= m->charged) {
        bool refused = zs_limit_refused; /* nobody asked for this memory */
        uint64_t bytes = (uint64_t)(page + 1 - m->charged) * ZS_OS_PAGE_BYTES;
        bool charged = zs_budget_try_charge_metadata(m->budget, bytes);

        zs_limit_refused = refused;
        if (!charged) {
            return false;
        }
        m->charged = page + 1;
    }
    atomic_fetch_or_explicit(&m->words[h / 32], bits, memory_order_relaxed);
    return true;
}

bool zs_claim_publish(struct zs_cold_map *m, uint32_t h)
{
    uint32_t none = 0;

    return atomic_compare_exchange_strong_explicit(
        claim_of(m, h), &none, claim_word(h, ZS_CLAIM_CLAIMED),
        memory_order_acq_rel, memory_order_relaxed);
}

/* Acquire and release pair with zs_cold_forget(). */
bool zs_claim_busy(struct zs_cold_map *m, uint32_t h)
{
    uint32_t claimed = claim_word(h, ZS_CLAIM_CLAIMED);

    return atomic_compare_exchange_strong_explicit(
        claim_of(m, h), &claimed, claim_word(h, ZS_CLAIM_BUSY),
        memory_order_acq_rel, memory_order_relaxed);
}

void zs_claim_rest(struct zs_cold_map *m, uint32_t h)
{
    atomic_store_explicit(claim_of(m, h), claim_word(h, ZS_CLAIM_CLAIMED),
                          memory_order_release);
}

/* The place is this handle's, or free: one worker publishes. */
void zs_claim_end(struct zs_cold_map *m, uint32_t h)
{
    atomic_store_explicit(claim_of(m, h), 0, memory_order_release);
}
