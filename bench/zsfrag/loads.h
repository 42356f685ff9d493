/* SPDX-License-Identifier: MIT */
/* loads.h - the main process of --workload. */
#ifndef ZSFRAG_LOADS_H
#define ZSFRAG_LOADS_H

#include "args.h"
#include "spawn.h"

/* Run and report them; the exit status. */
int loads_run(const struct args *args);

/* load_report.c */
void load_report_json(const struct outcome *o, const char *load);
void load_report_table(const struct outcome *outcomes, const struct args *args);

#endif /* ZSFRAG_LOADS_H */
