/* SPDX-License-Identifier: MIT */
/* Unit tests of monitor/: what clients are answered, and what they can do to
 * it. Real sockets in a folder of the test's own. */
#include "monitor_fixture.h"

#include "client.h"

/* --- answers --- */

static int set_up_running(void **unused)
{
    (void)set_up(unused);
    assert_int_equal(start_at(path), 0);
    return 0;
}

static void assert_refuses(int fd, const char *line, const char *part)
{
    ask(fd, line);
    if (!reply.is_error || strstr(reply.text, part) == NULL) {
        fail_msg("%s: no \"%s\" in: %.200s", line, part, reply.text);
    }
}

static void answers__are_what_the_library_says(void **unused)
{
    int fd = attach();

    (void)unused;
    assert_answers(fd, "stats", "{\"arena\":{\"name\":\"first\"");
    assert_non_null(strstr(reply.text, "\"n_objects\":200"));
    assert_answers(fd, "prometheus", "# TYPE zspool_arena_footprint_bytes");
    assert_answers(fd, "map", "arena first: ");
    assert_answers(fd, "svg", "<svg");
    assert_non_null(strstr(reply.text, "</svg>"));
    assert_answers(fd, "help", "budget [NAME=NUMBER...]");
    assert_answers(fd, "arenas",
                   "\"compactor\":false,\"paused\":false,"
                   "\"arenas\":[{\"number\":1,\"name\":"
                   "\"first\"}]}");
    assert_refuses(fd, "nonsense", "no command");
    assert_answers(fd, "stats", "{\"arena\""); /* after an error as before */
    close(fd);
}

static void answers__without_a_compactor_there_are_no_buttons(void **unused)
{
    static const char *const lines[] = { "kick", "pause", "resume", "budget",
                                         "budget share=1" };
    int fd = attach();

    (void)unused;
    for (unsigned i = 0; i < 5; i++) {
        assert_refuses(fd, lines[i], "no compactor");
    }
    close(fd);
}

static void press_buttons(int fd, struct zs_compactor *compactor)
{
    struct zs_compact_budget b;

    assert_answers(fd, "budget", "share=5 max=100 low=3 high=5 step_us=100");
    assert_answers(fd, "budget share=20 reserve=0", "share=20");
    zs_compactor_budget(compactor, &b);
    assert_int_equal(b.share_percent, 20);
    assert_true(b.reserve_bytes == ZS_RESERVE_NOTHING);
    assert_refuses(fd, "budget low=50 high=40", "as before");
    assert_refuses(fd, "budget low=5000", "low: a number from 1 to 1000");
    zs_compactor_budget(compactor, &b);
    assert_int_equal(b.low_permille, 3);
    assert_answers(fd, "pause", "done");
    assert_true(zs_compactor_is_paused(compactor));
    assert_answers(fd, "arenas", "\"compactor\":true,\"paused\":true");
    assert_answers(fd, "resume", "done");
    assert_false(zs_compactor_is_paused(compactor));
}

static void answers__a_compactor_has_buttons(void **unused)
{
    struct zs_monitor_config cfg = { .path = path, .arena = arena };
    struct zs_compactor_config slow = { .tick_ns = UINT64_C(3600000000000),
                                        .budget = { .low_permille = 3,
                                                    .high_permille = 5 } };
    struct zs_compactor_stats stats = { 0 };
    int fd;

    (void)unused;
    assert_int_equal(zs_compactor_start(arena, &slow, &cfg.compactor), 0);
    assert_int_equal(zs_monitor_start(&cfg, &monitor), 0);
    fd = attach();
    press_buttons(fd, cfg.compactor);
    assert_answers(fd, "kick", "done");
    for (unsigned i = 0; i < WAIT_MS && stats.looks == 0; i++) {
        assert_int_equal(zs_compactor_stats(cfg.compactor, arena, &stats), 0);
        usleep(1000);
    }
    assert_true(stats.looks > 0);
    close(fd);
    stop();
    zs_compactor_stop(cfg.compactor);
}

static void arenas__come_and_go(void **unused)
{
    const struct zs_arena_config cfg = { .name = "the second",
                                         .reserve_bytes = 4 << 20 };
    struct zs_arena *second;
    int fd = attach();

    (void)unused;
    assert_refuses(fd, "stats 2", "no such arena");
    assert_int_equal(zs_arena_create(&cfg, &second), 0);
    assert_string_equal(zs_arena_name(second), "the second");
    assert_int_equal(zs_monitor_add(monitor, second), 0);
    assert_int_equal(zs_monitor_add(monitor, second), -EEXIST);
    assert_answers(fd, "stats 2", "\"name\":\"the second\"");
    assert_answers(fd, "stats the second", "\"name\":\"the second\"");
    assert_answers(fd, "stats", "\"name\":\"first\"");
    assert_int_equal(zs_monitor_remove(monitor, arena), 0);
    assert_int_equal(zs_monitor_remove(monitor, arena), -ENOENT);
    assert_answers(fd, "stats 1", "\"name\":\"the second\"");
    assert_int_equal(zs_monitor_remove(monitor, second), 0);
    zs_arena_destroy(second);
    assert_refuses(fd, "map", "no such arena");
    assert_answers(fd, "arenas", "\"arenas\":[]");
    assert_refuses(fd, "stats 99999999999999999999999", "no such arena");
    close(fd);
}

