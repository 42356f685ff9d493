/* SPDX-License-Identifier: MIT */
/* connection.c - see connection.h. */
#include "connection.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "directory.h"

#define WAIT_MS 5000 /* between two pieces of an answer */
#define MAX_BYTES ((size_t)64 << 20)
#define HEAD_BYTES 64u

/* --- sockets --- */

int connection_open(struct connection *c, const char *path)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int err = 0;

    c->fd = -1;
    if (strlen(path) >= sizeof(a.sun_path)) {
        return -ENAMETOOLONG;
    }
    strcpy(a.sun_path, path);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0) {
        return -errno;
    }
    if (connect(c->fd, (const struct sockaddr *)&a, sizeof(a)) != 0) {
        err = -errno;
        connection_close(c);
    }
    return err;
}

void connection_close(struct connection *c)
{
    if (c->fd >= 0) {
        close(c->fd);
    }
    c->fd = -1;
}

static int wait_for(const struct connection *c, short events)
{
    struct pollfd p = { .fd = c->fd, .events = events };
    int n;

    do {
        n = poll(&p, 1, WAIT_MS);
    } while (n < 0 && errno == EINTR);
    return n > 0 ? 0 : n == 0 ? -ETIMEDOUT : -errno;
}

static int send_all(const struct connection *c, const char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = send(c->fd, text, len, MSG_NOSIGNAL);

        if (n < 0 && errno == EAGAIN) {
            int err = wait_for(c, POLLOUT);

            if (err) {
                return err;
            }
        } else if (n < 0 && errno != EINTR) {
            return -errno;
        } else if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* Exactly so many bytes. */
static int receive_all(const struct connection *c, char *text, size_t len)
{
    while (len > 0) {
        ssize_t n = recv(c->fd, text, len, 0);

        if (n == 0) {
            return -ECONNRESET;
        }
        if (n < 0 && errno == EAGAIN) {
            int err = wait_for(c, POLLIN);

            if (err) {
                return err;
            }
        } else if (n < 0 && errno != EINTR) {
            return -errno;
        } else if (n > 0) {
            text += n;
            len -= (size_t)n;
        }
    }
    return 0;
}

/* --- questions --- */

static int receive_head(const struct connection *c, char *head)
{
    for (unsigned i = 0; i < HEAD_BYTES; i++) {
        int err = receive_all(c, &head[i], 1);

        if (err) {
            return err;
        }
        if (head[i] == '\n') {
            head[i] = '\0';
            return 0;
        }
    }
    return -EPROTO;
}

/* "ok 12", "error 34" */
static int parse_head(const char *head, struct answer *a)
{
    const char *number = strchr(head, ' ');
    char *end;

    a->is_error = strncmp(head, "error ", 6) == 0;
    if (!number || (!a->is_error && strncmp(head, "ok ", 3) != 0)) {
        return -EPROTO;
    }
    a->len = strtoul(number + 1, &end, 10);
    return *end == '\0' && a->len <= MAX_BYTES ? 0 : -EPROTO;
}

static int receive_answer(const struct connection *c, struct answer *a)
{
    char head[HEAD_BYTES];
    int err = receive_head(c, head);

    if (!err) {
        err = parse_head(head, a);
    }
    if (err) {
        return err;
    }
    a->text = malloc(a->len + 1);
    if (!a->text) {
        return -ENOMEM;
    }
    a->text[a->len] = '\0';
    err = receive_all(c, a->text, a->len);
    if (err) {
        free(a->text);
        a->text = NULL;
    }
    return err;
}

int connection_ask(struct connection *c, const char *command,
                   struct answer *out)
{
    char line[256];
    int n = snprintf(line, sizeof(line), "%s\n", command);
    int err;

    out->text = NULL;
    if (c->fd < 0 || n < 0 || (size_t)n >= sizeof(line)) {
        return c->fd < 0 ? -ENOTCONN : -EINVAL;
    }
    err = send_all(c, line, (size_t)n);
    return err ? err : receive_answer(c, out);
}

/* --- looking for some --- */

static int is_answering(const char *path)
{
    struct connection c;
    int err = connection_open(&c, path);

    connection_close(&c);
    return err == 0;
}

static int is_socket_name(const char *name)
{
    size_t len = strlen(name);

    return len > 5 && strcmp(name + len - 5, ".sock") == 0;
}

unsigned connection_find(char **out, unsigned most)
{
    char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
    struct dirent *entry;
    unsigned n = 0;
    DIR *d;

    if (!zs_monitor_directory(directory, sizeof(directory))) {
        return 0;
    }
    d = opendir(directory);
    while (d && (entry = readdir(d)) != NULL) {
        char path[sizeof(directory) + sizeof(entry->d_name) + 1];

        (void)snprintf(path, sizeof(path), "%s/%s", directory, entry->d_name);
        if (is_socket_name(entry->d_name) && is_answering(path)) {
            if (n < most) {
                out[n] = strdup(path);
            }
            n++;
        }
    }
    if (d) {
        closedir(d);
    }
    return n;
}
