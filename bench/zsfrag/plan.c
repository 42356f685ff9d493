/* SPDX-License-Identifier: MIT */
/* plan.c - cut the input into pieces and measure each with the codec. */
#include "plan.h"

#include <err.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "codec.h"
#include "progress.h"

/* The next piece of a file at or after *pos; false: no more. */
static bool next_page(const struct span *file, uint64_t *pos, struct piece *out)
{
    uint64_t rest = file->len - *pos;

    if (rest < MIN_REST_BYTES) {
        return false;
    }
    out->start = file->start + *pos;
    out->len = rest < PAGE_PIECE_BYTES ? (uint32_t)rest : PAGE_PIECE_BYTES;
    *pos += out->len;
    return true;
}

static bool next_line(const char *data, const struct span *file, uint64_t *pos,
                      struct piece *out)
{
    const char *bytes = data + file->start;

    while (*pos < file->len && bytes[*pos] == '\n') {
        (*pos)++;
    }
    uint64_t rest = file->len - *pos;
    if (rest == 0) {
        return false;
    }
    if (rest > MAX_PIECE_BYTES) {
        rest = MAX_PIECE_BYTES;
    }
    const char *end = memchr(bytes + *pos, '\n', rest);
    out->start = file->start + *pos;
    out->len = (uint32_t)(end == NULL ? rest : (size_t)(end - bytes) - *pos);
    *pos += out->len;
    return true;
}

/* Cuts everything; with `out` NULL only counts. */
static uint64_t cut(const char *data, const struct input *input, enum unit unit,
                    struct piece *out)
{
    uint64_t n = 0;

    for (size_t i = 0; i < input->n_spans; i++) {
        const struct span *file = &input->spans[i];
        struct piece piece = { 0 };
        uint64_t pos = 0;
        while (unit == UNIT_PAGE ? next_page(file, &pos, &piece)
                                 : next_line(data, file, &pos, &piece)) {
            if (out != NULL) {
                out[n] = piece;
            }
            n++;
        }
    }
    return n;
}

static bool measure(struct plan *plan, const char *data)
{
    struct codec codec;
    const void *kept;
    void *scratch;

    for (uint32_t i = 0; i < plan->n_pieces; i++) {
        plan->raw_bytes += plan->pieces[i].len;
        if (plan->longest_bytes < plan->pieces[i].len) {
            plan->longest_bytes = plan->pieces[i].len;
        }
    }
    if (!codec_open(&codec, plan->codec)) {
        warn("codec");
        return false;
    }
    scratch = malloc(codec.ops->bound(plan->longest_bytes));
    if (scratch == NULL) {
        warn("codec");
        codec_close(&codec);
        return false;
    }
    for (uint32_t i = 0; i < plan->n_pieces; i++) {
        struct piece *p = &plan->pieces[i];
        p->stored = value_pack(&codec, data + p->start, p->len, scratch, &kept);
        plan->stored_bytes += p->stored;
        if (i % 4096 == 0) {
            progress_show("input", i, plan->n_pieces, "measuring");
        }
    }
    codec_close(&codec);
    free(scratch);
    return true;
}

/* A plan with room for n pieces, mapped; its file in *fd. */
static struct plan *plan_room(uint64_t n, size_t *bytes, int *fd)
{
    struct plan *plan = MAP_FAILED;

    *bytes = sizeof(*plan) + n * sizeof(plan->pieces[0]);
    *fd = memfd_create("zsfrag-plan", 0);
    if (*fd >= 0 && ftruncate(*fd, (off_t)*bytes) == 0) {
        plan = mmap(NULL, *bytes, PROT_READ | PROT_WRITE, MAP_SHARED, *fd, 0);
    }
    if (plan == MAP_FAILED) {
        warn("plan");
        if (*fd >= 0) {
            close(*fd);
        }
        return NULL;
    }
    return plan;
}

static int plan_fill(const char *data, const struct input *input,
                     const struct args *args)
{
    uint64_t n = cut(data, input, args->unit, NULL);
    struct plan *plan;
    size_t bytes;
    int fd;

    if (n == 0 || n >= UINT32_MAX) {
        warnx(n == 0 ? "the input holds no value: every file is too short"
                     : "more than 4,294,967,294 values: use --limit-mib");
        return -1;
    }
    plan = plan_room(n, &bytes, &fd);
    if (plan == NULL) {
        return -1;
    }
    cut(data, input, args->unit, plan->pieces);
    plan->n_pieces = (uint32_t)n;
    plan->data_bytes = input->end_bytes;
    plan->seed = args->seed;
    plan->codec = args->codec;
    plan->unit = args->unit;
    plan->n_steps = args->n_steps;
    memcpy(plan->freed, args->freed, sizeof(plan->freed));
    bool ok = measure(plan, data);
    munmap(plan, bytes);
    if (!ok) {
        close(fd);
        return -1;
    }
    return fd;
}

int plan_make(const struct input *input, const struct args *args)
{
    void *data =
        mmap(NULL, input->end_bytes, PROT_READ, MAP_SHARED, input->fd, 0);
    if (data == MAP_FAILED) {
        warn("input");
        return -1;
    }
    int fd = plan_fill(data, input, args);
    munmap(data, input->end_bytes);
    return fd;
}

const struct plan *plan_map(int fd)
{
    struct stat st;

    if (fstat(fd, &st) != 0) {
        return NULL;
    }
    void *p = mmap(NULL, (size_t)st.st_size, PROT_READ,
                   MAP_SHARED | MAP_POPULATE, fd, 0);
    return p == MAP_FAILED ? NULL : p;
}
