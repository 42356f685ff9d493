/* SPDX-License-Identifier: MIT */
/*
 * owners_values.c - values in the pool. Their bytes name their number, version,
 * length and handle; only their worker changes them, so it knows what is there.
 */
#include <sched.h>
#include <string.h>

#include "owners.h"

#define N_VALUES 1500u
#define MOST_BYTES ((size_t)256 * 1024)

struct value {
    zs_handle_t h; /* raw == 0: none */
    uint32_t number, version;
    size_t len;
};

struct head {
    uint32_t number, version, len;
    uint32_t handle; /* 0 where it was not known yet */
};

struct values {
    struct value all[N_VALUES];
    struct value *pinned; /* NULL: none */
    struct zs_pin pin;
    unsigned char *buf, *copy; /* MOST_BYTES each */
};

/* Mostly small, some larger than a page, a few larger than every class. */
static size_t random_len(void)
{
    uint64_t r = below(1000);

    if (r < 900) {
        return sizeof(struct head) + below(2000);
    }
    return r < 997 ? 4000 + below(9000) : 66000 + below(100000);
}

static void make_value(unsigned char *buf, const struct value *v,
                       uint32_t handle)
{
    struct head head = { v->number, v->version, (uint32_t)v->len, handle };
    uint64_t x = (uint64_t)v->number << 32 | v->version;

    for (size_t i = sizeof(head); i < v->len; i++) {
        buf[i] = (unsigned char)(x >> (i % 8 * 8)) ^ (unsigned char)i;
    }
    memcpy(buf, &head, sizeof(head));
}

/* The bytes of v as one piece, as they should be. */
static void check_bytes(struct values *s, const struct value *v,
                        const unsigned char *p)
{
    struct head head;

    memcpy(&head, p, sizeof(head));
    REQUIRE(head.handle == 0 || head.handle == v->h.raw);
    make_value(s->buf, v, head.handle);
    REQUIRE(memcmp(p, s->buf, v->len) == 0);
    COUNT(reads);
}

static void read_value(struct values *s, struct value *v)
{
    unsigned char local[ZS_LOCAL_COPY_BYTES];
    const unsigned char *p = zs_obj_read_begin(pool, v->h, local);

    check_bytes(s, v, p);
    if (one_in(64)) {
        sched_yield(); /* movers move it; here it stays as it was */
        check_bytes(s, v, p);
    }
    zs_obj_read_end(pool);
}

/* In two steps, and what is not the whole value is replaced by it. */
static void write_value(struct values *s, struct value *v)
{
    size_t room = zs_obj_size(pool, v->h);
    size_t cut;

    v->version++;
    v->len = sizeof(struct head) + below(room - sizeof(struct head) + 1);
    cut = below(v->len + 1);
    make_value(s->buf, v, v->h.raw);
    REQUIRE(zs_obj_write(pool, v->h, cut, s->buf + cut, v->len - cut) == 0);
    REQUIRE(zs_obj_write(pool, v->h, 0, s->buf, cut) == 0);
}

static void create_value(struct values *s, struct value *v)
{
    v->version++;
    v->len = random_len();
    if (one_in(2)) {
        make_value(s->buf, v, 0);
        if (got(zs_obj_create(pool, s->buf, v->len, &v->h))) {
            return;
        }
    } else if (got(zs_malloc(pool, v->len, &v->h))) {
        write_value(s, v);
        return;
    }
    v->h.raw = 0;
}

static void replace_value(struct values *s, struct value *v)
{
    struct value next = *v;

    next.version++;
    next.len = random_len();
    make_value(s->buf, &next, v->h.raw);
    if (got(zs_obj_replace(pool, v->h, s->buf, next.len))) {
        *v = next;
    }
}

static void free_value(struct value *v)
{
    zs_free(pool, v->h);
    v->h.raw = 0;
}

/* Copies between a pinned object and buf, in place. */
static void copy_pinned(struct values *s, bool in)
{
    size_t at = 0;

    for (unsigned i = 0; i < s->pin.view.n_parts && at < s->pinned->len; i++) {
        size_t left = s->pinned->len - at;
        size_t n = s->pin.view.part[i].iov_len;

        n = n < left ? n : left;
        if (in) {
            memcpy(s->pin.view.part[i].iov_base, s->buf + at, n);
        } else {
            memcpy(s->buf + at, s->pin.view.part[i].iov_base, n);
        }
        at += n;
    }
    REQUIRE(at == s->pinned->len);
}

void values_unpin(struct values *s)
{
    struct value *v = s->pinned;

    if (v) {
        v->version++;
        make_value(s->buf, v, v->h.raw);
        copy_pinned(s, true);
        zs_unpin(pool, &s->pin);
        s->pinned = NULL;
        read_value(s, v);
    }
}

/* It stays pinned over the next operations. */
static void pin(struct values *s, struct value *v)
{
    values_unpin(s);
    zs_pin(pool, v->h, "stress_owners", &s->pin);
    s->pinned = v;
    copy_pinned(s, false);
    memcpy(s->copy, s->buf, v->len);
    check_bytes(s, v, s->copy);
    COUNT(pins);
}

void values_op(struct values *s, bool shrinking)
{
    struct value *v = &s->all[below(N_VALUES)];
    unsigned op = (unsigned)below(16);

    if (v->h.raw == 0) {
        create_value(s, v);
    } else if (v == s->pinned) {
        values_unpin(s);
    } else if (op < (shrinking ? 9u : 2u)) {
        free_value(v);
    } else if (op < 11) {
        read_value(s, v);
    } else if (op < 13) {
        write_value(s, v);
    } else if (op < 15) {
        replace_value(s, v);
    } else {
        pin(s, v);
    }
}

struct values *values_create(uint32_t worker)
{
    struct values *s = calloc(1, sizeof(*s));

    REQUIRE(s);
    s->buf = malloc(MOST_BYTES);
    s->copy = malloc(MOST_BYTES);
    REQUIRE(s->buf && s->copy);
    for (uint32_t i = 0; i < N_VALUES; i++) {
        s->all[i].number = worker << 16 | i;
    }
    return s;
}

void values_destroy(struct values *s)
{
    for (uint32_t i = 0; i < N_VALUES; i++) {
        if (s->all[i].h.raw != 0) {
            read_value(s, &s->all[i]);
            free_value(&s->all[i]);
        }
    }
    free(s->buf);
    free(s->copy);
    free(s);
}
