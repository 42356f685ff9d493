/* SPDX-License-Identifier: MIT */
/* pack.c - one value the way the store keeps it. */
#include "pack.h"

#include "for_store.h"
#include "size_class.h"
#include "split.h"

static size_t bytes_for(size_t n)
{
    size_t bytes = 1;

    while (n >> (8 * bytes) != 0) {
        bytes++;
    }
    return bytes;
}

size_t pack_header_bytes(bool is_raw, size_t len, size_t payload)
{
    if (is_raw) {
        return len < 32 ? 1 : len < 4128 ? 2 : 1 + bytes_for(len);
    }
    return len == 4096  ? 2
           : len < 1024 ? 3
                        : 1 + bytes_for(len) + bytes_for(payload);
}

struct packed pack_value(struct coder *c, struct coder *plain,
                         const struct codec *codec, const void *src, size_t len,
                         void *dst)
{
    struct packed raw = { len, pack_header_bytes(true, len, len), true };
    bool with_dict = c != plain && len < DICT_MAX_VALUE_BYTES;
    struct packed p = { .is_raw = false };

    if (len < codec_min_length(codec)) {
        return raw;
    }
    p.payload = coder_compress(with_dict ? c : plain, src, len, dst);
    if (p.payload == 0 || p.payload >= len) {
        return raw;
    }
    p.header = pack_header_bytes(false, len, p.payload) + (with_dict ? 1 : 0);
    zs_size_classes_init();
    return zs_obj_class_bytes(p.header + p.payload) <
                   zs_obj_class_bytes(raw.header + raw.payload)
               ? p
               : raw;
}
