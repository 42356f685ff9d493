/* SPDX-License-Identifier: MIT */
/*
 * monitor.c - the thread that serves a socket, and its beginning and end.
 *
 * Idea
 *   One thread, one poll() over the socket, the clients and an event that says
 *   stop. No call of its waits but poll(). One line of each client is answered
 *   in a turn, so none keeps the others waiting for longer than an answer
 *   takes.
 *
 *   All monitors are in a list. A child of fork() has no threads: there its
 *   copies of the descriptors are closed, or a socket whose process is gone
 *   would seem to be alive for as long as the child is. At exit() the files go.
 *
 * Invariants
 *   M1  A descriptor is opened and closed, and becomes and ceases to be a
 *       field's value, while the lock of monitors is held: so a fork never sees
 *       one without the other.
 *
 * Locking: `list.lock` (rank MONITORS) guards the list, and the descriptors
 * against fork. `lock` (rank MONITOR) guards what is shown, and is held while
 * an answer is made; clients are the thread's own.
 *
 * Cost: nothing while nobody asks.
 */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <time.h>
#include <unistd.h>

#include "client.h"
#include "fork.h"
#include "lock.h"
#include "os.h"
#include "os_net.h"
#include "place.h"

#define N_CLIENTS 16u
#define N_POLLED (N_CLIENTS + 2)
#define REST_NS 100000000 /* when the system has no room for poll(), accept() */

struct zs_monitor {
    struct zs_monitor *next; /* guarded by list.lock, as is_child */
    bool is_child;           /* a copy in a child: no thread, no descriptors */
    struct zs_place place;
    int event;
    uid_t uid;
    pthread_t thread;
    _Atomic bool stop;      /* relaxed; the event is raised behind it */
    uint64_t rest_until_ns; /* accepts nobody until then */

    struct zs_lock lock;
    struct zs_shown shown; /* guarded by lock */

    struct zs_client clients[N_CLIENTS + 1]; /* the last is to be refused */
};

static struct {
    struct zs_lock lock;
    struct zs_monitor *first;
    int err; /* of the preparations for fork */
} list;
static pthread_once_t list_once = PTHREAD_ONCE_INIT;

/* --- fork and exit --- */

static void close_client(struct zs_client *c)
{
    if (c->fd >= 0) {
        zs_os_net.close(c->fd);
        c->fd = -1;
    }
}

static void close_all_locked(struct zs_monitor *m)
{
    for (unsigned i = 0; i <= N_CLIENTS; i++) {
        close_client(&m->clients[i]);
    }
    zs_os_net.close(m->place.fd);
    zs_os_net.close(m->event);
}

static void before_fork(void)
{
    zs_lock_acquire(&list.lock);
}

static void after_fork_in_parent(void)
{
    zs_lock_release(&list.lock);
}

static void after_fork_in_child(void)
{
    for (struct zs_monitor *m = list.first; m; m = m->next) {
        close_all_locked(m);
        m->is_child = true;
    }
    list.first = NULL;
    zs_lock_release(&list.lock);
}

static void init_list(void)
{
    zs_lock_init(&list.lock, ZS_RANK_MONITORS);
    list.err = zs_fork_install(); /* so that these run before those */
    if (!list.err) {
        list.err = zs_os.at_fork(before_fork, after_fork_in_parent,
                                 after_fork_in_child);
    }
}

__attribute__((destructor)) static void remove_files_at_exit(void)
{
    (void)pthread_once(&list_once, init_list);
    zs_lock_acquire(&list.lock);
    for (struct zs_monitor *m = list.first; m; m = m->next) {
        zs_place_remove(&m->place);
    }
    list.first = NULL;
    zs_lock_release(&list.lock);
}

/* --- clients --- */

static void drop(struct zs_client *c)
{
    zs_client_end(c);
    zs_lock_acquire(&list.lock);
    close_client(c);
    zs_lock_release(&list.lock);
}

/* The last one is always free. */
static struct zs_client *free_client(struct zs_monitor *m)
{
    struct zs_client *c = m->clients;

    while (c->fd >= 0) {
        c++;
    }
    return c;
}

static bool may_ask(const struct zs_monitor *m, int fd)
{
    uid_t uid;

    return zs_os_net.peer(fd, &uid) == 0 && (uid == m->uid || uid == 0);
}

