/* SPDX-License-Identifier: MIT */
/* Unit tests of tools/zstop: from the texts that a process sends to a screen,
 * without a process and without a terminal. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "view.h"

static const char process_text[] =
    "{\"pid\":4711,\"program\":\"cached\",\"compactor\":true,\"paused\":false,"
    "\"arenas\":[{\"number\":1,\"name\":\"main\"},"
    "{\"number\":2,\"name\":\"other\"}]}\n";

static const char stats_text[] =
    "{\"arena\":{\"name\":\"main\",\"footprint_bytes\":115343360,"
    "\"limit_bytes\":268435456,\"withheld_bytes\":0},\n"
    "\"compaction\":{\"compact_stall\":3,\"objects_moved\":1000,"
    "\"bytes_moved\":52428800,\"bytes_released\":1073741824,"
    "\"busy_skips\":17},\n"
    "\"pools\":[{\"name\":\"a\",\"n_objects\":1000,\"live_bytes\":73400320},\n"
    "{\"name\":\"b\",\"n_objects\":234,\"live_bytes\":31457280}],\n"
    "\"types\":[],\n"
    "\"histograms\":{\"reader_delay\":{\"n\":400,\"sum\":1,\"max\":10000000,"
    "\"p50\":1000,\"p90\":2000,\"p99\":40960,\"p99.9\":2000000,"
    "\"p99.99\":9000000},\n"
    "\"alloc_wait\":{\"n\":0,\"sum\":0,\"max\":0,\"p50\":0,\"p90\":0,\"p99\":0,"
    "\"p99.9\":0,\"p99.99\":0}},\n"
    "\"compactor\":{\"looks\":120,\"passes\":9,\"passes_deferred\":2,"
    "\"cpu_ns\":1500000000,\"share_percent\":5,\"waste_permille\":47,"
    "\"reserve_bytes\":18446744073709551615,"
    "\"steps\":{\"n\":50000000,\"sum\":1,\"max\":99000,\"p50\":3000,\"p90\":1,"
    "\"p99\":50000,\"p99.9\":60000,\"p99.99\":88000}}}\n";

static const char map_text[] =
    "arena main: 112640 KiB kept, 1 KiB in use, 70 blocks in use\n"
    "     0 ################################################9999999999.!~-23\n"
    "    64 12....\n"
    "a block each: 0-9 tenths of its pages in use  # all of them  . no memory\n"
    "! cannot be emptied just now  ~ being emptied or trimmed  - offline\n"
    "cannot be emptied just now:\n"
    "    52 page 26655 of zspage (MOVABLE): object 60208\n";

static const char budget_text[] =
    "share=5 max=100 low=3 high=5 step_us=100 step_bytes=65536 "
    "step_objects=256 reserve=4194304 decay_ms=500\n";

static struct view view;
static struct canvas canvas;
static char screen[MAX_ROWS * (MAX_COLUMNS + 1) + 1];

static void draw(int rows, int columns)
{
    FILE *f = fmemopen(screen, sizeof(screen), "w");

    assert_non_null(f);
    canvas_clear(&canvas, rows, columns);
    view_draw(&view, &canvas);
    canvas_write(&canvas, f);
    fclose(f);
}

static void assert_shows(const char *text)
{
    if (strstr(screen, text) == NULL) {
        fail_msg("no \"%s\" in:\n%s", text, screen);
    }
}

static void assert_shows_not(const char *text)
{
    if (strstr(screen, text) != NULL) {
        fail_msg("\"%s\" in:\n%s", text, screen);
    }
}

static void read_all(void)
{
    assert_true(
        process_parse(process_text, strlen(process_text), &view.process));
    assert_true(figures_parse(stats_text, strlen(stats_text), &view.now));
    assert_true(map_parse(map_text, strlen(map_text), &view.map));
    strcpy(view.budget, budget_text);
}

static int set_up(void **unused)
{
    (void)unused;
    memset(&view, 0, sizeof(view));
    view.arena = 1;
    view.interval_s = 1;
    view.cpu_percent = -1;
    view.moved_per_s = -1;
    return 0;
}

static int tear_down(void **unused)
{
    (void)unused;
    map_free(&view.map);
    return 0;
}

/* --- figures --- */

static void figures__sums_and_times_are_read(void **unused)
{
    const struct figures *f = &view.now;

    (void)unused;
    read_all();
    assert_int_equal(view.process.pid, 4711);
    assert_int_equal(view.process.n_arenas, 2);
    assert_string_equal(f->arena, "main");
    assert_true(f->live == 104857600 && f->footprint == 115343360);
    assert_true(f->objects == 1234 && f->busy == 17);
    assert_true(f->has_compactor && f->waste_permille == 47);
    assert_int_equal(f->n_times, 3);
    assert_string_equal(f->times[2].name, "steps");
    assert_true(f->times[2].p9999 == 88000);
}

