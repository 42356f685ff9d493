/* SPDX-License-Identifier: MIT */
/*
 * cold - what recompression makes of values that nobody asks for.
 *
 *     cold --pages FILE...           pages of files, 64 MiB of them at most
 *     cold --change FIRST SECOND     records, one a line (scripts/record-files)
 *     cold --gets FIRST              what it costs a get that it is on
 *
 * With --pages stores of each codec are filled, and left alone. With --change a
 * store of dictionaries is filled with FIRST and then with as much of SECOND,
 * of which nothing is written again. Each line is live bytes / footprint before
 * and after two rounds, everything counted, the processor time of the second
 * one by MiB of values, and single gets of random values, p50.
 *
 * The store has no pauses here: it may take a whole core.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "random.h"
#include "zspool/compactor.h"
#include "zspool/stats.h"
#include "zspool/store.h"

#define MOST_BYTES ((size_t)64 << 20)
#define PAGE 4096u
#define MAX_RECORD 4096u
#define N_GETS 20000u

struct values {
    char *bytes;
    size_t *at; /* n + 1 places */
    size_t n;
};

static void stop(const char *what)
{
    fprintf(stderr, "cold: %s\n", what);
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

static struct values no_values(void)
{
    struct values v = { .bytes = get_memory(MOST_BYTES),
                        .at = get_memory((MOST_BYTES / 16 + 2) *
                                         sizeof(size_t)) };

    v.at[0] = 0;
    return v;
}

static void add(struct values *v, size_t len)
{
    v->at[v->n + 1] = v->at[v->n] + len;
    v->n++;
}

/* Whole pages of a file. */
static void add_pages(struct values *v, const char *path)
{
    FILE *f = fopen(path, "rb");

    while (f != NULL && v->at[v->n] + PAGE <= MOST_BYTES &&
           fread(v->bytes + v->at[v->n], 1, PAGE, f) == PAGE) {
        add(v, PAGE);
    }
    if (f != NULL) {
        fclose(f);
    }
}

static void add_lines(struct values *v, const char *path, size_t most)
{
    FILE *f = fopen(path, "rb");
    char line[MAX_RECORD];

    if (f == NULL) {
        stop("there is no such file");
    }
    while (most > 0 && v->at[v->n] + MAX_RECORD <= MOST_BYTES &&
           fgets(line, sizeof(line), f) != NULL) {
        size_t len = strcspn(line, "\n");

        if (len >= 16) {
            memcpy(v->bytes + v->at[v->n], line, len);
            add(v, len);
            most--;
        }
    }
    fclose(f);
}

static double ratio_of(struct zs_store *store)
{
    struct zs_arena *arena = zs_pool_arena(zs_store_pool(store));
    struct zs_arena_stats a;
    struct zs_store_stats s;

    if (zs_compact(arena, NULL) != 0) {
        stop("compaction failed");
    }
    zs_arena_stats(arena, &a);
    zs_store_stats(store, &s);
    return (double)s.raw_bytes / (double)a.footprint_bytes;
}

static double get_p50(struct zs_store *store, const struct values *v,
                      const zs_handle_t *h)
{
    static double took[N_GETS];
    char back[MAX_RECORD];
    uint64_t rng = 7;
    size_t len;

    for (size_t i = 0; i < N_GETS; i++) {
        size_t k = random_below(&rng, (uint32_t)v->n);
        double t = now_ns();

        if (zs_store_get(store, h[k], back, sizeof(back), &len) != 0) {
            stop("get failed");
        }
        took[i] = now_ns() - t;
        if (len != v->at[k + 1] - v->at[k] ||
            memcmp(back, v->bytes + v->at[k], len) != 0) {
            stop("another value");
        }
    }
    qsort(took, N_GETS, sizeof(took[0]), by_value);
    return took[N_GETS / 2];
}

static struct zs_recompress_stats stats_of(struct zs_store *store)
{
    struct zs_recompress_stats s;

    zs_store_recompress_stats(store, &s);
    return s;
}

static void rounds(struct zs_store *store, uint64_t n)
{
    uint64_t until = stats_of(store).n_rounds + n;

    while (stats_of(store).n_rounds < until) {
        (void)zs_store_background(store);
    }
}

static void fill(struct zs_store *store, const struct values *v, zs_handle_t *h)
{
    for (size_t i = 0; i < v->n; i++) {
        if (zs_store_put(store, v->bytes + v->at[i], v->at[i + 1] - v->at[i],
                         &h[i]) != 0) {
            stop("put failed");
        }
        if (i % 1000 == 0) {
            (void)zs_store_background(store);
        }
    }
}

static void run(const char *name, const struct zs_store_config *cfg,
                const struct values *v)
{
    zs_handle_t *h = get_memory(v->n * sizeof(*h));
    struct zs_recompress_stats s;
    struct zs_store *store;
    double before, after, quick, slow;

    if (zs_store_create(cfg, &store) != 0) {
        stop("no store");
    }
    fill(store, v, h);
    before = ratio_of(store);
    quick = get_p50(store, v, h);
    rounds(store, 3); /* what was asked for just now is cold after two */
    after = ratio_of(store);
    s = stats_of(store);
    slow = get_p50(store, v, h);
    printf("%-18s %5.2f -> %5.2f  %4.0f ms a MiB  tried %6lu accepted %6lu "
           "raw %5lu drained %6lu  get %5.0f -> %5.0f ns\n",
           name, before, after,
           (double)s.cpu_ns / 1e6 / ((double)v->at[v->n] / 1048576),
           (unsigned long)s.n_tried, (unsigned long)s.n_accepted,
           (unsigned long)s.n_raw_accepted, (unsigned long)s.n_drained, quick,
           slow);
    zs_store_destroy(store);
    free(h);
}

static struct zs_store_config config(enum zs_codec_id codec, bool dictionaries,
                                     int cold_level)
{
    return (struct zs_store_config){
        .codec = codec,
        .dictionaries = { .off = !dictionaries,
                          .no_thread = true,
                          .interval_ns = 1 },
        .recompress = { .on = true,
                        .no_thread = true,
                        .codec = ZS_CODEC_ZSTD,
                        .level = cold_level,
                        /* not before it is asked to: fill() */
                        .idle_ns = 1000000000,
                        .cpu_percent = 100 },
    };
}

static void pages(int n, char **paths)
{
    static const struct {
        const char *name;
        enum zs_codec_id codec;
        int level;
    } cases[] = {
        { "none, zstd 9", ZS_CODEC_NONE, 9 },
        { "lz4, zstd 3", ZS_CODEC_LZ4, 3 },
        { "lz4, zstd 9", ZS_CODEC_LZ4, 9 },
        { "lz4, zstd 19", ZS_CODEC_LZ4, 19 },
        { "zstd 3, zstd 9", ZS_CODEC_ZSTD, 9 },
    };
    struct values v = no_values();

    for (int i = 0; i < n; i++) {
        add_pages(&v, paths[i]);
    }
    if (v.n == 0) {
        stop("no pages");
    }
    printf("%zu pages\n", v.n);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct zs_store_config cfg =
            config(cases[i].codec, false, cases[i].level);

        run(cases[i].name, &cfg, &v);
    }
}

