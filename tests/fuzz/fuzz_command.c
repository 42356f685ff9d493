/* SPDX-License-Identifier: MIT */
/*
 * fuzz_command.c - lines that anybody may send to a monitor.
 *
 * Input: a line, whatever its bytes are.
 *
 * Oracle: no overrun (sanitizers; the line is in memory of exactly its size).
 * What is refused has a reason, in printable text. What is understood has
 * values in their bounds, and a budget that it made prints as a command that
 * makes the same budget again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "command.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_text(const char *text)
{
    ZS_CHECK(*text != '\0');
    for (; *text != '\0'; text++) {
        ZS_CHECK((unsigned char)*text >= ' ' && *text != 0x7f);
    }
}

static void check_budget(const struct zs_command *c)
{
    struct zs_compact_budget first = { 1, 1, 1, 1, 1000, 1, 1, 1, 1000000 };
    struct zs_compact_budget again = first;
    struct zs_command back;
    char line[ZS_COMMAND_BYTES] = "budget ";
    struct zs_text t, why;

    zs_command_apply(c, &first);
    zs_text_init(&t, line + 7, sizeof(line) - 7);
    zs_command_print_budget(&t, &first);
    ZS_CHECK(t.len < sizeof(line) - 7);
    zs_text_init(&why, NULL, 0);
    for (unsigned i = 0; i < c->n_set; i++) {
        if (c->set[i].value == 0) {
            return; /* a default: prints as 0, which is no value for all */
        }
    }
    ZS_CHECK(zs_command_parse(line, strlen(line) - 1, &back, &why));
    zs_command_apply(&back, &again);
    ZS_CHECK(memcmp(&first, &again, sizeof(first)) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct zs_command c;
    char reason[256];
    struct zs_text why;
    char *line;

    if (size >= ZS_COMMAND_BYTES) {
        return 0;
    }
    line = malloc(size > 0 ? size : 1);
    ZS_CHECK(line);
    if (size > 0) {
        memcpy(line, data, size);
    }
    zs_text_init(&why, reason, sizeof(reason));
    if (!zs_command_parse(line, size, &c, &why)) {
        check_text(reason);
    } else {
        ZS_CHECK(c.verb < ZS_NR_VERBS && c.n_set <= ZS_BUDGET_WORDS);
        ZS_CHECK(memchr(c.arena, '\0', sizeof(c.arena)) != NULL);
        check_budget(&c);
    }
    free(line);
    return 0;
}
