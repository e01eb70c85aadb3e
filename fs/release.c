#include "fs/release.h"

#include <stdlib.h>

#include "fs/timed.h"
#include "objstore/base/clock.h"

#define DELAY_NS (100 * NS_PER_MS)
#define BATCH 256 /* RELEASEs of one compound; as many waiting start it at once */
#define LATER_MAX 256

_Static_assert(BATCH <= POSIX_OPS_MAX, "a batch fits a compound");

struct later {
    uint64_t handle;
    int64_t due; /* monotonic ns */
};

struct releaser {
    struct fs *fs;
    pthread_mutex_t lock;
    pthread_cond_t work;
    uint64_t *handles; /* lock, as all that follows */
    size_t count, cap;
    struct later later[LATER_MAX]; /* a ring, by their time */
    size_t later_first, later_count;
    bool soon, stopping, runs;
    pthread_t thread;
};

/* ---- under the lock ---- */

static void add(struct releaser *r, uint64_t handle)
{
    if (r->count == r->cap) {
        size_t cap = r->cap ? r->cap * 2 : BATCH;
        uint64_t *handles = reallocarray(r->handles, cap, sizeof *handles);
        if (handles) {
            r->handles = handles;
            r->cap = cap;
        }
    }
    if (r->count < r->cap) /* else memory is short: the server keeps it until the session ends */
        r->handles[r->count++] = handle;
}

static void take_first_later(struct releaser *r)
{
    add(r, r->later[r->later_first].handle);
    r->later_first = (r->later_first + 1) % LATER_MAX;
    r->later_count--;
}

/* How long nothing is due of those that were to wait; -1: there are none. */
static int64_t take_due(struct releaser *r, int64_t now)
{
    while (r->later_count > 0 && r->later[r->later_first].due <= now)
        take_first_later(r);
    return r->later_count > 0 ? r->later[r->later_first].due - now : -1;
}

/* ---- the calls ---- */

void releaser_add(struct releaser *releaser, uint64_t handle, bool soon)
{
    pthread_mutex_lock(&releaser->lock);
    add(releaser, handle);
    releaser->soon = releaser->soon || soon || releaser->count >= BATCH;
    if (releaser->soon || releaser->count == 1)
        pthread_cond_signal(&releaser->work);
    pthread_mutex_unlock(&releaser->lock);
}

void releaser_add_later(struct releaser *releaser, uint64_t handle)
{
    struct later later = {handle, clock_mono_ns() + RELEASE_LATER_NS};

    pthread_mutex_lock(&releaser->lock);
    if (releaser->later_count == LATER_MAX)
        take_first_later(releaser);
    releaser->later[(releaser->later_first + releaser->later_count++) % LATER_MAX] = later;
    pthread_cond_signal(&releaser->work);
    pthread_mutex_unlock(&releaser->lock);
}

/* ---- the thread ---- */

/* A handle that can't be given back now stays the server's until the session ends: nothing else depends on it. */
static void send_batch(struct fs *fs, const uint64_t *handles, size_t count)
{
    if (atomic_load(&fs->ending))
        return; /* the session's end gives back all of them */
    struct remote_call *call = call_get(fs);

    for (size_t i = 0; call && i < count; i++)
        remote_add(call, &(struct posix_op){.code = POSIX_RELEASE, .handle = handles[i]});
    if (call)
        remote_send(call);
    call_put(fs, call);
}

static void wait_for_handles(struct releaser *r)
{
    int64_t wait = take_due(r, clock_mono_ns());

    while (r->count == 0 && !r->stopping) {
        if (wait < 0)
            pthread_cond_wait(&r->work, &r->lock);
        else
            timed_wait(&r->work, &r->lock, wait);
        wait = take_due(r, clock_mono_ns());
    }
}

/* Waits for handles, then a moment for more. Their number; 0 at the end. */
static size_t collect(struct releaser *r, uint64_t *ret_handles)
{
    wait_for_handles(r);
    int64_t until = clock_mono_ns() + DELAY_NS, now;
    while (!r->soon && !r->stopping && (now = clock_mono_ns()) < until)
        timed_wait(&r->work, &r->lock, until - now);
    size_t count = r->count < BATCH ? r->count : BATCH;
    r->count -= count;
    for (size_t i = 0; i < count; i++)
        ret_handles[i] = r->handles[r->count + i];
    r->soon = r->count >= BATCH;
    return count;
}

static void *release(void *arg)
{
    struct releaser *r = arg;
    uint64_t handles[BATCH];
    size_t count;

    pthread_mutex_lock(&r->lock);
    while ((count = collect(r, handles)) > 0) {
        pthread_mutex_unlock(&r->lock);
        send_batch(r->fs, handles, count);
        pthread_mutex_lock(&r->lock);
    }
    pthread_mutex_unlock(&r->lock);
    return NULL;
}

/* ---- life ---- */

int releaser_new(struct fs *fs, struct releaser **ret_releaser)
{
    struct releaser *r = calloc(1, sizeof *r);

    if (!r)
        return -ENOMEM;
    r->fs = fs;
    pthread_mutex_init(&r->lock, NULL);
    cond_init(&r->work);
    int error = pthread_create(&r->thread, NULL, release, r);
    r->runs = error == 0;
    if (error != 0)
        releaser_free(&r);
    else
        *ret_releaser = r;
    return -error;
}

void releaser_free(struct releaser **releaser)
{
    struct releaser *r = *releaser;

    if (!r)
        return;
    pthread_mutex_lock(&r->lock);
    r->stopping = true;
    pthread_cond_signal(&r->work);
    pthread_mutex_unlock(&r->lock);
    if (r->runs)
        pthread_join(r->thread, NULL);
    pthread_cond_destroy(&r->work);
    pthread_mutex_destroy(&r->lock);
    free(r->handles);
    free(r);
    *releaser = NULL;
}
