/* SPDX-License-Identifier: MIT */
/* report.h - the results, for people and for programs. */
#ifndef ZSFRAG_REPORT_H
#define ZSFRAG_REPORT_H

#include "args.h"
#include "spawn.h"

/* One object, one line. */
void report_json(const struct outcome *o, const struct args *args);

void report_input(const struct args *args, uint64_t input_bytes,
                  uint64_t n_files, const struct plan *plan);
void report_table(const struct outcome *outcomes, unsigned n);
/* In quotes. */
void report_json_string(const char *s);

#endif /* ZSFRAG_REPORT_H */
