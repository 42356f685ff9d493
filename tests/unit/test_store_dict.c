/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of a store's dictionaries: when they come and go, and that values
 * stay what they are. Stores have no thread of their own here, and the clock is
 * the test's.
 */
#include "store_fixture.h"

#include <pthread.h>
#include <sched.h>

#include "dict_fixture.h"
#include "dict_set.h"
#include "os.h"
#include "rcu.h"
#include "store_impl.h"
#include "unpack.h"
#include "zspool/stats.h"

#define N 20000u /* records of some 170 bytes: 3.4 MB */

typedef size_t make_fn(char *out, uint32_t i);

static uint64_t fake_ns;
static struct zs_os real_os;

static uint64_t fake_now(void)
{
    return fake_ns;
}

static struct zs_store *dict_store(enum zs_codec_id codec)
{
    struct zs_store_config cfg = { .codec = codec,
                                   .dictionaries = { .no_thread = true } };
    struct zs_store *store;

    assert_int_equal(zs_store_create(&cfg, &store), 0);
    return store;
}

/* Records `first` .. first + n - 1 into class 0, with a step now and then. */
static void put_all(struct zs_store *store, make_fn *make, uint32_t first,
                    uint32_t n, zs_handle_t *h)
{
    char value[512];

    for (uint32_t i = 0; i < n; i++) {
        h[i] = put(store, value, make(value, first + i));
        if (i % 500 == 0) {
            fake_ns += 2000000000u;
            (void)zs_store_background(store);
        }
    }
}

static void check_all(struct zs_store *store, make_fn *make, uint32_t first,
                      uint32_t n, const zs_handle_t *h)
{
    char value[512];
    char back[512];
    size_t len;

    for (uint32_t i = 0; i < n; i++) {
        size_t expected = make(value, first + i);

        assert_int_equal(zs_store_get(store, h[i], back, sizeof(back), &len),
                         0);
        assert_int_equal(len, expected);
        assert_memory_equal(back, value, len);
    }
}

static void delete_all(struct zs_store *store, uint32_t n, const zs_handle_t *h)
{
    for (uint32_t i = 0; i < n; i++) {
        zs_store_delete(store, h[i]);
    }
}

static struct zs_dict_stats dict_stats(struct zs_store *store)
{
    struct zs_dict_stats s;

    zs_store_dict_stats(store, &s);
    return s;
}

static zs_handle_t *handles(size_t n)
{
    return exactly(n * sizeof(zs_handle_t));
}

static void put__learns_and_values_stay_what_they_are(void **unused)
{
    static const enum zs_codec_id ids[] = { ZS_CODEC_LZ4, ZS_CODEC_ZSTD };
    zs_handle_t *h = handles(N);

    (void)unused;
    for (size_t k = 0; k < 2; k++) {
        struct zs_store *store = dict_store(ids[k]);
        struct zs_store_stats s;
        struct zs_dict_info info[31];

        put_all(store, make_json, 0, N, h);
        assert_true(dict_stats(store).n_published >= 1);
        assert_true(dict_stats(store).dictionary_bytes > 4096);
        zs_store_stats(store, &s);
        assert_true(s.stored_bytes + s.header_bytes < s.raw_bytes * 2 / 3);
        check_all(store, make_json, 0, N, h);
        assert_int_equal(zs_store_dictionaries(store, info, 31),
                         dict_stats(store).n_dictionaries);
        delete_all(store, N, h);
        check_empty(store);
        zs_store_destroy(store);
    }
    free(h);
}

