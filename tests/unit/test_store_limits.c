/* SPDX-License-Identifier: MIT */
/*
 * Unit tests of tenants: what they cost, their limits, the eviction callback,
 * back-pressure, statistics. Nobody sleeps: zs_os.sleep_ns only notes.
 */
#include "store_fixture.h"

#include "dict_fixture.h"
#include "os.h"
#include "rcu.h"
#include "store_impl.h"
#include "zspool/movable_ops.h"
#include "zspool/stats.h"

#define MIB ((uint64_t)1 << 20)

static struct zs_os real_os;
static uint64_t slept_ns, n_sleeps, fake_ns;

static void note_sleep(uint64_t ns)
{
    assert_false(zs_in_read_section());
    slept_ns += ns;
    n_sleeps++;
}

static uint64_t fake_now(void)
{
    return fake_ns;
}

static int begin(void **unused)
{
    (void)unused;
    real_os = zs_os;
    zs_os.sleep_ns = note_sleep;
    slept_ns = n_sleeps = 0;
    return 0;
}

static int end(void **unused)
{
    (void)unused;
    zs_os = real_os;
    return 0;
}

/* --- steps --- */

static struct zs_store *store_with(const struct zs_eviction_config *eviction)
{
    struct zs_store_config cfg = { .dictionaries = { .off = true } };
    struct zs_store *store;

    if (eviction != NULL) {
        cfg.eviction = *eviction;
    }
    assert_int_equal(zs_store_create(&cfg, &store), 0);
    return store;
}

static void limit(struct zs_store *store, unsigned tenant, uint64_t soft,
                  uint64_t hard)
{
    const struct zs_store_limits l = { soft, hard };

    assert_int_equal(zs_store_set_limits(store, tenant, &l), 0);
}

static struct zs_store_mem_stats mem(struct zs_store *store, unsigned tenant)
{
    struct zs_store_mem_stats s;

    assert_int_equal(zs_store_mem_stats(store, tenant, &s), 0);
    return s;
}

/* G1 and G3, while nobody is at work. */
static void check_gauges(struct zs_store *store)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < ZS_TENANTS; i++) {
        struct zs_tenant *t = zs_tenant_find(&store->tenants, i);
        struct zs_store_mem_stats s = mem(store, i);

        if (t != NULL) {
            assert_int_equal(atomic_load(&t->gauge.used),
                             s.mem_used_total + s.mem_reserved);
            assert_true(s.mem_used_max >= s.mem_used_total);
            sum += atomic_load(&t->gauge.used);
        } else {
            assert_int_equal(s.mem_used_total, 0);
        }
    }
    assert_int_equal(atomic_load(&store->tenants.whole.used), sum);
}

static zs_handle_t put_as(struct zs_store *store, unsigned tenant,
                          const void *data, size_t len)
{
    zs_handle_t h;

    assert_int_equal(zs_store_put_class(store, tenant, data, len, &h), 0);
    return h;
}

/* Put pages of noise until that fails; how many fit. */
static size_t fill(struct zs_store *store, unsigned tenant, zs_handle_t *h,
                   size_t most, int *err)
{
    size_t n = 0;

    *err = 0;
    while (n < most) {
        *err = zs_store_put_class(store, tenant, noise + n * 64, 4000, &h[n]);
        if (*err != 0) {
            break;
        }
        n++;
    }
    return n;
}

/* --- what values cost --- */

