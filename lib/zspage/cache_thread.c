/* SPDX-License-Identifier: MIT */
/*
 * cache_thread.c - whose cache is whose: made at a thread's first use of a
 * pool, given up when the thread or the pool ends.
 *
 * Idea
 *   A pool lists its caches, and the process its pools (pools.c). A thread
 *   finds
 *   its cache in a few thread-local words by the pool's number, which is never
 *   used again; if not there, in the pool's list. At a thread's end the
 *   destructor of one pthread key goes through all pools. (Its caches are found
 *   by the pool's list, not by pointers of the thread, for a pool may be
 *   destroyed at the same time.)
 *
 * Not done
 *   exit() runs no key destructors, so the main thread's caches end with their
 *   pools.
 */
#include "cache.h"
#include "fork.h"
#include "os.h"

_Thread_local struct zs_cache_of zs_hot_caches[ZS_HOT_CACHES];

static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool has_key; /* set once, before key_once is over */
static _Thread_local bool is_registered;

/* No other living thread has this address. */
static const void *this_thread(void)
{
    return &zs_hot_caches;
}

static size_t cache_bytes(void)
{
    size_t bytes =
        sizeof(struct zs_cache) + zs_cache_sizes.n_handles * sizeof(uint32_t);

    return (bytes + ZS_OS_PAGE_BYTES - 1) / ZS_OS_PAGE_BYTES * ZS_OS_PAGE_BYTES;
}

static void free_cache(struct zs_cache *c)
{
    zs_budget_uncharge_metadata(&c->pool->arena->budget, cache_bytes());
    zs_os.unreserve(c, cache_bytes());
}

/* --- the end of a thread --- */

static struct zs_cache **link_of_thread_locked(struct zs_pool *pool)
{
    struct zs_cache **link = &pool->caches;

    while (*link && (*link)->thread != this_thread()) {
        link = &(*link)->next;
    }
    return link;
}

static void leave_pool(struct zs_pool *pool)
{
    struct zs_cache **link;
    struct zs_cache *c;

    zs_lock_acquire(&pool->caches_lock);
    link = link_of_thread_locked(pool);
    c = *link;
    if (c) {
        *link = c->next;
        atomic_fetch_sub_explicit(&pool->n_caches, 1, memory_order_relaxed);
        cache_empty_locked(c); /* its only user is here */
    }
    zs_lock_release(&pool->caches_lock);
    if (c) {
        free_cache(c);
    }
}

static void forget_hot_caches(void)
{
    for (unsigned i = 0; i < ZS_HOT_CACHES; i++) {
        zs_hot_caches[i] = (struct zs_cache_of){ 0 };
    }
}

/* Should a later destructor of the embedder's use a pool again, a new cache is
 * made and the key set again, and pthreads calls this again. */
static void leave_pools(void *ignored)
{
    (void)ignored;
    is_registered = false;
    forget_hot_caches();
    zs_work_begin(); /* before the locks (fork.h) */
    pools_each(leave_pool);
    zs_work_end();
}

static void make_key(void)
{
    has_key = pthread_key_create(&key, leave_pools) == 0;
}

static bool register_thread(void)
{
    if (!is_registered) {
        pthread_once(&key_once, make_key);
        is_registered =
            has_key && pthread_setspecific(key, &zs_hot_caches) == 0;
    }
    return is_registered;
}

/* --- the first use of a pool --- */

static void init_cache(struct zs_cache *c, struct zs_pool *pool)
{
    c->pool = pool;
    c->pages = zs_page_addr(pool->arena, 0);
    c->n_handles = pool->handles.n_handles;
    c->slots = pool->handles.slots;
    c->zspages = pool->zspages.base;
    atomic_store_explicit(&c->bin_of, zs_cache_sizes.exact,
                          memory_order_relaxed);
    c->thread = this_thread();
    /* its fast classes are set with those of the others: caches_cut_locked() */
    c->none.end = c->handles;
    atomic_store_explicit(&c->none.top, c->handles, memory_order_relaxed);
    for (unsigned n = 0; n < ZS_CACHE_BINS; n++) {
        c->bins[n].end = c->handles + zs_cache_sizes.first[n];
        atomic_store_explicit(&c->bins[n].top, c->bins[n].end,
                              memory_order_relaxed);
    }
}

