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
};

/* Look at every block. 0 or -ENOMEM. pass_lock held. */
int zs_survey_take(struct zs_arena *a, struct zs_survey *s);
void zs_survey_free(struct zs_survey *s);

/* Empty the victims, consolidate, give memory back but for `keep_blocks` empty
 * blocks. May wait for readers. pass_lock held. */
void zs_pass_run(struct zs_arena *a, struct zs_survey *s, uint32_t keep_blocks,
                 struct zs_compact_result *r);

#endif /* ZS_COMPACTOR_PASS_H */
