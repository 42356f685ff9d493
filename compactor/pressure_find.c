/* SPDX-License-Identifier: MIT */
/*
 * pressure_find.c - where the files of the process's control groups are.
 *
 * Idea
 *   /proc/self/cgroup says which group the process is in, /proc/self/mountinfo
 *   where groups can be seen, and from which group on:
 *
 *     4:memory:/docker/abc/web                          version 1
 *     0::/docker/abc/web                                version 2
 *     31 23 0:35 /docker/abc /sys/fs/cgroup ... - cgroup2 cgroup2 rw
 *                ^ root      ^ mounted at
 *
 *   The root is taken off the group's path, the place put before it:
 *   /sys/fs/cgroup/web. Of several mounts that show the group the one that
 *   shows most ancestors counts. A group that no mount shows is left out: the
 *   limits of another one would be worse than none.
 *
 *   Of the two versions one has the memory controller, and only there are
 *   limits; stall times are in version 2 even without it.
 *
 * Cost: 30 us and 1 MiB of address space for the mounts, when opened and when
 * the process has changed its group.
 */
#include <stdio.h>
#include <string.h>

#include "os.h"
#include "pressure.h"
#include "pressure_text.h"

#define GROUPS_FILE "/proc/self/cgroup"
#define GROUPS_BYTES 8192u
#define MOUNTS_FILE "/proc/self/mountinfo"
#define MOUNTS_BYTES ((size_t)1 << 20)
#define SYSTEM_PSI "/proc/pressure/memory"

/* What a group of the process is called, and where it can be seen. */
struct place {
    char group[ZS_PRESSURE_MAX_PATH]; /* as in /proc/self/cgroup; "": none */
    char dir[ZS_PRESSURE_MAX_PATH];   /* "": not seen */
    size_t root_len;                  /* of dir: where it is mounted */
    size_t hidden_len;                /* of group: what the mount leaves out */
};

static bool copy_path(char *out, const char *a, const char *b)
{
    char path[ZS_PRESSURE_MAX_PATH];
    int n = snprintf(path, sizeof(path), "%s%s", a, b);

    if (n <= 0 || (size_t)n >= sizeof(path)) {
        return false;
    }
    memcpy(out, path, (size_t)n + 1);
    return true;
}

/* Is `word` in the list "a,b,c"? */
static bool list_has(const char *list, const char *word)
{
    size_t len = strlen(word);

    for (const char *s = list; s; s = strchr(s, ',')) {
        s += *s == ',';
        if (strncmp(s, word, len) == 0 && (s[len] == ',' || s[len] == '\0')) {
            return true;
        }
    }
    return false;
}

/* --- /proc/self/cgroup --- */

uint64_t zs_pressure_groups_hash(void)
{
    char text[GROUPS_BYTES];
    uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */

    if (zs_os.read_file(GROUPS_FILE, text, sizeof(text)) < 0) {
        return 0;
    }
    for (const char *s = text; *s; s++) {
        hash = (hash ^ (unsigned char)*s) * UINT64_C(1099511628211);
    }
    return hash;
}

/* "4:memory:/a/b" or "0::/a/b" */
static void take_group(char *line, struct place *v1, struct place *v2)
{
    char *list = strchr(line, ':');
    char *path = list ? strchr(list + 1, ':') : NULL;
    struct place *v = NULL;

    if (!path || strncmp(path + 1, "/..", 3) == 0) {
        return; /* the last: outside of what this namespace shows */
    }
    *list++ = '\0';
    *path++ = '\0';
    if (strcmp(line, "0") == 0 && *list == '\0') {
        v = v2;
    } else if (list_has(list, "memory")) {
        v = v1;
    }
    if (v) {
        (void)copy_path(v->group, path, "");
    }
}

static void find_groups(struct place *v1, struct place *v2)
{
    char text[GROUPS_BYTES];
    char *rest;

    if (zs_os.read_file(GROUPS_FILE, text, sizeof(text)) < 0) {
        return;
    }
    for (char *line = strtok_r(text, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest)) {
        take_group(line, v1, v2);
    }
}

/* --- /proc/self/mountinfo --- */

struct mount {
    char *root;
    char *at;
    char *type;
    char *options;
};

