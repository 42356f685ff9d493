/* SPDX-License-Identifier: MIT */
/*
 * object_move.pml - readers, mutators and movers of objects, on slot words.
 *
 * The protocol of lib/zspage (move.c, access.c, alloc.c, page_ops.c, cache.h).
 * A handle's slot word names the object's place (zspage and index) and is
 * changed by compare-and-swap alone, except by the maker of a new object and in
 * cache sections. A zspage's word has a MOVING bit, a STOP bit and a pin count;
 * its slots, back references and lists are guarded by the class lock.
 * object_scenarios.pml says who runs beside whom; README.md how to run the
 * scenarios and how to break each rule on purpose.
 *
 * Words
 *   closed      MOVING is set: nobody writes bytes in the zspage
 *   in transit  a slot that is reserved or left: its side entry refers to a
 *               handle whose slot word does not, or no longer, name it
 *   limbo       a left slot, or page, that readers may still look at
 *   cache       handles that a thread has freed and keeps for its next malloc,
 *               with their slots; a slot word says so (CACHED)
 *   fast        caches may change the zspage's slot words, and write its bytes
 *               without a pin, in a cache section (object_caches.pml)
 *   hushed      of a zspage that is not fast: who saw it fast is out of his
 *               cache section
 *   dying       freed, and still to be found by who is in a read section
 *
 * Invariants
 *   M1  A reader finds an old or a new value of its handle, whole.
 *   M2  No store is lost: once a change has returned, its value is what the
 *       handle names, until the next change.
 *   M3  MOVING and pins exclude each other, and STOP is with MOVING only.
 *   M4  When a slot word is switched to a copy, the copy equals the original.
 *   M5  A mover switches the object it copied: a dead handle stays dead, and
 *       a handle that lives again keeps its new place.
 *   M6  A slot has one user at a time: it is given back by the one who has it,
 *       once.
 *   M7  A slot, page or zspage is not put to another use while a reader or a
 *       mutator in its read section may look at it.
 *   M8  A zspage is released when no slot of it is in use or in limbo, nobody
 *       has detached it and nobody pins it; and one that a mover has emptied
 *       is.
 *   M9  Nobody waits for a grace period with a lock held or a zspage closed.
 *   M10 When all is quiet, every live or cached handle has one slot, and no
 *       other slot is in use.
 *   M11 The word of a handle in a cache is CACHED, of one in use LIVE, whatever
 *       movers do meanwhile.
 *   M12 Who is in a read section may read the object of a handle that was there
 *       when the section began, though it be freed meanwhile (deferred).
 *   M13 When all is quiet, caches may have each zspage that is on the list.
 *
 * Simplified: one size class, so one class lock; an empty zspage is never kept
 * in reserve. A compare-and-swap loop is one step, since a failed turn of it
 * changes nothing; so is a stretch under the lock that touches only what the
 * lock guards. Sequentially consistent. What is freed is overwritten with
 * POISON at once, earlier than anything real would be, so that a late look is
 * found without a second user. Rounds of grace periods: rounds.pml.
 */

/* ---- state -------------------------------------------------------------- */

#define NZ 3        /* zspage numbers */
#define NS 2        /* slots of each */
#define NH 3        /* handles; the last one only lies there */
#define NP (NZ + 1) /* pages: one for each zspage, one to migrate to */

/*
 * A slot word: 0 is a FREE handle, else the place, 1 + zspage * NS + index, of
 * a LIVE one; with the bit CACHED added the handle is in a thread's cache.
 */
#define FREE 0
#define WORD(z, i) (1 + (z) * NS + (i))
#if defined(CACHE) || defined(CACHE_BESIDE_FREE) || defined(CACHE_READ)        \
    || defined(CACHE_PAGES) || defined(SECTION_WRITE)                          \
    || defined(SECTION_TWO_MOVERS) || defined(SECTION_CREATE)                  \
    || defined(SECTION_PAGES) || defined(SECTION_PAGES_CREATE)                 \
    || defined(SECTION_PAGES_REPLACE) || defined(SECTION_PAGES_MOVE)           \
    || defined(SECTION_PAGES_MOVE_CREATE) || defined(SECTION_TRIM)             \
    || defined(SECTION_TRIM_PAGES)
