/* SPDX-License-Identifier: MIT */
/* Unit tests of compactor/pressure.c: what a look makes of the files. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pressure.h"
#include "fake_tree.h"

#define NONE ZS_PRESSURE_NO_LIMIT
#define MIB (UINT64_C(1) << 20)
#define PSI "/proc/pressure/memory"

static struct zs_pressure p;
static struct zs_pressure_figures f;

static void set_number(const char *path, uint64_t n)
{
    tree_set(path, "%llu\n", (unsigned long long)n);
}

static void set_stalls(uint64_t some_us, uint64_t full_us)
{
    tree_set(PSI,
             "some avg10=9.00 avg60=8.00 avg300=7.00 total=%llu\n"
             "full avg10=6.00 avg60=5.00 avg300=4.00 total=%llu\n",
             (unsigned long long)some_us, (unsigned long long)full_us);
}

static void look_after_ms(unsigned ms)
{
    tree_now_ns += ms * UINT64_C(1000000);
    zs_pressure_look(&p, &f);
}

/* Groups /a/b of version 2, with the mount's root above them. */
#define TOP "/sys/cg"
#define A TOP "/a"
#define B A "/b"
static void open_v2(void)
{
    tree_set("/proc/self/cgroup", "0::/a/b\n");
    tree_set("/proc/self/mountinfo", "1 0 0:1 / /sys/cg rw - cgroup2 c rw\n");
    tree_set(B "/memory.max", "max\n");
    tree_set(B "/memory.high", "max\n");
    tree_set(A "/memory.max", "max\n");
    tree_set(A "/memory.high", "max\n");
    set_number(B "/memory.current", 30 * MIB);
    set_number(A "/memory.current", 90 * MIB);
    zs_pressure_open(&p);
}

static void open_v1(void)
{
    tree_set("/proc/self/cgroup", "4:memory:/a/b\n0::/\n");
    tree_set("/proc/self/mountinfo",
             "1 0 0:1 / /sys/cg rw - cgroup c rw,memory\n");
    set_number(TOP "/memory.limit_in_bytes", UINT64_C(9223372036854771712));
    set_number(A "/memory.limit_in_bytes", UINT64_C(9223372036854771712));
    set_number(B "/memory.limit_in_bytes", UINT64_C(9223372036854771712));
    set_number(TOP "/memory.usage_in_bytes", 900 * MIB);
    set_number(A "/memory.usage_in_bytes", 90 * MIB);
    set_number(B "/memory.usage_in_bytes", 30 * MIB);
    zs_pressure_open(&p);
}

static void assert_max(uint64_t limit, uint64_t room)
{
    assert_int_equal(f.max.limit_bytes, limit);
    assert_int_equal(f.max.room_bytes, room);
}

static void assert_high(uint64_t limit, uint64_t room)
{
    assert_int_equal(f.high.limit_bytes, limit);
    assert_int_equal(f.high.room_bytes, room);
}

static void assert_stalls(unsigned some, unsigned full)
{
    assert_int_equal(f.some_percent, some);
    assert_int_equal(f.full_percent, full);
}

static void assert_no_events(void)
{
    for (unsigned i = 0; i < ZS_PRESSURE_NR_EVENTS; i++) {
        assert_int_equal(f.events[i], 0);
    }
}

static void assert_nothing(void)
{
    assert_max(NONE, NONE);
    assert_high(NONE, NONE);
    assert_stalls(0, 0);
    assert_no_events();
}

/* --- no sources --- */

static void nothing__is_found_in_an_empty_tree(void **unused)
{
    (void)unused;
    zs_pressure_open(&p);
    look_after_ms(500);
    assert_nothing();
}

/* --- version 2 --- */

static void v2__max_is_no_limit(void **unused)
{
    (void)unused;
    open_v2();
    look_after_ms(500);
    assert_nothing();
}

static void v2__headroom_is_limit_less_current(void **unused)
{
    (void)unused;
    open_v2();
    set_number(B "/memory.max", 100 * MIB);
    set_number(B "/memory.high", 80 * MIB);
    look_after_ms(500);
    assert_max(100 * MIB, 70 * MIB);
    assert_high(80 * MIB, 50 * MIB);
}

