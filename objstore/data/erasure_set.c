#include "objstore/data/erasure_set.h"

#include <errno.h>
#include <pthread.h>

#include "objstore/base/clock.h"
#include "objstore/base/cond.h"
#include "objstore/drive/pulse.h"

#define STOP_PATIENCE (2 * NS_PER_SEC) /* with a drive that hangs */

int erasure_set_init(struct erasure_set *set, struct damage *damage)
{
    set->k = drive_set_data(set->drives);
    set->m = drive_set_parity(set->drives);
    set->n = set->k + set->m;
    lacks_init(&set->lacks, damage);
    int r = ec_new(set->k, set->m, &set->ec);
    for (unsigned i = 0; r == 0 && i < set->n; i++) {
        r = lane_new(1, &set->writes[i]);
        if (r == 0)
            r = lane_new(1, &set->syncs[i]);
    }
    return r;
}

bool erasure_set_stop(struct erasure_set *set)
{
    bool all = true;

    for (unsigned i = 0; i < set->n; i++) {
        all = lane_free(&set->writes[i], STOP_PATIENCE) == 0 && all;
        all = lane_free(&set->syncs[i], STOP_PATIENCE) == 0 && all;
    }
    return all;
}

void erasure_set_release(struct erasure_set *set)
{
    ec_free(&set->ec);
    lacks_release(&set->lacks);
}

/* ---- its drives at work ---- */

int worse_error(int a, int b)
{
    if (a == -ENOSPC || b == -ENOSPC)
        return -ENOSPC;
    return a ? a : b;
}

void place_note(struct erasure_set *set, unsigned place, bool writing, int result)
{
    if (result == -ENOSPC || result == -ETIMEDOUT) /* full or slow is not broken */
        return;
    drive_set_note(set->drives, place,
                   result >= 0 ? DRIVE_GOOD
                   : writing   ? DRIVE_WRITE_ERROR
                               : DRIVE_READ_ERROR,
                   result);
}

struct run {
    struct erasure_set *set;
    place_task *fn;
    void *arg;
    pthread_mutex_t lock; /* guards what follows */
    pthread_cond_t done;
    uint32_t pending, good;
    int error;
};

struct run_task {
    struct lane_task task;
    struct run *run;
    unsigned place;
};

static void run_task_run(struct lane_task *task)
{
    struct run_task *rt = (struct run_task *)task;
    struct run *run = rt->run;
    int r = run->fn(run->set, rt->place, run->arg);

    pthread_mutex_lock(&run->lock);
    if (r < 0)
        run->error = worse_error(run->error, r);
    else
        run->good |= 1u << rt->place;
    run->pending &= ~(1u << rt->place);
    if (!run->pending)
        pthread_cond_signal(&run->done);
    pthread_mutex_unlock(&run->lock);
}

/* What waits in a slow drive's lane is taken back; what runs there comes back by itself. The caller holds the lock. */
static void run_drop_slow(struct run *run, struct run_task *tasks)
{
    uint32_t slow = run->pending & ~drive_set_look(run->set->drives);

    for (; slow; slow &= slow - 1) {
        unsigned place = (unsigned)__builtin_ctz(slow);

        if (!lane_drop(run->set->writes[place], &tasks[place].task))
            continue;
        run->pending &= ~(1u << place);
        run->error = worse_error(run->error, -ETIMEDOUT);
    }
}

static void run_wait(struct run *run, struct run_task *tasks)
{
    struct timespec deadline;

    pthread_mutex_lock(&run->lock);
    while (run->pending) {
        cond_deadline(PULSE_LOOK, &deadline);
        if (pthread_cond_timedwait(&run->done, &run->lock, &deadline) == ETIMEDOUT)
            run_drop_slow(run, tasks);
    }
    pthread_mutex_unlock(&run->lock);
}

uint32_t places_run(struct erasure_set *set, uint32_t places, place_task *fn, void *arg, int *ret_error)
{
    struct run run = {.set = set, .fn = fn, .arg = arg, .pending = places};
    struct run_task tasks[DRIVE_SET_MAX];

    pthread_mutex_init(&run.lock, NULL);
    cond_init(&run.done);
    for (; places; places &= places - 1) {
        unsigned place = (unsigned)__builtin_ctz(places);

        tasks[place] = (struct run_task){.task = {.run = run_task_run}, .run = &run, .place = place};
        lane_add(set->writes[place], &tasks[place].task);
    }
    run_wait(&run, tasks);
    pthread_cond_destroy(&run.done);
    pthread_mutex_destroy(&run.lock);
    if (ret_error)
        *ret_error = run.error;
    return run.good;
}
