/* SPDX-License-Identifier: MIT */
/* Unit tests of zs_pin(): objects that stay while everything else moves, and
 * pageblocks that are skipped for them. */
#include <pthread.h>

#include "pass.h"
#include "pool_impl.h"

#include "offline_fixture.h"
#include "stops.h"

#define LEN 3000u /* of an object: 3,000 of them take more than 4 blocks */

static void create_full(void)
{
    create(16, 0, 0);
    create_pool();
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        objects[i] = store(i, LEN);
    }
}

static void drop_object(unsigned i)
{
    zs_free(pool, objects[i]);
    objects[i].raw = 0;
}

/* One object in four stays. */
static void create_sparse(void)
{
    create_full();
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        if (i % 4 != 0) {
            drop_object(i);
        }
    }
}

static void assert_objects_are_right(void)
{
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        if (objects[i].raw != 0) {
            assert_object_is_right(objects[i], i, LEN);
        }
    }
}

static void destroy_all(void)
{
    zs_pool_destroy(pool);
    destroy();
}

static const void *address_of(zs_handle_t h)
{
    static unsigned char local[ZS_LOCAL_COPY_BYTES];
    const void *p = zs_obj_read_begin(pool, h, local);

    zs_obj_read_end(pool);
    return p;
}

static zs_pfn_t page_at(const void *p)
{
    return (zs_pfn_t)((size_t)((const char *)p - arena->base) / PAGE);
}

static void assert_part_holds(const struct iovec *part, unsigned object,
                              size_t from, size_t end)
{
    const unsigned char *p = part->iov_base;

    for (size_t i = 0; i < part->iov_len && from + i < end; i++) {
        assert_int_equal(p[i], byte_of(object, from + i));
    }
}

/* --- where the bytes are --- */

static void pin__gives_an_object_in_one_part(void **unused)
{
    struct zs_pin pin;

    (void)unused;
    create_full();
    for (unsigned i = 0; i < 100; i++) {
        zs_pin(pool, objects[i], "test", &pin);
        assert_int_equal(pin.view.n_parts, 1);
        assert_ptr_equal(pin.view.part[0].iov_base, address_of(objects[i]));
        assert_int_equal(pin.view.part[0].iov_len,
                         zs_obj_size(pool, objects[i]));
        assert_part_holds(&pin.view.part[0], i, 0, LEN);
        zs_unpin(pool, &pin);
        assert_int_equal(pin.view.n_parts, 0);
    }
    destroy_all();
}

static void pin__gives_a_large_object_in_one_part(void **unused)
{
    static const size_t lens[] = { 5000, 60000, 300000 };

    (void)unused;
    create(4, 0, 0);
    create_pool();
    for (unsigned i = 0; i < 3; i++) {
        zs_handle_t h = store(i, lens[i]);
        struct zs_pin pin;

        zs_pin(pool, h, "test", &pin);
        assert_int_equal(pin.view.n_parts, 1);
        assert_int_equal(pin.view.part[0].iov_len, zs_obj_size(pool, h));
        assert_part_holds(&pin.view.part[0], i, 0, lens[i]);
        zs_unpin(pool, &pin);
    }
    destroy_all();
}

/* An object that begins in one page and ends in the next. */
static unsigned find_spanning(void)
{
    for (unsigned i = 0; i < N_OBJECTS; i++) {
        size_t at = (size_t)address_of(objects[i]) % PAGE;

        if (at + zs_obj_size(pool, objects[i]) > PAGE) {
            return i;
        }
    }
    fail();
    return 0;
}

static void migrate(zs_pfn_t page)
{
    assert_true(zs_isolate_movable_ops_page(arena, page));
    assert_int_equal(zs_migrate_pages(arena, &page, 1, ZS_MIGRATE_SYNC), 0);
    zs_grace_flush(&arena->grace);
}

