/* SPDX-License-Identifier: MIT */
/* pss.h - what the kernel says that the process keeps. */
#ifndef ZS_TESTS_PSS_H
#define ZS_TESTS_PSS_H

#include <stdint.h>
#include <stdio.h>

/* Sanitizers keep memory of their own for every page that is touched. */
#if defined(__SANITIZE_THREAD__) || defined(__SANITIZE_ADDRESS__)
#define SMAPS_MEANS_SOMETHING 0
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer) || __has_feature(address_sanitizer)
#define SMAPS_MEANS_SOMETHING 0
#endif
#endif
#ifndef SMAPS_MEANS_SOMETHING
#define SMAPS_MEANS_SOMETHING 1
#endif

/* Pss_Anon of the process; 0: it cannot be read. */
static inline uint64_t pss_bytes(void)
{
    FILE *f = fopen("/proc/self/smaps_rollup", "r");
    unsigned long long kib = 0;
    char line[256];

    if (!f) {
        return 0;
    }
    while (fgets(line, sizeof(line), f)) {
        if (sscanf(line, "Pss_Anon: %llu kB", &kib) == 1) {
            break;
        }
    }
    fclose(f);
    return kib * 1024;
}

#endif /* ZS_TESTS_PSS_H */
