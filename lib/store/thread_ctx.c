/* SPDX-License-Identifier: MIT */
/*
 * thread_ctx.c - per-thread codec contexts and work buffer.
 *
 * Idea
 *   One thread-local struct, all zero until used. Its first use in a thread
 *   sets a pthread key, whose destructor empties the struct at thread exit.
 *   Should a later destructor of the embedder's use a store again, the struct
 *   is filled and the key set again, and pthreads calls the destructor again.
 *
 *   The work buffer grows by powers of two to the largest room that was asked
 *   for, as long as it may be kept; beyond that every taker gets a buffer of
 *   its own that ends with its use.
 *
 *   Numbers are bits of one word, taken lowest first. Giving one back is a
 *   release and taking it an acquire, so that what is guarded by having the
 *   number (store_stats.h) needs no other order.
 *
 *   Contexts are in a list of all threads, so that a codec can be taken out:
 *   nobody uses it then, so what threads have of it may be destroyed by another
 *   thread.
 *
 * Invariants
 *   T1  is_registered whenever anything in the struct is to be given up
 *   T2  buffer_bytes <= ZS_WORK_BUFFER_KEEP_BYTES while nobody has taken it
 *
 * Forks
 *   In the child the contexts and buffers of other threads are lost: some 300
 *   KiB for each that used zstd, 20 for lz4, and its work buffer.
 *
 * Not done
 *   The main thread's struct is left to the end of the process: exit() runs no
 *   key destructors.
 */
#include "thread_ctx.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "check.h"
#include "fork.h"
#include "lock.h"
#include "os.h"

#define SMALLEST_BUFFER_BYTES ((size_t)8192)

/* On the heap: it may outlive its thread, in the child of a fork. */
struct contexts {
    void *compressors[ZS_NR_CODECS];   /* by codec id */
    void *decompressors[ZS_NR_CODECS]; /* by codec id */
    struct contexts *next;             /* guarded by threads_lock */
};

struct thread_ctx {
    struct contexts *contexts; /* NULL: none yet */
    unsigned char *buffer;
    size_t buffer_bytes;
    unsigned number; /* 0: none */
    bool is_registered;
    bool is_buffer_taken;
};

static _Thread_local struct thread_ctx this_thread
    __attribute__((tls_model("initial-exec"))); /* no call to find it */
static pthread_once_t key_once = PTHREAD_ONCE_INIT;
static pthread_key_t key;
static bool has_key; /* set once, before key_once is over */
static struct zs_lock threads_lock = { PTHREAD_MUTEX_INITIALIZER,
                                       ZS_RANK_STORE };
static struct contexts *all_contexts;      /* guarded by threads_lock */
static _Atomic uint64_t numbers_taken = 1; /* bit n: n is; 0 means none */

_Static_assert(ZS_THREAD_NUMBERS == 64, "a bit of numbers_taken each");

static void free_buffer(struct thread_ctx *t)
{
    zs_os.free(t->buffer);
    t->buffer = NULL;
    t->buffer_bytes = 0;
}

/* Release pairs with take_number(). */
static void give_number_back(struct thread_ctx *t)
{
    if (t->number != 0) {
        atomic_fetch_and_explicit(&numbers_taken, ~(UINT64_C(1) << t->number),
                                  memory_order_release);
        t->number = 0;
    }
}

/* 0: all are taken. Acquire pairs with give_number_back(). */
static unsigned take_number(void)
{
    uint64_t taken = atomic_load_explicit(&numbers_taken, memory_order_relaxed);
    uint64_t lowest;

    do {
        if (taken == UINT64_MAX) {
            return 0;
        }
        lowest = ~taken & (taken + 1);
    } while (!atomic_compare_exchange_weak_explicit(
        &numbers_taken, &taken, taken | lowest, memory_order_acquire,
        memory_order_relaxed));
    return (unsigned)__builtin_ctzll(lowest);
}

/* Nobody uses them just now. */
static void drop_contexts(struct contexts *c, const struct zs_codec_ops *codec)
{
    if (c->compressors[codec->id] != NULL) {
        codec->compressor_destroy(c->compressors[codec->id]);
        c->compressors[codec->id] = NULL;
    }
    if (c->decompressors[codec->id] != NULL) {
        codec->decompressor_destroy(c->decompressors[codec->id]);
        c->decompressors[codec->id] = NULL;
    }
}

static void unlink_contexts_locked(const struct contexts *c)
{
    struct contexts **at = &all_contexts;

    ZS_ASSERT_HELD(&threads_lock);
    while (*at != c) {
        at = &(*at)->next;
    }
    *at = c->next;
}

/* With the lock: a codec is there until its contexts are gone. */
static void free_contexts(struct contexts *c)
{
    if (c == NULL) {
        return;
    }
    zs_lock_acquire(&threads_lock);
    unlink_contexts_locked(c);
    for (unsigned id = 0; id < ZS_NR_CODECS; id++) {
        const struct zs_codec_ops *codec = zs_codec_find((enum zs_codec_id)id);

        if (codec != NULL) {
            drop_contexts(c, codec);
        }
    }
    zs_lock_release(&threads_lock);
    zs_os.free(c);
}

void zs_threads_drop_codec(const struct zs_codec_ops *codec)
{
    zs_lock_acquire(&threads_lock);
    for (struct contexts *c = all_contexts; c != NULL; c = c->next) {
        drop_contexts(c, codec);
    }
    zs_lock_release(&threads_lock);
}

