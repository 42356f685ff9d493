/* SPDX-License-Identifier: MIT */
/*
 * answer.c - see answer.h.
 *
 * A text is made in memory with room for the head in front. Maps are written by
 * the library to a descriptor: to a file in memory, and read back.
 */
#include "answer.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "os.h"
#include "os_net.h"
#include "zspool/movable_ops.h"
#include "zspool/stats.h"

#define HEAD_BYTES 32u
#define TEXT_BYTES ((size_t)4096 + ZS_MONITOR_ARENAS * 256) /* but for stats */
#define WHY_BYTES 256u

/* --- memory --- */

static bool reserve(struct zs_answer *a, size_t bytes)
{
    a->memory = zs_os.alloc(HEAD_BYTES + bytes);
    a->begin = HEAD_BYTES;
    a->end = HEAD_BYTES;
    return a->memory != NULL;
}

void zs_answer_free(struct zs_answer *a)
{
    zs_os.free(a->memory);
    *a = (struct zs_answer){ 0 };
}

/* The text is there: the head in front of it. */
static void finish(struct zs_answer *a, const char *word)
{
    char head[HEAD_BYTES];
    struct zs_text t;

    zs_text_init(&t, head, sizeof(head));
    zs_text_add(&t, "%s ", word);
    zs_text_add_number(&t, a->end - a->begin);
    zs_text_add(&t, "\n");
    a->begin -= t.len;
    memcpy(a->memory + a->begin, head, t.len);
}

bool zs_answer_error(const char *text, struct zs_answer *a)
{
    size_t len = strlen(text);

    if (!reserve(a, len + 1)) {
        return false;
    }
    memcpy(a->memory + a->end, text, len);
    a->memory[a->end + len] = '\n';
    a->end += len + 1;
    finish(a, "error");
    return true;
}

/* Of a text that has TEXT_BYTES at most. */
static bool begin_text(struct zs_answer *a, struct zs_text *t)
{
    if (!reserve(a, TEXT_BYTES)) {
        return false;
    }
    zs_text_init(t, a->memory + HEAD_BYTES, TEXT_BYTES);
    return true;
}

static bool end_text(struct zs_answer *a, const struct zs_text *t)
{
    a->end += t->len < TEXT_BYTES ? t->len : TEXT_BYTES - 1;
    finish(a, "ok");
    return true;
}

static bool say_done(struct zs_answer *a)
{
    struct zs_text t;

    if (!begin_text(a, &t)) {
        return false;
    }
    zs_text_add(&t, "done\n");
    return end_text(a, &t);
}

/* --- the arena that is meant --- */

static struct zs_arena *find_arena(const struct zs_shown *s, const char *name)
{
    char *end;
    unsigned long number;

    if (name[0] == '\0') {
        return s->n_arenas > 0 ? s->arenas[0] : NULL;
    }
    for (unsigned i = 0; i < s->n_arenas; i++) {
        if (strcmp(zs_arena_name(s->arenas[i]), name) == 0) {
            return s->arenas[i];
        }
    }
    number = strtoul(name, &end, 10);
    return *end == '\0' && number >= 1 && number <= s->n_arenas
               ? s->arenas[number - 1]
               : NULL;
}

/* --- statistics --- */

typedef size_t print_stats(struct zs_arena *arena, char *buf, size_t size);

/* They may have grown since their length was asked for: with room to spare. */
static bool answer_stats(struct zs_arena *arena, print_stats *print,
                         struct zs_answer *a)
{
    size_t room = print(arena, NULL, 0) * 5 / 4 + 1024;
    size_t len;

    if (!reserve(a, room)) {
        return false;
    }
    len = print(arena, a->memory + HEAD_BYTES, room);
    if (len >= room) {
        zs_answer_free(a);
        return zs_answer_error("the figures have grown: ask again", a);
    }
    a->end += len;
    finish(a, "ok");
    return true;
}

/* --- maps --- */

static void dump(struct zs_arena *arena, int fd, enum zs_verb verb)
{
    if (verb == ZS_VERB_SVG) {
        zs_arena_dump_svg(arena, fd);
    } else {
        zs_arena_dump(arena, fd, 0);
    }
}

/* 0 or a negative errno; then `a` has no memory. */
static int read_back(int fd, struct zs_answer *a)
{
    struct stat s;
    int err = zs_os_net.look_fd(fd, &s);
    size_t size;

    if (err) {
        return err;
    }
    size = (size_t)s.st_size;
    if (size > ZS_ANSWER_MAX_BYTES) {
        return -EFBIG;
    }
    if (!reserve(a, size)) {
        return -ENOMEM;
    }
    while (a->end - HEAD_BYTES < size) {
        size_t done = a->end - HEAD_BYTES;
        ssize_t n =
            zs_os_net.read_at(fd, a->memory + a->end, size - done, (off_t)done);

        if (n <= 0) {
            zs_answer_free(a);
            return n < 0 ? (int)n : -EIO;
        }
        a->end += (size_t)n;
    }
    return 0;
}

