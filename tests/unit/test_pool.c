/* SPDX-License-Identifier: MIT */
/* Unit tests of zspool/pool.h: one test per promise. */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

#include "cache.h"
#include "os.h"
#include "pss.h"
#include "zspool/compactor.h"

static struct zs_pool *pool;

static struct zs_pool *new_pool(size_t limit_bytes)
{
    struct zs_pool_config cfg = {
        .private_arena = { .reserve_bytes = (size_t)512 << 20,
                           .limit_bytes = limit_bytes },
        .max_zspages = 1 << 16,
    };
    struct zs_pool *p;

    assert_int_equal(zs_pool_create(&cfg, &p), 0);
    return p;
}

static int make_pool(void **state)
{
    (void)state;
    pool = new_pool(0);
    return 0;
}

static int drop_pool(void **state)
{
    (void)state;
    zs_pool_destroy(pool);
    return 0;
}

static void fill(unsigned char *buf, size_t len, unsigned seed)
{
    for (size_t i = 0; i < len; i++) {
        buf[i] = (unsigned char)(seed * 13 + i * 7 + i / 251);
    }
}

static void assert_holds(zs_handle_t h, const unsigned char *want, size_t len)
{
    unsigned char local[ZS_LOCAL_COPY_BYTES];
    const void *p = zs_obj_read_begin(pool, h, local);
    int differs = memcmp(p, want, len);

    zs_obj_read_end(pool);
    assert_int_equal(differs, 0);
}

static void compact(void)
{
    assert_int_equal(zs_compact(zs_pool_arena(pool), NULL), 0);
}

/* --- sizes --- */

#define SPAN 70000u
#define CHUNK 2000u /* sizes at a time: all together would be 2.4 GB */

static unsigned char pattern[SPAN + 256]; /* an object is a window on it */

static void read_sizes(const zs_handle_t *h, unsigned first)
{
    for (unsigned i = 0; i < CHUNK; i++) {
        unsigned n = first + i;

        if (h[i].raw != 0) {
            assert_holds(h[i], pattern + n % 256, n);
        }
    }
}

/* Free two of three, so that what stays is moved. */
static void store_compact_and_read(unsigned first)
{
    zs_handle_t h[CHUNK];

    for (unsigned i = 0; i < CHUNK; i++) {
        unsigned n = first + i;

        assert_int_equal(zs_obj_create(pool, pattern + n % 256, n, &h[i]), 0);
        assert_true(zs_obj_size(pool, h[i]) >= n);
    }
    for (unsigned round = 0; round < 3; round++) {
        read_sizes(h, first);
        for (unsigned i = round; i < CHUNK; i += 3) {
            zs_free(pool, h[i]);
            h[i].raw = 0;
        }
        compact();
    }
}

static void every_size__is_stored_read_compacted_and_read_again(void **state)
{
    (void)state;
    fill(pattern, sizeof(pattern), 1);
    for (unsigned first = 1; first <= SPAN; first += CHUNK) {
        store_compact_and_read(first);
    }
}

static void large_objects__are_moved_whole(void **state)
{
    static const size_t sizes[] = { 65537,         100000,  2 << 20,
                                    (2 << 20) + 1, 5000000, 16 << 20 };
    enum { N = sizeof(sizes) / sizeof(sizes[0]) };
    unsigned char *buf = malloc(16 << 20);
    zs_handle_t h[N][3];

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        fill(buf, sizes[i], i);
        for (unsigned k = 0; k < 3; k++) {
            assert_int_equal(zs_obj_create(pool, buf, sizes[i], &h[i][k]), 0);
        }
        zs_free(pool, h[i][0]);
        zs_free(pool, h[i][1]);
    }
    compact();
    for (unsigned i = 0; i < N; i++) {
        fill(buf, sizes[i], i);
        assert_holds(h[i][2], buf, sizes[i]);
        zs_free(pool, h[i][2]);
    }
    free(buf);
}

static void size__out_of_range_is_refused(void **state)
{
    zs_handle_t h = { 77 };

    (void)state;
    assert_int_equal(zs_malloc(pool, 0, &h), -EINVAL);
    assert_int_equal(zs_malloc(pool, ZS_MAX_OBJ_BYTES + 1, &h), -EINVAL);
    assert_int_equal(zs_malloc(pool, SIZE_MAX, &h), -EINVAL);
    assert_int_equal(h.raw, 77); /* written only on success */
}

