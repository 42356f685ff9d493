/* SPDX-License-Identifier: MIT */
/*
 * store_export.c - one value as a message, and back.
 *
 * The message, version 1; all numbers are little-endian
 *
 *     0   4  'Z' 'S' 'V' 1       the last byte is the version
 *     4   1  codec               zs_codec_id; what all compressed parts are of
 *     5   1  0
 *     6   2  parts               ceil(length / ZS_PART_BYTES), at least 1
 *     8   4  length              of the value
 *    12   4  dictionary          its identity, 0: none
 *    16      for each part: 1 kind (0 raw, 1 compressed, 2 pattern), 4 bytes of
 *            payload, payload; a pattern stands for a whole value, in one part
 *     -8  8  XXH3 of all before
 *
 * A part that is compressed with a dictionary is written raw: the other store
 * has its own.
 *
 * Import trusts none of it: every number is held against the others and
 * against what is there, and a compressed payload is kept only after it was
 * decompressed. The checksum finds accidents; the rest is for malice.
 */
#include <errno.h>

#include "made.h"
#include "os.h"
#include "pattern.h"
#include "store_view.h"
#include "thread_ctx.h"

#define MAGIC UINT32_C(0x0156535a) /* with the version */
#define HEAD_BYTES 16u
#define PART_HEAD_BYTES 5u
#define SUM_BYTES 8u

_Static_assert(ZS_MAX_VALUE_BYTES / ZS_PART_BYTES < UINT16_MAX, "counts fit");

/* --- export --- */

/* Where a message is written; beyond `cap` bytes are only counted. */
struct sink {
    unsigned char *out;
    size_t cap;
    size_t len;
};

static void emit(struct sink *s, const void *bytes, size_t n)
{
    if (s->cap >= n && s->len <= s->cap - n) {
        memcpy(s->out + s->len, bytes, n);
    }
    s->len += n;
}

static void emit_head(struct sink *s, enum zs_codec_id codec, size_t n_parts,
                      size_t length)
{
    unsigned char head[HEAD_BYTES] = { 0 };

    zs_put_le32(head, MAGIC);
    head[4] = (unsigned char)codec;
    head[6] = (unsigned char)n_parts;
    head[7] = (unsigned char)(n_parts >> 8);
    zs_put_le32(head + 8, (uint32_t)length);
    emit(s, head, sizeof(head));
}

static void emit_part(struct sink *s, const struct zs_store_view *view)
{
    unsigned char head[PART_HEAD_BYTES];

    head[0] = (unsigned char)view->kind;
    zs_put_le32(head + 1, (uint32_t)view->bytes);
    emit(s, head, sizeof(head));
    emit(s, view->data, view->bytes);
}

/* A value with a dictionary: its own bytes, which any store understands. */
static int emit_plain(struct zs_store *store, const struct zs_reading *r,
                      struct sink *s)
{
    unsigned char head[PART_HEAD_BYTES] = { ZS_STORED_RAW };
    size_t len = r->value.length;
    int err = 0;

    zs_put_le32(head + 1, (uint32_t)len);
    emit(s, head, sizeof(head));
    if (s->cap >= len && s->len <= s->cap - len) {
        err = zs_reading_copy(store, r, 0, s->out + s->len, len);
    }
    s->len += len;
    return err;
}

static void emit_sum(struct sink *s)
{
    unsigned char sum[SUM_BYTES] = { 0 };

    if (s->len + SUM_BYTES <= s->cap) {
        uint64_t x = XXH3_64bits(s->out, s->len);

        zs_put_le32(sum, (uint32_t)x);
        zs_put_le32(sum + 4, (uint32_t)(x >> 32));
    }
    emit(s, sum, sizeof(sum));
}

static int emit_value(struct zs_store *store, const struct zs_reading *r,
                      struct sink *s)
{
    unsigned char local_copy[ZS_LOCAL_COPY_BYTES];
    struct zs_store_view view = { .n_parts = 1 };

    for (size_t i = 0; i < view.n_parts; i++) {
        int err = zs_view_part(store, r, i, local_copy, &view);

        if (err != 0) {
            return err;
        }
        if (i == 0) {
            emit_head(s,
                      view.kind == ZS_STORED_COMPRESSED ? view.codec
                                                        : store->codec->id,
                      view.n_parts, view.value_length);
        }
        if (view.dictionary == 0) {
            emit_part(s, &view);
        } else {
            err = emit_plain(store, r, s); /* parts have no dictionaries */
        }
        if (err != 0) {
            return err;
        }
    }
    emit_sum(s);
    return 0;
}

