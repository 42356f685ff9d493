/* SPDX-License-Identifier: MIT */
/* values.c - what came in: all of it counted, a random part of it kept. */
#include "values.h"

#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "hash.h"

/* Entries of the table of repeats: few for few bytes, a power of two. */
#define REPEATS_MIN ((size_t)1 << 10)
#define REPEATS_MAX ((size_t)1 << 20)
#define REPEATS_BYTES 64u /* kept for each entry */

static size_t repeats_room(uint64_t max_bytes)
{
    size_t room = REPEATS_MIN;

    while (room < REPEATS_MAX && room < max_bytes / REPEATS_BYTES) {
        room *= 2;
    }
    return room;
}

bool values_open(struct values *v, uint64_t max_bytes)
{
    *v = (struct values){ .max_bytes = max_bytes, .limit = UINT64_MAX };
    v->mapped = v->max_bytes + VALUE_MAX_BYTES;
    v->bytes = mmap(NULL, v->mapped, PROT_READ | PROT_WRITE,
                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (v->bytes == MAP_FAILED) {
        v->bytes = NULL;
        return false;
    }
    return repeats_open(&v->repeats, repeats_room(max_bytes));
}

void values_close(struct values *v)
{
    if (v->bytes != NULL) {
        munmap(v->bytes, v->mapped);
    }
    free(v->kept);
    repeats_close(&v->repeats);
}

bool value_is_same_filled(const unsigned char *data, size_t len)
{
    return len >= 16 && memcmp(data, data + 8, len - 8) == 0;
}

static unsigned size_idx(size_t len)
{
    return len == 0 ? 0 : 64u - (unsigned)__builtin_clzll(len);
}

static bool is_in(const struct values *v, uint64_t place)
{
    return hash_number(place) <= v->limit;
}

/* Halve the limit until what is left fits; one value stays in any case. */
static void thin_out(struct values *v)
{
    while (v->n_bytes > v->max_bytes && v->n_kept > 1) {
        size_t n = 0, at = 0;

        v->limit /= 2;
        for (size_t i = 0; i < v->n_kept; i++) {
            struct value one = v->kept[i];

            if (is_in(v, one.place)) {
                memmove(v->bytes + at, v->bytes + one.at, one.len);
                one.at = at;
                at += one.len;
                v->kept[n++] = one;
            }
        }
        v->n_kept = n;
        v->n_bytes = at;
    }
}

static bool keep(struct values *v, const unsigned char *data, size_t len,
                 uint64_t hash)
{
    if (v->n_kept == v->room) {
        size_t room = v->room == 0 ? 1024 : 2 * v->room;
        struct value *more = reallocarray(v->kept, room, sizeof(*more));

        if (more == NULL) {
            return false;
        }
        v->kept = more;
        v->room = room;
    }
    if (v->n_bytes + len > v->mapped) {
        return true; /* one value that is larger than all that is allowed */
    }
    memcpy(v->bytes + v->n_bytes, data, len);
    v->kept[v->n_kept++] =
        (struct value){ v->n_all, hash, v->n_bytes, (uint32_t)len };
    v->n_bytes += len;
    thin_out(v);
    return true;
}

static bool add_part(struct values *v, const unsigned char *data, size_t len)
{
    unsigned idx = size_idx(len);
    uint64_t hash;

    v->n_all++;
    v->bytes_all += len;
    v->n_of_size[idx]++;
    v->bytes_of_size[idx] += len;
    if (len == 0) {
        return true;
    }
    hash = hash_bytes(data, len);
    repeats_add(&v->repeats, hash, len);
    if (value_is_same_filled(data, len)) {
        v->n_same++;
        v->bytes_same += len;
        return true;
    }
    return !is_in(v, v->n_all) || keep(v, data, len, hash);
}

bool values_add(struct values *v, const void *data, size_t len)
{
    const unsigned char *at = data;

    v->n_cut += len > VALUE_MAX_BYTES;
    while (len > VALUE_MAX_BYTES) {
        if (!add_part(v, at, VALUE_MAX_BYTES)) {
            return false;
        }
        at += VALUE_MAX_BYTES;
        len -= VALUE_MAX_BYTES;
    }
    return add_part(v, at, len);
}

double values_share(const struct values *v)
{
    return v->limit == UINT64_MAX ? 1 : (double)v->limit / 0x1p64;
}

uint64_t values_length_below(const struct values *v, double share)
{
    double seen = 0;
    unsigned i = 0;

    while (i < N_SIZES - 1) {
        seen += (double)v->n_of_size[i];
        if (seen >= share * (double)v->n_all) {
            break;
        }
        i++;
    }
    return i == 0 ? 0 : (UINT64_C(1) << i) - 1;
}
