#include "objstore/namespace/backlog.h"

#include <stdlib.h>
#include <time.h>

#include "objstore/base/clock.h"
#include "objstore/base/cond.h"
#include "objstore/namespace/hold.h"

#define RETRY_NS NS_PER_SEC /* after the index refused a step */

int backlog_init(struct backlog *backlog)
{
    cond_init(&backlog->wake);
    pthread_cond_init(&backlog->idle, NULL);
    backlog->records = backlog->busy = true;
    return -pthread_mutex_init(&backlog->lock, NULL);
}

void backlog_release(struct backlog *backlog)
{
    for (struct hold *hold = backlog->orphans, *next; hold; hold = next) {
        next = hold->next;
        free(hold);
    }
    backlog->orphans = NULL;
    pthread_cond_destroy(&backlog->wake);
    pthread_cond_destroy(&backlog->idle);
    pthread_mutex_destroy(&backlog->lock);
}

void backlog_wake(struct backlog *backlog)
{
    pthread_mutex_lock(&backlog->lock);
    backlog->records = true;
    pthread_cond_signal(&backlog->wake);
    pthread_mutex_unlock(&backlog->lock);
}

void backlog_give(struct backlog *backlog, struct hold *hold)
{
    pthread_mutex_lock(&backlog->lock);
    hold->next = backlog->orphans;
    backlog->orphans = hold;
    pthread_cond_signal(&backlog->wake);
    pthread_mutex_unlock(&backlog->lock);
}

/* Called with the lock held. */
static void rest(struct backlog *backlog)
{
    backlog->busy = false;
    pthread_cond_broadcast(&backlog->idle);
}

bool backlog_wait(struct backlog *backlog)
{
    pthread_mutex_lock(&backlog->lock);
    while (!backlog->stop && !backlog->records && !backlog->orphans) {
        rest(backlog);
        pthread_cond_wait(&backlog->wake, &backlog->lock);
    }
    bool more = !backlog->stop;
    backlog->busy = true;
    backlog->records = false;
    if (!more)
        rest(backlog);
    pthread_mutex_unlock(&backlog->lock);
    return more;
}

struct hold *backlog_orphans(struct backlog *backlog)
{
    pthread_mutex_lock(&backlog->lock);
    struct hold *orphans = backlog->orphans;
    backlog->orphans = NULL;
    pthread_mutex_unlock(&backlog->lock);
    return orphans;
}

void backlog_failed(struct backlog *backlog)
{
    int64_t until = clock_mono_ns() + RETRY_NS;
    struct timespec deadline = {.tv_sec = until / NS_PER_SEC, .tv_nsec = until % NS_PER_SEC};
    pthread_mutex_lock(&backlog->lock);
    backlog->records = true;
    rest(backlog);
    while (!backlog->stop && pthread_cond_timedwait(&backlog->wake, &backlog->lock, &deadline) == 0)
        ;
    pthread_mutex_unlock(&backlog->lock);
}

bool backlog_stopping(struct backlog *backlog)
{
    pthread_mutex_lock(&backlog->lock);
    bool stop = backlog->stop;
    pthread_mutex_unlock(&backlog->lock);
    return stop;
}

void backlog_stop(struct backlog *backlog)
{
    pthread_mutex_lock(&backlog->lock);
    backlog->stop = true;
    pthread_cond_signal(&backlog->wake);
    pthread_mutex_unlock(&backlog->lock);
}

void backlog_drained(struct backlog *backlog)
{
    pthread_mutex_lock(&backlog->lock);
    while (backlog->records || backlog->orphans || backlog->busy)
        pthread_cond_wait(&backlog->idle, &backlog->lock);
    pthread_mutex_unlock(&backlog->lock);
}
