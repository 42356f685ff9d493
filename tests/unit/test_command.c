/* SPDX-License-Identifier: MIT */
/* Unit tests of monitor/command.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "command.h"

static struct zs_command command;
static char why[256];

static bool parse_bytes(const char *line, size_t len)
{
    struct zs_text t;

    zs_text_init(&t, why, sizeof(why));
    memset(&command, 0xee, sizeof(command));
    return zs_command_parse(line, len, &command, &t);
}

static bool parse(const char *line)
{
    return parse_bytes(line, strlen(line));
}

static void assert_refused(const char *line, const char *reason)
{
    assert_false(parse(line));
    if (strstr(why, reason) == NULL) {
        fail_msg("%s: \"%s\", not \"%s\"", line, why, reason);
    }
}

static void command__verbs_are_found(void **unused)
{
    static const char *const names[ZS_NR_VERBS] = {
        [ZS_VERB_HELP] = "help",     [ZS_VERB_ARENAS] = "arenas",
        [ZS_VERB_STATS] = "stats",   [ZS_VERB_PROMETHEUS] = "prometheus",
        [ZS_VERB_MAP] = "map",       [ZS_VERB_SVG] = "svg",
        [ZS_VERB_KICK] = "kick",     [ZS_VERB_PAUSE] = "pause",
        [ZS_VERB_RESUME] = "resume", [ZS_VERB_BUDGET] = "budget",
    };

    (void)unused;
    for (unsigned i = 0; i < ZS_NR_VERBS; i++) {
        assert_true(parse(names[i]));
        assert_int_equal(command.verb, i);
        assert_string_equal(command.arena, "");
        assert_int_equal(command.n_set, 0);
    }
}

static void command__blanks_and_carriage_returns_do_not_matter(void **unused)
{
    (void)unused;
    assert_true(parse("  stats \t my cache \r"));
    assert_int_equal(command.verb, ZS_VERB_STATS);
    assert_string_equal(command.arena, "my cache");
    assert_true(parse("kick \r"));
}

static void command__what_is_none_is_said_in_words(void **unused)
{
    (void)unused;
    assert_refused("", "no command, see \"help\": \"\"");
    assert_refused("STATS", "no command");
    assert_refused("stat", "no command");
    assert_refused("statss", "no command");
    assert_refused("kick me", "kick has nothing behind it, not \"me\"");
    assert_false(parse_bytes("\0\1\2stats", 8));
    assert_false(parse_bytes("ki\0ck", 5));
    for (const char *p = why; *p != '\0'; p++) {
        assert_in_range(*p, ' ', '~');
    }
}

static void command__the_longest_line_fits(void **unused)
{
    char line[ZS_COMMAND_BYTES - 1];

    (void)unused;
    memset(line, 'x', sizeof(line));
    assert_false(parse_bytes(line, sizeof(line)));
    memcpy(line, "map ", 4);
    assert_true(parse_bytes(line, sizeof(line)));
    assert_int_equal(strlen(command.arena), sizeof(line) - 4);
}

static void budget__words_are_set_in_their_units(void **unused)
{
    struct zs_compact_budget b = { .high_permille = 77, .decay_ns = 99 };

    (void)unused;
    assert_true(parse("budget share=7 max=50 low=1 step_us=30 step_bytes=8k "
                      "step_objects=9 reserve=4194304"));
    assert_int_equal(command.n_set, 7);
    zs_command_apply(&command, &b);
    assert_int_equal(b.share_percent, 7);
    assert_int_equal(b.max_share_percent, 50);
    assert_int_equal(b.low_permille, 1);
    assert_int_equal(b.high_permille, 77); /* as it was */
    assert_int_equal(b.step_ns, 30000);
    assert_int_equal(b.step_bytes, 8192);
    assert_int_equal(b.step_objects, 9);
    assert_int_equal(b.reserve_bytes, 4194304);
    assert_int_equal(b.decay_ns, 99);
}

