#include "objstore/data/sync.h"

#include <errno.h>

#include "objstore/base/cond.h"
#include "objstore/base/errors.h"
#include "objstore/drive/drive.h"
#include "objstore/drive/pulse.h"

/* ---- who waits; the caller holds the lock ---- */

/* A place has answered, or will not. Who has all answers is out of the list, and woken. */
static void wait_answer(struct sync_wait *wait, unsigned place, int error)
{
    wait->left &= ~(1u << place);
    if (error == 0)
        wait->good |= 1u << place;
    else
        wait->error = worse_error(wait->error, error);
}

static void waits_wake(struct segment *segment)
{
    for (struct sync_wait **at = &segment->waits; *at;) {
        struct sync_wait *wait = *at;

        if (wait->left) {
            at = &wait->next;
            continue;
        }
        *at = wait->next;
        pthread_cond_signal(&wait->answered);
    }
}

/* Tells everybody whose request a sync covered. */
static void waits_answer(struct segment *segment, unsigned place, uint64_t covered, int error)
{
    for (struct sync_wait *wait = segment->waits; wait; wait = wait->next)
        if (wait->left >> place & wait->asked >> place & 1 && wait->numbers[place] <= covered)
            wait_answer(wait, place, error);
    waits_wake(segment);
}

/* ---- the drive's side ---- */

/* Runs on the drive's sync thread. A request that comes while the disk works is not covered: the task is queued anew
 * for it. */
static void sync_run(struct lane_task *task)
{
    struct segment_sync *sync = (struct segment_sync *)task;
    struct segment *segment = sync->segment;

    pthread_mutex_lock(&segment->lock);
    uint64_t covered = segment->requests;
    struct drive_file *file = segment->files[sync->place];
    int error = sync->error;
    sync->queued = false;
    sync->running = true;
    pthread_mutex_unlock(&segment->lock);

    if (error == 0)
        error = file ? drive_file_sync(file, DRIVE_WAIT) : -ENOENT;

    pthread_mutex_lock(&segment->lock);
    bool kept = sync->kept, last = kept && !sync->queued;
    if (file && !kept)
        place_note(segment->set, sync->place, true, error);
    sync->error = error;
    sync->running = false;
    sync->kept = kept && !last;
    waits_answer(segment, sync->place, covered, error);
    pthread_mutex_unlock(&segment->lock);
    if (last)
        segment_put(&segment);
}

/* The caller holds the lock. */
static void sync_ask(struct segment *segment, unsigned place)
{
    struct segment_sync *sync = &segment->syncs[place];

    if (sync->queued)
        return;
    sync->task.run = sync_run;
    sync->segment = segment;
    sync->place = place;
    sync->queued = true;
    lane_add(segment->set->syncs[place], &sync->task);
}

/* Somebody leaves it behind: it keeps the segment. */
static void sync_keep(struct segment *segment, unsigned place)
{
    struct segment_sync *sync = &segment->syncs[place];
    struct segment *more = segment_ref(segment);

    pthread_mutex_lock(&segment->lock);
    if ((sync->queued || sync->running) && !sync->kept) {
        sync->kept = true;
        more = NULL;
    }
    pthread_mutex_unlock(&segment->lock);
    segment_put(&more);
}

/* ---- the caller's side ---- */

void segment_sync_begin(struct segment *segment, uint32_t places, struct sync_wait *wait)
{
    *wait = (struct sync_wait){.segment = segment, .left = places};
    cond_init(&wait->answered);
    pthread_mutex_lock(&segment->lock);
    wait->next = segment->waits;
    segment->waits = wait;
    pthread_mutex_unlock(&segment->lock);
}

void segment_sync_place(struct sync_wait *wait, unsigned place, int error)
{
    struct segment *segment = wait->segment;

    pthread_mutex_lock(&segment->lock);
    if (wait->left >> place & 1 && error < 0) {
        wait_answer(wait, place, error);
        waits_wake(segment);
    } else if (wait->left >> place & 1) {
        wait->numbers[place] = ++segment->requests;
        wait->asked |= 1u << place;
        sync_ask(segment, place);
    }
    pthread_mutex_unlock(&segment->lock);
}

/* The caller holds the lock. */
static void wait_leave(struct sync_wait *wait, uint32_t places, int error)
{
    for (uint32_t left = places; left; left &= left - 1)
        wait_answer(wait, (unsigned)__builtin_ctz(left), error);
    wait->behind |= places;
    waits_wake(wait->segment);
}

uint32_t segment_sync_end(struct sync_wait *wait, int *ret_error)
{
    struct segment *segment = wait->segment;
    struct timespec deadline;

    pthread_mutex_lock(&segment->lock);
    while (wait->left) {
        cond_deadline(PULSE_LOOK, &deadline);
        if (pthread_cond_timedwait(&wait->answered, &segment->lock, &deadline) == ETIMEDOUT)
            wait_leave(wait, wait->left & ~drive_set_look(segment->set->drives), -ETIMEDOUT);
    }
    pthread_mutex_unlock(&segment->lock);
    *ret_error = wait->error;
    return wait->good;
}

void segment_sync_release(struct sync_wait *wait)
{
    struct segment *segment = wait->segment;

    if (!segment)
        return;
    pthread_mutex_lock(&segment->lock);
    wait_leave(wait, wait->left, -ECANCELED);
    pthread_mutex_unlock(&segment->lock);
    for (uint32_t left = wait->behind; left; left &= left - 1)
        sync_keep(segment, (unsigned)__builtin_ctz(left));
    pthread_cond_destroy(&wait->answered);
    wait->segment = NULL;
}

bool segment_is_broken(struct segment *segment)
{
    bool broken = false;

    pthread_mutex_lock(&segment->lock);
    for (unsigned i = 0; i < segment->set->n; i++)
        broken = broken || segment->syncs[i].error != 0;
    pthread_mutex_unlock(&segment->lock);
    return broken;
}
