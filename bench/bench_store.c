/* SPDX-License-Identifier: MIT */
/*
 * bench_store - what a store adds to its codec.
 *
 * Values are pages of 4 KiB made of words and of noise; the argument says how
 * much is noise, so how well they shrink. The raw cases call the codec on the
 * same pages and keep what it makes in a flat array.
 */
#include <lz4.h>
#include <stdlib.h>
#include <string.h>
#include <zstd.h>

#include "bm.h"
#include "random.h"
#include "zspool/store.h"

#define PAGE 4096u
#define N_PAGES 2048u /* 8 MiB of values */
#define ROOM 4608u    /* above both codecs' bound for a page */

/* Values and what becomes of them, the same for all cases. */
struct pages {
    char values[N_PAGES][PAGE];
    char flat[N_PAGES][ROOM];
    size_t flat_lens[N_PAGES];
    zs_handle_t handles[N_PAGES];
    char back[PAGE];
};

static void make_page(char *page, int64_t noise_percent, uint64_t *rng)
{
    static const char words[] = "the of and a to in is was he for it with as ";
    size_t at = 0;

    while (at < PAGE) {
        size_t len = 4 + random_below(rng, 12);
        len = len < PAGE - at ? len : PAGE - at;
        if (random_below(rng, 100) < (uint32_t)noise_percent) {
            for (size_t i = 0; i < len; i++) {
                page[at + i] = (char)random_next(rng);
            }
        } else {
            memcpy(page + at, words + random_below(rng, 28), len);
        }
        at += len;
    }
}

/* NULL after bm_skip(). */
static struct pages *make_pages(struct bm_run *run, int64_t noise_percent)
{
    struct pages *p = malloc(sizeof(*p));
    uint64_t rng = 1;

    if (p == NULL) {
        bm_skip(run, "no memory");
        return NULL;
    }
    memset(p, 0, sizeof(*p));
    for (uint32_t i = 0; i < N_PAGES; i++) {
        make_page(p->values[i], noise_percent, &rng);
    }
    return p;
}

static struct zs_store *make_store(struct bm_run *run, enum zs_codec_id codec)
{
    const struct zs_store_config cfg = {
        .codec = codec, .dictionaries = { .off = true } /* as the raw cases */
    };
    struct zs_store *store;

    if (zs_store_create(&cfg, &store) != 0) {
        bm_skip(run, "no store");
        return NULL;
    }
    return store;
}

/* Puts all values; false after bm_skip(), also when there is no store. */
static bool fill(struct bm_run *run, struct zs_store *store, struct pages *p)
{
    for (uint32_t i = 0; i < N_PAGES; i++) {
        if (p == NULL || store == NULL ||
            zs_store_put(store, p->values[i], PAGE, &p->handles[i]) != 0) {
            bm_skip(run, "the store could not be filled");
            return false;
        }
    }
    return true;
}

/* Replaces the oldest value by deleting and putting, in turn. */
static void put(struct bm_run *run, int64_t noise, enum zs_codec_id codec)
{
    struct pages *p = make_pages(run, noise);
    struct zs_store *store = make_store(run, codec);
    uint32_t i = 0;
    int64_t n = 0;

    if (fill(run, store, p)) {
        while (bm_next(run)) {
            zs_store_delete(store, p->handles[i]);
            if (zs_store_put(store, p->values[i], PAGE, &p->handles[i])) {
                bm_skip(run, "zs_store_put failed");
                break;
            }
            i = (i + 1) % N_PAGES;
            n++;
        }
        bm_bytes(run, n * (int64_t)PAGE);
    }
    zs_store_destroy(store);
    free(p);
}

