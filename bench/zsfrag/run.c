/* SPDX-License-Identifier: MIT */
/*
 * run.c - one allocator's run, in a process of its own.
 *
 * Order of things, the same for every allocator:
 *   1 map the plan, the values and the tool's own arrays, and touch them
 *   2 first look at the footprint
 *   3 open the allocator; from here on everything that grows is its own
 *   4 fill it, drop all and fill it again, read it (speed.c)
 *   5 for each step: free the next share of the values, look at the
 *     footprint, have memory given back (timed), look again, compare every
 *     surviving value with the input
 *
 * This process never calls malloc() itself after 2, prints nothing, and talks
 * to the main process through a pipe.
 */
#include "run.h"

#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "footprint.h"
#include "pages.h"
#include "speed.h"

static void send_message(const struct run *run, const struct message *m)
{
    if (write(run->pipe, m, sizeof(*m)) != (ssize_t)sizeof(*m)) {
        _exit(EXIT_BAD); /* nobody listens any more */
    }
}

_Noreturn void run_fail(const struct run *run, const char *what, int err)
{
    struct message m = { .kind = MSG_FAILED };

    snprintf(m.text, sizeof(m.text), "%s: %s", what,
             strerrordesc_np(err) != NULL ? strerrordesc_np(err) : "error");
    send_message(run, &m);
    _exit(EXIT_BAD);
}

void run_progress(struct run *run, const char *stage, uint64_t n)
{
    struct message m = { .kind = MSG_PROGRESS, .total = run->total };
    uint64_t before = run->done * 200 / run->total;

    run->done += n;
    if (run->done * 200 / run->total != before) {
        m.done = run->done;
        snprintf(m.text, sizeof(m.text), "%s", stage);
        send_message(run, &m);
    }
}

/* splitmix64: any state will do, also 0. */
static uint64_t next_random(uint64_t *state)
{
    uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
    return z ^ z >> 31;
}

static void shuffle(uint32_t *order, uint32_t n, uint64_t seed)
{
    for (uint32_t i = 0; i < n; i++) {
        order[i] = i;
    }
    for (uint32_t i = n - 1; i > 0; i--) {
        uint32_t k =
            (uint32_t)((next_random(&seed) >> 32) * ((uint64_t)i + 1) >> 32);
        uint32_t swapped = order[i];
        order[i] = order[k];
        order[k] = swapped;
    }
}

static void free_up_to(struct run *run, uint32_t n)
{
    while (run->n_freed < n) {
        run->back->drop(run->self, run->order[run->n_freed++]);
    }
}

static uint64_t footprint(struct run *run)
{
    if (run->back->footprint != NULL) {
        return run->back->footprint(run->self);
    }
    uint64_t now = footprint_now();
    return now > run->first_footprint ? now - run->first_footprint : 0;
}

static double compact(struct run *run)
{
    struct timespec start, end;

    clock_gettime(CLOCK_MONOTONIC, &start);
    int err = run->back->compact(run->self);
    clock_gettime(CLOCK_MONOTONIC, &end);
    if (err != 0) {
        run_fail(run, run->back->give_back, -err);
    }
    return (double)(end.tv_sec - start.tv_sec) +
           (double)(end.tv_nsec - start.tv_nsec) * 1e-9;
}

static void verify(struct run *run)
{
    for (uint32_t k = run->n_freed; k < run->plan->n_pieces; k++) {
        uint32_t i = run->order[k];
        const struct piece *p = &run->plan->pieces[i];
        int err = run->back->get(run->self, i, run->buffer, p->len);
        run->result.n_verified++;
        if (err != 0 ||
            memcmp(run->buffer, run->data + p->start, p->len) != 0) {
            run->result.n_corrupt++;
        }
        run_progress(run, "comparing", 1);
    }
}

static void one_step(struct run *run, double freed)
{
    struct step *s = &run->result.steps[run->result.n_steps++];

    s->freed = freed;
    free_up_to(run, (uint32_t)(freed * run->plan->n_pieces));
    for (uint32_t k = run->n_freed; k < run->plan->n_pieces; k++) {
        const struct piece *p = &run->plan->pieces[run->order[k]];
        s->raw_bytes += p->len;
        s->live_bytes += p->stored;
    }
    s->n_live = run->plan->n_pieces - run->n_freed;
    s->footprint_before = footprint(run);
    s->compact_seconds = compact(run);
    s->footprint = footprint(run);
    verify(run);
}

static uint64_t all_work(const struct run *run)
{
    uint64_t work = speed_work(run);

    for (unsigned i = 0; i < run->plan->n_steps; i++) {
        work += (uint64_t)((1 - run->plan->freed[i]) * run->plan->n_pieces) + 1;
    }
    return work;
}

/* Steps 1 to 3. */
static void start(struct run *run, int plan_fd, int data_fd, int device)
{
    const struct plan *plan = plan_map(plan_fd);
    void *data = MAP_FAILED;

    run->plan = plan;
    if (plan != NULL) {
        data = mmap(NULL, plan->data_bytes, PROT_READ,
                    MAP_SHARED | MAP_POPULATE, data_fd, 0);
    }
    if (data == MAP_FAILED) {
        run_fail(run, "the input", errno);
    }
    run->data = data;
    run->total = all_work(run);
    run->buffer = pages_map(plan->longest_bytes);
    run->order = pages_map(plan->n_pieces * sizeof(run->order[0]));
    run->self = run->back->prepare(plan, device);
    if (run->buffer == NULL || run->order == NULL || run->self == NULL ||
        !speed_prepare(run)) {
        run_fail(run, "the tool's own memory", errno);
    }
    shuffle(run->order, plan->n_pieces, plan->seed);

    run->first_footprint = footprint_now();
    int err = run->back->open(run->self);
    if (err != 0) {
        run_fail(run, "start", -err);
    }
}

void run_start(struct run *run, char **argv)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    run->back = backend_find(argv[2]);
    if (run->back == NULL) {
        _exit(EXIT_USAGE);
    }
    if (strcmp(argv[1], PROBE_OPTION) == 0) {
        _exit(run->back->is_in_use() ? EXIT_OK : EXIT_BAD);
    }
    run->pipe = atoi(argv[5]);
    if (!run->back->is_in_use()) {
        run_fail(run, "the preloaded library is not in use", ENOSYS);
    }
}

_Noreturn void run_end(const struct run *run, const struct message *m)
{
    send_message(run, m);
    _exit(EXIT_OK);
}

_Noreturn void run_worker(char **argv)
{
    static struct run run;
    struct message m = { .kind = MSG_RESULT };

    run_start(&run, argv);
    start(&run, atoi(argv[3]), atoi(argv[4]), atoi(argv[6]));

    run.result.n_values = run.plan->n_pieces;
    speed_measure(&run);
    for (unsigned i = 0; i < run.plan->n_steps; i++) {
        one_step(&run, run.plan->freed[i]);
    }
    m.result = run.result;
    run_end(&run, &m);
}
