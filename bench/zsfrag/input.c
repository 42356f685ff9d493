/* SPDX-License-Identifier: MIT */
/*
 * input.c - the files, copied once into a memory file.
 *
 * Copied, because files may change while the tool runs, and in memory, because
 * writing gigabytes to a disk would disturb what is measured afterwards. The
 * memory file is shared memory for the kernel; every worker has it mapped and
 * touched before its first look at the footprint, so it never counts.
 */
#include "input.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define ALIGN_BYTES UINT64_C(4096)
#define BUFFER_BYTES ((size_t)1 << 20)
#define CHECK_EVERY_BYTES (UINT64_C(64) << 20)

/* A worker needs the values once more in compressed form, twice: flat and in
 * the allocator. Together with the input that is at most about 3.3 times. */
static uint64_t need_bytes(uint64_t input_bytes)
{
    return input_bytes * 23 / 10;
}

static uint64_t available_bytes(void)
{
    char line[128];
    uint64_t kib = 0;
    FILE *f = fopen("/proc/meminfo", "re");

    if (f == NULL) {
        return UINT64_MAX;
    }
    while (kib == 0 && fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "MemAvailable: %" SCNu64, &kib) != 1) {
            kib = 0;
        }
    }
    fclose(f);
    return kib == 0 ? UINT64_MAX : kib * 1024;
}

/* Is asked again every 64 MiB, so that a huge input ends with a message. */
static bool memory_will_do(struct input *in, uint64_t input_bytes)
{
    if (input_bytes < in->check_at_bytes) {
        return true;
    }
    uint64_t need = need_bytes(input_bytes);
    uint64_t have = available_bytes();
    if (need > have) {
        warnx("not enough memory: %" PRIu64 " MiB of input need %" PRIu64
              " MiB more, %" PRIu64 " MiB are available; use --limit-mib",
              input_bytes >> 20, need >> 20, have >> 20);
        return false;
    }
    in->check_at_bytes = input_bytes + CHECK_EVERY_BYTES;
    return true;
}

static bool add_span(struct input *in, uint64_t len)
{
    if (in->n_spans == in->room) {
        size_t room = in->room == 0 ? 1024 : in->room * 2;
        struct span *more = reallocarray(in->spans, room, sizeof(*more));
        if (more == NULL) {
            warn("input");
            return false;
        }
        in->spans = more;
        in->room = room;
    }
    in->spans[in->n_spans++] = (struct span){ in->end_bytes, len };
    in->end_bytes += (len + ALIGN_BYTES - 1) & ~(ALIGN_BYTES - 1);
    in->kept_bytes += len;
    return true;
}

enum copied { COPIED, UNREADABLE, FAILED };

static enum copied copy_bytes(struct input *in, int from, uint64_t most,
                              uint64_t *len)
{
    static char buffer[BUFFER_BYTES];

    *len = 0;
    while (*len < most) {
        size_t want = BUFFER_BYTES;
        if (want > most - *len) {
            want = (size_t)(most - *len);
        }
        ssize_t got = read(from, buffer, want);
        if (got <= 0) {
            return got == 0 ? COPIED : UNREADABLE;
        }
        off_t at = (off_t)(in->end_bytes + *len);
        if (pwrite(in->fd, buffer, (size_t)got, at) != got) {
            warn("memory file");
            return FAILED;
        }
        *len += (uint64_t)got;
        if (!memory_will_do(in, in->end_bytes + *len)) {
            return FAILED;
        }
    }
    return COPIED;
}

static enum copied copy_file(struct input *in, const char *path,
                             uint64_t limit_bytes)
{
    uint64_t most = UINT64_MAX;
    uint64_t len;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

    if (fd < 0) {
        return UNREADABLE;
    }
    if (limit_bytes != 0) {
        most = limit_bytes - in->kept_bytes;
    }
    enum copied done = copy_bytes(in, fd, most, &len);
    int error = errno;
    close(fd);
    if (done == COPIED && len > 0 && !add_span(in, len)) {
        return FAILED;
    }
    if (done == UNREADABLE && ftruncate(in->fd, (off_t)in->end_bytes) != 0) {
        return FAILED; /* what was read would be the next file's padding */
    }
    errno = error;
    return done;
}

/* false: stop with an error (said). */
static bool take_entry(struct input *in, const FTSENT *e, uint64_t limit_bytes)
{
    enum copied done = COPIED;

    switch (e->fts_info) {
    case FTS_F:
        done = copy_file(in, e->fts_accpath, limit_bytes);
        break;
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
        errno = e->fts_errno;
        done = UNREADABLE;
        break;
    case FTS_SLNONE:
        errno = ENOENT;
        done = e->fts_level == FTS_ROOTLEVEL ? UNREADABLE : COPIED;
        break;
    case FTS_DEFAULT:
        if (e->fts_level == FTS_ROOTLEVEL) {
            warnx("%s: neither a regular file nor a directory", e->fts_path);
            return false;
        }
        break;
    default: /* directories, symbolic links */
        break;
    }
    if (done == UNREADABLE && e->fts_level == FTS_ROOTLEVEL) {
        warn("%s", e->fts_path);
        return false;
    }
    in->n_unreadable += done == UNREADABLE;
    return done != FAILED;
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool walk(struct input *in, char *const *paths, uint64_t limit_bytes)
{
    FTS *fts = fts_open(
        paths, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR | FTS_XDEV, by_name);
    bool ok = true;
    FTSENT *e;

    if (fts == NULL) {
        warn("%s", paths[0]);
        return false;
    }
    while (ok && (limit_bytes == 0 || in->kept_bytes < limit_bytes)) {
        errno = 0;
        e = fts_read(fts);
        if (e == NULL) {
            if (errno != 0) {
                warn("reading directories");
                ok = false;
            }
            break;
        }
        ok = take_entry(in, e, limit_bytes);
    }
    fts_close(fts);
    return ok;
}

bool input_gather(struct input *in, char *const *paths, uint64_t limit_bytes)
{
    *in = (struct input){ .fd = memfd_create("zsfrag-input", 0) };
    if (in->fd < 0) {
        warn("memfd_create");
        return false;
    }
    for (size_t i = 0; paths[i] != NULL; i++) {
        if (paths[i][0] == '\0') {
            warnx("a path is empty");
            return false;
        }
    }
    if (!walk(in, paths, limit_bytes)) {
        return false;
    }
    if (in->n_unreadable > 0) {
        warnx("%zu unreadable files skipped", in->n_unreadable);
    }
    if (in->kept_bytes == 0) {
        warnx("the input is empty");
        return false;
    }
    if (ftruncate(in->fd, (off_t)in->end_bytes) != 0) {
        warn("memory file");
        return false;
    }
    return true;
}

void input_close(struct input *in)
{
    if (in->fd >= 0) {
        close(in->fd);
    }
    free(in->spans);
}
