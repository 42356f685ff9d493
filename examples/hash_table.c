/* SPDX-License-Identifier: MIT */
/*
 * hash_table.c - an embedder whose own pages are moved by the compactor.
 *
 * A table from 64-bit keys to strings. Each bucket is one page of this
 * program's own type; the strings are objects of a pool. Pages and pool share
 * an arena, so that zs_compact() moves both and empties whole pageblocks.
 *
 * Lookups take no lock: in a read section the page that page_of[] has named
 * stays readable, also when it is moved or freed meanwhile. Whoever deletes a
 * key sees to it that nobody is looking that key up, as for zs_free().
 */
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#include <zspool/compactor.h>
#include <zspool/movable_ops.h>
#include <zspool/pool.h>

#define N_BUCKETS 4096u
#define N_KEYS 60000u
#define KEEP_EACH 64u /* one key of so many is not deleted */

struct entry {
    _Atomic uint64_t key;   /* 0: none. Stored after the value, loaded before */
    _Atomic uint32_t value; /* raw handle */
};

/* What a page holds. The page's private word is its bucket's number. */
struct bucket {
    uint32_t n_used;
    struct entry entries[255];
};
_Static_assert(sizeof(struct bucket) <= ZS_PAGE_BYTES, "a bucket is a page");

static struct zs_arena *arena;
static struct zs_pool *values;
static zs_page_type_t type;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* for changes */
static _Atomic zs_pfn_t page_of[N_BUCKETS]; /* ZS_PFN_NONE: it has no page */

static uint32_t number_of(uint64_t key)
{
    return (uint32_t)((key * 0x9e3779b97f4a7c15u) >> 32) % N_BUCKETS;
}

/* acquire, release: whoever finds a page finds what was written to it. */
static zs_pfn_t load_page(uint32_t number)
{
    return atomic_load_explicit(&page_of[number], memory_order_acquire);
}

static void store_page(uint32_t number, zs_pfn_t page)
{
    atomic_store_explicit(&page_of[number], page, memory_order_release);
}

/* --- movable_ops: called by the core, from any thread, without a lock --- */

/*
 * May this page be taken? Its last entry may be deleted at this moment, or was
 * just now: then no. The private word can be trusted: the core has the page,
 * so even if it is freed meanwhile nobody else gets it.
 */
static bool isolate_page(void *ctx, zs_pfn_t page)
{
    bool ours;

    (void)ctx;
    pthread_mutex_lock(&lock);
    ours = load_page(zs_page_private(arena, page)) == page;
    pthread_mutex_unlock(&lock);
    return ours;
}

/*
 * Under the lock nobody changes or frees src. Readers find src until dst is
 * published, and may look at src until their sections end: so src is left as
 * it is, and on DONE it is the core's, which waits for them. dst can be
 * isolated as soon as it is movable, so that comes last.
 */
static enum zs_migrate_result
migrate_page(void *ctx, zs_pfn_t dst, zs_pfn_t src, enum zs_migrate_mode mode)
{
    enum zs_migrate_result result = ZS_MIGRATE_GONE;
    uint32_t number = zs_page_private(arena, src);

    (void)ctx;
    if (mode == ZS_MIGRATE_SYNC) {
        pthread_mutex_lock(&lock);
    } else if (pthread_mutex_trylock(&lock) != 0) {
        return ZS_MIGRATE_RETRY;
    }
    if (load_page(number) == src) { /* it was isolated some time ago */
        memcpy(zs_page_address(arena, dst), zs_page_address(arena, src),
               sizeof(struct bucket));
        zs_page_set_private(arena, dst, number);
        store_page(number, dst);
        zs_page_set_movable(arena, dst);
        result = ZS_MIGRATE_DONE;
    }
    pthread_mutex_unlock(&lock);
    return result;
}

/* Isolation has left no mark on the bucket: nothing to undo. */
static void putback_page(void *ctx, zs_pfn_t page)
{
    (void)ctx;
    (void)page;
}

static const struct zs_movable_ops bucket_ops = {
    .isolate_page = isolate_page,
    .migrate_page = migrate_page,
    .putback_page = putback_page,
};

/* --- lookups --- */

/* In a read section, or under the lock. Key 0 finds a free entry. */
static struct entry *find(zs_pfn_t page, uint64_t key)
{
    struct bucket *b =
        page == ZS_PFN_NONE ? NULL : zs_page_address(arena, page);

    for (unsigned i = 0; b && i < 255; i++) {
        struct entry *e = &b->entries[i];

        if (atomic_load_explicit(&e->key, memory_order_acquire) == key) {
            return e;
        }
    }
    return NULL;
}

/* Is `text` stored under the key? */
static bool lookup(uint64_t key, const char *text)
{
    char local_copy[ZS_LOCAL_COPY_BYTES];
    bool same = false;
    struct entry *e;

    zs_read_begin(); /* first: the page is safe from now on */
    e = find(load_page(number_of(key)), key);
    if (e) {
        zs_handle_t h = { atomic_load_explicit(&e->value,
                                               memory_order_relaxed) };

        same = strcmp(zs_obj_read_begin(values, h, local_copy), text) == 0;
        zs_obj_read_end(values);
    }
    zs_read_end();
    return same;
}

/* --- changes --- */

/* Lock held. The bucket's page, a new one if it has none, or ZS_PFN_NONE. */
static zs_pfn_t need_page(uint32_t number)
{
    zs_pfn_t page = load_page(number);

    if (page == ZS_PFN_NONE && zs_page_alloc(arena, type, &page) == 0) {
        memset(zs_page_address(arena, page), 0, ZS_PAGE_BYTES);
        zs_page_set_private(arena, page, number);
        store_page(number, page);
        zs_page_set_movable(arena, page); /* last, as in migrate_page() */
    }
    return page;
}

