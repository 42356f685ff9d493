/* SPDX-License-Identifier: MIT */
/* recompress.c - see recompress.h. */
#include "recompress.h"

#include <errno.h>

#include "arena_impl.h"
#include "os.h"
#include "pack.h"
#include "page.h"
#include "rcu.h"
#include "thread_ctx.h"
#include "unpack.h"

#define DEFAULT_IDLE_NS UINT64_C(60000000000)
#define DEFAULT_CPU_PERCENT 5u
#define DEFAULT_LEVEL 9

#define BATCH_VALUES 16u
#define BATCH_BYTES ((size_t)64 * 1024) /* as stored; the last may exceed it */
#define VISITS ZS_COLD_PAGE_HANDLES     /* of a step, at most */
#define LINE_BYTES                                                             \
    1024u /* shorter ones with a dictionary need no codec alone */

#define COUNT(r, name, n)                                                      \
    atomic_fetch_add_explicit(&(r)->name, (n), memory_order_relaxed)

/* --- a candidate --- */

struct job {
    struct zs_store *store;
    zs_handle_t h;
    struct zs_tenant *tenant; /* whose value it is */
    struct zs_value old;
    size_t old_class; /* bytes */
    unsigned char *plain;
    unsigned char *room, *spare; /* of payloads: the next, the best one's */
    bool has_best;
    struct zs_value best;
    size_t best_class;
};

/* Bytes of the size class. */
static size_t class_bytes(const struct zs_store *store,
                          const struct zs_value *v)
{
    return zs_obj_class_bytes(v->header + v->payload + store->checksum_bytes);
}

static bool is_cold(const struct job *j)
{
    return zs_cold_load(&j->store->recompress.map, j->h.raw,
                        zs_cold_bit(j->h.raw)) != 0;
}

/* In its section: is there anything to be made of it at all? */
static bool is_worth_trying(const struct zs_store *store,
                            const struct zs_reading *r)
{
    if (r->object == NULL || (r->value.kind != ZS_VALUE_RAW &&
                              r->value.kind != ZS_VALUE_COMPRESSED)) {
        return false;
    }
    /* A header of 2 and a payload of 1 is the least. */
    return zs_obj_class_bytes(3 + store->checksum_bytes) <
           class_bytes(store, &r->value);
}

/* While BUSY: the value's own bytes. Parts of values end here: a mark is no
 * header. False: nothing to be done with it. */
static bool read_plain(struct job *j)
{
    struct zs_store *store = j->store;
    struct zs_reading r;
    bool ok = zs_reading_begin(store, j->h, &r) == 0 &&
              is_worth_trying(store, &r) && zs_reading_verify(store, &r) == 0;

    if (ok) {
        j->old = r.value;
        j->tenant = zs_tenant_of(store, &r.value);
        ok = j->tenant != NULL;
    }
    if (ok) {
        j->old_class = class_bytes(store, &r.value);
        j->plain = zs_os.alloc(r.value.length);
        ok = j->plain != NULL &&
             zs_reading_copy(store, &r, 0, j->plain, r.value.length) == 0;
    }
    zs_reading_end(store);
    return ok;
}

/* One way to compress it, and whether it is the best so far. */
static void consider(struct job *j, const struct zs_codec_ops *codec, int level,
                     const void *dict, unsigned codec_number,
                     unsigned dict_number)
{
    size_t len = j->old.length;
    unsigned char *room = j->room;
    struct zs_value v;
    void *compressor;
    size_t n, bytes;

    if (len < codec->min_length ||
        zs_thread_compressor(codec, &compressor) != 0 ||
        (dict != NULL
             ? codec->compress_with(compressor, dict, j->plain, len, room, &n)
             : codec->compress(compressor, level, j->plain, len, room, &n)) !=
            0 ||
        n >= len) {
        return;
    }
    v = zs_value_make_how(codec_number, dict_number, len, n);
    if (dict_number == 0) { /* else the dictionary is the tenant's */
        zs_value_set_tenant(&v, j->tenant->number);
    }
    bytes = class_bytes(j->store, &v);
    /* Where they are equal, the store's own codec is the quicker one. */
    if (!j->has_best || bytes < j->best_class ||
        (bytes == j->best_class && codec_number < j->best.codec)) {
        j->has_best = true;
        j->best = v;
        j->best_class = bytes;
        j->room = j->spare;
        j->spare = room;
    }
}

