/* SPDX-License-Identifier: MIT */
/* session.c - see session.h. */
#include "session.h"

#include <errno.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A map may cost the process so much of its time. */
#define MAP_SHARE 50u
#define MESSAGE_NS UINT64_C(5000000000) /* how long one is shown */

static uint64_t now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

__attribute__((format(printf, 2, 3))) static void say(struct session *s,
                                                      const char *format, ...)
{
    va_list args;

    va_start(args, format);
    (void)vsnprintf(s->view.message, sizeof(s->view.message), format, args);
    va_end(args);
    s->said_ns = now_ns();
}

void session_init(struct session *s, const char *path)
{
    memset(s, 0, sizeof(*s));
    s->connection.fd = -1;
    s->is_path_given = path != NULL;
    s->view.arena = 1;
    s->view.interval_s = 1;
    s->view.cpu_percent = -1;
    s->view.moved_per_s = -1;
    (void)snprintf(s->path, sizeof(s->path), "%s", path ? path : "");
}

void session_end(struct session *s)
{
    connection_close(&s->connection);
    map_free(&s->view.map);
}

int session_find(struct session *s)
{
    char *found[1];
    unsigned n;

    if (s->is_path_given) {
        return 0;
    }
    n = connection_find(found, 1);
    if (n > 0 && found[0]) {
        (void)snprintf(s->path, sizeof(s->path), "%s", found[0]);
        free(found[0]);
    }
    return n == 1 ? 0 : n == 0 ? -ENOENT : -EMLINK;
}

/* --- asking --- */

/* 0, or a negative errno: the connection is broken, or (-EREMOTEIO) the answer
 * is an error. The text is to be freed when it is 0. */
static int ask(struct session *s, const char *command, struct answer *a)
{
    int err = connection_ask(&s->connection, command, a);

    if (!err && a->is_error) {
        free(a->text);
        a->text = NULL;
        err = -EREMOTEIO;
    }
    return err;
}

static int ask_arena(struct session *s, const char *verb, struct answer *a)
{
    char command[32];

    (void)snprintf(command, sizeof(command), "%s %u", verb, s->view.arena);
    return ask(s, command, a);
}

static int take_process(struct session *s)
{
    struct answer a;
    int err = ask(s, "arenas", &a);

    if (!err) {
        err = process_parse(a.text, a.len, &s->view.process) ? 0 : -EPROTO;
        free(a.text);
    }
    if (s->view.arena > s->view.process.n_arenas) {
        s->view.arena = 1;
    }
    return err;
}

static int take_figures(struct session *s)
{
    struct view *v = &s->view;
    struct figures before = v->now;
    struct answer a;
    uint64_t now = now_ns();
    int err = ask_arena(s, "stats", &a);

    if (err) {
        return err;
    }
    err = figures_parse(a.text, a.len, &v->now) ? 0 : -EPROTO;
    free(a.text);
    if (!err) {
        view_set_rates(v, &before,
                       s->looked_ns ? (double)(now - s->looked_ns) / 1e9 : 0);
        history_add(&v->history, v->now.live, v->now.footprint);
        s->looked_ns = now;
    }
    return err;
}

/* Not more often than it may cost: a map of many GiB takes a while to make. */
static int take_map(struct session *s)
{
    uint64_t begin = now_ns();
    struct answer a;
    int err;

    if (begin < s->map_due_ns) {
        return 0;
    }
    err = ask_arena(s, "map", &a);
    if (!err) {
        (void)map_parse(a.text, a.len, &s->view.map); /* else the old one */
        free(a.text);
    }
    s->map_due_ns = begin + (now_ns() - begin) * MAP_SHARE;
    return err;
}

static int take_budget(struct session *s)
{
    struct answer a;
    int err;

    s->view.budget[0] = '\0';
    if (!s->view.process.has_compactor) {
        return 0;
    }
    err = ask(s, "budget", &a);
    if (!err) {
        (void)snprintf(s->view.budget, sizeof(s->view.budget), "%s", a.text);
        free(a.text);
    }
    return err;
}

/* --- looks --- */

static void forget(struct session *s)
{
    s->view.history.n = 0;
    s->looked_ns = 0;
    s->map_due_ns = 0;
}

static int connect_again(struct session *s)
{
    bool was_gone = s->view.is_gone;
    int err = s->connection.fd >= 0 ? 0 : session_find(s);

    if (err || s->connection.fd >= 0) {
        return err;
    }
    err = connection_open(&s->connection, s->path);
    if (!err && was_gone) {
        forget(s);
        say(s, "connected again");
    }
    return err;
}

