/* SPDX-License-Identifier: MIT */
/*
 * pin.c - objects that stay where they are for as long as somebody needs.
 *
 * A pin is a count in the zspage's word (zspage.h); movers leave a pinned
 * zspage alone and come back later. Checked builds also keep the pins of a
 * pool on a list, so that a page that does not move can be explained. The list
 * is threaded through the callers' pins and costs no memory.
 */
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "os.h"
#include "pool_impl.h"
#include "rcu.h"

#if ZS_CHECKS >= 1
static void list_pin(struct zs_pool *pool, struct zs_pin *pin)
{
    pin->since_ns = zs_os.now_ns();
    pin->thread = syscall(SYS_gettid);
    zs_lock_acquire(&pool->pins_lock);
    pin->prev = NULL;
    pin->next = pool->pins;
    if (pin->next) {
        pin->next->prev = pin;
    }
    pool->pins = pin;
    zs_lock_release(&pool->pins_lock);
}

static void unlist_pin(struct zs_pool *pool, struct zs_pin *pin)
{
    if (pin->thread == 0) { /* see pins_disown() */
        return;
    }
    zs_lock_acquire(&pool->pins_lock);
    if (pin->next) {
        pin->next->prev = pin->prev;
    }
    if (pin->prev) {
        pin->prev->next = pin->next;
    } else {
        ZS_CHECK(pool->pins == pin);
        pool->pins = pin->next;
    }
    zs_lock_release(&pool->pins_lock);
}
#else
static void list_pin(struct zs_pool *pool, struct zs_pin *pin)
{
    (void)pool;
    (void)pin;
}

static void unlist_pin(struct zs_pool *pool, struct zs_pin *pin)
{
    (void)pool;
    (void)pin;
}
#endif

void zs_pin(struct zs_pool *pool, zs_handle_t h, const char *holder,
            struct zs_pin *pin)
{
    uint32_t word;

    *pin = (struct zs_pin){ .handle = h.raw, .holder = holder };
    zs_read_lock();
    word = pin_object(pool, h.raw, __func__);
    pin->zspage = zs_slot_zspage(word);
    view_of_word(pool, word, &pin->view);
    zs_read_unlock();
    list_pin(pool, pin);
}

/* A compactor that passes blocks over for the pin may try them again. Before
 * the unpin: the zspage stays until then. */
static void unblock(struct zs_pool *pool, const struct zs_pin *pin)
{
    const struct zspage *zp = zspage_at(pool, pin->zspage);
    zs_pfn_t before = ZS_PFN_NONE;

    if (!zs_arena_has_skips(pool->arena)) {
        return;
    }
    zs_read_lock();
    for (unsigned i = 0; i < zp->n_pages; i++) {
        zs_pfn_t page = zspage_pfn(zp, i);

        if (before == ZS_PFN_NONE || page / ZS_BLOCK_PAGES != before) {
            zs_block_forget_skip(pool->arena, page);
            before = page / ZS_BLOCK_PAGES;
        }
    }
    zs_read_unlock();
}

void zs_unpin(struct zs_pool *pool, struct zs_pin *pin)
{
    if (pin->view.n_parts == 0) {
        zs_misuse(__func__, "not a pin, or ended before", pin->handle,
                  "unpinned");
    }
    unlist_pin(pool, pin);
    pin->view.n_parts = 0;
    unblock(pool, pin);
    zspage_unpin(zspage_at(pool, pin->zspage));
}

/* They lie anywhere, the stacks of threads that are gone included. Those that
 * are the child's to end are still pins: they count. */
void pins_disown(struct zs_pool *pool, long thread)
{
    struct zs_pin *next;
    struct zs_pin *p = pool->pins;

    pool->pins = NULL;
    for (; p; p = next) {
        next = p->next;
        if (p->thread != thread) {
            p->thread = 0;
            continue;
        }
        p->thread = syscall(SYS_gettid);
        p->prev = NULL;
        p->next = pool->pins;
        if (p->next) {
            p->next->prev = p;
        }
        pool->pins = p;
    }
}

/* --- explaining --- */

/* The pin of the zspage that has been held longest. */
static const struct zs_pin *oldest_locked(const struct zs_pool *pool,
                                          uint32_t zspage)
{
    const struct zs_pin *oldest = NULL;

    for (const struct zs_pin *p = pool->pins; p; p = p->next) {
        if (p->zspage == zspage &&
            (!oldest || p->since_ns < oldest->since_ns)) {
            oldest = p;
        }
    }
    return oldest;
}

static void describe_pin(const struct zs_pin *p, char *text, size_t len)
{
    double seconds = (double)(zs_os.now_ns() - p->since_ns) / 1e9;

    (void)snprintf(text, len, "object %u, pinned by %s, thread %ld, for %.3f s",
                   p->handle, p->holder, p->thread, seconds);
}

void pin_describe(struct zs_pool *pool, uint32_t zspage, char *text, size_t len)
{
    unsigned n = zspage_n_pins(zspage_at(pool, zspage));
    const struct zs_pin *p;

    if (n == 0) {
        return;
    }
    zs_lock_acquire(&pool->pins_lock);
    p = oldest_locked(pool, zspage);
    if (p) {
        describe_pin(p, text, len);
    } else {
        (void)snprintf(text, len, "%u pins", n);
    }
    zs_lock_release(&pool->pins_lock);
}

void pin_dump(struct zs_pool *pool, int fd)
{
    zs_lock_acquire(&pool->pins_lock);
    for (const struct zs_pin *p = pool->pins; p; p = p->next) {
        char text[160];

        describe_pin(p, text, sizeof(text));
        dprintf(fd, "%s\n", text);
    }
    zs_lock_release(&pool->pins_lock);
}
