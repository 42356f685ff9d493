/* SPDX-License-Identifier: MIT */
/* client.c - see client.h. */
#include "client.h"

#include <errno.h>
#include <string.h>

#include "os.h"
#include "os_net.h"

void zs_client_init(struct zs_client *c, int fd)
{
    c->since_ns = zs_os.now_ns();
    c->at_end = false;
    c->is_last = false;
    c->answer = (struct zs_answer){ 0 };
    c->n_line = 0;
    c->fd = fd;
}

void zs_client_end(struct zs_client *c)
{
    zs_answer_free(&c->answer);
}

short zs_client_events(const struct zs_client *c)
{
    return zs_client_is_answered(c) ? POLLOUT : POLLIN;
}

bool zs_client_has_line(const struct zs_client *c)
{
    return !zs_client_is_answered(c) &&
           (c->n_line == sizeof(c->line) || (c->at_end && c->n_line > 0) ||
            memchr(c->line, '\n', c->n_line) != NULL);
}

uint64_t zs_client_deadline(const struct zs_client *c)
{
    return c->since_ns +
           (zs_client_is_answered(c) ? ZS_CLIENT_SLOW_NS : ZS_CLIENT_IDLE_NS);
}

/* --- what comes --- */

static bool would_wait(ssize_t n)
{
    return n == -EAGAIN || n == -EWOULDBLOCK;
}

static bool receive(struct zs_client *c)
{
    size_t room = sizeof(c->line) - c->n_line;
    ssize_t n;

    if (room == 0 || c->at_end) {
        return true;
    }
    n = zs_os_net.receive(c->fd, c->line + c->n_line, room);
    if (n > 0) {
        c->n_line += (size_t)n;
        c->since_ns = zs_os.now_ns();
    }
    c->at_end = n == 0;
    return n >= 0 || would_wait(n);
}

static void forget_line(struct zs_client *c, size_t bytes)
{
    c->n_line -= bytes;
    memmove(c->line, c->line + bytes, c->n_line);
}

/* --- what goes --- */

static bool send_answer(struct zs_client *c)
{
    struct zs_answer *a = &c->answer;

    while (a->begin < a->end) {
        ssize_t n =
            zs_os_net.send(c->fd, a->memory + a->begin, a->end - a->begin);

        if (n <= 0) {
            return would_wait(n);
        }
        a->begin += (size_t)n;
        c->since_ns = zs_os.now_ns();
    }
    zs_answer_free(a);
    return !c->is_last;
}

bool zs_client_refuse(struct zs_client *c, const char *text)
{
    c->is_last = true;
    return zs_answer_error(text, &c->answer) && send_answer(c);
}

static bool answer_line(struct zs_client *c, const struct zs_shown *shown,
                        struct zs_lock *lock)
{
    const char *newline = memchr(c->line, '\n', c->n_line);
    size_t len = newline ? (size_t)(newline - c->line) : c->n_line;
    bool made;

    if (len == sizeof(c->line)) {
        return zs_client_refuse(c, "too long a line");
    }
    zs_lock_acquire(lock);
    made = zs_answer_make(shown, c->line, len, &c->answer);
    zs_lock_release(lock);
    forget_line(c, len + (newline != NULL));
    c->since_ns = zs_os.now_ns();
    return made && send_answer(c);
}

bool zs_client_serve(struct zs_client *c, const struct zs_shown *shown,
                     struct zs_lock *lock)
{
    bool ok = zs_client_is_answered(c) ? send_answer(c) : receive(c);

    if (ok && zs_client_has_line(c)) {
        ok = answer_line(c, shown, lock);
    }
    return ok && !(c->at_end && c->n_line == 0 && !zs_client_is_answered(c));
}