static void
footprint__counts_dictionaries_and_ends_with_the_store(void **unused)
{
    struct zs_arena *arena;
    struct zs_arena_stats before, after;
    struct zs_store_config cfg = { .dictionaries = { .no_thread = true } };
    struct zs_store *store;
    zs_handle_t *h = handles(N);

    (void)unused;
    assert_int_equal(zs_arena_create(NULL, &arena), 0);
    cfg.pool.arena = arena;
    for (int round = 0; round < 2; round++) { /* the arena's own come first */
        zs_arena_stats(arena, &before);
        assert_int_equal(zs_store_create(&cfg, &store), 0);
        put_all(store, make_json, 0, N, h);
        zs_arena_stats(arena, &after);
        assert_true(after.metadata_bytes - before.metadata_bytes >
                    dict_stats(store).dictionary_bytes);
        delete_all(store, N, h);
        zs_store_destroy(store);
    }
    zs_arena_stats(arena, &after);
    assert_int_equal(after.metadata_bytes, before.metadata_bytes);
    zs_arena_destroy(arena);
    free(h);
}

static void off__and_codecs_without_have_none(void **unused)
{
    struct zs_store_config cfg[2] = {
        { .codec = ZS_CODEC_LZ4, .dictionaries = { .off = true } },
        { .codec = ZS_CODEC_NONE },
    };
    zs_handle_t *h = handles(N);

    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        struct zs_store *store;

        assert_int_equal(zs_store_create(&cfg[i], &store), 0);
        put_all(store, make_json, 0, N, h);
        assert_false(zs_store_background(store));
        assert_int_equal(dict_stats(store).n_looks, 0);
        assert_int_equal(zs_store_dictionaries(store, NULL, 0), 0);
        zs_store_destroy(store);
    }
    free(h);
}

static void config__out_of_range_is_refused(void **unused)
{
    static const struct zs_dict_config wrong[] = {
        { .max_bytes = 1023 },       { .max_bytes = ((size_t)1 << 20) + 1 },
        { .sample_bytes = 65535 },   { .sample_bytes = ((size_t)1 << 26) + 1 },
        { .min_gain_percent = 101 },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct zs_store_config cfg = { .dictionaries = wrong[i] };
        struct zs_store *store;

        assert_int_equal(zs_store_create(&cfg, &store), -EINVAL);
    }
}

static void noise__is_trained_on_in_vain(void **unused)
{
    struct zs_store *store = dict_store(ZS_CODEC_LZ4);

    (void)unused;
    for (size_t i = 0; i < 40000; i++) {
        (void)put(store, noise + i * 200, 200);
        if (i % 500 == 0) {
            fake_ns += 2000000000u;
            (void)zs_store_background(store);
        }
    }
    assert_int_equal(dict_stats(store).n_published, 0);
    assert_true(dict_stats(store).n_rejected >= 1);
    assert_true(dict_stats(store).n_trainings < 6); /* then it only looks */
    zs_store_destroy(store);
}

static void change__of_data_brings_a_new_dictionary(void **unused)
{
    struct zs_store *store = dict_store(ZS_CODEC_LZ4);
    zs_handle_t *json = handles(8 * N);
    zs_handle_t *html = handles(4 * N);
    uint64_t published;
    struct zs_store_stats before, after;

    (void)unused;
    put_all(store, make_json, 0, 8 * N, json);
    published = dict_stats(store).n_published;
    put_all(store, make_html, 0, 3 * N, html);
    assert_true(dict_stats(store).n_published > published);
    zs_store_stats(store, &before);
    put_all(store, make_html, 3 * N, N, html + 3 * N);
    zs_store_stats(store, &after);
    assert_true((after.stored_bytes - before.stored_bytes) * 2 <
                after.raw_bytes - before.raw_bytes);
    check_all(store, make_json, 0, 8 * N, json);
    check_all(store, make_html, 0, 4 * N, html);
    zs_store_destroy(store);
    free(json);
    free(html);
}

static void steady__data_are_looked_at_but_not_trained_on_again(void **unused)
{
    struct zs_store *store = dict_store(ZS_CODEC_LZ4);
    zs_handle_t *h = handles(16 * N);
    uint64_t trainings, looks;

    (void)unused;
    put_all(store, make_json, 0, 12 * N, h);
    trainings = dict_stats(store).n_trainings;
    looks = dict_stats(store).n_looks;
    put_all(store, make_json, 12 * N, 4 * N, h + 12 * N);
    assert_int_equal(dict_stats(store).n_trainings, trainings);
    assert_true(dict_stats(store).n_looks > looks);
    zs_store_destroy(store);
    free(h);
}

