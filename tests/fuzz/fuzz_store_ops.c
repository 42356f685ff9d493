/* SPDX-License-Identifier: MIT */
/*
 * fuzz_store_ops - random operations on a store against a shadow model, and
 * damage to what is stored.
 *
 * Input: a byte stream, decoded by next_byte(); an exhausted stream yields
 * zeros, so every input is valid and short inputs stay short.
 *     byte 0      codec = b % 3, checksum = b / 3 % 3
 *     byte 1      limit of the arena, in 128 KiB, above 2 MiB; 0: none
 *     then, for each operation:
 *     op = b % 10  0,1 put  2 delete  3 replace  4 get some bytes
 *                  5 export and import into the same slot  6 compact
 *                  7 damage a value and repair it  8 damage any object and
 *                  repair it  9 get a batch
 *     slot = b % SLOTS; values: kind, length and seed from five more bytes
 *
 * Oracle: slot i reads back as its window of text, noise or a pattern, whatever
 * happened in between; refused operations change nothing; the counts and a walk
 * agree at the end. Damage: with a checksum it is -EBADMSG; without, nothing is
 * written beyond the buffer, and repaired the value is as it was.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "value_header.h"
#include "zspool/compactor.h"
#include "zspool/store.h"

#define SLOTS 32u
#define MAX_LEN ((size_t)700000)
#define REQUIRE(c) ((c) ? (void)0 : abort())

struct input {
    const uint8_t *p, *end;
};

struct slot {
    zs_handle_t h; /* 0: empty */
    const unsigned char *data;
    size_t len;
};

enum { TEXT, NOISE, ZEROES, PAIRS, N_KINDS };

static unsigned char *kinds[N_KINDS]; /* a value is a window on one of them */
static struct zs_store *store;
static struct slot slots[SLOTS];
static bool checked;

static unsigned next_byte(struct input *in)
{
    return in->p < in->end ? *in->p++ : 0;
}

static unsigned next_short(struct input *in)
{
    unsigned high = next_byte(in); /* two statements: fixed order */

    return high << 8 | next_byte(in);
}

static void make_kinds(void)
{
    static const char words[] = "zspage, handle, slot, pool and arena; ";
    uint32_t x = 1;

    for (unsigned k = 0; k < N_KINDS; k++) {
        kinds[k] = malloc(MAX_LEN + 256);
        REQUIRE(kinds[k] != NULL);
    }
    for (size_t i = 0; i < MAX_LEN + 256; i++) {
        x = x * 1664525u + 1013904223u;
        kinds[NOISE][i] = (unsigned char)(x >> 24);
        kinds[TEXT][i] = x >> 28 == 0
                             ? (unsigned char)(x >> 20)
                             : (unsigned char)words[i % (sizeof(words) - 1)];
        kinds[ZEROES][i] = 0;
        kinds[PAIRS][i] = i % 4 < 2 ? 1 : 7;
    }
}

static size_t next_length(struct input *in)
{
    unsigned how = next_byte(in);
    size_t len = next_short(in);

    if (how >= 252) {
        return len * 10; /* in parts */
    }
    return how < 160 ? len % 600 : how < 240 ? len % 9000 : len;
}

static void next_value(struct input *in, struct slot *out)
{
    unsigned kind = next_byte(in) % N_KINDS;

    out->len = next_length(in);
    out->data = kinds[kind] + next_byte(in);
    out->len = out->len < MAX_LEN ? out->len : MAX_LEN;
}

/* In memory of exactly its size, for sanitizers. */
static int get(const struct slot *s, unsigned char **back)
{
    size_t len = SIZE_MAX;
    int err;

    *back = malloc(s->len + 1);
    REQUIRE(*back != NULL);
    (*back)[s->len] = 0xee;
    err = zs_store_get(store, s->h, *back, s->len, &len);
    REQUIRE((*back)[s->len] == 0xee);
    REQUIRE(err != 0 || len <= s->len);
    return err;
}

static void verify(const struct slot *s)
{
    unsigned char *back;

    REQUIRE(get(s, &back) == 0);
    REQUIRE(memcmp(back, s->data, s->len) == 0);
    REQUIRE(zs_store_length(store, s->h) == s->len);
    free(back);
}

