/* SPDX-License-Identifier: MIT */
/*
 * classsim.c - what would a pool cost under other tables of size classes?
 *
 *     classsim pages PATH...      4 KiB pages of the files, lz4 each
 *     classsim bare PATH...       pages; raw ones stored without a header
 *     classsim lines PATH...      lines of 50..1000 bytes, lz4 each
 *     classsim values PATH...     pieces of 1..64 KiB, small ones more often
 *
 * The files below PATH are taken in a random but repeatable order until
 * INPUT_BYTES of them are cut up. Only the stored sizes are kept, and every
 * candidate table is asked what these objects would cost: all of them, and
 * random survivors as they remain when most have been freed. Nothing is
 * allocated from a real pool; docs/decisions/0001 explains the columns.
 *
 * Printed is overhead, a Markdown table: bytes of memory over bytes stored,
 * minus one, in percent. Counted are resident pages, 8 bytes per page, 64
 * bytes and the back references per zspage, 4 bytes of handle table per
 * object. Stored bytes include a header of 3 bytes per object, as the store
 * writes one, so that only what the allocator adds is compared.
 */
#include <ftw.h>
#include <lz4.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "check.h"
#include "size_class.h"

#define PAGE 4096u
#define HEADER 3u
#define MAX_PAGE_STORED (PAGE + HEADER)
#define MAX_STORED ZS_LARGEST_CLASS_BYTES
#define MIB (UINT64_C(1) << 20)
#define INPUT_BYTES (1024 * MIB)
#define MAX_FILE_BYTES (16 * MIB) /* of one file, so that none dominates */
#define ROUNDS 8u                 /* draws of survivors per figure */

enum workload { PAGES, BARE, LINES, VALUES, NR_WORKLOADS };

static const char *const workload_name[] = { "pages", "bare", "lines",
                                             "values" };

struct sizes { /* how many objects of each stored size */
    uint64_t n[MAX_STORED + 1];
};

/* ---- reading ---------------------------------------------------------- */

static char **paths;
static size_t n_paths, room_for_paths;

static uint64_t random_state = 1;

static uint64_t random_below(uint64_t bound) /* splitmix64 */
{
    uint64_t z = (random_state += UINT64_C(0x9e3779b97f4a7c15));

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (z ^ (z >> 31)) % bound;
}

