/* SPDX-License-Identifier: MIT */
/* pressure.c - looking at the sources of memory pressure; see pressure.h. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "os.h"
#include "pressure.h"
#include "pressure_text.h"

#define FILE_BYTES 8192u

static const char *const event_names[] = {
#define EVENT_NAME(name, text) #name,
    ZS_PRESSURE_EVENTS(EVENT_NAME)
};

/* One group: the first dir_len bytes of p->dir. */
struct group {
    const struct zs_pressure *p;
    size_t dir_len;
};

static bool read_group(struct group g, const char *name, char *text)
{
    char path[ZS_PRESSURE_MAX_PATH + 32];
    int n =
        snprintf(path, sizeof(path), "%.*s/%s", (int)g.dir_len, g.p->dir, name);

    return n > 0 && (size_t)n < sizeof(path) &&
           zs_os.read_file(path, text, FILE_BYTES) >= 0;
}

static bool group_number(struct group g, const char *name, uint64_t *out)
{
    char text[FILE_BYTES];

    return read_group(g, name, text) && zs_text_number(text, out);
}

/* "max", what version 1 says for it (the largest number of pages, in bytes),
 * and what is no number at all: no limit. */
static uint64_t group_limit(struct group g, const char *name)
{
    uint64_t limit;

    if (!group_number(g, name, &limit) || limit >= UINT64_C(1) << 62) {
        return ZS_PRESSURE_NO_LIMIT;
    }
    return limit;
}

/* --- headroom --- */

static struct zs_pressure_room room_to(uint64_t limit, uint64_t used)
{
    return (struct zs_pressure_room){
        .limit_bytes = limit,
        .room_bytes = limit == ZS_PRESSURE_NO_LIMIT ? ZS_PRESSURE_NO_LIMIT
                      : used < limit                ? limit - used
                                                    : 0,
    };
}

static bool is_near(struct zs_pressure_room r)
{
    return r.limit_bytes != ZS_PRESSURE_NO_LIMIT &&
           r.room_bytes < 2 * zs_pressure_mark(r.limit_bytes);
}

/* File cache, which the kernel drops before it refuses memory. */
static uint64_t group_cache(struct group g)
{
    char text[FILE_BYTES];
    uint64_t inactive = 0;
    uint64_t active = 0;

    if (read_group(g, "memory.stat", text)) {
        (void)zs_text_keyed(
            text, g.p->v1 ? "total_inactive_file" : "inactive_file", &inactive);
        (void)zs_text_keyed(text, g.p->v1 ? "total_active_file" : "active_file",
                            &active);
    }
    return inactive + active >= inactive ? inactive + active : inactive;
}

static void keep_tighter(struct zs_pressure_room *least,
                         struct zs_pressure_room r)
{
    if (r.room_bytes < least->room_bytes) {
        *least = r;
    }
}

static void look_at_room(struct group g, uint64_t high, uint64_t max,
                         struct zs_pressure_figures *out)
{
    uint64_t used;

    if (!group_number(g, g.p->v1 ? "memory.usage_in_bytes" : "memory.current",
                      &used)) {
        return;
    }
    if (is_near(room_to(high, used)) || is_near(room_to(max, used))) {
        uint64_t cache = group_cache(g);

        used -= cache < used ? cache : used;
    }
    keep_tighter(&out->high, room_to(high, used));
    keep_tighter(&out->max, room_to(max, used));
}

/* --- events --- */

static void forget(struct zs_pressure_counts *c)
{
    for (unsigned i = 0; i < ZS_PRESSURE_NR_EVENTS; i++) {
        c->n[i] = ZS_PRESSURE_UNKNOWN;
    }
}

static void group_counts(struct group g, struct zs_pressure_counts *out)
{
    char text[FILE_BYTES];

    forget(out);
    if (g.p->v1) {
        (void)group_number(g, "memory.failcnt", &out->n[ZS_PRESSURE_EVENT_max]);
    } else if (read_group(g, g.p->events_name, text)) {
        for (unsigned i = 0; i < ZS_PRESSURE_NR_EVENTS; i++) {
            (void)zs_text_keyed(text, event_names[i], &out->n[i]);
        }
    }
}

/* How much a total has grown. One that went back has begun anew, at a moment
 * unknown; "unknown" itself is above all others. */
