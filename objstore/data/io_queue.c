#include "objstore/data/io_queue.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#define STACK_SIZE (512u << 10) /* jobs call into a drive and no deeper */

struct io_queue {
    pthread_t thread;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t work;
    struct io_job *first;
    struct io_job **last;
    bool stop;
};

static struct io_job *queue_take(struct io_queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    while (!queue->first && !queue->stop)
        pthread_cond_wait(&queue->work, &queue->lock);
    struct io_job *job = queue->first;
    if (job) {
        queue->first = job->next;
        if (!queue->first)
            queue->last = &queue->first;
    }
    pthread_mutex_unlock(&queue->lock);
    return job;
}

static void *queue_thread(void *arg)
{
    struct io_queue *queue = arg;
    struct io_job *job;

    while ((job = queue_take(queue)))
        job->run(job);
    return NULL;
}

int io_queue_new(struct io_queue **ret_queue)
{
    struct io_queue *queue = calloc(1, sizeof(*queue));
    pthread_attr_t attr;

    if (!queue)
        return -ENOMEM;
    pthread_mutex_init(&queue->lock, NULL);
    pthread_cond_init(&queue->work, NULL);
    queue->last = &queue->first;
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    int r = pthread_create(&queue->thread, &attr, queue_thread, queue);
    pthread_attr_destroy(&attr);
    if (r != 0) {
        free(queue);
        return -r;
    }
    *ret_queue = queue;
    return 0;
}

void io_queue_free(struct io_queue **queue)
{
    struct io_queue *q = *queue;

    if (!q)
        return;
    pthread_mutex_lock(&q->lock);
    q->stop = true;
    pthread_cond_signal(&q->work);
    pthread_mutex_unlock(&q->lock);
    pthread_join(q->thread, NULL);
    pthread_cond_destroy(&q->work);
    pthread_mutex_destroy(&q->lock);
    free(q);
    *queue = NULL;
}

void io_queue_add(struct io_queue *queue, struct io_job *job)
{
    job->next = NULL;
    pthread_mutex_lock(&queue->lock);
    *queue->last = job;
    queue->last = &job->next;
    pthread_cond_signal(&queue->work);
    pthread_mutex_unlock(&queue->lock);
}
