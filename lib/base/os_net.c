/* SPDX-License-Identifier: MIT */
/* os_net.c - the real system calls behind os_net.h. */
#include "os_net.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 16

static ssize_t result_of(ssize_t n)
{
    return n >= 0 ? n : -errno;
}

static int answer_of(ssize_t n)
{
    return (int)result_of(n);
}

static int net_socket(void)
{
    return answer_of(
        socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
}

static int address_of(const char *path, struct sockaddr_un *a)
{
    size_t len = strlen(path);

    if (len >= sizeof(a->sun_path)) {
        return -ENAMETOOLONG;
    }
    memset(a, 0, sizeof(*a));
    a->sun_family = AF_UNIX;
    memcpy(a->sun_path, path, len + 1);
    return 0;
}

/* On Linux the mode of the socket before bind() is that of its file. */
static int net_bind(int fd, const char *path)
{
    struct sockaddr_un a;
    int err = address_of(path, &a);

    if (err) {
        return err;
    }
    err = answer_of(fchmod(fd, S_IRUSR | S_IWUSR));
    return err ? err
               : answer_of(bind(fd, (const struct sockaddr *)&a, sizeof(a)));
}

static int net_connect(int fd, const char *path)
{
    struct sockaddr_un a;
    int err = address_of(path, &a);

    return err ? err
               : answer_of(TEMP_FAILURE_RETRY(
                     connect(fd, (const struct sockaddr *)&a, sizeof(a))));
}

static int net_listen(int fd)
{
    return answer_of(listen(fd, BACKLOG));
}

static int net_accept(int fd)
{
    return answer_of(TEMP_FAILURE_RETRY(
        accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)));
}

static int net_peer(int fd, uid_t *uid)
{
    struct ucred peer;
    socklen_t len = sizeof(peer);

    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len) != 0) {
        return -errno;
    }
    *uid = peer.uid;
    return 0;
}

static ssize_t net_receive(int fd, void *buf, size_t size)
{
    return result_of(TEMP_FAILURE_RETRY(recv(fd, buf, size, MSG_DONTWAIT)));
}

static ssize_t net_send(int fd, const void *buf, size_t size)
{
    return result_of(
        TEMP_FAILURE_RETRY(send(fd, buf, size, MSG_DONTWAIT | MSG_NOSIGNAL)));
}

static int net_poll(struct pollfd *fds, size_t n, int timeout_ms)
{
    return answer_of(poll(fds, n, timeout_ms));
}

static int net_event(void)
{
    return answer_of(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

static int net_raise(int fd)
{
    return answer_of(eventfd_write(fd, 1));
}

static int net_memory_file(void)
{
    return answer_of(memfd_create("zspool", MFD_CLOEXEC));
}

static ssize_t net_read_at(int fd, void *buf, size_t size, off_t at)
{
    return result_of(TEMP_FAILURE_RETRY(pread(fd, buf, size, at)));
}

static void net_close(int fd)
{
    (void)close(fd);
}

static int net_look(const char *path, struct stat *out)
{
    return answer_of(lstat(path, out));
}

static int net_look_fd(int fd, struct stat *out)
{
    return answer_of(fstat(fd, out));
}

static int net_make_directory(const char *path)
{
    return answer_of(mkdir(path, S_IRWXU));
}

static int net_lock_directory(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err;

    if (fd < 0) {
        return -errno;
    }
    err = answer_of(TEMP_FAILURE_RETRY(flock(fd, LOCK_EX | LOCK_NB)));
    if (err < 0) {
        (void)close(fd);
        return err;
    }
    return fd;
}

static int net_remove(const char *path)
{
    return answer_of(unlink(path));
}

struct zs_os_net zs_os_net = {
    .socket = net_socket,
    .bind = net_bind,
    .connect = net_connect,
    .listen = net_listen,
    .accept = net_accept,
    .peer = net_peer,
    .receive = net_receive,
    .send = net_send,
    .poll = net_poll,
    .event = net_event,
    .raise = net_raise,
    .memory_file = net_memory_file,
    .read_at = net_read_at,
    .close = net_close,
    .look = net_look,
    .look_fd = net_look_fd,
    .make_directory = net_make_directory,
    .lock_directory = net_lock_directory,
    .remove = net_remove,
};
