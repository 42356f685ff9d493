/* SPDX-License-Identifier: MIT */
/*
 * move.c - moving the objects of one zspage to others of its class.
 *
 * Words
 *   source       the zspage to empty; DETACHED by the caller, so nothing is
 *                allocated in it
 *   destination  ATTACHED zspages with room, the fullest first; pinned while
 *                bytes are copied into them
 *   closed       MOVING is set: nobody writes its bytes, readers go on
 *
 * Idea
 *   In batches: (1) with the class lock, close the source and take destination
 *   slots; (2) without any lock, copy; (3) with the lock, switch the slot word
 *   of each object that was copied by compare-and-swap, and open the source.
 *   Only list operations happen under the lock, whatever the objects' size.
 *   What can be done once is done once a batch: pins, limbo, counters.
 *
 *   Caches change slot words by plain stores, but not those of a DETACHED
 *   zspage; the caller has waited for their sections (cache.h).
 *
 * What may happen between (1) and (3), and why it is harmless
 *   free      takes the class lock; the word is FREE then and the swap fails:
 *             the destination slot is given back. No malloc can take the source
 *             slot again (DETACHED), so the word cannot become the same again.
 *   replace   switches the word elsewhere: as free.
 *   write     finds the source closed, asks for a stop and waits: (2) ends at
 *             the next object, (3) switches what was copied and gives the
 *             other destination slots back.
 *   read      sees the old place or the new one; the bytes are the same, and
 *             the old slot waits for readers.
 *   page migration   needs pins == 0 and not MOVING: refused for source and
 *             destinations alike.
 *
 * Cost: copying is most of it. Destinations are written past the cache, with
 * no locked operation in between; what the next copy needs is fetched
 * meanwhile. 2.2 KB objects: 500 ns each in a pass, 280 of them copying; 100
 * bytes: 85 (bench_compact).
 *
 * Invariants
 *   V1  the bytes of a closed zspage do not change
 *   V2  each destination slot ends as the object's place or is given back
 */
#include "pool_impl.h"
#include "probe.h"
#include "rcu.h"
#include "step.h"
#include "stream.h"

#define BATCH_OBJECTS ZS_STEP_OBJECTS /* room for so many; pace.h says when */
#define LOOK_BYTES 4096u /* copied between two looks at the clock */
#define LOOK_OBJECTS 32u
#define SLICE_BYTES (256u * 1024) /* copied between two looks for a writer */
#define AHEAD_BYTES 4096u         /* fetched ahead of the copies, at least */
#define LOOK_AT_ZSPAGES 64u       /* under one hold of the class lock */
#define WORDS_AHEAD 32u /* slot words are fetched so many slots ahead */
#define ROOM_AHEAD 3u   /* the next destination so many slots ahead */

struct move {
    uint32_t handle;
    uint32_t from; /* slot words */
    uint32_t to;
    bool pins; /* the first one into its destination: holds the pin */
};

struct batch {
    struct zs_pool *pool;
    struct zs_class *cl;     /* of the source */
    struct zs_class *dst_cl; /* of the destinations: mostly the same */
    struct zspage *src;
    unsigned n;
    unsigned n_copied;  /* the first ones; fewer than n when asked to stop */
    unsigned scanned;   /* slots of the source looked at so far */
    bool more_room;     /* stopped for want of destinations */
    uint32_t empty;     /* destinations to release, linked by next */
    struct zspage *dst; /* of the last move; NULL: to be picked */
    unsigned room;      /* slots in it */
    uint32_t dst_after; /* the next one, most likely; 0: who knows */
    struct move moves[BATCH_OBJECTS];
};

static struct zspage *zspage_of(const struct batch *b, uint32_t word)
{
    return zspage_at(b->pool, zs_slot_zspage(word));
}

/* Is slot idx of the source a live object, or one of a cache, whose word points
 * here? One that is being replaced or made does not, and is left alone. */
static bool is_movable_locked(const struct batch *b, unsigned idx,
                              struct move *m)
{
    uint32_t entry = side_of(b->pool, b->src)[idx];
    uint32_t live =
        zs_slot_word(zspage_number(b->pool, b->src), idx, ZS_SLOT_LIVE);

    if (!zs_side_is_handle(entry)) {
        return false;
    }
    m->handle = entry;
    m->from = zs_slot_load(&b->pool->handles, entry);
    return m->from == live || m->from == zs_slot_in_state(live, ZS_SLOT_CACHED);
}

/* Another destination, pinned for all the moves into it. False: none has
 * room. Forgotten (dst = NULL) whenever the lock of its class is dropped. */
