/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of zspool/store.h when things go wrong, or happen at once: bad
 * handles, damaged memory, the limit, threads.
 */
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "store_fixture.h"

/* --- bad handles ---------------------------------------------------------- */

/* Run `body` in a child with standard error closed; true if it aborted. */
static bool aborts(void (*body)(struct zs_store *store), struct zs_store *store)
{
    static const struct rlimit no_core;
    int status = 0;
    pid_t child = fork();

    assert_true(child >= 0);
    if (child == 0) {
        close(STDERR_FILENO);
        setrlimit(RLIMIT_CORE, &no_core);
        signal(SIGABRT, SIG_DFL);
        body(store);
        _exit(0);
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT;
}

static void delete_twice(struct zs_store *store)
{
    zs_handle_t h;

    if (zs_store_put(store, "value", 5, &h) == 0) {
        zs_store_delete(store, h);
        zs_store_delete(store, h);
    }
}

static void delete_nothing(struct zs_store *store)
{
    zs_store_delete(store, (zs_handle_t){ .raw = 0 });
}

static void delete_out_of_range(struct zs_store *store)
{
    zs_store_delete(store, (zs_handle_t){ .raw = UINT32_MAX });
}

static void replace_dead(struct zs_store *store)
{
    zs_handle_t h;

    if (zs_store_put(store, "value", 5, &h) == 0) {
        zs_store_delete(store, h);
        if (zs_store_replace(store, h, "other", 5) != 0) {
            _exit(1);
        }
    }
}

static void delete__stops_the_process_on_a_bad_handle(void **unused)
{
    struct zs_store *store = store_of(ZS_CODEC_LZ4);

    (void)unused;
    assert_true(aborts(delete_twice, store));
    assert_true(aborts(delete_nothing, store));
    assert_true(aborts(delete_out_of_range, store));
    assert_true(aborts(replace_dead, store));
    zs_store_destroy(store);
}

/* --- damage --------------------------------------------------------------- */

/* Overwrite stored bytes behind the store's back. */
static void damage(struct zs_store *store, zs_handle_t h, size_t offset,
                   const void *bytes, size_t n)
{
    assert_int_equal(zs_obj_write(zs_store_pool(store), h, offset, bytes, n),
                     0);
}

static int get_4096(struct zs_store *store, zs_handle_t h)
{
    unsigned char *back = exactly(4096);
    size_t len;
    int err = zs_store_get(store, h, back, 4096, &len);

    free(back);
    return err;
}

static void get__reports_zeroed_memory(void **unused)
{
    static const unsigned char zeroes[4098]; /* the longest: raw, header 2 */

    (void)unused;
    for (size_t c = 0; c < N_CODECS; c++) {
        struct zs_store *store = store_of(all_codecs[c]);
        zs_handle_t h = put(store, text, 4096);
        struct zs_store_stats s = stats_of(store);

        damage(store, h, 0, zeroes, s.header_bytes + s.stored_bytes);
        assert_int_equal(get_4096(store, h), -EBADMSG);
        assert_int_equal(zs_store_length(store, h), 0);
        zs_store_destroy(store);
    }
}

static void get__reports_a_payload_of_the_wrong_length(void **unused)
{
    (void)unused;
    for (size_t c = 0; c < 2; c++) {
        struct zs_store *store = store_of(all_codecs[c]);
        zs_handle_t h = put(store, text, 4096);
        size_t stored = stats_of(store).stored_bytes;

        for (size_t payload = 1; payload < 4096; payload++) {
            struct zs_value v =
                zs_value_make(ZS_VALUE_COMPRESSED, 4096, payload);
            unsigned char header[ZS_VALUE_HEADER_MAX_BYTES];

            zs_value_header_encode(&v, header);
            damage(store, h, 0, header, v.header);
            assert_int_equal(get_4096(store, h),
                             payload == stored ? 0 : -EBADMSG);
        }
        zs_store_destroy(store);
    }
}

static void get__reports_a_payload_of_another_value(void **unused)
{
    (void)unused;
    for (size_t c = 0; c < 2; c++) {
        struct zs_store *store = store_of(all_codecs[c]);
        zs_handle_t h = put(store, text, 4096);
        size_t size = zs_obj_size(zs_store_pool(store), h);

        damage(store, h, 2, noise, size - 2);
        assert_int_equal(get_4096(store, h), -EBADMSG);
        zs_store_destroy(store);
    }
}

static void get__survives_every_damaged_byte(void **unused)
{
    (void)unused;
    for (size_t c = 0; c < N_CODECS; c++) {
        struct zs_store *store = store_of(all_codecs[c]);

        for (size_t len = 1; len <= 4096; len += 1 + len * 2) {
            zs_handle_t h = put(store, text, len);
            size_t size = zs_obj_size(zs_store_pool(store), h);

            for (size_t i = 0; i < size; i++) {
                unsigned char bad = (unsigned char)next_random();
                int err;

                damage(store, h, i, &bad, 1);
                err = get_4096(store, h);
                assert_true(err == 0 || err == -EBADMSG || err == -ERANGE);
            }
        }
        zs_store_destroy(store);
    }
}

static void damage__ends_with_replace_or_delete(void **unused)
{
    static const unsigned char zero;
    struct zs_store *store = store_of(ZS_CODEC_LZ4);
    zs_handle_t a = put(store, text, 4096);
    zs_handle_t b = put(store, text, 4096);

    (void)unused;
    damage(store, a, 0, &zero, 1);
    damage(store, b, 0, &zero, 1);
    assert_int_equal(zs_store_replace(store, a, text, 3000), 0);
    check_value(store, a, text, 3000);
    zs_store_delete(store, b);
    assert_int_equal(stats_of(store).n_values, 1);
    zs_store_delete(store, a);
    assert_int_equal(stats_of(store).n_values, 0);
    zs_store_destroy(store);
}

/* --- the limit ------------------------------------------------------------ */

static void put__at_the_limit_fails_and_keeps_every_value(void **unused)
{
    const size_t LEN = 3000, MOST = 20000;
    struct zs_store_config cfg = {
        .pool.private_arena.limit_bytes = (size_t)8 * 1024 * 1024,
    };
    zs_handle_t *handles = exactly(MOST * sizeof(*handles));
    struct zs_store *store;
    size_t n = 0;
    int err;

    (void)unused;
    assert_int_equal(zs_store_create(&cfg, &store), 0);
    while ((err = zs_store_put(store, noise + n * 100, LEN, &handles[n])) ==
           0) {
        n++;
        assert_true(n < MOST);
    }
    assert_int_equal(err, -ENOSPC);
    assert_true(n * LEN > (size_t)4 * 1024 * 1024);
    assert_int_equal(zs_store_replace(store, handles[0], noise, 100 * LEN),
                     -ENOSPC);
    for (size_t i = 0; i < n; i++) {
        check_value(store, handles[i], noise + i * 100, LEN);
    }
    assert_int_equal(stats_of(store).n_values, n);
    assert_int_equal(stats_of(store).raw_bytes, n * LEN);
    for (size_t i = 0; i < n; i++) {
        zs_store_delete(store, handles[i]);
    }
    check_empty(store);
    zs_store_delete(store, put(store, noise, LEN)); /* room again */
    zs_store_destroy(store);
    free(handles);
}

/* --- threads -------------------------------------------------------------- */

/* cmocka's asserts longjmp, which must not leave a thread: count instead. */
struct crew {
    struct zs_store *store;
    zs_handle_t shared;
    _Atomic unsigned failures;
    _Atomic bool is_over;
};

static void fail_unless(struct crew *crew, bool ok)
{
    if (!ok) {
        atomic_fetch_add_explicit(&crew->failures, 1, memory_order_relaxed);
    }
}

static void *put_get_delete(void *arg)
{
    struct crew *crew = arg;
    unsigned char back[5000];

    for (size_t i = 0; i < 70; i++) {
        size_t len = i * 71 % sizeof(back);
        size_t got = 0;
        zs_handle_t h;

        if (zs_store_put(crew->store, text + i, len, &h) != 0) {
            fail_unless(crew, false);
            continue;
        }
        fail_unless(
            crew, zs_store_get(crew->store, h, back, sizeof(back), &got) == 0 &&
                      got == len && memcmp(back, text + i, len) == 0);
        zs_store_delete(crew->store, h);
    }
    return NULL;
}

static void stats__are_exact_after_many_threads(void **unused)
{
    enum { N = 80 }; /* more than there are thread numbers */

    (void)unused;
    for (size_t c = 0; c < N_CODECS; c++) {
        struct crew crew = { .store = store_of(all_codecs[c]) };
        pthread_t threads[N];

        for (size_t i = 0; i < N; i++) {
            assert_int_equal(
                pthread_create(&threads[i], NULL, put_get_delete, &crew), 0);
        }
        for (size_t i = 0; i < N; i++) {
            assert_int_equal(pthread_join(threads[i], NULL), 0);
        }
        assert_int_equal(crew.failures, 0);
        check_empty(crew.store);
        zs_store_destroy(crew.store);
    }
}

/* Values of the shared handle: an object of text, one of noise, a pattern, and
 * one in parts. Their lengths tell which. */
#define LONGEST ((size_t)300000)

static const struct {
    unsigned char **bytes; /* NULL: zeroes */
    size_t len;
} shared_values[] = {
    { &text, 9000 }, { &noise, 700 }, { NULL, 30 }, { &text, LONGEST }
};

static bool is_shared_value(const unsigned char *back, size_t len)
{
    static const unsigned char zeroes[30];

    for (size_t i = 0; i < 4; i++) {
        if (shared_values[i].len == len) {
            const unsigned char *bytes = shared_values[i].bytes != NULL
                                             ? *shared_values[i].bytes
                                             : zeroes;

            return memcmp(back, bytes, len) == 0;
        }
    }
    return false;
}

static void *replace_shared(void *arg)
{
    static const unsigned char zeroes[30];
    struct crew *crew = arg;

    for (size_t i = 0; i < 6000; i++) {
        size_t k = i % 50 == 0 ? 3 : next_random() % 3;
        const unsigned char *bytes =
            shared_values[k].bytes != NULL ? *shared_values[k].bytes : zeroes;

        fail_unless(crew, zs_store_replace(crew->store, crew->shared, bytes,
                                           shared_values[k].len) == 0);
    }
    atomic_store_explicit(&crew->is_over, true, memory_order_relaxed);
    return NULL;
}

static void *get_shared(void *arg)
{
    static unsigned char back[LONGEST];
    struct crew *crew = arg;
    struct zs_store_get get = { .handle = crew->shared,
                                .buf = back,
                                .cap = LONGEST };

    while (!atomic_load_explicit(&crew->is_over, memory_order_relaxed)) {
        struct zs_store_cursor at = { 0 };
        zs_handle_t listed[8];
        size_t len = 0;

        fail_unless(crew, zs_store_get(crew->store, crew->shared, back, LONGEST,
                                       &len) == 0);
        fail_unless(crew, is_shared_value(back, len));
        fail_unless(crew, zs_store_get_batch(crew->store, &get, 1) == 0);
        fail_unless(crew, is_shared_value(back, get.len));
        fail_unless(crew, zs_store_get_range(crew->store, crew->shared, 0, back,
                                             30, &len) == 0 &&
                              len == 30);
        fail_unless(crew, zs_store_length(crew->store, crew->shared) >= 30);
        len = zs_store_next(crew->store, &at, listed, 8);
        while (len > 0) { /* never a part */
            fail_unless(crew, listed[--len].raw == crew->shared.raw);
        }
    }
    return NULL;
}

static void get__beside_replace_returns_one_value_whole(void **unused)
{
    struct crew crew = { .store = store_of(ZS_CODEC_LZ4) };
    pthread_t writer, reader;

    (void)unused;
    crew.shared = put(crew.store, text, 9000);
    assert_int_equal(pthread_create(&reader, NULL, get_shared, &crew), 0);
    assert_int_equal(pthread_create(&writer, NULL, replace_shared, &crew), 0);
    assert_int_equal(pthread_join(writer, NULL), 0);
    assert_int_equal(pthread_join(reader, NULL), 0);
    assert_int_equal(crew.failures, 0);
    zs_store_delete(crew.store, crew.shared);
    check_empty(crew.store);
    zs_store_destroy(crew.store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(delete__stops_the_process_on_a_bad_handle),
        cmocka_unit_test(get__reports_zeroed_memory),
        cmocka_unit_test(get__reports_a_payload_of_the_wrong_length),
        cmocka_unit_test(get__reports_a_payload_of_another_value),
        cmocka_unit_test(get__survives_every_damaged_byte),
        cmocka_unit_test(damage__ends_with_replace_or_delete),
        cmocka_unit_test(put__at_the_limit_fails_and_keeps_every_value),
        cmocka_unit_test(stats__are_exact_after_many_threads),
        cmocka_unit_test(get__beside_replace_returns_one_value_whole),
    };
    return cmocka_run_group_tests_name("store_faults", tests, make_data,
                                       free_data);
}
