/* SPDX-License-Identifier: MIT */
/*
 * monitor_fixture.h - a monitor over a small arena, clients of it, and system
 * calls that fail when told to.
 */
#ifndef ZS_TEST_MONITOR_FIXTURE_H
#define ZS_TEST_MONITOR_FIXTURE_H

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "os.h"
#include "os_net.h"
#include "zspool/monitor.h"
#include "zspool/pool.h"

#define WAIT_MS 20000 /* for an answer, on a machine that is busy */
#define N_OBJECTS 200u

static char folder[64];
static char path[128];
static struct zs_pool *pool;
static struct zs_arena *arena;
static zs_handle_t objects[N_OBJECTS];
static struct zs_monitor *monitor;

/* --- the system, failing --- */

enum hook {
    SOCKET,
    BIND,
    CONNECT,
    LISTEN,
    ACCEPT,
    PEER,
    RECEIVE,
    SEND,
    POLL,
    EVENT,
    MEMORY_FILE,
    READ_AT,
    LOOK,
    LOOK_FD,
    MAKE_DIRECTORY,
    LOCK_DIRECTORY,
    REMOVE,
    NR_HOOKS
};

static struct zs_os real_os;
static struct zs_os_net real_net;
static _Atomic int failures[NR_HOOKS]; /* so many calls fail; -1: all */
static _Atomic int errors[NR_HOOKS];   /* with this; 0: EIO */
static _Atomic int n_calls[NR_HOOKS];
static _Atomic int alloc_failures; /* as failures */
static _Atomic uint64_t clock_ahead_ns;
static _Atomic long fake_uid; /* of peers; -1: the real one */

/* What is to be answered instead of a call; 0: call. */
static int failure(enum hook h)
{
    int n = atomic_load(&failures[h]);

    atomic_fetch_add(&n_calls[h], 1);
    if (n == 0) {
        return 0;
    }
    if (n > 0) {
        atomic_fetch_sub(&failures[h], 1);
    }
    return -(atomic_load(&errors[h]) ? atomic_load(&errors[h]) : EIO);
}

#define FAILING(hook, name, type, parameters, arguments)                       \
    static type failing_##name parameters                                      \
    {                                                                          \
        int err = failure(hook);                                               \
                                                                               \
        return err ? err : real_net.name arguments;                            \
    }
FAILING(SOCKET, socket, int, (void), ())
FAILING(BIND, bind, int, (int fd, const char *p), (fd, p))
FAILING(CONNECT, connect, int, (int fd, const char *p), (fd, p))
FAILING(LISTEN, listen, int, (int fd), (fd))
FAILING(ACCEPT, accept, int, (int fd), (fd))
FAILING(RECEIVE, receive, ssize_t, (int fd, void *b, size_t n), (fd, b, n))
FAILING(SEND, send, ssize_t, (int fd, const void *b, size_t n), (fd, b, n))
FAILING(POLL, poll, int, (struct pollfd * f, size_t n, int ms), (f, n, ms))
FAILING(EVENT, event, int, (void), ())
FAILING(MEMORY_FILE, memory_file, int, (void), ())
FAILING(READ_AT, read_at, ssize_t, (int fd, void *b, size_t n, off_t at),
        (fd, b, n, at))
FAILING(LOOK, look, int, (const char *p, struct stat *s), (p, s))
FAILING(LOOK_FD, look_fd, int, (int fd, struct stat *s), (fd, s))
FAILING(MAKE_DIRECTORY, make_directory, int, (const char *p), (p))
FAILING(LOCK_DIRECTORY, lock_directory, int, (const char *p), (p))
FAILING(REMOVE, remove, int, (const char *p), (p))

static int failing_peer(int fd, uid_t *uid)
{
    int err = failure(PEER);

    err = err ? err : real_net.peer(fd, uid);
    if (!err && atomic_load(&fake_uid) >= 0) {
        *uid = (uid_t)atomic_load(&fake_uid);
    }
    return err;
}

static void *failing_alloc(size_t bytes)
{
    int n = atomic_load(&alloc_failures);

    if (n > 0) {
        atomic_fetch_sub(&alloc_failures, 1);
    }
    return n == 0 ? real_os.alloc(bytes) : NULL;
}

static uint64_t ahead_now_ns(void)
{
    return real_os.now_ns() + atomic_load(&clock_ahead_ns);
}

static void fail_calls(enum hook h, int n, int error)
{
    atomic_store(&errors[h], error);
    atomic_store(&failures[h], n);
}

static void fail_nothing(void)
{
    for (unsigned i = 0; i < NR_HOOKS; i++) {
        fail_calls((enum hook)i, 0, 0);
    }
    atomic_store(&alloc_failures, 0);
    atomic_store(&fake_uid, -1);
    atomic_store(&clock_ahead_ns, 0);
}

