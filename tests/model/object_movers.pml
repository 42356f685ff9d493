/* SPDX-License-Identifier: MIT */
/* object_movers.pml - object_move.pml's movers: objects of a zspage, and the
 * pages of one. */

/* ---- movers ------------------------------------------------------------- */

/* Lock held: a slot in another zspage for each object of the source. */
inline gather()
{
    for (i : 0 .. NS - 1) {
        w = WORD(s, i);
        h = side[w];
        if
        :: h && PLACE(slot_word[h - 1]) == w -> /* else in transit */
            atomic {
#if CACHED
                has_bytes[i] = !(slot_word[h - 1] & CACHED);
#endif
                pick_slot(false, to[i]);
                if
                :: to[i] ->
                    take_slot(to[i], h - 1);
                    assert(!moving[ZSPAGE(to[i])]); /* M3 */
                    pins[ZSPAGE(to[i])]++;
                    born[i] = life[h - 1]
                :: else /* no room */
                fi
            }
        :: else
        fi
    }
}

inline copy_slot(i)
{
    w = AT(BASE(ZSPAGE(to[i])), to[i]);
    low[w] = low[AT(page, WORD(s, i))];
    high[w] = high[AT(page, WORD(s, i))]
}

/* No lock. A writer that waits stops it between two objects. */
inline copy()
{
    page = BASE(s);
    for (i : 0 .. NS - 1) {
        if
        :: to[i] && !stop[s] && copied == i ->
#if CACHED
            if
            :: has_bytes[i] -> copy_slot(i)
            :: else /* was cached: nobody can have written to it since */
            fi;
#else
            copy_slot(i);
#endif
            copied = i + 1
        :: !to[i] && copied == i -> copied = i + 1
        :: else
        fi
    };
#ifdef BREAK_COPIED /* forgets that it was stopped */
    copied = NS;
#endif
    page = 0
}

/* Lock held: switch what was copied, give the other slots back. */
#if CACHED
#define IS_UNDEFINED(h) (value[h] == 0) /* cached, or not written since */
#define STATE_OF(i) (has_bytes[i] -> 0 : CACHED)
#else
#define IS_UNDEFINED(h) false
#define STATE_OF(i) 0
#endif
inline switch_words()
{
    for (i : 0 .. NS - 1) {
        if
        :: to[i] ->
            w = WORD(s, i);
            h = side[to[i]] - 1;
            atomic {
                ok = i < copied && slot_word[h] == (w | STATE_OF(i));
#ifdef BREAK_CAS /* a plain store */
                ok = i < copied;
#endif
                if
                :: ok ->
                    page = AT(BASE(s), w);
                    assert(IS_UNDEFINED(h)
                           || low[AT(BASE(ZSPAGE(to[i])), to[i])]
                                  == low[page]); /* M4 */
                    assert(IS_UNDEFINED(h)
                           || high[AT(BASE(ZSPAGE(to[i])), to[i])]
                                  == high[page]); /* M4 */
                    page = 0;
                    assert(PLACE(slot_word[h]) == w); /* M5 */
                    assert(born[i] == life[h]);       /* M5 */
#ifdef BREAK_CACHE_STATE /* all that is moved is live */
                    slot_word[h] = to[i]
#else
                    slot_word[h] = to[i] | STATE_OF(i)
#endif
                :: else
                fi
            };
            atomic {
                if
                :: ok -> leave_slot(w)
                :: else ->
                    free_slot(to[i]);
#ifdef BREAK_TRANSIT /* thinks that whoever took the object left it the slot */
                    if
                    :: state[w] != S_FREE -> leave_slot(w)
                    :: else
                    fi;
#endif
                fi;
                pins[ZSPAGE(to[i])]--;
                to[i] = 0;
#if CACHED
                has_bytes[i] = false;
#endif
                born[i] = 0
            }
        :: else
        fi
    }
}

inline move_objects()
{
#if CACHED && !defined(BREAK_CACHE_WAIT) /* who saw it fast may go on */
    if
    :: unhushed[s] && !suspended -> hush()
    :: else
    fi;
#endif
    lock();
    try_start_moving(s, ok);
    if
    :: ok ->
        gather();
        unlock();
        copy();
#ifdef BREAK_WAIT_CLOSED /* waits for readers: a writer in its section waits */
        awaited = in_section;
        awaited == 0;
#endif
        lock();
#ifdef BREAK_WAIT /* waits for readers while it has the lock */
        awaited = in_section;
        awaited == 0;
#endif
        switch_words();
        atomic {
            moving[s] = false;
            stop[s] = false
        };
        unlock()
    :: else -> unlock() /* pinned: another time */
    fi;
    atomic {
        class_lock == 0 ->
        if
        :: HAS_LIVE(s) ->
            list[s] = ATTACHED;
#if CACHED
            set_fast(s)
#endif
        :: else -> list[s] = DRAINING
        fi;
        settle(s)
    }
}

