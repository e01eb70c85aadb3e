#include "objstore/data/chores.h"

#include <string.h>
#include <time.h>

#include "objstore/base/clock.h"
#include "objstore/base/cond.h"
#include "objstore/data/segment.h"

#define RETRY_NS (10 * NS_PER_SEC) /* what failed or was held back is tried again */

void chores_init(struct chores *chores)
{
    memset(chores, 0, sizeof(*chores));
    chores->woken = true;
    pthread_mutex_init(&chores->lock, NULL);
    cond_init(&chores->change);
}

void chores_release(struct chores *chores)
{
    while (chores->settle) {
        struct segment *segment = chores->settle;
        chores->settle = segment->settle_next;
        segment_put(&segment);
    }
    pthread_cond_destroy(&chores->change);
    pthread_mutex_destroy(&chores->lock);
}

/* ---- what comes; the caller of the static ones holds the lock ---- */

static void wake(struct chores *chores)
{
    chores->woken = true;
    pthread_cond_broadcast(&chores->change);
}

static void settle_add(struct chores *chores, struct segment *segment)
{
    segment->settle_next = chores->settle;
    chores->settle = segment;
}

static void found_add(struct chores *chores, uint64_t blob, uint32_t places)
{
    unsigned i = 0;

    while (i < chores->found_count && chores->found[i].blob != blob)
        i++;
    if (i == CHORES_FOUND)
        return;
    if (i == chores->found_count)
        chores->found[chores->found_count++] = (struct found){.blob = blob};
    chores->found[i].places |= places;
}

void chores_wake(void *arg)
{
    struct chores *chores = arg;

    pthread_mutex_lock(&chores->lock);
    wake(chores);
    pthread_mutex_unlock(&chores->lock);
}

void chores_settle(struct chores *chores, struct segment *segment)
{
    pthread_mutex_lock(&chores->lock);
    settle_add(chores, segment);
    wake(chores);
    pthread_mutex_unlock(&chores->lock);
}

void chores_settle_later(struct chores *chores, struct segment *segment)
{
    pthread_mutex_lock(&chores->lock);
    settle_add(chores, segment);
    pthread_mutex_unlock(&chores->lock);
}

void chores_heal(struct chores *chores, uint64_t blob, uint32_t places)
{
    pthread_mutex_lock(&chores->lock);
    found_add(chores, blob, places);
    wake(chores);
    pthread_mutex_unlock(&chores->lock);
}

int chores_pass(struct chores *chores)
{
    pthread_mutex_lock(&chores->lock);
    uint64_t pass = ++chores->passes_wanted;
    pthread_cond_broadcast(&chores->change);
    while (chores->passes_done < pass)
        pthread_cond_wait(&chores->change, &chores->lock);
    int r = chores->pass_result;
    pthread_mutex_unlock(&chores->lock);
    return r;
}

/* ---- the keeper's side ---- */

/* Somebody waits, or the thread should end: no time for what can wait. The caller holds the lock. */
static bool is_urgent(const struct chores *chores)
{
    return chores->stop || chores->passes_wanted > chores->passes_done;
}

void chores_take(struct chores *chores, struct work *ret_work)
{
    struct timespec deadline;
    int r = 0;

    cond_deadline(RETRY_NS, &deadline);
    pthread_mutex_lock(&chores->lock);
    while (r == 0 && !chores->woken && !is_urgent(chores))
        r = pthread_cond_timedwait(&chores->change, &chores->lock, &deadline);
    chores->woken = false;
    ret_work->stop = chores->stop;
    ret_work->passes = chores->passes_wanted;
    ret_work->settle = chores->settle;
    chores->settle = NULL;
    ret_work->found_count = chores->found_count;
    memcpy(ret_work->found, chores->found, chores->found_count * sizeof(chores->found[0]));
    chores->found_count = 0;
    pthread_mutex_unlock(&chores->lock);
}

void chores_done(struct chores *chores, const struct work *work, int result)
{
    pthread_mutex_lock(&chores->lock);
    chores->passes_done = work->passes;
    chores->pass_result = result;
    pthread_cond_broadcast(&chores->change);
    pthread_mutex_unlock(&chores->lock);
}

bool chores_pause(struct chores *chores, int64_t ns)
{
    struct timespec deadline;
    int r = 0;

    cond_deadline(ns, &deadline);
    pthread_mutex_lock(&chores->lock);
    while (r == 0 && !is_urgent(chores))
        r = pthread_cond_timedwait(&chores->change, &chores->lock, &deadline);
    bool urgent = is_urgent(chores);
    pthread_mutex_unlock(&chores->lock);
    return urgent;
}

bool chores_is_woken(struct chores *chores)
{
    pthread_mutex_lock(&chores->lock);
    bool woken = chores->woken;
    pthread_mutex_unlock(&chores->lock);
    return woken;
}

void chores_stop(struct chores *chores)
{
    pthread_mutex_lock(&chores->lock);
    chores->stop = true;
    pthread_cond_broadcast(&chores->change);
    pthread_mutex_unlock(&chores->lock);
}
