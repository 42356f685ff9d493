/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of the statistics that lib/migrate/figures.c gathers and
 * stats_text.c writes: the texts say what the structs say, and are what their
 * readers take.
 *
 * TEXT_CHECK  tests/tools/text-check, a real parser of JSON and a checker
 *                of metrics; without it (no python3) those two are skipped
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "figures.h"
#include "migrate.h"
#include "os.h"
#include "pool_impl.h"
#include "rcu.h"
#include "zspool/balloon.h"
#include "zspool/compactor.h"

#define N 4000u
#define BYTES 1500u /* by the class lock, and several pages a zspage */

static struct zs_os real_os;
static struct zs_arena *arena;
static struct zs_pool *pools[2];
static struct zs_balloon *balloon;
static zs_page_type_t own_type;
static zs_handle_t handles[N];

static int make_arena(void **unused)
{
    const struct zs_arena_config cfg = { .name = "the \"first\" \\ one",
                                         .reserve_bytes = 64 << 20 };
    struct zs_pool_config pool = { .name = "a\nb" };

    (void)unused;
    real_os = zs_os;
    assert_int_equal(zs_arena_create(&cfg, &arena), 0);
    pool.arena = arena;
    assert_int_equal(zs_pool_create(&pool, &pools[0]), 0);
    pool.name = NULL;
    assert_int_equal(zs_pool_create(&pool, &pools[1]), 0);
    assert_int_equal(zs_balloon_create(arena, &balloon), 0);
    assert_int_equal(zs_page_type_create(arena, "bucket", &own_type), 0);
    return 0;
}

static int drop_arena(void **unused)
{
    (void)unused;
    assert_int_equal(zs_page_type_destroy(arena, own_type), 0);
    zs_balloon_destroy(balloon);
    zs_pool_destroy(pools[1]);
    zs_pool_destroy(pools[0]);
    zs_arena_destroy(arena);
    zs_os = real_os; /* no round looks at the clock any more */
    return 0;
}

static void fill(struct zs_pool *pool)
{
    static const char data[BYTES];

    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(zs_obj_create(pool, data, BYTES, &handles[i]), 0);
    }
}

/* Leave one of each `n` objects. */
static void thin_out(struct zs_pool *pool, unsigned n)
{
    for (unsigned i = 0; i < N; i++) {
        if (i % n != 0) {
            zs_free(pool, handles[i]);
        }
    }
}

/* Until no figure changes by itself any more. */
static void wait_for_rounds(void)
{
    zs_grace_flush(&arena->grace);
    zs_lock_acquire(&arena->grace.lock);
    while (arena->grace.async) {
        zs_lock_wait(&arena->grace.lock, &arena->grace.idle);
    }
    zs_lock_release(&arena->grace.lock);
}

/* Something of everything that is counted. */
static void make_history(void)
{
    char x = 'x';
    zs_pfn_t page;

    fill(pools[0]);
    thin_out(pools[0], 4);
    assert_int_equal(zs_malloc(pools[1], 100, &handles[1]), 0);
    assert_int_equal(zs_balloon_inflate(balloon, 1 << 20), 1 << 20);
    assert_int_equal(zs_page_alloc(arena, own_type, &page), 0);
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_int_equal(zs_obj_replace(pools[0], handles[0], &x, 1), 0);
    zs_page_free(arena, own_type, page);
    wait_for_rounds();
}

/* --- the texts --- */

typedef size_t text_function(struct zs_arena *, char *, size_t);

static char text[1 << 20];

static void write_text(text_function *write)
{
    size_t len = write(arena, text, sizeof(text));

    assert_in_range(len, 1, sizeof(text) - 1);
    assert_int_equal(strlen(text), len);
}

