/* SPDX-License-Identifier: MIT */
/*
 * The callers in the seed's second table: offline and online, retire, the copy
 * of the flag words, shrink, the compactor.
 */
#include <sys/mman.h>
#include <time.h>

#include "pool_fixture.h"
#include "seed_fixture.h"
#include "zspool/balloon.h"
#include "zspool/compactor.h"

#define N_BLOCKS 6u
#define N_OBJECTS 1500u
#define OBJECT_BYTES 2000u

static struct owner owner;
static struct zs_balloon *balloon;

/* --- an arena with three owners, all of them in the first block --- */

static void make_all(void)
{
    make_arena(N_BLOCKS);
    make_owner(&owner, "bucket");
    (void)take_movable(&owner, 40);
    assert_int_equal(zs_balloon_create(arena, &balloon), 0);
    assert_int_equal(zs_balloon_inflate(balloon, 60 * ZS_PAGE_BYTES),
                     60 * ZS_PAGE_BYTES);
    make_pool(N_OBJECTS, OBJECT_BYTES);
    assert_true(type_at(0) != 0);
}

static void drop_all(void)
{
    drop_pool();
    zs_balloon_destroy(balloon);
    drop_owner(&owner);
    drop_arena();
}

static void assert_all_is_there(void)
{
    assert_objects_are_right();
    assert_int_equal(zs_balloon_current(balloon), 60 * ZS_PAGE_BYTES);
    for (zs_pfn_t p = 0; p < 40; p++) {
        assert_true(page_holds(owner_place(&owner, p), p));
    }
}

static unsigned n_not_free(zs_pfn_t first, unsigned n)
{
    unsigned used = 0;

    for (zs_pfn_t p = first; p < first + n; p++) {
        used += word_at(p) != 0;
    }
    return used;
}

static unsigned n_in_memory(zs_pfn_t first, unsigned n)
{
    unsigned char vec[BLOCK];
    unsigned in_memory = 0;

    assert_true(n <= BLOCK);
    assert_int_equal(
        mincore(zs_page_addr(arena, first), (size_t)n * ZS_PAGE_BYTES, vec), 0);
    for (unsigned i = 0; i < n; i++) {
        in_memory += vec[i] & 1;
    }
    return in_memory;
}

/* How many pages can be had, and how many of them lie in [first, first + n). */
static unsigned count_room(zs_pfn_t first, unsigned n, unsigned *inside)
{
    static zs_pfn_t taken[MAX_PAGES];
    struct owner filler;
    unsigned n_taken = 0;

    make_type(&filler, "filler");
    *inside = 0;
    while (zs_pages_alloc(arena, filler.type, 1, &taken[n_taken]) == 0) {
        *inside += taken[n_taken] >= first && taken[n_taken] < first + n;
        n_taken++;
    }
    for (unsigned i = 0; i < n_taken; i++) {
        zs_pages_free(arena, taken[i], 1);
    }
    assert_int_equal(zs_page_type_destroy(arena, filler.type), 0);
    return n_taken;
}

/* --- offline and online --- */

static void caller_offline__empties_the_range_and_keeps_it_empty(void **unused)
{
    struct zs_blocker why;
    unsigned inside;

    (void)unused;
    make_all();
    assert_true(n_not_free(0, BLOCK) > 0);
    assert_true(n_in_memory(0, BLOCK) > 0);
    assert_int_equal(zs_arena_offline(arena, 0, ZS_BLOCK_BYTES, &why), 0);
    assert_all_is_there();
    assert_int_equal(n_not_free(0, BLOCK), 0);
    assert_int_equal(n_in_memory(0, BLOCK), 0);
    assert_int_equal(arena_stats().n_blocks_offline, 1);
    assert_true(count_room(0, BLOCK, &inside) > BLOCK);
    assert_int_equal(inside, 0);
    assert_int_equal(zs_arena_offline(arena, 0, ZS_BLOCK_BYTES, &why), -EINVAL);
    assert_int_equal(zs_arena_offline(arena, 100, ZS_BLOCK_BYTES, &why),
                     -EINVAL);
    assert_int_equal(zs_compact(arena, NULL), 0);
    assert_int_equal(n_not_free(0, BLOCK), 0); /* not a destination either */
    assert_all_is_there();
    drop_all();
}

