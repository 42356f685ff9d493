/* SPDX-License-Identifier: MIT */
/*
 * dump.c - a map of an arena, for people.
 *
 * A character for each pageblock says how full it is; or, a line for each 64
 * pages of it, whose each page is. Below: which blocks could not be emptied
 * just now, for which page, and who holds it.
 *
 * What keeps a block from being emptied is found by asking as a pass would
 * find it out: a page that is in use and not movable, or one whose owner names
 * somebody who holds it. An owner of pages that move only as a whole names that
 * too; such a page counts only in a block that passes have failed to empty.
 */
#include "dump.h"

#include <stdio.h>
#include <string.h>

#include "page_flags.h"

#define BLOCKS_A_LINE 64u
#define PAGES_A_LINE 64u

/* --- what is shown --- */

static bool is_in_use(uint32_t word)
{
    return zs_word_is_owners(word) && zs_word_type(word) <= ZS_PAGE_TYPE_MAX;
}

static bool is_blocker(struct zs_arena *a, zs_pfn_t page, uint32_t word,
                       bool was_skipped, struct zs_blocker *why)
{
    zs_describe_page(a, page, why);
    if (zs_word_is(word, ZS_PAGE_OWNED) && !was_skipped) {
        return why->holder[0] == '\0';
    }
    return why->holder[0] != '\0' || zs_word_is(word, ZS_PAGE_OWNED);
}

static void find_blocker(struct zs_arena *a, struct zs_shown_block *s)
{
    s->is_blocked = false;
    for (unsigned i = 0; i < ZS_BLOCK_PAGES && !s->is_blocked; i++) {
        s->is_blocked =
            is_in_use(s->words[i]) &&
            is_blocker(a, s->number * ZS_BLOCK_PAGES + i, s->words[i],
                       s->block.skip_shift > 0, &s->why);
    }
}

bool zs_show_block(struct zs_arena *a, uint32_t number,
                   struct zs_shown_block *out)
{
    bool touched;
    int err;

    zs_lock_acquire(&a->lock);
    touched = number < a->n_touched_blocks;
    if (touched) {
        out->block = a->blocks[number];
    }
    zs_lock_release(&a->lock);
    if (!touched) {
        return false;
    }
    out->number = number;
    err = zs_arena_page_flags(a, number * ZS_BLOCK_PAGES, ZS_BLOCK_PAGES,
                              out->words);
    ZS_CHECK(err == 0);
    find_blocker(a, out);
    return true;
}

const char *zs_block_state_name(const struct zs_block *b)
{
    static const char *const names[] = {
        [ZS_BLOCK_EMPTY] = "empty",   [ZS_BLOCK_OPEN] = "open",
        [ZS_BLOCK_CLOSED] = "closed", [ZS_BLOCK_HELD] = "held",
        [ZS_BLOCK_BUSY] = "busy",     [ZS_BLOCK_OFFLINE] = "offline",
    };

    return names[b->state];
}

/* --- a character for each block --- */

static char letter_of_block(const struct zs_shown_block *s)
{
    switch ((enum zs_block_state)s->block.state) {
    case ZS_BLOCK_EMPTY:
        return '.';
    case ZS_BLOCK_OFFLINE:
        return '-';
    case ZS_BLOCK_OPEN:
        break;
    default:
        return '~';
    }
    if (s->is_blocked) {
        return '!';
    }
    return "0123456789#"[s->block.n_used * 10u / ZS_BLOCK_PAGES];
}

static void print_blocks(struct zs_arena *a, int fd)
{
    struct zs_shown_block s;
    char line[BLOCKS_A_LINE + 1] = "";
    uint32_t i = 0;

    while (zs_show_block(a, i, &s)) {
        line[i % BLOCKS_A_LINE] = letter_of_block(&s);
        line[i % BLOCKS_A_LINE + 1] = '\0';
        i++;
        if (i % BLOCKS_A_LINE == 0) {
            dprintf(fd, "%6u %s\n", i - BLOCKS_A_LINE, line);
        }
    }
    if (i % BLOCKS_A_LINE > 0) {
        dprintf(fd, "%6u %s\n", i - i % BLOCKS_A_LINE, line);
    }
    dprintf(fd, "a block each: 0-9 tenths of its pages in use  # all of them  "
                ". no memory\n"
                "! cannot be emptied just now  ~ being emptied or trimmed  "
                "- offline\n");
}