static void change(const char *first, const char *second)
{
    struct values v = no_values();
    struct zs_store_config cfg[2] = { config(ZS_CODEC_LZ4, true, 9),
                                      config(ZS_CODEC_ZSTD, true, 9) };

    add_lines(&v, first, 60000);
    add_lines(&v, second, 60000);
    printf("%zu records, %.0f bytes on average\n", v.n,
           (double)v.at[v.n] / (double)v.n);
    run("lz4", &cfg[0], &v);
    run("zstd", &cfg[1], &v);
}

/* --- gets --- */

#define TURNS 41u
#define N_TURN 50000u

static double gets_ns(struct zs_store *store, const struct values *v,
                      const zs_handle_t *h, uint64_t seed)
{
    double t = now_ns();
    char back[MAX_RECORD];
    size_t len;

    for (size_t i = 0; i < N_TURN; i++) {
        size_t k = random_below(&seed, (uint32_t)v->n);

        if (zs_store_get(store, h[k], back, sizeof(back), &len) != 0) {
            stop("get failed");
        }
    }
    return (now_ns() - t) / N_TURN;
}

/* The same values in two stores, by turns; and the median of the ratios. */
static void gets(const char *path)
{
    struct values v = no_values();
    struct zs_store_config cfg = config(ZS_CODEC_LZ4, true, 9);
    struct zs_store *store[2];
    zs_handle_t *h[2];
    double took[2][TURNS], ratio[TURNS];

    add_lines(&v, path, 100000);
    for (unsigned on = 0; on < 2; on++) {
        cfg.recompress.on = on == 1;
        h[on] = get_memory(v.n * sizeof(zs_handle_t));
        if (zs_store_create(&cfg, &store[on]) != 0) {
            stop("no store");
        }
        fill(store[on], &v, h[on]);
    }
    for (size_t i = 0; i < TURNS; i++) {
        for (unsigned k = 0; k < 2; k++) {
            unsigned on = (unsigned)(i + k) & 1;

            took[on][i] = gets_ns(store[on], &v, h[on], i + 1);
        }
        ratio[i] = took[1][i] / took[0][i];
    }
    for (unsigned on = 0; on < 2; on++) {
        qsort(took[on], TURNS, sizeof(double), by_value);
        zs_store_destroy(store[on]);
        free(h[on]);
    }
    qsort(ratio, TURNS, sizeof(double), by_value);
    printf("get, off %.0f ns, on %.0f ns, on / off %.3f\n", took[0][TURNS / 2],
           took[1][TURNS / 2], ratio[TURNS / 2]);
}

int main(int argc, char **argv)
{
    setvbuf(stdout, NULL, _IOLBF, 0);
    if (argc >= 3 && strcmp(argv[1], "--pages") == 0) {
        pages(argc - 2, argv + 2);
    } else if (argc == 4 && strcmp(argv[1], "--change") == 0) {
        change(argv[2], argv[3]);
    } else if (argc == 3 && strcmp(argv[1], "--gets") == 0) {
        gets(argv[2]);
    } else {
        stop("usage: cold --pages FILE..., --change FIRST SECOND, or --gets "
             "FIRST");
    }
    return 0;
}