/* Object moves: close, copy without the lock, switch under it, settle. */
proctype mover(byte rounds)
{
    byte s, i, w, h, page, copied;
    byte to[NS];
    bit born[NS]; /* ghost: whose bytes were copied */
#if CACHED
    bool has_bytes[NS]; /* else its contents are undefined */
#endif
    bool ok;

#ifdef HAS_TRIM
    suspend_caches();
#endif
    do
    :: rounds ->
        rounds--;
        atomic { /* take a source off the list */
            class_lock == 0 ->
            if
            :: list[0] == ATTACHED -> s = 0; list[0] = DETACHED
            :: list[1] == ATTACHED -> s = 1; list[1] = DETACHED
            :: list[2] == ATTACHED -> s = 2; list[2] = DETACHED
            :: else -> s = NZ /* nothing to do */
            fi;
#if CACHED && !defined(BREAK_CACHE_DETACH) /* leaves it to caches, too */
            if
            :: s < NZ -> clear_fast(s)
            :: else
            fi
#endif
        };
        if
        :: s < NZ -> move_objects()
        :: else
        fi;
        d_step { i = 0; w = 0; h = 0; s = 0; copied = 0; ok = false }
    :: else -> break
    od;
#ifdef HAS_TRIM
    resume_caches();
#endif
    n_quiet++
}

#ifdef PAGES
/* Any zspage. */
inline pick_zspage()
{
    if
    :: list[0] != UNUSED -> z = 0
    :: list[1] != UNUSED -> z = 1
    :: list[2] != UNUSED -> z = 2
    fi
}

#if CACHED
/*
 * lock_hushed_zspage(): with the lock held, no section of a cache is in it. (It
 * may be gone, too.) Asynchronous migration gives up rather than wait; it does
 * nothing that this does not.
 */
inline lock_hushed()
{
    do
    :: true ->
        atomic {
            class_lock == 0 ->
            class_lock = _pid;
            if
            :: z == NZ -> pick_zspage()
            :: else
            fi;
#ifndef BREAK_PAGE_CLEAR /* leaves it to caches, too */
            clear_fast(z);
#endif
#ifdef BREAK_PAGE_WAIT /* does not wait for the sections that saw it fast */
            ok = true
#else
            ok = !unhushed[z]
#endif
        };
        if
        :: ok -> break
        :: else -> unlock()
        fi;
        hush();
#ifdef BREAK_PAGE_AGAIN /* does not look again when it has waited */
        lock();
        break
#endif
    od
}

/* Lock held. */
inline give_to_caches()
{
#ifdef BREAK_PAGE_KEEP /* forgets to */
    skip
#else
    if
#ifdef BREAK_PAGE_BACK /* does not look whether a mover has it */
    :: true -> set_fast(z)
#else
    :: list[z] != DETACHED -> set_fast(z)
    :: else
#endif
    fi
#endif
}
#endif

inline pick_page()
{
    atomic {
        if
        :: page_use[0] == S_FREE -> to = 0
        :: page_use[1] == S_FREE -> to = 1
        :: page_use[2] == S_FREE -> to = 2
        :: page_use[3] == S_FREE -> to = 3
        :: else -> to = NP
        fi
    }
}

inline copy_page()
{
    from = BASE(z);
    page_use[to] = S_USED;
    for (i : 0 .. NS - 1) {
        if
#ifdef BREAK_LIVE /* copies what is live, forgets what readers look at */
        :: state[WORD(z, i)] != S_USED
#endif
        :: else ->
            low[to * NS + i] = low[from * NS + i];
            high[to * NS + i] = high[from * NS + i]
        fi
    };
    base[z] = to
}

inline leave_page()
{
#ifdef BREAK_OLD_PAGE /* the old page is free at once */
    d_step {
        page_use[from] = S_FREE;
        low[from * NS] = POISON;
        high[from * NS] = POISON;
        low[from * NS + 1] = POISON;
        high[from * NS + 1] = POISON
    }
#else
    page_use[from] = S_LIMBO
#endif
}

/* Lock held, and caches hushed. */
inline migrate_page()
{
    pick_page();
    try_start_moving(z, ok);
    if
    :: ok && to < NP ->
        copy_page();
        moving[z] = false;
        leave_page()
    :: ok && to == NP -> moving[z] = false
    :: else
    fi
}

/* Page migration: one lock hold, the words of the objects stay. */
proctype migrator(byte rounds)
{
    byte z, i, from, to;
    bool ok;

    do
    :: rounds ->
        rounds--;
#if CACHED
        z = NZ;
        lock_hushed();
        if
        :: list[z] != UNUSED ->
            migrate_page();
            give_to_caches()
        :: else
        fi;
#else
        lock();
        pick_zspage();
        migrate_page();
#endif
        d_step { z = 0; i = 0; from = 0; to = 0; ok = false };
        unlock()
    :: else -> break
    od;
    n_quiet++
}
#endif
