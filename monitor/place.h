/* SPDX-License-Identifier: MIT */
/*
 * place.h - the socket's file: where it is, whose it is, when it goes.
 *
 * Words
 *   stale  a socket's file that no process listens at any more
 *
 * Idea
 *   A process that is killed leaves its file behind, and bind() refuses to use
 *   the name again. So: connect; refused by a socket's file means stale, and it
 *   is removed. A socket is refused too between its bind() and its listen(), so
 *   who binds, listens or removes does it with a lock (flock) on the folder.
 *
 *   The file is removed while its socket still listens: then nobody takes it
 *   for stale, and what is removed is our own.
 */
#ifndef ZS_MONITOR_PLACE_H
#define ZS_MONITOR_PLACE_H

#include <stdbool.h>
#include <sys/stat.h>
#include <sys/un.h>

#define ZS_PLACE_BYTES sizeof(((struct sockaddr_un *)0)->sun_path)

struct zs_place {
    char path[ZS_PLACE_BYTES];
    int fd; /* the listening socket */
    dev_t device;
    ino_t inode; /* of the file */
};

/* Have a listening socket at `path`; NULL: in the user's folder. 0 or a
 * negative errno, see zs_monitor_start(); then nothing is left behind. */
int zs_place_open(struct zs_place *p, const char *path);

/* Remove the file, if it is still ours. */
void zs_place_remove(const struct zs_place *p);

#endif /* ZS_MONITOR_PLACE_H */
