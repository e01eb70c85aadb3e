#include "fs/notify.h"
#include "fs/readahead.h"
#include "fs/writeback_priv.h"

/* Chooses what is sent next; the inode's lock is held. Attributes go with the last of the bytes, or alone behind them.
 */
static bool choose(struct wfile *f, int64_t before, struct upload *u)
{
    bool bytes = dirty_take(&f->dirty, before, &u->batch);

    if (!bytes && (!dirty_empty(&f->dirty) || !f->later.valid || f->sent.valid))
        return false;
    if (!bytes && before != INT64_MAX && f->later_since >= before)
        return false;
    u->last = f->dirty.fresh.count == 0 && f->dirty.sending.count == u->batch.count && !upload_is_stream(u);
    if (u->last)
        later_take(f);
    u->set = f->sent;
    u->set.valid = u->last ? f->sent.valid : 0;
    f->inode->young = false;
    return true;
}

/* A batch has been sent, or not; the inode's lock is held. */
static void finish(struct writeback *wb, struct wfile *f, const struct upload *u, int error)
{
    struct fs *fs = wb->fs;

    if (error == -EINTR) {
        dirty_unsent(&f->dirty, &u->batch);
        if (u->last)
            later_unsent(f);
    } else {
        dirty_sent(&f->dirty, &u->batch);
        if (u->last)
            later_sent(f);
        readahead_drop(fs->readahead, f->inode->ino);
        fs_own_change(fs, f->inode, error == 0 ? &u->attr : NULL, (unsigned)u->stored, u->since);
    }
    if (error < 0 && error != -EINTR)
        wfile_error(f, error);
    if (error == 0)
        unsynced_add(fs, f->inode, u->stamp, &u->attr);
    if (error == 0 && u->set.valid && wfile_idle(f))
        notify_attributes(fs->notify, f->inode->ino); /* blocks were a guess while it was dirty */
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_lock(&wb->lock);
    wb->returned++;
    pthread_cond_broadcast(&wb->room);
    pthread_mutex_unlock(&wb->lock);
}

int send_some(struct writeback *wb, struct wfile *f, int64_t before, struct upload *u)
{
    struct inode *inode = f->inode;

    if (!choose(f, before, u))
        return 0;
    u->since = changes_now(&wb->fs->changes);
    pthread_mutex_unlock(&inode->lock);
    int r = upload_send(wb->fs, inode->ino, u);
    pthread_mutex_lock(&inode->lock);
    finish(wb, f, u, r);
    return r < 0 ? r : 1;
}
