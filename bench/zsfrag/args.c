/* SPDX-License-Identifier: MIT */
/* args.c - the command line of zsfrag. */
#include "args.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backend.h"
#include "load.h"

#define MIB (UINT64_C(1) << 20)
#define DEFAULT_ALLOCATORS "zspool,jemalloc,glibc"
#define DEFAULT_FREED "0.5,0.75,0.9"
#define DEFAULT_LIMIT_MIB 256

static char *const default_paths[] = { "/usr/lib", "/usr/share", NULL };

static const char help[] =
    "Usage: zsfrag [OPTION]... [PATH]...\n"
    "       zsfrag --workload LIST [OPTION]...\n"
    "Store real files as compressed values, free a random share of them, and\n"
    "show how much memory each allocator still keeps.\n"
    "\n"
    "  --allocator LIST   of zspool, zspool-small (without huge pages), "
    "glibc,\n"
    "                     jemalloc, mimalloc, tcmalloc and zram\n"
    "                     [zspool,jemalloc,glibc]\n"
    "  --codec CODEC      lz4, zstd (level 3) or none [lz4]\n"
    "  --unit UNIT        page: 4 KiB pieces of each file, a rest below 64\n"
    "                     bytes is dropped; line: one piece a line, without\n"
    "                     its end, empty ones are skipped, lines of more than\n"
    "                     64 MiB are cut [page]\n"
    "  --free LIST        shares of all values that are free after each step,\n"
    "                     rising, above 0 and below 1 [0.5,0.75,0.9]\n"
    "  --limit-mib N      read at most this much [256 without PATH, else all]\n"
    "  --seed N           choice of the values that are freed [1]\n"
    "  --json             one object per allocator and line\n"
    "  --help             this text\n"
    "\n"
    "Or keep plain objects, of sizes that change, in them:\n"
    "\n"
    "  --workload LIST    of W1 to W8 (RAMCloud, FAST '14, table 2), redis\n"
    "                     (a cache of 100 MiB) and tide (live data that\n"
    "                     doubles and halves)\n"
    "  --live-mib N       requested bytes of the objects that live [512;\n"
    "                     redis: 100]; tide: the most of them\n"
    "  --rest-seconds N   pause before the last look [2]; tide: and after\n"
    "                     each change [4]\n"
    "  --series FILE      their course in time, as CSV\n"
    "\n"
    "There zspool runs with its compactor at the defaults.\n"
    "\n"
    "PATH is a file or a directory; a symbolic link is followed only when it\n"
    "is named here. Directories are read in sorted order, on one file system,\n"
    "regular files only; unreadable files in them are counted and skipped.\n"
    "Without PATH: /usr/lib and /usr/share.\n"
    "\n"
    "Each allocator runs in a process of its own, with the same values in the\n"
    "same order. A value of one repeated byte is kept as 1 byte, a value that\n"
    "does not shrink (with --codec none: any other) as it is. The live bytes\n"
    "of the table are what is left by that, without any header.\n"
    "The library of jemalloc, mimalloc or tcmalloc is found by the dynamic\n"
    "linker, or named by ZSFRAG_JEMALLOC=FILE (_MIMALLOC, _TCMALLOC). zram\n"
    "needs root and --unit page.\n"
    "\n"
    "Exit status: 0, also when an allocator is missing; 1 when a value came\n"
    "back changed, a run failed or no allocator was there; 2 for bad\n"
    "arguments or input.\n";

const char *codec_name(enum codec_id id)
{
    static const char *const names[] = { "lz4", "zstd", "none" };
    return names[id];
}

const char *unit_name(enum unit unit)
{
    return unit == UNIT_PAGE ? "page" : "line";
}

static bool add_allocator(const char *name, struct args *args)
{
    const struct backend *b = backend_find(name);

    if (b == NULL) {
        warnx("unknown allocator '%s'", name);
        return false;
    }
    if (args->n_allocators == MAX_ALLOCATORS) {
        warnx("too many allocators: at most %d", MAX_ALLOCATORS);
        return false;
    }
    args->allocators[args->n_allocators++] = b;
    return true;
}

static bool parse_allocators(const char *list, struct args *args)
{
    char *copy = strdup(list), *rest = copy;
    bool ok = copy != NULL;

    args->n_allocators = 0;
    while (ok && rest != NULL) {
        ok = add_allocator(strsep(&rest, ","), args);
    }
    free(copy);
    return ok;
}

static bool add_load(const char *name, struct args *args)
{
    const struct load_shape *shape = load_find(name);

    if (shape == NULL) {
        warnx("unknown workload '%s'", name);
        return false;
    }
    if (args->n_loads == MAX_LOADS) {
        warnx("too many workloads: at most %d", MAX_LOADS);
        return false;
    }
    args->loads[args->n_loads++] = shape;
    return true;
}

static bool parse_loads(const char *list, struct args *args)
{
    char *copy = strdup(list), *rest = copy;
    bool ok = copy != NULL;

    args->n_loads = 0;
    while (ok && rest != NULL) {
        ok = add_load(strsep(&rest, ","), args);
    }
    free(copy);
    return ok;
}

