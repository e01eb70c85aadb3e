/*
 * What of an index is left when it was closed while threads were in drives that hang: the last of them frees it.
 */
#include <errno.h>
#include <stdlib.h>

#include "objstore/base/cond.h"
#include "objstore/index/index_priv.h"

int locks_init(struct index *index)
{
    pthread_condattr_t monotonic;
    if (pthread_condattr_init(&monotonic))
        return -ENOMEM;
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_mutex_init(&index->lock, NULL);
    pthread_cond_init(&index->progress, &monotonic);
    pthread_cond_init(&index->rejoin.change, &monotonic);
    pthread_cond_init(&index->office.change, &monotonic);
    pthread_condattr_destroy(&monotonic);
    for (size_t i = 0; i < INDEX_REPLICAS_MAX; i++) {
        index->replicas[i].index = index;
        index->replicas[i].folder = -1;
        index->replicas[i].trail.file = -1;
        pthread_cond_init(&index->replicas[i].work, NULL);
        pthread_mutex_init(&index->replicas[i].copying, NULL);
    }
    return 0;
}

static void locks_release(struct index *index)
{
    for (size_t i = 0; i < INDEX_REPLICAS_MAX; i++) {
        pthread_cond_destroy(&index->replicas[i].work);
        pthread_mutex_destroy(&index->replicas[i].copying);
    }
    pthread_cond_destroy(&index->progress);
    pthread_cond_destroy(&index->rejoin.change);
    pthread_cond_destroy(&index->office.change);
    pthread_mutex_destroy(&index->lock);
}

void lock_wait(struct index *index, pthread_cond_t *cond, int64_t ns)
{
    struct timespec deadline;
    cond_deadline(ns, &deadline);
    pthread_cond_timedwait(cond, &index->lock, &deadline);
}

static void spares_free(struct index *index)
{
    while (index->spare) {
        struct batch *batch = index->spare;
        index->spare = batch->next;
        batch_free(batch);
    }
}

void index_release(struct index *index)
{
    for (size_t i = 0; i < index->count; i++)
        readers_leave(index, &index->replicas[i]);
    readers_release(index);
    for (size_t i = 0; i < index->count; i++)
        replica_release(&index->replicas[i]);
    spares_free(index);
    locks_release(index);
    free(index);
}

bool thread_leaves(struct index *index)
{
    return index->closed && --index->left == 0;
}