int zs_store_export(struct zs_store *store, zs_handle_t h, void *buf,
                    size_t cap, size_t *len)
{
    struct sink s = { .out = buf };
    struct zs_reading r; /* one for all, so that all parts are of one value */
    int err = zs_reading_begin(store, h, &r);

    zs_cold_touch(&store->recompress.map, h.raw);
    if (err == 0) {
        err = zs_reading_verify(store, &r);
    }
    if (err == 0) {
        err = emit_value(store, &r, &s); /* how long is it? */
    }
    if (err == 0) {
        *len = s.len;
        err = s.len <= cap ? 0 : -ERANGE;
    }
    if (err == 0) {
        s = (struct sink){ .out = buf, .cap = cap };
        err = emit_value(store, &r, &s);
    }
    zs_reading_end(store);
    return err;
}

/* --- import --- */

/* A message as far as it has been looked at. */
struct message {
    const unsigned char *at, *end; /* what is left of the parts */
    const struct zs_codec_ops *codec;
    size_t n_parts, length;
};

struct part {
    enum zs_stored_kind kind;
    const unsigned char *payload;
    size_t bytes;
    size_t length; /* of the value's bytes */
};

/* On 0 the codec is held. */
static int read_head(const unsigned char *p, size_t len, struct message *m)
{
    uint64_t sum;

    if (len < HEAD_BYTES + SUM_BYTES || (zs_get_le32(p) ^ MAGIC) << 8 != 0) {
        return -EBADMSG;
    }
    if (zs_get_le32(p) != MAGIC) {
        return -ENOTSUP; /* of another version */
    }
    m->at = p + HEAD_BYTES;
    m->end = p + len - SUM_BYTES;
    sum = zs_get_le32(m->end) | (uint64_t)zs_get_le32(m->end + 4) << 32;
    m->n_parts = p[6] | (size_t)p[7] << 8;
    m->length = zs_get_le32(p + 8);
    if (XXH3_64bits(p, len - SUM_BYTES) != sum || p[5] != 0 ||
        m->length > ZS_MAX_VALUE_BYTES || m->n_parts == 0) {
        return -EBADMSG;
    }
    if (zs_get_le32(p + 12) != 0) {
        return -ENOTSUP;
    }
    m->codec = zs_codec_get((enum zs_codec_id)p[4]);
    return m->codec == NULL ? -ENOTSUP : 0;
}

/* The next part, which is to make `length` bytes. */
static int read_part(struct message *m, size_t length, struct part *out)
{
    size_t left = (size_t)(m->end - m->at);

    if (left < PART_HEAD_BYTES) {
        return -EBADMSG;
    }
    out->kind = (enum zs_stored_kind)m->at[0];
    out->bytes = zs_get_le32(m->at + 1);
    out->payload = m->at + PART_HEAD_BYTES;
    out->length = length;
    if (out->bytes > left - PART_HEAD_BYTES) {
        return -EBADMSG;
    }
    m->at = out->payload + out->bytes;
    switch (out->kind) {
    case ZS_STORED_RAW:
        return out->bytes == length ? 0 : -EBADMSG;
    case ZS_STORED_COMPRESSED:
        return out->bytes > 0 && out->bytes < length ? 0 : -EBADMSG;
    case ZS_STORED_PATTERN:
        return out->bytes == ZS_PATTERN_BYTES && m->n_parts == 1 &&
                       length >= ZS_PATTERN_MIN_BYTES
                   ? 0
                   : -EBADMSG;
    }
    return -EBADMSG;
}

/* Undo what the codec of the message did. `plain` has room for the length. */
static int decompress(const struct message *m, const struct part *part,
                      unsigned char *plain)
{
    void *decompressor;
    int err = zs_thread_decompressor(m->codec, &decompressor);

    return err != 0 ? err
                    : m->codec->decompress(decompressor, part->payload,
                                           part->bytes, plain, part->length);
}

/* An object of a part: as it came, where the store would have made it like
 * that; else packed anew. 0, and then zs_pack_end(). */