static void empty_thread_ctx(void *arg)
{
    struct thread_ctx *t = arg;

    free_contexts(t->contexts);
    t->contexts = NULL;
    free_buffer(t);
    give_number_back(t);
    t->is_registered = false;
}

/* In the child of a fork: numbers of threads that are gone are free. Their
 * contexts are lost, for one of them may just have been in use. */
static void keep_own_number(struct zs_fork_member *m)
{
    (void)m;
    /* 1 for none, and if this thread has none. relaxed: it is alone */
    atomic_store_explicit(&numbers_taken, 1 | UINT64_C(1) << this_thread.number,
                          memory_order_relaxed);
}

static void lock(struct zs_fork_member *m, enum zs_rank rank)
{
    (void)m;
    if (rank == ZS_RANK_STORE) {
        zs_lock_acquire_together(&threads_lock);
        zs_lock_acquire_together(&zs_codecs_lock);
    }
}

static void unlock(struct zs_fork_member *m, enum zs_rank rank)
{
    (void)m;
    if (rank == ZS_RANK_STORE) {
        zs_lock_release_together(&zs_codecs_lock);
        zs_lock_release_together(&threads_lock);
    }
}

static const struct zs_fork_ops fork_ops = {
    .lock = lock,
    .unlock = unlock,
    .child = keep_own_number,
};
static struct zs_fork_member fork_member = { .how = &fork_ops };

static void make_key(void)
{
    has_key = zs_fork_join(&fork_member) == 0 &&
              pthread_key_create(&key, empty_thread_ctx) == 0;
}

void zs_thread_ctx_init(void)
{
    pthread_once(&key_once, make_key);
}

/* Have the thread's exit free what it is about to get. */
static int register_thread(struct thread_ctx *t)
{
    if (t->is_registered) {
        return 0;
    }
    zs_thread_ctx_init();
    if (!has_key || pthread_setspecific(key, t) != 0) {
        return -ENOMEM;
    }
    t->is_registered = true;
    return 0;
}

static int make_contexts(struct thread_ctx *t)
{
    struct contexts *c;

    if (register_thread(t) != 0) {
        return -ENOMEM;
    }
    c = zs_os.alloc(sizeof(*c));
    if (c == NULL) {
        return -ENOMEM;
    }
    zs_lock_acquire(&threads_lock);
    c->next = all_contexts;
    all_contexts = c;
    zs_lock_release(&threads_lock);
    t->contexts = c;
    return 0;
}

static int get_or_create(void **slot, void *(*create)(void), void **out)
{
    if (*slot == NULL && create != NULL) {
        *slot = create();
        if (*slot == NULL) {
            return -ENOMEM;
        }
    }
    *out = *slot;
    return 0;
}

int zs_thread_compressor(const struct zs_codec_ops *codec, void **out)
{
    struct thread_ctx *t = &this_thread;

    if (t->contexts == NULL && make_contexts(t) != 0) {
        return -ENOMEM;
    }
    return get_or_create(&t->contexts->compressors[codec->id],
                         codec->compressor_create, out);
}

int zs_thread_decompressor(const struct zs_codec_ops *codec, void **out)
{
    struct thread_ctx *t = &this_thread;

    *out = NULL;
    if (codec->decompressor_create == NULL) {
        return 0;
    }
    if (t->contexts == NULL && make_contexts(t) != 0) {
        return -ENOMEM;
    }
    return get_or_create(&t->contexts->decompressors[codec->id],
                         codec->decompressor_create, out);
}

/* Powers of two while the buffer may be kept, else what is needed. */
static size_t buffer_bytes_for(size_t bytes)
{
    size_t room = SMALLEST_BUFFER_BYTES;

    if (bytes > ZS_WORK_BUFFER_KEEP_BYTES) {
        return bytes;
    }
    while (room < bytes) {
        room *= 2;
    }
    return room;
}

static int grow_buffer(struct thread_ctx *t, size_t bytes)
{
    size_t room = buffer_bytes_for(bytes);

    if (register_thread(t) != 0) {
        return -ENOMEM;
    }
    free_buffer(t);
    t->buffer = zs_os.alloc(room);
    if (t->buffer == NULL) {
        return -ENOMEM;
    }
    t->buffer_bytes = room;
    return 0;
}

int zs_thread_buffer_take(size_t bytes, unsigned char **out)
{
    struct thread_ctx *t = &this_thread;

    ZS_ASSERT(!t->is_buffer_taken);
    if (bytes > t->buffer_bytes && grow_buffer(t, bytes) != 0) {
        return -ENOMEM;
    }
    t->is_buffer_taken = true;
    *out = t->buffer;
    return 0;
}

void zs_thread_buffer_put(void)
{
    struct thread_ctx *t = &this_thread;

    ZS_ASSERT(t->is_buffer_taken);
    t->is_buffer_taken = false;
    if (t->buffer_bytes > ZS_WORK_BUFFER_KEEP_BYTES) {
        free_buffer(t); /* T2 */
    }
}

unsigned zs_thread_number(void)
{
    struct thread_ctx *t = &this_thread;

    if (t->number == 0 && register_thread(t) == 0) {
        t->number = take_number();
    }
    return t->number;
}