static void put(struct slot *s, struct input *in)
{
    struct slot value;
    int err;

    next_value(in, &value);
    err = zs_store_put(store, value.data, value.len, &value.h);
    REQUIRE(err == 0 || err == -ENOSPC);
    if (err == 0) {
        *s = value;
    }
}

static void replace(struct slot *s, struct input *in)
{
    struct slot value;
    int err;

    next_value(in, &value);
    err = zs_store_replace(store, s->h, value.data, value.len);
    REQUIRE(err == 0 || err == -ENOSPC);
    if (err == 0) {
        value.h = s->h;
        *s = value;
    }
    verify(s);
}

static void release(struct slot *s)
{
    verify(s);
    zs_store_delete(store, s->h);
    *s = (struct slot){ 0 };
}

static void get_some(const struct slot *s, struct input *in)
{
    size_t at = next_length(in);
    size_t cap = next_length(in);
    size_t left = at < s->len ? s->len - at : 0;
    unsigned char *back = malloc(cap + 1);
    size_t len = SIZE_MAX;

    REQUIRE(back != NULL);
    REQUIRE(zs_store_get_range(store, s->h, at, back, cap, &len) == 0);
    REQUIRE(len == (left < cap ? left : cap));
    REQUIRE(len == 0 || memcmp(back, s->data + at, len) == 0);
    free(back);
}

static void export_import(struct slot *s)
{
    size_t len = 0;
    unsigned char *message;
    zs_handle_t h;
    int err;

    REQUIRE(zs_store_export(store, s->h, NULL, 0, &len) == -ERANGE);
    message = malloc(len);
    REQUIRE(message != NULL);
    REQUIRE(zs_store_export(store, s->h, message, len, &len) == 0);
    err = zs_store_import(store, message, len, &h);
    REQUIRE(err == 0 || err == -ENOSPC);
    if (err == 0) {
        zs_store_delete(store, s->h);
        s->h = h;
    }
    free(message);
    verify(s);
}

static void flip(zs_handle_t h, size_t at, unsigned char bits)
{
    struct zs_pool *pool = zs_store_pool(store);
    unsigned char local[ZS_LOCAL_COPY_BYTES];
    const unsigned char *p = zs_obj_read_begin(pool, h, local);
    unsigned char byte = p[at] ^ bits;

    zs_obj_read_end(pool);
    REQUIRE(zs_obj_write(pool, h, at, &byte, 1) == 0);
}

static unsigned char next_bits(struct input *in)
{
    unsigned char bits = (unsigned char)next_byte(in);

    return bits != 0 ? bits : 1;
}

/* Every way of reading it, which may fail and may not crash. */
static int read_damaged(const struct slot *s)
{
    unsigned char local[ZS_LOCAL_COPY_BYTES], some[100];
    struct zs_store_view view;
    unsigned char *back;
    size_t len;
    int err = get(s, &back);

    free(back);
    (void)zs_store_length(store, s->h);
    (void)zs_store_stored_length(store, s->h);
    (void)!zs_store_get_range(store, s->h, 7, some, sizeof(some), &len);
    (void)!zs_store_export(store, s->h, some, sizeof(some), &len);
    if (zs_store_view_begin(store, s->h, 0, local, &view) == 0) {
        zs_store_view_end(store);
    }
    return err;
}

static void damage_value(const struct slot *s, struct input *in)
{
    size_t at = next_short(in);
    unsigned char bits = next_bits(in);
    size_t stored = zs_store_stored_length(store, s->h);
    int err;

    if (!zs_handle_check(zs_store_pool(store), s->h)) {
        return; /* it has no object */
    }
    if (s->len > ZS_PART_BYTES) {
        stored = zs_list_bytes(s->len); /* not more than the list */
    }
    at %= stored;
    flip(s->h, at, bits);
    err = read_damaged(s);
    REQUIRE(!checked || err == -EBADMSG);
    REQUIRE(err == 0 || err == -EBADMSG || err == -ERANGE);
    flip(s->h, at, bits);
    verify(s);
}

