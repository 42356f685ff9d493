/* SPDX-License-Identifier: MIT */
/* footprint.c - Pss_Anon + Pss_Shmem from /proc/self/smaps_rollup. */
#include "footprint.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static uint64_t field_bytes(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at == NULL ? 0 : strtoull(at + strlen(name), NULL, 10) * 1024;
}

uint64_t footprint_now(void)
{
    char text[2048];
    size_t len = 0;
    ssize_t n;
    int fd = open("/proc/self/smaps_rollup", O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return 0;
    }
    while (len < sizeof(text) - 1 &&
           (n = read(fd, text + len, sizeof(text) - 1 - len)) > 0) {
        len += (size_t)n;
    }
    close(fd);
    text[len] = '\0';
    return field_bytes(text, "Pss_Anon:") + field_bytes(text, "Pss_Shmem:");
}
