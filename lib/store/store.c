/* SPDX-License-Identifier: MIT */
/*
 * store.c - values in a pool: pack, unpack, count.
 *
 * Words
 *   value    the embedder's bytes, as put
 *   payload  what is kept of them: compressed, raw, or one byte
 *   object   header and payload, contiguous: one object of the pool
 *
 * Idea
 *   put packs and creates one object. Packing tries the cheapest first: one
 *   byte repeated is two or three bytes; a value that the codec does not try,
 *   or that does not shrink, is kept raw. The codec writes into the thread's
 *   work buffer behind head room, and the header is then put right before the
 *   payload, so the object is copied once, by zs_obj_create():
 *
 *       work buffer   |......HH|PPPPPPPPPPPPPPPP...|
 *                            ^ object    ^ payload at HEAD_ROOM
 *
 *   get opens a read section, decodes the header, and decompresses from the
 *   pool straight into the caller's buffer.
 *
 * Invariants
 *   S1  header + payload of a compressed value < header + payload raw
 *   S2  the counters are the sum over all values of what zs_stats_note() says
 *       of their headers
 *
 * Locking
 *   None of its own. replace and delete read the old header without a lock:
 *   two changers of one handle are for the caller to exclude.
 *
 * Cost
 *   Beyond the codec: put one copy of the object and one allocation; get a
 *   read section and the header. Nothing is allocated once a thread's context
 *   exists, except for values of more than ZS_WORK_BUFFER_KEEP_BYTES.
 *
 * Not done
 *   A checksum: damage that still decompresses to the right length is not
 *   noticed. A damaged header is: get answers -EBADMSG, length 0, and replace
 *   and delete work, but what the value had added to the byte counters is not
 *   known any more and stays in them.
 */
#include "zspool/store.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

#include "check.h"
#include "codec.h"
#include "os.h"
#include "same_filled.h"
#include "store_stats.h"
#include "thread_ctx.h"
#include "sized_read.h"
#include "value_header.h"

#define HEAD_ROOM 16u /* before the payload in the work buffer */
#define CACHE_LINE_BYTES 64u
#define FETCH_BYTES (8 * CACHE_LINE_BYTES) /* see fetch_ahead() */

_Static_assert(HEAD_ROOM >= ZS_VALUE_HEADER_MAX_BYTES, "headers fit");

struct zs_store {
    struct zs_pool *pool;         /* set once at create */
    const struct zs_codec *codec; /* set once at create */
    int level;                    /* set once at create */
    struct zs_store_counters counters;
};

/* An object on its way into the pool. */
struct packed {
    struct zs_value value;
    const unsigned char *object; /* value.header + value.payload bytes */
    bool is_in_buffer;           /* the thread's, to be put back; else tiny */
    unsigned char tiny[ZS_VALUE_HEADER_MAX_BYTES + 1];
};

int zs_store_create(const struct zs_store_config *cfg, struct zs_store **out)
{
    static const struct zs_store_config defaults;
    struct zs_store *store;
    int err;

    cfg = cfg != NULL ? cfg : &defaults;
    store = zs_os.alloc(sizeof(*store));
    if (store == NULL) {
        return -ENOMEM;
    }
    err = -EINVAL;
    store->codec = zs_codec_find(cfg->codec);
    if (store->codec == NULL ||
        store->codec->resolve_level(cfg->level, &store->level) != 0) {
        goto undo_alloc;
    }
    err = zs_pool_create(&cfg->pool, &store->pool);
    if (err != 0) {
        goto undo_alloc;
    }
    *out = store;
    return 0;

undo_alloc:
    zs_os.free(store);
    return err;
}

void zs_store_destroy(struct zs_store *store)
{
    if (store != NULL) {
        zs_pool_destroy(store->pool);
        zs_os.free(store);
    }
}

struct zs_pool *zs_store_pool(const struct zs_store *store)
{
    return store->pool;
}

