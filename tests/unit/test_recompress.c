/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of recompression: which values it takes, when it lets go of them,
 * and that they stay what they are. Stores have no thread here but where it
 * says so, and the clocks are the test's.
 *
 * A codec of the test's own stands for the moment in which the worker
 * compresses: what it is told to do then happens between the worker's two looks
 * at a value.
 */
#include "store_fixture.h"

#include <pthread.h>
#include <sched.h>
#include <time.h>

#include "arena_impl.h"
#include "dict_fixture.h"
#include "hook_codec.h"
#include "os.h"
#include "rcu.h"
#include "store_impl.h"
#include "unpack.h"
#include "zspool/stats.h"

#define N 200u
#define PAGE 4096u
#define IDLE_NS UINT64_C(1000000)

static _Atomic uint64_t fake_ns; /* liburcu's thread looks, too */
static uint64_t fake_cpu_ns, cpu_step_ns;
static struct zs_os real_os;

static uint64_t fake_now(void)
{
    return fake_ns;
}

/* Asked at a step's begin and end. */
static uint64_t fake_cpu(void)
{
    return fake_cpu_ns += cpu_step_ns;
}

/* --- stores and steps --- */

static struct zs_store_config config(void)
{
    return (struct zs_store_config){
        .dictionaries = { .no_thread = true, .interval_ns = 1 },
        .recompress = { .on = true,
                        .no_thread = true,
                        .idle_ns = IDLE_NS,
                        .cpu_percent = 100 },
    };
}

static struct zs_store *make(const struct zs_store_config *cfg)
{
    struct zs_store *store;

    assert_int_equal(zs_store_create(cfg, &store), 0);
    return store;
}

static struct zs_store *cold_store(void)
{
    struct zs_store_config cfg = config();

    return make(&cfg);
}

static struct zs_store *hook_store(void)
{
    struct zs_store_config cfg = config();

    cfg.recompress.codec = ZS_CODEC_OWN;
    return make(&cfg);
}

static struct zs_recompress_stats stats(struct zs_store *store)
{
    struct zs_recompress_stats s;

    zs_store_recompress_stats(store, &s);
    return s;
}

/* Until every value was visited once more. */
static void round_of(struct zs_store *store)
{
    uint64_t n = stats(store).n_rounds;

    fake_ns += IDLE_NS;
    while (stats(store).n_rounds == n) {
        assert_true(zs_store_background(store));
    }
}

static void put_pages(struct zs_store *store, zs_handle_t *h, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        h[i] = put(store, text + i * 1000, PAGE);
    }
}

static void check_pages(struct zs_store *store, const zs_handle_t *h,
                        unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        check_value(store, h[i], text + i * 1000, PAGE);
    }
}

static void delete_all(struct zs_store *store, const zs_handle_t *h, unsigned n)
{
    zs_store_delete_batch(store, h, n);
    check_empty(store);
}

/* With what codec a value is compressed, by its number in the header. */
static unsigned codec_of(struct zs_store *store, zs_handle_t h)
{
    struct zs_reading r;
    unsigned codec;

    assert_int_equal(zs_reading_begin(store, h, &r), 0);
    codec = r.value.codec;
    zs_reading_end(store);
    return codec;
}

/* --- which values --- */

static void cold__values_get_smaller_and_stay_what_they_are(void **unused)
{
    static const enum zs_checksum sums[] = { ZS_CHECKSUM_NONE,
                                             ZS_CHECKSUM_XXH3_64 };
    zs_handle_t h[N];

    (void)unused;
    for (size_t i = 0; i < 2 * N_CODECS; i++) {
        struct zs_store_config cfg = config();
        struct zs_store_stats before, after;
        struct zs_store *store;

        cfg.codec = all_codecs[i / 2];
        cfg.checksum = sums[i % 2];
        cfg.recompress.level = 19;
        cfg.recompress.codec = ZS_CODEC_ZSTD;
        store = make(&cfg);
        put_pages(store, h, N);
        before = stats_of(store);
        round_of(store);
        assert_int_equal(stats(store).n_candidates, 0);
        round_of(store);
        assert_int_equal(stats(store).n_candidates, N);
        assert_int_equal(stats(store).n_tried, N);
        assert_true(stats(store).n_accepted > N / 2);
        assert_int_equal(codec_of(store, h[0]), ZS_COLD_CODEC);
        after = stats_of(store);
        assert_true(after.stored_bytes < before.stored_bytes);
        assert_true(stats(store).saved_bytes > 0);
        check_pages(store, h, N);
        delete_all(store, h, N);
        zs_store_destroy(store);
    }
}

