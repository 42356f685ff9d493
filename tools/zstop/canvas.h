/* SPDX-License-Identifier: MIT */
/* canvas.h - a screen in memory: characters with colours, drawn without a
 * terminal. What does not fit is cut off; what is no printable ASCII becomes a
 * question mark, so nothing that a process says reaches the terminal raw. */
#ifndef ZSTOP_CANVAS_H
#define ZSTOP_CANVAS_H

#include <stdio.h>

#define MAX_ROWS 120
#define MAX_COLUMNS 320

enum colour { PLAIN, TITLE, GOOD, WARNING, BAD, DIM, NR_COLOURS };

struct canvas {
    int rows, columns;
    char cells[MAX_ROWS][MAX_COLUMNS];
    unsigned char colours[MAX_ROWS][MAX_COLUMNS];
};

/* Empty; at most MAX_ROWS and MAX_COLUMNS. */
void canvas_clear(struct canvas *c, int rows, int columns);

void canvas_put(struct canvas *c, int row, int column, enum colour colour,
                char character);

/* The column behind what was written. */
__attribute__((format(printf, 5, 6))) int canvas_print(struct canvas *c,
                                                       int row, int column,
                                                       enum colour colour,
                                                       const char *format, ...);

/* As lines, without blanks at their ends. */
void canvas_write(const struct canvas *c, FILE *f);

#endif /* ZSTOP_CANVAS_H */
