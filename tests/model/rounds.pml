/* SPDX-License-Identifier: MIT */
/*
 * rounds.pml - limbo slots, the rounds that free them, the end of a zspage.
 *
 * lib/base/grace.h has two rounds under way at once, ASYNC carried by
 * liburcu's thread and FLUSH by a caller; lib/zspage/limbo_slots.c stamps slots
 * and queues their zspages. The question is what a round may do with a zspage
 * that the other round, or a mutator, is busy with too.
 *
 * One zspage with two objects. Two mutators take one away each, so that the
 * zspage has no live slot in the end; a reader may be looking at either.
 *
 * Invariants
 *   G1  A limbo slot becomes free only after a grace period that began after
 *       the slot was left: nobody looks at it.
 *   G2  A zspage is released once, while no round holds it and no queue has
 *       it; who takes it from a queue never works on a released one.
 *   G3  No limbo slot is forgotten: when all is quiet, the zspage is released.
 *   G4  When a flush returns, all that waited when it began is free.
 */

#define NS 2
#define LIVE 0
#define LIMBO 1
#define FREE 2
byte state[NS];           /* guarded by the class lock; so is `released` */
byte stamp[NS];           /* of a limbo slot: rounds begun before it was left */
bool findable[NS] = true; /* the slot word names it */
bool released;

/* Guarded by the limbo lock. */
#define ASYNC 0
#define FLUSH 1
#define NEXT 2
#define POPPED 3
#define NOWHERE 4
byte queue = NOWHERE; /* where the zspage is */
byte seq;             /* rounds begun */
byte round_seq[2];

bool is_requested; /* an ASYNC round is wanted */
bool is_finishing; /* the ASYNC round is giving back */
byte n_quiet;      /* ghost: processes that have ended */

/* Grace periods: whether the reader is in a section, and who waits for it. */
bool in_section;
bool awaited[2];
byte looked_at = NS; /* ghost: the slot that the reader has in hands */

proctype reader()
{
    in_section = true;
    if
    :: findable[0] -> looked_at = 0
    :: findable[1] -> looked_at = 1
    :: else
    fi;
    d_step {
        assert(looked_at == NS || state[looked_at] != FREE); /* G1 */
        looked_at = NS
    };
    d_step {
        in_section = false;
        awaited[ASYNC] = false;
        awaited[FLUSH] = false
    };
    n_quiet++
}

/* Replace or a mover: the object is elsewhere now, its slot goes to limbo. */
proctype mutator(byte slot)
{
    findable[slot] = false;
    atomic { /* class lock, then limbo lock */
        assert(!released); /* G2 */
        state[slot] = LIMBO;
        stamp[slot] = seq;
        if
        :: queue == NOWHERE -> queue = NEXT
        :: else
        fi
    };
    is_requested = true;
    n_quiet++
}

inline start(r)
{
    atomic { /* limbo lock */
        seq++;
        round_seq[r] = seq;
        if
        :: queue == NEXT || r == FLUSH && queue == ASYNC -> queue = r
        :: else
        fi
    }
}

inline wait_for_readers(r)
{
    awaited[r] = in_section;
    !awaited[r]
}

/* The slot was left before the round began, so its readers are gone. */
#ifdef BREAK_STAMP /* frees what is younger, too */
#define IS_OLD(i, r) (state[i] == LIMBO)
#else
#define IS_OLD(i, r) (state[i] == LIMBO && stamp[i] < round_seq[r])
#endif

inline free_slots(r)
{
    atomic { /* class lock, then limbo lock */
        assert(!released); /* G2 */
        if
        :: IS_OLD(0, r) -> state[0] = FREE
        :: else
        fi;
        if
        :: IS_OLD(1, r) -> state[1] = FREE
        :: else
        fi;
#ifndef BREAK_POP
        queue = NOWHERE;
#endif
        if
        :: state[0] == LIMBO || state[1] == LIMBO ->
#ifndef BREAK_REQUEUE /* leaves it to whoever comes */
            if
            :: queue == NOWHERE -> queue = NEXT
            :: else
            fi;
#endif
            is_requested = true
        :: state[0] == FREE && state[1] == FREE ->
            assert(queue == NOWHERE); /* G2 */
            released = true
        :: else
        fi
    }
}

inline finish_round(r)
{
    atomic { /* limbo lock */
        if
        :: queue == r ->
            taken = true;
#ifdef BREAK_POP /* as if nobody had it */
            queue = NOWHERE
#else
            queue = POPPED
#endif
        :: else
        fi
    };
    if
    :: taken ->
        assert(!released); /* G2: its class is looked up */
        free_slots(r)
    :: else
    fi;
    taken = false
}

active proctype async()
{
    bool taken;

end:
    do
    :: is_requested ->
        is_requested = false;
        start(ASYNC);
        wait_for_readers(ASYNC);
        is_finishing = true;
        finish_round(ASYNC);
        is_finishing = false
    od
}

proctype flush()
{
    byte n;
    bool taken, waits[NS]; /* ghost: slots that waited when it began */

    do
    :: n < 2 ->
        n++;
        d_step {
            waits[0] = state[0] == LIMBO;
            waits[1] = state[1] == LIMBO
        };
#ifndef BREAK_FINISHING /* does not wait for what ASYNC has in hands */
        atomic {
            !is_finishing ->
            start(FLUSH)
        };
#else
        start(FLUSH);
#endif
        wait_for_readers(FLUSH);
        finish_round(FLUSH);
        d_step {
            assert(!waits[0] || state[0] == FREE); /* G4 */
            assert(!waits[1] || state[1] == FREE); /* G4 */
            waits[0] = false;
            waits[1] = false
        }
    :: else -> break
    od;
    n_quiet++
}

init
{
    atomic {
        run reader();
        run mutator(0);
        run mutator(1);
        run flush()
    };
    n_quiet == 4;
    timeout; /* nothing is left to do */
    assert(released) /* G3 */
}
