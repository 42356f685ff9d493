/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of zspool/codec.h: codecs are found, added and taken out, and what
 * threads have of them goes with them.
 */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec.h"

#define NOP ZS_CODEC_OWN

static _Atomic int n_contexts; /* relaxed */

static int resolve_level(int level, int *out)
{
    *out = level;
    return level == 0 ? 0 : -EINVAL;
}

static size_t bound(size_t len)
{
    return len + 1;
}

/* Keeps all but the last bytes that are like the one before. */
static int compress(void *compressor, int level, const void *src, size_t len,
                    void *dst, size_t *out)
{
    const char *bytes = src;
    size_t n = len;

    assert_ptr_equal(compressor, &n_contexts);
    assert_int_equal(level, 0);
    while (n > 1 && bytes[n - 1] == bytes[n - 2]) {
        n--;
    }
    memcpy(dst, src, n);
    *out = n;
    return 0;
}

static int decompress(void *decompressor, const void *src, size_t src_len,
                      void *dst, size_t len)
{
    assert_ptr_equal(decompressor, &n_contexts);
    if (src_len > len || src_len == 0) {
        return -EBADMSG;
    }
    memcpy(dst, src, src_len);
    memset((char *)dst + src_len, ((const char *)src)[src_len - 1],
           len - src_len);
    return 0;
}

static void *create(void)
{
    atomic_fetch_add_explicit(&n_contexts, 1, memory_order_relaxed);
    return &n_contexts;
}

static void destroy(void *context)
{
    (void)context;
    atomic_fetch_sub_explicit(&n_contexts, 1, memory_order_relaxed);
}

static const struct zs_codec_ops nop = {
    .id = NOP,
    .name = "nop",
    .min_length = 20,
    .resolve_level = resolve_level,
    .bound = bound,
    .compressor_create = create,
    .compressor_destroy = destroy,
    .decompressor_create = create,
    .decompressor_destroy = destroy,
    .compress = compress,
    .decompress = decompress,
};

static struct zs_store *store_of_nop(void)
{
    struct zs_store_config cfg = { .codec = NOP };
    struct zs_store *store;

    assert_int_equal(zs_store_create(&cfg, &store), 0);
    return store;
}

static void by_name__finds_what_there_is(void **unused)
{
    static const char *const names[] = { "lz4", "zstd", "none" };
    enum zs_codec_id id = (enum zs_codec_id)77;

    (void)unused;
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(zs_codec_by_name(names[i], &id), 0);
        assert_int_equal(id, i);
        assert_string_equal(zs_codec_name(id), names[i]);
    }
    assert_int_equal(zs_codec_by_name("nop", &id), -ENOENT);
    assert_int_equal(zs_codec_by_name("", &id), -ENOENT);
    assert_int_equal(id, ZS_CODEC_NONE); /* not written */
    assert_null(zs_codec_name(NOP));
    assert_null(zs_codec_name((enum zs_codec_id) - 1));
}

static void register__refuses_what_is_not_whole(void **unused)
{
    (void)unused;
    for (unsigned i = 0; i < 12; i++) {
        struct zs_codec_ops bad = nop;

        switch (i) {
        case 0:
            bad.id = ZS_CODEC_NONE;
            break;
        case 1:
            bad.id = (enum zs_codec_id)15;
            break;
        case 2:
            bad.id = (enum zs_codec_id)32;
            break;
        case 3:
            bad.name = NULL;
            break;
        case 4:
            bad.name = "";
            break;
        case 5:
            bad.name = "a name of more than thirty-one b";
            break;
        case 6:
            bad.resolve_level = NULL;
            break;
        case 7:
            bad.bound = NULL;
            break;
        case 8:
            bad.compress = NULL;
            break;
        case 9:
            bad.decompress = NULL;
            break;
        case 10:
            bad.compressor_destroy = NULL;
            break;
        default:
            bad.decompressor_create = NULL;
            break;
        }
        assert_int_equal(zs_codec_register(&bad), -EINVAL);
    }
    assert_null(zs_codec_find(NOP));
}

