#include "objstore/drive/lane.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "objstore/base/cond.h"

#define STACK_SIZE (256u << 10) /* tasks call into a drive and no deeper */

struct lane {
    unsigned width;
    pthread_mutex_t lock; /* guards all below */
    pthread_cond_t work;
    pthread_cond_t ended;
    struct lane_task *first;
    struct lane_task **last;
    unsigned queued, threads, idle;
    bool stop;
    bool left; /* nobody owns it any more: the last thread frees it */
    pthread_t ids[LANE_WIDTH_MAX];
};

static void lane_destroy(struct lane *lane)
{
    pthread_cond_destroy(&lane->work);
    pthread_cond_destroy(&lane->ended);
    pthread_mutex_destroy(&lane->lock);
    free(lane);
}

/* ---- threads ---- */

/* The caller holds the lock. */
static struct lane_task *lane_take(struct lane *lane)
{
    lane->idle++;
    while (!lane->first && !lane->stop)
        pthread_cond_wait(&lane->work, &lane->lock);
    lane->idle--;
    struct lane_task *task = lane->first;
    if (task) {
        lane->first = task->next;
        if (!lane->first)
            lane->last = &lane->first;
        lane->queued--;
    }
    return task;
}

static void *lane_thread(void *arg)
{
    struct lane *lane = arg;
    struct lane_task *task;

    pthread_mutex_lock(&lane->lock);
    while ((task = lane_take(lane))) {
        pthread_mutex_unlock(&lane->lock);
        task->run(task);
        pthread_mutex_lock(&lane->lock);
    }
    bool last = --lane->threads == 0;
    bool left = lane->left;
    if (last)
        pthread_cond_signal(&lane->ended);
    pthread_mutex_unlock(&lane->lock);
    if (last && left)
        lane_destroy(lane);
    return NULL;
}

/* The caller holds the lock, or has the lane to itself. */
static int thread_add(struct lane *lane)
{
    pthread_attr_t attr;

    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, STACK_SIZE);
    int r = pthread_create(&lane->ids[lane->threads], &attr, lane_thread, lane);
    pthread_attr_destroy(&attr);
    if (r == 0)
        lane->threads++;
    return -r;
}

/* ---- life ---- */

int lane_new(unsigned width, struct lane **ret_lane)
{
    assert(width >= 1 && width <= LANE_WIDTH_MAX);
    struct lane *lane = calloc(1, sizeof(*lane));

    if (!lane)
        return -ENOMEM;
    lane->width = width;
    lane->last = &lane->first;
    pthread_mutex_init(&lane->lock, NULL);
    pthread_cond_init(&lane->work, NULL);
    cond_init(&lane->ended);
    pthread_mutex_lock(&lane->lock);
    int r = thread_add(lane);
    pthread_mutex_unlock(&lane->lock);
    if (r < 0)
        lane_destroy(lane);
    else
        *ret_lane = lane;
    return r;
}

int lane_free(struct lane **lane, int64_t patience)
{
    struct lane *l = *lane;
    struct timespec deadline;
    int r = 0;

    if (!l)
        return 0;
    *lane = NULL;
    cond_deadline(patience, &deadline);
    pthread_mutex_lock(&l->lock);
    unsigned made = l->threads;
    l->stop = true;
    pthread_cond_broadcast(&l->work);
    while (l->threads > 0 && r == 0)
        r = pthread_cond_timedwait(&l->ended, &l->lock, &deadline);
    l->left = l->threads > 0;
    bool left = l->left;
    for (unsigned i = 0; i < made && left; i++)
        pthread_detach(l->ids[i]);
    pthread_mutex_unlock(&l->lock);
    if (left)
        return -ETIMEDOUT;
    for (unsigned i = 0; i < made; i++)
        pthread_join(l->ids[i], NULL);
    lane_destroy(l);
    return 0;
}

/* ---- tasks ---- */

void lane_add(struct lane *lane, struct lane_task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&lane->lock);
    assert(!lane->stop);
    *lane->last = task;
    lane->last = &task->next;
    if (++lane->queued > lane->idle && lane->threads < lane->width)
        (void)thread_add(lane); /* else the task waits for one that is there */
    pthread_mutex_unlock(&lane->lock);
    pthread_cond_signal(&lane->work); /* so that who wakes up does not find the lock taken */
}

bool lane_drop(struct lane *lane, struct lane_task *task)
{
    pthread_mutex_lock(&lane->lock);
    struct lane_task **at = &lane->first;
    while (*at && *at != task)
        at = &(*at)->next;
    bool found = *at != NULL;
    if (found) {
        *at = task->next;
        if (lane->last == &task->next)
            lane->last = at;
        lane->queued--;
    }
    pthread_mutex_unlock(&lane->lock);
    return found;
}
