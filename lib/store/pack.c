/* SPDX-License-Identifier: MIT */
/*
 * pack.c - a value, or a part of one, becomes an object.
 *
 * Idea
 *   The codec writes into the thread's work buffer behind head room; the head
 *   is then put right before the payload and the checksum behind it, so the
 *   object is one piece and is copied once, by zs_obj_create():
 *
 *       work buffer   |........HH|PPPPPPPPPPPPPPPP|CC...|
 *                              ^ object    ^ payload at HEAD_ROOM
 *
 *   A value that the codec does not try, that is noise (noise.h), or that would
 *   take the same class compressed (S1) is kept raw. A small one is copied to
 *   the buffer as well, so that it can go by the thread's cache of slots; a
 *   larger one goes to the pool in pieces, and is copied once.
 */
#include "pack.h"

#include <errno.h>

#include "noise.h"
#include "rcu.h"
#include "thread_ctx.h"

#define HEAD_ROOM 16u
#define ONE_PIECE_BYTES 1024u /* of a raw value: what caches of slots hold */

_Static_assert(HEAD_ROOM >= ZS_HEAD_MAX_BYTES, "heads fit");

static size_t beside_bytes(const struct zs_store *store,
                           const struct zs_mark *mark)
{
    return store->checksum_bytes + (mark != NULL ? ZS_MARK_BYTES : 0);
}

bool zs_pack_is_smaller(const struct zs_store *store,
                        const struct zs_value *packed)
{
    struct zs_value raw =
        zs_value_make(ZS_VALUE_RAW, packed->length, packed->length);
    size_t beside = store->checksum_bytes;

    zs_value_set_tenant(&raw, packed->tenant);
    return zs_obj_class_bytes(packed->header + packed->payload + beside) <
           zs_obj_class_bytes(raw.header + raw.payload + beside);
}

/* Mark and header to where the payload begins at `end`, or to p->head when that
 * is NULL. Returns the begin. */
static unsigned char *encode_head(struct zs_packed *p,
                                  const struct zs_mark *mark,
                                  unsigned char *end, size_t *len)
{
    unsigned char *begin;

    *len = p->value.header + (mark != NULL ? ZS_MARK_BYTES : 0);
    begin = end != NULL ? end - *len : p->head;
    if (mark != NULL) {
        zs_mark_encode(mark, begin);
    }
    zs_value_header_encode(&p->value, begin + *len - p->value.header);
    return begin;
}

/* The payload is in the work buffer, with room before and behind it. */
static void finish_in_buffer(const struct zs_store *store,
                             const struct zs_mark *mark, unsigned char *payload,
                             struct zs_packed *p)
{
    size_t head_len;
    unsigned char *head = encode_head(p, mark, payload, &head_len);

    if (store->checksum_bytes > 0) {
        zs_checksum_make(head, head_len, payload, p->value.payload,
                         payload + p->value.payload);
    }
    p->piece[0].iov_base = head;
    p->piece[0].iov_len = head_len + p->value.payload + store->checksum_bytes;
    p->n_pieces = 1;
    p->beside = beside_bytes(store, mark);
}

/* It is only read; an iovec has no const. */
static void *for_iovec(const void *bytes)
{
    void *p;

    memcpy(&p, &bytes, sizeof(p));
    return p;
}

void zs_pack_payload(const struct zs_store *store, const struct zs_mark *mark,
                     const struct zs_value *v, const void *payload,
                     struct zs_packed *p)
{
    size_t head_len;

    p->value = *v;
    p->is_in_buffer = false;
    (void)encode_head(p, mark, NULL, &head_len);
    p->piece[0] = (struct iovec){ p->head, head_len };
    p->piece[1] = (struct iovec){ for_iovec(payload), v->payload };
    p->n_pieces = 2;
    if (store->checksum_bytes > 0) {
        zs_checksum_make(p->head, head_len, payload, v->payload, p->sum);
        p->piece[2] = (struct iovec){ p->sum, store->checksum_bytes };
        p->n_pieces = 3;
    }
    p->beside = beside_bytes(store, mark);
}

static struct zs_value raw_value(unsigned tenant, size_t len)
{
    struct zs_value v = zs_value_make(ZS_VALUE_RAW, len, len);

    zs_value_set_tenant(&v, tenant);
    return v;
}

/* Compress to `payload`, with what comes of it in p->value. False in *shrank:
 * raw (S1). 0 or -ENOMEM. */