static void cost__is_the_tenants_and_goes_with_the_value(void **unused)
{
    static const unsigned char zeroes[300000];
    static const enum zs_checksum checksums[] = { ZS_CHECKSUM_NONE,
                                                  ZS_CHECKSUM_XXH3_64 };
    const struct {
        const void *data;
        size_t len;
    } values[] = { { text, 4096 },    { text, 200 },     { noise, 4096 },
                   { noise, 20 },     { zeroes, 5000 },  { zeroes, 16 },
                   { text, 0 },       { text, 3000000 }, { noise, 700000 },
                   { zeroes, 300000 } };
    enum { N = sizeof(values) / sizeof(values[0]) };

    (void)unused;
    for (size_t c = 0; c < 2; c++) {
        struct zs_store_config cfg = { .checksum = checksums[c] };
        struct zs_store *store;
        zs_handle_t h[ZS_TENANTS][N];

        assert_int_equal(zs_store_create(&cfg, &store), 0);
        for (unsigned t = 0; t < ZS_TENANTS; t++) {
            uint64_t cost = 0;

            for (size_t i = 0; i < N; i++) {
                h[t][i] = put_as(store, t, values[i].data, values[i].len);
                cost += zs_store_cost(store, h[t][i]);
                assert_int_equal(mem(store, t).mem_used_total, cost);
                check_value(store, h[t][i], values[i].data, values[i].len);
            }
            assert_int_equal(mem(store, t).n_values, N);
            assert_int_equal(zs_store_cost(store, h[t][4]), 4); /* bare */
            check_gauges(store);
        }
        for (unsigned t = 0; t < ZS_TENANTS; t++) {
            for (size_t i = 0; i < N; i++) {
                zs_store_delete(store, h[t][i]);
            }
            assert_int_equal(mem(store, t).mem_used_total, 0);
            assert_int_equal(mem(store, t).n_values, 0);
            assert_int_equal(mem(store, t).orig_data_size, 0);
            check_gauges(store);
        }
        check_empty(store);
        zs_store_destroy(store);
    }
}

static void cost__is_about_the_slots_of_the_pool(void **unused)
{
    struct zs_store *store = store_with(NULL);
    struct zs_pool_stats pool;
    enum { N = 500 };
    zs_handle_t h[N];
    uint64_t cost;

    (void)unused;
    for (size_t i = 0; i < N; i++) {
        h[i] = put_as(store, (unsigned)i % 3, i % 2 == 0 ? text : noise,
                      i * 17 + 8);
    }
    zs_pool_stats(zs_store_pool(store), &pool);
    /* A small pool does without some classes: its slots are a little larger. */
    cost = mem(store, ZS_WHOLE_STORE).mem_used_total;
    assert_in_range(pool.live_bytes + (uint64_t)N * 8, cost, cost + cost / 50);
    for (size_t i = 0; i < N; i++) {
        zs_store_delete(store, h[i]);
    }
    zs_store_destroy(store);
}

static void tenant__is_known_by_the_dictionary_too(void **unused)
{
    enum { N = 20000 };
    struct zs_store_config cfg = { .dictionaries = { .no_thread = true } };
    struct zs_store *store;
    zs_handle_t *h = exactly(N * sizeof(*h));
    char value[512];

    (void)unused;
    zs_os.now_ns = fake_now;
    assert_int_equal(zs_store_create(&cfg, &store), 0);
    for (uint32_t i = 0; i < N; i++) {
        h[i] = put_as(store, 7, value, make_json(value, i));
        if (i % 500 == 0) {
            fake_ns += 2000000000u;
            (void)zs_store_background(store);
        }
    }
    assert_true(mem(store, 7).dictionary_bytes > 4096);
    assert_int_equal(mem(store, 0).dictionary_bytes, 0);
    assert_int_equal(mem(store, 0).mem_used_total, 0);
    check_gauges(store);
    for (uint32_t i = 0; i < N; i++) {
        if (i % 2 == 0) {
            zs_store_delete(store, h[i]);
        } else {
            assert_int_equal(zs_store_replace_class(store, 3, h[i], text, 100),
                             0);
        }
    }
    assert_int_equal(mem(store, 7).mem_used_total, 0);
    assert_int_equal(mem(store, 3).n_values, N / 2);
    check_gauges(store);
    zs_store_destroy(store);
    free(h);
}

static void replace__moves_the_cost_to_the_new_tenant(void **unused)
{
    static const unsigned char zeroes[64];
    struct zs_store *store = store_with(NULL);
    zs_handle_t h = put_as(store, 1, noise, 3000);

    (void)unused;
    assert_int_equal(zs_store_replace_class(store, 2, h, noise, 600000), 0);
    assert_int_equal(mem(store, 1).mem_used_total, 0);
    assert_int_equal(mem(store, 2).mem_used_total, zs_store_cost(store, h));
    check_gauges(store);
    assert_int_equal(zs_store_replace_class(store, 1, h, zeroes, 64), 0);
    assert_int_equal(mem(store, 1).mem_used_total, 4);
    assert_int_equal(mem(store, 2).mem_used_total, 0);
    assert_int_equal(zs_store_replace_class(store, 1, h, text, 900000), 0);
    assert_int_equal(zs_store_replace_class(store, 1, h, text, 300000), 0);
    assert_int_equal(mem(store, 1).mem_used_total, zs_store_cost(store, h));
    check_gauges(store);
    zs_store_delete(store, h);
    check_empty(store);
    check_gauges(store);
    zs_store_destroy(store);
}

