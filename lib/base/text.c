/* SPDX-License-Identifier: MIT */
/* text.c - see text.h. */
#include "text.h"

#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_S UINT64_C(1000000000)

void zs_text_init(struct zs_text *t, char *buf, size_t size)
{
    *t = (struct zs_text){ .buf = buf, .size = size };
    if (size > 0) {
        buf[0] = '\0';
    }
}

void zs_text_add(struct zs_text *t, const char *format, ...)
{
    size_t room = t->len < t->size ? t->size - t->len : 0;
    va_list args;
    int n;

    va_start(args, format);
    n = vsnprintf(room > 0 ? t->buf + t->len : NULL, room, format, args);
    va_end(args);
    t->len += n > 0 ? (size_t)n : 0;
}

void zs_text_add_number(struct zs_text *t, uint64_t value)
{
    zs_text_add(t, "%llu", (unsigned long long)value);
}

/* How many bytes a character has, by its first one; 0: none begins so. */
static unsigned bytes_by_first(unsigned char first)
{
    if (first < 0x80) {
        return 1;
    }
    if (first < 0xc2 || first > 0xf4) {
        return 0;
    }
    return first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
}

/* By its first two: longer than need be, a surrogate, or out of range. */
static bool is_out_of_range(unsigned char first, unsigned char second)
{
    return (first == 0xe0 && second < 0xa0) ||
           (first == 0xed && second >= 0xa0) ||
           (first == 0xf0 && second < 0x90) ||
           (first == 0xf4 && second >= 0x90);
}

/* Bytes of the character that begins at s; 0: it is no UTF-8. */
static unsigned char_bytes(const char *s)
{
    const unsigned char *p = (const unsigned char *)s;
    unsigned n = bytes_by_first(p[0]);

    for (unsigned i = 1; i < n; i++) {
        if ((p[i] & 0xc0) != 0x80) { /* the end of the string, too */
            return 0;
        }
    }
    return n > 1 && is_out_of_range(p[0], p[1]) ? 0 : n;
}

static bool is_control(char c)
{
    return (c >= 0 && c < ' ') || c == 0x7f;
}

/* One character that needs no escape, or a question mark in its place. */
static void add_char(struct zs_text *t, const char *s, unsigned n)
{
    if (n == 0 || is_control(*s)) {
        zs_text_add(t, "?");
    } else {
        zs_text_add(t, "%.*s", (int)n, s);
    }
}

void zs_text_add_quoted(struct zs_text *t, const char *s)
{
    zs_text_add(t, "\"");
    while (*s != '\0') {
        unsigned n = char_bytes(s);

        if (*s == '"' || *s == '\\') {
            zs_text_add(t, "\\%c", *s);
        } else if (*s == '\n') {
            zs_text_add(t, "\\n");
        } else {
            add_char(t, s, n);
        }
        s += n > 0 ? n : 1;
    }
    zs_text_add(t, "\"");
}

void zs_text_add_xml(struct zs_text *t, const char *s, size_t most)
{
    const char *end = s + strnlen(s, most);

    while (s < end) {
        unsigned n = char_bytes(s);

        n = n <= (size_t)(end - s) ? n : 0; /* cut off */
        switch (*s) {
        case '<':
            zs_text_add(t, "&lt;");
            break;
        case '>':
            zs_text_add(t, "&gt;");
            break;
        case '&':
            zs_text_add(t, "&amp;");
            break;
        default:
            add_char(t, s, n);
        }
        s += n > 0 ? n : 1;
    }
}

void zs_text_add_seconds(struct zs_text *t, uint64_t ns)
{
    zs_text_add(t, "%llu.%09llu", (unsigned long long)(ns / NS_PER_S),
                (unsigned long long)(ns % NS_PER_S));
}
