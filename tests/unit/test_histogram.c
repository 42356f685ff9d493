/* SPDX-License-Identifier: MIT */
/* Unit tests of lib/base/histogram.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <pthread.h>

#include <cmocka.h>

#include "histogram.h"

#define N_THREADS 4
#define N_ADDS 20000u

static struct zs_histogram h;
static struct zs_histogram_figures f;

static int start_empty(void **unused)
{
    (void)unused;
    memset(&h, 0, sizeof(h));
    memset(&f, 0xff, sizeof(f));
    return 0;
}

static unsigned bucket_of(uint64_t value)
{
    unsigned found = ZS_HISTOGRAM_BUCKETS;

    memset(&h, 0, sizeof(h));
    zs_histogram_add(&h, value);
    zs_histogram_read(&h, &f);
    for (unsigned i = 0; i < ZS_HISTOGRAM_BUCKETS; i++) {
        if (f.buckets[i] != 0) {
            assert_int_equal(f.buckets[i], 1);
            assert_int_equal(found, ZS_HISTOGRAM_BUCKETS);
            found = i;
        }
    }
    return found;
}

static void empty__has_no_figures(void **unused)
{
    (void)unused;
    zs_histogram_read(&h, &f);
    assert_int_equal(f.n, 0);
    assert_int_equal(f.sum, 0);
    assert_int_equal(f.max, 0);
    assert_int_equal(zs_histogram_percentile(&f, 50), 0);
    assert_int_equal(zs_histogram_percentile(&f, 100), 0);
}

static void add__counts_sums_and_keeps_the_greatest(void **unused)
{
    (void)unused;
    zs_histogram_add(&h, 5);
    zs_histogram_add(&h, 1000);
    zs_histogram_add(&h, 7);
    zs_histogram_read(&h, &f);
    assert_int_equal(f.n, 3);
    assert_int_equal(f.sum, 1012);
    assert_int_equal(f.max, 1000);
}

/* Each limit lies in its bucket and the value after it in the next. */
static void bucket__ends_at_its_limit(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i + 1 < ZS_HISTOGRAM_BUCKETS; i++) {
        uint64_t limit = zs_histogram_bucket_limit(i);

        assert_int_equal(bucket_of(limit), i);
        assert_int_equal(bucket_of(limit + 1), i + 1);
    }
}

static void bucket__is_an_eighth_of_its_octave(void **unused)
{
    (void)unused;
    for (unsigned i = 1; i + 1 < ZS_HISTOGRAM_BUCKETS; i++) {
        uint64_t below = zs_histogram_bucket_limit(i - 1);
        uint64_t width = zs_histogram_bucket_limit(i) - below;

        assert_true(width == 1 || width * 8 <= below);
    }
}

static void bucket__has_each_power_of_two_as_a_limit(void **unused)
{
    (void)unused;
    for (unsigned k = 0; k < ZS_HISTOGRAM_OCTAVES; k++) {
        uint64_t power = UINT64_C(1) << k;

        assert_int_equal(zs_histogram_bucket_limit(bucket_of(power)), power);
    }
}

static void last_bucket__has_all_that_is_above(void **unused)
{
    const unsigned last = ZS_HISTOGRAM_BUCKETS - 1;

    (void)unused;
    assert_true(bucket_of(UINT64_C(1) << 36) < last);
    assert_int_equal(bucket_of(UINT64_C(1) << 37), last);
    assert_int_equal(bucket_of(UINT64_C(1) << 60), last);
    assert_int_equal(bucket_of(UINT64_MAX), last);
    assert_int_equal(zs_histogram_bucket_limit(last), UINT64_MAX);
    assert_int_equal(zs_histogram_bucket_limit(last + 1), UINT64_MAX);
    assert_int_equal(zs_histogram_percentile(&f, 50), UINT64_MAX);
}

static void zero__is_in_the_first_bucket(void **unused)
{
    (void)unused;
    assert_int_equal(bucket_of(0), 0);
    assert_int_equal(f.n, 1);
    assert_int_equal(f.max, 0);
    assert_int_equal(zs_histogram_percentile(&f, 50), 0);
}

static void percentile__is_the_upper_end_of_the_bucket(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < 999; i++) {
        zs_histogram_add(&h, 100); /* in 97..104 */
    }
    zs_histogram_add(&h, 5000);
    zs_histogram_read(&h, &f);
    assert_int_equal(zs_histogram_percentile(&f, 0), 104);
    assert_int_equal(zs_histogram_percentile(&f, 50), 104);
    assert_int_equal(zs_histogram_percentile(&f, 99.9), 104);
    assert_int_equal(zs_histogram_percentile(&f, 99.99), 5000);
    assert_int_equal(zs_histogram_percentile(&f, 100), 5000);
}

static void percentile__is_never_above_the_greatest(void **unused)
{
    (void)unused;
    zs_histogram_add(&h, 97);
    zs_histogram_read(&h, &f);
    assert_int_equal(zs_histogram_percentile(&f, 50), 97);
}

static void percentile__takes_any_number(void **unused)
{
    (void)unused;
    zs_histogram_add(&h, 1);
    zs_histogram_add(&h, 1000);
    zs_histogram_read(&h, &f);
    assert_int_equal(zs_histogram_percentile(&f, -3), 1);
    assert_int_equal(zs_histogram_percentile(&f, 1e300), 1000);
    assert_int_equal(zs_histogram_percentile(&f, __builtin_nan("")), 1);
}

static void *add_many(void *arg)
{
    uint64_t from = (uintptr_t)arg;

    for (unsigned i = 0; i < N_ADDS; i++) {
        zs_histogram_add(&h, from + i);
    }
    return NULL;
}

static void add__loses_nothing_between_threads(void **unused)
{
    pthread_t threads[N_THREADS];
    uint64_t sum = 0;

    (void)unused;
    for (uintptr_t t = 0; t < N_THREADS; t++) {
        pthread_create(&threads[t], NULL, add_many, (void *)(t * 1000));
    }
    for (unsigned t = 0; t < N_THREADS; t++) {
        pthread_join(threads[t], NULL);
        sum += N_ADDS * (t * 1000u + (N_ADDS - 1) / 2) + N_ADDS / 2;
    }
    zs_histogram_read(&h, &f);
    assert_int_equal(f.n, N_THREADS * N_ADDS);
    assert_int_equal(f.sum, sum);
    assert_int_equal(f.max, (N_THREADS - 1) * 1000 + N_ADDS - 1);
}

#define TEST(name) cmocka_unit_test_setup(name, start_empty)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(empty__has_no_figures),
        TEST(add__counts_sums_and_keeps_the_greatest),
        TEST(bucket__ends_at_its_limit),
        TEST(bucket__is_an_eighth_of_its_octave),
        TEST(bucket__has_each_power_of_two_as_a_limit),
        TEST(last_bucket__has_all_that_is_above),
        TEST(zero__is_in_the_first_bucket),
        TEST(percentile__is_the_upper_end_of_the_bucket),
        TEST(percentile__is_never_above_the_greatest),
        TEST(percentile__takes_any_number),
        TEST(add__loses_nothing_between_threads),
    };
    return cmocka_run_group_tests_name("histogram", tests, NULL, NULL);
}
