/* SPDX-License-Identifier: MIT */
/*
 * limbo_slots.c - slots and page vectors that wait for their last reader.
 *
 * Idea
 *   A slot left by a move or a replace stays as it is until a grace period has
 *   passed. It is stamped with the number of rounds begun so far, and its
 *   zspage is queued. When a round ends, the slots of its zspages that were
 *   stamped before the round began become free; a zspage with younger ones
 *   goes into the next round.
 *
 * Invariants
 *   W1  a zspage with a limbo slot is on one queue, or POPPED by the one round
 *       that looks at it; so it is not released meanwhile
 *
 * Locking: limbo_lock guards the queues and the stamps; slots are freed under
 * their class lock.
 */
#include "pool_impl.h"

static struct zs_pool *pool_of(struct zs_grace_member *m)
{
    return (struct zs_pool *)((char *)m -
                              offsetof(struct zs_pool, limbo_member));
}

static void push_zspage(struct zs_pool *pool, struct zspage *zp)
{
    zp->limbo_link = pool->limbo_next;
    pool->limbo_next = zspage_number(pool, zp);
}

uint32_t limbo_queue_zspage(struct zs_pool *pool, struct zspage *zp)
{
    uint32_t stamp;

    zs_lock_acquire(&pool->limbo_lock);
    stamp = pool->limbo_seq;
    if (zp->limbo_link == ZS_NOT_QUEUED) {
        push_zspage(pool, zp);
    }
    zs_lock_release(&pool->limbo_lock);
    return stamp;
}

void limbo_queue_chain(struct zs_pool *pool, struct zs_chain *chain)
{
    zs_lock_acquire(&pool->limbo_lock);
    chain->next_dead = pool->dead_next;
    pool->dead_next = chain;
    zs_lock_release(&pool->limbo_lock);
}

static void splice_zspages(struct zs_pool *pool, uint32_t *to, uint32_t *from)
{
    uint32_t last = *from;

    if (last == 0) {
        return;
    }
    while (zspage_at(pool, last)->limbo_link != 0) {
        last = zspage_at(pool, last)->limbo_link;
    }
    zspage_at(pool, last)->limbo_link = *to;
    *to = *from;
    *from = 0;
}

static void splice_chains(struct zs_chain **to, struct zs_chain **from)
{
    struct zs_chain *last = *from;

    if (!last) {
        return;
    }
    while (last->next_dead) {
        last = last->next_dead;
    }
    last->next_dead = *to;
    *to = *from;
    *from = NULL;
}

static void start(struct zs_grace_member *m, enum zs_round round)
{
    struct zs_pool *pool = pool_of(m);

    zs_lock_acquire(&pool->limbo_lock);
    pool->limbo_round_seq[round] = ++pool->limbo_seq;
    splice_zspages(pool, &pool->limbo_round[round], &pool->limbo_next);
    splice_chains(&pool->dead_round[round], &pool->dead_next);
    dying_start_locked(pool, round);
    if (round == ZS_ROUND_FLUSH) {
        splice_zspages(pool, &pool->limbo_round[round],
                       &pool->limbo_round[ZS_ROUND_ASYNC]);
        splice_chains(&pool->dead_round[round],
                      &pool->dead_round[ZS_ROUND_ASYNC]);
    }
    zs_lock_release(&pool->limbo_lock);
}

static struct zspage *pop_zspage(struct zs_pool *pool, enum zs_round round)
{
    struct zspage *zp = NULL;

    zs_lock_acquire(&pool->limbo_lock);
    if (pool->limbo_round[round] != 0) {
        zp = zspage_at(pool, pool->limbo_round[round]);
        pool->limbo_round[round] = zp->limbo_link;
        zp->limbo_link = ZS_POPPED;
    }
    zs_lock_release(&pool->limbo_lock);
    return zp;
}

/* Class lock held: after its round, off the queues or into the next one. */
static void requeue_locked(struct zs_pool *pool, struct zspage *zp)
{
    zs_lock_acquire(&pool->limbo_lock);
    zp->limbo_link = ZS_NOT_QUEUED;
    if (zp->n_limbo > 0) {
        push_zspage(pool, zp);
    }
    zs_lock_release(&pool->limbo_lock);
}

static void free_limbo_locked(struct zs_pool *pool, struct zs_class *cl,
                              struct zspage *zp, uint32_t round)
{
    bool attached = zp->phase == ZSPAGE_ATTACHED;
    unsigned n = zp->n_limbo;

    if (attached) { /* its free slots and list change */
        class_detach_locked(pool, cl, zp, ZSPAGE_GROWING);
    }
    zspage_free_limbo(zp, side_of(pool, zp), round);
    if (attached) {
        class_attach_locked(pool, cl, zp);
    }
    n -= zp->n_limbo;
    cl->n_limbo -= n;
    zs_grace_uncount(&pool->arena->grace, n * zspage_slot_bytes(zp), n);
}

/* True: some slots have to wait for another round. */
static bool finish_zspage(struct zs_pool *pool, struct zspage *zp,
                          uint32_t round)
{
    struct zs_class *cl = class_of(pool, zp); /* W1: it stays what it is */
    bool again, release;

    zs_lock_acquire(&cl->lock);
    free_limbo_locked(pool, cl, zp, round);
    requeue_locked(pool, zp);
    again = zp->n_limbo > 0;
    release = class_settle_locked(pool, cl, zp);
    zs_lock_release(&cl->lock);
    if (release) {
        zspage_release(pool, zp);
    }
    return again;
}

static void free_chains(struct zs_pool *pool, struct zs_chain **list)
{
    struct zs_chain *chain;

    zs_lock_acquire(&pool->limbo_lock);
    chain = *list;
    *list = NULL;
    zs_lock_release(&pool->limbo_lock);
    while (chain) {
        struct zs_chain *next = chain->next_dead;

        chain_free(pool, chain);
        chain = next;
    }
}

void limbo_drop_chains(struct zs_pool *pool)
{
    free_chains(pool, &pool->dead_next);
}

static void finish(struct zs_grace_member *m, enum zs_round round)
{
    struct zs_pool *pool = pool_of(m);
    struct zspage *zp;
    uint32_t number;
    bool again = false;

    zs_lock_acquire(&pool->limbo_lock);
    number = pool->limbo_round_seq[round];
    zs_lock_release(&pool->limbo_lock);
    while ((zp = pop_zspage(pool, round)) != NULL) {
        again |= finish_zspage(pool, zp, number);
    }
    free_chains(pool, &pool->dead_round[round]);
    dying_finish(pool, round);
    if (again) {
        zs_grace_request(&pool->arena->grace);
    }
}

void limbo_init(struct zs_pool *pool)
{
    zs_lock_init(&pool->limbo_lock, ZS_RANK_LIMBO);
    pool->limbo_member.start = start;
    pool->limbo_member.finish = finish;
    zs_grace_join(&pool->arena->grace, &pool->limbo_member);
}
