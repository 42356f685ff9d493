/* SPDX-License-Identifier: MIT */
/* Unit tests of lib/store/dict_sampler.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "dict_sampler.h"
#include "os.h"

#define KIB ((size_t)1024)

static struct zs_budget budget;

static uint64_t charged(void)
{
    return atomic_load(&budget.used);
}

/* A value of `len` bytes that says which one it is. */
static bool put(struct zs_sampler *s, struct zs_sample_turn *t, uint32_t i,
                size_t len)
{
    unsigned char value[ZS_SAMPLE_LIMIT_BYTES + 8];

    if (!zs_sample_turn_ends(t)) {
        return false;
    }
    memset(value, (int)i, len);
    memcpy(value, &i, len < sizeof(i) ? len : sizeof(i));
    return zs_sampler_offer(s, t, value, len);
}

static void begin(struct zs_sampler *s, size_t room, uint64_t ready)
{
    zs_sampler_init(s, &budget);
    zs_sampler_restart(s, room, ready);
}

static void sampler__takes_every_value_at_first(void **unused)
{
    struct zs_sampler s;
    struct zs_sample_turn t = { 0 };
    struct zs_samples got;
    size_t at = 0;

    (void)unused;
    begin(&s, 1024 * KIB, 1);
    for (uint32_t i = 0; i < 100; i++) {
        assert_true(put(&s, &t, i, 10 + i));
    }
    zs_sampler_take(&s, &got);
    assert_int_equal(got.n, 100);
    assert_int_equal(got.gap, 1);
    for (uint32_t i = 0; i < 100; i++) {
        assert_int_equal(zs_sample_length(&got, i), 10 + i);
        assert_memory_equal(got.room + at, &i, sizeof(i));
        at += 10 + i;
    }
    assert_int_equal(got.n_bytes, at);
    zs_samples_free(&got, &budget);
    zs_sampler_destroy(&s);
    assert_int_equal(charged(), 0);
}

static void sampler__stays_within_its_room_and_charges_it(void **unused)
{
    struct zs_sampler s;
    struct zs_sample_turn t = { 0 };
    struct zs_samples got;

    (void)unused;
    begin(&s, 128 * KIB, UINT64_MAX);
    for (uint32_t i = 0; i < 200000; i++) {
        (void)put(&s, &t, i, 100 + i % 50);
        assert_true(charged() <= 128 * KIB);
    }
    assert_int_equal(charged(), 128 * KIB);
    zs_sampler_take(&s, &got);
    assert_true(got.n_bytes > 30 * KIB); /* thinned by half at most */
    assert_true(got.gap >= 64);
    /* About what was put, by the gap: 25 MB, give or take. */
    assert_in_range(zs_samples_put_bytes(&got), 18000000, 32000000);
    zs_samples_free(&got, &budget);
    zs_sampler_destroy(&s);
    assert_int_equal(charged(), 0);
}

static void sampler__small_stores_have_small_rooms(void **unused)
{
    struct zs_sampler s;
    struct zs_sample_turn t = { 0 };

    (void)unused;
    begin(&s, 1024 * KIB, UINT64_MAX);
    for (uint32_t i = 0; i < 8000; i++) { /* 800 KB */
        (void)put(&s, &t, i, 100);
    }
    assert_int_equal(charged(), 128 * KIB);
    zs_sampler_destroy(&s);
}

static void sampler__is_even_over_the_epoch(void **unused)
{
    struct zs_sampler s;
    struct zs_sample_turn t = { 0 };
    struct zs_samples got;
    unsigned per_tenth[10] = { 0 };

    (void)unused;
    begin(&s, 256 * KIB, UINT64_MAX);
    for (uint32_t i = 0; i < 100000; i++) {
        (void)put(&s, &t, i, 64);
    }
    zs_sampler_take(&s, &got);
    for (size_t i = 0; i < got.n; i++) {
        uint32_t which;

        memcpy(&which, got.room + i * 64, sizeof(which));
        per_tenth[which / 10000]++;
    }
    for (size_t i = 0; i < 10; i++) {
        assert_in_range(per_tenth[i], got.n / 10 * 6 / 10,
                        got.n / 10 * 15 / 10);
    }
    zs_samples_free(&got, &budget);
    zs_sampler_destroy(&s);
}