#define CACHED 8
#define PLACE(w) ((w) & 7)
#else
#define CACHED 0 /* the scenario has no caches */
#ifdef DYING_READ
#define PLACE(w) ((w) & 7)
#else
#define PLACE(w) (w)
#endif
#endif
#define ZSPAGE(w) ((PLACE(w) - 1) / NS)
#define INDEX(w) ((PLACE(w) - 1) % NS)
byte slot_word[NH];

/* Caches: zspages that they may touch, the sections open now, and those that a
 * wait is still for (a bit per _pid each). */
#if CACHED
bool fast[NZ];
byte in_fast, awaited_fast;
bool is_hushing;   /* a wait is under way; caches_lock */
bool suspended;    /* sections find nothing fast; is_hushing guards it */
byte unhushed[NZ]; /* of a zspage that is not fast any more */
#define U_NEEDS 1  /*   waits for a wait to begin */
#define U_WAITS 2  /*   for the present one to end; 0: hushed */
#endif

/* Deferred frees: the handle that dies with the slot + 1. */
#ifdef DYING_READ
#define DYING 16
byte dying[NZ * NS + 1];
bool published[NH]; /* the embedder's own table */
#endif

/* The zspage's word: changed by compare-and-swap, by anybody. */
bool moving[NZ];
bool stop[NZ]; /* a writer waits for the mover */
byte pins[NZ];

/* Guarded by the class lock. state[] and side[] are indexed as WORD() is. */
byte class_lock;   /* 0, or the holder's _pid */
byte list[NZ];     /* where the zspage is */
#define UNUSED 0   /*   number not in use */
#define ATTACHED 1 /*   on the class's list: may be allocated from */
#define DETACHED 2 /*   taken off it by a mover */
#define DRAINING 3 /*   emptied by a mover; limbo slots may remain */
byte state[NZ * NS + 1];
#define S_FREE 0
#define S_USED 1   /*   live or in transit */
#define S_LIMBO 2  /*   waits for a grace period to begin */
#define S_WAITS 3  /*   waits for the present one to end */
byte side[NZ * NS + 1]; /* back reference: handle + 1, or 0 */

/* An object's bytes are two tokens, so that one can be torn. */
#define POISON 15
byte low[NP * NS], high[NP * NS];
#if defined(PAGE_WRITE) || defined(PAGE_REPLACE)                               \
    || defined(PAGE_MOVE_WRITE) || defined(PAGE_MOVE_READ)                     \
    || defined(PAGE_MOVE_FREE) || defined(PAGE_MOVE_REPLACE)                   \
    || defined(CACHE_PAGES) || defined(SECTION_PAGES)                          \
    || defined(SECTION_PAGES_CREATE) || defined(SECTION_PAGES_REPLACE)         \
    || defined(SECTION_PAGES_MOVE) || defined(SECTION_PAGES_MOVE_CREATE)       \
    || defined(SECTION_TRIM_PAGES)
#define PAGES /* the scenario has page migration */
byte base[NZ];     /* the zspage's page, published as one word */
byte page_use[NP]; /* S_FREE, S_USED...; guarded by the class lock */
#define BASE(z) base[z]
#else
#define BASE(z) (z)
#endif
#define AT(page, w) ((page) * NS + INDEX(w))

/* Grace periods: the read sections open now, and those still waited for. */
byte in_section, awaited;
#define ME (1 << _pid)

/* Ghosts: known to the invariants, not to the code. */
byte value[NH]; /* what the handle's bytes are; they only grow; 0: dead */
bit life[NH];   /* changes with each new object of the handle */
byte n_quiet;   /* processes that have ended */

/* ---- pieces ------------------------------------------------------------- */

inline lock()
{
    atomic { class_lock == 0 -> class_lock = _pid }
}

inline unlock()
{
    class_lock = 0
}

inline section_begin()
{
    in_section = in_section | ME
}

inline section_end()
{
    d_step {
        in_section = in_section & ~ME;
        awaited = awaited & ~ME
    }
}

inline unpin(zs)
{
    atomic {
        assert(pins[zs]); /* M3 */
        pins[zs]--
    }
}

/* The mover's freeze: no pins now, and none from here on. */
inline try_start_moving(zs, ok)
{
    atomic {
#ifdef BREAK_PINS /* the mover does not look at pins */
        ok = !moving[zs];
#else
        ok = !moving[zs] && !pins[zs];
#endif
        if
        :: ok -> moving[zs] = true
        :: else
        fi
    }
}

