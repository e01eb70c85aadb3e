/*
 * Succession: another replica becomes the primary, and where need be another thread the writer.
 *
 *   the primary                       found by       the batch under way   then
 *   fails a commit                    the writer     see writer.c          the writer promotes another
 *   gives a damaged record            a reader       none                  the same, if W are left without it
 *   does not come back from a commit  the stand-in   is durable on W       the stand-in promotes another, answers, and
 *                                                    others                is the writer from now on
 *
 * LMDB's commit can't be called off, and a write transaction is its thread's. So a drive that hangs keeps the thread
 * that writes, whatever the others do. The stand-in is a thread that does nothing but look, a few times while a commit
 * takes its time, whether it is late: W others have the batch, and the primary is in it for longer than LATE_NS and
 * LATE_TIMES what they took. (So a machine that is merely busy, or drives that share a disk, make none late. Without a
 * quorum of others there is nobody to go on with, and all wait for the drive.)
 *
 *   thread        what it does                         until
 *   holder        writes                               the index closes, or it is left behind
 *   stand-in      looks                                the index closes, or it becomes the holder
 *   left behind   nothing, it is in LMDB               its drive answers: then it ends
 *
 * A writer that was left behind touches nothing but what it had in its hands: the transaction, the trail, and the redo
 * of the batch, which it holds a reference to. Its replica is detained until then: nobody copies it anew or closes it,
 * and no reader's slot with a transaction in it is used again, since even giving that back writes to the drive. A
 * commit that succeeds there late says nothing new: W others have it.
 */
#include <errno.h>

#include "objstore/base/clock.h"
#include "objstore/index/index_priv.h"

#define LATE_NS (5 * NS_PER_SEC) /* as a drive's writes are (objstore/drive) */
#define LATE_TIMES 8
/* … in so many looks. They are counted, so that a process that was stopped finds nothing late when it goes on. */
#define LOOKS 8

/* ---- standing by ---- */

/* index->lock held, as in all that follows where not said otherwise. */
static bool is_late(const struct index *index)
{
    const struct office *office = &index->office;
    const struct batch *batch = office->batch;
    return batch && office->looks >= LOOKS && batch->acks >= index->write_quorum &&
           clock_mono_ns() - office->since >= LATE_TIMES * batch->quorum_ns;
}

/* True when the holder's commit is late; false when there is nobody to stand in for any more. */
static bool stand_by(struct index *index)
{
    struct office *office = &index->office;
    while (office->holder && !is_late(index)) {
        bool same = office->seen == office->entered;
        office->looks = same && office->batch ? office->looks + 1 : 0;
        office->dozing = same && !office->batch;
        office->seen = office->entered;
        if (office->dozing)
            pthread_cond_wait(&office->change, &index->lock);
        else
            lock_wait(index, &office->change, office->late_ns / LOOKS);
        office->dozing = false;
    }
    return office->holder;
}

/* The batch is the caller's, and the office. */
static struct batch *take_over(struct index *index, struct writer *me)
{
    struct office *office = &index->office;
    struct batch *batch = office->batch;
    office->holder->left = true;
    office->holder = me;
    office->batch = NULL;
    office->looks = 0;
    office->threads--;
    atomic_store(&index->primary->detained, true);
    replica_fail(index->primary, -ETIMEDOUT);
    return batch;
}

/* ---- threads; index->lock not held ---- */

static void thread_end(struct index *index, const struct writer *me)
{
    pthread_mutex_lock(&index->lock);
    index->office.threads--;
    if (me && index->office.holder == me)
        index->office.holder = NULL;
    pthread_cond_broadcast(&index->office.change);
    bool alone = thread_leaves(index);
    pthread_mutex_unlock(&index->lock);
    if (alone)
        index_release(index);
}

static int thread_start(struct index *index, void *(*run)(void *index))
{
    pthread_attr_t detached;
    pthread_t thread;
    pthread_mutex_lock(&index->lock);
    index->office.threads++;
    pthread_mutex_unlock(&index->lock);
    int rc = pthread_attr_init(&detached);
    if (rc == 0) {
        pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
        rc = pthread_create(&thread, &detached, run, index);
        pthread_attr_destroy(&detached);
    }
    if (rc)
        thread_end(index, NULL);
    return -rc;
}

static void *stand_in_main(void *arg);

/* Writes until the index closes. Where there is no memory for a stand-in the next holder may have one; without it a
 * drive that hangs is waited for. */
static void hold_office(struct index *index)
{
    if (index->count > 1)
        (void)thread_start(index, stand_in_main);
    writer_loop(index);
}

static void *stand_in_main(void *arg)
{
    struct index *index = arg;
    struct writer me = {.left = false};
    pthread_setname_np(pthread_self(), "index-stand-in");
    pthread_mutex_lock(&index->lock);
    struct batch *batch = stand_by(index) ? take_over(index, &me) : NULL;
    pthread_mutex_unlock(&index->lock);
    if (batch) {
        pthread_setname_np(pthread_self(), "index-writer");
        replace_primary(index);
        writer_finish(index, batch, 0);
        hold_office(index);
    }
    thread_end(index, &me);
    return NULL;
}

static void *holder_main(void *arg)
{
    struct index *index = arg;
    struct writer me = {.left = false};
    pthread_setname_np(pthread_self(), "index-writer");
    pthread_mutex_lock(&index->lock);
    index->office.holder = &me;
    pthread_mutex_unlock(&index->lock);
    hold_office(index);
    thread_end(index, &me);
    return NULL;
}

int office_start(struct index *index, int64_t late_ns)
{
    index->office.late_ns = late_ns > 0 ? late_ns : LATE_NS;
    return thread_start(index, holder_main);
}

bool office_end(struct index *index)
{
    struct office *office = &index->office;
    atomic_store(&index->stop, true);
    queue_wake(index);
    pthread_mutex_lock(&index->lock);
    while (office->threads > 0 && !(office->batch && clock_mono_ns() - office->since > CLOSE_NS))
        lock_wait(index, &office->change, CLOSE_LOOK_NS);
    bool ended = office->threads == 0;
    pthread_mutex_unlock(&index->lock);
    return ended;
}