static void welcome(struct zs_monitor *m, struct zs_client *c)
{
    bool is_refused = c == &m->clients[N_CLIENTS];

    if (!may_ask(m, c->fd)) {
        drop(c);
    } else if (is_refused) {
        (void)zs_client_refuse(c, "too many clients");
        drop(c);
    }
}

static void accept_one(struct zs_monitor *m)
{
    struct zs_client *c = free_client(m);
    int fd;

    zs_lock_acquire(&list.lock);
    fd = zs_os_net.accept(m->place.fd);
    if (fd >= 0) {
        zs_client_init(c, fd);
    }
    zs_lock_release(&list.lock);
    if (fd >= 0) {
        welcome(m, c);
    } else if (fd != -EAGAIN && fd != -EWOULDBLOCK && fd != -ECONNABORTED) {
        m->rest_until_ns = zs_os.now_ns() + REST_NS;
    }
}

static void serve(struct zs_monitor *m, struct zs_client *c, uint64_t now)
{
    if (!zs_client_serve(c, &m->shown, &m->lock) ||
        now >= zs_client_deadline(c)) {
        drop(c);
    }
}

/* --- the thread --- */

/* Who is waited for: the event, the socket, the clients. */
static void fill_polled(const struct zs_monitor *m, uint64_t now,
                        struct pollfd *polled)
{
    polled[0] = (struct pollfd){ .fd = m->event, .events = POLLIN };
    polled[1] =
        (struct pollfd){ .fd = now < m->rest_until_ns ? -1 : m->place.fd,
                         .events = POLLIN };
    for (unsigned i = 0; i < N_CLIENTS; i++) {
        const struct zs_client *c = &m->clients[i];

        polled[i + 2] =
            (struct pollfd){ .fd = c->fd, .events = zs_client_events(c) };
    }
}

