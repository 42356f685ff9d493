/* SPDX-License-Identifier: MIT */
/*
 * object_scenarios.pml - who runs beside whom, included by object_move.pml.
 *
 * Each scenario is small enough for all its interleavings to be looked at in
 * seconds. What a caller has to exclude is excluded here: a handle has one
 * changer at a time, and no reader while it is written in place or freed.
 */

/* ---- programs ----------------------------------------------------------- */

#define DATA byte w, z, page; bool ok

proctype writer(byte h)
{
    DATA;
    obj_write(h, value[h] + 1);
    n_quiet++
}

proctype replacer(byte h)
{
    DATA;
    obj_replace(h, value[h] + 1);
    n_quiet++
}

/* Frees an object and makes another of the same handle, in both ways. */
proctype changer(byte h)
{
    DATA;
    obj_free(h);
    if
    :: true -> obj_create(h, 2)
    :: true ->
        obj_malloc(h);
        obj_write(h, 2)
    fi;
    n_quiet++
}

#if CACHED
/* Frees an object into its thread's cache. It stays there, or is made again, or
 * the cache gives it back and another one is made. */
proctype cacher(byte h)
{
    DATA;
    cache_free(h);
    if
    :: slot_word[h] -> skip
    :: slot_word[h] -> /* it is in the cache */
        cache_malloc(h);
        if
        :: !(slot_word[h] & CACHED) -> obj_write(h, 2)
        :: else
        fi
    :: slot_word[h] ->
        obj_free(h);
        obj_create(h, 2)
    :: !slot_word[h] -> obj_create(h, 2) /* a mover had it */
    fi;
    n_quiet++
}

/* Makes an object of the handle that is in its cache, and writes it again. */
proctype creator(byte h)
{
    DATA;
    cache_create(h, 1);
    if
    :: value[h] -> obj_write(h, 2)
    :: else
    fi;
    n_quiet++
}
#endif

#ifdef DYING_READ
/* Looks a handle up in a table of the embedder's, then at its object. */
proctype finder(byte h)
{
    byte w, page, a;

    section_begin();
    if
    :: published[h] ->
        w = slot_word[h];
        assert(w != FREE); /* M12 */
        page = BASE(ZSPAGE(w));
        a = low[AT(page, w)];
        assert(a == high[AT(page, w)] && a != POISON) /* M12 */
    :: else
    fi;
    section_end();
    n_quiet++
}

/* Takes it out of the table, then frees it; its slot is used again. */
proctype deleter(byte h)
{
    DATA;
    published[h] = false;
    obj_free_deferred(h);
    n_quiet++
}
#endif

/* ---- start -------------------------------------------------------------- */

inline place(h, z, i, v)
{
    slot_word[h] = WORD(z, i);
    state[WORD(z, i)] = S_USED;
    side[WORD(z, i)] = h + 1;
    list[z] = ATTACHED;
#if CACHED
    fast[z] = true;
#endif
#ifdef DYING_READ
    published[h] = true;
#endif
    value[h] = v;
    low[z * NS + i] = v;
    high[z * NS + i] = v
}

#define APART                                                                  \
    place(0, 0, 0, 1);                                                         \
    place(1, 1, 0, 1)
/* Handle 0 is in a cache. */
#define IN_CACHE                                                               \
    slot_word[0] = slot_word[0] | CACHED;                                      \
    value[0] = 0
#define TOGETHER                                                               \
    place(0, 0, 0, 1);                                                         \
    place(1, 0, 1, 1);                                                         \
    place(2, 1, 0, 1)
#define START(proc)                                                            \
    n_started++;                                                               \
    run proc

