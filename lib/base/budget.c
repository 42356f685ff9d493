/* SPDX-License-Identifier: MIT */
/* budget.c - what a thread was refused last. */
#include "budget.h"

_Thread_local bool zs_limit_refused __attribute__((tls_model("initial-exec"))) =
    false;
