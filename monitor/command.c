/* SPDX-License-Identifier: MIT */
/* command.c - see command.h. */
#include "command.h"

#include <string.h>

#define KIB UINT64_C(1024)

/* --- the two tables --- */

enum wants { WANTS_NOTHING, WANTS_ARENA, WANTS_BUDGET };

static const struct {
    const char *name;
    enum wants wants;
    const char *text;
} verbs[ZS_NR_VERBS] = {
    [ZS_VERB_HELP] = { "help", WANTS_NOTHING, "this text" },
    [ZS_VERB_ARENAS] = { "arenas", WANTS_NOTHING,
                         "the process and its arenas, as JSON" },
    [ZS_VERB_STATS] = { "stats", WANTS_ARENA, "statistics, as JSON" },
    [ZS_VERB_PROMETHEUS] = { "prometheus", WANTS_ARENA,
                             "the same for Prometheus" },
    [ZS_VERB_MAP] = { "map", WANTS_ARENA, "a character for each pageblock" },
    [ZS_VERB_SVG] = { "svg", WANTS_ARENA, "the same as a picture" },
    [ZS_VERB_KICK] = { "kick", WANTS_NOTHING, "compact now" },
    [ZS_VERB_PAUSE] = { "pause", WANTS_NOTHING,
                        "the compactor does nothing until \"resume\"" },
    [ZS_VERB_RESUME] = { "resume", WANTS_NOTHING, "it goes on" },
    [ZS_VERB_BUDGET] = { "budget", WANTS_BUDGET,
                         "show the compactor's budget, or set parts of it" },
};

/* A number stands for value * unit. `zero`: what 0 stands for; 0: not allowed,
 * as 0 in the struct is the default. */
static const struct budget_word {
    const char *name;
    uint64_t least, most, unit, zero;
    size_t at;
    size_t bytes;
    const char *text;
} budget_words[ZS_BUDGET_WORDS] = {
#define WORD(name, field, least, most, unit, zero, text)                       \
    {                                                                          \
        name, least, most, unit, zero,                                         \
            offsetof(struct zs_compact_budget, field),                         \
            sizeof(((struct zs_compact_budget *)0)->field), text               \
    }
    WORD("share", share_percent, 1, 100, 1, 0,
         "percent of one processor, below the high mark"),
    WORD("max", max_share_percent, 1, 100, 1, 0, "the same, at the most"),
    WORD("low", low_permille, 1, 1000, 1, 0,
         "low mark: thousandths of resident memory that are waste"),
    WORD("high", high_permille, 1, 1000, 1, 0, "high mark"),
    WORD("step_us", step_ns, 1, 10000000, 1000, 0,
         "longest step in microseconds"),
    WORD("step_bytes", step_bytes, 1, KIB *KIB *KIB, 1, 0,
         "most bytes moved in a step"),
    WORD("step_objects", step_objects, 1, 256, 1, 0,
         "most objects moved in a step"),
    WORD("reserve", reserve_bytes, 0, KIB *KIB *KIB *KIB, 1, ZS_RESERVE_NOTHING,
         "bytes of empty pageblocks that are kept"),
    WORD("decay_ms", decay_ns, 0, 86400000, 1000000, 1,
         "half of what is above goes back in so long; 0: at once"),
};

/* --- words --- */

struct line {
    const char *at, *end;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

static void skip_blanks(struct line *l)
{
    while (l->at < l->end && is_blank(*l->at)) {
        l->at++;
    }
    while (l->end > l->at && is_blank(l->end[-1])) {
        l->end--;
    }
}

/* The next word; empty at the end of the line. */
static struct line next_word(struct line *l)
{
    struct line w;

    skip_blanks(l);
    w.at = l->at;
    while (l->at < l->end && !is_blank(*l->at)) {
        l->at++;
    }
    w.end = l->at;
    skip_blanks(l);
    return w;
}

static bool is_word(const struct line *w, const char *name)
{
    size_t len = (size_t)(w->end - w->at);

    return strlen(name) == len && memcmp(w->at, name, len) == 0;
}

/* At most 32 bytes of it, as text that can be shown. */
static void quote(struct zs_text *t, const struct line *w)
{
    char word[33];
    size_t len = (size_t)(w->end - w->at);

    len = len < sizeof(word) ? len : sizeof(word) - 1;
    memcpy(word, w->at, len);
    word[len] = '\0';
    zs_text_add_quoted(t, word);
}

/* --- numbers --- */

/* Digits, and k, m or g behind them: times 1,024 each. False: it is something
 * else, or above `most`. */
static bool parse_number(const struct line *w, uint64_t most, uint64_t *out)
{
    static const char letters[] = "kmg";
    const char *p = w->at;
    uint64_t n = 0;

    for (; p < w->end && *p >= '0' && *p <= '9'; p++) {
        n = n * 10 + (uint64_t)(*p - '0');
        if (n > most) {
            return false;
        }
    }
    if (p > w->at && p + 1 == w->end) {
        const char *letter = memchr(letters, *p | 0x20, sizeof(letters) - 1);

        unsigned shift = letter ? 10u * (unsigned)(letter - letters + 1) : 0;

        if (!letter || n > most >> shift) {
            return false;
        }
        n <<= shift;
        p++;
    }
    *out = n;
    return p > w->at && p == w->end && n <= most;
}

/* --- parts of a budget --- */

static unsigned find_budget_word(const struct line *name)
{
    unsigned i = 0;

    while (i < ZS_BUDGET_WORDS && !is_word(name, budget_words[i].name)) {
        i++;
    }
    return i;
}

static bool parse_value(const struct budget_word *b, const struct line *w,
                        uint64_t *out, struct zs_text *why)
{
    uint64_t n;

    if (is_word(w, "default")) {
        *out = 0;
        return true;
    }
    if (!parse_number(w, b->most, &n) || n < b->least) {
        zs_text_add(why, "%s: a number from %llu to %llu, or default, is not ",
                    b->name, (unsigned long long)b->least,
                    (unsigned long long)b->most);
        quote(why, w);
        return false;
    }
    *out = n == 0 ? b->zero : n * b->unit;
    return true;
}

static bool parse_setting(const struct line *w, struct zs_command *out,
                          struct zs_text *why)
{
    const char *equals = memchr(w->at, '=', (size_t)(w->end - w->at));
    struct line name = { w->at, equals ? equals : w->end };
    struct line value = { equals ? equals + 1 : w->end, w->end };
    unsigned word = find_budget_word(&name);

