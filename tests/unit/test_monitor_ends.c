/* SPDX-License-Identifier: MIT */
/* Unit tests of monitor/: where the socket is, beginning and end, fork and
 * exit. */
#include "monitor_fixture.h"

#include "place.h"
#include "sanitizer.h"

/* --- the file --- */

static void file__is_its_owners_alone_and_goes(void **unused)
{
    struct stat s;

    (void)unused;
    assert_int_equal(start_at(path), 0);
    assert_string_equal(zs_monitor_path(monitor), path);
    assert_int_equal(lstat(path, &s), 0);
    assert_true(S_ISSOCK(s.st_mode));
    assert_int_equal(s.st_mode & 07777, 0600);
    assert_int_equal(count_files(), 1);
    stop();
    assert_int_equal(count_files(), 0);
}

static void make_stale_file(void)
{
    struct sockaddr_un a = { .sun_family = AF_UNIX };
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);

    strcpy(a.sun_path, path);
    assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
    assert_int_equal(listen(fd, 1), 0);
    close(fd);
}

static void file__a_stale_one_is_replaced(void **unused)
{
    (void)unused;
    make_stale_file();
    assert_int_equal(start_at(path), 0);
    assert_alive();
}

static void file__a_living_one_is_not(void **unused)
{
    const struct zs_monitor_config cfg = { .path = path };
    struct zs_monitor *second = NULL;

    (void)unused;
    assert_int_equal(start_at(path), 0);
    assert_int_equal(zs_monitor_start(&cfg, &second), -EADDRINUSE);
    assert_null(second);
    assert_alive();
}

static void file__what_is_no_socket_stays(void **unused)
{
    char target[160];
    FILE *f = fopen(path, "we");

    (void)unused;
    assert_non_null(f);
    fclose(f);
    assert_int_equal(start_at(path), -EADDRINUSE);
    (void)snprintf(target, sizeof(target), "%s-elsewhere", path);
    assert_int_equal(rename(path, target), 0);
    assert_int_equal(symlink(target, path), 0);
    assert_int_equal(start_at(path), -EADDRINUSE);
    assert_int_equal(count_files(), 2);
    unlink(path);
    unlink(target);
}

static void file__anothers_is_not_removed_at_the_end(void **unused)
{
    (void)unused;
    assert_int_equal(start_at(path), 0);
    assert_int_equal(unlink(path), 0);
    make_stale_file();
    stop();
    assert_int_equal(count_files(), 1);
    unlink(path);
}

static void path__has_bounds(void **unused)
{
    char name[ZS_PLACE_BYTES + 1];
    size_t len = strlen(path);

    (void)unused;
    memset(name, 'x', sizeof(name));
    memcpy(name, path, len);
    name[ZS_PLACE_BYTES] = '\0';
    assert_int_equal(start_at(name), -ENAMETOOLONG);
    name[ZS_PLACE_BYTES - 1] = '\0';
    assert_int_equal(start_at(name), 0);
    stop();
    assert_int_equal(start_at(""), -ENOENT);
    assert_int_equal(start_at("/no/such/folder/socket"), -ENOENT);
    assert_int_equal(count_files(), 0);
}

static void path__may_be_relative(void **unused)
{
    char before[4096];

    (void)unused;
    assert_non_null(getcwd(before, sizeof(before)));
    assert_int_equal(chdir(folder), 0);
    assert_int_equal(start_at("socket"), 0);
    assert_alive();
    stop();
    assert_int_equal(count_files(), 0);
    assert_int_equal(chdir(before), 0);
}

static void path__without_one_it_is_in_the_users_folder(void **unused)
{
    char expected[160];
    char own[128];
    struct stat s;

    (void)unused;
    (void)snprintf(own, sizeof(own), "%s/zspool", folder);
    (void)snprintf(expected, sizeof(expected), "%s/%ld.sock", own,
                   (long)getpid());
    assert_int_equal(setenv("XDG_RUNTIME_DIR", folder, 1), 0);
    assert_int_equal(zs_monitor_start(NULL, &monitor), 0);
    assert_string_equal(zs_monitor_path(monitor), expected);
    assert_int_equal(lstat(own, &s), 0);
    assert_int_equal(s.st_mode & 07777, 0700);
    stop();
    assert_int_equal(start_at(NULL), 0); /* the folder is there already */
    stop();
    assert_int_equal(chmod(own, 0770), 0);
    assert_int_equal(start_at(NULL), -EPERM);
    assert_int_equal(rmdir(own), 0);
    assert_int_equal(symlink("/tmp", own), 0);
    assert_int_equal(start_at(NULL), -EPERM);
    assert_int_equal(unlink(own), 0);
    fail_calls(MAKE_DIRECTORY, 1, EACCES);
    assert_int_equal(start_at(NULL), -EACCES);
    unsetenv("XDG_RUNTIME_DIR");
}

/* --- failures --- */

static int refuse_thread(pthread_t *out, void *(*run)(void *), void *arg)
{
    (void)out;
    (void)run;
    (void)arg;
    return -EAGAIN;
}