static void pin__gives_two_parts_when_migration_has_split_them(void **unused)
{
    unsigned char stamp[LEN];
    struct zs_pin pin;
    unsigned i;
    size_t first;

    (void)unused;
    create_full();
    i = find_spanning();
    first = PAGE - (size_t)address_of(objects[i]) % PAGE;
    migrate(page_at(address_of(objects[i])));
    zs_pin(pool, objects[i], "test", &pin);
    assert_int_equal(pin.view.n_parts, 2);
    assert_int_equal(pin.view.part[0].iov_len, first);
    assert_int_equal(pin.view.part[0].iov_len + pin.view.part[1].iov_len,
                     zs_obj_size(pool, objects[i]));
    assert_int_not_equal(page_at(pin.view.part[0].iov_base) + 1,
                         page_at(pin.view.part[1].iov_base));
    assert_part_holds(&pin.view.part[0], i, 0, LEN);
    assert_part_holds(&pin.view.part[1], i, first, LEN);
    for (size_t at = 0; at < LEN; at++) { /* as another object, in place */
        stamp[at] = byte_of(7777, at);
    }
    memcpy(pin.view.part[0].iov_base, stamp, first);
    memcpy(pin.view.part[1].iov_base, stamp + first, LEN - first);
    zs_unpin(pool, &pin);
    assert_object_is_right(objects[i], 7777, LEN);
    destroy_all();
}

/* --- what is pinned stays --- */

#define N_PINS 40u

static void pinned_object__stays_while_others_are_compacted(void **unused)
{
    struct zs_pin pins[N_PINS];
    struct zs_compact_result r;

    (void)unused;
    create_sparse();
    for (unsigned i = 0; i < N_PINS; i++) {
        zs_pin(pool, objects[2000 + i * 4], "test", &pins[i]);
    }
    assert_int_equal(zs_compact(arena, &r), 0);
    assert_true(r.objects_moved > 100);
    assert_true(r.blocks_emptied > 0);
    assert_true(r.pages_left > 0);
    for (unsigned i = 0; i < N_PINS; i++) {
        zs_handle_t h = objects[2000 + i * 4];

        assert_ptr_equal(pins[i].view.part[0].iov_base, address_of(h));
        assert_part_holds(&pins[i].view.part[0], 2000 + i * 4, 0, LEN);
    }
    assert_objects_are_right();
    for (unsigned i = 0; i < N_PINS; i++) {
        zs_unpin(pool, &pins[(i * 7) % N_PINS]); /* in any order */
    }
    assert_int_equal(zs_compact(arena, &r), 0);
    assert_int_equal(r.pages_left, 0);
    assert_true(r.objects_moved > 0);
    assert_objects_are_right();
    destroy_all();
}

/* Its pages are migrated by nobody, and its block is not taken away. */
static void pinned_object__stays_when_its_page_is_wanted(void **unused)
{
    struct zs_pin pin;
    zs_pfn_t page;

    (void)unused;
    create_full();
    zs_pin(pool, objects[10], "test", &pin);
    page = page_at(pin.view.part[0].iov_base);
    assert_int_equal(zs_page_retire(arena, page, NULL), -EBUSY);
    assert_int_equal(zs_arena_offline(arena, page / BLOCK * ZS_BLOCK_BYTES,
                                      ZS_BLOCK_BYTES, NULL),
                     -EBUSY);
    assert_ptr_equal(pin.view.part[0].iov_base, address_of(objects[10]));
    assert_part_holds(&pin.view.part[0], 10, 0, LEN);
    zs_unpin(pool, &pin);
    assert_int_equal(zs_page_retire(arena, page, NULL), 0);
    assert_ptr_not_equal(pin.view.part[0].iov_base, address_of(objects[10]));
    assert_objects_are_right();
    destroy_all();
}

static void pinned_twice__stays_until_the_last_unpin(void **unused)
{
    struct zs_pin one, two;
    zs_pfn_t page;

    (void)unused;
    create_full();
    zs_pin(pool, objects[0], "one", &one);
    zs_pin(pool, objects[0], "two", &two);
    page = page_at(one.view.part[0].iov_base);
    zs_unpin(pool, &one);
    assert_int_equal(zs_page_retire(arena, page, NULL), -EBUSY);
    zs_unpin(pool, &two);
    assert_int_equal(zs_page_retire(arena, page, NULL), 0);
    destroy_all();
}

