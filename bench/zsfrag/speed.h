/* SPDX-License-Identifier: MIT */
/* speed.h - how fast values are put and got, beside the codec alone. */
#ifndef ZSFRAG_SPEED_H
#define ZSFRAG_SPEED_H

#include "run.h"

/* Map what is needed and compress all values once into the flat array, so
 * that its pages and the code are warm. Before the first footprint. */
bool speed_prepare(struct run *run);

/* Fill the allocator, time that, and time filling it again and reading it.
 * It is full afterwards. */
void speed_measure(struct run *run);

/* Values that speed_measure() will report to run_progress(). */
uint64_t speed_work(const struct run *run);

#endif /* ZSFRAG_SPEED_H */
