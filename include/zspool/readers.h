/* SPDX-License-Identifier: MIT */
/*
 * zspool/readers.h - reading in read sections of one's own.
 *
 * Readers of the library are in read sections of liburcu's flavour "bp". Who
 * has such sections anyhow needs no second one for each object:
 *
 *     zs_read_begin();                 (zspool/movable_ops.h), or
 *     urcu_bp_read_lock();             which is the same
 *     zs_handle_t h = look_up(key);
 *     const char *p = zs_obj_peek(pool, h, two_part);
 *     ...
 *     zs_read_end();
 *
 * Who has read sections of another kind (of liburcu's flavours memb or qsbr, or
 * hazards of his own) says once, before the first of them reads an object, how
 * to wait for them:
 *
 *     static const struct zs_readers memb = { urcu_memb_synchronize_rcu,
 *                                             urcu_memb_read_ongoing };
 *     zs_readers_add(&memb);
 *     ...
 *     urcu_memb_read_lock();
 *     const char *p = zs_obj_peek(pool, look_up(key), two_part);
 *     ...
 *     urcu_memb_read_unlock();
 *
 * From then on every grace period of the library, in all arenas, waits for both
 * kinds. What zspool's headers say of read sections holds for those, too.
 * Functions that open a section of their own work in them as well.
 *
 * Threads: nothing that "may wait" is called in a section of either kind (it
 * stops the process with a message). With qsbr a thread is in a section unless
 * it is offline: it goes offline before such a call, and around sleeping.
 * zs_malloc(), zs_free(), zs_free_deferred(), zs_obj_*(), zs_store_put() and
 * zs_store_get() never wait for readers and may be called in any section.
 */
#ifndef ZS_READERS_H
#define ZS_READERS_H

#include "zspool/export.h"

ZS_BEGIN_DECLS

/** How many other kinds there can be. */
#define ZS_MAX_READERS 4u

/** Readers of another kind. Both functions are called from any thread, also
 *  from one of the library's, which is registered with nobody. */
struct zs_readers {
    /** Return when every section that was open at the call has ended; a full
     *  memory barrier. urcu_memb_synchronize_rcu, urcu_qsbr_synchronize_rcu.
     *  Locks of the library are held, so call nothing of it. */
    void (*wait)(void);
    /** Not 0: the calling thread is in a section. urcu_memb_read_ongoing,
     *  urcu_qsbr_read_ongoing. */
    int (*ongoing)(void);
};

/**
 * Have all grace periods from now on wait for readers of another kind as well.
 * Sections that begin after it has returned may read objects. It cannot be
 * taken back: the functions must stay where they are. The same `wait` again
 * does nothing. Any thread, any time.
 *
 * The child of a fork knows no other kind any more: flavours but bp keep the
 * readers of threads that are gone.
 *
 * @param kind  copied.
 * @retval 0        success
 * @retval -EINVAL  a function is missing
 * @retval -ENOSPC  there are ZS_MAX_READERS kinds already
 *
 * Cost: readers of the library notice nothing; a compaction waits for each kind
 * in turn.
 */
ZS_API ZS_MUST_CHECK int zs_readers_add(const struct zs_readers *kind);

ZS_END_DECLS

#endif /* ZS_READERS_H */