/* --- hard limits --- */

static void hard__is_never_passed_and_stops_its_tenant_only(void **unused)
{
    struct zs_store *store = store_with(NULL);
    zs_handle_t h[400], one;
    size_t n;
    int err;

    (void)unused;
    limit(store, 5, 0, MIB);
    n = fill(store, 5, h, 400, &err);
    assert_int_equal(err, -ENOSPC);
    assert_true(mem(store, 5).mem_used_total <= MIB);
    assert_true(mem(store, 5).mem_used_total > MIB - 5000);
    assert_true(mem(store, 5).mem_used_max <= MIB);
    assert_int_equal(mem(store, 5).n_values, n);
    assert_int_equal(mem(store, 5).n_refused, 1);
    check_gauges(store);
    one = put_as(store, 6, noise, 4000);
    zs_store_delete(store, one);
    zs_store_delete(store, put_as(store, 0, noise, 4000));
    zs_store_delete(store, h[--n]);
    one = put_as(store, 5, noise, 4000); /* there is room again */
    zs_store_delete(store, one);
    while (n > 0) {
        zs_store_delete(store, h[--n]);
    }
    check_empty(store);
    check_gauges(store);
    zs_store_destroy(store);
}

static void hard__of_the_store_is_for_all_tenants(void **unused)
{
    struct zs_store *store = store_with(NULL);
    zs_handle_t h[400];
    size_t n, m;
    int err;

    (void)unused;
    limit(store, ZS_WHOLE_STORE, 0, MIB);
    n = fill(store, 1, h, 100, &err);
    assert_int_equal(n, 100);
    m = fill(store, 2, h + n, 300, &err);
    assert_int_equal(err, -ENOSPC);
    assert_true(mem(store, ZS_WHOLE_STORE).mem_used_total <= MIB);
    assert_true(mem(store, ZS_WHOLE_STORE).mem_used_total > MIB - 5000);
    assert_int_equal(fill(store, 1, h + n + m, 1, &err), 0);
    assert_int_equal(err, -ENOSPC);
    check_gauges(store);
    zs_store_destroy(store);
}

static void hard__takes_back_a_value_in_parts_whole(void **unused)
{
    struct zs_store *store = store_with(NULL);
    struct zs_pool_stats before, after;
    zs_handle_t h = put_as(store, 1, noise, 100);

    (void)unused;
    limit(store, 1, 0, MIB);
    zs_pool_stats(zs_store_pool(store), &before);
    assert_int_equal(zs_store_put_class(store, 1, noise, 2 * MIB, &h), -ENOSPC);
    zs_pool_stats(zs_store_pool(store), &after);
    assert_int_equal(after.n_objects, before.n_objects);
    assert_int_equal(mem(store, 1).n_values, 1);
    check_gauges(store);
    assert_int_equal(zs_store_replace_class(store, 1, h, noise, 2 * MIB),
                     -ENOSPC);
    check_value(store, h, noise, 100);
    check_gauges(store);
    zs_store_delete(store, h);
    check_empty(store);
    zs_store_destroy(store);
}

static void hard__lets_a_replace_through_that_takes_no_more(void **unused)
{
    struct zs_store *store = store_with(NULL);
    zs_handle_t h[400];
    size_t n;
    int err;

    (void)unused;
    limit(store, 1, 0, MIB);
    n = fill(store, 1, h, 400, &err);
    assert_int_equal(zs_store_replace_class(store, 1, h[0], noise + 9, 4000),
                     0);
    assert_int_equal(zs_store_replace_class(store, 1, h[0], noise, 100000),
                     -ENOSPC);
    check_value(store, h[0], noise + 9, 4000);
    limit(store, 1, 0, MIB / 2); /* above it all at once */
    assert_int_equal(zs_store_replace_class(store, 1, h[1], noise + 1, 3000),
                     0);
    assert_int_equal(fill(store, 1, h + n, 1, &err), 0);
    assert_int_equal(zs_store_replace_class(store, 2, h[2], noise, 4000), 0);
    check_gauges(store);
    limit(store, 1, 0, 0);
    assert_int_equal(fill(store, 1, h + n, 1, &err), 1);
    zs_store_destroy(store);
}

