/* SPDX-License-Identifier: MIT */
/*
 * dict - what dictionaries make of real records, in memory and in time.
 *
 *     dict RECORDS                  one record a line (scripts/record-files)
 *     dict --change FIRST SECOND    a store whose data become other data: CSV
 *
 * Without an option it fills a store with all records, for each codec with and
 * without dictionaries, and prints live bytes / footprint; then the times of a
 * put and a get, each in turn with the codec alone: the same compressor, level
 * and dictionary, writing to and reading from a flat array.
 *
 * "loaded" is a store into which everything was put at once, the first values
 * before there was a dictionary. "rewritten" is the same after each value was
 * replaced by itself.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "random.h"
#include "store_impl.h"
#include "zspool/compactor.h"
#include "zspool/stats.h"

#define ROUNDS 9u
#define MAX_RECORD 1024u
#define ROOM 1280u /* above the bound of every codec for a record */

struct records {
    char *bytes;
    size_t *at; /* n + 1 places */
    size_t n;
};

static void stop(const char *what)
{
    fprintf(stderr, "dict: %s\n", what);
    exit(1);
}

static void *get_memory(size_t bytes)
{
    void *p = malloc(bytes);

    if (p == NULL) {
        stop("no memory");
    }
    return p;
}

static struct records read_records(const char *path)
{
    struct records r = { 0 };
    FILE *f = fopen(path, "rb");
    long size;
    char *out;

    if (f == NULL || fseek(f, 0, SEEK_END) != 0 || (size = ftell(f)) <= 0) {
        stop("there is no such file");
    }
    rewind(f);
    r.bytes = get_memory((size_t)size);
    if (fread(r.bytes, 1, (size_t)size, f) != (size_t)size) {
        stop("the file cannot be read");
    }
    fclose(f);
    r.at = get_memory(((size_t)size / 8 + 2) * sizeof(*r.at));
    r.at[0] = 0;
    out = r.bytes;
    for (char *p = r.bytes, *end = r.bytes + size; p < end;) {
        char *line_end = memchr(p, '\n', (size_t)(end - p));
        size_t len = (size_t)((line_end != NULL ? line_end : end) - p);

        if (len >= 16 && len <= MAX_RECORD) {
            memmove(out, p, len);
            out += len;
            r.at[++r.n] = (size_t)(out - r.bytes);
        }
        p += len + 1;
    }
    return r;
}

static const char *record(const struct records *r, size_t i)
{
    return r->bytes + r->at[i];
}

static size_t length(const struct records *r, size_t i)
{
    return r->at[i + 1] - r->at[i];
}

