/* SPDX-License-Identifier: MIT */
/* split.c - which values dictionaries learn from, and which are measured. */
#include "split.h"

#include <stdlib.h>
#include <string.h>
#include <zdict.h>

#include "hash.h"

#define TRAIN_BYTES 8388608.0 /* enough for the largest dictionary */
#define TRAIN_SHARE 0.2       /* at most, of the values */
#define MIN_TIMES 6u /* as much to learn from as a dictionary is long */
#define OTHER_ORDER UINT64_C(0x5851f42d4c957f2d)

static double bytes_below(const struct values *v, size_t len)
{
    double sum = 0;

    for (size_t i = 0; i < v->n_kept; i++) {
        sum += v->kept[i].len < len ? (double)v->kept[i].len : 0;
    }
    return sum;
}

static double at_most(double a, double b)
{
    return a < b ? a : b;
}

/* Each value's chance to be measured, so that about `bytes` are. */
static uint64_t measure_limit(const struct values *v, uint64_t bytes)
{
    return hash_limit((double)bytes / ((double)v->n_bytes + 1));
}

/* So that any few that follow each other are like all. */
static void shuffle(const struct value **values, size_t n)
{
    for (size_t i = n; i > 1; i--) {
        size_t j = (size_t)(hash_number(i) % i);
        const struct value *other = values[j];

        values[j] = values[i - 1];
        values[i - 1] = other;
    }
}

bool split_make(const struct values *v, uint64_t measure_bytes,
                struct split *out)
{
    double small = bytes_below(v, DICT_MAX_VALUE_BYTES);
    uint64_t train =
        hash_limit(at_most(TRAIN_SHARE, TRAIN_BYTES / (small + 1)));
    uint64_t measure = measure_limit(v, measure_bytes);

    *out = (struct split){ 0 };
    out->trained = calloc(v->n_kept + 1, sizeof(void *));
    out->measured = calloc(v->n_kept + 1, sizeof(void *));
    if (out->trained == NULL || out->measured == NULL) {
        split_free(out);
        return false;
    }
    for (size_t i = 0; i < v->n_kept; i++) {
        const struct value *one = &v->kept[i];

        if (one->len < DICT_MAX_VALUE_BYTES && one->hash < train) {
            out->trained[out->n_trained++] = one;
            out->trained_bytes += one->len;
        } else if (hash_number(one->place ^ OTHER_ORDER) <= measure) {
            out->measured[out->n_measured++] = one;
            out->measured_bytes += one->len;
        }
    }
    shuffle(out->measured, out->n_measured);
    return true;
}

void split_free(struct split *s)
{
    free(s->trained);
    free(s->measured);
    *s = (struct split){ 0 };
}

void *split_train(const struct values *v, const struct split *s, size_t bytes,
                  size_t *out_bytes)
{
    unsigned char *samples = malloc(s->trained_bytes + 1), *dict = NULL;
    size_t *lens = malloc((s->n_trained + 1) * sizeof(*lens)), at = 0;
    size_t n = 0;

    if (samples != NULL && lens != NULL &&
        s->trained_bytes >= MIN_TIMES * bytes) {
        for (size_t i = 0; i < s->n_trained; i++) {
            lens[i] = s->trained[i]->len;
            memcpy(samples + at, v->bytes + s->trained[i]->at, lens[i]);
            at += lens[i];
        }
        dict = malloc(bytes);
        n = dict != NULL ? ZDICT_trainFromBuffer(dict, bytes, samples, lens,
                                                 (unsigned)s->n_trained)
                         : 0;
    }
    free(samples);
    free(lens);
    if (dict == NULL || ZDICT_isError(n) || n == 0) {
        free(dict);
        return NULL;
    }
    *out_bytes = n;
    return dict;
}
