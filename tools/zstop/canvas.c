/* SPDX-License-Identifier: MIT */
/* canvas.c - see canvas.h. */
#include "canvas.h"

#include <stdarg.h>
#include <string.h>

void canvas_clear(struct canvas *c, int rows, int columns)
{
    c->rows = rows < MAX_ROWS ? rows : MAX_ROWS;
    c->columns = columns < MAX_COLUMNS ? columns : MAX_COLUMNS;
    memset(c->cells, ' ', sizeof(c->cells));
    memset(c->colours, PLAIN, sizeof(c->colours));
}

void canvas_put(struct canvas *c, int row, int column, enum colour colour,
                char character)
{
    if (row < 0 || row >= c->rows || column < 0 || column >= c->columns) {
        return;
    }
    if (character < ' ' || character > '~') {
        character = '?';
    }
    c->cells[row][column] = character;
    c->colours[row][column] = (unsigned char)colour;
}

int canvas_print(struct canvas *c, int row, int column, enum colour colour,
                 const char *format, ...)
{
    char text[MAX_COLUMNS + 1];
    va_list args;

    va_start(args, format);
    (void)vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    for (const char *p = text; *p != '\0'; p++) {
        canvas_put(c, row, column++, colour, *p);
    }
    return column;
}

void canvas_write(const struct canvas *c, FILE *f)
{
    for (int row = 0; row < c->rows; row++) {
        int len = c->columns;

        while (len > 0 && c->cells[row][len - 1] == ' ') {
            len--;
        }
        fprintf(f, "%.*s\n", len, c->cells[row]);
    }
}
