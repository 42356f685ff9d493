/* SPDX-License-Identifier: MIT */
/*
 * files.c - the paths of the command line, read one after the other.
 *
 * A file that is named may be a dump, and what is wrong with it is an error.
 * Files in a directory are data, unless a format was asked for; the unreadable
 * ones are counted. Only regular files, on one file system, in sorted order.
 */
#include "files.h"

#include <err.h>
#include <errno.h>
#include <fcntl.h>
#include <fts.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

static bool ends_with(const char *name, const char *end)
{
    size_t n = strlen(name), m = strlen(end);

    return n >= m && strcmp(name + n - m, end) == 0;
}

static enum unit unit_of(const struct intake *in, const char *name)
{
    if (in->is_unit_given) {
        return in->unit;
    }
    return ends_with(name, ".jsonl") || ends_with(name, ".ndjson") ||
                   strcmp(name, "-") == 0
               ? UNIT_LINE
               : UNIT_VALUE;
}

static bool read_fd(struct intake *in, int fd, const char *name, bool is_data)
{
    struct reader r;
    bool ok;

    if (!reader_open(&r, fd)) {
        warn("%s", name);
        return false;
    }
    ok = is_data && in->format == FORMAT_AUTO
             ? read_plain(in, &r, unit_of(in, name))
             : read_stream(in, &r, unit_of(in, name));
    if (!ok) {
        warnx("%s: at byte %" PRIu64 ": %s", name, r.error_at, r.error);
    }
    in->n_files++;
    reader_close(&r);
    return ok;
}

static bool read_file(struct intake *in, const FTSENT *e)
{
    bool is_named = e->fts_level == FTS_ROOTLEVEL;
    int fd = open(e->fts_accpath, O_RDONLY | O_CLOEXEC | O_NOCTTY);
    bool ok;

    if (fd < 0) {
        if (is_named) {
            warn("%s", e->fts_path);
        }
        in->n_unreadable++;
        return !is_named;
    }
    ok = read_fd(in, fd, e->fts_path, !is_named);
    close(fd);
    return ok;
}

static bool take_entry(struct intake *in, const FTSENT *e)
{
    bool is_named = e->fts_level == FTS_ROOTLEVEL;

    switch (e->fts_info) {
    case FTS_F:
        return read_file(in, e);
    case FTS_DEFAULT: /* a pipe that is named: <(command) */
        return !is_named || read_file(in, e);
    case FTS_DNR:
    case FTS_ERR:
    case FTS_NS:
    case FTS_SLNONE:
        in->n_unreadable++;
        if (is_named) {
            errno = e->fts_errno != 0 ? e->fts_errno : ENOENT;
            warn("%s", e->fts_path);
        }
        return !is_named;
    default: /* directories, symbolic links */
        return true;
    }
}

static int by_name(const FTSENT **a, const FTSENT **b)
{
    return strcmp((*a)->fts_name, (*b)->fts_name);
}

static bool walk(struct intake *in, char *path)
{
    char *one[] = { path, NULL };
    FTS *fts = fts_open(
        one, FTS_PHYSICAL | FTS_COMFOLLOW | FTS_NOCHDIR | FTS_XDEV, by_name);
    bool ok = true;
    FTSENT *e;

    if (fts == NULL) {
        warn("%s", path);
        return false;
    }
    errno = 0;
    while (ok && (e = fts_read(fts)) != NULL) {
        ok = take_entry(in, e);
        errno = 0;
    }
    if (ok && errno != 0) {
        warn("%s", path);
        ok = false;
    }
    fts_close(fts);
    return ok;
}

bool files_read(struct intake *in, char *const *paths)
{
    for (; *paths != NULL; paths++) {
        bool ok;

        if (**paths == '\0') {
            warnx("a path is empty");
            return false;
        }
        ok = strcmp(*paths, "-") == 0 ? read_fd(in, STDIN_FILENO, "-", false)
                                      : walk(in, *paths);
        if (!ok) {
            return false;
        }
    }
    return true;
}