/* --- write and replace --- */

static void write__changes_only_its_range(void **state)
{
    unsigned char buf[300], part[10];
    zs_handle_t h;

    (void)state;
    fill(buf, sizeof(buf), 1);
    assert_int_equal(zs_obj_create(pool, buf, sizeof(buf), &h), 0);
    memset(part, 0xaa, sizeof(part));
    assert_int_equal(zs_obj_write(pool, h, 100, part, sizeof(part)), 0);
    memcpy(buf + 100, part, sizeof(part));
    assert_holds(h, buf, sizeof(buf));
}

static void write__beyond_the_object_is_refused_whole(void **state)
{
    unsigned char buf[300];
    zs_handle_t h;
    size_t size;

    (void)state;
    fill(buf, sizeof(buf), 1);
    assert_int_equal(zs_obj_create(pool, buf, sizeof(buf), &h), 0);
    size = zs_obj_size(pool, h);
    assert_int_equal(zs_obj_write(pool, h, size, buf, 1), -ERANGE);
    assert_int_equal(zs_obj_write(pool, h, 1, buf, size), -ERANGE);
    assert_int_equal(zs_obj_write(pool, h, SIZE_MAX, buf, 2), -ERANGE);
    assert_holds(h, buf, sizeof(buf));
}

static void replace__keeps_the_handle_across_sizes(void **state)
{
    static const size_t sizes[] = { 10, 4000, 10, 100000, 5, 70000, 300 };
    unsigned char *buf = malloc(100000);
    zs_handle_t h;

    (void)state;
    assert_int_equal(zs_malloc(pool, 1, &h), 0);
    for (unsigned i = 0; i < sizeof(sizes) / sizeof(sizes[0]); i++) {
        fill(buf, sizes[i], i);
        assert_int_equal(zs_obj_replace(pool, h, buf, sizes[i]), 0);
        assert_holds(h, buf, sizes[i]);
    }
    assert_int_equal(zs_obj_replace(pool, h, buf, 0), -EINVAL);
    free(buf);
}

static void replace__leaves_the_snapshot_of_an_open_read_alone(void **state)
{
    unsigned char old[500], new[500], local[ZS_LOCAL_COPY_BYTES];
    const void *p;
    zs_handle_t h;

    (void)state;
    fill(old, sizeof(old), 1);
    fill(new, sizeof(new), 2);
    assert_int_equal(zs_obj_create(pool, old, sizeof(old), &h), 0);
    p = zs_obj_read_begin(pool, h, local);
    assert_int_equal(zs_obj_replace(pool, h, new, sizeof(new)), 0);
    for (unsigned i = 0; i < 1000; i++) { /* nobody may reuse the slot */
        zs_handle_t other;

        assert_int_equal(zs_obj_create(pool, new, sizeof(new), &other), 0);
    }
    assert_memory_equal(p, old, sizeof(old));
    zs_obj_read_end(pool);
    assert_holds(h, new, sizeof(new));
}

/* --- limits --- */

#define LIMIT ((size_t)8 << 20)

static unsigned fill_to_limit(zs_handle_t *h, unsigned max, int *err)
{
    unsigned char buf[2000];
    unsigned n = 0;

    while (n < max) {
        fill(buf, sizeof(buf), n);
        *err = zs_obj_create(pool, buf, sizeof(buf), &h[n]);
        if (*err) {
            break;
        }
        n++;
    }
    return n;
}

static void limit__is_a_clear_error_and_all_before_stays(void **state)
{
    enum { MAX = 10000 };
    static zs_handle_t h[MAX];
    struct zs_arena_stats stats;
    unsigned char buf[2000];
    unsigned n;
    int err = 0;

    (void)state;
    pool = new_pool(LIMIT);
    n = fill_to_limit(h, MAX, &err);
    assert_int_equal(err, -ENOMEM);
    assert_in_range(n, LIMIT * 9 / 10 / 2000, LIMIT / 2000);
    zs_arena_stats(zs_pool_arena(pool), &stats);
    assert_true(stats.footprint_bytes <= LIMIT);
    for (unsigned i = 0; i < n; i++) {
        fill(buf, sizeof(buf), i);
        assert_holds(h[i], buf, sizeof(buf));
    }
    zs_free(pool, h[0]);
    assert_int_equal(zs_obj_create(pool, buf, sizeof(buf), &h[0]), 0);
    zs_pool_destroy(pool);
}

