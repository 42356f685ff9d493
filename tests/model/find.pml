/* SPDX-License-Identifier: MIT */
/*
 * find.pml - how somebody who has only a page finds the zspage and its lock.
 *
 * A survey, an evacuation or a page migration starts from a page: the page's
 * owner word names a zspage, the zspage's entry names its class, the class has
 * the lock. All three are looked up without a lock, while the last object may
 * be freed, the zspage released at once (nothing is in limbo), and its number
 * and its page taken for a zspage of another class. So the finder looks again
 * under the lock: at the class, then at the place.
 *
 * What makes that enough: a number has no class from its release, which is
 * under the lock of its class, until it is made a zspage again. So for who has
 * the lock of class c and finds class c, it stays c; and then the place is
 * that zspage's.
 *
 * Invariants
 *   W1  Who works on a zspage holds the lock of the class it belongs to, and
 *       so is alone.
 *   W2  Who was led there by a page finds the zspage that the page is part of.
 *
 * One zspage number, two classes, two pages.
 */

#define NONE 255

/* The one entry of the zspage table. */
byte class_of = NONE; /* NONE: it is no zspage */
byte place = NONE;    /* its page; NONE: it has none, or not yet */
bool is_taken;        /* the number is; known to the allocator of numbers */

bool page_is_taken[2];
byte owner_word[2] = NONE; /* the page's zspage, here always number 0 */
byte class_lock[2];        /* 0, or the holder's _pid */
byte n_inside;             /* ghost: threads that work on the zspage */

inline lock(c)
{
    atomic { class_lock[c] == 0 -> class_lock[c] = _pid }
}

inline unlock(c)
{
    class_lock[c] = 0
}

/* Changes that must not overlap; c is the class that the thread believes in. */
inline work(c)
{
    atomic {
        n_inside++;
        assert(n_inside == 1); /* W1 */
        assert(class_of == c)  /* W1 */
    };
    atomic {
        assert(class_of == c); /* W1 */
        n_inside--
    }
}

/* malloc and free in class c, with a zspage that comes and goes. */
proctype user(byte c)
{
    byte n, page;

    do
    :: n < 2 ->
        n++;
        atomic { !is_taken -> is_taken = true };
        atomic {
            if
            :: !page_is_taken[0] -> page = 0
            :: !page_is_taken[1] -> page = 1
            fi;
            page_is_taken[page] = true
        };
        class_of = c;
        place = page;
        owner_word[page] = 0;
        lock(c);
        work(c);
        unlock(c);

        lock(c);
        work(c);
        place = NONE;
#ifndef BREAK_CLEAR /* the number keeps its class when it is released */
        class_of = NONE;
#endif
        unlock(c);
        page_is_taken[page] = false; /* its owner word stays as it is */
        is_taken = false
    :: else -> break
    od
}

/* Led by page 0, which need not be anybody's by now. */
proctype finder()
{
    byte n, c;
    bool ours;

    do
    :: n < 2 ->
        n++;
        if
        :: owner_word[0] != NONE -> c = class_of
        :: else -> c = NONE
        fi;
        if
        :: c != NONE ->
            lock(c);
#ifdef BREAK_RECHECK /* believes in what it saw before it had the lock */
            ours = true;
#else
#ifdef BREAK_ORDER /* the place, then the class */
            ours = place == 0;
            ours = ours && class_of == c;
#else
            ours = class_of == c;
            ours = ours && place == 0;
#endif
#endif
            if
            :: ours ->
                work(c);
                assert(place == 0) /* W2 */
            :: else /* not a zspage's any more */
            fi;
            unlock(c)
        :: else
        fi;
        c = 0;
        ours = false
    :: else -> break
    od
}

init
{
    atomic {
        run user(0);
        run user(1);
        run finder()
    }
}