static void arenas__have_a_greatest_number(void **unused)
{
    const struct zs_arena_config cfg = { .reserve_bytes = 2 << 20 };
    struct zs_arena *more[ZS_MONITOR_ARENAS];

    (void)unused;
    for (unsigned i = 0; i < ZS_MONITOR_ARENAS; i++) {
        assert_int_equal(zs_arena_create(&cfg, &more[i]), 0);
        assert_int_equal(zs_monitor_add(monitor, more[i]),
                         i + 1 < ZS_MONITOR_ARENAS ? 0 : -ENOSPC);
    }
    assert_alive();
    for (unsigned i = 0; i < ZS_MONITOR_ARENAS; i++) {
        (void)zs_monitor_remove(monitor, more[i]);
        zs_arena_destroy(more[i]);
    }
}

/* --- what clients send --- */

static void client__lines_may_come_in_pieces_or_together(void **unused)
{
    int fd = attach();

    (void)unused;
    say(fd, "he");
    usleep(2000);
    say(fd, "lp\nnonsense\r\n\nhelp");
    hear(fd);
    assert_false(reply.is_error);
    hear(fd);
    assert_true(reply.is_error);
    hear(fd);
    assert_true(reply.is_error); /* the empty line */
    say(fd, "\n");
    hear(fd);
    assert_false(reply.is_error);
    close(fd);
}

static void client__half_closed_it_gets_its_answers(void **unused)
{
    int fd = attach();

    (void)unused;
    say(fd, "map\nhelp"); /* printf help | nc -U */
    assert_int_equal(shutdown(fd, SHUT_WR), 0);
    hear(fd);
    hear(fd);
    assert_false(reply.is_error);
    assert_true(is_at_end(fd));
    close(fd);
}

static void client__too_long_a_line_is_the_last(void **unused)
{
    char line[4 * ZS_COMMAND_BYTES];
    int fd = attach();

    (void)unused;
    memset(line, 'x', sizeof(line));
    say_bytes(fd, line, sizeof(line));
    hear(fd);
    assert_true(reply.is_error);
    assert_string_equal(reply.text, "too long a line\n");
    assert_true(is_at_end(fd));
    close(fd);
    fd = attach(); /* as long as may be */
    line[ZS_COMMAND_BYTES - 1] = '\n';
    say_bytes(fd, line, ZS_COMMAND_BYTES);
    hear(fd);
    assert_non_null(strstr(reply.text, "no command"));
    assert_answers(fd, "help", "help");
    close(fd);
}

static void client__binary_is_harmless(void **unused)
{
    char bytes[256];
    int fd = attach();

    (void)unused;
    for (unsigned i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)(255 - i);
    }
    say_bytes(fd, bytes, sizeof(bytes));
    say(fd, "\nhelp\n");
    do {
        hear(fd);
    } while (reply.is_error);
    close(fd);
}

/* They go away with answers unread, or in the middle of a line. */
static void client__may_go_at_any_time(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < 200; i++) {
        int fd = attach();

        say(fd, i % 3 == 0 ? "svg\nsvg\nsvg\n" : i % 3 == 1 ? "sv" : "map\n");
        close(fd);
    }
    assert_alive();
}

static void client__several_are_served_and_more_refused(void **unused)
{
    int fds[17];

    (void)unused;
    for (unsigned i = 0; i < 16; i++) {
        fds[i] = attach();
        assert_answers(fds[i], "stats", "first");
    }
    fds[16] = attach();
    hear(fds[16]);
    assert_string_equal(reply.text, "too many clients\n");
    assert_true(is_at_end(fds[16]));
    close(fds[16]);
    assert_answers(fds[3], "map", "first");
    close(fds[3]);
    for (bool served = false; !served;) { /* it has to see that first */
        int fd = attach();

        say(fd, "help\n");
        served = try_hear(fd) && !reply.is_error;
        close(fd);
    }
    for (unsigned i = 0; i < 16; i++) {
        if (i != 3) {
            close(fds[i]);
        }
    }
}

static void client__one_that_takes_nothing_is_dropped(void **unused)
{
    int fd = attach();
    int other = attach();
    int before;

    (void)unused;
    assert_answers(other, "help", "help");
    before = atomic_load(&n_calls[SEND]);
    fail_calls(SEND, -1, EAGAIN);
    say(fd, "stats\n");
    while (atomic_load(&n_calls[SEND]) < before + 3) {
        usleep(1000);
    }
    atomic_store(&clock_ahead_ns, ZS_CLIENT_SLOW_NS + 1);
    assert_true(is_at_end(fd));
    fail_calls(SEND, 0, 0);
    assert_answers(other, "help", "help"); /* says nothing, which is allowed */
    close(fd);
    close(other);
}