/* In a read section: what puts of the value's class use now. NULL: nothing, or
 * the value is too long. */
static const struct zs_dict *current_dict(const struct job *j, bool *retired)
{
    struct zs_dicts *d =
        j->store->dicts != NULL ? &j->store->dicts->dicts : NULL;
    const struct zs_dict *has = NULL;
    const struct zs_dict *now;

    *retired = false;
    if (d == NULL || j->old.length >= ZS_SAMPLE_LIMIT_BYTES) {
        return NULL;
    }
    if (j->old.dictionary != 0) {
        has = zs_dicts_find(d, j->old.dictionary);
    }
    now = zs_dicts_current(d, has != NULL ? has->class : j->tenant->number);
    *retired = has != NULL && has != now;
    return now;
}

/* In a read section: the ways with a dictionary. */
static void consider_dict(struct job *j, const struct zs_dict *dict)
{
    const struct zs_recompress *r = &j->store->recompress;

    if (j->old.codec != 0 || j->old.dictionary != dict->number) {
        consider(j, j->store->codec, 0, dict->prepared, 0, dict->number);
    }
    if (dict->cold != NULL) {
        consider(j, r->codec, 0, dict->cold, ZS_COLD_CODEC, dict->number);
    }
}

static void note_switched(struct job *j, bool retired, size_t beside)
{
    struct zs_recompress *r = &j->store->recompress;
    struct zs_store_stats change = { 0 };

    zs_stats_note(&change, &j->best, beside, 1);
    zs_stats_note(&change, &j->old, beside, -1);
    zs_tenant_commit(j->tenant, &change);
    zs_tenant_give(j->store, j->tenant, 0 - change.used_bytes); /* not less */
    COUNT(r, n_accepted, 1);
    COUNT(r, saved_bytes, j->old_class - j->best_class);
    COUNT(r, n_raw_accepted, j->old.kind == ZS_VALUE_RAW);
    COUNT(r, n_drained, retired && j->best.dictionary != j->old.dictionary);
}

/* In a read section, in which the dictionary was found (L1 in dict_set.h),
 * while BUSY. 0, or as zs_malloc(). */
static int switch_to_best(struct job *j, bool retired)
{
    struct zs_store *store = j->store;
    struct zs_packed p;
    bool refused = zs_limit_refused; /* nobody asked for this memory */
    int err;

    zs_pack_payload(store, NULL, &j->best, j->spare, &p);
    err = zs_packed_replace(store, &p, j->h);
    zs_limit_refused = refused;
    if (err != 0) {
        COUNT(&store->recompress, n_no_room, 1);
        return err;
    }
    if (j->best.dictionary != 0) {
        zs_dicts_count(&store->dicts->dicts, j->best.dictionary, 1);
    }
    if (j->old.dictionary != 0) { /* L3: no new reader can find it */
        zs_dicts_count(&store->dicts->dicts, j->old.dictionary, -1);
    }
    note_switched(j, retired, p.beside);
    return 0;
}

/* Done with it: until it is replaced, or there is another dictionary. */
static void set_tried(struct job *j)
{
    (void)zs_cold_set(&j->store->recompress.map, j->h.raw,
                      zs_tried_bit(j->h.raw));
}

/* Claimed again, and nobody was there meanwhile? */
static bool take_back(struct job *j)
{
    struct zs_recompress *r = &j->store->recompress;

    if (is_cold(j) && zs_claim_busy(&r->map, j->h.raw)) {
        return true;
    }
    COUNT(r, n_dropped, 1);
    return false;
}