static void tried__values_are_left_alone(void **unused)
{
    struct zs_store *store = cold_store();
    zs_handle_t h[N];

    (void)unused;
    put_pages(store, h, N);
    for (unsigned i = 0; i < 5; i++) {
        round_of(store);
    }
    assert_int_equal(stats(store).n_tried, N);
    assert_int_equal(zs_store_replace(store, h[3], text, PAGE), 0);
    round_of(store);
    assert_int_equal(stats(store).n_tried, N);
    round_of(store);
    assert_int_equal(stats(store).n_tried, N + 1);
    zs_store_destroy(store);
}

static void hot__values_are_not_touched(void **unused)
{
    struct zs_store *store = cold_store();
    char local_copy[ZS_LOCAL_COPY_BYTES];
    unsigned char *back = exactly(2 * PAGE);
    zs_handle_t h[N];
    size_t len;

    (void)unused;
    put_pages(store, h, N);
    for (unsigned round = 0; round < 3; round++) {
        struct zs_store_get g = { h[3], back, PAGE, 0, 0 };
        struct zs_store_view view;

        round_of(store);
        /* each way to ask for a value */
        assert_int_equal(zs_store_get(store, h[0], back, PAGE, &len), 0);
        assert_int_equal(zs_store_get_range(store, h[1], 5, back, 9, &len), 0);
        assert_int_equal(zs_store_export(store, h[2], back, 2 * PAGE, &len), 0);
        assert_int_equal(zs_store_get_batch(store, &g, 1), 0);
        assert_int_equal(zs_store_view_begin(store, h[4], 0, local_copy, &view),
                         0);
        zs_store_view_end(store);
    }
    assert_int_equal(stats(store).n_candidates, N - 5);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(codec_of(store, h[i]), 0);
    }
    zs_store_destroy(store);
    free(back);
}

static void raw__values_are_tried_too(void **unused)
{
    struct zs_store *store = cold_store();
    unsigned char *letters = exactly(N * PAGE);
    zs_handle_t h[N], dead;

    (void)unused;
    for (size_t i = 0; i < N * PAGE; i++) { /* 64 of 256: nothing for lz4 */
        letters[i] = (unsigned char)(' ' + next_random() % 64);
    }
    for (unsigned i = 0; i < N; i++) {
        h[i] = put(store, letters + i * PAGE, PAGE);
    }
    dead = put(store, noise, PAGE);
    assert_int_equal(stats_of(store).n_stored_raw, N + 1);
    round_of(store);
    round_of(store);
    assert_int_equal(stats(store).n_raw_tried, N + 1);
    assert_int_equal(stats(store).n_raw_accepted, N);
    assert_int_equal(stats_of(store).n_stored_raw, 1);
    for (unsigned i = 0; i < N; i++) {
        check_value(store, h[i], letters + i * PAGE, PAGE);
    }
    check_value(store, dead, noise, PAGE);
    zs_store_delete(store, dead);
    delete_all(store, h, N);
    zs_store_destroy(store);
    free(letters);
}

static void others__are_none_of_its_business(void **unused)
{
    static const size_t large = 700000;
    struct zs_store *store = cold_store();
    unsigned char *zeros = exactly(PAGE);
    zs_handle_t h[4];

    (void)unused;
    memset(zeros, 0, PAGE);
    h[0] = put(store, zeros, PAGE);
    h[1] = put(store, text, large); /* parts, and a list */
    h[2] = put(store, "", 0);
    h[3] = put(store, "x", 1);
    for (unsigned i = 0; i < 3; i++) {
        round_of(store);
    }
    assert_int_equal(stats(store).n_tried, 0);
    check_value(store, h[0], zeros, PAGE);
    check_value(store, h[1], text, large);
    check_value(store, h[2], "", 0);
    check_value(store, h[3], "x", 1);
    delete_all(store, h, 4);
    zs_store_destroy(store);
    free(zeros);
}

