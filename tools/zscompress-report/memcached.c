/* SPDX-License-Identifier: MIT */
/*
 * memcached.c - values out of what memcached's text protocol says.
 *
 *   VALUE <key> <flags> <bytes> [<cas>]          answers to get, gets
 *   VA <bytes> [<flag>...]                       answers to mg
 *   add <key> <flags> <exptime> <bytes>          memcached-tool dump
 *   set, replace, append, prepend: likewise
 *
 * each ending in \r\n and followed by that many bytes and \r\n. Other lines
 * (END, EN, STORED, the key=... lines of lru_crawler metadump, ITEM, STAT) are
 * no values and are read over; a line that begins with none of these words
 * means that this is no dump, or that we are inside a value.
 */
#include "formats.h"

#include <ctype.h>
#include <string.h>

#define MAX_LINE_BYTES ((size_t)2048)
#define MAX_BYTES UINT64_C(1073741824) /* memcached's largest item, -I 1024m */
#define MAX_WORDS 8

struct word {
    const char *at;
    size_t len;
};

static size_t split(const char *line, size_t n, struct word *words)
{
    size_t n_words = 0, at = 0;

    while (n_words < MAX_WORDS) {
        while (at < n && isspace((unsigned char)line[at])) {
            at++;
        }
        if (at == n) {
            break;
        }
        words[n_words].at = line + at;
        while (at < n && !isspace((unsigned char)line[at])) {
            at++;
        }
        words[n_words].len = (size_t)(line + at - words[n_words].at);
        n_words++;
    }
    return n_words;
}

static bool is(const struct word *w, const char *text)
{
    return w->len == strlen(text) && memcmp(w->at, text, w->len) == 0;
}

static bool is_one_of(const struct word *w, const char *const *list)
{
    while (*list != NULL && !is(w, *list)) {
        list++;
    }
    return *list != NULL;
}

static bool number(const struct word *w, size_t *out)
{
    uint64_t n = 0;

    for (size_t i = 0; i < w->len; i++) {
        if (!isdigit((unsigned char)w->at[i]) || n > MAX_BYTES) {
            return false;
        }
        n = 10 * n + (uint64_t)(w->at[i] - '0');
    }
    *out = (size_t)n;
    return w->len > 0 && n <= MAX_BYTES;
}

bool memcached_is_value_head(const unsigned char *line, size_t n, size_t *len)
{
    static const char *const stores[] = { "add",    "set",     "replace",
                                          "append", "prepend", NULL };
    struct word w[MAX_WORDS];
    size_t n_words = split((const char *)line, n, w);

    if (n < 2 || line[n - 2] != '\r' || n_words < 2) {
        return false;
    }
    if (is(&w[0], "VALUE")) {
        return n_words >= 4 && n_words <= 5 && number(&w[3], len);
    }
    if (is(&w[0], "VA")) {
        return number(&w[1], len);
    }
    return is_one_of(&w[0], stores) && n_words >= 5 && n_words <= 6 &&
           number(&w[4], len);
}

/* Lines that are part of a dump and no value. */
static bool is_read_over(const char *line, size_t n)
{
    static const char *const words[] = { "END",    "EN",         "HD", "MN",
                                         "STORED", "NOT_STORED", "OK", "ITEM",
                                         "STAT",   "get",        "mg", "gets",
                                         NULL };
    struct word w[MAX_WORDS];
    size_t n_words = split(line, n, w);

    return n_words == 0 || is_one_of(&w[0], words) ||
           (w[0].len >= 4 && memcmp(w[0].at, "key=", 4) == 0);
}

static bool read_value(struct intake *in, struct reader *r, size_t len)
{
    uint64_t end;
    char crlf[2];

    if (!reader_blob(r, len, &in->blob, "a value")) {
        return false;
    }
    end = reader_offset(r);
    if (!reader_bytes(r, crlf, 2, "a value's end")) {
        return false;
    }
    if (memcmp(crlf, "\r\n", 2) != 0) {
        return reader_fail_at(r, end, "no line end behind a value of %zu bytes",
                              len);
    }
    return intake_value(in, r, in->blob.data, len);
}

bool read_memcached(struct intake *in, struct reader *r)
{
    while (!reader_at_end(r)) {
        uint64_t start = reader_offset(r);
        size_t len;

        if (!reader_line(r, MAX_LINE_BYTES, &in->key)) {
            return false;
        }
        if (memcached_is_value_head(in->key.data, in->key.len, &len)) {
            if (!read_value(in, r, len)) {
                return false;
            }
        } else if (is_read_over((char *)in->key.data, in->key.len)) {
            in->n_skipped++;
        } else {
            return reader_fail_at(r, start, "no line of a memcached dump");
        }
    }
    return !r->failed;
}
