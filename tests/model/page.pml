/* SPDX-License-Identifier: MIT */
/*
 * page.pml - the flag word of one page: every legal edge, and who takes it.
 *
 * The same machine as lib/page/page_flags.h, written down a third time. One
 * page is allocated and freed by two owners in turn; two compactors lock,
 * isolate, migrate and put back; a reader may go on looking at the page until
 * its section ends. README.md says how to run it and how to break it.
 *
 * An owner frees a page when its own readers are gone, so a freed page goes
 * through LIMBO to FREE at once; a page that was migrated was in use until
 * then, and waits in LIMBO for a grace period.
 *
 *     FREE -alloc-> OWNED -set_movable-> MOVABLE <-unlock- LOCKED -isolate-+
 *      ^              |                   |  ^ `---lock-----^  |           |
 *      |              | free              |  |                 | free      |
 *      |              v          free     |  +---putback-------|------+    |
 *      |            LIMBO <---------------+                    v      |    |
 *      +--reclaim---- ^ ^ ^ <---finish---------- LOCKED_RELEASED   ISOLATED
 *                     | +------- migrated -------------------------- | |
 *                     +--finish-- ISOLATED_RELEASED <---- free --------+
 *
 * Invariants
 *   P1  LOCKED and ISOLATED have one holder, a compactor, and no one but the
 *       holder leaves them (an owner only adds RELEASED).
 *   P2  Once the core has seen RELEASED, or was told GONE, it makes no further
 *       callback for that page; a callback is made by the holder only.
 *   P3  A page becomes LIMBO once per allocation, and an edge the code relies
 *       on (migrated, finish, reclaim, free) is never refused.
 *   P4  The type does not change while the page is not FREE, and a callback
 *       goes to the owner whose page it is.
 *   P5  A page that somebody may still look at is not FREE and not handed out
 *       again before the read section ends.
 *   P6  No page is lost: when all is quiet, each allocation that its owner has
 *       given up (by free or by migration) has reached LIMBO, and FREE.
 *   P7  The owner's book agrees with the word: the owner has a page on its
 *       isolated side only while the word says so, and isolate_page never
 *       finds it there already.
 *
 * The model takes every load and every compare-and-swap as one step of its
 * own, in sequentially consistent order; memory orders are for review, TSan.
 */

/* The word: state in the low bits, type above; the all-zero word is FREE. */
#define FREE 0
#define OWNED 1
#define MOVABLE 2
#define LOCKED 3
#define ISOLATED 4
#define LOCKED_RELEASED 5
#define ISOLATED_RELEASED 6
#define LIMBO 7
#define STATE(w) ((w) & 7)
#define TYPE(w) ((w) >> 3)
#define MAKE(state, type) ((type) << 3 | (state))

#define N_OWNERS 2     /* types 1 and 2 */
#define N_COMPACTORS 2

byte word; /* the page's flag word */

/* The owners' own books, each under its owner's lock. */
#define NOT_MINE 0
#define LISTED 1
#define AWAY 2 /* handed to the core by isolate_page */
byte book[N_OWNERS + 1];

/* The reader: in a read section, and waited for by the grace period. */
bool in_section, waited_for;
bool is_deferred; /* the page waits in LIMBO, for the allocator */
#ifdef BREAK_GRACE /* without a grace period */
#define GRACE_IS_OVER true
#else
#define GRACE_IS_OVER (!waited_for)
#endif

/* Ghosts: known to the invariants, not to the code. */
byte allocs;      /* allocations, ever */
byte limbos;      /* arrivals in LIMBO, ever */
byte holder;      /* compactor that holds the page + 1, or 0 */
bit generation;   /* of the allocation, changes at alloc */
bool is_looked_at; /* the reader has the page in hands */
byte n_quiet;     /* processes that have ended */

/*
 * One compare-and-swap of the word `seen` to `want`. `ok` says whether it
 * happened; if not, `seen` is the word as it is. Ghosts are kept here, so that
 * they change in the same step. The holder's edges pass `me`, others 0.
 */
inline cas(seen, want, me, ok)
{
    atomic {
        if
        :: word == seen ->
            if
            :: STATE(want) == LOCKED && me ->
                assert(holder == 0); /* P1: one holder */
                holder = me
            :: else ->
                if
                :: STATE(seen) >= LOCKED && STATE(seen) < LIMBO && me ->
                    assert(holder == me) /* P1: the holder's edge */
                :: STATE(seen) >= LOCKED && STATE(seen) < LIMBO && !me ->
                    assert(want == seen + 2) /* P1: it adds RELEASED */
                :: else
                fi;
                if
                :: me && STATE(want) == MOVABLE ->
                    assert(book[TYPE(seen)] != AWAY); /* P7 */
                    holder = 0
                :: me && STATE(want) == LIMBO -> holder = 0
                :: else
                fi
            fi;
            assert(STATE(seen) == FREE || STATE(want) == FREE
                   || TYPE(want) == TYPE(seen)); /* P4: sticky type */
            if
            :: STATE(want) == LIMBO ->
                assert(STATE(seen) != LIMBO); /* P3: once */
                limbos++
            :: else
            fi;
            word = want;
            ok = true
        :: else ->
            seen = word;
            ok = false
        fi
    }
}

