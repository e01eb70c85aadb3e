#include "fs/readahead.h"
#include "fs/writeback_priv.h"

bool writeback_dirty(struct inode *inode)
{
    pthread_mutex_lock(&inode->lock);
    bool dirty = inode->written && !wfile_idle(inode->written);
    pthread_mutex_unlock(&inode->lock);
    return dirty;
}

/* ---- writing ---- */

static uint64_t slots_returned(struct writeback *wb)
{
    pthread_mutex_lock(&wb->lock);
    uint64_t returned = wb->returned;
    pthread_mutex_unlock(&wb->lock);
    return returned;
}

/* Waits for slots to come back, if none did since returned. The inode's lock is not held. */
static int wait_for_room(struct writeback *wb, uint64_t returned)
{
    pthread_mutex_lock(&wb->lock);
    wb->wanting++;
    pthread_cond_broadcast(&wb->work);
    if (wb->returned == returned)
        timed_wait(&wb->room, &wb->lock, POLL_NS);
    wb->wanting--;
    pthread_mutex_unlock(&wb->lock);
    return request_interrupted() ? -EINTR : 0;
}

/* Takes in what there is room for. The inode's lock is held. Bytes, 0 without room, -ENOMEM. */
static ptrdiff_t take_in(struct writeback *wb, struct inode *inode, uint64_t off, const char *bytes, size_t len)
{
    struct wfile *f = wfile_of(wb, inode);
    size_t done = 0;
    ptrdiff_t n = 1;

    if (!f)
        return -ENOMEM;
    while (done < len && n > 0) {
        n = dirty_write(&f->dirty, off + done, bytes + done, len - done, clock_mono_ns());
        done += n > 0 ? (size_t)n : 0;
    }
    if (done == 0)
        return n;
    f->mtime = clock_real_ns();
    f->later.valid &= ~(POSIX_SET_MTIME | POSIX_SET_CTIME); /* it is later than what was set or shown */
    queue_update(wb, f);
    return (ptrdiff_t)done;
}

int writeback_write(struct fs *fs, struct inode *inode, uint64_t off, const char *bytes, size_t len)
{
    struct writeback *wb = fs->writeback;
    int r = 0;

    while (len > 0 && r == 0) {
        uint64_t returned = slots_returned(wb);
        pthread_mutex_lock(&inode->lock);
        ptrdiff_t n = take_in(wb, inode, off, bytes, len);
        pthread_mutex_unlock(&inode->lock);
        if (n < 0)
            return (int)n;
        off += (size_t)n;
        bytes += n;
        len -= (size_t)n;
        if (len > 0)
            r = wait_for_room(wb, returned);
    }
    readahead_drop(fs->readahead, inode->ino);
    return r;
}

/* ---- attributes that follow the bytes ---- */

#define DEFERRABLE                                                                                                     \
    (POSIX_SET_MODE | POSIX_SET_UID | POSIX_SET_GID | POSIX_SET_ATIME | POSIX_SET_MTIME | POSIX_SET_ATIME_NOW |        \
     POSIX_SET_MTIME_NOW)

static void show_set(struct posix_attr *attr, const struct posix_op *set)
{
    if (set->valid & POSIX_SET_MODE)
        attr->mode = set->mode;
    if (set->valid & POSIX_SET_UID)
        attr->uid = set->uid;
    if (set->valid & POSIX_SET_GID)
        attr->gid = set->gid;
    if (set->valid & POSIX_SET_ATIME)
        attr->atime = set->atime;
    if (set->valid & POSIX_SET_MTIME)
        attr->mtime = set->mtime;
    if (set->valid & POSIX_SET_CTIME)
        attr->ctime = set->ctime;
}

