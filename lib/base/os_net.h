/* SPDX-License-Identifier: MIT */
/*
 * os_net.h - the system calls of the monitor, in one struct.
 *
 * As zs_os (os.h), for a Unix socket, the file it has, and the files a dump is
 * written to. Tests replace members of zs_os_net to make calls fail; replace
 * them only while no monitor runs.
 *
 * Every one answers a negative errno when it fails. Only poll() ends when a
 * signal comes (-EINTR). Descriptors are closed by exec.
 */
#ifndef ZS_LIB_OS_NET_H
#define ZS_LIB_OS_NET_H

#include <poll.h>
#include <stddef.h>
#include <sys/stat.h>
#include <sys/types.h>

struct zs_os_net {
    int (*socket)(void); /* of streams; never waits */
    /* The file is its owner's alone (0600) from the first moment on. */
    int (*bind)(int fd, const char *path);
    int (*connect)(int fd, const char *path);
    int (*listen)(int fd);
    int (*accept)(int fd); /* the new socket; never waits */
    int (*peer)(int fd, uid_t *uid);
    /* Never wait, raise no signal. */
    ssize_t (*receive)(int fd, void *buf, size_t size);
    ssize_t (*send)(int fd, const void *buf, size_t size);
    int (*poll)(struct pollfd *fds, size_t n, int timeout_ms);
    int (*event)(void);       /* a descriptor that poll() waits for */
    int (*raise)(int fd);     /* it is readable from now on */
    int (*memory_file)(void); /* an empty file without a name */
    ssize_t (*read_at)(int fd, void *buf, size_t size, off_t at);
    void (*close)(int fd);

    int (*look)(const char *path, struct stat *out); /* follows no link */
    int (*look_fd)(int fd, struct stat *out);
    int (*make_directory)(const char *path); /* its owner's alone (0700) */
    int (*lock_directory)(const char *path); /* -EWOULDBLOCK: another has it;
                                              * ends with its descriptor */
    int (*remove)(const char *path);
};

extern struct zs_os_net zs_os_net;

#endif /* ZS_LIB_OS_NET_H */