static int look(struct session *s)
{
    int err = connect_again(s);

    err = err ? err : take_process(s);
    err = err || s->view.process.n_arenas == 0 ? err : take_figures(s);
    err = err || s->view.process.n_arenas == 0 ? err : take_map(s);
    return err ? err : take_budget(s);
}

int session_look(struct session *s)
{
    int err = look(s);

    if (now_ns() - s->said_ns > MESSAGE_NS) {
        s->view.message[0] = '\0';
    }
    if (err == -EREMOTEIO) { /* the arena has just gone: the next look */
        return 0;
    }
    s->view.is_gone = err != 0;
    if (err) {
        connection_close(&s->connection);
        say(s, "process %ld does not answer (%s): waiting for it",
            s->view.process.pid, strerror(-err));
    }
    return err;
}

/* --- keys --- */

/* `budget`: the answer is the new one. */
static void press_button(struct session *s, const char *command,
                         const char *done, bool budget)
{
    struct answer a;
    int err = connection_ask(&s->connection, command, &a);

    if (err) {
        say(s, "%s: %s", command, strerror(-err));
        connection_close(&s->connection);
        return;
    }
    if (a.is_error) {
        say(s, "%.100s", a.text);
    } else {
        say(s, "%s", done);
        if (budget) { /* for the next key, which may come before a look */
            (void)snprintf(s->view.budget, sizeof(s->view.budget), "%s",
                           a.text);
        }
    }
    s->view.message[strcspn(s->view.message, "\n")] = '\0';
    free(a.text);
}

/* 1, 2, 5, 10, 20, 50, 100 */
static long next_share(long share, int direction)
{
    static const long steps[] = { 1, 2, 5, 10, 20, 50, 100 };
    int i = 0;

    while (i < 6 && steps[i] < share) {
        i++;
    }
    if (direction < 0) {
        return i > 0 ? steps[i - 1] : 1;
    }
    return i < 6 && steps[i] == share ? steps[i + 1] : steps[i];
}

/* The most never keeps the share from being what is asked for. */
static void change_share(struct session *s, int direction)
{
    long share = budget_value(s->view.budget, "share");
    long most = budget_value(s->view.budget, "max");
    char command[64];
    char done[64];

    if (share < 0) {
        say(s, "no budget");
        return;
    }
    share = next_share(share, direction);
    (void)snprintf(command, sizeof(command), "budget share=%ld max=%ld", share,
                   most > share ? most : share);
    (void)snprintf(done, sizeof(done), "share of a processor: %ld %%", share);
    press_button(s, command, done, true);
}

static void next_arena(struct session *s)
{
    s->view.arena = s->view.arena % (s->view.process.n_arenas | 1u) + 1;
    if (s->view.arena > s->view.process.n_arenas) {
        s->view.arena = 1;
    }
    forget(s);
}

bool session_press(struct session *s, int key)
{
    switch (key) {
    case 'c':
        press_button(s, "kick", "the compactor looks now", false);
        break;
    case 'p':
        press_button(s, "pause", "paused", false);
        break;
    case 'r':
        press_button(s, "resume", "the compactor goes on", false);
        break;
    case '+':
    case '=':
        change_share(s, 1);
        break;
    case '-':
        change_share(s, -1);
        break;
    case 'a':
        next_arena(s);
        break;
    default:
        break;
    }
    return key != 'q';
}

/* --- JSON --- */

static void print_string(FILE *f, const char *text, size_t len)
{
    json_t *string = json_stringn(text, len);

    if (!string || json_dumpf(string, f, JSON_ENCODE_ANY) != 0) {
        fputs("null", f);
    }
    json_decref(string);
}

/* What is JSON is passed on as it came, with all its digits. */
bool session_print_json(struct session *s, FILE *f)
{
    struct answer process = { 0 };
    struct answer stats = { 0 };
    struct figures figures;
    bool ok = ask(s, "arenas", &process) == 0 &&
              ask_arena(s, "stats", &stats) == 0 &&
              figures_parse(stats.text, stats.len, &figures);

    if (ok) {
        fputs("{\"socket\":", f);
        print_string(f, s->path, strlen(s->path));
        fprintf(f, ",\n\"process\":%s,\"budget\":", process.text);
        print_string(f, s->view.budget, strcspn(s->view.budget, "\n"));
        fprintf(f, ",\n\"stats\":%s}\n", stats.text);
    }
    free(process.text);
    free(stats.text);
    return ok;
}