/* Nobody looks at the page any more. */
inline reclaim(t)
{
    atomic {
        w = MAKE(LIMBO, t);
        cas(w, FREE, 0, ok);
        assert(ok); /* P3: nobody else leaves LIMBO */
        w = 0
    }
}

/* ---- the owner ------------------------------------------------------- */

/* zs_pages_free(): one edge, whatever the core is doing; never waits. */
inline page_free(t)
{
    w = word;
    do
    :: true ->
        if
        :: STATE(w) == OWNED || STATE(w) == MOVABLE ->
            cas(w, MAKE(LIMBO, t), 0, ok);
            if
            :: ok -> reclaim(t)
            :: else
            fi
#ifdef BREAK_RELEASED /* frees an isolated page under the core's hands */
        :: STATE(w) == LOCKED || STATE(w) == ISOLATED ->
            cas(w, MAKE(LIMBO, t), 0, ok);
            if
            :: ok -> reclaim(t)
            :: else
            fi
#else
        :: STATE(w) == LOCKED ->
            cas(w, MAKE(LOCKED_RELEASED, t), 0, ok)
        :: STATE(w) == ISOLATED ->
            cas(w, MAKE(ISOLATED_RELEASED, t), 0, ok)
#endif
        :: else ->
            assert(false) /* P3: the owner's free always finds its page */
        fi;
        if
        :: ok -> break
        :: else
        fi
    od
}

/* `allocs_left`: times that it gets the page. */
proctype owner(byte t, allocs_left)
{
    byte w;
    bool ok, mine;

    do
    :: allocs_left ->
        /* alloc: the page allocator, by its own means, one winner. */
        atomic {
            word == FREE ->
            word = MAKE(OWNED, t);
            allocs++;
            generation = 1 - generation;
            allocs_left--
        };
        book[t] = LISTED;
        if
        :: true -> skip /* never made movable */
        :: true ->
            w = MAKE(OWNED, t);
            cas(w, MAKE(MOVABLE, t), 0, ok);
            assert(ok) /* P3: nobody else leaves OWNED */
        fi;
        /* Free, at any moment from here on: first the book, under the owner's
           lock, then the word, when none of its readers is left. There is
           nothing to free when the page was moved. */
        atomic {
            mine = book[t] != NOT_MINE;
            book[t] = NOT_MINE
        };
        !mine || !is_looked_at;
        if
        :: mine -> page_free(t)
        :: else
        fi;
        atomic { w = 0; ok = false; mine = false }
    :: else -> break
    od;
    n_quiet++
}

/* ---- the core -------------------------------------------------------- */

/* A callback begins: the word as the core saw it last must allow it. */
inline callback(seen, t)
{
    d_step {
        assert(STATE(seen) == LOCKED || STATE(seen) == ISOLATED); /* P2 */
        assert(holder == me);                                     /* P2 */
        assert(TYPE(word) == t)                                   /* P4 */
    }
}

/* Take RELEASED to LIMBO. */
inline finish()
{
#ifdef BREAK_FINISH /* the core believes that the owner will finish */
    holder = 0;
#else
    atomic {
        cas(w, MAKE(LIMBO, t), me, ok);
        assert(ok) /* P3: nobody but the holder leaves RELEASED */
    };
    reclaim(t);
#endif
}

/* Back to MOVABLE, or finish when the owner has released it meanwhile. */
inline let_go()
{
#ifdef BREAK_PUTBACK /* a plain store: loses an owner's RELEASED */
    atomic {
        word = MAKE(MOVABLE, t);
        holder = 0
    };
#else
    cas(w, MAKE(MOVABLE, t), me, ok);
    if
    :: !ok -> finish()
    :: else
    fi;
#endif
}

inline migrate_isolated()
{
    w = word;
#ifdef BREAK_CALLBACK /* asks the owner about a page it has released */
    if
    :: false -> skip
    :: true ->
#else
    if
    :: STATE(w) == ISOLATED_RELEASED -> finish()
    :: else ->
#endif
        callback(w, t);
        atomic { /* migrate_page, under the owner's lock */
            if
            :: book[t] == AWAY -> book[t] = NOT_MINE; answer = DONE
            :: book[t] == AWAY -> answer = RETRY /* or REFUSED */
#ifdef BREAK_DONE /* does not look whether the page was given up */
            :: book[t] != AWAY -> answer = DONE
#else
            :: book[t] != AWAY -> answer = GONE
#endif
            fi
        };
        if
        :: answer == DONE ->
            atomic {
                cas(w, MAKE(LIMBO, t), me, ok);
                assert(ok); /* P3: an owner whose page moved frees another */
                is_deferred = true
            }
        :: answer == GONE ->
#ifdef BREAK_GONE /* tells the owner about a page that it gave up */
            putback(); /* P2 */
#endif
            let_go()
        :: answer == RETRY -> putback_isolated()
        fi;
        answer = 0
    fi
}

