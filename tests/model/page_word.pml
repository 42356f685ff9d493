/* SPDX-License-Identifier: MIT */
/*
 * page_word.pml - the flag word of pages, and the core's path through it.
 *
 * The same machine as lib/page/page_flags.h and lib/migrate/migrate.c, written
 * down once for the models that have pages: page.pml (any owners, their
 * readers) and balloon.pml (one owner, its counts). Included by them.
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
 * The model that includes this file defines before: N_PAGES, IS_AWAY(p) (the
 * owner's book says that the core has the page); and anywhere the callbacks,
 * as inlines that set `answer`: isolate_page(p) (DONE or GONE), migrate_page(p)
 * and putback_page(p). They run in the process of a compactor, whose variables
 * are those of CORE_DATA, and whose number (from 1 on) is `me`.
 *
 * Every load and every compare-and-swap is a step of its own, in sequentially
 * consistent order; memory orders are for review, TSan. The numbers at the
 * assertions are those of page.pml.
 */

/* The word: state in the low bits, type above; the all-zero word is FREE. */
#define FREE 0
#define OWNED 1
#define MOVABLE 2
#define LOCKED 3
#define ISOLATED 4
#define LOCKED_RELEASED 5
#define ISOLATED_RELEASED 6
#define LIMBO 7 /* all ones, so `w | LIMBO` is LIMBO of the same type */
#define STATE(w) ((w) & 7)
#define TYPE(w) ((w) >> 3)
#define MAKE(state, type) ((type) << 3 | (state))
#define IS_HELD(w) (STATE(w) >= LOCKED && STATE(w) < LIMBO)
#define IS_RELEASED(w)                                                         \
    (STATE(w) == LOCKED_RELEASED || STATE(w) == ISOLATED_RELEASED)

byte word[N_PAGES];     /* the pages' flag words */
bool deferred[N_PAGES]; /* waits in LIMBO, for a grace period */
byte holder[N_PAGES];   /* ghost: compactor that holds the page, or 0 */

mtype = { DONE, RETRY, REFUSED, GONE };

#define CORE_DATA byte w, t; mtype answer; bool ok, mine

/*
 * One compare-and-swap of the word `seen` to `want`. `ok` says whether it
 * happened; if not, `seen` is the word as it is. Ghosts are kept here, so that
 * they change in the same step. The holder's edges pass its number, others 0.
 */
inline cas(p, seen, want, who, ok)
{
    atomic {
        if
        :: word[p] == seen ->
            assert(STATE(seen) == FREE || STATE(want) == FREE
                   || TYPE(want) == TYPE(seen)); /* P4: sticky type */
            assert(!IS_RELEASED(seen) || STATE(want) == LIMBO); /* P8 */
            assert(STATE(seen) != LIMBO || STATE(want) == FREE); /* P8 */
            assert(STATE(want) != FREE || STATE(seen) == LIMBO); /* P3 */
            if
            :: STATE(want) == LOCKED && who ->
                assert(holder[p] == 0); /* P1: one holder */
                holder[p] = who
            :: else ->
                if
                :: IS_HELD(seen) && who ->
                    assert(holder[p] == who) /* P1: the holder's edge */
                :: IS_HELD(seen) && !who ->
                    assert((want) == seen + 2) /* P1: it adds RELEASED */
                :: else
                fi;
                if
                :: who && STATE(want) == MOVABLE ->
                    assert(!IS_AWAY(p)); /* P7 */
                    holder[p] = 0
                :: who && STATE(want) == LIMBO -> holder[p] = 0
                :: else
                fi
            fi;
            word[p] = want;
            ok = true
        :: else ->
            seen = word[p];
            ok = false
        fi
    }
}

/* ---- the end of a page ------------------------------------------------- */

/* Nobody looks at the page any more. */
inline reclaim(p)
{
    atomic {
        w = MAKE(LIMBO, TYPE(word[p]));
        cas(p, w, FREE, 0, ok);
        assert(ok); /* P3: nobody else leaves LIMBO */
        w = 0;
        ok = false
    }
}

/* zs_page_defer(): FREE after a grace period. */
inline defer(p)
{
    atomic {
        assert(!deferred[p]); /* P3: once */
        deferred[p] = true
    }
}

/*
 * zs_page_release_edge(), by the owner: one edge, whatever the core is doing;
 * never waits. After it STATE(w) says where the page was: if the core did not
 * hold it, it is in LIMBO and the caller goes on with it.
 */
#define WAS_HELD (STATE(w) != OWNED && STATE(w) != MOVABLE)
inline release(p)
{
    atomic {
        w = word[p];
        ok = false
    };
    do
    :: ok -> break
    :: !ok && (STATE(w) == OWNED || STATE(w) == MOVABLE) ->
        cas(p, w, w | LIMBO, 0, ok)
    :: !ok && (STATE(w) == LOCKED || STATE(w) == ISOLATED) ->
#ifdef BREAK_RELEASED /* frees an isolated page under the core's hands */
        cas(p, w, w | LIMBO, 0, ok)
#else
        cas(p, w, w + 2, 0, ok) /* adds RELEASED */
#endif
    :: else ->
        assert(false) /* P3: the owner's free always finds its page */
    od
}

