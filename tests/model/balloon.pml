/* SPDX-License-Identifier: MIT */
/*
 * balloon.pml - a balloon inflated and deflated while its pages migrate.
 *
 * The protocol of lib/balloon, on the flag words and the core of page_word.pml.
 * The balloon has a list of pages, two counts and a target, under one lock. A
 * page that the core isolates leaves the list, so that deflating cannot find
 * it; what deflating cannot find is given up when the core lets go of it. The
 * balloon frees pages while the core is at them: then the core finishes.
 *
 * Words
 *   listed    on the balloon's list: nobody but the balloon has the page
 *   isolated  handed to the core, which puts it back or moves it
 *   total     listed + isolated: what the balloon withholds
 *
 * Invariants
 *   B1  Whenever the lock is free, the two counts are the numbers of listed
 *       and of isolated pages.
 *   B2  No page is listed and isolated; each is the balloon's own.
 *   B3  When all is quiet the total is the target; less only if an inflate
 *       has met the end of free pages.
 *   B4  What the balloon gives up is neither listed nor isolated, and refuses
 *       isolation: it is unlinked before it is freed.
 *   B5  When all is quiet, each page is either listed and MOVABLE or FREE.
 *   and P1 to P4, P7, P8 of page.pml for each page; above all P3: no page is
 *       freed twice, marked movable when it is gone, or lost to a refused edge.
 *
 * One thread inflates and one deflates, a page at a time and at any moment;
 * compactors migrate and put back. Two scenarios: THREE_PAGES, twice each
 * beside one compactor, and TWO_COMPACTORS beside two of them, two pages. The
 * total is what the code has; a third count beside the two would need a rule
 * of its own. Nobody reads the pages: a grace period may end at any time.
 */

#ifdef TWO_COMPACTORS
#define N_PAGES 2
#define SUM(a) (a[0] + a[1])
#define LOWEST_FREE                                                            \
    (word[0] == FREE -> 0 : (word[1] == FREE -> 1 : NONE))
#define HIGHEST_LISTED (listed[1] -> 1 : (listed[0] -> 0 : NONE))
#else
#define N_PAGES 3
#define SUM(a) (a[0] + a[1] + a[2])
#define LOWEST_FREE                                                            \
    (word[0] == FREE                                                           \
         -> 0                                                                  \
         : (word[1] == FREE -> 1 : (word[2] == FREE -> 2 : NONE)))
#define HIGHEST_LISTED                                                         \
    (listed[2] -> 2 : (listed[1] -> 1 : (listed[0] -> 0 : NONE)))
#endif
#define NONE N_PAGES
#define LAST (N_PAGES - 1)
#define BALLOON 1 /* the page type */

/* Guarded by the balloon's lock. */
bool is_locked;
bool listed[N_PAGES];
byte n_listed, n_isolated;
byte target;

/* Ghosts: known to the invariants, not to the code. */
bool is_away[N_PAGES]; /* isolated, as the balloon knows it */
bool was_short;        /* an inflate found no free page */
byte n_quiet;          /* inflating and deflating that have ended */
#define IS_AWAY(p) is_away[p]

#include "page_word.pml"

#define TOTAL (n_listed + n_isolated)

/* ---- the lock and the list --------------------------------------------- */

inline unlock()
{
    d_step {
        assert(n_listed == SUM(listed));          /* B1 */
        assert(n_isolated == SUM(is_away));       /* B1 */
        assert(!(listed[0] && is_away[0]));       /* B2 */
        assert(!(listed[1] && is_away[1]));       /* B2 */
        assert(!(listed[LAST] && is_away[LAST])); /* B2 */
        is_locked = false
    }
}

inline link(p)
{
    assert(!listed[p]);             /* B2 */
    assert(STATE(word[p]) != FREE); /* B2 */
    listed[p] = true;
    n_listed++
}

inline unlink(p)
{
    listed[p] = false;
    n_listed--
}

