/* SPDX-License-Identifier: MIT */
/*
 * fuzz_store_import - messages from an enemy.
 *
 * Input: byte 0 says which codec the store has (b % 3) and, with b >= 128, that
 * the rest is a message without its checksum, which is added, so that what
 * comes after it is reached. The rest is the message.
 *
 * Oracle: a refused message leaves nothing behind. One that is taken makes a
 * value that can be got, some of it and all of it alike, and sent on: what is
 * exported is taken again and is the same value.
 */
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "zspool/store.h"

#define LARGE ((size_t)4 << 20) /* a longer value is looked at in part */
#define REQUIRE(c) ((c) ? (void)0 : abort())

static void check_empty(struct zs_store *store)
{
    static const struct zs_store_stats nothing;
    struct zs_store_stats stats;

    zs_store_stats(store, &stats);
    REQUIRE(memcmp(&stats, &nothing, sizeof(stats)) == 0);
}

static unsigned char *get(struct zs_store *store, zs_handle_t h, size_t *len)
{
    size_t cap = zs_store_length(store, h);
    unsigned char *back;

    cap = cap < LARGE ? cap : LARGE;
    back = malloc(cap + 1);
    REQUIRE(back != NULL);
    REQUIRE(zs_store_get_range(store, h, 0, back, cap, len) == 0);
    REQUIRE(*len == cap);
    return back;
}

static void check_whole(struct zs_store *store, zs_handle_t h,
                        const unsigned char *some, size_t len)
{
    unsigned char *back;
    size_t got;

    if (zs_store_length(store, h) > LARGE) {
        return;
    }
    back = malloc(len + 1);
    REQUIRE(back != NULL);
    REQUIRE(zs_store_get(store, h, back, len, &got) == 0);
    REQUIRE(got == len && memcmp(back, some, len) == 0);
    free(back);
}

static void check_value(struct zs_store *store, zs_handle_t h)
{
    size_t len, again_len, message_len;
    unsigned char *first = get(store, h, &len);
    unsigned char *message, *again;
    zs_handle_t other;

    check_whole(store, h, first, len);
    REQUIRE(zs_store_export(store, h, NULL, 0, &message_len) == -ERANGE);
    message = malloc(message_len);
    REQUIRE(message != NULL);
    REQUIRE(zs_store_export(store, h, message, message_len, &message_len) == 0);
    REQUIRE(zs_store_import(store, message, message_len, &other) == 0);
    again = get(store, other, &again_len);
    REQUIRE(again_len == len && memcmp(first, again, len) == 0);
    REQUIRE(zs_store_length(store, h) == zs_store_length(store, other));
    zs_store_delete(store, other);
    free(again);
    free(message);
    free(first);
}

/* The message, or with `complete` what makes a whole one of it. */
static unsigned char *message_of(const uint8_t *data, size_t *size,
                                 int complete)
{
    unsigned char *message = malloc(*size + 8);
    uint64_t sum;

    REQUIRE(message != NULL);
    memcpy(message, data, *size);
    if (complete) {
        if (*size >= 4) {
            memcpy(message, "ZSV\1", 4);
        }
        sum = XXH3_64bits(message, *size);
        for (unsigned i = 0; i < 8; i++) {
            message[*size + i] = (unsigned char)(sum >> 8 * i);
        }
        *size += 8;
    }
    return message;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zs_store_config cfg = {
        .pool = { .private_arena = { .reserve_bytes = (size_t)64 << 20 },
                  .max_zspages = 4096,
                  .max_objects = 10000 },
    };
    struct zs_store *store;
    unsigned char *message;
    zs_handle_t h;
    unsigned how;

    if (size == 0) {
        return 0;
    }
    how = data[0];
    size--;
    message = message_of(data + 1, &size, how >= 128);
    cfg.codec = (enum zs_codec_id)(how % 3);
    REQUIRE(zs_store_create(&cfg, &store) == 0);
    if (zs_store_import(store, message, size, &h) == 0) {
        check_value(store, h);
        zs_store_delete(store, h);
    }
    check_empty(store);
    zs_store_destroy(store);
    free(message);
    return 0;
}