inline reclaim_unless_held(p)
{
    if
    :: WAS_HELD /* the core will finish */
    :: else -> reclaim(p)
    fi;
    d_step { w = 0; ok = false }
}

/* zs_pages_free(): the caller knows that no reader is left. */
inline free_at_once(p)
{
    release(p);
    reclaim_unless_held(p)
}

/* ---- the core ----------------------------------------------------------- */

/* A callback begins: the word as the core saw it last must allow it. */
inline callback(p, seen)
{
    d_step {
        assert(STATE(seen) == LOCKED || STATE(seen) == ISOLATED); /* P2 */
        assert(holder[p] == me);                                  /* P2 */
        assert(TYPE(word[p]) == t)                                /* P4 */
    }
}

/* Take RELEASED to LIMBO. Others may look at the page in read sections. */
inline finish(p)
{
#ifdef BREAK_FINISH /* the core believes that the owner will finish */
    holder[p] = 0;
#else
    atomic {
        cas(p, w, MAKE(LIMBO, t), me, ok);
        assert(ok) /* P3: nobody but the holder leaves RELEASED */
    };
#ifdef BREAK_FINISH_GRACE /* as if the owner had waited for its readers */
    reclaim(p);
#else
    defer(p);
#endif
#endif
}

/* Back to MOVABLE, or finish when the owner has released it meanwhile. */
inline let_go(p, from)
{
#ifdef BREAK_PUTBACK /* a plain store: loses an owner's RELEASED */
    atomic {
        word[p] = MAKE(MOVABLE, t);
        holder[p] = 0
    };
#else
#ifdef BREAK_BACK /* from wherever it finds the page */
    w = word[p];
#else
    w = MAKE(from, t);
#endif
    cas(p, w, MAKE(MOVABLE, t), me, ok);
    if
    :: !ok -> finish(p)
    :: else
    fi;
#endif
}

/* zs_isolate_movable_ops_page(); `mine`: the page is ISOLATED, and ours. */
inline isolate(p)
{
    atomic {
        w = word[p];
        t = TYPE(w);
        ok = false
    };
    if
    :: STATE(w) == MOVABLE ->
#ifdef BREAK_LOCK /* sets the bit by a plain store */
        atomic {
            word[p] = MAKE(LOCKED, t);
            assert(holder[p] == 0); /* P1: one holder */
            holder[p] = me;
            ok = true
        };
#else
        do
        :: STATE(w) == MOVABLE ->
            cas(p, w, MAKE(LOCKED, TYPE(w)), me, ok);
            if
            :: ok -> break
            :: else
            fi
        :: else -> break
        od;
#ifndef BREAK_TYPE /* believes in the type of the first look */
        t = TYPE(word[p]);
#endif
#endif
        if
        :: ok ->
            callback(p, MAKE(LOCKED, t));
            isolate_page(p);
            if
            :: answer == DONE ->
                atomic {
                    answer = 0;
                    w = MAKE(LOCKED, t)
                };
#ifdef BREAK_TWO_STEPS /* unlocks, then marks it isolated */
                cas(p, w, MAKE(MOVABLE, t), me, ok);
                if
                :: ok ->
                    w = MAKE(MOVABLE, t);
                    atomic {
                        if
                        :: word[p] == w && !holder[p] ->
                            word[p] = MAKE(ISOLATED, t);
                            holder[p] = me
                        :: else -> assert(!ok) /* P1: it got away */
                        fi
                    }
                :: else
                fi;
#else
                cas(p, w, MAKE(ISOLATED, t), me, ok);
#endif
                mine = ok;
                if
                :: !ok -> finish(p)
                :: else
                fi
            :: else ->
                answer = 0;
                let_go(p, LOCKED)
            fi
        :: else
        fi
    :: else
    fi
}

/* zs_migrate_movable_ops_page(): `mine` while the page stays ISOLATED; then
 * `answer` says why. A page that is found released is GONE. */
inline migrate(p)
{
    w = word[p];
    if
#ifdef BREAK_CALLBACK /* asks the owner about a page it has released */
    :: false
#else
    :: IS_RELEASED(w) -> answer = GONE
#endif
    :: else ->
        callback(p, w);
        migrate_page(p)
    fi;
    if
    :: answer == DONE ->
        atomic {
            w = MAKE(ISOLATED, t);
            cas(p, w, MAKE(LIMBO, t), me, ok);
            assert(ok); /* P3: an owner whose page moved frees another */
            mine = false
        };
#ifdef BREAK_MIGRATED_GRACE /* as if nobody had used the page until now */
        reclaim(p)
#else
        defer(p)
#endif
    :: answer == GONE ->
        mine = false;
#ifdef BREAK_GONE /* tells the owner about a page that it gave up */
        putback_page(p); /* P2 */
#endif
        let_go(p, ISOLATED)
    :: else
    fi
}

/* zs_putback_movable_ops_page() */
inline putback(p)
{
    mine = false;
    w = word[p];
#ifdef BREAK_ORDER /* the page is let go first: others may hold it by now */
    let_go(p, ISOLATED);
    callback(p, w);
    putback_page(p)
#else
    if
    :: IS_RELEASED(w)
    :: else ->
        callback(p, w);
        putback_page(p)
    fi;
    let_go(p, ISOLATED)
#endif
}