static struct zs_cache *new_cache(struct zs_pool *pool)
{
    size_t bytes = cache_bytes();
    struct zs_cache *c;

    if (!zs_budget_try_charge_metadata(&pool->arena->budget, bytes)) {
        return NULL;
    }
    c = zs_os.reserve(bytes, ZS_OS_PAGE_BYTES);
    if (!c) {
        zs_budget_uncharge_metadata(&pool->arena->budget, bytes);
        return NULL;
    }
    init_cache(c, pool);
    return c;
}

/* The others may hold less from now on. */
static void add_cache(struct zs_pool *pool, struct zs_cache *c)
{
    zs_lock_acquire(&pool->caches_lock);
    c->next = pool->caches;
    pool->caches = c;
    atomic_fetch_add_explicit(&pool->n_caches, 1, memory_order_relaxed);
    caches_cut_locked(pool);
    zs_lock_release(&pool->caches_lock);
}

/* A cache that belongs to nobody, if there is one. */
static struct zs_cache *take_over(struct zs_pool *pool)
{
    struct zs_cache *c;

    zs_lock_acquire(&pool->caches_lock);
    c = pool->caches;
    while (c && c->thread) {
        c = c->next;
    }
    if (c) {
        c->thread = this_thread();
    }
    zs_lock_release(&pool->caches_lock);
    return c;
}

/* At the fork each of them was whole (pools.c). */
void caches_disown(struct zs_pool *pool)
{
    for (struct zs_cache *c = pool->caches; c; c = c->next) {
        if (c->thread != this_thread()) {
            c->thread = NULL;
            /* Whoever was in a section at the fork had seen the stop, and was
             * about to leave. It never does here. */
            zs_section_leave(&c->section);
        }
    }
}

struct zs_cache *cache_find(struct zs_pool *pool)
{
    struct zs_cache *c;

    zs_lock_acquire(&pool->caches_lock);
    c = *link_of_thread_locked(pool);
    zs_lock_release(&pool->caches_lock);
    if (!c && register_thread()) {
        c = take_over(pool);
    }
    if (!c && is_registered) {
        c = new_cache(pool);
        if (c) {
            add_cache(pool, c);
        }
    }
    if (c) {
        *zs_hot_cache(pool) =
            (struct zs_cache_of){ .pool_id = pool->cache_id, .cache = c };
    }
    return c;
}

/* --- pools --- */

int caches_init(struct zs_pool *pool, uint64_t min_cache_bytes)
{
    static _Atomic uint64_t last_id; /* 0 is no pool */
    int err;

    zs_sections_init();
    zs_cache_sizes_init();
    zs_lock_init(&pool->caches_lock, ZS_RANK_CACHES);
    pool->min_cache_bytes =
        min_cache_bytes > 0 ? min_cache_bytes : ZS_CACHE_MIN_BYTES;
    pool->cache_id =
        1 + atomic_fetch_add_explicit(&last_id, 1, memory_order_relaxed);
    pool->hot_offset = (char *)&zs_hot_caches[pool->cache_id % ZS_HOT_CACHES] -
                       zs_thread_base();
    err = pools_add(pool);
    if (err) {
        zs_lock_destroy(&pool->caches_lock);
    }
    return err;
}

void caches_destroy(struct zs_pool *pool)
{
    pools_remove(pool);
    caches_empty(pool);
    while (pool->caches) {
        struct zs_cache *c = pool->caches;

        pool->caches = c->next;
        free_cache(c);
    }
    zs_lock_destroy(&pool->caches_lock);
}
