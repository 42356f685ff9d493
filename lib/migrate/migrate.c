/* SPDX-License-Identifier: MIT */
/*
 * migrate.c - isolate, migrate and put back pages.
 *
 * Idea
 *   The flag word decides who may touch a page; this file takes it from one
 *   state to the next and asks the owner in between. The owner may free the
 *   page at any moment. Then the word carries RELEASED, the next edge that
 *   this file tries is refused, and it finishes the free instead.
 *
 * Invariants
 *   C1  a callback is called only for a page that this thread holds, LOCKED
 *       (isolate_page) or ISOLATED (the others), and that is not RELEASED when
 *       last looked at
 *   C2  callbacks run inside a read section: what an owner frees after a grace
 *       period stays valid under them
 *   C3  a page leaves this file as MOVABLE, in LIMBO, or ISOLATED in the
 *       caller's list; never LOCKED
 *
 * GONE and false are also the answers of an owner whose free is under way but
 * has not reached the flag word yet. So after them the page goes back to
 * MOVABLE without a callback, where that free finds it; if it was quicker, the
 * page is RELEASED and finished here.
 */
#include "migrate.h"

#include "core_edges.h"
#include "page_type.h"
#include "probe.h"
#include "step.h"

#define CACHE_LINE 64u
#define HOLE_PAGES 32u /* few holes are longer than a zspage */

/* Flag word -> type -> callbacks. NULL: not movable, or the type is being
 * ended. */
static const struct zs_movable_ops *ops_of(struct zs_arena *a, uint32_t word,
                                           void **ctx)
{
    *ctx = NULL;
    return zs_word_has_movable_ops(word)
               ? zs_ops_of_type(a, zs_word_type(word), ctx)
               : NULL;
}

/* The owner has freed a page that this thread holds. Others may look at it in
 * read sections. */
static void finish(struct zs_arena *a, zs_pfn_t page)
{
    zs_page_finish_edge(zs_page(a, page));
    zs_page_defer(a, page);
    zs_grace_request(&a->grace);
}

bool zs_isolate_movable_ops_page(struct zs_arena *a, zs_pfn_t page)
{
    struct zs_page *p = zs_page(a, page);
    const struct zs_movable_ops *ops;
    bool isolated = false;
    void *ctx;

    zs_count(&a->counters.migrate_scanned);
    zs_read_lock();
    if (zs_word_state(zs_page_word(p)) != ZS_PAGE_MOVABLE ||
        !zs_page_try_lock(p)) {
        zs_read_unlock();
        return false;
    }
    ops = ops_of(a, zs_page_word(p), &ctx); /* held: the type cannot change */
    if (ops && !zs_page_is_released(p) && ops->isolate_page(ctx, page)) {
        isolated = zs_page_try_isolate(p);
    } else if (zs_page_try_unlock(p)) {
        zs_read_unlock();
        return false;
    }
    zs_read_unlock();
    if (!isolated) {
        finish(a, page);
        return false;
    }
    zs_count(&a->counters.isolated);
    ZS_PROBE2(isolate, page, zs_word_type(zs_page_word(p)));
    ZS_STEP(ZS_STEP_PAGE_ISOLATED);
    return true;
}

/* Back to MOVABLE without a callback, or the end of a released page. */
static void let_go(struct zs_arena *a, zs_pfn_t page)
{
    if (!zs_page_try_putback(zs_page(a, page))) {
        finish(a, page);
    }
}

void zs_putback_movable_ops_page(struct zs_arena *a, zs_pfn_t page)
{
    struct zs_page *p = zs_page(a, page);
    const struct zs_movable_ops *ops;
    void *ctx;

    zs_read_lock();
    ops = ops_of(a, zs_page_word(p), &ctx);
    if (ops && !zs_page_is_released(p)) {
        ops->putback_page(ctx, page);
    }
    zs_read_unlock();
    let_go(a, page);
}

static enum zs_migrate_result ask_owner(struct zs_arena *a, zs_pfn_t dst,
                                        zs_pfn_t src, enum zs_migrate_mode mode)
{
    struct zs_page *p = zs_page(a, src);
    enum zs_migrate_result result = ZS_MIGRATE_GONE;
    const struct zs_movable_ops *ops;
    void *ctx;

    zs_read_lock();
    ops = ops_of(a, zs_page_word(p), &ctx);
    if (ops && !zs_page_is_released(p)) {
        result = ops->migrate_page(ctx, dst, src, mode);
    }
    zs_read_unlock();
    return result;
}

