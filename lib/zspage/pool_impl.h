/* SPDX-License-Identifier: MIT */
/*
 * pool_impl.h - the inside of a pool, and which file does what with it.
 *
 *   class.c      lists of zspages by fullness; taking and giving slots
 *   grow.c       new zspages, memory for more slots, ends of zspages
 *   alloc.c      zs_malloc, zs_free, zs_obj_create
 *   cache*.c     threads' caches (cache.h, cache_impl.h)
 *   batch.c      zs_malloc_batch, zs_free_batch
 *   aligned.c    zs_malloc_aligned, and what keeps objects aligned
 *   dying.c      zs_free_deferred
 *   access.c     zs_obj_read_*, zs_obj_write, replace, realloc, size, check
 *   view.c       zs_obj_view_begin
 *   walk.c       zs_pool_next
 *   limbo_slots.c  slots that wait for readers
 *   move.c       moving the objects of one zspage
 *   compact.c    evacuation interface: look, detach, move, consolidate, trim
 *   page_ops.c   movable_ops of zspage pages
 *   for_store.c  objects of several pieces; handles without an object
 *   pin.c        zs_pin, zs_unpin, and who holds pins
 *   pools.c      the pools of the process
 *   pool.c       create, destroy, statistics
 *   dump.c       a table for people
 */
#ifndef ZS_LIB_POOL_IMPL_H
#define ZS_LIB_POOL_IMPL_H

#include "cache_sizes.h"
#include "handles.h"
#include "lock.h"
#include "owner_ops.h"
#include "section.h"
#include "size_class.h"
#include "zspage.h"
#include "zspool/pool.h"

/* Fullness lists: 0..7 by eighths of used slots, then those without a free one.
 * The fullest of 0..7 is allocated from, the emptiest is emptied. */
enum {
    ZS_LIST_PARTIAL_LAST = 7,
    ZS_LIST_FULL,
    ZS_LIST_DETACHED, /* taken by a compaction pass */
    ZS_NR_LISTS
};

struct zs_class {
    struct zs_lock lock;         /* rank CLASS; guards all below */
    uint32_t slot_bytes;         /* set once; 0: the class of runs */
    uint16_t n_slots;            /* set once */
    uint16_t n_pages;            /* set once */
    _Atomic uint32_t alignment;  /* its objects keep (aligned.c); 0: none */
    uint32_t lists[ZS_NR_LISTS]; /* zspage numbers; 0: empty */
    uint32_t n_zspages;
    uint64_t n_free; /* slots of ATTACHED zspages that are not used */
    uint64_t n_live;
    uint64_t live_bytes;
    uint64_t n_limbo;
    uint64_t n_pages_held;
    uint64_t n_pages_resident;
    uint64_t objects_moved, bytes_moved, moves_stopped, moves_busy;
    uint64_t pages_compacted; /* of zspages that moves have emptied */
};

struct zs_pool {
    /* set once at create; a cache line of its own, for every call looks here */
    uint64_t cache_id;    /* of this pool only, ever (cache.h) */
    ptrdiff_t hot_offset; /* of its place in zs_hot_caches */
    struct zs_arena *arena;
    bool own_arena;
    zs_page_type_t type;
    char name[ZS_NAME_BYTES];
    uint32_t n_classes; /* size classes, then the class of runs */
    struct zs_class *classes;

    struct zs_handles handles;

    /* threads' caches (cache.h) */
    uint64_t min_cache_bytes;   /* set once */
    _Atomic bool has_large;     /* was asked for what caches do not hold */
    _Atomic bool has_rings;     /* frees have been late */
    struct zs_pool *next_pool;  /* of the process; guarded by its lock */
    struct zs_lock caches_lock; /* rank CACHES */
    struct zs_cache *caches;    /* guarded by caches_lock */
    _Atomic uint32_t n_caches;
    bool caches_suspended; /* guarded by caches_lock; a pass sets it */
    /* waits for all sections, by number; written under caches_lock */
    _Atomic uint32_t hush_begun, hush_done;

    struct zs_lock table_lock;  /* rank TABLE; guards the two heaps */
    struct zs_granules zspages; /* granule number is zspage number */
    /* By zspage number, for caches: the bin offset; 0: none, or movers may
     * have it. Apart from the zspages, so that it is read much and written
     * seldom. */
    _Atomic uint16_t *fast_class;
    uint32_t fast_class_pages; /* charged; guarded by table_lock */
    struct zs_granules sides;

    struct zs_lock pins_lock; /* rank PINS */
    struct zs_pin *pins;      /* checked builds: all pins held */

    /* where a consolidation goes on after a flush (compact.c); pass_lock */
    uint32_t next_class;
    bool class_begun;
    uint32_t sources_left; /* of a class that has begun */

