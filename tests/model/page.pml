/* SPDX-License-Identifier: MIT */
/*
 * page.pml - the flag word of one page: every legal edge, and who takes it.
 *
 * The machine is in page_word.pml. Here one page is allocated and freed by two
 * owners in turn, at any moment; two compactors lock, isolate, migrate and put
 * back; a reader may go on looking at the page until its section ends.
 * README.md says how to run it and how to break it.
 *
 * Owner 1 is like an embedder's: it takes the page out of its book and frees
 * it by zs_page_free(), so the page waits in LIMBO for a grace period. Owner 2
 * is like a pool: it frees a page when its own readers are gone, by
 * zs_pages_free(), so the page goes through LIMBO to FREE at once. A page that
 * was migrated was in use until then, and one that the core finishes may have
 * been either's: both wait.
 *
 * Invariants
 *   P1  LOCKED and ISOLATED have one holder, a compactor, and no one but the
 *       holder leaves them (an owner only adds RELEASED).
 *   P2  Once the core has seen RELEASED, or was told GONE, it makes no further
 *       callback for that page; a callback is made by the holder only.
 *   P3  A page becomes LIMBO, and then FREE, once per allocation, and an edge
 *       the code relies on (migrated, finish, reclaim, free) is never refused.
 *   P4  The type does not change while the page is not FREE, and a callback
 *       goes to the owner whose page it is.
 *   P5  A page that somebody may still look at is not FREE and not handed out
 *       again, to the same type or another, before the read section ends.
 *   P6  No page is lost: when all is quiet, each allocation that its owner has
 *       given up (by free or by migration) has reached FREE.
 *   P7  The owner's book agrees with the word: the owner has a page on its
 *       isolated side only while the word says so, and isolate_page never
 *       finds it there already.
 *   P8  Nothing leads from RELEASED or LIMBO back to an owner: from RELEASED
 *       to LIMBO, from LIMBO to FREE.
 */

#define N_PAGES 1
#define THE_PAGE 0
#define N_OWNERS 2     /* types 1 and 2 */
#define N_COMPACTORS 2

/* The owners' own books, each under its owner's lock. */
#define NOT_MINE 0
#define LISTED 1
#define AWAY 2 /* handed to the core by isolate_page */
byte book[N_OWNERS + 1];
#define IS_AWAY(p) (book[TYPE(word[p])] == AWAY)

#include "page_word.pml"

/* The reader: in a read section, and waited for by the grace period. */
bool in_section, waited_for;
#ifdef BREAK_GRACE /* without a grace period */
#define GRACE_IS_OVER true
#else
#define GRACE_IS_OVER (!waited_for)
#endif

/* Ghosts: known to the invariants, not to the code. */
bit generation;    /* of the allocation, changes at alloc */
bool is_looked_at; /* the reader has the page in hands */
byte n_quiet;      /* processes that have ended */

/* ---- the owner ------------------------------------------------------- */

/* zs_page_free(): somebody may be looking. */
inline free_after_readers()
{
    release(THE_PAGE);
    if
#ifdef BREAK_FINISH_TWICE /* puts a page in LIMBO that the core will finish */
    :: false
#else
    :: WAS_HELD
#endif
#ifdef BREAK_FREE_GRACE /* as if it had waited for its readers */
    :: else -> reclaim(THE_PAGE)
#else
    :: else -> defer(THE_PAGE)
#endif
    fi
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
            word[THE_PAGE] == FREE ->
            word[THE_PAGE] = MAKE(OWNED, t);
            generation = 1 - generation;
            allocs_left--
        };
        book[t] = LISTED;
        if
        :: true -> skip /* never made movable */
        :: true ->
            w = MAKE(OWNED, t);
            cas(THE_PAGE, w, MAKE(MOVABLE, t), 0, ok);
            assert(ok) /* P3: nobody else leaves OWNED */
        fi;
        /* Free, at any moment from here on: first the book, under the owner's
           lock, then the word. There is nothing to free when the page was
           moved. */
        atomic {
            mine = book[t] != NOT_MINE;
            book[t] = NOT_MINE
        };
        if
        :: mine && t == 1 -> free_after_readers()
        :: mine && t == 2 ->
            !is_looked_at;
            free_at_once(THE_PAGE)
        :: else
        fi;
        d_step { w = 0; ok = false; mine = false }
    :: else -> break
    od;
    n_quiet++
}

/* ---- the owner's callbacks, each under its lock ----------------------- */

inline isolate_page(p)
{
    atomic {
        assert(book[t] != AWAY); /* P7 */
        if
        :: book[t] == LISTED -> book[t] = AWAY; answer = DONE
        :: else -> answer = GONE /* false */
        fi
    }
}

inline migrate_page(p)
{
    atomic {
        if
        :: book[t] == AWAY -> book[t] = NOT_MINE; answer = DONE
        :: book[t] == AWAY -> answer = RETRY
        :: book[t] == AWAY -> answer = REFUSED
#ifdef BREAK_DONE /* does not look whether the page was given up */
        :: book[t] != AWAY -> answer = DONE
#else
        :: book[t] != AWAY -> answer = GONE
#endif
        fi
    }
}

inline putback_page(p)
{
    atomic {
        assert(answer != GONE); /* P2 */
        if
        :: book[t] == AWAY -> book[t] = LISTED
        :: else /* freed meanwhile: RELEASED is or will be set */
        fi
    }
}

/* ---- the core -------------------------------------------------------- */

/* A page that says RETRY is asked again, or left until another pass. */
inline empty_page()
{
    if
    :: mine -> migrate(THE_PAGE)
    :: mine -> skip /* no destination */
    :: else
    fi;
    if
    :: mine && answer == RETRY ->
        answer = 0;
        migrate(THE_PAGE)
    :: else
    fi;
    if
    :: mine ->
        answer = 0;
        putback(THE_PAGE)
    :: else
    fi
}

proctype compactor(byte me)
{
    CORE_DATA;

    do
    :: n_quiet < N_OWNERS ->
        isolate(THE_PAGE);
        empty_page();
        d_step { w = 0; t = 0; answer = 0; ok = false; mine = false }
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
            assert(STATE(word[THE_PAGE]) != FREE); /* P5 */
            assert(seen == generation);            /* P5 */
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

/* Gives deferred pages back, a grace period after they were. */
active proctype allocator()
{
    byte w;
    bool ok;

end:
    do
    :: deferred[THE_PAGE] ->
        waited_for = in_section;
        GRACE_IS_OVER;
        deferred[THE_PAGE] = false;
        reclaim(THE_PAGE)
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
    n_quiet == N_OWNERS + N_COMPACTORS + 1 && !deferred[THE_PAGE];
    timeout;
    d_step {
        assert(STATE(word[THE_PAGE]) == FREE); /* P6 */
        assert(holder[THE_PAGE] == 0)          /* P6 */
    }
}
