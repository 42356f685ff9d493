/* SPDX-License-Identifier: MIT */
/*
 * view.c - see view.h.
 *
 *     title
 *     live, footprint, ratio
 *     history     a column for each look: # live, + what is kept beyond it
 *     map         a character for each pageblock, or for some of them
 *     times       percentiles, and a bar over a logarithmic axis
 *     compactor   two lines of figures, two of the budget
 *     message, keys
 */
#include "view.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LABEL_COLUMNS 10
#define FIXED_ROWS 9     /* all but the history, the map and the times */
#define BAR_COLUMN 58    /* of the times */
#define FIRST_DECADE 2.0 /* the bar goes from 100 ns to 10 s */
#define DECADES 8.0

/* --- numbers --- */

void format_bytes(double bytes, char *out, size_t size)
{
    static const char *const units[] = {
        "B", "KiB", "MiB", "GiB", "TiB", "PiB"
    };
    unsigned i = 0;

    while (bytes >= 1024 && i < 5) {
        bytes /= 1024;
        i++;
    }
    (void)snprintf(out, size, i == 0 || bytes >= 1000 ? "%.0f %s" : "%.1f %s",
                   bytes, units[i]);
}

void format_ns(double ns, char *out, size_t size)
{
    static const char *const units[] = { "ns", "us", "ms", "s" };
    unsigned i = 0;

    while (ns >= 999.5 && i < 3) {
        ns /= 1000;
        i++;
    }
    (void)snprintf(out, size, i == 0 || ns >= 99.5 ? "%.0f%s" : "%.1f%s", ns,
                   units[i]);
}

/* At most 8 bytes. */
static void format_count(double n, char *out, size_t size)
{
    static const char letters[] = " kMGTP";
    unsigned i = 0;

    while (i < 5 && n >= (i == 0 ? 1e7 : 1e5)) {
        n /= 1000;
        i++;
    }
    (void)snprintf(out, size, "%.0f%.*s", n, i > 0, letters + i);
}

static int print_bytes(struct canvas *c, int row, int column,
                       enum colour colour, const char *name, double bytes)
{
    char text[32];

    format_bytes(bytes, text, sizeof(text));
    column = canvas_print(c, row, column, DIM, "%s ", name);
    return canvas_print(c, row, column, colour, "%s", text) + 2;
}

/* --- history --- */

void history_add(struct history *h, double live, double footprint)
{
    if (h->n == MAX_HISTORY) {
        memmove(h->live, h->live + 1, (MAX_HISTORY - 1) * sizeof(h->live[0]));
        memmove(h->footprint, h->footprint + 1,
                (MAX_HISTORY - 1) * sizeof(h->footprint[0]));
        h->n--;
    }
    h->live[h->n] = live;
    h->footprint[h->n] = footprint;
    h->n++;
}

static double greatest(const struct history *h, unsigned first)
{
    double most = 1;

    for (unsigned i = first; i < h->n; i++) {
        most = fmax(most, fmax(h->footprint[i], h->live[i]));
    }
    return most;
}

/* Of `rows` how many a value fills; one that is not 0 fills one at least. */
static int height(double value, double most, int rows)
{
    int n = (int)lround(value * rows / most);

    return value > 0 && n == 0 ? 1 : n;
}

static void draw_columns(const struct history *h, struct canvas *c, int row,
                         int rows)
{
    unsigned room = (unsigned)(c->columns - LABEL_COLUMNS);
    unsigned first = h->n > room ? h->n - room : 0;
    double most = greatest(h, first);
    char text[32];

    format_bytes(most, text, sizeof(text));
    canvas_print(c, row, 0, DIM, "%9s", text);
    canvas_print(c, row + rows - 1, 0, DIM, "%9s", "0");
    for (unsigned i = first; i < h->n; i++) {
        int column = LABEL_COLUMNS + (int)(i - first);
        int live = height(h->live[i], most, rows);
        int kept = height(h->footprint[i], most, rows);

        for (int y = 0; y < live || y < kept; y++) {
            canvas_put(c, row + rows - 1 - y, column, y < live ? GOOD : WARNING,
                       y < live ? '#' : '+');
        }
    }
}

static int draw_history(const struct view *v, struct canvas *c, int row,
                        int rows)
{
    int column = canvas_print(c, row, 0, TITLE, "history");

    canvas_print(c, row, column, DIM,
                 "   a column each %.3g s: # live  + kept beyond it",
                 v->interval_s);
    draw_columns(&v->history, c, row + 1, rows - 1);
    return row + rows;
}

/* --- map --- */

/* Several blocks in one cell: what is amiss with any, or how full they are. */
static char merge(const char *cells, size_t n)
{
    unsigned tenths = 0;
    bool is_all_offline = true;
    bool is_all_empty = true;

    for (size_t i = 0; i < n; i++) {
        if (cells[i] == '!' || cells[i] == '~') {
            return cells[i];
        }
        is_all_offline = is_all_offline && cells[i] == '-';
        is_all_empty = is_all_empty && strchr(".-", cells[i]) != NULL;
        tenths += cells[i] == '#' ? 10
                  : cells[i] >= '0' && cells[i] <= '9'
                      ? (unsigned)cells[i] - '0'
                      : 0;
    }
    if (is_all_empty) {
        return is_all_offline ? '-' : '.';
    }
    return "0123456789#"[tenths / n];
}

