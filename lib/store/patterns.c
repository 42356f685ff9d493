/* SPDX-License-Identifier: MIT */
/* patterns.c - see patterns.h. */
#include "patterns.h"

#include "os.h"
#include "page.h"

_Static_assert(ZS_BARE_NUMBERS < UINT16_MAX, "numbers fit the index");

static struct zs_pattern_table *table_of(const struct zs_patterns *p)
{
    /* acquire: pairs with make_table() */
    return atomic_load_explicit(&p->table, memory_order_acquire);
}

void zs_patterns_init(struct zs_patterns *p, struct zs_arena *arena)
{
    zs_lock_init(&p->lock, ZS_RANK_STORE);
    p->n_patterns = 0;
    p->arena = arena;
    atomic_init(&p->table, NULL);
}

void zs_patterns_destroy(struct zs_patterns *p)
{
    struct zs_pattern_table *t = table_of(p);

    if (t != NULL) {
        zs_os.free(t);
        zs_budget_uncharge_metadata(&p->arena->budget, sizeof(*t));
    }
    zs_lock_destroy(&p->lock);
}

/* NULL: no memory. */
static struct zs_pattern_table *make_table(struct zs_patterns *p)
{
    struct zs_pattern_table *none = NULL;
    struct zs_pattern_table *t;

    if (zs_arena_charge_metadata(p->arena, sizeof(*t)) != 0) {
        return NULL;
    }
    t = zs_os.alloc(sizeof(*t));
    /* release: pairs with table_of(); acquire: another's may be there */
    if (t != NULL &&
        atomic_compare_exchange_strong_explicit(
            &p->table, &none, t, memory_order_release, memory_order_acquire)) {
        return t;
    }
    zs_os.free(t);
    zs_budget_uncharge_metadata(&p->arena->budget, sizeof(*t));
    return none;
}

static unsigned place_of(const struct zs_pattern *p)
{
    uint64_t x =
        (p->bytes ^ p->length ^ p->tenant) * UINT64_C(0x9e3779b97f4a7c15);

    return (unsigned)(x >> 32) % ZS_PATTERN_INDEX;
}

static bool is_same(const struct zs_pattern *a, const struct zs_pattern *b)
{
    return a->bytes == b->bytes && a->length == b->length &&
           a->tenant == b->tenant;
}

/* The number, or -1, and then *at is where it belongs in the index. */
static int look_up(const struct zs_pattern_table *t,
                   const struct zs_pattern *pattern, unsigned *at)
{
    for (*at = place_of(pattern);; *at = (*at + 1) % ZS_PATTERN_INDEX) {
        /* acquire: pairs with add_locked(); the entry is there (P2) */
        unsigned i = atomic_load_explicit(&t->index[*at], memory_order_acquire);

        if (i == 0) {
            return -1;
        }
        if (is_same(&t->entries[i - 1], pattern)) {
            return (int)(i - 1);
        }
    }
}

static int add_locked(struct zs_patterns *p, struct zs_pattern_table *t,
                      const struct zs_pattern *pattern)
{
    unsigned at;
    int number = look_up(t, pattern, &at);

    ZS_ASSERT_HELD(&p->lock);
    if (number >= 0 || p->n_patterns == ZS_BARE_NUMBERS) {
        return number;
    }
    number = (int)p->n_patterns++;
    t->entries[number] = *pattern;
    atomic_store_explicit(&t->index[at], (uint16_t)(number + 1),
                          memory_order_release);
    return number;
}

int zs_patterns_number(struct zs_patterns *p, uint64_t bytes, size_t length,
                       unsigned tenant)
{
    const struct zs_pattern pattern = { bytes, (uint32_t)length, tenant };
    struct zs_pattern_table *t = table_of(p);
    unsigned at;
    int number;

    if (t == NULL) {
        t = make_table(p);
    }
    if (t == NULL) {
        return -1;
    }
    number = look_up(t, &pattern, &at);
    if (number < 0) {
        zs_lock_acquire(&p->lock);
        number = add_locked(p, t, &pattern);
        zs_lock_release(&p->lock);
    }
    return number;
}

const struct zs_pattern *zs_patterns_get(const struct zs_patterns *p,
                                         unsigned number)
{
    return &table_of(p)->entries[number];
}
