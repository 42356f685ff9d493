/* SPDX-License-Identifier: MIT */
/* zram.h - a zram device of our own, added and removed. */
#ifndef ZSFRAG_ZRAM_H
#define ZSFRAG_ZRAM_H

#include <stddef.h>
#include <stdint.h>

/* The new device's number, or -1 with the reason in `why`. */
int zram_add(const char *algorithm, uint64_t disk_bytes, char *why,
             size_t room);

/* Remove a device that zram_add() made; says so on stderr if it stays. */
void zram_remove(int device);

#endif /* ZSFRAG_ZRAM_H */
