#include "fs/writeback_priv.h"

/* ---- all that is to be sent ---- */

static bool wfile_pending(const struct wfile *f, uint64_t number)
{
    return dirty_pending(&f->dirty, number) || f->later.valid || f->sent.valid;
}

/* Sends, or waits for, all that was there at the start. The inode's lock is held. *folded: tail went with it. */
static int drain(struct writeback *wb, struct wfile *f, struct upload_tail *tail, bool *ret_folded)
{
    uint64_t number = f->dirty.numbers;
    struct upload u = {.tail = tail};
    int r = 0;

    f->flushing++;
    if (f->dirty.fresh.count > 1)
        queue_update(wb, f); /* the senders help; what is queued stays queued */
    while (r != -EINTR && wfile_pending(f, number)) {
        r = send_some(wb, f, INT64_MAX, &u);
        *ret_folded = *ret_folded || u.folded;
        if (r == 0) {
            timed_wait(&f->changed, &f->inode->lock, POLL_NS);
            r = request_interrupted() ? -EINTR : 0;
        }
    }
    f->flushing--;
    return r < 0 ? r : 0;
}

static int flush_dirty(struct fs *fs, struct inode *inode, struct upload_tail *tail, bool *ret_folded)
{
    bool left = false;
    int r = 0;

    pthread_mutex_lock(&inode->lock);
    struct wfile *f = inode->written;
    if (f && !wfile_idle(f)) {
        uint64_t errors = f->errors;
        r = drain(fs->writeback, f, tail, ret_folded);
        if (r == 0 && f->errors != errors)
            r = f->error; /* one of the senders met it */
        left = queue_update(fs->writeback, f);
    }
    inode->young = false;
    pthread_mutex_unlock(&inode->lock);
    queue_put(fs->writeback, inode, left);
    return r;
}

/* ---- what an fsync vouches for ---- */

/* Of two changes of one instance: whether a ran before b. Within a commit the inode itself tells. */
static bool ran_before(const struct unsynced *a, const struct unsynced *b)
{
    if (a->stamp.commit != b->stamp.commit)
        return a->stamp.commit < b->stamp.commit;
    return a->version != b->version ? a->version < b->version : a->ctime < b->ctime;
}

/* Takes one more change in. Who forgets an older one must know what became of it: in doubt it is lost. */
static void unsynced_merge(struct fs *fs, struct unsynced *u, const struct unsynced *change)
{
    enum remote_fate fate = remote_fate(fs->remote, change->stamp);
    bool other = u->stamp.instance != change->stamp.instance;

    u->lost = u->lost || change->lost || fate == REMOTE_LOST;
    if (fate == REMOTE_LOST || fate == REMOTE_DURABLE)
        return;
    if (other && u->stamp.instance)
        u->lost = u->lost || remote_fate(fs->remote, u->stamp) != REMOTE_DURABLE;
    if (!other && ran_before(change, u))
        return;
    u->stamp = change->stamp;
    u->version = change->version;
    u->ctime = change->ctime;
}

void unsynced_add(struct fs *fs, struct inode *inode, struct remote_stamp stamp, const struct posix_attr *attr)
{
    unsynced_merge(fs, &inode->unsynced,
                   &(struct unsynced){.stamp = stamp, .version = attr->version, .ctime = attr->ctime});
}

static struct unsynced take_unsynced(struct inode *inode)
{
    pthread_mutex_lock(&inode->lock);
    struct unsynced taken = inode->unsynced;
    inode->unsynced = (struct unsynced){0};
    pthread_mutex_unlock(&inode->lock);
    return taken;
}

/* Of a change whose life of the server is too long ago to be known: it is there if nothing has changed since. */
static bool is_gone(const struct unsynced *taken, int error, const struct posix_attr *attr)
{
    return error < 0 || attr->version != taken->version || attr->ctime != taken->ctime;
}

/* Whether what an fsync was to vouch for did not outlive the server that had answered it. instance: that of the
 * fsync's. The look makes sure that a life which has ended is known to have. */
static bool was_lost(struct fs *fs, struct inode *inode, const struct unsynced *taken, uint64_t instance)
{
    struct posix_result result;

    if (taken->lost || taken->stamp.instance == 0 || taken->stamp.instance == instance)
        return taken->lost;
    int r = call_one(fs, &(struct posix_op){.code = POSIX_GETATTR, .ino = inode->ino}, &result);
    enum remote_fate fate = remote_fate(fs->remote, taken->stamp);
    if (fate == REMOTE_LOST || fate == REMOTE_DURABLE)
        return fate == REMOTE_LOST;
    return is_gone(taken, r, &result.attr);
}

/* After an fsync, answered in that life of the server: what is lost every handle is to know. A failed fsync has vouched
 * for nothing. */
static int vouch(struct fs *fs, struct inode *inode, const struct unsynced *taken, uint64_t instance, int error)
{
    bool lost = error == 0 && was_lost(fs, inode, taken, instance);

    pthread_mutex_lock(&inode->lock);
    if (error < 0 && (taken->stamp.instance || taken->lost))
        unsynced_merge(fs, &inode->unsynced, taken);
    if (lost && inode->written)
        wfile_error(inode->written, -EIO);
    pthread_mutex_unlock(&inode->lock);
    return lost ? -EIO : error;
}

/* ---- flush ---- */

static int flush_all(struct fs *fs, struct inode *inode, struct upload_tail *tail, struct unsynced *ret_unsynced)
{
    bool folded = false;
    int r = flush_dirty(fs, inode, tail, &folded);

    if (r < 0)
        return r;
    if (tail->durable)
        *ret_unsynced = take_unsynced(inode);
    if (!folded && (tail->op || tail->durable))
        r = upload_tail_alone(fs, tail);
    return r < 0 ? r : tail->error;
}

int writeback_flush(struct fs *fs, struct inode *inode, const struct posix_op *op, bool durable,
                    struct posix_result *ret_result)
{
    struct upload_tail tail = {.op = op, .durable = durable, .result = ret_result};
    struct unsynced unsynced = {0};
    int r = flush_all(fs, inode, &tail, &unsynced);

    if (durable)
        return vouch(fs, inode, &unsynced, tail.stamp.instance, r);
    if (r == 0 && op) {
        pthread_mutex_lock(&inode->lock);
        unsynced_add(fs, inode, tail.stamp, &ret_result->attr);
        pthread_mutex_unlock(&inode->lock);
    }
    return r;
}
