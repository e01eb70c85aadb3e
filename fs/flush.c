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

/* Versions only grow, so a new life that gives one that was given before has not seen what got it then. (Or it is a
 * change of attributes, which gets none: then this may be more careful than it need be.) */
void unsynced_add(struct inode *inode, uint64_t instance, const struct posix_attr *attr)
{
    struct unsynced *u = &inode->unsynced;

    if (u->instance != 0 && u->instance != instance && attr->version <= u->version)
        u->lost = true;
    if (u->instance != instance || attr->version >= u->version) {
        u->version = attr->version;
        u->ctime = attr->ctime;
    }
    u->instance = instance;
}

static struct unsynced take_unsynced(struct inode *inode)
{
    pthread_mutex_lock(&inode->lock);
    struct unsynced taken = inode->unsynced;
    inode->unsynced = (struct unsynced){0};
    pthread_mutex_unlock(&inode->lock);
    return taken;
}

/* Whether what an fsync was to vouch for did not outlive the server that had answered it. */
static bool was_lost(struct fs *fs, struct inode *inode, const struct unsynced *taken, uint64_t instance)
{
    struct posix_result result;

    if (taken->lost || taken->instance == 0 || taken->instance == instance)
        return taken->lost;
    int r = call_one(fs, &(struct posix_op){.code = POSIX_GETATTR, .ino = inode->ino}, &result);
    return r < 0 || result.attr.version < taken->version ||
           (result.attr.version == taken->version && result.attr.ctime < taken->ctime);
}

/* After an fsync, answered in that life of the server: what is lost every handle is to know. A failed fsync has vouched
 * for nothing. */
static int vouch(struct fs *fs, struct inode *inode, const struct unsynced *taken, uint64_t instance, int error)
{
    bool lost = error == 0 && was_lost(fs, inode, taken, instance);

    pthread_mutex_lock(&inode->lock);
    if (error < 0 && inode->unsynced.instance == 0)
        inode->unsynced = *taken;
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
        return vouch(fs, inode, &unsynced, tail.instance, r);
    if (r == 0 && op) {
        pthread_mutex_lock(&inode->lock);
        unsynced_add(inode, tail.instance, &ret_result->attr);
        pthread_mutex_unlock(&inode->lock);
    }
    return r;
}
