/* SPDX-License-Identifier: MIT */
/*
 * object_caches.pml - object_move.pml's threads' caches (lib/zspage/cache.h).
 *
 * Idea
 *   In a cache section the owner looks at a handle's word, whether its zspage
 *   is fast, and at the word again; then slot word and bytes are his until the
 *   section ends, without lock or pin. Who wants to move objects or a page
 *   clears `fast` and waits for the sections that may have seen it set.
 *
 * Waits have numbers in the code: a zspage is hushed when a wait with a greater
 * number than the last one that had begun when `fast` was cleared has ended.
 * With one wait at a time, unhushed[] says the same.
 */

/* ---- who moves ---------------------------------------------------------- */

/* Lock held. */
inline set_fast(zs)
{
    fast[zs] = true;
    unhushed[zs] = 0
}

/* Lock held. What is under way is not waited for yet. */
inline clear_fast(zs)
{
    if
    :: fast[zs] ->
        fast[zs] = false;
#ifdef BREAK_HUSH_BEGUN /* a wait that has begun before is good enough */
        unhushed[zs] = (is_hushing -> U_WAITS : U_NEEDS)
#else
        unhushed[zs] = U_NEEDS
#endif
    :: else
    fi
}

/* caches_hush(), without the class lock: all sections that are open now. */
inline hush()
{
    atomic {
        !is_hushing ->
        is_hushing = true;
        awaited_fast = in_fast;
        for (i : 0 .. NZ - 1) {
            if
            :: unhushed[i] == U_NEEDS -> unhushed[i] = U_WAITS
            :: else
            fi
        };
        i = 0
    };
    atomic {
        awaited_fast == 0 ->
        for (i : 0 .. NZ - 1) {
            if
            :: unhushed[i] == U_WAITS -> unhushed[i] = 0
            :: else
            fi
        };
        i = 0;
        is_hushing = false
    }
}

/* caches_suspend() and caches_resume(): a mover that takes one zspage after the
 * other waits once, for all of them. */
inline suspend_caches()
{
    atomic {
        !is_hushing ->
        is_hushing = true;
        suspended = true;
        awaited_fast = in_fast
    };
#ifndef BREAK_TRIM_WAIT /* does not wait for the sections under way */
    awaited_fast == 0;
#endif
    is_hushing = false
}

inline resume_caches()
{
    atomic {
        !is_hushing ->
        suspended = false
    }
}

/* ---- sections ----------------------------------------------------------- */

inline fast_begin()
{
    in_fast = in_fast | ME
}

inline fast_end()
{
    d_step {
        in_fast = in_fast & ~ME;
        awaited_fast = awaited_fast & ~ME
    }
}

/* May word and bytes be changed? Then w is the word, else FREE. */
#if defined(SECTION_TRIM) || defined(SECTION_TRIM_PAGES)
#define HAS_TRIM
#define OK ok
#else
#define OK true
#endif
inline look_fast(h, skips_fast, skips_look)
{
#ifdef HAS_TRIM
    ok = !suspended;
#endif
    w = slot_word[h];
    ok = OK && (skips_fast || fast[ZSPAGE(w)]);
    d_step {
        ok = ok && (skips_look || slot_word[h] == w);
        if
        :: ok
        :: else -> w = FREE
        fi
    }
}
#ifdef BREAK_CACHE_FAST /* does not look whether a mover may have it */
#define CACHE_SKIPS_FAST true
#else
#define CACHE_SKIPS_FAST false
#endif
#ifdef BREAK_CACHE_LOOK /* does not look again */
#define CACHE_SKIPS_LOOK true
#else
#define CACHE_SKIPS_LOOK false
#endif
#ifdef BREAK_WRITE_FAST /* the same, where bytes are written */
#define WRITE_SKIPS_FAST true
#else
#define WRITE_SKIPS_FAST false
#endif
#ifdef BREAK_WRITE_LOOK /* and this */
#define WRITE_SKIPS_LOOK true
#else
#define WRITE_SKIPS_LOOK false
#endif

/* Without a pin, in place; ok: done. */
inline write_in_section(h, v)
{
    fast_begin();
    look_fast(h, WRITE_SKIPS_FAST, WRITE_SKIPS_LOOK);
    if
    :: w ->
        assert(!(w & CACHED)); /* M11 */
        page = BASE(ZSPAGE(w));
        low[AT(page, w)] = v;
        atomic {
            high[AT(page, w)] = v;
            value[h] = v;
            w = 0;
            page = 0
        }
    :: else
    fi;
    fast_end()
}

/* zs_free(): into the thread's cache, or under the lock if a mover has the
 * zspage. */
inline cache_free(h)
{
    fast_begin();
    look_fast(h, CACHE_SKIPS_FAST, CACHE_SKIPS_LOOK);
    if
    :: w ->
        atomic {
            assert(!(w & CACHED)); /* M11 */
            slot_word[h] = w | CACHED;
            value[h] = 0;
            w = 0;
            ok = false
        };
        fast_end()
    :: else ->
        fast_end();
        obj_free(h)
    fi
}

/* zs_malloc() out of the cache: contents undefined, as ever. If a mover has it,
 * it stays there. */
inline cache_malloc(h)
{
    fast_begin();
    look_fast(h, CACHE_SKIPS_FAST, CACHE_SKIPS_LOOK);
    if
    :: w ->
        atomic {
            assert(w & CACHED); /* M11 */
            slot_word[h] = PLACE(w);
            w = 0;
            ok = false
        }
    :: else
    fi;
    fast_end()
}

/* zs_obj_create() out of the cache: the bytes, then the word. */
inline cache_create(h, v)
{
    fast_begin();
    look_fast(h, WRITE_SKIPS_FAST, WRITE_SKIPS_LOOK);
    if
    :: w ->
        assert(w & CACHED); /* M11 */
        page = BASE(ZSPAGE(w));
        low[AT(page, w)] = v;
        high[AT(page, w)] = v;
        atomic {
            slot_word[h] = PLACE(w);
            value[h] = v;
            w = 0;
            page = 0
        }
    :: else
    fi;
    fast_end();
    if
    :: ok ->
        ok = false;
        check(h)
    :: else /* makes another one, elsewhere */
    fi
}