static void caller_online__takes_the_range_into_use_again(void **unused)
{
    unsigned before, inside;

    (void)unused;
    make_all();
    before = count_room(0, BLOCK, &inside);
    assert_int_equal(zs_arena_online(arena, 0, ZS_BLOCK_BYTES), -EINVAL);
    assert_int_equal(
        zs_arena_offline(arena, 0, (size_t)2 * ZS_BLOCK_BYTES, NULL), 0);
    assert_int_equal(arena_stats().n_blocks_offline, 2);
    assert_int_equal(count_room(0, 2 * BLOCK, &inside), before - 2 * BLOCK);
    assert_int_equal(zs_arena_online(arena, 0, (size_t)2 * ZS_BLOCK_BYTES), 0);
    assert_int_equal(arena_stats().n_blocks_offline, 0);
    assert_int_equal(count_room(0, 2 * BLOCK, &inside), before);
    assert_int_equal(inside, 2 * BLOCK);
    assert_int_equal(zs_arena_online(arena, 0, ZS_BLOCK_BYTES), -EINVAL);
    assert_all_is_there();
    drop_all();
}

static void assert_named(const struct zs_blocker *why, zs_page_type_t type,
                         const char *holder)
{
    assert_true(why->page < zs_arena_nr_pages(arena));
    assert_int_equal(why->type, type);
    assert_string_equal(why->type_name, zs_page_type_name(arena, type));
    assert_string_equal(why->state, zs_page_flags_state(word_at(why->page)));
    assert_non_null(strstr(why->holder, holder));
}

/* Checked builds know who; others how many. */
#if ZS_CHECKS >= 1
#define PINNED_BY "pinned by a slow client"
#else
#define PINNED_BY "1 pins"
#endif

static zs_pfn_t page_of_pin(const struct zs_pin *pin)
{
    size_t at = (size_t)((char *)pin->view.part[0].iov_base - arena->base);

    return (zs_pfn_t)(at / ZS_PAGE_BYTES);
}

static void caller_offline_blocked__names_who_and_leaves_all_as_it_was(void **x)
{
    struct zs_arena_stats before, after;
    struct zs_blocker why;
    struct zs_pin pin;
    size_t range, bytes = ZS_BLOCK_BYTES;
    unsigned room, inside;

    (void)x;
    make_all();
    zs_pin(pool, objects[3], "a slow client", &pin);
    range = page_of_pin(&pin) / BLOCK * bytes;
    room = count_room(0, 1, &inside);
    before = arena_stats();
    memset(&why, 0xff, sizeof(why));
    assert_int_equal(zs_arena_offline(arena, range, bytes, &why), -EBUSY);
    assert_named(&why, pool->type, PINNED_BY);
    assert_int_equal(why.page / BLOCK, range / bytes);
    assert_int_equal(count_room(0, 1, &inside), room);
    /* With the next block, which is emptied before that is known. */
    assert_int_equal(zs_arena_offline(arena, range, 2 * bytes, &why), -EBUSY);
    assert_named(&why, pool->type, PINNED_BY);
    after = arena_stats();
    assert_int_equal(after.used_bytes, before.used_bytes);
    assert_int_equal(after.n_blocks_offline, 0);
    assert_int_equal(count_room(0, 1, &inside), room);
    assert_int_equal(((char *)pin.view.part[0].iov_base)[0], (char)byte_of(3));
    assert_all_is_there();
    zs_unpin(pool, &pin);
    assert_int_equal(zs_arena_offline(arena, range, 2 * bytes, &why), 0);
    assert_int_equal(zs_arena_online(arena, range, 2 * bytes), 0);
    assert_all_is_there();
    /* Another owner, who refuses. */
    owner.answer = ZS_MIGRATE_REFUSED;
    range = owner_place(&owner, 7) / BLOCK * bytes;
    assert_int_equal(zs_arena_offline(arena, range, bytes, &why), -EBUSY);
    assert_named(&why, owner.type, "bucket ");
    assert_int_equal(why.page / BLOCK, range / bytes);
    assert_int_equal(arena_stats().n_blocks_offline, 0);
    assert_int_equal(count_room(0, 1, &inside), room);
    assert_all_is_there();
    drop_all();
}

/* --- retire --- */