static void interval__is_kept(void **unused)
{
    struct zs_store *store = dict_store(ZS_CODEC_LZ4);
    char value[512];

    (void)unused;
    for (uint32_t i = 0; i < 10 * N; i++) {
        (void)put(store, value, make_json(value, i));
        (void)zs_store_background(store); /* time stands still */
    }
    assert_int_equal(dict_stats(store).n_looks, 1);
    fake_ns += 999999999u;
    assert_false(zs_store_background(store));
    fake_ns += 2;
    assert_true(zs_store_background(store));
    zs_store_destroy(store);
}

/* Have a dictionary of made-up records published, whatever it is worth. */
static void publish(struct zs_store *store, unsigned class, bool expected)
{
    struct zs_dicts *d = &store->dicts->dicts;
    char content[4096];
    char value[512];
    size_t at = 0;
    void *prepared;

    for (uint32_t i = 0; at + sizeof(value) < sizeof(content); i++) {
        size_t len = make_json(value, i);

        memcpy(content + at, value, len);
        at += len;
    }
    prepared = d->user.codec->dict_create(content, at, d->user.level);
    assert_non_null(prepared);
    zs_lock_acquire(&d->lock);
    assert_int_equal(zs_dicts_publish(d, class, prepared, NULL), expected);
    zs_lock_release(&d->lock);
    if (!expected) {
        d->user.codec->dict_destroy(prepared);
    }
}

static zs_handle_t put_json(struct zs_store *store, unsigned class, uint32_t i)
{
    char value[512];
    zs_handle_t h;
    size_t len = make_json(value, i);

    assert_int_equal(zs_store_put_class(store, class, value, len, &h), 0);
    return h;
}

static uint64_t n_values(struct zs_store *store, unsigned number)
{
    return zs_dicts_n_values(&store->dicts->dicts, number);
}

static void retired__goes_with_its_last_value(void **unused)
{
    struct zs_store *store = dict_store(ZS_CODEC_LZ4);
    zs_handle_t h[3];
    char value[512];

    (void)unused;
    publish(store, 0, true); /* number 1 */
    for (uint32_t i = 0; i < 3; i++) {
        h[i] = put_json(store, 0, 100 + i);
    }
    assert_int_equal(n_values(store, 1), 3);
    publish(store, 0, true); /* number 2 */
    assert_false(zs_store_background(store));
    assert_int_equal(dict_stats(store).n_dictionaries, 2);
    zs_store_delete(store, h[0]);
    assert_int_equal(zs_store_replace(store, h[1], value, make_json(value, 7)),
                     0);
    assert_int_equal(n_values(store, 1), 1);
    assert_int_equal(n_values(store, 2), 1);
    assert_false(zs_store_background(store));
    check_all(store, make_json, 102, 1, &h[2]);
    zs_store_delete(store, h[2]);
    assert_true(zs_store_background(store));
    assert_int_equal(dict_stats(store).n_dictionaries, 1);
    check_all(store, make_json, 7, 1, &h[1]);
    publish(store, 0, true); /* number 1 is free */
    assert_non_null(zs_dicts_find(&store->dicts->dicts, 1));
    zs_store_destroy(store);
}

static void current__stays_without_values(void **unused)
{
    struct zs_store *store = dict_store(ZS_CODEC_ZSTD);

    (void)unused;
    (void)put_json(store, 0, 1); /* makes the class */
    assert_false(zs_store_background(store));
    zs_store_destroy(store);
    store = dict_store(ZS_CODEC_LZ4);
    publish(store, 0, true);
    zs_store_delete(store, put_json(store, 0, 1));
    assert_false(zs_store_background(store));
    assert_int_equal(dict_stats(store).n_dictionaries, 1);
    zs_store_destroy(store);
}

