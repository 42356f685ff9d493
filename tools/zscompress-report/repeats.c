/* SPDX-License-Identifier: MIT */
/* repeats.c - how many values are copies of one that came before. */
#include "repeats.h"

#include <stdlib.h>
#include <string.h>

bool repeats_open(struct repeats *r, size_t room)
{
    *r = (struct repeats){ .room = room, .limit = UINT64_MAX };
    r->table = calloc(room, sizeof(*r->table));
    return r->table != NULL;
}

void repeats_close(struct repeats *r)
{
    free(r->table);
    r->table = NULL;
}

/* Its entry, or the free one where it belongs. Low bits: the high ones decide
 * who is in. */
static struct repeats_entry *find(const struct repeats *r, uint64_t hash)
{
    size_t at = (size_t)hash & (r->room - 1);

    while (r->table[at].hash != 0 && r->table[at].hash != hash) {
        at = (at + 1) & (r->room - 1);
    }
    return &r->table[at];
}

/* One pass moves each entry to its place: begun behind a free entry, every
 * entry is taken out before one that would be found through it. */
static void rehash(struct repeats *r)
{
    size_t start = 0;

    while (r->table[start].hash != 0) {
        start++;
    }
    r->n_used = 0;
    for (size_t i = 1; i < r->room; i++) {
        size_t at = (start + i) & (r->room - 1);
        struct repeats_entry e = r->table[at];

        r->table[at].hash = 0;
        if (e.hash != 0 && e.hash < r->limit) {
            *find(r, e.hash) = e;
            r->n_used++;
        }
    }
}

void repeats_add(struct repeats *r, uint64_t hash, size_t len)
{
    struct repeats_entry *e;

    hash += hash == 0;
    if (hash >= r->limit) {
        return;
    }
    e = find(r, hash);
    if (e->hash == 0) {
        *e = (struct repeats_entry){ .hash = hash, .len = len };
        r->n_used++;
    }
    e->n++;
    while (r->n_used > r->room / 2) {
        r->limit /= 2;
        rehash(r);
    }
}

void repeats_shares(const struct repeats *r, double *of_values,
                    double *of_bytes)
{
    double n = 0, copies = 0, bytes = 0, copied_bytes = 0;

    for (size_t i = 0; i < r->room; i++) {
        const struct repeats_entry *e = &r->table[i];

        if (e->hash != 0) {
            n += (double)e->n;
            copies += (double)(e->n - 1);
            bytes += (double)e->n * (double)e->len;
            copied_bytes += (double)(e->n - 1) * (double)e->len;
        }
    }
    *of_values = n > 0 ? copies / n : 0;
    *of_bytes = bytes > 0 ? copied_bytes / bytes : 0;
}
