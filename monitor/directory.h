/* SPDX-License-Identifier: MIT */
/* directory.h - the folder of sockets whose paths nobody has said: for the
 * library and for zstop. */
#ifndef ZS_MONITOR_DIRECTORY_H
#define ZS_MONITOR_DIRECTORY_H

#include <stdbool.h>
#include <stddef.h>

/* Its path. False: it does not fit. */
bool zs_monitor_directory(char *buf, size_t size);

#endif /* ZS_MONITOR_DIRECTORY_H */
