/* SPDX-License-Identifier: MIT */
/*
 * dump_svg.c - a map of an arena as a picture.
 *
 * A cell for each pageblock. Its colour is that of the page type that has most
 * of its pages, and is filled from below as far as pages are in use; grey above
 * that: resident and free. A frame: one huge page. What cannot be emptied has a
 * red cross. Each cell says in words what it is (its title).
 *
 * Texts are made in a buffer that has room for the longest: names of types are
 * cut off, and what a holder is called has a fixed length (struct zs_blocker).
 */
#include <stdio.h>
#include <string.h>

#include "dump.h"
#include "page_flags.h"
#include "text.h"

#define COLUMNS 48u
#define CELL 16u /* user units, with the gap */
#define GAP 2u
#define TOP 42u
#define LEGEND_LINE 18u
#define MOST_NAMED 4u /* types, in a title */
#define TEXT_BYTES 8192u

#define SIDE (CELL - GAP)

static const char *color_of(unsigned type)
{
    static const char *const colors[] = {
        "#4c78a8", "#f58518", "#54a24b", "#b279a2",
        "#72b7b2", "#d6a916", "#9d755d", "#e45756",
    };

    return type > ZS_PAGE_TYPE_MAX
               ? "#000000"
               : colors[(type - 1) % (sizeof(colors) / sizeof(colors[0]))];
}

/* --- one block --- */

struct cell {
    const struct zs_shown_block *s;
    unsigned x, y;
    unsigned n_of[ZS_PAGE_TYPE_RETIRED + 1]; /* pages in use, by type */
    unsigned n_limbo;
};

static void count_types(struct cell *c)
{
    memset(c->n_of, 0, sizeof(c->n_of));
    c->n_limbo = 0;
    for (unsigned i = 0; i < ZS_BLOCK_PAGES; i++) {
        uint32_t word = c->s->words[i];

        if (zs_word_is(word, ZS_PAGE_LIMBO)) {
            c->n_limbo++;
        } else if (!zs_word_is(word, ZS_PAGE_FREE)) {
            c->n_of[zs_word_type(word)]++;
        }
    }
}

/* The type that has most of the pages; 0: none has any. */
static unsigned main_type(const struct cell *c)
{
    unsigned most = 0;

    for (unsigned t = 1; t <= ZS_PAGE_TYPE_RETIRED; t++) {
        most = c->n_of[t] > c->n_of[most] ? t : most;
    }
    return most;
}

static void add_types(struct zs_text *t, struct zs_arena *a, struct cell *c)
{
    for (unsigned i = 0; i < MOST_NAMED; i++) {
        unsigned type = main_type(c);

        if (type != 0) {
            zs_text_add(t, "\n%u of ", c->n_of[type]);
            zs_text_add_xml(t, zs_page_type_name(a, (zs_page_type_t)type), 24);
            c->n_of[type] = 0;
        }
    }
    if (c->n_limbo > 0) {
        zs_text_add(t, "\n%u wait for readers", c->n_limbo);
    }
}

static void add_blocker(struct zs_text *t, const struct zs_blocker *why)
{
    zs_text_add(t, "\ncannot be emptied: page %u of ", why->page);
    zs_text_add_xml(t, why->type_name, sizeof(why->type_name));
    zs_text_add(t, " (%s): ", why->state);
    zs_text_add_xml(t, why->holder[0] ? why->holder : "not movable",
                    sizeof(why->holder));
}

static void add_title(struct zs_text *t, struct zs_arena *a, struct cell *c)
{
    const struct zs_block *b = &c->s->block;

    zs_text_add(t, "<title>block %u: %u of %u pages in use, %u resident, %s%s",
                c->s->number, b->n_used, ZS_BLOCK_PAGES, b->n_resident,
                zs_block_state_name(b), b->huge ? ", one huge page" : "");
    add_types(t, a, c);
    if (c->s->is_blocked) {
        add_blocker(t, &c->s->why);
    }
    zs_text_add(t, "</title>");
}

/* From the bottom of the cell up to `n` of its pages. */
static void add_level(struct zs_text *t, const struct cell *c, unsigned n,
                      const char *color)
{
    unsigned height = (n * SIDE + ZS_BLOCK_PAGES - 1) / ZS_BLOCK_PAGES;

    if (n > 0) {
        zs_text_add(t,
                    "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" "
                    "fill=\"%s\"/>",
                    c->x, c->y + SIDE - height, SIDE, height, color);
    }
}

static void add_line(struct zs_text *t, const struct cell *c, bool down)
{
    zs_text_add(t,
                "<line x1=\"%u\" y1=\"%u\" x2=\"%u\" y2=\"%u\" "
                "stroke=\"#d00\" stroke-width=\"2\"/>",
                c->x, c->y + (down ? 0 : SIDE), c->x + SIDE,
                c->y + (down ? SIDE : 0));
}