static void damaged__values_stay_damaged(void **unused)
{
    struct zs_store_config cfg = config();
    unsigned char byte = 0x5a;
    struct zs_store *store;
    zs_handle_t h[2];
    char back[PAGE];
    size_t len;

    (void)unused;
    cfg.checksum = ZS_CHECKSUM_XXH3_32;
    store = make(&cfg);
    put_pages(store, h, 2);
    assert_int_equal(zs_obj_write(store->pool, h[0], 9, &byte, 1), 0);
    byte = 0; /* no header begins with it */
    assert_int_equal(zs_obj_write(store->pool, h[1], 0, &byte, 1), 0);
    round_of(store);
    round_of(store);
    assert_int_equal(stats(store).n_tried, 0);
    assert_int_equal(zs_store_get(store, h[0], back, PAGE, &len), -EBADMSG);
    assert_int_equal(zs_store_get(store, h[1], back, PAGE, &len), -EBADMSG);
    zs_store_destroy(store);
}

static void export__of_a_cold_value_goes_anywhere(void **unused)
{
    struct zs_store *store = cold_store();
    struct zs_store *other = store_of(ZS_CODEC_LZ4);
    unsigned char message[2 * PAGE];
    char local_copy[ZS_LOCAL_COPY_BYTES];
    struct zs_store_view view;
    zs_handle_t h, there;
    size_t len;

    (void)unused;
    h = put(store, text, PAGE);
    round_of(store);
    round_of(store);
    assert_int_equal(codec_of(store, h), ZS_COLD_CODEC);
    assert_int_equal(zs_store_view_begin(store, h, 0, local_copy, &view), 0);
    assert_int_equal(view.codec, ZS_CODEC_ZSTD);
    zs_store_view_end(store);
    assert_int_equal(zs_store_export(store, h, message, sizeof(message), &len),
                     0);
    assert_int_equal(zs_store_import(other, message, len, &there), 0);
    check_value(other, there, text, PAGE);
    zs_store_destroy(other);
    zs_store_destroy(store);
}

/* --- dictionaries --- */

static void publish(struct zs_store *store, uint32_t from,
                    size_t (*record)(char *, uint32_t))
{
    struct zs_dicts *d = &store->dicts->dicts;
    char content[8192], value[512];
    size_t at = 0;
    void *prepared, *cold = NULL;

    for (uint32_t i = from; at + sizeof(value) < sizeof(content); i++) {
        size_t len = record(value, i);

        memcpy(content + at, value, len);
        at += len;
    }
    prepared = d->user.codec->dict_create(content, at, d->user.level);
    assert_non_null(prepared);
    if (d->user.cold_codec->dict_create != NULL) {
        cold = d->user.cold_codec->dict_create(content, at, d->user.cold_level);
    }
    zs_lock_acquire(&d->lock);
    assert_true(zs_dicts_publish(d, 0, prepared, cold));
    atomic_fetch_add(&d->n_published, 1);
    zs_lock_release(&d->lock);
}

static void check_json(struct zs_store *store, const zs_handle_t *h)
{
    char value[512];

    for (uint32_t i = 0; i < N; i++) {
        check_value(store, h[i], value, make_json(value, i));
    }
}

static void put_json(struct zs_store *store, zs_handle_t *h)
{
    char value[512];

    for (uint32_t i = 0; i < N; i++) {
        h[i] = put(store, value, make_json(value, i));
    }
}

static void retired__dictionary_drains(void **unused)
{
    static const enum zs_codec_id ids[] = { ZS_CODEC_LZ4, ZS_CODEC_ZSTD };
    zs_handle_t h[N];

    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        struct zs_store_config cfg = config();
        struct zs_store *store;

        cfg.codec = ids[i];
        store = make(&cfg);
        publish(store, 50000, make_html);
        put_json(store, h); /* by a dictionary of other data */
        publish(store, 50000, make_json);
        round_of(store);
        round_of(store);
        assert_true(stats(store).n_drained > 0);
        assert_int_equal(zs_dicts_n_values(&store->dicts->dicts, 1), 0);
        (void)zs_store_background(store);
        assert_null(zs_dicts_find(&store->dicts->dicts, 1));
        assert_true(zs_dicts_n_values(&store->dicts->dicts, 2) > N * 9 / 10);
        check_json(store, h);
        for (uint32_t k = 0; k < N; k++) {
            char value[512];

            if (codec_of(store, h[k]) == 0) { /* what did not gain */
                assert_int_equal(
                    zs_store_replace(store, h[k], value, make_json(value, k)),
                    0);
            }
        }
        (void)zs_store_background(store);
        check_json(store, h);
        delete_all(store, h, N);
        assert_int_equal(zs_dicts_n_values(&store->dicts->dicts, 2), 0);
        zs_store_destroy(store);
    }
}

