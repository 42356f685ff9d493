/* SPDX-License-Identifier: MIT */
/* codecs.h - each codec and level, with and without a dictionary, used as the
 * store uses it. */
#ifndef ZSREPORT_CODECS_H
#define ZSREPORT_CODECS_H

#include <stdbool.h>
#include <stddef.h>

enum codec_kind { CODEC_NONE, CODEC_LZ4, CODEC_LZ4HC, CODEC_ZSTD };

struct codec {
    enum codec_kind kind;
    int level; /* lz4: acceleration */
    const char *name;
};

#define N_CODECS 9
extern const struct codec codecs[N_CODECS];

/* Shorter values the store keeps raw without trying. */
size_t codec_min_length(const struct codec *c);

/* Largest dictionary that makes a difference. */
size_t codec_max_dict(const struct codec *c);

struct coder; /* contexts and the prepared dictionary, for one thread */

/* With dict NULL without one; the dictionary must outlive the coder. NULL: no
 * memory. */
struct coder *coder_create(const struct codec *codec, const void *dict,
                           size_t dict_bytes);
void coder_destroy(struct coder *c);

/* Memory that a store keeps for the dictionary: itself, prepared for
 * compression and for decompression. 0 without. */
size_t coder_dict_memory(const struct coder *c);

/* Room that coder_compress() wants for any value of len bytes. */
size_t coder_bound(const struct coder *c, size_t len);

/* Bytes written to dst, which may be more than len; 0: failed. */
size_t coder_compress(struct coder *c, const void *src, size_t len, void *dst);

/* Exactly len bytes? */
bool coder_decompress(struct coder *c, const void *src, size_t n, void *dst,
                      size_t len);

#endif /* ZSREPORT_CODECS_H */