static void hard__holds_for_batches_and_imports(void **unused)
{
    struct zs_store *store = store_with(NULL);
    struct iovec values[400];
    zs_handle_t h[400];
    unsigned char *message = exactly(700000);
    size_t len;

    (void)unused;
    h[0] = put(store, noise, 600000);
    assert_int_equal(zs_store_export(store, h[0], message, 700000, &len), 0);
    zs_store_delete(store, h[0]);
    limit(store, 0, 0, MIB / 2);
    assert_int_equal(zs_store_import(store, message, len, &h[0]), -ENOSPC);
    check_empty(store);
    check_gauges(store);
    for (size_t i = 0; i < 400; i++) {
        values[i] = (struct iovec){ noise + i, 4000 };
    }
    assert_int_equal(zs_store_put_batch(store, values, 400, h), -ENOSPC);
    check_empty(store);
    check_gauges(store);
    free(message);
    zs_store_destroy(store);
}

static void failed_puts__give_back_what_they_took(void **unused)
{
    struct zs_store_config cfg = { .pool = { .private_arena = {
                                                 .limit_bytes = 4 * MIB } } };
    struct zs_store *store;
    zs_handle_t h[2000];
    int err;

    (void)unused;
    assert_int_equal(zs_store_create(&cfg, &store), 0);
    (void)fill(store, 4, h, 2000, &err);
    assert_int_equal(err, -ENOSPC); /* the arena's */
    check_gauges(store);
    assert_int_equal(zs_store_put_class(store, 4, noise, 3 * MIB, h), -ENOSPC);
    assert_int_equal(zs_store_replace_class(store, 4, h[0], noise, 3 * MIB),
                     -ENOSPC);
    check_gauges(store);
    assert_int_equal(mem(store, 4).n_refused, 0);
    zs_store_destroy(store);
}

/* --- soft limits: the callback --- */

struct cache {
    zs_handle_t h[4000]; /* from `first` on */
    size_t first, n;
    unsigned n_calls, tenant;
    uint64_t want;
    bool is_idle; /* evicts nothing */
    bool puts;    /* puts a value from inside */
};

static void evict(void *ctx, struct zs_store *store, unsigned tenant,
                  uint64_t want)
{
    struct cache *c = ctx;
    uint64_t freed = 0;

    assert_false(zs_in_read_section());
    c->n_calls++;
    c->tenant = tenant;
    c->want = want;
    while (!c->is_idle && freed < want && c->first < c->n) {
        freed += zs_store_cost(store, c->h[c->first]);
        zs_store_delete(store, c->h[c->first++]);
    }
    if (c->puts) {
        c->h[c->n++] = put_as(store, tenant, noise, 4000);
    }
}

static void put_pages(struct zs_store *store, struct cache *c, unsigned tenant,
                      size_t n)
{
    while (n-- > 0) {
        c->h[c->n] = put_as(store, tenant, noise + c->n * 64, 4000);
        c->n++;
    }
}

static void soft__asks_for_victims_once_until_it_is_passed_again(void **unused)
{
    struct cache *c = exactly(sizeof(*c));
    struct zs_eviction_config cfg = { .evict = evict, .ctx = c };
    struct zs_store *store;

    (void)unused;
    memset(c, 0, sizeof(*c));
    store = store_with(&cfg);
    limit(store, 3, MIB, 2 * MIB);
    put_pages(store, c, 3, 200); /* 800 KB */
    assert_int_equal(c->n_calls, 0);
    put_pages(store, c, 3, 100);
    assert_in_range(c->n_calls, 1, 4); /* 200 KB in steps of 64 KB */
    assert_int_equal(c->tenant, 3);
    assert_in_range(c->want, MIB / 16, MIB / 16 + 10000);
    assert_true(mem(store, 3).mem_used_total < MIB + 5000);
    put_pages(store, c, 3, 3000);
    assert_in_range(c->n_calls, 3000 * 4000 / (MIB / 16) - 20,
                    3000 * 5000 / (MIB / 16) + 20);
    assert_int_equal(mem(store, 3).n_asked, c->n_calls);
    assert_int_equal(n_sleeps, 0); /* it was enough */
    check_gauges(store);
    zs_store_destroy(store);
    free(c);
}