static void budget__nothing_and_default_are_two_things(void **unused)
{
    struct zs_compact_budget b = { .share_percent = 9 };

    (void)unused;
    assert_true(parse("budget reserve=0 decay_ms=0 share=default"));
    zs_command_apply(&command, &b);
    assert_true(b.reserve_bytes == ZS_RESERVE_NOTHING);
    assert_int_equal(b.decay_ns, 1);
    assert_int_equal(b.share_percent, 0);
    assert_true(parse("budget reserve=default decay_ms=default"));
    zs_command_apply(&command, &b);
    assert_int_equal(b.reserve_bytes, 0);
    assert_int_equal(b.decay_ns, 0);
}

static void budget__numbers_have_bounds(void **unused)
{
    (void)unused;
    assert_refused("budget share=0", "share: a number from 1 to 100");
    assert_refused("budget share=101", "share: a number from 1 to 100");
    assert_refused("budget share=", "is not \"\"");
    assert_refused("budget share=-1", "is not \"-1\"");
    assert_refused("budget share=5%", "is not \"5%\"");
    assert_refused("budget share=1k", "share");
    assert_refused("budget reserve=k", "is not \"k\"");
    assert_refused("budget reserve=1t", "is not \"1t\"");
    assert_refused("budget reserve=99999999999999999999999", "reserve");
    assert_refused("budget reserve=1099511627776g", "reserve");
    assert_refused("budget reserve=1025g", "reserve");
    assert_true(parse("budget reserve=1024G"));
    assert_true(command.set[0].value == UINT64_C(1) << 40);
}

static void budget__settings_have_a_form(void **unused)
{
    (void)unused;
    assert_refused("budget share", "NAME=NUMBER is wanted");
    assert_refused("budget =5", "NAME=NUMBER is wanted");
    assert_refused("budget speed=5", "not \"speed=5\"");
    assert_refused("budget share = 5", "NAME=NUMBER is wanted");
    assert_refused("budget share=5 low=1 share=6", "share is there twice");
}

static void budget__is_printed_as_it_can_be_set(void **unused)
{
    const struct zs_compact_budget b = {
        .low_permille = 3,
        .high_permille = 5,
        .share_percent = 5,
        .max_share_percent = 100,
        .step_ns = 100000,
        .step_bytes = 65536,
        .step_objects = 256,
        .reserve_bytes = ZS_RESERVE_NOTHING,
        .decay_ns = 1,
    };
    struct zs_compact_budget back = { 0 };
    char line[256] = "budget ";
    struct zs_text t;

    (void)unused;
    zs_text_init(&t, line + 7, sizeof(line) - 7);
    zs_command_print_budget(&t, &b);
    assert_string_equal(line + 7, "share=5 max=100 low=3 high=5 step_us=100 "
                                  "step_bytes=65536 step_objects=256 reserve=0 "
                                  "decay_ms=0\n");
    assert_true(parse_bytes(line, strlen(line) - 1));
    zs_command_apply(&command, &back);
    assert_memory_equal(&back, &b, sizeof(b));
}

static void help__names_every_verb_and_word(void **unused)
{
    char text[4096];
    struct zs_text t;

    (void)unused;
    zs_text_init(&t, text, sizeof(text));
    zs_command_print_help(&t);
    assert_true(t.len < sizeof(text));
    assert_non_null(strstr(text, "prometheus [ARENA]"));
    assert_non_null(strstr(text, "budget [NAME=NUMBER...]"));
    assert_non_null(strstr(text, "step_objects"));
    assert_non_null(strstr(text, "decay_ms"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(command__verbs_are_found),
        cmocka_unit_test(command__blanks_and_carriage_returns_do_not_matter),
        cmocka_unit_test(command__what_is_none_is_said_in_words),
        cmocka_unit_test(command__the_longest_line_fits),
        cmocka_unit_test(budget__words_are_set_in_their_units),
        cmocka_unit_test(budget__nothing_and_default_are_two_things),
        cmocka_unit_test(budget__numbers_have_bounds),
        cmocka_unit_test(budget__settings_have_a_form),
        cmocka_unit_test(budget__is_printed_as_it_can_be_set),
        cmocka_unit_test(help__names_every_verb_and_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
