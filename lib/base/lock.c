/* SPDX-License-Identifier: MIT */
/* lock.c - which ranks this thread holds (checked builds). */
#include "lock.h"

_Static_assert(ZS_NR_RANKS <= 32, "a bit per rank");

#if ZS_CHECKS >= 1
_Thread_local unsigned zs_held_ranks;
#endif