static bool answer_map(struct zs_arena *arena, enum zs_verb verb,
                       struct zs_answer *a)
{
    int fd = zs_os_net.memory_file();
    int err = fd;

    if (fd >= 0) {
        dump(arena, fd, verb);
        err = read_back(fd, a);
        zs_os_net.close(fd);
    }
    if (err < 0) {
        return zs_answer_error(err == -EFBIG ? "the map is too large to be sent"
                                             : "no room for the map",
                               a);
    }
    finish(a, "ok");
    return true;
}

static bool answer_arena(const struct zs_shown *s, const struct zs_command *c,
                         struct zs_answer *a)
{
    struct zs_arena *arena = find_arena(s, c->arena);

    if (!arena) {
        return zs_answer_error("no such arena, see \"arenas\"", a);
    }
    switch (c->verb) {
    case ZS_VERB_STATS:
        return answer_stats(arena, zs_stats_json, a);
    case ZS_VERB_PROMETHEUS:
        return answer_stats(arena, zs_stats_prometheus, a);
    default:
        return answer_map(arena, c->verb, a);
    }
}

/* --- the process, and its compactor --- */

static bool answer_arenas(const struct zs_shown *s, struct zs_answer *a)
{
    struct zs_text t;

    if (!begin_text(a, &t)) {
        return false;
    }
    zs_text_add(&t, "{\"pid\":%ld,\"program\":", (long)getpid());
    zs_text_add_quoted(&t, program_invocation_short_name);
    zs_text_add(&t, ",\"compactor\":%s,\"paused\":%s,\"arenas\":[",
                s->compactor ? "true" : "false",
                s->compactor && zs_compactor_is_paused(s->compactor) ? "true"
                                                                     : "false");
    for (unsigned i = 0; i < s->n_arenas; i++) {
        zs_text_add(&t, "%s{\"number\":%u,\"name\":", i > 0 ? "," : "", i + 1);
        zs_text_add_quoted(&t, zs_arena_name(s->arenas[i]));
        zs_text_add(&t, "}");
    }
    zs_text_add(&t, "]}\n");
    return end_text(a, &t);
}

static bool answer_budget(struct zs_compactor *compactor,
                          const struct zs_command *c, struct zs_answer *a)
{
    struct zs_compact_budget b;
    struct zs_text t;

    zs_compactor_budget(compactor, &b);
    zs_command_apply(c, &b);
    if (c->n_set > 0 && zs_compactor_set_budget(compactor, &b) != 0) {
        return zs_answer_error("low is not above high, nor share above max: "
                               "the budget is as before",
                               a);
    }
    zs_compactor_budget(compactor, &b);
    if (!begin_text(a, &t)) {
        return false;
    }
    zs_command_print_budget(&t, &b);
    return end_text(a, &t);
}

static bool answer_compactor(const struct zs_shown *s,
                             const struct zs_command *c, struct zs_answer *a)
{
    if (!s->compactor) {
        return zs_answer_error("this monitor has no compactor", a);
    }
    switch (c->verb) {
    case ZS_VERB_BUDGET:
        return answer_budget(s->compactor, c, a);
    case ZS_VERB_KICK:
        zs_compactor_kick(s->compactor);
        break;
    case ZS_VERB_PAUSE:
        zs_compactor_pause(s->compactor);
        break;
    default:
        zs_compactor_resume(s->compactor);
        break;
    }
    return say_done(a);
}

static bool answer_help(struct zs_answer *a)
{
    struct zs_text t;

    if (!begin_text(a, &t)) {
        return false;
    }
    zs_command_print_help(&t);
    return end_text(a, &t);
}

bool zs_answer_make(const struct zs_shown *s, const char *line, size_t len,
                    struct zs_answer *out)
{
    struct zs_command c;
    char why[WHY_BYTES];
    struct zs_text t;

    zs_text_init(&t, why, sizeof(why));
    if (!zs_command_parse(line, len, &c, &t)) {
        return zs_answer_error(why, out);
    }
    switch (c.verb) {
    case ZS_VERB_HELP:
        return answer_help(out);
    case ZS_VERB_ARENAS:
        return answer_arenas(s, out);
    case ZS_VERB_STATS:
    case ZS_VERB_PROMETHEUS:
    case ZS_VERB_MAP:
    case ZS_VERB_SVG:
        return answer_arena(s, &c, out);
    default:
        return answer_compactor(s, &c, out);
    }
}
