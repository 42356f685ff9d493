/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of lib/store/thread_ctx.h. Each runs in a thread of its own, so
 * that it begins with nothing, and all allocations go through a counting hook.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "os.h"
#include "thread_ctx.h"

static _Atomic unsigned n_live; /* allocations not yet freed; relaxed */
static bool refuse;             /* let every allocation fail */

static void *counting_alloc(size_t bytes)
{
    if (refuse) {
        return NULL;
    }
    atomic_fetch_add_explicit(&n_live, 1, memory_order_relaxed);
    return calloc(1, bytes);
}

static void counting_free(void *p)
{
    atomic_fetch_sub_explicit(&n_live, p != NULL, memory_order_relaxed);
    free(p);
}

static int install_hooks(void **unused)
{
    (void)unused;
    zs_os.alloc = counting_alloc;
    zs_os.free = counting_free;
    return 0;
}

/* cmocka's asserts longjmp, which must not leave a thread: count instead. */
#define EXPECT(c) (*failures += !(c))

static unsigned run_in_thread(void *(*body)(void *failures))
{
    unsigned failures = 0;
    pthread_t thread;

    assert_int_equal(pthread_create(&thread, NULL, body, &failures), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    return failures;
}

static void *use_everything(void *arg)
{
    unsigned *failures = arg;
    unsigned char *buffer;
    void *first, *again;

    for (unsigned id = 0; id <= ZS_CODEC_NONE; id++) {
        const struct zs_codec_ops *codec = zs_codec_find((enum zs_codec_id)id);

        EXPECT(zs_thread_compressor(codec, &first) == 0);
        EXPECT(zs_thread_compressor(codec, &again) == 0);
        EXPECT(first == again);
        EXPECT((first == NULL) == (codec->compressor_create == NULL));
        EXPECT(zs_thread_decompressor(codec, &first) == 0);
        EXPECT(zs_thread_decompressor(codec, &again) == 0);
        EXPECT(first == again);
        EXPECT((first == NULL) == (codec->decompressor_create == NULL));
    }
    EXPECT(zs_thread_buffer_take(5000, &buffer) == 0);
    memset(buffer, 1, 5000);
    zs_thread_buffer_put();
    return NULL;
}

static void *use_buffers(void *arg)
{
    unsigned *failures = arg;
    unsigned char *small, *again, *large;

    EXPECT(zs_thread_buffer_take(100, &small) == 0);
    zs_thread_buffer_put();
    EXPECT(zs_thread_buffer_take(4200, &again) == 0);
    EXPECT(small == again);
    zs_thread_buffer_put();
    EXPECT(zs_thread_buffer_take(ZS_WORK_BUFFER_KEEP_BYTES, &large) == 0);
    memset(large, 1, ZS_WORK_BUFFER_KEEP_BYTES);
    zs_thread_buffer_put();
    EXPECT(n_live == 1);
    EXPECT(zs_thread_buffer_take(100, &again) == 0);
    EXPECT(large == again);
    zs_thread_buffer_put();
    return NULL;
}

static void *use_oversized_buffer(void *arg)
{
    unsigned *failures = arg;
    unsigned char *buffer;

    EXPECT(zs_thread_buffer_take(ZS_WORK_BUFFER_KEEP_BYTES + 1, &buffer) == 0);
    memset(buffer, 1, ZS_WORK_BUFFER_KEEP_BYTES + 1);
    EXPECT(n_live == 1);
    zs_thread_buffer_put();
    EXPECT(n_live == 0);
    EXPECT(zs_thread_buffer_take(1, &buffer) == 0);
    zs_thread_buffer_put();
    return NULL;
}

static void *meet_refusals(void *arg)
{
    unsigned *failures = arg;
    unsigned char *buffer;
    void *compressor;

    refuse = true;
    EXPECT(zs_thread_buffer_take(1, &buffer) == -ENOMEM);
    EXPECT(zs_thread_compressor(&zs_codec_lz4, &compressor) == -ENOMEM);
    refuse = false;
    EXPECT(zs_thread_buffer_take(1, &buffer) == 0);
    EXPECT(zs_thread_compressor(&zs_codec_lz4, &compressor) == 0);
    zs_thread_buffer_put();
    refuse = true;
    EXPECT(zs_thread_buffer_take(1000000, &buffer) == -ENOMEM);
    EXPECT(zs_thread_compressor(&zs_codec_lz4, &compressor) == 0);
    refuse = false;
    EXPECT(zs_thread_buffer_take(1, &buffer) == 0);
    zs_thread_buffer_put();
    return NULL;
}

static pthread_key_t late_key;

/* The last thing that a thread does: use a store once more. */
static void late_use(void *failures)
{
    use_everything(failures);
}

static void *use_again_while_exiting(void *arg)
{
    use_everything(arg);
    pthread_setspecific(late_key, arg);
    return NULL;
}

/* Threads that take a number each and wait until all have. */
#define N_THREADS (ZS_THREAD_NUMBERS + 4)
static unsigned numbers[N_THREADS];
static pthread_barrier_t all_have_numbers;

static void *take_number(void *out)
{
    unsigned number = zs_thread_number();

    pthread_barrier_wait(&all_have_numbers);
    *(unsigned *)out = number;
    if (number != 0 && number != zs_thread_number()) {
        *(unsigned *)out = ZS_THREAD_NUMBERS; /* none */
    }
    return NULL;
}

/* Every number but 0 is had by exactly one thread of the first n. */
static void take_numbers_at_once(unsigned n)
{
    pthread_t threads[N_THREADS];

    assert_int_equal(pthread_barrier_init(&all_have_numbers, NULL, n), 0);
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(
            pthread_create(&threads[i], NULL, take_number, &numbers[i]), 0);
    }
    for (unsigned i = 0; i < n; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    pthread_barrier_destroy(&all_have_numbers);
}

static unsigned n_threads_with(unsigned n, unsigned number)
{
    unsigned count = 0;

    for (unsigned i = 0; i < n; i++) {
        count += numbers[i] == number;
    }
    return count;
}

static void contexts__are_made_once_and_freed_at_thread_exit(void **unused)
{
    (void)unused;
    assert_int_equal(run_in_thread(use_everything), 0);
    assert_int_equal(n_live, 0);
}

static void contexts__are_freed_also_when_made_by_a_late_destructor(void **u)
{
    (void)u;
    assert_int_equal(pthread_key_create(&late_key, late_use), 0);
    assert_int_equal(run_in_thread(use_again_while_exiting), 0);
    assert_int_equal(n_live, 0);
    assert_int_equal(pthread_key_delete(late_key), 0);
}

static void buffer__is_kept_and_grows(void **unused)
{
    (void)unused;
    assert_int_equal(run_in_thread(use_buffers), 0);
    assert_int_equal(n_live, 0);
}

static void buffer__is_given_back_when_it_is_large(void **unused)
{
    (void)unused;
    assert_int_equal(run_in_thread(use_oversized_buffer), 0);
    assert_int_equal(n_live, 0);
}

static void refusal__is_an_error_and_leaves_nothing_behind(void **unused)
{
    (void)unused;
    assert_int_equal(run_in_thread(meet_refusals), 0);
    assert_int_equal(n_live, 0);
}

static void number__is_a_threads_own_and_small(void **unused)
{
    (void)unused;
    take_numbers_at_once(5);
    for (unsigned number = 1; number <= 5; number++) {
        assert_int_equal(n_threads_with(5, number), 1);
    }
}

static void number__is_zero_when_all_are_taken(void **unused)
{
    (void)unused;
    take_numbers_at_once(N_THREADS);
    for (unsigned number = 1; number < ZS_THREAD_NUMBERS; number++) {
        assert_int_equal(n_threads_with(N_THREADS, number), 1);
    }
    assert_int_equal(n_threads_with(N_THREADS, 0), 5);
}

static void number__is_given_back_at_thread_exit(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < 2 * ZS_THREAD_NUMBERS; i++) {
        take_numbers_at_once(1);
        assert_int_equal(numbers[0], 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(contexts__are_made_once_and_freed_at_thread_exit),
        cmocka_unit_test(
            contexts__are_freed_also_when_made_by_a_late_destructor),
        cmocka_unit_test(buffer__is_kept_and_grows),
        cmocka_unit_test(buffer__is_given_back_when_it_is_large),
        cmocka_unit_test(refusal__is_an_error_and_leaves_nothing_behind),
        cmocka_unit_test(number__is_a_threads_own_and_small),
        cmocka_unit_test(number__is_zero_when_all_are_taken),
        cmocka_unit_test(number__is_given_back_at_thread_exit),
    };
    return cmocka_run_group_tests_name("thread_ctx", tests, install_hooks,
                                       NULL);
}
