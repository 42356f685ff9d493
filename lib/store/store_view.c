/* SPDX-License-Identifier: MIT */
/* store_view.c - looking at stored bytes, and going through all values. */
#include "store_view.h"

#include <errno.h>
#include <string.h>

#include "parts.h"
#include "sanitizer.h"
#include "zspool/movable_ops.h"

/* --- views --- */

static void view_stored(const struct zs_store *store, const struct zs_stored *s,
                        struct zs_store_view *out)
{
    const struct zs_codec_ops *codec = zs_codec_of(store, &s->value);
    bool raw = s->value.kind == ZS_VALUE_RAW;

    out->kind = raw ? ZS_STORED_RAW : ZS_STORED_COMPRESSED;
    out->codec = raw ? ZS_CODEC_NONE : codec->id;
    out->dictionary = s->value.dictionary;
    out->data = s->payload;
    out->bytes = s->value.payload;
    out->length = s->value.length;
}

static void view_pattern(const struct zs_reading *r, void *local_copy,
                         struct zs_store_view *out)
{
    memcpy(local_copy, &r->pattern, sizeof(r->pattern));
    out->kind = ZS_STORED_PATTERN;
    out->codec = ZS_CODEC_NONE;
    out->dictionary = 0;
    out->data = local_copy;
    out->bytes = sizeof(r->pattern);
    out->length = r->value.length;
}

/* The object's bytes may lie in r, which ends before the view does. */
static const unsigned char *keep(const struct zs_reading *r, void *local_copy)
{
    if (r->object != r->local_copy) {
        return r->payload;
    }
    memcpy(local_copy, r->local_copy, r->room);
    return (const unsigned char *)local_copy + r->value.header;
}

int zs_view_part(struct zs_store *store, const struct zs_reading *r,
                 size_t part, void *local_copy, struct zs_store_view *out)
{
    struct zs_stored s;

    out->n_parts =
        r->value.kind == ZS_VALUE_IN_PARTS ? zs_n_parts(r->value.length) : 1;
    out->value_length = r->value.length;
    out->offset = part * ZS_PART_BYTES;
    if (part >= out->n_parts) {
        return -EINVAL;
    }
    if (r->value.kind == ZS_VALUE_PATTERN) {
        view_pattern(r, local_copy, out);
        return 0;
    }
    if (r->value.kind != ZS_VALUE_IN_PARTS) {
        s.value = r->value;
        s.payload = keep(r, local_copy);
    } else if (zs_part_open(store, r, part, local_copy, &s) != 0) {
        return -EBADMSG;
    }
    if (zs_codec_of(store, &s.value) == NULL) {
        return -EBADMSG;
    }
    view_stored(store, &s, out);
    return 0;
}

int zs_store_view_begin(struct zs_store *store, zs_handle_t h, size_t part,
                        void *local_copy, struct zs_store_view *out)
{
    struct zs_store_view view;
    struct zs_reading r;
    int err = zs_reading_begin(store, h, &r);

    zs_cold_touch(&store->recompress.map, h.raw);
    if (err == 0) {
        err = zs_reading_verify(store, &r);
    }
    if (err == 0) {
        err = zs_view_part(store, &r, part, local_copy, &view);
    }
    if (err != 0) {
        zs_reading_end(store);
        return err;
    }
    *out = view;
    return 0;
}

void zs_store_view_end(struct zs_store *store)
{
    zs_reading_end(store);
}

/* --- all values --- */

/*
 * Is it a value, and not a part of one? A part's mark is there before its
 * handle can be found (parts.c). Of another object that is being made just now
 * any byte may be read, and then it may be left out of the list; so to read it
 * is harmless. So may one that has gone or become bare since it was listed.
 */
#if defined(ZS_TSAN)
__attribute__((no_sanitize("thread")))
#endif
static bool
is_value(struct zs_store *store, zs_handle_t h)
{
    unsigned char local_copy[ZS_LOCAL_COPY_BYTES];
    size_t room;
    const unsigned char *p =
        zs_obj_try_peek_sized(store->pool, h, local_copy, &room);

    return p != NULL && p[0] != ZS_MARK_BYTE;
}

/* Take parts out of what the pool has listed. */
static size_t without_parts(struct zs_store *store, zs_handle_t *handles,
                            size_t n)
{
    size_t kept = 0;

    zs_read_begin();
    zs_obj_fetch(store->pool, handles, n);
    for (size_t i = 0; i < n; i++) {
        if (is_value(store, handles[i])) {
            handles[kept++] = handles[i];
        }
    }
    zs_read_end();
    return kept;
}

size_t zs_store_next(struct zs_store *store, struct zs_store_cursor *cursor,
                     zs_handle_t *handles, size_t n)
{
    size_t found = 0;

    while (found < n && !cursor->objects_done) {
        size_t room = n - found;
        size_t listed =
            zs_pool_next(store->pool, &cursor->objects, handles + found, room);

        cursor->objects_done = listed < room;
        found += without_parts(store, handles + found, listed);
    }
    if (found < n) {
        found += zs_bare_next(store->pool, &cursor->bare, handles + found,
                              n - found);
    }
    return found;
}
