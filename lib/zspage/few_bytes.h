/* SPDX-License-Identifier: MIT */
/* few_bytes.h - copying the caller's bytes in sections of the fast paths. */
#ifndef ZS_LIB_FEW_BYTES_H
#define ZS_LIB_FEW_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline bool is_few(size_t len)
{
    return len - 1 < 16;
}

/* The first n bytes and the last n, which may overlap. */
#define ZS_COPY_ENDS(type)                                                     \
    do {                                                                       \
        type first, last;                                                      \
        memcpy(&first, from, sizeof(type));                                    \
        memcpy(&last, from + len - sizeof(type), sizeof(type));                \
        memcpy(to, &first, sizeof(type));                                      \
        memcpy(to + len - sizeof(type), &last, sizeof(type));                  \
    } while (0)

/* is_few(len) */
static inline void copy_few(char *to, const void *data, size_t len)
{
    const char *from = data;

    if (len >= 8) {
        ZS_COPY_ENDS(uint64_t);
    } else if (len >= 4) {
        ZS_COPY_ENDS(uint32_t);
    } else {
        char middle = from[len / 2];
        char last = from[len - 1];

        to[0] = from[0];
        to[len / 2] = middle;
        to[len - 1] = last;
    }
}

/* Have memory behind the caller's bytes, so that a section that copies them
 * seldom waits for the system. (They may lie in two pages; but their length may
 * be one that will be refused.) */
static inline void touch_bytes(const void *data)
{
    (void)*(const volatile char *)data;
}

#endif /* ZS_LIB_FEW_BYTES_H */
