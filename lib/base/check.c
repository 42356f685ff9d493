/* SPDX-License-Identifier: MIT */
/* check.c - the last words of a process that must not go on. */
#include "check.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void say(const char *text, int len)
{
    if (len > 0) {
        ssize_t ignored = write(STDERR_FILENO, text, (size_t)len);
        (void)ignored; /* nothing else is left to try */
    }
}

static int clamp(int len, size_t cap)
{
    return len < 0 || (size_t)len < cap ? len : (int)cap - 1;
}

void zs_check_failed(const char *what, const char *file, int line,
                     const char *func)
{
    char text[512];

    say(text, clamp(snprintf(text, sizeof(text),
                             "zspool: check failed: %s (%s, %s:%d)\n", what,
                             func, file, line),
                    sizeof(text)));
    abort();
}

void zs_misuse(const char *func, const char *what, unsigned number,
               const char *state)
{
    char text[512];

    say(text, clamp(snprintf(text, sizeof(text), "zspool: %s: %s (%u: %s)\n",
                             func, what, number, state),
                    sizeof(text)));
    abort();
}
