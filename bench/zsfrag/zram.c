/* SPDX-License-Identifier: MIT */
/*
 * zram.c - a zram device of our own, added and removed.
 *
 * Only the main process does this, and only for a device that it added itself,
 * so that the device goes away however the worker ends. Devices that were
 * there before are never touched.
 */
#include "zram.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define CONTROL "/sys/class/zram-control/"

static void wait_a_little(void)
{
    const struct timespec t = { .tv_nsec = 20 * 1000 * 1000 };
    nanosleep(&t, NULL);
}

/* 0 or a negative errno. */
static int write_file(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    int err = 0;

    if (fd < 0) {
        return -errno;
    }
    if (write(fd, text, strlen(text)) != (ssize_t)strlen(text)) {
        err = -errno;
    }
    close(fd);
    return err;
}

static int write_setting(int device, const char *name, const char *text)
{
    char path[64];

    snprintf(path, sizeof(path), "/sys/block/zram%d/%s", device, name);
    return write_file(path, text);
}

/* Reading this file makes a device and gives its number. */
static int hot_add(void)
{
    char text[16] = "";
    int fd = open(CONTROL "hot_add", O_RDONLY | O_CLOEXEC);

    if (fd < 0) {
        return -errno;
    }
    ssize_t n = read(fd, text, sizeof(text) - 1);
    int err = n > 0 ? 0 : -errno;
    close(fd);
    return err != 0 ? err : atoi(text);
}

static int wait_for_node(int device)
{
    char path[32];

    snprintf(path, sizeof(path), "/dev/zram%d", device);
    for (int tries = 0; tries < 50; tries++) {
        if (access(path, R_OK | W_OK) == 0) {
            return 0;
        }
        wait_a_little();
    }
    return -errno;
}

static int set_up(int device, const char *algorithm, uint64_t disk_bytes,
                  char *why, size_t room)
{
    char size[32];

    if (write_setting(device, "comp_algorithm", algorithm) != 0) {
        snprintf(why, room, "this kernel's zram has no %s", algorithm);
        return -1;
    }
    snprintf(size, sizeof(size), "%" PRIu64, disk_bytes);
    int err = write_setting(device, "disksize", size);
    if (err == 0) {
        err = wait_for_node(device);
    }
    if (err != 0) {
        snprintf(why, room, "zram%d: %s", device, strerrordesc_np(-err));
    }
    return err;
}

int zram_add(const char *algorithm, uint64_t disk_bytes, char *why, size_t room)
{
    int device = hot_add();

    if (device < 0) {
        snprintf(why, room, "no device can be made: " CONTROL "hot_add: %s",
                 strerrordesc_np(-device));
        return -1;
    }
    if (set_up(device, algorithm, disk_bytes, why, room) != 0) {
        zram_remove(device);
        return -1;
    }
    return device;
}

void zram_remove(int device)
{
    char number[16];
    int err = 0;

    snprintf(number, sizeof(number), "%d", device);
    for (int tries = 0; tries < 100; tries++) { /* others may look at it */
        err = write_setting(device, "reset", "1");
        if (err == 0) {
            err = write_file(CONTROL "hot_remove", number);
        }
        if (err == 0) {
            return;
        }
        wait_a_little();
    }
    errno = -err;
    warn("zram%d could not be removed", device);
}