/* A blank in a path is written \040. */
static void unescape(char *s)
{
    char *out = s;

    for (; *s; out++) {
        if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' &&
            s[2] <= '7' && s[3] >= '0' && s[3] <= '7') {
            *out = (char)((s[1] - '0') * 64 + (s[2] - '0') * 8 + (s[3] - '0'));
            s += 4;
        } else {
            *out = *s++;
        }
    }
    *out = '\0';
}

/* ID PARENT DEVICE ROOT AT OPTIONS [TAG...] - TYPE SOURCE OPTIONS */
static bool split_mount(char *line, struct mount *m)
{
    char *rest;
    char *word = strtok_r(line, " ", &rest);
    int after = -1; /* words after the dash */

    *m = (struct mount){ 0 };
    for (int i = 0; word && after < 3; i++) {
        m->root = i == 3 ? word : m->root;
        m->at = i == 4 ? word : m->at;
        m->type = after == 0 ? word : m->type;
        m->options = after == 2 ? word : m->options;
        if (after >= 0 || (i >= 6 && strcmp(word, "-") == 0)) {
            after++;
        }
        word = strtok_r(NULL, " ", &rest);
    }
    if (!m->options) {
        return false;
    }
    unescape(m->root);
    unescape(m->at);
    return true;
}

/* Take this mount if it shows the group, and more than the one before. */
static void take_mount(struct place *v, const struct mount *m)
{
    size_t hidden = strcmp(m->root, "/") == 0 ? 0 : strlen(m->root);
    const char *shown = v->group + hidden;

    if (v->group[0] == '\0' || strncmp(v->group, m->root, hidden) != 0 ||
        (*shown != '/' && *shown != '\0') ||
        (v->dir[0] != '\0' && hidden >= v->hidden_len)) {
        return;
    }
    if (copy_path(v->dir, m->at, strcmp(shown, "/") == 0 ? "" : shown)) {
        v->root_len = strlen(m->at);
        v->hidden_len = hidden;
    }
}

static void find_mounts(struct place *v1, struct place *v2)
{
    char *text = zs_os.alloc(MOUNTS_BYTES);
    struct mount m;
    char *rest;

    if (!text) {
        return;
    }
    if (zs_os.read_file(MOUNTS_FILE, text, MOUNTS_BYTES) >= 0) {
        for (char *line = strtok_r(text, "\n", &rest); line;
             line = strtok_r(NULL, "\n", &rest)) {
            if (!split_mount(line, &m)) {
                continue;
            }
            if (strcmp(m.type, "cgroup2") == 0) {
                take_mount(v2, &m);
            } else if (strcmp(m.type, "cgroup") == 0 &&
                       list_has(m.options, "memory")) {
                take_mount(v1, &m);
            }
        }
    }
    zs_os.free(text);
}

/* --- */

static bool is_readable(const char *path)
{
    char text[GROUPS_BYTES];

    return zs_os.read_file(path, text, sizeof(text)) >= 0;
}

static void choose_psi(struct zs_pressure *p, const struct place *v2)
{
    if (v2->dir[0] == '\0' || !copy_path(p->psi, v2->dir, "/memory.pressure") ||
        !is_readable(p->psi)) {
        (void)copy_path(p->psi, SYSTEM_PSI, "");
    }
}

/* Events of the group alone, without those of groups below it, where the
 * kernel tells them apart (since 5.2). */
static void choose_events(struct zs_pressure *p)
{
    char path[ZS_PRESSURE_MAX_PATH];

    p->events_name =
        copy_path(path, p->dir, "/memory.events.local") && is_readable(path)
            ? "memory.events.local"
            : "memory.events";
}

void zs_pressure_find(struct zs_pressure *p)
{
    struct place v1 = { 0 };
    struct place v2 = { 0 };
    const struct place *v;

    find_groups(&v1, &v2);
    find_mounts(&v1, &v2);
    v = v1.dir[0] ? &v1 : &v2;
    p->v1 = v == &v1;
    p->root_len = v->root_len;
    memcpy(p->dir, v->dir, sizeof(p->dir));
    choose_psi(p, &v2);
    choose_events(p);
}
