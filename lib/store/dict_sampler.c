/* SPDX-License-Identifier: MIT */
/* dict_sampler.c - keep some of the values that are put; see the header. */
#include "dict_sampler.h"

#include <string.h>

#include "check.h"
#include "os.h"

#define MAX_TURN 512u
#define SMALLEST_ROOM_BYTES ((size_t)32 * 1024)
/* A larger room is at most 1 / PUT_PER_ROOM of what has been put. */
#define FREE_ROOM_BYTES ((size_t)128 * 1024)
#define PUT_PER_ROOM 4u
#define GAP_MAX (UINT32_C(1) << 30)

_Static_assert(SMALLEST_ROOM_BYTES > ZS_SAMPLE_LIMIT_BYTES + 2,
               "the longest sample fits");

static uint32_t next_random(uint32_t *state)
{
    uint32_t x = *state != 0 ? *state : 0x9e3779b9u;

    x ^= x << 13; /* xorshift32 */
    x ^= x >> 17;
    x ^= x << 5;
    *state = x;
    return x;
}

static uint32_t random_below(uint32_t *state, uint32_t n)
{
    return (uint32_t)(((uint64_t)next_random(state) * n) >> 32);
}

/* --- samples --- */

static unsigned char *length_place(const struct zs_samples *s, size_t i)
{
    return s->room + s->room_bytes - (i + 1) * sizeof(uint16_t);
}

size_t zs_sample_length(const struct zs_samples *s, size_t i)
{
    uint16_t len;

    memcpy(&len, length_place(s, i), sizeof(len));
    return len;
}

static bool has_room(const struct zs_samples *s, size_t len)
{
    return s->n_bytes + len + (s->n + 1) * sizeof(uint16_t) <= s->room_bytes;
}

static void append(struct zs_samples *s, const void *data, size_t len)
{
    uint16_t short_len = (uint16_t)len;

    ZS_ASSERT(has_room(s, len)); /* D1 */
    memmove(s->room + s->n_bytes, data, len);
    memcpy(length_place(s, s->n), &short_len, sizeof(short_len));
    s->n_bytes += len;
    s->n++;
}

void zs_samples_free(struct zs_samples *s, struct zs_budget *budget)
{
    if (s->room != NULL) {
        zs_os.free(s->room);
        zs_budget_uncharge_metadata(budget, s->room_bytes);
    }
    *s = (struct zs_samples){ 0 };
}

uint64_t zs_samples_put_bytes(const struct zs_samples *s)
{
    return (uint64_t)s->n_bytes * s->gap;
}

/* --- the room --- */

/* A larger room with the same samples in it. False: no memory, or the limit
 * does not allow it (D2). */
static bool grow(struct zs_sampler *s, size_t bytes)
{
    struct zs_samples larger = { .room_bytes = bytes, .gap = s->now.gap };
    size_t at = 0;

    if (!zs_budget_try_charge_metadata(s->budget, bytes)) {
        return false;
    }
    larger.room = zs_os.alloc(bytes);
    if (larger.room == NULL) {
        zs_budget_uncharge_metadata(s->budget, bytes);
        return false;
    }
    for (size_t i = 0; i < s->now.n; i++) {
        size_t len = zs_sample_length(&s->now, i);

        append(&larger, s->now.room + at, len);
        at += len;
    }
    zs_samples_free(&s->now, s->budget);
    s->now = larger;
    return true;
}

static void thin(struct zs_sampler *s)
{
    struct zs_samples old = s->now;
    size_t at = 0;

    s->now.n = s->now.n_bytes = 0;
    for (size_t i = 0; i < old.n; i++) {
        size_t len = zs_sample_length(&old, i);

        if ((next_random(&s->rng) & 1) != 0) {
            append(&s->now, old.room + at,
                   len); /* never beyond its own place */
        }
        at += len;
    }
    if (s->now.gap < GAP_MAX) {
        s->now.gap *= 2;
    }
    atomic_store_explicit(&s->gap, s->now.gap, memory_order_relaxed);
}