static int add_path(const char *path, const struct stat *st, int type,
                    struct FTW *where)
{
    (void)where;
    if (type != FTW_F || !S_ISREG(st->st_mode)) {
        return 0;
    }
    if (n_paths == room_for_paths) {
        room_for_paths = room_for_paths ? 2 * room_for_paths : 1024;
        paths = realloc(paths, room_for_paths * sizeof(*paths));
        ZS_CHECK(paths != NULL);
    }
    paths[n_paths] = strdup(path);
    ZS_CHECK(paths[n_paths] != NULL);
    n_paths++;
    return 0;
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void find_files(char **roots)
{
    for (; *roots; roots++) {
        nftw(*roots, add_path, 64, FTW_PHYS);
    }
    qsort(paths, n_paths, sizeof(*paths), by_name);
    for (size_t i = n_paths; i > 1; i--) {
        size_t j = random_below(i);
        char *other = paths[j];

        paths[j] = paths[i - 1];
        paths[i - 1] = other;
    }
}

static uint64_t n_raw;
static size_t raw_header = HEADER;

static void store(struct sizes *out, const char *data, size_t bytes)
{
    static char packed[MAX_STORED];
    int n = LZ4_compress_default(data, packed, (int)bytes, (int)bytes);

    if (n > 0 && (size_t)n + HEADER < bytes) {
        out->n[(size_t)n + HEADER]++;
    } else {
        out->n[bytes + raw_header]++;
        n_raw++;
    }
}

static bool is_same_filled(const char *page)
{
    return memcmp(page, page + 1, PAGE - 1) == 0;
}

/* Cuts one file into pages; returns the bytes used. */
static uint64_t store_pages(struct sizes *out, FILE *f)
{
    char page[PAGE];
    uint64_t used = 0;

    while (used < MAX_FILE_BYTES && fread(page, PAGE, 1, f) == 1) {
        used += PAGE;
        if (!is_same_filled(page)) {
            store(out, page, PAGE);
        }
    }
    return used;
}

static uint64_t store_lines(struct sizes *out, FILE *f)
{
    char line[1002];
    uint64_t used = 0;

    while (used < MAX_FILE_BYTES && fgets(line, sizeof(line), f)) {
        size_t bytes = strlen(line);

        if (memchr(line, 0, bytes + 1) != line + bytes ||
            (used == 0 && strncmp(line, "\177ELF", 4) == 0)) {
            break; /* not text */
        }
        if (bytes >= 50 && bytes <= 1000) {
            store(out, line, bytes);
            used += bytes;
        }
    }
    return used;
}

/* Pieces whose length is 1 KiB times 2 to a random power below 6. */
static uint64_t store_values(struct sizes *out, FILE *f)
{
    static char value[64 * 1024];
    uint64_t used = 0;
    size_t bytes;

    do {
        size_t unit = (size_t)1024 << random_below(6);

        bytes = unit + random_below(unit);
        bytes = fread(value, 1, bytes - HEADER, f);
        if (bytes >= 1024) {
            store(out, value, bytes);
        }
        used += bytes;
    } while (bytes >= 1024 && used < MAX_FILE_BYTES);
    return used;
}

static void read_files(struct sizes *out, enum workload w)
{
    static uint64_t (*const cut_up[])(struct sizes *,
                                      FILE *) = { [PAGES] = store_pages,
                                                  [BARE] = store_pages,
                                                  [LINES] = store_lines,
                                                  [VALUES] = store_values };
    uint64_t used = 0;

    for (size_t i = 0; i < n_paths && used < INPUT_BYTES; i++) {
        FILE *f = fopen(paths[i], "rb");

        if (f) {
            used += cut_up[w](out, f);
            fclose(f);
        }
    }
}

static uint64_t stored_bytes(const struct sizes *s)
{
    uint64_t sum = 0;

    for (unsigned b = 1; b <= MAX_STORED; b++) {
        sum += s->n[b] * b;
    }
    return sum;
}

/* Each object survives with the chance keep / of. */
static void draw_survivors(struct sizes *out, const struct sizes *all,
                           uint64_t keep, uint64_t of)
{
    for (unsigned b = 0; b <= MAX_STORED; b++) {
        out->n[b] = 0;
        for (uint64_t i = 0; i < all->n[b]; i++) {
            out->n[b] += random_below(of) < keep;
        }
    }
}

/* ---- the candidates ---------------------------------------------------- */

struct table {
    char name[64];
    unsigned n;
    struct zs_size_class c[2000];
};

/* Memory of r filled slots at the front of a zspage, metadata included. */
static uint64_t front_bytes(const struct zs_size_class *c, uint64_t r)
{
    uint64_t pages = (r * c->slot_bytes + PAGE - 1) / PAGE;
    uint64_t refs = (4u * (uint64_t)c->n_slots + 63) / 64 * 64;

    return r == 0 ? 0 : pages * (PAGE + 8) + 64 + refs;
}

static uint64_t full_bytes(const struct zs_size_class *c)
{
    uint64_t refs = (4u * (uint64_t)c->n_slots + 63) / 64 * 64;

    return c->n_pages * (uint64_t)(PAGE + 8) + 64 + refs;
}

/* The chain of at most max_pages that makes slots of this size cheapest. */
static struct zs_size_class cut_best(unsigned slot_bytes, unsigned max_pages)
{
    struct zs_size_class best = { 0 };

    for (unsigned pages = 1; pages <= max_pages; pages++) {
        unsigned n = pages * PAGE / slot_bytes;
        struct zs_size_class c = { slot_bytes, (uint16_t)n, (uint16_t)pages };

        if (n == 0 || n > ZS_MAX_SLOTS_PER_ZSPAGE) {
            continue;
        }
        if (best.n_slots == 0 ||
            full_bytes(&c) * best.n_slots < full_bytes(&best) * n) {
            best = c;
        }
    }
    return best;
}

/* The kernel's way: even steps, classes of the same chain and count merged. */
static void even_table(struct table *t, unsigned min_step, unsigned steps,
                       unsigned max_pages)
{
    unsigned bytes = min_step > 8 ? min_step : 8;

    t->n = 0;
    while (t->n == 0 || t->c[t->n - 1].slot_bytes < MAX_PAGE_STORED) {
        struct zs_size_class c = cut_best(bytes, max_pages);
        unsigned step =
            steps && bytes / steps > min_step ? bytes / steps : min_step;

        if (t->n && t->c[t->n - 1].n_slots == c.n_slots &&
            t->c[t->n - 1].n_pages == c.n_pages) {
            t->n--; /* the larger of two that cost the same */
        }
        t->c[t->n++] = c;
        bytes = (bytes + step) & ~3u;
        if (c.slot_bytes < PAGE && bytes > PAGE) {
            bytes = PAGE;
        }
    }
}

/* ---- the cost ---------------------------------------------------------- */

enum state {
    FILLED,   /* never compacted: half a zspage per class is kept as well */
    PACKED,   /* compacted: the last zspage is packed, its tail given back */
    PROMOTED, /* packed, and leftovers move up a class where that saves */
    NR_STATES,
};

static uint64_t class_bytes(const struct table *t, unsigned i, uint64_t n,
                            enum state state, uint64_t *moved_up)
{
    const struct zs_size_class *c = &t->c[i];
    uint64_t full = n / c->n_slots * full_bytes(c);
    uint64_t rest = n % c->n_slots;

