/* SPDX-License-Identifier: MIT */
/* dict_train.c - make a dictionary of samples; see the header. */
#include "dict_train.h"

#include <errno.h>
#include <string.h>
#include <zdict.h>

#include "for_store.h"
#include "os.h"
#include "thread_ctx.h"

#define HELD_OUT_EVERY 5u
#define SMALLEST_DICT_BYTES 1024u
#define SAMPLES_PER_DICT 8u /* a dictionary is at most this part of them */
#define COST_UNIT UINT64_C(1000000)

/* --- in two parts --- */

static bool is_held_out(bool trains, size_t i)
{
    return !trains || i % HELD_OUT_EVERY == HELD_OUT_EVERY - 1;
}

/* Held-out samples to a place of their own, the others together. */
static void move_apart(struct zs_split *split, bool trains)
{
    const struct zs_samples *s = &split->samples;
    size_t at = 0;

    for (size_t i = 0; i < s->n; i++) {
        size_t len = zs_sample_length(s, i);

        if (is_held_out(trains, i)) {
            memcpy(split->held + split->held_bytes, s->room + at, len);
            split->held_lens[split->n_held++] = len;
            split->held_bytes += len;
        } else {
            memmove(s->room + split->train_bytes, s->room + at, len);
            split->train_lens[split->n_train++] = len;
            split->train_bytes += len;
        }
        at += len;
    }
}

static size_t bytes_to_hold_out(const struct zs_samples *s, bool trains)
{
    size_t bytes = 0;

    for (size_t i = 0; i < s->n; i++) {
        bytes += is_held_out(trains, i) ? zs_sample_length(s, i) : 0;
    }
    return bytes;
}

int zs_samples_split(struct zs_samples *samples, bool trains,
                     struct zs_split *out)
{
    size_t n_held = trains ? samples->n / HELD_OUT_EVERY : samples->n;
    struct zs_split split = { .samples = *samples };

    /* One array for both parts: held-out lengths after the others. */
    split.train_lens = zs_os.alloc((samples->n + 1) * sizeof(size_t));
    split.held = zs_os.alloc(bytes_to_hold_out(samples, trains) + 1);
    if (split.train_lens == NULL || split.held == NULL) {
        zs_os.free(split.train_lens);
        zs_os.free(split.held);
        return -ENOMEM;
    }
    split.held_lens = split.train_lens + (samples->n - n_held);
    move_apart(&split, trains);
    *samples = (struct zs_samples){ 0 };
    *out = split;
    return 0;
}

void zs_split_free(struct zs_split *split, struct zs_budget *budget)
{
    zs_samples_free(&split->samples, budget);
    zs_os.free(split->train_lens);
    zs_os.free(split->held);
    *split = (struct zs_split){ 0 };
}

/* --- cost --- */

static uint64_t class_bytes(const struct zs_dict_user *user, size_t payload)
{
    size_t bytes = payload + user->beside_bytes;

    return zs_obj_class_bytes(bytes);
}

/* Payload of a value as a store would keep it: raw if it does not shrink. */
static int payload_of(const struct zs_dict_user *user, void *compressor,
                      const void *dict, const unsigned char *data, size_t len,
                      unsigned char *room, size_t *out)
{
    size_t n = len;
    int err = 0;

    if (len >= user->codec->min_length) {
        err = dict != NULL ? user->codec->compress_with(compressor, dict, data,
                                                        len, room, &n)
                           : user->codec->compress(compressor, user->level,
                                                   data, len, room, &n);
    }
    *out = n < len ? n : len;
    return err;
}

static int sum_of_classes(const struct zs_dict_user *user, const void *dict,
                          const struct zs_split *split, unsigned char *room,
                          uint64_t *sum)
{
    void *compressor;
    size_t at = 0;
    int err = zs_thread_compressor(user->codec, &compressor);

    *sum = 0;
    for (size_t i = 0; err == 0 && i < split->n_held; i++) {
        size_t len = split->held_lens[i];
        size_t n;

        err =
            payload_of(user, compressor, dict, split->held + at, len, room, &n);
        if (err == 0) {
            *sum += class_bytes(user, n);
        }
        at += len;
    }
    return err;
}

int zs_dict_cost(const struct zs_dict_user *user, const void *dict,
                 const struct zs_split *split, uint64_t *out)
{
    unsigned char *room;
    uint64_t sum;
    int err =
        zs_thread_buffer_take(user->codec->bound(ZS_SAMPLE_LIMIT_BYTES), &room);

    if (err != 0) {
        return err;
    }
    err = sum_of_classes(user, dict, split, room, &sum);
    zs_thread_buffer_put();
    if (err == 0) {
        *out = split->held_bytes > 0 ? sum * COST_UNIT / split->held_bytes : 0;
    }
    return err;
}

/* --- training --- */

static size_t dict_bytes_for(const struct zs_split *split, size_t max_bytes)
{
    size_t bytes = split->train_bytes / SAMPLES_PER_DICT;

    return bytes < max_bytes ? bytes : max_bytes;
}

/* ZDICT's result is in zstd's format: tables of symbols, then plain bytes. */
static void *prepare(const struct zs_codec_ops *codec, int level,
                     const unsigned char *content, size_t n)
{
    size_t tables =
        codec->dict_is_plain ? ZDICT_getDictHeaderSize(content, n) : 0;

    if (ZDICT_isError(tables) || tables >= n) {
        return NULL;
    }
    return codec->dict_create(content + tables, n - tables, level);
}

void *zs_dict_train(const struct zs_dict_user *user,
                    const struct zs_split *split, size_t max_bytes, void **cold)
{
    size_t bytes = dict_bytes_for(split, max_bytes);
    unsigned char *content;
    void *dict = NULL;
    size_t n;

    *cold = NULL;
    if (bytes < SMALLEST_DICT_BYTES || split->n_train > UINT32_MAX) {
        return NULL;
    }
    content = zs_os.alloc(bytes);
    if (content == NULL) {
        return NULL;
    }
    n = ZDICT_trainFromBuffer(content, bytes, split->samples.room,
                              split->train_lens, (unsigned)split->n_train);
    if (!ZDICT_isError(n)) {
        dict = prepare(user->codec, user->level, content, n);
    }
    if (dict != NULL && user->cold_codec != NULL &&
        user->cold_codec->dict_create != NULL) {
        *cold = prepare(user->cold_codec, user->cold_level, content, n);
    }
    zs_os.free(content);
    return dict;
}
