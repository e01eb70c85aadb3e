#include <stdlib.h>

#include "fs/writeback_priv.h"
#include "objstore/base/log.h"

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
        queue_drop(wb, f);
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
