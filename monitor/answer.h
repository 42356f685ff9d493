/* SPDX-License-Identifier: MIT */
/*
 * answer.h - what is answered to a line.
 *
 * An answer is a head, "ok LENGTH" or "error LENGTH" and a line end, and so
 * many bytes behind it, which end with a line end too.
 *
 * Locking: the caller's lock keeps the arenas from being destroyed.
 */
#ifndef ZS_MONITOR_ANSWER_H
#define ZS_MONITOR_ANSWER_H

#include <stdbool.h>
#include <stddef.h>

#include "zspool/monitor.h"

#define ZS_MONITOR_ARENAS 64u                  /* the most that are shown */
#define ZS_ANSWER_MAX_BYTES ((size_t)32 << 20) /* a longer one is an error */

/* What can be asked about. */
struct zs_shown {
    struct zs_arena *arenas[ZS_MONITOR_ARENAS];
    unsigned n_arenas;
    struct zs_compactor *compactor; /* NULL: none */
};

struct zs_answer {
    char *memory; /* NULL: there is none */
    size_t begin, end;
};

/* False: there is no memory for an answer. */
bool zs_answer_make(const struct zs_shown *s, const char *line, size_t len,
                    struct zs_answer *out);

/* An error in words. False: as above. */
bool zs_answer_error(const char *text, struct zs_answer *out);

void zs_answer_free(struct zs_answer *a);

#endif /* ZS_MONITOR_ANSWER_H */
