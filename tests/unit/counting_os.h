/* SPDX-License-Identifier: MIT */
/* counting_os.h - an operating system that counts ranges and releases, and
 * refuses when told to; for tests of metadata heaps. */
#ifndef ZS_TEST_COUNTING_OS_H
#define ZS_TEST_COUNTING_OS_H

#include <errno.h>
#include <stdbool.h>

#include "os.h"

static struct zs_os real_os;
static int n_reserved;      /* ranges reserved and not yet unreserved */
static int refuse_reserve;  /* number of the reserve call to fail, 0: none */
static bool refuse_release; /* all calls of release fail */
static unsigned n_releases; /* calls of release, and the last of them */
static void *released;
static size_t released_bytes;

static void *count_reserve(size_t bytes, size_t align)
{
    if (refuse_reserve > 0 && --refuse_reserve == 0) {
        return NULL;
    }
    n_reserved++;
    return real_os.reserve(bytes, align);
}

static void count_unreserve(void *addr, size_t bytes)
{
    n_reserved--;
    real_os.unreserve(addr, bytes);
}

static int count_release(void *addr, size_t bytes)
{
    if (refuse_release) {
        return -EAGAIN;
    }
    assert_int_equal(bytes % ZS_OS_PAGE_BYTES, 0);
    n_releases++;
    released = addr;
    released_bytes = bytes;
    return real_os.release(addr, bytes);
}

static inline void count_os(void)
{
    real_os = zs_os;
    zs_os.reserve = count_reserve;
    zs_os.unreserve = count_unreserve;
    zs_os.release = count_release;
    n_reserved = 0;
    refuse_reserve = 0;
    refuse_release = false;
    n_releases = 0;
}

static inline void count_os_no_more(void)
{
    zs_os = real_os;
}

#endif /* ZS_TEST_COUNTING_OS_H */
