/* SPDX-License-Identifier: MIT */
/*
 * reader.h - bytes of a file, a pipe or memory, read once from front to back.
 *
 * Everything that reads a dump trusts nothing in it. The reader knows where it
 * is; reader_fail() notes the first thing that is wrong, with its offset, and
 * all calls after it fail. A length in a dump never becomes an allocation
 * before its bytes have come: reader_blob() grows its buffer as they do.
 */
#ifndef ZSREPORT_READER_H
#define ZSREPORT_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    int fd;                    /* -1: memory */
    const unsigned char *data; /* [at, end) is not read yet */
    unsigned char *buffer;     /* what data is in, when there is an fd */
    size_t at, end;
    uint64_t before; /* bytes before data[0] */
    bool failed;
    uint64_t error_at;
    char error[160];
};

/* Grows as needed; free() of `data` by the owner. */
struct blob {
    unsigned char *data;
    size_t len, room;
};

/* false: no memory. The fd stays the caller's. */
bool reader_open(struct reader *r, int fd);
void reader_open_memory(struct reader *r, const void *data, size_t len);
void reader_close(struct reader *r);

uint64_t reader_offset(const struct reader *r);

/* Up to n (at most 4 KiB) bytes that come next, without reading them; how many
 * there are. */
size_t reader_peek(struct reader *r, size_t n, const unsigned char **out);

/* At the end, or failed. */
bool reader_at_end(struct reader *r);

/* false: not that many bytes are left; noted: "ends in the middle of what". */
bool reader_bytes(struct reader *r, void *out, size_t n, const char *what);
bool reader_skip(struct reader *r, uint64_t n, const char *what);
bool reader_blob(struct reader *r, size_t n, struct blob *out,
                 const char *what);

/* The next piece of up to `most` bytes, ending behind the next '\n' if there is
 * one; also the last piece without. False at the end, or failed. */
bool reader_line(struct reader *r, size_t most, struct blob *out);

/* Up to n bytes, fewer only at the end. False: none, or failed. */
bool reader_piece(struct reader *r, size_t n, struct blob *out);

/* Note an error at an offset, if it is the first. Always false. */
bool reader_fail_at(struct reader *r, uint64_t at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Make room for n bytes. */
bool blob_reserve(struct blob *b, size_t n);

#endif /* ZSREPORT_READER_H */
