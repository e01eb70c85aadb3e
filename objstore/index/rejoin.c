/*
 * Rejoining: a replica that failed while running is copied anew and takes part again, while the others go on. One
 * thread, one replica at a time, the longer after a failure the more often it has failed.
 *
 *   step                                                          who waits for it
 *   1  nobody has the old database open: readers drop theirs      the writer and readers, for a moment, once the
 *      and it is closed                                           reads under way have ended
 *   2  a compact copy of the primary's last commit, synced,       nobody
 *      takes its place; every page of it is verified
 *   3  what was committed meanwhile is applied from the           nobody
 *      primary's trail, until little is missing
 *   4  between two commits, the last one's number is noted,       the writer, for an assignment
 *      and batches after it are collected in the ring
 *   5  the rest up to that number is applied from the trail       nobody
 *   6  healthy: its applier takes what the ring holds             nobody
 *
 * Batches that are collected do not wait for this replica; from 6 on it answers for those that are still under way too.
 * If the ring overflows before 6, the trail does not reach back to the copy, or the primary is another by then, it all
 * begins again later. A crash leaves "data.mdb.new", which is never looked at, or after 2 a replica that lags, as any
 * other.
 */
#include <signal.h>
#include <stdlib.h>

#include "objstore/base/clock.h"
#include "objstore/base/errors.h"
#include "objstore/index/index_priv.h"

#define WAIT_FIRST_NS (10 * NS_PER_SEC)
#define WAIT_MAX_NS (3600 * NS_PER_SEC)
#define ROUNDS 16      /* of catching up, before it gives up on a trail that grows faster than it follows */
#define LITTLE 16      /* commits that may be missing when collecting begins */
#define SPARE_PAGES 64 /* for the first commit of the ring */

struct attempt {
    struct index *index;
    struct replica *from, *to;
    struct replica copy; /* what to becomes */
    struct meta target;
    bool ok; /* the writer's answer */
};

/* ---- on the writer's thread, between two batches ---- */

static void step_release(struct index *index, void *arg)
{
    struct attempt *a = arg;
    a->ok = gate_close(index);
    if (!a->ok)
        return;
    readers_leave(index, a->to);
    gate_open(index);
}

/* index->lock held. */
static bool still_fits(const struct attempt *a)
{
    return !atomic_load(&a->index->gone) && a->index->primary == a->from && a->from->healthy;
}

static void step_collect(struct index *index, void *arg)
{
    struct attempt *a = arg;
    pthread_mutex_lock(&index->lock);
    a->ok = still_fits(a);
    a->to->collecting = a->ok;
    a->target = a->from->meta;
    pthread_mutex_unlock(&index->lock);
}

/* ---- the steps ---- */

static int release_old(struct attempt *a)
{
    if (!a->to->env)
        return 0;
    writer_run(a->index, step_release, a);
    if (!a->ok)
        return -EBUSY;
    replica_shut(a->to);
    return 0;
}

static int copy_new(struct attempt *a)
{
    int rc = replica_copy(a->from, &a->copy);
    if (rc == 0)
        rc = replica_open(&a->copy, 0);
    return rc == 0 && a->copy.spoiled ? CAIRN_ECORRUPT : rc;
}

static int catch_up(struct attempt *a)
{
    if (a->copy.meta.epoch == a->target.epoch && a->copy.meta.sequence == a->target.sequence)
        return 0;
    return trail_catch_up(a->from, &a->copy, &a->target);
}

static int come_near(struct attempt *a)
{
    for (int round = 0; round < ROUNDS; round++) {
        pthread_mutex_lock(&a->index->lock);
        a->target = a->from->meta;
        pthread_mutex_unlock(&a->index->lock);
        if (a->target.sequence <= a->copy.meta.sequence + LITTLE)
            return 0;
        int rc = catch_up(a);
        if (rc < 0)
            return rc;
    }
    return -ETIMEDOUT;
}

/* index->lock held. The folder and the path are the same. */
static void become(struct replica *to, const struct replica *copy)
{
    to->env = copy->env;
    to->dbi = copy->dbi;
    to->map_size = copy->map_size;
    to->reserved = copy->reserved;
    to->page_size = copy->page_size;
    to->inode = copy->inode;
    to->trail = copy->trail;
    to->meta = copy->meta;
    to->spoiled = copy->spoiled;
    to->healthy = true;
    to->error = 0;
}

static int attach(struct attempt *a)
{
    struct index *index = a->index;
    pthread_mutex_lock(&index->lock);
    bool fits = still_fits(a) && a->to->collecting;
    if (fits) {
        become(a->to, &a->copy);
        collecting_count(a->to);
    }
    pthread_mutex_unlock(&index->lock);
    return fits ? 0 : -EAGAIN;
}

