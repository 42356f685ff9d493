/* SPDX-License-Identifier: MIT */
/* pressure_level.c - from figures to a level. Pure; table in pressure.h. */
#include "pressure.h"

#define MARK_SHIFT 3u /* an eighth of the limit */
#define MARK_MOST (UINT64_C(512) << 20)
#define SOME_LOW 5u /* percent */
#define SOME_HIGH 15u
#define FULL_HIGH 5u
#define FULL_CRITICAL 15u

uint64_t zs_pressure_mark(uint64_t limit_bytes)
{
    uint64_t mark = limit_bytes >> MARK_SHIFT;

    return mark < MARK_MOST ? mark : MARK_MOST;
}

static uint64_t wide_mark(uint64_t limit_bytes)
{
    uint64_t mark = zs_pressure_mark(limit_bytes);

    return mark + mark / 2;
}

static enum zs_pressure_level higher(enum zs_pressure_level a,
                                     enum zs_pressure_level b)
{
    return a > b ? a : b;
}

/* `wide`: as for leaving a level, with larger marks. */
static enum zs_pressure_level level_of_max(const struct zs_pressure_room *r,
                                           bool wide)
{
    uint64_t mark =
        wide ? wide_mark(r->limit_bytes) : zs_pressure_mark(r->limit_bytes);

    if (r->limit_bytes == ZS_PRESSURE_NO_LIMIT || r->room_bytes >= mark) {
        return ZS_PRESSURE_NONE;
    }
    if (r->room_bytes >= mark / 2) {
        return ZS_PRESSURE_LOW;
    }
    return r->room_bytes >= mark / 4 ? ZS_PRESSURE_HIGH : ZS_PRESSURE_CRITICAL;
}

static enum zs_pressure_level level_of_high(const struct zs_pressure_room *r,
                                            bool wide)
{
    uint64_t mark = zs_pressure_mark(r->limit_bytes);
    uint64_t slowed = wide ? mark / 4 : 0;

    mark = wide ? wide_mark(r->limit_bytes) : mark;
    if (r->limit_bytes == ZS_PRESSURE_NO_LIMIT ||
        (r->room_bytes >= mark && r->room_bytes > 0)) {
        return ZS_PRESSURE_NONE;
    }
    return r->room_bytes > slowed ? ZS_PRESSURE_LOW : ZS_PRESSURE_HIGH;
}

static enum zs_pressure_level level_of_stall(unsigned some, unsigned full)
{
    if (full >= FULL_CRITICAL) {
        return ZS_PRESSURE_CRITICAL;
    }
    if (full >= FULL_HIGH || some >= SOME_HIGH) {
        return ZS_PRESSURE_HIGH;
    }
    return some >= SOME_LOW ? ZS_PRESSURE_LOW : ZS_PRESSURE_NONE;
}

/* Did meeting this limit matter? Not where file cache made the room. */
static bool counts(uint64_t n, const struct zs_pressure_room *r)
{
    return n > 0 && (r->limit_bytes == ZS_PRESSURE_NO_LIMIT ||
                     r->room_bytes < 2 * zs_pressure_mark(r->limit_bytes));
}

static enum zs_pressure_level
level_of_events(const struct zs_pressure_figures *f)
{
    const uint64_t *n = f->events;

    if (n[ZS_PRESSURE_EVENT_oom] || n[ZS_PRESSURE_EVENT_oom_kill]) {
        return ZS_PRESSURE_CRITICAL;
    }
    return n[ZS_PRESSURE_EVENT_low] ||
                   counts(n[ZS_PRESSURE_EVENT_high], &f->high) ||
                   counts(n[ZS_PRESSURE_EVENT_max], &f->max)
               ? ZS_PRESSURE_LOW
               : ZS_PRESSURE_NONE;
}

static enum zs_pressure_level level_of(const struct zs_pressure_figures *f,
                                       bool wide)
{
    unsigned times = wide ? 2 : 1;
    enum zs_pressure_level level = level_of_max(&f->max, wide);

    level = higher(level, level_of_high(&f->high, wide));
    level = higher(level, level_of_stall(f->some_percent * times,
                                         f->full_percent * times));
    return higher(level, level_of_events(f));
}

struct zs_pressure_state zs_pressure_next(struct zs_pressure_state was,
                                          const struct zs_pressure_figures *f)
{
    struct zs_pressure_state now = { .level = level_of(f, false) };

    if (now.level >= was.level) {
        return now;
    }
    now.level = was.level;
    if (level_of(f, true) >= was.level) {
        return now;
    }
    now.calm_looks = was.calm_looks + 1;
    if (now.calm_looks == ZS_PRESSURE_CALM_LOOKS) {
        now.level = (enum zs_pressure_level)(was.level - 1);
        now.calm_looks = 0;
    }
    return now;
}

static uint64_t missing(const struct zs_pressure_room *r)
{
    uint64_t goal = wide_mark(r->limit_bytes);

    if (r->limit_bytes == ZS_PRESSURE_NO_LIMIT || r->room_bytes >= goal) {
        return 0;
    }
    return goal - r->room_bytes;
}

uint64_t zs_pressure_want_bytes(enum zs_pressure_level level,
                                const struct zs_pressure_figures *f,
                                uint64_t footprint_bytes)
{
    static const unsigned percent[] = {
        [ZS_PRESSURE_NONE] = 0,
        [ZS_PRESSURE_LOW] = 1,
        [ZS_PRESSURE_HIGH] = 4,
        [ZS_PRESSURE_CRITICAL] = 10,
    };
    uint64_t high = missing(&f->high);
    uint64_t max = missing(&f->max);
    uint64_t want = high > max ? high : max;

    if (level == ZS_PRESSURE_NONE) {
        return 0;
    }
    if (want == 0) {
        want = footprint_bytes / 100 * percent[level_of(f, false)];
    }
    return want < footprint_bytes ? want : footprint_bytes;
}
