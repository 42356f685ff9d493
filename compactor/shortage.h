/* SPDX-License-Identifier: MIT */
/*
 * shortage.h - how short memory is, for all arenas of a compactor, and telling
 * the embedder.
 *
 * The system is looked at once a tick (pressure.h); each arena with a limit
 * says at its looks how near that is (watermarks.h). The higher of the two
 * levels is what the embedder is told: at most once a tick, and once when it is
 * over.
 *
 * Locking: the compactor thread's own, but for `level`.
 */
#ifndef ZS_COMPACTOR_SHORTAGE_H
#define ZS_COMPACTOR_SHORTAGE_H

#include <stdatomic.h>
#include <stdbool.h>

#include "pressure.h"
#include "zspool/compactor.h"

struct zs_shortage {
    zs_pressure_fn *fn; /* set once, as is ctx */
    void *ctx;
    struct zs_pressure sources;
    struct zs_pressure_state state;
    struct zs_pressure_figures figures; /* of the last look */
    uint64_t next_ns;                   /* when to look again */
    bool looked; /* and the embedder has not been told what was seen */
    enum zs_pressure_level told; /* last */
    unsigned untold;             /* looks since then */
};

void zs_shortage_init(struct zs_shortage *s,
                      const struct zs_compactor_config *cfg);

/* Look at the system, if it is time to: once a tick. Also in a pass. */
void zs_shortage_look(struct zs_shortage *s, uint64_t now, uint64_t tick_ns);

/* Is there something to tell that a pass in progress ends for? A level higher
 * than the one told last; or any, when it was told a few ticks ago. */
bool zs_shortage_is_urgent(const struct zs_shortage *s,
                           enum zs_pressure_level arenas);

/* Tell the embedder, if there is something to tell: the system's level, or the
 * arenas' with what they want. Once after a look. No lock held. True: it was
 * called, and may have freed something. */
bool zs_shortage_tell(struct zs_shortage *s, enum zs_pressure_level arenas,
                      uint64_t want_bytes, uint64_t footprint_bytes);

#endif /* ZS_COMPACTOR_SHORTAGE_H */
