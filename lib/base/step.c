/* SPDX-License-Identifier: MIT */
/* step.c - the hook of step.h. */
#include "step.h"

#if ZS_CHECKS >= 1
_Atomic(zs_step_hook_fn *) zs_step_hook;
#else
typedef int zs_step_is_off; /* a translation unit may not be empty */
#endif
