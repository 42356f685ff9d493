/* SPDX-License-Identifier: MIT */
/*
 * command.h - a line of a client, understood. Pure.
 *
 * A line is a verb, and for some verbs words behind it, with blanks between.
 * Bytes of any kind may come; what is no command is answered with a text that
 * says what is wrong.
 */
#ifndef ZS_MONITOR_COMMAND_H
#define ZS_MONITOR_COMMAND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "text.h"
#include "zspool/compactor.h"

enum zs_verb {
    ZS_VERB_HELP,
    ZS_VERB_ARENAS,
    ZS_VERB_STATS,
    ZS_VERB_PROMETHEUS,
    ZS_VERB_MAP,
    ZS_VERB_SVG,
    ZS_VERB_KICK,
    ZS_VERB_PAUSE,
    ZS_VERB_RESUME,
    ZS_VERB_BUDGET,
    ZS_NR_VERBS
};

#define ZS_COMMAND_BYTES 512u /* of a line, with its end */
#define ZS_BUDGET_WORDS 9u    /* what a budget has */

struct zs_command {
    enum zs_verb verb;
    char arena[ZS_COMMAND_BYTES]; /* its name or number; "": the first one */
    unsigned n_set;               /* of the budget: what to set, in order */
    struct {
        unsigned word;  /* which */
        uint64_t value; /* as in struct zs_compact_budget */
    } set[ZS_BUDGET_WORDS];
};

/* `line` has no line end. False: `why` says what is wrong. */
bool zs_command_parse(const char *line, size_t len, struct zs_command *out,
                      struct zs_text *why);

/* Change what the command sets. */
void zs_command_apply(const struct zs_command *c, struct zs_compact_budget *b);

/* A budget as the command that would set it has it: "share=5 max=100 ...". */
void zs_command_print_budget(struct zs_text *t,
                             const struct zs_compact_budget *b);

/* What there is to say. */
void zs_command_print_help(struct zs_text *t);

#endif /* ZS_MONITOR_COMMAND_H */
