/* SPDX-License-Identifier: MIT */
/*
 * os.h - every system call of the library, in one struct.
 *
 * Tests replace members of zs_os to make calls fail or to fake the clock. The
 * library changes it never; replace members only while no other thread is in
 * the library.
 */
#ifndef ZS_LIB_OS_H
#define ZS_LIB_OS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct zs_os {
    /* Reserve address space, readable and writable, aligned to `align`. NULL
     * on failure. */
    void *(*reserve)(size_t bytes, size_t align);
    void (*unreserve)(void *addr, size_t bytes);
    /* Make pages resident. 0 or a negative errno. */
    int (*populate)(void *addr, size_t bytes);
    /* Make an aligned pageblock without memory resident, as one huge page. 0
     * or a negative errno: the system has none, and the block is as before. */
    int (*populate_huge)(void *addr, size_t bytes);
    /* From now on the range gets no huge page, whoever asks. 0 or a negative
     * errno: as before. */
    int (*forbid_huge)(void *addr, size_t bytes);
    /* Give pages back; they read as zero afterwards. */
    int (*release)(void *addr, size_t bytes);
    void *(*alloc)(size_t bytes); /* zeroed; NULL on failure */
    void (*free)(void *p);
    uint64_t (*now_ns)(void);
    /* Of the calling thread: processor time it has used, and how often the
     * processor was taken away from it. */
    uint64_t (*thread_cpu_ns)(void);
    uint64_t (*thread_switches)(void);
    int (*thread_start)(pthread_t *out, void *(*run)(void *), void *arg);
    /* pthread_atfork(). 0 or -ENOMEM. */
    int (*at_fork)(void (*prepare)(void), void (*parent)(void),
                   void (*child)(void));
    /* Every thread of the process executes a full fence before this returns. 0
     * or a negative errno. */
    int (*barrier)(void);
    /* Read a small file, whole, and end it with a zero byte. Its length, at
     * most size - 1; or a negative errno, -EFBIG if it is longer. */
    int (*read_file)(const char *path, char *buf, size_t size);
};

extern struct zs_os zs_os;

#define ZS_OS_PAGE_BYTES 4096u /* the unit of populate and release */

#endif /* ZS_LIB_OS_H */
