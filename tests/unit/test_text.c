/* SPDX-License-Identifier: MIT */
/* Unit tests of lib/base/text.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "text.h"

static void write_all(struct zs_text *t)
{
    zs_text_add(t, "%s", "abc");
    zs_text_add_number(t, 12);
    zs_text_add_quoted(t, "d");
}

static void text__is_cut_off_and_its_length_told(void **unused)
{
    static const char whole[] = "abc12\"d\"";
    char buf[16];

    (void)unused;
    for (size_t size = 0; size <= sizeof(buf); size++) {
        struct zs_text t;
        size_t fits = size < sizeof(whole) ? size : sizeof(whole);

        memset(buf, 'x', sizeof(buf));
        zs_text_init(&t, size > 0 ? buf : NULL, size);
        write_all(&t);
        assert_int_equal(t.len, strlen(whole));
        if (size > 0) {
            assert_memory_equal(buf, whole, fits - 1);
            assert_int_equal(buf[fits - 1], '\0');
        }
        for (size_t i = size; i < sizeof(buf); i++) {
            assert_int_equal(buf[i], 'x');
        }
    }
}

static void assert_quoted(const char *s, const char *expected)
{
    char buf[64];
    struct zs_text t;

    zs_text_init(&t, buf, sizeof(buf));
    zs_text_add_quoted(&t, s);
    assert_string_equal(buf, expected);
    assert_int_equal(t.len, strlen(expected));
}

static void quoted__escapes_what_json_and_labels_do(void **unused)
{
    (void)unused;
    assert_quoted("", "\"\"");
    assert_quoted("a b{c}", "\"a b{c}\"");
    assert_quoted("a\"b\\c\nd", "\"a\\\"b\\\\c\\nd\"");
    assert_quoted("a\tb\x7f\x01", "\"a?b??\"");
}

static void quoted__lets_utf8_pass_and_nothing_else(void **unused)
{
    (void)unused;
    assert_quoted("\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98",
                  "\"\xc3\xa4\xe2\x82\xac\xf0\x9f\x90\x98\"");
    assert_quoted("\xc3", "\"?\""); /* cut off */
    assert_quoted("\xe2\x82", "\"??\"");
    assert_quoted("\xf0\x9f\x90", "\"???\"");
    assert_quoted("\xa4x", "\"?x\"");
    assert_quoted("\xc0\xaf", "\"??\"");           /* a slash, too long */
    assert_quoted("\xe0\x80\xaf", "\"???\"");      /* the same */
    assert_quoted("\xed\xa0\x80", "\"???\"");      /* a surrogate */
    assert_quoted("\xf4\x90\x80\x80", "\"????\""); /* above 10ffff */
    assert_quoted("\xff", "\"?\"");
}

static void xml__escapes_and_cuts_off(void **unused)
{
    char buf[64];
    struct zs_text t;

    (void)unused;
    zs_text_init(&t, buf, sizeof(buf));
    zs_text_add_xml(&t, "a<b>&\x01\xff\"c\xc3\xa4", 9);
    assert_string_equal(buf, "a&lt;b&gt;&amp;??\"c"); /* and no half */
    zs_text_init(&t, buf, sizeof(buf));
    zs_text_add_xml(&t, "x\xc3\xa4y", 2);
    assert_string_equal(buf, "x?");
}

static void seconds__are_exact(void **unused)
{
    char buf[64];
    struct zs_text t;

    (void)unused;
    zs_text_init(&t, buf, sizeof(buf));
    zs_text_add_seconds(&t, 1);
    zs_text_add(&t, " ");
    zs_text_add_seconds(&t, UINT64_C(12000000345));
    assert_string_equal(buf, "0.000000001 12.000000345");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text__is_cut_off_and_its_length_told),
        cmocka_unit_test(quoted__escapes_what_json_and_labels_do),
        cmocka_unit_test(quoted__lets_utf8_pass_and_nothing_else),
        cmocka_unit_test(xml__escapes_and_cuts_off),
        cmocka_unit_test(seconds__are_exact),
    };
    return cmocka_run_group_tests_name("text", tests, NULL, NULL);
}