#define IS_EMPTY(z) (state[WORD(z, 0)] == S_FREE && state[WORD(z, 1)] == S_FREE)
#define HAS_LIVE(z) (state[WORD(z, 0)] == S_USED || state[WORD(z, 1)] == S_USED)
#ifdef BREAK_RELEASE /* does not look whether a mover has it */
#define CAN_GO(z) (list[z] != UNUSED && IS_EMPTY(z))
#else
#define CAN_GO(z) (list[z] != UNUSED && list[z] != DETACHED && IS_EMPTY(z))
#endif

/* Lock held: the last one out switches off the light. */
inline settle(zs)
{
    if
    :: CAN_GO(zs) ->
        assert(!pins[zs] && !moving[zs]); /* M8 */
#if CACHED
        fast[zs] = false;
        unhushed[zs] = 0;
#endif
        list[zs] = UNUSED
    :: else
    fi
}

/* Lock held: a slot that nobody looks at goes back on the free list. */
inline free_slot(wd)
{
    assert(state[wd] == S_USED); /* M6 */
    state[wd] = S_FREE;
    side[wd] = 0;
    low[AT(BASE(ZSPAGE(wd)), wd)] = POISON;
    high[AT(BASE(ZSPAGE(wd)), wd)] = POISON
}

/* Lock held: a slot that readers may look at waits for a grace period. */
inline leave_slot(wd)
{
#ifdef BREAK_LIMBO /* no grace period */
    free_slot(wd);
    settle(ZSPAGE(wd))
#else
    assert(state[wd] == S_USED); /* M6 */
    state[wd] = S_LIMBO;
    side[wd] = 0
#endif
}

/*
 * Lock held: any free slot of the list, or the first one of a new zspage, for
 * which the lowest unused number is taken.
 */
#define IS_NEW_1 (list[0] == UNUSED)
#define IS_NEW_3 (!IS_NEW_1 && list[1] == UNUSED)
#define IS_NEW_5 (!IS_NEW_1 && !IS_NEW_3 && list[2] == UNUSED)
#ifdef BREAK_DETACHED /* allocates from a zspage that a mover has */
#define ALLOWS(z, new) (list[z] == ATTACHED || new && list[z] == DETACHED)
#else
#define ALLOWS(z, new) (list[z] == ATTACHED)
#endif
#define HAS(w, new) (ALLOWS(ZSPAGE(w), new) && state[w] == S_FREE)
#define HAS_ANY                                                                \
    (HAS(1, true) || HAS(2, true) || HAS(3, true) || HAS(4, true)              \
     || HAS(5, true) || HAS(6, true) || IS_NEW_1 || IS_NEW_3 || IS_NEW_5)
inline pick_slot(new, wd)
{
    if
    :: HAS(1, new) || new && IS_NEW_1 -> wd = 1
    :: HAS(2, new) -> wd = 2
    :: HAS(3, new) || new && IS_NEW_3 -> wd = 3
    :: HAS(4, new) -> wd = 4
    :: HAS(5, new) || new && IS_NEW_5 -> wd = 5
    :: HAS(6, new) -> wd = 6
    :: else -> wd = 0
    fi
}

inline take_slot(wd, hd)
{
    state[wd] = S_USED;
    side[wd] = (hd) + 1;
    if
    :: list[ZSPAGE(wd)] == UNUSED ->
#if CACHED
        set_fast(ZSPAGE(wd));
#endif
        list[ZSPAGE(wd)] = ATTACHED
    :: else
    fi
}

/* ---- readers ------------------------------------------------------------ */

proctype reader(byte h)
{
    byte w, page, a, least;

    section_begin();
    atomic { /* the bound is a ghost's: nothing older may be found */
        least = value[h];
        w = slot_word[h]
    };
    page = BASE(ZSPAGE(w));
    a = low[AT(page, w)];
    d_step {
        assert(a == high[AT(page, w)]);     /* M1: whole */
        assert(least <= a && a <= value[h]) /* M1: old or new */
    };
    section_end();
    n_quiet++
}

/* What a caller finds who has made the last change himself. */
inline check(h)
{
    section_begin();
    w = slot_word[h];
    z = BASE(ZSPAGE(w));
    assert(low[AT(z, w)] == value[h]);  /* M2 */
    assert(high[AT(z, w)] == value[h]); /* M2 */
    section_end();
    w = 0;
    z = 0
}