/* The time of the last write is shown, so the server has to take it over: a time that was seen must not change. */
static void show_written(struct wfile *f, struct posix_attr *attr)
{
    uint64_t end = dirty_end(&f->dirty);
    struct posix_op times = {.mtime = f->mtime, .ctime = f->mtime};

    if (end > attr->size) {
        attr->blocks += end - attr->size;
        attr->size = end;
    }
    if (!(f->later.valid & POSIX_SET_MTIME))
        times.valid |= POSIX_SET_MTIME;
    if (!(f->later.valid & POSIX_SET_CTIME))
        times.valid |= POSIX_SET_CTIME;
    if (times.valid)
        later_add(f, &times);
}

bool writeback_show(struct inode *inode, struct posix_attr *attr)
{
    struct wfile *f = inode->written;

    if (!f || wfile_idle(f))
        return false;
    show_set(attr, &f->sent);
    if (!dirty_empty(&f->dirty))
        show_written(f, attr);
    show_set(attr, &f->later);
    return true;
}

bool writeback_defer(struct fs *fs, struct inode *inode, const struct posix_op *op, struct posix_attr *ret_attr)
{
    int64_t now = clock_real_ns();
    struct posix_op set = *op;
    bool deferred = false;

    if (op->valid & ~DEFERRABLE)
        return false;
    if (op->valid & POSIX_SET_ATIME_NOW)
        set.atime = now;
    if (op->valid & POSIX_SET_MTIME_NOW)
        set.mtime = now;
    set.valid |= (op->valid & POSIX_SET_ATIME_NOW ? POSIX_SET_ATIME : 0) | POSIX_SET_CTIME |
                 (op->valid & POSIX_SET_MTIME_NOW ? POSIX_SET_MTIME : 0);
    set.valid &= ~(POSIX_SET_ATIME_NOW | POSIX_SET_MTIME_NOW);
    set.ctime = now;
    pthread_mutex_lock(&inode->lock);
    if (inode->young && fs_knows(fs, inode) && wfile_of(fs->writeback, inode)) {
        later_add(inode->written, &set);
        queue_update(fs->writeback, inode->written);
        *ret_attr = inode->attr;
        deferred = true;
    }
    pthread_mutex_unlock(&inode->lock);
    return deferred;
}

/* ---- reading ---- */

int writeback_overlay(struct inode *inode, uint64_t off, size_t len, char *out, struct gap ret_gaps[DIRTY_GAPS_MAX],
                      uint64_t *ret_size)
{
    int r = 1;

    ret_gaps[0] = (struct gap){off, len};
    *ret_size = 0;
    pthread_mutex_lock(&inode->lock);
    struct wfile *f = inode->written;
    if (f && !dirty_empty(&f->dirty)) {
        *ret_size = dirty_end(&f->dirty);
        r = dirty_overlay(&f->dirty, off, len, out, ret_gaps);
    }
    pthread_mutex_unlock(&inode->lock);
    return r;
}

/* ---- errors ---- */

void writeback_error_begin(struct inode *inode, struct errors_seen *ret_seen)
{
    pthread_mutex_lock(&inode->lock);
    struct wfile *f = inode->written;
    *ret_seen = (struct errors_seen){.told = f ? f->errors - (f->errors > 0 && !f->error_told) : 0};
    pthread_mutex_unlock(&inode->lock);
}

int writeback_error(struct inode *inode, struct errors_seen *seen)
{
    int error = 0;

    pthread_mutex_lock(&inode->lock);
    struct wfile *f = inode->written;
    if (f && f->errors != seen->told) {
        seen->told = f->errors;
        f->error_told = true;
        error = f->error;
    }
    pthread_mutex_unlock(&inode->lock);
    return error;
}

int writeback_error_early(struct inode *inode, struct errors_seen *seen)
{
    int error = 0;

    pthread_mutex_lock(&inode->lock);
    struct wfile *f = inode->written;
    if (f && f->errors != seen->told) {
        seen->refused = seen->early == f->errors ? seen->refused + 1 : 1;
        seen->early = f->errors;
        error = seen->refused <= 2 ? f->error : 0;
    }
    pthread_mutex_unlock(&inode->lock);
    return error;
}