/* --- a character for each page --- */

static char letter_of_page(uint32_t word)
{
    zs_page_type_t type = zs_word_type(word);

    if (zs_word_is(word, ZS_PAGE_FREE)) {
        return '.';
    }
    if (zs_word_is(word, ZS_PAGE_LIMBO)) {
        return ',';
    }
    if (type > ZS_PAGE_TYPE_MAX) {
        return '!';
    }
    if (zs_word_is(word, ZS_PAGE_OWNED) || zs_word_is(word, ZS_PAGE_MOVABLE)) {
        return "abcdefghijklmnopqrstuvwxyz"[(type - 1) % 26];
    }
    return "ABCDEFGHIJKLMNOPQRSTUVWXYZ"[(type - 1) % 26];
}

static void print_pages_of(const struct zs_shown_block *s, int fd)
{
    dprintf(fd, "%6u %u pages in use, %u resident, %s%s\n", s->number,
            s->block.n_used, s->block.n_resident,
            zs_block_state_name(&s->block), s->block.huge ? ", huge" : "");
    for (unsigned i = 0; i < ZS_BLOCK_PAGES; i += PAGES_A_LINE) {
        char line[PAGES_A_LINE + 1] = "";

        for (unsigned j = 0; j < PAGES_A_LINE; j++) {
            line[j] = letter_of_page(s->words[i + j]);
        }
        dprintf(fd, "%6s %s\n", "", line);
    }
}

static void print_pages(struct zs_arena *a, int fd)
{
    struct zs_shown_block s;

    for (uint32_t i = 0; zs_show_block(a, i, &s); i++) {
        if (s.block.state != ZS_BLOCK_EMPTY) {
            print_pages_of(&s, fd);
        }
    }
    for (unsigned t = 1; t <= ZS_PAGE_TYPE_MAX; t++) {
        const char *name = zs_page_type_name(a, (zs_page_type_t)t);

        if (*name) {
            dprintf(fd, "%c %s\n", "abcdefghijklmnopqrstuvwxyz"[(t - 1) % 26],
                    name);
        }
    }
    dprintf(fd, ". free  , waits for readers  ! retired  capital: being "
                "moved\n");
}

/* --- what holds blocks --- */

static void print_blocker(const struct zs_shown_block *s, int fd)
{
    const struct zs_blocker *why = &s->why;

    dprintf(fd, "%6u page %u of %s (%s): %s\n", s->number, why->page,
            why->type_name, why->state,
            why->holder[0] ? why->holder : "not movable");
}

static void print_blockers(struct zs_arena *a, int fd)
{
    struct zs_shown_block s;
    bool any = false;

    for (uint32_t i = 0; zs_show_block(a, i, &s); i++) {
        if (s.is_blocked) {
            dprintf(fd, "%s", any ? "" : "cannot be emptied just now:\n");
            print_blocker(&s, fd);
            any = true;
        }
    }
}

void zs_arena_dump(struct zs_arena *a, int fd, unsigned flags)
{
    struct zs_arena_stats stats;

    zs_arena_stats(a, &stats);
    dprintf(fd,
            "arena %s: %llu KiB kept, %llu KiB in use, %llu blocks in use, of "
            "them %llu huge\n",
            a->name, (unsigned long long)stats.footprint_bytes >> 10,
            (unsigned long long)stats.used_bytes >> 10,
            (unsigned long long)stats.n_blocks_used,
            (unsigned long long)stats.n_blocks_huge);
    if (flags & ZS_DUMP_PAGES) {
        print_pages(a, fd);
    } else {
        print_blocks(a, fd);
    }
    print_blockers(a, fd);
}
