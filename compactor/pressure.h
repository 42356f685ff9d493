/* SPDX-License-Identifier: MIT */
/*
 * pressure.h - where the system says that memory is short.
 *
 * Words
 *   group     a control group (cgroup) of the process: its own, or an ancestor
 *   own       the group that the process itself is in
 *   headroom  what a group may still be charged before its limit, with the
 *             file cache that the kernel would drop for it
 *   stall     share of time that threads wait for memory, of the kernel's
 *             pressure stall information (PSI): "some" of them, or all ("full")
 *   events    what the kernel counts of a group: its high or max was met, ...
 *   look      one reading of all of it
 *   level     what the figures of a look come to
 *
 * Each source is optional. What is not there, cannot be read or makes no sense
 * says nothing; it is looked for again each time.
 *
 * Files (pressure_find.c finds them): memory.pressure of the own group of
 * version 2, or else /proc/pressure/memory; and of each group, from the own to
 * the top of what is mounted,
 *   version 2  memory.max, memory.high, memory.current, memory.events.local (or
 *              memory.events), memory.stat
 *   version 1  memory.limit_in_bytes, memory.usage_in_bytes, memory.failcnt,
 *              memory.stat
 * Usage and events are read only where there is a limit, memory.stat only when
 * it is near.
 *
 * Idea
 *   No file stays open. Opening one costs 5 us more than reading an open one
 *   again: at two looks a second that is nothing. In exchange there is nothing
 *   to close, nothing to inherit, and no descriptor that a daemon closes with
 *   all the others and gets again for something else. The list of groups is
 *   read with each look, so a process that is moved to another group is
 *   followed.
 *
 * Locking: none; one thread looks (the compactor's).
 *
 * Cost: 6 us a file; measured 36 to 39 us a look with three groups of version 1
 * without limits (5 files), 0.01 % of a core at two looks a second. A group
 * with a limit is two files more, near its limit three. 110 us to open.
 *
 * Not done: what the whole machine has left (MemAvailable): without a limit the
 * stall times speak for it.
 */
#ifndef ZS_COMPACTOR_PRESSURE_H
#define ZS_COMPACTOR_PRESSURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "zspool/pressure.h"

#define ZS_PRESSURE_MAX_PATH 1024u /* of a group; longer ones are left out */
#define ZS_PRESSURE_MAX_GROUPS 16u /* the innermost ones */
#define ZS_PRESSURE_NO_LIMIT UINT64_MAX
/* Stall shares are of at least so much time; sooner, the last ones stay. */
#define ZS_PRESSURE_MIN_INTERVAL_NS UINT64_C(100000000)

/* Events, by the kernel's names; failcnt of version 1 counts as max. */
#define ZS_PRESSURE_EVENTS(X)                                                  \
    X(low, "memory was taken that memory.low protects")                        \
    X(high, "memory.high was exceeded, threads were slowed down")              \
    X(max, "the limit was met")                                                \
    X(oom, "and nothing could be taken back")                                  \
    X(oom_kill, "a process was killed for it")
enum zs_pressure_event {
#define ZS_PRESSURE_EVENT_(name, text) ZS_PRESSURE_EVENT_##name,
    ZS_PRESSURE_EVENTS(ZS_PRESSURE_EVENT_) ZS_PRESSURE_NR_EVENTS
};

/* Headroom to a limit, of the group that has least. */
struct zs_pressure_room {
    uint64_t limit_bytes; /* ZS_PRESSURE_NO_LIMIT: there is none, and */
    uint64_t room_bytes;  /* this is ZS_PRESSURE_NO_LIMIT too */
};

struct zs_pressure_figures {
    struct zs_pressure_room high; /* then the kernel slows the process down */
    struct zs_pressure_room max;  /* then it kills */
    unsigned some_percent;        /* of the time since the look before */
    unsigned full_percent;
    uint64_t events[ZS_PRESSURE_NR_EVENTS]; /* since the look before */
};

/* Totals of an earlier look; each may be ZS_PRESSURE_UNKNOWN. */
#define ZS_PRESSURE_UNKNOWN UINT64_MAX
struct zs_pressure_stalls {
    uint64_t at_ns, some_us, full_us;
};
struct zs_pressure_counts {
    uint64_t n[ZS_PRESSURE_NR_EVENTS];
};

struct zs_pressure {
    uint64_t groups_hash; /* of /proc/self/cgroup when it was opened */
    bool v1;              /* the version of dir */
    size_t root_len;      /* dir's first so many bytes: where it is mounted */
    const char *events_name;
    char dir[ZS_PRESSURE_MAX_PATH]; /* of the own group; "": none */
    char psi[ZS_PRESSURE_MAX_PATH]; /* file with the stall times */
    struct zs_pressure_stalls stalls;
    unsigned some_percent, full_percent; /* as of stalls.at_ns */
    struct zs_pressure_counts counts[ZS_PRESSURE_MAX_GROUPS]; /* [0]: own */
};

/* Find the sources. Never fails; nothing to close. */
void zs_pressure_open(struct zs_pressure *p);

/* Look. What cannot be read counts as "no limit", 0 % and 0 events. */
void zs_pressure_look(struct zs_pressure *p, struct zs_pressure_figures *out);

/* --- pure: from figures to a level (pressure_level.c) --- */

#define ZS_PRESSURE_CALM_LOOKS 4u

struct zs_pressure_state { /* all zero at first */
    enum zs_pressure_level level;
    unsigned calm_looks; /* so many in a row asked for a lower level */
};

/*
 * The level after a look. It rises to what the figures ask for at once:
 *
 *             LOW                HIGH          CRITICAL
 *   room      below mark         mark / 2      mark / 4     to memory.max
 *             below mark         0             -            to memory.high
 *   stall     some 5 %           some 15 %     full 15 %
 *                                full 5 %
 *   events    low, high, max     -             oom, oom_kill
 *
 * mark = an eighth of the limit, 512 MiB at most. A group that file cache fills
 * up meets its limit all day: high and max count only below two marks.
 *
 * It falls one step when ZS_PRESSURE_CALM_LOOKS looks in a row would not even
 * keep it with marks half as large again and half the stall.
 */
struct zs_pressure_state zs_pressure_next(struct zs_pressure_state was,
                                          const struct zs_pressure_figures *f);

/*
 * Bytes to be given back so that the level falls: what is missing to 1.5 marks.
 * Where no headroom is short: 1, 4, 10 % of the footprint at LOW, HIGH,
 * CRITICAL, by what these figures alone ask for; nothing in a calm look. Never
 * more than the footprint.
 */
uint64_t zs_pressure_want_bytes(enum zs_pressure_level level,
                                const struct zs_pressure_figures *f,
                                uint64_t footprint_bytes);

/* Below which headroom a limit counts as near. */
uint64_t zs_pressure_mark(uint64_t limit_bytes);

/* --- the parts, for pressure.c and tests --- */

/* pressure_find.c: fills in dir, root_len, v1, psi, events_name. */
void zs_pressure_find(struct zs_pressure *p);
/* A hash of the list of groups; 0 when it cannot be read. */
uint64_t zs_pressure_groups_hash(void);

#endif /* ZS_COMPACTOR_PRESSURE_H */