enum zs_migrate_result zs_migrate_movable_ops_page(struct zs_arena *a,
                                                   zs_pfn_t dst, zs_pfn_t src,
                                                   enum zs_migrate_mode mode,
                                                   struct zs_limbo_batch *left)
{
    enum zs_migrate_result result = ask_owner(a, dst, src, mode);

    if (result != ZS_MIGRATE_DONE) {
        ZS_PROBE2(move_refused, src, result);
    }
    switch (result) {
    case ZS_MIGRATE_DONE:
        zs_page_migrated_edge(zs_page(a, src));
        zs_limbo_gather(a, left, src);
        ZS_PROBE2(page_moved, src, dst);
        ZS_STEP(ZS_STEP_PAGE_LIMBO);
        break;
    case ZS_MIGRATE_GONE:
        let_go(a, src);
        break;
    case ZS_MIGRATE_RETRY:
        atomic_fetch_add_explicit(&a->migrate_retries, 1, memory_order_relaxed);
        break;
    case ZS_MIGRATE_REFUSED:
        break;
    }
    return result;
}

/* --- batches --- */

static zs_page_type_t type_of(struct zs_arena *a, zs_pfn_t page)
{
    return zs_word_type(zs_page_word(zs_page(a, page)));
}

/* Length of the run of neighbours of one type that begins at pages[0]. */
static unsigned run_length(struct zs_arena *a, const zs_pfn_t *pages,
                           unsigned n)
{
    unsigned len = 1;

    while (len < n && pages[len] == pages[0] + len &&
           type_of(a, pages[len]) == type_of(a, pages[0])) {
        len++;
    }
    return len;
}

/*
 * A destination has memory if its source has, and otherwise none: a free page
 * may have kept its last owner's. Where the system refuses to take that back
 * it stays, and the owner finds out.
 */
static int populate_as(struct zs_arena *a, zs_pfn_t dst, zs_pfn_t src,
                       unsigned n)
{
    while (n > 0) {
        bool resident;
        unsigned len = zs_pages_alike(a, src, n, &resident);
        int err = resident ? zs_pages_populate(a, dst, len) : 0;

        if (err) {
            return err;
        }
        if (!resident) {
            (void)zs_pages_make_bare(a, dst, len);
        }
        dst += len;
        src += len;
        n -= len;
    }
    return 0;
}

/* What a destination of the n pages is for. */
static enum zs_page_use use_of(struct zs_arena *a, zs_pfn_t first, unsigned n)
{
    bool resident;

    if (zs_pages_alike(a, first, n, &resident) < n) {
        return ZS_USE_SPARSE;
    }
    return resident ? ZS_USE_DENSE : ZS_USE_BARE;
}

/* A run for the first of the pages that lie side by side: halve it until one
 * is found. Returns its length; 0: no memory. */
static unsigned take_run(struct zs_arena *a, const zs_pfn_t *pages,
                         unsigned len, enum zs_page_use use, zs_pfn_t *dst)
{
    for (; len > 0; len /= 2) {
        if (zs_pages_alloc_for(a, type_of(a, pages[0]), len, use, dst) != 0) {
            continue;
        }
        if (populate_as(a, *dst, pages[0], len) == 0) {
            return len;
        }
        zs_pages_free(a, *dst, len);
    }
    return 0;
}

/*
 * Destinations for pages that lie side by side should lie side by side, so
 * that chains stay contiguous; but where holes are to be filled, every hole
 * will do. Returns how many of the first pages got one; 0: no memory.
 */
static unsigned take_destinations(struct zs_arena *a, const zs_pfn_t *pages,
                                  unsigned n, zs_pfn_t *dst)
{
    unsigned len = run_length(a, pages, n);
    enum zs_page_use use = use_of(a, pages[0], len);
    unsigned taken = 0;

    if (use == ZS_USE_DENSE && zs_arena_is_packing(a)) {
        taken = take_run(a, pages, len < HOLE_PAGES ? len : HOLE_PAGES,
                         ZS_USE_HOLES, dst);
    }
    return taken > 0 ? taken : take_run(a, pages, len, use, dst);
}