static uint64_t growth(uint64_t before, uint64_t now)
{
    return now > before && now != ZS_PRESSURE_UNKNOWN ? now - before : 0;
}

static void look_at_events(struct group g, struct zs_pressure_counts *before,
                           uint64_t *events)
{
    struct zs_pressure_counts now;

    group_counts(g, &now);
    for (unsigned i = 0; i < ZS_PRESSURE_NR_EVENTS; i++) {
        events[i] += growth(before->n[i], now.n[i]);
    }
    *before = now;
}

/* --- groups --- */

static void look_at_group(struct group g, struct zs_pressure_counts *before,
                          struct zs_pressure_figures *out)
{
    uint64_t max =
        group_limit(g, g.p->v1 ? "memory.limit_in_bytes" : "memory.max");
    uint64_t high =
        g.p->v1 ? ZS_PRESSURE_NO_LIMIT : group_limit(g, "memory.high");

    if (max == ZS_PRESSURE_NO_LIMIT && high == ZS_PRESSURE_NO_LIMIT) {
        forget(before);
        return;
    }
    look_at_room(g, high, max, out);
    look_at_events(g, before, out->events);
}

static size_t parent_len(const char *dir, size_t len)
{
    while (len > 0 && dir[len - 1] != '/') {
        len--;
    }
    return len > 0 ? len - 1 : 0;
}

static void look_at_groups(struct zs_pressure *p,
                           struct zs_pressure_figures *out)
{
    size_t len = strlen(p->dir);

    for (unsigned i = 0; i < ZS_PRESSURE_MAX_GROUPS && len > 0; i++) {
        look_at_group((struct group){ p, len }, &p->counts[i], out);
        if (len <= p->root_len) {
            return;
        }
        len = parent_len(p->dir, len);
    }
}

/* --- stall times --- */

static struct zs_pressure_stalls read_stalls(const struct zs_pressure *p)
{
    struct zs_pressure_stalls s = { zs_os.now_ns(), ZS_PRESSURE_UNKNOWN,
                                    ZS_PRESSURE_UNKNOWN };
    char text[FILE_BYTES];

    if (zs_os.read_file(p->psi, text, sizeof(text)) >= 0) {
        (void)zs_text_stall(text, "some", &s.some_us);
        (void)zs_text_stall(text, "full", &s.full_us);
    }
    return s;
}

static unsigned percent_of(uint64_t before_us, uint64_t now_us, uint64_t ns)
{
    uint64_t us = growth(before_us, now_us);
    uint64_t all_us = ns / 1000;

    return us < all_us ? (unsigned)(us * 100 / all_us) : us > 0 ? 100 : 0;
}

static void look_at_stalls(struct zs_pressure *p)
{
    struct zs_pressure_stalls now = read_stalls(p);
    const struct zs_pressure_stalls *was = &p->stalls;
    uint64_t ns = now.at_ns - was->at_ns;

    if (ns < ZS_PRESSURE_MIN_INTERVAL_NS &&
        now.some_us != ZS_PRESSURE_UNKNOWN &&
        was->some_us != ZS_PRESSURE_UNKNOWN) {
        return;
    }
    p->some_percent = percent_of(was->some_us, now.some_us, ns);
    p->full_percent = percent_of(was->full_us, now.full_us, ns);
    p->stalls = now;
}

/* --- */

static struct zs_pressure_figures nothing(void)
{
    return (struct zs_pressure_figures){
        .high = { ZS_PRESSURE_NO_LIMIT, ZS_PRESSURE_NO_LIMIT },
        .max = { ZS_PRESSURE_NO_LIMIT, ZS_PRESSURE_NO_LIMIT },
    };
}

void zs_pressure_open(struct zs_pressure *p)
{
    struct zs_pressure_figures unused = nothing();

    memset(p, 0, sizeof(*p));
    p->groups_hash = zs_pressure_groups_hash();
    zs_pressure_find(p);
    p->stalls = read_stalls(p);
    look_at_groups(p, &unused);
}

void zs_pressure_look(struct zs_pressure *p, struct zs_pressure_figures *out)
{
    if (zs_pressure_groups_hash() != p->groups_hash) {
        zs_pressure_open(p);
    }
    *out = nothing();
    look_at_groups(p, out);
    look_at_stalls(p);
    out->some_percent = p->some_percent;
    out->full_percent = p->full_percent;
}
