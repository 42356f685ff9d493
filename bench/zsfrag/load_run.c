/* SPDX-License-Identifier: MIT */
/*
 * load_run.c - one allocator under one workload, in a process of its own.
 *
 * Idea
 *   W1 .. W8 as they were published. Phase 1: five times the target in objects
 *   of the first sizes are put; as soon as the next one would not fit under
 *   the target, random live ones are dropped until it does. Phase 2: the named
 *   share of the objects is dropped at random. Phase 3: as phase 1, with the
 *   other sizes; so they fill up what is free, then replace the old ones
 *   little by little.
 *
 *   redis: 700,000 objects, then 170,000 larger ones. The target, 100 MiB as
 *   Redis takes "100mb", is for the requested bytes of the objects alone. Out
 *   goes, as there, the least recently used of 5 random ones; nothing is read,
 *   so that is the oldest of them. With another target the numbers of objects
 *   change in proportion.
 *
 *   An object's bytes are a piece of a table of random bytes, so that they
 *   cost no more than the copy; where the piece begins follows from its key.
 *   One of 64 dropped objects is compared before, every live one at the end.
 *
 * What is looked at, and when
 *   A quick look (resident pages in /proc/self/statm) at every MiB that is
 *   put; exact ones (smaps_rollup) when the target is met for the first time,
 *   at the end, and after a rest; these take no part in the time. The peak is
 *   the highest look of either kind after the first fill, that one included.
 *   The tool's own tables are touched before the first look.
 */
#include "load_run.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "../random.h"
#include "footprint.h"
#include "load_series.h"
#include "pages.h"

#define CHURN_TIMES 5u /* the target, in a phase */
#define SAMPLE_EVERY (UINT64_C(1) << 20)
#define CHECK_EVERY 64u
#define LRU_SAMPLES 5u
#define SHIFT 15u /* of a key's hash, to a place in the table of bytes */
#define PLACES (UINT32_C(1) << (32 - SHIFT))
#define LONGEST 16384u
#define MAX_SAMPLES 65536u

/* --- time --- */