/* The key is not 0, and not in the table. 0 or a negative errno. */
static int insert(uint64_t key, const char *text)
{
    struct entry *e;
    zs_handle_t h;
    zs_pfn_t page;
    int err = zs_obj_create(values, text, strlen(text) + 1, &h);

    if (err != 0) {
        return err;
    }
    pthread_mutex_lock(&lock);
    page = need_page(number_of(key));
    e = find(page, 0);
    if (e) {
        ((struct bucket *)zs_page_address(arena, page))->n_used++;
        atomic_store_explicit(&e->value, h.raw, memory_order_relaxed);
        atomic_store_explicit(&e->key, key, memory_order_release);
    }
    pthread_mutex_unlock(&lock);
    if (!e) { /* no memory, or the bucket is full */
        zs_free(values, h);
        return page == ZS_PFN_NONE ? -ENOMEM : -ENOSPC;
    }
    return 0;
}

/* Nobody is looking this key up. */
static void erase(uint64_t key)
{
    zs_handle_t h = { 0 };
    struct entry *e;
    zs_pfn_t page;

    pthread_mutex_lock(&lock);
    page = load_page(number_of(key)); /* under the lock: it may have moved */
    e = find(page, key);
    if (e) {
        struct bucket *b = zs_page_address(arena, page);

        h.raw = atomic_load_explicit(&e->value, memory_order_relaxed);
        atomic_store_explicit(&e->key, 0, memory_order_relaxed);
        if (--b->n_used == 0) {
            /* Out of sight, then free; also if the core has the page now. */
            store_page(number_of(key), ZS_PFN_NONE);
            zs_page_free(arena, type, page);
        }
    }
    pthread_mutex_unlock(&lock);
    if (e) {
        zs_free(values, h);
    }
}

/* --- a program that uses it --- */

static _Atomic bool stop;

static const char *text_of(uint64_t key, char *text, size_t len)
{
    (void)snprintf(text, len, "what is stored for key %u", (unsigned)key);
    return text;
}

/* A reader: looks at the keys that are not deleted, until told to stop. */
static void *look(void *arg)
{
    unsigned *n_wrong = arg;
    char text[64];

    do {
        for (uint64_t key = KEEP_EACH; key <= N_KEYS; key += KEEP_EACH) {
            *n_wrong += !lookup(key, text_of(key, text, sizeof(text)));
        }
    } while (!atomic_load_explicit(&stop, memory_order_relaxed));
    return NULL;
}

static void report(const char *when)
{
    struct zs_arena_stats s;

    zs_arena_stats(arena, &s);
    printf("%-10s %2u pageblocks, %5u KiB\n", when, (unsigned)s.n_blocks_used,
           (unsigned)(s.footprint_bytes / 1024));
}

static int fill(void)
{
    char text[64];
    int err = 0;

    for (uint64_t key = 1; key <= N_KEYS && err == 0; key++) {
        err = insert(key, text_of(key, text, sizeof(text)));
    }
    return err;
}

static void erase_keys(bool kept)
{
    for (uint64_t key = 1; key <= N_KEYS; key++) {
        if ((key % KEEP_EACH == 0) == kept) {
            erase(key);
        }
    }
}

/* Delete most keys, then compact, with a reader all the while. */
static int shrink(unsigned *n_wrong)
{
    struct zs_compact_result r = { 0 };
    pthread_t reader;
    int err = -pthread_create(&reader, NULL, look, n_wrong);

    if (err == 0) {
        report("filled");
        erase_keys(false);
        report("deleted");
        err = zs_compact(arena, &r);
        report("compacted");
        printf("moved %u values and %u pages\n", (unsigned)r.objects_moved,
               (unsigned)r.pages_migrated);
        atomic_store_explicit(&stop, true, memory_order_relaxed);
        pthread_join(reader, NULL);
        (void)look(n_wrong); /* once more, with all at rest */
    }
    return err;
}

static int create(void)
{
    static struct zs_pool_config cfg; /* all zero: the defaults */
    int err = zs_arena_create(NULL, &arena);

    if (err == 0) {
        cfg.arena = arena;
        err = zs_pool_create(&cfg, &values);
    }
    if (err == 0) {
        err = zs_page_type_create(arena, "bucket", &type);
    }
    for (uint32_t i = 0; i < N_BUCKETS; i++) {
        store_page(i, ZS_PFN_NONE);
    }
    return err == 0 ? zs_set_movable_ops(arena, type, &bucket_ops, NULL) : err;
}

/* Pages before their type; pools and types before their arena; all of it after
 * the last reader and compactor. */
static int destroy(void)
{
    int err;

    erase_keys(true);
    err = zs_page_type_destroy(arena, type);
    zs_pool_destroy(values);
    if (err == 0) {
        zs_arena_destroy(arena);
    }
    return err;
}

int main(void)
{
    unsigned n_wrong = 0;
    int err = create();

    if (err == 0) {
        err = fill();
    }
    if (err == 0) {
        err = shrink(&n_wrong);
    }
    if (err == 0) {
        err = destroy();
    }
    if (err != 0) {
        fprintf(stderr, "hash_table: %s\n", strerror(-err));
    }
    printf("%u lookups failed\n", n_wrong);
    return err != 0 || n_wrong != 0;
}