inline mark_movable(p)
{
    w = MAKE(OWNED, BALLOON);
    cas(p, w, MAKE(MOVABLE, BALLOON), 0, ok);
    assert(ok); /* P3: nobody else leaves OWNED */
    w = 0
}

/* zs_pages_alloc() of one page; NONE: there is no free one. */
inline take_page(p)
{
    atomic {
        p = LOWEST_FREE;
        if
        :: p < NONE -> word[p] = MAKE(OWNED, BALLOON)
        :: else
        fi
    }
}

/* A page that is on no list goes back to the arena. */
inline finalize(p, is_returned)
{
    assert(!is_away[p] && !listed[p]); /* B4 */
    release(p);
    assert(!is_returned || STATE(w) == ISOLATED); /* B4 */
    reclaim_unless_held(p)
}

/* ---- inflating ----------------------------------------------------------- */

/* List the page if the target still asks for it. It is marked before anybody
 * can find it on the list and free it. */
inline insert(p)
{
    atomic { !is_locked -> is_locked = true };
    if
#ifdef BREAK_INFLATE /* does not look at the target again */
    :: true ->
#else
    :: TOTAL < target ->
#endif
        link(p);
#ifdef BREAK_MARK /* marks it later */
        unlock();
#endif
        mark_movable(p);
#ifndef BREAK_MARK
        unlock()
#endif
    :: else ->
        unlock();
        finalize(p, false)
    fi
}

proctype inflater(byte times)
{
    byte w, p;
    bool ok;

    do
    :: times ->
        times--;
        atomic { !is_locked -> target++ };
        do
        :: atomic { !is_locked && TOTAL < target -> skip };
            take_page(p);
            if
            :: p < NONE -> insert(p)
            :: else -> was_short = true; break
            fi
        :: atomic { !is_locked && TOTAL >= target -> break }
        od;
        atomic {
            w = 0;
            p = 0;
            ok = false
        }
    :: else -> break
    od;
    n_quiet++
}

/* ---- deflating ----------------------------------------------------------- */

inline free_surplus()
{
    do
    :: true ->
        atomic {
            !is_locked ->
            is_locked = true;
            p = (TOTAL > target -> HIGHEST_LISTED : NONE);
#ifndef BREAK_UNLINK_LATE /* frees the page first */
            if
            :: p < NONE -> unlink(p)
            :: else
            fi;
#endif
            assert(p == NONE || !listed[p]); /* B4 */
            unlock()
        };
        if
        :: p < NONE -> finalize(p, false)
        :: else -> break
        fi;
#ifdef BREAK_UNLINK_LATE
        atomic {
            !is_locked ->
            is_locked = true;
            if
            :: listed[p] -> unlink(p)
            :: else
            fi;
            unlock()
        };
#endif
        p = 0
    od;
    p = 0
}

proctype deflater(byte times)
{
    byte w, p;
    bool ok;

    do
    :: times ->
        times--;
        atomic {
            !is_locked ->
            target = (target -> target - 1 : 0)
        };
        free_surplus()
    :: else -> break
    od;
    n_quiet++
}

/* ---- the callbacks ------------------------------------------------------- */

inline isolate_page(p)
{
    atomic {
        !is_locked ->
        is_locked = true;
        if
#ifdef BREAK_LISTED /* any page of its type will do */
        :: true ->
            if
            :: listed[p] -> unlink(p)
            :: else
            fi;
#else
        :: listed[p] ->
#ifndef BREAK_UNLINK /* it stays on the list */
            unlink(p);
#endif
#endif
            assert(STATE(word[p]) == LOCKED); /* B4 */
            n_isolated++;
            is_away[p] = true;
            answer = DONE
        :: else -> answer = GONE /* false: deflating was quicker */
        fi;
        unlock()
    }
}

/*
 * The core lets go of the page `old`: what is at `new` now is listed, unless
 * there is too much; then `answer` is GONE and `old` is to be freed. One look
 * at the target, in the same lock hold as the counting.
 */