static void malloc_at_the_limit__in_a_read_section_does_not_hang(void **state)
{
    enum { MAX = 10000 };
    static zs_handle_t h[MAX];
    unsigned char local[ZS_LOCAL_COPY_BYTES], buf[2000];
    zs_handle_t more;
    int err = 0;

    (void)state;
    pool = new_pool(LIMIT);
    assert_true(fill_to_limit(h, MAX, &err) > 0);
    while (zs_malloc(pool, 3000, &more) == 0) { /* the last pages too */
    }
    (void)zs_obj_read_begin(pool, h[0], local);
    assert_int_equal(zs_malloc(pool, 2000, &more), -ENOMEM);
    assert_int_equal(zs_malloc(pool, 3000, &more), -ENOMEM);
    assert_int_equal(zs_obj_replace(pool, h[1], buf, 3000), -ENOMEM);
    zs_obj_read_end(pool);
    fill(buf, sizeof(buf), 1);
    assert_holds(h[1], buf, sizeof(buf));
    zs_pool_destroy(pool);
}

/* The fullest zspage cannot grow any more; slots freed in others will do. */
static void limit__leaves_every_free_slot_usable(void **state)
{
    enum { MAX = 10000 };
    static zs_handle_t h[MAX];
    int err = 0;

    (void)state;
    pool = new_pool(LIMIT);
    assert_true(fill_to_limit(h, MAX, &err) > 100);
    for (unsigned i = 0; i < 30; i++) {
        zs_free(pool, h[i]);
    }
    for (unsigned i = 0; i < 30; i++) {
        assert_int_equal(zs_malloc(pool, 2000, &h[i]), 0);
    }
    zs_pool_destroy(pool);
}

static void limit__gives_way_after_a_compaction(void **state)
{
    enum { MAX = 10000 };
    static zs_handle_t h[MAX];
    zs_handle_t large;
    unsigned n;
    int err = 0;

    (void)state;
    pool = new_pool(LIMIT);
    n = fill_to_limit(h, MAX, &err);
    for (unsigned i = 0; i < n; i += 2) {
        zs_free(pool, h[i]);
    }
    compact();
    assert_int_equal(zs_malloc(pool, LIMIT / 3, &large), 0);
    zs_pool_destroy(pool);
}

static void zspage_numbers__run_out_with_enospc(void **state)
{
    struct zs_pool_config cfg = {
        .private_arena = { .reserve_bytes = 64 << 20 },
        .max_zspages = 100,
    };
    zs_handle_t h[200];
    unsigned n = 0;
    int err = 0;

    (void)state;
    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    while (n < 200 && (err = zs_malloc(pool, 70000, &h[n])) == 0) {
        n++;
    }
    assert_int_equal(err, -ENOSPC);
    assert_true(n >= 100);
    zs_free(pool, h[0]);
    assert_int_equal(zs_malloc(pool, 70000, &h[0]), 0);
    zs_pool_destroy(pool);
}

/* Classes keep a few free handles at hand; the last ones are fetched there. */
static void handles__of_other_classes_are_used_before_enospc(void **state)
{
    struct zs_pool_config cfg = {
        .private_arena = { .reserve_bytes = 64 << 20 },
        .max_objects = 1000,
    };
    zs_handle_t h;

    (void)state;
    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    for (unsigned i = 0; i < 1000; i++) {
        assert_int_equal(zs_malloc(pool, 8 + i * 61 % 4000, &h), 0);
    }
    zs_pool_destroy(pool);
}