static void v2__above_the_limit_there_is_none(void **unused)
{
    (void)unused;
    open_v2();
    set_number(B "/memory.high", 20 * MIB);
    look_after_ms(500);
    assert_high(20 * MIB, 0);
}

static void v2__the_tightest_ancestor_counts(void **unused)
{
    (void)unused;
    open_v2();
    set_number(B "/memory.max", 100 * MIB);
    set_number(A "/memory.max", 150 * MIB);
    look_after_ms(500);
    assert_max(150 * MIB, 60 * MIB);
    set_number(TOP "/memory.max", 1000 * MIB); /* as a container's root has */
    set_number(TOP "/memory.current", 960 * MIB);
    look_after_ms(500);
    assert_max(1000 * MIB, 40 * MIB);
}

static void v2__nothing_above_the_mount_is_read(void **unused)
{
    (void)unused;
    open_v2();
    set_number("/sys/memory.max", 10 * MIB);
    set_number("/sys/memory.current", 10 * MIB);
    look_after_ms(500);
    assert_max(NONE, NONE);
}

static void v2__file_cache_is_headroom(void **unused)
{
    (void)unused;
    open_v2();
    set_number(B "/memory.max", 32 * MIB);
    tree_set(B "/memory.stat", "anon 5\ninactive_file %llu\nactive_file %llu\n",
             (unsigned long long)(15 * MIB), (unsigned long long)(5 * MIB));
    look_after_ms(500);
    assert_max(32 * MIB, 22 * MIB);
    tree_set(B "/memory.stat", "inactive_file 1048576\nactive_file %llu\n",
             (unsigned long long)UINT64_MAX);
    look_after_ms(500);
    assert_max(32 * MIB, 3 * MIB);
    tree_set(B "/memory.stat", "inactive_file %llu\n",
             (unsigned long long)(200 * MIB)); /* not of the same moment */
    look_after_ms(500);
    assert_max(32 * MIB, 32 * MIB);
}

static void v2__the_statistics_are_read_near_the_limit_only(void **unused)
{
    (void)unused;
    open_v2();
    set_number(B "/memory.max", 100 * MIB);
    tree_set(B "/memory.stat", "inactive_file %llu\n", (unsigned long long)MIB);
    look_after_ms(500);
    assert_max(100 * MIB, 70 * MIB);
}

static void set_events(const char *path, unsigned max, unsigned oom)
{
    tree_set(path, "low 1\nhigh 2\nmax %u\noom %u\noom_kill 3\n", max, oom);
}

static void v2__events_are_counted_since_the_look_before(void **unused)
{
    (void)unused;
    set_number(B "/memory.max", 100 * MIB);
    set_events(B "/memory.events", 5, 0);
    tree_set("/proc/self/cgroup", "0::/a/b\n");
    tree_set("/proc/self/mountinfo", "1 0 0:1 / /sys/cg rw - cgroup2 c rw\n");
    zs_pressure_open(&p);
    look_after_ms(500);
    assert_no_events();
    set_events(B "/memory.events", 9, 1);
    look_after_ms(500);
    assert_int_equal(f.events[ZS_PRESSURE_EVENT_max], 4);
    assert_int_equal(f.events[ZS_PRESSURE_EVENT_oom], 1);
    assert_int_equal(f.events[ZS_PRESSURE_EVENT_low], 0);
    look_after_ms(500);
    assert_no_events();
}

static void v2__events_of_all_groups_are_added(void **unused)
{
    (void)unused;
    open_v2();
    set_number(A "/memory.max", 100 * MIB);
    set_number(B "/memory.high", 100 * MIB);
    set_events(A "/memory.events", 1, 0);
    set_events(B "/memory.events", 10, 0);
    look_after_ms(500);
    assert_no_events(); /* the limits are new */
    set_events(A "/memory.events", 3, 0);
    set_events(B "/memory.events", 14, 0);
    look_after_ms(500);
    assert_int_equal(f.events[ZS_PRESSURE_EVENT_max], 6);
}