    /* what waits for readers (limbo_slots.c) */
    struct zs_lock limbo_lock; /* rank LIMBO */
    struct zs_grace_member limbo_member;
    uint32_t limbo_seq;
    uint32_t limbo_next; /* zspages, linked by limbo_link */
    uint32_t limbo_round[ZS_NR_ROUNDS];
    uint32_t limbo_round_seq[ZS_NR_ROUNDS];
    struct zs_chain *dead_next; /* chains, linked by next_dead */
    struct zs_chain *dead_round[ZS_NR_ROUNDS];
    /* handles, linked by the side entries of their slots; a FLUSH round takes
     * over the list of an ASYNC one beside its own */
    uint32_t dying_next;
    uint32_t dying_round[ZS_NR_ROUNDS][2];
};

static inline struct zspage *zspage_at(const struct zs_pool *pool, uint32_t n)
{
    return zs_granule(&pool->zspages, n);
}

static inline uint32_t zspage_number(const struct zs_pool *pool,
                                     const struct zspage *zp)
{
    return (uint32_t)(((const char *)zp - pool->zspages.base) /
                      ZS_GRANULE_BYTES);
}

static inline uint32_t *side_of(const struct zs_pool *pool,
                                const struct zspage *zp)
{
    return zs_granule(&pool->sides, zp->side);
}

/* Are objects of the class with that number (index + 1) ever in caches? */
static inline bool class_is_cached(unsigned number)
{
    return number < zs_cache_sizes.n_bins;
}

/* Caches may change slot words of the zspage. Release: who sees it set sees
 * what movers have switched (cache.h). Class lock held. */
static inline void set_fast_class(struct zs_pool *pool, const struct zspage *zp,
                                  unsigned number)
{
    _Atomic uint16_t *fast = &pool->fast_class[zspage_number(pool, zp)];

    if (class_is_cached(number) &&
        atomic_load_explicit(fast, memory_order_relaxed) == 0) {
        atomic_store_explicit(fast, zs_bin_offset(number),
                              memory_order_release);
    }
}

/* They may not any more; what is under way: caches_are_hushed(). The fence
 * orders this and the look at the number of waits; a wait with a greater one
 * begins after this. Class lock held. */
static inline void clear_fast_class(struct zs_pool *pool, struct zspage *zp)
{
    _Atomic uint16_t *fast = &pool->fast_class[zspage_number(pool, zp)];

    if (atomic_load_explicit(fast, memory_order_relaxed) != 0) {
        atomic_store_explicit(fast, 0, memory_order_relaxed);
        zs_full_fence();
        zp->hush_seen = (uint16_t)atomic_load_explicit(&pool->hush_begun,
                                                       memory_order_relaxed);
    }
}

static inline bool has_fast_class(const struct zs_pool *pool,
                                  const struct zspage *zp)
{
    return atomic_load_explicit(&pool->fast_class[zspage_number(pool, zp)],
                                memory_order_relaxed) != 0;
}

/*
 * The class of what may be a zspage or not, as a number; 0: it is none. It is
 * set when a zspage is made and taken away, under the class lock, when it is
 * released: so for who has the lock of class c and finds class c, it stays c
 * (tests/model/find.pml). Acquire pairs with init_zspage(): who sees the class
 * of a new zspage sees that its old place is gone.
 */
static inline unsigned class_number(const struct zspage *zp)
{
    return atomic_load_explicit(&zp->class_number, memory_order_acquire);
}

/* The class of a zspage that cannot be released just now. */
static inline struct zs_class *class_of(const struct zs_pool *pool,
                                        const struct zspage *zp)
{
    unsigned number = class_number(zp);

    ZS_ASSERT(number != 0);
    return &pool->classes[number - 1];
}

/* Runs and slots above a page are never split, so they move only whole. */
static inline bool moves_only_whole(const struct zspage *zp)
{
    return zspage_slot_bytes(zp) > ZS_PAGE_BYTES;
}

/* Chain pages that slots [0, n) lie in. */
static inline unsigned pages_for_slots(size_t slot_bytes, unsigned n)
{
    return (unsigned)((n * slot_bytes + ZS_PAGE_BYTES - 1) / ZS_PAGE_BYTES);
}

/* --- class.c: all with the class lock held --- */

void class_attach_locked(struct zs_pool *pool, struct zs_class *cl,
                         struct zspage *zp);
/* Off its list, into any other phase. */
void class_detach_locked(struct zs_pool *pool, struct zs_class *cl,
                         struct zspage *zp, enum zspage_phase phase);
/* The fullest zspage with a free slot, which may have no memory yet; NULL:
 * none. */
struct zspage *class_pick_locked(struct zs_pool *pool, struct zs_class *cl);
/* The fullest one whose free slot has memory, where none is to be had for the
 * fullest of all; looks at every zspage. NULL: none. */