static void figures__what_is_absent_is_nothing(void **unused)
{
    static const char little[] = "{\"arena\":{\"name\":\"x\"}}";

    (void)unused;
    assert_true(figures_parse(little, strlen(little), &view.now));
    assert_false(view.now.has_compactor);
    assert_int_equal(view.now.n_times, 0);
    draw(VIEW_ROWS, VIEW_COLUMNS);
    assert_shows("no figures");
    assert_shows("ratio -");
    assert_shows("budget       none");
}

static void figures__what_is_no_json_changes_nothing(void **unused)
{
    static const char *const wrong[] = { "",         "{",     "[]",
                                         "null",     "{}x",   "{\"a\":1}",
                                         "\xff\xfe", "\"x\"", "{\"arena\":1}" };

    (void)unused;
    read_all();
    for (unsigned i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        assert_false(figures_parse(wrong[i], strlen(wrong[i]), &view.now));
        assert_true(view.now.objects == 1234);
    }
    assert_false(process_parse("[1]", 3, &view.process));
    assert_int_equal(view.process.pid, 4711);
}

static void figures__odd_types_are_nothing(void **unused)
{
    static const char odd[] =
        "{\"arena\":{\"name\":7,\"footprint_bytes\":\"x\"},\"pools\":3,"
        "\"histograms\":[1],\"compactor\":\"yes\",\"compaction\":null}";

    (void)unused;
    assert_true(figures_parse(odd, strlen(odd), &view.now));
    assert_string_equal(view.now.arena, "");
    assert_true(view.now.footprint == 0);
    assert_int_equal(view.now.n_times, 0);
}

static void map__is_its_rows(void **unused)
{
    (void)unused;
    read_all();
    assert_int_equal(view.map.n, 70);
    assert_memory_equal(view.map.cells + 58, ".!~-2312....", 12);
    assert_false(map_parse("", 0, &view.map));
    assert_int_equal(view.map.n, 70);
    assert_true(map_parse("arena x: 0 KiB\na block each\n", 28, &view.map));
    assert_int_equal(view.map.n, 0);
}

static void budget__values_are_found_by_name(void **unused)
{
    (void)unused;
    assert_int_equal(budget_value(budget_text, "share"), 5);
    assert_int_equal(budget_value(budget_text, "max"), 100);
    assert_int_equal(budget_value(budget_text, "decay_ms"), 500);
    assert_int_equal(budget_value(budget_text, "step"), -1);
    assert_int_equal(budget_value("", "share"), -1);
}

/* --- the screen --- */

static const char whole_screen[] =
    "zstop  cached  pid 4711  arena main (1 of 2)\n"
    "live 100.0 MiB  footprint 110.0 MiB  ratio 1.100  objects 1234  "
    "limit 256.0 MiB\n"
    "\n"
    "history   a column each 1 s: # live  + kept beyond it\n"
    "110.0 MiB  #\n"
    "          +#\n"
    "          ##\n"
    "        0 ##\n"
    "map   70 pageblocks: 0-9 tenths used  # full  . none  ! held  ~ busy\n"
    "################################################9999999999.!~-2312....\n"
    "\n"
    "\n"
    "\n"
    "\n"
    "times                n    p50    p99  p99.9 p99.99    max 100ns          "
    "   10s\n"
    "reader_delay       400  1.0us 41.0us  2.0ms  9.0ms 10.0ms ====----.....|\n"
    "alloc_wait           0\n"
    "steps           50000k  3.0us 50.0us 60.0us 88.0us 99.0us =====--|\n"
    "compactor    share 5 %  waste 4.7 %  cpu 2.50 %  passes 9 (2 put off)\n"
    "moved        all 50.0 MiB  /s 5.0 MiB  back 1.0 GiB  stalls 3  busy 17\n"
    "budget       share=5  max=100  low=3  high=5  step_us=100  "
    "step_bytes=65536\n"
    "             step_objects=256  reserve=4194304  decay_ms=500\n"
    "share of a processor: 5 %\n"
    "c compact now  p pause  r resume  + - share  a arena  q quit\n";

static void screen__is_this(void **unused)
{
    struct figures before;

    (void)unused;
    read_all();
    before = view.now;
    before.cpu_ns -= 5e7;
    before.bytes_moved -= 10485760;
    view_set_rates(&view, &before, 2);
    history_add(&view.history, 50e6, 75e6);
    history_add(&view.history, view.now.live, view.now.footprint);
    strcpy(view.message, "share of a processor: 5 %");
    draw(VIEW_ROWS, VIEW_COLUMNS);
    assert_string_equal(screen, whole_screen);
}

static void screen__says_what_state_the_process_is_in(void **unused)
{
    (void)unused;
    read_all();
    view.process.is_paused = true;
    draw(VIEW_ROWS, VIEW_COLUMNS);
    assert_shows("  paused\n");
    view.is_gone = true;
    draw(VIEW_ROWS, VIEW_COLUMNS);
    assert_shows("  gone\n");
    view.is_gone = view.process.is_paused = view.process.has_compactor = false;
    draw(VIEW_ROWS, VIEW_COLUMNS);
    assert_shows("  read only\n");
    assert_shows_not("compact now");
}