static void soft__asks_again_later_when_asked_in_vain(void **unused)
{
    struct cache *c = exactly(sizeof(*c));
    struct zs_eviction_config cfg = { .evict = evict, .ctx = c };
    struct zs_store *store;

    (void)unused;
    memset(c, 0, sizeof(*c));
    c->is_idle = true;
    store = store_with(&cfg);
    limit(store, 3, MIB, 2 * MIB);
    put_pages(store, c, 3, 400);
    /* 1.6 MB: 0.6 MB above, a call each 4 KiB at most */
    assert_in_range(c->n_calls, 50, 160);
    c->is_idle = false;
    put_pages(store, c, 3, 2);
    assert_true(mem(store, 3).mem_used_total < MIB);
    c->n_calls = 0;
    put_pages(store, c, 3, 30); /* passed anew: it is asked at once */
    assert_in_range(c->n_calls, 1, 3);
    zs_store_destroy(store);
    free(c);
}

static void
soft__is_asked_for_the_store_and_puts_inside_go_through(void **unused)
{
    struct cache *c = exactly(sizeof(*c));
    struct zs_eviction_config cfg = { .evict = evict, .ctx = c };
    struct zs_store *store;

    (void)unused;
    memset(c, 0, sizeof(*c));
    store = store_with(&cfg);
    limit(store, ZS_WHOLE_STORE, MIB, 0);
    put_pages(store, c, 2, 300);
    assert_int_equal(c->tenant, ZS_WHOLE_STORE);
    assert_int_equal(mem(store, 2).n_asked, 0);
    assert_int_equal(mem(store, ZS_WHOLE_STORE).n_asked, c->n_calls);
    limit(store, ZS_WHOLE_STORE, 0, 0);
    limit(store, 2, MIB / 2, 0);
    c->puts = true;
    put_pages(store, c, 2, 100);
    assert_int_equal(c->tenant, 2);
    assert_int_equal(n_sleeps, 0); /* no hard limit: no way to go */
    zs_store_destroy(store);
    free(c);
}

static void soft__is_quiet_in_a_read_section_of_the_embedders(void **unused)
{
    struct cache *c = exactly(sizeof(*c));
    struct zs_eviction_config cfg = { .evict = evict, .ctx = c };
    struct zs_store *store;

    (void)unused;
    memset(c, 0, sizeof(*c));
    store = store_with(&cfg);
    limit(store, 0, MIB / 2, MIB);
    zs_read_begin();
    put_pages(store, c, 0, 200);
    assert_int_equal(c->n_calls, 0);
    assert_int_equal(n_sleeps, 0);
    zs_read_end();
    put_pages(store, c, 0, 1);
    assert_int_equal(c->n_calls, 1);
    zs_store_destroy(store);
    free(c);
}

/* --- back-pressure --- */

static void pressure__slows_more_the_nearer_the_hard_limit(void **unused)
{
    struct zs_store *store = store_with(NULL);
    zs_handle_t h[400];
    uint64_t last = 0;
    size_t n = 0;
    int err = 0;

    (void)unused;
    limit(store, 1, MIB / 2, MIB);
    while (err == 0) {
        slept_ns = 0;
        err = zs_store_put_class(store, 1, noise + n * 64, 4000, &h[n]);
        n += err == 0;
        assert_true(slept_ns >= last);
        assert_true(slept_ns < last + 20000); /* a share of the way */
        last = slept_ns;
    }
    assert_int_equal(err, -ENOSPC);
    assert_in_range(last, 900000, 1000000);
    assert_int_equal(mem(store, 1).n_slowed, n_sleeps);
    assert_in_range(n_sleeps, 100, 140); /* of the upper half */
    assert_true(mem(store, 1).slowed_ns > 0);
    n_sleeps = 0;
    zs_store_delete(store, put_as(store, 2, noise, 4000));
    assert_int_equal(n_sleeps, 0); /* not this tenant */
    zs_store_destroy(store);
}

