/* SPDX-License-Identifier: MIT */
/* pressure_text.h - numbers in the kernel's small text files. Pure. What is not
 * as expected is not there: false, and nothing written. */
#ifndef ZS_COMPACTOR_PRESSURE_TEXT_H
#define ZS_COMPACTOR_PRESSURE_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

/* A number that fills the line; false also for one that is too large. */
static inline bool zs_text_number(const char *s, uint64_t *out)
{
    uint64_t n = 0;
    const char *begin = s;

    for (; *s >= '0' && *s <= '9'; s++) {
        uint64_t digit = (uint64_t)(*s - '0');

        if (n > (UINT64_MAX - digit) / 10) {
            return false;
        }
        n = n * 10 + digit;
    }
    if (s == begin || (*s != '\0' && *s != '\n')) {
        return false;
    }
    *out = n;
    return true;
}

/* What follows "KEY " in the line that begins with it; NULL: there is none. */
static inline const char *zs_text_after(const char *text, const char *key)
{
    size_t len = strlen(key);

    for (const char *s = text; s; s = strchr(s, '\n')) {
        s += *s == '\n';
        if (strncmp(s, key, len) == 0 && s[len] == ' ') {
            return s + len + 1;
        }
    }
    return NULL;
}

static inline bool zs_text_keyed(const char *text, const char *key,
                                 uint64_t *out)
{
    const char *s = zs_text_after(text, key);

    return s && zs_text_number(s, out);
}

/* "some avg10=0.00 avg60=0.00 avg300=0.00 total=12345": 12345 */
static inline bool zs_text_stall(const char *text, const char *key,
                                 uint64_t *out)
{
    const char *line = zs_text_after(text, key);
    const char *total = line ? strstr(line, "total=") : NULL;
    const char *end = line ? strchr(line, '\n') : NULL;

    return total && (!end || total < end) &&
           zs_text_number(total + strlen("total="), out);
}

#endif /* ZS_COMPACTOR_PRESSURE_TEXT_H */