static void get(struct bm_run *run, int64_t noise, enum zs_codec_id codec)
{
    struct pages *p = make_pages(run, noise);
    struct zs_store *store = make_store(run, codec);
    uint32_t i = 0;
    int64_t n = 0;
    size_t len;

    if (fill(run, store, p)) {
        while (bm_next(run)) {
            if (zs_store_get(store, p->handles[i], p->back, PAGE, &len)) {
                bm_skip(run, "zs_store_get failed");
                break;
            }
            bm_use(p->back);
            i = (i + 1) % N_PAGES;
            n++;
        }
        bm_bytes(run, n * (int64_t)PAGE);
    }
    zs_store_destroy(store);
    free(p);
}

static void lz4_compress_page(struct pages *p, uint32_t i, void *state)
{
    p->flat_lens[i] = (size_t)LZ4_compress_fast_extState(
        state, p->values[i], p->flat[i], (int)PAGE, (int)ROOM, 1);
}

static void zstd_compress_page(struct pages *p, uint32_t i, void *state)
{
    p->flat_lens[i] =
        ZSTD_compressCCtx(state, p->flat[i], ROOM, p->values[i], PAGE, 3);
}

static void lz4_decompress_page(struct pages *p, uint32_t i, void *state)
{
    (void)state;
    LZ4_decompress_safe(p->flat[i], p->back, (int)p->flat_lens[i], (int)PAGE);
}

static void zstd_decompress_page(struct pages *p, uint32_t i, void *state)
{
    ZSTD_decompressDCtx(state, p->back, PAGE, p->flat[i], p->flat_lens[i]);
}

typedef void page_fn(struct pages *p, uint32_t i, void *state);

/* Calls `timed` page after page; before that `once` on each. */
static void raw(struct bm_run *run, int64_t noise, page_fn *once,
                void *once_state, page_fn *timed, void *timed_state)
{
    struct pages *p = make_pages(run, noise);
    uint32_t i = 0;
    int64_t n = 0;

    for (uint32_t k = 0; p != NULL && k < N_PAGES; k++) {
        once(p, k, once_state);
    }
    while (bm_next(run)) {
        timed(p, i, timed_state);
        bm_use(p);
        i = (i + 1) % N_PAGES;
        n++;
    }
    bm_bytes(run, n * (int64_t)PAGE);
    free(p);
}

/* Question: what does a put cost beside the codec?  Unit: ns/page. */
static void lz4_put(struct bm_run *run, int64_t noise)
{
    put(run, noise, ZS_CODEC_LZ4);
}

static void zstd_put(struct bm_run *run, int64_t noise)
{
    put(run, noise, ZS_CODEC_ZSTD);
}

static void lz4_compress(struct bm_run *run, int64_t noise)
{
    void *state = malloc((size_t)LZ4_sizeofState());
    raw(run, noise, lz4_compress_page, state, lz4_compress_page, state);
    free(state);
}

static void zstd_compress(struct bm_run *run, int64_t noise)
{
    ZSTD_CCtx *state = ZSTD_createCCtx();
    raw(run, noise, zstd_compress_page, state, zstd_compress_page, state);
    ZSTD_freeCCtx(state);
}

/* Question: what does a get cost beside the codec?  Unit: ns/page. */
static void lz4_get(struct bm_run *run, int64_t noise)
{
    get(run, noise, ZS_CODEC_LZ4);
}

static void zstd_get(struct bm_run *run, int64_t noise)
{
    get(run, noise, ZS_CODEC_ZSTD);
}

static void lz4_decompress(struct bm_run *run, int64_t noise)
{
    void *state = malloc((size_t)LZ4_sizeofState());
    raw(run, noise, lz4_compress_page, state, lz4_decompress_page, NULL);
    free(state);
}

static void zstd_decompress(struct bm_run *run, int64_t noise)
{
    ZSTD_CCtx *encoder = ZSTD_createCCtx();
    ZSTD_DCtx *decoder = ZSTD_createDCtx();
    raw(run, noise, zstd_compress_page, encoder, zstd_decompress_page, decoder);
    ZSTD_freeCCtx(encoder);
    ZSTD_freeDCtx(decoder);
}

/* --- values that do not shrink --- */

#define NOISE_BYTES ((size_t)16 << 20)

