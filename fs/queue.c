#include "fs/writeback_priv.h"

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

void queue_drop(struct writeback *wb, struct wfile *f)
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
        queue_drop(wb, f);
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