/* ---- mutators ----------------------------------------------------------- */

/* The zspage is closed: have the mover stop, and wait for that. With the lock
 * no page migration is under way and no slot word is being switched. */
inline pin_slowly(h)
{
    do
    :: true ->
        atomic {
            class_lock == 0 ->
            w = slot_word[h];
            z = ZSPAGE(w);
            ok = !moving[z];
            if
            :: ok -> pins[z]++
#ifdef BREAK_STOP /* asks when it has the lock no more */
            :: else
#else
            :: else -> stop[z] = true
#endif
            fi
        };
        if
        :: ok -> break
        :: else ->
#ifdef BREAK_STOP
            stop[z] = true;
#endif
            !moving[z] || slot_word[h] != w /* yields, looks again */
        fi
    od
}

/* Pin, look again, write in place. */
inline write_pinned(h, v)
{
#ifndef BREAK_SECTION
    section_begin();
#endif
    do
    :: true ->
        w = slot_word[h];
        z = ZSPAGE(w);
#ifdef BREAK_BASE /* where the bytes are is looked up before the pin */
        page = BASE(z);
#endif
        atomic {
            ok = !moving[z];
#ifdef BREAK_MOVING /* does not look whether the zspage is closed */
            ok = true;
#endif
            if
            :: ok -> pins[z]++
            :: else
            fi
        };
        if
        :: ok ->
            d_step {
                assert(list[z] != UNUSED); /* M7 */
                ok = slot_word[h] == w;
#ifdef BREAK_RECHECK /* does not look again */
                ok = true;
#endif
            };
            if
            :: ok -> break
            :: else -> unpin(z) /* it moved between the two looks */
            fi
        :: else ->
            pin_slowly(h);
            break
        fi
    od;
#ifndef BREAK_BASE
    page = BASE(z);
#endif
    low[AT(page, w)] = v;
    atomic {
        high[AT(page, w)] = v;
        value[h] = v
    };
    unpin(z);
#ifndef BREAK_SECTION
    section_end();
#endif
    d_step { w = 0; z = 0; page = 0; ok = false }
}

/* zs_obj_write() */
inline obj_write(h, v)
{
#if CACHED
    write_in_section(h, v);
    if
    :: ok -> ok = false
    :: else -> write_pinned(h, v)
    fi;
#else
    write_pinned(h, v);
#endif
    check(h)
}

/* Reserve a slot, pinned so that nobody moves it before it has its bytes. */
inline reserve(h)
{
    atomic {
        class_lock == 0 && HAS_ANY -> /* else -ENOMEM, and tried again */
        pick_slot(true, w);
        take_slot(w, h);
        assert(!moving[ZSPAGE(w)]); /* M3 */
#ifndef BREAK_RESERVE /* the reserved slot is not pinned */
        pins[ZSPAGE(w)]++
#endif
    }
}

inline fill(w, v)
{
    page = BASE(ZSPAGE(w));
    low[AT(page, w)] = v;
    high[AT(page, w)] = v;
    page = 0
}

/* zs_obj_replace(): a new slot, its bytes, then one switch. */
inline obj_replace(h, v)
{
    reserve(h);
#ifndef BREAK_PUBLISH
    fill(w, v);
#endif
    do
    :: true ->
        z = slot_word[h];
        atomic {
            ok = slot_word[h] == z;
#ifdef BREAK_REPLACE /* a plain store */
            ok = true;
#endif
            if
            :: ok -> slot_word[h] = w; value[h] = v
            :: else
            fi
        };
        if
        :: ok -> break
        :: else
        fi
    od;
#ifdef BREAK_PUBLISH /* the bytes come after the switch */
    fill(w, v);
#endif
#ifndef BREAK_RESERVE
    unpin(ZSPAGE(w));
#endif
    atomic {
        class_lock == 0 ->
        assert(list[ZSPAGE(z)] != UNUSED); /* M7 */
        leave_slot(z)
    };
    d_step { w = 0; z = 0; ok = false };
    check(h)
}

/* zs_obj_create(): the handle is FREE, so a plain store will do. */
inline obj_create(h, v)
{
    reserve(h);
    life[h] = 1 - life[h];
    fill(w, v);
    atomic {
        slot_word[h] = w;
        value[h] = v
    };
#ifndef BREAK_RESERVE
    unpin(ZSPAGE(w));
#endif
    w = 0;
    check(h)
}