static bool may_grow(const struct zs_sampler *s, size_t wanted)
{
    return wanted <= s->max_room_bytes &&
           (wanted <= FREE_ROOM_BYTES ||
            zs_samples_put_bytes(&s->now) >= PUT_PER_ROOM * (uint64_t)wanted);
}

static bool make_room(struct zs_sampler *s, size_t len)
{
    size_t wanted = s->now.room_bytes * 2;

    if (s->now.room == NULL) {
        return grow(s, SMALLEST_ROOM_BYTES);
    }
    if (may_grow(s, wanted) && grow(s, wanted)) {
        return has_room(&s->now, len);
    }
    thin(s);
    return has_room(&s->now, len);
}

/* --- epochs --- */

void zs_sampler_init(struct zs_sampler *s, struct zs_budget *budget)
{
    *s = (struct zs_sampler){ .budget = budget, .now.gap = 1 };
    atomic_init(&s->gap, 1);
    zs_lock_init(&s->lock, ZS_RANK_SAMPLES);
}

void zs_sampler_destroy(struct zs_sampler *s)
{
    zs_samples_free(&s->now, s->budget);
    zs_lock_destroy(&s->lock);
}

void zs_sampler_restart(struct zs_sampler *s, size_t max_room_bytes,
                        uint64_t ready_bytes)
{
    uint32_t gap;

    zs_lock_acquire(&s->lock);
    gap = s->now.gap > 16 ? s->now.gap / 16 : 1;
    zs_samples_free(&s->now, s->budget);
    s->now.gap = gap;
    s->max_room_bytes = max_room_bytes;
    s->ready_bytes = ready_bytes;
    atomic_store_explicit(&s->gap, gap, memory_order_relaxed);
    zs_lock_release(&s->lock);
}

static bool is_ready_locked(const struct zs_sampler *s)
{
    return s->now.n > 0 && zs_samples_put_bytes(&s->now) >= s->ready_bytes;
}

bool zs_sampler_is_ready(struct zs_sampler *s)
{
    bool is_ready;

    zs_lock_acquire(&s->lock);
    is_ready = is_ready_locked(s);
    zs_lock_release(&s->lock);
    return is_ready;
}

void zs_sampler_take(struct zs_sampler *s, struct zs_samples *out)
{
    zs_lock_acquire(&s->lock);
    *out = s->now;
    s->now = (struct zs_samples){ .gap = out->gap };
    zs_lock_release(&s->lock);
}

/* --- puts --- */

/* One value of `gap` on the average: turns of 1 to 2 * per_turn - 1 values, and
 * of those that end one of gap / per_turn. */
static bool begin_turn(struct zs_sampler *s, struct zs_sample_turn *t,
                       uint32_t gap)
{
    uint32_t per_turn = gap < MAX_TURN ? gap : MAX_TURN;
    uint32_t rng = atomic_load_explicit(&t->rng, memory_order_relaxed);
    uint32_t left;
    bool takes;

    if (rng == 0) { /* the thread's first: no two begin alike */
        rng = (atomic_fetch_add_explicit(&s->n_turns, 1, memory_order_relaxed) +
               1) *
                  2654435761u |
              1;
    }
    takes = random_below(&rng, gap) < per_turn;
    left = random_below(&rng, 2 * per_turn - 1);
    atomic_store_explicit(&t->rng, rng, memory_order_relaxed);
    atomic_store_explicit(&t->left, left, memory_order_relaxed);
    return takes;
}

bool zs_sampler_offer(struct zs_sampler *s, struct zs_sample_turn *t,
                      const void *data, size_t len)
{
    uint32_t gap = atomic_load_explicit(&s->gap, memory_order_relaxed);
    bool is_ready;

    if (!begin_turn(s, t, gap) || len == 0 || len >= ZS_SAMPLE_LIMIT_BYTES ||
        !zs_lock_try_acquire(&s->lock)) {
        return false;
    }
    if (has_room(&s->now, len) || make_room(s, len)) {
        append(&s->now, data, len);
    }
    is_ready = is_ready_locked(s);
    zs_lock_release(&s->lock);
    return is_ready;
}
