/* SPDX-License-Identifier: MIT */
/* Unit tests of zspool/balloon.h: create and destroy, what it costs, what the
 * system refuses, and several threads. */
#include <pthread.h>
#include <sched.h>

#include "balloon_fixture.h"
#include "stops.h"

/* --- create and destroy --- */

struct paid {
    uint64_t used, metadata, withheld;
};

static struct paid what_is_paid(void)
{
    return (struct paid){ .used = arena->budget.used,
                          .metadata = arena->budget.metadata,
                          .withheld = arena->budget.withheld };
}

static void assert_paid_is(struct paid want)
{
    struct paid is = what_is_paid();

    assert_int_equal(is.used, want.used);
    assert_int_equal(is.metadata, want.metadata);
    assert_int_equal(is.withheld, want.withheld);
}

static void destroy__leaves_the_budget_as_it_was(void **unused)
{
    struct paid before;

    (void)unused;
    create_open(1);
    before = what_is_paid();
    assert_int_equal(zs_balloon_create(arena, &balloon), 0);
    assert_int_equal(stats().metadata_bytes,
                     before.metadata + sizeof(*balloon));
    (void)zs_balloon_inflate(balloon, 300 * PAGE);
    assert_int_equal(stats().metadata_bytes,
                     before.metadata + sizeof(*balloon) + PAGE);
    isolate(100, 1);
    zs_putback_movable_ops_page(arena, 100);
    zs_balloon_destroy(balloon);
    assert_paid_is(before);
    zs_balloon_destroy(NULL);
    assert_int_equal(stats().used_bytes, 0);
    destroy();
}

/* A byte of the list for 8 pages: an OS page for each 64 pageblocks. */
static void list__is_paid_for_as_far_as_it_is_used(void **unused)
{
    uint64_t per_block = ZS_OS_PAGE_BYTES + sizeof(struct zs_block);
    uint64_t before;

    (void)unused;
    create_balloon(130);
    before = stats().metadata_bytes;
    (void)zs_balloon_inflate(balloon, 64 * ZS_BLOCK_BYTES);
    assert_int_equal(stats().metadata_bytes, before + 63 * per_block + PAGE);
    (void)zs_balloon_inflate(balloon, PAGE);
    assert_int_equal(stats().metadata_bytes,
                     before + 64 * per_block + 2 * PAGE);
    (void)zs_balloon_inflate(balloon, 64 * ZS_BLOCK_BYTES);
    assert_int_equal(stats().metadata_bytes,
                     before + 128 * per_block + 3 * PAGE);
    destroy_balloon();
}

static void list__counts_at_the_limit(void **unused)
{
    struct paid before;

    (void)unused;
    create_balloon(1);
    before = what_is_paid();
    arena->budget.limit = before.used + 40 * PAGE; /* one is for the list */
    assert_int_equal(zs_balloon_inflate(balloon, 100 * PAGE), 39 * PAGE);
    assert_withholds(39, 0);
    assert_int_equal(arena->budget.used, arena->budget.limit);
    (void)zs_balloon_deflate(balloon, 100 * PAGE);
    before.used += PAGE;
    before.metadata += PAGE;
    assert_paid_is(before);
    destroy_balloon();
}

static void create__fails_cleanly_wherever_it_fails(void **unused)
{
    zs_page_type_t types[ZS_PAGE_TYPE_MAX];
    struct zs_balloon *none = NULL;
    struct paid before;
    zs_pfn_t page;

    (void)unused;
    create_open(1);
    page = take(1); /* so that there is nothing idle to give up */
    before = what_is_paid();
    refuse_alloc = 1;
    assert_int_equal(zs_balloon_create(arena, &none), -ENOMEM);
    refuse_reserve = 1;
    assert_int_equal(zs_balloon_create(arena, &none), -ENOMEM);
    assert_paid_is(before);
    arena->budget.limit = before.used + sizeof(*none) - 1;
    assert_int_equal(zs_balloon_create(arena, &none), -ENOMEM);
    arena->budget.limit = 0;
    assert_paid_is(before);
    for (unsigned i = 1; i < ZS_PAGE_TYPE_MAX; i++) {
        assert_int_equal(zs_page_type_create(arena, "all", &types[i]), 0);
    }
    assert_int_equal(zs_balloon_create(arena, &none), -ENOSPC);
    assert_paid_is(before);
    assert_null(none);
    for (unsigned i = 1; i < ZS_PAGE_TYPE_MAX; i++) {
        assert_int_equal(zs_page_type_destroy(arena, types[i]), 0);
    }
    zs_pages_free(arena, page, 1);
    destroy(); /* restore_os() counts what was allocated and reserved */
}