static void start__leaves_nothing_behind_when_it_fails(void **unused)
{
    static const enum hook at_start[] = { SOCKET, BIND, LISTEN,
                                          EVENT,  LOOK, LOCK_DIRECTORY };
    unsigned n = count_fds();

    (void)unused;
    for (unsigned i = 0; i < 6; i++) {
        fail_calls(at_start[i], 1, EMFILE);
        assert_int_equal(start_at(path), -EMFILE);
        assert_int_equal(count_fds(), n);
        assert_int_equal(count_files(), 0);
    }
    atomic_store(&alloc_failures, 1);
    assert_int_equal(start_at(path), -ENOMEM);
    zs_os.thread_start = refuse_thread;
    assert_int_equal(start_at(path), -EAGAIN);
    zs_os.thread_start = real_os.thread_start;
    assert_int_equal(count_fds(), n);
    assert_int_equal(count_files(), 0);
    assert_null(monitor);
    assert_int_equal(start_at(path), 0);
    assert_alive();
}

/* What cannot be found out about a file counts as alive. */
static void start__a_stale_file_stays_when_it_cannot_be_replaced(void **unused)
{
    unsigned n = count_fds();

    (void)unused;
    make_stale_file();
    fail_calls(LOOK, 1, EACCES);
    assert_int_equal(start_at(path), -EACCES);
    fail_calls(CONNECT, 1, EACCES);
    assert_int_equal(start_at(path), -EADDRINUSE);
    fail_calls(REMOVE, 1, EPERM);
    assert_int_equal(start_at(path), -EPERM);
    assert_int_equal(count_files(), 1);
    assert_int_equal(count_fds(), n);
    assert_int_equal(start_at(path), 0);
}

static void start__does_not_wait_forever_for_the_folder(void **unused)
{
    int before = atomic_load(&n_calls[LOCK_DIRECTORY]);

    (void)unused;
    fail_calls(LOCK_DIRECTORY, -1, EWOULDBLOCK);
    fail_calls(POLL, -1, EINTR); /* no time passes */
    assert_int_equal(start_at(path), -EADDRINUSE);
    assert_int_equal(atomic_load(&n_calls[LOCK_DIRECTORY]) - before, 100);
    fail_calls(LOCK_DIRECTORY, 3, EWOULDBLOCK);
    fail_calls(POLL, 0, 0);
    assert_int_equal(start_at(path), 0);
    stop();
}

static void stop__needs_no_monitor(void **unused)
{
    (void)unused;
    zs_monitor_stop(NULL);
}

static void stop__ends_clients(void **unused)
{
    unsigned n = count_fds();
    int fd, idle;

    (void)unused;
    assert_int_equal(start_at(path), 0);
    fd = attach();
    idle = attach();
    assert_answers(fd, "stats", "first");
    say(fd, "sta");
    stop();
    assert_true(is_at_end(fd));
    assert_true(is_at_end(idle));
    close(fd);
    close(idle);
    assert_int_equal(count_fds(), n);
}

/* --- processes --- */

/* In a child: what it exits with; 99: it was killed. */
static int run_child(int (*body)(void))
{
    pid_t child = fork();
    int status;

    assert_true(child >= 0);
    if (child == 0) {
        _exit(body());
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : 99;
}

static unsigned fds_before;

static int look_at_fds_and_exit(void)
{
    if (count_fds() != fds_before) {
        return 1;
    }
    zs_monitor_stop(monitor);
    exit(7); /* with what is done at exit */
}

static void fork__the_child_has_no_monitor(void **unused)
{
    int n_polls = atomic_load(&n_calls[POLL]);
    int fd;

    (void)unused;
    fds_before = count_fds();
    assert_int_equal(start_at(path), 0);
    fd = attach();
    assert_answers(fd, "help", "help");
    while (atomic_load(&n_calls[POLL]) < n_polls + 3) {
        usleep(100); /* the answer is freed: a child cannot do that */
    }
    fds_before++; /* the client's end */
    assert_int_equal(run_child(look_at_fds_and_exit), 7);
    assert_answers(fd, "help", "help");
    assert_alive();
    close(fd);
}

static int start_and_exit(void)
{
    if (start_at(path) != 0) {
        return 1;
    }
    exit(7);
}

static int start_and_die(void)
{
    return start_at(path) == 0 ? 7 : 1;
}

static void exit__removes_the_file(void **unused)
{
    (void)unused;
    assert_int_equal(run_child(start_and_exit), 7);
    assert_int_equal(count_files(), 0);
    assert_int_equal(run_child(start_and_die), 7); /* no handlers run */
    assert_int_equal(count_files(), 1);
    assert_int_equal(start_at(path), 0);
    assert_alive();
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(file__is_its_owners_alone_and_goes),
        TEST(file__a_stale_one_is_replaced),
        TEST(file__a_living_one_is_not),
        TEST(file__what_is_no_socket_stays),
        TEST(file__anothers_is_not_removed_at_the_end),
        TEST(path__has_bounds),
        TEST(path__may_be_relative),
        TEST(path__without_one_it_is_in_the_users_folder),
        TEST(start__leaves_nothing_behind_when_it_fails),
        TEST(start__a_stale_file_stays_when_it_cannot_be_replaced),
        TEST(start__does_not_wait_forever_for_the_folder),
        TEST(stop__needs_no_monitor),
        TEST(stop__ends_clients),
        TEST(fork__the_child_has_no_monitor),
        TEST(exit__removes_the_file),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