static void sampler__forgets_at_a_restart(void **unused)
{
    struct zs_sampler s;
    struct zs_sample_turn t = { 0 };
    struct zs_samples got;

    (void)unused;
    begin(&s, 64 * KIB, UINT64_MAX);
    for (uint32_t i = 0; i < 50000; i++) {
        (void)put(&s, &t, i, 64);
    }
    zs_sampler_restart(&s, 64 * KIB, UINT64_MAX);
    assert_int_equal(charged(), 0);
    for (uint32_t i = 50000; i < 60000; i++) {
        (void)put(&s, &t, i, 64);
    }
    zs_sampler_take(&s, &got);
    assert_true(got.n > 0);
    for (size_t i = 0; i < got.n; i++) {
        uint32_t which;

        memcpy(&which, got.room + i * 64, sizeof(which));
        assert_true(which >= 50000);
    }
    zs_samples_free(&got, &budget);
    zs_sampler_destroy(&s);
}

static void sampler__is_ready_when_enough_was_put(void **unused)
{
    struct zs_sampler s;
    struct zs_sample_turn t = { 0 };
    uint32_t i = 0;

    (void)unused;
    begin(&s, 64 * KIB, 1000000);
    while (!put(&s, &t, i, 100)) {
        i++;
        assert_true(i < 100000);
    }
    assert_true(zs_sampler_is_ready(&s));
    assert_in_range(i, 7000, 13000);
    zs_sampler_destroy(&s);
}

static void sampler__takes_no_long_and_no_empty_value(void **unused)
{
    struct zs_sampler s;
    struct zs_sample_turn t = { 0 };
    struct zs_samples got;

    (void)unused;
    begin(&s, 1024 * KIB, 1);
    (void)put(&s, &t, 1, 0);
    (void)put(&s, &t, 1, ZS_SAMPLE_LIMIT_BYTES);
    zs_sampler_take(&s, &got);
    assert_int_equal(got.n, 0);
    assert_null(got.room);
    assert_true(!put(&s, &t, 1, ZS_SAMPLE_LIMIT_BYTES - 1) ||
                zs_sampler_is_ready(&s));
    zs_sampler_take(&s, &got);
    assert_int_equal(got.n, 1);
    zs_samples_free(&got, &budget);
    zs_sampler_destroy(&s);
}

static void *no_memory(size_t bytes)
{
    (void)bytes;
    return NULL;
}

static void sampler__without_memory_samples_nothing(void **unused)
{
    struct zs_os kept = zs_os;
    struct zs_sampler s;
    struct zs_sample_turn t = { 0 };

    (void)unused;
    begin(&s, 64 * KIB, 1);
    zs_os.alloc = no_memory;
    for (uint32_t i = 0; i < 1000; i++) {
        assert_false(put(&s, &t, i, 100));
    }
    zs_os = kept;
    assert_int_equal(charged(), 0);
    budget.limit = 40 * KIB; /* and at the limit not more than it allows */
    for (uint32_t i = 0; i < 20000; i++) {
        (void)put(&s, &t, i, 100);
    }
    assert_int_equal(charged(), 32 * KIB);
    budget.limit = 0;
    zs_sampler_destroy(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sampler__takes_every_value_at_first),
        cmocka_unit_test(sampler__stays_within_its_room_and_charges_it),
        cmocka_unit_test(sampler__small_stores_have_small_rooms),
        cmocka_unit_test(sampler__is_even_over_the_epoch),
        cmocka_unit_test(sampler__forgets_at_a_restart),
        cmocka_unit_test(sampler__is_ready_when_enough_was_put),
        cmocka_unit_test(sampler__takes_no_long_and_no_empty_value),
        cmocka_unit_test(sampler__without_memory_samples_nothing),
    };
    return cmocka_run_group_tests_name("dict_sampler", tests, NULL, NULL);
}