static void install_hooks(void)
{
    real_os = zs_os;
    real_net = zs_os_net;
    zs_os.alloc = failing_alloc;
    zs_os.now_ns = ahead_now_ns;
    zs_os_net.socket = failing_socket;
    zs_os_net.bind = failing_bind;
    zs_os_net.connect = failing_connect;
    zs_os_net.listen = failing_listen;
    zs_os_net.accept = failing_accept;
    zs_os_net.peer = failing_peer;
    zs_os_net.receive = failing_receive;
    zs_os_net.send = failing_send;
    zs_os_net.poll = failing_poll;
    zs_os_net.event = failing_event;
    zs_os_net.memory_file = failing_memory_file;
    zs_os_net.read_at = failing_read_at;
    zs_os_net.look = failing_look;
    zs_os_net.look_fd = failing_look_fd;
    zs_os_net.make_directory = failing_make_directory;
    zs_os_net.lock_directory = failing_lock_directory;
    zs_os_net.remove = failing_remove;
}

/* --- what is looked at --- */

static unsigned count_entries(const char *directory)
{
    DIR *d = opendir(directory);
    unsigned n = 0;

    assert_non_null(d);
    while (readdir(d) != NULL) {
        n++;
    }
    closedir(d);
    return n;
}

static unsigned count_files(void)
{
    return count_entries(folder) - 2;
}

static unsigned count_fds(void)
{
    return count_entries("/proc/self/fd");
}

static int start_at(const char *where)
{
    struct zs_monitor_config cfg = { .path = where, .arena = arena };

    return zs_monitor_start(&cfg, &monitor);
}

static void stop(void)
{
    zs_monitor_stop(monitor);
    monitor = NULL;
}

/* --- clients --- */

struct reply {
    bool is_error;
    size_t len;
    char text[1 << 16]; /* of a longer one the beginning */
};
static struct reply reply;

static int try_attach(const char *where)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    assert_true(fd >= 0);
    strcpy(a.sun_path, where);
    if (connect(fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
        close(fd);
        return -errno;
    }
    return fd;
}

static int attach(void)
{
    int fd = try_attach(path);

    assert_true(fd >= 0);
    return fd;
}

static void say_bytes(int fd, const char *text, size_t len)
{
    assert_int_equal(send(fd, text, len, MSG_NOSIGNAL), len);
}

static void say(int fd, const char *text)
{
    say_bytes(fd, text, strlen(text));
}

/* One byte; -1: it is the end. */
static int next_byte(int fd)
{
    struct pollfd p = { .fd = fd, .events = POLLIN };
    unsigned char byte;
    ssize_t n;

    assert_int_equal(poll(&p, 1, WAIT_MS), 1);
    n = recv(fd, &byte, 1, 0);
    return n == 1 ? byte : -1;
}

static bool is_at_end(int fd)
{
    return next_byte(fd) == -1;
}

/* False: the end came first. */
static bool try_hear(int fd)
{
    char head[32];
    unsigned n = 0;
    int byte;

    while ((byte = next_byte(fd)) != '\n') {
        if (byte < 0) {
            return false;
        }
        assert_true(n < sizeof(head) - 1);
        head[n++] = (char)byte;
    }
    head[n] = '\0';
    reply.is_error = strncmp(head, "error ", 6) == 0;
    assert_true(reply.is_error || strncmp(head, "ok ", 3) == 0);
    reply.len = strtoul(strchr(head, ' ') + 1, NULL, 10);
    for (size_t i = 0; i < reply.len; i++) {
        byte = next_byte(fd);
        assert_true(byte >= 0);
        if (i < sizeof(reply.text) - 1) {
            reply.text[i] = (char)byte;
            reply.text[i + 1] = '\0';
        }
    }
    assert_int_equal(byte, '\n'); /* every answer ends a line */
    return true;
}

static void hear(int fd)
{
    assert_true(try_hear(fd));
}

static void ask(int fd, const char *line)
{
    say(fd, line);
    say(fd, "\n");
    hear(fd);
}

static void assert_answers(int fd, const char *line, const char *part)
{
    ask(fd, line);
    if (reply.is_error || strstr(reply.text, part) == NULL) {
        fail_msg("%s: no \"%s\" in: %.200s", line, part, reply.text);
    }
}

/* A new client is served: the monitor has come through. */
static void assert_alive(void)
{
    int fd = attach();

    assert_answers(fd, "arenas", "\"name\":\"first\"");
    close(fd);
}

/* --- begin and end of a test --- */

static void fill_pool(void)
{
    static const char bytes[1000];

    for (unsigned i = 0; i < N_OBJECTS; i++) {
        assert_int_equal(zs_obj_create(pool, bytes, 10 + i * 4, &objects[i]),
                         0);
    }
}

static int set_up(void **unused)
{
    const struct zs_pool_config cfg = {
        .private_arena = { .name = "first", .reserve_bytes = 64 << 20 },
    };

    (void)unused;
    install_hooks();
    fail_nothing();
    strcpy(folder, "/tmp/zspool-test-XX" "XX" "XX");
    assert_non_null(mkdtemp(folder));
    (void)snprintf(path, sizeof(path), "%s/socket", folder);
    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    arena = zs_pool_arena(pool);
    fill_pool();
    monitor = NULL;
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    fail_nothing();
    stop();
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        zs_free(pool, objects[i]);
    }
    zs_pool_destroy(pool);
    assert_int_equal(count_files(), 0);
    assert_int_equal(rmdir(folder), 0);
    zs_os = real_os;
    zs_os_net = real_net;
    return 0;
}

#endif /* ZS_TEST_MONITOR_FIXTURE_H */
