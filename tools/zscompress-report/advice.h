/* SPDX-License-Identifier: MIT */
/* advice.h - which row to take. Pure. */
#ifndef ZSREPORT_ADVICE_H
#define ZSREPORT_ADVICE_H

#include "measure.h"

/*
 * Of all rows that pack at 20 MB/s or more, those that need at most 5 % more
 * memory than the least; of these, the one that takes the least time for one
 * put and four gets. NULL: storing raw is as good (less than 10 % is saved).
 */
const struct row *advice_best(const struct results *r);

/* The quickest by the same time among those that save 10 % or more; NULL. */
const struct row *advice_quickest(const struct results *r);

#endif /* ZSREPORT_ADVICE_H */