static void write_file(const char *path, const char *what)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    assert_true(fputs(what, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

/* Run text-check; `ways`: NULL, or what is expected of a JSON text. */
static void assert_checked(const char *ways)
{
    const char *tool = getenv("TEXT_CHECK");
    char dir[32], of_text[64], of_ways[64], command[512];

    if (!tool) {
        skip();
        return;
    }
    (void)snprintf(dir, sizeof(dir), "/tmp/zspool-stats-%ld", (long)getpid());
    assert_int_equal(mkdir(dir, 0700), 0);
    (void)snprintf(of_text, sizeof(of_text), "%s/text", dir);
    (void)snprintf(of_ways, sizeof(of_ways), "%s/ways", dir);
    write_file(of_text, text);
    write_file(of_ways, ways ? ways : "");
    (void)snprintf(command, sizeof(command), "python3 '%s' %s '%s' %s", tool,
                   ways ? "--json" : "", of_text, ways ? of_ways : "");
    assert_int_equal(system(command), 0);
    unlink(of_text);
    unlink(of_ways);
    rmdir(dir);
}

/* What the structs say, as lines "value way": see text-check. */
static char ways[1 << 16];
static size_t ways_len;

static void expect(const char *way, const char *field, uint64_t value)
{
    int n = snprintf(ways + ways_len, sizeof(ways) - ways_len, "%llu %s %s\n",
                     (unsigned long long)value, way, field);

    assert_true(n > 0 && (size_t)n < sizeof(ways) - ways_len);
    ways_len += (size_t)n;
}

static void expect_histogram(const char *way,
                             const struct zs_histogram_figures *h)
{
    expect(way, "n", h->n);
    expect(way, "sum", h->sum);
    expect(way, "max", h->max);
    expect(way, "p50", zs_histogram_percentile(h, 50));
    expect(way, "p90", zs_histogram_percentile(h, 90));
    expect(way, "p99", zs_histogram_percentile(h, 99));
    expect(way, "p99.9", zs_histogram_percentile(h, 99.9));
    expect(way, "p99.99", zs_histogram_percentile(h, 99.99));
}

static void expect_all(void)
{
    struct zs_arena_stats of_arena;
    struct zs_compact_stats compact;
    struct zs_pool_stats of_pool[2];
    struct zs_balloon_stats of_balloon;
    struct zs_arena_histograms histograms;

    zs_arena_stats(arena, &of_arena);
    zs_compact_stats(arena, &compact);
    zs_pool_stats(pools[0], &of_pool[0]);
    zs_pool_stats(pools[1], &of_pool[1]);
    zs_balloon_stats(balloon, &of_balloon);
    zs_arena_histograms(arena, &histograms);
    ways_len = 0;
#define E(name, about) expect("arena", #name, of_arena.name);
    ZS_ARENA_STATS(E)
#undef E
#define E(name, about) expect("compaction", #name, compact.name);
    ZS_COMPACT_STATS(E)
#undef E
#define E(name, about)                                                         \
    expect("pools 0", #name, of_pool[0].name);                                 \
    expect("pools 1", #name, of_pool[1].name);
    ZS_POOL_STATS(E)
#undef E
#define E(name, about) expect("balloons 0", #name, of_balloon.name);
    ZS_BALLOON_STATS(E)
#undef E
#define E(name, about) expect_histogram("histograms " #name, &histograms.name);
    ZS_ARENA_HISTOGRAMS(E)
#undef E
}

static void json__says_what_the_structs_say(void **unused)
{
    (void)unused;
    make_history();
    write_text(zs_stats_json);
    expect_all();
    assert_checked(ways);
}

static void json__names_arena_owners_and_types(void **unused)
{
    zs_pfn_t page;

    (void)unused;
    assert_int_equal(zs_page_alloc(arena, own_type, &page), 0);
    write_text(zs_stats_json);
    assert_non_null(strstr(text, "{\"arena\":{\"name\":\"the \\\"first\\\" "
                                 "\\\\ one\","));
    assert_non_null(strstr(text, "{\"name\":\"a\\nb\",\"type\":1,"));
    assert_non_null(strstr(text, "{\"name\":\"pool2\",\"type\":2,"));
    assert_non_null(strstr(text, "{\"name\":\"balloon3\",\"type\":3,"));
    assert_non_null(
        strstr(text, "{\"number\":4,\"name\":\"bucket\",\"pages\":1}"));
    zs_page_free(arena, own_type, page);
}

/* One line of a text, with its end. */
static void assert_has_line(const char *format, ...)
{
    char line[512] = "\n";
    va_list args;

    va_start(args, format);
    (void)vsnprintf(line + 1, sizeof(line) - 1, format, args);
    va_end(args);
    if (!strstr(text, line)) {
        fail_msg("no line%s", line);
    }
}

static bool is_counter(const char *about)
{
    return strcmp(about + strlen(about) - strlen(", ever"), ", ever") == 0;
}

static void assert_has_sample(const char *prefix, const char *name,
                              const char *about, const char *labels,
                              uint64_t value)
{
    assert_has_line("%s%s%s{arena=\"the \\\"first\\\" \\\\ one\"%s} %llu\n",
                    prefix, name, is_counter(about) ? "_total" : "", labels,
                    (unsigned long long)value);
}

static void metrics__say_what_the_structs_say(void **unused)
{
    struct zs_arena_stats of_arena;
    struct zs_compact_stats compact;
    struct zs_pool_stats of_pool;
    struct zs_balloon_stats of_balloon;

    (void)unused;
    make_history();
    write_text(zs_stats_prometheus);
    zs_arena_stats(arena, &of_arena);
    zs_compact_stats(arena, &compact);
    zs_pool_stats(pools[0], &of_pool);
    zs_balloon_stats(balloon, &of_balloon);
#define A(name, about)                                                         \
    assert_has_sample("zspool_arena_", #name, about, "", of_arena.name);
    ZS_ARENA_STATS(A)
#undef A
#define A(name, about)                                                         \
    assert_has_sample("zspool_", #name, about, "", compact.name);
    ZS_COMPACT_STATS(A)
#undef A
#define A(name, about)                                                         \
    assert_has_sample("zspool_pool_", #name, about, ",pool=\"a\\nb\"",         \
                      of_pool.name);
    ZS_POOL_STATS(A)
#undef A
#define A(name, about)                                                         \
    assert_has_sample("zspool_balloon_", #name, about,                         \
                      ",balloon=\"balloon3\"", of_balloon.name);
    ZS_BALLOON_STATS(A)
#undef A
    assert_has_sample("zspool_", "type_pages", "a gauge, that is",
                      ",type=\"bucket\",number=\"4\"", 0);
}

static void metrics__are_what_a_scraper_takes(void **unused)
{
    (void)unused;
    make_history();
    write_text(zs_stats_prometheus);
    assert_checked(NULL);
}

/* 100 values of 2^10 ns and one above all buckets. */
static void metrics__of_a_histogram_are_cumulative_seconds(void **unused)
{
    const char *labels = "arena=\"the \\\"first\\\" \\\\ one\"";

    (void)unused;
    for (unsigned i = 0; i < 100; i++) {
        zs_histogram_add(&arena->alloc_waits, 1024);
    }
    zs_histogram_add(&arena->alloc_waits, UINT64_C(1) << 40);
    write_text(zs_stats_prometheus);
    assert_has_line("# TYPE zspool_alloc_wait_seconds histogram\n");
    assert_has_line("zspool_alloc_wait_seconds_bucket{%s,le=\"0.000000512\"} "
                    "0\n",
                    labels);
    assert_has_line("zspool_alloc_wait_seconds_bucket{%s,le=\"0.000001024\"} "
                    "100\n",
                    labels);
    assert_has_line("zspool_alloc_wait_seconds_bucket{%s,le=\"68.719476736\"} "
                    "100\n",
                    labels);
    assert_has_line("zspool_alloc_wait_seconds_bucket{%s,le=\"+Inf\"} 101\n",
                    labels);
    assert_has_line("zspool_alloc_wait_seconds_count{%s} 101\n", labels);
    assert_has_line("zspool_alloc_wait_seconds_sum{%s} 1099.511730176\n",
                    labels);
}

/* Whatever the room: the same length, a zero at the end, nothing behind it. */
static void assert_cut_off(text_function *write)
{
    static char cut[sizeof(text)];
    size_t len = write(arena, NULL, 0);
    size_t sizes[] = { 1, 2, len / 2, len, len + 1, len + 100 };

    write_text(write);
    assert_int_equal(strlen(text), len);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        size_t kept = sizes[i] <= len ? sizes[i] - 1 : len;

        memset(cut, 'x', sizeof(cut));
        assert_int_equal(write(arena, cut, sizes[i]), len);
        assert_memory_equal(cut, text, kept);
        assert_int_equal(cut[kept], '\0');
        assert_int_equal(cut[kept + 1], 'x');
    }
}

static void texts__are_cut_off_as_snprintf_does(void **unused)
{
    (void)unused;
    make_history();
    assert_cut_off(zs_stats_json);
    assert_cut_off(zs_stats_prometheus);
}

static void texts__are_written_in_a_read_section(void **unused)
{
    (void)unused;
    zs_read_begin();
    write_text(zs_stats_json);
    write_text(zs_stats_prometheus);
    zs_read_end();
}

static void add_part(void *ctx, struct zs_text *t, bool as_json)
{
    zs_text_add(t, as_json ? "\"%s\":1" : "# it is %s\n", (const char *)ctx);
}

static void texts__have_the_compactors_part(void **unused)
{
    char name[] = "passes";

    (void)unused;
    zs_set_compactor_stats(arena, add_part, name);
    write_text(zs_stats_json);
    assert_non_null(strstr(text, ",\n\"compactor\":{\"passes\":1}}\n"));
    write_text(zs_stats_prometheus);
    assert_has_line("# it is passes\n");
    zs_set_compactor_stats(arena, NULL, NULL);
    write_text(zs_stats_json);
    assert_null(strstr(text, "compactor"));
}

static void names__are_cut_after_23_bytes_and_numbered_if_none(void **unused)
{
    struct zs_arena_config cfg = { .name = "123456789 123456789 123\xc3\xa4",
                                   .reserve_bytes = ZS_BLOCK_BYTES };
    struct zs_arena *a;

    (void)unused;
    assert_int_equal(zs_arena_create(&cfg, &a), 0);
    assert_string_equal(a->name, "123456789 123456789 123");
    zs_arena_destroy(a);
    cfg.name = NULL;
    assert_int_equal(zs_arena_create(&cfg, &a), 0);
    assert_memory_equal(a->name, "arena", 5);
    assert_true(atoi(a->name + 5) > 0);
    zs_arena_destroy(a);
}

/* --- what is counted --- */

static struct zs_compact_stats compact_stats(void)
{
    struct zs_compact_stats s;

    zs_compact_stats(arena, &s);
    return s;
}

static struct zs_arena_histograms histograms(void)
{
    struct zs_arena_histograms h;

    zs_arena_histograms(arena, &h);
    return h;
}

static void compact_stats__count_what_a_pass_does(void **unused)
{
    struct zs_compact_stats before, after;
    struct zs_compact_result r;

    (void)unused;
    fill(pools[0]);
    thin_out(pools[0], 4);
    before = compact_stats();
    assert_int_equal(zs_compact(arena, &r), 0);
    after = compact_stats();
    assert_true(r.objects_moved > 0 && r.bytes_released > 0);
    assert_int_equal(after.objects_moved - before.objects_moved,
                     r.objects_moved);
    assert_int_equal(after.bytes_moved - before.bytes_moved, r.bytes_moved);
    assert_int_equal(after.bytes_released - before.bytes_released,
                     r.bytes_released);
    assert_true(after.compact_isolated >= r.pages_migrated);
    assert_true(after.compact_migrate_scanned >= after.compact_isolated);
    /* what was freed: a page holds less than three of them */
    assert_true(after.pages_compacted >= N / 4 / 3);
    assert_true(after.deferred_releases >= r.objects_moved);
    assert_int_equal(after.compact_stall, 0);
    assert_true(histograms().step.n > 0);
}

static void compact_stats__count_isolated_pages(void **unused)
{
    struct zs_compact_stats s;
    unsigned n = 0;

    (void)unused;
    fill(pools[0]);
    for (zs_pfn_t page = 0; page < 64; page++) {
        if (zs_isolate_movable_ops_page(arena, page)) {
            zs_putback_movable_ops_page(arena, page);
            n++;
        }
    }
    s = compact_stats();
    assert_true(n > 0);
    assert_int_equal(s.compact_migrate_scanned, 64);
    assert_int_equal(s.compact_isolated, n);
}

/* A pin keeps its zspage: passed over, and counted so. */
static void compact_stats__count_busy_skips(void **unused)
{
    struct zs_pin pin;

    (void)unused;
    fill(pools[0]);
    thin_out(pools[0], 4);
    zs_pin(pools[0], handles[N / 2], "the test", &pin);
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_true(compact_stats().busy_skips > 0);
    zs_unpin(pools[0], &pin);
}

static void compact_stats__stay_when_a_pool_goes(void **unused)
{
    struct zs_pool_config cfg = { .arena = arena };
    struct zs_compact_stats before, after;
    struct zs_pool *pool;

    (void)unused;
    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    fill(pool);
    thin_out(pool, 4);
    assert_int_equal(zs_compact(arena, NULL), 0);
    before = compact_stats();
    assert_true(before.objects_moved > 0);
    zs_pool_destroy(pool);
    after = compact_stats();
    assert_int_equal(after.objects_moved, before.objects_moved);
    assert_int_equal(after.bytes_moved, before.bytes_moved);
    assert_int_equal(after.pages_compacted, before.pages_compacted);
}

/* A page, a slot, a dying object. */
static void deferred_releases__count_each_thing_that_waited(void **unused)
{
    uint64_t before;
    zs_pfn_t page;
    char x = 'x';

    (void)unused;
    fill(pools[0]);
    assert_int_equal(zs_page_alloc(arena, own_type, &page), 0);
    before = compact_stats().deferred_releases;
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(zs_obj_replace(pools[0], handles[i], &x, 1), 0);
    }
    zs_free_deferred(pools[0], handles[0]);
    zs_page_free(arena, own_type, page);
    wait_for_rounds();
    wait_for_rounds(); /* what was put back into the next one */
    assert_int_equal(compact_stats().deferred_releases - before, 12);
}

static void reader_delay__has_a_value_for_each_grace_period(void **unused)
{
    uint64_t before;

    (void)unused;
    wait_for_rounds();
    before = histograms().reader_delay.n;
    zs_grace_flush(&arena->grace);
    assert_int_equal(histograms().reader_delay.n, before + 1);
}

/* --- what allocations wait --- */

static _Atomic unsigned n_looks; /* at the clock */

static uint64_t count_looks(void)
{
    atomic_fetch_add_explicit(&n_looks, 1, memory_order_relaxed);
    return real_os.now_ns();
}

static void make_and_free(unsigned n)
{
    zs_handle_t h[2];

    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(zs_malloc(pools[0], 100, &h[0]), 0);
        assert_int_equal(zs_malloc(pools[0], BYTES, &h[1]), 0);
        zs_free(pools[0], h[0]);
        zs_free(pools[0], h[1]);
    }
}

/* By the thread's cache and by the class lock. */
static void alloc_wait__is_no_look_at_the_clock_if_nothing_waits(void **unused)
{
    (void)unused;
    fill(pools[0]);
    thin_out(pools[0], 4);
    make_and_free(100);
    atomic_store_explicit(&n_looks, 0, memory_order_relaxed);
    zs_os.now_ns = count_looks;
    make_and_free(100);
    assert_int_equal(atomic_load_explicit(&n_looks, memory_order_relaxed), 0);
}

static void alloc_wait__counts_memory_to_be_populated(void **unused)
{
    uint64_t before = histograms().alloc_wait.n;
    zs_handle_t h;

    (void)unused;
    assert_int_equal(zs_malloc(pools[0], BYTES, &h), 0);
    assert_int_equal(histograms().alloc_wait.n, before + 1);
    assert_int_equal(zs_malloc(pools[0], 1 << 20, &h), 0); /* a run */
    assert_int_equal(histograms().alloc_wait.n, before + 2);
    assert_true(histograms().alloc_wait.sum > 0);
}

static void alloc_wait__counts_what_is_scraped_together(void **unused)
{
    struct zs_arena_config cfg = { .reserve_bytes = 4 << 20,
                                   .limit_bytes = 2 << 20 };
    struct zs_pool_config in_it = { 0 };
    struct zs_arena_histograms h;
    struct zs_arena *small;
    struct zs_pool *pool;
    zs_handle_t handle;
    uint64_t n;

    (void)unused;
    assert_int_equal(zs_arena_create(&cfg, &small), 0);
    in_it.arena = small;
    assert_int_equal(zs_pool_create(&in_it, &pool), 0);
    zs_arena_histograms(small, &h);
    n = h.alloc_wait.n;
    assert_int_equal(zs_malloc(pool, 3 << 20, &handle), -ENOMEM);
    zs_arena_histograms(small, &h);
    assert_int_equal(h.alloc_wait.n, n + 3); /* two runs, a scrape */
    zs_pool_destroy(pool);
    zs_arena_destroy(small);
}

/* Somebody has the class until the first look at the clock. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static bool has_class, is_waited_for;

static void *hold_class(void *arg)
{
    struct zs_class *cl = arg;

    zs_lock_acquire(&cl->lock);
    pthread_mutex_lock(&gate);
    has_class = true;
    pthread_cond_broadcast(&changed);
    while (!is_waited_for) {
        pthread_cond_wait(&changed, &gate);
    }
    pthread_mutex_unlock(&gate);
    zs_lock_release(&cl->lock);
    return NULL;
}

static uint64_t tell_holder(void)
{
    pthread_mutex_lock(&gate);
    is_waited_for = true;
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&gate);
    return real_os.now_ns();
}

static void alloc_wait__counts_a_class_that_is_taken(void **unused)
{
    unsigned number = zs_size_class_of(BYTES);
    zs_handle_t h, other;
    pthread_t holder;
    uint64_t before;

    (void)unused;
    assert_int_equal(zs_malloc(pools[0], BYTES, &h), 0);
    before = histograms().alloc_wait.n;
    has_class = false;
    is_waited_for = false;
    assert_int_equal(
        pthread_create(&holder, NULL, hold_class, &pools[0]->classes[number]),
        0);
    pthread_mutex_lock(&gate);
    while (!has_class) {
        pthread_cond_wait(&changed, &gate);
    }
    pthread_mutex_unlock(&gate);
    zs_os.now_ns = tell_holder;
    assert_int_equal(zs_malloc(pools[0], BYTES, &other), 0);
    zs_os = real_os;
    assert_int_equal(pthread_join(holder, NULL), 0);
    assert_int_equal(histograms().alloc_wait.n, before + 1);
}

#define PROMISE(f) cmocka_unit_test_setup_teardown(f, make_arena, drop_arena)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(json__says_what_the_structs_say),
        PROMISE(json__names_arena_owners_and_types),
        PROMISE(metrics__say_what_the_structs_say),
        PROMISE(metrics__are_what_a_scraper_takes),
        PROMISE(metrics__of_a_histogram_are_cumulative_seconds),
        PROMISE(texts__are_cut_off_as_snprintf_does),
        PROMISE(texts__are_written_in_a_read_section),
        PROMISE(texts__have_the_compactors_part),
        PROMISE(names__are_cut_after_23_bytes_and_numbered_if_none),
        PROMISE(compact_stats__count_what_a_pass_does),
        PROMISE(compact_stats__count_isolated_pages),
        PROMISE(compact_stats__count_busy_skips),
        PROMISE(compact_stats__stay_when_a_pool_goes),
        PROMISE(deferred_releases__count_each_thing_that_waited),
        PROMISE(reader_delay__has_a_value_for_each_grace_period),
        PROMISE(alloc_wait__is_no_look_at_the_clock_if_nothing_waits),
        PROMISE(alloc_wait__counts_memory_to_be_populated),
        PROMISE(alloc_wait__counts_what_is_scraped_together),
        PROMISE(alloc_wait__counts_a_class_that_is_taken),
    };
    return cmocka_run_group_tests_name("stats", tests, NULL, NULL);
}