static void register__refuses_what_is_taken(void **unused)
{
    struct zs_codec_ops other = nop;

    (void)unused;
    assert_int_equal(zs_codec_register(&nop), 0);
    assert_int_equal(zs_codec_register(&nop), -EEXIST);
    other.name = "other";
    assert_int_equal(zs_codec_register(&other), -EEXIST); /* the id */
    other.id = ZS_CODEC_OWN_LAST;
    other.name = "lz4";
    assert_int_equal(zs_codec_register(&other), -EEXIST); /* the name */
    assert_int_equal(zs_codec_unregister(NOP), 0);
    assert_int_equal(zs_codec_unregister(NOP), -ENOENT);
    assert_int_equal(zs_codec_unregister(ZS_CODEC_LZ4), -ENOENT);
    assert_int_equal(zs_codec_unregister(ZS_CODEC_OWN_LAST), -ENOENT);
}

static void store__uses_a_codec_of_the_embedders(void **unused)
{
    char data[300], back[300];
    struct zs_store_config cfg = { .codec = NOP };
    struct zs_store_stats s;
    struct zs_store *store;
    zs_handle_t h;
    size_t len;

    (void)unused;
    assert_int_equal(zs_store_create(&cfg, &store), -EINVAL);
    assert_int_equal(zs_codec_register(&nop), 0);
    cfg.level = 1;
    assert_int_equal(zs_store_create(&cfg, &store), -EINVAL);
    store = store_of_nop();
    memset(data, 'x', sizeof(data));
    memcpy(data, "so it begins", 12);
    assert_int_equal(zs_store_put(store, data, sizeof(data), &h), 0);
    zs_store_stats(store, &s);
    assert_int_equal(s.stored_bytes, 13);
    assert_int_equal(zs_store_get(store, h, back, sizeof(back), &len), 0);
    assert_memory_equal(data, back, sizeof(data));
    assert_int_equal(zs_codec_unregister(NOP), -EBUSY);
    zs_store_destroy(store);
    assert_int_equal(zs_codec_unregister(NOP), 0);
    assert_int_equal(n_contexts, 0);
}

/* --- threads -------------------------------------------------------------- */

static pthread_barrier_t used, dropped;

static void use(void)
{
    struct zs_store *store = store_of_nop();
    char data[300] = "and on and on and on";
    zs_handle_t h;
    size_t len;

    memset(data + 20, 'x', 280);
    assert_int_equal(zs_store_put(store, data, sizeof(data), &h), 0);
    assert_int_equal(zs_store_get(store, h, data, sizeof(data), &len), 0);
    zs_store_destroy(store);
}

static void *use_and_wait(void *unused)
{
    (void)unused;
    use();
    pthread_barrier_wait(&used);
    pthread_barrier_wait(&dropped);
    return NULL;
}

/* A thread that sleeps has its contexts taken away; it ends well. */
static void unregister__takes_the_contexts_of_all_threads(void **unused)
{
    pthread_t threads[3];

    (void)unused;
    assert_int_equal(zs_codec_register(&nop), 0);
    assert_int_equal(pthread_barrier_init(&used, NULL, 4), 0);
    assert_int_equal(pthread_barrier_init(&dropped, NULL, 4), 0);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_create(&threads[i], NULL, use_and_wait, NULL),
                         0);
    }
    pthread_barrier_wait(&used);
    assert_int_equal(n_contexts, 6);
    assert_int_equal(zs_codec_unregister(NOP), 0);
    assert_int_equal(n_contexts, 0);
    pthread_barrier_wait(&dropped);
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
    }
    assert_int_equal(n_contexts, 0);
    pthread_barrier_destroy(&used);
    pthread_barrier_destroy(&dropped);
}

static void *use_and_end(void *unused)
{
    use();
    return unused;
}

static void contexts__end_with_their_thread(void **unused)
{
    pthread_t thread;

    (void)unused;
    assert_int_equal(zs_codec_register(&nop), 0);
    assert_int_equal(pthread_create(&thread, NULL, use_and_end, NULL), 0);
    assert_int_equal(pthread_join(thread, NULL), 0);
    assert_int_equal(n_contexts, 0);
    use();
    assert_int_equal(n_contexts, 2);
    assert_int_equal(zs_codec_unregister(NOP), 0);
    assert_int_equal(n_contexts, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_name__finds_what_there_is),
        cmocka_unit_test(register__refuses_what_is_not_whole),
        cmocka_unit_test(register__refuses_what_is_taken),
        cmocka_unit_test(store__uses_a_codec_of_the_embedders),
        cmocka_unit_test(unregister__takes_the_contexts_of_all_threads),
        cmocka_unit_test(contexts__end_with_their_thread),
    };
    return cmocka_run_group_tests_name("codec_list", tests, NULL, NULL);
}
