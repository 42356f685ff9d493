/* SPDX-License-Identifier: MIT */
/* place.c - see place.h. */
#include "place.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "directory.h"
#include "os_net.h"

#define LOCK_TRIES 100u /* the lock is held for microseconds */
#define LOCK_WAIT_MS 10

/* --- the path --- */

/* Nobody else can put anything there. */
static int check_own(const char *directory)
{
    struct stat s;
    int err = zs_os_net.look(directory, &s);

    if (err) {
        return err;
    }
    return S_ISDIR(s.st_mode) && s.st_uid == geteuid() &&
                   (s.st_mode & (S_IWGRP | S_IWOTH)) == 0
               ? 0
               : -EPERM;
}

static int choose_default(struct zs_place *p)
{
    char directory[ZS_PLACE_BYTES];
    int n;
    int err;

    if (!zs_monitor_directory(directory, sizeof(directory))) {
        return -ENAMETOOLONG;
    }
    err = zs_os_net.make_directory(directory);
    if (err && err != -EEXIST) {
        return err;
    }
    n = snprintf(p->path, sizeof(p->path), "%s/%ld.sock", directory,
                 (long)getpid());
    if (n < 0 || (size_t)n >= sizeof(p->path)) {
        return -ENAMETOOLONG;
    }
    return check_own(directory);
}

static int choose(struct zs_place *p, const char *path)
{
    if (!path) {
        return choose_default(p);
    }
    if (strlen(path) >= sizeof(p->path)) {
        return -ENAMETOOLONG;
    }
    strcpy(p->path, path);
    return path[0] != '\0' ? 0 : -ENOENT;
}

/* --- the folder's lock --- */

static void directory_of(const char *path, char *directory)
{
    const char *slash = strrchr(path, '/');
    size_t len = slash ? (size_t)(slash - path) : 0;

    if (!slash) {
        strcpy(directory, ".");
    } else if (len == 0) {
        strcpy(directory, "/");
    } else {
        memcpy(directory, path, len);
        directory[len] = '\0';
    }
}

/* Its descriptor. Bounded: whoever may read the folder can hold the lock. */
static int lock_directory(const char *path)
{
    char directory[ZS_PLACE_BYTES];
    int fd = -EWOULDBLOCK;

    directory_of(path, directory);
    for (unsigned i = 0; i < LOCK_TRIES && fd == -EWOULDBLOCK; i++) {
        if (i > 0) {
            (void)zs_os_net.poll(NULL, 0, LOCK_WAIT_MS);
        }
        fd = zs_os_net.lock_directory(directory);
    }
    return fd == -EWOULDBLOCK ? -EADDRINUSE : fd;
}

/* --- the socket --- */

/* 0: it is stale. -EADDRINUSE: it is not, or is no socket. */
static int check_stale(const char *path)
{
    struct stat s;
    int err = zs_os_net.look(path, &s);
    int fd;

    if (err || !S_ISSOCK(s.st_mode)) {
        return err ? err : -EADDRINUSE;
    }
    fd = zs_os_net.socket();
    if (fd < 0) {
        return fd;
    }
    err = zs_os_net.connect(fd, path);
    zs_os_net.close(fd);
    return err == -ECONNREFUSED ? 0 : -EADDRINUSE;
}

static int bind_locked(int fd, const char *path)
{
    int err = zs_os_net.bind(fd, path);

    if (err != -EADDRINUSE) {
        return err;
    }
    err = check_stale(path);
    if (!err) {
        err = zs_os_net.remove(path);
    }
    return err ? err : zs_os_net.bind(fd, path);
}

static int listen_locked(struct zs_place *p)
{
    struct stat s;
    int err = zs_os_net.look(p->path, &s);

    if (!err) {
        p->device = s.st_dev;
        p->inode = s.st_ino;
        err = zs_os_net.listen(p->fd);
    }
    if (err) {
        (void)zs_os_net.remove(p->path);
    }
    return err;
}

static int open_locked(struct zs_place *p)
{
    int err;

    p->fd = zs_os_net.socket();
    if (p->fd < 0) {
        return p->fd;
    }
    err = bind_locked(p->fd, p->path);
    if (!err) {
        err = listen_locked(p);
    }
    if (err) {
        zs_os_net.close(p->fd);
    }
    return err;
}

int zs_place_open(struct zs_place *p, const char *path)
{
    int err = choose(p, path);
    int lock;

    if (err) {
        return err;
    }
    lock = lock_directory(p->path);
    if (lock < 0) {
        return lock;
    }
    err = open_locked(p);
    zs_os_net.close(lock);
    return err;
}

void zs_place_remove(const struct zs_place *p)
{
    struct stat s;

    if (zs_os_net.look(p->path, &s) == 0 && s.st_dev == p->device &&
        s.st_ino == p->inode) {
        (void)zs_os_net.remove(p->path);
    }
}
