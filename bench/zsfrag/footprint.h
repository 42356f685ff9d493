/* SPDX-License-Identifier: MIT */
/* footprint.h - the memory of this process that is nobody else's file. */
#ifndef ZSFRAG_FOOTPRINT_H
#define ZSFRAG_FOOTPRINT_H

#include <stdint.h>

/* Pss_Anon + Pss_Shmem of /proc/self/smaps_rollup, in bytes; 0 when it cannot
 * be read. Allocates nothing. */
uint64_t footprint_now(void);

#endif /* ZSFRAG_FOOTPRINT_H */
