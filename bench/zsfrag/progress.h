/* SPDX-License-Identifier: MIT */
/* progress.h - a bar on a terminal, a line per run elsewhere. */
#ifndef ZSFRAG_PROGRESS_H
#define ZSFRAG_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>

/* Nothing is shown before; with `quiet` nothing is shown at all. */
void progress_start(bool quiet);
void progress_show(const char *who, uint64_t done, uint64_t total,
                   const char *stage);
/* Take the bar away. */
void progress_clear(void);
/* `who` is through: a line where there is no bar. */
void progress_end(const char *who, const char *how, double seconds);

#endif /* ZSFRAG_PROGRESS_H */