/* Down, gone, broken: each time the counter is only learnt anew. */
static void v2__counters_that_begin_anew_are_no_events(void **unused)
{
    const char *path = B "/memory.events";

    (void)unused;
    open_v2();
    set_number(B "/memory.max", 100 * MIB);
    set_events(path, 100, 0);
    look_after_ms(500);
    set_events(path, 7, 0);
    look_after_ms(500);
    assert_no_events();
    tree_break(path, -ENODEV);
    look_after_ms(500);
    set_events(path, 50, 0);
    look_after_ms(500);
    assert_no_events();
    tree_set(path, "max\nmax x\nhigh -1\n\n oom 5");
    look_after_ms(500);
    set_events(path, 60, 0);
    look_after_ms(500);
    assert_no_events();
    set_events(path, 61, 0);
    look_after_ms(500);
    assert_int_equal(f.events[ZS_PRESSURE_EVENT_max], 1);
}

/* --- version 1 --- */

static void v1__the_largest_number_is_no_limit(void **unused)
{
    (void)unused;
    open_v1();
    look_after_ms(500);
    assert_nothing();
    /* 64 KiB pages; old kernels */
    set_number(B "/memory.limit_in_bytes", UINT64_C(9223372036854710272));
    set_number(A "/memory.limit_in_bytes", UINT64_C(9223372036854775807));
    look_after_ms(500);
    assert_nothing();
}

static void v1__the_tightest_ancestor_counts(void **unused)
{
    (void)unused;
    open_v1();
    set_number(B "/memory.limit_in_bytes", 200 * MIB);
    set_number(A "/memory.limit_in_bytes", 256 * MIB);
    look_after_ms(500);
    assert_max(256 * MIB, 166 * MIB);
    assert_high(NONE, NONE);
}

static void v1__cache_is_that_of_the_whole_group(void **unused)
{
    (void)unused;
    open_v1();
    set_number(B "/memory.limit_in_bytes", 32 * MIB);
    tree_set(B "/memory.stat",
             "inactive_file 5\nactive_file 6\ntotal_inactive_file %llu\n"
             "total_active_file %llu\n",
             (unsigned long long)(5 * MIB), (unsigned long long)(3 * MIB));
    look_after_ms(500);
    assert_max(32 * MIB, 10 * MIB);
}

static void v1__failures_are_events(void **unused)
{
    (void)unused;
    open_v1();
    set_number(B "/memory.limit_in_bytes", 100 * MIB);
    set_number(B "/memory.failcnt", 40);
    look_after_ms(500);
    assert_no_events();
    set_number(B "/memory.failcnt", 42);
    look_after_ms(500);
    assert_int_equal(f.events[ZS_PRESSURE_EVENT_max], 2);
    set_number(B "/memory.failcnt", 0); /* it can be reset by writing */
    look_after_ms(500);
    assert_no_events();
}

/* --- content that makes no sense, files that vanish --- */

static void garbage__counts_as_no_limit(void **unused)
{
    static const char *const bad[] = {
        "",
        "\n",
        "x",
        "-1\n",
        "12x\n",
        "1 2\n",
        "0x10\n",
        "99999999999999999999\n",
        "18446744073709551616\n",
        "18446744073709551615\n",
        " 7\n",
        "max",
        "\xff",
    };

    (void)unused;
    open_v2();
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        tree_set(B "/memory.max", "%s", bad[i]);
        look_after_ms(500);
        assert_nothing();
    }
    set_number(B "/memory.max", 100 * MIB);
    tree_set(B "/memory.current", "many\n");
    look_after_ms(500);
    assert_nothing();
}

static void files__that_vanish_are_left_out_and_come_back(void **unused)
{
    (void)unused;
    open_v2();
    set_number(A "/memory.max", 100 * MIB);
    set_number(B "/memory.max", 31 * MIB);
    look_after_ms(500);
    assert_max(31 * MIB, MIB);
    tree_break(B "/memory.max", -ENOENT);
    look_after_ms(500);
    assert_max(100 * MIB, 10 * MIB);
    tree_break(A "/memory.current", -EACCES);
    look_after_ms(500);
    assert_nothing();
    set_number(B "/memory.max", 31 * MIB);
    look_after_ms(500);
    assert_max(31 * MIB, MIB);
}

