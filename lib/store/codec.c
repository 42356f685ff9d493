/* SPDX-License-Identifier: MIT */
/* codec.c - the list of codecs. */
#include "codec.h"

static const struct zs_codec *const codecs[ZS_NR_CODECS] = {
    [ZS_CODEC_LZ4] = &zs_codec_lz4,
    [ZS_CODEC_ZSTD] = &zs_codec_zstd,
    [ZS_CODEC_NONE] = &zs_codec_none,
};

const struct zs_codec *zs_codec_find(enum zs_codec_id id)
{
    return (unsigned)id < ZS_NR_CODECS ? codecs[id] : NULL;
}