static int refuse_all_releases(void *addr, size_t bytes)
{
    (void)addr;
    (void)bytes;
    return -EAGAIN;
}

/* Pages whose memory stays are not withheld: they would count twice. */
static void inflate__gives_up_pages_whose_memory_stays(void **unused)
{
    struct paid before;
    zs_pfn_t first;

    (void)unused;
    create_balloon(1);
    (void)zs_balloon_inflate(balloon, PAGE);
    (void)zs_balloon_deflate(balloon, PAGE);
    first = take_populated(BLOCK);
    zs_pages_free(arena, first, BLOCK);
    before = what_is_paid();
    zs_os.release = refuse_all_releases;
    assert_int_equal(zs_balloon_inflate(balloon, 64 * PAGE), 0);
    assert_withholds(0, 0);
    assert_paid_is(before);
    assert_int_equal(stats().used_bytes, 0);
    zs_os.release = fake_release;
    assert_int_equal(zs_balloon_fill(balloon), 64 * PAGE);
    assert_withholds(64, 0);
    assert_int_equal(n_in_core(), BLOCK - 64);
    destroy_balloon();
}

/* One refusal in the middle of a run: the rest is tried in smaller ones. */
static void inflate__goes_on_after_a_refusal(void **unused)
{
    zs_pfn_t first;

    (void)unused;
    create_balloon(1);
    first = take_populated(BLOCK);
    for (zs_pfn_t i = 0; i < BLOCK; i += 2) {
        zs_pages_depopulate(arena, first + i, 1);
    }
    zs_pages_free(arena, first, BLOCK);
    refuse_release = 7;
    assert_int_equal(zs_balloon_inflate(balloon, 64 * PAGE), 64 * PAGE);
    assert_withholds(64, 0);
    destroy_balloon();
}

static void create_in_section(void)
{
    struct zs_balloon *another;
    int err;

    zs_read_begin();
    err = zs_balloon_create(arena, &another);
    (void)err;
}

static void destroy_in_section(void)
{
    zs_read_begin();
    zs_balloon_destroy(balloon);
}

static void waiting_call__in_a_read_section_stops(void **unused)
{
    (void)unused;
    create_balloon(1);
    assert_stops(create_in_section, "zs_balloon_create", "read section");
    assert_stops(destroy_in_section, "zs_balloon_destroy", "read section");
    zs_read_begin(); /* these never wait */
    assert_int_equal(zs_balloon_inflate(balloon, PAGE), PAGE);
    assert_int_equal(zs_balloon_deflate(balloon, PAGE), PAGE);
    zs_read_end();
    destroy_balloon();
}

static void two_balloons__withhold_side_by_side(void **unused)
{
    struct zs_balloon *other;

    (void)unused;
    create_balloon(1);
    assert_int_equal(zs_balloon_create(arena, &other), 0);
    assert_int_equal(zs_balloon_inflate(balloon, 100 * PAGE), 100 * PAGE);
    assert_int_equal(zs_balloon_inflate(other, 450 * PAGE), 412 * PAGE);
    assert_int_equal(stats().withheld_bytes, 512 * PAGE);
    assert_figures_are_true();
    assert_int_equal(zs_balloon_deflate(balloon, 70 * PAGE), 70 * PAGE);
    assert_int_equal(zs_balloon_fill(other), 38 * PAGE);
    assert_int_equal(zs_balloon_current(other), 450 * PAGE);
    zs_balloon_destroy(other);
    assert_withholds(30, 0);
    destroy_balloon();
}

/* --- several threads --- */

#define N_HELD 8u

struct helper {
    pthread_t thread;
    _Atomic bool ready;
    bool migrates;
};

/* Isolates pages, and lets go of them when the balloon is being destroyed. */
static void *hold_until_destroyed(void *arg)
{
    struct helper *h = arg;
    zs_pfn_t pages[N_HELD];
    unsigned n = 0;

    for (zs_pfn_t i = 0; i < N_HELD; i++) {
        if (zs_isolate_movable_ops_page(arena, i)) {
            pages[n++] = i;
        }
    }
    atomic_store(&h->ready, true);
    while (zs_balloon_target(balloon) != 0) {
        sched_yield();
    }
    if (h->migrates) {
        n = zs_migrate_pages(arena, pages, n, ZS_MIGRATE_SYNC);
    }
    for (unsigned i = 0; i < n; i++) {
        zs_putback_movable_ops_page(arena, pages[i]);
    }
    return NULL;
}

