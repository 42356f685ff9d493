/* SPDX-License-Identifier: MIT */
/* reader.c - bytes of a file, a pipe or memory, read once. */
#include "reader.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BUFFER_BYTES ((size_t)256 * 1024)
#define PEEK_BYTES ((size_t)4096)
#define STEP_BYTES ((size_t)1 << 20) /* believed of a length at a time */

bool reader_open(struct reader *r, int fd)
{
    *r = (struct reader){ .fd = fd, .buffer = malloc(BUFFER_BYTES) };
    r->data = r->buffer;
    return r->buffer != NULL;
}

void reader_open_memory(struct reader *r, const void *data, size_t len)
{
    *r = (struct reader){ .fd = -1, .data = data, .end = len };
}

void reader_close(struct reader *r)
{
    free(r->buffer);
    r->buffer = NULL;
}

uint64_t reader_offset(const struct reader *r)
{
    return r->before + r->at;
}

bool reader_fail_at(struct reader *r, uint64_t at, const char *format, ...)
{
    va_list args;

    if (!r->failed) {
        va_start(args, format);
        vsnprintf(r->error, sizeof(r->error), format, args);
        va_end(args);
        r->error_at = at;
        r->failed = true;
    }
    return false;
}

/* Have at least n (at most PEEK_BYTES) unread bytes in data, if they exist. */
static size_t fill(struct reader *r, size_t n)
{
    size_t left = r->end - r->at;

    if (r->fd < 0 || left >= n || r->failed) {
        return r->failed ? 0 : left;
    }
    memmove(r->buffer, r->buffer + r->at, left);
    r->before += r->at;
    r->at = 0;
    r->end = left;
    while (r->end < n) {
        ssize_t got = read(r->fd, r->buffer + r->end, BUFFER_BYTES - r->end);

        if (got < 0 && errno == EINTR) {
            continue;
        }
        if (got < 0) {
            reader_fail_at(r, r->before + r->end, "cannot be read: %s",
                           strerror(errno));
            return 0;
        }
        if (got == 0) {
            break;
        }
        r->end += (size_t)got;
    }
    return r->end;
}

size_t reader_peek(struct reader *r, size_t n, const unsigned char **out)
{
    size_t have = fill(r, n < PEEK_BYTES ? n : PEEK_BYTES);

    *out = r->data + r->at;
    return have < n ? have : n;
}

bool reader_at_end(struct reader *r)
{
    return fill(r, 1) == 0;
}

static bool ended(struct reader *r, const char *what)
{
    return reader_fail_at(r, reader_offset(r), "ends in the middle of %s",
                          what);
}

/* Copy or, with `out` NULL, skip up to n bytes; how many. */
static size_t take(struct reader *r, unsigned char *out, size_t n)
{
    size_t have = fill(r, 1);

    if (n > have) {
        n = have;
    }
    if (out != NULL && n > 0) {
        memcpy(out, r->data + r->at, n);
    }
    r->at += n;
    return n;
}

bool reader_bytes(struct reader *r, void *out, size_t n, const char *what)
{
    for (size_t done = 0, got; done < n; done += got) {
        got = take(r, (unsigned char *)out + done, n - done);
        if (got == 0) {
            return ended(r, what);
        }
    }
    return !r->failed;
}

bool reader_skip(struct reader *r, uint64_t n, const char *what)
{
    for (size_t got; n > 0; n -= got) {
        got = take(r, NULL, n < STEP_BYTES ? (size_t)n : STEP_BYTES);
        if (got == 0) {
            return ended(r, what);
        }
    }
    return !r->failed;
}

bool blob_reserve(struct blob *b, size_t n)
{
    size_t room = b->room;
    unsigned char *more;

    if (n <= room) {
        return true;
    }
    room = room < 4096 ? 4096 : room;
    while (room < n) {
        room *= 2;
    }
    more = realloc(b->data, room);
    if (more == NULL) {
        return false;
    }
    b->data = more;
    b->room = room;
    return true;
}

static bool no_memory(struct reader *r)
{
    return reader_fail_at(r, reader_offset(r), "not enough memory");
}

bool reader_piece(struct reader *r, size_t n, struct blob *out)
{
    out->len = 0;
    while (out->len < n) {
        size_t step = n - out->len < STEP_BYTES ? n - out->len : STEP_BYTES;
        size_t got;

        if (!blob_reserve(out, out->len + step)) {
            return no_memory(r);
        }
        got = take(r, out->data + out->len, step);
        if (got == 0) {
            break;
        }
        out->len += got;
    }
    return out->len > 0 && !r->failed;
}

bool reader_blob(struct reader *r, size_t n, struct blob *out, const char *what)
{
    reader_piece(r, n, out);
    if (!r->failed && out->len < n) {
        return ended(r, what);
    }
    return !r->failed && (blob_reserve(out, 1) || no_memory(r));
}

bool reader_line(struct reader *r, size_t most, struct blob *out)
{
    bool is_whole = false;

    out->len = 0;
    while (!is_whole && out->len < most) {
        size_t n = fill(r, 1);
        const unsigned char *from = r->data + r->at, *end;

        if (n == 0) {
            break;
        }
        n = n < most - out->len ? n : most - out->len;
        end = memchr(from, '\n', n);
        is_whole = end != NULL;
        n = is_whole ? (size_t)(end - from) + 1 : n;
        if (!blob_reserve(out, out->len + n)) {
            return no_memory(r);
        }
        out->len += take(r, out->data + out->len, n);
    }
    return out->len > 0 && !r->failed;
}
