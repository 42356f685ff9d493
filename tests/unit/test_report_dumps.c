/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of the readers of tools/zscompress-report: dumps that are written
 * here byte by byte. Input is allocated with exactly its bytes, so that a
 * sanitizer sees every overrun.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "formats.h"
#include "hash.h"
#include "lzf.h"

/* Bytes of a literal, zeros inside included. */
#define BYTES(text) text, sizeof(text) - 1

struct fixture {
    struct values values;
    struct intake in;
    struct reader r;
    unsigned char *data;
    bool ok;
};

static void begin(struct fixture *f)
{
    *f = (struct fixture){ 0 };
    assert_true(values_open(&f->values, 1 << 20));
    f->in.values = &f->values;
    f->in.unit = UNIT_VALUE;
}

static bool read_all(struct fixture *f, const void *data, size_t len)
{
    f->data = malloc(len > 0 ? len : 1);
    assert_non_null(f->data);
    memcpy(f->data, data, len);
    reader_open_memory(&f->r, f->data, len);
    f->ok = read_stream(&f->in, &f->r, f->in.unit);
    return f->ok;
}

static void end(struct fixture *f)
{
    free(f->in.blob.data);
    free(f->in.key.data);
    free(f->data);
    values_close(&f->values);
}

static void value_is(const struct fixture *f, size_t i, const char *text)
{
    const struct value *one = &f->values.kept[i];

    assert_true(i < f->values.n_kept);
    assert_int_equal(one->len, strlen(text));
    assert_memory_equal(f->values.bytes + one->at, text, one->len);
}

static void error_is(const char *data, size_t len, uint64_t at,
                     const char *what)
{
    struct fixture f;

    begin(&f);
    assert_false(read_all(&f, data, len));
    assert_true(f.r.failed);
    assert_non_null(strstr(f.r.error, what));
    assert_int_equal(f.r.error_at, at);
    end(&f);
}

/* ---- memcached ---------------------------------------------------------- */

static void memcached__values_of_get(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    assert_true(read_all(&f, BYTES("VALUE a 0 5\r\nhello\r\n"
                                   "VALUE b 1 7 99\r\nx\r\nEND\r\r\nEND\r\n")));
    assert_int_equal(f.values.n_all, 2);
    value_is(&f, 0, "hello");
    value_is(&f, 1, "x\r\nEND\r");
    end(&f);
}

static void memcached__values_of_memcached_tool_and_mg(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    assert_true(read_all(&f, BYTES("add k 0 1700000000 3\r\nabc\r\n"
                                   "set l 0 0 0 noreply\r\n\r\n"
                                   "VA 4 s4 t-1\r\ndata\r\nEN\r\n"
                                   "key=foo exp=-1 la=1 cas=2 size=66\n")));
    assert_int_equal(f.values.n_all, 3);
    assert_int_equal(f.values.n_of_size[0], 1);
    assert_int_equal(f.in.n_skipped, 2);
    value_is(&f, 1, "data");
    end(&f);
}

static void memcached__damage_is_named_with_its_place(void **state)
{
    (void)state;
    error_is(BYTES("VALUE a 0 5\r\nhel"), 16, "in the middle of a value");
    error_is(BYTES("VALUE a 0 5\r\nhello"), 18, "a value's end");
    error_is(BYTES("VALUE a 0 4\r\nhello\r\n"), 17, "no line end");
    error_is(BYTES("VALUE a 0 1\r\nh\r\nwhat\r\n"), 16, "no line of");
    error_is(BYTES("VALUE a 0 1\r\nh\r\nVALUE a 0 2000000000\r\n"), 16,
             "no line of");
    error_is(BYTES("VALUE a 0 1000000000\r\nh\r\n"), 25,
             "in the middle of a value");
}

/* ---- RDB ---------------------------------------------------------------- */

#define CRC "\0\0\0\0\0\0\0\0" /* none: not looked at */

static void rdb__strings_in_every_encoding(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    /* LZF: literal "ab", then 12 bytes from 2 back */
    assert_true(read_all(
        &f, BYTES("REDIS0011"
                  "\xfa\x09redis-ver\x05"
                  "7.2.0"
                  "\xfe\x00"
                  "\xfb\x05\x01"
                  "\x00\x01k\x05hello"
                  "\xfc\x01\x02\x03\x04\x05\x06\x07\x08\x00\x01k\xc0\xfb"
                  "\xfd\x01\x02\x03\x04\x00\x01k\xc1\xe8\x03"
                  "\xf8\x05\x00\x01k\xc2\x15\xcd\x5b\x07"
                  "\xf9\x05\x00\x01k\xc3\x06\x0e\x01"
                  "ab\xe0\x03\x01"
                  "\x00\x01k\x40\x02xy"
                  "\x00\x01k\x80\x00\x00\x00\x02xz"
                  "\xff" CRC)));
    assert_int_equal(f.values.n_all, 7);
    value_is(&f, 0, "hello");
    value_is(&f, 1, "-5");
    value_is(&f, 2, "1000");
    value_is(&f, 3, "123456789");
    value_is(&f, 4, "ababababababab");
    value_is(&f, 5, "xy");
    value_is(&f, 6, "xz");
    end(&f);
}