    *moved_up = 0;
    if (state == FILLED && n > 0 && rest < c->n_slots / 2) {
        rest = c->n_slots / 2;
    }
    if (state == PROMOTED && i + 1 < t->n && c[1].slot_bytes <= MAX_STORED &&
        rest * full_bytes(&c[1]) / c[1].n_slots < front_bytes(c, rest)) {
        *moved_up = rest;
        return full;
    }
    return full + front_bytes(c, rest);
}

static uint64_t pool_bytes(const struct table *t, const struct sizes *s,
                           enum state state)
{
    uint64_t sum = 0, objects = 0, moved_up = 0;
    unsigned b = 1;

    for (unsigned i = 0; i < t->n; i++) {
        uint64_t n = moved_up;

        for (; b <= t->c[i].slot_bytes && b <= MAX_STORED; b++) {
            n += s->n[b];
            objects += s->n[b];
        }
        sum += class_bytes(t, i, n, state, &moved_up);
    }
    for (; b <= MAX_STORED; b++) { /* runs of pages */
        sum += s->n[b] * (((b + PAGE - 1) / PAGE) * (PAGE + 8) + 64);
        objects += s->n[b];
    }
    return sum + (4 * objects + PAGE - 1) / PAGE * PAGE; /* handle table */
}

/*
 * The least that any table can cost for exactly these objects, packed, if
 * its classes are multiples of 4: the shortest path over all ends of classes,
 * the partly filled zspage of a class counted at half a page.
 */
static uint64_t least_bytes(const struct sizes *s, unsigned max_pages)
{
    static double best[MAX_PAGE_STORED / 4 + 2];
    static uint64_t below[MAX_PAGE_STORED / 4 + 2];
    unsigned last = MAX_PAGE_STORED / 4 + 1;

    for (unsigned to = 1; to <= last; to++) {
        struct zs_size_class c = cut_best(4 * to < 8 ? 8 : 4 * to, max_pages);
        double slot = (double)full_bytes(&c) / c.n_slots;

        below[to] = below[to - 1] + s->n[4 * to] + s->n[4 * to - 1] +
                    s->n[4 * to - 2] + s->n[4 * to - 3];
        best[to] = -1;
        for (unsigned from = 0; from < to; from++) {
            uint64_t n = below[to] - below[from];
            double cost = best[from] + (double)n * slot +
                          (n ? PAGE / 2 + 2.0 * c.n_slots : 0);

            best[to] = best[to] < 0 || cost < best[to] ? cost : best[to];
        }
    }
    return (uint64_t)best[last] + 4 * below[last];
}

/* ---- the report --------------------------------------------------------- */

#define NR_POOLS 3u

static struct sizes pools[NR_POOLS][ROUNDS];

static const uint64_t pool_goal[NR_POOLS] = { 0, 50 * MIB, 12 * MIB };

static void draw_pools(const struct sizes *all)
{
    uint64_t total = stored_bytes(all);

    for (unsigned p = 0; p < NR_POOLS; p++) {
        for (unsigned r = 0; r < ROUNDS; r++) {
            if (pool_goal[p]) {
                draw_survivors(&pools[p][r], all, pool_goal[p], total);
            } else {
                pools[p][r] = *all;
            }
        }
    }
}

/* Classes that hold an object when all are stored. */
static unsigned classes_used(const struct table *t)
{
    unsigned used = 0, b = 1;

    for (unsigned i = 0; i < t->n; i++) {
        uint64_t n = 0;

        for (; b <= t->c[i].slot_bytes && b <= MAX_STORED; b++) {
            n += pools[0][0].n[b];
        }
        used += n > 0;
    }
    return used;
}

static void report(const struct table *t)
{
    printf("| %-29s | %3u / %3u |", t->name, classes_used(t), t->n);
    for (unsigned p = 0; p < NR_POOLS; p++) {
        for (unsigned state = 0; state < NR_STATES; state++) {
            double sum = 0;

            for (unsigned r = 0; r < ROUNDS; r++) {
                sum += (double)pool_bytes(t, &pools[p][r], state) /
                           (double)stored_bytes(&pools[p][r]) -
                       1;
            }
            printf(" %6.2f |", 100 * sum / ROUNDS);
        }
    }
    printf("\n");
}

static void report_even(unsigned min_step, unsigned steps, unsigned max_pages)
{
    static struct table t;

    even_table(&t, min_step, steps, max_pages);
    if (steps) {
        snprintf(t.name, sizeof(t.name), "even %u or 1/%u, chain %u", min_step,
                 steps, max_pages);
    } else {
        snprintf(t.name, sizeof(t.name), "even %u, chain %u", min_step,
                 max_pages);
    }
    report(&t);
}

static void report_rule(const char *name, struct zs_size_class_rule rule)
{
    static struct table t;

    t.n = zs_size_classes_build(&rule, t.c, sizeof(t.c) / sizeof(t.c[0]));
    snprintf(t.name, sizeof(t.name), "%s", name);
    report(&t);
}

/* k*4096/n with steps of size/128 and the like, one chain length for all. */
static void report_relative(unsigned steps, unsigned max_pages)
{
    char name[64];

    snprintf(name, sizeof(name), "1/%u, chain %u", steps, max_pages);
    report_rule(name, (struct zs_size_class_rule){
                          .min_step_bytes = 4,
                          .steps = steps,
                          .max_step_bytes = PAGE,
                          .large_steps = steps < 64 ? steps : 64,
                          .min_pages = 8,
                          .max_pages = max_pages,
                          .large_max_pages = 64,
                          .expected_bytes = 1u << 30,
                          .longer_bytes = 0,
                      });
}

/* The library's rule with one field changed, for each value up to a 0. */
static void report_variants(const char *form, size_t field,
                            const uint32_t values[])
{
    for (; *values; values++) {
        struct zs_size_class_rule rule = zs_size_class_default_rule;
        char name[64];

        memcpy((char *)&rule + field, values, sizeof(*values));
        snprintf(name, sizeof(name), form, *values);
        report_rule(name, rule);
    }
}

static void report_all_variants(void)
{
#define VARIANTS(form, field, ...)                                             \
    report_variants(form, offsetof(struct zs_size_class_rule, field),          \
                    (const uint32_t[]){ __VA_ARGS__, 0 })
    VARIANTS("ours, size/%u", steps, 12, 16, 24, 32, 64);
    VARIANTS("ours, steps up to %u", max_step_bytes, 16, 20, 28, 32, 40, 64);
    VARIANTS("ours, chain up to %u", max_pages, 16, 24, 48, 64);
    VARIANTS("ours, %u bytes expected", expected_bytes, 1u << 16, 1u << 18,
             1u << 20);
    VARIANTS("ours, %u per page longer", longer_bytes, 1, 8, 16, 64);
    VARIANTS("ours, large size/%u", large_steps, 16, 24, 32, 64);
    VARIANTS("ours, large chain up to %u", large_max_pages, 16, 32);
#undef VARIANTS
}

static void report_least(unsigned max_pages)
{
    printf("| %-18s %2u pages |           |", "least for packed,", max_pages);
    for (unsigned p = 0; p < NR_POOLS; p++) {
        double least = (double)least_bytes(&pools[p][0], max_pages) /
                       (double)stored_bytes(&pools[p][0]);

        printf("        | %6.2f |        |", 100 * (least - 1));
    }
    printf("\n");
}

static void report_candidates(enum workload w)
{
    static const unsigned steps[] = { 24, 48, 64, 96, 128, 192, 256 };

    printf("| table | classes |");
    for (unsigned p = 0; p < NR_POOLS; p++) {
        printf(" filled | packed | promoted |");
    }
    printf("\n|---|---|---|---|---|---|---|---|---|---|---|\n");
    report_rule("ours", zs_size_class_default_rule);
    report_even(16, 0, 8);
    report_even(8, 0, 16);
    report_even(8, 0, 32);
    report_even(4, 64, 16);
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        report_relative(steps[i], 16);
    }
    for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
        report_relative(steps[i], 32);
    }
    report_all_variants();
    if (w != VALUES) {
        report_least(32);
        report_least(64);
    }
}

static int usage(void)
{
    fprintf(stderr, "usage: classsim pages|bare|lines|values PATH...\n");
    return 2;
}

int main(int argc, char **argv)
{
    static struct sizes all;
    enum workload w = 0;
    uint64_t objects = 0;

    if (argc < 3) {
        return usage();
    }
    while (w < NR_WORKLOADS && strcmp(argv[1], workload_name[w]) != 0) {
        w++;
    }
    if (w == NR_WORKLOADS) {
        return usage();
    }
    if (w == BARE) {
        raw_header = 0;
    }
    find_files(argv + 2);
    read_files(&all, w);
    for (unsigned b = 0; b <= MAX_STORED; b++) {
        objects += all.n[b];
    }
    if (objects == 0) {
        fprintf(stderr, "classsim: nothing to store\n");
        return 1;
    }
    printf("%llu objects, %.1f MiB stored, %.1f %% of them not shrunk\n"
           "overhead in %% of all, of 50 MiB, of 12 MiB:\n\n",
           (unsigned long long)objects,
           (double)stored_bytes(&all) / (double)MIB,
           100 * (double)n_raw / (double)objects);
    draw_pools(&all);
    report_candidates(w);
    return 0;
}
