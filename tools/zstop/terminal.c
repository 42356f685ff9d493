/* SPDX-License-Identifier: MIT */
/* terminal.c - see terminal.h. */
#include "terminal.h"

#include <curses.h>
#include <stdlib.h>
#include <unistd.h>

static void start_colours(void)
{
    static const short of_text[NR_COLOURS] = {
        [PLAIN] = -1,         [TITLE] = COLOR_CYAN,
        [GOOD] = COLOR_GREEN, [WARNING] = COLOR_YELLOW,
        [BAD] = COLOR_RED,    [DIM] = -1,
    };

    if (!has_colors() || getenv("NO_COLOR") || start_color() != OK ||
        use_default_colors() != OK) {
        return;
    }
    for (int i = 0; i < NR_COLOURS; i++) {
        (void)init_pair((short)(i + 1), of_text[i], -1);
    }
}

static chtype attributes_of(unsigned char colour)
{
    static const chtype without_colours[NR_COLOURS] = {
        [TITLE] = A_BOLD,
        [BAD] = A_REVERSE,
        [DIM] = A_DIM,
    };

    return without_colours[colour] |
           (has_colors() ? COLOR_PAIR(colour + 1) : 0);
}

static void show(const struct canvas *c)
{
    erase();
    for (int row = 0; row < c->rows; row++) {
        for (int column = 0; column < c->columns; column++) {
            (void)mvaddch(row, column,
                          (unsigned char)c->cells[row][column] |
                              attributes_of(c->colours[row][column]));
        }
    }
    (void)refresh();
}

static void draw(const struct session *s)
{
    static struct canvas c;

    canvas_clear(&c, LINES, COLS);
    view_draw(&s->view, &c);
    show(&c);
}

/* A resized terminal is drawn again at once. */
static bool wait_for_key(struct session *s, int interval_ms)
{
    int key;

    timeout(interval_ms);
    while ((key = getch()) != ERR) {
        if (key != KEY_RESIZE && !session_press(s, key)) {
            return false;
        }
        draw(s);
    }
    return true;
}

bool terminal_run(struct session *s, int interval_ms)
{
    if (!isatty(STDIN_FILENO) || !isatty(STDOUT_FILENO) || !initscr()) {
        return false;
    }
    (void)cbreak();
    (void)noecho();
    (void)keypad(stdscr, TRUE);
    (void)curs_set(0);
    start_colours();
    do {
        (void)session_look(s);
        draw(s);
    } while (wait_for_key(s, interval_ms));
    (void)endwin();
    return true;
}