/* Puts windows of noise and deletes the oldest; 4 MiB live at a time. */
static void put_noise(struct bm_run *run, int64_t bytes, enum zs_codec_id codec)
{
    enum { LIVE = 1024 };
    static zs_handle_t live[LIVE];
    size_t len = (size_t)bytes;
    size_t n_live = ((size_t)4 << 20) / len;
    char *noise = malloc(NOISE_BYTES);
    struct zs_store *store = make_store(run, codec);
    uint64_t rng = 1;
    size_t at = 0, i = 0;
    int64_t n = 0;

    memset(live, 0, sizeof(live));
    for (size_t k = 0; noise != NULL && k < NOISE_BYTES; k++) {
        noise[k] = (char)random_next(&rng);
    }
    while (noise != NULL && store != NULL && bm_next(run)) {
        if (live[i].raw != 0) {
            zs_store_delete(store, live[i]);
        }
        if (zs_store_put(store, noise + at, len, &live[i]) != 0) {
            bm_skip(run, "zs_store_put failed");
            break;
        }
        i = (i + 1) % n_live;
        at = at + 2 * len <= NOISE_BYTES ? at + len : 0;
        n++;
    }
    bm_bytes(run, n * bytes);
    zs_store_destroy(store);
    free(noise);
}

/* Question: what does it cost that a codec might be tried?  Unit: ns/value;
 * compare with none_put_noise, which copies only. */
static void lz4_put_noise(struct bm_run *run, int64_t bytes)
{
    put_noise(run, bytes, ZS_CODEC_LZ4);
}

static void zstd_put_noise(struct bm_run *run, int64_t bytes)
{
    put_noise(run, bytes, ZS_CODEC_ZSTD);
}

static void none_put_noise(struct bm_run *run, int64_t bytes)
{
    put_noise(run, bytes, ZS_CODEC_NONE);
}

/* --- many small values --- */

#define SMALL_BYTES 100u
#define BATCH 64u

struct small {
    struct zs_store *store;
    zs_handle_t *handles;
    size_t n;
};

static bool make_small(struct bm_run *run, size_t n, struct small *out)
{
    char value[SMALL_BYTES];
    uint64_t rng = 1;

    out->n = n;
    out->store = make_store(run, ZS_CODEC_NONE);
    out->handles = malloc(n * sizeof(zs_handle_t));
    for (size_t i = 0; i < n; i++) {
        for (size_t k = 0; k < SMALL_BYTES; k++) {
            value[k] = (char)random_next(&rng);
        }
        if (out->store == NULL || out->handles == NULL ||
            zs_store_put(out->store, value, SMALL_BYTES, &out->handles[i])) {
            bm_skip(run, "the store could not be filled");
            return false;
        }
    }
    return true;
}

static void free_small(struct small *s)
{
    zs_store_destroy(s->store);
    free(s->handles);
}

/* Question: what does a random get of a small value cost, one by one and in
 * batches of 64?  Unit: ns/value. */
static void get_small(struct bm_run *run, int64_t n)
{
    struct small s;
    char back[SMALL_BYTES];
    uint64_t rng = 2;
    size_t len;

    if (make_small(run, (size_t)n, &s)) {
        while (bm_next_batch(run, BATCH)) {
            for (unsigned i = 0; i < BATCH; i++) {
                zs_handle_t h = s.handles[random_below(&rng, (uint32_t)s.n)];

                if (zs_store_get(s.store, h, back, sizeof(back), &len) != 0) {
                    bm_skip(run, "zs_store_get failed");
                }
                bm_use(back);
            }
        }
    }
    free_small(&s);
}