static void new__dictionary_has_all_tried_again(void **unused)
{
    struct zs_store *store = cold_store();
    zs_handle_t h[N];
    struct zs_store_stats before, after;

    (void)unused;
    put_json(store, h);
    for (unsigned i = 0; i < 3; i++) {
        round_of(store);
    }
    before = stats_of(store);
    publish(store, 50000, make_json);
    round_of(store);
    assert_true(stats(store).n_tried >= 2 * N);
    after = stats_of(store);
    assert_true(after.stored_bytes * 3 < before.stored_bytes * 2);
    check_json(store, h);
    round_of(store);
    assert_int_equal(stats(store).n_tried, 2 * N);
    delete_all(store, h, N);
    zs_store_destroy(store);
}

/* --- who comes in between wins --- */

static struct zs_store *the_store;
static zs_handle_t the_handle;
static bool was_called;

static void ask(void)
{
    check_value(the_store, the_handle, text, PAGE);
    was_called = true;
}

static void replace(void)
{
    assert_int_equal(zs_store_replace(the_store, the_handle, text + 77, PAGE),
                     0);
    was_called = true;
}

/* Deleted, and the handle used again: for what looks the same. */
static void delete_and_put(void)
{
    uint32_t was = the_handle.raw;

    zs_store_delete(the_store, the_handle);
    the_handle = put(the_store, text + 77, PAGE);
    assert_int_equal(the_handle.raw, was);
    was_called = true;
}

static void delete_for_good(void)
{
    zs_store_delete(the_store, the_handle);
    was_called = true;
}

/* One value, whose second compression is disturbed. */
static void disturb(void (*by)(void))
{
    the_store = hook_store();
    the_handle = put(the_store, text, PAGE);
    round_of(the_store);
    was_called = false;
    while_compressing = by;
    round_of(the_store);
    assert_true(was_called);
    assert_int_equal(stats(the_store).n_tried, 1);
    assert_int_equal(stats(the_store).n_accepted, 0);
    assert_int_equal(stats(the_store).n_dropped, 1);
}

static void between__a_get_stops_it(void **unused)
{
    (void)unused;
    disturb(ask);
    assert_int_equal(codec_of(the_store, the_handle), 0);
    round_of(the_store); /* it is cold again in two */
    round_of(the_store);
    assert_int_equal(stats(the_store).n_accepted, 1);
    check_value(the_store, the_handle, text, PAGE);
    delete_all(the_store, &the_handle, 1);
    zs_store_destroy(the_store);
}

static void between__a_replace_and_a_delete_win(void **unused)
{
    static void (*const by[])(void) = { replace, delete_and_put };

    (void)unused;
    for (size_t i = 0; i < 2; i++) {
        disturb(by[i]);
        check_value(the_store, the_handle, text + 77, PAGE);
        assert_int_equal(codec_of(the_store, the_handle), 0);
        delete_all(the_store, &the_handle, 1);
        zs_store_destroy(the_store);
    }
    disturb(delete_for_good);
    check_empty(the_store);
    zs_store_destroy(the_store);
}

/* A changer waits while the worker has the value. */
static void *forget_it(void *done)
{
    zs_read_lock();
    zs_cold_forget(&the_store->recompress.map, the_handle.raw);
    zs_read_unlock();
    atomic_store((_Atomic bool *)done, true);
    return NULL;
}