#define STREAM_TAIL "\x02\x05\x01"           /* length, last id */
#define STREAM_TAIL_2 "\x05\x01\x00\x00\x02" /* first, deleted, added */
#define ID "0123456789abcdef"
#define TIME "01234567"

/* One of each type, then a string: what is read over was as long as it is. */
static void rdb__other_types_are_read_over(void **state)
{
    static const char last[] = "\x00\x01s\x04last\xff" CRC;
    static const struct {
        const char *data;
        size_t len, n_elements;
    } cases[] = {
        { BYTES("\x01\x01k\x02\x01x\x02yz"), 2 },
        { BYTES("\x02\x01k\x01\x01x"), 1 },
        { BYTES("\x03\x01k\x02\x01x\x03"
                "1.5\x01y\xfe"),
          2 },
        { BYTES("\x04\x01k\x01\x01x\x01y"), 2 },
        { BYTES("\x05\x01k\x01\x01x" TIME), 1 },
        { BYTES("\x09\x01k\x03zip"), 1 },
        { BYTES("\x0b\x01k\x03int"), 1 },
        { BYTES("\x0d\x01k\x03zip"), 1 },
        { BYTES("\x0e\x01k\x02\x03zip\x03zap"), 2 },
        { BYTES("\x10\x01k\x03lst"), 1 },
        { BYTES("\x12\x01k\x02\x01\x01x\x02\x03lst"), 2 },
        { BYTES("\x14\x01k\x03lst"), 1 },
        { BYTES("\x18\x01k" TIME "\x01\x00\x01x\x01y"), 2 },
        { BYTES("\x19\x01k" TIME "\x03lst"), 1 },
        { BYTES("\x07\x01k\x81" TIME "\x02\x05\x04" TIME "\x05\x01x\x00"), 0 },
        { BYTES("\x0f\x01k\x01\x10" ID "\x03lst" STREAM_TAIL "\x00"), 1 },
        { BYTES("\x13\x01k\x01\x10" ID "\x03lst" STREAM_TAIL STREAM_TAIL_2
                "\x01\x01g\x05\x01\x02\x01" ID TIME "\x01\x01\x01"
                "c" TIME "\x01" ID),
          1 },
        { BYTES("\x15\x01k\x01\x10" ID "\x03lst" STREAM_TAIL STREAM_TAIL_2
                "\x01\x01g\x05\x01\x02\x00\x01\x01"
                "c" TIME TIME "\x00"),
          1 },
    };

    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        for (int all = 0; all < 2; all++) {
            unsigned char file[256] = "REDIS0012";
            size_t n = 9;
            struct fixture f;

            memcpy(file + n, cases[i].data, cases[i].len);
            n += cases[i].len;
            memcpy(file + n, last, sizeof(last) - 1);
            n += sizeof(last) - 1;
            begin(&f);
            f.in.all_types = all;
            assert_true(read_all(&f, file, n));
            assert_int_equal(f.values.n_all,
                             1 + (all ? cases[i].n_elements : 0));
            assert_int_equal(f.in.n_skipped, !all);
            value_is(&f, f.values.n_kept - 1, "last");
            end(&f);
        }
    }
}

static void rdb__damage_is_named_with_its_place(void **state)
{
    (void)state;
    error_is(BYTES("REDIS0099\xff"), 5, "version 99");
    error_is(BYTES("REDIS0011"), 9, "in the middle of the dump");
    error_is(BYTES("REDIS0011\x00\x01k\x05he"), 15, "of a string");
    error_is(BYTES("REDIS0011\x1e\x01k"), 9, "type 30");
    error_is(BYTES("REDIS0011\x06\x01k"), 9, "type 6");
    error_is(BYTES("REDIS0011\x00\x01k\xc7"), 12, "encoding");
    error_is(BYTES("REDIS0011\xfe\xc0\x01"), 10, "a string where a length");
    error_is(BYTES("REDIS0011\x00\x01k\x81\x01\x01\x01\x01\x01\x01\x01\x01"),
             12, "512 MiB");
    error_is(BYTES("REDIS0011\x00\x01k\xc3\x02\x80\x10\x00\x00\x00"
                   "ab"),
             13, "cannot make");
    error_is(BYTES("REDIS0011\x00\x01k\xc3\x02\x05"
                   "ab"),
             13, "does not unpack");
    error_is(BYTES("REDIS0011\xff\x00"), 11, "checksum");
    error_is(BYTES("REDIS0011\xff" CRC "rest"), 18, "'*'");
}