static int pack_part(struct zs_store *store, const struct message *m,
                     const struct part *part, const struct zs_mark *mark,
                     unsigned char *plain, struct zs_packed *p)
{
    struct zs_value v;
    int err;

    if (part->kind == ZS_STORED_RAW) {
        return zs_pack(store, mark, 0, NULL, part->payload, part->length, p);
    }
    err = decompress(m, part, plain);
    if (err != 0) {
        return err;
    }
    v = zs_value_make(ZS_VALUE_COMPRESSED, part->length, part->bytes);
    if (m->codec != store->codec || !zs_pack_is_smaller(store, &v)) {
        return zs_pack(store, mark, 0, NULL, plain, part->length, p);
    }
    zs_pack_payload(store, mark, &v, part->payload, p);
    return 0;
}

static int make_parts(struct zs_store *store, struct message *m,
                      unsigned char *plain, struct zs_parts *parts,
                      struct zs_store_stats *change)
{
    size_t i;
    int err = 0;

    for (i = 0; err == 0 && i < m->n_parts; i++) {
        struct zs_mark mark = zs_parts_mark(parts, i);
        struct zs_packed p;
        struct part part;

        err = read_part(m, zs_part_length(m->length, i), &part);
        if (err == 0) {
            err = pack_part(store, m, &part, &mark, plain, &p);
        }
        if (err == 0) {
            err = zs_parts_add(store, parts, i, &p, change);
            zs_pack_end(&p);
        }
    }
    if (err == 0 && m->at != m->end) {
        err = -EBADMSG;
        i++; /* all parts were made */
    }
    if (err != 0) {
        zs_parts_undo(store, parts, i - 1);
        zs_tenant_give(store, parts->tenant, change->used_bytes);
    }
    return err;
}

static int import_parts(struct zs_store *store, struct message *m,
                        unsigned char *plain, zs_handle_t *out)
{
    struct zs_store_stats change = { 0 };
    struct zs_parts parts;
    struct zs_made made;
    int err;

    if (m->n_parts != zs_n_parts(m->length)) {
        return -EBADMSG;
    }
    err = zs_parts_begin(store, &store->tenants.first, m->length, &parts);
    if (err != 0) {
        return err;
    }
    err = make_parts(store, m, plain, &parts, &change);
    if (err != 0) {
        zs_parts_end(&parts);
        return err;
    }
    zs_make_list(store, &parts, &change, &made);
    return zs_made_create(store, &made, out);
}

static int import_one(struct zs_store *store, struct message *m,
                      unsigned char *plain, zs_handle_t *out)
{
    struct zs_made made = { .as = ZS_MADE_OBJECT,
                            .tenant = &store->tenants.first };
    struct part part;
    int err = read_part(m, m->length, &part);

    if (err == 0 && (m->at != m->end || m->n_parts != 1)) {
        err = -EBADMSG;
    }
    if (err == 0 && part.kind == ZS_STORED_PATTERN) {
        zs_make_pattern(store, &store->tenants.first,
                        zs_load_pattern(part.payload), m->length, &made);
    } else if (err == 0) {
        err = pack_part(store, m, &part, NULL, plain, &made.packed);
        if (err == 0) {
            zs_stats_note(&made.change, &made.packed.value, made.packed.beside,
                          1);
        }
    }
    return err != 0 ? err : zs_made_create(store, &made, out);
}

static int import(struct zs_store *store, struct message *m, zs_handle_t *out)
{
    /* A long value may be one pattern. */
    bool in_parts =
        m->length > ZS_PART_BYTES &&
        (m->n_parts != 1 || m->at == m->end || *m->at != ZS_STORED_PATTERN);
    size_t longest = m->length < ZS_PART_BYTES ? m->length : ZS_PART_BYTES;
    unsigned char *plain = zs_os.alloc(longest + 1);
    int err;

    if (plain == NULL) {
        return -ENOMEM;
    }
    err = in_parts ? import_parts(store, m, plain, out)
                   : import_one(store, m, plain, out);
    zs_os.free(plain);
    return err;
}

int zs_store_import(struct zs_store *store, const void *bytes, size_t len,
                    zs_handle_t *out)
{
    struct zs_tenant *first;
    struct message m;
    int err = read_head(bytes, len, &m);

    if (err == 0) {
        zs_limit_refused = false;
        err = zs_tenant_admit(store, 0, &first);
        if (err == 0) {
            err = import(store, &m, out);
        }
        err = zs_store_error(err);
        zs_codec_put(m.codec);
    }
    return err;
}
