/* SPDX-License-Identifier: MIT */
/* message.h - what a worker tells the main process, through a pipe. */
#ifndef ZSFRAG_MESSAGE_H
#define ZSFRAG_MESSAGE_H

#include <limits.h>
#include <stdint.h>

#include "args.h"
#include "load.h"

/* Two things measured in turn on the same values; MB of values a second. */
struct speed {
    double mbps;      /* median over the chunks */
    double raw_mbps;  /* likewise, the codec alone */
    double ratio;     /* median over pairs of neighbouring chunks */
    double low, high; /* a tenth of these ratios is below, a tenth above */
};

/* In the order in which they are measured. "Random": in an order of values
 * that is not that of their first fill. */
enum stage {
    STAGE_PUT_COLD,
    STAGE_PUT,
    STAGE_GET,
    STAGE_GET_RANDOM,
    STAGE_PUT_RANDOM, /* last: it leaves handles in disorder */
    N_STAGES
};

struct step {
    double freed;
    uint64_t n_live;
    uint64_t raw_bytes;  /* of the surviving values */
    uint64_t live_bytes; /* what is left of those after the codec */
    uint64_t footprint_before;
    uint64_t footprint;
    double compact_seconds;
};

struct result {
    uint64_t n_values;
    struct speed speed[N_STAGES];
    struct step steps[MAX_STEPS];
    unsigned n_steps;
    uint64_t n_verified;
    uint64_t n_corrupt;
};

enum message_kind { MSG_PROGRESS, MSG_FAILED, MSG_RESULT };

struct message {
    enum message_kind kind;
    uint64_t done, total; /* MSG_PROGRESS */
    char text[160];       /* MSG_PROGRESS: the stage; MSG_FAILED: why */
    /* MSG_RESULT: one of them */
    struct result result;
    struct load_result load;
};
_Static_assert(sizeof(struct message) <= PIPE_BUF, "written in one piece");

#endif /* ZSFRAG_MESSAGE_H */
