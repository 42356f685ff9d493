/* SPDX-License-Identifier: MIT */
/* zscompress-report - what would your values take in a compressed store? */
#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "args.h"
#include "files.h"
#include "report.h"

static bool write_svg(const struct report *p, const char *path)
{
    FILE *f = fopen(path, "we");
    bool ok = f != NULL;

    if (ok) {
        report_svg(p, f);
        ok = ferror(f) == 0;
        ok = fclose(f) == 0 && ok;
    }
    if (!ok) {
        warn("%s", path);
    }
    return ok;
}

static bool write_report(const struct report *p, const struct args *args)
{
    if (args->json) {
        report_json(p);
    } else {
        report_text(p);
    }
    if (fflush(stdout) != 0 || ferror(stdout) != 0) {
        warn("standard output");
        return false;
    }
    return args->svg == NULL || write_svg(p, args->svg);
}

static bool is_verified(const struct results *r)
{
    bool ok = true;

    for (unsigned i = 0; i < r->n_rows; i++) {
        if (!r->rows[i].is_verified) {
            warnx("%s: a value came back changed", r->rows[i].codec->name);
            ok = false;
        }
    }
    return ok;
}

static bool measure_and_report(const struct intake *in, const struct values *v,
                               const struct args *args)
{
    struct results results;
    struct split split;
    bool ok = false;

    if (!split_make(v, args->measure_bytes, &split)) {
        warnx("not enough memory");
        return false;
    }
    if (split.n_measured == 0) {
        warnx("nothing to measure: %llu values, of which %llu repeat one "
              "pattern",
              (unsigned long long)v->n_all, (unsigned long long)v->n_same);
    } else {
        const struct report report = { in, v, &split, &results };

        ok = measure_all(v, &split,
                         args->total_bytes != 0 ? args->total_bytes
                                                : v->bytes_all,
                         args->quick, &results) &&
             is_verified(&results) && write_report(&report, args);
        measure_free(&results);
    }
    split_free(&split);
    return ok;
}

static bool run(const struct args *args)
{
    struct values values;
    struct intake in = { .values = &values,
                         .format = args->format,
                         .unit = args->unit,
                         .is_unit_given = args->is_unit_given,
                         .all_types = args->all_types };
    bool ok = values_open(&values, args->max_bytes);

    if (!ok) {
        warnx("not enough memory");
    }
    ok = ok && files_read(&in, args->paths) &&
         measure_and_report(&in, &values, args);
    free(in.blob.data);
    free(in.key.data);
    values_close(&values);
    return ok;
}

int main(int argc, char **argv)
{
    struct args args;
    int status = args_parse(argc, argv, &args);

    if (status >= 0) {
        return status;
    }
    return run(&args) ? EXIT_OK : EXIT_BAD;
}
