/* SPDX-License-Identifier: MIT */
/* fake_tree.h - small files in memory, read through zs_os, and a clock that
 * tests set. Files may change, vanish, or be unreadable. */
#ifndef ZS_TEST_FAKE_TREE_H
#define ZS_TEST_FAKE_TREE_H

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "os.h"

#define TREE_FILES 48u

static struct {
    const char *path;
    char text[2048];
    int err; /* read_file answers this instead */
} tree[TREE_FILES];
static unsigned tree_reads; /* calls so far */
static uint64_t tree_now_ns;
static struct zs_os tree_real_os;

static unsigned tree_slot(const char *path)
{
    unsigned i = 0;

    while (tree[i].path && strcmp(tree[i].path, path) != 0) {
        i++;
        assert_true(i < TREE_FILES);
    }
    return i;
}

static int tree_read_file(const char *path, char *buf, size_t size)
{
    unsigned i = tree_slot(path);
    size_t len;

    tree_reads++;
    if (!tree[i].path) {
        return -ENOENT;
    }
    len = strlen(tree[i].text);
    if (tree[i].err || len >= size) {
        return tree[i].err ? tree[i].err : -EFBIG;
    }
    memcpy(buf, tree[i].text, len + 1);
    return (int)len;
}

/* `path` is kept, not copied. */
__attribute__((format(printf, 2, 3))) static inline void
tree_set(const char *path, const char *format, ...)
{
    unsigned i = tree_slot(path);
    va_list args;

    tree[i].path = path;
    tree[i].err = 0;
    va_start(args, format);
    vsnprintf(tree[i].text, sizeof(tree[i].text), format, args);
    va_end(args);
}

static inline void tree_break(const char *path, int err)
{
    tree[tree_slot(path)].path = path;
    tree[tree_slot(path)].err = err;
}

static uint64_t tree_clock(void)
{
    return tree_now_ns;
}

static inline int tree_begin(void **unused)
{
    (void)unused;
    memset(tree, 0, sizeof(tree));
    tree_now_ns = UINT64_C(1000000000);
    tree_real_os = zs_os;
    zs_os.read_file = tree_read_file;
    zs_os.now_ns = tree_clock;
    return 0;
}

static inline int tree_end(void **unused)
{
    (void)unused;
    zs_os = tree_real_os;
    return 0;
}

#endif /* ZS_TEST_FAKE_TREE_H */
