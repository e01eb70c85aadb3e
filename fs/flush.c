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

/* ---- flush ---- */

static int flush_all(struct fs *fs, struct inode *inode, struct upload_tail *tail, struct unsynced *ret_unsynced)
{
    bool folded = false;
    int r = flush_dirty(fs, inode, tail, &folded);

    if (r < 0)
        return r;
    if (tail->durable)
        *ret_unsynced = unsynced_take(inode);
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
        return unsynced_vouch(fs, inode, &unsynced, tail.stamp.instance, r);
    if (r == 0 && op) {
        pthread_mutex_lock(&inode->lock);
        unsynced_add(fs, inode, tail.stamp, &ret_result->attr);
        pthread_mutex_unlock(&inode->lock);
    }
    return r;
}
