/* SPDX-License-Identifier: MIT */
/* directory.c - see directory.h. */
#include "directory.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

bool zs_monitor_directory(char *buf, size_t size)
{
    const char *runtime = secure_getenv("XDG_RUNTIME_DIR");
    int n;

    if (runtime && runtime[0] == '/') {
        n = snprintf(buf, size, "%s/zspool", runtime);
    } else if (geteuid() == 0) {
        n = snprintf(buf, size, "/run/zspool");
    } else {
        n = snprintf(buf, size, "/tmp/zspool-%u", (unsigned)geteuid());
    }
    return n > 0 && (size_t)n < size;
}
