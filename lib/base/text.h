/* SPDX-License-Identifier: MIT */
/*
 * text.h - writing text into a buffer that may be too small.
 *
 * As snprintf: what does not fit is counted and not written, and the buffer
 * always ends with a zero, unless it has no bytes at all. So one writer both
 * says how much room a text needs and writes it.
 */
#ifndef ZS_LIB_TEXT_H
#define ZS_LIB_TEXT_H

#include <stddef.h>
#include <stdint.h>

struct zs_text {
    char *buf;
    size_t size; /* bytes of buf */
    size_t len;  /* of the whole text, without the zero */
};

/* `buf` may be NULL when size is 0. */
void zs_text_init(struct zs_text *t, char *buf, size_t size);

__attribute__((format(printf, 2, 3))) void zs_text_add(struct zs_text *t,
                                                       const char *format, ...);

void zs_text_add_number(struct zs_text *t, uint64_t value);

/* A string in quotes, as JSON and labels of metrics want it: with a backslash
 * before quotes and backslashes, line ends as \n. Bytes that are no UTF-8, and
 * other control characters, become a question mark. */
void zs_text_add_quoted(struct zs_text *t, const char *s);

/* At most `most` bytes of a string, as the text of an XML element. What is no
 * UTF-8 becomes a question mark, as above. */
void zs_text_add_xml(struct zs_text *t, const char *s, size_t most);

/* Nanoseconds as seconds, exactly; the same in every locale. */
void zs_text_add_seconds(struct zs_text *t, uint64_t ns);

#endif /* ZS_LIB_TEXT_H */
