/* SPDX-License-Identifier: MIT */
/*
 * unpack.c - an object becomes a value, or some bytes of it.
 *
 * Idea
 *   In a read section the header is decoded and held against the size of the
 *   very slot that is read, so damage cannot lead beyond it. The codec then
 *   writes from the pool straight into the caller's buffer; where only some of
 *   the bytes are asked for, into the thread's work buffer first.
 */
#include "unpack.h"

#include <errno.h>
#include <string.h>

#include "checksum.h"
#include "parts.h"
#include "pattern.h"
#include "thread_ctx.h"

#define CACHE_LINE_BYTES 64u
#define FETCH_BYTES (8 * CACHE_LINE_BYTES) /* see fetch_ahead() */

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

/* The pattern of a bare handle. */
static void be_pattern(const struct zs_store *store, unsigned number,
                       struct zs_reading *r)
{
    const struct zs_pattern *p = zs_patterns_get(&store->patterns, number);

    r->value = (struct zs_value){ .kind = ZS_VALUE_PATTERN,
                                  .tenant = (uint8_t)p->tenant,
                                  .length = p->length };
    r->pattern = p->bytes;
    r->payload = NULL;
}

int zs_reading_begin(struct zs_store *store, zs_handle_t h,
                     struct zs_reading *r)
{
    int err;

    r->object =
        zs_obj_read_begin_sized(store->pool, h, r->local_copy, &r->room);
    if (__builtin_expect(r->object == NULL, 0)) {
        be_pattern(store, (unsigned)r->room, r);
        return 0;
    }
    fetch_ahead(r->object, r->room);
    err = zs_value_header_decode(r->object, r->room, &r->value);
    if (err != 0) {
        return err;
    }
    r->payload = r->object + r->value.header;
    if (r->value.kind == ZS_VALUE_PATTERN) {
        r->pattern = zs_load_pattern(r->payload);
    }
    return 0;
}

void zs_reading_end(struct zs_store *store)
{
    zs_obj_read_end(store->pool);
}

int zs_reading_verify(const struct zs_store *store, const struct zs_reading *r)
{
    unsigned n = store->checksum_bytes;
    size_t object_bytes = r->value.header + r->value.payload;

    if (n == 0 || r->object == NULL) {
        return 0;
    }
    if (n > r->room - object_bytes ||
        !zs_checksum_fits(r->object, r->value.header, r->payload,
                          r->value.payload, n)) {
        return -EBADMSG;
    }
    return 0;
}

const struct zs_codec_ops *zs_codec_of(const struct zs_store *store,
                                       const struct zs_value *v)
{
    return v->codec == 0               ? store->codec
           : v->codec == ZS_COLD_CODEC ? store->recompress.codec
                                       : NULL;
}

/* The dictionary of a value, prepared for its codec. In the read section that
 * the value was found in, which keeps it. NULL: there is none with this number,
 * or none for the codec: the header is damaged. */
static const void *dict_of(const struct zs_store *store,
                           const struct zs_value *v)
{
    const struct zs_dict *dict =
        store->dicts != NULL
            ? zs_dicts_find(&store->dicts->dicts, v->dictionary)
            : NULL;

    if (dict == NULL) {
        return NULL;
    }
    return v->codec == 0 ? dict->prepared : dict->cold;
}

/* All of a compressed payload. */
static int decompress(const struct zs_store *store, const struct zs_stored *s,
                      void *buf)
{
    const struct zs_codec_ops *codec = zs_codec_of(store, &s->value);
    void *decompressor = NULL;
    const void *dict = NULL;
    int err;

    if (s->value.dictionary != 0) {
        dict = dict_of(store, &s->value);
    }
    if (codec == NULL || (s->value.dictionary != 0 && dict == NULL)) {
        return -EBADMSG;
    }
    err = zs_thread_decompressor(codec, &decompressor);
    if (err != 0) {
        return err;
    }
    return dict != NULL
               ? codec->decompress_with(decompressor, dict, s->payload,
                                        s->value.payload, buf, s->value.length)
               : codec->decompress(decompressor, s->payload, s->value.payload,
                                   buf, s->value.length);
}

static int decompress_some(const struct zs_store *store,
                           const struct zs_stored *s, size_t offset, void *buf,
                           size_t n)
{
    unsigned char *whole;
    int err = zs_thread_buffer_take(s->value.length, &whole);

    if (err != 0) {
        return err;
    }
    err = decompress(store, s, whole);
    if (err == 0) {
        memcpy(buf, whole + offset, n);
    }
    zs_thread_buffer_put();
    return err;
}

int zs_stored_copy(const struct zs_store *store, const struct zs_stored *s,
                   size_t offset, void *buf, size_t n)
{
    if (n == 0) {
        return 0;
    }
    if (s->value.kind == ZS_VALUE_RAW) {
        memcpy(buf, s->payload + offset, n);
        return 0;
    }
    return n == s->value.length ? decompress(store, s, buf)
                                : decompress_some(store, s, offset, buf, n);
}

int zs_reading_copy(struct zs_store *store, const struct zs_reading *r,
                    size_t offset, void *buf, size_t n)
{
    struct zs_stored s = { r->value, r->payload };

    switch (r->value.kind) {
    case ZS_VALUE_PATTERN:
        zs_fill_pattern(buf, n, r->pattern, offset);
        return 0;
    case ZS_VALUE_IN_PARTS:
        return zs_parts_copy(store, r, offset, buf, n);
    case ZS_VALUE_RAW:
    case ZS_VALUE_COMPRESSED:
        break;
    }
    return zs_stored_copy(store, &s, offset, buf, n);
}