/* putback_page, under the owner's lock. */
inline putback()
{
    atomic {
        assert(answer != GONE); /* P2 */
        if
        :: book[t] == AWAY -> book[t] = LISTED
        :: else /* freed meanwhile: RELEASED is or will be set */
        fi
    }
}

inline putback_isolated()
{
    w = word;
    if
    :: STATE(w) == ISOLATED_RELEASED -> finish()
    :: else ->
#ifdef BREAK_ORDER /* the page is let go first: others may hold it by now */
        let_go();
        callback(w, t);
        putback()
#else
        callback(w, t);
        putback();
        let_go()
#endif
    fi
}

mtype = { DONE, RETRY, GONE };

proctype compactor(byte me)
{
    byte w, t;
    mtype answer;
    bool ok;

    do
    :: n_quiet < N_OWNERS ->
        atomic {
            w = word;
            t = TYPE(w)
        };
        if
        :: STATE(w) == MOVABLE ->
#ifdef BREAK_LOCK /* sets the bit by a plain store */
            atomic {
                word = MAKE(LOCKED, t);
                assert(holder == 0); /* P1: one holder */
                holder = me;
                ok = true
            };
#else
            do
            :: STATE(w) == MOVABLE ->
                cas(w, MAKE(LOCKED, TYPE(w)), me, ok);
                if
                :: ok -> break
                :: else
                fi
            :: else -> break
            od;
#ifndef BREAK_TYPE /* believes in the type of the first look */
            t = TYPE(word);
#endif
#endif
            if
            :: ok ->
                w = MAKE(LOCKED, t);
                callback(w, t);
                atomic { /* isolate_page, under the owner's lock */
                    assert(book[t] != AWAY); /* P7 */
                    if
                    :: book[t] == LISTED -> book[t] = AWAY; answer = DONE
                    :: else -> answer = GONE
                    fi
                };
                if
                :: answer == DONE ->
                    answer = 0;
#ifdef BREAK_TWO_STEPS /* unlocks, then marks it isolated */
                    cas(w, MAKE(MOVABLE, t), me, ok);
                    if
                    :: ok ->
                        w = MAKE(MOVABLE, t);
                        atomic {
                            if
                            :: word == w && !holder ->
                                word = MAKE(ISOLATED, t);
                                holder = me
                            :: else -> assert(!ok) /* P1: it got away */
                            fi
                        }
                    :: else
                    fi;
#else
                    cas(w, MAKE(ISOLATED, t), me, ok);
#endif
                    if
                    :: !ok -> finish()
                    :: ok ->
                        if
                        :: migrate_isolated()
                        :: putback_isolated() /* no room, pass over */
                        fi
                    fi
                :: else ->
                    answer = 0;
                    let_go()
                fi
            :: else
            fi
        :: else
        fi;
        d_step { w = 0; t = 0; ok = false }
    :: else -> break
    od;
    n_quiet++
}

/* ---- a reader, and the page allocator --------------------------------- */

proctype reader()
{
    bit seen;

    do
    :: n_quiet < N_OWNERS ->
        in_section = true;
        /* Finds the page through the owner, as a reader of an object does. */
        if
        :: atomic {
            book[1] != NOT_MINE || book[2] != NOT_MINE ->
            seen = generation;
            is_looked_at = true
           };
           atomic {
            assert(STATE(word) != FREE && seen == generation); /* P5 */
            seen = 0;
            is_looked_at = false
           }
        :: true -> skip
        fi;
        d_step {
            in_section = false;
            waited_for = false
        }
    :: else -> break
    od;
    n_quiet++
}

/* Gives migrated pages back, a grace period after they were. */
active proctype allocator()
{
    byte w;
    bool ok;

end:
    do
    :: is_deferred ->
        waited_for = in_section;
        GRACE_IS_OVER;
        is_deferred = false;
        reclaim(TYPE(word));
        ok = false
    od
}

init
{
    atomic {
        run owner(1, 2);
        run owner(2, 1); /* A, B, A is the longest story */
        run compactor(1);
        run compactor(2);
        run reader()
    };
    n_quiet == N_OWNERS + N_COMPACTORS + 1 && !is_deferred;
    timeout;
    d_step {
        assert(STATE(word) == FREE); /* P6 */
        assert(allocs == limbos);                            /* P6 */
        assert(holder == 0)                                  /* P6 */
    }
}