/* What was made of it goes into the store, if it is good enough. */
static void finish(struct job *j)
{
    const struct zs_dict *dict;
    bool retired;

    zs_read_lock();
    dict = current_dict(j, &retired);
    if (dict != NULL) {
        consider_dict(j, dict);
    }
    if (take_back(j)) {
        bool good = j->has_best && (j->best_class < j->old_class ||
                                    (retired && j->best_class == j->old_class));

        if (!good || switch_to_best(j, retired) == 0) {
            set_tried(j);
        }
    }
    zs_read_unlock();
}

/* Two rooms for payloads; `plain` is there. */
static bool make_rooms(struct job *j)
{
    const struct zs_codec_ops *cold = j->store->recompress.codec;
    size_t a = cold->bound(j->old.length);
    size_t b = j->store->codec->bound(j->old.length);

    j->room = zs_os.alloc(a > b ? a : b);
    j->spare = zs_os.alloc(a > b ? a : b);
    return j->room != NULL && j->spare != NULL;
}

/* Outside of read sections, for it takes long: the cold codec alone. */
static void consider_plain(struct job *j)
{
    const struct zs_recompress *r = &j->store->recompress;
    bool has_dict, retired;

    zs_read_lock();
    has_dict = current_dict(j, &retired) != NULL;
    zs_read_unlock();
    if (!(has_dict && j->old.length < LINE_BYTES)) {
        consider(j, r->codec, r->level, NULL, ZS_COLD_CODEC, 0);
    }
}

static void try_again(struct job *j)
{
    struct zs_recompress *r = &j->store->recompress;

    COUNT(r, n_tried, 1);
    COUNT(r, n_raw_tried, j->old.kind == ZS_VALUE_RAW);
    if (make_rooms(j)) {
        consider_plain(j);
        finish(j);
    }
    zs_os.free(j->room);
    zs_os.free(j->spare);
}

/* It was claimed, and a grace period has passed (cold_map.h). */
static void work_on(struct zs_store *store, zs_handle_t h)
{
    struct zs_cold_map *map = &store->recompress.map;
    struct job j = { .store = store, .h = h };

    if (take_back(&j)) {
        bool ok = read_plain(&j);

        if (!ok) {
            set_tried(&j);
        }
        zs_claim_rest(map, h.raw);
        if (ok) {
            try_again(&j);
        }
        zs_os.free(j.plain);
    }
    zs_claim_end(map, h.raw);
}

/* --- the hand --- */

struct batch {
    zs_handle_t h[BATCH_VALUES];
    unsigned n;
    size_t bytes;
};

/* A candidate. False: not now, the step is to end before it. */
static bool claim(struct zs_store *store, zs_handle_t h, struct batch *b)
{
    struct zs_recompress *r = &store->recompress;
    size_t bytes;

    if (b->n == BATCH_VALUES || b->bytes >= BATCH_BYTES ||
        !zs_claim_publish(&r->map, h.raw)) {
        return false;
    }
    /* Published first, then looked at: cold_map.h */
    bytes = zs_obj_live_bytes(store->pool, h);
    if (bytes == 0) {
        zs_claim_end(&r->map, h.raw);
        return true;
    }
    COUNT(r, n_candidates, 1);
    b->bytes += bytes;
    b->h[b->n++] = h;
    return true;
}

static bool visit(struct zs_store *store, zs_handle_t h, struct batch *b)
{
    struct zs_recompress *r = &store->recompress;
    uint64_t cold = zs_cold_bit(h.raw), tried = zs_tried_bit(h.raw);
    uint64_t bits;

    if (zs_obj_live_bytes(store->pool, h) == 0) {
        return true;
    }
    bits = zs_cold_load(&r->map, h.raw, cold | tried);
    if ((bits & cold) == 0) {
        (void)zs_cold_set(&r->map, h.raw, cold); /* no memory: next round */
        return true;
    }
    return ((bits & tried) != 0 && !r->again) || claim(store, h, b);
}

/* The hand goes on. True: the round is over. */
static bool go_on(struct zs_store *store, struct batch *b)
{
    struct zs_recompress *r = &store->recompress;
    uint32_t end = zs_pool_handles_end(store->pool);
    uint32_t stop =
        end - r->hand > VISITS && end > r->hand ? r->hand + VISITS : end;

    while (r->hand < stop) {
        if (!visit(store, (zs_handle_t){ r->hand }, b)) {
            return false;
        }
        r->hand++;
    }
    return r->hand >= end;
}