double load_now(void)
{
    struct timespec t;

    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static double cpu(clockid_t clock)
{
    struct timespec t;

    clock_gettime(clock, &t);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

double load_others_cpu(void)
{
    return cpu(CLOCK_PROCESS_CPUTIME_ID) - cpu(CLOCK_THREAD_CPUTIME_ID);
}

/* --- looks --- */

/* Resident bytes, of files too; from that the first look is taken off. */
static uint64_t quick_figure(const struct load *l)
{
    char text[128];
    ssize_t n = pread(l->statm, text, sizeof(text) - 1, 0);
    char *end;

    if (n <= 0) {
        run_fail(l->run, "/proc/self/statm", errno);
    }
    text[n] = '\0';
    (void)strtoull(text, &end, 10);
    return strtoull(end, NULL, 10) * 4096;
}

static uint64_t beyond(uint64_t now, uint64_t first)
{
    return now > first ? now - first : 0;
}

static void tell(const struct load *l, uint64_t footprint,
                 struct load_detail *out)
{
    *out = (struct load_detail){ .footprint = footprint,
                                 .live = l->live,
                                 .put_bytes = l->put_bytes };
    if (l->objects->tell != NULL) {
        l->objects->tell(out);
    }
}

static void note_peak(struct load *l, uint64_t footprint)
{
    if (l->is_full && footprint > l->result->peak.footprint) {
        tell(l, footprint, &l->result->peak);
        l->result->peak_seconds = load_now() - l->started;
    }
}

static void add_to_series(struct load *l, double now)
{
    struct load_detail d;

    if (l->n_samples == l->max_samples ||
        (l->n_samples > 0 &&
         now - l->samples[l->n_samples - 1].seconds < 0.004)) {
        return;
    }
    tell(l, l->last_quick, &d);
    l->samples[l->n_samples++] =
        (struct sample){ now, l->live, l->last_quick, d.resident_bytes,
                         load_others_cpu() };
}

void load_sample(struct load *l)
{
    double begin = load_now();

    l->last_quick = beyond(quick_figure(l), l->first_quick);
    note_peak(l, l->last_quick);
    if (l->samples != NULL) {
        add_to_series(l, begin - l->started);
    }
    begin = load_now() - begin;
    l->looking += begin;
    l->sampling += begin;
    l->result->n_samples++;
    l->next_sample = l->put_bytes + SAMPLE_EVERY;
    run_progress(l->run, l->shape->name, 0);
}

static void exact_look(struct load *l, struct load_detail *out)
{
    double begin = load_now();
    uint64_t exact = beyond(footprint_now(), l->run->first_footprint);

    tell(l, exact, out);
    note_peak(l, exact);
    l->looking += load_now() - begin;
}

void load_end_of_fill(struct load *l)
{
    l->is_full = true;
    exact_look(l, &l->result->fill);
}

/* --- objects --- */

static const void *bytes_of(const struct load *l, uint32_t key)
{
    return l->bytes + (key * UINT32_C(2654435761) >> SHIFT);
}

static void check(struct load *l, const struct entry *e)
{
    l->result->n_checked++;
    if (!l->objects->is_same(e->ref, bytes_of(l, e->key), e->len)) {
        l->result->n_corrupt++;
    }
}

static void drop_at(struct load *l, uint32_t i)
{
    struct entry e = l->entries[i];

    if (l->result->n_drops++ % CHECK_EVERY == 0) {
        check(l, &e);
    }
    l->objects->drop(e.ref);
    l->live -= e.len;
    l->entries[i] = l->entries[--l->n];
}

void load_drop_random(struct load *l)
{
    drop_at(l, random_below(&l->rng, l->n));
}

/* The one that was put first, of some. */
static void drop_oldest(struct load *l)
{
    uint32_t oldest = random_below(&l->rng, l->n);

    for (unsigned k = 1; k < LRU_SAMPLES; k++) {
        uint32_t i = random_below(&l->rng, l->n);

        if (l->entries[i].key < l->entries[oldest].key) {
            oldest = i;
        }
    }
    drop_at(l, oldest);
}

static void make_room(struct load *l, uint32_t len)
{
    while (l->n > 0 && (l->live + len > l->target || l->n == l->room)) {
        if (!l->is_full) {
            load_end_of_fill(l);
        }
        if (l->shape->kind == LOAD_CACHE) {
            drop_oldest(l);
        } else {
            load_drop_random(l);
        }
    }
}

void load_put(struct load *l, const struct sizes *sizes)
{
    uint32_t len =
        sizes->min + random_below(&l->rng, sizes->max - sizes->min + 1);
    struct entry *e;

    make_room(l, len);
    e = &l->entries[l->n];
    *e = (struct entry){ .len = len, .key = l->next_key++ };
    int err = l->objects->put(bytes_of(l, e->key), len, &e->ref);
    if (err != 0) {
        run_fail(l->run, "put", -err);
    }
    l->n++;
    l->live += len;
    l->put_bytes += len;
    l->result->n_puts++;
    if (l->put_bytes >= l->next_sample) {
        load_sample(l);
    }
}

/* --- the phases --- */

static void put_bytes(struct load *l, const struct sizes *sizes)
{
    uint64_t goal = l->put_bytes + CHURN_TIMES * l->target;

    while (l->put_bytes < goal) {
        load_put(l, sizes);
    }
}

static void put_number(struct load *l, const struct sizes *sizes, uint64_t n)
{
    n = (uint64_t)((double)n * (double)l->target /
                   ((double)l->shape->target_mib * 1048576.0));
    for (uint64_t i = 0; i < n; i++) {
        load_put(l, sizes);
    }
}

static double spent(const struct load *l)
{
    return load_now() - l->started - l->looking;
}

static void do_phases(struct load *l)
{
    const struct load_shape *s = l->shape;
    double before;

    if (s->kind == LOAD_TIDE) {
        load_tide(l);
        return;
    }
    if (s->kind == LOAD_CACHE) {
        put_number(l, &s->before, s->n_before);
    } else {
        put_bytes(l, &s->before);
    }
    before = spent(l);
    for (uint32_t n = (uint32_t)(s->deleted * l->n); n > 0; n--) {
        load_drop_random(l);
    }
    if (s->kind == LOAD_CACHE) {
        put_number(l, &s->after, s->n_after);
    } else if (s->after.max > 0) {
        put_bytes(l, &s->after);
    }
    l->result->after_seconds = spent(l) - before;
}

static void check_all(struct load *l)
{
    for (uint32_t i = 0; i < l->n; i++) {
        check(l, &l->entries[i]);
    }
}

static void measure(struct load *l)
{
    struct load_result *r = l->result;
    const struct timespec rest = { .tv_sec = l->plan->rest_seconds };
    struct rusage usage;
    double main_cpu = cpu(CLOCK_THREAD_CPUTIME_ID);
    double others_cpu = load_others_cpu();

    l->started = load_now();
    l->looking = 0;
    do_phases(l);
    r->seconds = spent(l);
    r->main_cpu = cpu(CLOCK_THREAD_CPUTIME_ID) - main_cpu;
    r->others_cpu = load_others_cpu() - others_cpu;
    if (r->others_cpu < 0) {
        r->others_cpu = 0; /* the two clocks are not read at once */
    }
    r->sample_us =
        r->n_samples > 0 ? l->sampling / (double)r->n_samples * 1e6 : 0;
    getrusage(RUSAGE_SELF, &usage);
    r->minor_faults = (uint64_t)usage.ru_minflt;
    r->switches = (uint64_t)usage.ru_nivcsw;
    r->target_bytes = l->target;
    exact_look(l, &r->final);
    r->sample_gap = (int64_t)(quick_figure(l) - l->first_quick) -
                    (int64_t)r->final.footprint;
    nanosleep(&rest, NULL);
    exact_look(l, &r->rested);
    check_all(l);
}

/* --- start --- */

/* Most live objects that there can be. */
static uint32_t most_objects(const struct load *l)
{
    const struct load_shape *s = l->shape;
    uint32_t min = s->before.min;

    if (s->after.max > 0 && s->after.min < min) {
        min = s->after.min;
    }
    return (uint32_t)(l->target / min) + 16;
}

static void *tool_memory(struct load *l, size_t bytes)
{
    void *p = pages_map_huge(bytes);

    if (p == NULL) {
        run_fail(l->run, "the tool's own memory", errno);
    }
    return p;
}

static void map_tables(struct load *l, bool with_series)
{
    unsigned char *bytes = tool_memory(l, PLACES + LONGEST);
    uint64_t state = 88172645463325252u;

    for (size_t i = 0; i < PLACES + LONGEST; i++) {
        bytes[i] = (unsigned char)(random_next(&state) >> 32);
    }
    l->bytes = bytes;
    l->room = most_objects(l);
    l->entries = tool_memory(l, l->room * sizeof(l->entries[0]));
    if (with_series) {
        l->max_samples = MAX_SAMPLES;
        l->samples = tool_memory(l, MAX_SAMPLES * sizeof(l->samples[0]));
    }
}

static void read_plan(struct load *l, int plan_fd)
{
    static struct load_plan plan;

    if (pread(plan_fd, &plan, sizeof(plan), 0) != (ssize_t)sizeof(plan)) {
        run_fail(l->run, "the plan", errno);
    }
    l->plan = &plan;
    l->shape = load_find(plan.name);
    l->target = plan.target_bytes;
    l->rng = plan.seed * 2 + 1; /* any but 0 */
    /* small seeds: some rounds until all bits are mixed */
    for (int i = 0; i < 16; i++) {
        (void)random_next(&l->rng);
    }
}

static void start(struct load *l, int plan_fd, bool with_series)
{
    read_plan(l, plan_fd);
    l->objects = l->run->back->objects;
    l->run->total = 1;
    l->statm = open("/proc/self/statm", O_RDONLY | O_CLOEXEC);
    map_tables(l, with_series);
    (void)quick_figure(l);
    l->run->first_footprint = footprint_now();
    l->first_quick = quick_figure(l);
    int err = l->objects->open();
    if (err != 0) {
        run_fail(l->run, "start", -err);
    }
}

_Noreturn void load_worker(char **argv)
{
    static struct run run;
    static struct load l;
    static struct message m = { .kind = MSG_RESULT };
    int series = atoi(argv[4]);

    run_start(&run, argv);
    l.run = &run;
    l.result = &m.load;
    start(&l, atoi(argv[3]), series >= 0);
    measure(&l);
    if (series >= 0 && !load_series_write(&l, series)) {
        run_fail(&run, "the series", errno);
    }
    run_end(&run, &m);
}
