/*
 * Appliers: the threads that keep the other replicas up with the primary.
 *
 * A batch is sent to all healthy replicas as the primary starts to commit it, and waits in a ring for each. An applier
 * takes all that its ring holds into one transaction, so a replica that fell behind catches up with fewer commits. A
 * replica is healthy until its first failure, or until it has not moved for STALL_NS; it gets nothing more after that,
 * since it would miss a batch, and is copied anew (rejoin.c).
 *
 * Each replica has such a thread, also the primary, whose batches the writer commits: a file is extended by it, so that
 * the writer can stop waiting for a drive that hangs.
 */
#include <stdlib.h>
#include <time.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/index/index_priv.h"

/* ---- the ring; index->lock held ---- */

static struct batch *ring_at(const struct replica *replica, unsigned i)
{
    return replica->queue[(replica->queue_first + i) % LAG_BATCHES];
}

static void ring_push(struct replica *replica, struct batch *batch)
{
    replica->queue[(replica->queue_first + replica->queue_count++) % LAG_BATCHES] = batch;
    replica->queue_bytes += batch->redo.bytes.len;
    replica->queue_pages += batch->pages;
    batch->refs++;
    batch->sent += !replica->collecting;
    pthread_cond_signal(&replica->work);
}

static void ring_pop(struct replica *replica)
{
    struct batch *batch = ring_at(replica, 0);
    replica->queue_bytes -= batch->redo.bytes.len;
    replica->queue_pages -= batch->pages;
    replica->queue_first = (replica->queue_first + 1) % LAG_BATCHES;
    replica->queue_count--;
    batch_drop(replica->index, batch);
}

static bool ring_full(const struct replica *replica)
{
    return replica->queue_count == LAG_BATCHES || (replica->queue_count && replica->queue_bytes > LAG_BYTES);
}

void replica_fail(struct replica *replica, int error)
{
    if (!replica->healthy)
        return;
    replica->healthy = false;
    replica->error = error;
    for (unsigned i = 0; i < replica->queue_count; i++)
        ring_at(replica, i)->answers++;
    pthread_cond_broadcast(&replica->index->progress);
    pthread_cond_signal(&replica->index->rejoin.change);
}

void collecting_count(struct replica *replica)
{
    for (unsigned i = 0; i < replica->queue_count; i++)
        ring_at(replica, i)->sent++;
    replica->collecting = false;
    pthread_cond_signal(&replica->work);
}

void collecting_end(struct replica *replica)
{
    replica->collecting = false;
    while (!replica->healthy && replica->queue_count)
        ring_pop(replica);
}

/* ---- the thread ---- */

static int apply_once(struct replica *replica, struct batch *const *batches, unsigned count)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(replica->env, NULL, 0, &txn);
    if (rc)
        return rc;
    for (unsigned i = 0; !rc && i < count; i++)
        rc = replica_redo(replica, txn, &batches[i]->redo);
    if (!rc)
        return mdb_txn_commit(txn);
    mdb_txn_abort(txn);
    return rc;
}

static int apply(struct replica *replica, struct batch *const *batches, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        trail_add(replica, replica->index->meta.epoch, batches[i]->sequence, &batches[i]->redo);
    int rc = apply_once(replica, batches, count);
    while (rc == MDB_MAP_FULL) {
        rc = replica_grow(replica); /* nobody reads here */
        if (!rc)
            rc = apply_once(replica, batches, count);
    }
    trail_settle(replica, rc == 0);
    return lmdb_error(rc);
}

/* index->lock held. A replica that was given up meanwhile has had its batches answered. */
static void applied(struct replica *replica, unsigned count, int rc)
{
    if (rc < 0)
        replica_fail(replica, rc);
    for (unsigned i = 0; i < count; i++) {
        struct batch *batch = ring_at(replica, 0);
        if (replica->healthy) {
            replica->meta.epoch = replica->index->meta.epoch;
            replica->meta.sequence = batch->sequence;
            batch->answers++;
            if (++batch->acks == replica->index->write_quorum)
                batch->quorum_ns = clock_mono_ns() - batch->sent_ns;
        }
        ring_pop(replica);
    }
    pthread_cond_broadcast(&replica->index->progress);
    if (!replica->healthy)
        pthread_cond_signal(&replica->index->rejoin.change);
}

/* index->lock held, and let go while the replica commits. */
static void applier_round(struct replica *replica)
{
    struct batch *batches[LAG_BATCHES];
    unsigned count = replica->queue_count;
    bool good = replica->healthy;
    for (unsigned i = 0; i < count; i++)
        batches[i] = ring_at(replica, i);
    replica->round_ns = clock_mono_ns();
    pthread_mutex_unlock(&replica->index->lock);
    int rc = good ? apply(replica, batches, count) : 0;
    pthread_mutex_lock(&replica->index->lock);
    replica->round_ns = 0;
    applied(replica, count, rc);
}

