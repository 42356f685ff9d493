/* SPDX-License-Identifier: MIT */
/* figures.c - see figures.h. */
#include "figures.h"

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- JSON --- */

/* Integers as reals: some are above what a signed one holds, and none is shown
 * with more digits than a real has. */
static json_t *load(const char *text, size_t len)
{
    json_t *j = json_loadb(text, len, JSON_DECODE_INT_AS_REAL, NULL);

    if (j && !json_is_object(j)) {
        json_decref(j);
        return NULL;
    }
    return j;
}

static double number(const json_t *object, const char *name)
{
    return json_number_value(json_object_get(object, name));
}

static void copy_text(const json_t *object, const char *name, char *out)
{
    const char *s = json_string_value(json_object_get(object, name));

    (void)snprintf(out, NAME_BYTES, "%s", s ? s : "");
}

bool process_parse(const char *text, size_t len, struct process *out)
{
    json_t *j = load(text, len);

    if (!j) {
        return false;
    }
    *out = (struct process){
        .pid = (long)number(j, "pid"),
        .has_compactor = json_is_true(json_object_get(j, "compactor")),
        .is_paused = json_is_true(json_object_get(j, "paused")),
        .n_arenas = (unsigned)json_array_size(json_object_get(j, "arenas")),
    };
    copy_text(j, "program", out->program);
    json_decref(j);
    return true;
}

/* --- statistics --- */

static void add_pools(const json_t *pools, struct figures *f)
{
    size_t i;
    json_t *pool;

    json_array_foreach(pools, i, pool)
    {
        f->live += number(pool, "live_bytes");
        f->objects += number(pool, "n_objects");
    }
}

/* All members of an object that are histograms. */
static void add_times(json_t *object, struct figures *f)
{
    const char *name;
    json_t *h;

    json_object_foreach(object, name, h)
    {
        struct times *t = &f->times[f->n_times];

        if (f->n_times == MAX_HISTOGRAMS || !json_object_get(h, "p99.99")) {
            continue;
        }
        (void)snprintf(t->name, sizeof(t->name), "%s", name);
        t->n = number(h, "n");
        t->p50 = number(h, "p50");
        t->p99 = number(h, "p99");
        t->p999 = number(h, "p99.9");
        t->p9999 = number(h, "p99.99");
        t->max = number(h, "max");
        f->n_times++;
    }
}

static void take_arena(const json_t *arena, struct figures *f)
{
    copy_text(arena, "name", f->arena);
    f->footprint = number(arena, "footprint_bytes");
    f->limit = number(arena, "limit_bytes");
    f->withheld = number(arena, "withheld_bytes");
}

static void take_compaction(const json_t *compaction, struct figures *f)
{
    f->objects_moved = number(compaction, "objects_moved");
    f->bytes_moved = number(compaction, "bytes_moved");
    f->bytes_released = number(compaction, "bytes_released");
    f->stalls = number(compaction, "compact_stall");
    f->busy = number(compaction, "busy_skips");
}

static void take_compactor(const json_t *compactor, struct figures *f)
{
    f->has_compactor = json_is_object(compactor);
    f->cpu_ns = number(compactor, "cpu_ns");
    f->share_percent = number(compactor, "share_percent");
    f->waste_permille = number(compactor, "waste_permille");
    f->reserve_bytes = number(compactor, "reserve_bytes");
    f->passes = number(compactor, "passes");
    f->passes_deferred = number(compactor, "passes_deferred");
    f->pressure = (unsigned)number(compactor, "pressure_level");
}

bool figures_parse(const char *text, size_t len, struct figures *out)
{
    json_t *j = load(text, len);
    json_t *compactor = json_object_get(j, "compactor");
    bool ok = json_is_object(json_object_get(j, "arena"));

    if (ok) {
        memset(out, 0, sizeof(*out));
        take_arena(json_object_get(j, "arena"), out);
        take_compaction(json_object_get(j, "compaction"), out);
        take_compactor(compactor, out);
        add_pools(json_object_get(j, "pools"), out);
        add_times(json_object_get(j, "histograms"), out);
        add_times(compactor, out);
        add_times(json_object_get(compactor, "histograms"), out);
    }
    json_decref(j);
    return ok;
}

/* --- the map --- */

/* The number of a line's first block is in front. */
static bool is_row(const char *line)
{
    const char *p = line;

    while (*p == ' ') {
        p++;
    }
    if (!isdigit((unsigned char)*p) || p == line) {
        return false;
    }
    while (isdigit((unsigned char)*p)) {
        p++;
    }
    return *p == ' ' && p[1] != '\0' && strchr("0123456789#.!~-", p[1]);
}

static void add_row(struct map *m, const char *line, size_t len)
{
    const char *cells = memrchr(line, ' ', len);
    size_t n = (size_t)(line + len - cells - 1);

    n = m->n + n <= MAX_MAP_BLOCKS ? n : MAX_MAP_BLOCKS - m->n;
    memcpy(m->cells + m->n, cells + 1, n);
    m->n += n;
}

bool map_parse(const char *text, size_t len, struct map *out)
{
    struct map m = { .cells = malloc(len + 1) };
    const char *line = memchr(text, '\n', len); /* the head says the sums */
    const char *end = text + len;

    if (!m.cells || !line) {
        free(m.cells);
        return false;
    }
    for (line++; line < end && is_row(line);) {
        const char *newline = memchr(line, '\n', (size_t)(end - line));

        newline = newline ? newline : end;
        add_row(&m, line, (size_t)(newline - line));
        line = newline + (newline < end);
    }
    free(out->cells);
    *out = m;
    return true;
}

void map_free(struct map *m)
{
    free(m->cells);
    *m = (struct map){ 0 };
}

long budget_value(const char *budget, const char *name)
{
    size_t len = strlen(name);

    while (*budget != '\0') {
        if (strncmp(budget, name, len) == 0 && budget[len] == '=') {
            return strtol(budget + len + 1, NULL, 10);
        }
        budget += strcspn(budget, " ");
        budget += *budget == ' ';
    }
    return -1;
}