static void destroy__waits_for_pages_that_others_hold(void **unused)
{
    (void)unused;
    for (unsigned round = 0; round < 2; round++) {
        struct helper h = { .migrates = round == 1 };
        struct paid before;

        create_open(1);
        before = what_is_paid();
        assert_int_equal(zs_balloon_create(arena, &balloon), 0);
        (void)zs_balloon_inflate(balloon, 20 * PAGE);
        assert_int_equal(
            pthread_create(&h.thread, NULL, hold_until_destroyed, &h), 0);
        while (!atomic_load(&h.ready)) {
            sched_yield();
        }
        assert_withholds(20 - N_HELD, N_HELD);
        zs_balloon_destroy(balloon);
        pthread_join(h.thread, NULL);
        assert_paid_is(before);
        destroy();
    }
}

struct worker {
    pthread_t thread;
    uint64_t random;
    _Atomic bool *stop;
};

static unsigned below(struct worker *w, unsigned n)
{
    w->random = w->random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)((w->random >> 33) % n);
}

static void *inflate_and_deflate(void *arg)
{
    struct worker *w = arg;

    for (unsigned i = 0; i < 3000; i++) {
        uint64_t bytes = below(w, 80) * PAGE;

        if (below(w, 2) == 0) {
            (void)zs_balloon_inflate(balloon, bytes);
        } else {
            (void)zs_balloon_deflate(balloon, bytes);
        }
    }
    return NULL;
}

/* Returns how often listed + isolated was not current. */
static void *move_and_put_back(void *arg)
{
    struct worker *w = arg;
    uintptr_t wrong = 0;

    while (!atomic_load(w->stop)) {
        zs_pfn_t pages[32];
        unsigned n = 0;
        struct zs_balloon_stats s;

        for (unsigned i = 0; i < 32; i++) {
            zs_pfn_t page = below(w, zs_arena_nr_pages(arena));

            if (zs_isolate_movable_ops_page(arena, page)) {
                pages[n++] = page;
            }
        }
        zs_balloon_stats(balloon, &s);
        wrong += s.listed_bytes + s.isolated_bytes != s.current_bytes;
        wrong += s.isolated_bytes < n * PAGE; /* this thread has them */
        if (below(w, 2) == 0) {
            n = zs_migrate_pages(arena, pages, n, ZS_MIGRATE_ASYNC);
        }
        while (n > 0) {
            zs_putback_movable_ops_page(arena, pages[--n]);
        }
    }
    return (void *)wrong;
}

static void threads__end_with_exact_counts(void **unused)
{
    _Atomic bool stop = false;
    struct worker w[3] = { { .random = 1 }, { .random = 2 }, { .random = 3 } };
    void *wrong;
    uint64_t target;

    (void)unused;
    create_balloon(2);
    w[2].stop = &stop;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(
            pthread_create(&w[i].thread, NULL,
                           i < 2 ? inflate_and_deflate : move_and_put_back,
                           &w[i]),
            0);
    }
    pthread_join(w[0].thread, NULL);
    pthread_join(w[1].thread, NULL);
    atomic_store(&stop, true);
    pthread_join(w[2].thread, &wrong);
    assert_null(wrong);
    zs_grace_flush(&arena->grace);
    (void)zs_balloon_fill(balloon);
    target = zs_balloon_target(balloon);
    assert_withholds(target / PAGE, 0);
    assert_int_equal(stats().used_bytes, target);
    assert_int_equal(n_of_type(balloon->type), target / PAGE);
    assert_int_equal(zs_balloon_deflate(balloon, UINT64_MAX), target);
    assert_withholds(0, 0);
    assert_int_equal(stats().used_bytes, 0);
    destroy_balloon();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(destroy__leaves_the_budget_as_it_was),
        PROMISE(list__is_paid_for_as_far_as_it_is_used),
        PROMISE(list__counts_at_the_limit),
        PROMISE(create__fails_cleanly_wherever_it_fails),
        PROMISE(inflate__gives_up_pages_whose_memory_stays),
        PROMISE(inflate__goes_on_after_a_refusal),
        PROMISE(waiting_call__in_a_read_section_stops),
        PROMISE(two_balloons__withhold_side_by_side),
        PROMISE(destroy__waits_for_pages_that_others_hold),
        PROMISE(threads__end_with_exact_counts),
    };
    return cmocka_run_group_tests_name("balloon_ends", tests, NULL, NULL);
}
