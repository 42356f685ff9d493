/* SPDX-License-Identifier: MIT */
/*
 * zspool/monitor.h - looking at a running process, and at its buttons.
 *
 * One call, and `zstop` (or `nc -U`, or a script) attaches to the process:
 *
 *     struct zs_monitor_config cfg = { .arena = zs_pool_arena(pool),
 *                                      .compactor = compactor };
 *     struct zs_monitor *monitor;
 *     if (zs_monitor_start(&cfg, &monitor) == 0) {
 *         ... the daemon runs ...
 *         zs_monitor_stop(monitor);
 *     }
 *
 * A thread of the library's serves a Unix socket: statistics, maps, and, where
 * a compactor is given, compact now, pause, and the budget. It sleeps while
 * nobody asks. The protocol is lines of text: docs/monitor.md.
 *
 * Who may ask: processes of the same user, and root's. The socket's file is for
 * its owner alone (0600), and each peer's user is looked at.
 *
 * Conventions: see zspool/arena.h.
 */
#ifndef ZS_MONITOR_H
#define ZS_MONITOR_H

#include <stddef.h>

#include "zspool/arena.h"
#include "zspool/compactor.h"
#include "zspool/export.h"

ZS_BEGIN_DECLS

struct zs_monitor; /* opaque */

/** Zero-initialise, then set what differs. */
struct zs_monitor_config {
    /** Where the socket is to be, copied. NULL: PID.sock in a folder of the
     *  user's, where zstop looks: $XDG_RUNTIME_DIR/zspool, or where that is not
     *  set /run/zspool (root) and /tmp/zspool-UID (others). */
    const char *path;
    /** The first arena to show, as zs_monitor_add(). NULL: none yet. */
    struct zs_arena *arena;
    /** Whose buttons are shown. NULL: none, the monitor only reads. Must not be
     *  stopped before the monitor. */
    struct zs_compactor *compactor;
};

/**
 * Start a monitor.
 *
 * The file of a process that is gone is replaced. It is removed by
 * zs_monitor_stop(), and when the process ends by exit(). After a fork() the
 * child has no monitor: its zs_monitor_stop() only frees the memory, but for
 * answers that were on their way.
 *
 * @param cfg  settings, copied; NULL: all defaults.
 * @param out  receives the monitor; the caller owns it.
 * @retval 0              it runs
 * @retval -ENAMETOOLONG  the path has more bytes than a socket's can have (107)
 * @retval -EADDRINUSE    a living process has this socket, or the file is no
 *                        socket
 * @retval -EPERM         the folder of the user's belongs to somebody else, or
 *                        others may write to it
 * @retval -ENOMEM        no memory
 * @retval -EAGAIN        the system refused the thread
 * @retval others         of the system, for the socket or its file: -ENOENT,
 *                        -EACCES, -EMFILE ... Nothing is left behind
 */
ZS_API ZS_MUST_CHECK int zs_monitor_start(const struct zs_monitor_config *cfg,
                                          struct zs_monitor **out);

/**
 * Show one more arena; it is the last in the order. Any thread, any time.
 *
 * May wait for an answer in the making: a map of 1 GiB takes 0.1 s.
 *
 * @retval 0        it does
 * @retval -EEXIST  it did before
 * @retval -ENOSPC  it shows 64 arenas, the most
 */
ZS_API ZS_MUST_CHECK int zs_monitor_add(struct zs_monitor *monitor,
                                        struct zs_arena *arena);

/**
 * Show it no more: to be called before the arena, or the pool whose private
 * arena it is, is destroyed. Waits as zs_monitor_add().
 *
 * @retval 0        it is not shown any more
 * @retval -ENOENT  it was not shown
 */
ZS_API int zs_monitor_remove(struct zs_monitor *monitor,
                             struct zs_arena *arena);

/** Where its socket is. As long as the monitor runs. */
ZS_API const char *zs_monitor_path(const struct zs_monitor *monitor);

/** Stop and free it, remove the socket's file. May wait for an answer in the
 *  making. NULL is allowed. */
ZS_API void zs_monitor_stop(struct zs_monitor *monitor);

ZS_END_DECLS

#endif /* ZS_MONITOR_H */