static bool pick_destination_locked(struct batch *b)
{
    struct zspage *dst = class_pick_locked(b->pool, b->dst_cl);
    bool pinned;

    if (dst && zspage_room(dst) == 0) { /* memory that is there comes first */
        dst = class_pick_resident_locked(b->pool, b->dst_cl);
    }
    b->room = dst ? zspage_room(dst) : 0;
    if (b->room == 0) {
        return false;
    }
    pinned = zspage_try_pin(dst);
    ZS_CHECK(pinned); /* an ATTACHED zspage is closed under its lock only */
    b->dst = dst;
    b->dst_after = dst->next;
    __builtin_prefetch(zspage_at(b->pool, b->dst_after), 1);
    return true;
}

/* Its links lie where nobody has been for long. */
static void prefetch_side(const struct batch *b, const struct zspage *zp)
{
    __builtin_prefetch(&side_of(b->pool, zp)[zp->fresh / 2], 1);
}

static bool take_destination_locked(struct batch *b, struct move *m)
{
    unsigned idx;

    m->pins = !b->dst || b->room == 0;
    if (m->pins && !pick_destination_locked(b)) {
        return false;
    }
    idx = class_take_slot_locked(b->pool, b->dst_cl, b->dst, m->handle);
    b->room--;
    if (b->room == ROOM_AHEAD && b->dst_after != 0) {
        prefetch_side(b, zspage_at(b->pool, b->dst_after));
    }
    m->to = zs_slot_word(zspage_number(b->pool, b->dst), idx,
                         zs_slot_state(m->from));
    return true;
}

static void unpin_destination(const struct batch *b, const struct move *m)
{
    if (m->pins) {
        zspage_unpin(zspage_of(b, m->to));
    }
}

/* Slot words lie anywhere in the handle table. */
static void prefetch_word(const struct batch *b, unsigned idx)
{
    const uint32_t *side = side_of(b->pool, b->src);

    if (idx < b->src->fresh && zs_side_is_handle(side[idx])) {
        __builtin_prefetch(&b->pool->handles.slots[side[idx]], 1);
    }
}

/* How many objects of the source one step moves: one at least. */
static unsigned step_objects(const struct batch *b)
{
    const struct zs_pace *p = &b->pool->arena->pace;
    size_t fit = zs_pace_step_bytes(p) / zspage_slot_bytes(b->src);
    unsigned n = zs_pace_step_objects(p);

    n = fit < n ? (unsigned)fit : n;
    n = n < BATCH_OBJECTS ? n : BATCH_OBJECTS;
    return n > 0 ? n : 1;
}

static void gather_locked(struct batch *b)
{
    unsigned max = step_objects(b);

    b->n = 0;
    b->dst = NULL;
    b->more_room = false;
    for (unsigned i = 0; i < WORDS_AHEAD; i++) {
        prefetch_word(b, b->scanned + i);
    }
    while (b->scanned < b->src->fresh && b->n < max) {
        struct move *m = &b->moves[b->n];

        prefetch_word(b, b->scanned + WORDS_AHEAD);
        if (is_movable_locked(b, b->scanned, m)) {
            if (!take_destination_locked(b, m)) {
                b->more_room = true;
                return;
            }
            b->n++;
        }
        b->scanned++;
    }
}

/* A step (pace.h) lasts until it is open again. */
static bool try_close_source(const struct batch *b)
{
    bool closed = zspage_try_close(b->src);

    if (closed) {
        zs_step_enter();
    } else {
        b->cl->moves_busy++;
    }
    return closed;
}

static void open_source(const struct batch *b)
{
    zspage_open(b->src);
    zs_step_leave();
}

/* Close the source and reserve. False: a writer holds it. */
static bool begin_batch(struct batch *b)
{
    bool closed;

    zs_lock_acquire(&b->cl->lock);
    closed = try_close_source(b);
    if (closed) {
        ZS_STEP(ZS_STEP_OBJ_CLOSED);
        gather_locked(b);
        if (b->n == 0) {
            open_source(b);
        }
    }
    zs_lock_release(&b->cl->lock);
    return closed;
}

static const char *bytes_of(const struct batch *b, uint32_t word)
{
    const struct zspage *zp = zspage_of(b, word);
    size_t size = zspage_slot_bytes(zp);
    size_t room;

    return zspage_bytes(b->pool->arena, zp, zs_slot_index(word) * size, size,
                        &room);
}

/* False: asked to stop on the way. `ahead`: where the bytes of a later move
 * are. */
