/* SPDX-License-Identifier: MIT */
/*
 * os.c - the real operating system behind os.h.
 *
 * Not done: huge pages. The ranges are MADV_NOHUGEPAGE, so that residency is
 * what the library made it, page by page, whatever the machine's setting is.
 */
#include "os.h"

#include <errno.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void *os_reserve(size_t bytes, size_t align)
{
    size_t slack = align > ZS_OS_PAGE_BYTES ? align : 0;
    char *p = mmap(NULL, bytes + slack, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        return NULL;
    }
    if (slack > 0) {
        size_t head = (align - (uintptr_t)p % align) % align;

        if (head > 0) {
            munmap(p, head);
        }
        if (slack > head) {
            munmap(p + head + bytes, slack - head);
        }
        p += head;
    }
    /* Fails only where the kernel has no huge pages. */
    (void)madvise(p, bytes, MADV_NOHUGEPAGE);
    return p;
}

static void os_unreserve(void *addr, size_t bytes)
{
    munmap(addr, bytes);
}

/* For kernels before 5.14, which lack MADV_POPULATE_WRITE. */
static void touch_pages(volatile char *p, size_t bytes)
{
    for (size_t i = 0; i < bytes; i += ZS_OS_PAGE_BYTES) {
        p[i] = p[i];
    }
}

static int os_populate(void *addr, size_t bytes)
{
    while (madvise(addr, bytes, MADV_POPULATE_WRITE) != 0) {
        if (errno == EINVAL) {
            touch_pages(addr, bytes);
            return 0;
        }
        if (errno != EINTR && errno != EAGAIN) {
            return errno == EFAULT ? -ENOMEM : -errno;
        }
    }
    return 0;
}

static int os_release(void *addr, size_t bytes)
{
    return madvise(addr, bytes, MADV_DONTNEED) == 0 ? 0 : -errno;
}

static void *os_alloc(size_t bytes)
{
    return calloc(1, bytes);
}

static uint64_t os_now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static int os_thread_start(pthread_t *out, void *(*run)(void *), void *arg)
{
    return -pthread_create(out, NULL, run, arg);
}

static int os_barrier(void)
{
    const int fence = MEMBARRIER_CMD_PRIVATE_EXPEDITED;

    if (syscall(SYS_membarrier, fence, 0, 0) == 0) {
        return 0;
    }
    if (errno == EPERM && /* the process has not asked for it yet */
        syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0,
                0) == 0 &&
        syscall(SYS_membarrier, fence, 0, 0) == 0) {
        return 0;
    }
    return -errno;
}

struct zs_os zs_os = {
    .reserve = os_reserve,
    .unreserve = os_unreserve,
    .populate = os_populate,
    .release = os_release,
    .alloc = os_alloc,
    .free = free,
    .now_ns = os_now_ns,
    .thread_start = os_thread_start,
    .barrier = os_barrier,
};
