/* SPDX-License-Identifier: MIT */
/* input.h - the files, copied once into a memory file. */
#ifndef ZSFRAG_INPUT_H
#define ZSFRAG_INPUT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* One file's place in the memory file; starts at a multiple of 4 KiB, and
 * zeros follow up to the next one. */
struct span {
    uint64_t start;
    uint64_t len;
};

struct input {
    int fd;
    uint64_t end_bytes;  /* length of the memory file */
    uint64_t kept_bytes; /* of all spans */
    struct span *spans;
    size_t n_spans;
    size_t room; /* in spans[] */
    size_t n_unreadable;
    uint64_t check_at_bytes; /* ask then whether memory will do */
};

/*
 * Read files and directories, at most `limit_bytes` in all (0: no limit).
 * false, after a message, when a named path cannot be read, nothing was found
 * or memory would not do. input_close() in both cases.
 */
bool input_gather(struct input *in, char *const *paths, uint64_t limit_bytes);
void input_close(struct input *in);

#endif /* ZSFRAG_INPUT_H */
