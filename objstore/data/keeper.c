/*
 * The keeper: the data layer's one background thread. It settles segments, records what readers found to be lost,
 * reclaims what was freed, and when there is nothing of that kind, moves blobs out of segments that are mostly dead.
 *
 * It works in passes. A pass begins when something was freed or somebody waits for one; what is freed meanwhile belongs
 * to the next. Passes that nobody waits for are PASS_NS apart, so that a storm of deletes shares them.
 */
#include <errno.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/data/data_priv.h"
#include "objstore/data/record.h"

#define PASS_NS (50 * NS_PER_MS)
#define RETRY_NS (10 * NS_PER_SEC) /* what failed or was held back is tried again */

struct work {
    struct segment *settle;
    uint64_t passes;
    unsigned heal_count;
    struct {
        uint64_t id;
        uint32_t places;
    } heal[HEAL_QUEUE];
    bool stop;
};

static void deadline_in(int64_t ns, struct timespec *ret_deadline)
{
    clock_gettime(CLOCK_MONOTONIC, ret_deadline);
    ret_deadline->tv_sec += ns / NS_PER_SEC;
    ret_deadline->tv_nsec += ns % NS_PER_SEC;
    if (ret_deadline->tv_nsec >= NS_PER_SEC) {
        ret_deadline->tv_sec++;
        ret_deadline->tv_nsec -= NS_PER_SEC;
    }
}

/* Somebody waits, or the thread should end: no time for what can wait. The caller holds the lock. */
static bool keeper_is_urgent(const struct keeper *keeper)
{
    return keeper->stop || keeper->passes_wanted > keeper->passes_done;
}

bool keeper_pause(struct data *data, int64_t ns)
{
    struct keeper *keeper = &data->keeper;
    struct timespec deadline;

    deadline_in(ns, &deadline);
    pthread_mutex_lock(&keeper->lock);
    int r = 0;
    while (r == 0 && !keeper_is_urgent(keeper))
        r = pthread_cond_timedwait(&keeper->change, &keeper->lock, &deadline);
    bool urgent = keeper_is_urgent(keeper);
    pthread_mutex_unlock(&keeper->lock);
    return urgent;
}

/* ---- settling ---- */

static void keeper_put_settle(struct keeper *keeper, struct segment *segment)
{
    pthread_mutex_lock(&keeper->lock);
    segment->settle_next = keeper->settle;
    keeper->settle = segment;
    pthread_mutex_unlock(&keeper->lock);
}

void keeper_settle(struct data *data, struct segment *segment)
{
    keeper_put_settle(&data->keeper, segment);
    keeper_wake(data);
}

/* What can't be settled now is tried again; at the end it is left to the next start. */
static int work_settle(struct data *data, struct work *work)
{
    int result = 0;

    while (work->settle) {
        struct segment *segment = work->settle;
        int r = segment_settle(segment->set, segment->id);

        work->settle = segment->settle_next;
        if (r < 0 && !work->stop)
            keeper_put_settle(&data->keeper, segment);
        else
            segment_put(&segment);
        if (r < 0)
            result = r;
    }
    return result;
}

/* ---- healing ---- */

void keeper_heal(struct data *data, uint64_t id, uint32_t places)
{
    struct keeper *keeper = &data->keeper;
    unsigned i = 0;

    pthread_mutex_lock(&keeper->lock);
    while (i < keeper->heal_count && keeper->heal[i].id != id)
        i++;
    if (i < HEAL_QUEUE) {
        if (i == keeper->heal_count) {
            keeper->heal_count++;
            keeper->heal[i].id = id;
            keeper->heal[i].places = 0;
        }
        keeper->heal[i].places |= places;
    }
    keeper->woken = true;
    pthread_cond_broadcast(&keeper->change);
    pthread_mutex_unlock(&keeper->lock);
}

static int record_heals(struct index_txn *txn, void *arg)
{
    struct work *work = arg;
    struct blob_record blob;

    for (unsigned i = 0; i < work->heal_count; i++) {
        int r = blob_get(txn, work->heal[i].id, &blob);

        if (r == -ENOENT || r == CAIRN_ECORRUPT || (r == 0 && blob.refs == 0))
            continue;
        if (r == 0)
            r = heal_put(txn, work->heal[i].id, work->heal[i].places);
        if (r < 0)
            return r;
    }
    return 0;
}

