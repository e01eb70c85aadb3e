#include <stdlib.h>

#include "fs/writeback_priv.h"

struct wfile *wfile_of(struct writeback *wb, struct inode *inode)
{
    if (inode->written)
        return inode->written;
    struct wfile *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->inode = inode;
    f->due = INT64_MAX;
    dirty_init(&f->dirty, wb->slab);
    cond_init(&f->changed);
    inode->written = f;
    return f;
}

void writeback_forget(struct inode *inode)
{
    struct wfile *f = inode->written;

    if (!f)
        return;
    dirty_release(&f->dirty);
    pthread_cond_destroy(&f->changed);
    free(f);
    inode->written = NULL;
}

bool wfile_idle(const struct wfile *f)
{
    return dirty_empty(&f->dirty) && !f->later.valid && !f->sent.valid;
}

int64_t wfile_due(const struct wfile *f)
{
    int64_t age = f->flushing ? 0 : AGE_NS;

    if (!dirty_empty(&f->dirty))
        return dirty_due(&f->dirty, age);
    return f->later.valid && !f->sent.valid ? f->later_since + age : INT64_MAX;
}

void wfile_error(struct wfile *f, int error)
{
    f->error = error;
    f->errors++;
    f->error_told = false;
}

/* ---- attributes that follow the bytes ---- */

/* Puts what op sets over what to sets; op has no "now". */
static void later_merge(struct posix_op *to, const struct posix_op *op)
{
    if (op->valid & POSIX_SET_MODE)
        to->mode = op->mode;
    if (op->valid & POSIX_SET_UID)
        to->uid = op->uid;
    if (op->valid & POSIX_SET_GID)
        to->gid = op->gid;
    if (op->valid & POSIX_SET_ATIME)
        to->atime = op->atime;
    if (op->valid & POSIX_SET_MTIME)
        to->mtime = op->mtime;
    if (op->valid & POSIX_SET_CTIME)
        to->ctime = op->ctime;
    to->valid |= op->valid;
}

void later_add(struct wfile *f, const struct posix_op *op)
{
    if (!f->later.valid) {
        f->later = (struct posix_op){.code = POSIX_SETATTR, .ino = f->inode->ino};
        f->later_since = clock_mono_ns();
    }
    later_merge(&f->later, op);
}

void later_take(struct wfile *f)
{
    f->sent = f->later;
    f->later.valid = 0;
}

void later_sent(struct wfile *f)
{
    f->sent.valid = 0;
}

void later_unsent(struct wfile *f)
{
    struct posix_op newer = f->later;

    if (!f->sent.valid)
        return;
    f->later = f->sent;
    later_merge(&f->later, &newer);
    f->sent.valid = 0;
}