/* --- blocks are skipped for a while --- */

/* As the compactor thread does it. */
static struct zs_compact_result thread_pass(void)
{
    struct zs_compact_result r = { 0 };
    struct zs_pass_goal goal = { 0 };
    struct zs_survey s;

    zs_lock_acquire(&arena->pass_lock);
    assert_int_equal(zs_survey_take(arena, &s, true), 0);
    zs_pass_run(arena, &s, &goal, &r);
    zs_survey_free(&s);
    zs_lock_release(&arena->pass_lock);
    return r;
}

/* A block that would be emptied, if it were not for one object. */
static uint32_t pin_in_the_last_block(struct zs_pin *pin)
{
    uint32_t block;

    zs_pin(pool, objects[N_OBJECTS - 4], "test", pin);
    block = page_at(pin->view.part[0].iov_base) / BLOCK;
    assert_true(block >= 3);
    return block;
}

/* Does the pass try the pinned block, or leave it out? */
static bool pass_tries(void)
{
    struct zs_compact_result r = thread_pass();

    assert_int_equal(r.blocks_skipped, r.pages_left == 0);
    return r.pages_left > 0;
}

static void pinned_block__is_tried_after_1_2_4_to_64_passes(void **unused)
{
    static const unsigned tried[] = { 1, 3, 6, 11, 20, 37, 70, 135, 200 };
    struct zs_pin pin;
    unsigned next = 0;

    (void)unused;
    create_sparse();
    (void)pin_in_the_last_block(&pin);
    for (unsigned pass = 1; pass <= 200; pass++) {
        bool tries = pass_tries();

        if (tries != (pass == tried[next])) {
            fail_msg("pass %u: %s", pass, tries ? "tried" : "left out");
        }
        next += tries;
    }
    zs_unpin(pool, &pin);
    assert_objects_are_right();
    destroy_all();
}

static void pinned_block__is_tried_at_once_by_a_compaction_by_hand(void **u)
{
    struct zs_compact_result r;
    struct zs_pin pin;

    (void)u;
    create_sparse();
    (void)pin_in_the_last_block(&pin);
    for (unsigned i = 0; i < 5; i++) {
        assert_int_equal(zs_compact(arena, &r), 0);
        assert_int_equal(r.blocks_skipped, 0);
        assert_true(r.pages_left > 0);
    }
    assert_false(pass_tries());
    zs_unpin(pool, &pin);
    destroy_all();
}

static void skipped_block__is_forgiven_when_it_was_emptied(void **unused)
{
    struct zs_compact_result r;
    struct zs_pin pin;
    uint32_t block;

    (void)unused;
    create_sparse();
    block = pin_in_the_last_block(&pin);
    for (unsigned i = 0; i < 7; i++) {
        (void)thread_pass();
    }
    assert_int_equal(arena->blocks[block].skip_passes, 3);
    zs_unpin(pool, &pin);
    assert_int_equal(zs_compact(arena, &r), 0);
    assert_int_equal(r.pages_left, 0);
    assert_int_equal(arena->blocks[block].skip_passes, 0);
    assert_int_equal(arena->blocks[block].skip_shift, 0);
    assert_objects_are_right();
    destroy_all();
}

/* --- who holds it --- */

static uint64_t clock_ns;

static uint64_t fake_now(void)
{
    return clock_ns;
}

static void assert_says(const struct zs_blocker *why, const char *fmt, ...)
{
    char want[80];
    va_list args;

    va_start(args, fmt);
    (void)vsnprintf(want, sizeof(want), fmt, args);
    va_end(args);
    if (!strstr(why->holder, want)) {
        fail_msg("\"%s\" is not in: %s", want, why->holder);
    }
}

