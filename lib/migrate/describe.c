/* SPDX-License-Identifier: MIT */
/* describe.c - a page that would not move, in words. */
#include <stdio.h>
#include <string.h>

#include "migrate.h"
#include "page_flags.h"
#include "page_type.h"

static void copy_text(char *to, size_t len, const char *from)
{
    (void)snprintf(to, len, "%s", from);
}

static void ask_holder(struct zs_arena *a, zs_pfn_t page, zs_page_type_t type,
                       char *text, size_t len)
{
    const struct zs_movable_ops *ops;
    void *ctx;

    zs_read_lock();
    ops = zs_ops_of_type(a, type, &ctx);
    if (ops && ops->describe_holder) {
        ops->describe_holder(ctx, page, text, len);
    }
    zs_read_unlock();
}

void zs_describe_page(struct zs_arena *a, zs_pfn_t page, struct zs_blocker *out)
{
    uint32_t word = zs_page_word(zs_page(a, page));

    memset(out, 0, sizeof(*out));
    out->page = page;
    out->type = zs_word_type(word);
    copy_text(out->type_name, sizeof(out->type_name),
              zs_page_type_name(a, out->type));
    copy_text(out->state, sizeof(out->state),
              zs_page_state_name(zs_word_state(word)));
    if (zs_word_is_owners(word)) {
        ask_holder(a, page, out->type, out->holder, sizeof(out->holder));
    }
}