static double now_ns(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static double quantile(double *values, size_t n, double q)
{
    qsort(values, n, sizeof(*values), by_value);
    return values[(size_t)((double)(n - 1) * q)];
}

/* --- stores --- */

/* In `haste`: steps come by zs_store_background(), without waiting. */
static struct zs_store *make_store(enum zs_codec_id codec, bool dictionaries,
                                   bool haste)
{
    const struct zs_store_config cfg = {
        .codec = codec,
        .dictionaries = { .off = !dictionaries,
                          .no_thread = haste,
                          .interval_ns = haste ? 1 : 0 },
    };
    struct zs_store *store;

    if (zs_store_create(&cfg, &store) != 0) {
        stop("no store");
    }
    return store;
}

static double ratio_of(struct zs_store *store)
{
    struct zs_arena_stats a;
    struct zs_store_stats s;

    if (zs_compact(zs_pool_arena(zs_store_pool(store)), NULL) != 0) {
        stop("compaction failed");
    }
    zs_arena_stats(zs_pool_arena(zs_store_pool(store)), &a);
    zs_store_stats(store, &s);
    return (double)s.raw_bytes / (double)a.footprint_bytes;
}

static void fill(struct zs_store *store, const struct records *r,
                 zs_handle_t *h)
{
    for (size_t i = 0; i < r->n; i++) {
        if (zs_store_put(store, record(r, i), length(r, i), &h[i]) != 0) {
            stop("put failed");
        }
        if (i % 1000 == 0) {
            (void)zs_store_background(store);
        }
    }
}

static void rewrite(struct zs_store *store, const struct records *r,
                    const zs_handle_t *h)
{
    for (size_t i = 0; i < r->n; i++) {
        if (zs_store_replace(store, h[i], record(r, i), length(r, i)) != 0) {
            stop("replace failed");
        }
        if (i % 1000 == 0) {
            (void)zs_store_background(store);
        }
    }
    for (int i = 0; i < 10; i++) {
        (void)zs_store_background(store);
    }
}

/* --- times --- */

struct flat {
    unsigned char (*bytes)[ROOM];
    size_t *lens;
    void *compressor, *decompressor;
    const void *dict;
};

static size_t flat_put(const struct zs_store *store, struct flat *f,
                       const struct records *r, size_t i, size_t place)
{
    const struct zs_codec_ops *c = store->codec;
    int err =
        f->dict != NULL
            ? c->compress_with(f->compressor, f->dict, record(r, i),
                               length(r, i), f->bytes[place], &f->lens[place])
            : c->compress(f->compressor, store->level, record(r, i),
                          length(r, i), f->bytes[place], &f->lens[place]);

    if (err != 0) {
        stop("the codec failed");
    }
    return f->lens[place];
}

static void flat_get(const struct zs_store *store, const struct flat *f,
                     size_t place, size_t len, char *back)
{
    const struct zs_codec_ops *c = store->codec;
    int err = f->dict != NULL ? c->decompress_with(f->decompressor, f->dict,
                                                   f->bytes[place],
                                                   f->lens[place], back, len)
                              : c->decompress(f->decompressor, f->bytes[place],
                                              f->lens[place], back, len);

    if (err != 0) {
        stop("the codec failed");
    }
}

static void flat_make(const struct zs_store *store, const struct records *r,
                      struct flat *f)
{
    f->bytes = get_memory(r->n * sizeof(*f->bytes));
    f->lens = get_memory(r->n * sizeof(*f->lens));
    f->compressor = store->codec->compressor_create();
    f->decompressor = store->codec->decompressor_create != NULL
                          ? store->codec->decompressor_create()
                          : NULL;
    if (store->dicts != NULL) {
        f->dict = zs_dicts_current(&store->dicts->dicts, 0)->prepared;
    }
    for (size_t i = 0; i < r->n; i++) {
        (void)flat_put(store, f, r, i, i);
    }
}

#define N_TIMED 20000u

static void get(struct zs_store *store, zs_handle_t h, char *back, size_t *len)
{
    if (zs_store_get(store, h, back, MAX_RECORD, len) != 0) {
        stop("get failed");
    }
}

/* Medians over rounds of: put, codec alone, get, codec alone; ns a record. A
 * put is that of a delete and a put, as in a full cache. */
static void time_all(struct zs_store *store, const struct records *r,
                     zs_handle_t *h, struct flat *f, double *out)
{
    static double took[4][ROUNDS];
    char back[MAX_RECORD];
    uint64_t rng = 1;
    size_t len;

    for (size_t k = 0; k < ROUNDS; k++) {
        size_t from = random_below(&rng, (uint32_t)(r->n - N_TIMED));
        double t = now_ns();

        for (size_t i = from; i < from + N_TIMED; i++) {
            zs_store_delete(store, h[i]);
            if (zs_store_put(store, record(r, i), length(r, i), &h[i]) != 0) {
                stop("put failed");
            }
        }
        took[0][k] = (now_ns() - t) / N_TIMED;
        t = now_ns();
        for (size_t i = from; i < from + N_TIMED; i++) {
            (void)flat_put(store, f, r, i, i);
        }
        took[1][k] = (now_ns() - t) / N_TIMED;
        t = now_ns();
        for (size_t i = from; i < from + N_TIMED; i++) {
            get(store, h[i], back, &len);
        }
        took[2][k] = (now_ns() - t) / N_TIMED;
        t = now_ns();
        for (size_t i = from; i < from + N_TIMED; i++) {
            flat_get(store, f, i, length(r, i), back);
        }
        took[3][k] = (now_ns() - t) / N_TIMED;
    }
    for (size_t i = 0; i < 4; i++) {
        out[i] = quantile(took[i], ROUNDS, 0.5);
    }
}

/* p50 of single gets of random values, the clock's own time taken off. */
static double get_p50(struct zs_store *store, const struct records *r,
                      const zs_handle_t *h)
{
    static double took[N_TIMED], empty[N_TIMED];
    char back[MAX_RECORD];
    uint64_t rng = 7;
    size_t len;

    for (size_t i = 0; i < N_TIMED; i++) {
        size_t which = random_below(&rng, (uint32_t)r->n);
        double t = now_ns();

        get(store, h[which], back, &len);
        took[i] = now_ns() - t;
        t = now_ns();
        empty[i] = now_ns() - t;
    }
    return quantile(took, N_TIMED, 0.5) - quantile(empty, N_TIMED, 0.5);
}

static void run(const char *name, enum zs_codec_id codec, bool dictionaries,
                const struct records *r)
{
    struct zs_store *store = make_store(codec, dictionaries, true);
    zs_handle_t *h = get_memory(r->n * sizeof(*h));
    struct flat f = { 0 };
    struct zs_dict_stats d;
    double loaded, rewritten, ns[4], p50;

    fill(store, r, h);
    loaded = ratio_of(store);
    rewrite(store, r, h);
    rewritten = ratio_of(store);
    p50 = get_p50(store, r, h);
    zs_store_dict_stats(store, &d);
    printf("%-18s loaded %5.2f  rewritten %5.2f  get p50 %4.0f ns", name,
           loaded, rewritten, p50);
    if (codec != ZS_CODEC_NONE) {
        flat_make(store, r, &f);
        time_all(store, r, h, &f, ns);
        printf("  put %4.0f codec %4.0f (%.2f)  get %4.0f codec %4.0f (%.2f)",
               ns[0], ns[1], ns[1] / ns[0], ns[2], ns[3], ns[3] / ns[2]);
        store->codec->compressor_destroy(f.compressor);
        if (f.decompressor != NULL) {
            store->codec->decompressor_destroy(f.decompressor);
        }
    }
    printf("  %lu dictionaries, %lu KiB, trained %lu\n",
           (unsigned long)d.n_dictionaries,
           (unsigned long)(d.dictionary_bytes / 1024),
           (unsigned long)d.n_trainings);
    free(f.bytes);
    free(f.lens);
    free(h);
    zs_store_destroy(store);
}

/* --- data that change --- */

#define STEP 2000u
#define PUTS_PER_SECOND 40000u

static void sleep_until_ns(double until)
{
    double left = until - now_ns();
    struct timespec t = { .tv_nsec = (long)left };

    if (left > 0 && left < 1e9) {
        nanosleep(&t, NULL);
    }
}

/* A full cache of `n_live` values with all settings as they come: each put
 * deletes the oldest one, PUTS_PER_SECOND of them. A line of CSV for each STEP
 * puts. */
static void change_with(bool dictionaries, const struct records *first,
                        const struct records *second, size_t n_live)
{
    struct zs_store *store = make_store(ZS_CODEC_LZ4, dictionaries, false);
    zs_handle_t *h = get_memory(n_live * sizeof(*h));
    size_t half = 4 * n_live;
    double put_mib = 0, began = now_ns();

    for (size_t i = 0; i < 2 * half; i++) {
        const struct records *r = i < half ? first : second;
        size_t which = i % r->n;
        struct zs_dict_stats d;

        if (i >= n_live) {
            zs_store_delete(store, h[i % n_live]);
        }
        if (zs_store_put(store, record(r, which), length(r, which),
                         &h[i % n_live]) != 0) {
            stop("put failed");
        }
        put_mib += (double)length(r, which) / 1048576;
        if (i % STEP == STEP - 1) {
            sleep_until_ns(began + 1e9 * (double)i / PUTS_PER_SECOND);
            zs_store_dict_stats(store, &d);
            printf(
                "%s,%s,%.3f,%.3f,%lu,%lu\n", dictionaries ? "with" : "without",
                i < half ? "first" : "second", put_mib, ratio_of(store),
                (unsigned long)d.n_dictionaries, (unsigned long)d.n_published);
        }
    }
    free(h);
    zs_store_destroy(store);
}

static void change(const char *first_path, const char *second_path)
{
    struct records first = read_records(first_path);
    struct records second = read_records(second_path);

    printf("dictionaries,data,put_mib,live_per_footprint,n_dictionaries,"
           "n_published\n");
    change_with(true, &first, &second, 60000);
    change_with(false, &first, &second, 60000);
}

int main(int argc, char **argv)
{
    struct records r;

    if (argc == 4 && strcmp(argv[1], "--change") == 0) {
        change(argv[2], argv[3]);
        return 0;
    }
    if (argc != 2) {
        stop("usage: dict RECORDS, or dict --change FIRST SECOND");
    }
    setvbuf(stdout, NULL, _IOLBF, 0);
    r = read_records(argv[1]);
    if (r.n <= N_TIMED) {
        stop("too few records");
    }
    printf("%zu records, %.0f bytes on average\n", r.n,
           (double)r.at[r.n] / (double)r.n);
    run("raw", ZS_CODEC_NONE, false, &r);
    run("lz4", ZS_CODEC_LZ4, false, &r);
    run("lz4, dictionary", ZS_CODEC_LZ4, true, &r);
    run("zstd", ZS_CODEC_ZSTD, false, &r);
    run("zstd, dictionary", ZS_CODEC_ZSTD, true, &r);
    return 0;
}