static void assert_described(zs_pfn_t page, const char *who, double seconds,
                             uint32_t object, unsigned n)
{
    struct zs_blocker why;

    zs_describe_page(arena, page, &why);
    if (ZS_CHECKS < 1) { /* they know how many, and no more */
        assert_says(&why, "%u pins", n);
        return;
    }
    assert_says(&why, "pinned by %s", who);
    assert_says(&why, "thread %ld", (long)getpid());
    assert_says(&why, " %.3f s", seconds);
    assert_says(&why, "object %u", object);
}

static void describe__names_the_oldest_pin_of_the_zspage(void **unused)
{
    struct zs_pin pins[3];
    struct zs_blocker why;
    zs_pfn_t page;

    (void)unused;
    create_full();
    zs_os.now_ns = fake_now;
    page = page_at(address_of(objects[0]));
    zs_describe_page(arena, page, &why);
    assert_string_equal(why.holder, "");
    assert_string_equal(why.type_name, "zspage");
    clock_ns = 5000000000;
    zs_pin(pool, objects[1], "second", &pins[1]);
    clock_ns = 2000000000;
    zs_pin(pool, objects[0], "first", &pins[0]);
    clock_ns = 9000000000;
    zs_pin(pool, objects[2], "third", &pins[2]);
    clock_ns = 12345000000;
    assert_described(page, "first", 10.345, objects[0].raw, 3);
    zs_unpin(pool, &pins[0]);
    assert_described(page, "second", 7.345, objects[1].raw, 2);
    zs_unpin(pool, &pins[1]);
    assert_described(page, "third", 3.345, objects[2].raw, 1);
    zs_unpin(pool, &pins[2]);
    zs_describe_page(arena, page, &why);
    assert_string_equal(why.holder, "");
    destroy_all();
}

/* Pins of other zspages are not blamed. */
static void describe__knows_the_zspage_of_a_pin(void **unused)
{
    struct zs_pin here, there;
    unsigned far = N_OBJECTS - 1;

    (void)unused;
    create_full();
    zs_os.now_ns = fake_now;
    clock_ns = 1000000000;
    zs_pin(pool, objects[far], "there", &there);
    zs_pin(pool, objects[0], "here", &here);
    assert_int_not_equal(here.zspage, there.zspage);
    assert_described(page_at(here.view.part[0].iov_base), "here", 0,
                     objects[0].raw, 1);
    assert_described(page_at(there.view.part[0].iov_base), "there", 0,
                     objects[far].raw, 1);
    zs_unpin(pool, &there);
    zs_unpin(pool, &here);
    destroy_all();
}

/* --- misuse --- */

static struct zs_pin bad_pin;
static zs_handle_t dead;

static void unpin_bad(void)
{
    zs_unpin(pool, &bad_pin);
}

static void pin_bad(void)
{
    zs_pin(pool, dead, "test", &bad_pin);
}

static void misuse__stops_with_a_message(void **unused)
{
    (void)unused;
    create_full();
    zs_pin(pool, objects[0], "test", &bad_pin);
    zs_unpin(pool, &bad_pin);
    assert_stops(unpin_bad, "zs_unpin", "ended before");
    memset(&bad_pin, 0, sizeof(bad_pin));
    assert_stops(unpin_bad, "zs_unpin", "not a pin");
    dead = objects[5];
    drop_object(5);
    assert_stops(pin_bad, "zs_pin", "");
    dead.raw = 0;
    assert_stops(pin_bad, "zs_pin", "");
    destroy_all();
}

/* --- several threads --- */

static void *unpin_elsewhere(void *arg)
{
    zs_unpin(pool, arg);
    return NULL;
}

static void unpin__may_be_called_by_another_thread(void **unused)
{
    struct zs_pin pin;
    pthread_t other;
    zs_pfn_t page;

    (void)unused;
    create_full();
    zs_pin(pool, objects[0], "test", &pin);
    page = page_at(pin.view.part[0].iov_base);
    assert_int_equal(pthread_create(&other, NULL, unpin_elsewhere, &pin), 0);
    pthread_join(other, NULL);
    assert_int_equal(zs_page_retire(arena, page, NULL), 0);
    destroy_all();
}