static uint64_t earlier(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* In ms, until something is due without anybody's doing; -1: never. */
static int timeout(const struct zs_monitor *m, uint64_t now)
{
    uint64_t due = now < m->rest_until_ns ? m->rest_until_ns : UINT64_MAX;

    for (unsigned i = 0; i < N_CLIENTS; i++) {
        const struct zs_client *c = &m->clients[i];

        if (c->fd >= 0) {
            due = zs_client_has_line(c) ? now
                                        : earlier(due, zs_client_deadline(c));
        }
    }
    if (due == UINT64_MAX) {
        return -1;
    }
    return due <= now ? 0 : (int)((due - now) / 1000000 + 1);
}

static void rest(void)
{
    const struct timespec t = { .tv_nsec = REST_NS };

    (void)nanosleep(&t, NULL);
}

static void turn(struct zs_monitor *m)
{
    struct pollfd polled[N_POLLED];
    uint64_t now = zs_os.now_ns();

    fill_polled(m, now, polled);
    if (zs_os_net.poll(polled, N_POLLED, timeout(m, now)) < 0) {
        rest();
        return;
    }
    now = zs_os.now_ns();
    for (unsigned i = 0; i < N_CLIENTS; i++) {
        struct zs_client *c = &m->clients[i];

        if (c->fd >= 0 &&
            (polled[i + 2].revents != 0 || zs_client_has_line(c) ||
             now >= zs_client_deadline(c))) {
            serve(m, c, now);
        }
    }
    if (polled[1].revents != 0) {
        accept_one(m);
    }
}

static void *run(void *arg)
{
    struct zs_monitor *m = arg;
    sigset_t all;

    sigfillset(&all); /* they are the embedder's */
    (void)pthread_sigmask(SIG_BLOCK, &all, NULL);
    while (!atomic_load_explicit(&m->stop, memory_order_relaxed)) {
        turn(m);
    }
    return NULL;
}

/* --- start and stop --- */

static void link_locked(struct zs_monitor *m)
{
    m->next = list.first;
    list.first = m;
}

static void unlink_locked(struct zs_monitor *m)
{
    struct zs_monitor **p = &list.first;

    while (*p && *p != m) { /* at exit there is no list any more */
        p = &(*p)->next;
    }
    if (*p) {
        *p = m->next;
    }
}

static int open_locked(struct zs_monitor *m, const char *path)
{
    int err = zs_os_net.event();

    if (err < 0) {
        return err;
    }
    m->event = err;
    err = zs_place_open(&m->place, path);
    if (err) {
        zs_os_net.close(m->event);
        return err;
    }
    if (zs_os.thread_start(&m->thread, run, m) != 0) {
        zs_place_remove(&m->place);
        close_all_locked(m);
        return -EAGAIN;
    }
    link_locked(m);
    return 0;
}

static int open_monitor(struct zs_monitor *m, const char *path)
{
    int err;

    (void)pthread_once(&list_once, init_list);
    if (list.err) {
        return list.err;
    }
    zs_lock_acquire(&list.lock);
    err = open_locked(m, path);
    zs_lock_release(&list.lock);
    return err;
}

static struct zs_monitor *alloc_monitor(const struct zs_monitor_config *cfg)
{
    struct zs_monitor *m = zs_os.alloc(sizeof(*m));

    if (!m) {
        return NULL;
    }
    m->uid = geteuid();
    m->shown.compactor = cfg->compactor;
    m->shown.arenas[0] = cfg->arena;
    m->shown.n_arenas = cfg->arena != NULL;
    for (unsigned i = 0; i <= N_CLIENTS; i++) {
        m->clients[i].fd = -1;
    }
    zs_lock_init(&m->lock, ZS_RANK_MONITOR);
    return m;
}

static void free_monitor(struct zs_monitor *m)
{
    zs_lock_destroy(&m->lock);
    zs_os.free(m);
}

int zs_monitor_start(const struct zs_monitor_config *cfg,
                     struct zs_monitor **out)
{
    static const struct zs_monitor_config defaults;
    struct zs_monitor *m;
    int err;

    cfg = cfg ? cfg : &defaults;
    m = alloc_monitor(cfg);
    if (!m) {
        return -ENOMEM;
    }
    err = open_monitor(m, cfg->path);
    if (err) {
        free_monitor(m);
        return err;
    }
    *out = m;
    return 0;
}

static void end_thread(struct zs_monitor *m)
{
    int err;

    atomic_store_explicit(&m->stop, true, memory_order_relaxed);
    err = zs_os_net.raise(m->event);
    ZS_CHECK(err == 0); /* fails only if somebody has closed it */
    pthread_join(m->thread, NULL);
}

void zs_monitor_stop(struct zs_monitor *m)
{
    if (!m) {
        return;
    }
    if (m->is_child) {
        zs_os.free(m); /* its lock may have been held at the fork */
        return;
    }
    end_thread(m);
    for (unsigned i = 0; i < N_CLIENTS; i++) {
        zs_client_end(&m->clients[i]);
    }
    zs_lock_acquire(&list.lock);
    unlink_locked(m);
    zs_place_remove(&m->place);
    close_all_locked(m);
    zs_lock_release(&list.lock);
    free_monitor(m);
}

/* --- what is shown --- */

static unsigned find_locked(const struct zs_monitor *m,
                            const struct zs_arena *arena)
{
    unsigned i = 0;

    ZS_ASSERT_HELD(&m->lock);
    while (i < m->shown.n_arenas && m->shown.arenas[i] != arena) {
        i++;
    }
    return i;
}

int zs_monitor_add(struct zs_monitor *m, struct zs_arena *arena)
{
    struct zs_shown *s = &m->shown;
    int err = 0;

    zs_lock_acquire(&m->lock);
    if (find_locked(m, arena) < s->n_arenas) {
        err = -EEXIST;
    } else if (s->n_arenas == ZS_MONITOR_ARENAS) {
        err = -ENOSPC;
    } else {
        s->arenas[s->n_arenas++] = arena;
    }
    zs_lock_release(&m->lock);
    return err;
}

int zs_monitor_remove(struct zs_monitor *m, struct zs_arena *arena)
{
    struct zs_shown *s = &m->shown;
    unsigned i;
    bool found;

    zs_lock_acquire(&m->lock);
    i = find_locked(m, arena);
    found = i < s->n_arenas;
    if (found) {
        s->n_arenas--;
        for (; i < s->n_arenas; i++) {
            s->arenas[i] = s->arenas[i + 1];
        }
    }
    zs_lock_release(&m->lock);
    return found ? 0 : -ENOENT;
}

const char *zs_monitor_path(const struct zs_monitor *m)
{
    return m->place.path;
}
