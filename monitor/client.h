/* SPDX-License-Identifier: MIT */
/*
 * client.h - one client of a monitor.
 *
 * A client has either an answer that is being sent, or a line that is being
 * received: nothing is read while an answer is on its way, so what a client can
 * make the monitor keep is one line and one answer. One line of one client is
 * answered at a time.
 *
 * A client that shuts its side down gets the answers to what it has sent, a
 * last line without an end among them. One that sends too long a line gets an
 * error and is dropped; one that takes nothing of an answer for ten seconds, or
 * says nothing for ten minutes, is dropped.
 *
 * All functions are of the monitor's thread.
 */
#ifndef ZS_MONITOR_CLIENT_H
#define ZS_MONITOR_CLIENT_H

#include <stdbool.h>
#include <stdint.h>

#include "answer.h"
#include "command.h"
#include "lock.h"

#define ZS_CLIENT_SLOW_NS UINT64_C(10000000000)
#define ZS_CLIENT_IDLE_NS UINT64_C(600000000000)

struct zs_client {
    int fd;            /* -1: none; changed with the lock of monitors */
    uint64_t since_ns; /* when it last sent or took something */
    bool at_end;       /* it sends no more */
    bool is_last;      /* the answer on its way is the last one */
    struct zs_answer answer;
    char line[ZS_COMMAND_BYTES];
    size_t n_line;
};

void zs_client_init(struct zs_client *c, int fd);

static inline bool zs_client_is_answered(const struct zs_client *c)
{
    return c->answer.memory != NULL;
}

/* What poll() is to wait for. */
short zs_client_events(const struct zs_client *c);

/* A whole line is there, or what stands for one. */
bool zs_client_has_line(const struct zs_client *c);

/* When it will have been silent for too long. */
uint64_t zs_client_deadline(const struct zs_client *c);

/* Send and receive as far as it goes, answer one line. False: drop it. `lock`
 * is that of what is shown. */
bool zs_client_serve(struct zs_client *c, const struct zs_shown *shown,
                     struct zs_lock *lock);

/* Its answer becomes this error, the last one. False: drop it. */
bool zs_client_refuse(struct zs_client *c, const char *text);

void zs_client_end(struct zs_client *c); /* but for its descriptor */

#endif /* ZS_MONITOR_CLIENT_H */