static void caller_retire__empties_one_page_and_never_uses_it_again(void **x)
{
    struct zs_blocker why;
    struct zs_pin pin;
    unsigned room, inside;
    zs_pfn_t page;

    (void)x;
    make_all();
    room = count_room(0, 1, &inside);
    zs_pin(pool, objects[3], "a slow client", &pin);
    page = page_of_pin(&pin);
    assert_int_equal(zs_page_retire(arena, page, &why), -EBUSY);
    assert_named(&why, pool->type, PINNED_BY);
    assert_int_equal(why.page, page);
    assert_int_equal(arena_stats().n_pages_retired, 0);
    assert_int_equal(count_room(0, 1, &inside), room);
    zs_unpin(pool, &pin);
    assert_int_equal(zs_page_retire(arena, page, &why), 0);
    assert_all_is_there();
    assert_int_equal(n_in_memory(page, 1), 0);
    assert_int_equal(arena_stats().n_pages_retired, 1);
    assert_true(word_at(page) != 0); /* nobody can think it free */
    assert_int_equal(zs_page_retire(arena, page, &why), -EINVAL);
    assert_int_equal(zs_page_retire(arena, zs_arena_nr_pages(arena), &why),
                     -EINVAL);
    assert_int_equal(count_room(page, 1, &inside), room - 1);
    assert_int_equal(inside, 0);
    /* Not even when its block has been away and is back. */
    assert_int_equal(zs_arena_offline(arena, page / BLOCK * ZS_BLOCK_BYTES,
                                      ZS_BLOCK_BYTES, &why),
                     0);
    assert_int_equal(
        zs_arena_online(arena, page / BLOCK * ZS_BLOCK_BYTES, ZS_BLOCK_BYTES),
        0);
    assert_int_equal(count_room(page, 1, &inside), room - 1);
    assert_int_equal(inside, 0);
    assert_int_equal(arena_stats().n_pages_retired, 1);
    assert_all_is_there();
    drop_pool();
    zs_balloon_destroy(balloon);
    drop_owner(&owner);
    zs_arena_destroy(arena); /* one page of it is in use for ever */
}

/* --- the copy of the flag words --- */

static void assert_copy_is(zs_pfn_t page, const char *state)
{
    uint32_t word = 0;

    assert_int_equal(zs_arena_page_flags(arena, page, 1, &word), 0);
    assert_int_equal(word, zs_page_word(zs_page(arena, page)));
    assert_string_equal(zs_page_flags_state(word), state);
    assert_string_equal(zs_page_type_name(arena, zs_page_flags_type(word)),
                        strcmp(state, "FREE") == 0 ? "" : "bucket");
}

static void caller_page_flags__is_a_copy_of_the_flag_words(void **unused)
{
    static uint32_t words[MAX_PAGES];
    uint32_t n, untouched = 77;
    zs_pfn_t first;

    (void)unused;
    make_arena(N_BLOCKS);
    make_owner(&owner, "bucket");
    n = zs_arena_nr_pages(arena);
    first = take_owned(&owner, 1);
    (void)take_movable(&owner, 3);
    assert_true(zs_isolate_movable_ops_page(arena, first + 2));
    zs_read_begin();
    zs_page_free(arena, owner.type, first + 3);
    assert_copy_is(first, "OWNED");
    assert_copy_is(first + 1, "MOVABLE");
    assert_copy_is(first + 2, "ISOLATED");
    assert_copy_is(first + 3, "LIMBO");
    assert_copy_is(first + 4, "FREE");
    assert_int_equal(zs_arena_page_flags(arena, 0, n, words), 0);
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(words[i], zs_page_word(zs_page(arena, i)));
        words[i] = ~words[i]; /* ours: nothing happens to the pages */
    }
    assert_copy_is(first + 1, "MOVABLE");
    zs_read_end();
    assert_int_equal(zs_arena_page_flags(arena, n, 0, &untouched), 0);
    assert_int_equal(zs_arena_page_flags(arena, n, 1, &untouched), -ERANGE);
    assert_int_equal(zs_arena_page_flags(arena, 1, n, &untouched), -ERANGE);
    assert_int_equal(zs_arena_page_flags(arena, 2, UINT32_MAX, &untouched),
                     -ERANGE);
    assert_int_equal(untouched, 77);
    zs_putback_movable_ops_page(arena, first + 2);
    drop_owner(&owner);
    drop_arena();
}

/* --- shrink, and the compactor --- */

/* Leave every fifth object, and of the owner's 400 pages every fourth. */
static void make_sparse(void)
{
    zs_pfn_t first;

    make_all();
    first = take_movable(&owner, 400);
    for (unsigned i = 0; i < 400; i++) {
        if (i % 4 != 0) {
            zs_pages_free(arena, first + i, 1);
        }
    }
    for (unsigned i = 0; i < n_objects; i++) {
        if (i % 5 != 0) {
            free_object(i);
        }
    }
    flush();
}