struct zspage *class_pick_resident_locked(struct zs_pool *pool,
                                          struct zs_class *cl);
/* The emptiest one; NULL: none. */
struct zspage *class_pick_source_locked(struct zs_pool *pool,
                                        struct zs_class *cl);
unsigned class_take_slot_locked(struct zs_pool *pool, struct zs_class *cl,
                                struct zspage *zp, uint32_t handle);
void class_give_slot_locked(struct zs_pool *pool, struct zs_class *cl,
                            struct zspage *zp, unsigned idx);
/* An object that readers may still look up: its slot is free after a grace
 * period. `next`: the dying handle after it. */
void class_dying_slot_locked(struct zs_pool *pool, struct zs_class *cl,
                             struct zspage *zp, unsigned idx, uint32_t next);
/* Returns the dying handle after it. */
uint32_t class_free_dying_locked(struct zs_pool *pool, struct zs_class *cl,
                                 struct zspage *zp, unsigned idx);
/* A slot that readers may still see: free after a grace period. */
void class_limbo_slot_locked(struct zs_pool *pool, struct zs_class *cl,
                             struct zspage *zp, unsigned idx);
/* The same for several of one zspage, after all their words were changed. */
void class_limbo_slots_locked(struct zs_pool *pool, struct zs_class *cl,
                              struct zspage *zp, const uint16_t *slots,
                              unsigned n);
/*
 * After slots were given up: should the zspage go? True: it is off the lists
 * and the caller calls zspage_release() after unlock.
 */
bool class_settle_locked(struct zs_pool *pool, struct zs_class *cl,
                         struct zspage *zp);

/* --- grow.c: no lock held --- */

/*
 * Memory for slots where class_pick_locked() found none: behind the fullest
 * zspage with a free slot, or in a new one. `n`: how many slots are wanted;
 * ZS_GROW_BATCH: as many as suit the class. One call may give fewer.
 */
#define ZS_GROW_BATCH 0u
int class_grow(struct zs_pool *pool, struct zs_class *cl, unsigned n);
/* A new run of `bytes` with its one slot taken for `handle`, pinned. */
int run_new(struct zs_pool *pool, size_t bytes, uint32_t handle,
            struct zspage **out);
/* The end of a zspage that nobody can find any more. */
void zspage_release(struct zs_pool *pool, struct zspage *zp);
/* Is there memory behind pages from `keep` on? Class lock held. */
bool zspage_has_spare_memory(struct zs_pool *pool, const struct zspage *zp,
                             unsigned keep);
/* Give back the memory behind pages that hold no slot below `fresh`; the
 * zspage is DETACHED by the caller and has no free or limbo slot there. False:
 * a writer holds it. */
bool zspage_trim_tail(struct zs_pool *pool, struct zs_class *cl,
                      struct zspage *zp);

/* Page vectors of split chains. NULL: no memory. */
struct zs_chain *chain_new(struct zs_pool *pool, unsigned n);
void chain_free(struct zs_pool *pool, struct zs_chain *chain);

/* --- limbo_slots.c --- */

void limbo_init(struct zs_pool *pool);
/* Class lock held: a slot of the zspage is to wait for readers. Returns its
 * stamp. */
uint32_t limbo_queue_zspage(struct zs_pool *pool, struct zspage *zp);
/* The pool's end: free the chains that still wait; no reader is left. */
void limbo_drop_chains(struct zs_pool *pool);
void limbo_queue_chain(struct zs_pool *pool, struct zs_chain *chain);

/* --- dying.c --- */

/* The two ends of a round; the first under limbo_lock. */
void dying_start_locked(struct zs_pool *pool, enum zs_round round);
void dying_finish(struct zs_pool *pool, enum zs_round round);

/* --- move.c: no lock held --- */

/*
 * Move every live object of a zspage that the caller has DETACHED to others of
 * its class, making room as needed. DONE: no live slot is left. RETRY: some
 * are, for a writer or for want of memory.
 */
enum zs_migrate_result zspage_move_objects(struct zs_pool *pool,
                                           struct zspage *zp);

/* Move objects of a zspage that the caller has DETACHED into free slots of a
 * larger class, as far as it has room. */
void zspage_move_objects_up(struct zs_pool *pool, struct zspage *zp,
                            struct zs_class *to);

/* --- alloc.c --- */

/* The class of a new object, which a small pool takes a little larger
 * (cache_sizes.h). */
unsigned class_for_new(const struct zs_pool *pool, size_t size);
/* The slot size of that class; above what caches hold, the size itself. */
size_t usual_size(const struct zs_pool *pool, size_t size);

/* With the lock held on success: a zspage with room, made if there is none. At
 * the limit any that has some will do. */
int class_lock_with_room(struct zs_pool *pool, struct zs_class *cl,
                         struct zspage **zp);