static void pressure__may_be_off_or_an_answer(void **unused)
{
    struct zs_eviction_config cfg = { .back_pressure = ZS_BACK_PRESSURE_NONE };
    struct zs_store *store = store_with(&cfg);
    zs_handle_t h[400];
    size_t n;
    int err;

    (void)unused;
    limit(store, 1, MIB / 2, MIB);
    (void)fill(store, 1, h, 400, &err);
    assert_int_equal(err, -ENOSPC);
    zs_store_destroy(store);

    cfg.back_pressure = ZS_BACK_PRESSURE_AGAIN;
    store = store_with(&cfg);
    limit(store, 1, MIB / 2, MIB);
    n = fill(store, 1, h, 400, &err);
    assert_int_equal(err, -EAGAIN);
    assert_in_range(mem(store, 1).mem_used_total, MIB / 2 - 1000,
                    MIB / 2 + 5000);
    assert_int_equal(mem(store, 1).n_again, 1);
    assert_int_equal(mem(store, 1).n_values, n);
    zs_store_delete(store, h[0]);
    zs_store_delete(store, h[1]);
    assert_int_equal(fill(store, 1, h, 1, &err), 1);
    assert_int_equal(n_sleeps, 0);
    check_gauges(store);
    zs_store_destroy(store);
}

/* --- what is refused --- */

static void settings__out_of_range_are_refused(void **unused)
{
    struct zs_store_config cfg = { .eviction = { .max_wait_ns = 2000000000 } };
    struct zs_store *store;
    struct zs_store_mem_stats s;
    struct zs_store_limits l = { 2, 1 };
    zs_handle_t h;

    (void)unused;
    assert_int_equal(zs_store_create(&cfg, &store), -EINVAL);
    cfg.eviction = (struct zs_eviction_config){ .back_pressure = 3 };
    assert_int_equal(zs_store_create(&cfg, &store), -EINVAL);
    store = store_with(NULL);
    assert_int_equal(zs_store_set_limits(store, 0, &l), -EINVAL);
    l.soft_bytes = 1;
    assert_int_equal(zs_store_set_limits(store, ZS_TENANTS, &l), -EINVAL);
    assert_int_equal(zs_store_mem_stats(store, ZS_TENANTS, &s), -EINVAL);
    assert_int_equal(zs_store_put_class(store, ZS_TENANTS, "", 0, &h), -EINVAL);
    zs_store_destroy(store);
}

static void *no_alloc(size_t bytes)
{
    (void)bytes;
    return NULL;
}

static void tenant__first_put_may_find_no_memory(void **unused)
{
    struct zs_store *store = store_with(NULL);
    struct zs_store_limits l = { 1, 1 };
    struct zs_arena_stats before, after;
    zs_handle_t h;

    (void)unused;
    zs_store_delete(store, put_as(store, 0, noise, 100));
    zs_arena_stats(zs_pool_arena(zs_store_pool(store)), &before);
    zs_os.alloc = no_alloc;
    assert_int_equal(zs_store_put_class(store, 9, noise, 100, &h), -ENOMEM);
    assert_int_equal(zs_store_set_limits(store, 9, &l), -ENOMEM);
    zs_os.alloc = real_os.alloc;
    zs_arena_stats(zs_pool_arena(zs_store_pool(store)), &after);
    assert_int_equal(after.metadata_bytes, before.metadata_bytes);
    zs_store_delete(store, put_as(store, 9, noise, 100));
    zs_store_destroy(store);
}

/* --- statistics --- */

static void statistics__have_stores_and_their_tenants(void **unused)
{
    struct zs_store_config cfg = { .pool = { .name = "cache" } };
    struct zs_store *store;
    struct zs_arena *arena;
    char expected[200];
    const char *at;
    char *buf = exactly(1 << 16);

    (void)unused;
    assert_int_equal(zs_store_create(&cfg, &store), 0);
    arena = zs_pool_arena(zs_store_pool(store));
    limit(store, 12, MIB, 2 * MIB);
    put(store, text, 4096);
    put_as(store, 12, noise, 4000);
    assert_true(zs_stats_json(arena, buf, 1 << 16) < 1 << 16);
    assert_non_null(strstr(buf, "\"stores\":[{\"name\":\"cache\","));
    assert_non_null(strstr(buf, "\"tenants\":[{\"number\":0,"));
    assert_non_null(strstr(buf, "\"number\":12,\"orig_data_size\":4000,"));
    assert_null(strstr(buf, "\"number\":11,"));
    assert_non_null(strstr(buf, "\"mem_limit\":2097152,"));
    assert_true(zs_stats_prometheus(arena, buf, 1 << 16) < 1 << 16);
    snprintf(expected, sizeof(expected), ",store=\"cache\",tenant=\"12\"} %u\n",
             (unsigned)mem(store, 12).mem_used_total);
    at = strstr(buf, "\nzspool_tenant_mem_used_total{");
    assert_non_null(at);
    assert_non_null(strstr(at, expected));
    assert_non_null(strstr(buf, "zspool_store_orig_data_size{"));
    assert_non_null(strstr(buf, "zspool_store_n_refused_total{"));
    zs_store_destroy(store);
    free(buf);
}

