/* SPDX-License-Identifier: MIT */
/* dump.h - a pageblock as maps show it: dump.c in characters, dump_svg.c in
 * colours. */
#ifndef ZS_LIB_DUMP_H
#define ZS_LIB_DUMP_H

#include "migrate.h"

struct zs_shown_block {
    uint32_t number;
    struct zs_block block;          /* a copy */
    uint32_t words[ZS_BLOCK_PAGES]; /* its flag words, copied */
    bool is_blocked;                /* it cannot be emptied just now: */
    struct zs_blocker why;          /* the first page that would not move */
};

/* False: there is no such block, nor any behind it, that was ever in use. Asks
 * owners about their pages: some 200 ns for each that is in use. */
bool zs_show_block(struct zs_arena *a, uint32_t number,
                   struct zs_shown_block *out);

/* EMPTY, or without a page in use. */
const char *zs_block_state_name(const struct zs_block *b);

#endif /* ZS_LIB_DUMP_H */