static void pack_same_filled(struct packed *p, unsigned char byte, size_t len)
{
    p->value = zs_value_make(ZS_VALUE_SAME_FILLED, len, 1);
    zs_value_header_encode(&p->value, p->tiny);
    p->tiny[p->value.header] = byte;
    p->object = p->tiny;
    p->is_in_buffer = false;
}

/* Compress to `payload`. *out becomes what that makes of the value; it stays
 * as it is when S1 says raw. 0 or -ENOMEM. */
static int try_compress(const struct zs_store *store, const void *data,
                        size_t len, unsigned char *payload,
                        struct zs_value *out)
{
    void *compressor;
    size_t n;
    int err = zs_thread_compressor(store->codec, &compressor);

    if (err == 0) {
        err = store->codec->compress(compressor, store->level, data, len,
                                     payload, &n);
    }
    if (err == 0 && n < len) {
        struct zs_value v = zs_value_make(ZS_VALUE_COMPRESSED, len, n);

        if (v.header + v.payload < out->header + out->payload) {
            *out = v;
        }
    }
    return err;
}

/* Pack behind the head room of the thread's buffer, which is taken. */
static int pack_in_buffer(const struct zs_store *store, const void *data,
                          size_t len, unsigned char *buffer, struct packed *p)
{
    unsigned char *payload = buffer + HEAD_ROOM;
    unsigned char *object;

    p->value = zs_value_make(ZS_VALUE_RAW, len, len);
    if (len >= store->codec->min_length) {
        int err = try_compress(store, data, len, payload, &p->value);

        if (err != 0) {
            return err;
        }
    }
    if (p->value.kind == ZS_VALUE_RAW && len > 0) {
        memcpy(payload, data, len);
    }
    object = payload - p->value.header;
    zs_value_header_encode(&p->value, object);
    p->object = object;
    p->is_in_buffer = true;
    return 0;
}

/* Make an object of a value; on 0, pack_end() after the object's last use. */
static int pack_begin(const struct zs_store *store, const void *data,
                      size_t len, struct packed *p)
{
    unsigned char *buffer;
    int err;

    if (len > ZS_MAX_VALUE_BYTES) {
        return -EINVAL;
    }
    if (zs_is_same_filled(data, len)) {
        pack_same_filled(p, *(const unsigned char *)data, len);
        return 0;
    }
    err = zs_thread_buffer_take(HEAD_ROOM + store->codec->bound(len), &buffer);
    if (err != 0) {
        return err;
    }
    err = pack_in_buffer(store, data, len, buffer, p);
    if (err != 0) {
        zs_thread_buffer_put();
    }
    return err;
}

static void pack_end(const struct packed *p)
{
    if (p->is_in_buffer) {
        zs_thread_buffer_put();
    }
}

int zs_store_put(struct zs_store *store, const void *data, size_t len,
                 zs_handle_t *out)
{
    struct zs_store_stats change = { 0 };
    struct packed p;
    int err = pack_begin(store, data, len, &p);

    if (err != 0) {
        return err;
    }
    err = zs_obj_create(store->pool, p.object, p.value.header + p.value.payload,
                        out);
    pack_end(&p);
    if (err == 0) {
        zs_stats_note(&change, &p.value, 1);
        zs_stats_commit(&store->counters, &change);
    }
    return err;
}

/*
 * Fetch the begin of an object while its header is still on the way: values
 * read one after the other lie in zspages of different classes, and the CPU's
 * own prefetch needs some lines to see where the next one goes. 8 lines make
 * get 2 to 4 % faster over 64 MiB of pages; 4 are too few, 32 no better.
 */
static void fetch_ahead(const unsigned char *object, size_t room)
{
    size_t end = room < FETCH_BYTES ? room : FETCH_BYTES;

    for (size_t at = 0; at < end; at += CACHE_LINE_BYTES) {
        __builtin_prefetch(object + at);
    }
}

/* Open a read section on a value and decode its header. The header is held
 * against the size of the slot that was read, so damage cannot lead beyond
 * it. The section is open also on error. */
