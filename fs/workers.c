#include "fs/workers.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

struct workers {
    pthread_mutex_t lock;
    pthread_cond_t work;
    struct job *first, **last; /* lock */
    bool stopping;             /* lock */
    unsigned count;
    pthread_t threads[];
};

/* The next job, or NULL when there will be none. */
static struct job *take(struct workers *w)
{
    pthread_mutex_lock(&w->lock);
    while (!w->first && !w->stopping)
        pthread_cond_wait(&w->work, &w->lock);
    struct job *job = w->first;
    if (job && !(w->first = job->next))
        w->last = &w->first;
    pthread_mutex_unlock(&w->lock);
    return job;
}

static void *work(void *arg)
{
    struct job *job;

    while ((job = take(arg)))
        job->run(job);
    return NULL;
}

int workers_new(unsigned threads, struct workers **ret_workers)
{
    struct workers *w = calloc(1, sizeof *w + threads * sizeof w->threads[0]);
    int r = 0;

    if (!w)
        return -ENOMEM;
    pthread_mutex_init(&w->lock, NULL);
    pthread_cond_init(&w->work, NULL);
    w->last = &w->first;
    while (w->count < threads && (r = pthread_create(&w->threads[w->count], NULL, work, w)) == 0)
        w->count++;
    if (r != 0)
        workers_free(&w);
    else
        *ret_workers = w;
    return -r;
}

void workers_free(struct workers **workers)
{
    struct workers *w = *workers;

    if (!w)
        return;
    pthread_mutex_lock(&w->lock);
    w->stopping = true;
    pthread_cond_broadcast(&w->work);
    pthread_mutex_unlock(&w->lock);
    for (unsigned i = 0; i < w->count; i++)
        pthread_join(w->threads[i], NULL);
    pthread_cond_destroy(&w->work);
    pthread_mutex_destroy(&w->lock);
    free(w);
    *workers = NULL;
}

void workers_add(struct workers *workers, struct job *job)
{
    pthread_mutex_lock(&workers->lock);
    job->next = NULL;
    *workers->last = job;
    workers->last = &job->next;
    pthread_cond_signal(&workers->work);
    pthread_mutex_unlock(&workers->lock);
}
