/* SPDX-License-Identifier: MIT */
/*
 * page-states.c - the state picture of docs/movable-ops.md, from the table in
 * lib/page/page_flags.h: a mermaid state diagram on standard output.
 */
#include <stdio.h>

#include "page_flags.h"

#define EDGE(name) [ZS_EDGE_##name] = #name
static const char *const edge_names[] = {
    EDGE(ALLOC),           EDGE(SET_MOVABLE),      EDGE(LOCK),
    EDGE(UNLOCK),          EDGE(ISOLATE),          EDGE(PUTBACK),
    EDGE(MIGRATED),        EDGE(RELEASE_OWNED),    EDGE(RELEASE_MOVABLE),
    EDGE(RELEASE_LOCKED),  EDGE(RELEASE_ISOLATED), EDGE(FINISH_LOCKED),
    EDGE(FINISH_ISOLATED), EDGE(RECLAIM),
};
_Static_assert(sizeof(edge_names) / sizeof(edge_names[0]) == ZS_EDGE_NR,
               "a name for each edge");

static void print_edge(unsigned e)
{
    const struct zs_page_rule r = zs_page_rules[e];

    printf("    %s --> %s: %s\n",
           zs_page_state_name((enum zs_page_state)r.from),
           zs_page_state_name((enum zs_page_state)r.to), edge_names[e]);
}

int main(void)
{
    puts("stateDiagram-v2");
    for (unsigned e = 0; e < ZS_EDGE_NR; e++) {
        if (!edge_names[e]) {
            (void)fprintf(stderr, "edge %u has no name\n", e);
            return 1;
        }
        print_edge(e);
    }
    return fflush(stdout) != 0;
}