static bool copy_one(const struct batch *b, const struct move *m,
                     const char *ahead)
{
    size_t size = zspage_slot_bytes(b->src);
    size_t from = zs_slot_index(m->from) * size;
    size_t to = zs_slot_index(m->to) * zspage_slot_bytes(zspage_of(b, m->to));

    if (!zs_slot_is_live(m->from)) {
        return true; /* in a cache: it has no bytes */
    }
    for (size_t at = 0; at < size; at += SLICE_BYTES) {
        size_t left = size - at;

        if (zspage_is_asked_to_stop(b->src)) {
            return false;
        }
        zspage_stream(b->pool->arena, zspage_of(b, m->to), to + at, b->src,
                      from + at, left < SLICE_BYTES ? left : SLICE_BYTES,
                      ahead + at);
    }
    return true;
}

/* The first and the last line of the destination are written in part, and a
 * store that waits for its line holds up all that follow. */
static const char *prefetch_ends(const struct batch *b, const struct move *m)
{
    const char *to = bytes_of(b, m->to);

    __builtin_prefetch(to, 1);
    __builtin_prefetch(to + zspage_slot_bytes(b->src) - 1, 1);
    return bytes_of(b, m->from);
}

/* How many moves ahead bytes are fetched. */
static unsigned moves_ahead(const struct batch *b)
{
    return 1 + AHEAD_BYTES / (unsigned)zspage_slot_bytes(b->src);
}

/* The first moves have none before them to fetch their bytes meanwhile. */
static void fetch_first(const struct batch *b, unsigned n)
{
    for (unsigned i = 0; i < n && i < b->n && b->n > 1; i++) {
        zs_fetch(prefetch_ends(b, &b->moves[i]), zspage_slot_bytes(b->src));
    }
}

/* How many copies until the clock is looked at. */
static unsigned copies_to_look(const struct batch *b)
{
    unsigned n = LOOK_BYTES / (unsigned)zspage_slot_bytes(b->src);

    n = n < LOOK_OBJECTS ? n : LOOK_OBJECTS;
    return n > 0 ? n : 1;
}

/* Has the step taken its time? What is not copied by then is for the next. */
static bool is_over(const struct batch *b, unsigned look_each)
{
    return b->n_copied > 0 && b->n_copied % look_each == 0 && zs_step_is_over();
}

static void copy_batch(struct batch *b)
{
    unsigned ahead = moves_ahead(b);
    unsigned look_each = copies_to_look(b);

    ZS_STEP(ZS_STEP_OBJ_RESERVED);
    fetch_first(b, ahead);
    for (b->n_copied = 0; b->n_copied < b->n && !is_over(b, look_each);
         b->n_copied++) {
        const struct move *m = &b->moves[b->n_copied];
        unsigned next = b->n_copied + ahead;
        const char *at = next < b->n ? prefetch_ends(b, &b->moves[next])
                                     : bytes_of(b, m->from); /* no harm */

        if (!copy_one(b, m, at)) {
            break;
        }
        ZS_STEP(ZS_STEP_OBJ_COPYING);
    }
    zs_stream_end();
    ZS_STEP(ZS_STEP_OBJ_COPIED);
}

/* V2. A destination that holds nothing any more is to be released after the
 * unlock. (This slot was never published, so nobody else can free it; after a
 * switch its zspage is not to be looked at again.) */
static void give_back_locked(struct batch *b, const struct move *m)
{
    struct zspage *dst = zspage_of(b, m->to);

    class_give_slot_locked(b->pool, b->dst_cl, dst, zs_slot_index(m->to));
    if (class_settle_locked(b->pool, b->dst_cl, dst)) {
        dst->next = b->empty; /* it is on no list, so the link is free */
        b->empty = zspage_number(b->pool, dst);
    }
}

static void release_empty(struct batch *b)
{
    while (b->empty != 0) {
        struct zspage *zp = zspage_at(b->pool, b->empty);

        b->empty = zp->next;
        zspage_release(b->pool, zp);
    }
}

/* True: the object is at its new place. Source class locked. */
static bool switch_locked(const struct batch *b, const struct move *m)
{
    uint32_t expected = m->from;
    bool switched;

    /* release: the copied bytes are there; pairs with zs_slot_load() */
    switched = atomic_compare_exchange_strong_explicit(
        &b->pool->handles.slots[m->handle], &expected, m->to,
        memory_order_release, memory_order_relaxed);
    ZS_STEP(ZS_STEP_OBJ_SWITCHING);
    return switched; /* else freed or replaced meanwhile */
}

/* The old slots wait for readers, together: only now, for the round that they
 * wait for must begin after their words were switched. */