static void files__too_long_are_left_out(void **unused)
{
    (void)unused;
    open_v2();
    set_number(B "/memory.max", 100 * MIB);
    tree_break(B "/memory.current", -EFBIG);
    look_after_ms(500);
    assert_nothing();
}

static void groups__deeper_than_the_list_are_left_out(void **unused)
{
    (void)unused;
    tree_set("/proc/self/cgroup",
             "0::/1/2/3/4/5/6/7/8/9/10/11/12/13/14/15/16/17/18\n");
    tree_set("/proc/self/mountinfo", "1 0 0:1 / /sys/cg rw - cgroup2 c rw\n");
    set_number(TOP "/1/memory.max", 8 * MIB);
    set_number(TOP "/1/memory.current", 8 * MIB);
    set_number(TOP "/1/2/3/memory.max", 16 * MIB);
    set_number(TOP "/1/2/3/memory.current", 16 * MIB);
    zs_pressure_open(&p);
    look_after_ms(500);
    assert_max(16 * MIB, 0);
}

static void group__is_followed_when_the_process_is_moved(void **unused)
{
    (void)unused;
    open_v2();
    set_number(TOP "/other/memory.max", 64 * MIB);
    set_number(TOP "/other/memory.current", MIB);
    look_after_ms(500);
    assert_max(NONE, NONE);
    tree_set("/proc/self/cgroup", "0::/other\n");
    look_after_ms(500);
    assert_max(64 * MIB, 63 * MIB);
    tree_break("/proc/self/cgroup", -ENOENT);
    look_after_ms(500);
    assert_nothing();
}

/* --- stall times --- */

static void stalls__are_shares_of_the_time_between_looks(void **unused)
{
    (void)unused;
    set_stalls(1000000, 500000);
    zs_pressure_open(&p);
    set_stalls(1050000, 505000);
    look_after_ms(500);
    assert_stalls(10, 1);
    look_after_ms(500);
    assert_stalls(0, 0);
    set_stalls(3050000, 505000); /* more than there was time */
    look_after_ms(1000);
    assert_stalls(100, 0);
}

static void stalls__that_go_back_are_none(void **unused)
{
    (void)unused;
    set_stalls(UINT64_MAX - 1, UINT64_MAX - 1);
    zs_pressure_open(&p);
    set_stalls(100000, 100000);
    look_after_ms(500);
    assert_stalls(0, 0);
    set_stalls(200000, 150000);
    look_after_ms(500);
    assert_stalls(20, 10);
    set_stalls(UINT64_MAX - 1, 150000);
    look_after_ms(500);
    assert_stalls(100, 0);
}

/* Two looks close together: a share of so little time says nothing. */
static void stalls__of_a_short_time_are_those_before(void **unused)
{
    (void)unused;
    set_stalls(0, 0);
    zs_pressure_open(&p);
    set_stalls(50000, 0);
    look_after_ms(500);
    assert_stalls(10, 0);
    set_stalls(52000, 2000);
    look_after_ms(2);
    assert_stalls(10, 0);
    set_stalls(52000, 2000);
    look_after_ms(198);
    assert_stalls(1, 1);
}

static void stalls__that_vanish_are_none(void **unused)
{
    (void)unused;
    set_stalls(0, 0);
    zs_pressure_open(&p);
    set_stalls(50000, 50000);
    look_after_ms(500);
    assert_stalls(10, 10);
    tree_break(PSI, -EOPNOTSUPP);
    look_after_ms(500);
    assert_stalls(0, 0);
    set_stalls(900000, 900000); /* of a time that nobody looked at */
    look_after_ms(500);
    assert_stalls(0, 0);
    set_stalls(950000, 900000);
    look_after_ms(500);
    assert_stalls(10, 0);
}