#define IS_WANTED (TOTAL <= target)
#ifdef BREAK_PUTBACK_TARGET /* leaves it to whoever deflates next */
#define IS_WANTED_BACK true
#else
#define IS_WANTED_BACK IS_WANTED
#endif
#ifdef BREAK_MIGRATE_TARGET
#define IS_WANTED_THERE true
#else
#define IS_WANTED_THERE IS_WANTED
#endif
inline take_back(old, new, is_wanted)
{
    atomic {
        !is_locked ->
        is_locked = true;
        answer = (is_wanted -> DONE : GONE);
#ifdef BREAK_TWO_HOLDS /* looks, and counts later */
        unlock()
    };
    atomic {
        !is_locked ->
        is_locked = true;
#endif
#ifndef BREAK_COUNT /* counts the page at its new place, too */
        n_isolated--;
#endif
        is_away[old] = false;
        if
        :: answer == DONE -> link(new)
        :: else
        fi;
        unlock()
    }
}

inline putback_page(p)
{
    take_back(p, p, IS_WANTED_BACK);
    if
    :: answer == GONE -> finalize(p, true)
    :: else
    fi;
    answer = 0
}

/* Nothing to copy. */
inline migrate_page(p)
{
    if
#ifndef TWO_COMPACTORS
    :: true -> answer = RETRY /* no memory for the list */
#endif
    :: true ->
#ifndef BREAK_MARK
        mark_movable(dst); /* refuses isolation until it is listed */
#endif
        take_back(p, dst, IS_WANTED_THERE);
        if
        :: answer == GONE ->
            finalize(p, true);
#ifdef BREAK_DST /* the core does that */
            free_at_once(dst);
#endif
#ifdef BREAK_ANSWER /* as if it had moved */
            answer = DONE
#endif
        :: else ->
#ifdef BREAK_MARK
            mark_movable(dst)
#endif
        fi
    fi
}

/* ---- the core ------------------------------------------------------------ */

inline empty_page(p)
{
    take_page(dst);
    if
    :: dst < NONE ->
        migrate(p);
        if
        :: answer != DONE -> free_at_once(dst)
        :: else
        fi;
    :: else
    fi;
    d_step { answer = 0; dst = 0 };
    if
    :: mine -> putback(p)
    :: else
    fi
}

proctype compactor(byte me)
{
    CORE_DATA;
    byte p, dst;

    do
    :: n_quiet < 2 ->
        atomic {
            if
            :: STATE(word[0]) == MOVABLE -> p = 0
            :: STATE(word[1]) == MOVABLE -> p = 1
            :: STATE(word[LAST]) == MOVABLE -> p = LAST
            :: n_quiet == 2 -> p = 0
            fi
        };
        isolate(p);
        if
        :: mine -> empty_page(p)
        :: else
        fi;
        d_step { w = 0; t = 0; p = 0; answer = 0; ok = false }
    :: else -> break
    od
}

/* Gives deferred pages back. */
active proctype allocator()
{
    byte w;
    bool ok;

end:
    do
    :: deferred[0] -> deferred[0] = false; reclaim(0)
    :: deferred[1] -> deferred[1] = false; reclaim(1)
    :: deferred[LAST] -> deferred[LAST] = false; reclaim(LAST)
    od
}

#define IS_SETTLED(p)                                                          \
    (word[p] == (listed[p] -> MAKE(MOVABLE, BALLOON) : FREE) && !holder[p])

init
{
    atomic {
#ifdef TWO_COMPACTORS
        word[0] = MAKE(MOVABLE, BALLOON);
        listed[0] = true;
        n_listed = 1;
        target = 1;
        run inflater(1);
        run deflater(1);
        run compactor(1);
        run compactor(2)
#else
        run inflater(2);
        run deflater(2);
        run compactor(1)
#endif
    };
    timeout;
    d_step {
        assert(n_quiet == 2 && n_isolated == 0);                   /* B3 */
        assert(TOTAL <= target);                                   /* B3 */
        assert(TOTAL == target || was_short);                      /* B3 */
        assert(IS_SETTLED(0) && IS_SETTLED(1) && IS_SETTLED(LAST)) /* B5 */
    }
}