static void get_small_batch(struct bm_run *run, int64_t n)
{
    static char back[BATCH][SMALL_BYTES];
    struct zs_store_get gets[BATCH];
    struct small s;
    uint64_t rng = 2;

    if (make_small(run, (size_t)n, &s)) {
        while (bm_next_batch(run, BATCH)) {
            for (unsigned i = 0; i < BATCH; i++) {
                gets[i].handle = s.handles[random_below(&rng, (uint32_t)s.n)];
                gets[i].buf = back[i];
                gets[i].cap = SMALL_BYTES;
            }
            if (zs_store_get_batch(s.store, gets, BATCH) != 0) {
                bm_skip(run, "zs_store_get_batch failed");
            }
            bm_use(back);
        }
    }
    free_small(&s);
}

/* Question: what does putting and deleting 64 small values cost, at random
 * places, one by one and in batches?  Unit: ns/value. */
static void churn_small(struct bm_run *run, int64_t n)
{
    struct small s;
    char value[SMALL_BYTES] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    uint64_t rng = 2;

    if (make_small(run, (size_t)n, &s)) {
        while (bm_next_batch(run, BATCH)) {
            for (unsigned i = 0; i < BATCH; i++) {
                zs_handle_t *h = &s.handles[random_below(&rng, (uint32_t)s.n)];

                zs_store_delete(s.store, *h);
                if (zs_store_put(s.store, value, SMALL_BYTES, h) != 0) {
                    bm_skip(run, "zs_store_put failed");
                }
            }
        }
    }
    free_small(&s);
}

static void churn_small_batch(struct bm_run *run, int64_t n)
{
    char value[SMALL_BYTES] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
    struct iovec values[BATCH];
    zs_handle_t handles[BATCH];
    struct small s;
    uint64_t rng = 2;

    for (unsigned i = 0; i < BATCH; i++) {
        values[i] = (struct iovec){ value, SMALL_BYTES };
    }
    if (make_small(run, (size_t)n, &s)) {
        while (bm_next_batch(run, BATCH)) {
            size_t step = s.n / BATCH; /* none twice */
            size_t first = random_below(&rng, (uint32_t)step);

            for (unsigned i = 0; i < BATCH; i++) {
                handles[i] = s.handles[first + i * step];
            }
            zs_store_delete_batch(s.store, handles, BATCH);
            if (zs_store_put_batch(s.store, values, BATCH, handles) != 0) {
                bm_skip(run, "zs_store_put_batch failed");
            }
            for (unsigned i = 0; i < BATCH; i++) {
                s.handles[first + i * step] = handles[i];
            }
        }
    }
    free_small(&s);
}

static const int64_t noise_percent[] = { 10, 50, -1 };
static const int64_t noise_bytes[] = { 4096, 65536, 1 << 20, -1 };
static const int64_t n_small[] = { 1000, 1000000, -1 };

const struct bm_case bm_cases[] = {
    { "store/lz4_put", lz4_put, noise_percent, "percent_noise", 0 },
    { "raw/lz4_compress", lz4_compress, noise_percent, "percent_noise", 0 },
    { "store/zstd_put", zstd_put, noise_percent, "percent_noise", 0 },
    { "raw/zstd_compress", zstd_compress, noise_percent, "percent_noise", 0 },
    { "store/lz4_get", lz4_get, noise_percent, "percent_noise", 0 },
    { "raw/lz4_decompress", lz4_decompress, noise_percent, "percent_noise", 0 },
    { "store/zstd_get", zstd_get, noise_percent, "percent_noise", 0 },
    { "raw/zstd_decompress", zstd_decompress, noise_percent, "percent_noise",
      0 },
    { "store/lz4_put_noise", lz4_put_noise, noise_bytes, "bytes", 0 },
    { "store/zstd_put_noise", zstd_put_noise, noise_bytes, "bytes", 0 },
    { "store/none_put_noise", none_put_noise, noise_bytes, "bytes", 0 },
    { "store/get_small", get_small, n_small, "live", 0 },
    { "store/get_small_batch", get_small_batch, n_small, "live", 0 },
    { "store/churn_small", churn_small, n_small, "live", 0 },
    { "store/churn_small_batch", churn_small_batch, n_small, "live", 0 },
    { 0 },
};