inline start()
{
#if defined(REPLACE) /* and reuse of the zspage that the move left empty */
    APART;
    START(reader(0));
    START(replacer(0));
    START(mover(1));
#elif defined(REPLACE_TWICE_MOVED)
    APART;
    START(replacer(0));
    START(mover(2));
#elif defined(REPLACE_FULL) /* room for one of two objects */
    TOGETHER;
    START(reader(0));
    START(replacer(0));
    START(mover(1));
#elif defined(FREE_AND_MAKE) /* the same handle, perhaps the same slot */
    APART;
    START(reader(0));
    START(changer(1));
    START(mover(2));
#elif defined(WRITE)
    APART;
    START(writer(0));
    START(reader(1));
    START(mover(2));
#elif defined(WRITE_BESIDE_FREE)
    APART;
    START(writer(0));
    START(changer(1));
    START(mover(1));
#elif defined(WRITE_BESIDE_REPLACE)
    APART;
    START(writer(0));
    START(replacer(1));
    START(mover(1));
#elif defined(TWO_MOVERS)
    APART;
    START(writer(0));
    START(mover(2));
    START(mover(1));
#elif defined(TWO_MOVERS_FREE)
    APART;
    START(changer(0));
    START(mover(1));
    START(mover(1));
#elif defined(PAGE_WRITE)
    APART;
    START(writer(0));
    START(reader(1));
    START(migrator(2));
#elif defined(PAGE_REPLACE)
    APART;
    START(replacer(0));
    START(reader(0));
    START(migrator(2));
#elif defined(PAGE_MOVE_WRITE)
    APART;
    START(writer(0));
    START(mover(1));
    START(migrator(1));
#elif defined(PAGE_MOVE_READ)
    APART;
    START(reader(0));
    START(mover(1));
    START(migrator(2));
#elif defined(PAGE_MOVE_FREE)
    APART;
    START(changer(0));
    START(mover(1));
    START(migrator(1));
#elif defined(PAGE_MOVE_REPLACE)
    APART;
    START(replacer(0));
    START(mover(1));
    START(migrator(1));
#elif defined(CACHE)
    APART;
    START(cacher(0));
    START(mover(2));
    START(mover(1));
#elif defined(CACHE_READ) /* its slot is used by others meanwhile */
    TOGETHER;
    START(cacher(0));
    START(reader(1));
    START(mover(2));
#elif defined(CACHE_BESIDE_FREE)
    APART;
    START(cacher(0));
    START(changer(1));
    START(mover(1));
#elif defined(CACHE_PAGES)
    APART;
    START(cacher(0));
    START(mover(1));
    START(migrator(1));
#elif defined(SECTION_WRITE) /* room for one of two objects */
    TOGETHER;
    START(writer(0));
    START(writer(1));
    START(mover(2));
#elif defined(SECTION_TWO_MOVERS)
    APART;
    START(writer(0));
    START(mover(2));
    START(mover(1));
#elif defined(SECTION_CREATE)
    TOGETHER;
    IN_CACHE;
    START(creator(0));
    START(writer(1));
    START(mover(2));
#elif defined(SECTION_PAGES)
    APART;
    START(writer(0));
    START(migrator(1));
    START(migrator(1));
#elif defined(SECTION_PAGES_CREATE)
    APART;
    IN_CACHE;
    START(creator(0));
    START(migrator(1));
    START(migrator(1));
#elif defined(SECTION_PAGES_REPLACE) /* its limbo slot is freed meanwhile */
    TOGETHER;
    START(writer(0));
    START(replacer(1));
    START(migrator(1));
#elif defined(SECTION_PAGES_MOVE)
    APART;
    START(writer(0));
    START(mover(2));
    START(migrator(1));
#elif defined(SECTION_PAGES_MOVE_CREATE)
    APART;
    IN_CACHE;
    START(creator(0));
    START(mover(2));
    START(migrator(1));
#elif defined(SECTION_TRIM)
    TOGETHER;
    START(writer(0));
    START(writer(1));
    START(mover(2));
#elif defined(SECTION_TRIM_PAGES)
    APART;
    START(writer(0));
    START(mover(1));
    START(migrator(1));
#elif defined(DYING_READ)
    TOGETHER;
    START(finder(0));
    START(deleter(0));
    START(changer(1));
    START(mover(1));
#endif
}

/* ---- end ---------------------------------------------------------------- */

inline has_its_slot(h)
{
    assert(slot_word[h] && state[PLACE(slot_word[h])] == S_USED
           && side[PLACE(slot_word[h])] == h + 1); /* M10 */
    z = AT(BASE(ZSPAGE(slot_word[h])), slot_word[h]);
    assert((value[h] == 0) == ((slot_word[h] & CACHED) != 0)); /* M11 */
    assert(!value[h] || low[z] == value[h] && high[z] == value[h]) /* M2 */
}

init
{
    byte i, z, n_started;

    atomic {
        for (i : 0 .. NP * NS - 1) {
            low[i] = POISON;
            high[i] = POISON
        };
#ifdef PAGES
        for (i : 0 .. NZ - 1) {
            base[i] = i;
            page_use[i] = S_USED
        };
#endif
        i = 0;
        start()
    };
    n_quiet == n_started && !ANY_IN(S_LIMBO) && !ANY_IN(S_WAITS);
    d_step {
        for (i : 0 .. NH - 1) {
            if
            :: slot_word[i] -> has_its_slot(i)
            :: else
            fi
        };
        for (i : 1 .. NZ * NS) {
            assert(state[i] == S_FREE
                   || PLACE(slot_word[side[i] - 1]) == i) /* M10 */
        };
        for (i : 0 .. NZ - 1) {
            assert(!moving[i] && !stop[i] && !pins[i]);      /* M3 */
            assert(list[i] == UNUSED || list[i] == ATTACHED); /* M8 */
#if CACHED
            assert(list[i] == UNUSED || fast[i]) /* M13 */
#endif
        }
    }
}
