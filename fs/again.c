#include "fs/again.h"

#include <stdlib.h>

#include "fs/release.h"
#include "objstore/base/clock.h"

#define LASTS_NS RELEASE_LATER_NS /* the second walk needs some milliseconds, unless the machine is very busy */

struct walker {
    pid_t thread;  /* 0: free */
    int64_t until; /* monotonic ns */
};

struct again {
    pthread_mutex_t lock;
    atomic_int_fast64_t until;            /* the latest of all: a quick look for who has no part in it */
    struct walker walkers[AGAIN_THREADS]; /* lock */
};

/* The thread's, or the one that ends first. The lock is held. */
static struct walker *find(struct again *a, pid_t thread)
{
    struct walker *first = &a->walkers[0];

    for (size_t i = 0; i < AGAIN_THREADS; i++) {
        if (a->walkers[i].thread == thread)
            return &a->walkers[i];
        if (a->walkers[i].until < first->until)
            first = &a->walkers[i];
    }
    return first;
}

void again_begin(struct fs *fs, fuse_req_t req)
{
    struct walker w = {fuse_req_ctx(req)->pid, clock_mono_ns() + LASTS_NS};
    struct again *a = fs->again;

    if (w.thread == 0) /* of a namespace that we can't see */
        return;
    pthread_mutex_lock(&a->lock);
    *find(a, w.thread) = w;
    atomic_store(&a->until, w.until);
    pthread_mutex_unlock(&a->lock);
}

uint64_t again_handle(struct fs *fs, fuse_req_t req)
{
    pid_t thread = fuse_req_ctx(req)->pid;
    struct again *a = fs->again;
    int64_t now;

    if (atomic_load(&a->until) == 0 || atomic_load(&a->until) < (now = clock_mono_ns()))
        return 0;
    pthread_mutex_lock(&a->lock);
    const struct walker *w = find(a, thread);
    bool again = w->thread == thread && w->until >= now;
    pthread_mutex_unlock(&a->lock);
    if (!again)
        return 0;
    uint64_t handle = remote_handle(fs->remote);
    releaser_add_later(fs->releaser, handle);
    return handle;
}

/* ---- life ---- */

int again_new(struct again **ret_again)
{
    struct again *a = calloc(1, sizeof *a);

    if (!a)
        return -ENOMEM;
    pthread_mutex_init(&a->lock, NULL);
    *ret_again = a;
    return 0;
}

void again_free(struct again **again)
{
    struct again *a = *again;

    if (!a)
        return;
    pthread_mutex_destroy(&a->lock);
    free(a);
    *again = NULL;
}