/* ---- LZF ---------------------------------------------------------------- */

static void lzf__undoes_each_kind_of_item(void **state)
{
    unsigned char out[300];

    (void)state;
    assert_true(lzf_decompress((const void *)BYTES("\x02"
                                                   "abc\x20\x02"),
                               out, 6));
    assert_memory_equal(out, "abcabc", 6);
    assert_true(
        lzf_decompress((const void *)BYTES("\x00x\xe0\xff\x00"), out, 265));
    assert_int_equal(out[264], 'x');
    assert_true(lzf_decompress((const void *)"", 0, out, 0));
}

static void lzf__refuses_what_leads_outside(void **state)
{
    unsigned char out[300];

    (void)state;
    assert_false(lzf_decompress((const void *)BYTES("\x02"
                                                    "ab"),
                                out, 3)); /* reads on */
    assert_false(lzf_decompress((const void *)BYTES("\x00x\x20\x01"), out,
                                4)); /* before the beginning */
    assert_false(lzf_decompress((const void *)BYTES("\x00x\x20\x00"), out,
                                3)); /* beyond the end */
    assert_false(lzf_decompress((const void *)BYTES("\x00x\x20\x00"), out,
                                5)); /* too short */
    assert_false(lzf_decompress((const void *)BYTES("\x00x\xe0"), out, 9));
    assert_false(lzf_decompress((const void *)BYTES("\x00x\x20"), out, 4));
}

/* ---- AOF ---------------------------------------------------------------- */

#define SET_K_ABC "*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$3\r\nabc\r\n"

static void aof__values_of_writes(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    assert_true(read_all(
        &f, BYTES("*2\r\n$6\r\nSELECT\r\n$1\r\n0\r\n" SET_K_ABC "#TS:17000\r\n"
                  "*4\r\n$5\r\nsetex\r\n$1\r\nk\r\n$2\r\n60\r\n$4\r\nd\r\ne\r\n"
                  "*5\r\n$4\r\nMSET\r\n$1\r\na\r\n$2\r\nv1\r\n$1\r\nb\r\n"
                  "$2\r\nv2\r\n"
                  "*4\r\n$4\r\nHSET\r\n$1\r\nh\r\n$1\r\nf\r\n$2\r\nv3\r\n")));
    assert_int_equal(f.values.n_all, 4);
    assert_int_equal(f.in.n_skipped, 2);
    value_is(&f, 0, "abc");
    value_is(&f, 1, "d\r\ne");
    value_is(&f, 2, "v1");
    value_is(&f, 3, "v2");
    end(&f);
}

static void aof__begins_with_an_rdb_file(void **state)
{
    struct fixture f;

    (void)state;
    begin(&f);
    assert_true(
        read_all(&f, BYTES("REDIS0011\x00\x01k\x02v1\xff" CRC SET_K_ABC)));
    assert_int_equal(f.values.n_all, 2);
    value_is(&f, 1, "abc");
    end(&f);
}

static void aof__damage_is_named_with_its_place(void **state)
{
    (void)state;
    error_is(BYTES(SET_K_ABC "*3\r\n$3\r\nSE"), 39, "of a command");
    error_is(BYTES(SET_K_ABC "*3"), 29, "of a command");
    error_is(BYTES("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$2\r\nabc\r\n"), 26,
             "no line end");
    error_is(BYTES(SET_K_ABC "rubbish\r\n"), 29, "'*' and a number");
    error_is(BYTES("*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$9999999999\r\n"), 20,
             "'$' and a number");
    error_is(BYTES("*9999999999\r\n$3\r\n"), 0, "'*' and a number");
}

/* ---- plain -------------------------------------------------------------- */

static void plain__lines_pages_and_whole(void **state)
{
    static const size_t n_values[] = {
        [UNIT_VALUE] = 1, [UNIT_PAGE] = 2, [UNIT_LINE] = 3
    };
    char data[5000];

    (void)state;
    memset(data, 'x', sizeof(data));
    data[4] = data[5] = data[10] = '\n';
    for (unsigned unit = UNIT_VALUE; unit <= UNIT_LINE; unit++) {
        struct fixture f;

        begin(&f);
        f.in.unit = (enum unit)unit;
        assert_true(read_all(&f, data, sizeof(data)));
        assert_int_equal(f.values.n_all, n_values[unit]);
        end(&f);
    }
}

static void plain__what_looks_like_a_dump_only_at_first_is_none(void **state)
{
    static const char *const texts[] = { "REDIS is fast", "*3 points",
                                         "VALUE of things\r\n",
                                         "add a line\r\n", "add a 0 0 5\n" };

    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct fixture f;

        begin(&f);
        assert_true(read_all(&f, texts[i], strlen(texts[i])));
        value_is(&f, 0, texts[i]);
        end(&f);
    }
}