static void screen__says_how_short_memory_is(void **unused)
{
    (void)unused;
    read_all();
    draw(VIEW_ROWS, VIEW_COLUMNS);
    assert_shows_not("pressure");
    view.now.limit = 0;
    view.now.pressure = 2;
    draw(VIEW_ROWS, VIEW_COLUMNS);
    assert_shows("objects 1234  pressure high\n");
    view.now.pressure = 77; /* of another version */
    draw(VIEW_ROWS, VIEW_COLUMNS);
    assert_shows_not("pressure");
}

static void screen__a_small_terminal_is_told(void **unused)
{
    (void)unused;
    read_all();
    draw(VIEW_ROWS - 1, VIEW_COLUMNS);
    assert_shows("zstop needs 24 rows of 80");
    draw(1, 3);
    assert_string_equal(screen, "zst\n");
    draw(VIEW_ROWS, VIEW_COLUMNS - 1);
    assert_shows("zstop needs");
}

static void screen__any_larger_one_will_do(void **unused)
{
    (void)unused;
    read_all();
    for (int rows = VIEW_ROWS; rows < MAX_ROWS + 20; rows += 7) {
        for (int columns = VIEW_COLUMNS; columns < MAX_COLUMNS + 30;
             columns += 31) {
            draw(rows, columns);
            assert_shows("q quit");
            assert_shows("12....");
        }
    }
}

static void screen__large_maps_are_merged(void **unused)
{
    enum { N = 100000 };

    (void)unused;
    read_all();
    map_free(&view.map);
    view.map.cells = malloc(N);
    assert_non_null(view.map.cells);
    view.map.n = N;
    memset(view.map.cells, '#', N);
    memset(view.map.cells, '-', 1000);
    view.map.cells[50000] = '!';
    draw(VIEW_ROWS, VIEW_COLUMNS);
    assert_shows("100000 pageblocks, 250 a cell");
    assert_shows("\n----####");
    assert_shows("#!#");
}

static void screen__what_a_process_says_is_harmless(void **unused)
{
    (void)unused;
    read_all();
    strcpy(view.process.program, "a\033[31mb\xff");
    draw(VIEW_ROWS, VIEW_COLUMNS);
    assert_shows("zstop  a?[31mb?  pid");
}

static void history__forgets_the_oldest(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < MAX_HISTORY + 10; i++) {
        history_add(&view.history, i, i + 1);
    }
    assert_int_equal(view.history.n, MAX_HISTORY);
    assert_true(view.history.live[0] == 10);
    assert_true(view.history.footprint[MAX_HISTORY - 1] == MAX_HISTORY + 10);
}

static void rates__are_unknown_after_a_restart(void **unused)
{
    struct figures before;

    (void)unused;
    read_all();
    before = view.now;
    before.bytes_moved *= 2; /* another process: less than before */
    view_set_rates(&view, &before, 1);
    assert_true(view.cpu_percent < 0 && view.moved_per_s < 0);
    view_set_rates(&view, &view.now, 0);
    assert_true(view.cpu_percent < 0);
}

static void format__numbers_are_short(void **unused)
{
    static const struct {
        double value;
        const char *bytes, *ns;
    } cases[] = {
        { 0, "0 B", "0ns" },
        { 999, "999 B", "999ns" },
        { 1023, "1023 B", "1.0us" },
        { 1024, "1.0 KiB", "1.0us" },
        { 999999, "976.6 KiB", "1.0ms" },
        { 12345678, "11.8 MiB", "12.3ms" },
        { 999e9, "930.4 GiB", "999s" },
    };

    (void)unused;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char text[32];

        format_bytes(cases[i].value, text, sizeof(text));
        assert_string_equal(text, cases[i].bytes);
        format_ns(cases[i].value, text, sizeof(text));
        assert_string_equal(text, cases[i].ns);
    }
}

int main(void)
{
#define TEST(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(figures__sums_and_times_are_read),
        TEST(figures__what_is_absent_is_nothing),
        TEST(figures__what_is_no_json_changes_nothing),
        TEST(figures__odd_types_are_nothing),
        TEST(map__is_its_rows),
        TEST(budget__values_are_found_by_name),
        TEST(screen__is_this),
        TEST(screen__says_what_state_the_process_is_in),
        TEST(screen__says_how_short_memory_is),
        TEST(screen__a_small_terminal_is_told),
        TEST(screen__any_larger_one_will_do),
        TEST(screen__large_maps_are_merged),
        TEST(screen__what_a_process_says_is_harmless),
        TEST(history__forgets_the_oldest),
        TEST(rates__are_unknown_after_a_restart),
        TEST(format__numbers_are_short),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
