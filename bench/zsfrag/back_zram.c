/* SPDX-License-Identifier: MIT */
/*
 * back_zram.c - a value in a page of a zram device: the kernel's zsmalloc.
 *
 * Value i is page i of the device, read and written past the page cache. The
 * device belongs to the main process (zram.c), which removes it however the
 * worker ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/fs.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "backend.h"
#include "pages.h"

struct device {
    int number;
    int fd;
    void *page; /* for values that are shorter than a page */
};

static bool is_in_use(void)
{
    return true;
}

static void *prepare(const struct plan *plan, int number)
{
    struct device *d = pages_map(sizeof(*d));
    char path[32];

    (void)plan;
    if (d == NULL) {
        return NULL;
    }
    snprintf(path, sizeof(path), "/dev/zram%d", number);
    d->number = number;
    d->fd = open(path, O_RDWR | O_DIRECT | O_CLOEXEC);
    d->page = pages_map(PAGE_PIECE_BYTES);
    return d->fd < 0 || d->page == NULL ? NULL : d;
}

static int open_device(void *self)
{
    (void)self;
    return 0;
}

/* 0 or a negative errno for what pread() or pwrite() answered. */
static int whole_page(ssize_t done)
{
    if (done == PAGE_PIECE_BYTES) {
        return 0;
    }
    return done < 0 ? -errno : -EIO;
}

static off_t place(uint32_t i)
{
    return (off_t)i * PAGE_PIECE_BYTES;
}

/* A whole piece is aligned in the data file, as O_DIRECT wants it. */
static int put(void *self, uint32_t i, const void *src, uint32_t len)
{
    struct device *d = self;

    if (len < PAGE_PIECE_BYTES) {
        memcpy(d->page, src, len);
        memset((char *)d->page + len, 0, PAGE_PIECE_BYTES - len);
        src = d->page;
    }
    return whole_page(pwrite(d->fd, src, PAGE_PIECE_BYTES, place(i)));
}

static int get(void *self, uint32_t i, void *dst, uint32_t len)
{
    struct device *d = self;
    void *page = len < PAGE_PIECE_BYTES ? d->page : dst;
    int err = whole_page(pread(d->fd, page, PAGE_PIECE_BYTES, place(i)));

    if (err == 0 && page != dst) {
        memcpy(dst, page, len);
    }
    return err;
}

static void drop(void *self, uint32_t i)
{
    struct device *d = self;
    uint64_t range[2] = { (uint64_t)place(i), PAGE_PIECE_BYTES };

    ioctl(d->fd, BLKDISCARD, range); /* a failure shows in the footprint */
}

static int compact(void *self)
{
    const struct device *d = self;
    char path[64];
    int fd, err;

    snprintf(path, sizeof(path), "/sys/block/zram%d/compact", d->number);
    fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return -errno;
    }
    err = write(fd, "1", 1) == 1 ? 0 : -errno;
    close(fd);
    return err;
}

/* mem_used_total, the third number of mm_stat. */
static uint64_t footprint(void *self)
{
    const struct device *d = self;
    char path[64], text[256] = "";
    uint64_t used = 0;

    snprintf(path, sizeof(path), "/sys/block/zram%d/mm_stat", d->number);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd >= 0) {
        ssize_t n = read(fd, text, sizeof(text) - 1);
        close(fd);
        if (n < 0 || sscanf(text, "%*u %*u %" SCNu64, &used) != 1) {
            used = 0;
        }
    }
    return used;
}

const struct backend back_zram = {
    .name = "zram",
    .give_back = "/sys/block/zramN/compact",
    .ref_bytes = 0,
    .is_zram = true,
    .is_in_use = is_in_use,
    .prepare = prepare,
    .open = open_device,
    .put = put,
    .get = get,
    .drop = drop,
    .compact = compact,
    .footprint = footprint,
};
