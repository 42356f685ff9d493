/* SPDX-License-Identifier: MIT */
/*
 * pass.h - one compaction pass over an arena: how the policy's victims are
 * emptied.
 */
#ifndef ZS_COMPACTOR_PASS_H
#define ZS_COMPACTOR_PASS_H

#include <stdbool.h>

#include "policy.h"
#include "zspool/compactor.h"

/* What a pass knows of the arena: figures of each block in use. */
struct zs_survey {
    struct zs_block_figures *figures; /* zs_survey_free() */
    size_t n;
    size_t max; /* room for so many */
};

/* Look at every block. With heed_skips those that could not be emptied lately
 * are marked to be left out. 0 or -ENOMEM. pass_lock held. */
int zs_survey_take(struct zs_arena *a, struct zs_survey *s, bool heed_skips);
void zs_survey_free(struct zs_survey *s);

/* How far a pass goes. All zero: as far as it goes. */
struct zs_pass_goal {
    uint32_t keep_blocks; /* empty blocks that keep their memory */
    uint64_t want_bytes;  /* choose no more victims than give so much */
    uint64_t until_ns;    /* do not begin another block after that */
    uint32_t together;    /* close so many victims at a time; 0: all */
};

/* Empty the victims, consolidate, give memory back. What owners keep at hand
 * stays with them; drop it before. May wait for readers. pass_lock held. */
void zs_pass_run(struct zs_arena *a, struct zs_survey *s,
                 const struct zs_pass_goal *goal, struct zs_compact_result *r);

/* Only put together what is partly filled; free pages stay where they are, for
 * a load that takes them again. pass_lock held. */
void zs_pass_consolidate(struct zs_arena *a);

/* Have all owners give up what they keep at hand. pass_lock held. */
void zs_pass_drop_caches(struct zs_arena *a);

#endif /* ZS_COMPACTOR_PASS_H */