static enum colour colour_of(char cell)
{
    switch (cell) {
    case '!':
        return BAD;
    case '~':
        return TITLE;
    case '.':
    case '-':
        return DIM;
    default:
        return cell == '#' || cell >= '7' ? GOOD : WARNING;
    }
}

static int draw_map(const struct view *v, struct canvas *c, int row, int rows)
{
    size_t room = (size_t)(rows - 1) * (size_t)c->columns;
    size_t each = v->map.n / room + (v->map.n % room != 0);
    int column = canvas_print(c, row, 0, TITLE, "map");

    column = canvas_print(c, row, column, DIM, "   %zu pageblocks", v->map.n);
    if (each > 1) {
        column = canvas_print(c, row, column, DIM, ", %zu a cell", each);
    }
    canvas_print(c, row, column, DIM,
                 ": 0-9 tenths used  # full  . none  ! held  ~ busy");
    for (size_t i = 0; i * each < v->map.n; i++) {
        size_t left = v->map.n - i * each;
        char cell = merge(v->map.cells + i * each, left < each ? left : each);

        canvas_put(c, row + 1 + (int)(i / (size_t)c->columns),
                   (int)(i % (size_t)c->columns), colour_of(cell), cell);
    }
    return row + rows;
}

/* --- times --- */

static int place_of(double ns, int columns)
{
    double decades = ns > 0 ? log10(ns) - FIRST_DECADE : 0;

    decades = fmin(fmax(decades, 0), DECADES);
    return (int)lround(decades / DECADES * (columns - 1));
}

static void draw_bar(const struct times *t, struct canvas *c, int row,
                     int column, int columns)
{
    int p50 = place_of(t->p50, columns);
    int p99 = place_of(t->p99, columns);
    int p9999 = place_of(t->p9999, columns);

    for (int i = 0; i <= p9999; i++) {
        if (i <= p50) {
            canvas_put(c, row, column + i, GOOD, '=');
        } else if (i <= p99) {
            canvas_put(c, row, column + i, WARNING, '-');
        } else {
            canvas_put(c, row, column + i, DIM, '.');
        }
    }
    canvas_put(c, row, column + place_of(t->max, columns), BAD, '|');
}

static void draw_one(const struct times *t, struct canvas *c, int row)
{
    const double values[] = { t->p50, t->p99, t->p999, t->p9999, t->max };
    int column = canvas_print(c, row, 0, PLAIN, "%-13.13s", t->name);
    char count[32];

    format_count(t->n, count, sizeof(count));
    column = canvas_print(c, row, column, PLAIN, " %8s", count);
    for (unsigned i = 0; i < 5 && t->n > 0; i++) {
        char text[32];

        format_ns(values[i], text, sizeof(text));
        column = canvas_print(c, row, column, PLAIN, " %6s", text);
    }
    if (t->n > 0) {
        draw_bar(t, c, row, BAR_COLUMN, c->columns - BAR_COLUMN - 1);
    }
}

static int draw_times(const struct view *v, struct canvas *c, int row, int rows)
{
    int column = canvas_print(c, row, 0, TITLE, "%-13s", "times");

    column = canvas_print(c, row, column, DIM, " %8s %6s %6s %6s %6s %6s", "n",
                          "p50", "p99", "p99.9", "p99.99", "max");
    (void)column;
    canvas_print(c, row, BAR_COLUMN, DIM, "100ns");
    canvas_print(c, row, c->columns - 4, DIM, "10s");
    for (unsigned i = 0; i < v->now.n_times && (int)i < rows - 1; i++) {
        draw_one(&v->now.times[i], c, row + 1 + (int)i);
    }
    return row + rows;
}

/* --- the compactor --- */

static void draw_work(const struct view *v, struct canvas *c, int row)
{
    const struct figures *f = &v->now;
    int column = canvas_print(c, row, 0, TITLE, "%-13s", "compactor");

    if (!f->has_compactor) {
        canvas_print(c, row, column, DIM, "no figures");
        return;
    }
    column = canvas_print(c, row, column, PLAIN, "share %.0f %%  waste %.1f %%",
                          f->share_percent, f->waste_permille / 10);
    if (v->cpu_percent >= 0) {
        column = canvas_print(c, row, column, PLAIN, "  cpu %.2f %%",
                              v->cpu_percent);
    }
    canvas_print(c, row, column, PLAIN, "  passes %.0f (%.0f put off)",
                 f->passes, f->passes_deferred);
}

