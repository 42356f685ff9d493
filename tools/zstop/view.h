/* SPDX-License-Identifier: MIT */
/* view.h - from figures to a screen. Pure: no terminal, no clock. */
#ifndef ZSTOP_VIEW_H
#define ZSTOP_VIEW_H

#include "canvas.h"
#include "figures.h"

#define MAX_HISTORY 512u
#define VIEW_ROWS 24
#define VIEW_COLUMNS 80

struct history { /* the newest at the end */
    unsigned n;
    double live[MAX_HISTORY], footprint[MAX_HISTORY];
};

/* Forgets the oldest when it is full. */
void history_add(struct history *h, double live, double footprint);

struct view {
    struct process process;
    unsigned arena; /* its number, from 1 */
    struct figures now;
    double cpu_percent, moved_per_s; /* below 0: not known yet */
    struct map map;
    char budget[256]; /* the answer; "": none */
    struct history history;
    double interval_s; /* between two columns of it */
    char message[128]; /* what just happened; "": nothing */
    bool is_gone;      /* the process does not answer: these are old */
};

/* From the figures before and `seconds` of time. */
void view_set_rates(struct view *v, const struct figures *before,
                    double seconds);

/* 24 rows of 80 are enough; more are used for the history and the map. */
void view_draw(const struct view *v, struct canvas *c);

/* "1.5 MiB", "20.1us": at most 8 and, up to 999 s, 6 bytes. */
void format_bytes(double bytes, char *out, size_t size);
void format_ns(double ns, char *out, size_t size);

#endif /* ZSTOP_VIEW_H */
