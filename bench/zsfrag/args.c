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

#define MIB (UINT64_C(1) << 20)
#define DEFAULT_ALLOCATORS "zspool,jemalloc,glibc"
#define DEFAULT_FREED "0.5,0.75,0.9"
#define DEFAULT_LIMIT_MIB 256

static char *const default_paths[] = { "/usr/lib", "/usr/share", NULL };

static const char help[] =
    "Usage: zsfrag [OPTION]... [PATH]...\n"
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
    case 'j':
        args->json = true;
        return true;
    default: /* getopt_long() has said what is wrong */
        return false;
    }
}

int args_parse(int argc, char **argv, struct args *out)
{
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
            fputs("Try 'zsfrag --help'.\n", stderr);
            return EXIT_USAGE;
        }
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
