/* SPDX-License-Identifier: MIT */
/* report.h - what was found, for people, for programs, and as a picture. */
#ifndef ZSREPORT_REPORT_H
#define ZSREPORT_REPORT_H

#include <stdio.h>

#include "formats.h"
#include "measure.h"

struct report {
    const struct intake *in;
    const struct values *v;
    const struct split *s;
    const struct results *r;
};

void report_text(const struct report *p);
void report_json(const struct report *p);
void report_svg(const struct report *p, FILE *f);

/* 1.2 GiB and so on. `room`: at least 24 bytes. */
const char *report_bytes(double bytes, char *room);

#endif /* ZSREPORT_REPORT_H */