static void claim__that_is_busy_has_changers_wait(void **unused)
{
    const struct timespec some = { .tv_nsec = 2000000 };
    struct zs_cold_map *m;
    _Atomic bool done = false;
    pthread_t changer;

    (void)unused;
    the_store = cold_store();
    m = &the_store->recompress.map;
    the_handle = put(the_store, text, PAGE);
    assert_true(zs_claim_publish(m, the_handle.raw));
    assert_false(zs_claim_publish(m, the_handle.raw + ZS_CLAIMS));
    assert_true(zs_claim_busy(m, the_handle.raw));
    assert_int_equal(pthread_create(&changer, NULL, forget_it, &done), 0);
    nanosleep(&some, NULL);
    assert_false(atomic_load(&done));
    zs_claim_rest(m, the_handle.raw);
    pthread_join(changer, NULL);
    assert_false(zs_claim_busy(m, the_handle.raw)); /* it is gone */
    zs_claim_end(m, the_handle.raw);
    assert_true(zs_claim_publish(m, the_handle.raw + ZS_CLAIMS));
    zs_claim_end(m, the_handle.raw + ZS_CLAIMS);
    zs_store_destroy(the_store);
}

/* --- limits, failures --- */

static void limit__is_kept_and_the_value_too(void **unused)
{
    struct zs_store *store = cold_store();
    struct zs_budget *budget = &zs_pool_arena(store->pool)->budget;
    zs_handle_t h[N];

    (void)unused;
    put_pages(store, h, N);
    round_of(store);
    budget->limit = atomic_load(&budget->used);
    zs_limit_refused = false;
    round_of(store);
    assert_true(stats(store).n_no_room > 0);
    assert_false(zs_limit_refused);
    check_pages(store, h, N);
    budget->limit = 0;
    round_of(store);
    round_of(store);
    assert_true(stats(store).n_accepted > N / 2);
    check_pages(store, h, N);
    delete_all(store, h, N);
    zs_store_destroy(store);
}

static void map__without_memory_for_it_does_nothing(void **unused)
{
    struct zs_store *store = cold_store();
    struct zs_budget *budget = &zs_pool_arena(store->pool)->budget;
    zs_handle_t h[3];

    (void)unused;
    put_pages(store, h, 3);
    budget->limit = atomic_load(&budget->used);
    for (unsigned i = 0; i < 3; i++) {
        round_of(store);
    }
    assert_int_equal(stats(store).n_candidates, 0);
    zs_store_destroy(store);
}

static void *no_alloc(size_t bytes)
{
    (void)bytes;
    return NULL;
}

static void *no_reserve(size_t bytes, size_t align)
{
    /* the map of this store, by its size */
    return bytes == (size_t)1 << 15 ? NULL : real_os.reserve(bytes, align);
}

static void memory__that_fails_harms_nothing(void **unused)
{
    struct zs_store_config cfg = config();
    struct zs_store *store = cold_store();
    zs_handle_t h;

    (void)unused;
    h = put(store, text, PAGE);
    round_of(store);
    zs_os.alloc = no_alloc;
    round_of(store);
    zs_os.alloc = real_os.alloc;
    assert_int_equal(stats(store).n_accepted, 0);
    check_value(store, h, text, PAGE);
    zs_store_destroy(store);
    cfg.pool.max_objects = (1 << 17) - 1024; /* a map of 32 KiB */
    zs_os.reserve = no_reserve;
    assert_int_equal(zs_store_create(&cfg, &store), -ENOMEM);
    zs_os.reserve = real_os.reserve;
}

static void footprint__counts_the_map(void **unused)
{
    struct zs_store_config cfg = config();
    struct zs_arena_stats before, after;
    struct zs_arena *arena;
    struct zs_store *store;

    (void)unused;
    assert_int_equal(zs_arena_create(NULL, &arena), 0);
    cfg.pool.arena = arena;
    store = make(&cfg);
    (void)put(store, text, PAGE);
    zs_arena_stats(arena, &before);
    round_of(store);
    zs_arena_stats(arena, &after);
    assert_int_equal(after.metadata_bytes - before.metadata_bytes, 4096);
    zs_store_destroy(store);
    zs_arena_stats(arena, &after);
    assert_true(after.metadata_bytes < before.metadata_bytes);
    zs_arena_destroy(arena);
}

/* --- settings --- */