/* ---- values ------------------------------------------------------------- */

static void values__a_sample_is_bounded_and_fair(void **state)
{
    struct values v;
    uint64_t sum = 0;

    (void)state;
    assert_true(values_open(&v, 1 << 20));
    for (uint64_t i = 0; i < 100000; i++) {
        unsigned char data[100] = { 0 };

        memcpy(data, &i, sizeof(i));
        assert_true(values_add(&v, data, sizeof(data)));
    }
    assert_int_equal(v.n_all, 100000);
    assert_true(v.n_bytes <= 1 << 20);
    assert_true(v.n_bytes >= 1 << 18);
    for (size_t i = 0; i < v.n_kept; i++) {
        uint64_t number;

        memcpy(&number, v.bytes + v.kept[i].at, sizeof(number));
        assert_int_equal(number + 1, v.kept[i].place);
        sum += number;
    }
    sum /= v.n_kept;
    assert_in_range(sum, 48000, 52000);
    assert_true((double)v.n_kept / 100000 / values_share(&v) > 0.95);
    assert_true((double)v.n_kept / 100000 / values_share(&v) < 1.05);
    values_close(&v);
}

static void values__one_that_is_too_long_is_cut(void **state)
{
    size_t len = 2 * VALUE_MAX_BYTES + 5;
    unsigned char *data = malloc(len);
    struct values v;

    (void)state;
    assert_non_null(data);
    for (size_t i = 0; i < len; i++) {
        data[i] = (unsigned char)hash_number(i);
    }
    assert_true(values_open(&v, 64 << 20));
    assert_true(values_add(&v, data, len));
    assert_int_equal(v.n_kept, 3);
    assert_int_equal(v.n_cut, 1);
    assert_int_equal(v.n_bytes, len);
    assert_memory_equal(v.bytes, data, len);
    values_close(&v);
    free(data);
}

static void values__patterns_are_told(void **state)
{
    (void)state;
    assert_true(value_is_same_filled((const void *)BYTES("aaaaaaaaaaaaaaaaa")));
    assert_true(
        value_is_same_filled((const void *)BYTES("ababababababababab")));
    assert_true(value_is_same_filled((const void *)BYTES("abcdefghabcdefgh")));
    assert_true(
        value_is_same_filled((const void *)BYTES("abcdefghabcdefghabc")));
    assert_false(value_is_same_filled((const void *)BYTES("abcdefgh")));
    assert_false(
        value_is_same_filled((const void *)BYTES("abcabcabcabcabcabc")));
    assert_false(value_is_same_filled((const void *)BYTES("aaaaaaaaaaaaaaa")));
    assert_false(
        value_is_same_filled((const void *)BYTES("aaaaaaaaaaaaaaaab")));
    assert_false(value_is_same_filled((const void *)BYTES("aaaab")));
}

static void repeats__shares_are_right_in_a_small_table(void **state)
{
    struct repeats r;
    double of_values, of_bytes;

    (void)state;
    assert_true(repeats_open(&r, 1024));
    for (uint64_t i = 0; i < 100000; i++) { /* four times each, in turn */
        repeats_add(&r, hash_number(i % 25000), 10);
    }
    repeats_shares(&r, &of_values, &of_bytes);
    assert_true(of_values > 0.749 && of_values < 0.751);
    assert_true(of_bytes > 0.749 && of_bytes < 0.751);
    assert_true(r.n_used <= 512 && r.n_used > 128);
    repeats_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(memcached__values_of_get),
        cmocka_unit_test(memcached__values_of_memcached_tool_and_mg),
        cmocka_unit_test(memcached__damage_is_named_with_its_place),
        cmocka_unit_test(rdb__strings_in_every_encoding),
        cmocka_unit_test(rdb__other_types_are_read_over),
        cmocka_unit_test(rdb__damage_is_named_with_its_place),
        cmocka_unit_test(lzf__undoes_each_kind_of_item),
        cmocka_unit_test(lzf__refuses_what_leads_outside),
        cmocka_unit_test(aof__values_of_writes),
        cmocka_unit_test(aof__begins_with_an_rdb_file),
        cmocka_unit_test(aof__damage_is_named_with_its_place),
        cmocka_unit_test(plain__lines_pages_and_whole),
        cmocka_unit_test(plain__what_looks_like_a_dump_only_at_first_is_none),
        cmocka_unit_test(values__a_sample_is_bounded_and_fair),
        cmocka_unit_test(values__one_that_is_too_long_is_cut),
        cmocka_unit_test(values__patterns_are_told),
        cmocka_unit_test(repeats__shares_are_right_in_a_small_table),
    };
    return cmocka_run_group_tests_name("report_dumps", tests, NULL, NULL);
}