/* ---- the thread ---- */

/* Waits for work and takes it all. */
static void keeper_take(struct keeper *keeper, struct work *ret_work)
{
    struct timespec deadline;
    int r = 0;

    deadline_in(RETRY_NS, &deadline);
    pthread_mutex_lock(&keeper->lock);
    while (r == 0 && !keeper->woken && !keeper_is_urgent(keeper))
        r = pthread_cond_timedwait(&keeper->change, &keeper->lock, &deadline);
    keeper->woken = false;
    ret_work->stop = keeper->stop;
    ret_work->passes = keeper->passes_wanted;
    ret_work->settle = keeper->settle;
    keeper->settle = NULL;
    ret_work->heal_count = keeper->heal_count;
    for (unsigned i = 0; i < keeper->heal_count; i++) {
        ret_work->heal[i].id = keeper->heal[i].id;
        ret_work->heal[i].places = keeper->heal[i].places;
    }
    keeper->heal_count = 0;
    pthread_mutex_unlock(&keeper->lock);
}

static void keeper_done(struct keeper *keeper, const struct work *work, int result)
{
    pthread_mutex_lock(&keeper->lock);
    keeper->passes_done = work->passes;
    keeper->pass_result = result;
    pthread_cond_broadcast(&keeper->change);
    pthread_mutex_unlock(&keeper->lock);
}

static bool keeper_is_woken(struct keeper *keeper)
{
    pthread_mutex_lock(&keeper->lock);
    bool woken = keeper->woken;
    pthread_mutex_unlock(&keeper->lock);
    return woken;
}

static void *keeper_thread(void *arg)
{
    struct data *data = arg;
    struct work work = {0};
    uint64_t compact_from = 0;

    for (;;) {
        keeper_take(&data->keeper, &work);
        int r = work.heal_count > 0 ? index_apply(data->index, record_heals, &work, INDEX_APPLIED) : 0;
        if (work.heal_count > 0)
            damage_tell(&data->damage);
        int settled = work_settle(data, &work), reclaimed = reclaim_pass(data);
        r = reclaimed < 0 ? reclaimed : settled < 0 ? settled : r < 0 ? r : 0;
        keeper_done(&data->keeper, &work, r);
        if (work.stop)
            return NULL;
        while (!keeper_pause(data, PASS_NS) && !keeper_is_woken(&data->keeper) && compact_step(data, &compact_from) > 0)
            ;
    }
}

void keeper_wake(void *arg)
{
    struct keeper *keeper = &((struct data *)arg)->keeper;

    pthread_mutex_lock(&keeper->lock);
    keeper->woken = true;
    pthread_cond_broadcast(&keeper->change);
    pthread_mutex_unlock(&keeper->lock);
}

int data_reclaim_wait(struct data *data)
{
    struct keeper *keeper = &data->keeper;

    pthread_mutex_lock(&keeper->lock);
    uint64_t pass = ++keeper->passes_wanted;
    pthread_cond_broadcast(&keeper->change);
    while (keeper->passes_done < pass)
        pthread_cond_wait(&keeper->change, &keeper->lock);
    int r = keeper->pass_result;
    pthread_mutex_unlock(&keeper->lock);
    return r;
}

int keeper_start(struct data *data)
{
    struct keeper *keeper = &data->keeper;

    keeper->woken = true;
    int r = pthread_create(&keeper->thread, NULL, keeper_thread, data);
    keeper->started = r == 0;
    return -r;
}

void keeper_stop(struct data *data)
{
    struct keeper *keeper = &data->keeper;

    if (keeper->started) {
        pthread_mutex_lock(&keeper->lock);
        keeper->stop = true;
        pthread_cond_broadcast(&keeper->change);
        pthread_mutex_unlock(&keeper->lock);
        pthread_join(keeper->thread, NULL);
        keeper->started = false;
    }
}

void keeper_let_go(struct data *data)
{
    struct keeper *keeper = &data->keeper;

    while (keeper->settle) {
        struct segment *segment = keeper->settle;
        keeper->settle = segment->settle_next;
        segment_put(&segment);
    }
}