static void add_frame(struct zs_text *t, const struct cell *c)
{
    const struct zs_block *b = &c->s->block;
    bool is_moving = b->state != ZS_BLOCK_EMPTY && b->state != ZS_BLOCK_OPEN &&
                     b->state != ZS_BLOCK_OFFLINE;

    zs_text_add(t,
                "<rect x=\"%u\" y=\"%u\" width=\"%u\" height=\"%u\" "
                "fill=\"%s\" stroke=\"%s\" stroke-width=\"%s\"%s/>",
                c->x, c->y, SIDE, SIDE,
                b->state == ZS_BLOCK_OFFLINE ? "#888" : "none",
                b->huge ? "#222" : "#ccc", b->huge ? "2" : "1",
                is_moving ? " stroke-dasharray=\"3\"" : "");
}

static void print_cell(struct zs_arena *a, const struct zs_shown_block *s,
                       int fd)
{
    char buf[TEXT_BYTES];
    struct zs_text t;
    struct cell c = {
        .s = s,
        .x = 10 + s->number % COLUMNS * CELL,
        .y = TOP + s->number / COLUMNS * CELL,
    };
    unsigned type;

    count_types(&c);
    type = main_type(&c);
    zs_text_init(&t, buf, sizeof(buf));
    zs_text_add(&t, "<g>");
    add_level(&t, &c, s->block.n_resident, "#ddd");
    add_level(&t, &c, s->block.n_used, type ? color_of(type) : "#aaa");
    add_frame(&t, &c);
    if (s->is_blocked) {
        add_line(&t, &c, true);
        add_line(&t, &c, false);
    }
    add_title(&t, a, &c);
    zs_text_add(&t, "</g>");
    dprintf(fd, "%s\n", buf);
}

/* --- around the blocks --- */

static uint64_t pages_of(const struct zs_arena *a, unsigned type)
{
    return atomic_load_explicit(&a->types[type].n_pages, memory_order_relaxed);
}

static bool is_named(struct zs_arena *a, unsigned type)
{
    return *zs_page_type_name(a, (zs_page_type_t)type) != '\0' &&
           (type <= ZS_PAGE_TYPE_MAX || pages_of(a, type) > 0);
}

static unsigned n_legend_lines(struct zs_arena *a)
{
    unsigned n = 2; /* the marks */

    for (unsigned t = 1; t <= ZS_PAGE_TYPE_RETIRED; t++) {
        n += is_named(a, t);
    }
    return n;
}

static void print_head(struct zs_arena *a, unsigned rows, int fd)
{
    unsigned width = 20 + COLUMNS * CELL;
    unsigned height = TOP + rows * CELL + (n_legend_lines(a) + 1) * LEGEND_LINE;
    struct zs_arena_stats stats;
    char name[256];
    struct zs_text t;

    zs_text_init(&t, name, sizeof(name));
    zs_text_add_xml(&t, a->name, sizeof(a->name));
    zs_arena_stats(a, &stats);
    dprintf(fd,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%u\" "
            "height=\"%u\" viewBox=\"0 0 %u %u\" "
            "font-family=\"sans-serif\" font-size=\"12\">\n"
            "<rect width=\"%u\" height=\"%u\" fill=\"#fff\"/>\n"
            "<text x=\"10\" y=\"20\" font-size=\"14\">%s: %.1f MiB kept, "
            "%.1f MiB in use, %llu pageblocks in use, of them %llu "
            "huge</text>\n",
            width, height, width, height, width, height, name,
            (double)stats.footprint_bytes / (1 << 20),
            (double)stats.used_bytes / (1 << 20),
            (unsigned long long)stats.n_blocks_used,
            (unsigned long long)stats.n_blocks_huge);
}

static void print_legend(struct zs_arena *a, unsigned y, int fd)
{
    for (unsigned i = 1; i <= ZS_PAGE_TYPE_RETIRED; i++) {
        char name[256];
        struct zs_text t;

        if (!is_named(a, i)) {
            continue;
        }
        zs_text_init(&t, name, sizeof(name));
        zs_text_add_xml(&t, zs_page_type_name(a, (zs_page_type_t)i), 24);
        dprintf(fd,
                "<rect x=\"10\" y=\"%u\" width=\"%u\" height=\"%u\" "
                "fill=\"%s\"/><text x=\"30\" y=\"%u\">%s: %llu pages</text>\n",
                y - SIDE + GAP, SIDE, SIDE, color_of(i), y, name,
                (unsigned long long)pages_of(a, i));
        y += LEGEND_LINE;
    }
    dprintf(fd,
            "<text x=\"10\" y=\"%u\">A cell is a pageblock of 2 MiB, filled as "
            "far as its pages are in use; light grey: resident and "
            "free.</text>\n"
            "<text x=\"10\" y=\"%u\">Dark frame: one huge page. Dashed: being "
            "emptied. Grey: offline. Red cross: cannot be emptied just "
            "now.</text>\n",
            y, y + LEGEND_LINE);
}

void zs_arena_dump_svg(struct zs_arena *a, int fd)
{
    struct zs_shown_block s;
    uint32_t n;
    unsigned rows;

    zs_lock_acquire(&a->lock);
    n = a->n_touched_blocks;
    zs_lock_release(&a->lock);
    rows = (n + COLUMNS - 1) / COLUMNS;
    print_head(a, rows, fd);
    for (uint32_t i = 0; i < n && zs_show_block(a, i, &s); i++) {
        print_cell(a, &s, fd);
    }
    print_legend(a, TOP + rows * CELL + LEGEND_LINE, fd);
    dprintf(fd, "</svg>\n");
}
