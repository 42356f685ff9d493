/* SPDX-License-Identifier: MIT */
/* Unit tests of compactor/pressure_find.c: from /proc/self/cgroup and
 * /proc/self/mountinfo to the folder of the process's group. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "pressure.h"
#include "fake_tree.h"

#define CGROUP "/proc/self/cgroup"
#define MOUNTS "/proc/self/mountinfo"

static struct zs_pressure p;

static void find(const char *groups, const char *mounts)
{
    memset(&p, 0, sizeof(p));
    tree_set(CGROUP, "%s", groups);
    tree_set(MOUNTS, "%s", mounts);
    zs_pressure_find(&p);
}

static void assert_found(const char *dir, const char *root, bool v1)
{
    assert_string_equal(p.dir, dir);
    assert_int_equal(p.root_len, strlen(root));
    assert_int_equal(p.v1, v1);
}

#define V2_MOUNT                                                               \
    "24 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw\n"                  \
    "31 24 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw\n"

static void v2__the_path_follows_the_mount(void **unused)
{
    (void)unused;
    find("0::/system.slice/cached.service\n", V2_MOUNT);
    assert_found("/sys/fs/cgroup/system.slice/cached.service", "/sys/fs/cgroup",
                 false);
}

static void v2__a_group_of_its_own_namespace_is_the_mount(void **unused)
{
    (void)unused;
    find("0::/\n", V2_MOUNT);
    assert_found("/sys/fs/cgroup", "/sys/fs/cgroup", false);
}

static void v1__the_memory_controller_counts(void **unused)
{
    (void)unused;
    find("5:cpu,memory:/a/b\n4:cpuset:/c\n1:name=systemd:/d\n",
         "32 31 0:29 / /cg/set rw - cgroup cgroup rw,cpuset\n"
         "33 31 0:30 / /cg/mem rw - cgroup cgroup rw,cpu,memory\n");
    assert_found("/cg/mem/a/b", "/cg/mem", true);
}

/* Not every name that has "memory" in it. */
static void v1__words_are_whole(void **unused)
{
    (void)unused;
    find("5:memoryx:/a\n4:xmemory:/b\n3:name=memory:/c\n",
         "33 31 0:30 / /cg/mem rw - cgroup cgroup rw,memory\n");
    assert_found("", "", false);
}

static void hybrid__limits_of_v1_and_stalls_of_v2(void **unused)
{
    (void)unused;
    tree_set("/cg/uni/user/memory.pressure", "some total=1\n");
    find("4:memory:/a\n0::/user\n",
         "33 31 0:30 / /cg/mem rw - cgroup cgroup rw,memory\n"
         "38 31 0:38 / /cg/uni rw - cgroup2 cgroup2 rw\n");
    assert_found("/cg/mem/a", "/cg/mem", true);
    assert_string_equal(p.psi, "/cg/uni/user/memory.pressure");
}

static void container__the_root_of_the_mount_is_taken_off(void **unused)
{
    (void)unused;
    find("0::/docker/abc/web\n",
         "31 24 0:26 /docker/abc /sys/fs/cgroup ro - cgroup2 cgroup ro\n");
    assert_found("/sys/fs/cgroup/web", "/sys/fs/cgroup", false);
    find("7:memory:/docker/abc\n",
         "31 24 0:26 /docker/abc /cg/mem ro - cgroup cgroup ro,memory\n");
    assert_found("/cg/mem", "/cg/mem", true);
}

/* /docker/ab is no ancestor of /docker/abc. */
static void container__a_root_elsewhere_is_left_out(void **unused)
{
    (void)unused;
    find("0::/docker/abc\n",
         "31 24 0:26 /docker/ab /sys/fs/cgroup ro - cgroup2 cgroup ro\n");
    assert_found("", "", false);
    find("0::/docker/abc\n",
         "31 24 0:26 /docker/abc/web /sys/fs/cgroup ro - cgroup2 cgroup ro\n");
    assert_found("", "", false);
    find("0::/../other\n", V2_MOUNT);
    assert_found("", "", false);
    find("0::/\n", "31 24 0:26 /.. /sys/fs/cgroup ro - cgroup2 cgroup ro\n");
    assert_found("", "", false);
}

static void mounts__the_one_that_shows_most_ancestors_counts(void **unused)
{
    (void)unused;
    find("0::/docker/abc\n",
         "30 24 0:26 /docker/abc /inner ro - cgroup2 cgroup ro\n"
         "31 24 0:26 / /outer ro - cgroup2 cgroup ro\n"
         "32 24 0:26 /docker /middle ro - cgroup2 cgroup ro\n");
    assert_found("/outer/docker/abc", "/outer", false);
}

