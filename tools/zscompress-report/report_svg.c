/* SPDX-License-Identifier: MIT */
/*
 * report_svg.c - memory saved against the speed of getting it back.
 *
 * Right is faster, up is smaller; one colour a codec, a ring without and a
 * disc with dictionary, larger for larger ones; a line joins a codec's. Colours
 * and greys are to be read on white and on black, nothing is painted behind.
 */
#include "report.h"

#include <math.h>

#include "advice.h"

#define LEFT 60.0
#define TOP 50.0
#define WIDTH 560.0
#define HEIGHT 380.0
#define LEGEND 190.0

struct axes {
    double x0, x1; /* log10 of MB/s */
    double y1;     /* times */
};

static const char *const colours[N_CODECS] = {
    "#8a8a8a", "#e08a00", "#d1495b", "#a0522d", "#3aa6a0",
    "#2e8b57", "#2f7fd0", "#7a5cc0", "#c050a0",
};

static double x_of(const struct axes *a, double mbps)
{
    return LEFT + WIDTH * (log10(mbps) - a->x0) / (a->x1 - a->x0);
}

static double y_of(const struct axes *a, double times)
{
    return TOP + HEIGHT * (1 - times / a->y1);
}

static struct axes axes_for(const struct results *r)
{
    struct axes a = { 9, -9, 1 };

    for (unsigned i = 0; i < r->n_rows; i++) {
        double x = log10(r->rows[i].decompress.mbps);

        a.x0 = x < a.x0 ? x : a.x0;
        a.x1 = x > a.x1 ? x : a.x1;
        a.y1 = r->rows[i].memory > a.y1 ? r->rows[i].memory : a.y1;
    }
    a.x0 -= 0.06;
    a.x1 += 0.06;
    a.y1 *= 1.08;
    return a;
}

static void grid_x(const struct axes *a, FILE *f)
{
    static const double steps[] = { 1, 2, 5 };

    for (int i = 0; i < 24; i++) {
        int decade = i / 3;
        double mbps = steps[i % 3] * pow(10, decade);
        double x = x_of(a, mbps);

        if (x < LEFT || x > LEFT + WIDTH) {
            continue;
        }
        fprintf(f,
                "<line class=\"g\" x1=\"%.1f\" y1=\"%.0f\" x2=\"%.1f\" "
                "y2=\"%.0f\"/>\n<text x=\"%.1f\" y=\"%.0f\" "
                "text-anchor=\"middle\">%.0f</text>\n",
                x, TOP, x, TOP + HEIGHT, x, TOP + HEIGHT + 18, mbps);
    }
}

static void grid_y(const struct axes *a, FILE *f)
{
    double step = a->y1 > 40   ? 10
                  : a->y1 > 16 ? 4
                  : a->y1 > 6  ? 2
                  : a->y1 > 3  ? 1
                               : 0.5;

    for (unsigned i = 0; i * step < a->y1; i++) {
        double times = i * step;
        double y = y_of(a, times);

        fprintf(f,
                "<line class=\"g\" x1=\"%.0f\" y1=\"%.1f\" x2=\"%.0f\" "
                "y2=\"%.1f\"/>\n<text x=\"%.0f\" y=\"%.1f\" "
                "text-anchor=\"end\">%g</text>\n",
                LEFT, y, LEFT + WIDTH, y, LEFT - 8, y + 4, times);
    }
}

static unsigned codec_idx(const struct row *row)
{
    return (unsigned)(row->codec - codecs);
}

static void tooltip(const struct row *row, FILE *f)
{
    fprintf(f,
            "<title>%s, %s%s&#10;memory %.2f times less than the values, "
            "ratio %.2f&#10;compress %.0f MB/s, p50 %.2f us&#10;decompress "
            "%.0f MB/s, p50 %.2f us</title>",
            row->codec->name,
            row->dict == NULL ? "no dictionary" : "dictionary of ",
            row->dict == NULL ? "" : measure_dict_name(row), row->memory,
            row->ratio, row->compress.mbps, row->compress.p50_us,
            row->decompress.mbps, row->decompress.p50_us);
}

