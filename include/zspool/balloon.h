/* SPDX-License-Identifier: MIT */
/*
 * zspool/balloon.h - pages withheld from use.
 *
 * A balloon takes free pages of an arena and gives their memory back to the
 * operating system. While it holds them nobody else can use them, and what it
 * holds counts against the arena's limit: inflating by 64 MiB makes the arena
 * 64 MiB smaller, at once and without asking its other owners; deflating gives
 * the room back to them. A daemon does this when its neighbours need memory:
 *
 *     struct zs_balloon *balloon;
 *     if (zs_balloon_create(arena, &balloon) == 0) {
 *         zs_balloon_inflate(balloon, 64 << 20);
 *         ... allocations of others meet the limit earlier ...
 *         zs_balloon_deflate(balloon, 64 << 20);
 *         zs_balloon_destroy(balloon);
 *     }
 *
 * The pages of a balloon are movable (movable_ops.h): they never keep a
 * pageblock from being emptied. A page without memory is moved without copying
 * and makes nothing resident. docs/balloon.md says more.
 *
 * Conventions: see zspool/arena.h. Amounts are bytes, rounded up to pages.
 */
#ifndef ZS_BALLOON_H
#define ZS_BALLOON_H

#include <stdint.h>

#include "zspool/arena.h"
#include "zspool/export.h"

ZS_BEGIN_DECLS

struct zs_balloon; /* opaque */

#define ZS_BALLOON_STATS(X)                                                    \
    X(target_bytes, "what it should withhold")                                 \
    X(current_bytes, "what it withholds: listed + isolated")                   \
    X(listed_bytes, "of it, on the balloon's list")                            \
    X(isolated_bytes, "of it, in the migration core's hands")                  \
    X(pages_migrated, "pages of it that were moved, ever")

#define ZS_BALLOON_FIELD_(name, text) uint64_t name;
struct zs_balloon_stats {
    ZS_BALLOON_STATS(ZS_BALLOON_FIELD_)
};

/**
 * Create an empty balloon. May wait for a compaction pass.
 *
 * @param out  the caller owns it: zs_balloon_destroy(), before the arena.
 * @retval 0        success
 * @retval -ENOMEM  no memory for the balloon itself
 * @retval -ENOSPC  the arena has no page type left
 */
ZS_API ZS_MUST_CHECK int zs_balloon_create(struct zs_arena *arena,
                                           struct zs_balloon **out);

/** Deflate it whole and free it. Owner only. May wait for a grace period and
 *  for a compaction pass. NULL is allowed. */
ZS_API void zs_balloon_destroy(struct zs_balloon *balloon);

/**
 * Raise the target by `bytes` (not above the arena's range), and withhold free
 * pages until it is reached or there is none left.
 *
 * Memory in use is not taken from anybody: at the limit the balloon stops, and
 * goes on with zs_balloon_fill() (or the compactor thread's next tick) when
 * others have freed some.
 *
 * @return  bytes withheld more by this call; less than asked for when there
 *          are no free pages left.
 * Cost: 0.1 us a page, and a system call for each 32 pages with memory.
 */
ZS_API uint64_t zs_balloon_inflate(struct zs_balloon *balloon, uint64_t bytes);

/**
 * Lower the target by `bytes` (not below 0), and free what is withheld above
 * it. Pages that are being moved just now are freed when the core lets go of
 * them. Never waits.
 *
 * @return  bytes freed by this call.
 */
ZS_API uint64_t zs_balloon_deflate(struct zs_balloon *balloon, uint64_t bytes);

/** Go on towards the target. Returns bytes withheld more. */
ZS_API uint64_t zs_balloon_fill(struct zs_balloon *balloon);

/** What it should withhold, and what it does. */
ZS_API uint64_t zs_balloon_target(struct zs_balloon *balloon);
ZS_API uint64_t zs_balloon_current(struct zs_balloon *balloon);

/** All figures, of one moment: listed + isolated == current. */
ZS_API void zs_balloon_stats(struct zs_balloon *balloon,
                             struct zs_balloon_stats *out);

ZS_END_DECLS

#endif /* ZS_BALLOON_H */