static void leave_behind_locked(struct batch *b, const bool *failed)
{
    uint16_t slots[BATCH_OBJECTS];
    unsigned n = 0;

    for (unsigned i = 0; i < b->n; i++) {
        if (!failed[i]) {
            slots[n++] = (uint16_t)zs_slot_index(b->moves[i].from);
        }
    }
    if (n > 0) {
        class_limbo_slots_locked(b->pool, b->cl, b->src, slots, n);
        b->cl->objects_moved += n;
        b->cl->bytes_moved += n * zspage_slot_bytes(b->src);
        zs_grace_count_moved(&b->pool->arena->grace,
                             n * zspage_slot_bytes(b->src));
    }
}

/* failed[i]: the place of move i is to be given back. */
static void switch_all_locked(struct batch *b, bool *failed)
{
    for (unsigned i = 0; i < b->n; i++) {
        failed[i] = i >= b->n_copied || !switch_locked(b, &b->moves[i]);
    }
    leave_behind_locked(b, failed);
    ZS_STEP(ZS_STEP_OBJ_SWITCHED);
}

/* True: a writer waits for the source. */
static bool open_source_locked(struct batch *b)
{
    bool stop = zspage_is_asked_to_stop(b->src);

    b->cl->moves_stopped += stop;
    open_source(b);
    return stop;
}

/* Slots whose time was over are looked at again. */
static void rescan_rest(struct batch *b)
{
    if (b->n_copied < b->n) {
        b->scanned = zs_slot_index(b->moves[b->n_copied].from);
        b->more_room = false;
    }
}

/* False: a writer waits, so leave the source alone for now. */
static bool end_batch(struct batch *b)
{
    bool failed[BATCH_OBJECTS];
    bool stop;

    zs_lock_acquire(&b->cl->lock);
    switch_all_locked(b, failed);
    for (unsigned i = 0; i < b->n; i++) {
        unpin_destination(b, &b->moves[i]);
    }
    for (unsigned i = 0; i < b->n; i++) {
        if (failed[i]) {
            give_back_locked(b, &b->moves[i]);
        }
    }
    stop = open_source_locked(b);
    zs_lock_release(&b->cl->lock);
    rescan_rest(b);
    release_empty(b);
    ZS_STEP(ZS_STEP_OBJ_OPENED);
    ZS_PROBE2(zspage_moved, b->n_copied,
              b->n_copied * zspage_slot_bytes(b->src));
    return !stop;
}

/* Room for n more objects, where no free slot has memory. */
static bool make_room(struct batch *b, unsigned n)
{
    return n == 0 || class_grow(b->pool, b->dst_cl, n) == 0;
}

/* Full ones leave page by page. */
static bool leaves_by_objects(const struct zspage *zp)
{
    return zp->n_live < zp->n_slots || moves_only_whole(zp);
}

/* Objects that are to leave the zspages of the class now, or soon: with memory
 * for all of them there are fewer calls, and whole zspages are dense. */
static unsigned n_leaving(const struct batch *b)
{
    unsigned n, looked = 0;
    uint32_t number;

    zs_lock_acquire(&b->cl->lock);
    n = b->src->n_live; /* wherever it is in the list: never none */
    number = b->cl->lists[ZS_LIST_DETACHED];
    while (number != 0 && n < b->cl->n_slots && looked++ < LOOK_AT_ZSPAGES) {
        const struct zspage *zp = zspage_at(b->pool, number);

        n += zp != b->src && leaves_by_objects(zp) ? zp->n_live : 0;
        number = zp->next;
    }
    zs_lock_release(&b->cl->lock);
    return n;
}

/* A run is one object: its destination is a new run. */
static bool begin_run(struct batch *b)
{
    struct move *m = &b->moves[0];
    struct zspage *dst;
    bool live;

    zs_lock_acquire(&b->cl->lock);
    live = b->src->fresh > 0 && is_movable_locked(b, 0, m);
    if (live && zspage_n_pins(b->src) > 0) { /* before memory is taken */
        b->cl->moves_busy++;
        live = false;
    }
    zs_lock_release(&b->cl->lock);
    b->n = 0;
    b->scanned = 1;
    if (!live ||
        run_new(b->pool, zspage_slot_bytes(b->src), m->handle, &dst) != 0) {
        return false;
    }
    m->to = zs_slot_word(zspage_number(b->pool, dst), 0, ZS_SLOT_LIVE);
    m->pins = true;
    zs_lock_acquire(&b->cl->lock);
    b->n = 1;
    if (try_close_source(b)) {
        zs_lock_release(&b->cl->lock);
        return true;
    }
    zspage_unpin(dst);
    give_back_locked(b, m);
    zs_lock_release(&b->cl->lock);
    return false;
}