static void mark(const struct axes *a, const struct row *row, bool is_best,
                 FILE *f)
{
    const char *colour = colours[codec_idx(row)];
    double x = x_of(a, row->decompress.mbps), y = y_of(a, row->memory);
    double radius =
        row->dict == NULL ? 6 : 3 + sqrt((double)row->dict_asked) / 80;

    if (is_best) {
        fprintf(f, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"12\" class=\"b\"/>\n",
                x, y);
    }
    fprintf(f,
            "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%.1f\" stroke=\"%s\" "
            "stroke-width=\"2\" fill=\"%s\" fill-opacity=\"%s\">",
            x, y, radius, colour, colour, row->dict == NULL ? "0" : "0.85");
    tooltip(row, f);
    fprintf(f, "</circle>\n");
}

static void join(const struct axes *a, const struct row *from,
                 const struct row *to, FILE *f)
{
    if (from->codec == to->codec) {
        fprintf(f,
                "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" "
                "stroke=\"%s\" stroke-opacity=\"0.5\"/>\n",
                x_of(a, from->decompress.mbps), y_of(a, from->memory),
                x_of(a, to->decompress.mbps), y_of(a, to->memory),
                colours[codec_idx(to)]);
    }
}

static void legend(const struct results *r, FILE *f)
{
    double y = TOP + 6;

    for (unsigned c = 0; c < N_CODECS; c++) {
        fprintf(f,
                "<circle cx=\"%.0f\" cy=\"%.0f\" r=\"5\" fill=\"%s\"/>"
                "<text x=\"%.0f\" y=\"%.0f\">%s</text>\n",
                LEFT + WIDTH + 22, y, colours[c], LEFT + WIDTH + 34, y + 4,
                codecs[c].name);
        y += 21;
    }
    y += 8;
    fprintf(f,
            "<text x=\"%.0f\" y=\"%.0f\">ring: no dictionary</text>"
            "<text x=\"%.0f\" y=\"%.0f\">disc: with; larger, larger</text>\n",
            LEFT + WIDTH + 16, y, LEFT + WIDTH + 16, y + 18);
    if (advice_best(r) != NULL) {
        fprintf(f, "<text x=\"%.0f\" y=\"%.0f\">circled: recommended</text>\n",
                LEFT + WIDTH + 16, y + 36);
    }
}

static void head(const struct report *p, FILE *f)
{
    char bytes[24];

    fprintf(f,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 %.0f "
            "%.0f\" width=\"%.0f\" height=\"%.0f\" font-family=\"sans-serif\" "
            "font-size=\"13\">\n",
            LEFT + WIDTH + LEGEND, TOP + HEIGHT + 56, LEFT + WIDTH + LEGEND,
            TOP + HEIGHT + 56);
    fprintf(f, "<style>text{fill:#808080}.g{stroke:#808080;stroke-opacity:0.25}"
               ".b{fill:none;stroke:#808080;stroke-width:1.5;"
               "stroke-dasharray:3 2}</style>\n");
    fprintf(f,
            "<text x=\"%.0f\" y=\"24\" font-size=\"15\">%llu values, %s: times "
            "less memory, by speed of reading</text>\n",
            LEFT, (unsigned long long)p->v->n_all,
            report_bytes((double)p->v->bytes_all, bytes));
    fprintf(f,
            "<text x=\"%.0f\" y=\"%.0f\" text-anchor=\"middle\">decompress, "
            "MB/s (one thread)</text>\n",
            LEFT + WIDTH / 2, TOP + HEIGHT + 42);
}

void report_svg(const struct report *p, FILE *f)
{
    const struct results *r = p->r;
    const struct row *best = advice_best(r);
    struct axes a = axes_for(r);

    head(p, f);
    grid_x(&a, f);
    grid_y(&a, f);
    for (unsigned i = 1; i < r->n_rows; i++) {
        join(&a, &r->rows[i - 1], &r->rows[i], f);
    }
    for (unsigned i = 0; i < r->n_rows; i++) {
        mark(&a, &r->rows[i], &r->rows[i] == best, f);
    }
    legend(r, f);
    fprintf(f, "</svg>\n");
}