static void set__has_eight_at_most_and_a_store_31(void **unused)
{
    struct zs_store *store = dict_store(ZS_CODEC_LZ4);

    (void)unused;
    for (unsigned class = 0; class < 3; class ++) {
        for (unsigned i = 0; i < ZS_DICTS_PER_CLASS; i++) {
            publish(store, class, true);
            (void)put_json(store, class, i); /* keeps it */
        }
        publish(store, class, false);
    }
    for (unsigned i = 24; i < 31; i++) {
        publish(store, 3, true);
        (void)put_json(store, 3, i);
    }
    publish(store, 4, false);
    assert_int_equal(dict_stats(store).n_dictionaries, 31);
    assert_false(zs_store_background(store));
    zs_store_destroy(store);
}

static void classes__have_dictionaries_of_their_own(void **unused)
{
    struct zs_store *store = dict_store(ZS_CODEC_LZ4);
    zs_handle_t h;

    (void)unused;
    publish(store, 5, true);
    (void)put_json(store, 0, 1);
    assert_int_equal(n_values(store, 1), 0);
    h = put_json(store, 5, 1);
    assert_int_equal(n_values(store, 1), 1);
    check_all(store, make_json, 1, 1, &h);
    assert_int_equal(zs_store_put_class(store, ZS_DICT_CLASSES, "x", 1, &h),
                     -EINVAL);
    assert_int_equal(zs_store_replace_class(store, 99, h, "x", 1), -EINVAL);
    zs_store_destroy(store);
}

/* A value is replaced while a reader is in a section with its old bytes. */
struct slow_reader {
    struct zs_store *store;
    zs_handle_t h;
    _Atomic bool inside, leave;
};

static void *read_slowly(void *arg)
{
    struct slow_reader *r = arg;
    struct zs_reading reading;
    char back[512];
    char value[512];
    size_t len = make_json(value, 1);

    assert_int_equal(zs_reading_begin(r->store, r->h, &reading), 0);
    atomic_store(&r->inside, true);
    while (!atomic_load(&r->leave)) {
        sched_yield();
    }
    assert_int_equal(zs_reading_copy(r->store, &reading, 0, back, len), 0);
    assert_memory_equal(back, value, len);
    zs_reading_end(r->store);
    return NULL;
}

static void *work(void *store)
{
    return (void *)(uintptr_t)zs_store_background(store);
}

static void reader__keeps_the_dictionary_of_a_value_that_went(void **unused)
{
    struct slow_reader r = { .store = dict_store(ZS_CODEC_LZ4) };
    pthread_t reader, worker;
    void *did_something;
    char value[512];

    (void)unused;
    publish(r.store, 0, true);
    r.h = put_json(r.store, 0, 1);
    publish(r.store, 0, true);
    (void)zs_store_background(r.store); /* it is draining */
    assert_int_equal(pthread_create(&reader, NULL, read_slowly, &r), 0);
    while (!atomic_load(&r.inside)) {
        sched_yield();
    }
    assert_int_equal(zs_store_replace(r.store, r.h, value, make_json(value, 2)),
                     0);
    assert_int_equal(n_values(r.store, 1), 0);
    assert_int_equal(pthread_create(&worker, NULL, work, r.store), 0);
    for (int i = 0; i < 1000; i++) {
        sched_yield();
    }
    assert_int_equal(dict_stats(r.store).n_dictionaries, 2);
    atomic_store(&r.leave, true);
    pthread_join(reader, NULL);
    pthread_join(worker, &did_something);
    assert_non_null(did_something);
    assert_int_equal(dict_stats(r.store).n_dictionaries, 1);
    zs_store_destroy(r.store);
}

static void export__needs_no_dictionary(void **unused)
{
    struct zs_store *from = dict_store(ZS_CODEC_ZSTD);
    struct zs_store *to = dict_store(ZS_CODEC_LZ4);
    zs_handle_t *h = handles(N);
    zs_handle_t back;
    char message[1024];
    size_t len;

    (void)unused;
    put_all(from, make_json, 0, N, h);
    assert_true(n_values(from, 1) > 0);
    for (uint32_t i = N - 100; i < N; i++) {
        assert_int_equal(zs_store_export(from, h[i], message, 8, &len),
                         -ERANGE);
        assert_int_equal(
            zs_store_export(from, h[i], message, sizeof(message), &len), 0);
        assert_int_equal(zs_store_import(to, message, len, &back), 0);
        check_all(to, make_json, i, 1, &back);
    }
    zs_store_destroy(from);
    zs_store_destroy(to);
    free(h);
}