/* zs_malloc(): the same, with contents undefined. */
inline obj_malloc(h)
{
    reserve(h);
    life[h] = 1 - life[h];
    slot_word[h] = w;
#ifndef BREAK_RESERVE
    unpin(ZSPAGE(w));
#endif
    w = 0
}

/* zs_free(): nobody else uses the handle, but a mover may. */
inline obj_free(h)
{
#ifndef BREAK_SECTION
    section_begin();
#endif
    w = slot_word[h];
    assert(list[ZSPAGE(w)] != UNUSED); /* M7: its class is looked up */
    atomic {
        class_lock == 0 ->
#ifndef BREAK_REREAD
        w = slot_word[h]; /* it moved: unlock, and lock that one's class */
#endif
        slot_word[h] = FREE;
        value[h] = 0;
        free_slot(PLACE(w));
        settle(ZSPAGE(w));
        w = 0
    };
#ifndef BREAK_SECTION
    section_end()
#endif
}

#if CACHED
#include "object_caches.pml"
#endif

#ifdef DYING_READ
/* zs_free_deferred(): the word goes on leading to the object. */
inline obj_free_deferred(h)
{
    section_begin();
    atomic {
        class_lock == 0 ->
        w = slot_word[h];
#ifdef BREAK_DYING /* as if nobody could be reading */
        slot_word[h] = FREE;
        free_slot(PLACE(w));
        settle(ZSPAGE(w));
#else
        slot_word[h] = w | DYING;
        leave_slot(PLACE(w));
        dying[PLACE(w)] = h + 1;
#endif
        value[h] = 0;
        w = 0
    };
    section_end()
}
#endif

#include "object_movers.pml"

/* ---- grace periods ------------------------------------------------------ */

#ifdef PAGES
#define PAGES_IN(s) (page_use[0] == s || page_use[1] == s                      \
                     || page_use[2] == s || page_use[3] == s)
#else
#define PAGES_IN(s) false
#endif
#define ANY_IN(s)                                                              \
    (state[1] == s || state[2] == s || state[3] == s || state[4] == s          \
     || state[5] == s || state[6] == s || PAGES_IN(s))

/* A thread of its own: gathers what is in limbo, waits, gives it back. */
active proctype grace()
{
    byte i;

end:
    do
    :: atomic {
        class_lock == 0 && ANY_IN(S_LIMBO) ->
#ifdef BREAK_BATCH /* the grace period begins before the slots are gathered */
        awaited = in_section
       };
       atomic {
        class_lock == 0 ->
#endif
        for (i : 1 .. NZ * NS) {
            if
            :: state[i] == S_LIMBO -> state[i] = S_WAITS
            :: else
            fi
        };
#ifdef PAGES
        for (i : 0 .. NP - 1) {
            if
            :: page_use[i] == S_LIMBO -> page_use[i] = S_WAITS
            :: else
            fi
        };
#endif
        i = 0
       };
#ifndef BREAK_BATCH
       awaited = in_section;
#endif
       awaited == 0;
       atomic {
        class_lock == 0 ->
        for (i : 1 .. NZ * NS) {
            if
            :: state[i] == S_WAITS ->
                state[i] = S_USED;
#ifdef DYING_READ
                if
                :: dying[i] ->
                    slot_word[dying[i] - 1] = FREE;
                    dying[i] = 0
                :: else
                fi;
#endif
                free_slot(i);
#if CACHED
                if /* it goes off its list for a moment, and back */
                :: list[ZSPAGE(i)] == ATTACHED -> set_fast(ZSPAGE(i))
                :: else
                fi;
#endif
#ifndef BREAK_SETTLE /* does not look whether it was the last */
                settle(ZSPAGE(i))
#endif
            :: else
            fi
        };
#ifdef PAGES
        for (i : 0 .. NP - 1) {
            if
            :: page_use[i] == S_WAITS ->
                page_use[i] = S_FREE;
                low[i * NS] = POISON;
                high[i * NS] = POISON;
                low[i * NS + 1] = POISON;
                high[i * NS + 1] = POISON
            :: else
            fi
        };
#endif
        i = 0
       }
    od
}

#include "object_scenarios.pml"