/* --- recompression --- */

static struct zs_recompress_stats recompressed(struct zs_store *store)
{
    struct zs_recompress_stats s;

    zs_store_recompress_stats(store, &s);
    return s;
}

static struct zs_store *cold_store(void)
{
    struct zs_store_config cfg = {
        .dictionaries = { .off = true },
        .recompress = { .on = true,
                        .no_thread = true,
                        .idle_ns = 1,
                        .cpu_percent = 100 },
    };
    struct zs_store *store;

    assert_int_equal(zs_store_create(&cfg, &store), 0);
    return store;
}

/* Each compresses better with zstd than with lz4, and has no equal. */
static void fill_page(char *page, size_t len, unsigned number)
{
    for (size_t i = 0; i < len; i++) {
        page[i] = (char)('a' + (i * i / 7 + i * number) % 11);
    }
}

static void recompressed__values_stay_their_tenants(void **unused)
{
    struct zs_store *store = cold_store();
    uint64_t before;
    zs_handle_t h[20];
    char page[4096];

    (void)unused;
    for (unsigned i = 0; i < 20; i++) {
        fill_page(page, sizeof(page), i);
        assert_int_equal(
            zs_store_put_class(store, 3, page, sizeof(page), &h[i]), 0);
    }
    before = mem(store, 3).mem_used_total;
    while (recompressed(store).n_rounds < 3) {
        (void)zs_store_background(store);
    }
    assert_true(recompressed(store).n_accepted > 0);
    assert_int_equal(mem(store, 3).n_values, 20);
    assert_int_equal(before - mem(store, 3).mem_used_total,
                     recompressed(store).saved_bytes);
    assert_int_equal(mem(store, 0).mem_used_total, 0);
    zs_store_delete_batch(store, h, 20);
    assert_int_equal(mem(store, 3).mem_used_total, 0);
    zs_store_destroy(store);
}

int main(void)
{
#define TEST(f) cmocka_unit_test_setup_teardown(f, begin, end)
    const struct CMUnitTest tests[] = {
        TEST(recompressed__values_stay_their_tenants),
        TEST(cost__is_the_tenants_and_goes_with_the_value),
        TEST(cost__is_about_the_slots_of_the_pool),
        TEST(tenant__is_known_by_the_dictionary_too),
        TEST(replace__moves_the_cost_to_the_new_tenant),
        TEST(tenant__first_put_may_find_no_memory),
        TEST(hard__is_never_passed_and_stops_its_tenant_only),
        TEST(hard__of_the_store_is_for_all_tenants),
        TEST(hard__takes_back_a_value_in_parts_whole),
        TEST(hard__lets_a_replace_through_that_takes_no_more),
        TEST(hard__holds_for_batches_and_imports),
        TEST(failed_puts__give_back_what_they_took),
        TEST(soft__asks_for_victims_once_until_it_is_passed_again),
        TEST(soft__asks_again_later_when_asked_in_vain),
        TEST(soft__is_asked_for_the_store_and_puts_inside_go_through),
        TEST(soft__is_quiet_in_a_read_section_of_the_embedders),
        TEST(pressure__slows_more_the_nearer_the_hard_limit),
        TEST(pressure__may_be_off_or_an_answer),
        TEST(settings__out_of_range_are_refused),
        TEST(statistics__have_stores_and_their_tenants),
    };
    return cmocka_run_group_tests_name("store_limits", tests, make_data,
                                       free_data);
}