static void move_run(struct batch *b)
{
    if (begin_run(b)) {
        copy_batch(b);
        (void)end_batch(b);
    }
    release_empty(b);
}

static void move_slots(struct batch *b)
{
    do {
        if (!begin_batch(b)) {
            return;
        }
        if (b->n > 0) {
            copy_batch(b);
            if (!end_batch(b)) {
                return;
            }
        }
        if (b->more_room && !make_room(b, n_leaving(b))) {
            return;
        }
        zs_pace_point(&b->pool->arena->pace);
    } while (b->more_room || b->scanned < b->src->fresh); /* DETACHED */
}

/* --- up, into another class --- */

/*
 * The same three steps with two class locks that are never held together: the
 * source is closed and its objects listed under its own lock, places are taken
 * under the other; words are switched under the first, what failed is given
 * back under the second. At most BATCH_OBJECTS.
 */
static bool begin_up(struct batch *b)
{
    bool closed;

    zs_lock_acquire(&b->cl->lock);
    closed = try_close_source(b);
    while (closed && b->scanned < b->src->fresh && b->n < step_objects(b)) {
        struct move *m = &b->moves[b->n];

        /* One of a cache stays in the class of its bin. */
        b->n +=
            is_movable_locked(b, b->scanned++, m) && zs_slot_is_live(m->from);
    }
    zs_lock_release(&b->cl->lock);
    return closed;
}

/* As many as have room now: the source is closed, so no memory is asked for. */
static void reserve_up(struct batch *b)
{
    unsigned n = 0;

    zs_lock_acquire(&b->dst_cl->lock);
    b->dst = NULL;
    while (n < b->n && take_destination_locked(b, &b->moves[n])) {
        n++;
    }
    zs_lock_release(&b->dst_cl->lock);
    b->more_room = n < b->n;
    if (b->more_room) {
        b->scanned = zs_slot_index(b->moves[n].from);
    }
    b->n = n;
}

/* Unpinned first: once a word is switched, its object may be freed under the
 * other lock, and the destination be gone. The bytes are complete by then. */
static bool end_up(struct batch *b)
{
    bool failed[BATCH_OBJECTS];
    bool stop;

    for (unsigned i = 0; i < b->n; i++) {
        unpin_destination(b, &b->moves[i]);
    }
    zs_lock_acquire(&b->cl->lock);
    switch_all_locked(b, failed);
    stop = open_source_locked(b);
    zs_lock_release(&b->cl->lock);
    zs_lock_acquire(&b->dst_cl->lock);
    for (unsigned i = 0; i < b->n; i++) {
        if (failed[i]) {
            give_back_locked(b, &b->moves[i]);
        }
    }
    zs_lock_release(&b->dst_cl->lock);
    rescan_rest(b);
    release_empty(b);
    return !stop;
}

/* --- the two entries --- */

static void init_batch(struct batch *b, struct zs_pool *pool,
                       struct zspage *src)
{
    b->pool = pool;
    b->cl = class_of(pool, src);
    b->dst_cl = b->cl;
    b->src = src;
    b->scanned = 0;
    b->n = 0;
    b->empty = 0;
    b->dst = NULL;
}

static unsigned n_left(const struct batch *b)
{
    unsigned n;

    zs_lock_acquire(&b->cl->lock);
    n = b->src->n_live;
    zs_lock_release(&b->cl->lock);
    return n;
}

void zspage_move_objects_up(struct zs_pool *pool, struct zspage *zp,
                            struct zs_class *to)
{
    struct batch b;

    init_batch(&b, pool, zp);
    b.dst_cl = to;
    do {
        b.n = 0;
        if (!begin_up(&b)) {
            return;
        }
        reserve_up(&b);
        copy_batch(&b);
        if (!end_up(&b) || (b.more_room && !make_room(&b, n_left(&b)))) {
            return;
        }
        zs_pace_point(&pool->arena->pace);
    } while (b.scanned < zp->fresh); /* DETACHED */
}

enum zs_migrate_result zspage_move_objects(struct zs_pool *pool,
                                           struct zspage *zp)
{
    struct batch b;
    bool empty;

    init_batch(&b, pool, zp);
    if (b.cl->slot_bytes == 0) {
        move_run(&b);
    } else {
        move_slots(&b);
    }
    zs_lock_acquire(&b.cl->lock);
    empty = zp->n_live == 0;
    b.cl->pages_compacted += empty ? zp->n_resident_pages : 0;
    zs_lock_release(&b.cl->lock);
    return empty ? ZS_MIGRATE_DONE : ZS_MIGRATE_RETRY;
}
