/* SPDX-License-Identifier: MIT */
/*
 * dump.c - a map of an arena, for people.
 *
 * Each character stands for GROUP_PAGES pages: '.' all free, a letter for the
 * type of those in use, '*' for several types. Capital letters: one of them is
 * in the core's hands. ',' in LIMBO, '!' retired.
 */
#include <stdio.h>

#include "page.h"
#include "page_flags.h"

#define GROUP_PAGES 8u
#define GROUPS (ZS_BLOCK_PAGES / GROUP_PAGES)

static char letter_of(uint32_t word)
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
    return (char)((zs_word_is(word, ZS_PAGE_OWNED) ||
                           zs_word_is(word, ZS_PAGE_MOVABLE)
                       ? 'a'
                       : 'A') +
                  (type - 1) % 26);
}

/* What stands for two pages, or groups, together. */
static char both(char one, char other)
{
    if (one == other || other == '.' || (one == other - 'a' + 'A')) {
        return one;
    }
    if (one == '.' || (other == one - 'a' + 'A')) {
        return other;
    }
    return '*';
}

static void print_block(struct zs_arena *a, uint32_t block, int fd)
{
    uint32_t words[ZS_BLOCK_PAGES];
    char map[GROUPS + 1];
    int err =
        zs_arena_page_flags(a, block * ZS_BLOCK_PAGES, ZS_BLOCK_PAGES, words);

    ZS_CHECK(err == 0);
    for (unsigned g = 0; g < GROUPS; g++) {
        map[g] = '.';
        for (unsigned i = 0; i < GROUP_PAGES; i++) {
            map[g] = both(map[g], letter_of(words[g * GROUP_PAGES + i]));
        }
    }
    map[GROUPS] = '\0';
    dprintf(fd, "%6u %s", block, map);
}

void zs_arena_dump(struct zs_arena *a, int fd)
{
    static const char *const states[] = {
        [ZS_BLOCK_EMPTY] = "empty",   [ZS_BLOCK_OPEN] = "open",
        [ZS_BLOCK_CLOSED] = "closed", [ZS_BLOCK_HELD] = "held",
        [ZS_BLOCK_BUSY] = "busy",     [ZS_BLOCK_OFFLINE] = "offline",
    };

    dprintf(fd, "%6s %-64s %5s %9s\n", "block", "8 pages a character", "used",
            "resident");
    for (uint32_t i = 0; i < a->n_blocks; i++) {
        struct zs_block b;

        zs_lock_acquire(&a->lock);
        if (i >= a->n_touched_blocks) {
            zs_lock_release(&a->lock);
            break;
        }
        b = a->blocks[i];
        zs_lock_release(&a->lock);
        if (b.state != ZS_BLOCK_EMPTY) {
            print_block(a, i, fd);
            dprintf(fd, " %5u %9u %s%s\n", b.n_used, b.n_resident,
                    states[b.state], b.huge ? ", huge" : "");
        }
    }
    for (unsigned t = 1; t <= ZS_PAGE_TYPE_MAX; t++) {
        const char *name = zs_page_type_name(a, (zs_page_type_t)t);

        if (*name) {
            dprintf(fd, "%c %s\n", (char)('a' + (t - 1) % 26), name);
        }
    }
    dprintf(fd, ". free  , waits for readers  * several  ! retired  capital: "
                "being moved\n");
}