static bool parse_freed(const char *list, struct args *args)
{
    const char *at = list;
    char *end;

    args->freed[0] = 0;
    args->n_steps = 1;
    for (;;) {
        double share = strtod(at, &end);
        if (end == at || !isfinite(share) || share >= 1 ||
            share <= args->freed[args->n_steps - 1]) {
            warnx("--free %s: rising numbers above 0 and below 1 are wanted",
                  list);
            return false;
        }
        if (args->n_steps == MAX_STEPS) {
            warnx("--free: at most %d steps", MAX_STEPS - 1);
            return false;
        }
        args->freed[args->n_steps++] = share;
        if (*end == '\0') {
            return true;
        }
        /* anything but a comma makes strtod() stop where it starts */
        at = *end == ',' ? end + 1 : "";
    }
}

static bool parse_number(const char *option, const char *text, uint64_t min,
                         uint64_t max, uint64_t *out)
{
    char *end;

    errno = 0;
    unsigned long long n = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || n < min ||
        n > max) {
        warnx("%s %s: a whole number from %llu to %llu is wanted", option, text,
              (unsigned long long)min, (unsigned long long)max);
        return false;
    }
    *out = n;
    return true;
}

static bool parse_codec(const char *text, struct args *args)
{
    for (int id = CODEC_LZ4; id <= (int)CODEC_NONE; id++) {
        if (strcmp(text, codec_name((enum codec_id)id)) == 0) {
            args->codec = (enum codec_id)id;
            return true;
        }
    }
    warnx("unknown codec '%s'", text);
    return false;
}

static bool parse_unit(const char *text, struct args *args)
{
    for (int unit = UNIT_PAGE; unit <= (int)UNIT_LINE; unit++) {
        if (strcmp(text, unit_name((enum unit)unit)) == 0) {
            args->unit = (enum unit)unit;
            return true;
        }
    }
    warnx("unknown unit '%s'", text);
    return false;
}

static const struct option options[] = {
    { "allocator", required_argument, NULL, 'a' },
    { "codec", required_argument, NULL, 'c' },
    { "unit", required_argument, NULL, 'u' },
    { "free", required_argument, NULL, 'f' },
    { "limit-mib", required_argument, NULL, 'l' },
    { "seed", required_argument, NULL, 's' },
    { "workload", required_argument, NULL, 'w' },
    { "live-mib", required_argument, NULL, 'm' },
    { "rest-seconds", required_argument, NULL, 'r' },
    { "series", required_argument, NULL, 'S' },
    { "json", no_argument, NULL, 'j' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static bool parse_one(int option, struct args *args)
{
    uint64_t mib;

    switch (option) {
    case 'a':
        return parse_allocators(optarg, args);
    case 'c':
        return parse_codec(optarg, args);
    case 'u':
        return parse_unit(optarg, args);
    case 'f':
        return parse_freed(optarg, args);
    case 'l':
        if (!parse_number("--limit-mib", optarg, 1, UINT64_C(1) << 30, &mib)) {
            return false;
        }
        args->limit_bytes = mib * MIB;
        return true;
    case 's':
        return parse_number("--seed", optarg, 0, UINT64_MAX, &args->seed);
    case 'w':
        return parse_loads(optarg, args);
    case 'm':
        return parse_number("--live-mib", optarg, 1, 65536, &args->live_mib);
    case 'r':
        args->has_rest = true;
        return parse_number("--rest-seconds", optarg, 0, 3600,
                            &args->rest_seconds);
    case 'S':
        args->series = optarg;
        return true;
    case 'j':
        args->json = true;
        return true;
    default: /* getopt_long() has said what is wrong */
        return false;
    }
}

/* Options that mean nothing together are mistakes. `seen` has the letters of
 * those that are there. */
static bool is_sensible(const struct args *args, const char *seen,
                        const char *path)
{
    static const char of_values[] = "cufl", of_loads[] = "mrS";
    bool loads = args->n_loads > 0;

    for (const struct option *o = options; o->name != NULL; o++) {
        if (strchr(seen, o->val) != NULL &&
            strchr(loads ? of_values : of_loads, o->val) != NULL) {
            warnx("--%s is only for runs with%s --workload", o->name,
                  loads ? "out" : "");
            return false;
        }
    }
    if (loads && path != NULL) {
        warnx("'%s': a workload reads no files", path);
        return false;
    }
    return true;
}

static int usage_error(void)
{
    fputs("Try 'zsfrag --help'.\n", stderr);
    return EXIT_USAGE;
}

int args_parse(int argc, char **argv, struct args *out)
{
    char seen[128] = "";
    int option;

    *out = (struct args){ .seed = 1, .codec = CODEC_LZ4, .unit = UNIT_PAGE };
    if (!parse_allocators(DEFAULT_ALLOCATORS, out) ||
        !parse_freed(DEFAULT_FREED, out)) {
        return EXIT_BAD;
    }
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            return fputs(help, stdout) < 0 ? EXIT_BAD : EXIT_OK;
        }
        if (!parse_one(option, out)) {
            return usage_error();
        }
        if (strchr(seen, option) == NULL) {
            seen[strlen(seen)] = (char)option;
        }
    }
    if (!is_sensible(out, seen, argv[optind])) {
        return usage_error();
    }
    out->paths = argv + optind;
    if (*out->paths == NULL) {
        out->paths = default_paths;
        if (out->limit_bytes == 0) {
            out->limit_bytes = DEFAULT_LIMIT_MIB * MIB;
        }
    }
    return -1;
}