static void draw_moves(const struct view *v, struct canvas *c, int row)
{
    const struct figures *f = &v->now;
    int column = canvas_print(c, row, 0, TITLE, "%-13s", "moved");

    column = print_bytes(c, row, column, PLAIN, "all", f->bytes_moved);
    if (v->moved_per_s >= 0) {
        column = print_bytes(c, row, column, PLAIN, "/s", v->moved_per_s);
    }
    column = print_bytes(c, row, column, PLAIN, "back", f->bytes_released);
    canvas_print(c, row, column, PLAIN, "stalls %.0f  busy %.0f", f->stalls,
                 f->busy);
}

/* In two lines, broken between words. */
static void draw_budget(const struct view *v, struct canvas *c, int row)
{
    const char *word = v->budget;
    int first = canvas_print(c, row, 0, TITLE, "%-13s", "budget");
    int column = first;
    int end_row = row + 2;

    if (*word == '\0') {
        canvas_print(c, row, column, DIM, "none");
    }
    while (*word != '\0' && row < end_row) {
        int len = (int)strcspn(word, " \n");

        if (column > first && column + len > c->columns) {
            row++;
            column = first;
            continue;
        }
        column = canvas_print(c, row, column, PLAIN, "%.*s", len, word) + 2;
        word += len + (word[len] != '\0');
    }
}

/* --- the whole --- */

static void draw_title(const struct view *v, struct canvas *c)
{
    const struct process *p = &v->process;
    int column = canvas_print(c, 0, 0, TITLE, "zstop  %s  pid %ld  arena %s",
                              p->program, p->pid, v->now.arena);

    if (p->n_arenas > 1) {
        column = canvas_print(c, 0, column, DIM, " (%u of %u)", v->arena,
                              p->n_arenas);
    }
    if (v->is_gone) {
        canvas_print(c, 0, column + 2, BAD, "gone");
    } else if (p->is_paused) {
        canvas_print(c, 0, column + 2, WARNING, "paused");
    } else if (!p->has_compactor) {
        canvas_print(c, 0, column + 2, DIM, "read only");
    }
}

/* How short memory is, if it is. */
static void draw_pressure(const struct figures *f, struct canvas *c, int column)
{
    static const char *const names[] = { "", "low", "high", "critical" };

    if (f->pressure > 0 && f->pressure < 4) {
        canvas_print(c, 1, column, BAD, "pressure %s", names[f->pressure]);
    }
}

static void draw_sums(const struct view *v, struct canvas *c)
{
    const struct figures *f = &v->now;
    double ratio = f->live > 0 ? f->footprint / f->live : 0;
    int column = print_bytes(c, 1, 0, PLAIN, "live", f->live);

    column = print_bytes(c, 1, column, PLAIN, "footprint", f->footprint);
    column = canvas_print(c, 1, column, DIM, "ratio ");
    column = ratio > 0 ? canvas_print(c, 1, column,
                                      ratio < 1.1   ? GOOD
                                      : ratio < 1.5 ? WARNING
                                                    : BAD,
                                      "%.3f", ratio)
                       : canvas_print(c, 1, column, DIM, "-");
    column = canvas_print(c, 1, column + 2, DIM, "objects ");
    column = canvas_print(c, 1, column, PLAIN, "%.0f", f->objects) + 2;
    if (f->limit > 0) {
        column = print_bytes(c, 1, column, PLAIN, "limit", f->limit);
    }
    draw_pressure(f, c, column);
}

static void draw_keys(const struct view *v, struct canvas *c)
{
    canvas_print(c, c->rows - 2, 0, v->is_gone ? BAD : TITLE, "%s", v->message);
    canvas_print(c, c->rows - 1, 0, DIM,
                 v->process.has_compactor
                     ? "c compact now  p pause  r resume  + - share  a arena  "
                       "q quit"
                     : "a arena  q quit");
}

void view_set_rates(struct view *v, const struct figures *before,
                    double seconds)
{
    const struct figures *now = &v->now;

    v->cpu_percent = -1;
    v->moved_per_s = -1;
    if (seconds > 0 && now->cpu_ns >= before->cpu_ns &&
        now->bytes_moved >= before->bytes_moved) {
        v->cpu_percent = (now->cpu_ns - before->cpu_ns) / seconds / 1e7;
        v->moved_per_s = (now->bytes_moved - before->bytes_moved) / seconds;
    }
}

void view_draw(const struct view *v, struct canvas *c)
{
    int times = 1 + (int)(v->now.n_times > 3 ? v->now.n_times : 3);
    int free_rows = c->rows - FIXED_ROWS - times;
    int history = free_rows / 2;
    int row = 3;

    if (c->rows < VIEW_ROWS || c->columns < VIEW_COLUMNS) {
        canvas_print(c, 0, 0, BAD, "zstop needs %d rows of %d", VIEW_ROWS,
                     VIEW_COLUMNS);
        return;
    }
    draw_title(v, c);
    draw_sums(v, c);
    row = draw_history(v, c, row, history);
    row = draw_map(v, c, row, free_rows - history);
    row = draw_times(v, c, row, times);
    draw_work(v, c, row);
    draw_moves(v, c, row + 1);
    draw_budget(v, c, row + 2);
    draw_keys(v, c);
}