static int collect_and_attach(struct attempt *a)
{
    writer_run(a->index, step_collect, a);
    int rc = a->ok ? catch_up(a) : -EAGAIN;
    pthread_mutex_lock(&a->index->lock);
    size_t pages = a->to->queue_pages + SPARE_PAGES;
    pthread_mutex_unlock(&a->index->lock);
    if (rc == 0)
        rc = replica_reserve(&a->copy, 0, pages);
    return rc == 0 ? attach(a) : rc;
}

static int attempt_run(struct attempt *a)
{
    int rc = release_old(a);
    if (rc < 0)
        return rc;
    rc = copy_new(a);
    if (rc == 0 && !a->to->started)
        rc = applier_start(a->to);
    if (rc == 0)
        rc = come_near(a);
    if (rc == 0)
        rc = collect_and_attach(a);
    if (rc < 0)
        replica_shut(&a->copy);
    return rc;
}

/* index->lock held, and let go while it works. */
static void replica_rejoin(struct index *index, struct replica *replica)
{
    struct attempt a = {.index = index, .from = index->primary, .to = replica};
    a.copy = (struct replica){.index = index, .path = replica->path, .folder = replica->folder, .trail.file = -1};
    replica->error = -EAGAIN; /* a full disk, say, is forgiven; not while it has no database */
    pthread_mutex_unlock(&index->lock);
    int rc = attempt_run(&a);
    pthread_mutex_lock(&index->lock);
    if (rc == 0)
        return;
    collecting_end(replica);
    replica->error = rc;
}

/* ---- the thread ---- */

/* index->lock held. Whether no thread is in it any more: its applier, with batches to drop, or a writer. */
static bool is_let_go(const struct replica *replica)
{
    return !replica->queue_count && !replica->reserve.wanted && !atomic_load(&replica->detained);
}

/* index->lock held. One whose drive is there. */
static struct replica *find_lost(struct index *index)
{
    for (size_t i = 0; i < index->count && !atomic_load(&index->gone); i++) {
        struct replica *replica = &index->replicas[i];
        if (!replica->healthy && replica->folder >= 0 && replica != index->primary && is_let_go(replica))
            return replica;
    }
    return NULL;
}

static void *rejoin_main(void *arg)
{
    struct index *index = arg;
    struct rejoin *rejoin = &index->rejoin;
    int64_t wait = rejoin->first_ns, due = 0, last = 0;
    pthread_setname_np(pthread_self(), "index-rejoin");
    pthread_mutex_lock(&index->lock);
    while (!rejoin->stop) {
        struct replica *lost = find_lost(index);
        int64_t now = clock_mono_ns();
        if (!lost) {
            due = 0;
            pthread_cond_wait(&rejoin->change, &index->lock);
            continue;
        }
        if (due == 0 && now - last > WAIT_MAX_NS)
            wait = rejoin->first_ns; /* it was well for long */
        due = due == 0 ? now + wait : due;
        if (now < due) {
            lock_wait(index, &rejoin->change, due - now);
            continue;
        }
        replica_rejoin(index, lost);
        last = clock_mono_ns();
        due = 0;
        wait = wait < WAIT_MAX_NS / 2 ? 2 * wait : WAIT_MAX_NS;
    }
    rejoin->running = false;
    pthread_cond_broadcast(&index->progress);
    bool alone = thread_leaves(index);
    pthread_mutex_unlock(&index->lock);
    if (alone)
        index_release(index);
    return NULL;
}

int rejoin_start(struct index *index, int64_t first_ns)
{
    index->rejoin.first_ns = first_ns > 0 ? first_ns : WAIT_FIRST_NS;
    index->rejoin.running = true;
    int rc = pthread_create(&index->rejoin.thread, NULL, rejoin_main, index);
    index->rejoin.started = index->rejoin.running = rc == 0;
    return -rc;
}

bool rejoin_stop(struct index *index)
{
    struct rejoin *rejoin = &index->rejoin;
    if (!rejoin->started)
        return true;
    int64_t until = clock_mono_ns() + CLOSE_NS;
    pthread_mutex_lock(&index->lock);
    rejoin->stop = true;
    pthread_cond_signal(&rejoin->change);
    while (rejoin->running && clock_mono_ns() < until)
        lock_wait(index, &index->progress, CLOSE_LOOK_NS);
    bool ended = !rejoin->running;
    pthread_mutex_unlock(&index->lock);
    if (ended)
        pthread_join(rejoin->thread, NULL);
    else
        pthread_detach(rejoin->thread);
    return ended;
}
