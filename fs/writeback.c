#include <stdlib.h>

#include "fs/notify.h"
#include "fs/readahead.h"
#include "fs/writeback_priv.h"
#include "objstore/base/log.h"

/* ---- the queue of files with something to be sent ---- */

static void enqueue(struct writeback *wb, struct wfile *f)
{
    f->queued = true;
    f->prev = NULL;
    f->next = wb->first;
    if (wb->first)
        wb->first->prev = f;
    wb->first = f;
    inode_ref(wb->fs->inodes, f->inode);
}

static void dequeue(struct writeback *wb, struct wfile *f)
{
    *(f->prev ? &f->prev->next : &wb->first) = f->next;
    if (f->next)
        f->next->prev = f->prev;
    f->queued = false;
}

bool queue_update(struct writeback *wb, struct wfile *f)
{
    bool idle = wfile_idle(f), left = false;
    int64_t due = wfile_due(f);

    pthread_mutex_lock(&wb->lock);
    if (!idle && !f->queued)
        enqueue(wb, f);
    if (idle && f->queued) {
        dequeue(wb, f);
        left = true;
    }
    if (due < wb->next_wake)
        pthread_cond_signal(&wb->work);
    f->due = due;
    pthread_mutex_unlock(&wb->lock);
    return left;
}

void queue_put(struct writeback *wb, struct inode *inode, bool left)
{
    if (left)
        inode_put(wb->fs->inodes, &inode);
}

/* ---- sending ---- */

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

/* ---- the senders ---- */

/* A file with something due, with a reference to its inode. The lock is held. */
static struct inode *pick(struct writeback *wb)
{
    int64_t now = clock_mono_ns();

    wb->next_wake = now + NS_PER_SEC;
    for (struct wfile *f = wb->first; f; f = f->next) {
        if (f->due <= now || (f->due < INT64_MAX && (wb->wanting || wb->hasty))) {
            pthread_cond_signal(&wb->work); /* there may be more for another sender */
            return inode_ref(wb->fs->inodes, f->inode);
        }
        if (f->due < wb->next_wake)
            wb->next_wake = f->due;
    }
    return NULL;
}

static void send_due(struct writeback *wb, struct inode *inode)
{
    struct upload u = {0};
    struct wfile *f = inode->written;

    pthread_mutex_lock(&wb->lock);
    bool all = wb->wanting || wb->hasty;
    pthread_mutex_unlock(&wb->lock);
    pthread_mutex_lock(&inode->lock);
    send_some(wb, f, all || f->flushing ? INT64_MAX : clock_mono_ns() - AGE_NS + 1, &u);
    bool left = queue_update(wb, f);
    pthread_mutex_unlock(&inode->lock);
    queue_put(wb, inode, left);
}

static void *sender(void *arg)
{
    struct writeback *wb = arg;

    pthread_mutex_lock(&wb->lock);
    while (!wb->stopping) {
        struct inode *inode = pick(wb);
        if (!inode) {
            timed_wait(&wb->work, &wb->lock, wb->next_wake - clock_mono_ns());
            continue;
        }
        pthread_mutex_unlock(&wb->lock);
        send_due(wb, inode);
        inode_put(wb->fs->inodes, &inode);
        pthread_mutex_lock(&wb->lock);
    }
    pthread_mutex_unlock(&wb->lock);
    return NULL;
}

/* ---- life ---- */

int writeback_new(struct fs *fs, uint64_t bytes, struct writeback **ret_writeback)
{
    struct writeback *wb = calloc(1, sizeof *wb);

    if (!wb)
        return -ENOMEM;
    wb->fs = fs;
    pthread_mutex_init(&wb->lock, NULL);
    cond_init(&wb->work);
    cond_init(&wb->room);
    int r = slab_new(bytes, &wb->slab);
    while (r == 0 && wb->threads < SENDERS && (r = -pthread_create(&wb->senders[wb->threads], NULL, sender, wb)) == 0)
        wb->threads++;
    if (r < 0)
        writeback_free(&wb);
    else
        *ret_writeback = wb;
    return r;
}

static void stop_senders(struct writeback *wb)
{
    pthread_mutex_lock(&wb->lock);
    wb->hasty = true;
    pthread_cond_broadcast(&wb->work);
    while (wb->first && wb->threads > 0 && !request_interrupted())
        timed_wait(&wb->room, &wb->lock, POLL_NS);
    wb->stopping = true;
    pthread_cond_broadcast(&wb->work);
    pthread_mutex_unlock(&wb->lock);
    for (unsigned i = 0; i < wb->threads; i++)
        pthread_join(wb->senders[i], NULL);
}

/* Gives up what could not be stored; nobody else uses the files any more. */
static void drop_rest(struct writeback *wb)
{
    while (wb->first) {
        struct wfile *f = wb->first;
        struct inode *inode = f->inode;
        log_error("data_lost", "ino=%llu reason=\"the server did not answer before the end\"",
                  (unsigned long long)inode->ino);
        dirty_release(&f->dirty);
        dequeue(wb, f);
        inode_put(wb->fs->inodes, &inode);
    }
}

void writeback_free(struct writeback **writeback)
{
    struct writeback *wb = *writeback;

    if (!wb)
        return;
    stop_senders(wb);
    drop_rest(wb);
    slab_free(&wb->slab);
    pthread_cond_destroy(&wb->work);
    pthread_cond_destroy(&wb->room);
    pthread_mutex_destroy(&wb->lock);
    free(wb);
    *writeback = NULL;
}
