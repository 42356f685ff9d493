/* SPDX-License-Identifier: MIT */
/* timing.h - how fast each row packs and unpacks. */
#ifndef ZSREPORT_TIMING_H
#define ZSREPORT_TIMING_H

#include "measure.h"

/* Fill in compress, decompress and is_verified of every row. false: no memory.
 */
bool timing_run(const struct values *v, const struct split *s, bool quick,
                struct results *out);

#endif /* ZSREPORT_TIMING_H */
