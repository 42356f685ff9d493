/* SPDX-License-Identifier: MIT */
/* args.c - the command line of zscompress-report. */
#include "args.h"

#include <err.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MIB (UINT64_C(1) << 20)
#define MAX_MIB 16777216

static const char help[] =
    "Usage: zscompress-report [OPTION]... PATH...\n"
    "What would your values take in a compressed zspool store? Reads files,\n"
    "directories or dumps and tries each codec, level and dictionary size.\n"
    "\n"
    "  --format FORMAT   auto, plain, memcached, rdb or aof [auto: named "
    "files\n"
    "                    and standard input by their first bytes, files in\n"
    "                    directories plain]\n"
    "  --unit UNIT       what a value is in plain files: value (a whole "
    "file),\n"
    "                    page (4 KiB of it) or line [value; line for names in\n"
    "                    .jsonl or .ndjson and for standard input]\n"
    "  --all-types       of Redis dumps, also strings inside lists, hashes "
    "...\n"
    "  --max-mib N       keep at most N MiB, a random sample of more [256]\n"
    "  --measure-mib N   try the codecs on at most N MiB of that [16]\n"
    "  --total-mib N     what would N MiB of such values take? [what was "
    "read]\n"
    "  --quick           rough times, for an eighth of the time\n"
    "  --json            everything as one JSON object\n"
    "  --svg FILE        draw memory saved against speed\n"
    "  --help            this text\n"
    "\n"
    "PATH - is standard input. Dumps: answers to memcached's get or mg and\n"
    "what memcached-tool dump writes; Redis' RDB and append-only files.\n"
    "\n"
    "Exit status: 0; 1 when input cannot be read or is damaged (the message\n"
    "has the offset); 2 for bad arguments.\n";

static bool one_of(const char *option, const char *text,
                   const char *const *names, unsigned *out)
{
    for (unsigned i = 0; names[i] != NULL; i++) {
        if (strcmp(text, names[i]) == 0) {
            *out = i;
            return true;
        }
    }
    warnx("%s: '%s' is not known", option, text);
    return false;
}

static bool mib(const char *option, const char *text, uint64_t *out)
{
    char *end;
    unsigned long long n;

    errno = 0;
    n = strtoull(text, &end, 10);
    if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 || n < 1 ||
        n > MAX_MIB) {
        warnx("%s %s: a whole number from 1 to %d is wanted", option, text,
              MAX_MIB);
        return false;
    }
    *out = n * MIB;
    return true;
}

static const struct option options[] = {
    { "format", required_argument, NULL, 'f' },
    { "unit", required_argument, NULL, 'u' },
    { "all-types", no_argument, NULL, 'a' },
    { "max-mib", required_argument, NULL, 'm' },
    { "measure-mib", required_argument, NULL, 'n' },
    { "total-mib", required_argument, NULL, 't' },
    { "quick", no_argument, NULL, 'q' },
    { "json", no_argument, NULL, 'j' },
    { "svg", required_argument, NULL, 's' },
    { "help", no_argument, NULL, 'h' },
    { NULL, 0, NULL, 0 },
};

static bool parse_one(int option, struct args *args)
{
    static const char *const formats[] = { "auto", "plain", "memcached",
                                           "rdb",  "aof",   NULL };
    static const char *const units[] = { "value", "page", "line", NULL };
    unsigned i;

    switch (option) {
    case 'f':
        if (!one_of("--format", optarg, formats, &i)) {
            return false;
        }
        args->format = (enum format)i;
        return true;
    case 'u':
        if (!one_of("--unit", optarg, units, &i)) {
            return false;
        }
        args->unit = (enum unit)i;
        args->is_unit_given = true;
        return true;
    case 'm':
        return mib("--max-mib", optarg, &args->max_bytes);
    case 'n':
        return mib("--measure-mib", optarg, &args->measure_bytes);
    case 't':
        return mib("--total-mib", optarg, &args->total_bytes);
    case 'a':
        args->all_types = true;
        return true;
    case 'q':
        args->quick = true;
        return true;
    case 'j':
        args->json = true;
        return true;
    case 's':
        args->svg = optarg;
        return true;
    default: /* getopt_long() has said what is wrong */
        return false;
    }
}

int args_parse(int argc, char **argv, struct args *out)
{
    int option;

    *out = (struct args){ .max_bytes = 256 * MIB, .measure_bytes = 16 * MIB };
    while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
        if (option == 'h') {
            return fputs(help, stdout) < 0 ? EXIT_BAD : EXIT_OK;
        }
        if (!parse_one(option, out)) {
            fputs("Try 'zscompress-report --help'.\n", stderr);
            return EXIT_USAGE;
        }
    }
    out->paths = argv + optind;
    if (*out->paths == NULL) {
        warnx("name a file, a directory or a dump, or - for standard input");
        fputs("Try 'zscompress-report --help'.\n", stderr);
        return EXIT_USAGE;
    }
    return -1;
}