static void mounts__blanks_in_paths_are_octal(void **unused)
{
    (void)unused;
    find("0::/my group\n", "31 24 0:26 / /c\\040g rw a:1 b:2 - cgroup2 x rw\n");
    assert_found("/c g/my group", "/c g", false);
    find("0::/my group/x\n", "31 24 0:26 /my\\040group /c rw - cgroup2 x rw\n");
    assert_found("/c/x", "/c", false);
}

static void nothing__without_groups_or_mounts(void **unused)
{
    (void)unused;
    memset(&p, 0, sizeof(p));
    zs_pressure_find(&p);
    assert_found("", "", false);
    assert_string_equal(p.psi, "/proc/pressure/memory");
    find("0::/a\n", "");
    assert_found("", "", false);
    find("", V2_MOUNT);
    assert_found("", "", false);
}

static void nothing__of_garbage(void **unused)
{
    static const char *const bad[] = {
        "\n",       ":", "::", "0:", "0::", "0::a", "0", "\xff\xfe\n\n:::\n",
        ":memory:",
    };
    static const char *const bad_mounts[] = {
        "\n\n",
        "31",
        "31 24 0:26 /",
        "31 24 0:26 / /x rw -",
        "31 24 0:26 / /x rw - cgroup2",
        "31 24 0:26 / /x rw - cgroup2 x",
        "31 24 0:26 / /x rw cgroup2 x rw",
        "- - - - - - - - -",
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        find(bad[i], V2_MOUNT);
        assert_found("", "", false);
    }
    for (size_t i = 0; i < sizeof(bad_mounts) / sizeof(bad_mounts[0]); i++) {
        find("0::/a\n4:memory:/b\n", bad_mounts[i]);
        assert_found("", "", false);
    }
}

static void nothing__of_a_path_too_long(void **unused)
{
    static char text[1500];

    (void)unused;
    memset(text, 'a', sizeof(text) - 1);
    memcpy(text, "0::/", 4);
    find(text, V2_MOUNT);
    assert_found("", "", false);
    text[ZS_PRESSURE_MAX_PATH] = '\0'; /* fits, but not behind the mount */
    find(text, V2_MOUNT);
    assert_found("", "", false);
}

static void *no_memory(size_t bytes)
{
    (void)bytes;
    return NULL;
}

static void nothing__without_memory(void **unused)
{
    (void)unused;
    zs_os.alloc = no_memory;
    find("0::/a\n", V2_MOUNT);
    assert_found("", "", false);
    assert_string_equal(p.psi, "/proc/pressure/memory");
}

static void psi__is_of_the_system_when_the_group_has_none(void **unused)
{
    (void)unused;
    find("0::/a\n", V2_MOUNT);
    assert_string_equal(p.psi, "/proc/pressure/memory");
    tree_set("/sys/fs/cgroup/a/memory.pressure", "some total=0\n");
    find("0::/a\n", V2_MOUNT);
    assert_string_equal(p.psi, "/sys/fs/cgroup/a/memory.pressure");
    tree_break("/sys/fs/cgroup/a/memory.pressure", -EOPNOTSUPP);
    find("0::/a\n", V2_MOUNT);
    assert_string_equal(p.psi, "/proc/pressure/memory");
}

static void events__are_the_groups_own_where_told_apart(void **unused)
{
    (void)unused;
    find("0::/a\n", V2_MOUNT);
    assert_string_equal(p.events_name, "memory.events");
    tree_set("/sys/fs/cgroup/a/memory.events.local", "max 0\n");
    find("0::/a\n", V2_MOUNT);
    assert_string_equal(p.events_name, "memory.events.local");
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, tree_begin, tree_end)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(v2__the_path_follows_the_mount),
        TEST(v2__a_group_of_its_own_namespace_is_the_mount),
        TEST(v1__the_memory_controller_counts),
        TEST(v1__words_are_whole),
        TEST(hybrid__limits_of_v1_and_stalls_of_v2),
        TEST(container__the_root_of_the_mount_is_taken_off),
        TEST(container__a_root_elsewhere_is_left_out),
        TEST(mounts__the_one_that_shows_most_ancestors_counts),
        TEST(mounts__blanks_in_paths_are_octal),
        TEST(nothing__without_groups_or_mounts),
        TEST(nothing__of_garbage),
        TEST(nothing__of_a_path_too_long),
        TEST(nothing__without_memory),
        TEST(psi__is_of_the_system_when_the_group_has_none),
        TEST(events__are_the_groups_own_where_told_apart),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