/* A new object, not by way of the thread's cache: it is in the class that holds
 * `size`. */
int create_uncached(struct zs_pool *pool, const void *data, size_t len,
                    size_t size, zs_handle_t *out);

/* --- aligned.c --- */

/* May all objects of a class be moved into slots of the other one? Objects have
 * been taken off the first one's lists under its lock. */
bool class_keeps_alignment(const struct zs_class *from,
                           const struct zs_class *to);
/* Before they are. */
void class_hand_alignment_on(const struct zs_class *from, struct zs_class *to);
/* What to ask for instead of `size` so that the object of handle `h` stays
 * aligned in its new slot; of a handle without an object: `size`. In a read
 * section, or `h` is the caller's own. */
size_t size_keeping_alignment(struct zs_pool *pool, uint32_t h, size_t size);

/* Free a handle in range at once, under the class lock; no cache of the calling
 * thread has a part in it. */
void free_without_cache(struct zs_pool *pool, uint32_t h);

/* --- access.c --- */

/* Stop the process: `h` is not a live handle. */
_Noreturn void bad_handle(const struct zs_pool *pool, uint32_t h,
                          const char *func);
/* The slot word of a handle that must be live; inside a read section. */
uint32_t live_word(const struct zs_pool *pool, uint32_t h, const char *func);
/* The same for a reader, who may have found it before it was freed. */
uint32_t readable_word(const struct zs_pool *pool, uint32_t h,
                       const char *func);
/*
 * Lock the class of the zspage that handle `h` lives in, and return its word,
 * which cannot change but by replace while the lock is held. Inside a read
 * section.
 */
uint32_t lock_class_of_handle(struct zs_pool *pool, uint32_t h,
                              struct zs_class **cl, const char *func);
/* Pin the zspage that the object is in, and return its word; inside a read
 * section. Waits for the mover's step when it is being moved. */
uint32_t pin_object(struct zs_pool *pool, uint32_t h, const char *func);
/* Take a slot of `size` bytes for handle `h`, store `len` bytes in it, and
 * leave its zspage pinned: nothing finds it until the caller publishes the
 * word. */
int place_object(struct zs_pool *pool, uint32_t *h, const void *data,
                 size_t len, size_t size, uint32_t *word);

/* The object of a live handle is at `word` from now on, where place_object()
 * has pinned it; its old slot waits for readers. In a read section. */
void object_switch_to(struct zs_pool *pool, uint32_t h, uint32_t word,
                      const char *func);
/* The same for a word that leads to no object. */
void object_leave(struct zs_pool *pool, uint32_t h, uint32_t word,
                  const char *func);

/* --- page_ops.c, compact.c --- */

/* The zspage that `page` belongs to, with its class locked; NULL: it is not
 * the pool's any more (or, if `try`, the lock is taken). */
struct zspage *lock_zspage_of_page(struct zs_pool *pool, zs_pfn_t page,
                                   bool try_only, bool *busy);

extern const struct zs_movable_ops zspage_movable_ops;
extern const struct zs_evacuation_ops zspage_evacuation_ops;
extern const struct zs_shrink_ops zspage_shrink_ops;
extern const struct zs_figures_ops zspage_figures_ops;

/* --- view.c --- */

#define ZS_HOT_BYTES ((size_t)1 << 20) /* of an arena: fits the second cache */

/* So many objects' bytes, or fewer, are in the cache anyhow when the pool is
 * small: then no step waits for anything, and fetching would only cost. */
static inline bool pool_is_worth_fetching(const struct zs_pool *pool)
{
    return atomic_load_explicit(&pool->arena->budget.used,
                                memory_order_relaxed) > ZS_HOT_BYTES;
}

/* Where the bytes of a live slot word are. In a read section, or pinned. */
void view_of_word(const struct zs_pool *pool, uint32_t word,
                  struct zs_view *out);

/* --- pools.c --- */

/* From here to there all of the pool's locks exist. 0 or -ENOMEM. */
int pools_add(struct zs_pool *pool);
void pools_remove(struct zs_pool *pool);
/* Call fn for each pool, which cannot end meanwhile. */
void pools_each(void (*fn)(struct zs_pool *pool));

/* --- pin.c --- */

/* Who pins the zspage and since when; leaves `text` as it is when nobody. */
void pin_describe(struct zs_pool *pool, uint32_t zspage, char *text,
                  size_t len);
/* In the child of a fork, under pins_lock: pins are listed no more, but for
 * those of the thread that was `thread`, which is the calling one now. */
void pins_disown(struct zs_pool *pool, long thread);
/* A line for each pin; none in builds without checks. */
void pin_dump(struct zs_pool *pool, int fd);

#endif /* ZS_LIB_POOL_IMPL_H */