static int try_compress(const struct zs_store *store, unsigned tenant,
                        const struct zs_dict *dict, const void *data,
                        size_t len, unsigned char *payload, struct zs_packed *p,
                        bool *shrank)
{
    unsigned number = dict != NULL ? dict->number : 0;
    void *compressor;
    size_t n;
    int err = zs_thread_compressor(store->codec, &compressor);

    *shrank = false;
    if (err == 0) {
        err = dict != NULL
                  ? store->codec->compress_with(compressor, dict->prepared,
                                                data, len, payload, &n)
                  : store->codec->compress(compressor, store->level, data, len,
                                           payload, &n);
    }
    if (err == 0 && n < len) {
        p->value = zs_value_make_how(0, number, len, n);
        zs_value_set_tenant(&p->value, tenant);
        *shrank = zs_pack_is_smaller(store, &p->value);
    }
    return err;
}

/* In the work buffer, which is taken. */
static int pack_in_buffer(const struct zs_store *store,
                          const struct zs_mark *mark, unsigned tenant,
                          const struct zs_dict *dict, const void *data,
                          size_t len, bool try, unsigned char *buffer,
                          struct zs_packed *p)
{
    unsigned char *payload = buffer + HEAD_ROOM;
    bool shrank = false;

    if (try) {
        int err =
            try_compress(store, tenant, dict, data, len, payload, p, &shrank);

        if (err != 0) {
            return err;
        }
    }
    if (!shrank) {
        p->value = raw_value(tenant, len);
        if (len > ONE_PIECE_BYTES) {
            zs_thread_buffer_put();
            zs_pack_payload(store, mark, &p->value, data, p);
            return 0;
        }
        if (len > 0) {
            memcpy(payload, data, len);
        }
    }
    p->is_in_buffer = true;
    finish_in_buffer(store, mark, payload, p);
    return 0;
}

/* What this thread knows of such values; NULL: they are too short. */
static struct zs_noise *noise_of(struct zs_store *store, size_t len)
{
    return len >= ZS_NOISE_MIN_BYTES && len >= store->codec->min_length
               ? &store->tenants.first.counters.stripes[zs_thread_number()]
                      .noise
               : NULL;
}

int zs_pack(struct zs_store *store, const struct zs_mark *mark, unsigned tenant,
            const struct zs_dict *dict, const void *data, size_t len,
            struct zs_packed *p)
{
    struct zs_noise *noise = noise_of(store, len);
    unsigned char *buffer;
    bool try = len >= store->codec->min_length &&
               (noise == NULL || !zs_noise_skips(noise, data, len));
    size_t bound = try ? store->codec->bound(len) : len;
    int err;

    if (!try && len > ONE_PIECE_BYTES) {
        struct zs_value v = raw_value(tenant, len);

        zs_pack_payload(store, mark, &v, data, p);
        return 0;
    }
    bound = bound < ONE_PIECE_BYTES ? ONE_PIECE_BYTES : bound;
    err = zs_thread_buffer_take(HEAD_ROOM + bound + ZS_CHECKSUM_MAX_BYTES,
                                &buffer);
    if (err != 0) {
        return err;
    }
    err = pack_in_buffer(store, mark, tenant, dict, data, len, try, buffer, p);
    if (err != 0) {
        zs_thread_buffer_put();
    } else if (try && noise != NULL) {
        zs_noise_learn(noise, len, p->value.kind == ZS_VALUE_COMPRESSED);
    }
    return err;
}

void zs_pack_end(const struct zs_packed *p)
{
    if (p->is_in_buffer) {
        zs_thread_buffer_put();
    }
}

static int create(struct zs_store *store, const struct zs_packed *p,
                  zs_handle_t *out)
{
    return p->n_pieces == 1
               ? zs_obj_create(store->pool, p->piece[0].iov_base,
                               p->piece[0].iov_len, out)
               : zs_obj_create_from(store->pool, p->piece, p->n_pieces, out);
}

int zs_packed_create(struct zs_store *store, const struct zs_packed *p,
                     zs_handle_t *out)
{
    int err;

    if (store->recompress.codec == NULL) {
        return create(store, p, out);
    }
    zs_read_lock(); /* C2 in cold_map.h */
    err = create(store, p, out);
    zs_read_unlock();
    return err;
}

int zs_packed_replace(struct zs_store *store, const struct zs_packed *p,
                      zs_handle_t h)
{
    return zs_obj_replace_from(store->pool, h, p->piece, p->n_pieces);
}
