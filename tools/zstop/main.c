/* SPDX-License-Identifier: MIT */
/* zstop - look at the memory of a running process, and at its compactor. */
#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "terminal.h"

#define MAX_FOUND 16u
#define ONCE_MS 500 /* between two looks: rates are wanted */

enum form { TERMINAL, ONCE, JSON };

static const char usage[] =
    "usage: zstop [--once | --json] [--interval SECONDS] [--arena NUMBER]\n"
    "             [SOCKET]\n"
    "\n"
    "Shows the memory of a process whose monitor is on: by its socket, or of\n"
    "the only one found where processes put theirs (docs/monitor.md).\n"
    "\n"
    "  --once      print one screen as text\n"
    "  --json      print the figures as JSON\n"
    "  --interval  between two looks, 0.1 to 60; 1\n"
    "  --arena     which one is shown first; 1\n";

struct args {
    enum form form;
    double interval_s;
    unsigned arena;
    const char *path;
};

static bool take_option(int option, struct args *a)
{
    switch (option) {
    case 'o':
        a->form = ONCE;
        return true;
    case 'j':
        a->form = JSON;
        return true;
    case 'i':
        a->interval_s = strtod(optarg, NULL);
        return a->interval_s >= 0.1 && a->interval_s <= 60;
    case 'a':
        a->arena = (unsigned)strtoul(optarg, NULL, 10);
        return a->arena > 0;
    default:
        return false;
    }
}

static bool parse_args(int argc, char **argv, struct args *a)
{
    static const struct option options[] = {
        { "once", no_argument, NULL, 'o' },
        { "json", no_argument, NULL, 'j' },
        { "interval", required_argument, NULL, 'i' },
        { "arena", required_argument, NULL, 'a' },
        { "help", no_argument, NULL, 'h' },
        { NULL, 0, NULL, 0 },
    };
    int option;

    *a = (struct args){ .interval_s = 1, .arena = 1 };
    while ((option = getopt_long(argc, argv, "", options, NULL)) >= 0) {
        if (option == 'h') {
            fputs(usage, stdout);
            exit(EXIT_SUCCESS);
        }
        if (!take_option(option, a)) {
            return false;
        }
    }
    a->path = argv[optind];
    return optind + 1 >= argc;
}

static void list_found(void)
{
    char *found[MAX_FOUND];
    unsigned n = connection_find(found, MAX_FOUND);

    for (unsigned i = 0; i < n && i < MAX_FOUND; i++) {
        fprintf(stderr, "  %s\n", found[i] ? found[i] : "?");
        free(found[i]);
    }
}

/* The first look must succeed: else it says why not. */
static bool begin(struct session *s)
{
    int err = session_find(s);

    if (err == -ENOENT) {
        warnx("no process found; which socket?");
    } else if (err == -EMLINK) {
        warnx("several processes found; which one?");
        list_found();
    } else {
        err = session_look(s);
        if (err) {
            warnx("%s: %s", s->path, strerror(-err));
        }
    }
    return err == 0;
}

static bool print_once(struct session *s)
{
    const struct timespec wait = { .tv_nsec = ONCE_MS * 1000000L };
    static struct canvas c;
    int err;

    s->view.interval_s = ONCE_MS / 1e3;
    (void)nanosleep(&wait, NULL);
    err = session_look(s);
    if (err) {
        warnx("%s: %s", s->path, strerror(-err));
        return false;
    }
    canvas_clear(&c, VIEW_ROWS, VIEW_COLUMNS);
    view_draw(&s->view, &c);
    canvas_write(&c, stdout);
    return true;
}

static bool print_json(struct session *s)
{
    bool ok = session_print_json(s, stdout);

    if (!ok) {
        warnx("%s: no answer", s->path);
    }
    return ok;
}

static bool run(struct session *s, const struct args *a)
{
    bool ok = begin(s);

    if (ok && a->form == ONCE) {
        ok = print_once(s);
    } else if (ok && a->form == JSON) {
        ok = print_json(s);
    } else if (ok) {
        ok = terminal_run(s, (int)(a->interval_s * 1e3));
        if (!ok) {
            warnx("no terminal: --once prints one screen");
        }
    }
    return ok && fflush(stdout) == 0;
}

int main(int argc, char **argv)
{
    static struct session s;
    struct args args;
    bool ok;

    if (!parse_args(argc, argv, &args)) {
        fputs(usage, stderr);
        return 2;
    }
    session_init(&s, args.path);
    s.view.arena = args.arena;
    s.view.interval_s = args.interval_s;
    ok = run(&s, &args);
    session_end(&s);
    return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