    if (word == ZS_BUDGET_WORDS || !equals) {
        zs_text_add(why, "NAME=NUMBER is wanted, with a name that \"help\" "
                         "lists, not ");
        quote(why, w);
        return false;
    }
    for (unsigned i = 0; i < out->n_set; i++) {
        if (out->set[i].word == word) {
            zs_text_add(why, "%s is there twice", budget_words[word].name);
            return false;
        }
    }
    out->set[out->n_set].word = word;
    return parse_value(&budget_words[word], &value,
                       &out->set[out->n_set++].value, why);
}

static bool parse_budget(struct line *l, struct zs_command *out,
                         struct zs_text *why)
{
    struct line w = next_word(l);

    while (w.at < w.end) {
        if (!parse_setting(&w, out, why)) {
            return false;
        }
        w = next_word(l);
    }
    return true;
}

void zs_command_apply(const struct zs_command *c, struct zs_compact_budget *b)
{
    for (unsigned i = 0; i < c->n_set; i++) {
        const struct budget_word *w = &budget_words[c->set[i].word];
        uint32_t small = (uint32_t)c->set[i].value;

        memcpy((char *)b + w->at,
               w->bytes == sizeof(small) ? (const void *)&small
                                         : (const void *)&c->set[i].value,
               w->bytes);
    }
}

static uint64_t value_of(const struct zs_compact_budget *b,
                         const struct budget_word *w)
{
    uint64_t value = 0;
    uint32_t small;

    if (w->bytes == sizeof(small)) {
        memcpy(&small, (const char *)b + w->at, sizeof(small));
        value = small;
    } else {
        memcpy(&value, (const char *)b + w->at, sizeof(value));
    }
    return w->zero != 0 && value == w->zero ? 0 : value / w->unit;
}

void zs_command_print_budget(struct zs_text *t,
                             const struct zs_compact_budget *b)
{
    for (unsigned i = 0; i < ZS_BUDGET_WORDS; i++) {
        zs_text_add(t, "%s%s=", i > 0 ? " " : "", budget_words[i].name);
        zs_text_add_number(t, value_of(b, &budget_words[i]));
    }
    zs_text_add(t, "\n");
}

/* --- lines --- */

static enum zs_verb find_verb(const struct line *w)
{
    unsigned i = 0;

    while (i < ZS_NR_VERBS && !is_word(w, verbs[i].name)) {
        i++;
    }
    return (enum zs_verb)i;
}

/* The rest of the line: names may have blanks in them. */
static void take_arena(const struct line *l, struct zs_command *out)
{
    size_t len = (size_t)(l->end - l->at);

    len = len < sizeof(out->arena) ? len : sizeof(out->arena) - 1;
    memcpy(out->arena, l->at, len);
    out->arena[len] = '\0';
}

bool zs_command_parse(const char *line, size_t len, struct zs_command *out,
                      struct zs_text *why)
{
    struct line l = { line, line + len };
    struct line w = next_word(&l);

    out->arena[0] = '\0';
    out->n_set = 0;
    out->verb = find_verb(&w);
    if (out->verb == ZS_NR_VERBS) {
        zs_text_add(why, "no command, see \"help\": ");
        quote(why, &w);
        return false;
    }
    switch (verbs[out->verb].wants) {
    case WANTS_ARENA:
        take_arena(&l, out);
        return true;
    case WANTS_BUDGET:
        return parse_budget(&l, out, why);
    default:
        if (l.at < l.end) {
            zs_text_add(why, "%s has nothing behind it, not ",
                        verbs[out->verb].name);
            quote(why, &l);
        }
        return l.at == l.end;
    }
}

void zs_command_print_help(struct zs_text *t)
{
    static const char *const behind[] = {
        [WANTS_NOTHING] = "",
        [WANTS_ARENA] = " [ARENA]",
        [WANTS_BUDGET] = " [NAME=NUMBER...]",
    };

    for (unsigned i = 0; i < ZS_NR_VERBS; i++) {
        char usage[48];
        struct zs_text u;

        zs_text_init(&u, usage, sizeof(usage));
        zs_text_add(&u, "%s%s", verbs[i].name, behind[verbs[i].wants]);
        zs_text_add(t, "%-25s %s\n", usage, verbs[i].text);
    }
    zs_text_add(t, "ARENA: a name or a number of \"arenas\"; the first one.\n"
                   "NUMBER: may end in k, m or g; \"default\" is one, too:\n");
    for (unsigned i = 0; i < ZS_BUDGET_WORDS; i++) {
        zs_text_add(t, "  %-13s %s\n", budget_words[i].name,
                    budget_words[i].text);
    }
}