static void damage_object(struct input *in)
{
    struct zs_pool_cursor at = { 0 };
    zs_handle_t listed[64];
    unsigned pick = next_byte(in);
    size_t offset = next_short(in);
    unsigned char bits = next_bits(in);
    size_t n = zs_pool_next(zs_store_pool(store), &at, listed, 64);
    zs_handle_t h;

    if (n == 0) {
        return;
    }
    h = listed[pick % n];
    offset %= zs_obj_size(zs_store_pool(store), h);
    flip(h, offset, bits);
    for (unsigned i = 0; i < SLOTS; i++) {
        if (slots[i].h.raw != 0) {
            int err = read_damaged(&slots[i]);

            REQUIRE(err == 0 || err == -EBADMSG || err == -ERANGE);
        }
    }
    flip(h, offset, bits);
}

static void get_batch(void)
{
    struct zs_store_get gets[SLOTS];
    const struct slot *of[SLOTS];
    size_t n = 0;

    for (unsigned i = 0; i < SLOTS; i++) {
        if (slots[i].h.raw != 0) {
            of[n] = &slots[i];
            gets[n].handle = slots[i].h;
            gets[n].cap = slots[i].len;
            gets[n].buf = malloc(slots[i].len + 1);
            REQUIRE(gets[n].buf != NULL);
            n++;
        }
    }
    REQUIRE(zs_store_get_batch(store, gets, n) == 0);
    for (size_t i = 0; i < n; i++) {
        REQUIRE(gets[i].len == of[i]->len);
        REQUIRE(memcmp(gets[i].buf, of[i]->data, of[i]->len) == 0);
        free(gets[i].buf);
    }
}

static void check_walk(void)
{
    struct zs_store_cursor cursor = { 0 };
    zs_handle_t listed[7];
    unsigned n_listed = 0, n_live = 0;
    size_t n;

    for (unsigned i = 0; i < SLOTS; i++) {
        n_live += slots[i].h.raw != 0;
    }
    while ((n = zs_store_next(store, &cursor, listed, 7)) > 0) {
        for (size_t k = 0; k < n; k++) {
            unsigned i = 0;

            while (i < SLOTS && slots[i].h.raw != listed[k].raw) {
                i++;
            }
            REQUIRE(i < SLOTS);
        }
        n_listed += (unsigned)n;
    }
    REQUIRE(n_listed == n_live);
}

static void run_live(struct slot *s, unsigned op, struct input *in)
{
    switch (op) {
    case 2:
        release(s);
        break;
    case 3:
        replace(s, in);
        break;
    case 4:
        get_some(s, in);
        break;
    case 5:
        export_import(s);
        break;
    default:
        damage_value(s, in);
        break;
    }
}

static void run_op(struct input *in)
{
    unsigned op = next_byte(in) % 10;
    struct slot *s = &slots[next_byte(in) % SLOTS];
    bool live = s->h.raw != 0;

    if (op <= 1 && !live) {
        put(s, in);
    } else if (op == 6) {
        REQUIRE(zs_compact(zs_pool_arena(zs_store_pool(store)), NULL) == 0);
        check_walk();
    } else if (op == 8) {
        damage_object(in);
    } else if (op == 9) {
        get_batch();
    } else if (live) {
        run_live(s, op, in);
    }
}

static void finish(void)
{
    static const struct zs_store_stats nothing;
    struct zs_store_stats stats;

    check_walk();
    for (unsigned i = 0; i < SLOTS; i++) {
        if (slots[i].h.raw != 0) {
            release(&slots[i]);
        }
    }
    zs_store_stats(store, &stats);
    REQUIRE(memcmp(&stats, &nothing, sizeof(stats)) == 0);
    zs_store_destroy(store);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct input in = { data, data + size };
    struct zs_store_config cfg = {
        .pool = { .private_arena = { .reserve_bytes = (size_t)64 << 20 },
                  .max_zspages = 4096,
                  .max_objects = 10000 },
    };
    unsigned kind = next_byte(&in);
    unsigned limit = next_byte(&in);

    if (limit > 0) {
        cfg.pool.private_arena.limit_bytes = (2u << 20) + limit * (128u << 10);
    }
    cfg.codec = (enum zs_codec_id)(kind % 3);
    cfg.checksum = (enum zs_checksum)(kind / 3 % 3);
    checked = cfg.checksum != ZS_CHECKSUM_NONE;
    if (kinds[0] == NULL) {
        make_kinds();
    }
    REQUIRE(zs_store_create(&cfg, &store) == 0);
    while (in.p < in.end) {
        run_op(&in);
    }
    finish();
    return 0;
}