/* index->lock held, and let go meanwhile. */
static void reserve_round(struct replica *replica)
{
    size_t ahead = replica->reserve.ahead, pages = replica->reserve.pages;
    replica->round_ns = clock_mono_ns();
    pthread_mutex_unlock(&replica->index->lock);
    int rc = replica_reserve(replica, ahead, pages);
    pthread_mutex_lock(&replica->index->lock);
    replica->round_ns = 0;
    replica->reserve.result = rc;
    replica->reserve.wanted = false;
    pthread_cond_broadcast(&replica->index->progress);
    if (!replica->healthy)
        pthread_cond_signal(&replica->index->rejoin.change);
}

static bool has_work(const struct replica *replica)
{
    return replica->queue_count && !replica->collecting;
}

static void *applier_main(void *arg)
{
    struct replica *replica = arg;
    pthread_setname_np(pthread_self(), "index-applier");
    pthread_mutex_lock(&replica->index->lock);
    while (has_work(replica) || !replica->stop) {
        if (replica->reserve.wanted)
            reserve_round(replica);
        else if (has_work(replica))
            applier_round(replica);
        else
            pthread_cond_wait(&replica->work, &replica->index->lock);
    }
    replica->running = false;
    pthread_cond_broadcast(&replica->index->progress);
    bool alone = thread_leaves(replica->index);
    pthread_mutex_unlock(&replica->index->lock);
    if (alone)
        index_release(replica->index);
    return NULL;
}

int applier_start(struct replica *replica)
{
    replica->running = true;
    int rc = pthread_create(&replica->thread, NULL, applier_main, replica);
    replica->started = replica->running = rc == 0;
    return -rc;
}

/* index->lock held. */
static bool is_stuck(const struct replica *replica)
{
    return replica->round_ns && clock_mono_ns() - replica->round_ns > STALL_NS;
}

void applier_stop(struct replica *replica)
{
    struct index *index = replica->index;
    if (!replica->started)
        return;
    pthread_mutex_lock(&index->lock);
    replica->stop = true;
    pthread_cond_signal(&replica->work);
    while (replica->running && !is_stuck(replica))
        lock_wait(index, &index->progress, CLOSE_LOOK_NS);
    bool ended = !replica->running;
    pthread_mutex_unlock(&index->lock);
    if (ended)
        pthread_join(replica->thread, NULL);
    else
        pthread_detach(replica->thread);
    replica->started = false;
}

/* ---- the writer's side ---- */

static struct timespec stall_deadline(void)
{
    int64_t at = clock_mono_ns() + STALL_NS;
    return (struct timespec){.tv_sec = at / NS_PER_SEC, .tv_nsec = at % NS_PER_SEC};
}

/* index->lock held. */
static void wait_for_room(struct index *index, struct replica *replica)
{
    struct timespec deadline = stall_deadline();
    while (replica->healthy && ring_full(replica))
        if (pthread_cond_timedwait(&index->progress, &index->lock, &deadline) == ETIMEDOUT)
            replica_fail(replica, -ETIMEDOUT);
}

void applier_send_all(struct index *index, struct batch *batch)
{
    pthread_mutex_lock(&index->lock);
    batch->sent_ns = clock_mono_ns();
    for (size_t i = 0; i < index->count; i++) {
        struct replica *replica = &index->replicas[i];
        if (replica == index->primary)
            continue;
        wait_for_room(index, replica);
        if (replica->collecting && ring_full(replica))
            collecting_end(replica);
        if (replica->healthy || replica->collecting)
            ring_push(replica, batch);
    }
    pthread_mutex_unlock(&index->lock);
}

int applier_reserve(struct replica *replica, size_t ahead, size_t pages)
{
    struct index *index = replica->index;
    if (!replica->started || replica_has_room(replica, ahead, pages))
        return replica_reserve(replica, ahead, pages);
    int64_t until = clock_mono_ns() + STALL_NS;
    pthread_mutex_lock(&index->lock);
    replica->reserve.ahead = ahead;
    replica->reserve.pages = pages;
    replica->reserve.wanted = true;
    pthread_cond_signal(&replica->work);
    while (replica->reserve.wanted && replica->healthy && clock_mono_ns() < until)
        lock_wait(index, &index->progress, CLOSE_LOOK_NS);
    int rc = replica->reserve.wanted ? -ETIMEDOUT : replica->reserve.result;
    if (rc == -ETIMEDOUT)
        replica_fail(replica, rc);
    pthread_mutex_unlock(&index->lock);
    return rc;
}

static bool ring_has(const struct replica *replica, const struct batch *batch)
{
    for (unsigned i = 0; i < replica->queue_count; i++)
        if (ring_at(replica, i) == batch)
            return true;
    return false;
}

/* index->lock held. */
static void give_up_on(struct index *index, const struct batch *batch)
{
    for (size_t i = 0; i < index->count; i++)
        if (ring_has(&index->replicas[i], batch))
            replica_fail(&index->replicas[i], -ETIMEDOUT);
}

unsigned applier_await(struct index *index, struct batch *batch, unsigned want)
{
    struct timespec deadline = stall_deadline();
    pthread_mutex_lock(&index->lock);
    while (batch->acks < want && batch->answers < batch->sent)
        if (pthread_cond_timedwait(&index->progress, &index->lock, &deadline) == ETIMEDOUT)
            give_up_on(index, batch);
    unsigned acks = batch->acks;
    pthread_mutex_unlock(&index->lock);
    return acks;
}