/*
 * Begin to fetch a page's lines, and those it will be copied to. The atomic
 * operations between two copies wait for the stores of the first, so without
 * this the copies do not overlap at all. Harmless where there is no memory.
 */
static void prefetch_copy(const struct zs_arena *a, zs_pfn_t dst, zs_pfn_t src)
{
    const char *from = zs_page_addr(a, src);
    char *to = zs_page_addr(a, dst);

    for (unsigned at = 0; at < ZS_PAGE_BYTES; at += CACHE_LINE) {
        __builtin_prefetch(from + at, 0, 1);
        __builtin_prefetch(to + at, 1);
    }
}

static void count_migrated(struct zs_arena *a,
                           const struct zs_limbo_batch *batch)
{
    zs_grace_count_moved(&a->grace, (uint64_t)batch->n * ZS_PAGE_BYTES);
    atomic_fetch_add_explicit(&a->pages_migrated, batch->n,
                              memory_order_relaxed);
}

/*
 * Pages that are asked for one after the other. The front of `pages` holds
 * those to be asked again; those that refused are kept apart, for in this call
 * they are not asked a second time.
 */
struct batch {
    zs_pfn_t *pages;
    unsigned n;
    unsigned n_refused;
    zs_pfn_t refused[ZS_MIGRATE_BATCH];
};

/* Offer each page of the run its destination once. Pages that are busy go to
 * the front of the batch again; unused destinations are freed. */
static void migrate_run(struct zs_arena *a, struct batch *b,
                        const zs_pfn_t *pages, unsigned n, zs_pfn_t dst,
                        enum zs_migrate_mode mode)
{
    struct zs_limbo_batch limbo = { 0 };

    for (unsigned i = 0; i < n; i++) {
        zs_pfn_t page = pages[i]; /* in the same array */
        enum zs_migrate_result result;

        if (i + 1 < n) {
            prefetch_copy(a, dst + i + 1, pages[i + 1]);
        }
        result = zs_migrate_movable_ops_page(a, dst + i, page, mode, &limbo);
        if (result != ZS_MIGRATE_DONE) {
            zs_pages_free(a, dst + i, 1);
        }
        if (result == ZS_MIGRATE_RETRY) {
            b->pages[b->n++] = page;
        } else if (result == ZS_MIGRATE_REFUSED) {
            b->refused[b->n_refused++] = page;
        }
    }
    zs_limbo_defer(a, &limbo);
    count_migrated(a, &limbo); /* after: who flushes what it covers */
}

/* Ask all pages of the batch once. False: no memory to go to; the rest stays,
 * and asking again makes no sense. */
static bool migrate_once(struct zs_arena *a, struct batch *b,
                         enum zs_migrate_mode mode)
{
    unsigned n = b->n;
    unsigned done = 0;

    b->n = 0;
    while (done < n) {
        zs_pfn_t dst;
        unsigned len = take_destinations(a, b->pages + done, n - done, &dst);

        if (len == 0) {
            while (done < n) {
                b->pages[b->n++] = b->pages[done++];
            }
            return false;
        }
        ZS_STEP(ZS_STEP_PAGE_DST);
        migrate_run(a, b, b->pages + done, len, dst, mode);
        zs_pace_point(&a->pace);
        done += len;
    }
    return true;
}

/* In a call that may wait for locks, who is busy is waited for in the second
 * pass; the first goes over all that are not. */
unsigned zs_migrate_pages(struct zs_arena *a, zs_pfn_t *pages, unsigned n,
                          enum zs_migrate_mode mode)
{
    struct batch b;

    ZS_ASSERT(n <= ZS_MIGRATE_BATCH);
    b.pages = pages;
    b.n = n;
    b.n_refused = 0;
    for (unsigned pass = 0; pass < ZS_MIGRATE_PASSES && b.n > 0; pass++) {
        if (!migrate_once(a, &b, pass == 0 ? ZS_MIGRATE_ASYNC : mode)) {
            break;
        }
    }
    for (unsigned i = 0; i < b.n_refused; i++) {
        pages[b.n++] = b.refused[i];
    }
    return b.n;
}
