/* SPDX-License-Identifier: MIT */
/*
 * os.c - the real operating system behind os.h.
 *
 * The ranges are MADV_NOHUGEPAGE, so that residency is what the library made
 * it, whatever the machine's setting is; but for the pageblocks that
 * populate_huge() was asked for.
 */
#include "os.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static size_t address_of(const void *p)
{
    return (uintptr_t)p;
}

static void *os_reserve(size_t bytes, size_t align)
{
    size_t slack = align > ZS_OS_PAGE_BYTES ? align : 0;
    char *p = mmap(NULL, bytes + slack, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

    if (p == MAP_FAILED) {
        return NULL;
    }
    if (slack > 0) {
        size_t head = (align - address_of(p) % align) % align;

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

/* Of the ioctl PAGEMAP_SCAN of /proc/self/pagemap, Linux 6.7, which the
 * distribution's headers do not have yet. */
struct pagemap_scan {
    uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
    uint64_t category_inverted, category_mask, category_anyof, return_mask;
};
struct pagemap_region {
    uint64_t start, end, categories;
};
#define PAGEMAP_SCAN_CALL _IOWR('f', 16, struct pagemap_scan)
#define PAGEMAP_IS_HUGE (UINT64_C(1) << 6)

/* Is the range one huge page? True also where the kernel cannot tell. */
static bool is_huge(void *addr, size_t bytes)
{
    struct pagemap_region found = { 0 };
    struct pagemap_scan scan = {
        .size = sizeof(scan),
        .start = address_of(addr),
        .end = address_of(addr) + bytes,
        .vec = address_of(&found),
        .vec_len = 1,
        .category_mask = PAGEMAP_IS_HUGE,
        .return_mask = PAGEMAP_IS_HUGE,
    };
    int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
    int n;

    if (fd < 0) {
        return true;
    }
    n = ioctl(fd, PAGEMAP_SCAN_CALL, &scan);
    close(fd);
    return n < 0 || (n == 1 && found.end - found.start == bytes);
}

static int os_forbid_huge(void *addr, size_t bytes)
{
    return madvise(addr, bytes, MADV_NOHUGEPAGE) == 0 ? 0 : -errno;
}

static int os_populate_huge(void *addr, size_t bytes)
{
    int err;

    if (madvise(addr, bytes, MADV_HUGEPAGE) != 0) {
        return -errno;
    }
    err = os_populate(addr, bytes);
    if (!err && is_huge(addr, bytes)) {
        return 0;
    }
    (void)madvise(addr, bytes, MADV_DONTNEED);
    (void)os_forbid_huge(addr, bytes);
    return -ENOMEM;
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

static uint64_t os_thread_cpu_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static uint64_t os_thread_switches(void)
{
    struct rusage usage;

    return getrusage(RUSAGE_THREAD, &usage) == 0 ? (uint64_t)usage.ru_nivcsw
                                                 : 0;
}

static int os_thread_start(pthread_t *out, void *(*run)(void *), void *arg)
{
    return -pthread_create(out, NULL, run, arg);
}

static int os_at_fork(void (*prepare)(void), void (*parent)(void),
                      void (*child)(void))
{
    return -pthread_atfork(prepare, parent, child);
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

/* What there is, at most `size` bytes. Their number, or a negative errno. */
static ssize_t read_all(int fd, char *buf, size_t size)
{
    size_t len = 0;

    while (len < size) {
        ssize_t n = read(fd, buf + len, size - len);

        if (n == 0) {
            break;
        }
        if (n > 0) {
            len += (size_t)n;
        } else if (errno != EINTR) {
            return -errno;
        }
    }
    return (ssize_t)len;
}

static int os_read_file(const char *path, char *buf, size_t size)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t n;

    if (fd < 0) {
        return -errno;
    }
    n = read_all(fd, buf, size);
    close(fd);
    if (n >= 0 && (size_t)n == size) {
        return -EFBIG;
    }
    if (n >= 0) {
        buf[n] = '\0';
    }
    return (int)n;
}

struct zs_os zs_os = {
    .reserve = os_reserve,
    .unreserve = os_unreserve,
    .populate = os_populate,
    .populate_huge = os_populate_huge,
    .forbid_huge = os_forbid_huge,
    .release = os_release,
    .alloc = os_alloc,
    .free = free,
    .now_ns = os_now_ns,
    .thread_cpu_ns = os_thread_cpu_ns,
    .thread_switches = os_thread_switches,
    .thread_start = os_thread_start,
    .at_fork = os_at_fork,
    .barrier = os_barrier,
    .read_file = os_read_file,
};
