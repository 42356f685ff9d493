/* SPDX-License-Identifier: MIT */
/* statistics.c - the tables of docs/statistics.md, from the public headers. */
#include <stdio.h>
#include <string.h>

#include "zspool/balloon.h"
#include "zspool/compactor.h"
#include "zspool/limits.h"
#include "zspool/stats.h"

static void print_figure(const char *prefix, const char *name, const char *text)
{
    size_t len = strlen(text);
    int is_counter = len > 6 && strcmp(text + len - 6, ", ever") == 0;

    printf("| `%s` | `%s%s%s` | %s | %s |\n", name, prefix, name,
           is_counter ? "_total" : "", is_counter ? "counter" : "gauge", text);
}

static void print_head(const char *what)
{
    printf("\n%s\n\n| field | metric | kind | what it is |\n"
           "| --- | --- | --- | --- |\n",
           what);
}

#define ARENA(name, text) print_figure("zspool_arena_", #name, text);
#define COMPACT(name, text) print_figure("zspool_", #name, text);
#define POOL(name, text) print_figure("zspool_pool_", #name, text);
#define BALLOON(name, text) print_figure("zspool_balloon_", #name, text);
#define STORE(name, text) print_figure("zspool_store_", #name, text);
#define COMPACTOR(name, text) print_figure("zspool_compactor_", #name, text);
#define HISTOGRAM(name, text)                                                  \
    printf("| `%s` | `zspool_%s_seconds` | histogram | %s |\n", #name, #name,  \
           text);

int main(void)
{
    puts("<!-- statistics: generated -->");
    print_head("**arena** (`zs_arena_stats()`), label `arena`:");
    ZS_ARENA_STATS(ARENA)
    print_head("**compaction** (`zs_compact_stats()`), label `arena`:");
    ZS_COMPACT_STATS(COMPACT)
    print_head("**pools** (`zs_pool_stats()`), labels `arena`, `pool`:");
    ZS_POOL_STATS(POOL)
    print_head("**balloons** (`zs_balloon_stats()`), labels `arena`, "
               "`balloon`:");
    ZS_BALLOON_STATS(BALLOON)
    print_head("**stores** (`zs_store_mem_stats()`), labels `arena`, `store`; "
               "and their **tenants**, `zspool_tenant_...`, label `tenant` "
               "too:");
    ZS_STORE_MEM_STATS(STORE)
    print_head("**compactor** (`zs_compactor_stats()`), label `arena`:");
    ZS_COMPACTOR_STATS(COMPACTOR)
    print_head("**types**, labels `arena`, `type`, `number`:");
    print_figure("zspool_", "type_pages", "pages in use of a page type");
    print_head("**histograms** (`zs_arena_histograms()`), label `arena`:");
    ZS_ARENA_HISTOGRAMS(HISTOGRAM)
    puts("\n<!-- statistics: end -->");
    return 0;
}