struct pinner {
    pthread_t thread;
    uint64_t random;
    uintptr_t wrong;
};

static bool parts_hold(const struct zs_pin *pin, unsigned object)
{
    size_t at = 0;

    for (unsigned n = 0; n < pin->view.n_parts; n++) {
        const unsigned char *p = pin->view.part[n].iov_base;

        for (size_t i = 0; i < pin->view.part[n].iov_len && at < LEN;
             i++, at++) {
            if (p[i] != byte_of(object, at)) {
                return false;
            }
        }
    }
    return at == LEN;
}

/* Several at once, the last one first back; every eighth object. */
static void *pin_and_look(void *arg)
{
    struct pinner *p = arg;
    struct zs_pin pins[8];
    unsigned object[8];

    for (unsigned round = 0; round < 150; round++) {
        for (unsigned i = 0; i < 8; i++) {
            p->random = p->random * 6364136223846793005u + 1442695040888963407u;
            object[i] = (unsigned)(p->random >> 33) % (N_OBJECTS / 8) * 8;
            zs_pin(pool, objects[object[i]], "a thread", &pins[i]);
        }
        for (unsigned i = 0; i < 8; i++) {
            p->wrong += !parts_hold(&pins[i], object[i]);
        }
        for (unsigned i = 8; i > 0; i--) {
            zs_unpin(pool, &pins[i - 1]);
        }
    }
    return NULL;
}

static void threads__pin_while_a_compaction_runs(void **unused)
{
    struct pinner p[2] = { { .random = 1 }, { .random = 2 } };
    struct zs_pool_stats s;

    (void)unused;
    create_sparse();
    for (unsigned i = 0; i < 2; i++) {
        assert_int_equal(
            pthread_create(&p[i].thread, NULL, pin_and_look, &p[i]), 0);
    }
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(zs_compact(arena, NULL), 0);
        for (unsigned n = 0; n < 50; n++) { /* something to move again */
            unsigned object = (i * 50 + n) * 8 % N_OBJECTS + 4;

            if (object < N_OBJECTS && objects[object].raw != 0) {
                drop_object(object);
            }
        }
    }
    pthread_join(p[0].thread, NULL);
    pthread_join(p[1].thread, NULL);
    assert_int_equal(p[0].wrong + p[1].wrong, 0);
    assert_null(pool->pins);
    assert_int_equal(zs_compact(arena, NULL), 0);
    zs_pool_stats(pool, &s);
    assert_in_range(stats().resident_bytes, s.live_bytes,
                    s.live_bytes + 8 * PAGE); /* nothing is pinned still */
    assert_objects_are_right();
    destroy_all();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROMISE(pin__gives_an_object_in_one_part),
        PROMISE(pin__gives_a_large_object_in_one_part),
        PROMISE(pin__gives_two_parts_when_migration_has_split_them),
        PROMISE(pinned_object__stays_while_others_are_compacted),
        PROMISE(pinned_object__stays_when_its_page_is_wanted),
        PROMISE(pinned_twice__stays_until_the_last_unpin),
        PROMISE(pinned_block__is_tried_after_1_2_4_to_64_passes),
        PROMISE(pinned_block__is_tried_at_once_by_a_compaction_by_hand),
        PROMISE(skipped_block__is_forgiven_when_it_was_emptied),
        PROMISE(describe__names_the_oldest_pin_of_the_zspage),
        PROMISE(describe__knows_the_zspage_of_a_pin),
        PROMISE(misuse__stops_with_a_message),
        PROMISE(unpin__may_be_called_by_another_thread),
        PROMISE(threads__pin_while_a_compaction_runs),
    };
    return cmocka_run_group_tests_name("pin", tests, NULL, NULL);
}
