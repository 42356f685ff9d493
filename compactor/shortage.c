/* SPDX-License-Identifier: MIT */
/* shortage.c - see shortage.h. */
#include "shortage.h"

#define MOST_UNTOLD 4u /* looks, while a pass goes on */

void zs_shortage_init(struct zs_shortage *s,
                      const struct zs_compactor_config *cfg)
{
    s->fn = cfg->pressure;
    s->ctx = cfg->pressure_ctx;
    zs_pressure_open(&s->sources);
}

void zs_shortage_look(struct zs_shortage *s, uint64_t now, uint64_t tick_ns)
{
    if (now >= s->next_ns) {
        s->next_ns = now + tick_ns;
        zs_pressure_look(&s->sources, &s->figures);
        s->state = zs_pressure_next(s->state, &s->figures);
        s->looked = true;
        s->untold++;
    }
}

static enum zs_pressure_level worse(enum zs_pressure_level a,
                                    enum zs_pressure_level b)
{
    return a > b ? a : b;
}

static bool is_to_tell(const struct zs_shortage *s,
                       enum zs_pressure_level level)
{
    return s->looked && s->fn &&
           (s->told > ZS_PRESSURE_NONE || level > ZS_PRESSURE_NONE);
}

bool zs_shortage_is_urgent(const struct zs_shortage *s,
                           enum zs_pressure_level arenas)
{
    enum zs_pressure_level level = worse(arenas, s->state.level);

    return is_to_tell(s, level) &&
           (level > s->told || s->untold >= MOST_UNTOLD);
}

bool zs_shortage_tell(struct zs_shortage *s, enum zs_pressure_level arenas,
                      uint64_t want_bytes, uint64_t footprint_bytes)
{
    enum zs_pressure_level level = worse(arenas, s->state.level);
    uint64_t want =
        zs_pressure_want_bytes(s->state.level, &s->figures, footprint_bytes);
    bool tell = is_to_tell(s, level);

    s->looked = false;
    s->untold = 0;
    if (tell) {
        s->told = level;
        want = want_bytes > want ? want_bytes : want;
        s->fn(s->ctx, level, level == ZS_PRESSURE_NONE ? 0 : want);
    }
    return tell;
}