static void damage__to_the_number_is_no_crash(void **unused)
{
    struct zs_store *store = dict_store(ZS_CODEC_LZ4);
    zs_handle_t h;
    unsigned char back[512];
    size_t len;

    (void)unused;
    publish(store, 0, true);
    h = put_json(store, 0, 1);
    for (unsigned d = 0; d < 8; d++) {
        unsigned char byte = (unsigned char)(8 | d); /* value_header.h */
        int err;

        assert_int_equal(zs_obj_write(zs_store_pool(store), h, 0, &byte, 1), 0);
        err = zs_store_get(store, h, back, sizeof(back), &len);
        assert_int_equal(err, d == 0 ? 0 : -EBADMSG);
        assert_int_equal(zs_store_length(store, h), make_json((char *)back, 1));
    }
    zs_store_destroy(store);
}

static int n_threads;

static int no_thread(pthread_t *out, void *(*run)(void *), void *arg)
{
    (void)out, (void)run, (void)arg;
    n_threads++;
    return -EAGAIN;
}

static void thread__that_does_not_start_is_tried_again(void **unused)
{
    struct zs_store *store;
    zs_handle_t *h = handles(N);

    (void)unused;
    assert_int_equal(zs_store_create(NULL, &store), 0);
    zs_os.thread_start = no_thread;
    n_threads = 0;
    put_all(store, make_json, 0, N, h); /* with steps of its own */
    assert_true(n_threads >= 1);
    zs_os.thread_start = real_os.thread_start;
    check_all(store, make_json, 0, N, h);
    zs_store_destroy(store);
    free(h);
}

static void thread__learns_by_itself(void **unused)
{
    struct zs_store *store;
    char value[512];
    uint32_t i = 0;

    (void)unused;
    zs_os.now_ns = real_os.now_ns;
    assert_int_equal(zs_store_create(NULL, &store), 0);
    while (dict_stats(store).n_published == 0) {
        (void)put(store, value, make_json(value, i++));
        if (i % 1000 == 0) {
            sched_yield();
        }
    }
    zs_store_destroy(store);
    zs_os.now_ns = fake_now;
}

static int fake_clock(void **unused)
{
    (void)unused;
    real_os = zs_os;
    fake_ns = 1;
    zs_os.now_ns = fake_now;
    return make_data(unused);
}

static int true_clock(void **unused)
{
    zs_os = real_os;
    return free_data(unused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(put__learns_and_values_stay_what_they_are),
        cmocka_unit_test(
            footprint__counts_dictionaries_and_ends_with_the_store),
        cmocka_unit_test(off__and_codecs_without_have_none),
        cmocka_unit_test(config__out_of_range_is_refused),
        cmocka_unit_test(noise__is_trained_on_in_vain),
        cmocka_unit_test(change__of_data_brings_a_new_dictionary),
        cmocka_unit_test(steady__data_are_looked_at_but_not_trained_on_again),
        cmocka_unit_test(interval__is_kept),
        cmocka_unit_test(retired__goes_with_its_last_value),
        cmocka_unit_test(current__stays_without_values),
        cmocka_unit_test(set__has_eight_at_most_and_a_store_31),
        cmocka_unit_test(classes__have_dictionaries_of_their_own),
        cmocka_unit_test(reader__keeps_the_dictionary_of_a_value_that_went),
        cmocka_unit_test(export__needs_no_dictionary),
        cmocka_unit_test(damage__to_the_number_is_no_crash),
        cmocka_unit_test(thread__that_does_not_start_is_tried_again),
        cmocka_unit_test(thread__learns_by_itself),
    };
    return cmocka_run_group_tests_name("store_dict", tests, fake_clock,
                                       true_clock);
}