static void stalls__without_sense_are_none(void **unused)
{
    static const char *const bad[] = {
        "",
        "some\n",
        "some total\n",
        "something total=500000\n",
        "some total=\n",
        "some total=x\n",
        "some avg10=0.00\nfull total=500000\n",
        "sometotal=500000\n",
        "some total=99999999999999999999\n",
        "full\nfull\n",
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        set_stalls(0, 0);
        zs_pressure_open(&p);
        tree_set(PSI, "%s", bad[i]);
        look_after_ms(500);
        assert_int_equal(f.some_percent, 0);
    }
    tree_set(PSI, "some total=7\n"); /* no line for full */
    zs_pressure_open(&p);
    set_stalls(50007, 400000);
    look_after_ms(500);
    assert_stalls(10, 0);
}

/* --- cost, and the machine itself --- */

static void look__reads_few_files(void **unused)
{
    (void)unused;
    open_v2();
    set_stalls(0, 0);
    tree_reads = 0;
    look_after_ms(500);
    assert_int_equal(tree_reads, 8); /* groups, stalls, 3 times max and high */
    set_number(B "/memory.max", 100 * MIB);
    tree_reads = 0;
    look_after_ms(500);
    assert_int_equal(tree_reads, 10); /* current and events */
}

static void machine__can_be_looked_at(void **unused)
{
    (void)unused;
    zs_pressure_open(&p);
    for (int i = 0; i < 3; i++) {
        zs_pressure_look(&p, &f);
        assert_true(f.max.room_bytes <= f.max.limit_bytes);
        assert_true(f.high.room_bytes <= f.high.limit_bytes);
        assert_true(f.some_percent <= 100 && f.full_percent <= 100);
    }
    if (p.dir[0] != '\0') {
        assert_int_equal(p.dir[0], '/');
        assert_true(p.root_len <= strlen(p.dir));
    }
}

static void read_file__reads_whole_files_or_says_why_not(void **unused)
{
    char buf[64];
    int n = zs_os.read_file("/proc/self/comm", buf, sizeof(buf));

    (void)unused;
    assert_in_range(n, 1, sizeof(buf) - 1);
    assert_int_equal(strlen(buf), n);
    assert_int_equal(zs_os.read_file("/proc/self/comm", buf, (size_t)n),
                     -EFBIG);
    assert_int_equal(zs_os.read_file("/proc/self/comm", buf, (size_t)n + 1), n);
    assert_int_equal(zs_os.read_file("/proc/self/none", buf, 64), -ENOENT);
    assert_int_equal(zs_os.read_file("/proc/self", buf, 64), -EISDIR);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tree_begin, tree_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(nothing__is_found_in_an_empty_tree),
        TEST(v2__max_is_no_limit),
        TEST(v2__headroom_is_limit_less_current),
        TEST(v2__above_the_limit_there_is_none),
        TEST(v2__the_tightest_ancestor_counts),
        TEST(v2__nothing_above_the_mount_is_read),
        TEST(v2__file_cache_is_headroom),
        TEST(v2__the_statistics_are_read_near_the_limit_only),
        TEST(v2__events_are_counted_since_the_look_before),
        TEST(v2__events_of_all_groups_are_added),
        TEST(v2__counters_that_begin_anew_are_no_events),
        TEST(v1__the_largest_number_is_no_limit),
        TEST(v1__the_tightest_ancestor_counts),
        TEST(v1__cache_is_that_of_the_whole_group),
        TEST(v1__failures_are_events),
        TEST(garbage__counts_as_no_limit),
        TEST(files__that_vanish_are_left_out_and_come_back),
        TEST(files__too_long_are_left_out),
        TEST(groups__deeper_than_the_list_are_left_out),
        TEST(group__is_followed_when_the_process_is_moved),
        TEST(stalls__are_shares_of_the_time_between_looks),
        TEST(stalls__that_go_back_are_none),
        TEST(stalls__of_a_short_time_are_those_before),
        TEST(stalls__that_vanish_are_none),
        TEST(stalls__without_sense_are_none),
        TEST(look__reads_few_files),
        cmocka_unit_test(machine__can_be_looked_at),
        cmocka_unit_test(read_file__reads_whole_files_or_says_why_not),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