static void caller_shrink__gives_back_what_was_asked_for(void **unused)
{
    struct zs_shrink_result r;
    struct zs_arena_stats before, after;
    uint64_t want = 2 * ZS_BLOCK_BYTES - ZS_BLOCK_BYTES / 2;

    (void)unused;
    make_sparse();
    before = arena_stats();
    assert_true(before.resident_bytes > want);
    assert_int_equal(zs_arena_shrink(arena, 0, 0, &r), -EINVAL);
    assert_int_equal(zs_arena_shrink(arena, want, 0, &r), 0);
    after = arena_stats();
    assert_true(r.bytes >= want);
    assert_int_equal(r.bytes, after.bytes_released - before.bytes_released);
    assert_true(after.resident_bytes + want <= before.resident_bytes);
    assert_int_equal(r.withheld_bytes, 0); /* it was enough without */
    assert_all_is_there();
    /* More than there is: the balloon withholds what is free. */
    assert_int_equal(
        zs_arena_shrink(arena, (uint64_t)N_BLOCKS * ZS_BLOCK_BYTES, 0, &r), 0);
    assert_true(r.withheld_bytes > 0);
    assert_int_equal(zs_balloon_current(balloon),
                     60 * ZS_PAGE_BYTES + r.withheld_bytes);
    (void)zs_balloon_deflate(balloon,
                             zs_balloon_target(balloon) - 60 * ZS_PAGE_BYTES);
    assert_all_is_there();
    drop_all();
}

static void assert_compacted(const struct zs_arena_stats *before)
{
    struct zs_arena_stats after = arena_stats();
    struct zs_pool_stats s;

    zs_pool_stats(pool, &s);
    assert_true(after.pages_migrated > before->pages_migrated);
    assert_true(after.resident_bytes < before->resident_bytes);
    assert_true(s.objects_moved > 0);
    assert_int_equal(count_pages(pool->type, ZS_PAGE_ISOLATED), 0);
    assert_all_is_there();
}

static bool compactor_has_worked(const struct zs_arena_stats *before)
{
    struct zs_arena_stats now = arena_stats();

    return now.pages_migrated > before->pages_migrated &&
           now.resident_bytes + ZS_BLOCK_BYTES / 4 < before->resident_bytes;
}

static void caller_compactor__moves_all_owners_and_gives_back(void **unused)
{
    struct zs_compactor_config cfg = { .tick_ns = 1000000 };
    struct timespec ms = { .tv_nsec = 1000000 };
    struct zs_compactor *compactor;
    struct zs_compact_result r;
    struct zs_arena_stats before;

    (void)unused;
    make_sparse();
    owner.answer = ZS_MIGRATE_REFUSED;
    assert_int_equal(zs_compact(arena, &r), 0);
    assert_true(owner.n_putback > 0);
    assert_int_equal(count_pages(owner.type, ZS_PAGE_ISOLATED), 0);
    assert_all_is_there();
    drop_all();
    make_sparse();
    before = arena_stats();
    assert_int_equal(zs_compact(arena, &r), 0);
    assert_true(r.bytes_released > 0 && r.pages_migrated > 0);
    assert_true(r.objects_moved > 0);
    assert_true(arena_stats().resident_bytes <= arena_stats().used_bytes);
    assert_compacted(&before);
    drop_all();
    /* The same from a thread of its own. */
    make_sparse();
    before = arena_stats();
    assert_int_equal(zs_compactor_start(arena, &cfg, &compactor), 0);
    zs_compactor_kick(compactor);
    for (unsigned i = 0; i < 20000 && !compactor_has_worked(&before); i++) {
        (void)nanosleep(&ms, NULL);
    }
    zs_compactor_stop(compactor);
    assert_compacted(&before);
    drop_all();
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(caller_offline__empties_the_range_and_keeps_it_empty),
        cmocka_unit_test(caller_online__takes_the_range_into_use_again),
        cmocka_unit_test(
            caller_offline_blocked__names_who_and_leaves_all_as_it_was),
        cmocka_unit_test(
            caller_retire__empties_one_page_and_never_uses_it_again),
        cmocka_unit_test(caller_page_flags__is_a_copy_of_the_flag_words),
        cmocka_unit_test(caller_shrink__gives_back_what_was_asked_for),
        cmocka_unit_test(caller_compactor__moves_all_owners_and_gives_back),
    };

    return SEED_MAIN(tests, argc, argv);
}