static int read_begin(struct zs_store *store, zs_handle_t h, void *local_copy,
                      struct zs_value *v, const unsigned char **payload)
{
    size_t room;
    const unsigned char *object =
        zs_obj_read_begin_sized(store->pool, h, local_copy, &room);
    int err;

    fetch_ahead(object, room);
    err = zs_value_header_decode(object, room, v);
    if (err == 0) {
        *payload = object + v->header;
    }
    return err;
}

/* Decode only the header. */
static int read_header(struct zs_store *store, zs_handle_t h,
                       struct zs_value *v)
{
    unsigned char local_copy[ZS_LOCAL_COPY_BYTES];
    const unsigned char *payload;
    int err = read_begin(store, h, local_copy, v, &payload);

    zs_obj_read_end(store->pool);
    return err;
}

/* Write the value that *v and payload describe to `buf`, which has room. */
static int unpack(const struct zs_store *store, const struct zs_value *v,
                  const unsigned char *payload, void *decompressor, void *buf)
{
    if (v->kind == ZS_VALUE_COMPRESSED) {
        return store->codec->decompress(decompressor, payload, v->payload, buf,
                                        v->length);
    }
    if (v->kind == ZS_VALUE_SAME_FILLED) {
        memset(buf, payload[0], v->length);
    } else if (v->length > 0) {
        memcpy(buf, payload, v->length);
    }
    return 0;
}

int zs_store_get(struct zs_store *store, zs_handle_t h, void *buf, size_t cap,
                 size_t *len)
{
    unsigned char local_copy[ZS_LOCAL_COPY_BYTES];
    const unsigned char *payload;
    struct zs_value v;
    void *decompressor = NULL;
    int err = 0;

    if (store->codec->decompressor_create != NULL) {
        err = zs_thread_decompressor(store->codec, &decompressor);
    }
    if (err != 0) {
        return err;
    }
    err = read_begin(store, h, local_copy, &v, &payload);
    if (err == 0 && v.length > cap) {
        *len = v.length;
        err = -ERANGE;
    }
    if (err == 0) {
        err = unpack(store, &v, payload, decompressor, buf);
    }
    zs_obj_read_end(store->pool);
    if (err == 0) {
        *len = v.length;
    }
    return err;
}

/* Note that the value of `h` goes. A handle that names nothing is for the pool
 * to stop at, with its own message. */
static void note_old_value(struct zs_store *store, zs_handle_t h,
                           struct zs_store_stats *change)
{
    struct zs_value v;

    if (!zs_handle_check(store->pool, h)) {
        return;
    }
    if (read_header(store, h, &v) == 0) {
        zs_stats_note(change, &v, -1);
    } else {
        change->n_values--; /* see "Not done" */
    }
}

int zs_store_replace(struct zs_store *store, zs_handle_t h, const void *data,
                     size_t len)
{
    struct zs_store_stats change = { 0 };
    struct packed p;
    int err = pack_begin(store, data, len, &p);

    if (err != 0) {
        return err;
    }
    note_old_value(store, h, &change);
    err = zs_obj_replace(store->pool, h, p.object,
                         p.value.header + p.value.payload);
    pack_end(&p);
    if (err == 0) {
        zs_stats_note(&change, &p.value, 1);
        zs_stats_commit(&store->counters, &change);
    }
    return err;
}

size_t zs_store_length(struct zs_store *store, zs_handle_t h)
{
    struct zs_value v;

    return read_header(store, h, &v) == 0 ? v.length : 0;
}

void zs_store_delete(struct zs_store *store, zs_handle_t h)
{
    struct zs_store_stats change = { 0 };

    note_old_value(store, h, &change);
    zs_free(store->pool, h);
    zs_stats_commit(&store->counters, &change);
}

void zs_store_stats(struct zs_store *store, struct zs_store_stats *out)
{
    zs_stats_sum(&store->counters, out);
}