static void handles__run_out_with_enospc(void **state)
{
    struct zs_pool_config cfg = {
        .private_arena = { .reserve_bytes = 64 << 20 },
        .max_objects = 1000,
    };
    zs_handle_t h, first = { 0 };
    unsigned n = 0;
    int err;

    (void)state;
    assert_int_equal(zs_pool_create(&cfg, &pool), 0);
    while ((err = zs_malloc(pool, 64, &h)) == 0 && n < 5000) {
        first = n++ == 0 ? h : first;
    }
    assert_int_equal(err, -ENOSPC);
    assert_true(n >= 1000);
    zs_free(pool, first);
    assert_int_equal(zs_malloc(pool, 64, &h), 0);
    zs_pool_destroy(pool);
}

/* --- failing system calls --- */

static unsigned fail_after;

static int failing_populate(void *addr, size_t bytes)
{
    (void)addr;
    (void)bytes;
    return -ENOMEM;
}

static void *(*real_reserve)(size_t bytes, size_t align);
static void *(*real_alloc)(size_t bytes);

static void *reserve_or_fail(size_t bytes, size_t align)
{
    return fail_after-- == 0 ? NULL : real_reserve(bytes, align);
}

static void *alloc_or_fail(size_t bytes)
{
    return fail_after-- == 0 ? NULL : real_alloc(bytes);
}

static void populate_failure__is_enomem_and_passes(void **state)
{
    int (*real)(void *, size_t) = zs_os.populate;
    struct zs_pool_stats stats;
    zs_handle_t h;

    (void)state;
    zs_os.populate = failing_populate;
    assert_int_equal(zs_malloc(pool, 100, &h), -ENOMEM);
    assert_int_equal(zs_malloc(pool, 100000, &h), -ENOMEM);
    zs_os.populate = real;
    zs_pool_stats(pool, &stats);
    assert_int_equal(stats.n_objects, 0);
    assert_int_equal(stats.n_zspages, 0);
    assert_int_equal(zs_malloc(pool, 100, &h), 0);
    assert_int_equal(zs_malloc(pool, 100000, &h), 0);
}

/* Fail the first, second, third ... call until creation gets through. */
static void creation__fails_cleanly_at_every_call(void **state)
{
    struct zs_pool_config cfg = {
        .private_arena = { .reserve_bytes = 16 << 20 },
    };
    unsigned k;
    int err = -ENOMEM;

    (void)state;
    real_reserve = zs_os.reserve;
    real_alloc = zs_os.alloc;
    zs_os.reserve = reserve_or_fail;
    for (k = 0; err && k < 50; k++) {
        fail_after = k;
        err = zs_pool_create(&cfg, &pool);
    }
    assert_int_equal(err, 0);
    assert_true(k > 5);
    zs_os.reserve = real_reserve;
    zs_pool_destroy(pool);
    zs_os.alloc = alloc_or_fail;
    for (k = 0, err = -ENOMEM; err && k < 50; k++) {
        fail_after = k;
        err = zs_pool_create(&cfg, &pool);
    }
    assert_int_equal(err, 0);
    assert_true(k > 2);
    zs_os.alloc = real_alloc;
    zs_pool_destroy(pool);
}

/* --- bad use stops the process --- */

