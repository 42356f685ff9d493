/* SPDX-License-Identifier: MIT */
/* connection.h - a connection to a monitor: a line out, an answer in. Each call
 * ends within some seconds. */
#ifndef ZSTOP_CONNECTION_H
#define ZSTOP_CONNECTION_H

#include <stddef.h>

struct connection {
    int fd; /* -1: none */
};

struct answer {
    char *text; /* ends with a zero, which is not in len; the caller frees it */
    size_t len;
    int is_error; /* the process has understood, and says no: text is why */
};

/* 0 or a negative errno. */
int connection_open(struct connection *c, const char *path);

/* 0 or a negative errno; then the connection is of no use any more, and there
 * is no answer. */
int connection_ask(struct connection *c, const char *command,
                   struct answer *out);

void connection_close(struct connection *c);

/* Sockets that answer in the folder where processes put theirs: their paths.
 * Returns how many; of those at most `most` are in `out`, to be freed each. */
unsigned connection_find(char **out, unsigned most);

#endif /* ZSTOP_CONNECTION_H */