static void begin_round(struct zs_store *store)
{
    struct zs_recompress *r = &store->recompress;
    uint64_t n = store->dicts != NULL
                     ? atomic_load_explicit(&store->dicts->dicts.n_published,
                                            memory_order_relaxed)
                     : 0;

    r->again = n != r->n_published;
    r->n_published = n;
}

/* --- steps --- */

static void do_step(struct zs_store *store)
{
    struct zs_recompress *r = &store->recompress;
    uint64_t cpu_ns = zs_os.thread_cpu_ns();
    struct batch b = { .n = 0 };
    bool over;

    if (r->hand == 0) {
        begin_round(store);
    }
    over = go_on(store, &b);
    if (b.n > 0 || over) {
        zs_wait_for_readers(); /* of claims; and C3 in cold_map.h */
    }
    for (unsigned i = 0; i < b.n; i++) {
        work_on(store, b.h[i]);
    }
    cpu_ns = zs_os.thread_cpu_ns() - cpu_ns;
    COUNT(r, cpu_ns, cpu_ns);
    r->not_before_ns = zs_os.now_ns() +
                       cpu_ns * (100 - r->cfg.cpu_percent) / r->cfg.cpu_percent;
    if (over) {
        r->hand = 0;
        r->not_before_ns += r->cfg.idle_ns;
        COUNT(r, n_rounds, 1);
    }
}

bool zs_recompress_step(struct zs_store *store, uint64_t *next_ns)
{
    struct zs_recompress *r = &store->recompress;
    bool due;

    *next_ns = UINT64_MAX;
    if (r->codec == NULL) {
        return false;
    }
    zs_may_wait("zs_store_background");
    zs_lock_acquire(&r->lock);
    due = zs_os.now_ns() >= r->not_before_ns;
    if (due) {
        do_step(store);
    }
    *next_ns = r->not_before_ns;
    zs_lock_release(&r->lock);
    return due;
}

/* --- begin and end --- */

static int fill_in(struct zs_recompress_config *cfg)
{
    if (cfg->codec == ZS_CODEC_LZ4 && cfg->level == 0) {
        cfg->codec = ZS_CODEC_ZSTD;
        cfg->level = DEFAULT_LEVEL;
    }
    if (cfg->idle_ns == 0) {
        cfg->idle_ns = DEFAULT_IDLE_NS;
    }
    if (cfg->cpu_percent == 0) {
        cfg->cpu_percent = DEFAULT_CPU_PERCENT;
    }
    return cfg->cpu_percent <= 100 ? 0 : -EINVAL;
}

int zs_recompress_init(struct zs_store *store,
                       const struct zs_recompress_config *cfg)
{
    struct zs_recompress *r = &store->recompress;
    int err;

    if (!cfg->on) {
        return 0;
    }
    r->cfg = *cfg;
    if (fill_in(&r->cfg) != 0) {
        return -EINVAL;
    }
    r->codec = zs_codec_get(r->cfg.codec);
    if (r->codec == NULL) {
        return -EINVAL;
    }
    err = r->codec->resolve_level(r->cfg.level, &r->level);
    if (err == 0) {
        err = zs_cold_map_init(&r->map, zs_pool_handles_limit(store->pool),
                               &zs_pool_arena(store->pool)->budget);
    }
    if (err != 0) {
        zs_codec_put(r->codec);
        r->codec = NULL;
        return err;
    }
    zs_lock_init(&r->lock, ZS_RANK_TRAINER);
    r->not_before_ns = zs_os.now_ns();
    zs_pool_free_at_once(store->pool); /* C5 */
    return 0;
}

void zs_recompress_destroy(struct zs_store *store)
{
    struct zs_recompress *r = &store->recompress;

    if (r->codec != NULL) {
        zs_cold_map_destroy(&r->map);
        zs_lock_destroy(&r->lock);
        zs_codec_put(r->codec);
    }
}
