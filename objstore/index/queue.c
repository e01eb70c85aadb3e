/*
 * What reaches the writer from other threads: mutations, a job, a suspicion. Nobody takes a lock.
 */
#include "objstore/index/index_priv.h"

/* All that is queued, oldest first. */
struct request *queue_take(struct index *index)
{
    struct request *newest = atomic_exchange(&index->queued, NULL);
    struct request *oldest = NULL;
    while (newest) {
        struct request *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    return oldest;
}

/* Sleeps until something is queued or the index closes. */
void queue_wait(struct index *index)
{
    atomic_store(&index->asleep, 1);
    while (!atomic_load(&index->queued) && !atomic_load(&index->stop) && !atomic_load(&index->suspect) &&
           !atomic_load(&index->job) && atomic_load(&index->asleep))
        futex_wait(&index->asleep, 1);
    atomic_store(&index->asleep, 0);
}

void queue_wake(struct index *index)
{
    if (atomic_load(&index->asleep) && atomic_exchange(&index->asleep, 0))
        futex_wake(&index->asleep, 1);
}

int index_apply(struct index *index, index_mutation *fn, void *arg, enum index_wait wait)
{
    struct request request = {.fn = fn, .arg = arg, .wait = wait};
    request.next = atomic_load(&index->queued);
    while (!atomic_compare_exchange_weak(&index->queued, &request.next, &request))
        ;
    queue_wake(index);
    event_wait(&request.answered);
    return request.result;
}

/* ---- jobs of others ---- */

void writer_run(struct index *index, void (*fn)(struct index *index, void *arg), void *arg)
{
    struct writer_job job = {.run = fn, .arg = arg};
    atomic_store(&index->job, &job);
    queue_wake(index);
    event_wait(&job.done);
}

void heed_job(struct index *index)
{
    struct writer_job *job = atomic_exchange(&index->job, NULL);
    if (!job)
        return;
    job->run(index, job->arg);
    event_set(&job->done);
}

/* ---- suspicions ---- */

void writer_suspect(struct index *index, uint64_t generation)
{
    atomic_store(&index->suspect, generation);
    queue_wake(index);
}