static void assert_stops(void (*bad_use)(void))
{
    pid_t pid;
    int status;

    pid = fork();
    if (pid == 0) {
        int null = open("/dev/null", O_WRONLY);

        signal(SIGABRT, SIG_DFL); /* cmocka's handler would go on */
        dup2(null, STDERR_FILENO);
        bad_use();
        _exit(0);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
}

static zs_handle_t bad;

static void free_bad(void)
{
    zs_free(pool, bad);
}

static void read_bad(void)
{
    char local[ZS_LOCAL_COPY_BYTES];

    (void)zs_obj_read_begin(pool, bad, local);
}

static void write_bad(void)
{
    int err = zs_obj_write(pool, bad, 0, "x", 1);

    (void)err;
}

static void replace_bad(void)
{
    int err = zs_obj_replace(pool, bad, "x", 1);

    (void)err;
}

static void bad_handle__stops_every_call(void **state)
{
    static const uint32_t raws[] = { 0, 5000, 0x7fffffff, UINT32_MAX };
    zs_handle_t h;

    (void)state;
    assert_int_equal(zs_malloc(pool, 10, &h), 0);
    assert_true(zs_handle_check(pool, h));
    for (unsigned i = 0; i <= 4; i++) {
        bad = i < 4 ? (zs_handle_t){ raws[i] } : h;
        if (i == 4) { /* freed twice */
            zs_free(pool, h);
        }
        assert_false(zs_handle_check(pool, bad));
        assert_stops(free_bad);
        assert_stops(read_bad);
        assert_stops(write_bad);
        assert_stops(replace_bad);
    }
}

static void compact_in_section(void)
{
    char local[ZS_LOCAL_COPY_BYTES];
    int err;

    (void)zs_obj_read_begin(pool, bad, local);
    err = zs_compact(zs_pool_arena(pool), NULL);
    (void)err;
}

static void destroy_in_section(void)
{
    char local[ZS_LOCAL_COPY_BYTES];

    (void)zs_obj_read_begin(pool, bad, local);
    zs_pool_destroy(pool);
}

static void waiting_call__in_a_read_section_stops(void **state)
{
    (void)state;
    assert_int_equal(zs_malloc(pool, 10, &bad), 0);
    assert_stops(compact_in_section);
    assert_stops(destroy_in_section);
}

/* --- sharing, ends, figures --- */

static void pools__share_an_arena(void **state)
{
    struct zs_arena_config acfg = { .reserve_bytes = 64 << 20 };
    struct zs_pool *pools[3];
    struct zs_arena *arena;
    unsigned char buf[1000];
    zs_handle_t h[3][100];

    (void)state;
    assert_int_equal(zs_arena_create(&acfg, &arena), 0);
    for (unsigned i = 0; i < 3; i++) {
        struct zs_pool_config cfg = { .arena = arena };

        assert_int_equal(zs_pool_create(&cfg, &pools[i]), 0);
        for (unsigned k = 0; k < 100; k++) {
            fill(buf, sizeof(buf), i * 100 + k);
            assert_int_equal(
                zs_obj_create(pools[i], buf, sizeof(buf), &h[i][k]), 0);
        }
    }
    zs_pool_destroy(pools[1]);
    assert_int_equal(zs_compact(arena, NULL), 0);
    for (unsigned i = 0; i < 3; i += 2) {
        pool = pools[i];
        for (unsigned k = 0; k < 100; k++) {
            fill(buf, sizeof(buf), i * 100 + k);
            assert_holds(h[i][k], buf, sizeof(buf));
        }
        zs_pool_destroy(pool);
    }
    zs_arena_destroy(arena);
}

static void free__of_everything_leaves_nothing(void **state)
{
    enum { N = 5000 };
    static zs_handle_t h[N];
    struct zs_arena_stats arena;
    struct zs_pool_stats stats;

    (void)state;
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(zs_malloc(pool, 1 + i, &h[i]), 0);
    }
    for (unsigned i = 0; i < N; i++) {
        zs_free(pool, h[i]);
    }
    compact();
    zs_pool_stats(pool, &stats);
    zs_arena_stats(zs_pool_arena(pool), &arena);
    assert_int_equal(stats.n_objects, 0);
    assert_int_equal(stats.n_zspages, 0);
    assert_int_equal(arena.used_bytes, 0);
    assert_int_equal(arena.resident_bytes, 0);
}

static void footprint__is_what_the_kernel_says(void **state)
{
    enum { N = 30000 };
    static zs_handle_t h[N];
    struct zs_arena_stats stats;
    uint64_t before, kernel;

    (void)state;
    if (!SMAPS_MEANS_SOMETHING) {
        skip();
    }
    memset(h, 0xff, sizeof(h)); /* ours, not the pool's */
    before = pss_bytes();
    assert_true(before > 0);
    pool = new_pool(0);
    for (unsigned i = 0; i < N; i++) {
        assert_int_equal(zs_obj_create(pool, &stats, sizeof(stats), &h[i]), 0);
        assert_int_equal(zs_malloc(pool, 1 + i % 4000, &h[i]), 0);
    }
    for (unsigned i = 0; i < N; i += 2) {
        zs_free(pool, h[i]);
    }
    for (unsigned round = 0; round < 2; round++) {
        kernel = pss_bytes() - before;
        zs_arena_stats(zs_pool_arena(pool), &stats);
        /* a malloc'd struct here and there, and what is not touched yet */
        assert_in_range(kernel, stats.footprint_bytes * 98 / 100,
                        stats.footprint_bytes * 101 / 100 + (128 << 10));
        compact();
    }
    zs_pool_destroy(pool);
}