static void share__of_a_core_is_kept(void **unused)
{
    struct zs_store_config cfg = config();
    struct zs_store *store;
    zs_handle_t h[N];

    (void)unused;
    cfg.recompress.cpu_percent = 5;
    store = make(&cfg);
    put_pages(store, h, N);
    round_of(store);
    fake_ns += IDLE_NS;
    cpu_step_ns = 1000;
    assert_true(zs_store_background(store));
    fake_ns += 18999;
    assert_false(zs_store_background(store));
    fake_ns += 1;
    assert_true(zs_store_background(store));
    assert_int_equal(stats(store).cpu_ns, 2000);
    assert_true(stats(store).n_candidates <= 32);
    cpu_step_ns = 0;
    zs_store_destroy(store);
}

static void config__out_of_range_is_refused(void **unused)
{
    static const struct zs_recompress_config wrong[] = {
        { .on = true, .cpu_percent = 101 },
        { .on = true, .codec = ZS_CODEC_ZSTD, .level = 20 },
        { .on = true, .codec = (enum zs_codec_id)30 },
    };

    (void)unused;
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        struct zs_store_config cfg = { .recompress = wrong[i] };
        struct zs_store *store;

        assert_int_equal(zs_store_create(&cfg, &store), -EINVAL);
    }
}

static void off__nothing_is_done(void **unused)
{
    struct zs_store *store = store_of(ZS_CODEC_LZ4);
    zs_handle_t h = put(store, text, PAGE);

    (void)unused;
    fake_ns += UINT64_C(1) << 50;
    assert_false(zs_store_background(store));
    assert_int_equal(stats(store).n_rounds, 0);
    check_value(store, h, text, PAGE);
    zs_store_destroy(store);
}

static void codec__of_cold_values_is_held(void **unused)
{
    struct zs_store *store = hook_store();

    (void)unused;
    assert_int_equal(zs_codec_unregister(ZS_CODEC_OWN), -EBUSY);
    zs_store_destroy(store);
}

static void thread__does_it_by_itself(void **unused)
{
    struct zs_store_config cfg = config();
    struct zs_store *store;
    zs_handle_t h[N];

    (void)unused;
    zs_os.now_ns = real_os.now_ns;
    zs_os.thread_cpu_ns = real_os.thread_cpu_ns;
    cfg.recompress.no_thread = false;
    store = make(&cfg);
    put_pages(store, h, N);
    while (stats(store).n_accepted < N / 2) {
        sched_yield();
    }
    check_pages(store, h, N);
    delete_all(store, h, N);
    zs_store_destroy(store);
    zs_os.now_ns = fake_now;
    zs_os.thread_cpu_ns = fake_cpu;
}

static int begin(void **unused)
{
    real_os = zs_os;
    fake_ns = 1;
    zs_os.now_ns = fake_now;
    zs_os.thread_cpu_ns = fake_cpu;
    assert_int_equal(zs_codec_register(&hook), 0);
    return make_data(unused);
}

static int end(void **unused)
{
    zs_os = real_os;
    assert_int_equal(zs_codec_unregister(ZS_CODEC_OWN), 0);
    return free_data(unused);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cold__values_get_smaller_and_stay_what_they_are),
        cmocka_unit_test(tried__values_are_left_alone),
        cmocka_unit_test(hot__values_are_not_touched),
        cmocka_unit_test(raw__values_are_tried_too),
        cmocka_unit_test(others__are_none_of_its_business),
        cmocka_unit_test(damaged__values_stay_damaged),
        cmocka_unit_test(export__of_a_cold_value_goes_anywhere),
        cmocka_unit_test(retired__dictionary_drains),
        cmocka_unit_test(new__dictionary_has_all_tried_again),
        cmocka_unit_test(between__a_get_stops_it),
        cmocka_unit_test(between__a_replace_and_a_delete_win),
        cmocka_unit_test(claim__that_is_busy_has_changers_wait),
        cmocka_unit_test(limit__is_kept_and_the_value_too),
        cmocka_unit_test(map__without_memory_for_it_does_nothing),
        cmocka_unit_test(memory__that_fails_harms_nothing),
        cmocka_unit_test(footprint__counts_the_map),
        cmocka_unit_test(share__of_a_core_is_kept),
        cmocka_unit_test(config__out_of_range_is_refused),
        cmocka_unit_test(off__nothing_is_done),
        cmocka_unit_test(codec__of_cold_values_is_held),
        cmocka_unit_test(thread__does_it_by_itself),
    };
    return cmocka_run_group_tests_name("recompress", tests, begin, end);
}
