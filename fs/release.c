#include "fs/release.h"

#include <stdlib.h>
#include <time.h>

#include "objstore/base/clock.h"

#define DELAY_NS (100 * NS_PER_MS)
#define BATCH 256 /* RELEASEs of one compound; as many waiting start it at once */

_Static_assert(BATCH <= POSIX_OPS_MAX, "a batch fits a compound");

struct releaser {
    struct fs *fs;
    pthread_mutex_t lock;
    pthread_cond_t work;
    uint64_t *handles; /* lock, as all that follows */
    size_t count, cap;
    bool soon, stopping, runs;
    pthread_t thread;
};

void releaser_add(struct releaser *releaser, uint64_t handle, bool soon)
{
    pthread_mutex_lock(&releaser->lock);
    if (releaser->count == releaser->cap) {
        size_t cap = releaser->cap ? releaser->cap * 2 : BATCH;
        uint64_t *handles = reallocarray(releaser->handles, cap, sizeof *handles);
        if (handles) {
            releaser->handles = handles;
            releaser->cap = cap;
        }
    }
    if (releaser->count < releaser->cap) /* else memory is short: the server keeps it until the session ends */
        releaser->handles[releaser->count++] = handle;
    releaser->soon = releaser->soon || soon || releaser->count >= BATCH;
    if (releaser->soon || releaser->count == 1)
        pthread_cond_signal(&releaser->work);
    pthread_mutex_unlock(&releaser->lock);
}

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

/* Waits for handles, then a moment for more. Their number; 0 at the end. */
static size_t collect(struct releaser *r, uint64_t *ret_handles)
{
    struct timespec until;

    while (r->count == 0 && !r->stopping)
        pthread_cond_wait(&r->work, &r->lock);
    clock_gettime(CLOCK_REALTIME, &until);
    int64_t ns = until.tv_nsec + DELAY_NS;
    until.tv_sec += ns / NS_PER_SEC;
    until.tv_nsec = ns % NS_PER_SEC;
    while (!r->soon && !r->stopping && pthread_cond_timedwait(&r->work, &r->lock, &until) != ETIMEDOUT)
        ;
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

int releaser_new(struct fs *fs, struct releaser **ret_releaser)
{
    struct releaser *r = calloc(1, sizeof *r);

    if (!r)
        return -ENOMEM;
    r->fs = fs;
    pthread_mutex_init(&r->lock, NULL);
    pthread_cond_init(&r->work, NULL);
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