/* Leaves one of four small objects, and all large ones. */
static void make_waste(size_t *small_slot)
{
    static zs_handle_t small[4000];
    zs_handle_t h;

    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(zs_obj_create(pool, pattern, 4096, &h), 0);
    }
    for (unsigned i = 0; i < 4000; i++) {
        assert_int_equal(zs_obj_create(pool, pattern, 100, &small[i]), 0);
    }
    *small_slot = zs_obj_size(pool, small[0]);
    for (unsigned i = 0; i < 4000; i++) {
        if (i % 4 != 0) {
            zs_free(pool, small[i]);
        }
    }
    caches_empty(pool);
}

static void class_stats__say_where_the_waste_is(void **state)
{
    struct zs_class_stats c[2];
    size_t slot;

    (void)state;
    make_waste(&slot);
    assert_int_equal(zs_pool_class_stats(pool, NULL, 0), 2);
    assert_int_equal(zs_pool_class_stats(pool, c, 2), 2);
    assert_int_equal(c[0].slot_bytes, slot);
    assert_int_equal(c[0].n_objects, 1000);
    assert_int_equal(c[0].live_bytes, 1000 * slot);
    assert_in_range(c[0].waste_permille, 700, 850);
    assert_int_equal(c[1].live_bytes, 100 * 4096);
    assert_in_range(c[1].waste_permille, 0, 200);
    compact();
    assert_int_equal(zs_pool_class_stats(pool, c, 1), 2);
    assert_in_range(c[0].waste_permille, 0, 50);
}

static void dump__names_classes_and_slots(void **state)
{
    int fds[2];
    char text[4096] = "";
    zs_handle_t h;

    (void)state;
    assert_int_equal(pipe(fds), 0);
    assert_int_equal(zs_malloc(pool, 100, &h), 0);
    assert_int_equal(zs_malloc(pool, 100, &h), 0);
    zs_free(pool, h);
    zs_pool_dump(pool, fds[1]);
    caches_empty(pool);
    zs_pool_dump(pool, fds[1]);
    close(fds[1]);
    assert_true(read(fds[0], text, sizeof(text) - 1) > 0);
    close(fds[0]);
    assert_non_null(strstr(text, "slots"));
    assert_non_null(strstr(text, " ca")); /* in the thread's cache, live */
    assert_non_null(strstr(text, " .a")); /* free, live */
}

#define POOL_TEST(name)                                                        \
    cmocka_unit_test_setup_teardown(name, make_pool, drop_pool)

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(every_size__is_stored_read_compacted_and_read_again),
        POOL_TEST(large_objects__are_moved_whole),
        POOL_TEST(size__out_of_range_is_refused),
        POOL_TEST(write__changes_only_its_range),
        POOL_TEST(write__beyond_the_object_is_refused_whole),
        POOL_TEST(replace__keeps_the_handle_across_sizes),
        POOL_TEST(replace__leaves_the_snapshot_of_an_open_read_alone),
        cmocka_unit_test(limit__is_a_clear_error_and_all_before_stays),
        cmocka_unit_test(malloc_at_the_limit__in_a_read_section_does_not_hang),
        cmocka_unit_test(limit__leaves_every_free_slot_usable),
        cmocka_unit_test(limit__gives_way_after_a_compaction),
        cmocka_unit_test(zspage_numbers__run_out_with_enospc),
        cmocka_unit_test(handles__of_other_classes_are_used_before_enospc),
        cmocka_unit_test(handles__run_out_with_enospc),
        POOL_TEST(populate_failure__is_enomem_and_passes),
        cmocka_unit_test(creation__fails_cleanly_at_every_call),
        POOL_TEST(bad_handle__stops_every_call),
        POOL_TEST(waiting_call__in_a_read_section_stops),
        cmocka_unit_test(pools__share_an_arena),
        POOL_TEST(free__of_everything_leaves_nothing),
        cmocka_unit_test(footprint__is_what_the_kernel_says),
        POOL_TEST(class_stats__say_where_the_waste_is),
        POOL_TEST(dump__names_classes_and_slots),
    };

    return cmocka_run_group_tests_name("pool", tests, NULL, NULL);
}
