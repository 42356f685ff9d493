/* SPDX-License-Identifier: MIT */
/* session.h - a view that is kept up to date from a process. */
#ifndef ZSTOP_SESSION_H
#define ZSTOP_SESSION_H

#include <stdbool.h>
#include <stdint.h>

#include "connection.h"
#include "view.h"

struct session {
    char path[256];
    bool is_path_given; /* else it is looked for again when the process goes */
    struct connection connection;
    struct view view;
    uint64_t looked_ns;  /* when the figures were taken; 0: never */
    uint64_t said_ns;    /* the message */
    uint64_t map_due_ns; /* maps cost the process time: see take_map() */
};

/* `path` may be NULL: looked for. Does not connect. */
void session_init(struct session *s, const char *path);

/* Connect if need be, and ask for everything that is shown. 0, or a negative
 * errno: the process is not there; the view has the old figures. */
int session_look(struct session *s);

/* After a look: what it read, as one JSON object. False: no answer. */
bool session_print_json(struct session *s, FILE *f);

/* What a key does; its outcome is in the view's message. False: quit. */
bool session_press(struct session *s, int key);

/* Find the path, if none was given. -ENOENT: there is none; -EMLINK: there are
 * several. */
int session_find(struct session *s);

void session_end(struct session *s);

#endif /* ZSTOP_SESSION_H */
