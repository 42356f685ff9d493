/* SPDX-License-Identifier: MIT */
/* progress.c - a bar on a terminal, a line per run elsewhere. */
#include "progress.h"

#include <stdio.h>
#include <unistd.h>

#define BAR_CELLS 30

static bool has_bar, has_lines, is_shown;

void progress_start(bool quiet)
{
    has_bar = !quiet && isatty(STDOUT_FILENO);
    has_lines = !quiet && !has_bar;
}

void progress_show(const char *who, uint64_t done, uint64_t total,
                   const char *stage)
{
    static const char full[] = "##############################";
    static const char none[] = "..............................";
    unsigned permille = total == 0 ? 0 : (unsigned)(done * 1000 / total);
    int cells;

    if (!has_bar) {
        return;
    }
    permille = permille > 1000 ? 1000 : permille;
    cells = (int)(permille * BAR_CELLS / 1000);
    printf("\r%-9s [%.*s%.*s] %3u %%  %-20s", who, cells, full,
           BAR_CELLS - cells, none, permille / 10, stage);
    fflush(stdout);
    is_shown = true;
}

void progress_clear(void)
{
    if (is_shown) {
        printf("\r%78s\r", "");
        fflush(stdout);
        is_shown = false;
    }
}

void progress_end(const char *who, const char *how, double seconds)
{
    progress_clear();
    if (has_lines) {
        printf("%s: %s, %.1f s\n", who, how, seconds);
        fflush(stdout);
    }
}
