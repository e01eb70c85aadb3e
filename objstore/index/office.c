/* The office of the writer: who holds it, and is he late? succession.c has the essay. */
#include "objstore/base/clock.h"
#include "objstore/index/index_priv.h"

struct writer *office_enter(struct index *index, struct batch *batch)
{
    struct office *office = &index->office;
    pthread_mutex_lock(&index->lock);
    struct writer *me = office->holder;
    office->batch = batch;
    office->since = clock_mono_ns();
    office->entered++;
    batch->refs++;
    if (office->dozing)
        pthread_cond_broadcast(&office->change);
    pthread_mutex_unlock(&index->lock);
    return me;
}

/* index->lock held. */
static _Noreturn void end_late(struct index *index, struct replica *primary)
{
    atomic_store(&primary->detained, false);
    pthread_cond_signal(&index->rejoin.change);
    bool alone = thread_leaves(index);
    pthread_mutex_unlock(&index->lock);
    if (alone)
        index_release(index);
    pthread_exit(NULL);
}

void office_leave(struct index *index, struct writer *me, struct replica *primary, struct batch *batch)
{
    pthread_mutex_lock(&index->lock);
    batch_drop(index, batch);
    if (me->left)
        end_late(index, primary);
    index->office.batch = NULL;
    pthread_mutex_unlock(&index->lock);
}