static void client__one_that_is_silent_for_long_is_dropped(void **unused)
{
    int fd = attach();

    (void)unused;
    assert_answers(fd, "help", "help");
    atomic_store(&clock_ahead_ns, ZS_CLIENT_IDLE_NS - 60000000000);
    assert_alive(); /* it looks at all of them when something happens */
    assert_answers(fd, "help", "help");
    atomic_store(&clock_ahead_ns, 2 * ZS_CLIENT_IDLE_NS + 1);
    assert_alive();
    assert_true(is_at_end(fd));
    close(fd);
}

/* --- who may ask --- */

static void peer__others_get_no_answer(void **unused)
{
    int fd;

    (void)unused;
    atomic_store(&fake_uid, (long)geteuid() + 12345);
    fd = attach();
    (void)send(fd, "stats\n", 6, MSG_NOSIGNAL); /* or it is closed already */
    assert_true(is_at_end(fd));
    close(fd);
    atomic_store(&fake_uid, -1);
    fail_calls(PEER, 1, 0); /* nobody knows who it is */
    fd = attach();
    assert_true(is_at_end(fd));
    close(fd);
    atomic_store(&fake_uid, 0);
    assert_alive(); /* root */
}

/* --- the system fails --- */

static void failures__end_at_most_the_client(void **unused)
{
    static const enum hook of_clients[] = { ACCEPT, RECEIVE, SEND, POLL };

    (void)unused;
    for (unsigned i = 0; i < 4; i++) {
        int fd;

        fail_calls(of_clients[i], 1, of_clients[i] == ACCEPT ? EMFILE : 0);
        fd = attach();
        (void)send(fd, "stats\n", 6, MSG_NOSIGNAL);
        if (try_hear(fd)) {
            assert_false(reply.is_error);
        }
        close(fd);
        assert_int_equal(atomic_load(&failures[of_clients[i]]), 0);
        assert_alive();
    }
}

/* The socket goes on being readable: no reason to try again at once. */
static void failures__without_descriptors_it_does_not_spin(void **unused)
{
    int before = atomic_load(&n_calls[ACCEPT]);
    int fd;

    (void)unused;
    fail_calls(ACCEPT, -1, EMFILE);
    fd = attach();
    while (atomic_load(&n_calls[ACCEPT]) == before) {
        usleep(100);
    }
    usleep(30000);
    assert_true(atomic_load(&n_calls[ACCEPT]) - before < 20);
    fail_calls(ACCEPT, 0, 0);
    assert_answers(fd, "help", "help");
    close(fd);
}

static void failures__a_map_without_a_file_is_an_error(void **unused)
{
    static const enum hook of_maps[] = { MEMORY_FILE, LOOK_FD, READ_AT };
    int fd = attach();

    (void)unused;
    assert_answers(fd, "help", "help");
    for (unsigned i = 0; i < 3; i++) {
        unsigned n = count_fds();

        fail_calls(of_maps[i], 1, 0);
        assert_refuses(fd, "map", "no room for the map");
        assert_int_equal(count_fds(), n);
        assert_answers(fd, "map", "first");
    }
    close(fd);
}

static void failures__without_memory_a_client_is_dropped(void **unused)
{
    static const char *const lines[] = { "help", "arenas",  "stats",
                                         "map",  "stats 7", "nonsense" };

    (void)unused;
    for (unsigned i = 0; i < 6; i++) {
        int fd = attach();

        assert_answers(fd, "help", "help");
        atomic_store(&alloc_failures, -1);
        say(fd, lines[i]);
        say(fd, "\n");
        assert_true(is_at_end(fd));
        close(fd);
        atomic_store(&alloc_failures, 0);
        assert_alive();
    }
}

int main(void)
{
#define RUNNING(test)                                                          \
    cmocka_unit_test_setup_teardown(test, set_up_running, tear_down)
    const struct CMUnitTest tests[] = {
        RUNNING(answers__are_what_the_library_says),
        RUNNING(answers__without_a_compactor_there_are_no_buttons),
        cmocka_unit_test_setup_teardown(answers__a_compactor_has_buttons,
                                        set_up, tear_down),
        RUNNING(arenas__come_and_go),
        RUNNING(arenas__have_a_greatest_number),
        RUNNING(client__lines_may_come_in_pieces_or_together),
        RUNNING(client__half_closed_it_gets_its_answers),
        RUNNING(client__too_long_a_line_is_the_last),
        RUNNING(client__binary_is_harmless),
        RUNNING(client__may_go_at_any_time),
        RUNNING(client__several_are_served_and_more_refused),
        RUNNING(client__one_that_takes_nothing_is_dropped),
        RUNNING(client__one_that_is_silent_for_long_is_dropped),
        RUNNING(peer__others_get_no_answer),
        RUNNING(failures__end_at_most_the_client),
        RUNNING(failures__without_descriptors_it_does_not_spin),
        RUNNING(failures__a_map_without_a_file_is_an_error),
        RUNNING(failures__without_memory_a_client_is_dropped),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
