/* SPDX-License-Identifier: MIT */
/*
 * limbo_slots.c - slots and page vectors that wait for their last reader.
 *
 * Idea
 *   A slot left by a move or a replace stays as it is until a grace period has
 *   passed. Slots are not queued one by one: their zspage is, stamped with the
 *   number of rounds begun so far. When a round ends, a zspage whose stamp is
 *   older than the round has all its limbo slots freed at once; one that got
 *   another limbo slot meanwhile goes into the next round. (It cannot do so
 *   for ever: each time it has fewer slots that are not limbo.)
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

void limbo_queue_zspage(struct zs_pool *pool, struct zspage *zp)
{
    zs_lock_acquire(&pool->limbo_lock);
    zp->limbo_seq = pool->limbo_seq;
    if (zp->limbo_link == ZS_NOT_QUEUED) {
        zp->limbo_link = pool->limbo_next;
        pool->limbo_next = zspage_number(pool, zp);
    }
    zs_lock_release(&pool->limbo_lock);
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
        zp->limbo_link = ZS_NOT_QUEUED;
    }
    zs_lock_release(&pool->limbo_lock);
    return zp;
}

/* Class lock held: did all limbo slots wait since before the round? If not,
 * into the next one. */
static bool covered_locked(struct zs_pool *pool, struct zspage *zp,
                           enum zs_round round)
{
    bool covered;

    zs_lock_acquire(&pool->limbo_lock);
    covered = zp->limbo_seq < pool->limbo_round_seq[round];
    if (!covered && zp->limbo_link == ZS_NOT_QUEUED) {
        zp->limbo_link = pool->limbo_next;
        pool->limbo_next = zspage_number(pool, zp);
    }
    zs_lock_release(&pool->limbo_lock);
    return covered;
}

static void free_limbo_locked(struct zs_pool *pool, struct zs_class *cl,
                              struct zspage *zp)
{
    unsigned n = zp->n_limbo;

    if (zp->phase == ZSPAGE_ATTACHED) { /* its room and list change */
        class_detach_locked(pool, cl, zp, ZSPAGE_GROWING);
        zspage_free_limbo(zp, side_of(pool, zp));
        class_attach_locked(pool, cl, zp);
    } else {
        zspage_free_limbo(zp, side_of(pool, zp));
    }
    cl->n_limbo -= n;
    zs_grace_uncount(&pool->arena->grace, n * zspage_slot_bytes(zp));
}

/* True: more has come meanwhile, and wants another round. */
static bool finish_zspage(struct zs_pool *pool, struct zspage *zp,
                          enum zs_round round)
{
    struct zs_class *cl = class_of(pool, zp);
    bool covered;
    bool release = false;

    zs_lock_acquire(&cl->lock);
    covered = covered_locked(pool, zp, round);
    if (covered) {
        free_limbo_locked(pool, cl, zp);
        release = class_settle_locked(pool, cl, zp);
    }
    zs_lock_release(&cl->lock);
    if (release) {
        zspage_release(pool, zp);
    }
    return !covered;
}

static void finish_chains(struct zs_pool *pool, enum zs_round round)
{
    struct zs_chain *chain;

    zs_lock_acquire(&pool->limbo_lock);
    chain = pool->dead_round[round];
    pool->dead_round[round] = NULL;
    zs_lock_release(&pool->limbo_lock);
    while (chain) {
        struct zs_chain *next = chain->next_dead;

        chain_free(pool, chain);
        chain = next;
    }
}

static void finish(struct zs_grace_member *m, enum zs_round round)
{
    struct zs_pool *pool = pool_of(m);
    struct zspage *zp;
    bool again = false;

    while ((zp = pop_zspage(pool, round)) != NULL) {
        again |= finish_zspage(pool, zp, round);
    }
    finish_chains(pool, round);
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
